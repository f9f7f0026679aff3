"""Power-average pooling over one, two and three image axes, and its gradient: a root of a sum of powers."""

from functools import reduce
from math import isinf, prod
from typing import Any

import numpy as np

from npcnn.avg_pool import spread, window_counts, window_sums
from npcnn.checks import Array, Option, wide
from npcnn.max_pool import largest, largest_backward
from npcnn.pool import by_planes, gradient_planes, planes, pool_axes
from npcnn.windows import Axes, outputs


def lp_pool1d(
    input: Array,
    norm_type: float,
    kernel_size: Option,
    *,
    stride: Option | None = None,
    ceil_mode: bool = False,
) -> Array:
    """The norm of every window: lp_pool2d over one axis.

        output[n, c, q] = (sum over s < S of input[n, c, q * stride + s] ** norm_type) ** (1 / norm_type)

    input: (N, C, W) or (C, W). Returns (N, C, Q) or (C, Q).
    """
    return _pool(1, input, norm_type, kernel_size, stride, 0, 1, ceil_mode)


def lp_pool1d_backward(
    grad_output: Array,
    input: Array,
    norm_type: float,
    kernel_size: Option,
    *,
    stride: Option | None = None,
    ceil_mode: bool = False,
) -> Array:
    """Gradient of sum(grad_output * lp_pool1d(input, ...)), as lp_pool2d_backward over one axis."""
    return _backward(1, grad_output, input, norm_type, kernel_size, stride, 0, 1, ceil_mode)


def lp_pool2d(
    input: Array,
    norm_type: float,
    kernel_size: Option,
    *,
    stride: Option | None = None,
    ceil_mode: bool = False,
) -> Array:
    """The norm of every window, as PyTorch has it: powers of the numbers, not of their absolute values.

        output[n, c, p, q] = (sum over r < R, s < S of
            input[n, c, p * stride + r, q * stride + s] ** norm_type) ** (1 / norm_type)

    which is NaN for a sum below 0 unless norm_type is 1 or -1; norm_type inf takes the largest absolute value, -inf
    the smallest. With ceil_mode a window that reaches past the image is multiplied by R * S over its pixels,
    before the root. P and Q as in max_pool2d.

    input: (N, C, H, W) or (C, H, W), of floating numbers; N may be 0
    norm_type: an int or a float other than 0
    kernel_size (R, S), stride: an int or a pair (height, width); stride None is kernel_size

    Returns (N, C, P, Q), or (C, P, Q), in a new array of input's dtype; float16 and bfloat16 are computed in
    float32 and rounded once.
    Raises TypeError for an argument of a wrong type, ValueError for a wrong value.
    """
    return _pool(2, input, norm_type, kernel_size, stride, 0, 1, ceil_mode)


def lp_pool2d_backward(
    grad_output: Array,
    input: Array,
    norm_type: float,
    kernel_size: Option,
    *,
    stride: Option | None = None,
    ceil_mode: bool = False,
) -> Array:
    """Gradient of sum(grad_output * lp_pool2d(input, ...)).

        grad_input[n, c, h, w] = input[n, c, h, w] ** (norm_type - 1) * sum over the windows (p, q) that hold (h, w) of
            grad_output[n, c, p, q] * output[n, c, p, q] ** (1 - norm_type)

    where a window whose sum is 0 gives 0, as in PyTorch; of norm_type inf the first of equals is moved.

    grad_output: (N, C, P, Q) or (C, P, Q), of input's dtype; the other arguments as in lp_pool2d
    Returns a new array of input's shape and dtype; float16 and bfloat16 are computed in float32 and rounded once.
    Raises what lp_pool2d raises, and ValueError where grad_output has not the shape of the output.
    """
    return _backward(2, grad_output, input, norm_type, kernel_size, stride, 0, 1, ceil_mode)


