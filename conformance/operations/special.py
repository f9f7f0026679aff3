"""How NaN and infinities are put into arrays, and zeros beside them."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.operations.windows import Array, Arrays

_REAL = np.array([np.nan, np.inf, -np.inf])
# No infinity: products of it are NaN or infinite, as they are multiplied.
_COMPLEX = np.array([complex(np.nan, 1), complex(1, np.nan), complex(np.nan, np.nan)])


def scatter(rng: np.random.Generator, arrays: Arrays, name: str) -> None:
    """NaN and infinities in one array, few enough that most answers stay finite, and no zero in the others.

    A zero stands only where it is meant: times a NaN or an infinity it is NaN, and a kernel that skips zeros loses it.
    """
    flat = arrays[name].reshape(-1)
    count = min(flat.size, 1 + int(rng.integers(2)) * flat.size // 16)  # one alone, or many
    where = rng.choice(max(flat.size, 1), size=count, replace=False)
    flat[where] = rng.choice(_COMPLEX if flat.dtype.kind == "c" else _REAL, size=count)
    for other in (
        array for array in arrays if array != name
    ):  # in order: the draws are those of every process
        zeros = arrays[other] == 0
        arrays[other][zeros] = rng.choice([-1, 1], size=int(zeros.sum()))


def put_zeros(rng: np.random.Generator, array: Array) -> None:
    """What a kernel may skip: single numbers, one image, channel, filter or tap of zeros, half of all, or all."""
    pattern, axis = rng.integers(4), rng.integers(array.ndim)
    if pattern == 0:
        array.reshape(-1)[::3] = 0
    elif pattern == 1 and array.size:
        array.swapaxes(0, axis)[rng.integers(array.shape[axis])] = 0
    else:
        array.reshape(-1)[: array.size // 2 if pattern == 2 else array.size] = 0


def is_special(case: Any, arrays: Arrays, name: str) -> bool:
    return case.values == "special" and name in arrays and not bool(np.isfinite(arrays[name]).all())
