"""Mistakes of power-average pooling: which power, of what, which root, and what a gradient makes of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.audit.mutants.avg_pool import clipped_unwritten
from conformance.audit.mutants.max_pool import every_window, greater, not_less, scan, unrounded
from conformance.audit.mutants.otherwise import Change, Computed, Row, Rows, both_of, first_images_answer, ones, shorter_strides, without_nan
from conformance.audit.mutants.precision import bfloat16, float16
from conformance.cases.arrays import Array, Arrays
from conformance.operations.family import Answers
from conformance.operations.lp_pool import lp_pool, lp_pool_backward, of_windows, power_sums, sign, wholeness
from conformance.operations.max_pool import max_pool_backward
from conformance.operations.windows import pad, taps, unpad


output, gradient, both = Computed(lp_pool), Computed(lp_pool_backward), both_of(lp_pool, lp_pool_backward)


def taps_of(case: Any) -> int:
    return math.prod(case.kernel)


def rooted(of: Callable[[Any, Array], Array]) -> Change:
    """Another root of each window's sum z."""
    return lambda case, arrays: of(case, power_sums(case, arrays["input"]))


def summed(powers: Callable[[Array, Any], Array]) -> Change:
    """The root of the sum of another power of each x."""

    def change(case: Any, arrays: Arrays) -> Array:
        padded = pad(powers(arrays["input"], case.norm_type), case.borders)
        return np.asarray(sum(padded[place] for _, place in taps(case)) ** (1 / case.norm_type))

    return change


def scaled(factor: Callable[[Any], float]) -> Change:
    """The sum z times a number, in answer and gradient."""

    def change(case: Any, arrays: Arrays) -> Answers:
        by = factor(case) ** (1 / case.norm_type)
        return {name: answer * by for name, answer in both(case, arrays).items()}

    return change


def clipped(scale: Callable[[Any], Array]) -> Change:
    """The sum of a clipped window times another number than its taps over its pixels, in answer and gradient."""

    def change(case: Any, arrays: Arrays) -> Answers:
        other, whole, p = scale(case), wholeness(case), case.norm_type
        answers = {"output": np.asarray((power_sums(case, arrays["input"]) / whole * other) ** (1 / p))}
        if "grad_output" in arrays:
            by_other = sloped(lambda c, g, z: right_slope(c, g, z / whole * other) / whole * other)
            answers["grad_input"] = by_other(case, arrays)
        return answers

    return change


def but_for_width(case: Any) -> Array:
    """Taps over pixels along the other axes."""
    n, k, s, o = (axes[-1] for axes in (case.image, case.kernel, case.strides, case.output_extents))
    return np.asarray(wholeness(case) * np.minimum(k, n - np.arange(o) * s) / k)


def sloped(slope: Callable[[Any, Array, Array], Array], power: Callable[[Array, Any], Array] = lambda x, p: np.asarray(x ** (p - 1))) -> Change:
    """Another slope (of case, grad_output, z) of each window, or another power of each x."""

    def change(case: Any, arrays: Arrays) -> Array:
        z = power_sums(case, arrays["input"])
        spread = of_windows(case, slope(case, arrays["grad_output"], z) * wholeness(case))
        return np.asarray(spread * power(arrays["input"], case.norm_type))

    return change


def right_slope(case: Any, grad: Array, z: Array) -> Array:
    return np.where(z == 0, 0, grad * z ** (1 / case.norm_type - 1) * sign(z) ** 2)


def unguarded(case: Any, grad: Array, z: Array) -> Array:
    return np.asarray(grad * z ** (1 / case.norm_type - 1))


def overwritten(case: Any, arrays: Arrays) -> Array:
    slope = right_slope(case, arrays["grad_output"], power_sums(case, arrays["input"])) * wholeness(case)
    spread = np.zeros(pad(arrays["input"], case.borders).shape)
    for _, place in taps(case):
        spread[place] = slope
    return np.asarray(unpad(spread, case.borders) * arrays["input"] ** (case.norm_type - 1))


def largest_by(wins: Callable[[Array, Array], Array]) -> Change:
    """For p = inf another choice among equals."""

    def change(case: Any, arrays: Arrays) -> Array:
        index = scan(case, {"input": np.abs(arrays["input"])}, wins)["indices"]
        return np.asarray(max_pool_backward(case, arrays, index) * sign(arrays["input"]))

    return change


def to_equals(case: Any, arrays: Arrays) -> Array:
    """For p = inf the gradient to each of the largest."""
    best, padded = lp_pool(case, arrays), pad(arrays["input"], case.borders)
    spread = np.zeros(padded.shape)
    for _, place in taps(case):
        spread[place] += np.where(np.abs(padded[place]) == best, arrays["grad_output"], 0)
    return np.asarray(unpad(spread, case.borders) * sign(arrays["input"]))


