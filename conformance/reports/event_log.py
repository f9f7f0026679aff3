"""The events of a run as JSON, a line each; docs/events.md says what each holds."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

from conformance.running.events import (
    Begun,
    Ended,
    Event,
    Finished,
    Found,
    Judged,
    Planned,
    Searching,
    Shrinking,
)
from conformance.running.state import own_files
from conformance.verdicts.verdict import Unit

EVERY = 1.0  # seconds between two lines that say how many cases of a unit are judged


@dataclass
class EventLog:
    """Writes a line for each event; of cases that are judged, one now and then."""

    write: Callable[[str], object]
    clock: Callable[[], float] = time.monotonic
    _due: float = 0.0
    _begun: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._begun = self.clock()

    def __call__(self, event: Event) -> None:
        now = self.clock()
        if isinstance(event, Judged):
            if now < self._due:
                return
            self._due = now + EVERY
        name = type(event).__name__.lower()
        data = {"event": name, "seconds": round(now - self._begun, 3), **_data(event)}
        self.write(json.dumps(data, allow_nan=False) + "\n")


@singledispatch
def _data(event: Event) -> dict[str, Any]:
    """What an event holds beside its name and time."""
    raise TypeError(event)


@_data.register
def _(event: Begun) -> dict[str, Any]:
    files = sorted(map(str, own_files(event.subject)))
    return {"subject": event.subject.name, "files": files}


@_data.register
def _(event: Planned) -> dict[str, Any]:
    units = [{"requirement": unit.requirement, "dtype": unit.dtype} for unit in event.units]
    return {"operation": event.operation, "units": units}


@_data.register
def _(event: Judged) -> dict[str, Any]:
    return _unit(event.unit) | {"cases": event.done}


@_data.register
def _(event: Shrinking) -> dict[str, Any]:
    return _unit(event.unit) | {"output": event.output, "case": str(event.case)}


@_data.register
def _(event: Found) -> dict[str, Any]:
    failure = event.failure
    return _unit(event.unit) | {
        "output": failure.judgement.output,
        "verdict": failure.verdict,
        "message": failure.judgement.message,
        "case": str(failure.case),
        "diagnosis": failure.diagnosis or None,
    }


@_data.register
def _(event: Ended) -> dict[str, Any]:
    verdicts = {row.output: row.verdict for row in event.rows}
    return _unit(event.unit) | {
        "cases": max((row.cases for row in event.rows), default=0),
        "verdicts": verdicts,
        "resumed": event.resumed,
    }


@_data.register
def _(event: Searching) -> dict[str, Any]:
    return {"operation": event.operation}


@_data.register
def _(event: Finished) -> dict[str, Any]:
    report = event.report
    return {"verdict": report.verdict, "passed": report.passed, "cases": report.cases}


def _unit(unit: Unit) -> dict[str, Any]:
    return {"operation": unit.operation, "requirement": unit.requirement, "dtype": unit.dtype}
