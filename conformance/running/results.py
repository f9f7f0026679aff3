"""What is finished of a run: another one goes on from there, whether that was interrupted, a part, or elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from conformance.cases import Case
from conformance.verdicts.verdict import Failure, Row, Unit


class Judged(NamedTuple):
    """A unit: its rows, and the lines of the subject that its cases ran first."""

    rows: list[Row]
    lines: Mapping[str, Any]


@dataclass(frozen=True)
class Searched:
    """A search in one operation that is over.

    asked    how many cases
    reached  stretches that came to run, by file and number, each with its first case
    cases    that are to be judged
    """

    operation: str
    requirement: str
    asked: int
    reached: tuple[tuple[str, int, str], ...] = ()
    cases: tuple[Case, ...] = ()


class Results:
    """The units that are judged and the searches that are over; each is plain data, and may be kept as a line of JSON.

    taken   cases whose verdicts another run found
    closed  whether nothing more is to be judged: the run was interrupted
    lost    why the rest is not kept, where it should be: the file, and the error
    """

    def __init__(self) -> None:
        self.taken = 0
        self.closed = False
        self.lost: tuple[str, str] | None = None
        self._units: dict[Unit, Judged] = {}
        self._searches: dict[tuple[str, str], Searched] = {}

    def judged(self, unit: Unit) -> Judged | None:
        """What is found of a unit; None where it is still to be judged."""
        return self._units.get(unit)

    def failures_of(self, units: Iterable[Unit]) -> list[Failure]:
        """Of those units that are judged."""
        judged = [self._units[unit] for unit in units if unit in self._units]
        return [failure for each in judged for row in each.rows for failure in row.failures]

    @property
    def failures(self) -> list[Failure]:
        """Of all units that are judged."""
        return self.failures_of(self._units)

    def searched(self, operation: str, requirement: str) -> Searched | None:
        """What a search found; None where there was none yet."""
        return self._searches.get((operation, requirement))

    def take(self, line: Mapping[str, Any]) -> None:
        """What another run kept."""
        if "unit" in line:
            rows = [Row.from_data(data) for data in line["rows"]]
            self._units[Unit(**line["unit"])] = Judged(rows, line["lines"])
            self.taken += max((row.cases for row in rows), default=0)
        else:
            of = line["searched"]
            told = {"reached": tuple(map(tuple, of["reached"])), "cases": tuple(map(Case.parse, of["cases"]))}
            self._searches[of["operation"], of["requirement"]] = Searched(**of | told)

    def keep(self, unit: Unit, rows: list[Row], lines: Mapping[str, Any]) -> None:
        """What this run found of a unit."""
        self._units[unit] = Judged(rows, lines)
        self._write(unit_line(unit, self._units[unit]))

    def keep_search(self, searched: Searched) -> None:
        self._searches[searched.operation, searched.requirement] = searched
        self._write(_search_line(searched))

    @property
    def lines(self) -> list[dict[str, Any]]:
        """All of it as plain data, for JSON."""
        units = [unit_line(unit, judged) for unit, judged in self._units.items()]
        return units + [_search_line(each) for each in self._searches.values()]

    def _write(self, line: dict[str, Any]) -> None:
        """Where it is kept, if anywhere."""


def unit_line(unit: Unit, judged: Judged) -> dict[str, Any]:
    """A unit as plain data."""
    return {"unit": asdict(unit), "rows": [row.as_data() for row in judged.rows], "lines": judged.lines}


def _search_line(searched: Searched) -> dict[str, Any]:
    return {"searched": vars(searched) | {"cases": [str(case) for case in searched.cases]}}
