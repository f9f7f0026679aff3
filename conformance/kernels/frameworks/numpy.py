"""NumPy: its arrays are the suite's own."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from conformance.cases.arrays import Array
from conformance.kernels.framework import About, Framework, Shared
from conformance.kernels.getters import settable

ABOUT = About(packages=("numpy",), title="NumPy")


def from_numpy(array: Array, device: str | None) -> Array:
    return array


def to_numpy(array: Array) -> Array:
    return array


def is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) and not isinstance(value, (np.matrix, np.ma.MaskedArray))


@cache
def shared() -> dict[str, Shared]:
    found = settable(np, but=_OF_EACH_CALL, unkind=("get_printoptions",))
    return {"NumPy's global random state": Shared(_random_state, decides=False), **found}


_OF_EACH_CALL = ("geterr", "geterrcall", "getbufsize")  # see kernels/answer.py


def _random_state() -> tuple[Any, ...]:
    state: Any = np.random.get_state()  # noqa: NPY002 (this one is shared)
    return (state[1].tobytes(), *state[2:])


FRAMEWORK = Framework(
    ABOUT,
    array_type="numpy.ndarray",
    from_numpy=from_numpy,
    to_numpy=to_numpy,
    is_array=is_array,
    shared=shared,
    script_array="{}",
)
