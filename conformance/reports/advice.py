"""What a kernel is advised of: it fails by none of it unless its developer wants to be strict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from conformance.verdicts.verdict import Report


@dataclass(frozen=True)
class Advice:
    """One thing that a kernel does.

    what        it does, as "bad arguments answered"
    operations  that do it
    details     when, where that is known: "stride=0 is below 1"
    case        the first that shows it
    requirement under which it does, where it must be named
    """

    what: str
    operations: Sequence[str]
    details: Sequence[str]
    case: str
    requirement: str = ""


def advice(report: Report) -> list[Advice]:
    """Everything that a kernel is advised of, each thing once."""
    named: dict[str, str] = {}
    cases: dict[str, dict[str, str]] = {}  # by what it does: the detail of each message, with its case
    operations: dict[str, dict[str, None]] = {}
    for row in report.rows:
        for message, case in row.advice.items():
            what, _, detail = message.partition(": ")
            cases.setdefault(what, {}).setdefault(detail, case)
            operations.setdefault(what, {})[row.unit.operation] = None
            named.setdefault(what, "" if row.refuses else row.unit.requirement)
    return [
        Advice(what, list(operations[what]), [d for d in of if d], next(iter(of.values())), named[what])
        for what, of in cases.items()
    ]
