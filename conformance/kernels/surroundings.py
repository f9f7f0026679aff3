"""What a kernel shares with the process it runs in, and must leave as it was: seen, and put back."""

from __future__ import annotations

import contextlib
import os
import random
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np


class _Shared(NamedTuple):
    read: Callable[[], Any]
    put_back: Callable[[Any], None]


def surroundings() -> dict[str, Any]:
    """The state of everything shared, by name (NumPy's error state apart: every call has its own)."""
    return {name: shared.read() for name, shared in (_COUNTED | _CHEAP | _of_torch()).items()}


def changed(before: dict[str, Any]) -> list[str]:
    """What is no longer as it was, and threads that still run."""
    now = surroundings()
    return [name for name, value in before.items() if now.get(name, value) != value]


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Afterwards, what another kernel or the suite would notice is as it was (random states it would not)."""
    shared = _CHEAP | _of_torch()
    before = {name: each.read() for name, each in shared.items()}
    try:
        yield
    finally:
        for name, each in shared.items():
            if each.read() != before[name]:
                each.put_back(before[name])


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


def _numpys_random() -> tuple[Any, ...]:
    state: Any = np.random.get_state()  # noqa: NPY002 (this one is shared)
    return (state[1].tobytes(), *state[2:])


def _leave(_: Any) -> None:
    pass


_CHEAP = {
    "the working directory": _Shared(_directory, lambda path: os.chdir(path or os.sep)),
    "the environment": _Shared(_environment, _set_environment),
    "the filters of warnings": _Shared(lambda: list(warnings.filters), _set_filters),
}
_COUNTED = {
    "NumPy's global random state": _Shared(_numpys_random, _leave),
    "the global random state": _Shared(random.getstate, _leave),
    "the number of threads that run": _Shared(threading.active_count, _leave),
}


def _of_torch() -> dict[str, _Shared]:
    torch = sys.modules.get("torch")
    if not hasattr(torch, "get_num_threads"):
        return {}  # not imported, or being imported
    assert torch
    return {
        "PyTorch's default dtype": _Shared(torch.get_default_dtype, torch.set_default_dtype),
        "PyTorch's number of threads": _Shared(torch.get_num_threads, torch.set_num_threads),
        "PyTorch's gradient mode": _Shared(torch.is_grad_enabled, torch.set_grad_enabled),
    }
