"""What a run says while it goes on: how far it is, how fast, and how long it will take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from conformance.reports.lines import plural
from conformance.running.forecast import Forecast
from conformance.verdicts.verdict import Unit

LONG = 2.0  # seconds after which a run is worth a forecast


@dataclass
class Progress:
    """Called with each case that is judged; says a line now and then.

    say       what is done with a line
    first     seconds until the first line, and every: between two of them
    forecast  of the cases, where there is one
    """

    say: Callable[[str], None]
    first: float
    every: float
    forecast: Forecast | None = None
    clock: Callable[[], float] = time.monotonic
    counts: dict[Unit, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._due, self._begun = self.clock() + self.first, 0.0

    def __call__(self, unit: Unit, done: int) -> None:
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
        line = f"{unit.operation} {unit.requirement} {unit.dtype}, {cases}"
        if seconds < 1:
            return line
        rate = done / seconds
        line += f", {rate:,.{0 if rate >= 10 else 1}f} a second"
        return line if left is None else f"{line}, {_written(left / rate)} left"


def _written(seconds: float) -> str:
    """As on a clock."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
