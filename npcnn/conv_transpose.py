"""Transposed convolution over one, two and three image axes, and its gradients: each product of conv, turned round."""

from typing import Any

import numpy as np

from npcnn.checks import Array, Option, batched, check_gradient, per_axis
from npcnn.conv import Gradients, check_filters, conjugate, gradients, grouped, split
from npcnn.products import correlate, transposed
from npcnn.threads import each
from npcnn.windows import Axes, Axis


def conv_transpose1d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Option = 1,
    padding: Option = 0,
    output_padding: Option = 0,
    groups: int = 1,
    dilation: Option = 1,
) -> Array:
    """Transpose of conv1d in its input: conv_transpose2d over one axis.

        output[n, k, w] = bias[k] + sum over c of k's group and all (q, s) with q * stride + s * dilation - padding = w
            of input[n, c, q] * weight[c, k, s]

    input: (N, C, Q) or (C, Q), weight: (C, K/G, S), bias: (K,). Returns (N, K, W) or (K, W).
    """
    return _conv(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose1d_backward(
    grad_output: Array,
    input: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Option = 1,
    padding: Option = 0,
    output_padding: Option = 0,
    groups: int = 1,
    dilation: Option = 1,
) -> Gradients:
    """(grad_input, grad_weight, grad_bias) of sum(grad_output * conv_transpose1d(...)).

    As conv_transpose2d_backward, over one axis.
    """
    return _backward(1, grad_output, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Option = 1,
    padding: Option = 0,
    output_padding: Option = 0,
    groups: int = 1,
    dilation: Option = 1,
) -> Array:
    """Transpose of conv2d in its input: each pixel times the filter, added up where windows overlap.

        output[n, k, h, w] = bias[k] + sum over c of k's group and all windows (p, q) and taps (r, s) with
            p * stride + r * dilation - padding = h and q * stride + s * dilation - padding = w of
            input[n, c, p, q] * weight[c, k % (K/G), r, s]

    H = (P - 1) * stride - 2 * padding + dilation * (R - 1) + 1 + output_padding, and so is W of Q and S.

    input: (N, C, P, Q) or (C, P, Q), of floating or complex numbers; N may be 0
    weight: (C, K/G, R, S), bias: (K,), of input's dtype
    stride, padding, dilation: an int or a pair (height, width)
    output_padding: pixels more at the bottom and right, fewer than stride or than dilation
    groups: G, dividing C and K

    Returns (N, K, H, W), or (K, H, W), in a new array of input's dtype; float16 and bfloat16 are added in float32
    and rounded once. H or W may be 0.
    Raises TypeError for an argument of a wrong type, ValueError for a wrong value or shapes that do not fit.
    """
    return _conv(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d_backward(
    grad_output: Array,
    input: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Option = 1,
    padding: Option = 0,
    output_padding: Option = 0,
    groups: int = 1,
    dilation: Option = 1,
) -> Gradients:
    """Gradients of sum(grad_output * conv_transpose2d(input, weight, bias, ...)).

        grad_input[n, c, p, q] = sum over k of c's group, r < R, s < S of
            weight[c, k % (K/G), r, s] * padded[n, k, p * stride + r * dilation, q * stride + s * dilation]
        grad_weight[c, k, r, s] = sum over n, p, q of
            input[n, c, p, q] * padded[n, g * K/G + k, p * stride + r * dilation, q * stride + s * dilation]
        grad_bias[k] = sum over n, h, w of grad_output[n, k, h, w]

    where padded is grad_output with `padding` zeros on every side and g = c // (C/G) is the group of channel c;
    with the conjugates of weight and input where they are complex.

    grad_output: (N, K, H, W) or (K, H, W), of input's dtype; the other arguments as in conv_transpose2d
    Returns (grad_input, grad_weight, grad_bias), new arrays of the shapes of input, weight and bias and of
    input's dtype; grad_bias is None where bias is. float16 and bfloat16 are added in float32 and rounded once.
    Raises what conv_transpose2d raises, and ValueError where grad_output has not the shape of the output.
    """
    return _backward(2, grad_output, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Option = 1,
    padding: Option = 0,
    output_padding: Option = 0,
    groups: int = 1,
    dilation: Option = 1,
) -> Array:
    """Transpose of conv3d in its input: conv_transpose2d over three axes.

    input: (N, C, O, P, Q) or (C, O, P, Q), weight: (C, K/G, T, R, S), bias: (K,).
    Returns (N, K, D, H, W) or (K, D, H, W).
    """
    return _conv(3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d_backward(
    grad_output: Array,
    input: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Option = 1,
    padding: Option = 0,
    output_padding: Option = 0,
    groups: int = 1,
    dilation: Option = 1,
) -> Gradients:
    """(grad_input, grad_weight, grad_bias) of sum(grad_output * conv_transpose3d(...)).

    As conv_transpose2d_backward, over three axes.
    """
    return _backward(3, grad_output, input, weight, bias, stride, padding, output_padding, groups, dilation)


def _conv(dims: int, input: Array, weight: Array, bias: Array | None, *options: Any) -> Array:
    x, w, axes = _check(dims, input, weight, bias, *options)
    image = [axis.image for axis in axes]
    output = np.zeros((len(x), len(w), w.shape[2], *image), w.dtype)
    if bias is not None:
        output += bias.astype(w.dtype).reshape(len(w), -1, *[1] * dims)
    each(transposed(x, w, axes, output, bias))
    with np.errstate(all="ignore"):
        output = output.astype(x.dtype.newbyteorder("="), copy=False)
    return output.reshape(*input.shape[: -dims - 1], output.shape[1] * output.shape[2], *image)


def _backward(
    dims: int, grad_output: Array, input: Array, weight: Array, bias: Array | None, *options: Any
) -> Gradients:
    x, w, axes = _check(dims, input, weight, bias, *options)
    image = [axis.image for axis in axes]
    shape = (*input.shape[: -dims - 1], len(w) * w.shape[2], *image)
    check_gradient(grad_output, input, shape, f"input {input.shape}, weight {weight.shape}")
    g = split(np.asarray(grad_output).reshape(len(x), *shape[-dims - 1 :]), len(w))
    grad_input = np.zeros(x.shape, w.dtype)
    of_input = correlate(g, conjugate(w), axes, grad_input)
    grads = gradients(grad_input, of_input, (conjugate(x), g, axes), g)
    return grads[0].reshape(input.shape), grads[1].reshape(weight.shape), None if bias is None else grads[2]


def _check(
    dims: int,
    input: Array,
    weight: Array,
    bias: Array | None,
    stride: Option,
    padding: Option,
    output_padding: Option,
    groups: int,
    dilation: Option,
) -> tuple[Array, Array, Axes]:
    """Input as (N, G, C/G, *output of conv), weight as (G, C/G, K/G, *kernel) and the axes of conv, or the error."""
    check_filters(dims, input, weight, bias, groups, "C, K/G")
    x = batched("input", input, dims)
    if x.shape[1] != len(weight):
        raise ValueError(
            f"input has {x.shape[1]} channels but weight expects {len(weight)} "
            f"(input {input.shape}, weight {weight.shape})"
        )
    if bias is not None and bias.shape != (weight.shape[1] * groups,):
        raise ValueError(
            f"bias must be one number per channel of the output, {weight.shape[1]} per group x {groups} groups "
            f"(bias {bias.shape}, weight {weight.shape})"
        )
    strides, dilations = per_axis("stride", stride, dims, 1), per_axis("dilation", dilation, dims, 1)
    pads = per_axis("padding", padding, dims, 0)
    more = per_axis("output_padding", output_padding, dims, 0)
    if any(extra >= max(s, d) for extra, s, d in zip(more, strides, dilations, strict=True)):
        raise ValueError(
            f"output_padding={output_padding!r} must be less than stride={stride!r} or dilation={dilation!r}"
        )
    axes = []
    for n, k, s, d, p, extra in zip(
        x.shape[2:], weight.shape[2:], strides, dilations, pads, more, strict=True
    ):
        image = (n - 1) * s - 2 * p + d * (k - 1) + 1 + extra
        if image < 0:
            raise ValueError(
                f"the output would have {image} pixels along an axis (input {input.shape}, "
                f"weight {weight.shape}, stride={stride!r}, padding={padding!r}, dilation={dilation!r})"
            )
        axes.append(Axis(image, k, s, d, p, n))
    return split(x, groups), grouped(weight, groups), tuple(axes)
