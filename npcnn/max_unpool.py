"""The partial inverse of max pooling over one, two and three image axes, and its gradient."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from npcnn.checks import FLOATS, INTS, Array, Option, batched, check_array, is_int, per_axis
from npcnn.pool import flat, gradient_planes, planes

Extents = tuple[int, ...]


def max_unpool1d(
    input: Array,
    indices: Array,
    kernel_size: Option,
    *,
    stride: Option | None = None,
    padding: Option = 0,
    output_size: Sequence[int] | None = None,
) -> Array:
    """Put every number back where its maximum was, among zeros: max_unpool2d over one axis.

    input: (N, C, Q) or (C, Q); indices: of input's shape, places w; output_size: (W,) or (N, C, W).
    Returns (N, C, W) or (C, W).
    """
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool1d_backward(
    grad_output: Array,
    input: Array,
    indices: Array,
    kernel_size: Option,
    *,
    stride: Option | None = None,
    padding: Option = 0,
    output_size: Sequence[int] | None = None,
) -> Array:
    """Gradient of sum(grad_output * max_unpool1d(input, indices, ...)) by input, as max_unpool2d_backward."""
    return _backward(1, grad_output, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Array,
    indices: Array,
    kernel_size: Option,
    *,
    stride: Option | None = None,
    padding: Option = 0,
    output_size: Sequence[int] | None = None,
) -> Array:
    """Put every number back where its maximum was, among zeros.

        output[n, c] = 0, then output[n, c, indices[n, c, p, q]] = input[n, c, p, q] in the flat plane,
            the last of those that share a place

    H = (P - 1) * stride - 2 * padding + R and so is W of Q and S, unless output_size says otherwise.

    input: (N, C, P, Q) or (C, P, Q), of floating numbers; N may be 0
    indices: of input's shape, int64: places h * W + w, as max_pool2d returns them
    kernel_size (R, S), stride, padding: of that pool, an int or a pair (height, width); stride None is kernel_size
    output_size: (H, W) or (N, C, H, W), each less than a stride away from the above

    Returns (N, C, H, W), or (C, H, W), in a new array of input's dtype.
    Raises TypeError for an argument of a wrong type, ValueError for a wrong value or an index outside the plane.
    """
    return _unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d_backward(
    grad_output: Array,
    input: Array,
    indices: Array,
    kernel_size: Option,
    *,
    stride: Option | None = None,
    padding: Option = 0,
    output_size: Sequence[int] | None = None,
) -> Array:
    """Gradient of sum(grad_output * max_unpool2d(input, indices, ...)) by input; indices have none.

        grad_input[n, c, p, q] = grad_output[n, c, indices[n, c, p, q]] in the flat plane

    grad_output: (N, C, H, W) or (C, H, W), of input's dtype; the other arguments as in max_unpool2d
    Returns a new array of input's shape and dtype.
    Raises what max_unpool2d raises, and ValueError where grad_output has not the shape of the output.
    """
    return _backward(2, grad_output, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Array,
    indices: Array,
    kernel_size: Option,
    *,
    stride: Option | None = None,
    padding: Option = 0,
    output_size: Sequence[int] | None = None,
) -> Array:
    """Put every number back where its maximum was, among zeros: max_unpool2d over three axes.

    input: (N, C, O, P, Q) or (C, O, P, Q); indices: of input's shape, places (d * H + h) * W + w;
    output_size: (D, H, W) or (N, C, D, H, W).
    Returns (N, C, D, H, W) or (C, D, H, W).
    """
    return _unpool(3, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d_backward(
    grad_output: Array,
    input: Array,
    indices: Array,
    kernel_size: Option,
    *,
    stride: Option | None = None,
    padding: Option = 0,
    output_size: Sequence[int] | None = None,
) -> Array:
    """Gradient of sum(grad_output * max_unpool3d(input, indices, ...)) by input, as max_unpool2d_backward."""
    return _backward(3, grad_output, input, indices, kernel_size, stride, padding, output_size)


def _unpool(dims: int, input: Array, indices: Array, *geometry: Any) -> Array:
    image = _check(dims, input, indices, *geometry)
    x, places = planes(input, dims), planes(indices, dims)
    output = np.zeros((len(x), prod(image)), x.dtype)
    # The last wins, in the order of memory: NumPy walks a reversed view from its other end.
    output[np.arange(len(x))[:, None], np.ascontiguousarray(flat(places))] = np.ascontiguousarray(flat(x))
    return output.reshape(*input.shape[:-dims], *image)


def _backward(dims: int, grad_output: Array, input: Array, indices: Array, *geometry: Any) -> Array:
    image = _check(dims, input, indices, *geometry)
    g = gradient_planes(dims, grad_output, input, image, f"kernel_size={geometry[0]!r}")
    return np.take_along_axis(flat(g), flat(planes(indices, dims)), 1).reshape(input.shape)


def _check(
    dims: int,
    input: Array,
    indices: Array,
    kernel_size: Option,
    stride: Option | None,
    padding: Option,
    output_size: Sequence[int] | None,
) -> Extents:
    """The extents of the output's image, or the error that the arguments earn."""
    check_array("input", input, FLOATS)
    check_array("indices", indices, ("int64",))
    batched("input", input, dims)
    if indices.shape != input.shape:
        raise ValueError(f"indices must have input's shape {input.shape} (got {indices.shape})")
    kernels = per_axis("kernel_size", kernel_size, dims, 1, alone=False)
    strides = kernels if stride is None else per_axis("stride", stride, dims, 1, alone=False)
    pads = per_axis("padding", padding, dims, 0, alone=False)
    usual = tuple(
        [
            (n - 1) * s - 2 * p + k
            for n, k, s, p in zip(input.shape[-dims:], kernels, strides, pads, strict=True)
        ]
    )
    image = usual if output_size is None else _image(dims, output_size, usual, strides)
    if min(image) < 0:
        raise ValueError(
            f"the output would have the extents {image} (input {input.shape}, padding={padding!r})"
        )
    wrong = indices[(indices < 0) | (indices >= prod(image))]
    if wrong.size:
        raise ValueError(f"indices has {wrong[0]} but the output has {prod(image)} places, {image}")
    return image


def _image(dims: int, output_size: Sequence[int], usual: Extents, strides: Extents) -> Extents:
    """output_size without N and C, near enough to the usual extents."""
    rule = f"{INTS[dims].split(' or ')[1]}, or {dims + 2} with N and C"
    if not isinstance(output_size, tuple | list) or not all(is_int(size) for size in output_size):
        raise TypeError(f"output_size={output_size!r} must be {rule}")
    if len(output_size) not in (dims, dims + 2):
        raise ValueError(f"output_size={output_size!r} must be {rule}")
    image = tuple(map(int, output_size[-dims:]))
    if any(abs(size - n) >= step for size, n, step in zip(image, usual, strides, strict=True)):
        raise ValueError(
            f"output_size={output_size!r} must be less than a stride {strides} away from {usual}"
        )
    return image
