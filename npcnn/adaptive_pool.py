"""Adaptive pooling over one, two and three image axes, and its gradients: windows that share an image out."""

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from npcnn.checks import FLOATS, INTS, Array, batched, check_array, check_bool, is_int, wide
from npcnn.max_pool import add_at
from npcnn.pool import by_planes, flat, gradient_planes, planes

Size = int | Sequence[int | None]
"""Extents of the output: an int for all axes, or one for each, None for that of the input."""
Windows = list[tuple[Array, Array]]
"""Where the windows along each axis begin, and where they end."""


def adaptive_avg_pool1d(input: Array, output_size: int | Sequence[int]) -> Array:
    """The mean of windows that share the image out: adaptive_avg_pool2d over one axis.

    input: (N, C, W) or (C, W); output_size: Q, an int or a tuple of one.
    Returns (N, C, Q) or (C, Q).
    """
    return _avg(1, input, output_size)


def adaptive_avg_pool1d_backward(grad_output: Array, input: Array, output_size: int | Sequence[int]) -> Array:
    """Gradient of sum(grad_output * adaptive_avg_pool1d(input, ...)), as adaptive_avg_pool2d_backward."""
    return _avg_backward(1, grad_output, input, output_size)


def adaptive_max_pool1d(
    input: Array, output_size: int | Sequence[int], *, return_indices: bool = False
) -> Array | tuple[Array, Array]:
    """The largest pixel of windows that share the image out: adaptive_max_pool2d over one axis.

    input: (N, C, W) or (C, W); output_size: Q, an int or a tuple of one.
    Returns (N, C, Q) or (C, Q); an index is the place w.
    """
    return _max(1, input, output_size, return_indices)


def adaptive_max_pool1d_backward(grad_output: Array, input: Array, output_size: int | Sequence[int]) -> Array:
    """Gradient of sum(grad_output * adaptive_max_pool1d(input, ...)), as adaptive_max_pool2d_backward."""
    return _max_backward(1, grad_output, input, output_size)


def adaptive_avg_pool2d(input: Array, output_size: Size) -> Array:
    """The mean of windows that share the image out: as many as output_size says.

        output[n, c, p, q] = mean of input[n, c, h, w] over the pixels of window p of H and window q of W

    where window p of H is floor(p * H / P) <= h < ceil((p + 1) * H / P), and so is window q of W.

    input: (N, C, H, W) or (C, H, W), of floating numbers; N may be 0
    output_size: P and Q, an int or a pair of ints, of which None is H or W; 0 is an extent of an empty answer

    Returns (N, C, P, Q), or (C, P, Q), in a new array of input's dtype; float16 and bfloat16 are added in float32
    and rounded once.
    Raises TypeError for an argument of a wrong type, ValueError for a wrong value.
    """
    return _avg(2, input, output_size)


def adaptive_avg_pool2d_backward(grad_output: Array, input: Array, output_size: Size) -> Array:
    """Gradient of sum(grad_output * adaptive_avg_pool2d(input, ...)); of input only the shape and dtype are read.

        grad_input[n, c, h, w] = sum over the windows (p, q) that hold (h, w) of
            grad_output[n, c, p, q] / pixels of the window

    grad_output: (N, C, P, Q) or (C, P, Q), of input's dtype; the other arguments as in adaptive_avg_pool2d
    Returns a new array of input's shape and dtype; float16 and bfloat16 are added in float32 and rounded once.
    Raises what adaptive_avg_pool2d raises, and ValueError where grad_output has not the shape of the output or
    has no numbers.
    """
    return _avg_backward(2, grad_output, input, output_size)


def adaptive_max_pool2d(
    input: Array, output_size: Size, *, return_indices: bool = False
) -> Array | tuple[Array, Array]:
    """The largest pixel of windows that share the image out, those of adaptive_avg_pool2d.

        output[n, c, p, q] = max of input[n, c, h, w] over the pixels of window p of H and window q of W

    the first of equals in row-major order, NaN above all and the last NaN.

    input: (N, C, H, W) or (C, H, W), of floating numbers; N may be 0
    output_size: P and Q, an int or a pair of ints, of which None is H or W; 0 is an extent of an empty answer

    Returns (N, C, P, Q), or (C, P, Q), in a new array of input's dtype; with return_indices also an int64
    array of the same shape, the place h * W + w of each maximum.
    Raises TypeError for an argument of a wrong type, ValueError for a wrong value.
    """
    return _max(2, input, output_size, return_indices)


