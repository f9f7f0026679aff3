"""What pools share: the geometry of their windows, and planes of images worked on a few at a time."""

from collections.abc import Callable
from functools import partial
from math import prod

import numpy as np

from npcnn.checks import (
    FLOATS,
    Array,
    Option,
    batched,
    check_array,
    check_bool,
    check_gradient,
    per_axis,
)
from npcnn.threads import each, slices, threads
from npcnn.windows import Axes, Axis, outputs

PLANES = 1 << 21  # bytes of the planes worked on at a time: fewer are all calls and no work
WORTH = 1 << 20  # bytes of planes that threads share


def pool_axes(
    dims: int,
    input: Array,
    kernel_size: Option,
    stride: Option | None,
    padding: Option = 0,
    dilation: Option = 1,
    ceil_mode: bool = False,
    *,
    dtypes: tuple[str, ...] = FLOATS,
) -> Axes:
    """The axes, or the error that the arguments earn."""
    check_array("input", input, dtypes)
    batched("input", input, dims)
    kernels = per_axis("kernel_size", kernel_size, dims, 1)
    strides = kernels if stride is None else per_axis("stride", stride, dims, 1)
    pads, dilations = per_axis("padding", padding, dims, 0), per_axis("dilation", dilation, dims, 1)
    check_bool("ceil_mode", ceil_mode)
    if any(p > k // 2 for p, k in zip(pads, kernels, strict=True)):
        raise ValueError(f"padding={padding!r} must be at most half of kernel_size={kernel_size!r}")
    sizes = zip(input.shape[-dims:], kernels, strides, dilations, pads, strict=True)
    axes = tuple([_axis(*of, ceil_mode) for of in sizes])
    if min(outputs(axes)) < 1:
        raise ValueError(
            f"kernel_size={kernel_size!r} at dilation={dilation!r} is larger than the padded image "
            f"(input {input.shape}, padding={padding!r})"
        )
    return axes


def _axis(image: int, kernel: int, stride: int, dilation: int, padding: int, ceil_mode: bool) -> Axis:
    room = image + 2 * padding - dilation * (kernel - 1) - 1
    output = (room + (stride - 1 if ceil_mode else 0)) // stride + 1
    if ceil_mode and (output - 1) * stride >= image + padding:
        output -= 1  # the last window would begin past the image
    return Axis(image, kernel, stride, dilation, padding, output)


def gradient_planes(
    dims: int, grad_output: Array, input: Array, extents: tuple[int, ...], origin: str
) -> Array:
    """grad_output as (N * C, *output), or the error that it earns; origin: the arguments that say its extents."""
    shape = (*input.shape[:-dims], *extents)
    check_gradient(grad_output, input, shape, f"input {input.shape}, {origin}")
    return planes(grad_output, dims)


def planes(images: Array, dims: int) -> Array:
    """(N * C, *image) in this machine's byte order."""
    native = np.asarray(images, images.dtype.newbyteorder("="))
    return native.reshape(prod(images.shape[:-dims]), *images.shape[-dims:])


def flat(planes: Array) -> Array:
    """(planes, *image) as (planes, pixels)."""
    return planes.reshape(len(planes), prod(planes.shape[1:]))


def by_planes(work: Callable[[slice], None], x: Array) -> None:
    """Work on planes a few at a time, some for every thread where they are worth it."""
    parts = max(-(-x.nbytes // PLANES), threads() if x.nbytes >= WORTH else 1)
    each([partial(work, part) for part in slices(len(x), -(-len(x) // parts))])
