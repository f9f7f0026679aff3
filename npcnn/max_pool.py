"""Maximum pooling over one, two and three image axes, and its gradient: tap by tap, all windows at a time."""

from itertools import product
from math import prod
from typing import Any

import numpy as np

from npcnn.checks import FLOATS, INTEGERS, Array, Option, check_bool, wide
from npcnn.pool import by_planes, flat, gradient_planes, planes, pool_axes
from npcnn.windows import Axes, Axis, outputs, strided, taps


def max_pool1d(
    input: Array,
    kernel_size: Option,
    *,
    stride: Option | None = None,
    padding: Option = 0,
    dilation: Option = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Array | tuple[Array, Array]:
    """The largest pixel of every window: max_pool2d over one axis.

        output[n, c, q] = max over s < S of input[n, c, q * stride + s * dilation - padding]

    input: (N, C, W) or (C, W). Returns (N, C, Q) or (C, Q); an index is the place w.
    """
    return _pool(1, input, return_indices, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool1d_backward(
    grad_output: Array,
    input: Array,
    kernel_size: Option,
    *,
    stride: Option | None = None,
    padding: Option = 0,
    dilation: Option = 1,
    ceil_mode: bool = False,
) -> Array:
    """Gradient of sum(grad_output * max_pool1d(input, ...)), as max_pool2d_backward over one axis."""
    return _backward(1, grad_output, input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d(
    input: Array,
    kernel_size: Option,
    *,
    stride: Option | None = None,
    padding: Option = 0,
    dilation: Option = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Array | tuple[Array, Array]:
    """The largest pixel of every window.

        output[n, c, p, q] = max over r < R, s < S of
            input[n, c, p * stride + r * dilation - padding, q * stride + s * dilation - padding]

    over the taps inside the image; the first of equals in row-major order, NaN above all and the last NaN.
    P = (H + 2 * padding - dilation * (R - 1) - 1) // stride + 1, with ceil_mode rounded up but for a window
    that would begin past the image and its left padding; Q of W and S alike.

    input: (N, C, H, W) or (C, H, W), of floating numbers or integers; N may be 0
    kernel_size (R, S), stride, padding, dilation: an int or a pair (height, width); stride None is
        kernel_size; padding is at most half of kernel_size

    Returns (N, C, P, Q), or (C, P, Q), in a new array of input's dtype; with return_indices also an int64
    array of the same shape, the place h * W + w of each maximum.
    A window that misses the image (dilation > 1 and padding only) is -inf and has no index: with
    return_indices that is a ValueError.
    Raises TypeError for an argument of a wrong type, ValueError for a wrong value.
    """
    return _pool(2, input, return_indices, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d_backward(
    grad_output: Array,
    input: Array,
    kernel_size: Option,
    *,
    stride: Option | None = None,
    padding: Option = 0,
    dilation: Option = 1,
    ceil_mode: bool = False,
) -> Array:
    """Gradient of sum(grad_output * max_pool2d(input, ...)).

        grad_input[n, c, h, w] = sum over the windows (p, q) whose maximum is at (h, w) of
            grad_output[n, c, p, q]

    grad_output: (N, C, P, Q) or (C, P, Q), of input's dtype; the other arguments as in max_pool2d
    Returns a new array of input's shape and dtype; float16 and bfloat16 are added in float32, rounded once.
    Raises what max_pool2d raises, and ValueError where grad_output has not the shape of the output or a
    window misses the image, so that its gradient has no place.
    """
    return _backward(2, grad_output, input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d(
    input: Array,
    kernel_size: Option,
    *,
    stride: Option | None = None,
    padding: Option = 0,
    dilation: Option = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Array | tuple[Array, Array]:
    """The largest pixel of every window: max_pool2d over three axes.

        output[n, c, o, p, q] = max over t < T, r < R, s < S of
            input[n, c, o * stride + t * dilation - padding, p ..., q ...]

    input: (N, C, D, H, W) or (C, D, H, W). Returns (N, C, O, P, Q) or (C, O, P, Q); an index is the place
    (d * H + h) * W + w.
    """
    return _pool(3, input, return_indices, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d_backward(
    grad_output: Array,
    input: Array,
    kernel_size: Option,
    *,
    stride: Option | None = None,
    padding: Option = 0,
    dilation: Option = 1,
    ceil_mode: bool = False,
) -> Array:
    """Gradient of sum(grad_output * max_pool3d(input, ...)), as max_pool2d_backward over three axes."""
    return _backward(3, grad_output, input, kernel_size, stride, padding, dilation, ceil_mode)


def _pool(dims: int, input: Array, return_indices: bool, *geometry: Any) -> Array | tuple[Array, Array]:
    axes = pool_axes(dims, input, *geometry, dtypes=(*FLOATS, *INTEGERS))
    check_bool("return_indices", return_indices)
    if return_indices:
        _check_seen(axes, input, *geometry)
    x = planes(input, dims)
    output = np.empty((len(x), *outputs(axes)), x.dtype)
    indices = np.empty(output.shape if return_indices else 0, np.int64)

    def work(part: slice) -> None:
        if return_indices:
            output[part], indices[part] = _scan(x[part], axes)
        else:
            output[part] = largest(x[part], axes)

    by_planes(work, x)
    shape = (*input.shape[:-dims], *output.shape[1:])
    return (output.reshape(shape), indices.reshape(shape)) if return_indices else output.reshape(shape)


def _backward(dims: int, grad_output: Array, input: Array, *geometry: Any) -> Array:
    axes = pool_axes(dims, input, *geometry)
    _check_seen(axes, input, *geometry)
    g = gradient_planes(dims, grad_output, input, outputs(axes), f"kernel_size={geometry[0]!r}")
    x = planes(input, dims)
    grad = np.zeros(x.shape, wide(x.dtype))

    def work(part: slice) -> None:
        _add_gradient(grad[part], g[part], x[part], axes)

    by_planes(work, x)
    with np.errstate(all="ignore"):
        return grad.astype(x.dtype, copy=False).reshape(input.shape)


def largest(x: Array, axes: Axes) -> Array:
    """The maximum of every window: (planes, *image) to (planes, *output)."""
    seen, apart = _taps(x, axes)
    best = seen[0].copy()
    for tap in seen[1:]:
        np.maximum(tap, best, out=best)  # of zeros that differ in sign, most machines keep the second
    return _windows(best, axes, apart)


def largest_backward(g: Array, x: Array, axes: Axes) -> Array:
    grad = np.zeros(x.shape, x.dtype)
    _add_gradient(grad, g, x, axes)
    return grad


def _add_gradient(grad: Array, g: Array, x: Array, axes: Axes) -> None:
    """Add g (planes, *output) to grad (planes, *image), each number where x has the maximum of its window."""
    overlapping = any(axis.stride <= (axis.kernel - 1) * axis.dilation for axis in axes)
    add_at(grad, flat(_scan(x, axes)[1]), g, overlapping)


def _scan(x: Array, axes: Axes) -> tuple[Array, Array]:
    """The maximum of every window, (planes, *output), and its place in the flat image."""
    seen, apart = _taps(x, axes)
    best, winners = _winners(seen, axes, apart)
    return _windows(best, axes, apart), _places(winners, axes)


def add_at(grad: Array, places: Array, g: Array, overlapping: bool) -> None:
    """Add g (planes, ...) to grad, each number at its place in its plane; places: (planes, windows), is used up."""
    places += np.arange(len(places))[:, None] * prod(grad.shape[1:])
    pixels, added = grad.reshape(-1), g.reshape(-1).astype(grad.dtype)
    if overlapping:
        np.add.at(pixels, places.reshape(-1), added)  # of a copy: it is slow on a view
    else:
        pixels[places.reshape(-1)] = added


def _taps(x: Array, axes: Axes) -> tuple[list[Array], tuple[int, ...]]:
    """What each tap sees of all windows as one run (planes, run), and how far neighbours lie apart in it, by axis.

    An image is split into the phases of the stride, -inf around it: then all windows read a tap side by side,
    in one long run over the ends of lines. What lies between two lines belongs to no window.
    """
    phases = tuple([_phases(axis) for axis in axes])
    steps, lines = [axis.kernel for axis in phases], outputs(phases)
    split = np.empty((*steps, len(x), *lines), wide(x.dtype))
    if not all(axis.inside for axis in phases):
        split.fill(-np.inf if x.dtype.kind not in "iu" else np.iinfo(x.dtype).min)
    for phase, outside, pixels in taps(phases):
        split[(*phase, slice(None), *outside)] = x[(slice(None), *pixels)]
    split = split.reshape(*steps, len(x), -1)
    apart = tuple([prod(lines[along:]) for along in range(1, len(lines) + 1)])
    run = 1 + sum([(axis.output - 1) * step for axis, step in zip(axes, apart, strict=True)])
    seen = []
    for tap in product(*map(_starts, axes, steps, apart)):
        phase, starts = zip(*tap, strict=True)
        seen.append(split[(*phase, slice(None), slice(sum(starts), sum(starts) + run))])
    return seen, apart


def _phases(axis: Axis) -> Axis:
    """The axis whose tap a sees the pixels of phase a of the stride: of those that a window reaches."""
    stride = axis.stride if axis.output > 1 else 1
    reached = min(stride, (axis.kernel - 1) * axis.dilation + 1)
    return Axis(axis.image, reached, stride, 1, axis.before, -(-axis.span // stride))


def _starts(axis: Axis, step: int, apart: int) -> list[tuple[int, int]]:
    """The phase that each tap lies in, of so many as its window reaches, and where its run begins there."""
    return [(t * axis.dilation % step, t * axis.dilation // step * apart) for t in range(axis.kernel)]


def _windows(runs: Array, axes: Axes, apart: tuple[int, ...]) -> Array:
    """View of runs (planes, run) as (planes, *output), without what lies between two lines."""
    steps = [runs.itemsize * step for step in apart]
    return strided(runs, (len(runs), *outputs(axes)), (runs.strides[0], *steps))


def _winners(seen: list[Array], axes: Axes, apart: tuple[int, ...]) -> tuple[Array, Array]:
    """Maxima as runs, and the tap, counted in row-major order, of every window's maximum, (planes, *output).

    Masks are multiplied, not used to choose: choosing branches, and guesses wrong at every other pixel.
    """
    winners = np.zeros(seen[0].shape, np.min_scalar_type(len(seen)))
    if max([axis.before for axis in axes]) > 0:
        _windows(winners, axes, apart)[...] = _first_seen(axes).astype(winners.dtype)
    best = seen[0].copy()
    more, moved = np.empty(best.shape, bool), np.empty_like(winners)
    for t, tap in enumerate(seen[1:], 1):
        np.greater(tap, best, out=more)
        np.maximum(tap, best, out=best)
        np.multiply(more.view(np.uint8), winners.dtype.type(t), out=moved)
        np.maximum(winners, moved, out=winners)
    nan = np.isnan(best)
    if nan.any():
        last = np.zeros_like(winners)
        for t, tap in enumerate(seen):
            np.maximum(last, np.isnan(tap) * winners.dtype.type(t), out=last)
        np.copyto(winners, last, where=nan)
    return best, _windows(winners, axes, apart)


def _first_seen(axes: Axes) -> Array:
    """The first tap of each window inside the image, counted in row-major order, *output."""
    first = np.zeros((), np.int64)
    for axis in axes:
        outside = np.maximum(0, axis.before - np.arange(axis.output) * axis.stride)
        first = first[..., None] * axis.kernel + -(-outside // axis.dilation)
    return first


def _places(winners: Array, axes: Axes) -> Array:
    """Winning taps as places in the flat image."""
    of_tap, of_window = np.zeros((), np.int64), np.zeros((), np.int64)
    for axis in axes:
        of_tap = of_tap[..., None] * axis.image + np.arange(axis.kernel) * axis.dilation
        of_window = of_window[..., None] * axis.image + np.arange(axis.output) * axis.stride - axis.before
    places: Array = np.take(of_tap.ravel(), winners, mode="clip")
    places += of_window
    return places


def _check_seen(
    axes: Axes, input: Array, kernel_size: Option, stride: object, padding: Option, dilation: Option, *_: bool
) -> None:
    if not all(_all_seen(axis) for axis in axes):
        raise ValueError(
            f"a window of kernel_size={kernel_size!r}, dilation={dilation!r}, padding={padding!r} "
            f"misses the image, so that its maximum has no place (input {input.shape})"
        )


def _all_seen(axis: Axis) -> bool:
    """Whether every window has a tap inside the image."""
    seen = np.zeros(axis.output, bool)
    for _, windows, _ in axis.taps():
        seen[windows] = True
    return bool(seen.all())
