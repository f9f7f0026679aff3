"""How a run was set up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from conformance.kernels.framework import TRUSTED


@dataclass(frozen=True)
class RunInfo:
    """What the head of a report says, and what a command needs to run a failure again.

    seconds   how long it took
    answers   requirements of the answer alone, which `conformance replay` takes where none is named
    timeout   seconds that a call may take
    resumed   what was not judged but read from the journal of an earlier run, in words
    command   as it was typed; "" where there was none
    started   when, as 2026-01-31T12:00:00+00:00
    declared  options of the command line that declare something of the subject, with their values
    """

    oracle: str
    profile: str = "standard"
    seed: int = 0
    seconds: float = 0.0
    answers: frozenset[str] = frozenset()
    timeout: float = 10.0
    resumed: str = ""
    command: str = ""
    started: str = ""
    declared: Mapping[str, Any] = field(default_factory=dict)

    @property
    def options(self) -> list[str]:
        """The words that a command needs beside a subject and a case, to judge as this run did."""
        words = []
        if self.oracle != TRUSTED:
            words += ["--oracle", self.oracle]
        if self.timeout != RunInfo.timeout:
            words += ["--timeout", f"{self.timeout:g}"]
        for name, value in self.declared.items():
            words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
        return words
