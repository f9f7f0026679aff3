"""The report as SARIF 2.1.0, which code-scanning views show beside the kernel's source."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from conformance.explanations import explanation
from conformance.kernels.own import from_here
from conformance.reports.brief import decides, every_failure, excuse, fingerprint, found_by
from conformance.reports.lines import printable

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

Data = Mapping[str, Any]

_RULES = {  # a kind of finding: its level, and what it is
    "differs": (
        "error",
        "An answer is not the one that is right, or further from it than rounding explains.",
    ),
    "refused": ("error", "The kernel refuses arguments that PyTorch takes and that it claims."),
    "raised": ("error", "An exception that is not the kernel's own comes out of a call."),
    "crashed": ("error", "A call ends its process by a signal."),
    "hung": ("error", "A call takes longer than it may."),
    "exited": ("error", "A call ends its process."),
    "out of memory": ("error", "A call takes more memory than there is."),
    "oracle died": ("error", "The trusted answer could not be had: its process ended."),
    "oracle raised": ("error", "The trusted answer could not be had: an exception came instead."),
    "stale known failure": ("error", "A known failure no longer fails: it would hide the next mistake."),
    "advice": ("warning", "What a careful kernel would not do, and no answer depends on."),
    "no case ran": ("note", "Lines of the kernel that no case ran, of which nothing is known."),
}
_HELP = "{} The message has the smallest case, and the command that runs it again."
_IDS = {name: name.replace(" ", "-") for name in _RULES}
_ORDER = list(_RULES)


def render(data: Data) -> str:
    """The text of the file."""
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(data)]}
    return json.dumps(log, indent=1, allow_nan=False) + "\n"


def _run(data: Data) -> dict[str, Any]:
    name = data["subject"]["name"]
    return {
        "tool": {"driver": {
            "name": "conformance",
            "version": data["versions"].get("npcnn-conformance", "unknown"),
            "rules": [_rule(*each) for each in _RULES.items()],
        }},
        "automationDetails": {"id": f"conformance/{name}/"},
        "invocations": [_invocation(data)],
        "columnKind": "unicodeCodePoints",
        "results": [*_failures(data), *_stale(data), *_advice(data), *_unreached(data)],
        "properties": {
            "subject": name, "verdict": data["verdict"], "conclusion": data["conclusion"]["because"],
            **{each: data[each] for each in ("cases", "oracle", "profile", "seed", "versions")},
        },
    }  # fmt: skip


def _rule(name: str, said: tuple[str, str]) -> dict[str, Any]:
    level, text = said
    return {
        "id": _IDS[name],
        "shortDescription": {"text": f"{name[0].upper()}{name[1:]}"},
        "fullDescription": {"text": text},
        "help": {"text": _HELP.format(text), "markdown": explanation(name)},
        "defaultConfiguration": {"level": level},
    }


def _invocation(data: Data) -> dict[str, Any]:
    started = {"startTimeUtc": data["started"].replace("+00:00", "Z")} if data["started"] else {}
    line = {"commandLine": data["command"]} if data["command"] else {}
    return {"executionSuccessful": data["verdict"] != "interrupted", **line, **started}


def _result(rule: str, message: str, mark: str, places: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {
        "ruleId": _IDS[rule],
        "ruleIndex": _ORDER.index(rule),
        "level": _RULES[rule][0],
        "message": {"text": message},
        "locations": places,
        "partialFingerprints": {
            "conformance/v1": mark,
            "primaryLocationLineHash": mark,
        },  # GitHub's name for it
        **more,
    }


def _failures(data: Data) -> Iterator[dict[str, Any]]:
    for failure in data["failures"]:
        message = "\n".join(map(printable, _message(failure)))
        result = _result(failure["status"], message, fingerprint(failure), _of_failure(data, failure))
        if not decides(failure):
            kind = "inSource" if failure["known"] else "external"
            result |= {"level": "note", "suppressions": [{"kind": kind, "justification": excuse(failure)}]}
        if data["baseline"]:
            result["baselineState"] = "unchanged" if failure["baseline"] else "new"
        if others := [place for each in failure["also"] for place in _of_failure(data, each)]:
            result["relatedLocations"] = [{"id": number, **place} for number, place in enumerate(others)]
        kept = ("operation", "output", "status", "case", "replay", "diagnosis", "where", "found_by")
        yield result | {"properties": {name: failure[name] for name in kept}}


def _message(failure: Data) -> Iterator[str]:
    yield f"{failure['operation']}: {failure['message']}"
    said = {
        "smallest case": failure["case"], "looks like": failure["diagnosis"], "where": failure["where"],
        "raised at": failure["raised_at"], "found by": found_by(failure), "run it again": failure["replay"],
    }  # fmt: skip
    yield from (f"{label}: {text}" for label, text in said.items() if text)
    for other in every_failure(failure["also"]):
        yield f"also seen as: {other['output']} {other['status']} on {other['case']}"


def _of_failure(data: Data, failure: Data) -> list[dict[str, Any]]:
    """Where the function stands that gives the output: the backward of a gradient, if there is one."""
    operation = failure["operation"]
    halves = (
        ("_double_backward", "_backward") if failure["output"].startswith("grad_grad") else ("_backward",)
    )
    tried = [f"{operation}{half}" for half in halves] if failure["output"].startswith("grad_") else []
    return _of_functions(data, [*tried, operation])


def _of_functions(data: Data, names: list[str]) -> list[dict[str, Any]]:
    """Where the first of these functions stands; the subject where none is known: GitHub takes no result without."""
    functions = data["subject"]["functions"]
    for name in names:
        if name in functions:
            return [_place(functions[name]["file"], functions[name]["line"], function=name)]
    return [_place(data["subject"]["name"].partition(":")[0] or "subject", 1)]


def _place(file: str, line: int, last: int = 0, function: str = "") -> dict[str, Any]:
    region = {"startLine": line, **({"endLine": last} if last else {})}
    where: dict[str, Any] = {"physicalLocation": {"artifactLocation": _file(file), "region": region}}
    if function:
        where["logicalLocations"] = [{"name": function, "kind": "function"}]
    return where


def _file(file: str) -> dict[str, str]:
    """A path from the root of the repository, where the run is begun."""
    return {"uri": quote(file), "uriBaseId": "%SRCROOT%"}


def _stale(data: Data) -> Iterator[dict[str, Any]]:
    for case in data["stale_known_failures"]:
        operation = case.partition(" ")[0]
        message = f"{case} is a known failure and no longer fails: take it out of known_failures"
        yield _result("stale known failure", message, case, _of_functions(data, [operation]))


def _advice(data: Data) -> Iterator[dict[str, Any]]:
    for each in data["advice"]:
        details = f": {'; '.join(each['details'])}" if each["details"] else ""
        operations = ", ".join(each["operations"])
        message = f"{operations}: {each['what']}{details}\nas by: {each['case']}"
        yield _result(
            "advice", message, f"{operations} {each['what']}", _of_functions(data, each["operations"][:1])
        )


def _unreached(data: Data) -> Iterator[dict[str, Any]]:
    marks: Counter[str] = Counter()  # how many there were of each: a function may have two such places
    for each in data["unreached"]["places"]:
        file = from_here(each["file"])
        mark = f"{file} {each['why']}"
        marks[mark] += 1
        numbered = f"{mark} {marks[mark]}" if marks[mark] > 1 else mark
        place = _place(file, each["first"], each["last"])
        yield _result("no case ran", f"no case ran this: {each['why']}", numbered, [place])
