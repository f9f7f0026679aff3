"""The three products that convolutions, transposed convolutions and all of their gradients are made of.

A block of windows is copied as a matrix, one column per window, small enough to stay in a cache, and multiplied
by the filters: the multiplication is BLAS's, the copy is the price. Each product is a list of tasks, for threads.

    x       (N, G, C/G, *image)
    weight  (G, K/G, C/G, *kernel), in the dtype to add in
    g       (N, G, K/G, *output)
"""

from collections.abc import Iterable
from functools import partial
from itertools import groupby, product
from math import prod

import numpy as np

from npcnn.checks import Array, wide
from npcnn.threads import Task, slices, threads
from npcnn.windows import Axes, cut, fold, outputs, unfold

Block = tuple[slice, slice, tuple[slice, ...]]

CACHE = 1 << 22  # bytes of a block of windows: larger leave the cache, smaller are all calls and no work
WORTH = CACHE // 4  # of windows, each multiplied 64 times, for which a thread is worth waking
FEW = 32  # filters up to which copying windows costs more than multiplying them
COLUMNS = 256  # windows in a block at least: BLAS is slow on narrow matrices


def correlate(
    x: Array, weight: Array, axes: Axes, output: Array, bias: Array | None = None, worth: int = 2 * WORTH
) -> list[Task]:
    """Write the convolution of x with weight into output, which is shaped as g.

    output[n, g, k, *q] = bias[g * K/G + k] + sum over c, *t of weight[g, k, c, *t] * x[n, g, c, tap *t of window *q]
    """
    groups, filters = weight.shape[:2]
    matrix = weight.reshape(groups, filters, -1)
    start = None if bias is None else bias.astype(weight.dtype).reshape(groups, filters, 1)
    size = prod(output.shape[3:])
    long, side_by_side = filters <= FEW and size * groups >= COLUMNS, size < min(COLUMNS, filters)
    plain = output.flags.c_contiguous and output.dtype == weight.dtype

    def work(images: slice, parts: slice, lines: tuple[slice, ...], of: slice) -> None:
        into = output[(images, parts, of, *lines)]
        columns, extents = _columns(x[images, parts], _part(axes, lines), long, side_by_side)
        direct = plain and len(columns) == len(into) and extents == into.shape[3:]
        products = np.matmul(
            matrix[parts, of], columns, out=into.reshape(*into.shape[:3], -1) if direct else None
        )
        if start is not None:
            products += start[parts, of]
        if not direct:
            n, g, k = into.shape[:3]
            apart = len(products) == n
            seen = products.reshape((n, g, k, *extents) if apart else (g, k, n, *extents))
            into[...] = cut(seen if apart else np.moveaxis(seen, 2, 0), into.shape[3:])

    blocks = _blocks(len(x), groups, axes, matrix[0, 0].nbytes, filters, worth, batch=True)
    return [partial(work, *block, of) for of in _shares(len(x) * size, matrix) for block in blocks]


