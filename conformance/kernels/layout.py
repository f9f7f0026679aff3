"""Arrays with the channels last, and back: of N C *image to N *image C, of K C/G *kernel to *kernel C/G K."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.cases import Case
from conformance.cases.arrays import Array


def to_channels_last(case: Case, name: str, array: Array) -> Array:
    """An argument; one with an axis too few or too many, which must be refused, keeps it."""
    moves = moves_of(case, name, array.ndim)
    return np.moveaxis(array, *moves) if moves else array


def moves_of(case: Case, name: str, axes: int) -> tuple[Any, Any] | None:
    """Where the axes of an argument or an output go, from and to; None where they stay."""
    if name.endswith("weight"):
        return (0, 1), (-1, -2)
    moved = not name.endswith("bias") and axes > _channels(case)
    return (_channels(case), -1) if moved else None


def from_channels_last(case: Case, output: str, array: Array) -> Array:
    """An answer; one of another number of axes, which is wrong, stays as it is."""
    if output == "grad_weight" and array.ndim == case.dimensions + 2:
        return np.moveaxis(array, (-1, -2), (0, 1))
    if output not in ("grad_weight", "grad_bias") and array.ndim == _channels(case) + case.dimensions + 1:
        return np.moveaxis(array, -1, _channels(case))
    return array


def _channels(case: Case) -> int:
    """The axis of the channels, where they come before the image."""
    return 0 if case.batch is None else 1
