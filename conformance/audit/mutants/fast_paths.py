"""Mistakes of fast paths: right on small cases, wrong for the sizes that vector units, tiles and real networks like.

The mistakes themselves are those of the other files; what is new is where they show.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.audit.mutants import avg_pool, conv_backward, conv_forward, conv_transpose, max_pool
from conformance.audit.mutants.max_pool import EVERYTHING
from conformance.audit.mutants.otherwise import ALL, LAST, Change, Edit, Row, Rows, finite, first_image, flipped, transposed, without_nan, zero
from conformance.audit.mutants.precision import bfloat16, float16, rounded, tf32
from conformance.cases.arrays import Array, Arrays
from conformance.operations.windows import at

output = conv_forward.output
WIDE = {"where the answer is 16 columns wide or more": "Q >= 16", "in a batch of 4 or more": "N >= 4", "where there are 8 channels or more": "C >= 8"}


def wide(sentence: str, when: str, change: Change) -> list[Row]:
    """The mistake in each of the places where a kernel takes its vectors."""
    return [(f"{sentence} {words}", f"{sizes} and {when}", change) for words, sizes in WIDE.items()]


def of_finite(edit: Edit) -> Edit:
    """What is infinite or NaN stays as it is."""
    return lambda case, y: np.where(np.isfinite(y), edit(case, y), y)


def finite_at(tap: Callable[[Any], tuple[int, ...]]) -> Edit:
    """NaN and infinities of one tap taken for 0."""

    def edit(case: Any, weight: Array) -> Array:
        weight, place = weight.copy(), at(tap(case))
        weight[place] = finite(case, weight[place])
        return weight

    return edit


def width_unpadded(case: Any) -> tuple[int, ...]:
    return (*case.axes(case.padding)[:-1], 0)


def grid_of_65535(case: Any, y: Array) -> Array:
    y.reshape(-1, *y.shape[2:])[65535:] = 0
    return y


def through_32_bits(case: Any, arrays: Arrays) -> Array:
    """Whole numbers, multiplied and added as such."""
    answer = np.array(output(case, arrays))
    factors = [arrays[name] for name in ("input", "weight", "bias") if name in arrays]
    if all((np.abs(each) < 2.0**31).all() and (each == np.rint(each)).all() for each in factors):
        return (answer + 2.0**31) % 2.0**32 - 2.0**31
    return answer


OUTPUT: list[Row] = [
    *wide("NaN in the input is taken for 0", "nan", output.given(input=without_nan)),
    ("the input is rounded to TF32 where 32 channels or more are summed", "CG >= 32 and dtype != 'float16'", rounded(output, tf32, "input")),
    ("the weight is rounded to TF32 where there are 32 filters or more", "K >= 32 and dtype != 'float16'", rounded(output, tf32, "weight")),
    ("the weight is rounded to float16 where the answer is 16 columns wide or more", "Q >= 16 and dtype != 'float16'", rounded(output, float16, "weight")),
    ("the weight of a depthwise 3x3 filter is rounded to bfloat16 for 8 channels or more", "depthwise and C >= 8 and size == 3", rounded(output, bfloat16, "weight")),
    ("the weight of a 7x7 filter is rounded to bfloat16 without a stride", "size == 7 and stride == 1", rounded(output, bfloat16, "weight")),
    ("weights below 1e-6 are taken for 0", "True", output.given(weight=lambda c, w: np.where(np.abs(w) < 1e-6, 0, w))),
    ("whole numbers below 2^31 are added in 32 bits, which wrap around", "True", through_32_bits),
    ("the answer is cut at 1e10", "True", output.changed(of_finite(lambda c, y: np.clip(y, -1e10, 1e10)))),
    ("the 3x3 path with stride 2 for blocks of 4 channels ignores the padding of the width", "size == 3 and stride == 2 and CG % 4 == 0 and pw > 0", output.walked(padding=width_unpadded)),
    ("the 1x1 path for blocks of 8 channels and filters reads the first image for all", "size == 1 and CG % 8 == 0 and KG % 8 == 0 and N > 1 and stride == 1", output.given(input=first_image)),
    ("groups of several channels in a batch of 4 or more: the last image is not written", "N >= 4 and G > 1", output.changed(zero(LAST))),
    ("the depthwise 7x7 path flips the filter", "depthwise and size == 7", output.given(weight=flipped)),
    ("patches, as long as the stride, are read transposed where there are 3 channels or more", "R == S == sh == sw > 1 and CG >= 3", output.given(weight=transposed)),
    ("channels split into sums of 256: the rest is left out", "CG > 256", output.given(weight=zero(ALL, slice(256, None)))),
    ("NaN and infinities in the centre of a padded 3x3 filter are taken for 0", "size == 3 and padded and (nan or infinite)", output.given(weight=finite_at(lambda case: (1,) * case.dimensions))),
    ("NaN and infinities in the last corner of a padded 3x3 filter are taken for 0", "size == 3 and padded and (nan or infinite)", output.given(weight=finite_at(lambda case: (-1,) * case.dimensions))),
    ("planes of images and filters past 65535 are not written", "N * K > 65535", output.changed(grid_of_65535)),
]
ROWS: Rows = {
    ("conv", "output"): OUTPUT,
    ("conv", "grad_weight"): [
        ("grad_output rounded to TF32 in the gradient of the weight in a batch of 4 or more", "N >= 4 and dtype != 'float16'", rounded(conv_backward.gradients, tf32, "grad_output")),
        ("NaN and infinities of grad_output are lost in the gradient of the weight where there is padding", "padded and (nan or infinite)", conv_backward.grad_weight.given(grad_output=finite)),
        ("images past the eighth are left out of the gradient of the weight with a stride", "N > 8 and max(strides) > 1", conv_backward.of_images(slice(0, 8))),
    ],
    ("conv", "grad_input"): [
        ("grad_output rounded to TF32 in the gradient of the input for 32 filters or more", "KG >= 32 and dtype != 'float16'", rounded(conv_backward.gradients, tf32, "grad_output")),
    ],
    ("conv", "grad_bias"): [
        ("grad_output rounded to TF32 in the gradient of the bias over 256 positions or more", "bias and N * positions >= 256 and dtype != 'float16'", rounded(conv_backward.gradients, tf32, "grad_output")),
    ],
    ("conv_transpose", "output"): [
        *wide("NaN in the input is taken for 0", "nan", conv_transpose.output.given(input=without_nan)),
        ("weights below 1e-6 are taken for 0", "True", conv_transpose.output.given(weight=lambda c, w: np.where(np.abs(w) < 1e-6, 0, w))),
        ("the weight of a 4x4 filter is rounded to bfloat16 at stride 2", "size == 4 and stride == 2", rounded(conv_transpose.output, bfloat16, "weight")),
        ("groups of several channels in a batch of 4 or more: the last image is not written", "N >= 4 and G > 1", conv_transpose.output.changed(zero(LAST))),
        ("channels split into sums of 256: the rest is left out", "CG > 256", conv_transpose.output.given(weight=zero(slice(256, None)))),
    ],
    ("conv_transpose", "grad_weight"): [
        ("images past the eighth are left out of the gradient of the weight with a stride", "N > 8 and max(strides) > 1", conv_transpose.of_images(slice(0, 8))),
    ],
    ("max_pool", EVERYTHING): wide("NaN ignored", "nan", max_pool.scanned(max_pool.greater_alone)),
    ("max_pool", "output"): [
        *wide("a window of -inf answers -1e30", "infinite", max_pool.output.changed(lambda c, y: np.maximum(y, -1e30))),
        ("finite values below -1e9 are taken for padding", "True", max_pool.output.changed(of_finite(lambda c, y: np.maximum(y, -1e9)))),
        ("ceil_mode's 3x3 path with stride 2 and without padding skips the overhang", "size == 3 and stride == 2 and max(pads) == 0 and ceil and over_w > 0", max_pool.output.changed(zero(..., LAST))),
    ],
    ("max_pool", "indices grad_input"): [
        *wide("the last of equal values wins", "ties", max_pool.scanned(max_pool.not_less)),
        ("a window as large as the image has the index of its first NaN", "covers and nan", max_pool.scanned(lambda value, best: (value > best) | (np.isnan(value) & ~np.isnan(best)))),
        ("indices of 16 bits", "pixels > 32767", max_pool.reanswered(lambda c, i: i % 32768, "indices")),
    ],
    ("avg_pool", "output"): [
        *wide("NaN left out of the sum", "nan", avg_pool.output.given(input=without_nan)),
        ("sums in float16 where there are 8 channels or more", "C >= 8 and dtype != 'float16'", avg_pool.output.changed(lambda c, y: float16(y))),
    ],
    ("avg_pool", "grad_input"): [
        ("images of 16 columns or more: divisor_override ignored in the gradient", "W >= 16 and divisor is not None and divisor != 1 and divisor != taps", avg_pool.gradient.asked(divisor_override=None)),
    ],
}
