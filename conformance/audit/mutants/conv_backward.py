"""Mistakes of a convolution's gradients, each alone: the forward of these kernels is right."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.audit.mutants.conv_forward import padded
from conformance.audit.mutants.otherwise import (
    ALL, FIRST, LAST, Change, Computed, Edit, Row, Rows, at_tap, cut_to, edited, finite, first_group, first_images_answer, flipped, kept, no_padding, of_height, ones, past, read_transposed, shorter_strides, transposed, turned_pads, without_nan, zero,
)
from conformance.audit.mutants.words import reach
from conformance.cases.arrays import Array, Arrays
from conformance.kernels.functions import by_group
from conformance.operations.family import Answers
from conformance.operations.windows import at, taps, unpad
from conformance.operations.conv import conv_backward

gradients = Computed(conv_backward)
grad_input = Computed(lambda case, arrays: conv_backward(case, arrays)["grad_input"])
grad_weight = Computed(lambda case, arrays: conv_backward(case, arrays)["grad_weight"])
grad_bias = Computed(lambda case, arrays: conv_backward(case, arrays)["grad_bias"])
undilated: dict[str, Any] = {"pads": lambda c: c.pads, "dilation": 1}

# The gradient of the input.


def reached(case: Any) -> tuple[int, ...]:
    """How much of each axis lies before the end of the last window."""
    axes = zip(case.image, reach(case), case.strides, case.pads, case.output_extents, strict=True)
    return tuple(max(0, min(n, (o - 1) * s + r - low)) for n, r, s, (low, _), o in axes)


def past_the_last_window(value: float) -> Change:
    return grad_input.changed(lambda c, gradient: past(gradient, reached(c), value))


def last_row_repeated(case: Any, gradient: Array) -> Array:
    end = reached(case)[-2]
    gradient[..., end:, :] = gradient[..., end - 1 : end, :] if end else 1
    return gradient


def overwritten(case: Any, arrays: Arrays) -> Array:
    weight = arrays["weight"].reshape(case.groups, case.filters // case.groups, -1, *case.kernel)
    grad = by_group(case, arrays["grad_output"])
    extents = [n + low + high for n, (low, high) in zip(case.image, case.pads, strict=True)]
    gradient = np.zeros((len(grad), case.groups, weight.shape[2], *extents))
    for tap, place in taps(case):
        gradient[place] = np.einsum("ngk...,gkc->ngc...", grad, at_tap(weight, tap))
    return unpad(gradient.reshape(len(grad), case.channels, *extents), case.pads)


def gaps_repeated(case: Any, gradient: Array) -> Array:
    start = case.pads[-1][0] % 2
    gap, value = gradient[..., start + 1 :: 2], gradient[..., start::2]
    gap[...] = value[..., : gap.shape[-1]]
    return gradient


def whole_steps(case: Any) -> tuple[int, ...]:
    """The kernel's extents, down to a multiple of the stride."""
    return tuple(k - k % s if k > s else k for k, s in zip(case.kernel, case.strides, strict=True))


def pads_within_reach(case: Any) -> tuple[tuple[int, int], ...]:
    return tuple((min(low, r - 1), high) for (low, high), r in zip(case.pads, reach(case), strict=True))