def adaptive_max_pool2d_backward(grad_output: Array, input: Array, output_size: Size) -> Array:
    """Gradient of sum(grad_output * adaptive_max_pool2d(input, ...)).

        grad_input[n, c, h, w] = sum over the windows (p, q) whose maximum is at (h, w) of
            grad_output[n, c, p, q]

    grad_output: (N, C, P, Q) or (C, P, Q), of input's dtype; the other arguments as in adaptive_max_pool2d
    Returns a new array of input's shape and dtype; float16 and bfloat16 are added in float32 and rounded once.
    Raises what adaptive_max_pool2d raises, and ValueError where grad_output has not the shape of the output or
    has no numbers.
    """
    return _max_backward(2, grad_output, input, output_size)


def adaptive_avg_pool3d(input: Array, output_size: Size) -> Array:
    """The mean of windows that share the image out: adaptive_avg_pool2d over three axes.

    input: (N, C, D, H, W) or (C, D, H, W); output_size: O, P and Q, an int or three ints, of which None is D, H or W.
    Returns (N, C, O, P, Q) or (C, O, P, Q).
    """
    return _avg(3, input, output_size)


def adaptive_avg_pool3d_backward(grad_output: Array, input: Array, output_size: Size) -> Array:
    """Gradient of sum(grad_output * adaptive_avg_pool3d(input, ...)), as adaptive_avg_pool2d_backward."""
    return _avg_backward(3, grad_output, input, output_size)


def adaptive_max_pool3d(
    input: Array, output_size: Size, *, return_indices: bool = False
) -> Array | tuple[Array, Array]:
    """The largest pixel of windows that share the image out: adaptive_max_pool2d over three axes.

    input: (N, C, D, H, W) or (C, D, H, W); output_size: O, P and Q, an int or three ints, of which None is D, H or W.
    Returns (N, C, O, P, Q) or (C, O, P, Q); an index is the place (d * H + h) * W + w.
    """
    return _max(3, input, output_size, return_indices)


def adaptive_max_pool3d_backward(grad_output: Array, input: Array, output_size: Size) -> Array:
    """Gradient of sum(grad_output * adaptive_max_pool3d(input, ...)), as adaptive_max_pool2d_backward."""
    return _max_backward(3, grad_output, input, output_size)


def _avg(dims: int, input: Array, output_size: Size) -> Array:
    windows = _check(dims, input, output_size)
    x, dtype = planes(input, dims), wide(input.dtype)
    divisor = _pixels(windows).astype(dtype)
    output = np.empty((len(x), *divisor.shape), x.dtype)

    def work(part: slice) -> None:
        total = x[part].astype(dtype, copy=False)
        for along, (starts, stops) in enumerate(windows, 1):
            total = _sums(total, starts, stops, along)
        output[part] = total / divisor

    by_planes(work, x)
    return output.reshape(*input.shape[:-dims], *output.shape[1:])


def _sums(x: Array, starts: Array, stops: Array, along: int) -> Array:
    """Add up the pixels of all windows along an axis, first the first of each."""
    before: tuple[Any, ...] = (slice(None),) * along
    total = x.take(starts, along)
    for t in range(1, max(stops - starts, default=0)):
        (longer,) = np.nonzero(stops - starts > t)
        total[(*before, longer)] += x.take(starts[longer] + t, along)
    return total


def _avg_backward(dims: int, grad_output: Array, input: Array, output_size: Size) -> Array:
    windows, g = _check_backward(dims, grad_output, input, output_size)
    divisor = _pixels(windows).astype(wide(g.dtype))
    grad = np.empty((len(g), *input.shape[-dims:]), g.dtype)

    def work(part: slice) -> None:
        spread = g[part] / divisor
        for along, (starts, stops) in enumerate(windows, 1):
            spread = _spread(spread, starts, stops, along, grad.shape[along])
        grad[part] = spread

    by_planes(work, grad)
    return grad.reshape(input.shape)


def _spread(g: Array, starts: Array, stops: Array, along: int, image: int) -> Array:
    """The transpose of _sums."""
    before = (slice(None),) * along
    grad = np.zeros((*g.shape[:along], image, *g.shape[along + 1 :]), g.dtype)
    for q, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        grad[(*before, slice(start, stop))] += g[(*before, slice(q, q + 1))]
    return grad


