"""Average pooling over one, two and three image axes, and its gradient: one axis after the other is added up."""

from functools import reduce
from typing import Any

import numpy as np

from npcnn.checks import Array, Option, check_bool, is_int, wide
from npcnn.pool import by_planes, gradient_planes, planes, pool_axes
from npcnn.windows import Axes, Axis, outputs


def avg_pool1d(
    input: Array,
    kernel_size: Option,
    *,
    stride: Option | None = None,
    padding: Option = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Array:
    """The mean of every window: avg_pool2d over one axis, without divisor_override.

        output[n, c, q] = sum over s < S of input[n, c, q * stride + s - padding] / divisor[q]

    input: (N, C, W) or (C, W). Returns (N, C, Q) or (C, Q).
    """
    geometry = kernel_size, stride, padding, 1, ceil_mode
    return _pool(1, input, geometry, count_include_pad)


def avg_pool1d_backward(
    grad_output: Array,
    input: Array,
    kernel_size: Option,
    *,
    stride: Option | None = None,
    padding: Option = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Array:
    """Gradient of sum(grad_output * avg_pool1d(input, ...)), as avg_pool2d_backward over one axis."""
    geometry = kernel_size, stride, padding, 1, ceil_mode
    return _backward(1, grad_output, input, geometry, count_include_pad)


def avg_pool2d(
    input: Array,
    kernel_size: Option,
    *,
    stride: Option | None = None,
    padding: Option = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """The mean of every window.

        output[n, c, p, q] = sum over r < R, s < S of
            input[n, c, p * stride + r - padding, q * stride + s - padding] / divisor[p, q]

    over the taps inside the image. The divisor is divisor_override if given; else the pixels of the window,
    with those of the padding (not those past it, which ceil_mode may add) if count_include_pad.
    P and Q as in max_pool2d.

    input: (N, C, H, W) or (C, H, W), of floating numbers; N may be 0
    kernel_size (R, S), stride, padding: an int or a pair (height, width); stride None is kernel_size;
        padding is at most half of kernel_size
    divisor_override: an int other than 0

    Returns (N, C, P, Q), or (C, P, Q), in a new array of input's dtype; float16 and bfloat16 are added in float32
    and rounded once.
    Raises TypeError for an argument of a wrong type, ValueError for a wrong value.
    """
    geometry = kernel_size, stride, padding, 1, ceil_mode
    return _pool(2, input, geometry, count_include_pad, divisor_override)


def avg_pool2d_backward(
    grad_output: Array,
    input: Array,
    kernel_size: Option,
    *,
    stride: Option | None = None,
    padding: Option = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """Gradient of sum(grad_output * avg_pool2d(input, ...)); of input only the shape and dtype are read.

        grad_input[n, c, h, w] = sum over the windows (p, q) that hold (h, w) of
            grad_output[n, c, p, q] / divisor[p, q]

    grad_output: (N, C, P, Q) or (C, P, Q), of input's dtype; the other arguments as in avg_pool2d
    Returns a new array of input's shape and dtype; float16 and bfloat16 are added in float32 and rounded once.
    Raises what avg_pool2d raises, and ValueError where grad_output has not the shape of the output.
    """
    geometry = kernel_size, stride, padding, 1, ceil_mode
    return _backward(2, grad_output, input, geometry, count_include_pad, divisor_override)


def avg_pool3d(
    input: Array,
    kernel_size: Option,
    *,
    stride: Option | None = None,
    padding: Option = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """The mean of every window: avg_pool2d over three axes.

        output[n, c, o, p, q] = sum over t < T, r < R, s < S of
            input[n, c, o * stride + t - padding, p ..., q ...] / divisor[o, p, q]

    input: (N, C, D, H, W) or (C, D, H, W). Returns (N, C, O, P, Q) or (C, O, P, Q).
    """
    geometry = kernel_size, stride, padding, 1, ceil_mode
    return _pool(3, input, geometry, count_include_pad, divisor_override)


def avg_pool3d_backward(
    grad_output: Array,
    input: Array,
    kernel_size: Option,
    *,
    stride: Option | None = None,
    padding: Option = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """Gradient of sum(grad_output * avg_pool3d(input, ...)), as avg_pool2d_backward over three axes."""
    geometry = kernel_size, stride, padding, 1, ceil_mode
    return _backward(3, grad_output, input, geometry, count_include_pad, divisor_override)


def _pool(dims: int, input: Array, geometry: tuple[Any, ...], *counted: Any) -> Array:
    axes = pool_axes(dims, input, *geometry)
    divisor = _divisor(axes, wide(input.dtype), *counted)
    x = planes(input, dims)
    output = np.empty((len(x), *outputs(axes)), x.dtype)

    def work(part: slice) -> None:
        output[part] = window_sums(x[part].astype(divisor.dtype, copy=False), axes) / divisor

    by_planes(work, x)
    return output.reshape(*input.shape[:-dims], *output.shape[1:])


def _backward(dims: int, grad_output: Array, input: Array, geometry: tuple[Any, ...], *counted: Any) -> Array:
    axes = pool_axes(dims, input, *geometry)
    divisor = _divisor(axes, wide(input.dtype), *counted)
    g = gradient_planes(dims, grad_output, input, outputs(axes), f"kernel_size={geometry[0]!r}")
    grad = np.empty((len(g), *input.shape[-dims:]), g.dtype)

    def work(part: slice) -> None:
        grad[part] = spread(g[part] / divisor, axes)

    by_planes(work, grad)
    return grad.reshape(input.shape)


def _divisor(axes: Axes, dtype: Any, count_include_pad: bool, divisor_override: int | None = None) -> Array:
    """What the sum of each window is divided by."""
    check_bool("count_include_pad", count_include_pad)
    if divisor_override is not None:
        if not is_int(divisor_override):
            raise TypeError(f"divisor_override={divisor_override!r} must be an int or None")
        if divisor_override == 0:
            raise ValueError("divisor_override=0 must not be 0")
        return np.full((1,) * len(axes), divisor_override, dtype)  # not 0-d: NumPy 1 would not promote by it
    return window_counts(axes, count_include_pad).astype(dtype)


def window_counts(axes: Axes, count_include_pad: bool) -> Array:
    """Pixels of each window, *output."""
    return reduce(np.multiply.outer, [_counts(axis, count_include_pad) for axis in axes])


def _counts(axis: Axis, count_include_pad: bool) -> Array:
    """Pixels of each window along one axis."""
    start = np.arange(axis.output) * axis.stride - axis.before
    stop = np.minimum(start + axis.kernel, axis.image + axis.before)
    return stop - start if count_include_pad else np.minimum(stop, axis.image) - np.maximum(start, 0)


def window_sums(x: Array, axes: Axes) -> Array:
    """Add up the pixels of every window: (planes, *image) to (planes, *output)."""
    for along, axis in enumerate(axes, 1):
        x = _add(x, axis, along)
    return x


def _add(x: Array, axis: Axis, along: int) -> Array:
    """Add the pixels of every window along one axis."""
    shape = (*x.shape[:along], axis.output, *x.shape[along + 1 :])
    before, every = (slice(None),) * along, slice(0, axis.output)
    (_, first, pixels), *others = sorted(
        axis.taps(), key=lambda tap: tap[1] != every
    )  # one of all windows first
    output = np.empty(shape, x.dtype) if first == every else np.zeros(shape, x.dtype)
    output[(*before, first)] = x[(*before, pixels)]
    for _, windows, pixels in others:
        output[(*before, windows)] += x[(*before, pixels)]
    return output


def spread(g: Array, axes: Axes) -> Array:
    """The transpose of window_sums: (planes, *output) to (planes, *image)."""
    for along, axis in reversed([*enumerate(axes, 1)]):
        g = _spread(g, axis, along)
    return g


def _spread(g: Array, axis: Axis, along: int) -> Array:
    """The transpose of _add."""
    before = (slice(None),) * along
    grad = np.zeros((*g.shape[:along], axis.image, *g.shape[along + 1 :]), g.dtype)
    written: set[int] = set()  # taps a stride apart lie on the same pixels
    for tap, windows, pixels in axis.taps():
        if tap % axis.stride in written:
            grad[(*before, pixels)] += g[(*before, windows)]
        else:
            grad[(*before, pixels)] = g[(*before, windows)]
            written.add(tap % axis.stride)
    return grad
