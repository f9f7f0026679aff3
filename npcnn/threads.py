"""Tasks on threads: npcnn has its own where BLAS is told to have one."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

import numpy as np

Task = Callable[[], Any]
Answer = TypeVar("Answer")


def slices(length: int, step: int) -> list[slice]:
    """Slices of `step` or a little less, as even as may be."""
    if length <= step:
        return [slice(0, length)] if length else []
    parts = -(-length // step)
    return [slice(i * length // parts, (i + 1) * length // parts) for i in range(parts)]


def each(tasks: Sequence[Callable[[], Answer]], alone: bool = False) -> list[Answer]:
    """Do every task; overflow and NaN are no news to anyone.

    On several threads if threads() says so, unless this one is to do it alone.
    """
    others = 0 if alone or len(tasks) < 2 else min(threads(), len(tasks)) - 1
    if not others:
        with np.errstate(all="ignore"):
            return [task() for task in tasks]
    answers: dict[int, Answer] = {}
    waiting = iter(enumerate(tasks))

    def take() -> None:
        with np.errstate(all="ignore"):  # of this thread
            for number, task in waiting:
                answers[number] = task()

    helping = [_helpers(others).submit(take) for _ in range(others)]
    try:
        take()  # this thread, too: to wake another takes as long as a small task
    finally:
        for helper in helping:
            if not helper.cancel():
                helper.result()
    return [answers[number] for number in range(len(tasks))]


@cache
def _helpers(count: int) -> ThreadPoolExecutor:
    """Threads that are kept: to start them takes as long as a small call."""
    return ThreadPoolExecutor(count)


if hasattr(os, "register_at_fork"):  # a child has no threads but the one that forked
    os.register_at_fork(after_in_child=_helpers.cache_clear)


def threads() -> int:
    """OMP_NUM_THREADS where OPENBLAS_NUM_THREADS=1 leaves the threads to npcnn, else 1: BLAS has threads of its own."""
    given = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # "4,2" is of two levels
    return max(1, int(given)) if os.environ.get("OPENBLAS_NUM_THREADS") == "1" and given.isdecimal() else 1
