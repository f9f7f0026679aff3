"""Mistakes of adaptive pooling: which pixels a window has, what they are divided by, which one wins."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.audit.mutants.max_pool import along_axes, counted, planes_counted, with_gradient
from conformance.audit.mutants.otherwise import Change, Computed, Edit, Row, Rows, first_images_answer, ones, without_nan
from conformance.cases.arrays import Array, Arrays
from conformance.operations.adaptive import Spans, counts, output_size, spans, windows
from conformance.operations.adaptive_avg_pool import adaptive_avg_pool, adaptive_avg_pool_backward
from conformance.operations.adaptive_max_pool import adaptive_max_pool
from conformance.operations.family import Answers
from conformance.operations.max_pool import max_pool_backward

Span = Callable[[int, int, int], tuple[int, int]]  # window, extent, outputs -> its pixels


def means(case: Any, arrays: Arrays, spans: Spans = spans) -> Answers:
    answers = {"output": adaptive_avg_pool(case, arrays, spans)}
    return answers | ({"grad_input": adaptive_avg_pool_backward(case, arrays, spans)} if "grad_output" in arrays else {})


def maxima(case: Any, arrays: Arrays, spans: Spans = spans) -> Answers:
    return with_gradient(case, arrays, adaptive_max_pool(case, arrays, spans))


Pooled = Callable[[Any, Arrays, Spans], Answers]

# Which pixels a window has.


def inside(start: int, end: int, extent: int) -> tuple[int, int]:
    """At least one pixel of the image, at most those that it has."""
    start = min(max(start, 0), extent - 1)
    return start, min(max(end, start + 1), extent)


def by(span: Span) -> Spans:
    return lambda extent, outputs: [inside(*span(i, extent, outputs), extent) for i in range(outputs)]


def start(i: int, n: int, o: int) -> int:
    return i * n // o


def end(i: int, n: int, o: int) -> int:
    return -(-(i + 1) * n // o)


def last_to_the_end(i: int, n: int, o: int) -> tuple[int, int]:
    size = max(1, n // o)
    return i * size, n if i == o - 1 else (i + 1) * size


def in_float16(i: int, n: int, o: int) -> tuple[int, int]:
    scale = np.float16(n / o)
    return math.floor(float(np.float16(i) * scale)), math.ceil(float(np.float16(i + 1) * scale))


def from_a_scale(i: int, n: int, o: int) -> tuple[int, int]:
    return math.floor(i * (n / o)), math.ceil((i + 1) * (n / o))


def from_a_reciprocal(i: int, n: int, o: int) -> tuple[int, int]:
    return math.floor(i * n * (1 / o)), math.ceil((i + 1) * n * (1 / o))


def in_float32(i: int, n: int, o: int) -> tuple[int, int]:
    scale = np.float32(n) / np.float32(o)
    return math.floor(float(np.float32(i) * scale)), math.ceil(float(np.float32(i + 1) * scale))


def in_16_bits(i: int, n: int, o: int) -> tuple[int, int]:
    return (i * n % 65536) // o, -(-((i + 1) * n % 65536) // o)


SPANS: list[tuple[str, str, Span]] = [
    ("windows end at (i + 1) n / o rounded down", "shared", lambda i, n, o: (start(i, n, o), (i + 1) * n // o)),
    ("windows start at i n / o rounded up", "shared", lambda i, n, o: (-(-i * n // o), end(i, n, o))),
    ("windows start and end at the nearest pixel", "shared", lambda i, n, o: ((2 * i * n + o) // (2 * o), (2 * (i + 1) * n + o) // (2 * o))),
    ("kernel and stride are the extent divided by output_size, rounded down", "shared", lambda i, n, o: (i * max(1, n // o), (i + 1) * max(1, n // o))),
    ("kernel and stride are the extent divided by output_size, rounded up", "shared", lambda i, n, o: (i * -(-n // o), (i + 1) * -(-n // o))),
    ("the stride is rounded down, the kernel reaches to the last pixel", "shared", lambda i, n, o: (i * (n // o), i * (n // o) + n - (o - 1) * (n // o))),
    ("windows start where they should and have all the kernel of the extent divided by output_size, rounded up", "shared", lambda i, n, o: (start(i, n, o), start(i, n, o) + -(-n // o))),
    ("the last window takes what the others leave", "shared", last_to_the_end),
    ("windows are one pixel longer", "max(outputs) > 1", lambda i, n, o: (start(i, n, o), end(i, n, o) + 1)),
    ("windows start one pixel early", "max(outputs) > 1", lambda i, n, o: (start(i, n, o) - 1, end(i, n, o))),
    ("the last pixel of each window is left out", "several", lambda i, n, o: (start(i, n, o), end(i, n, o) - 1)),
    ("the first pixel of each window is left out", "several", lambda i, n, o: (start(i, n, o) + (end(i, n, o) - start(i, n, o) > 1), end(i, n, o))),
    ("where there are more windows than pixels, those past the image repeat its last pixel", "fewer", lambda i, n, o: (i, i + 1) if o > n else (start(i, n, o), end(i, n, o))),
    ("where there are more windows than pixels, each has one pixel", "fewer", lambda i, n, o: (start(i, n, o), start(i, n, o) + 1 if o > n else end(i, n, o))),
    ("places are computed in float16", "True", in_float16),
    ("places are computed from a scale in float32", "True", in_float32),
    ("places are computed from a scale in float64", "True", from_a_scale),
    ("the ends of windows are computed from a scale in float64", "True", lambda i, n, o: (start(i, n, o), from_a_scale(i, n, o)[1])),
    ("places are computed from the reciprocal of the output size", "True", from_a_reciprocal),
    ("places are computed in 16 bits", "True", in_16_bits),
    ("windows longer than 4 are cut to 4", "True", lambda i, n, o: (start(i, n, o), min(end(i, n, o), start(i, n, o) + 4))),
    ("an output_size of 1 leaves out the last row and column", "min(outputs) == 1", lambda i, n, o: (0, n - 1) if o == 1 else (start(i, n, o), end(i, n, o))),
]


def asked(pooled: Pooled, size: Callable[[Any], tuple[int, ...]]) -> Change:
    """The answer to another output_size, in the shape that follows; no gradient has that."""
    return lambda case, arrays: pooled(replace(case, output_size=size(case)), {"input": arrays["input"]}, spans)


def turned(case: Any) -> tuple[int, ...]:
    sizes = output_size(case)
    return (*sizes[:-2], sizes[-1], sizes[-2])


def of_width(case: Any) -> tuple[int, ...]:
    """The width's for every axis."""
    return output_size(case)[-1:] * int(case.dimensions)


