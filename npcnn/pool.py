"""Maximum and average pooling and their gradients, a few planes at a time.

The maximum visits one tap of all windows after the other; the average adds along rows, then along columns.
"""

from functools import partial
from typing import Any

import numpy as np

from npcnn.windows import (
    Array,
    Axes,
    Axis,
    Option,
    batched,
    check_array,
    check_gradient,
    each,
    is_int,
    lines_of,
    pair,
    slices,
    threads,
    wide,
)

PLANES = 1 << 21  # bytes of the planes worked on at a time: fewer are all calls and no work
WORTH = 1 << 20  # bytes of planes that threads share


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

    input: (N, C, H, W) or (C, H, W), floating or integer; N may be 0
    kernel_size (R, S), stride, padding, dilation: an int or a pair (height, width); stride None is
        kernel_size; padding is at most half of kernel_size

    Returns (N, C, P, Q), or (C, P, Q), in a new array of input's dtype; with return_indices also an int64
    array of the same shape, the place h * W + w of each maximum.
    A window that misses the image (dilation > 1 and padding only) is -inf and has no index: with
    return_indices that is a ValueError.
    Raises TypeError for an argument of a wrong type, ValueError for a wrong value.
    """
    check_array("input", input, "efdbhilqBHILQ")
    axes = _check(input, kernel_size, stride, padding, dilation, ceil_mode)
    _check_bool("return_indices", return_indices)
    if return_indices:
        _check_seen(axes, input.shape, kernel_size, padding, dilation)
    x = _planes(input)
    output = np.empty((len(x), axes[0].output, axes[1].output), x.dtype)
    indices = np.empty(output.shape if return_indices else 0, np.int64)

    def work(part: slice) -> None:
        taps, pitch = _taps(x[part], axes)
        if return_indices:
            maxima, winners = _winners(taps, axes, pitch)
            indices[part] = _places(winners, axes)
        else:
            maxima = _maxima(taps)
        output[part] = lines_of(maxima, 1, output.shape[1:], pitch)[:, 0]

    each([partial(work, part) for part in _parts(x)])
    shape = (*input.shape[:-2], *output.shape[1:])
    return (output.reshape(shape), indices.reshape(shape)) if return_indices else output.reshape(shape)


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
    Returns a new array of input's shape and dtype. float16 is added in float32, rounded once.
    Raises what max_pool2d raises, and ValueError where grad_output has not the shape of the output or a
    window misses the image, so that its gradient has no place.
    """
    check_array("input", input, "efd")
    axes = _check(input, kernel_size, stride, padding, dilation, ceil_mode)
    _check_seen(axes, input.shape, kernel_size, padding, dilation)
    _check_grad(grad_output, input, axes, kernel_size)
    x, g = _planes(input), _planes(grad_output)
    grad = np.zeros(x.shape, wide(x.dtype))
    overlapping = any(axis.stride <= (axis.kernel - 1) * axis.dilation for axis in axes)

    def work(part: slice) -> None:
        taps, pitch = _taps(x[part], axes)
        places = _places(_winners(taps, axes, pitch)[1], axes)
        places += np.arange(len(places))[:, None, None] * x[0].size
        pixels, added = grad[part].reshape(-1), g[part].reshape(-1).astype(grad.dtype)
        if overlapping:
            np.add.at(pixels, places.reshape(-1), added)  # of a copy: it is slow on a view
        else:
            pixels[places.reshape(-1)] = added

    each([partial(work, part) for part in _parts(x)])
    return grad.astype(x.dtype, copy=False).reshape(input.shape)


def _taps(x: Array, axes: Axes) -> tuple[list[Array], int]:
    """What each tap sees of all windows as one run (N * C, run), and how far lines lie apart in a run.

    An image is split into the phases of the stride, -inf around it: then all windows read a tap side by side,
    in one long run over the ends of lines. What lies between two lines belongs to no window.
    """
    rows, cols = axes
    down, across = _phases(rows), _phases(cols)
    shape = (down.kernel, across.kernel, len(x), down.output, across.output)
    phases = np.empty(shape, wide(x.dtype))
    if not (down.inside and across.inside):
        phases.fill(_lowest(x.dtype))
    for a, ps, ys in down.taps():
        for b, qs, xs in across.taps():
            phases[a, b, :, ps, qs] = x[:, ys, xs]
    phases = phases.reshape(*shape[:3], down.output * across.output)
    run = (rows.output - 1) * across.output + cols.output
    taps = []
    for r in range(rows.kernel):
        for s in range(cols.kernel):
            (y, a), (z, b) = divmod(r * rows.dilation, down.stride), divmod(s * cols.dilation, across.stride)
            first = y * across.output + z
            taps.append(phases[a, b, :, first : first + run])
    return taps, across.output


