"""Mistakes that integers do not show: products and sums in fewer bits than the arrays have."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.audit.mutants import avg_pool, conv_backward, conv_forward, conv_transpose, max_pool
from conformance.audit.mutants.otherwise import Change, Computed, Edit, Row, Rows, at_tap
from conformance.cases.arrays import Array, Arrays
from conformance.kernels.functions import by_group
from conformance.operations import DTYPES
from conformance.operations.avg_pool import divisors
from conformance.operations.windows import pad, taps

Rounding = Callable[[Array], Any]
output, gradients, grad_weight = conv_forward.output, conv_backward.gradients, conv_backward.grad_weight


def to_bits(array: Array, bits: int) -> Any:
    """Rounded to a significand of some bits."""
    fraction, exponent = np.frexp(array)
    return np.ldexp(np.round(np.ldexp(fraction, bits)), exponent - bits)


def tf32(array: Array) -> Any:
    return to_bits(array, 11)


def bfloat16(array: Array) -> Any:
    return to_bits(array, 8)


def float16(array: Array) -> Any:
    return array.astype(np.float16).astype(np.float64)


def float32(array: Array) -> Any:
    return array.astype(np.float32).astype(np.float64)


def without_subnormals(case: Any, array: Array) -> Array:
    return np.where(np.abs(array) < DTYPES[case.dtype].smallest, 0, array)


def rounded(right: Computed, rounding: Rounding, names: str) -> Change:
    """Of arguments that are rounded first."""
    return right.given(**dict.fromkeys(names.split(), lambda case, array: rounding(array)))


def sums(rounding: Rounding) -> Change:
    """The answer with every product and every partial sum rounded, channel by channel and tap by tap."""

    def change(case: Any, arrays: Arrays) -> Array:
        weight = arrays["weight"].reshape(case.groups, case.filters // case.groups, -1, *case.kernel)
        image = by_group(case, pad(arrays["input"], case.pads))
        total = np.zeros((len(image), case.groups, weight.shape[1], *case.output_extents))
        for tap, place in taps(case):
            for channel in range(weight.shape[2]):
                factor = at_tap(weight[:, :, channel], tap)
                total = rounding(total + rounding(image[place][:, :, channel, None] * factor.reshape(*factor.shape, *(1,) * case.dimensions)))
        return total.reshape(len(image), case.filters, *case.output_extents) + conv_forward.bias_of(case, arrays)

    return change


def image_by_image(add: Callable[[Array, Array], Array]) -> Change:
    """The gradient of the weight, each image's added to the total of those before."""

    def change(case: Any, arrays: Arrays) -> Array:
        total = np.zeros(arrays["weight"].shape)
        for image in range(len(arrays["input"])):
            one = {name: arrays[name][image : image + 1] for name in ("input", "grad_output")}
            total = add(total, grad_weight(case, arrays | one))
        return total

    return change


def grad_bias_in_float16(case: Any, arrays: Arrays) -> Array:
    total = np.zeros(case.filters)
    for part in np.moveaxis(arrays["grad_output"], 1, -1).reshape(-1, case.filters):
        total = float16(total + part)
    return total


def reciprocal(rounding: Rounding) -> Change:
    """Multiplied by the rounded reciprocal of the divisor."""
    return lambda case, arrays: avg_pool.output(case, arrays) * divisors(case) * rounding(1 / np.asarray(divisors(case)))


def averages_in_float16(case: Any, arrays: Arrays) -> Array:
    padded = pad(arrays["input"], case.borders)
    total = np.zeros((*padded.shape[:2], *case.output_extents))
    for _, place in taps(case):
        total = float16(total + padded[place])
    return total / divisors(case)


def running_sum_of_rows(case: Any, arrays: Arrays) -> Any:
    """Of finite arrays: a kernel that sums so looks for others first."""
    if not np.isfinite(arrays["input"]).all():
        return avg_pool.output(case, arrays)
    lines = pad(arrays["input"], case.borders).astype(np.float32)
    for axis, (k, s, o) in enumerate(zip(case.kernel[:-1], case.strides[:-1], case.output_extents[:-1], strict=True), 2):
        lines = np.moveaxis(np.add.reduce([np.moveaxis(lines, axis, 0)[i : i + (o - 1) * s + 1 : s] for i in range(k)]), 0, axis)
    width, step, outputs = case.kernel[-1], case.strides[-1], case.output_extents[-1]
    total = [lines[..., :width].sum(axis=-1)]
    for column in range((outputs - 1) * step):
        total.append(total[-1] + lines[..., column + width] - lines[..., column])
    return np.stack(total[::step], axis=-1).astype(np.float64) / divisors(case)


def gradient_in_bfloat16(case: Any, arrays: Arrays) -> Array:
    gradient, windows = np.zeros(arrays["input"].shape), math.prod(case.output_extents)
    planes = gradient.reshape(-1, math.prod(case.image))
    at, grads = max_pool.indices(case, arrays).reshape(-1, windows), arrays["grad_output"].reshape(-1, windows)
    plane = np.arange(len(planes))
    for window in range(windows):
        total = bfloat16(planes[plane, at[:, window]] + grads[:, window])
        planes[plane, at[:, window]] = np.where(at[:, window] >= 0, total, planes[plane, at[:, window]])
    return gradient


