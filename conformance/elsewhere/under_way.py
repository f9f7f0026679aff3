"""What of a subject is judged, and what may be judged next: units of an operation, and parts of a long one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from conformance.elsewhere.order import Answer, Part, Work
from conformance.running.failures import with_seen
from conformance.running.merge import joined
from conformance.running.results import Judged, unit_line
from conformance.verdicts.verdict import Row, Unit

Line = dict[str, Any]  # of a journal


@dataclass
class Long:
    """A unit that is judged in parts, side by side: those that are there by where they begin.

    size  cases of a part: as many as were judged in the time that one may take
    next  where the next part begins
    out   parts that are not there yet
    end   whether the last part is known
    """

    size: int
    next: int
    parts: dict[int, Part] = field(default_factory=dict)
    out: int = 0
    end: bool = False

    def take(self, part: Part) -> None:
        self.parts[part.start] = part
        self.end = self.end or part.ended

    @property
    def fails(self) -> bool:
        return any(part.fails for part in self.parts.values())

    def line(self, unit: Unit) -> Line:
        """All parts as one unit."""
        parts = [self.parts[start] for start in sorted(self.parts)]
        rows = joined([[Row.from_data(data) for data in part.line["rows"]] for part in parts])
        return unit_line(unit, Judged(rows, together(part.line["lines"] for part in parts)))


def together(every: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What several processes, or one of them again and again, told of the lines that ran."""
    told = [each for each in every if each]
    lines: dict[str, Any] = {"unknown": next((each["unknown"] for each in told if each["unknown"]), "")}
    return lines | {name: [one for each in told for one in each[name]] for name in ("stretches", "ran")}


@dataclass
class Operation:
    """The units of an operation of a subject, in their order, and how far they are.

    known    units that are judged, each with its line
    long     units that are judged in parts
    seen     parts of units that are judged again, as one of them fails
    failing  whether any fails: then what comes later is judged in turn, since it hangs on what failed before it
    """

    units: list[Unit]
    known: dict[Unit, Line] = field(default_factory=dict)
    out: set[Unit] = field(default_factory=set)
    long: dict[Unit, Long] = field(default_factory=dict)
    seen: dict[Unit, list[Line]] = field(default_factory=dict)
    failing: bool = False

    @property
    def left(self) -> list[Unit]:
        return [unit for unit in self.units if unit not in self.known and not self._is_out(unit)]

    def _is_out(self, unit: Unit) -> bool:
        return unit in self.out or unit in self.long

    def next(self, most: int) -> list[Unit]:
        """So many of those that are left, between which none is out."""
        found: list[Unit] = []
        for unit in self.units:
            if self._is_out(unit) and found:
                break
            if unit not in self.known and not self._is_out(unit) and len(found) < most:
                found.append(unit)
        return found

    def is_settled(self, units: list[Unit]) -> bool:
        """Whether all that comes before these is judged."""
        return all(unit in self.known for unit in self.units[: self.units.index(units[0])])

    def take(self, line: Line) -> None:
        unit = Unit(**line["unit"])
        if unit in self.seen:
            line |= _with_seen(line, self.seen.pop(unit))
        self.known[unit] = line
        self.failing = self.failing or is_failing(line)

    def take_part(self, part: Part) -> Line | None:
        """A part of a unit; the whole unit where it was the last one. One that fails is judged again as a whole."""
        long = self.long.setdefault(part.unit, Long(part.done, part.done))
        long.out -= bool(part.start)
        long.take(part)
        if long.out or not (long.end or long.fails):
            return None
        del self.long[part.unit]
        if not long.fails:
            return long.line(part.unit)
        self.failing = True
        self.seen[part.unit] = [each.line for each in long.parts.values()]
        return None

    def next_part(self) -> tuple[Unit, tuple[int, int]] | None:
        """Where the next part of a long unit begins, and how many cases it has."""
        for unit, long in self.long.items():
            if not (long.end or long.fails):
                long.out, long.next = long.out + 1, long.next + long.size
                return unit, (long.next - long.size, long.size)
        return None


def _with_seen(line: Line, seen: Sequence[Line]) -> Line:
    """What the line of a unit that was judged whole has of its parts, too."""
    rows = [[Row.from_data(data) for data in each["rows"]] for each in (line, *seen)]
    told = with_seen(rows[0], (row for part in rows[1:] for row in part))
    return {
        "lines": together(each["lines"] for each in (*seen, line)),
        "rows": [row.as_data() for row in told],
    }


def is_failing(line: Line) -> bool:
    return any(row.get("failure") for row in line.get("rows", ()))


def cases_of(line: Line) -> int:
    return max((row["cases"] for row in line.get("rows", ())), default=0)


@dataclass
class UnderWay:
    """A subject that is not ended.

    heading, lines  of its journal: what is judged
    operations      once it has been loaded somewhere
    out             orders that are not answered
    begun           when its first order was given
    finishing       whether its report is ordered
    """

    work: Work
    heading: Mapping[str, Any] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    operations: dict[str, Operation] | None = None
    out: int = 0
    begun: float = 0.0
    finishing: bool = False

    @property
    def cases(self) -> int:
        return sum(map(cases_of, self.lines))

    def take(self, answer: Answer) -> None:
        """Fold in what a desk found."""
        self.heading = self.heading or answer.heading
        if self.operations is None:
            self.operations = {name: Operation(units) for name, units in answer.planned.items()}
            for line in self.lines:
                self._note(line)
        parts = (self.operations[part.unit.operation].take_part(part) for part in answer.parts)
        for line in (*answer.lines, *filter(None, parts)):
            self.lines.append(line)
            self._note(line)
        if answer.unsettled:
            self.operations[answer.unsettled.operation].failing = True

    def _note(self, line: Line) -> None:
        assert self.operations is not None
        operation = line["unit"]["operation"] if "unit" in line else ""
        if operation in self.operations:
            self.operations[operation].take(line)
