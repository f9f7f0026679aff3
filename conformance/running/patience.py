"""When a call counts as hung: it has had all of its time, on a core or asleep, and not in the queue for one."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

SETTLED = 0.1  # seconds after which a call is looked at: most are over by then
GENEROUS = 10  # limits by the clock on the wall, after which nothing explains it any more


class Spent(NamedTuple):
    """What a thread has spent since it was started, in seconds."""

    computing: float
    waiting: float  # ready to compute, and without a core


Readings = Callable[[int], Mapping[int, Spent]]  # of each thread of a process


def readings(process: int) -> dict[int, Spent]:
    """What the system tells; nothing where it does not, or where the process is gone."""
    found = {}
    for task in Path(f"/proc/{process}/task").glob("*"):
        with contextlib.suppress(
            OSError, ValueError
        ):  # a thread that has ended, or a system without such counts
            computing, waiting, _ = map(int, (task / "schedstat").read_text().split())
            found[int(task.name)] = Spent(computing / 1e9, waiting / 1e9)
    return found


@dataclass
class Patience:
    """With the call that a process is in.

    since    when that began, as the process says
    began    when it was first looked at, and what its threads had spent until then
    """

    process: int
    read: Readings = readings
    clock: Callable[[], float] = time.monotonic
    since: float = 0.0
    began: tuple[float, Mapping[int, Spent]] = (0.0, {})

    def is_over(self, since: float, limit: float) -> bool:
        """Whether the call that began then has had more than its time.

        That is: one of its threads has computed for so long, or all of them together have waited for a core for so
        much less than it takes. On a busy machine neither need be so, whatever the clock says.
        """
        now = self.clock()
        if since != self.since:
            if now - since >= min(SETTLED, limit):
                self.since, self.began = since, (now, self.read(self.process))
            return False
        if now - since <= limit:
            return False
        return now - since > GENEROUS * limit or self._own(now) > limit

    def _own(self, now: float) -> float:
        """Seconds that the call has had to itself; 0 where the system does not tell."""
        began, before = self.began
        if not (threads := self.read(self.process)):
            return 0.0
        none = Spent(0.0, 0.0)
        waiting = sum(spent.waiting - before.get(each, none).waiting for each, spent in threads.items())
        computing = max(spent.computing - before.get(each, none).computing for each, spent in threads.items())
        return max(now - began - waiting, computing)