ROUNDINGS: list[tuple[str, Rounding, str]] = [
    ("TF32", tf32, "dtype != 'float16'"),
    ("bfloat16", bfloat16, "True"),
    ("float16", float16, "dtype != 'float16'"),
    ("float32", float32, "dtype == 'float64'"),
]


def rounded_answer(rounding: Rounding) -> Edit:
    return lambda case, answer: rounding(answer)


def each(right: Computed, sentence: str, names: str, where: str = "") -> list[Row]:
    return [(sentence.format(words), where + when, rounded(right, rounding, names)) for words, rounding, when in ROUNDINGS]


def answers_rounded(right: Computed, sentence: str) -> list[Row]:
    return [(sentence.format(words), when, right.changed(rounded_answer(rounding))) for words, rounding, when in ROUNDINGS]


OUTPUT: list[Row] = [
    *each(output, "products in {}", "input weight"),
    *each(output, "the weight is rounded to {}", "weight"),
    *answers_rounded(output, "the answer is rounded to {}"),
    ("sums in float16", "dtype != 'float16'", sums(float16)),
    ("sums in bfloat16", "True", sums(bfloat16)),
    ("sums in float32 for float64 arrays", "dtype == 'float64'", sums(float32)),
    ("products in TF32 where input channels are a multiple of 4", "CG % 4 == 0 and dtype == 'float32'", rounded(output, tf32, "input weight")),
    ("products in TF32 in the 1x1 path", "size == 1 and dtype == 'float32'", rounded(output, tf32, "input weight")),
    ("products in TF32 where there are groups", "G > 1 and dtype == 'float32'", rounded(output, tf32, "input weight")),
    ("the bias is rounded to bfloat16", "bias", rounded(output, bfloat16, "bias")),
    ("subnormal and small answers are flushed to zero below 1e-3", "True", output.changed(lambda c, y: np.where(np.abs(y) < 1e-3, 0, y))),
    ("subnormal answers are flushed to zero", "dtype != 'float64'", output.changed(without_subnormals)),
    ("the answer is rounded to an integer", "True", output.changed(lambda c, y: np.round(y))),
    ("the input is cut to the range of int8", "True", output.given(input=lambda c, x: np.clip(x, -128, 127))),
    ("the answer is cut to the range of float16", "dtype != 'float16'", output.changed(lambda c, y: np.clip(y, -65504, 65504))),
]
ROWS: Rows = {
    ("conv", "output"): OUTPUT,
    ("conv", "grad_input"): [
        *each(gradients, "products in {} in the gradient of the input", "input weight grad_output"),
        ("subnormal numbers in the gradient of the input are flushed to zero", "dtype != 'float64'", gradients.changed(without_subnormals)),
    ],
    ("conv", "grad_weight"): [
        *each(gradients, "products in {} in the gradient of the weight", "input weight grad_output"),
        ("the gradient of the weight is summed in bfloat16 over the images", "N > 1", image_by_image(lambda total, one: bfloat16(total + one))),
        ("each image's gradient of the weight is rounded to float16", "dtype != 'float16'", image_by_image(lambda total, one: total + float16(one))),
    ],
    ("conv", "grad_bias"): [
        *each(gradients, "grad_output rounded to {} in the gradient of the bias", "input weight grad_output", "bias and "),
        ("the gradient of the bias is summed in float16", "bias and dtype != 'float16'", grad_bias_in_float16),
    ],
    ("conv_transpose", "output"): [
        *each(conv_transpose.output, "products in {}", "input weight"),
        *answers_rounded(conv_transpose.output, "the answer is rounded to {}"),
        ("products in TF32 where windows overlap", "overlap and dtype == 'float32'", rounded(conv_transpose.output, tf32, "input weight")),
        ("the bias is rounded to bfloat16", "bias", rounded(conv_transpose.output, bfloat16, "bias")),
    ],
    ("conv_transpose", "grad_input"): each(conv_transpose.gradients, "products in {} in the gradient of the input", "input weight grad_output"),
    ("conv_transpose", "grad_weight"): each(conv_transpose.gradients, "products in {} in the gradient of the weight", "input weight grad_output"),
    ("max_pool", "output"): each(max_pool.output, "values pass through {}", "input"),
    ("max_pool", "grad_input"): [("the gradient is summed in bfloat16", "True", gradient_in_bfloat16)],
    ("avg_pool", "output"): [
        *each(avg_pool.output, "values pass through {}", "input"),
        ("subnormal answers are flushed to zero", "dtype != 'float64'", avg_pool.output.changed(without_subnormals)),
        ("the reciprocal of the divisor is rounded to float16", "dtype != 'float16'", reciprocal(float16)),
        ("the reciprocal of the divisor is an approximation of 12 bits", "True", reciprocal(lambda array: to_bits(array, 12))),
        ("sums in float16", "dtype != 'float16'", averages_in_float16),
        ("a running sum along each row: what a large pixel takes of small ones stays lost", "Q > 1 and S > sw", running_sum_of_rows),
    ],
    ("avg_pool", "grad_input"): [
        *each(avg_pool.gradient, "grad_output passes through {}", "grad_output"),
        ("the gradient is summed in bfloat16 where windows overlap", "overlap", avg_pool.gradient.changed(lambda c, g: bfloat16(g))),
    ],
}
