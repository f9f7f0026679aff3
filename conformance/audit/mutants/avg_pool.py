"""Mistakes of average pooling: what is divided by, where the windows lie, where the gradient goes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.audit.mutants.max_pool import every_window, unrounded
from conformance.audit.mutants.otherwise import Change, Computed, Edit, Row, Rows, both_of, first_images_answer, ones, past, shorter_strides, walked, without_nan
from conformance.audit.mutants.words import paddings
from conformance.cases.arrays import Array, Arrays
from conformance.operations.family import Answers
from conformance.operations.windows import at, pad, taps, unpad
from conformance.operations.avg_pool import avg_pool, avg_pool_backward, divisors


output, gradient, both = Computed(avg_pool), Computed(avg_pool_backward), both_of(avg_pool, avg_pool_backward)

# What is divided by.


def divided(case: Any, arrays: Arrays, by: Any) -> Answers:
    """Answer and gradient where each window is divided by something else."""
    right = divisors(case)
    answers = {"output": avg_pool(case, arrays) * right / by}
    if "grad_output" in arrays:
        grad = arrays["grad_output"] * right / by
        answers["grad_input"] = avg_pool_backward(case, arrays | {"grad_output": grad})
    return answers


def by(divisor: Callable[[Any], Any]) -> Change:
    return lambda case, arrays: divided(case, arrays, divisor(case))


def divisors_of(**options: Any) -> Callable[[Any], Array]:
    """The divisors of other options."""
    return lambda case: divisors(walked(case, **options))


def taps_of(case: Any) -> int:
    return math.prod(case.kernel)


def counting(first: Callable[[Array, int, int], Array], last: Callable[[Array, int, int], Array]) -> Callable[[Any], Array]:
    """The taps of each window from first to last, each a function of where it starts and ends, of image and padding."""

    def counted(case: Any) -> Array:
        counts = np.ones(())
        for n, k, s, p, outputs in zip(case.image, case.kernel, case.strides, paddings(case), case.output_extents, strict=True):
            start = np.arange(outputs) * s - p
            counts = counts[..., None] * (last(start + k, n, p) - first(start, n, p))
        return counts

    return counted


after_the_image_and_overhang = counting(lambda start, n, p: np.maximum(start, 0), lambda end, n, p: end)
after_the_image = counting(lambda start, n, p: np.maximum(start, 0), lambda end, n, p: np.minimum(end, n + p))
ignored = by(divisors_of(divisor_override=None))
uncounted = divisors_of(divisor_override=None, count_include_pad=False)


def ignored_at_border(case: Any) -> Array:
    inside = np.broadcast_to(uncounted(case), case.output_extents)
    return np.where(inside < taps_of(case), inside, divisors(case))


def along_width(case: Any) -> Array:
    """The whole window's width, whatever is clipped of it."""
    return np.broadcast_to(divisors(case).max(axis=-1, keepdims=True), case.output_extents)


def of_grad(edit: Edit) -> Change:
    return gradient.given(grad_output=edit)


# Where the windows lie.


def summed(case: Any, padded: Array) -> Any:
    return np.sum([padded[place] for _, place in taps(case)], axis=0)


def clipped_unwritten(case: Any, y: Array) -> Array:
    overhang = [border - p for (_, border), p in zip(case.borders, paddings(case), strict=True)]
    return past(y, tuple(o - (over > 0) for o, over in zip(case.output_extents, overhang, strict=True)), 0)


def on_repeated_edge(case: Any, arrays: Arrays) -> Any:
    return summed(case, np.pad(arrays["input"], ((0, 0), (0, 0), *case.borders), mode="edge")) / divisors(case)


def overhang_wrapped(case: Any, arrays: Arrays) -> Any:
    padded, end = pad(arrays["input"], case.borders), case.image[-1] + 2 * paddings(case)[-1]
    padded[..., end:] = np.take(padded, np.arange(padded.shape[-1] - end), axis=-1)
    return summed(case, padded) / divisors(case)


def narrower(axis: int) -> Change:
    """The last tap along an axis is skipped; the divisor is that of the whole window."""

    def kernel(case: Any) -> tuple[int, ...]:
        return tuple(k - (place == axis) for place, k in enumerate(case.kernel, -case.dimensions))

    return lambda case, arrays: divided(walked(case, kernel=kernel(case), divisor_override=1), arrays, divisors(case))


