"""Worker processes: started, sent chunks, listened to, ended, and buried.

Each worker has its own connection and its own slot of shared memory, in which it writes the case and the function in
hand before it calls anything. A death is thereby pinned to its case, and no lock or queue is left broken, whenever it
comes. (Pools share one queue among their workers: a process killed while it writes there takes the others with it.)
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from multiprocessing import connection
from typing import Any

from conformance.kernels.framework import MissingFramework
from conformance.kernels.subject import SubjectError
from conformance.running.deaths import RETRIES, Death
from conformance.running.fork_server import ForkServer
from conformance.running.jobs import Chunk
from conformance.running.patience import Patience
from conformance.running.slot import Slot
from conformance.running.worker import WHERE

START_SECONDS = 120.0  # for a process to start
IMPORT_SECONDS = 120.0  # for the import of the subject, once its process has started
END_SECONDS = 30.0  # for a process to end that has closed its connection
LAST_WORDS_SECONDS = 5.0  # for one that hangs to say where


@dataclass(eq=False)
class Worker:
    number: int
    process: int
    connection: connection.Connection
    slot: Slot
    server: int  # the number of the one that forked it
    ready: bool = False
    resident: int = 0  # bytes, when it was ready
    chunks: deque[Chunk] = field(default_factory=deque)
    answered_at: float = 0.0
    hung: float = 0.0  # the limit that its call went beyond
    hung_at: float = 0.0

    @cached_property
    def patience(self) -> Patience:
        return Patience(self.process)

    def close(self) -> None:
        self.connection.close()
        self.slot.close()


class Pool:
    """The server, the workers it forks, and what comes from them."""

    def __init__(self, options: dict[str, Any], forked: bool = False) -> None:
        self.subject = options["subject"]
        self.workers: list[Worker] = []
        self.server = ForkServer(options, forked)
        self._numbers = count(1)
        self._stillborn = 0  # workers in a row that were killed before they were ready

    def start(self, jobs: int) -> None:
        if not hasattr(os, "fork"):
            raise SubjectError("workers need fork, which this system lacks: use --in-process")
        self.server.start()
        while not any(worker.ready for worker in self.workers):  # again where somebody killed the first
            self.fill(1)
            self._wait_ready(*self.workers)
        self.fill(jobs)

    def close(self) -> None:
        """End every process, also what a subject started."""
        for worker in self.workers:
            worker.close()
        self.server.end()
        self.workers.clear()

    def fill(self, jobs: int) -> None:
        while len(self.workers) < jobs:
            self.workers.append(self._spawn())

    @contextlib.contextmanager
    def extra(self) -> Iterator[Worker]:
        """A new worker beside the others, for one chunk."""
        worker = self._spawn()
        try:
            yield worker
        finally:
            if not worker.connection.closed:
                _signal(worker, signal.SIGKILL)
                worker.close()

    def send(self, worker: Worker, chunk: Chunk) -> None:
        worker.chunks.append(chunk)
        chunk.sent_at = time.monotonic()
        with contextlib.suppress(OSError):  # it died: wait() sees that next
            worker.connection.send_bytes(chunk.message)

    def wait(self, only: Worker | None = None) -> Iterator[tuple[Worker, dict[str, Any] | Death]]:
        """What workers answer, and how they end; returns when there was something, or to look at the clock."""
        workers = [only] if only else list(self.workers)
        control = self.server.control
        ready = connection.wait([*(worker.connection for worker in workers), control], timeout=0.1)
        if control in ready:
            self.server.listen(0)
        # The server may be another one by now, and again after each burial: its connection is looked at no more.
        for worker in (worker for worker in workers if worker.connection in ready):
            if message := self._received(worker):
                yield worker, message
        for worker in workers:
            # A process that it left may hold the other end of its connection, and hide that it ended.
            if worker.number in self.server.ended and not worker.connection.poll():
                yield worker, self._bury(worker)
            else:
                _watch(worker)

    def _received(self, worker: Worker) -> dict[str, Any] | Death | None:
        """What a worker has to say of its cases, where it has."""
        message = _receive(worker)
        if message is None:
            return self._bury(worker)
        if worker.hung:
            return None  # too late
        if "error" in message and "failed" not in message:
            raise _LOAD_ERRORS[message["error"]](message["text"])
        if "ready" in message:
            worker.ready, worker.resident = True, message["resident"]
            return None
        return message

    def _bury(self, worker: Worker) -> Death:
        """How a worker ended, as the server says."""
        if worker in self.workers:
            self.workers.remove(worker)
        worker.connection.close()
        ended = self._end_of(worker)
        slot, code = worker.slot, int(ended["code"])
        early = Death("", True, code, printed=ended["printed"])
        self._stillborn = 0 if worker.ready else self._stillborn + 1
        if not worker.ready and (not early.from_outside or self._stillborn > RETRIES):
            raise SubjectError(f"{self.subject}: the process that imports it {early}")
        limit = worker.chunks[0].job.memory if worker.chunks else sys.maxsize
        full = not worker.hung and code < 0 and ended["resident"] - worker.resident > limit / 4
        return Death(slot.function, bool(slot.since), code, worker.hung, full, ended["printed"])

    def _end_of(self, worker: Worker) -> dict[str, Any]:
        patience = time.monotonic() + END_SECONDS
        while worker.number not in self.server.ended:
            if worker.server != self.server.servers:  # killed with its server, which cannot say
                _signal(worker, signal.SIGKILL)
                return {"code": -signal.SIGKILL, "resident": 0, "printed": ""}
            if time.monotonic() > patience:  # it closed its connection and lives on
                _signal(worker, signal.SIGKILL)
            self.server.listen(0.1)
        return self.server.ended.pop(worker.number)

    def _spawn(self) -> Worker:
        ours, theirs = socket.socketpair()
        slot, number, requested_of = Slot.new(), next(self._numbers), 0
        patience = time.monotonic() + START_SECONDS
        with ours, theirs:
            while not (process := self.server.started.pop(number, 0)):
                if time.monotonic() > patience:
                    raise SubjectError("no worker process starts: use --in-process")
                if requested_of != self.server.servers:  # and of each server that follows one that was killed
                    requested_of = self.server.servers
                    self.server.request(number, [theirs.fileno(), slot.descriptor])
                self.server.listen(0.1)
            return Worker(number, process, connection.Connection(ours.detach()), slot, server=requested_of)

    def _wait_ready(self, worker: Worker) -> None:
        """Until it is ready, or gone."""
        since = time.monotonic()
        while worker in self.workers and not worker.ready:
            if worker.patience.is_over(since, IMPORT_SECONDS):
                raise SubjectError(f"{self.subject}: importing it takes more than {IMPORT_SECONDS:g} s")
            for _ in self.wait(only=worker):
                pass


def _receive(worker: Worker) -> dict[str, Any] | None:
    try:
        message = json.loads(worker.connection.recv_bytes())
    except (EOFError, OSError, ValueError):  # ValueError: its memory is corrupt, and so are its words
        return None
    return message if isinstance(message, dict) else None


def _watch(worker: Worker) -> None:
    """End a worker whose call takes too long; it first says where it is."""
    if worker.hung:
        if time.monotonic() - worker.hung_at > LAST_WORDS_SECONDS:
            _signal(worker, signal.SIGKILL)
    elif worker.chunks and (since := worker.slot.since):
        limit = worker.chunks[0].job.limit_in(worker.slot.function)
        if worker.patience.is_over(since, limit):
            worker.hung, worker.hung_at = limit, time.monotonic()
            worker.slot.freeze()  # a signal may end what it waits for
            _signal(worker, WHERE)


def _signal(worker: Worker, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(worker.process, number)


_LOAD_ERRORS: dict[str, type[Exception]] = {
    "MissingFramework": MissingFramework,
    "SubjectError": SubjectError,
}
