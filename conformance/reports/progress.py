"""What a run says while it goes on: how far it is, how fast, and how long it will take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from conformance.reports.findings import same
from conformance.reports.lines import plural
from conformance.running.events import Event, Found, Judged, Searching, Shrinking
from conformance.running.forecast import Forecast
from conformance.verdicts.verdict import Failure, Unit

LONG = 2.0  # seconds after which a run is worth a forecast


@dataclass
class Progress:
    """Told each event of a run; says a line now and then, and each failure once where it is found.

    say       what is done with a line
    tell      what is done with a failure, if anything
    first     seconds until the first line, and every: between two of them
    forecast  of the cases, where there is one
    """

    say: Callable[[str], None]
    first: float
    every: float
    tell: Callable[[str], None] | None = None
    forecast: Forecast | None = None
    clock: Callable[[], float] = time.monotonic
    counts: dict[Unit, int] = field(default_factory=dict)
    found: list[Failure] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._due, self._begun = self.clock() + self.first, 0.0

    def __call__(self, event: Event) -> None:
        if isinstance(event, Judged):
            self._count(event.unit, event.done)
        elif isinstance(event, Shrinking):
            self._note(f"{_written_unit(event.unit)}, a smaller case of {event.output}")
        elif isinstance(event, Searching):
            self._note(f"{event.operation}, cases are searched that come to lines of its own")
        elif isinstance(event, Found) and not any(same(each, event.failure) for each in self.found):
            self.found.append(event.failure)
            if self.tell:
                case = event.failure.case
                self.tell(
                    f"{case.operation} {event.failure.judgement.output} {event.failure.verdict}  {case}"
                )

    def _note(self, line: str) -> None:
        """What goes on beside cases that are counted: as often as other lines."""
        if self.clock() >= self._due:
            self.say(line)

    def _count(self, unit: Unit, done: int) -> None:
        now = self.clock()
        self._begun = self._begun or now
        self.counts[unit] = done
        if self.forecast and now - self._begun > LONG:
            self.forecast.start()
        if now >= self._due:
            self._due = now + self.every
            self.say(self._line(unit, now - self._begun))

    def _line(self, unit: Unit, seconds: float) -> str:
        done = sum(self.counts.values())
        left = self.forecast.left_after(unit, self.counts[unit]) if self.forecast else None
        cases = plural(done, "case") if left is None else f"{done:,} of about {done + left:,} cases"
        line = f"{_written_unit(unit)}, {cases}"
        if self.found:
            line += f", {plural(len(self.found), 'failure')}"
        if seconds < 1:
            return line
        rate = done / seconds
        line += f", {rate:,.{0 if rate >= 10 else 1}f} a second"
        return line if left is None else f"{line}, {_written(left / rate)} left"


def _written_unit(unit: Unit) -> str:
    return f"{unit.operation} {unit.requirement} {unit.dtype}"


def _written(seconds: float) -> str:
    """As on a clock."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