def mean_of_image(case: Any, arrays: Arrays) -> Array:
    mean = arrays["input"].mean(axis=tuple(range(2, 2 + case.dimensions)), keepdims=True)
    return np.broadcast_to(mean, avg_pool(case, arrays).shape)


def by_running_sums(case: Any, arrays: Arrays) -> Any:
    """A window's sum as the difference of the sums up to its corners."""
    table = pad(arrays["input"], case.borders)
    for axis in range(2, table.ndim):
        table = table.cumsum(axis=axis)
    table, total = pad(table, ((1, 0),) * case.dimensions), None
    starts = [np.arange(o) * s for o, s in zip(case.output_extents, case.strides, strict=True)]
    for corner in itertools.product((1, 0), repeat=case.dimensions):
        sums = table[at(np.ix_(*(start + k * end for start, k, end in zip(starts, case.kernel, corner, strict=True))))]
        total = sums if total is None else total - sums if corner.count(0) % 2 else total + sums
    return total / divisors(case)


# The gradient.


def spread(case: Any, arrays: Arrays, overwriting: bool = False) -> Array:
    """The gradient in the padded image."""
    grad = np.zeros(pad(arrays["input"], case.borders).shape)
    for _, place in taps(case):
        share = arrays["grad_output"] / divisors(case)
        grad[place] = share if overwriting else grad[place] + share
    return grad


def to_first_pixel(case: Any, arrays: Arrays) -> Any:
    grad = arrays["grad_output"] * divisors(case)
    return avg_pool_backward(walked(case, kernel=(1,) * case.dimensions, divisor_override=1), arrays | {"grad_output": grad})


def garbage_past_the_last_window(case: Any, grad: Array) -> Array:
    axes = zip(case.output_extents, case.strides, case.kernel, paddings(case), strict=True)
    return past(grad, tuple((o - 1) * s + k - p for o, s, k, p in axes), 7)


def nan_along_rows(case: Any, grad: Array) -> Array:
    return np.where(np.logical_or.accumulate(~np.isfinite(grad), axis=-1), np.nan, grad)


