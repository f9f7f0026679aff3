"""What workers have to examine: a stream of cases, cut into chunks, answered in any order."""

from __future__ import annotations

import itertools
import json
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from conformance.cases import Case
from conformance.running.deaths import Death
from conformance.running.runner import Examined
from conformance.verdicts.judgement import Judgement

LOOK_AHEAD = 512  # cases answered while an earlier one is still waited for
DROPPED_SECONDS = 1.0  # that a call may still take once nobody waits for its answer


@dataclass
class Job:
    """One call of examine. Every case has a number: it is drawn, with a worker, answered, or has killed one."""

    requirement: str
    cases: Iterator[tuple[int, Case]]
    limit: float  # seconds of a call
    memory: int
    limits: dict[str, float] = field(default_factory=dict)  # of functions that hung before, or compile
    lines: bool = False  # whether it is noted which lines of the subject run
    sought: Sequence[tuple[str, int]] = ()  # the stretches of it that are looked for
    drawn: deque[tuple[int, Case]] = field(default_factory=deque)  # and not yet sent
    returned: list[Chunk] = field(default_factory=list)  # by workers that died
    sent: set[int] = field(default_factory=set)  # numbers of the chunks that workers have
    answered: dict[int, Examined] = field(default_factory=dict)
    deaths: dict[int, tuple[Chunk, Death]] = field(default_factory=dict)
    dropped: bool = False

    def limit_in(self, function: str) -> float:
        """Seconds that a call of a function may take."""
        limit = self.limits.get(function, self.limit)
        return min(limit, DROPPED_SECONDS) if self.dropped else limit

    def is_finished(self, number: int) -> bool:
        return number in self.answered or number in self.deaths

    def next(self, numbers: Iterator[int], size: int, shares: int) -> Chunk | None:
        """What to send next: what a worker that died had, else the next cases, the last in ever smaller chunks."""
        if self.returned:
            chunk = min(self.returned, key=lambda chunk: chunk.first)
            self.returned.remove(chunk)
            chunk.number = next(numbers)
        elif len(self.answered) + len(self.deaths) > LOOK_AHEAD:
            return None
        else:
            self.drawn.extend(itertools.islice(self.cases, max(0, size * shares - len(self.drawn))))
            if not self.drawn:
                return None
            numbered = [self.drawn.popleft() for _ in range(min(size, -(-len(self.drawn) // shares)))]
            chunk = Chunk(next(numbers), self, numbered[0][0], [case for _, case in numbered])
        self.sent.add(chunk.number)
        return chunk

    def take_answers(self, chunk: Chunk, answers: list[Any]) -> None:
        self.sent.discard(chunk.number)
        for number, (case, judgements) in enumerate(zip(chunk.cases, answers, strict=False), chunk.first):
            self.answered[number] = (case, [Judgement(*judgement) for judgement in judgements])

    def take_death(self, chunk: Chunk, at: int | None, death: Death) -> None:
        """A worker died that had a chunk, on its case `at`; the others are to be sent again."""
        self.sent.discard(chunk.number)
        parts = [chunk] if at is None else [chunk.part(0, at), chunk.part(at + 1)]
        self.returned += [part for part in parts if part.cases]
        if at is not None:
            self.deaths[chunk.first + at] = (chunk.part(at, at + 1), death)


@dataclass
class Chunk:
    """Cases sent in one message; `first` is the number of the first of them in its job."""

    number: int
    job: Job
    first: int
    cases: list[Case]
    halves: tuple[str, ...] = ()  # forward or backward alone; empty: both
    sent_at: float = 0.0

    def part(self, start: int, stop: int | None = None) -> Chunk:
        return Chunk(0, self.job, self.first + start, self.cases[start:stop], self.halves)

    @property
    def message(self) -> bytes:
        fields = {
            "chunk": self.number,
            "requirement": self.job.requirement,
            "halves": self.halves,
            "bytes": self.job.memory,
            "lines": self.job.lines,
            "sought": list(self.job.sought),
            "cases": [str(case) for case in self.cases],
        }
        return json.dumps(fields).encode()
