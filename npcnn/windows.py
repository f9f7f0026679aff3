"""Sliding windows over any number of image axes: unfold, and its transpose fold. npcnn rests on these two."""

from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from npcnn.checks import Array, wide


class Axis(NamedTuple):
    """An image axis under a sliding window: tap t of window q is pixel `q * stride + t * dilation - before`.

    `before` is the padding on its near side; a pixel outside 0 <= pixel < image is padding.
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

    @property
    def overlap(self) -> tuple[slice, slice]:
        """The pixels of the image that lie in the span, and where in it they lie."""
        first = max(0, -self.before)
        stop = max(first, min(self.image, self.span - self.before))
        return slice(first, stop), slice(first + self.before, stop + self.before)

    def part(self, lines: slice) -> "Axis":
        """The same axis with only the windows of `lines`."""
        if lines.stop - lines.start == self.output:
            return self
        before = self.before - lines.start * self.stride
        return Axis(*self[:4], before, lines.stop - lines.start)

    def taps(self) -> Iterator[tuple[int, slice, slice]]:
        """(tap, windows, pixels): the windows whose tap lies inside the image, and the pixels it lies on."""
        for tap in range(self.kernel):
            offset = tap * self.dilation - self.before
            first = max(0, -(offset // self.stride))
            stop = min(self.output, (self.image - 1 - offset) // self.stride + 1)
            if first < stop:
                start, end = first * self.stride + offset, (stop - 1) * self.stride + offset + 1
                yield tap, slice(first, stop), slice(start, end, self.stride)

    def phases(self) -> Iterator[tuple[slice, slice, "Axis"]]:
        """(pixels, taps, axis) of the gradient: pixels of one phase of the stride are read by the same taps.

        Their gradient correlates grad_output with those taps, last first, at stride 1: `axis` says where.
        Pixels that no tap reads appear in no phase.
        """
        of_taps = [(t * self.dilation - self.before) % self.stride for t in range(self.kernel)]
        for first in sorted(set(of_taps)):
            if first < self.image:
                taps = [t for t, phase in enumerate(of_taps) if phase == first]
                step = taps[1] - taps[0] if len(taps) > 1 else 1
                yield (
                    slice(first, None, self.stride),
                    slice(taps[-1], taps[0] - 1 if taps[0] else None, -step),
                    Axis(
                        image=self.output,
                        kernel=len(taps),
                        stride=1,
                        dilation=step * self.dilation // self.stride,
                        before=(taps[-1] * self.dilation - first - self.before) // self.stride,
                        output=len(range(first, self.image, self.stride)),
                    ),
                )


Axes = tuple[Axis, ...]


def outputs(axes: Axes) -> tuple[int, ...]:
    """Windows along each axis."""
    return tuple([axis.output for axis in axes])


def unfold(images: Array, axes: Axes, long: bool = False) -> Array:
    """(..., *image) as (..., *kernel, *output), zeros where windows reach outside, in the dtype to add in; to be read.

    A view of the images, or of the part that is read where something is padded or converted.
    long   at stride 1: lines as long as the padded image, so that all windows of a tap lie side by side: cheaper
           to copy, but what lies beyond `output` in a line belongs to no window
    """
    seen = _canvas(images, axes, long)
    d = len(axes)
    steps, extents = seen.strides[-d:], outputs(axes)
    if long:
        extents = extents[:1] + seen.shape[1 - d :]
    shape = seen.shape[:-d] + tuple([axis.kernel for axis in axes]) + extents
    strides = [step * axis.dilation for step, axis in zip(steps, axes, strict=True)]
    strides += [step * axis.stride for step, axis in zip(steps, axes, strict=True)]
    return strided(seen, shape, (*seen.strides[:-d], *strides))


def fold(windows: Array, axes: Axes, onto: Array) -> None:
    """Add (..., *kernel, *output) onto (..., *image): the transpose of unfold, <unfold(x), v> = <x, fold(v)>."""
    for tap, where, pixels in taps(axes):
        onto[(..., *pixels)] += windows[(..., *tap, *where)]


def taps(axes: Axes) -> Iterator[tuple[Any, ...]]:
    """(tap, windows, pixels), each a tuple over the axes, of every tap of the window, in row-major order."""
    for of_axes in product(*(axis.taps() for axis in axes)):
        yield tuple(zip(*of_axes, strict=True))


def _canvas(images: Array, axes: Axes, long: bool) -> Array:
    """The part of (..., *image) that windows read, zeros where they reach outside, one line of zeros more if long."""
    dtype = wide(images.dtype)
    inside, places = zip(*[axis.overlap for axis in axes], strict=True)
    shape = (*images.shape[: -len(axes)], axes[0].span + long, *[axis.span for axis in axes[1:]])
    seen = images[(..., *inside)]
    if seen.shape == shape and images.dtype == dtype:
        return seen
    padded = np.zeros(shape, dtype)
    padded[(..., *places)] = seen
    return padded


def cut(array: Array, extents: tuple[int, ...]) -> Array:
    """The first of its last axes, as many as extents."""
    at: tuple[Any, ...] = (..., *[slice(extent) for extent in extents])
    return np.asarray(array[at])


def strided(array: Array, shape: tuple[int, ...], strides: tuple[int, ...]) -> Array:
    """as_strided, in a tenth of its time where the array is contiguous."""
    if array.flags.c_contiguous:
        return np.ndarray(shape, array.dtype, array, 0, strides)
    return as_strided(array, shape, strides)
