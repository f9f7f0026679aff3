"""Sliding windows: which pixels a window reads, and views and copies of them; npcnn rests on this."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

Array = NDArray[Any]
Pair = tuple[int, int]
Answer = TypeVar("Answer")
Option = int | Sequence[int]
"""An option of one int for both axes, or a pair (height, width)."""


class Axis(NamedTuple):
    """Height or width of a sliding window: tap t of window q is pixel `q * stride + t * dilation - before`.

    `before` is the padding on the left or top; a pixel outside 0 <= pixel < image is padding.
    """

    image: int
    kernel: int
    stride: int
    dilation: int
    before: int
    output: int

    @property
    def span(self) -> int:
        """Pixels, padding included, from the first tap of the first window to the last tap of the last."""
        return (self.output - 1) * self.stride + (self.kernel - 1) * self.dilation + 1

    @property
    def inside(self) -> bool:
        """Whether no window reaches over the image."""
        return self.before <= 0 and self.span - self.before <= self.image

    def part(self, lines: slice) -> "Axis":
        """The same axis with only the windows of `lines`."""
        return self._replace(before=self.before - lines.start * self.stride, output=lines.stop - lines.start)

    def taps(self) -> Iterator[tuple[int, slice, slice]]:
        """(tap, windows, pixels): the windows whose tap lies inside the image, and the pixels it lies on."""
        for tap in range(self.kernel):
            offset = tap * self.dilation - self.before
            first = max(0, -(offset // self.stride))
            stop = min(self.output, (self.image - 1 - offset) // self.stride + 1)
            if first < stop:
                start, end = first * self.stride + offset, (stop - 1) * self.stride + offset + 1
                yield tap, slice(first, stop), slice(start, end, self.stride)

    def phases(self) -> Iterator[tuple[slice, list[int], "Axis"]]:
        """(pixels, taps, axis) of the gradient: pixels of one phase of the stride are read by the same taps.

        Their gradient correlates grad_output with those taps, last first, at stride 1: `axis` says where.
        Pixels that no tap reads appear in no phase.
        """
        for first in range(min(self.stride, self.image)):
            taps = [
                t for t in range(self.kernel) if (first + self.before - t * self.dilation) % self.stride == 0
            ]
            if taps:
                step = taps[1] - taps[0] if len(taps) > 1 else 0
                yield (
                    slice(first, None, self.stride),
                    taps[::-1],
                    Axis(
                        image=self.output,
                        kernel=len(taps),
                        stride=1,
                        dilation=step * self.dilation // self.stride,
                        before=(taps[-1] * self.dilation - first - self.before) // self.stride,
                        output=len(range(first, self.image, self.stride)),
                    ),
                )


Axes = tuple[Axis, Axis]


def pair(name: str, value: object, least: int) -> tuple[int, int]:
    """An option as (height, width), each at least `least`; bools are refused, NumPy integers are not."""
    if type(value) is int:
        items: tuple[Any, ...] = (value, value)
    else:
        items = tuple(value) if isinstance(value, tuple | list) else (value,)
        if not all(is_int(item) for item in items):
            raise TypeError(f"{name}={value!r} must be an int or a pair of ints")
        items = items * 2 if len(items) == 1 else items
        if len(items) != 2:
            raise ValueError(f"{name}={value!r} must be an int or a pair of ints")
    if min(items) < least:
        raise ValueError(f"{name}={value!r} must be at least {least}")
    return int(items[0]), int(items[1])


def is_int(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def check_array(name: str, array: object, dtypes: str, like: Array | None = None) -> None:
    """Refuse what is no NumPy array of one of `dtypes` (letters of numpy.dtype.char), or not of like's."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{name} is {type(array).__name__} but must be a NumPy array")
    if array.dtype.char not in dtypes:
        names = ", ".join(np.dtype(char).name for char in dtypes)
        raise TypeError(f"{name} is {array.dtype} but must be one of {names}")
    if like is not None and array.dtype.char != like.dtype.char:
        raise TypeError(f"{name} is {array.dtype} but input is {like.dtype}")


def batched(name: str, images: Array) -> Array:
    """`images` as (N, C, H, W); (C, H, W) is one image."""
    if images.ndim not in (3, 4):
        raise ValueError(f"{name} must be (N, C, H, W) or (C, H, W) (got {images.shape})")
    if 0 in images.shape[-3:]:
        raise ValueError(f"{name} must not be empty but in N (got {images.shape})")
    images = np.asarray(images)  # a matrix or a masked array has its own ideas of * and of indices
    return images if images.ndim == 4 else images[None]


def check_gradient(grad_output: Array, input: Array, shape: tuple[int, ...], origin: str) -> None:
    """Refuse what cannot be the gradient of an output of this shape."""
    check_array("grad_output", grad_output, "efd", like=input)
    if grad_output.shape != shape:
        raise ValueError(
            f"grad_output must have the output's shape {shape} (got {grad_output.shape}, {origin})"
        )


