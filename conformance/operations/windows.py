"""The geometry of windows, and the views that the definitions of all families are written with."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from typing import Any, cast

import numpy as np

Array = np.ndarray[Any, Any]
Arrays = dict[str, Array]
Pads = tuple[tuple[int, int], ...]  # before and after each axis
Problem = Any  # a conformance.cases.case.Case, which is made from a family

AXES = {1: "w", 2: "hw", 3: "dhw"}  # a letter an image axis


def window_outputs(extent: int, kernel: int, stride: int, pads: tuple[int, int], dilation: int) -> int:
    """floor((n + lo + hi - d (k - 1) - 1) / s) + 1: how many whole windows fit an axis."""
    return (extent + sum(pads) - dilation * (kernel - 1) - 1) // stride + 1


def windows_all_hit(extent: int, kernel: int, stride: int, padding: int, dilation: int, outputs: int) -> bool:
    """Whether every window of an axis has a tap inside the image (only a dilated one can miss)."""
    return all(
        any(0 <= window * stride - padding + tap * dilation < extent for tap in range(kernel))
        for window in range(outputs)
    )


def image_extent(
    outputs: int, kernel: int, stride: int, pads: tuple[int, int], dilation: int, unread: int
) -> int:
    """The extent that yields so many outputs and leaves so many pixels past the last window; at least 1."""
    extent = (outputs - 1) * stride + dilation * (kernel - 1) + 1 - sum(pads) + unread
    return extent if extent >= 1 else extent + stride * math.ceil((1 - extent) / stride)


def along(axis: int, value: int, rest: int, dimensions: int) -> tuple[int, ...]:
    """One value on one axis, another on the rest."""
    return tuple(value if i == axis else rest for i in range(dimensions))


def fitted(value: tuple[int, ...], dimensions: int) -> tuple[int, ...]:
    """What is written for two axes on any number of them: the last ones alone, or the first one repeated."""
    return (value[:1] * (dimensions - len(value)) + value)[-dimensions:] if len(value) > 1 else value


# Every tap of a window is a strided view of the padded image.


def taps(case: Problem) -> Iterator[tuple[tuple[int, ...], Any]]:
    """Each tap in row-major order and where, in the padded image (of an adjoint: answer), it meets every window."""
    for tap in itertools.product(*map(range, case.kernel)):
        axes = zip(tap, case.dilations, case.strides, case.windows, strict=True)
        yield tap, at(slice(t * d, t * d + (o - 1) * s + 1, s) for t, d, s, o in axes)


def pad(array: Array, pads: Pads, value: float = 0) -> Array:
    """The last axes longer by so many elements before and after (np.pad does the same, twenty times slower)."""
    extents = array.shape[-len(pads) :]
    padded = np.full(
        (*array.shape[: -len(pads)], *(n + sum(p) for n, p in zip(extents, pads, strict=True))),
        value,
        array.dtype,
    )
    padded[at(slice(lo, lo + n) for n, (lo, _) in zip(extents, pads, strict=True))] = array
    return padded


def at(last: Iterable[int | slice]) -> Any:
    """The index of the last axes; all of those before."""
    return (..., *last)


def unpad(array: Array, pads: Pads) -> Array:
    inside = (slice(lo, n - hi) for n, (lo, hi) in zip(array.shape[2:], pads, strict=True))
    return cast(Array, array[at(inside)])


def borders(case: Problem) -> Pads:
    """The padding of each axis, and after it what the last window reaches over."""
    axes = zip(case.plane, case.geometry, case.windows, strict=True)
    return tuple(
        (low, max(high, (o - 1) * s + d * (k - 1) + 1 - n - low)) for n, (k, s, (low, high), d), o in axes
    )


# The channels of a convolution, in groups.


def grouped(case: Problem, array: Array, axis: int) -> Array:
    """Split an axis of channels into (groups, channels of a group)."""
    shape = array.shape
    return array.reshape(*shape[:axis], case.groups, shape[axis] // case.groups, *shape[axis + 1 :])


def flat(array: Array, keep: int) -> Array:
    return array.reshape(*array.shape[:keep], math.prod(array.shape[keep:]))


def per_channel(case: Problem, bias: Array) -> Array:
    return bias.reshape(-1, *(1,) * case.dimensions)
