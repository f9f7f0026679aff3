"""Two-dimensional convolution and its gradients.

A block of output rows is copied as a matrix, one column per window, small enough to stay in a cache,
and multiplied by the filters: the multiplication is BLAS's, the copy is the price.
"""

from collections.abc import Callable
from functools import partial
from itertools import groupby, product
from typing import Any

import numpy as np

from npcnn.windows import (
    Array,
    Axes,
    Axis,
    Option,
    Pair,
    batched,
    canvas,
    check_array,
    check_gradient,
    each,
    is_int,
    lines_of,
    pair,
    slices,
    strided,
    threads,
    wide,
    windows,
)

Block = tuple[slice, slice, slice]
Task = Callable[[], Any]

CACHE = 1 << 22  # bytes of a block of windows: larger leave the cache, smaller are all calls and no work
WORTH = CACHE // 4  # of windows, each multiplied 64 times, for which a thread is worth waking
LITTLE = 1 << 20  # products of two gradients that one thread forms sooner than it wakes another
FEW = 32  # filters up to which copying windows costs more than multiplying them
WIDE = 96  # windows in a row from which a row is worth a matrix of its own
COLUMNS = 256  # windows in a block at least: BLAS is slow on narrow matrices


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

    input: (N, C, H, W) or (C, H, W), float16, float32 or float64; N may be 0
    weight: (K, C/G, R, S), bias: (K,), of input's dtype
    stride, padding, dilation: an int or a pair (height, width); padding may be "valid" (0), or "same",
        which needs stride 1 and pads the right and bottom by one more where the total is odd
    groups: G, dividing C and K

    Returns (N, K, P, Q), or (K, P, Q), in a new array of input's dtype; float16 is added in float32 and
    rounded once.
    Raises TypeError for an argument of a wrong type, ValueError for a wrong value or shapes that do not fit.
    """
    x, axes = _check(input, weight, bias, stride, padding, dilation, groups)
    output = np.empty((len(x), len(weight), axes[0].output, axes[1].output), x.dtype.newbyteorder("="))
    tasks: list[Task] = []
    for of in _shares(len(x) * axes[0].output * axes[1].output, weight, groups):
        some = None if bias is None else bias[of]
        tasks += _correlate(x, _grouped(weight[of], groups), axes, output[:, of], some, WORTH)
    each(tasks)
    return output if input.ndim == 4 else output[0]


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
) -> tuple[Array, Array, Array | None]:
    """Gradients of sum(grad_output * conv2d(input, weight, bias, ...)).

        grad_input[n, c, h, w] = sum over k of c's group and windows (p, q) whose tap (r, s) is (h, w) of
            grad_output[n, k, p, q] * weight[k, c, r, s]
        grad_weight[k, c, r, s] = sum over n, p, q of
            grad_output[n, k, p, q]
            * padded[n, g * C/G + c, p * stride + r * dilation, q * stride + s * dilation]
        grad_bias[k] = sum over n, p, q of grad_output[n, k, p, q]

    grad_output: (N, K, P, Q) or (K, P, Q), of input's dtype; the other arguments as in conv2d
    Returns (grad_input, grad_weight, grad_bias), new arrays of the shapes of input, weight and bias and of
    input's dtype; grad_bias is None where bias is. float16 is added in float32 and rounded once.
    Raises what conv2d raises, and ValueError where grad_output has not the shape of the output.
    """
    x, axes = _check(input, weight, bias, stride, padding, dilation, groups)
    shape = (*input.shape[:-3], len(weight), axes[0].output, axes[1].output)
    check_gradient(grad_output, input, shape, f"input {input.shape}, weight {weight.shape}")
    g = batched("grad_output", grad_output)
    dtype = x.dtype.newbyteorder("=")
    grad_input = np.zeros(x.shape, wide(dtype))
    of_weight = _weight_gradient(g, x, axes, groups)
    of_input = _input_gradient(g, _grouped(weight, groups), axes, grad_input)
    least = 2 if g.size * weight[0].size > LITTLE else np.inf
    with np.errstate(all="ignore"):
        grad_weight = sum(each(of_weight + of_input, least)[: len(of_weight)])
        if not np.isfinite(grad_weight).all():  # a NaN between two lines may have met a zero there
            grad_weight = sum(each(_weight_gradient(g, x, axes, groups, few=0)))
        grad_bias = None if bias is None else g.sum((0, 2, 3), wide(dtype)).astype(dtype, copy=False)
        grad_input, grad_weight = (a.astype(dtype, "C", copy=False) for a in (grad_input, grad_weight))
    return grad_input.reshape(input.shape), grad_weight.reshape(weight.shape), grad_bias


def _correlate(
    x: Array, weight: Array, axes: Axes, output: Array, bias: Array | None = None, worth: int = 2 * WORTH
) -> list[Task]:
    """Tasks that write the correlation of x (N, C, H, W) with (G, K/G, C/G, R, S) into output (N, K, P, Q)."""
    groups, filters = weight.shape[:2]
    rows, cols = axes
    slabs = rows.kernel > 1 == rows.dilation and cols.output >= WIDE and filters > 1
    matrix = (weight.swapaxes(2, 3) if slabs else weight).reshape(groups, filters, -1)
    start = None if bias is None else bias.astype(weight.dtype).reshape(groups, filters, 1)
    x, output = _split(x, groups), _split(output, groups)
    side_by_side = rows.output * cols.output < COLUMNS
    plain = output.flags.c_contiguous and output.dtype == weight.dtype

    def work(block: Block) -> None:
        images, parts, lines = block
        part, into = (rows.part(lines), cols), output[images, parts, :, lines]
        if slabs:
            into = into.swapaxes(2, 3)
            products = np.matmul(
                matrix[parts, None], _slabs(x[images, parts], part), out=into if plain else None
            )
            if start is not None:
                products += start[parts, None]
            if not plain:
                into[...] = products
            return
        columns, pitch = _columns(x[images, parts], part, filters <= FEW, side_by_side)
        n, g, k, p, q = into.shape
        direct = plain and len(columns) == n and pitch == cols.output
        products = np.matmul(matrix[parts], columns, out=into.reshape(n, g, k, -1) if direct else None)
        if start is not None:
            products += start[parts]
        if not direct:
            shown = lines_of(products, n // len(columns), (p, q), pitch).transpose(0, 3, 1, 2, 4, 5)
            into[...] = shown.reshape(into.shape)

    blocks = _blocks(len(x), groups, axes, matrix[0, 0].nbytes, filters, worth, batch=True)
    return [partial(work, block) for block in blocks]


def _input_gradient(g: Array, weight: Array, axes: Axes, grad: Array) -> list[Task]:
    """Tasks for grad, of zeros: each phase of the stride is g correlated with the taps that read it, last first."""
    filters, channels = weight.shape[1:3]
    few = filters > max(2 * channels, FEW // 2)
    turning = 2 * filters > g[:, 0].size  # the filters would cost more than all windows
    if few or turning or not np.isfinite(weight).all():
        return _scatter(g, weight, axes, grad)
    tasks = []
    for ys, rs, row in axes[0].phases():
        for xs, ss, col in axes[1].phases():
            taps = weight[:, :, :, rs][..., ss].swapaxes(1, 2)
            tasks += _correlate(g, taps, (row, col), grad[:, :, ys, xs])
    return tasks


def _scatter(g: Array, weight: Array, axes: Axes, grad: Array) -> list[Task]:
    """Tasks that add grad_input into grad, one tap at a time: the fewer the channels, the cheaper.

    Only products that belong to a pixel are formed, so that infinite weights meet no zeros of padding.
    """
    rows, cols = axes
    groups, filters, channels, r, s = weight.shape
    matrix = weight.reshape(groups, filters, -1).swapaxes(1, 2)
    g, grad = _split(g, groups), _split(grad, groups)

    def work(blocks: list[Block]) -> None:
        for images, parts, lines in blocks:
            part = rows.part(lines)
            products = matrix[parts] @ _runs(g[images, parts, :, lines], weight.dtype, cols.output)
            products = products.reshape(len(products), channels, r, s, -1, part.output, cols.output)
            for i, ps, ys in part.taps():
                for j, qs, xs in cols.taps():
                    grad[images, parts, :, ys, xs] += np.moveaxis(products[:, :, i, j, :, ps, qs], 2, 0)

    blocks = _blocks(len(g), groups, axes, matrix[0, :, 0].nbytes, filters)
    images = groupby(blocks, lambda block: block[:2])  # whose lines overlap
    return [partial(work, list(of)) for _, of in images]


def _weight_gradient(g: Array, x: Array, axes: Axes, groups: int, few: int = FEW) -> list[Task]:
    """Tasks whose answers add up to grad_weight, (G, K/G, C/G * R * S); each adds up its blocks."""
    rows, cols = axes
    seen, gradients = _split(x, groups), _split(g, groups)
    dtype = wide(x.dtype)
    filters, taps = gradients.shape[2], seen.shape[2] * rows.kernel * cols.kernel
    turned = filters < taps  # BLAS is faster with the longer side first

    def work(blocks: list[Block]) -> Array:
        grad = np.zeros((groups, taps, filters) if turned else (groups, filters, taps), dtype)
        for images, parts, lines in blocks:
            columns, pitch = _columns(seen[images, parts], (rows.part(lines), cols), filters <= few, True)
            runs = _runs(gradients[images, parts, :, lines], dtype, pitch)
            one, other = (columns[0], runs) if turned else (runs, columns[0])
            grad[parts] += one @ other.swapaxes(1, 2)
        return grad.swapaxes(1, 2) if turned else grad

    blocks = _blocks(len(x), groups, axes, taps * dtype.itemsize, filters)
    count = min(threads(), max(1, len(blocks)))
    return [partial(work, blocks[i::count]) for i in range(count)]


def _columns(x: Array, axes: Axes, long: bool, side_by_side: bool) -> tuple[Array, int]:
    """Windows of (n, G, C/G, H, W) as (n, G, C/G * R * S, run), and how far lines lie apart in a run.

    side_by_side   as (1, G, C/G * R * S, n * run), the images beside each other
    """
    seen, pitch = windows(canvas(x, axes), axes, long)
    n, g, c, r, s, p, q = seen.shape
    if side_by_side and n > 1:
        return seen.transpose(1, 2, 3, 4, 0, 5, 6).reshape(1, g, c * r * s, n * p * q), pitch
    return seen.reshape(n, g, c * r * s, p * q), pitch


def _slabs(x: Array, axes: Axes) -> Array:
    """Windows of (n, G, C/G, H, W) as (n, G, P, R * C/G * S, Q), a view of all lines with their windows of one row.

    R such lines on end are the windows of an output row: the taps of the height are not copied.
    """
    rows, cols = axes
    seen, _ = windows(canvas(x, axes), (rows._replace(kernel=1, stride=1, output=rows.span), cols), False)
    lines = np.ascontiguousarray(seen[:, :, :, 0].transpose(0, 1, 4, 2, 3, 5))  # (n, G, H, C/G, S, Q)
    n, groups, _, c, s, q = lines.shape
    image, group, line, _, tap, _ = lines.strides
    shape = (n, groups, rows.output, rows.kernel * c * s, q)
    return strided(lines, shape, (image, group, rows.stride * line, tap, lines.itemsize))


def _runs(g: Array, dtype: Any, pitch: int) -> Array:
    """(n, G, K/G, p, Q) as (G, K/G, n * run), the order of columns, zeros between the lines of a run."""
    n, groups, filters, p, q = g.shape
    g = g.transpose(1, 2, 0, 3, 4)
    if pitch == q:
        return g.reshape(groups, filters, n * p * q).astype(dtype, copy=False)
    runs = np.zeros((groups, filters, n * ((p - 1) * pitch + q)), dtype)
    lines_of(runs, n, (p, q), pitch)[...] = g
    return runs


def _blocks(
    count: int,
    groups: int,
    axes: Axes,
    column: int,
    times: int,
    worth: int = 2 * WORTH,
    batch: bool = False,
) -> list[Block]:
    """(images, groups, lines): about CACHE bytes of windows at `column` bytes a window of one group.

    times   how often each number of them is multiplied
    worth   the work that threads share; twice WORTH where two gradients are there to be shared anyway
    batch   whether several images are one block even where each has windows enough
    """
    rows, cols = axes
    size = rows.output * cols.output
    wanted = max(CACHE // column, min(COLUMNS, 4 * CACHE // column))
    work = column * size * count * groups * max(1, times // 64)  # 64 products take as long as the copy
    if work > worth and size * count >= COLUMNS:
        wanted = min(wanted, -(-size * count // threads()))
    lines = min(rows.output, max(1, wanted // cols.output))
    images = max(1, min(count, wanted // size)) if batch or size < COLUMNS else 1
    parts = max(1, CACHE // (column * images * lines * cols.output))
    return list(product(slices(count, images), slices(groups, parts), slices(rows.output, lines)))


def _shares(windows: int, weight: Array, groups: int) -> list[slice]:
    """The filters of each thread: all of them but where there are too few windows for threads to share."""
    few = groups == 1 and windows < COLUMNS and windows * weight.nbytes // 64 > WORTH
    parts = threads() if few and len(weight) >= 64 * threads() else 1
    return slices(len(weight), -(-len(weight) // parts))


def _split(images: Array, groups: int) -> Array:
    """View of (N, C, H, W) as (N, G, C/G, H, W)."""
    return images.reshape(len(images), groups, images.shape[1] // groups, *images.shape[2:])


def _grouped(weight: Array, groups: int) -> Array:
    k, c, r, s = weight.shape
    return np.asarray(weight, wide(weight.dtype)).reshape(groups, k // groups, c, r, s)


def _check(
    input: Array,
    weight: Array,
    bias: Array | None,
    stride: Option,
    padding: Option | str,
    dilation: Option,
    groups: int,
) -> tuple[Array, Axes]:
    """Input as (N, C, H, W) and its axes, or the error that the arguments earn."""
    check_array("input", input, "efd")
    _check_filters(input, weight, bias, groups)
    x = batched("input", input)
    strides, dilations = pair("stride", stride, 1), pair("dilation", dilation, 1)
    pads = _padding(padding, stride, strides, weight.shape[2:], dilations)
    height, width = (
        _axis(*of) for of in zip(x.shape[2:], weight.shape[2:], strides, dilations, pads, strict=True)
    )
    for axis, around in zip((height, width), pads, strict=True):
        if axis.output < 1:
            raise ValueError(
                f"the filter reaches over {axis.dilation * (axis.kernel - 1) + 1} pixels but the padded image has "
                f"{axis.image + sum(around)} (input {input.shape}, weight {weight.shape}, "
                f"dilation={dilation!r}, padding={padding!r})"
            )
    return x, (height, width)


def _check_filters(input: Array, weight: Array, bias: Array | None, groups: int) -> None:
    check_array("weight", weight, "efd", like=input)
    if bias is not None:
        check_array("bias", bias, "efd", like=input)
    if weight.ndim != 4 or 0 in weight.shape:
        raise ValueError(f"weight must be (K, C/G, R, S), none of them 0 (got {weight.shape})")
    if not is_int(groups):
        raise TypeError(f"groups={groups!r} must be an int")
    if groups < 1 or len(weight) % groups:
        raise ValueError(
            f"groups={groups!r} must be at least 1 and divide the filters (weight {weight.shape})"
        )
    batched("input", input)
    if input.shape[-3] != weight.shape[1] * groups:
        raise ValueError(
            f"input has {input.shape[-3]} channels but weight expects {weight.shape[1]} per group "
            f"x {groups} groups (input {input.shape}, weight {weight.shape})"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"bias must be one number per filter (bias {bias.shape}, weight {weight.shape})")


def _padding(
    padding: Option | str, stride: Option, strides: Pair, kernel: tuple[int, ...], dilations: Pair
) -> tuple[Pair, Pair]:
    """(before, after) of height and width."""
    if not isinstance(padding, str):
        height, width = pair("padding", padding, 0)
        return (height, height), (width, width)
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding != "same":
        raise ValueError(f"padding={padding!r} must be an int, a pair of ints, 'same' or 'valid'")
    if strides != (1, 1):
        raise ValueError(f"padding='same' needs stride 1 (got stride={stride!r})")
    totals = [d * (k - 1) for d, k in zip(dilations, kernel, strict=True)]
    rows, cols = ((total // 2, total - total // 2) for total in totals)
    return rows, cols


def _axis(image: int, kernel: int, stride: int, dilation: int, pads: Pair) -> Axis:
    room = image + sum(pads) - dilation * (kernel - 1) - 1
    return Axis(image, kernel, stride, dilation, pads[0], room // stride + 1)
