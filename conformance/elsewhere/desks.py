"""Orders fulfilled here, by desks that are kept for the next order of their subject: what an executor is given."""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import sys
import threading
from multiprocessing.connection import Connection

from conformance.elsewhere.order import Answer, Order, Work
from conformance.running.fork_server import ONE_THREAD

KEPT = 4  # desks that there may be, or as many as were ever busy at once: the oldest ends that has no order


class DeskError(RuntimeError):
    """A desk ended before it answered: somebody killed it, or the machine has no memory left."""


def fulfil(order: Order) -> Answer:
    """The answer to an order, from a desk that has its subject loaded or a new one."""
    desk, is_wanted = _HERE.take(order.work), False
    try:
        desk.connection.send(order)
        answer: Answer = desk.connection.recv()
        is_wanted = not answer.error and answer.data is None
        return answer
    except (EOFError, OSError) as error:
        raise DeskError(f"{order.work.name}: the process that judged it was ended") from error
    finally:
        _HERE.give_back(desk, is_wanted)


class _Desk:
    def __init__(self, work: Work, connection: Connection) -> None:
        self.work, self.connection = work, connection


class _Nursery:
    """A process that desks are forked from."""

    def __init__(self, oracle: str) -> None:
        self.control, theirs = socket.socketpair()
        code = (
            "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
            "from conformance.elsewhere.nursery import serve; serve(int(sys.argv[1]), sys.argv[3])"
        )
        arguments = [str(theirs.fileno()), json.dumps(sys.path), oracle]
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", code, *arguments],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C goes to the first process alone
            env=ONE_THREAD | os.environ,
        )
        theirs.close()

    def desk(self, work: Work) -> _Desk:
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self.control, [b"desk"], [theirs.fileno()])
        return _Desk(work, Connection(ours.detach()))

    def close(self) -> None:
        self.control.close()
        self.process.wait()


class _Desks:
    """The desks of this process, whichever threads use them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._busy = self._most = 0  # desks that have an order
        self._idle: list[_Desk] = []
        self._nurseries: dict[str, _Nursery] = {}

    def take(self, work: Work) -> _Desk:
        with self._lock:
            self._busy += 1
            self._most = max(self._most, self._busy)
            for desk in [desk for desk in self._idle if desk.work == work]:
                self._idle.remove(desk)
                if not desk.connection.poll():  # else it has ended: it says nothing that it is not asked
                    return desk
                desk.connection.close()
            if work.oracle in self._nurseries:
                try:
                    return self._nurseries[work.oracle].desk(work)
                except OSError:  # somebody killed it
                    self._nurseries.pop(work.oracle).close()
            nursery = self._nurseries[work.oracle] = _Nursery(work.oracle)
            return nursery.desk(work)

    def give_back(self, desk: _Desk, is_wanted: bool) -> None:
        """Keep a desk for another order, unless nothing more will be asked of it."""
        with self._lock:
            self._busy -= 1
            self._idle.append(desk) if is_wanted else desk.connection.close()
            while self._idle and len(self._idle) + self._busy > max(KEPT, self._most):
                self._idle.pop(0).connection.close()

    def close(self) -> None:
        """End every desk, and what it was forked from."""
        with self._lock:
            for desk in self._idle:
                desk.connection.close()
            for nursery in self._nurseries.values():
                nursery.close()
            self._idle.clear()
            self._nurseries.clear()


_HERE = _Desks()
close = _HERE.close
atexit.register(close)
