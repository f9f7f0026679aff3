"""The process that workers are forked from: NumPy, the oracle and conformance are loaded once, a new worker takes
milliseconds.

It never calls the subject or the oracle, so it has no threads and can be forked. It reads what its workers print (of
floods, it keeps the end) and reports how each of them ended. When the parent is gone, all of them go.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from dataclasses import dataclass, field
from typing import Any, NoReturn

TAIL = 8192  # bytes kept of what a worker prints


def serve(control: int, options: dict[str, Any]) -> NoReturn:
    """Fork a worker whenever the parent asks for one, until the parent closes its end."""
    from conformance.running import worker

    worker.preload(options)
    gc.freeze()
    server = _Server(socket.socket(fileno=control), options)
    try:
        server.run()
    except BaseException:
        traceback.print_exc()
    for process in [*server.workers, os.getpid()]:
        kill_group(process)
    raise AssertionError("killed above")


def kill_group(process: int) -> None:
    """End what is left of the group that a process leads."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process, signal.SIGKILL)


@dataclass
class _Forked:
    number: int
    output: int
    printed: bytes = b""


@dataclass
class _Server:
    control: socket.socket
    options: dict[str, Any]
    workers: dict[int, _Forked] = field(default_factory=dict)  # by process id

    def run(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.woken, waker = socket.socketpair()
        self.waker = waker
        self.woken.setblocking(False)
        waker.setblocking(False)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.selector.register(self.control, selectors.EVENT_READ)
        self.selector.register(self.woken, selectors.EVENT_READ)
        while True:
            # What was printed comes before the end of who printed it: that closes the pipe.
            for key, _ in sorted(self.selector.select(), key=lambda ready: ready[0].data is None):
                if key.fileobj is self.control:
                    if not self._fork():
                        return
                elif key.fileobj is self.woken:
                    with contextlib.suppress(BlockingIOError):
                        self.woken.recv(4096)
                    self._reap()
                else:
                    self._read(key.data)

    def _fork(self) -> bool:
        """Start the worker that the parent asks for; False where the parent is gone."""
        try:
            message, descriptors, _, _ = socket.recv_fds(self.control, 1024, 2)
        except ConnectionResetError:
            return False
        if not message:
            return False
        number, parent = int(message), os.getpid()
        reader, writer = os.pipe()
        process = os.fork()
        if not process:
            self._become_worker(parent, writer, descriptors, reader)
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it is gone, or has done so itself
            os.setpgid(process, process)  # before anybody ends its group
        for descriptor in (writer, *descriptors):
            os.close(descriptor)
        os.set_blocking(reader, False)
        worker = self.workers[process] = _Forked(number, reader)
        self.selector.register(reader, selectors.EVENT_READ, worker)
        self._report({"worker": number, "process": process})
        return True

    def _become_worker(self, parent: int, output: int, given: list[int], reader: int) -> NoReturn:
        from conformance.running import worker

        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.selector.close()
        for descriptor in (reader, self.control.detach(), self.woken.detach(), self.waker.detach()):
            os.close(descriptor)
        for other in self.workers.values():
            with contextlib.suppress(OSError):
                os.close(other.output)
        os.dup2(output, 1)
        os.dup2(output, 2)
        connection, slot = given
        worker.work(parent, connection, slot, output, self.options)

    def _reap(self) -> None:
        """Report every worker that ended: how, how much memory it held, and what it printed last."""
        while self.workers:
            process, status, usage = os.wait4(-1, os.WNOHANG)
            if not process:
                return
            if (worker := self.workers.pop(process, None)) is None:
                continue  # an orphan of a worker
            kill_group(process)
            self._read(worker)
            self._forget(worker)
            os.close(worker.output)
            resident = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
            printed = worker.printed.decode(errors="replace")
            code = os.waitstatus_to_exitcode(status)
            self._report({"worker": worker.number, "code": code, "resident": resident, "printed": printed})

    def _read(self, worker: _Forked) -> None:
        with contextlib.suppress(BlockingIOError):
            for _ in range(64):  # then let others have their turn
                printed = os.read(worker.output, 1 << 16)
                if not printed:
                    self._forget(worker)
                    return
                worker.printed = (worker.printed + printed)[-TAIL:]

    def _forget(self, worker: _Forked) -> None:
        with contextlib.suppress(KeyError):
            self.selector.unregister(worker.output)

    def _report(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # the parent is gone: run() sees it next
            self.control.sendall(json.dumps(message).encode() + b"\n")
