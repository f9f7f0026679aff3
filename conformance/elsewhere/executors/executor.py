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
    lost    whether an exception says that the executor is gone, and not one of its processes alone
    apart   whether files must travel to where it fulfils them
    close   ends it, without waiting for what nobody wants any more
    """

    executor: concurrent.futures.Executor
    width: Callable[[], int]
    lost: Callable[[BaseException], bool]
    apart: bool
    close: Callable[[], None]
