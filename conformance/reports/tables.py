"""The verdicts of an operation as a table: a row for each requirement, a column for each output."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from conformance.operations import OPERATIONS
from conformance.verdicts.judgement import ADVICE
from conformance.verdicts.verdict import Row


@dataclass(frozen=True)
class Cell:
    """One output under one requirement, over all dtypes.

    dtypes   those that the verdict is about, where it is not about all
    """

    verdict: str
    cases: int
    share: float
    dtypes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """The cells of an operation, by requirement and output."""

    operation: str
    outputs: tuple[str, ...]
    cells: Mapping[str, Mapping[str, Cell]]


def tables(rows: Iterable[Row]) -> list[Table]:
    """One table for each operation."""
    grouped: dict[str, dict[str, dict[str, list[Row]]]] = {}
    for row in rows:
        requirements = grouped.setdefault(row.unit.operation, {})
        requirements.setdefault(row.unit.requirement, {}).setdefault(row.output, []).append(row)
    return [_table(operation, requirements) for operation, requirements in grouped.items()]


def _table(operation: str, requirements: Mapping[str, Mapping[str, Sequence[Row]]]) -> Table:
    cells = {name: {output: cell(rows) for output, rows in of.items()} for name, of in requirements.items()}
    there = {output for of in cells.values() for output in of}
    outputs = tuple(output for output in OPERATIONS[operation].outputs if output in there)
    return Table(operation, outputs, cells)


def cell(rows: Sequence[Row]) -> Cell:
    """The worst verdict of an output's rows in several dtypes."""
    worst = max((row.verdict for row in rows), key=severity)
    dtypes = tuple(row.unit.dtype for row in rows if row.verdict == worst)
    share, cases = max(row.share for row in rows), sum(row.cases for row in rows)
    return Cell(worst, cases, share, dtypes if len(dtypes) < len(rows) else ())


def severity(verdict: str) -> int:
    """How bad a verdict is among those of several dtypes."""
    return MILD.index(verdict) if verdict in MILD else len(MILD)


MILD = ("not claimed", "conforms", ADVICE, "framework fault", "known failure", "untested")
