"""How a run was set up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RunInfo:
    """What the head of a report says, and what a command needs to run a failure again.

    seconds   how long it took
    answers   requirements of the answer alone, which `conformance replay` takes where none is named
    timeout   seconds that a call may take
    resumed   what was not judged but read from the journal of an earlier run, in words
    """

    oracle: str
    profile: str = "standard"
    seed: int = 0
    seconds: float = 0.0
    answers: frozenset[str] = frozenset()
    timeout: float = 10.0
    resumed: str = ""