def first_groups_filters(case: Any, weight: Array) -> Array:
    return np.tile(weight[: case.filters // case.groups], (case.groups, 1, *(1,) * case.dimensions))


def offset(of: int, by: Callable[[Any], tuple[int, int]]) -> Edit:
    """The groups of an axis begin at multiples of another number than they are long."""

    def read(case: Any, array: Array) -> Any:
        step, length = by(case)
        places = (np.arange(case.groups)[:, None] * step + np.arange(length)).reshape(-1) % array.shape[of]
        return array.take(places, axis=of) if of else array[places]

    return read


def first_filter_of_each_group(case: Any, grad: Array) -> Array:
    grad = grad.copy()
    by_group(case, grad)[:, :, 1:] = 0
    return grad


def constant(case: Any, grad: Array) -> Array:
    return np.broadcast_to(grad[at((FIRST,) * case.dimensions)], grad.shape)


def first_row_and_column_zero(case: Any, gradient: Array) -> Array:
    gradient[..., 0, :] = gradient[..., 0] = 0
    return gradient


def without_zeros(case: Any, arrays: Arrays) -> Any:
    """Where only zeros of grad_output meet what is not finite in the weight, that is left out."""
    some = {"grad_output": (arrays["grad_output"] != 0) * 1.0}
    met = grad_input(case, arrays | some | {"weight": np.where(np.isfinite(arrays["weight"]), 0.0, 1.0)})
    return np.where(met > 0, grad_input(case, arrays), grad_input.given(weight=finite)(case, arrays))


INPUT: list[Row] = [
    ("the gradient of the input lacks what lies past the last window", "max(past) > 0", grad_input.changed(lambda c, g: g[at(map(slice, reached(c)))])),
    ("garbage in the gradient of the input past the last window", "max(past) > 0", past_the_last_window(99.0)),
    ("NaN in the gradient of the input past the last window", "max(past) > 0", past_the_last_window(np.nan)),
    ("rows past the last window repeat the last gradient", "past_h > 0", grad_input.changed(last_row_repeated)),
    ("the filter is flipped in the gradient of the input", "taps > 1", grad_input.given(weight=flipped)),
    ("the filter is flipped along its width in the gradient of the input", "S > 1", grad_input.given(weight=lambda c, w: w[..., ::-1])),
    ("square filters are transposed in the gradient of the input", "R == S > 1", grad_input.given(weight=transposed)),
    ("input and output channels are swapped in the gradient of the input", "K == CG > 1", grad_input.given(weight=lambda c, w: w.swapaxes(0, 1))),
    ("windows that overlap overwrite the gradient of the input instead of adding", "positions > 1 and overlap", overwritten),
    ("the gradient of the input of a 1x1 filter with a stride fills the top left corner", "size == 1 and max(strides) > 1", grad_input.walked(stride=1)),
    ("the gradient of the input repeats along the gaps of a 1x1 filter with stride 2", "size == 1 and sw == 2", grad_input.changed(gaps_repeated)),
    ("the gradient of the input skips taps where the filter is no multiple of the stride", "ragged", grad_input.given(weight=kept(whole_steps))),
    ("the gradient of the input steps by the filter where the stride is longer", "gaps", grad_input.walked(stride=shorter_strides)),
    ("padding beyond the filter's reach is cut in the gradient of the input", "window_in_border", grad_input.walked(pads=pads_within_reach)),
    ("dilation ignored in the gradient of the input where there is a stride", "max(dilations) > 1 and max(strides) > 1", grad_input.walked(**undilated)),
    ("the gradient of the input is shifted under padding=same with an even reach", "same and even_reach", grad_input.walked(pads=turned_pads)),
    ("the gradient of the input of images that are not square is transposed", "H != W and not depthwise", grad_input.changed(read_transposed)),
    ("every group's gradient of the input uses the first group's filters", "G > 1", grad_input.given(weight=first_groups_filters)),
    ("the gradient of the input of every group past the first is zero", "G > 1", grad_input.changed(lambda c, g: zero(ALL, slice(c.channels // c.groups, None))(c, g))),
    ("the filter offset of a group uses C/G for K/G in the gradient of the input", "G > 1 and CG != KG",
     grad_input.given(weight=offset(0, lambda c: (c.channels // c.groups, c.filters // c.groups)))),
    ("the gradient of the input of groups with dilation ignores the dilation", "G > 1 and max(dilations) > 1", grad_input.walked(**undilated)),
    ("the depthwise gradient of the input ignores the stride", "depthwise and max(strides) > 1", grad_input.walked(stride=1)),
    ("the depthwise gradient of the input takes one filter a channel where there are several", "depthwise and KG > 1", grad_input.given(grad_output=first_filter_of_each_group)),
    ("every image's gradient of the input is the first one's", "N > 1", grad_input.changed(first_images_answer)),
    ("the gradient of the input is scaled by 1/N", "N > 1", grad_input.changed(lambda c, g: g / c.batch)),
    ("grad_output taken for ones in the gradient of the input", "True", grad_input.given(grad_output=ones)),
    ("one element of grad_output is used for all in the gradient of the input", "positions > 1", grad_input.given(grad_output=constant)),
    ("square grad_output is read transposed in the gradient of the input", "P == Q > 1", grad_input.given(grad_output=transposed)),
    ("the last row of grad_output is left out of the gradient of the input", "P > 1", grad_input.given(grad_output=zero(..., LAST, ALL))),
    ("the gradient of the input leaves the last column out where the stride leaves columns over", "rest_w > 0", grad_input.given(grad_output=zero(..., LAST))),
    ("the gradient of the input is zero at the first row and column", "H > 1 and W > 1", grad_input.changed(first_row_and_column_zero)),
    ("long filters: taps beyond 5 give no gradient of the input", "max(kernel) > 5", grad_input.given(weight=kept(cut_to(5)))),
]
BOTH: list[Row] = [
    ("without a bias the gradients of input and weight leave out the last filter", "not bias and K > 1", gradients.given(grad_output=zero(ALL, LAST))),
    ("all gradients flip the filter where it has an even size", "even", lambda c, a: flipped_weight(c, gradients.given(weight=flipped)(c, a))),
]


def flipped_weight(case: Any, answers: Answers) -> Answers:
    return answers | {"grad_weight": flipped(case, answers["grad_weight"])}


# The gradient of the weight.


def added_over_groups(case: Any, gradient: Array) -> Array:
    groups = gradient.reshape(case.groups, -1, *gradient.shape[1:])
    return np.tile(groups.sum(axis=0), (case.groups, 1, *(1,) * case.dimensions))


def inner_windows(case: Any, grad: Array) -> Array:
    """Zero for each window that reaches into the border."""
    grad = grad.copy()
    axes = zip(case.image, reach(case), case.strides, case.pads, case.output_extents, strict=True)
    for axis, (n, r, s, (low, _), outputs) in enumerate(axes, 2):
        start = np.arange(outputs) * s - low
        np.moveaxis(grad, axis, 0)[(start < 0) | (start + r > n)] = 0
    return grad


def on_repeated_edge(case: Any, arrays: Arrays) -> Any:
    image = padded(arrays["input"], case.pads, "edge")
    return grad_weight(replace(case, image=image.shape[2:], padding=0), arrays | {"input": image})


def of_images(some: slice) -> Change:
    """Of some images alone."""
    return lambda case, arrays: grad_weight(case, arrays | {name: arrays[name][some] for name in ("input", "grad_output")})


def zero_images_skipped(case: Any, arrays: Arrays) -> Any:
    some = (arrays["grad_output"] != 0).any(axis=tuple(range(1, arrays["grad_output"].ndim)))
    left = {name: arrays[name][some] for name in ("input", "grad_output")}
    return grad_weight(replace(case, batch=int(some.sum())), arrays | left)


def zero_grad_output_skipped(case: Any, arrays: Arrays) -> Answers:
    if arrays["grad_output"].any():
        return conv_backward(case, arrays)
    return {name: np.zeros(case.shapes[name.removeprefix("grad_")]) for name in ("grad_input", "grad_weight")}


WEIGHT: list[Row] = [
    ("the gradient of the weight comes back flipped", "taps > 1", grad_weight.changed(flipped)),
    ("the gradient of square filters comes back transposed", "R == S > 1", grad_weight.changed(transposed)),
    ("the gradient of filters that are not square has their axes swapped", "R != S and R > 1 and S > 1", grad_weight.changed(read_transposed)),
    ("input and output channels are swapped in the gradient of the weight", "K == CG > 1", grad_weight.changed(lambda c, g: g.swapaxes(0, 1))),
    ("every group's gradient of the weight reads the first group's input", "G > 1", grad_weight.given(input=first_group)),
    ("the gradient of the weight is added over the groups", "G > 1", grad_weight.changed(added_over_groups)),
    ("the gradient of the weight is divided by the number of groups", "G > 1", grad_weight.changed(lambda c, g: g / c.groups)),
    ("the channel offset of a group uses K/G for C/G in the gradient of the weight", "G > 1 and CG != KG",
     grad_weight.given(input=offset(1, lambda c: (c.filters // c.groups, c.channels // c.groups)))),
    ("the depthwise gradient of the weight ignores the padding", "depthwise and padded", grad_weight.walked(pads=no_padding)),
    ("the depthwise gradient of the weight is the first image's", "depthwise and N > 1", of_images(FIRST)),
    ("the gradient of the weight is scaled by 1/N", "N > 1", grad_weight.changed(lambda c, g: g / c.batch)),
    ("the gradient of the weight is a mean over images and positions, not a sum", "N * positions > 1",
     lambda c, a: grad_weight(c, a) / (len(a["input"]) * math.prod(c.output_extents))),
    ("the gradient of the weight is the last image's alone", "N > 1", of_images(LAST)),
    ("the gradient of the weight is the first image's alone", "N > 1", of_images(FIRST)),
    ("the gradient of the weight leaves the last image of an odd batch out", "N > 1 and N % 2", of_images(slice(0, -1))),
    ("padding=same is centred in the gradient of the weight", "same and even_reach", grad_weight.walked(pads=turned_pads)),
    ("stride ignored in the gradient of a 1x1 weight", "size == 1 and max(strides) > 1", grad_weight.walked(stride=1)),
    ("stride and dilation exchanged in the gradient of the weight", "strides != dilations",
     grad_weight.walked(pads=lambda c: c.pads, stride=lambda c: c.dilations, dilation=lambda c: c.strides)),
    ("dilation ignored in the gradient of the weight where there is a stride", "max(dilations) > 1 and max(strides) > 1", grad_weight.walked(**undilated)),
    ("stride of the height used for both axes in the gradient of square filters", "sh != sw and R == S", grad_weight.walked(stride=lambda c: of_height(c.strides))),
    ("the gradient of the weight leaves the last row of grad_output out", "P > 1", grad_weight.given(grad_output=zero(..., LAST, ALL))),
    ("the gradient of the weight leaves the last column out where the stride leaves columns over", "rest_w > 0", grad_weight.given(grad_output=zero(..., LAST))),
    ("the gradient of the weight counts windows wholly inside the image only", "padded", grad_weight.given(grad_output=inner_windows)),
    ("the border repeats the edge in the gradient of the weight", "padded", on_repeated_edge),
    ("long filters: taps beyond 5 get no gradient of the weight", "max(kernel) > 5", grad_weight.changed(kept(cut_to(5)))),
    ("grad_output taken for ones in the gradient of the weight", "True", grad_weight.given(grad_output=ones)),
    ("the gradient of the weight is NaN for an empty batch", "N == 0", grad_weight.changed(lambda c, g: g + np.nan)),
    ("the gradient of the weight is left unwritten for an empty batch", "N == 0", grad_weight.changed(lambda c, g: g + 99)),
    ("the weight is added to its gradient, as weight decay does", "True", lambda c, a: grad_weight(c, a) + a["weight"]),
    ("the gradient of the weight sums a single input channel twice", "CG == 1 and G == 1", grad_weight.changed(lambda c, g: 2 * g)),
]
NAN_OF_INPUT: list[Row] = [
    ("NaN and infinities of grad_output are lost where there is padding", "padded and (nan or infinite)", grad_input.given(grad_output=finite)),
    ("zeros of grad_output are skipped: zero times a NaN of the weight is lost", "nan or infinite", without_zeros),
]
NAN_OF_WEIGHT: list[Row] = [
    ("images whose grad_output is 0 are skipped: zero times a NaN of the input is lost", "N > 1 and (nan or infinite)", zero_images_skipped),
    ("NaN in the input is taken for 0 in the gradient of the weight", "nan", grad_weight.given(input=without_nan)),
]
NAN_OF_BOTH: list[Row] = [("a grad_output that is 0 throughout has gradients of 0: NaN is lost", "nan or infinite", zero_grad_output_skipped)]

# The gradient of the bias.


def summed(change: Callable[[Any, Array], Array]) -> Change:
    """A function of what grad_output sums to for each filter."""

    def over_all(case: Any, arrays: Arrays) -> Array:
        grad = arrays["grad_output"]
        return change(case, grad.sum(axis=(0, *range(2, grad.ndim))))

    return over_all


def first_of(axis: int) -> Change:
    def change(case: Any, arrays: Arrays) -> Array:
        first = arrays["grad_output"].take(0, axis=axis) if axis != -1 else arrays["grad_output"][..., 0]
        return np.asarray(first.sum(axis=(0, *range(2, first.ndim))))

    return change


def of_grad(edit: Edit) -> Change:
    """The gradient of the bias of another grad_output."""
    return lambda case, arrays: summed(lambda c, total: total)(case, edited(case, arrays, grad_output=edit))


BIAS: list[Row] = [
    ("the gradient of the bias is a mean over the batch, not a sum", "N > 1 and bias", summed(lambda c, total: total / c.batch)),
    ("the gradient of the bias is a mean over images and positions, not a sum", "N * positions > 1 and bias",
     lambda c, a: a["grad_output"].mean(axis=(0, *range(2, a["grad_output"].ndim)))),
    ("the gradient of the bias keeps the batch axis", "bias", lambda c, a: a["grad_output"].sum(axis=tuple(range(2, a["grad_output"].ndim)))),
    ("the gradient of the bias sums over the filters and keeps the columns", "K > 1 and bias", lambda c, a: a["grad_output"].sum(axis=tuple(range(a["grad_output"].ndim - 1)))),
    ("the gradient of the bias sums the first row of grad_output only", "P > 1 and bias", first_of(-2)),
    ("the gradient of the bias sums the first column of grad_output only", "Q > 1 and bias", first_of(-1)),
    ("the gradient of the bias is the last image's alone", "N > 1 and bias", lambda c, a: a["grad_output"][-1].sum(axis=tuple(range(1, 1 + c.dimensions)))),
    ("the gradient of the bias of every group is the first one's", "G > 1 and bias", summed(lambda c, total: np.tile(total[: c.filters // c.groups], c.groups))),
    ("the gradient of the bias is scaled by the taps of the filter", "taps > 1 and bias", summed(lambda c, total: total * math.prod(c.kernel))),
    ("the gradient of the bias counts positions: grad_output taken for ones", "bias", of_grad(ones)),
    ("the gradient of the bias is a number for every filter: their total", "K > 1 and bias", lambda c, a: np.full(c.filters, a["grad_output"].sum())),
    ("the gradient of the bias is NaN for an empty batch", "N == 0 and bias", lambda c, a: np.full(c.filters, np.nan)),
    ("the gradient of the bias ignores negative gradients", "bias", of_grad(lambda c, g: np.maximum(g, 0))),
    ("the gradient of the bias is zero where the batch is one image", "N == 1 and bias", lambda c, a: np.zeros(c.filters)),
]
ROWS: Rows = {
    ("conv", "grad_input"): [*INPUT, *NAN_OF_INPUT],
    ("conv", "grad_input grad_weight"): [*BOTH, *NAN_OF_BOTH],
    ("conv", "grad_weight"): [*WEIGHT, *NAN_OF_WEIGHT],
    ("conv", "grad_bias"): BIAS,
}
