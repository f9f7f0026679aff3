"""Mistakes of fast paths: right on small cases, wrong for the sizes that vector units, tiles and real networks like.

The mistakes themselves are those of the other files; what is new is where they show.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.cases.arrays import Array, Arrays
from conformance.kernels.mutants.max_pool import EVERYTHING, scanned
from conformance.kernels.mutants.precision import bfloat16, float16, tf32
from conformance.kernels.mutants.registry import Change, max_pooled, mutant, walked
from conformance.kernels.reference import (
    Answers,
    avg_pool,
    avg_pool_backward,
    conv,
    conv_backward,
    max_pool,
)  # fmt: skip

WIDE = {  # where a kernel takes its vectors: words, condition, name
    "wide": ("where the answer is 16 columns wide or more", "Q >= 16"),
    "batch": ("in a batch of 4 or more", "N >= 4"),
    "channels": ("where there are 8 channels or more", "C >= 8"),
}


def _where(operation: str, outputs: str, sentence: str, name: str, condition: str, change: Change) -> None:
    """The mistake in each of the vectorized paths."""
    for where, (words, sizes) in WIDE.items():
        mutant(operation, outputs, f"{sentence} {words}", f"{sizes} and {condition}", f"{name}_{where}")(
            change
        )


# Special values.


def _nan_taken_for_zero(arrays: Arrays) -> Arrays:
    return arrays | {"input": np.where(np.isnan(arrays["input"]), 0, arrays["input"])}


_where("conv2d", "output", "NaN in the input is taken for 0", "conv_nan_lost", "nan",
       lambda case, arrays: conv(case, _nan_taken_for_zero(arrays)))  # fmt: skip
_where("avg_pool2d", "output", "NaN left out of the sum", "avg_pool_nan_lost", "nan",
       lambda case, arrays: avg_pool(case, _nan_taken_for_zero(arrays)))  # fmt: skip
_where("max_pool2d", EVERYTHING, "NaN ignored", "max_pool_nan_lost", "nan",
       lambda case, arrays: max_pooled(case, arrays, **scanned(case, arrays, lambda v, best: v > best)))  # fmt: skip
_where("max_pool2d", "indices grad_input", "the last of equal values wins", "max_pool_last_of_ties", "ties",
       lambda case, arrays: max_pooled(
           case, arrays, **scanned(case, arrays, lambda v, best: (v >= best) | np.isnan(v))))  # fmt: skip
_where("max_pool2d", "output", "a window of -inf answers -1e30", "max_pool_lowest", "infinite",
       lambda case, arrays: np.maximum(max_pool(case, arrays)["output"], -1e30))  # fmt: skip


# Precision.


def _narrow(rounding: Callable[[Array], Any], name: str) -> Change:
    return lambda case, arrays: conv(case, arrays | {name: rounding(arrays[name])})


def _narrow_gradient(rounding: Callable[[Array], Any], output: str) -> Change:
    def change(case: Any, arrays: Arrays) -> Answers:
        rounded = arrays | {"grad_output": rounding(arrays["grad_output"])}
        return {output: conv_backward(case, rounded)[output]}

    return change


for _name, _rounding, _argument, _sentence, _when in (
    ("conv_tf32_of_many_channels", tf32, "input", "the input is rounded to TF32 where 32 channels or more are summed",
     "CG >= 32 and dtype != 'float16'"),
    ("conv_tf32_of_many_filters", tf32, "weight", "the weight is rounded to TF32 where there are 32 filters or more",
     "K >= 32 and dtype != 'float16'"),
    ("conv_float16_if_wide", float16, "weight",
     "the weight is rounded to float16 where the answer is 16 columns wide or more", "Q >= 16 and dtype != 'float16'"),
    ("conv_bfloat16_depthwise", bfloat16, "weight",
     "the weight of a depthwise 3x3 filter is rounded to bfloat16 for 8 channels or more",
     "depthwise and C >= 8 and R == S == 3"),
    ("conv_bfloat16_7x7", bfloat16, "weight", "the weight of a 7x7 filter is rounded to bfloat16 without a stride",
     "R == S == 7 and sh == sw == 1"),
):  # fmt: skip
    mutant("conv2d", "output", _sentence, _when, _name)(_narrow(_rounding, _argument))
for _output, _when, _words in (
    ("grad_weight", "N >= 4 and dtype != 'float16'", "of the weight in a batch of 4 or more"),
    ("grad_input", "KG >= 32 and dtype != 'float16'", "of the input for 32 filters or more"),
    (
        "grad_bias",
        "bias and N * P * Q >= 256 and dtype != 'float16'",
        "of the bias over 256 positions or more",
    ),
):
    mutant("conv2d", _output, f"grad_output rounded to TF32 in the gradient {_words}", _when,
           f"{_output}_tf32_if_large")(_narrow_gradient(tf32, _output))  # fmt: skip


@mutant("avg_pool2d", "output", "sums in float16 where there are 8 channels or more",
        "C >= 8 and dtype != 'float16'")  # fmt: skip
def avg_pool_float16_of_many_channels(case: Any, arrays: Arrays) -> Any:
    return float16(avg_pool(case, arrays))


# Magnitude.


@mutant("conv2d", "output", "weights below 1e-6 are taken for 0")
def conv_small_weights_dropped(case: Any, arrays: Arrays) -> Any:
    weight = arrays["weight"]
    return conv(case, arrays | {"weight": np.where(np.abs(weight) < 1e-6, 0, weight)})


@mutant("conv2d", "output", "the answer is cut at 1e10")
def conv_answer_cut(case: Any, arrays: Arrays) -> Any:
    output = conv(case, arrays)
    return np.where(np.isfinite(output), np.clip(output, -1e10, 1e10), output)


@mutant("max_pool2d", "output", "finite values below -1e9 are taken for padding")
def max_pool_cut_at_minus_1e9(case: Any, arrays: Arrays) -> Any:
    output = max_pool(case, arrays)["output"]
    return np.where(np.isfinite(output), np.maximum(output, -1e9), output)


# Geometry.


@mutant("conv2d", "output", "the 3x3 path with stride 2 for blocks of 4 channels ignores the padding of the width",
        "R == S == 3 and sh == sw == 2 and CG % 4 == 0 and pw > 0")  # fmt: skip
def conv_3x3_stride_2_of_4_channels(case: Any, arrays: Arrays) -> Any:
    return conv(walked(case, padding=(case.axes(case.padding)[0], 0)), arrays)


@mutant("conv2d", "output", "the 1x1 path for blocks of 8 channels and filters reads the first image for all",
        "R == S == 1 and CG % 8 == 0 and KG % 8 == 0 and N > 1 and max(sh, sw) == 1")  # fmt: skip
def conv_1x1_of_8_channels(case: Any, arrays: Arrays) -> Any:
    first = np.broadcast_to(arrays["input"][:1], arrays["input"].shape)
    return conv(case, arrays | {"input": first})


@mutant("conv2d", "output", "groups of several channels in a batch of 4 or more: the last image is not written",
        "N >= 4 and G > 1")  # fmt: skip
def conv_groups_of_large_batch(case: Any, arrays: Arrays) -> Any:
    output = conv(case, arrays)
    output[-1] = 0
    return output


@mutant("conv2d", "output", "the depthwise 7x7 path flips the filter", "depthwise and R == S == 7")
def conv_depthwise_7x7_flips(case: Any, arrays: Arrays) -> Any:
    return conv(case, arrays | {"weight": arrays["weight"][..., ::-1, ::-1]})


@mutant("conv2d", "output", "patches, as long as the stride, are read transposed where there are 3 channels or more",
        "R == S == sh == sw > 1 and CG >= 3")  # fmt: skip
def conv_patches_transposed(case: Any, arrays: Arrays) -> Any:
    return conv(case, arrays | {"weight": arrays["weight"].swapaxes(-1, -2)})


@mutant("conv2d", "output", "channels split into sums of 256: the rest is left out", "CG > 256")
def conv_split_sum(case: Any, arrays: Arrays) -> Any:
    weight = arrays["weight"].copy()
    weight[:, 256:] = 0
    return conv(case, arrays | {"weight": weight})


@mutant("conv2d", "grad_weight", "images past the eighth are left out of the gradient of the weight with a stride",
        "N > 8 and max(sh, sw) > 1")  # fmt: skip
def grad_weight_of_eight_images(case: Any, arrays: Arrays) -> Any:
    first = {name: arrays[name][:8] for name in ("input", "grad_output")}
    return conv_backward(replace(case, batch=8), arrays | first)["grad_weight"]


@mutant("conv2d", "output", "planes of images and filters past 65535 are not written", "N * K > 65535")
def conv_grid_of_65535(case: Any, arrays: Arrays) -> Any:
    output = conv(case, arrays)
    output.reshape(-1, *output.shape[2:])[65535:] = 0
    return output


@mutant("max_pool2d", "indices grad_input", "indices of 16 bits", "H * W > 32767")
def max_pool_index_of_16_bits(case: Any, arrays: Arrays) -> Answers:
    indices = max_pool(case, arrays)["indices"]
    return max_pooled(case, arrays, indices=indices % 32768)


@mutant("max_pool2d", "output", "ceil_mode's 3x3 path with stride 2 and without padding skips the overhang",
        "R == S == 3 and sh == sw == 2 and max(ph, pw) == 0 and ceil and over_w > 0")  # fmt: skip
def max_pool_3x3_ceil(case: Any, arrays: Arrays) -> Any:
    output = max_pool(case, arrays)["output"]
    output[..., -1] = 0
    return output


@mutant("avg_pool2d", "grad_input", "images of 16 columns or more: divisor_override ignored in the gradient",
        "W >= 16 and divisor is not None and divisor not in (1, R * S)")  # fmt: skip
def avg_pool_gradient_divisor_of_wide_images(case: Any, arrays: Arrays) -> Any:
    return avg_pool_backward(replace(case, divisor_override=None), arrays)
