"""Layouts: the same values behind other strides (a broadcast view repeats its own)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.operations.windows import Array


def _transposed(array: Array, dimensions: int) -> Array:
    """Stored with the axes in another order: the last two swapped."""
    order = (*range(array.ndim - 2), array.ndim - 1, array.ndim - 2) if array.ndim > 1 else (0,)
    return np.ascontiguousarray(array.transpose(order)).transpose(order)


def _channels_last(array: Array, dimensions: int) -> Array:
    """Stored with the channels last; with the strides that frameworks give an axis of one, which NumPy leaves open."""
    axis = array.ndim - dimensions - 1
    if axis < 0:
        return array
    last = np.array(np.moveaxis(array, axis, -1), order="C")
    steps = [math.prod(last.shape[i + 1 :]) * last.itemsize for i in range(last.ndim)]
    return np.moveaxis(np.lib.stride_tricks.as_strided(last, last.shape, steps), -1, axis)


def _fortran(array: Array, dimensions: int) -> Array:
    """Stored with the first axis innermost."""
    return np.asfortranarray(array)


def _sliced(array: Array, dimensions: int) -> Array:
    """Every second element of a larger array along each axis."""
    return _within(
        array, tuple(slice(1, 2 * n, 2) for n in array.shape), tuple(2 * n + 1 for n in array.shape)
    )


def _cropped(array: Array, dimensions: int) -> Array:
    """The inside of a larger array."""
    return _within(array, tuple(slice(1, n + 1) for n in array.shape), tuple(n + 3 for n in array.shape))


def _images_apart(array: Array, dimensions: int) -> Array:
    """Every second image of a batch: all but the first axis packed."""
    return _every_second(array, 0)


def _channels_apart(array: Array, dimensions: int) -> Array:
    """Every second channel: rows and columns packed, planes not."""
    return _every_second(array, max(array.ndim - dimensions - 1, 0))


def _every_second(array: Array, axis: int) -> Array:
    places = tuple(slice(1, 2 * n, 2) if i == axis else slice(n) for i, n in enumerate(array.shape))
    return _within(array, places, tuple(2 * n if i == axis else n for i, n in enumerate(array.shape)))


def _exchanged(array: Array, dimensions: int) -> Array:
    """Stored with images and channels exchanged: planes packed, in another order."""
    exchanges = array.ndim == dimensions + 2
    return np.ascontiguousarray(array.swapaxes(0, 1)).swapaxes(0, 1) if exchanges else array


def _mirrored(array: Array, dimensions: int) -> Array:
    """Rows stored backwards, as a flipped image has them."""
    return np.ascontiguousarray(array[..., ::-1])[..., ::-1]


def _upside_down(array: Array, dimensions: int) -> Array:
    """Negative strides along the rows of an image alone."""
    axis = max(array.ndim - 2, 0)
    return np.flip(np.flip(array, axis).copy(), axis)


def _last_image_first(array: Array, dimensions: int) -> Array:
    """Negative strides along the first axis alone."""
    return np.ascontiguousarray(array[::-1])[::-1]


def _repeated(array: Array, dimensions: int) -> Array:
    """The first axis repeats one image (stride 0)."""
    return np.broadcast_to(array[:1], array.shape) if array.size else array


def _reversed(array: Array, dimensions: int) -> Array:
    """Every axis stored backwards (negative strides)."""
    back = (slice(None, None, -1),) * array.ndim
    return array[back].copy()[back]


def _broadcast(array: Array, dimensions: int) -> Array:
    """The last axis repeats one element (stride 0), as the gradient of a sum over rows does."""
    return np.broadcast_to(array[..., :1], array.shape) if array.size else array


def _expanded(array: Array, dimensions: int) -> Array:
    """Every axis repeats one element: the gradient of a sum."""
    return (
        np.broadcast_to(array.reshape(-1)[:1].reshape((1,) * array.ndim), array.shape)
        if array.size
        else array
    )


def _averaged(array: Array, dimensions: int) -> Array:
    """The image axes alone repeat one element: the gradient of a global average."""
    places: tuple[Any, ...] = (..., *(slice(1),) * min(dimensions, array.ndim))
    return np.broadcast_to(array[places], array.shape) if array.size else array


def _offset(array: Array, dimensions: int) -> Array:
    """Starts some elements into its memory, by its width how many: in the midst of a line of the cache."""
    line = _LINE // array.itemsize
    memory = np.full(array.size + 2 * line, _JUNK, array.dtype)
    begun = memory.ctypes.data % _LINE // array.itemsize
    start = line - begun + 1 + array.shape[-1] % (line - 1)
    memory[start : start + array.size] = array.reshape(-1)
    return memory[start : start + array.size].reshape(array.shape)


def _read_only(array: Array, dimensions: int) -> Array:
    """May not be written to."""
    array = array.copy()
    array.flags.writeable = False
    return array


_LINE = 64  # bytes
_JUNK = 99  # around a view: what a kernel that ignores strides reads


def _within(array: Array, where: tuple[slice, ...], shape: tuple[int, ...]) -> Array:
    memory = np.full(shape, _JUNK, array.dtype)
    memory[where] = array
    return memory[where]


# Those that have fewer values than the array they are of.
REPEATING = ("broadcast", "expanded", "repeated", "averaged")

# Of an array whose last axes, so many, are those of an image or a filter.
VIEWS: dict[str, Callable[[Array, int], Array]] = {
    "transposed": _transposed,
    "channels_last": _channels_last,
    "fortran": _fortran,
    "sliced": _sliced,
    "cropped": _cropped,
    "reversed": _reversed,
    "broadcast": _broadcast,
    "expanded": _expanded,
    "offset": _offset,
    "read_only": _read_only,
    "images_apart": _images_apart,
    "channels_apart": _channels_apart,
    "exchanged": _exchanged,
    "mirrored": _mirrored,
    "last_image_first": _last_image_first,
    "repeated": _repeated,
    "upside_down": _upside_down,
    "averaged": _averaged,
}
