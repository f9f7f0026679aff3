"""The parent's side of the server: it starts workers on request, and reports how they end."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from multiprocessing import connection
from typing import Any

from conformance.kernels.subject import SubjectError
from conformance.running.limits import die_with_parent
from conformance.running.server import kill_group, serve

SERVERS = 50  # started for one run, where a kernel kills them


class ForkServer:
    """The process that workers are forked from; where a kernel kills it, another one follows.

    forked  whether the first of them is a fork of this process; a later one may not be, which has the subject loaded
    """

    def __init__(self, options: dict[str, Any], forked: bool = False) -> None:
        self.options = options
        self.forked = forked
        self.servers = 0  # started so far
        self.started: dict[int, int] = {}  # the process of each worker whose start was not yet noticed
        self.ended: dict[int, dict[str, Any]] = {}  # how workers ended, until it is noticed
        self._alive: dict[int, int] = {}  # the process of each worker
        self._process: subprocess.Popen[bytes] | Fork | None = None
        self._text = b""

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def start(self) -> None:
        self.servers, self._text = self.servers + 1, b""
        self.control, theirs = socket.socketpair()
        if self.forked and self.servers == 1:
            self._process = Fork(self.control, theirs, self.options)
            return
        code = (
            "import json, sys; sys.path[:] = json.loads(sys.argv[2]); from conformance.running.server import serve; "
            "serve(int(sys.argv[1]), json.loads(sys.argv[3]))"
        )
        arguments = [str(theirs.fileno()), json.dumps(sys.path), json.dumps(self.options)]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", code, *arguments],  # -P: without the folder's own json.py
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C goes to this process alone
            env=ONE_THREAD | os.environ,
        )
        theirs.close()

    def end(self) -> None:
        """End the server, its workers, and what their kernels started."""
        if self._process:
            self.control.close()
            for process in [*self._alive.values(), self._process.pid]:
                kill_group(process)
            self._alive.clear()
            self._process.wait()
            self._process = None

    def request(self, number: int, descriptors: list[int]) -> None:
        """Have a worker started, which gets the files; one that is gone is noticed by listen()."""
        with contextlib.suppress(OSError):
            socket.send_fds(self.control, [str(number).encode()], descriptors)

    def listen(self, seconds: float) -> None:
        """Take in what the server says, if it says something in time."""
        if not connection.wait([self.control], timeout=seconds):
            return
        try:
            heard = self.control.recv(1 << 16)
        except ConnectionResetError:
            heard = b""
        if not heard:
            self._replace()
            return
        *lines, self._text = (self._text + heard).split(b"\n")
        for line in lines:
            self._note(json.loads(line))

    def _note(self, news: dict[str, Any]) -> None:
        number = news["worker"]
        if "process" in news:
            self.started[number] = self._alive[number] = news["process"]
        else:
            self._alive.pop(number, None)
            self.ended[number] = news

    def _replace(self) -> None:
        """A kernel killed the parent of its process: its case is judged again, as after any death."""
        if self.servers == SERVERS:
            subject = self.options["subject"]
            raise SubjectError(f"{subject}: the parent of its process was killed {SERVERS} times")
        self.end()
        self.start()


class Fork:
    """A server that is a fork of this process."""

    def __init__(self, control: socket.socket, theirs: socket.socket, options: dict[str, Any]) -> None:
        parent = os.getpid()
        self.pid = os.fork()
        if not self.pid:
            try:
                die_with_parent(parent)
                os.setsid()  # Ctrl-C goes to the first process alone
                control.close()
                serve(theirs.detach(), options)
            finally:
                os._exit(1)
        theirs.close()

    def wait(self) -> None:
        os.waitpid(self.pid, 0)


# Threads of BLAS would fight over the cores that the workers share; a kernel's own OpenMP threads are its own.
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1") | {
    "OMP_WAIT_POLICY": "passive"
}
