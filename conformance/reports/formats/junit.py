"""The report as JUnit XML, as Jenkins and GitLab read it: a suite for each operation, a case for each row."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from conformance.reports.brief import decides, every_failure, excuse, limits
from conformance.reports.lines import printable

_PASSED = ("conforms", "advice")
_SKIPPED = ("not claimed", "known failure", "framework fault")

Data = Mapping[str, Any]


def render(data: Data) -> str:
    """The text of the file."""
    root = ET.Element("testsuites", name=_plain(f"conformance {data['subject']['name']}"))
    for operation in dict.fromkeys(row["operation"] for row in data["rows"]):
        root.append(_suite(data, operation))
    for suite in _others(data, failed=root.find("*/testcase/failure") is not None):
        root.append(suite)
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, 0)) for suite in root)))
    root.set("time", f"{data['seconds']:.3f}")
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(data: Data, operation: str) -> ET.Element:
    """A case for each output, requirement and dtype; the time of a unit, all outputs together, at the first of it."""
    rows = [row for row in data["rows"] if row["operation"] == operation]
    failures = [each for each in every_failure(data["failures"]) if each["operation"] == operation]
    cases, timed = [], set()
    for row in rows:
        unit = row["requirement"], row["dtype"]
        case = _case(data, operation, f"{row['output']} {row['requirement']} {row['dtype']}")
        case.set("time", f"{0.0 if unit in timed else row['seconds']:.3f}")
        timed.add(unit)
        case.extend(_outcome(row, [each for each in failures if _is_of(each, row)], data))
        cases.append(case)
    return _of_cases(data, operation, cases)


def _case(data: Data, classname: str, name: str) -> ET.Element:
    return ET.Element(
        "testcase", classname=_plain(f"{data['subject']['name']}.{classname}"), name=_plain(name)
    )


def _of_cases(data: Data, name: str, cases: list[ET.Element]) -> ET.Element:
    suite = ET.Element("testsuite", name=_plain(name), tests=str(len(cases)), errors="0")
    for kind, tag in (("failures", "failure"), ("skipped", "skipped")):
        suite.set(kind, str(sum(case.find(tag) is not None for case in cases)))
    suite.set("time", f"{sum(float(case.get('time', 0)) for case in cases):.3f}")
    if data["started"]:
        suite.set("timestamp", data["started"][:19])  # its schema has no time zone
    properties = ET.SubElement(suite, "properties")
    for key, value in _properties(data).items():
        ET.SubElement(properties, "property", name=key, value=_plain(value))
    suite.extend(cases)
    return suite


def _properties(data: Data) -> dict[str, str]:
    of_run = {name: str(data[name]) for name in ("oracle", "profile", "seed", "command", "verdict")}
    versions = {f"version of {name}": version for name, version in data["versions"].items()}
    return of_run | versions | {"limits": "; ".join(limits(data))}


def _is_of(failure: Data, row: Data) -> bool:
    unit = {"requirement": row["requirement"], "dtype": row["dtype"]}
    return failure["output"] == row["output"] and unit in failure["found_by"]


def _outcome(row: Data, failures: list[Data], data: Data) -> Iterator[ET.Element]:
    """Nothing where it conforms; what is wrong and how to see it again, or why it is not judged."""
    verdict = row["verdict"]
    if verdict in _SKIPPED:
        yield ET.Element("skipped", message=_plain(f"{verdict}: {_why(row, failures, data)}".rstrip(": ")))
    elif verdict not in _PASSED:
        shown = [each for each in failures if decides(each)]
        yield _failure(verdict, shown[0]["message"] if shown else _UNTESTED, map(_body, shown))
    if row["cases_not_claimed"] and verdict != "not claimed":
        yield _said(f"{row['cases_not_claimed']:,} further cases are not claimed")


_UNTESTED = "no case, or none whose expected answer varies"


def _why(row: Data, failures: Iterable[Data], data: Data) -> str:
    if row["verdict"] == "not claimed":
        features = (each for each in data["not_claimed"] if each["operation"] == row["operation"])
        return next((each["reason"] for each in features if each["feature"] == row["output"]), "")
    return next((excuse(each) for each in failures if not decides(each)), "")


def _failure(kind: str, message: str, body: Iterable[str]) -> ET.Element:
    element = ET.Element("failure", type=kind, message=_plain(message))
    element.text = "\n\n".join(body)
    return element


def _said(text: str) -> ET.Element:
    element = ET.Element("system-out")
    element.text = _plain(text)
    return element


def _body(failure: Data) -> str:
    said = {
        "": failure["message"], "smallest case": failure["case"], "raised at": failure["raised_at"],
        "looks like": failure["diagnosis"], "where": failure["where"], "run it again": failure["replay"],
    }  # fmt: skip
    return "\n".join(f"{label}: {_plain(text)}".removeprefix(": ") for label, text in said.items() if text)


def _others(data: Data, failed: bool) -> Iterator[ET.Element]:
    """What fails a run beside its rows: known failures that no longer fail, and verdicts of the whole."""
    stale = []
    for text in data["stale_known_failures"]:
        stale.append(_case(data, "known failures", text))
        stale[-1].append(
            _failure("stale known failure", "it no longer fails: take it out of known_failures", [])
        )
    if stale:
        yield _of_cases(data, "known failures", stale)
    if not (data["passed"] or failed or stale):
        case = _case(data, "verdict", "verdict")
        case.append(_failure(data["verdict"], data["conclusion"]["because"], []))
        yield _of_cases(data, "verdict", [case])


def _plain(text: str) -> str:
    """Without what XML has no place for."""
    return printable(text)