def _phases(axis: Axis) -> Axis:
    """The axis whose tap a sees the pixels of phase a of the stride."""
    stride = axis.stride if axis.output > 1 else 1
    return axis._replace(kernel=stride, stride=stride, dilation=1, output=-(-axis.span // stride))


def _lowest(dtype: Any) -> Any:
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


def _maxima(taps: list[Array]) -> Array:
    best = taps[0].copy()
    for tap in taps[1:]:
        np.maximum(tap, best, out=best)  # of zeros that differ in sign, most machines keep the second
    return best


def _winners(taps: list[Array], axes: Axes, pitch: int) -> tuple[Array, Array]:
    """Maxima as runs, and the tap r * S + s of every window's maximum, (N * C, P, Q).

    Masks are multiplied, not used to choose: choosing branches, and guesses wrong at every other pixel.
    """
    rows, cols = axes
    shape = (rows.output, cols.output)
    winners = np.zeros(taps[0].shape, np.min_scalar_type(len(taps)))
    first = _first(rows)[:, None] * cols.kernel + _first(cols)
    if first.any():
        lines_of(winners, 1, shape, pitch)[:, 0] = first.astype(winners.dtype)
    best = taps[0].copy()
    more, moved = np.empty(best.shape, bool), np.empty_like(winners)
    for t, tap in enumerate(taps[1:], 1):
        np.greater(tap, best, out=more)
        np.maximum(tap, best, out=best)
        np.multiply(more.view(np.uint8), winners.dtype.type(t), out=moved)
        np.maximum(winners, moved, out=winners)
    nan = np.isnan(best)
    if nan.any():
        last = np.zeros_like(winners)
        for t, tap in enumerate(taps):
            np.maximum(last, np.isnan(tap) * winners.dtype.type(t), out=last)
        np.copyto(winners, last, where=nan)
    return best, lines_of(winners, 1, shape, pitch)[:, 0]


def _first(axis: Axis) -> Array:
    """The first tap of each window inside the image."""
    outside = np.maximum(0, axis.before - np.arange(axis.output) * axis.stride)
    return np.asarray(-(-outside // axis.dilation))


def _places(winners: Array, axes: Axes) -> Array:
    """Winning taps as places h * W + w."""
    rows, cols = axes
    r, s = np.divmod(np.arange(rows.kernel * cols.kernel), cols.kernel)
    h = np.arange(rows.output) * rows.stride - rows.before
    w = np.arange(cols.output) * cols.stride - cols.before
    places: Array = np.take(r * rows.dilation * cols.image + s * cols.dilation, winners, mode="clip")
    places += h[:, None] * cols.image + w
    return places


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

    input: (N, C, H, W) or (C, H, W), float16, float32 or float64; N may be 0
    kernel_size (R, S), stride, padding: an int or a pair (height, width); stride None is kernel_size;
        padding is at most half of kernel_size
    divisor_override: an int other than 0

    Returns (N, C, P, Q), or (C, P, Q), in a new array of input's dtype; float16 is added in float32 and
    rounded once.
    Raises TypeError for an argument of a wrong type, ValueError for a wrong value.
    """
    check_array("input", input, "efd")
    axes = _check(input, kernel_size, stride, padding, 1, ceil_mode)
    divisor = _divisor(axes, count_include_pad, divisor_override, wide(input.dtype))
    x = _planes(input)
    output = np.empty((len(x), axes[0].output, axes[1].output), x.dtype)

    def work(part: slice) -> None:
        seen = x[part].astype(divisor.dtype, copy=False)
        output[part] = _add(_add(seen, axes[0], -2), axes[1], -1) / divisor

    each([partial(work, part) for part in _parts(x)])
    return output.reshape(*input.shape[:-2], *output.shape[1:])


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
    Returns a new array of input's shape and dtype. float16 is added in float32, rounded once.
    Raises what avg_pool2d raises, and ValueError where grad_output has not the shape of the output.
    """
    check_array("input", input, "efd")
    axes = _check(input, kernel_size, stride, padding, 1, ceil_mode)
    divisor = _divisor(axes, count_include_pad, divisor_override, wide(input.dtype))
    _check_grad(grad_output, input, axes, kernel_size)
    g = _planes(grad_output)
    grad = np.empty((len(g), axes[0].image, axes[1].image), g.dtype)

    def work(part: slice) -> None:
        grad[part] = _spread(_spread(g[part] / divisor, axes[1], -1), axes[0], -2)

    each([partial(work, part) for part in _parts(grad)])
    return grad.reshape(input.shape)


def _divisor(axes: Axes, count_include_pad: bool, divisor_override: int | None, dtype: Any) -> Array:
    """What the sum of each window (p, q) is divided by."""
    _check_bool("count_include_pad", count_include_pad)
    if divisor_override is not None:
        if not is_int(divisor_override):
            raise TypeError(f"divisor_override={divisor_override!r} must be an int or None")
        if divisor_override == 0:
            raise ValueError("divisor_override=0 must not be 0")
        return np.full((1, 1), divisor_override, dtype)  # not 0-d: NumPy 1 would not promote by it
    rows, cols = (_counts(axis, count_include_pad) for axis in axes)
    return np.outer(rows, cols).astype(dtype)


def _counts(axis: Axis, count_include_pad: bool) -> Array:
    """Pixels of each window along one axis."""
    start = np.arange(axis.output) * axis.stride - axis.before
    stop = np.minimum(start + axis.kernel, axis.image + axis.before)
    return stop - start if count_include_pad else np.minimum(stop, axis.image) - np.maximum(start, 0)


def _add(x: Array, axis: Axis, along: int) -> Array:
    """Add the pixels of every window along one axis, -2 or -1."""
    shape = list(x.shape)
    shape[along] = axis.output
    every = slice(0, axis.output)
    (_, first, pixels), *others = sorted(
        axis.taps(), key=lambda tap: tap[1] != every
    )  # one of all windows first
    output = np.empty(shape, x.dtype) if first == every else np.zeros(shape, x.dtype)
    output[_at(along, first)] = x[_at(along, pixels)]
    for _, outputs, pixels in others:
        output[_at(along, outputs)] += x[_at(along, pixels)]
    return output


def _spread(g: Array, axis: Axis, along: int) -> Array:
    """The gradient of _add."""
    shape = list(g.shape)
    shape[along] = axis.image
    grad = np.zeros(shape, g.dtype)
    written: set[int] = set()  # taps a stride apart lie on the same pixels
    for tap, outputs, pixels in axis.taps():
        if tap % axis.stride in written:
            grad[_at(along, pixels)] += g[_at(along, outputs)]
        else:
            grad[_at(along, pixels)] = g[_at(along, outputs)]
            written.add(tap % axis.stride)
    return grad


def _at(along: int, lines: slice) -> tuple[Any, ...]:
    return (..., lines, slice(None)) if along == -2 else (..., lines)


def _planes(images: Array) -> Array:
    """(N * C, H, W) in this machine's byte order."""
    native = np.asarray(images, images.dtype.newbyteorder("="))
    return native.reshape(-1, *images.shape[-2:])


def _parts(x: Array) -> list[slice]:
    """Planes a few at a time, some for every thread where they are worth it."""
    parts = max(-(-x.nbytes // PLANES), threads() if x.nbytes >= WORTH else 1)
    return slices(len(x), -(-len(x) // parts))


def _check(
    input: Array,
    kernel_size: Option,
    stride: Option | None,
    padding: Option,
    dilation: Option,
    ceil_mode: bool,
) -> Axes:
    """The axes, or the error that the arguments earn."""
    batched("input", input)
    kernels = pair("kernel_size", kernel_size, 1)
    strides = kernels if stride is None else pair("stride", stride, 1)
    pads, dilations = pair("padding", padding, 0), pair("dilation", dilation, 1)
    _check_bool("ceil_mode", ceil_mode)
    if any(p > k // 2 for p, k in zip(pads, kernels, strict=True)):
        raise ValueError(f"padding={padding!r} must be at most half of kernel_size={kernel_size!r}")
    height, width = (
        _axis(*of, ceil_mode) for of in zip(input.shape[-2:], kernels, strides, dilations, pads, strict=True)
    )
    if min(height.output, width.output) < 1:
        raise ValueError(
            f"kernel_size={kernel_size!r} at dilation={dilation!r} is larger than the padded image "
            f"(input {input.shape}, padding={padding!r})"
        )
    return height, width


def _axis(image: int, kernel: int, stride: int, dilation: int, padding: int, ceil_mode: bool) -> Axis:
    room = image + 2 * padding - dilation * (kernel - 1) - 1
    output = (room + (stride - 1 if ceil_mode else 0)) // stride + 1
    if ceil_mode and (output - 1) * stride >= image + padding:
        output -= 1  # the last window would begin past the image
    return Axis(image, kernel, stride, dilation, padding, output)


def _check_bool(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"{name}={value!r} must be True or False")


def _check_grad(grad_output: Array, input: Array, axes: Axes, kernel_size: Option) -> None:
    shape = (*input.shape[:-2], axes[0].output, axes[1].output)
    check_gradient(grad_output, input, shape, f"input {input.shape}, kernel_size={kernel_size!r}")


def _check_seen(
    axes: Axes, shape: tuple[int, ...], kernel_size: Option, padding: Option, dilation: Option
) -> None:
    if not all(_all_seen(axis) for axis in axes):
        raise ValueError(
            f"a window of kernel_size={kernel_size!r}, dilation={dilation!r}, padding={padding!r} "
            f"misses the image, so that its maximum has no place (input {shape})"
        )


def _all_seen(axis: Axis) -> bool:
    """Whether every window has a tap inside the image."""
    seen = np.zeros(axis.output, bool)
    for _, outputs, _ in axis.taps():
        seen[outputs] = True
    return bool(seen.all())
