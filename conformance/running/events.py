"""What happens in a run, as it happens: progress on a terminal and a log of JSON lines are made of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from conformance.cases import Case
from conformance.kernels.subject import Subject
from conformance.verdicts.verdict import Failure, Report, Row, Unit


@dataclass(frozen=True)
class Begun:
    """The subject is loaded."""

    subject: Subject


@dataclass(frozen=True)
class Planned:
    """The units of an operation are known."""

    operation: str
    units: tuple[Unit, ...]


@dataclass(frozen=True)
class Judged:
    """One more case of a unit is judged; done is how many there are by now."""

    unit: Unit
    done: int


@dataclass(frozen=True)
class Shrinking:
    """A smaller case is looked for on which an output fails likewise."""

    unit: Unit
    output: str
    case: Case


@dataclass(frozen=True)
class Found:
    """A failure of a unit, shrunk and explained."""

    unit: Unit
    failure: Failure


@dataclass(frozen=True)
class Ended:
    """A unit is judged: a row for each output. Resumed where they come from the journal of an earlier run."""

    unit: Unit
    rows: Sequence[Row]
    resumed: bool = False


@dataclass(frozen=True)
class Searching:
    """Cases are searched that come to lines of an operation which none has come to."""

    operation: str


@dataclass(frozen=True)
class Finished:
    """All is judged, or as much as there will be."""

    report: Report


Event = Begun | Planned | Judged | Shrinking | Found | Ended | Searching | Finished
Listener = Callable[[Event], None]


def nobody(event: Event) -> None:
    """Who listens where nobody does."""


def together(listeners: Sequence[Listener]) -> Listener:
    """One that passes each event on to all of these."""

    def tell(event: Event) -> None:
        for listener in listeners:
            listener(event)

    return tell
