"""Mistakes of a transposed convolution and of its gradients; what a convolution makes alike comes from its tables."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.audit.mutants.conv_backward import BIAS, constant, first_row_and_column_zero, offset, whole_steps
from conformance.audit.mutants.conv_forward import CG, KG, of_batch_and_bias, of_groups
from conformance.audit.mutants.otherwise import (
    ALL, FIRST, LAST, Change, Computed, Row, Rows, at_tap, cut_to, finite, first_images_answer, flipped, kept, no_padding, of_height, ones, past, per_channel, read_transposed, transposed, without_nan, zero,
)
from conformance.audit.mutants.words import reach
from conformance.cases.arrays import Array, Arrays
from conformance.kernels.functions import by_group
from conformance.operations.conv_transpose import conv_transpose, conv_transpose_backward
from conformance.operations.family import Answers
from conformance.operations.windows import at, pad, taps, unpad

output, gradients = Computed(conv_transpose), Computed(conv_transpose_backward)
grad_input = Computed(lambda case, arrays: conv_transpose_backward(case, arrays)["grad_input"])
grad_weight = Computed(lambda case, arrays: conv_transpose_backward(case, arrays)["grad_weight"])
no_bias = output.asked(bias=False)
unpadded = output.walked(pads=no_padding)
undilated = output.walked(dilation=1)
stride_of_height = output.walked(stride=lambda c: c.strides[-2])
no_last_column = output.changed(zero(..., LAST))
no_last_row = output.changed(zero(..., LAST, ALL))


def outpads(case: Any) -> tuple[int, ...]:
    return tuple(case.axes(case.output_padding))


def answered(**fields: Callable[[Any], Any]) -> Change:
    """The answer to other options, in the shape that follows; the right one where they would be refused."""

    def change(case: Any, arrays: Arrays) -> Any:
        other = replace(case, **{name: value(case) for name, value in fields.items()})
        return {} if other.problem or other.hazard else conv_transpose(other, arrays)

    return change


def placed(start: Callable[[Any, int], int], longer: Callable[[Any, int], int] = lambda case, axis: 0) -> Change:
    """The answer begins at another place of all that the windows write; by so much it is longer."""

    def change(case: Any, arrays: Arrays) -> Any:
        whole = conv_transpose(replace(case, padding=0, output_padding=0, bias=False), arrays)
        axes = tuple(zip(range(case.dimensions), case.output_extents, whole.shape[2:], strict=True))
        starts = [start(case, axis) for axis, _, _ in axes]
        ends = [begin + extent + longer(case, axis) for begin, (axis, extent, _) in zip(starts, axes, strict=True)]
        if min(map(int.__sub__, ends, starts)) < 1:
            return {}
        wide = pad(whole, tuple((max(0, -b), max(0, e - n)) for b, e, (_, _, n) in zip(starts, ends, axes, strict=True)))
        output = wide[at(slice(b + max(0, -b), e + max(0, -b)) for b, e in zip(starts, ends, strict=True))]
        return output + (per_channel(case, arrays["bias"]) if case.bias else 0)

    return change


def low(case: Any, axis: int) -> int:
    return int(case.pads[axis][0])


def reached(case: Any) -> tuple[int, ...]:
    """How much of each axis of the answer lies before the end of the last window."""
    axes = zip(case.output_extents, reach(case), case.strides, case.pads, case.image, strict=True)
    return tuple(max(0, min(e, (n - 1) * s + r - low)) for e, r, s, (low, _), n in axes)


def past_the_windows(value: float) -> Change:
    return output.changed(lambda c, y: past(y.copy(), reached(c), value))


def last_rows_zero(case: Any, y: Array) -> Array:
    """As many as output_padding has."""
    return past(y.copy(), tuple(e - more for e, more in zip(case.output_extents, outpads(case), strict=True)), 0)


def overwritten(first: bool) -> Change:
    """Where windows overlap, one of the products stands instead of the sum: of the first tap, or of the last."""

    def change(case: Any, arrays: Arrays) -> Any:
        grouped = arrays["weight"].reshape(case.groups, CG(case), KG(case), *case.kernel)
        image = by_group(case, arrays["input"])
        padded = pad(np.zeros((len(image), case.groups, KG(case), *case.output_extents)), case.borders)
        every = list(taps(case))
        for tap, place in reversed(every) if first else every:
            padded[place] = np.einsum("ngc...,gck->ngk...", image, at_tap(grouped, tap))
        whole = unpad(padded.reshape(len(image), case.filters, *padded.shape[3:]), case.borders)
        return whole + (per_channel(case, arrays["bias"]) if case.bias else 0)

    return change


def of_a_correlation(case: Any) -> tuple[tuple[int, int], ...]:
    """Padding taken for that of the correlation of the image, its pixels a stride apart."""
    return tuple((r - 1 - low, r - 1 - high) for r, (low, high) in zip(reach(case), case.pads, strict=True))


def weight_in_the_other_order(case: Any, weight: Array) -> Any:
    """The memory of (K/G, C) read."""
    return weight.reshape(weight.shape[1], weight.shape[0], *case.kernel).swapaxes(0, 1)


def gaps_filled(case: Any, y: Array) -> Array:
    start = case.pads[-1][0] % case.strides[-1]
    gap, value = y[..., start + 1 :: case.strides[-1]], y[..., start :: case.strides[-1]]
    gap[...] = value[..., : gap.shape[-1]]
    return y


def last_channel_zero(case: Any, weight: Array) -> Array:
    """Of every group."""
    parts = weight.copy().reshape(case.groups, CG(case), *weight.shape[1:])
    parts[:, -1] = 0
    return parts.reshape(weight.shape)


def zero_pixels_skipped(case: Any, arrays: Arrays) -> Any:
    """Where only zeros of the input meet what is not finite in the weight, that is left out."""
    some = {"input": (arrays["input"] != 0) * 1.0, "weight": np.where(np.isfinite(arrays["weight"]), 0.0, 1.0)}
    met = conv_transpose(replace(case, bias=False), arrays | some)
    return np.where(met > 0, conv_transpose(case, arrays), output.given(weight=finite)(case, arrays))


SIZES: list[Row] = [
    ("output_padding ignored, in the shape of the answer too", "max(outpads) > 0", answered(output_padding=lambda c: 0)),
    ("output_padding beyond 1 taken for 1", "max(outpads) > 1", answered(output_padding=lambda c: tuple(min(n, 1) for n in outpads(c)))),
    ("output_padding of the stride or more is cut below it", "outpads_of_a_stride", answered(output_padding=lambda c: tuple(min(n, s - 1) for n, s in zip(outpads(c), c.strides, strict=True)))),
    ("output_padding is added before the answer, not after it", "max(outpads) > 0", placed(lambda c, axis: low(c, axis) - outpads(c)[axis])),
    ("output_padding is split between both ends of the answer", "max(outpads) > 1", placed(lambda c, axis: low(c, axis) - outpads(c)[axis] // 2)),
    ("the rows of output_padding are zeros, whatever reaches them", "max(outpads) > 0", output.changed(last_rows_zero)),
    ("the rows past the last window leave out the bias", "max(past) > 0 and bias", past_the_windows(0)),
    ("garbage past the last window", "max(past) > 0", past_the_windows(99.0)),
    ("padding cuts off the start of the answer alone", "padded", placed(low, low)),
    ("padding cuts off the end of the answer alone, in its shape too", "padded", placed(lambda c, axis: 0, low)),
    ("padding ignored, in the shape of the answer too", "padded", answered(padding=lambda c: 0)),
    ("padding lengthens the answer instead of cutting it", "padded", placed(lambda c, axis: -low(c, axis), lambda c, axis: 4 * low(c, axis))),
    ("padding taken for that of the correlation of the spread image", "True", output.walked(pads=lambda c: tuple((max(0, a), max(0, b)) for a, b in of_a_correlation(c)))),
    ("padding as long as the filter or longer is cut to one less", "padded and padding_of_a_filter", output.walked(pads=lambda c: tuple((min(a, k - 1), b) for (a, b), k in zip(c.pads, c.kernel, strict=True)))),
    ("padding is cut before the dilation is counted: all beyond the undilated filter is lost", "max(dilations) > 1 and padding_of_a_filter", output.walked(pads=lambda c: tuple((min(a, k), b) for (a, b), k in zip(c.pads, c.kernel, strict=True)))),
    ("strides beyond 2 taken for 2", "max(strides) > 2", output.walked(stride=lambda c: tuple(min(s, 2) for s in c.strides))),
    ("dilations beyond 2 taken for 2", "max(dilations) > 2 and taps > 1", output.walked(dilation=lambda c: tuple(min(d, 2) for d in c.dilations))),
    ("strides longer than the filter taken for its length", "gaps", output.walked(stride=lambda c: tuple(map(min, c.strides, c.kernel)))),
    ("stride and dilation exchanged", "strides != dilations", output.walked(stride=lambda c: c.dilations, dilation=lambda c: c.strides)),
    ("dilation ignored where there is a stride", "max(dilations) > 1 and max(strides) > 1", undilated),
    ("the last row is not written", "P > 1", no_last_row),
    ("the last column is not written where the answer is of an odd width", "Q > 1 and Q % 2", no_last_column),
    ("the last row is not written where the filter has an even height", "R % 2 == 0", no_last_row),
    ("rows and columns of the answer are swapped where it is square", "P == Q > 1", output.changed(transposed)),
    ("images taller than they are wide are read transposed", "H > W", output.given(input=read_transposed)),
]
FILTERS: list[Row] = [
    ("the filter is flipped", "taps > 1", output.given(weight=flipped)),
    ("the filter is flipped along its height", "R > 1", output.given(weight=lambda c, w: w[..., ::-1, :])),
    ("the filter is flipped along its width", "S > 1", output.given(weight=lambda c, w: w[..., ::-1])),
    ("square filters are transposed", "R == S > 1", output.given(weight=transposed)),
    ("filters that are not square are read with height and width swapped", "R != S and R > 1 and S > 1", output.given(weight=read_transposed)),
    ("input and output channels of the weight are swapped where they are as many", "C == KG > 1", output.given(weight=lambda c, w: w.swapaxes(0, 1))),
    ("the weight is read as (K/G, C, ...), the order of a convolution's", "C != KG and C > 1 and KG > 1", output.given(weight=weight_in_the_other_order)),
    ("the last tap of each row of the filter is skipped", "S > 1", output.given(weight=zero(..., LAST))),
    ("the last row of the filter is skipped", "R > 1", output.given(weight=zero(..., LAST, ALL))),
    ("the first tap is skipped", "taps > 1", output.given(weight=lambda c, w: zero(*at((0,) * c.dimensions))(c, w))),
    ("taps beyond the stride are skipped, where windows overlap", "overlap and max(dilations) == 1", output.given(weight=kept(lambda c: tuple(map(min, c.kernel, c.strides))))),
    ("taps are skipped where the filter is no multiple of the stride", "ragged", output.given(weight=kept(whole_steps))),
    ("windows that overlap overwrite instead of adding: the last tap stands", "overlap and pixels > 1", overwritten(first=False)),
    ("windows that overlap overwrite instead of adding: the first tap stands", "overlap and pixels > 1", overwritten(first=True)),
    *((f"filters longer than {n} are cut to {n} taps an axis", f"max(kernel) > {n}", output.given(weight=kept(cut_to(n)))) for n in (3, 4, 5, 7)),
]
PATHS: list[Row] = [
    ("the 1x1 path ignores the stride", "size == 1 and max(strides) > 1", output.walked(stride=1)),
    ("the 1x1 path repeats pixels along the gaps of a stride", "size == 1 and sw > 1", output.changed(gaps_filled)),
    ("the 1x1 path leaves out the bias", "size == 1 and bias", no_bias),
    ("filters as long as the stride: the padding is ignored", "kernel == strides and padded", unpadded),
    ("filters as long as the stride are flipped", "kernel == strides and taps > 1", output.given(weight=flipped)),
    ("the path of filters twice as long as the stride leaves out the bias", "size == 2 * stride > 2 and bias", no_bias),
    ("the 4x4 path with stride 2 always pads by 1", "size == 4 and stride == 2 and (max(pads) != 1 or min(pads) != 1)", output.walked(pads=lambda c: ((1, 1),) * c.dimensions)),
    ("the 3x3 path with stride 2 always makes the answer twice the image", "size == 3 and stride == 2 and max(pads) == min(pads) == 1 and max(dilations) == 1 and min(outpads) == 0", answered(output_padding=lambda c: 1)),
    ("the path for stride 1 without dilation ignores the padding", "max(strides + dilations) == 1 and padded and taps > 1", unpadded),
    ("the path for stride 1 flips the filter", "max(strides + dilations) == 1 and taps > 1", output.given(weight=flipped)),
    ("phases of a stride of 3 or more: the last is not written", "sw >= 3", output.changed(lambda c, y: zero(..., slice(c.strides[-1] - 1, None, c.strides[-1]))(c, y))),
    ("the dilated path ignores the padding of the width", "max(dilations) > 1 and pw > 0", output.walked(pads=lambda c: (*c.pads[:-1], (0, 0)))),
    ("the dilated path leaves out the bias", "max(dilations) > 1 and bias", no_bias),
    ("one image, the path for a batch of one, leaves out the bias", "N == 1 and bias", no_bias),
    ("images of a single pixel leave out the last input channel", "pixels == 1 and CG > 1", output.given(weight=last_channel_zero)),
    ("without a bias the first weight is added", "not bias", lambda c, a: conv_transpose(c, a) + a["weight"].reshape(-1)[0]),
]

SPECIAL: list[Row] = [
    ("zero pixels are skipped: zero times an infinite weight is lost", "nan or infinite", zero_pixels_skipped),
    ("NaN in the input is taken for 0", "nan", output.given(input=without_nan)),
    ("NaN in the weight is taken for 0", "nan", output.given(weight=without_nan)),
    ("NaN in the bias is taken for 0", "nan and bias", output.given(bias=without_nan)),
    ("an infinite answer becomes NaN", "infinite", output.changed(lambda c, y: np.where(np.isinf(y), np.nan, y))),
]

# The gradients.


def flipped_weight(case: Any, answers: Answers) -> Answers:
    return answers | {"grad_weight": flipped(case, answers["grad_weight"])}


def grad_shifted(case: Any, arrays: Arrays) -> Arrays:
    """grad_output read as if output_padding stood before the answer."""
    edges = tuple((0, more) for more in outpads(case))
    moved = pad(arrays["grad_output"], edges)
    return arrays | {"grad_output": moved[at(slice(more, None) for more in outpads(case))]}


def of_images(some: slice) -> Change:
    """Of some images alone."""
    return lambda case, arrays: grad_weight(case, arrays | {name: arrays[name][some] for name in ("input", "grad_output")})


def first_group_of(array: Array, groups: int, axis: int) -> Array:
    return np.concatenate([np.split(array, groups, axis=axis)[0]] * groups, axis=axis)


def added_over_groups(case: Any, gradient: Array) -> Array:
    parts = gradient.reshape(case.groups, -1, *gradient.shape[1:])
    return np.tile(parts.sum(axis=0), (case.groups, 1, *(1,) * case.dimensions))


INPUT: list[Row] = [
    ("the filter is flipped in the gradient of the input", "taps > 1", grad_input.given(weight=flipped)),
    ("the filter is flipped along its width in the gradient of the input", "S > 1", grad_input.given(weight=lambda c, w: w[..., ::-1])),
    ("square filters are transposed in the gradient of the input", "R == S > 1", grad_input.given(weight=transposed)),
    ("input and output channels are swapped in the gradient of the input", "C == KG > 1", grad_input.given(weight=lambda c, w: w.swapaxes(0, 1))),
    ("the gradient of the input reads grad_output as if output_padding stood before it", "max(outpads) > 0", lambda c, a: grad_input(c, grad_shifted(c, a))),
    ("the rows of output_padding are left out of the gradient of the input", "max(outpads) > 0", grad_input.given(grad_output=last_rows_zero)),
    ("the gradient of the input is shifted by the padding: it is not cut off before the answer", "padded", grad_input.walked(pads=no_padding)),
    ("padding as long as the filter or longer is cut to one less in the gradient of the input", "padded and padding_of_a_filter",
     grad_input.walked(pads=lambda c: tuple((min(a, k - 1), b) for (a, b), k in zip(c.pads, c.kernel, strict=True)))),
    ("stride and dilation exchanged in the gradient of the input", "strides != dilations", grad_input.walked(stride=lambda c: c.dilations, dilation=lambda c: c.strides)),
    ("dilation ignored in the gradient of the input where there is a stride", "max(dilations) > 1 and max(strides) > 1", grad_input.walked(dilation=1)),
    ("long filters: taps beyond 5 give no gradient of the input", "max(kernel) > 5", grad_input.given(weight=kept(cut_to(5)))),
    ("taps beyond the stride give no gradient of the input", "overlap and max(dilations) == 1", grad_input.given(weight=kept(lambda c: tuple(map(min, c.kernel, c.strides))))),
    ("every group's gradient of the input uses the first group's filters", "G > 1", grad_input.given(weight=lambda c, w: first_group_of(w, c.groups, 0))),
    ("every group's gradient of the input reads the first group of grad_output", "G > 1", grad_input.given(grad_output=lambda c, g: first_group_of(g, c.groups, 1))),
    ("the gradient of the input of every group past the first is zero", "G > 1", grad_input.changed(lambda c, g: zero(ALL, slice(CG(c), None))(c, g))),
    ("the channel offset of a group uses K/G for C/G in the gradient of the input", "G > 1 and CG != KG", grad_input.given(weight=offset(0, lambda c: (KG(c), CG(c))))),
    ("the depthwise gradient of the input ignores the stride", "depthwise and max(strides) > 1", grad_input.walked(stride=1)),
    ("every image's gradient of the input is the first one's", "N > 1", grad_input.changed(first_images_answer)),
    ("the gradient of the input is scaled by 1/N", "N > 1", grad_input.changed(lambda c, g: g / c.batch)),
    ("grad_output taken for ones in the gradient of the input", "True", grad_input.given(grad_output=ones)),
    ("one element of grad_output is used for all in the gradient of the input", "positions > 1", grad_input.given(grad_output=constant)),
    ("square grad_output is read transposed in the gradient of the input", "P == Q > 1", grad_input.given(grad_output=transposed)),
    ("the last row of grad_output is left out of the gradient of the input", "P > 1", grad_input.given(grad_output=zero(..., LAST, ALL))),
    ("the last column of the gradient of the input is not written", "W > 1", grad_input.changed(zero(..., LAST))),
    ("the gradient of the input is zero at the first row and column", "H > 1 and W > 1", grad_input.changed(first_row_and_column_zero)),
    ("the gradient of images that are not square is transposed", "H != W and H > 1 and W > 1", grad_input.changed(read_transposed)),
    ("NaN in the weight is taken for 0 in the gradient of the input", "nan", grad_input.given(weight=without_nan)),
]
WEIGHT: list[Row] = [
    ("the gradient of the weight comes back flipped", "taps > 1", grad_weight.changed(flipped)),
    ("the gradient of square filters comes back transposed", "R == S > 1", grad_weight.changed(transposed)),
    ("the gradient of filters that are not square has their axes swapped", "R != S and R > 1 and S > 1", grad_weight.changed(read_transposed)),
    ("input and output channels are swapped in the gradient of the weight", "C == KG > 1", grad_weight.changed(lambda c, g: g.swapaxes(0, 1))),
    ("the gradient of the weight is written as (K/G, C, ...), the order of a convolution's", "C != KG and C > 1 and KG > 1", grad_weight.changed(lambda c, g: g.swapaxes(0, 1).reshape(g.shape))),
    ("the gradient of the weight reads grad_output as if output_padding stood before it", "max(outpads) > 0", lambda c, a: grad_weight(c, grad_shifted(c, a))),
    ("the rows of output_padding are left out of the gradient of the weight", "max(outpads) > 0", grad_weight.given(grad_output=last_rows_zero)),
    ("the gradient of the weight is shifted by the padding: it is not cut off before the answer", "padded", grad_weight.walked(pads=no_padding)),
    ("stride and dilation exchanged in the gradient of the weight", "strides != dilations", grad_weight.walked(stride=lambda c: c.dilations, dilation=lambda c: c.strides)),
    ("dilation ignored in the gradient of the weight where there is a stride", "max(dilations) > 1 and max(strides) > 1", grad_weight.walked(dilation=1)),
    ("stride of the height used for both axes in the gradient of square filters", "sh != sw and R == S", grad_weight.walked(stride=lambda c: of_height(c.strides))),
    ("stride ignored in the gradient of a 1x1 weight", "size == 1 and max(strides) > 1", grad_weight.walked(stride=1)),
    ("taps beyond the stride get no gradient of the weight", "overlap and max(dilations) == 1", grad_weight.changed(kept(lambda c: tuple(map(min, c.kernel, c.strides))))),
    ("long filters: taps beyond 5 get no gradient of the weight", "max(kernel) > 5", grad_weight.changed(kept(cut_to(5)))),
    ("every group's gradient of the weight reads the first group's input", "G > 1", grad_weight.given(input=lambda c, x: first_group_of(x, c.groups, 1))),
    ("every group's gradient of the weight reads the first group of grad_output", "G > 1", grad_weight.given(grad_output=lambda c, g: first_group_of(g, c.groups, 1))),
    ("the gradient of the weight is added over the groups", "G > 1", grad_weight.changed(added_over_groups)),
    ("the channel offset of a group uses K/G for C/G in the gradient of the weight", "G > 1 and CG != KG", grad_weight.given(input=offset(1, lambda c: (KG(c), CG(c))))),
    ("the depthwise gradient of the weight ignores the padding", "depthwise and padded", grad_weight.walked(pads=no_padding)),
    ("the gradient of the weight is scaled by 1/N", "N > 1", grad_weight.changed(lambda c, g: g / c.batch)),
    ("the gradient of the weight is a mean over images and pixels, not a sum", "N * pixels > 1", lambda c, a: grad_weight(c, a) / (len(a["input"]) * math.prod(c.image))),
    ("the gradient of the weight is the last image's alone", "N > 1", of_images(LAST)),
    ("the gradient of the weight is the first image's alone", "N > 1", of_images(FIRST)),
    ("the gradient of the weight leaves the last row of the input out", "H > 1", grad_weight.given(input=zero(..., LAST, ALL))),
    ("the gradient of the weight leaves the last column of grad_output out", "Q > 1", grad_weight.given(grad_output=zero(..., LAST))),
    ("grad_output taken for ones in the gradient of the weight", "True", grad_weight.given(grad_output=ones)),
    ("the gradient of the weight is NaN for an empty batch", "N == 0", grad_weight.changed(lambda c, g: g + np.nan)),
    ("the weight is added to its gradient, as weight decay does", "True", lambda c, a: grad_weight(c, a) + a["weight"]),
    ("NaN in grad_output is taken for 0 in the gradient of the weight", "nan", grad_weight.given(grad_output=without_nan)),
]
BOTH: list[Row] = [
    ("without a bias the gradients of input and weight leave out the last filter", "not bias and K > 1", gradients.given(grad_output=zero(ALL, LAST))),
    ("all gradients flip the filter where it has an even size", "even", lambda c, a: flipped_weight(c, gradients.given(weight=flipped)(c, a))),
]
ROWS: Rows = {
    ("conv_transpose", "output"): [*SIZES, *FILTERS, *PATHS, *of_groups(output), *of_batch_and_bias(output), *SPECIAL],
    ("conv_transpose", "grad_input"): INPUT,
    ("conv_transpose", "grad_input grad_weight"): BOTH,
    ("conv_transpose", "grad_weight"): WEIGHT,
    ("conv_transpose", "grad_bias"): BIAS,
}
