"""Convolution over one, two and three image axes, and its gradients."""

from math import prod
from typing import Any

import numpy as np

from npcnn.checks import (
    INTS,
    KERNEL,
    NUMBERS,
    Array,
    Option,
    batched,
    check_array,
    check_gradient,
    is_int,
    per_axis,
    wide,
)
from npcnn.products import correlate, transposed, weight_gradient
from npcnn.threads import Task, each
from npcnn.windows import Axes, Axis, outputs

Gradients = tuple[Array, Array, Array | None]

LITTLE = 1 << 20  # products of two gradients that one thread forms sooner than it wakes another


def conv1d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Option = 1,
    padding: Option | str = 0,
    dilation: Option = 1,
    groups: int = 1,
) -> Array:
    """Cross-correlate signals with filters: conv2d over one axis.

        output[n, k, q] = bias[k] + sum over c < C/G, s < S of
            weight[k, c, s] * padded[n, g * C/G + c, q * stride + s * dilation]

    input: (N, C, W) or (C, W), weight: (K, C/G, S), bias: (K,). Returns (N, K, Q) or (K, Q).
    """
    return _conv(1, input, weight, bias, stride, padding, dilation, groups)


def conv1d_backward(
    grad_output: Array,
    input: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Option = 1,
    padding: Option | str = 0,
    dilation: Option = 1,
    groups: int = 1,
) -> Gradients:
    """(grad_input, grad_weight, grad_bias) of sum(grad_output * conv1d(...)), as conv2d_backward over one axis."""
    return _backward(1, grad_output, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Option = 1,
    padding: Option | str = 0,
    dilation: Option = 1,
    groups: int = 1,
) -> Array:
    """Cross-correlate images with filters.

        output[n, k, p, q] = bias[k] + sum over c < C/G, r < R, s < S of
            weight[k, c, r, s] * padded[n, g * C/G + c, p * stride + r * dilation, q * stride + s * dilation]

    where g = k // (K/G) is the group of filter k, and padded is input with `padding` zeros on every side.
    P = (H + 2 * padding - dilation * (R - 1) - 1) // stride + 1, and so is Q of W and S.

    input: (N, C, H, W) or (C, H, W), of floating or complex numbers; N may be 0
    weight: (K, C/G, R, S), bias: (K,), of input's dtype
    stride, padding, dilation: an int or a pair (height, width); padding may be "valid" (0), or "same",
        which needs stride 1 and pads the right and bottom by one more where the total is odd
    groups: G, dividing C and K

    Returns (N, K, P, Q), or (K, P, Q), in a new array of input's dtype; float16 and bfloat16 are added in float32
    and rounded once.
    Raises TypeError for an argument of a wrong type, ValueError for a wrong value or shapes that do not fit.
    """
    return _conv(2, input, weight, bias, stride, padding, dilation, groups)


def conv2d_backward(
    grad_output: Array,
    input: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Option = 1,
    padding: Option | str = 0,
    dilation: Option = 1,
    groups: int = 1,
) -> Gradients:
    """Gradients of sum(grad_output * conv2d(input, weight, bias, ...)).

        grad_input[n, c, h, w] = sum over k of c's group and windows (p, q) whose tap (r, s) is (h, w) of
            grad_output[n, k, p, q] * weight[k, c, r, s]
        grad_weight[k, c, r, s] = sum over n, p, q of
            grad_output[n, k, p, q]
            * padded[n, g * C/G + c, p * stride + r * dilation, q * stride + s * dilation]
        grad_bias[k] = sum over n, p, q of grad_output[n, k, p, q]

    with the conjugates of weight and padded where they are complex.

    grad_output: (N, K, P, Q) or (K, P, Q), of input's dtype; the other arguments as in conv2d
    Returns (grad_input, grad_weight, grad_bias), new arrays of the shapes of input, weight and bias and of
    input's dtype; grad_bias is None where bias is. float16 and bfloat16 are added in float32 and rounded once.
    Raises what conv2d raises, and ValueError where grad_output has not the shape of the output.
    """
    return _backward(2, grad_output, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Option = 1,
    padding: Option | str = 0,
    dilation: Option = 1,
    groups: int = 1,
) -> Array:
    """Cross-correlate volumes with filters: conv2d over three axes.

        output[n, k, o, p, q] = bias[k] + sum over c < C/G, t < T, r < R, s < S of
            weight[k, c, t, r, s] * padded[n, g * C/G + c, o * stride + t * dilation, p ..., q ...]

    input: (N, C, D, H, W) or (C, D, H, W), weight: (K, C/G, T, R, S), bias: (K,).
    Returns (N, K, O, P, Q) or (K, O, P, Q).
    """
    return _conv(3, input, weight, bias, stride, padding, dilation, groups)