def unsigned(case: Any, arrays: Arrays) -> Array:
    index = scan(case, {"input": np.abs(arrays["input"])}, greater)["indices"]
    return max_pool_backward(case, arrays, index)


def in_shape_of_stride_1(case: Any, arrays: Arrays) -> Array:
    return lp_pool(replace(case, stride=1), arrays)


def scaled_largest(case: Any, arrays: Arrays) -> Answers:
    """Both times taps over pixels: grad_output is before it is spread."""
    answers: Answers = both.given(grad_output=lambda c, g: g * wholeness(c))(case, arrays)
    return answers | {"output": answers["output"] * wholeness(case)}


FINITE, ODD, EVEN = "p < 100", "p < 100 and p % 2 == 1", "p < 100 and p % 2 == 0"
CLIPPED = "ceil and max(over) > 0"
BOTH: list[Row] = [
    ("the norm is 2 whatever norm_type says", "p != 2", both.walked(norm_type=2)),
    ("norms above 2 are taken for 2", "p > 2", both.walked(norm_type=2)),
    ("a norm of 1 is taken for 2", "p == 1", both.walked(norm_type=2)),
    ("a norm of infinity is taken for 1", "p > 100", both.walked(norm_type=1)),
    ("the mean of the powers is taken, not their sum", f"{FINITE} and taps > 1", scaled(lambda c: 1 / taps_of(c))),
    ("the sum is multiplied by the taps", f"{FINITE} and taps > 1", scaled(taps_of)),
    ("the mean is multiplied by the square of the window's width", f"{FINITE} and R != S", scaled(lambda c: c.kernel[-1] / c.kernel[-2])),
    ("the default stride is the kernel's height for all axes", "default_stride and R != S", both.walked(stride=lambda c: c.kernel[-2])),
    ("the last tap of each row of the window is skipped", "S > 1", both.walked(kernel=lambda c: (*c.kernel[:-1], c.kernel[-1] - 1))),
    ("the last row of the window is skipped", "R > 1", both.walked(kernel=lambda c: (*c.kernel[:-2], c.kernel[-2] - 1, c.kernel[-1]))),
    ("windows longer than 4 are cut to 4", "max(kernel) > 4", both.walked(kernel=lambda c: tuple(min(k, 4) for k in c.kernel))),
    ("stride beyond the window taken for the window", "gaps", both.walked(stride=shorter_strides)),
    ("a window that ceil_mode clips is not scaled to a whole one", f"{FINITE} and {CLIPPED}", clipped(lambda c: np.ones(()))),
    ("a window that ceil_mode clips along the width is not scaled for it", f"{FINITE} and ceil and over_w > 0 and H > 0", clipped(but_for_width)),
    ("a window that ceil_mode clips is scaled twice", f"{FINITE} and {CLIPPED}", clipped(lambda c: wholeness(c) ** 2)),
    ("for a norm of infinity a window that ceil_mode clips is scaled, too", f"p > 100 and {CLIPPED}", scaled_largest),
]
OUTPUT: list[Row] = [
    ("absolute values are taken", ODD, output.given(input=lambda c, x: np.abs(x))),
    ("the power keeps the sign of x", EVEN, summed(lambda x, p: np.asarray(np.abs(x) ** p * np.sign(x)))),
    ("the root is left out", f"{FINITE} and p > 1", rooted(lambda c, z: z)),
    ("the root is square whatever the norm", f"{FINITE} and p != 2", rooted(lambda c, z: np.asarray(z**0.5))),
    ("the power is one less than the norm", f"{FINITE} and p > 1", summed(lambda x, p: np.asarray(x ** (p - 1)))),
    ("a negative sum has the root 0", f"{ODD} and p > 1", rooted(lambda c, z: np.asarray(np.where(z < 0, 0, z) ** (1 / c.norm_type)))),
    ("a negative sum has the root of its magnitude", f"{ODD} and p > 1", rooted(lambda c, z: np.asarray(np.abs(z) ** (1 / c.norm_type)))),
    ("a negative sum has the root of its magnitude, negative", f"{ODD} and p > 1", rooted(lambda c, z: np.asarray(np.sign(z) * np.abs(z) ** (1 / c.norm_type)))),
    ("a sum of norm 1 loses its sign", "p == 1", rooted(lambda c, z: np.abs(z))),
    ("1e-3 is added before the root", FINITE, rooted(lambda c, z: np.asarray((z + 1e-3) ** (1 / c.norm_type)))),
    ("the root is rounded to float16", "True", output.changed(lambda c, y: float16(y))),
    ("the input is rounded to bfloat16", "True", output.given(input=lambda c, x: bfloat16(x))),
    ("for a norm of infinity the largest x is taken, not the largest magnitude", "p > 100", lambda c, a: scan(c, a, greater)["output"]),
    ("for a norm of infinity NaN is ignored", "p > 100 and nan", output.given(input=without_nan)),
    ("NaN left out of the sum", f"{FINITE} and nan", output.given(input=without_nan)),
    ("the default stride is 1, not the kernel", "default_stride and taps > 1", in_shape_of_stride_1),
    ("the root of a window that ceil_mode clips is scaled, not its sum", f"{FINITE} and p > 1 and {CLIPPED}", output.changed(lambda c, y: y * wholeness(c) ** (1 - 1 / c.norm_type))),
    ("ceil_mode ignored", CLIPPED, lambda c, a: lp_pool(unrounded(c), a)),
    ("ceil_mode rounds the height only", "H > 0 and ceil and over_w > 0 and Q > 1", output.changed(lambda c, y: y[..., :-1])),
    ("always ceil_mode", "not ceil and max(rest) > 0", output.asked(ceil_mode=True)),
    ("ceil_mode keeps a last window that starts past the image", "ceil and gaps", lambda c, a: lp_pool(every_window(c), a)),
    ("ceil_mode's last windows, clipped, are not written", CLIPPED, output.changed(clipped_unwritten)),
    ("batch index ignored: every answer is the first image's", "N > 1", output.changed(first_images_answer)),
    ("channels averaged too", "C > 1", output.changed(lambda c, y: np.broadcast_to(y.mean(axis=1, keepdims=True), y.shape))),
]
GRADIENT: list[Row] = [
    ("the gradient loses the sign of x", EVEN, sloped(right_slope, lambda x, p: np.asarray(np.abs(x) ** (p - 1)))),
    ("the gradient is that of the sum of powers, its root left out", f"{FINITE} and p > 1", sloped(lambda c, g, z: c.norm_type * g)),
    ("the gradient is multiplied by the norm", f"{FINITE} and p > 1", gradient.changed(lambda c, g: c.norm_type * g if c.norm_type < 100 else g)),
    ("the gradient is divided by the norm", f"{FINITE} and p > 1", gradient.changed(lambda c, g: g / c.norm_type)),
    ("the gradient is divided by the taps", "taps > 1", gradient.changed(lambda c, g: g / taps_of(c))),
    ("the gradient has the power of the norm, not one less", FINITE, sloped(right_slope, lambda x, p: np.asarray(x**p))),
    ("the gradient divides by the answer, not by its power", f"{FINITE} and p > 2", sloped(lambda c, g, z: np.where(z == 0, 0, g * z ** (-1 / c.norm_type)))),
    ("a window of zeros has the gradient NaN", f"{FINITE} and p > 1", sloped(unguarded)),
    ("the norm is 2 in the gradient", "p != 2", gradient.walked(norm_type=2)),
    ("1e-3 is added before the gradient's root", f"{FINITE} and p > 1", sloped(lambda c, g, z: np.where(z == 0, 0, g * (z + 1e-3) ** (1 / c.norm_type - 1)))),
    ("the gradient of a window that ceil_mode clips is not scaled", f"{FINITE} and {CLIPPED}", sloped(lambda c, g, z: right_slope(c, g, z) / wholeness(c))),
    ("the gradient of a window that ceil_mode clips is that of its own root", f"{FINITE} and p > 1 and {CLIPPED}", sloped(lambda c, g, z: right_slope(c, g, z / wholeness(c)))),
    ("windows that overlap overwrite the gradient instead of adding", f"{FINITE} and positions > 1 and overlap", overwritten),
    ("grad_output taken for ones in the gradient", "True", gradient.given(grad_output=ones)),
    ("every image's gradient is the first one's", "N > 1", gradient.changed(first_images_answer)),
    ("every channel's gradient is the first one's", "C > 1", gradient.changed(lambda c, g: np.broadcast_to(g[:, :1], g.shape))),
    ("for a norm of infinity the gradient loses the sign of x", "p > 100", unsigned),
    ("for a norm of infinity the last of equal magnitudes gets the gradient", "p > 100", largest_by(not_less)),
    ("for a norm of infinity each of equal magnitudes gets the gradient", "p > 100", to_equals),
]
ROWS: Rows = {("lp_pool", "output grad_input"): BOTH, ("lp_pool", "output"): OUTPUT, ("lp_pool", "grad_input"): GRADIENT}
