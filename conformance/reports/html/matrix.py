"""The verdicts as a table for each operation: a row for each requirement, a column for each output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.reports import brief
from conformance.reports.html.findings import Shown
from conformance.reports.tables import MILD
from conformance.requirements import REQUIREMENTS
from conformance.verdicts.judgement import GRAVEST

Data = Mapping[str, Any]
GOOD, QUIET, UNTESTED = "conforms", "not claimed", "untested"


@dataclass(frozen=True)
class Cell:
    """What all dtypes say of an output under a requirement.

    verdicts  the gravest first, each with the dtypes that it is about, where it is not about all, and the finding
              that it comes from
    tone      good, bad, odd or quiet
    """

    verdicts: Sequence[tuple[str, Sequence[str], str]]
    tone: str
    cases: int
    share: float


@dataclass(frozen=True)
class Matrix:
    """The cells of an operation by requirement and output; how many are wrong, and all of them in words with a tone."""

    operation: str
    outputs: Sequence[str]
    rows: Mapping[str, Mapping[str, Cell]]
    failing: int
    tone: str
    words: str


def matrices(data: Data, findings: Sequence[Shown]) -> list[Matrix]:
    """One for each operation."""
    grouped: dict[str, dict[str, dict[str, list[Data]]]] = {}
    for row in data["rows"]:
        requirements = grouped.setdefault(row["operation"], {})
        requirements.setdefault(row["requirement"], {}).setdefault(row["output"], []).append(row)
    anchors = _anchors(findings)
    return [_matrix(operation, rows, anchors) for operation, rows in grouped.items()]


def asks(requirement: str) -> str:
    """What a requirement asks; nothing of one that this version does not know."""
    return REQUIREMENTS[requirement].asks if requirement in REQUIREMENTS else ""


_Key = tuple[str, ...]  # operation, output, requirement, and what is wrong


def _anchors(findings: Sequence[Shown]) -> dict[_Key, str]:
    """The first finding of each cell and status, and of each cell."""
    anchors: dict[_Key, str] = {}
    for finding in findings:
        for each in brief.every_failure([finding.failure]):
            for by in each["found_by"]:
                cell = each["operation"], each["output"], by["requirement"]
                anchors.setdefault(cell, finding.anchor)
                anchors.setdefault((*cell, each["status"]), finding.anchor)
    return anchors


def _matrix(
    operation: str, rows: Mapping[str, Mapping[str, Sequence[Data]]], anchors: Mapping[_Key, str]
) -> Matrix:
    outputs = list(dict.fromkeys(output for of in rows.values() for output in of))
    cells = {
        requirement: {output: _cell(of[output], anchors) for output in of} for requirement, of in rows.items()
    }
    every = [cell for of in cells.values() for cell in of.values()]
    failing = sum(cell.tone == "bad" for cell in every)
    return Matrix(operation, outputs, cells, failing, *_summary(every, failing))


def _summary(cells: Sequence[Cell], failing: int) -> tuple[str, str]:
    """A tone and words for all cells of an operation."""
    if failing:
        return "bad", f"{failing} wrong"
    if any(verdict == UNTESTED for cell in cells for verdict, _, _ in cell.verdicts):
        return "odd", "partly untested"
    return (
        ("good", "nothing wrong")
        if any(cell.tone == "good" for cell in cells)
        else ("quiet", "nothing judged")
    )


def _cell(rows: Sequence[Data], anchors: Mapping[_Key, str]) -> Cell:
    cell = tuple(rows[0][name] for name in ("operation", "output", "requirement"))
    first = anchors.get(cell, "")
    verdicts = [(verdict, of, anchors.get((*cell, verdict), first)) for verdict, of in _verdicts(rows)]
    share = max(row["worst_share"] or 0.0 for row in rows)
    return Cell(verdicts, _tone(verdicts[0][0]), sum(row["cases"] for row in rows), share)


def _verdicts(rows: Sequence[Data]) -> list[tuple[str, Sequence[str]]]:
    """All that are wrong, or the worst of those that are not."""
    dtypes: dict[str, list[str]] = {}
    for row in sorted(rows, key=lambda row: -_severity(row["verdict"])):
        dtypes.setdefault(row["verdict"], []).append(row["dtype"])
    wrong = [verdict for verdict in dtypes if _tone(verdict) == "bad"] or list(dtypes)[:1]
    return [(verdict, dtypes[verdict] if len(dtypes) > 1 else ()) for verdict in wrong]


def _severity(verdict: str) -> int:
    if verdict in MILD:
        return MILD.index(verdict)
    return len(MILD) + (GRAVEST[::-1].index(verdict) if verdict in GRAVEST else 0)


def _tone(verdict: str) -> str:
    return "good" if verdict == GOOD else "quiet" if verdict == QUIET else "odd" if verdict in MILD else "bad"
