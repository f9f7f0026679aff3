"""What a kernel shares with the process it runs in, and must leave as it was: seen, and put back."""

from __future__ import annotations

import builtins
import concurrent.futures.thread
import contextlib
import ctypes
import decimal
import gc
import locale
import logging
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import chain
from typing import Any, NamedTuple

from conformance.kernels.framework import Shared, imported
from conformance.kernels.getters import attributes, differing, same, settable

Kept = tuple[Callable[[], Any], Callable[[Any], object]]  # how it is read, and how it is set


class Changes(NamedTuple):
    """What is no longer as it was, by name: what an answer may depend on, and the rest."""

    deciding: list[str]
    others: list[str]


def surroundings() -> dict[str, Any]:
    """The state of everything shared, by name (NumPy's error state apart: every call has its own)."""
    return {name: shared.read() for name, shared in _every_shared()}


def changes_since(before: dict[str, Any]) -> Changes:
    """What is no longer as it was."""
    every = dict(_every_shared())
    known = [(name, every[name], value) for name, value in before.items() if name in every]
    changed = [(words, each.decides) for name, each, was in known for words in _changed(name, each, was)]
    return Changes(
        [words for words, decides in changed if decides],
        [words for words, decides in changed if not decides],
    )


@contextlib.contextmanager
def restored(seldom: bool = True) -> Iterator[None]:
    """Afterwards, what another kernel or the suite would notice is as it was; or without what is seldom put back."""
    kept = _kept(seldom, *(framework.shared for framework in imported()))
    before = [(read, put_back, read()) for read, put_back in kept]
    try:
        yield
    finally:
        for read, put_back, value in before:
            if (now := read()) is not value and not same(now, value):
                put_back(value)


@cache  # asked for by each case
def _kept(seldom: bool, *of_frameworks: Callable[[], Mapping[str, Shared]]) -> list[Kept]:
    """What is put back."""
    every = chain(*(shared().values() for shared in of_frameworks), _of_python().values())
    return [(each.read, each.put_back) for each in every if each.put_back and (seldom or not each.seldom)]


def _every_shared() -> Iterator[tuple[str, Shared]]:
    return chain(*(framework.shared().items() for framework in imported()), _of_python().items())


def _changed(name: str, shared: Shared, before: Any) -> Iterator[str]:
    """By what words it is told that it changed; nothing where it did not."""
    now = shared.read()
    if shared.parts:
        yield from (f"{name}.{part}" for part in differing(before, now))
    elif not same(now, before):
        yield name


def _directory() -> str | None:
    with contextlib.suppress(OSError):  # the kernel may have removed it
        return os.getcwd()  # noqa: PTH109 (a Path is slow to make, and this is done for every case)
    return None


def _environment() -> dict[Any, Any]:
    """As the operating system has it, where Python keeps it so: to decode it for every case would be slow."""
    return dict(getattr(os.environ, "_data", os.environ))


def _set_environment(before: dict[Any, Any]) -> None:
    decode = getattr(os.environ, "decodevalue", str)
    wanted = {decode(name): decode(value) for name, value in before.items()}
    for name in os.environ.keys() - wanted.keys():
        del os.environ[name]
    os.environ.update(wanted)


def _set_filters(before: list[Any]) -> None:
    warnings.resetwarnings()  # which also forgets what the filters of before let pass once
    warnings.filters = before


def _set_root_logger(before: tuple[int, list[logging.Handler], int]) -> None:
    logging.root.setLevel(before[0])
    logging.root.handlers[:] = before[1]
    logging.disable(before[2])


def _threads() -> int:
    """Those of a pool count as one: it starts them as calls need them, a later one too."""
    pools = getattr(concurrent.futures.thread, "_threads_queues", {})
    return len({id(pools.get(thread, thread)) for thread in threading.enumerate()})


def _umask() -> int:
    """Which can only be read by setting another."""
    before = os.umask(0o077)
    os.umask(before)
    return before


def _context() -> dict[str, Any]:
    """Of decimal numbers, without the signals that calculations leave there."""
    context = decimal.getcontext()
    return {name: getattr(context, name) for name in _OF_CONTEXT} | {"traps": dict(context.traps)}


def _set_context(before: dict[str, Any]) -> None:
    for name, value in before.items():
        setattr(decimal.getcontext(), name, value)


_OF_CONTEXT = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")
_SIGNALS = tuple(map(int, signal.Signals))
_handler = getattr(signal.getsignal, "__wrapped__", signal.getsignal)  # without words for it, which are slow


def _set_handlers(before: list[Any]) -> None:
    for number, handler in zip(_SIGNALS, before, strict=True):
        if handler is not None and _handler(number) != handler:  # None: native code's own
            with contextlib.suppress(ValueError):  # in another thread than the main one
                signal.signal(number, handler)


@cache
def _of_python() -> dict[str, Shared]:
    """Of its interpreter and of the process; found by looking through modules where they have more than a few."""
    found = (settable(each, but=("getswitchinterval",), unkind=dir(each)) for each in (sys, gc, threading))
    return {name: each for every in found for name, each in every.items()} | _OF_PYTHON | _rounding()


def _rounding() -> dict[str, Shared]:
    """How the processor rounds, which native code can set for all."""
    with contextlib.suppress(AttributeError, OSError):
        library = ctypes.CDLL(None)
        return {"the direction of rounding": Shared(library.fegetround, library.fesetround, seldom=True)}
    return {}


_OF_PYTHON = {
    "the global random state": Shared(random.getstate, decides=False),
    "the number of threads that run": Shared(_threads, decides=False),
    "the working directory": Shared(_directory, lambda path: os.chdir(path or os.sep)),
    "the environment": Shared(_environment, _set_environment),
    "the filters of warnings": Shared(lambda: list(warnings.filters), _set_filters, decides=False),
    "sys": attributes(sys, decides=False),
    "builtins": attributes(builtins, decides=True),
    "the context of decimal numbers": Shared(_context, _set_context, seldom=True),
    "the locale": Shared(
        lambda: locale.setlocale(locale.LC_ALL),
        lambda name: locale.setlocale(locale.LC_ALL, name),
        seldom=True,
    ),
    "sys.getswitchinterval()": Shared(
        lambda: round(sys.getswitchinterval(), 9),  # it is kept in whole microseconds
        sys.setswitchinterval,
        decides=False,
        seldom=True,
    ),
    "gc.isenabled()": Shared(
        gc.isenabled, lambda on: gc.enable() if on else gc.disable(), decides=False, seldom=True
    ),
    "the handlers of signals": Shared(
        lambda: [_handler(number) for number in _SIGNALS], _set_handlers, decides=False, seldom=True
    ),
    "the umask": Shared(_umask, os.umask, decides=False, seldom=True),
    "the root logger": Shared(
        lambda: (logging.root.level, logging.root.handlers[:], logging.root.manager.disable),
        _set_root_logger,
        decides=False,
        seldom=True,
    ),
}
