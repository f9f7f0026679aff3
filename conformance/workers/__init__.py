"""Subjects run in worker processes: one that crashes, hangs or eats memory loses a process, not the run.

    with Workers("mykernels.py", jobs=4) as workers:
        report = run(load("mykernels.py"), workers, Settings())

Each worker has its own connection and its own slot of shared memory, in which it writes the case and the function in
hand before it calls anything. A death is thereby pinned to its case, and no lock or queue is left broken, whenever it
comes. (Pools share one queue among their workers: a process killed while it writes there takes the others with it.)
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from multiprocessing import connection
from typing import Any

from conformance.cases import Case
from conformance.cases.case import ANSWERS
from conformance.cases.shrink import cost
from conformance.kernels.framework import TRUSTED, MissingFramework
from conformance.kernels.subject import SubjectError
from conformance.requirements import REQUIREMENTS
from conformance.verdicts.judgement import Judgement
from conformance.workers.deaths import Death
from conformance.workers.server import kill_group
from conformance.workers.slot import ORACLE, Slot
from conformance.workers.work import WHERE, of_oracle

Examined = tuple[Case, list[Judgement]]

TIMEOUT = 10.0
MEMORY = 2 << 30  # bytes that a worker may take beyond what it has
SOME_MEMORY = 1 << 29  # the same where a kernel is known to take all, and for candidates of a smaller case
CHUNK_SECONDS = 0.05  # work in one message: long against the message, short against a person's patience
MOST = 64  # cases in one message
LOOK_AHEAD = 512  # cases answered while an earlier one is still waited for
AHEAD = 2  # messages a worker has in hand, so that it never waits for the next
SERVERS = 50  # started for one run, where a kernel kills them
RETRIES = 3  # a case is to blame for a SIGKILL if it gets one so often
START_SECONDS = 120.0  # for a process to start
IMPORT_SECONDS = 120.0  # for the import of the subject, once its process has started


class ExaminationError(RuntimeError):
    """The suite raised an exception while it examined a case: no verdict on the subject."""


class Workers:
    """Examines cases in worker processes; a context manager, at whose end no process is left.

    timeout   seconds that one call of the subject may take
    memory    bytes that a worker may take beyond what it has when it is given cases; None: all there is
    """

    isolated = True

    def __init__(
        self,
        subject_name: str,
        oracle_name: str = TRUSTED,
        jobs: int | None = None,
        timeout: float = TIMEOUT,
        memory: int | None = MEMORY,
    ) -> None:
        self.jobs = jobs or os.cpu_count() or 1
        self.timeout = timeout
        self.memory = sys.maxsize >> 1 if memory is None else memory
        self.options = {"subject": subject_name, "oracle": oracle_name}
        self._died: dict[Case, str] = {}  # cases that end the process, and how
        self._stray: set[str] = (
            set()
        )  # operations that write outside of their arrays: any later call may die of it
        self._hung: set[tuple[str, Case]] = set()  # functions that took all of the time limit, and where
        self._slow: set[str] = set()  # functions that hung and later answered, as one that compiles first
        self._pool = _Pool(self.options)
        self._numbers = count(1)
        self._seconds = 0.005  # a case takes about so long

    def __enter__(self) -> Workers:
        """Start the workers; SubjectError where the subject cannot be loaded, or ends the process that loads it."""
        try:
            self._pool.start(self.jobs)
        except BaseException:
            self._pool.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()

    @property
    def processes(self) -> list[int]:
        """The process ids of the workers."""
        return [worker.process for worker in self._pool.workers]

    def examine(self, requirement: str, cases: Iterable[Case]) -> Iterator[Examined]:
        """The judgements of each case, in the order of the cases; a death is looked into before it is a finding."""
        # Once something took all it may, a part of it will do; the rest only for what is new.
        shorter = dict.fromkeys({function for function, _ in self._hung} - self._slow, self.timeout / 5)
        memory = min(self.memory, SOME_MEMORY) if "out of memory" in self._died.values() else self.memory
        job = _Job(requirement, enumerate(cases), self.timeout, memory, shorter)
        return self._examine(job, self._look_into)

    def afresh(self, requirement: str, case: Case) -> list[Judgement]:
        """What a case says first thing in a new process; nothing where that ends."""
        told = self._alone(requirement, case)
        return told if isinstance(told, list) else []

    @property
    def deadly(self) -> list[Case]:
        """The cases on which the subject ended its process, each time it was asked."""
        return list(self._died)

    @property
    def shrinking(self) -> _Shrinking:
        """The same for candidates of a smaller case: a death is taken as it comes, a hang is recognized sooner."""
        return _Shrinking(self)

    # One stream of cases.

    def _examine(self, job: _Job, look_into: Callable[[_Task, Death], list[Judgement]]) -> Iterator[Examined]:
        try:
            for number in count():
                while number not in job.done and number not in job.deaths and self._feed(job):
                    self._listen()
                if number in job.deaths:
                    task, death = job.deaths.pop(number)
                    yield task.cases[0], look_into(task, death)
                elif number in job.done:
                    yield job.done.pop(number)
                else:
                    return
        finally:
            self._drop(job)

    def _feed(self, job: _Job) -> bool:
        """Give every worker with too little in hand more of it; whether there is anything to wait for."""
        self._pool.fill(self.jobs)
        for _ in range(AHEAD):
            for worker in sorted(self._pool.workers, key=lambda worker: len(worker.tasks)):
                if len(worker.tasks) < AHEAD and (
                    task := job.next(self._numbers, self._size, AHEAD * self.jobs)
                ):
                    self._pool.send(worker, task)
        return bool(job.tasks)

    @property
    def _size(self) -> int:
        return max(1, min(MOST, int(CHUNK_SECONDS / self._seconds)))

    def _listen(self) -> None:
        """Take in what workers have answered, and how they ended."""
        for worker, message in self._pool.wait():
            if isinstance(message, Death):
                _died(worker, message)
                continue
            task = worker.tasks.popleft()
            _raise_failure(message)
            task.job.tasks.discard(task.number)
            for number, (case, answer) in enumerate(
                zip(task.cases, message["answers"], strict=False), task.first
            ):
                task.job.done[number] = (case, [Judgement(*judgement) for judgement in answer])
            if message["answers"]:
                seconds = (time.monotonic() - max(task.sent, worker.answered)) / len(message["answers"])
                self._seconds += (seconds - self._seconds) / 4
            worker.answered = time.monotonic()

    def _drop(self, job: _Job) -> None:
        """Nobody waits for the rest of a job: workers leave it at the next case, and are not waited for long."""
        job.dropped = True
        for worker in self._pool.workers:
            if worker.tasks and all(task.job is job for task in worker.tasks):
                worker.slot.drop(worker.tasks[-1].number)

    # A case on which a worker died.

    def _look_into(self, task: _Task, death: Death) -> list[Judgement]:
        """What the death says: of the subject only if it comes back when the case is asked alone, in a new process."""
        case, requirement = task.cases[0], task.job.requirement
        if death.hung and death.hung < self.timeout and (death.function, case) in self._hung:
            death = replace(death, hung=self.timeout)
        elif self._is_new(case, death):
            again = self._again(requirement, case)
            if not isinstance(again, Death):
                if death.hung:
                    self._slow.add(death.function)
                    task.job.shorter.pop(death.function, None)
                less = death.hung or (death.full and task.job.memory < self.memory)
                excused = less or death.from_outside or not death.function or case.operation in self._stray
                return again if excused else _only_after_others(case, death, again)
            death = again
        if death.function in ("", ORACLE) and isinstance(alone := self._alone(ORACLE, case), Death):
            return [of_oracle("died", f"{self.options['oracle']} {alone}")]
        return self._blame(requirement, case, death)

    def _is_new(self, case: Case, death: Death) -> bool:
        """Whether a death must come back before it is believed; one that took its time need not."""
        if not death.hung:
            return self._died.get(case) != death.status
        like = (k for function, k in self._hung if function == death.function and cost(k) <= cost(case))
        return death.hung < self.timeout and not any(like)

    def _again(self, requirement: str, case: Case) -> list[Judgement] | Death:
        """Asked alone, and again where somebody else may have killed the process."""
        for _ in range(RETRIES - 1):
            again = self._alone(requirement, case)
            if not isinstance(again, Death) or not again.from_outside:
                break
        return again

    def _blame(self, requirement: str, case: Case, death: Death) -> list[Judgement]:
        """The outputs of the function that died get the death, the others are asked without it."""
        self._died[case] = death.status
        self._hung |= {(death.function, case)} if death.hung == self.timeout else set()
        doubtful = not death.inside or case.operation in self._stray  # another call may have done the damage
        if doubtful and isinstance(self._alone(requirement, case, _half(death.function)), list):
            death = replace(death, function=_other(death.function))
        found = _dead(death, _outputs_of(case, death.function))
        rest = self._alone(requirement, case, _half(_other(death.function)))
        if isinstance(rest, Death):
            rest = _dead(rest, _outputs_of(case, rest.function))
        told = {judgement.output for judgement in found}
        if REQUIREMENTS[requirement].guarded and (access := self._access(requirement, case)):
            found = [judgement._replace(message=f"{access}: {judgement.message}") for judgement in found]
        return found + [judgement for judgement in rest if judgement.output not in told and judgement.asked]

    def _access(self, requirement: str, case: Case) -> str:
        """What a kernel did to the one guarded array of a case, found by guarding it less: reads beyond input."""
        if len(case.views) != 1 or not isinstance(self._alone(requirement, replace(case, layout="")), list):
            return ""
        ((array, view),) = case.views.items()
        milder = replace(case, layout=f"{array}:{view.replace('guard', 'read_only')}")
        verb = "writes" if isinstance(self._alone(requirement, milder), Death) else "reads"
        place = "an array that it allocates" if array == ANSWERS else array
        self._stray |= {case.operation} if verb == "writes" else set()
        return f"{verb} {'beyond' if view.startswith('ends') else 'before'} {place}"

    def _alone(self, requirement: str, case: Case, *halves: str) -> list[Judgement] | Death:
        """The judgements of one case in a process of its own, or how that ended."""
        job = _Job(requirement, iter(()), self.timeout, self.memory)
        task = _Task(next(self._numbers), job, 0, [case], halves)
        with self._pool.extra() as worker:
            self._pool.send(worker, task)
            while True:
                for _, message in self._pool.wait(only=worker):
                    if isinstance(message, Death):
                        begun = worker.slot.task == task.number
                        worker.slot.close()
                        return message if begun else self._alone(requirement, case, *halves)
                    _raise_failure(message)
                    return [Judgement(*judgement) for judgement in message["answers"][0]]


@dataclass(frozen=True)
class _Shrinking:
    """Workers in a hurry; see Workers.shrinking."""

    workers: Workers
    isolated = True

    @property
    def shrinking(self) -> _Shrinking:
        return self

    @property
    def deadly(self) -> list[Case]:
        return self.workers.deadly

    def afresh(self, requirement: str, case: Case) -> list[Judgement]:
        return self.workers.afresh(requirement, case)

    def examine(self, requirement: str, cases: Iterable[Case]) -> Iterator[Examined]:
        limit = min(self.workers.timeout, max(1.0, self.workers.timeout / 20, 20 * self.workers._seconds))
        memory = min(self.workers.memory, SOME_MEMORY)
        return self.workers._examine(_Job(requirement, enumerate(cases), limit, memory), self._take)

    def _take(self, task: _Task, death: Death) -> list[Judgement]:
        case = task.cases[0]
        if death.from_outside or death.function in ("", ORACLE):
            return self.workers._look_into(task, death)
        return _dead(death, _outputs_of(case, death.function))


def _half(function: str) -> str:
    return "backward" if function.endswith("_backward") else "forward"


def _other(function: str) -> str:
    backward = function.endswith("_backward")
    return function.removesuffix("_backward") if backward else f"{function}_backward"


def _outputs_of(case: Case, function: str) -> list[str]:
    backward = function.endswith("_backward")
    return [output for output in case.outputs if (output in case.gradients) == backward]


def _dead(death: Death, outputs: Iterable[str], words: str = "") -> list[Judgement]:
    return [Judgement(output, death.status, float("inf"), True, f"{death}{words}") for output in outputs]


def _only_after_others(case: Case, death: Death, alone: list[Judgement]) -> list[Judgement]:
    """The process died on this case, but alone the case is answered: an earlier call did the damage."""
    words = "; not when asked alone: an earlier call wrote where it must not, or left a thread running"
    found = _dead(death, _outputs_of(case, death.function), words)
    return found + [judgement for judgement in alone if judgement.output not in {f.output for f in found}]


def _died(worker: _Worker, death: Death) -> None:
    """Note the case on which a worker died, and hand out again what else it had in hand."""
    for task in worker.tasks:
        task.job.tasks.discard(task.number)
        at = worker.slot.case if worker.slot.task == task.number else None
        parts = [task] if at is None else [task.part(0, at), task.part(at + 1)]
        task.job.waiting += [part for part in parts if part.cases]
        if at is not None:
            task.job.deaths[task.first + at] = (task.part(at, at + 1), death)
    worker.tasks.clear()
    worker.slot.close()


def _raise_failure(message: dict[str, Any]) -> None:
    if "failed" in message:
        raise ExaminationError(f"{message['failed']}: {message['error']}\n{message['text']}")


# Tasks.


@dataclass
class _Job:
    """One call of examine: what is still to be asked, is asked, and is answered."""

    requirement: str
    cases: Iterator[tuple[int, Case]]
    limit: float
    memory: int
    shorter: dict[str, float] = field(default_factory=dict)  # limits of functions that hung before
    waiting: list[_Task] = field(default_factory=list)  # of workers that died
    tasks: set[int] = field(default_factory=set)
    done: dict[int, Examined] = field(default_factory=dict)
    deaths: dict[int, tuple[_Task, Death]] = field(default_factory=dict)
    drawn: deque[tuple[int, Case]] = field(default_factory=deque)  # and not yet sent
    dropped: bool = False

    def limit_in(self, function: str) -> float:
        """Seconds that a call of a function may take."""
        limit = self.shorter.get(function, self.limit)
        return min(limit, 1.0) if self.dropped else limit

    def next(self, numbers: Iterator[int], size: int, shares: int) -> _Task | None:
        """What to send next: work of a worker that died, else the next cases, the last in ever smaller messages."""
        if self.waiting:
            task = min(self.waiting, key=lambda task: task.first)
            self.waiting.remove(task)
            task.number = next(numbers)
        elif len(self.done) + len(self.deaths) > LOOK_AHEAD:
            return None
        else:
            self.drawn.extend(itertools.islice(self.cases, max(0, size * shares - len(self.drawn))))
            if not self.drawn:
                return None
            chunk = [self.drawn.popleft() for _ in range(min(size, -(-len(self.drawn) // shares)))]
            task = _Task(next(numbers), self, chunk[0][0], [case for _, case in chunk])
        self.tasks.add(task.number)
        return task


@dataclass
class _Task:
    """Cases sent in one message; `first` is the number of the first of them in its job."""

    number: int
    job: _Job
    first: int
    cases: list[Case]
    halves: tuple[str, ...] = ()  # forward or backward alone; empty: both
    sent: float = 0.0

    def part(self, start: int, stop: int | None = None) -> _Task:
        return _Task(0, self.job, self.first + start, self.cases[start:stop], self.halves)

    @property
    def message(self) -> bytes:
        job = self.job
        fields = {
            "task": self.number,
            "requirement": job.requirement,
            "halves": self.halves,
            "bytes": job.memory,
        }
        return json.dumps(fields | {"cases": [str(case) for case in self.cases]}).encode()


# Processes.


@dataclass(eq=False)
class _Worker:
    number: int
    process: int
    connection: connection.Connection
    slot: Slot
    server: int  # the number of the one that forked it
    ready: bool = False
    resident: int = 0  # bytes, when it was ready
    tasks: deque[_Task] = field(default_factory=deque)
    answered: float = 0.0
    hung: float = 0.0


class _Pool:
    """The server, the workers it forks, and what comes from them."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.workers: list[_Worker] = []
        self._server: subprocess.Popen[bytes] | None = None
        self._numbers = count(1)
        self._servers = 0  # started so far
        self._stillborn = 0  # workers in a row that were killed before they were ready
        self._started: dict[int, int] = {}  # the process of each worker
        self._ended: dict[int, dict[str, Any]] = {}  # what the server told of workers that ended
        self._text = b""

    def start(self, jobs: int) -> None:
        if not hasattr(os, "fork"):
            raise SubjectError("workers need fork, which this system lacks: use --in-process")
        self._start_server()
        first = self._spawn()
        self.workers.append(first)
        self._wait_ready(first)
        self.fill(jobs)

    def close(self) -> None:
        """End every process, also what a subject started."""
        for worker in self.workers:
            worker.connection.close()
            worker.slot.close()
        self._end_server()
        self.workers.clear()

    def fill(self, jobs: int) -> None:
        while len(self.workers) < jobs:
            self.workers.append(self._spawn())

    @contextlib.contextmanager
    def extra(self) -> Iterator[_Worker]:
        """A new worker beside the others, for one task."""
        worker = self._spawn()
        try:
            yield worker
        finally:
            if not worker.connection.closed:
                self._kill(worker)
                worker.connection.close()
                worker.slot.close()

    def send(self, worker: _Worker, task: _Task) -> None:
        worker.tasks.append(task)
        task.sent = time.monotonic()
        with contextlib.suppress(OSError):  # it died: wait() sees that next
            worker.connection.send_bytes(task.message)

    def stop(self, worker: _Worker) -> None:
        """End a worker whose answers nobody waits for."""
        self._kill(worker)
        worker.connection.close()
        worker.slot.close()
        self.workers.remove(worker)

    def wait(self, only: _Worker | None = None) -> Iterator[tuple[_Worker, dict[str, Any] | Death]]:
        """What workers answer, and how they end; returns when there was something, or to look at the clock."""
        workers = [only] if only else list(self.workers)
        ready = connection.wait([*(worker.connection for worker in workers), self._control], timeout=0.1)
        if self._control in ready:
            self._listen(0)
        # The server may be another one by now, and again after each burial: its connection is looked at no more.
        for worker in (worker for worker in workers if worker.connection in ready):
            message = self._receive(worker)
            if message is None:
                yield worker, self._bury(worker)
            elif worker.hung:
                continue  # too late
            elif "error" in message and "failed" not in message:
                raise _load_error(message)
            elif "ready" in message:
                worker.ready, worker.resident = True, message["resident"]
            else:
                yield worker, message
        for worker in workers:
            # A process that it left may hold the other end of its connection, and hide that it ended.
            if worker.number in self._ended and not worker.connection.poll():
                yield worker, self._bury(worker)
            else:
                self._watch(worker)

    def _receive(self, worker: _Worker) -> dict[str, Any] | None:
        try:
            message = json.loads(worker.connection.recv_bytes())
        except (EOFError, OSError, ValueError):  # ValueError: its memory is corrupt, and so are its words
            return None
        return message if isinstance(message, dict) else None

    def _watch(self, worker: _Worker) -> None:
        """End a worker whose call takes too long; it first says where it is."""
        if not worker.tasks or worker.hung or not (since := worker.slot.since):
            return
        limit = worker.tasks[0].job.limit_in(worker.slot.function)
        if time.monotonic() - since > limit:
            worker.hung = limit
            worker.slot.freeze()  # a signal may end what it waits for
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.process, WHERE)
                time.sleep(0.02)
            self._kill(worker)

    def _bury(self, worker: _Worker) -> Death:
        """How a worker ended, as the server tells."""
        if worker in self.workers:
            self.workers.remove(worker)
        worker.connection.close()
        ended = self._end_of(worker)
        slot, code = worker.slot, int(ended["code"])
        early = Death("", True, code, printed=ended["printed"])
        self._stillborn = 0 if worker.ready else self._stillborn + 1
        if not worker.ready and (not early.from_outside or self._stillborn > RETRIES):
            raise SubjectError(f"{self.options['subject']}: the process that imports it {early}")
        limit = worker.tasks[0].job.memory if worker.tasks else sys.maxsize
        full = not worker.hung and code < 0 and ended["resident"] - worker.resident > limit / 4
        return Death(slot.function, bool(slot.since), code, worker.hung, full, ended["printed"])

    def _end_of(self, worker: _Worker) -> dict[str, Any]:
        patience = time.monotonic() + 5
        while worker.number not in self._ended:
            if worker.server != self._servers:  # killed with its server, which cannot tell
                self._kill(worker)
                return {"code": -signal.SIGKILL, "resident": 0, "printed": ""}
            if time.monotonic() > patience:  # it closed its connection and lives on
                self._kill(worker)
                patience += 60
            self._listen(0.1)
        return self._ended.pop(worker.number)

    def _kill(self, worker: _Worker) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker.process, signal.SIGKILL)

    # The server.

    def _start_server(self) -> None:
        self._servers, self._text = self._servers + 1, b""
        self._control, theirs = socket.socketpair()
        code = (
            "import json, sys; sys.path[:] = json.loads(sys.argv[2]); from conformance.workers.server import serve; "
            "serve(int(sys.argv[1]), json.loads(sys.argv[3]))"
        )
        arguments = [str(theirs.fileno()), json.dumps(sys.path), json.dumps(self.options)]
        self._server = subprocess.Popen(
            [sys.executable, "-P", "-c", code, *arguments],  # -P: without the folder's own json.py
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C goes to this process alone
            env=_ONE_THREAD | os.environ,
        )
        theirs.close()

    def _end_server(self) -> None:
        """End the server, and what the kernels of its workers started."""
        if self._server:
            self._control.close()
            for process in [*(worker.process for worker in self.workers), self._server.pid]:
                kill_group(process)
            self._server.wait()
            self._server = None

    def _spawn(self) -> _Worker:
        ours, theirs = socket.socketpair()
        slot, number, asked = Slot.new(), next(self._numbers), 0
        patience = time.monotonic() + START_SECONDS
        with ours, theirs:
            while not (process := self._started.pop(number, 0)):
                if time.monotonic() > patience:
                    raise SubjectError("no worker process starts: use --in-process")
                if asked != self._servers:  # at first, and of each server that follows one that was killed
                    asked = self._servers
                    with contextlib.suppress(OSError):  # it is gone: _listen() sees that next
                        message, given = str(number).encode(), [theirs.fileno(), slot.descriptor]
                        socket.send_fds(self._control, [message], given)
                self._listen(0.1)
            return _Worker(number, process, connection.Connection(ours.detach()), slot, server=asked)

    def _wait_ready(self, worker: _Worker) -> None:
        patience = time.monotonic() + IMPORT_SECONDS
        while not worker.ready:
            if time.monotonic() > patience:
                subject = self.options["subject"]
                raise SubjectError(f"{subject}: importing it takes more than {IMPORT_SECONDS:g} s")
            for _ in self.wait(only=worker):
                pass

    def _listen(self, seconds: float) -> None:
        """Take in what the server tells."""
        if not connection.wait([self._control], timeout=seconds):
            return
        try:
            heard = self._control.recv(1 << 16)
        except ConnectionResetError:
            heard = b""
        if not heard:
            # A kernel killed the parent of its process: its case is asked again, as after any death.
            if self._servers == SERVERS:
                raise SubjectError(
                    f"{self.options['subject']}: the parent of its process was killed {SERVERS} times"
                )
            self._end_server()
            self._start_server()
            return
        *lines, self._text = (self._text + heard).split(b"\n")
        for line in lines:
            told = json.loads(line)
            if "process" in told:
                self._started[told["worker"]] = told["process"]
            else:
                self._ended[told["worker"]] = told


# Threads of BLAS would fight over the cores that the workers share; a kernel's own OpenMP threads are its own.
_ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1") | {
    "OMP_WAIT_POLICY": "passive"
}


def _load_error(message: dict[str, Any]) -> Exception:
    kinds: dict[str, type[Exception]] = {"MissingFramework": MissingFramework, "SubjectError": SubjectError}
    return kinds[message["error"]](message["text"])
