"""NumPy as the framework of a subject: its arrays are the suite's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from conformance.cases.arrays import Array

name, array_type, differentiates = "numpy", "numpy.ndarray", False


def from_numpy(array: Array, device: str | None) -> Array:
    return array


def to_numpy(array: Array) -> Array:
    return array


def is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) and not isinstance(value, (np.matrix, np.ma.MaskedArray))


def differentiate(function: Callable[..., Any], arrays: Sequence[Array], grad_output: Array) -> NoReturn:
    raise TypeError("NumPy does not differentiate")
