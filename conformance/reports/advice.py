"""What a kernel is advised of: it fails by none of it unless its developer wants to be strict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from conformance.verdicts.verdict import Report, Row


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

    @property
    def sentence(self) -> str:
        details = f": {'; '.join(self.details)}" if self.details else ""
        return f"{', '.join(self.operations)}: {self.what}{details}"


def advice(report: Report) -> list[Advice]:
    """Everything that a kernel is advised of, each thing once."""
    rows: dict[str, list[tuple[Row, str, str]]] = {}  # by what it does, each with a detail and its case
    for row in report.rows:
        for message, case in row.advice.items():
            what, _, detail = message.partition(": ")
            rows.setdefault(what, []).append((row, detail, case))
    return [_advice(what, shown) for what, shown in rows.items()]


def _advice(what: str, shown: Sequence[tuple[Row, str, str]]) -> Advice:
    first, _, case = shown[0]
    operations = dict.fromkeys(row.unit.operation for row, _, _ in shown)
    details = dict.fromkeys(detail for _, detail, _ in shown if detail)
    return Advice(
        what, list(operations), list(details), case, "" if first.refuses else first.unit.requirement
    )
