"""What a kernel shares with the process it runs in, and must leave as it was: seen, and put back."""

from __future__ import annotations

import contextlib
import os
import random
import threading
import warnings
from collections.abc import Iterator
from itertools import chain
from typing import Any, NamedTuple

from conformance.kernels.framework import Shared, imported


class Changes(NamedTuple):
    """What is no longer as it was, by name: what an answer may depend on, and the rest."""

    deciding: list[str]
    others: list[str]


def surroundings() -> dict[str, Any]:
    """The state of everything shared, by name (NumPy's error state apart: every call has its own)."""
    return {name: shared.read() for name, shared in _every_shared()}


def changes_since(before: dict[str, Any]) -> Changes:
    """What is no longer as it was, and threads that still run."""
    every = dict(_every_shared())
    changed = [name for name, value in before.items() if name in every and every[name].read() != value]
    return Changes(
        [name for name in changed if every[name].decides],
        [name for name in changed if not every[name].decides],
    )


@contextlib.contextmanager
def restored() -> Iterator[None]:
    """Afterwards, what another kernel or the suite would notice is as it was (random states it would not)."""
    before = [(each.read, each.put_back, each.read()) for _, each in _every_shared() if each.put_back]
    try:
        yield
    finally:
        for read, put_back, value in before:
            if read() != value:
                put_back(value)


def _every_shared() -> Iterator[tuple[str, Shared]]:
    return chain(*(framework.shared().items() for framework in imported()), _OF_PYTHON.items())


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


_OF_PYTHON = {
    "the global random state": Shared(random.getstate, decides=False),
    "the number of threads that run": Shared(threading.active_count),
    "the working directory": Shared(_directory, lambda path: os.chdir(path or os.sep)),
    "the environment": Shared(_environment, _set_environment),
    "the filters of warnings": Shared(lambda: list(warnings.filters), _set_filters, decides=False),
}