def wide(dtype: Any) -> Any:
    """The dtype to add in: float32 for float16, else the same, in this machine's byte order."""
    return np.dtype(np.float32) if dtype.char == "e" else dtype.newbyteorder("=")


def canvas(images: Array, axes: Axes) -> Array:
    """The part of (..., H, W) that windows read, zeros where they reach outside, in the dtype to add in.

    A view where nothing has to be added or converted. Pixels that no window reaches are left out.
    """
    rows, cols = axes
    dtype = wide(images.dtype)
    (y, ys), (x, xs) = _overlap(rows), _overlap(cols)
    if ys.stop - ys.start == rows.span and xs.stop - xs.start == cols.span and images.dtype == dtype:
        return images[..., ys, xs]
    padded = np.zeros((*images.shape[:-2], rows.span, cols.span), dtype)
    padded[..., y : y + ys.stop - ys.start, x : x + xs.stop - xs.start] = images[..., ys, xs]
    return padded


def _overlap(axis: Axis) -> tuple[int, slice]:
    """Where on the canvas the image begins, and the pixels of the image that are on it."""
    first = max(0, -axis.before)
    stop = max(first, min(axis.image, axis.span - axis.before))
    return first + axis.before, slice(first, stop)


def windows(padded: Array, axes: Axes, long: bool) -> tuple[Array, int]:
    """View of a canvas (..., h, w) as (..., R, S, run), to be read, and how far lines lie apart in a run.

    A run is all windows seen by one tap: (P, Q), or if `long`, at stride 1, one run on over the ends of lines:
    cheaper to copy, but what lies between two lines belongs to no window.
    """
    rows, cols = axes
    y, x = padded.strides[-2:]
    pitch, run, steps = cols.output, (rows.output, cols.output), (y * rows.stride, x * cols.stride)
    if long and rows.stride == cols.stride == 1 and x == padded.itemsize and y >= x * pitch and y % x == 0:
        pitch = y // x
        run, steps = (1, (rows.output - 1) * pitch + cols.output), (y, x)
    shape = (*padded.shape[:-2], rows.kernel, cols.kernel, *run)
    strides = (*padded.strides[:-2], y * rows.dilation, x * cols.dilation, *steps)
    return strided(padded, shape, strides), pitch


def lines_of(runs: Array, n: int, lines: tuple[int, ...], pitch: int) -> Array:
    """View of (..., n * run) as (..., n, P, Q): a run is P lines of Q, `pitch` apart, with what lies between them."""
    p, q = lines
    if pitch == q:
        return runs.reshape(*runs.shape[:-1], n, p, q)
    run, step = (p - 1) * pitch + q, runs.itemsize
    shape, strides = (*runs.shape[:-1], n, p, q), (*runs.strides[:-1], run * step, pitch * step, step)
    return strided(runs, shape, strides)


def strided(array: Array, shape: tuple[int, ...], strides: tuple[int, ...]) -> Array:
    """as_strided, in a tenth of its time where the array is contiguous."""
    if array.flags.c_contiguous:
        return np.ndarray(shape, array.dtype, array, 0, strides)
    return as_strided(array, shape, strides)


def slices(length: int, step: int) -> list[slice]:
    """Slices of `step` or a little less, as even as may be."""
    parts = -(-length // step) if length else 0
    return [slice(i * length // parts, (i + 1) * length // parts) for i in range(parts)]


def each(tasks: Sequence[Callable[[], Answer]], least: float = 2) -> list[Answer]:
    """Do every task; overflow and NaN are no news to anyone.

    On several threads if threads() says so and there are at least so many tasks.
    """
    answers: dict[int, Answer] = {}
    waiting = iter(enumerate(tasks))

    def take() -> None:
        with np.errstate(all="ignore"):  # of this thread
            for number, task in waiting:
                answers[number] = task()

    others = min(threads(), len(tasks)) - 1 if len(tasks) >= least else 0
    helping = [_helpers(others).submit(take) for _ in range(others)]
    try:
        take()  # this thread, too: to wake another takes as long as a small task
    finally:
        for helper in helping:
            if not helper.cancel():
                helper.result()
    return [answers[number] for number in range(len(tasks))]


@cache
def _helpers(count: int) -> ThreadPoolExecutor:
    """Threads that are kept: to start them takes as long as a small call."""
    return ThreadPoolExecutor(count)


if hasattr(os, "register_at_fork"):  # a child has no threads but the one that forked
    os.register_at_fork(after_in_child=_helpers.cache_clear)


def threads() -> int:
    """OMP_NUM_THREADS where OPENBLAS_NUM_THREADS=1 leaves the threads to npcnn, else 1: BLAS has threads of its own."""
    given = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # "4,2" is of two levels
    return max(1, int(given)) if os.environ.get("OPENBLAS_NUM_THREADS") == "1" and given.isdecimal() else 1