def conv3d_backward(
    grad_output: Array,
    input: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Option = 1,
    padding: Option | str = 0,
    dilation: Option = 1,
    groups: int = 1,
) -> Gradients:
    """(grad_input, grad_weight, grad_bias) of sum(grad_output * conv3d(...)), as conv2d_backward over three axes."""
    return _backward(3, grad_output, input, weight, bias, stride, padding, dilation, groups)


def _conv(dims: int, input: Array, weight: Array, bias: Array | None, *options: Any) -> Array:
    x, w, axes = _check(dims, input, weight, bias, *options)
    extents = outputs(axes)
    output = np.empty((len(x), *w.shape[:2], *extents), x.dtype.newbyteorder("="))
    each(correlate(x, w, axes, output, bias))
    return output.reshape(*input.shape[: -dims - 1], len(weight), *extents)


def _backward(
    dims: int, grad_output: Array, input: Array, weight: Array, bias: Array | None, *options: Any
) -> Gradients:
    x, w, axes = _check(dims, input, weight, bias, *options)
    shape = (*input.shape[: -dims - 1], len(weight), *outputs(axes))
    check_gradient(grad_output, input, shape, f"input {input.shape}, weight {weight.shape}")
    g = split(batched("grad_output", grad_output, dims), len(w))
    grad_input = np.zeros(x.shape, w.dtype)
    of_input = transposed(g, conjugate(w), axes, grad_input)
    grads = gradients(grad_input, of_input, (g, conjugate(x), axes), g)
    return grads[0].reshape(input.shape), grads[1].reshape(weight.shape), None if bias is None else grads[2]


def gradients(
    grad_input: Array, of_input: list[Task], of_weight: tuple[Array, Array, Axes], grad_output: Array
) -> tuple[Array, Array, Array]:
    """The gradients, rounded to the dtype of grad_output (N, G, K/G, *output).

    of_input    the tasks that write grad_input
    of_weight   what weight_gradient multiplies
    """
    dtype = grad_output.dtype.newbyteorder("=")
    g, x, axes = of_weight
    tasks = weight_gradient(g, x, axes)
    little = g.size * x.shape[2] * prod([axis.kernel for axis in axes]) <= LITTLE
    with np.errstate(all="ignore"):
        grad_weight = sum(each(tasks + of_input, alone=little)[: len(tasks)])
        if not np.isfinite(grad_weight).all():  # a NaN past the end of a line may have met a zero there
            grad_weight = sum(each(weight_gradient(g, x, axes, long=False)))
        grad_bias = grad_output.sum((0, *range(3, grad_output.ndim)), wide(dtype)).ravel()
        grad_input, grad_weight, grad_bias = (
            a.astype(dtype, "C", copy=False) for a in (grad_input, grad_weight, grad_bias)
        )
    return grad_input, grad_weight, grad_bias


def conjugate(array: Array) -> Array:
    """PyTorch's gradients: of what was multiplied by a, the conjugate of a times the gradient."""
    return array.conj() if array.dtype.kind == "c" else array