COUNTED, UNCOUNTED = "counted and padded and divisor is None", "not counted and padded and divisor is None"
BOTH: list[Row] = [
    ("count_include_pad always true", UNCOUNTED, by(divisors_of(count_include_pad=True))),
    ("count_include_pad always false", COUNTED, by(divisors_of(count_include_pad=False))),
    ("ceil_mode's overhang is counted in the divisor where padding is", "ceil and counted and divisor is None and overhang", by(lambda c: np.full(c.output_extents, float(taps_of(c))))),
    ("ceil_mode's overhang is counted in the divisor where padding is not", "ceil and not counted and divisor is None and overhang", by(after_the_image_and_overhang)),
    ("padding counted after the image only", COUNTED, by(after_the_image)),
    ("the divisor of clipped windows counts the height only", f"H > 0 and {UNCOUNTED}", by(along_width)),
    ("divisor_override ignored", "divisor is not None", ignored),
    ("divisor_override ignored where padding is not counted", "divisor is not None and not counted", ignored),
    ("divisor_override ignored in ceil_mode", "divisor is not None and ceil", ignored),
    ("divisor_override ignored where windows are clipped", "divisor is not None and padded", by(ignored_at_border)),
    ("the sign of divisor_override is lost", "divisor is not None and divisor < 0", by(lambda c: abs(divisors(c)))),
    ("a negative divisor_override is ignored", "divisor is not None and divisor < 0", ignored),
    ("divisor_override of 1 is taken for none", "divisor == 1", ignored),
    ("divisor_override multiplies the count instead of replacing it", "divisor is not None and taps > 1", by(lambda c: divisors(c) * divisors(walked(c, divisor_override=None)))),
    ("the sum is not divided", "taps > 1", by(lambda c: np.ones(()))),
    ("divides by the square of the window's height", "R != S and divisor is None", by(lambda c: divisors(c) * c.kernel[-2] / c.kernel[-1])),
    ("the default stride is the kernel's height for both axes", "default_stride and R != S", both.walked(stride=lambda c: c.kernel[-2])),
    ("the last tap of each row of the window is skipped", "S > 1", narrower(-1)),
    ("the last row of the window is skipped", "R > 1", narrower(-2)),
    ("the 2x2 path with stride 2 ignores the padding", "size == stride == 2 and padded", both.walked(padding=0)),
    ("stride beyond the window taken for the window", "gaps", both.walked(stride=shorter_strides)),
]
OUTPUT: list[Row] = [
    ("the average is rounded down to an integer", "taps > 1", output.changed(lambda c, y: np.floor(y))),
    ("the average is of magnitudes", "True", output.given(input=lambda c, x: np.abs(x))),
    ("ceil_mode ignored", "ceil and max(over) > 0", lambda c, a: avg_pool(unrounded(c), a)),
    ("ceil_mode rounds the height only", "H > 0 and ceil and over_w > 0 and Q > 1", output.changed(lambda c, y: y[..., :-1])),
    ("always ceil_mode", "not ceil and max(rest) > 0", output.asked(ceil_mode=True)),
    ("ceil_mode keeps a last window that starts in the right padding", "ceil and padded", lambda c, a: avg_pool(every_window(c), a)),
    ("ceil_mode's last windows, clipped, are not written", "ceil and overhang", output.changed(clipped_unwritten)),
    ("the default stride is 1, not the kernel", "default_stride and taps > 1", output.asked(stride=1)),
    ("the border repeats the edge of the image instead of zeros", "padded", on_repeated_edge),
    ("the border reads stale data", "padded", lambda c, a: summed(c, pad(a["input"], c.borders, 7)) / divisors(c)),
    ("ceil_mode's overhang reads the start of the row again", "ceil and over_w > pw", overhang_wrapped),
    ("a window that covers the padded image averages all of it, border left out", "covers and padded and counted and divisor is None", mean_of_image),
    ("batch index ignored: every answer is the first image's", "N > 1", output.changed(first_images_answer)),
    ("channels averaged too", "C > 1", output.changed(lambda c, y: np.broadcast_to(y.mean(axis=1, keepdims=True), y.shape))),
    ("NaN left out of the sum", "nan", output.given(input=without_nan)),
    ("differences of running sums: a NaN or infinity reaches every window after it", "nan or infinite", by_running_sums),
]
GRADIENT: list[Row] = [
    ("count_include_pad always true in the gradient", UNCOUNTED, gradient.walked(count_include_pad=True)),
    ("count_include_pad always false in the gradient", COUNTED, gradient.walked(count_include_pad=False)),
    ("the gradient divides by the whole window where ceil_mode clips it", "ceil and divisor is None and max(over) > 0", of_grad(lambda c, g: g * divisors(c) / taps_of(c))),
    ("the gradient divides by the whole window where the border is not counted", UNCOUNTED, of_grad(lambda c, g: g * divisors(c) / taps_of(c))),
    ("divisor_override ignored in the gradient", "divisor is not None", gradient.walked(divisor_override=None)),
    ("the sign of divisor_override is lost in the gradient", "divisor is not None and divisor < 0", gradient.changed(lambda c, g: -g)),
    ("windows that overlap overwrite the gradient instead of adding", "positions > 1 and overlap", lambda c, a: unpad(spread(c, a, overwriting=True), c.borders)),
    ("the gradient is not divided", "taps > 1", of_grad(lambda c, g: g * divisors(c))),
    ("grad_output taken for ones in the gradient", "True", of_grad(ones)),
    ("the gradient goes to the first pixel of each window", "taps > 1", to_first_pixel),
    ("garbage in the gradient past the last window", "max(past) > 0", gradient.changed(garbage_past_the_last_window)),
    ("clipped windows give no gradient", "padded", of_grad(lambda c, g: np.where(uncounted(c) < taps_of(c), 0, g))),
    ("the gradient is shifted by the padding", "padded", lambda c, a: spread(c, a)[at(map(slice, c.image))]),
    ("a running sum: NaN and infinities of grad_output reach the rest of the row", "nan or infinite", gradient.changed(nan_along_rows)),
    ("every image's gradient is the first one's", "N > 1", gradient.changed(first_images_answer)),
]
ROWS: Rows = {("avg_pool", "output grad_input"): BOTH, ("avg_pool", "output"): OUTPUT, ("avg_pool", "grad_input"): GRADIENT}