def _pixels(windows: Windows) -> Array:
    """Pixels of each window, *output."""
    return reduce(np.multiply.outer, [stops - starts for starts, stops in windows])


def _max(dims: int, input: Array, output_size: Size, return_indices: bool) -> Array | tuple[Array, Array]:
    windows = _check(dims, input, output_size)
    check_bool("return_indices", return_indices)
    x = planes(input, dims)
    output = np.empty((len(x), *[len(starts) for starts, _ in windows]), x.dtype)
    indices = np.empty(output.shape, np.int64)

    def work(part: slice) -> None:
        output[part], indices[part] = _maxima(x[part], windows)

    by_planes(work, x)
    shape = (*input.shape[:-dims], *output.shape[1:])
    return (output.reshape(shape), indices.reshape(shape)) if return_indices else output.reshape(shape)


def _max_backward(dims: int, grad_output: Array, input: Array, output_size: Size) -> Array:
    windows, g = _check_backward(dims, grad_output, input, output_size)
    x = planes(input, dims)
    grad = np.zeros(x.shape, wide(x.dtype))

    def work(part: slice) -> None:
        _, places = _maxima(x[part], windows)
        add_at(grad[part], flat(places), g[part], overlapping=True)

    by_planes(work, x)
    with np.errstate(all="ignore"):
        return grad.astype(x.dtype, copy=False).reshape(input.shape)


def _maxima(x: Array, windows: Windows) -> tuple[Array, Array]:
    """The maximum of each window, (planes, *output), and its place in the flat image, one axis after the other.

    The last axis comes first: the first of equals, row by row, lies in the first row that has one.
    """
    best, places = x.astype(wide(x.dtype), copy=False), np.arange(x[0].size).reshape(1, *x.shape[1:])
    for along, (starts, stops) in reversed([*enumerate(windows, 1)]):
        best, places = _maxima_along(best, places, starts, stops, along)
    return best, places


def _maxima_along(x: Array, places: Array, starts: Array, stops: Array, along: int) -> tuple[Array, Array]:
    best = x.take(starts, along)
    where = np.broadcast_to(places.take(starts, along), best.shape).copy()
    for t in range(1, max(stops - starts, default=0)):
        tap = np.minimum(starts + t, stops - 1)  # the last again, in a window that has no more
        value = x.take(tap, along)
        wins = (value > best) | np.isnan(value)
        np.copyto(best, value, where=wins)
        np.copyto(where, places.take(tap, along), where=wins)
    return best, where


def _check(dims: int, input: Array, output_size: Size) -> Windows:
    """The windows along each axis, or the error that the arguments earn."""
    check_array("input", input, FLOATS)
    batched("input", input, dims)
    image = input.shape[-dims:]
    given: Any = output_size
    several = isinstance(given, tuple | list)
    sizes = tuple(given) if several else (given,) * dims
    rule = f"{INTS[dims]}, of which some may be None" if dims > 1 else INTS[dims]
    if not all(is_int(size) or (size is None and several and dims > 1) for size in sizes):
        raise TypeError(f"output_size={output_size!r} must be {rule}")
    if len(sizes) != dims:
        raise ValueError(f"output_size={output_size!r} must be {rule}")
    if min([0 if size is None else size for size in sizes]) < 0:
        raise ValueError(f"output_size={output_size!r} must be at least 0")
    return [_shares(n, n if size is None else int(size)) for n, size in zip(image, sizes, strict=True)]


def _shares(n: int, count: int) -> tuple[Array, Array]:
    """Window q of an extent of n is floor(q * n / count) <= pixel < ceil((q + 1) * n / count)."""
    q = np.arange(count)
    return q * n // max(count, 1), -(-(q + 1) * n // max(count, 1))


def _check_backward(dims: int, grad_output: Array, input: Array, output_size: Size) -> tuple[Windows, Array]:
    """The windows, and grad_output as (N * C, *output)."""
    windows = _check(dims, input, output_size)
    extents = tuple([len(starts) for starts, _ in windows])
    if 0 in extents:
        raise ValueError(f"output_size={output_size!r} must be at least 1 for a gradient")
    return windows, gradient_planes(dims, grad_output, input, extents, f"output_size={output_size!r}")
