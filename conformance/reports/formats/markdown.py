"""The report as Markdown that fits a CI job summary: the verdict, what limits it, a table, each finding."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from conformance.reports.brief import counted, decides, every_failure, excuse, found_by, limits, worst
from conformance.reports.lines import plural, printable

MOST = 1 << 20  # bytes that GitHub takes of a step's summary
ROOM = 1 << 10  # of them, for saying what is left out

Data = Mapping[str, Any]


def render(data: Data) -> str:
    """The text, cut between two of its parts where it would be too long; what is cut is said."""
    parts = [*_head(data), *_limits(data), *_tables(data), *_findings(data), *_advice(data), *_foot(data)]
    written: list[str] = []
    size = 0
    for part in parts:
        size += len(part.encode()) + 1
        if size > MOST - ROOM:
            written.append(_left_out(parts[len(written) :]))
            break
        written.append(part)
    return "\n".join(written)


def _left_out(parts: Iterable[str]) -> str:
    count = sum(part.startswith("### ") for part in parts)
    what = plural(count, "finding") if count else "the rest"
    return f"**Left out here: {what}.** A job summary has room for 1 MiB; the JSON report has all.\n"


def _head(data: Data) -> Iterator[str]:
    last = data["conclusion"]
    yield f"## {_code(data['subject']['name'] or 'subject')} {_text(last['words'])}\n"
    yield f"{_text(last['because'])}\n"
    yield f"{_text(counted(data))}\n"
    for case in data["stale_known_failures"]:
        yield f"**Stale:** a known failure no longer fails, take it out of known_failures: {_code(case)}\n"


def _limits(data: Data) -> Iterator[str]:
    if sentences := limits(data):
        yield "## What limits it\n"
        yield from (f"- {_text(each)}" for each in sentences)
        yield ""


def _tables(data: Data) -> Iterator[str]:
    """A table for each operation: a row for each requirement, a column for each output."""
    for operation in dict.fromkeys(row["operation"] for row in data["rows"]):
        rows = [row for row in data["rows"] if row["operation"] == operation]
        outputs = list(dict.fromkeys(row["output"] for row in rows))
        yield _row([operation, *outputs])
        yield _row(["---"] * (1 + len(outputs)))
        for requirement in dict.fromkeys(row["requirement"] for row in rows):
            of = [row for row in rows if row["requirement"] == requirement]
            yield _row(
                [requirement, *(_cell([row for row in of if row["output"] == each]) for each in outputs)]
            )
        yield ""


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(rows: list[Data]) -> str:
    if not rows:
        return ""
    verdict, dtypes = worst(rows)
    share, cases = max(row["worst_share"] or 0 for row in rows), sum(row["cases"] for row in rows)
    if verdict == "not claimed":
        return "not claimed"
    if verdict == "conforms":
        return f"{cases:,} ok{f' {share:.2f}' if share else ''}"
    return f"{cases:,} **{verdict}**" + (f" ({', '.join(dtypes)})" if dtypes else "")


def _findings(data: Data) -> Iterator[str]:
    if data["failures"]:
        yield "## Findings\n"
    for failure in data["failures"]:
        yield "\n".join(_finding(failure))


def _finding(failure: Data) -> Iterator[str]:
    yield f"### {failure['operation']} {failure['output']} {_verdict(failure)}\n"
    yield f"{_text(failure['message'])}\n"
    yield f"- smallest case: {_code(failure['case'])}"
    for name, label in _SAID.items():
        if failure[name]:
            yield f"- {label}: {_text(failure[name])}"
    if why := excuse(failure):
        yield f"- decides nothing: {_text(why)}"
    yield f"- found by: {_text(found_by(failure))}"
    for other in every_failure(failure["also"]):
        looks = f", which looks like {other['diagnosis']}" if other["diagnosis"] else ""
        what = f"{other['output']} {other['status']} by {found_by(other)}{looks}"
        yield f"- also seen as: {_text(what)}, on {_code(other['case'])}"
    yield ""
    if failure["replay"]:
        yield f"{_block(failure['replay'], 'sh')}\n"


_SAID = {"diagnosis": "looks like", "where": "where", "raised_at": "raised at"}


def _verdict(failure: Data) -> str:
    if decides(failure):
        return str(failure["status"])
    return f"{failure['status']} ({'framework fault' if failure['fault'] else 'known failure'})"


def _advice(data: Data) -> Iterator[str]:
    if data["advice"]:
        yield "## Advice\n"
    for each in data["advice"]:
        details = f": {'; '.join(each['details'])}" if each["details"] else ""
        yield f"- {', '.join(each['operations'])}: {_text(each['what'] + details)}, as by {_code(each['case'])}"


def _foot(data: Data) -> Iterator[str]:
    versions = ", ".join(f"{name} {version}" for name, version in data["versions"].items())
    yield f"\n{_text(versions)}" + (f"; {_code(data['command'])}" if data["command"] else "") + "\n"


# Whatever a kernel is called and says, it stays text.


def _text(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|~&$@])", r"\\\1", printable(text))


def _code(text: str) -> str:
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{printable(text)}{pad}{fence}"


def _block(text: str, language: str) -> str:
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    lines = "\n".join(map(printable, text.rstrip().splitlines()))
    return f"{fence}{language}\n{lines}\n{fence}"