def split(images: Array, groups: int) -> Array:
    """View of (N, C, *image) as (N, G, C/G, *image)."""
    return images.reshape(len(images), groups, images.shape[1] // groups, *images.shape[2:])


def grouped(weight: Array, groups: int) -> Array:
    """(K, C/G, *kernel) as (G, K/G, C/G, *kernel) in the dtype to add in."""
    return np.asarray(weight, wide(weight.dtype)).reshape(groups, -1, *weight.shape[1:])


def _check(
    dims: int,
    input: Array,
    weight: Array,
    bias: Array | None,
    stride: Option,
    padding: Option | str,
    dilation: Option,
    groups: int,
) -> tuple[Array, Array, Axes]:
    """Input as (N, G, C/G, *image), weight as (G, K/G, C/G, *kernel) and the axes, or the error that is earned."""
    check_filters(dims, input, weight, bias, groups, "K, C/G")
    x = batched("input", input, dims)
    if x.shape[1] != weight.shape[1] * groups:
        raise ValueError(
            f"input has {x.shape[1]} channels but weight expects {weight.shape[1]} per group "
            f"x {groups} groups (input {input.shape}, weight {weight.shape})"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"bias must be one number per filter (bias {bias.shape}, weight {weight.shape})")
    strides, dilations = per_axis("stride", stride, dims, 1), per_axis("dilation", dilation, dims, 1)
    kernel = weight.shape[2:]
    axes = []
    for image, k, s, d, (before, after) in zip(
        x.shape[2:],
        kernel,
        strides,
        dilations,
        _pads(padding, stride, strides, kernel, dilations),
        strict=True,
    ):
        reach, room = d * (k - 1) + 1, image + before + after
        if reach > room:
            raise ValueError(
                f"the filter reaches over {reach} pixels but the padded image has {room} (input {input.shape}, "
                f"weight {weight.shape}, dilation={dilation!r}, padding={padding!r})"
            )
        axes.append(Axis(image, k, s, d, before, (room - reach) // s + 1))
    return split(x, groups), grouped(weight, groups), tuple(axes)


def check_filters(
    dims: int, input: Array, weight: Array, bias: Array | None, groups: int, channels: str
) -> None:
    """Refuse arrays of wrong types, a weight that is not (`channels`, *kernel), groups that do not divide it."""
    check_array("input", input, NUMBERS)
    check_array("weight", weight, NUMBERS, like=input)
    if bias is not None:
        check_array("bias", bias, NUMBERS, like=input)
    if weight.ndim != dims + 2 or 0 in weight.shape:
        raise ValueError(f"weight must be ({channels}, {KERNEL[dims]}), none of them 0 (got {weight.shape})")
    if not is_int(groups):
        raise TypeError(f"groups={groups!r} must be an int")
    if groups < 1 or len(weight) % groups:
        first = {"K": "filters", "C": "channels"}[channels[0]]
        raise ValueError(
            f"groups={groups!r} must be at least 1 and divide the {first} (weight {weight.shape})"
        )


def _pads(
    padding: Option | str,
    stride: Option,
    strides: tuple[int, ...],
    kernel: tuple[int, ...],
    dilations: tuple[int, ...],
) -> list[tuple[int, int]]:
    """(before, after) of every image axis."""
    dims = len(kernel)
    if not isinstance(padding, str):
        return [(around, around) for around in per_axis("padding", padding, dims, 0)]
    if padding == "valid":
        return [(0, 0)] * dims
    if padding != "same":
        ints = INTS[dims].replace(" or", ",")
        raise ValueError(f"padding={padding!r} must be {ints}, 'same' or 'valid'")
    if max(strides) > 1:
        raise ValueError(f"padding='same' needs stride 1 (got stride={stride!r})")
    totals = [d * (k - 1) for d, k in zip(dilations, kernel, strict=True)]
    return [(total // 2, total - total // 2) for total in totals]
