"""Mistakes that integers do not show: products and sums in fewer bits than the arrays have."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.cases.arrays import Array, Arrays
from conformance.kernels.mutants.functions import by_group
from conformance.kernels.mutants.registry import Change, at_tap, mutant
from conformance.kernels.reference import (
    avg_pool,
    avg_pool_backward,
    conv,
    conv_backward,
    divisors,
    max_pool,
    pad,
    taps,
)  # fmt: skip

Rounding = Callable[[Array], Array]


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


ROUNDINGS: dict[str, tuple[str, Rounding, str]] = {
    "tf32": ("TF32", tf32, "dtype != 'float16'"),
    "bfloat16": ("bfloat16", bfloat16, "True"),
    "float16": ("float16", float16, "dtype != 'float16'"),
    "float32": ("float32", float32, "dtype == 'float64'"),
}


def _rounded(rounding: Rounding, arrays: Arrays, names: str) -> Arrays:
    return arrays | {name: rounding(arrays[name]) for name in names.split() if name in arrays}


def _conv_of_rounded(rounding: Rounding, names: str) -> Change:
    return lambda case, arrays: conv(case, _rounded(rounding, arrays, names))


def _gradients_of_rounded(rounding: Rounding) -> Change:
    return lambda case, arrays: conv_backward(case, _rounded(rounding, arrays, "input weight grad_output"))


def _conv_answer_rounded(rounding: Rounding) -> Change:
    return lambda case, arrays: rounding(conv(case, arrays))


def _max_pool_of_rounded(rounding: Rounding) -> Change:
    return lambda case, arrays: max_pool(case, _rounded(rounding, arrays, "input"))["output"]


def _avg_pool_of_rounded(rounding: Rounding) -> Change:
    return lambda case, arrays: avg_pool(case, _rounded(rounding, arrays, "input"))


def _avg_pool_gradient_of_rounded(rounding: Rounding) -> Change:
    return lambda case, arrays: avg_pool_backward(case, _rounded(rounding, arrays, "grad_output"))


for _name, (_words, _rounding, _when) in ROUNDINGS.items():
    for _outputs, _sentence, _what, _made in (
        ("output", f"products in {_words}", "products", _conv_of_rounded(_rounding, "input weight")),
        ("output", f"the weight is rounded to {_words}", "weight", _conv_of_rounded(_rounding, "weight")),
        ("output", f"the answer is rounded to {_words}", "answer", _conv_answer_rounded(_rounding)),
        (
            "grad_input",
            f"products in {_words} in the gradient of the input",
            "grad_input",
            _gradients_of_rounded(_rounding),
        ),
        (
            "grad_weight",
            f"products in {_words} in the gradient of the weight",
            "grad_weight",
            _gradients_of_rounded(_rounding),
        ),
        (
            "grad_bias",
            f"grad_output rounded to {_words} in the gradient of the bias",
            "grad_bias",
            _gradients_of_rounded(_rounding),
        ),
    ):
        _condition = f"bias and {_when}" if _outputs == "grad_bias" else _when
        mutant("conv2d", _outputs, _sentence, _condition, f"conv_{_what}_in_{_name}")(_made)
    mutant("max_pool2d", "output", f"values pass through {_words}", _when, f"max_pool_through_{_name}")(
        _max_pool_of_rounded(_rounding)
    )
    mutant("avg_pool2d", "output", f"values pass through {_words}", _when, f"avg_pool_through_{_name}")(
        _avg_pool_of_rounded(_rounding)
    )
    mutant(
        "avg_pool2d",
        "grad_input",
        f"grad_output passes through {_words}",
        _when,
        f"avg_pool_gradient_through_{_name}",
    )(_avg_pool_gradient_of_rounded(_rounding))


def _summed(case: Any, arrays: Arrays, rounding: Rounding) -> Any:
    """The answer with every product and every partial sum rounded, channel by channel and tap by tap."""
    groups, n = case.groups, len(arrays["input"])
    weight = arrays["weight"].reshape(groups, case.filters // groups, -1, *case.kernel)
    padded = by_group(case, pad(arrays["input"], case.pads))
    output = np.zeros((n, groups, case.filters // groups, *case.output_extents))
    for tap, place in taps(case):
        for channel in range(weight.shape[2]):
            factor = at_tap(weight[:, :, channel], tap)
            output = rounding(output + rounding(padded[place][:, :, channel, None] * factor[..., None, None]))
    bias = arrays["bias"].reshape(-1, 1, 1) if case.bias else 0
    return output.reshape(n, case.filters, *case.output_extents) + bias


@mutant("conv2d", "output", "sums in float16", "dtype != 'float16'")
def conv_sums_in_float16(case: Any, arrays: Arrays) -> Any:
    return _summed(case, arrays, float16)


@mutant("conv2d", "output", "sums in bfloat16")
def conv_sums_in_bfloat16(case: Any, arrays: Arrays) -> Any:
    return _summed(case, arrays, bfloat16)


@mutant("conv2d", "output", "sums in float32 for float64 arrays", "dtype == 'float64'")
def conv_sums_in_float32(case: Any, arrays: Arrays) -> Any:
    return _summed(case, arrays, float32)


@mutant(
    "conv2d",
    "output",
    "products in TF32 where input channels are a multiple of 4",
    "CG % 4 == 0 and dtype == 'float32'",
)
def conv_tf32_if_channels_align(case: Any, arrays: Arrays) -> Any:
    return conv(case, _rounded(tf32, arrays, "input weight"))


@mutant("conv2d", "output", "products in TF32 in the 1x1 path", "R == S == 1 and dtype == 'float32'")
def conv_tf32_in_1x1(case: Any, arrays: Arrays) -> Any:
    return conv(case, _rounded(tf32, arrays, "input weight"))


@mutant("conv2d", "output", "products in TF32 where there are groups", "G > 1 and dtype == 'float32'")
def conv_tf32_in_groups(case: Any, arrays: Arrays) -> Any:
    return conv(case, _rounded(tf32, arrays, "input weight"))


@mutant("conv2d", "output", "the bias is rounded to bfloat16", "bias")
def conv_bias_in_bfloat16(case: Any, arrays: Arrays) -> Any:
    return conv(case, _rounded(bfloat16, arrays, "bias"))


@mutant("conv2d", "output", "subnormal and small answers are flushed to zero below 1e-3")
def conv_small_answers_flushed(case: Any, arrays: Arrays) -> Any:
    output = conv(case, arrays)
    return np.where(np.abs(output) < 1e-3, 0, output)


@mutant("conv2d", "output", "the answer is rounded to an integer")
def conv_answer_rounded(case: Any, arrays: Arrays) -> Any:
    return np.round(conv(case, arrays))


@mutant("conv2d", "output", "the input is cut to the range of int8")
def conv_input_in_int8(case: Any, arrays: Arrays) -> Any:
    return conv(case, arrays | {"input": np.clip(arrays["input"], -128, 127)})


@mutant("conv2d", "output", "the answer is cut to the range of float16", "dtype != 'float16'")
def conv_answer_in_float16_range(case: Any, arrays: Arrays) -> Any:
    return np.clip(conv(case, arrays), -65504, 65504)


@mutant("conv2d", "grad_weight", "the gradient of the weight is summed in bfloat16 over the images", "N > 1")
def grad_weight_summed_in_bfloat16(case: Any, arrays: Arrays) -> Any:
    total = np.zeros(arrays["weight"].shape)
    for image in range(len(arrays["input"])):
        one = {name: arrays[name][image : image + 1] for name in ("input", "grad_output")}
        total = bfloat16(total + conv_backward(case, arrays | one)["grad_weight"])
    return total


@mutant(
    "conv2d", "grad_weight", "each image's gradient of the weight is rounded to float16", "dtype != 'float16'"
)
def grad_weight_images_in_float16(case: Any, arrays: Arrays) -> Any:
    total = np.zeros(arrays["weight"].shape)
    for image in range(len(arrays["input"])):
        one = {name: arrays[name][image : image + 1] for name in ("input", "grad_output")}
        total += float16(conv_backward(case, arrays | one)["grad_weight"])
    return total


@mutant("conv2d", "grad_bias", "the gradient of the bias is summed in float16", "bias and dtype != 'float16'")
def grad_bias_summed_in_float16(case: Any, arrays: Arrays) -> Any:
    total = np.zeros(case.filters)
    for part in np.moveaxis(arrays["grad_output"], 1, -1).reshape(-1, case.filters):
        total = float16(total + part)
    return total


@mutant("avg_pool2d", "output", "the reciprocal of the divisor is rounded to float16", "dtype != 'float16'")
def avg_pool_reciprocal_in_float16(case: Any, arrays: Arrays) -> Any:
    return avg_pool(case, arrays) * divisors(case) * float16(1 / np.asarray(divisors(case)))


@mutant("avg_pool2d", "output", "the reciprocal of the divisor is an approximation of 12 bits")
def avg_pool_approximate_reciprocal(case: Any, arrays: Arrays) -> Any:
    return avg_pool(case, arrays) * divisors(case) * to_bits(1 / np.asarray(divisors(case)), 12)


@mutant("avg_pool2d", "output", "sums in float16", "dtype != 'float16'")
def avg_pool_sums_in_float16(case: Any, arrays: Arrays) -> Any:
    padded = pad(arrays["input"], case.borders)
    total = np.zeros((*padded.shape[:2], *case.output_extents))
    for _, place in taps(case):
        total = float16(total + padded[place])
    return total / divisors(case)


@mutant(
    "avg_pool2d", "grad_input", "the gradient is summed in bfloat16 where windows overlap", "sh < R or sw < S"
)
def avg_pool_gradient_in_bfloat16(case: Any, arrays: Arrays) -> Any:
    return bfloat16(avg_pool_backward(case, arrays))


@mutant(
    "max_pool2d", "grad_input", "the gradient is summed in bfloat16", name="max_pool_gradient_in_bfloat16"
)
def _max_pool_gradient(case: Any, arrays: Arrays) -> Any:
    gradient, windows = np.zeros(arrays["input"].shape), math.prod(case.output_extents)
    planes = gradient.reshape(-1, math.prod(case.image))
    at = max_pool(case, arrays)["indices"].reshape(-1, windows)
    grads, plane = arrays["grad_output"].reshape(-1, windows), np.arange(len(planes))
    for window in range(windows):
        total = bfloat16(planes[plane, at[:, window]] + grads[:, window])
        planes[plane, at[:, window]] = np.where(at[:, window] >= 0, total, planes[plane, at[:, window]])
    return gradient


# Running sums.


@mutant("avg_pool2d", "output", "a running sum along each row: what a large pixel takes of small ones stays lost",
        "Q > 1 and S > sw")  # fmt: skip
def avg_pool_float32_running_sum(case: Any, arrays: Arrays) -> Any:
    """Of finite arrays: a kernel that sums so looks for others first."""
    if not np.isfinite(arrays["input"]).all():
        return avg_pool(case, arrays)
    padded = pad(arrays["input"], case.borders).astype(np.float32)
    (r, s), (h, w), (p, q) = case.kernel, case.strides, case.output_extents
    lines = np.add.reduce([padded[:, :, i : i + (p - 1) * h + 1 : h] for i in range(r)])
    total = [lines[..., :s].sum(axis=-1)]
    for column in range((q - 1) * w):
        total.append(total[-1] + lines[..., column + s] - lines[..., column])
    return np.stack(total[::w], axis=-1).astype(np.float64) / divisors(case)
