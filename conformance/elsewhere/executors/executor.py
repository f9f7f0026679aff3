"""What a run needs of an executor, whichever it is."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from dataclasses import dataclass


class LostError(RuntimeError):
    """The executor itself is gone: no order will be answered any more."""


@dataclass
class Hands:
    """An executor, and what there is to know of it.

    width   how many orders it fulfils at once, by now
    close   ends it, without waiting for what nobody wants any more
    apart   whether files must travel to where it fulfils them
    lost    what an exception says of the executor itself, where it is gone and not one of its processes alone; else ""
    renew   makes another one that takes its place, where that can be done
    """

    executor: concurrent.futures.Executor
    width: Callable[[], int]
    close: Callable[[], None]
    apart: bool = False
    lost: Callable[[BaseException], str] = lambda error: ""
    renew: Callable[[], concurrent.futures.Executor] | None = None