def of_first(case: Any) -> tuple[int, ...]:
    return output_size(case)[:1] * int(case.dimensions)


def none_is_1(case: Any) -> tuple[int, ...]:
    return tuple(1 if n is None else n for n in case.axes(case.output_size))


def none_is_of_width(case: Any) -> tuple[int, ...]:
    return tuple(case.image[-1] if n is None else n for n in case.axes(case.output_size))


SIZES = [
    ("output_size of height and width swapped", "P != Q", turned),
    ("the width's output_size is used for all axes", "P != Q", of_width),
    ("the first output_size is used for all axes", "P != Q", of_first),
    ("None in output_size is taken for 1", "H > 0 and gap and (several or max(outputs) > 1)", none_is_1),
    ("None in output_size keeps the width's extent", "gap and H != W", none_is_of_width),
]


def of_windows(pooled: Pooled) -> list[Row]:
    """The windows' mistakes, in all that follows from them."""
    def change(span: Span) -> Change:
        return lambda case, arrays: pooled(case, arrays, by(span))

    return [(sentence, when, change(span)) for sentence, when, span in SPANS]


# Means.

output, gradient = Computed(adaptive_avg_pool), Computed(adaptive_avg_pool_backward)


def pixels_of(case: Any, size: Callable[[int, int], float]) -> float:
    return math.prod(size(n, o) for n, o in zip(case.image, case.output_extents, strict=True))


