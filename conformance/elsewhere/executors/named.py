"""Any executor of concurrent.futures, by the name of a function that makes it."""

from __future__ import annotations

import concurrent.futures
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from conformance.elsewhere.executors.executor import Hands
from conformance.kernels.load import imported
from conformance.kernels.subject import SubjectError
from conformance.usage import WrongUsage, cores


def hands(option: str, name: str, jobs: int | None) -> Hands:
    """The executor that a function of a module returns; as wide as a pool says that it is, or as there are cores."""
    where, _, factory = name.partition(":")
    if not factory or not where:
        raise WrongUsage(f"{option} {name}: write module:factory, or file.py:factory")
    try:
        make = getattr(imported(where), factory, None)
    except SubjectError as error:
        raise WrongUsage(f"{option} {name}: {error}") from None
    made = _made(f"{option} {name}", make)
    width = jobs or getattr(made, "_max_workers", None) or cores()
    found = Hands(made, lambda: width, lambda: _end(found.executor), True, _broken)
    found.renew = lambda: _made(f"{option} {name}", make)
    return found


def _made(told: str, make: Any) -> concurrent.futures.Executor:
    try:
        made = make() if callable(make) else None
    except Exception as error:
        raise WrongUsage(f"{told}: it raises {type(error).__name__}: {error}") from error
    if not isinstance(made, concurrent.futures.Executor):
        found = f"returns {type(made).__name__}" if callable(make) else "is no function"
        raise WrongUsage(f"{told}: {found}; it must return a concurrent.futures.Executor")
    return made


def _broken(error: BaseException) -> str:
    """A pool is of no use any more once one of its processes was killed."""
    return f"{type(error).__name__}: {error}" if isinstance(error, BrokenProcessPool) else ""


def _end(executor: concurrent.futures.Executor) -> None:
    executor.shutdown(wait=False, cancel_futures=True)
