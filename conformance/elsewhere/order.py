"""What is asked of a desk, and what it answers: plain data, which travels by pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from conformance.elsewhere.parcel import Parcel
from conformance.reports.baseline import Baseline
from conformance.running.settings import Settings
from conformance.verdicts.verdict import Unit


@dataclass(frozen=True)
class Work:
    """A subject, and how it is judged: the same in all orders.

    name      as it was given, and as reports name it
    parcel    its files, where they are not taken where they lie
    declared  what options declare of it
    baseline  what is known to fail
    words     options that a command to run a failure again needs
    width     columns of the text
    scripts   whether the text has the script of each failure
    """

    name: str
    settings: Settings
    oracle: str
    timeout: float
    parcel: Parcel | None = None
    declared: Mapping[str, Any] = field(default_factory=dict)
    baseline: Baseline | None = None
    words: Mapping[str, Any] = field(default_factory=dict)
    began: Mapping[str, Any] = field(default_factory=dict)
    width: int = 100
    scripts: bool = False
    keeps: bool = False


@dataclass(frozen=True)
class Order:
    """What of a subject is to be judged next.

    units     these; None: all that are not known, in their order
    part      of the one unit: the first case, and how many
    longest   seconds after which the rest of a unit is left to others; 0 where nobody else may judge it
    known     what is judged of it, lines of its journal: all of them, or of the failing units of one operation
    heading   of the run that they are of
    settled   whether all that comes before these units is judged, or is among them
    seconds   after which no further unit is begun
    finish    whether the report is wanted, once everything is judged
    closed    whether the report is wanted of what there is: the run was interrupted
    elapsed   seconds that the subject took so far
    """

    work: Work
    units: tuple[Unit, ...] | None = None
    part: tuple[int, int] | None = None
    longest: float = 0.0
    known: tuple[dict[str, Any], ...] = ()
    heading: Mapping[str, Any] = field(default_factory=dict)
    settled: bool = True
    seconds: float = 2.0
    finish: bool = True
    closed: bool = False
    elapsed: float = 0.0


class Part(NamedTuple):
    """Some cases of a unit.

    start, done  the first of them, and how many were judged
    ended        whether they are its last
    fails        whether one of them fails, so that the unit must be judged as a whole
    line         what they say, as a line of a journal
    """

    unit: Unit
    start: int
    done: int
    ended: bool
    fails: bool
    line: dict[str, Any]


@dataclass
class Answer:
    """What a desk did.

    place      what the judging process is made of: see place.py
    heading    of the run that the lines are of
    planned    the units of each operation, in their order
    lines      units that are judged, as lines of a journal
    parts      of units that are longer: see Part
    unsettled  a unit that fails, where it is not known what failed before it
    data, text the report, where it is finished: as plain data, and as lines for a terminal
    error      why there is no verdict: the name of the exception, and its words
    """

    place: dict[str, Any] = field(default_factory=dict)
    heading: dict[str, Any] = field(default_factory=dict)
    planned: dict[str, list[Unit]] = field(default_factory=dict)
    lines: list[dict[str, Any]] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    unsettled: Unit | None = None
    data: dict[str, Any] | None = None
    text: list[Any] = field(default_factory=list)
    error: tuple[str, str] | None = None