def transposed(g: Array, weight: Array, axes: Axes, output: Array, bias: Array | None = None) -> list[Task]:
    """Write the transpose of correlate, applied to g, into output, which is shaped as x and holds bias (C,), or zeros.

    output[n, g, c, *i] = bias[g * C/G + c]
        + sum over k and all windows *q whose tap *t is pixel *i of weight[g, k, c, *t] * g[n, g, k, *q]

    Each phase of the stride is g correlated with the taps that read it, last first.
    """
    filters, channels = weight.shape[1:3]
    few = filters > max(2 * channels, FEW // 2)
    turning = 2 * filters > g[:, 0, 0].size  # the filters would cost more than all windows
    if few or turning or not np.isfinite(weight).all():
        return _scatter(g, weight, axes, output)
    tasks = []
    for phases in product(*(axis.phases() for axis in axes)):
        pixels, taps, parts = zip(*phases, strict=True)
        turned = np.ascontiguousarray(weight[(..., *taps)].swapaxes(1, 2))
        tasks += correlate(g, turned, parts, output[(..., *pixels)], bias)
    return tasks


def _scatter(g: Array, weight: Array, axes: Axes, output: Array) -> list[Task]:
    """Transposed, one tap at a time: the fewer the channels, the cheaper.

    Only products that belong to a pixel are formed, so that infinite weights meet no zeros of padding.
    """
    groups, filters, *shape = weight.shape
    matrix = weight.reshape(groups, filters, -1).swapaxes(1, 2)

    def work(blocks: Iterable[Block]) -> None:
        for images, parts, lines in blocks:
            of = g[(images, parts, slice(None), *lines)]
            products = matrix[parts] @ of.reshape(*of.shape[:3], -1).astype(weight.dtype, copy=False)
            fold(
                products.reshape(*of.shape[:2], *shape, *of.shape[3:]),
                _part(axes, lines),
                output[images, parts],
            )

    blocks = _blocks(len(g), groups, axes, matrix[0, :, 0].nbytes, filters)
    images = groupby(blocks, lambda block: block[:2])  # whose lines overlap
    return [partial(work, list(of)) for _, of in images]


def weight_gradient(g: Array, x: Array, axes: Axes, long: bool = True) -> list[Task]:
    """Tasks whose answers add up to the gradient of weight, (G, K/G, C/G * taps); each adds up its blocks.

    grad_weight[g, k, c, *t] = sum over n, *q of g[n, g, k, *q] * x[n, g, c, tap *t of window *q]
    """
    groups, filters = g.shape[1:3]
    dtype = wide(x.dtype)
    taps = x.shape[2] * prod(axis.kernel for axis in axes)

    def work(blocks: list[Block]) -> Array:
        grad = np.zeros((groups, filters, taps), dtype)
        for images, parts, lines in blocks:
            part = _part(axes, lines)
            columns, extents = _columns(x[images, parts], part, long and filters <= FEW, True)
            of = _lines(g[(images, parts, slice(None), *lines)], extents)
            of = of.swapaxes(0, 1).swapaxes(1, 2).reshape(len(columns[0]), filters, -1)
            grad[parts] += of.astype(dtype, copy=False) @ columns[0].swapaxes(1, 2)
        return grad

    blocks = _blocks(len(x), groups, axes, taps * dtype.itemsize, filters)
    count = min(threads(), max(1, len(blocks)))
    return [partial(work, blocks[i::count]) for i in range(count)]


def _columns(x: Array, axes: Axes, long: bool, side_by_side: bool) -> tuple[Array, tuple[int, ...]]:
    """Windows of x as matrices (n, G, C/G * taps, windows), and the extents of the windows, longer lines if long.

    side_by_side   as one, (1, G, C/G * taps, n * windows), the images beside each other
    """
    d = len(axes)
    long = long and d > 1 and all(axis.stride == 1 for axis in axes) and any(axis.kernel > 1 for axis in axes)
    seen = unfold(x, axes, long)
    n, groups, channels = seen.shape[:3]
    taps, extents = prod(seen.shape[3:-d]), seen.shape[-d:]
    if side_by_side and n > 1:
        seen = np.moveaxis(seen, 0, -d - 1)
        n = 1
    return seen.reshape(n, groups, channels * taps, -1), extents


def _lines(g: Array, extents: tuple[int, ...]) -> Array:
    """g with zeros in its lines beyond the output, as long as extents."""
    if g.shape[3:] == extents:
        return g
    longer = np.zeros((*g.shape[:3], *extents), g.dtype)
    cut(longer, g.shape[3:])[...] = g
    return longer


def _part(axes: Axes, lines: tuple[slice, ...]) -> Axes:
    return tuple([axis.part(some) for axis, some in zip(axes, lines, strict=True)])


def _blocks(
    count: int, groups: int, axes: Axes, column: int, times: int, worth: int = 2 * WORTH, batch: bool = False
) -> list[Block]:
    """(images, groups, windows by axis): about CACHE bytes of windows at `column` bytes a window of one group.

    times   how often each number of them is multiplied
    worth   the work that threads share; twice WORTH where two gradients are there to be shared anyway
    batch   whether several images are one block even where each has windows enough
    """
    size = prod(extents := outputs(axes))
    if column * size * count * groups * max(1, times // 64) <= CACHE // 4 and (
        batch or count == 1 or size < COLUMNS
    ):
        return [(slice(0, count), slice(0, groups), tuple([slice(0, n) for n in extents]))] if count else []
    wanted = max(CACHE // column, min(COLUMNS, 4 * CACHE // column))
    work = column * size * count * groups * max(1, times // 64)  # 64 products take as long as the copy
    if work > worth and size * count >= COLUMNS:
        wanted = min(wanted, -(-size * count // threads()))
    images = max(1, min(count, wanted // size)) if batch or size < COLUMNS else 1
    lines, inner, several = [], size, images
    for axis in axes:
        inner //= axis.output
        step = min(axis.output, max(1, wanted // inner))
        lines.append(slices(axis.output, step))
        several *= step
    parts = max(1, CACHE // (column * several))
    return list(product(slices(count, images), slices(groups, parts), product(*lines)))


def _shares(windows: int, matrix: Array) -> list[slice]:
    """The filters of each thread: all of them but where there are too few windows for threads to share."""
    groups, filters = matrix.shape[:2]
    few = groups == 1 and windows < COLUMNS and windows * matrix.nbytes // 64 > WORTH
    parts = threads() if few and filters >= 64 * threads() else 1
    return slices(filters, -(-filters // parts))