def lp_pool3d(
    input: Array,
    norm_type: float,
    kernel_size: Option,
    *,
    stride: Option | None = None,
    ceil_mode: bool = False,
) -> Array:
    """The norm of every window: lp_pool2d over three axes.

        output[n, c, o, p, q] = (sum over t < T, r < R, s < S of
            input[n, c, o * stride + t, p ..., q ...] ** norm_type) ** (1 / norm_type)

    input: (N, C, D, H, W) or (C, D, H, W). Returns (N, C, O, P, Q) or (C, O, P, Q).
    """
    return _pool(3, input, norm_type, kernel_size, stride, 0, 1, ceil_mode)


def lp_pool3d_backward(
    grad_output: Array,
    input: Array,
    norm_type: float,
    kernel_size: Option,
    *,
    stride: Option | None = None,
    ceil_mode: bool = False,
) -> Array:
    """Gradient of sum(grad_output * lp_pool3d(input, ...)), as lp_pool2d_backward over three axes."""
    return _backward(3, grad_output, input, norm_type, kernel_size, stride, 0, 1, ceil_mode)


def _pool(dims: int, input: Array, norm_type: float, *geometry: Any) -> Array:
    axes = _check(dims, input, norm_type, *geometry)
    x = planes(input, dims)
    output = np.empty((len(x), *outputs(axes)), x.dtype)
    dtype = wide(x.dtype)

    def work(part: slice) -> None:
        seen = x[part].astype(dtype, copy=False)
        if isinf(norm_type):
            sign = dtype.type(np.sign(norm_type))
            output[part] = sign * largest(sign * abs(seen), axes)
        else:
            output[part] = _sums(seen, norm_type, axes) ** (1 / norm_type)

    by_planes(work, x)
    return output.reshape(*input.shape[:-dims], *output.shape[1:])


def _backward(dims: int, grad_output: Array, input: Array, norm_type: float, *geometry: Any) -> Array:
    axes = _check(dims, input, norm_type, *geometry)
    g = gradient_planes(dims, grad_output, input, outputs(axes), f"kernel_size={geometry[0]!r}")
    x = planes(input, dims)
    grad = np.empty(x.shape, x.dtype)
    dtype = wide(x.dtype)

    def work(part: slice) -> None:
        seen, by = x[part].astype(dtype, copy=False), g[part].astype(dtype, copy=False)
        if isinf(norm_type):
            sign = dtype.type(np.sign(norm_type))
            grad[part] = largest_backward(by, sign * abs(seen), axes) * _sign(seen)
            return
        sums = _sums(seen, norm_type, axes)
        of_sums = by * sums ** (1 / norm_type - 1) * ~np.isnan(sums) / _share(axes).astype(dtype)
        of_sums[sums == 0] = 0
        grad[part] = spread(of_sums, axes) * _power(seen, norm_type - 1)

    by_planes(work, x)
    return grad.reshape(input.shape)


def _sums(x: Array, norm_type: float, axes: Axes) -> Array:
    """(planes, *image) to (planes, *output): the sums of powers, of a whole window each."""
    sums: Array = window_sums(_power(x, norm_type), axes) / _share(axes).astype(x.dtype)
    sums += 0  # -0.0, whose root may be -inf, becomes 0.0: so it does in PyTorch
    return sums


def _power(x: Array, exponent: float) -> Array:
    """x ** exponent, of small whole exponents by multiplying, which whole numbers come through exactly."""
    if exponent in range(1, 17):
        return np.asarray(reduce(np.multiply, [x] * int(exponent)))
    return np.asarray(x**exponent)


def _sign(x: Array) -> Array:
    """1 or -1, and 0 of NaN, too, as PyTorch has it."""
    return np.subtract(x > 0, x < 0, dtype=x.dtype)


def _share(axes: Axes) -> Array:
    """The share of each window that lies in the image, which is not all of it in ceil_mode only."""
    return window_counts(axes, True) / prod([axis.kernel for axis in axes])


def _check(dims: int, input: Array, norm_type: Any, *geometry: Any) -> Axes:
    axes = pool_axes(dims, input, *geometry)
    if isinstance(norm_type, bool) or not isinstance(norm_type, int | float | np.integer | np.floating):
        raise TypeError(f"norm_type={norm_type!r} must be a number")
    if norm_type == 0:
        raise ValueError("norm_type=0 must not be 0")
    return axes