def divided(by: Callable[[Any], Any]) -> Change:
    """Answer and gradient where each window is divided by something else."""

    def change(case: Any, arrays: Arrays) -> Answers:
        right, other = counts(case), by(case)
        answers = {"output": adaptive_avg_pool(case, arrays) * right / other}
        if "grad_output" in arrays:
            answers["grad_input"] = adaptive_avg_pool_backward(case, arrays | {"grad_output": arrays["grad_output"] * right / other})
        return answers

    return change


def of_grad(edit: Edit) -> Change:
    return gradient.given(grad_output=edit)


def overwritten(case: Any, arrays: Arrays) -> Array:
    spread, share = np.zeros(arrays["input"].shape), arrays["grad_output"] / counts(case)
    for place, pixels in windows(case):
        spread[pixels] = share[place].reshape(*share.shape[:2], *(1,) * case.dimensions)
    return spread


def of_one_window(case: Any, arrays: Arrays) -> Array:
    """Each pixel gets the gradient of one window."""
    axes = zip(case.image, case.output_extents, strict=True)
    chosen = np.ix_(*(np.arange(n) * o // n for n, o in axes))
    return np.asarray((arrays["grad_output"] / counts(case))[(..., *chosen)])


def to_first_pixel(case: Any, arrays: Arrays) -> Array:
    spread = np.zeros(arrays["input"].shape)
    for place, pixels in windows(case):
        spread[(..., *(here.start for here in pixels[1:]))] += arrays["grad_output"][place]
    return spread


def by_running_sums(case: Any, arrays: Arrays) -> Array:
    """Sums of the pixels before each corner of a window, of alternating signs."""
    table = arrays["input"]
    for axis in range(-case.dimensions, 0):
        first = np.zeros_like(table.take([0], axis=axis))
        table = np.concatenate([first, np.cumsum(table, axis=axis)], axis=axis)
    answer = np.zeros((*arrays["input"].shape[:2], *case.output_extents))
    for place, pixels in windows(case):
        for ends in itertools.product((0, 1), repeat=case.dimensions):
            corner = tuple(here.stop if last else here.start for last, here in zip(ends, pixels[1:], strict=True))
            answer[place] += (-1) ** ends.count(0) * table[(..., *corner)]
    return np.asarray(answer / counts(case))


MEANS: list[Row] = [
    *of_windows(means),
    ("every window is divided by the pixels of the largest", "shared", divided(lambda c: pixels_of(c, lambda n, o: -(-n // o)))),
    ("every window is divided by the image's pixels over the windows", "shared", divided(lambda c: pixels_of(c, lambda n, o: n / o))),
    ("every window is divided by the pixels of the first", "shared", divided(lambda c: counts(c).reshape(-1)[0] if counts(c).size else 1.0)),
    ("the sum is not divided", "several or shared", divided(lambda c: np.ones(()))),
    ("windows are divided by the pixels of the width alone", "H > 0 and (several or shared)", divided(lambda c: counts(c)[(0,) * (c.dimensions - 1)] if counts(c).size else 1.0)),
]
MEAN: list[Row] = [
    *((sentence, when, asked(means, size)) for sentence, when, size in SIZES),
    ("the average is rounded down to an integer", "True", output.changed(lambda c, y: np.floor(y))),
    ("the average is of magnitudes", "True", output.given(input=lambda c, x: np.abs(x))),
    ("batch index ignored: every answer is the first image's", "N > 1", output.changed(first_images_answer)),
    ("channels averaged too", "C > 1", output.changed(lambda c, y: np.broadcast_to(y.mean(axis=1, keepdims=True), y.shape))),
    ("NaN left out of the sum", "nan", output.given(input=without_nan)),
    ("differences of running sums: a NaN or infinity reaches every window after it", "nan or infinite", by_running_sums),
    ("the largest is taken for the mean", "True", lambda c, a: adaptive_max_pool(c, a)["output"]),
]
MEAN_GRADIENT: list[Row] = [
    ("windows that overlap overwrite the gradient instead of adding", "shared", overwritten),
    ("each pixel gets the gradient of one of its windows", "shared", of_one_window),
    ("the gradient is not divided", "several or shared", of_grad(lambda c, g: g * counts(c))),
    ("the gradient divides by the pixels of the largest window", "shared", of_grad(lambda c, g: g * counts(c) / pixels_of(c, lambda n, o: -(-n // o)))),
    ("the gradient divides by the image's pixels over the windows", "shared", of_grad(lambda c, g: g * counts(c) / pixels_of(c, lambda n, o: n / o))),
    ("the gradient's windows end at (i + 1) n / o rounded down", "shared", lambda c, a: adaptive_avg_pool_backward(c, a, by(SPANS[0][2]))),
    ("the gradient goes to the first pixel of each window", "several or shared", to_first_pixel),
    ("grad_output taken for ones in the gradient", "True", of_grad(ones)),
    ("every image's gradient is the first one's", "N > 1", gradient.changed(first_images_answer)),
    ("every channel's gradient is the first one's", "C > 1", gradient.changed(lambda c, g: np.broadcast_to(g[:, :1], g.shape))),
]

# Maxima.

indices, everything = Computed(lambda case, arrays: adaptive_max_pool(case, arrays)["indices"]), Computed(maxima)
largest = Computed(lambda case, arrays: adaptive_max_pool(case, arrays)["output"])
largest_gradient = Computed(lambda case, arrays: max_pool_backward(case, arrays, indices(case, arrays)))


def chosen(choice: Callable[[Array], Array]) -> Change:
    """Another pixel of each window, by its values in row-major order."""

    def change(case: Any, arrays: Arrays) -> Answers:
        position, right = np.arange(math.prod(case.image)).reshape(case.image), adaptive_max_pool(case, arrays)
        for place, pixels in windows(case):
            here = position[pixels].reshape(-1)
            values = arrays["input"][pixels].reshape(*arrays["input"].shape[:2], here.size)
            wins = choice(values)
            right["output"][place] = np.take_along_axis(values, wins[..., None], axis=-1)[..., 0]
            right["indices"][place] = here[wins]
        return with_gradient(case, arrays, right)

    return change


def greatest(values: Array) -> Array:
    return np.asarray(np.where(np.isnan(values), -np.inf, values).argmax(axis=-1))


def last_of_equals(values: Array) -> Array:
    last = values.shape[-1] - 1 - values[..., ::-1].argmax(axis=-1)
    nan = np.isnan(values)
    return np.asarray(np.where(nan.any(axis=-1), values.shape[-1] - 1 - nan[..., ::-1].argmax(axis=-1), last))


def reindexed(index: Callable[[Any, list[Array], list[Array]], Array]) -> Change:
    """The index by its position, and where its window starts, along each axis."""

    def edit(case: Any, found: Array) -> Array:
        axes = enumerate(zip(case.image, case.output_extents, strict=True), 1 - case.dimensions)
        starts = [np.array([s for s, _ in spans(n, o)], int).reshape(-1, *(1,) * -after) for after, (n, o) in axes]
        return index(case, along_axes(found, case.image), starts)

    return indices.changed(edit)


def in_window(case: Any, places: list[Array], starts: list[Array]) -> Array:
    sizes = [-(-n // max(o, 1)) for n, o in zip(case.image, case.output_extents, strict=True)]
    return counted([place - start for place, start in zip(places, starts, strict=True)], sizes)


def column_order(case: Any, places: list[Array], starts: list[Array]) -> Array:
    return counted(places[::-1], case.image[::-1])


def overwriting(case: Any, arrays: Arrays) -> Array:
    spread, index = np.zeros(arrays["input"].shape), indices(case, arrays)
    planes, at = spread.reshape(-1, math.prod(case.image)), index.reshape(-1, math.prod(case.output_extents))
    np.put_along_axis(planes, at, arrays["grad_output"].reshape(at.shape), axis=1)
    return spread


def to_equals(share: Callable[[Array], Array]) -> Change:
    """The gradient where each pixel that equals its window's largest gets a share."""

    def change(case: Any, arrays: Arrays) -> Array:
        spread, best = np.zeros(arrays["input"].shape), largest(case, arrays)
        for place, pixels in windows(case):
            of_window = (*best.shape[:2], *(1,) * case.dimensions)
            equal = (arrays["input"][pixels] == best[place].reshape(of_window)).astype(float)
            spread[pixels] += share(equal) * arrays["grad_output"][place].reshape(of_window)
        return spread

    return change


def every_share(equal: Array) -> Array:
    return np.asarray(equal / np.maximum(equal.sum(axis=tuple(range(2, equal.ndim)), keepdims=True), 1))


MAXIMA: list[Row] = [
    *of_windows(maxima),
    ("NaN ignored", "nan", chosen(greatest)),
    ("the first pixel of each window is taken", "several or shared", chosen(lambda values: np.zeros(values.shape[:-1], int))),
    ("the smallest is taken", "several or shared", chosen(lambda values: np.asarray((-values).argmax(axis=-1)))),
    ("the largest magnitude is taken", "several or shared", chosen(lambda values: np.asarray(np.abs(values).argmax(axis=-1)))),
]
CHOICE: list[Row] = [
    ("the last of equal values wins", "ties", chosen(last_of_equals)),
    ("the first NaN has the index", "nan", chosen(lambda values: np.asarray(values.argmax(axis=-1)))),
]
MAX_FORWARD: list[Row] = [(sentence, when, asked(maxima, size)) for sentence, when, size in SIZES]
MAX: list[Row] = [
    ("a scan that starts from 0: negative windows answer 0", "True", largest.changed(lambda c, y: np.maximum(y, 0))),
    ("a scan that starts from -1e30", "infinite", largest.changed(lambda c, y: np.maximum(y, -1e30))),
    ("batch index ignored: every answer is the first image's", "N > 1", largest.changed(first_images_answer)),
    ("the mean is taken for the largest", "True", adaptive_avg_pool),
]
INDICES: list[Row] = [
    ("indices count in the window", "max(outputs) > 1 or shared", reindexed(in_window)),
    ("indices count over images and channels", "N * C > 1", indices.changed(planes_counted)),
    ("indices count column by column", "H > 1 and W > 1", reindexed(column_order)),
    ("indices count from 1", "True", indices.changed(lambda c, i: i + 1)),
    ("indices are those of the width alone", "H > 1", reindexed(lambda c, places, starts: places[-1] + 0 * places[0])),
]
MAX_GRADIENT: list[Row] = [
    ("windows that overlap overwrite the gradient instead of adding", "shared", overwriting),
    ("the gradient goes to every tie", "ties", to_equals(lambda equal: equal)),
    ("ties share the gradient", "ties", to_equals(every_share)),
    ("the gradient is spread over the window as in average pooling", "several or shared", adaptive_avg_pool_backward),
    ("grad_output taken for ones in the gradient", "True", largest_gradient.given(grad_output=ones)),
    ("a NaN that was the answer gets no gradient", "nan", lambda c, a: max_pool_backward(c, a, np.where(np.isnan(largest(c, a)), -1, indices(c, a)))),
    ("every image's gradient uses the first one's indices", "N > 1", lambda c, a: max_pool_backward(c, a, np.repeat(indices(c, a)[:1], len(a["input"]), axis=0))),
    ("every channel's gradient uses the first one's indices", "C > 1", lambda c, a: max_pool_backward(c, a, np.repeat(indices(c, a)[:, :1], c.channels, axis=1))),
    ("the gradient's windows end at (i + 1) n / o rounded down", "shared", lambda c, a: max_pool_backward(c, a, adaptive_max_pool(c, a, by(SPANS[0][2]))["indices"])),
]
ROWS: Rows = {
    ("adaptive_avg_pool", "output grad_input"): MEANS,
    ("adaptive_avg_pool", "output"): MEAN,
    ("adaptive_avg_pool", "grad_input"): MEAN_GRADIENT,
    ("adaptive_max_pool", "output indices grad_input"): MAXIMA,
    ("adaptive_max_pool", "indices grad_input"): CHOICE,
    ("adaptive_max_pool", "output indices"): MAX_FORWARD,
    ("adaptive_max_pool", "output"): MAX,
    ("adaptive_max_pool", "indices"): INDICES,
    ("adaptive_max_pool", "grad_input"): MAX_GRADIENT,
}
