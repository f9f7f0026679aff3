"""Subjects run in worker processes: one that crashes, hangs or eats memory loses a process, not the run.

with Workers("mykernels.py", jobs=4) as workers:
    report = run(load("mykernels.py"), workers, Settings())
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Any

from conformance.cases import Case
from conformance.kernels.framework import TRUSTED
from conformance.running.deaths import Death
from conformance.running.inquest import Inquest, ends_in
from conformance.running.jobs import Chunk, Job
from conformance.running.pool import Pool, Worker
from conformance.running.ran import DIED, Near, Ran
from conformance.running.runner import Examined
from conformance.running.slot import ORACLE
from conformance.verdicts.judgement import Judgement

TIMEOUT = 10.0
MEMORY = 2 << 30  # bytes that a worker may take beyond what it has
SOME_MEMORY = 1 << 29  # the same where a kernel is known to take all, and for candidates of a smaller case
CHUNK_SECONDS = 0.05  # work in one message: long against the message, short against a person's patience
MOST = 64  # cases in one message
AHEAD = 2  # messages a worker has in hand, so that it never waits for the next

OfDeath = Callable[[Chunk, Death], list[Judgement]]


class ExaminationError(RuntimeError):
    """The suite raised an exception while it examined a case: no verdict on the subject."""


class Workers:
    """Examines cases in worker processes; a context manager, at whose end no process is left.

    timeout   seconds that one call of the subject may take
    memory    bytes that a worker may take beyond what it has when it is given cases; None: all there is
    declared  what the subject declares beside what stands in its file
    ran       which of its lines did
    forked    whether the server is a fork of this process, which has loaded what it needs and has no threads
    """

    isolated = True

    def __init__(
        self,
        subject_name: str,
        oracle_name: str = TRUSTED,
        jobs: int | None = None,
        timeout: float = TIMEOUT,
        memory: int | None = MEMORY,
        declared: Mapping[str, Any] | None = None,
        forked: bool = False,
    ) -> None:
        self.jobs = jobs or os.cpu_count() or 1
        self.timeout = timeout
        self.memory = sys.maxsize >> 1 if memory is None else memory
        self.inquest = Inquest(self._alone, oracle_name, self.timeout, self.memory)
        options = {"subject": subject_name, "oracle": oracle_name, "declared": dict(declared or {})}
        self._pool = Pool(options, forked)
        self._numbers = count(1)  # of chunks
        self._seconds = 0.005  # a case takes about so long
        self._others: dict[str, Workers] = {}
        self._closing = ExitStack()
        self.ran = Ran()

    def __enter__(self) -> Workers:
        """Start the workers; SubjectError where the subject cannot be loaded, or ends the process that loads it."""
        try:
            self._pool.start(self.jobs)
        except BaseException:
            self._pool.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with self._closing:
            self._pool.close()

    @property
    def processes(self) -> list[int]:
        """The process ids of the workers."""
        return [worker.process for worker in self._pool.workers]

    def examine(self, requirement: str, cases: Iterable[Case]) -> Iterator[Examined]:
        """The judgements of each case, in the order of the cases; a death is looked into before it is a finding."""
        return self._examine(self._job(requirement, cases), self.inquest.look_into)

    def near(
        self, requirement: str, case: Case, sought: Sequence[tuple[str, int]]
    ) -> tuple[list[Judgement], list[Near]]:
        """What a case says, and how far it was from stretches of the subject that no case ran."""
        self.ran.near = []
        job = replace(self._job(requirement, [case]), sought=sought)
        ((_, judgements),) = self._examine(job, self.inquest.look_into)
        return judgements, self.ran.near

    def _job(self, requirement: str, cases: Iterable[Case]) -> Job:
        """Once something took all it may, a part of it will do; the rest only for what is new."""
        memory = min(self.memory, SOME_MEMORY) if self.inquest.ran_out_of_memory else self.memory
        return Job(requirement, enumerate(cases), self.timeout, memory, self.inquest.limits, lines=True)

    def of(self, name: str) -> Workers:
        """One more, for another subject, with as much time and memory."""
        if name not in self._others:
            other = Workers(name, self.inquest.oracle, 1, self.timeout, self.memory)
            self._others[name] = self._closing.enter_context(other)
        return self._others[name]

    def in_new_process(self, requirement: str, case: Case) -> list[Judgement]:
        """What a case says first thing in a new process; nothing where that ends."""
        alone = self._alone(requirement, case)
        return alone if isinstance(alone, list) else []

    @property
    def patient(self) -> Otherwise:
        """The same, where a hang is believed only of a case that has had all of its time."""
        return Otherwise(self, self._job, partial(self.inquest.look_into, patient=True))

    @property
    def shrinking(self) -> Otherwise:
        """The same for candidates of a smaller case: a death is taken as it comes, a hang is recognized sooner."""
        return Otherwise(self, self._hurried_job, self._take)

    def _hurried_job(self, requirement: str, cases: Iterable[Case]) -> Job:
        limit = min(self.timeout, max(1.0, self.timeout / 20, 20 * self._seconds))
        return Job(requirement, enumerate(cases), limit, min(self.memory, SOME_MEMORY))

    def _take(self, chunk: Chunk, death: Death) -> list[Judgement]:
        if death.from_outside or death.function in ("", ORACLE):
            return self.inquest.look_into(chunk, death)
        return ends_in(replace(death, hurried=0 < death.hung < self.timeout), chunk.cases[0])

    # One stream of cases.

    def _examine(self, job: Job, of_death: OfDeath) -> Iterator[Examined]:
        try:
            for number in count():
                while not job.is_finished(number) and self._feed(job):
                    self._take_in()
                if number in job.deaths:
                    chunk, death = job.deaths.pop(number)
                    yield chunk.cases[0], of_death(chunk, death)
                elif number in job.answered:
                    yield job.answered.pop(number)
                else:
                    return
        finally:
            self._drop(job)

    def _feed(self, job: Job) -> bool:
        """Give every worker with too little in hand more of it; whether there is anything to wait for."""
        self._pool.fill(self.jobs)
        for _ in range(AHEAD):
            for worker in sorted(self._pool.workers, key=lambda worker: len(worker.chunks)):
                if len(worker.chunks) < AHEAD and (
                    chunk := job.next(self._numbers, self._size, AHEAD * self.jobs)
                ):
                    self._pool.send(worker, chunk)
        return bool(job.sent)

    @property
    def _size(self) -> int:
        return max(1, min(MOST, int(CHUNK_SECONDS / self._seconds)))

    def _take_in(self) -> None:
        """What workers have answered, and how they ended."""
        for worker, message in self._pool.wait():
            if isinstance(message, Death):
                self._note_death(worker, message)
                continue
            chunk, answers = worker.chunks.popleft(), _answers(message)
            self.ran.take(message.get("lines", {}))
            chunk.job.take_answers(chunk, answers)
            if answers:
                seconds = (time.monotonic() - max(chunk.sent_at, worker.answered_at)) / len(answers)
                self._seconds += (seconds - self._seconds) / 4
            worker.answered_at = time.monotonic()

    def _note_death(self, worker: Worker, death: Death) -> None:
        """The case on which a worker died; what else it had in hand is handed out again."""
        for chunk in worker.chunks:
            at = worker.slot.case_of(chunk.number)
            chunk.job.take_death(chunk, at, death)
            self.ran.unknown = DIED if at is not None and chunk.job.lines else self.ran.unknown
        worker.chunks.clear()
        worker.slot.close()

    def _drop(self, job: Job) -> None:
        """Nobody waits for the rest of a job: workers leave it at the next case, and are not waited for long."""
        job.dropped = True
        for worker in self._pool.workers:
            if worker.chunks and all(chunk.job is job for chunk in worker.chunks):
                worker.slot.drop(worker.chunks[-1].number)

    # One case by itself.

    def _alone(
        self, requirement: str, case: Case, *halves: str, limits: Sequence[float] = ()
    ) -> list[Judgement] | Death:
        """The judgements of one case in a process of its own, or how that ended.

        limits   of each call, where it is called more than once: the judgements are those of the last
        """
        longer = {} if limits else self.inquest.longer
        answer: list[Judgement] | Death | None = []
        with self._pool.extra() as worker:
            for limit in limits or (self.timeout,):
                if isinstance(answer, list):
                    job = Job(requirement, iter(()), limit, self.memory, longer)
                    answer = self._answer(worker, Chunk(next(self._numbers), job, 0, [case], halves))
        return self._alone(requirement, case, *halves, limits=limits) if answer is None else answer

    def _answer(self, worker: Worker, chunk: Chunk) -> list[Judgement] | Death | None:
        """What a worker answers to a chunk of one case, or how it ended; None where it had not begun."""
        self._pool.send(worker, chunk)
        while True:
            for _, message in self._pool.wait(only=worker):
                if not isinstance(message, Death):
                    worker.chunks.popleft()
                    return [Judgement(*judgement) for judgement in _answers(message)[0]]
                begun = worker.slot.case_of(chunk.number) is not None
                worker.slot.close()
                return message if begun else None


@dataclass(frozen=True)
class Otherwise:
    """Workers that give a case other time, and take deaths in another way; see Workers.patient and shrinking."""

    workers: Workers
    job: Callable[[str, Iterable[Case]], Job]
    of_death: OfDeath
    isolated = True

    def examine(self, requirement: str, cases: Iterable[Case]) -> Iterator[Examined]:
        return self.workers._examine(self.job(requirement, cases), self.of_death)

    def in_new_process(self, requirement: str, case: Case) -> list[Judgement]:
        return self.workers.in_new_process(requirement, case)

    def of(self, name: str) -> Workers:
        return self.workers.of(name)

    def near(
        self, requirement: str, case: Case, sought: Sequence[tuple[str, int]]
    ) -> tuple[list[Judgement], list[Near]]:
        return self.workers.near(requirement, case, sought)

    @property
    def ran(self) -> Ran:
        return self.workers.ran

    @property
    def patient(self) -> Otherwise:
        return self.workers.patient

    @property
    def shrinking(self) -> Otherwise:
        return self.workers.shrinking


def _answers(message: dict[str, Any]) -> list[Any]:
    if "failed" in message:
        raise ExaminationError(f"{message['failed']}: {message['error']}\n{message['text']}")
    return list(message["answers"])
