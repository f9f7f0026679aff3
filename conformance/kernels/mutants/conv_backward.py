"""Mistakes of conv2d's gradients, each alone: the forward of these kernels is right."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from conformance.cases.arrays import Array, Arrays
from conformance.kernels.mutants.axes import with_option
from conformance.kernels.mutants.functions import by_group
from conformance.kernels.mutants.registry import at_tap, dilations, mutant, strides, walked
from conformance.kernels.reference import Answers, conv_backward, taps, unpad


def grad_input(case: Any, arrays: Arrays) -> Any:
    return conv_backward(case, arrays)["grad_input"]


def grad_weight(case: Any, arrays: Arrays) -> Any:
    return conv_backward(case, arrays)["grad_weight"]


# The gradient of the input.


@mutant(
    "conv2d",
    "grad_input",
    "the gradient of the input lacks the rows and columns past the last window",
    "rest_h > ph or rest_w > pw",
)
def grad_input_without_remainder(case: Any, arrays: Arrays) -> Any:
    h, w = _reached(case)
    return grad_input(case, arrays)[..., :h, :w]


@mutant(
    "conv2d",
    "grad_input",
    "garbage in the gradient of the input past the last window",
    "rest_h > ph or rest_w > pw",
)
def grad_input_garbage_past_the_last_window(case: Any, arrays: Arrays) -> Any:
    return _past_the_last_window(case, arrays, 99.0)


@mutant(
    "conv2d",
    "grad_input",
    "NaN in the gradient of the input past the last window",
    "rest_h > ph or rest_w > pw",
)
def grad_input_nan_past_the_last_window(case: Any, arrays: Arrays) -> Any:
    return _past_the_last_window(case, arrays, np.nan)


@mutant("conv2d", "grad_input", "rows past the last window repeat the last gradient", "rest_h > ph")
def grad_input_repeats_the_last_row(case: Any, arrays: Arrays) -> Any:
    gradient, (h, _) = grad_input(case, arrays), _reached(case)
    gradient[..., h:, :] = gradient[..., h - 1 : h, :] if h else 1
    return gradient


def _reached(case: Any) -> tuple[int, ...]:
    """Rows and columns of the image up to the end of the last window."""
    axes = zip(
        case.image, case.kernel, strides(case), case.pads, dilations(case), case.output_extents, strict=True
    )
    return tuple(max(0, min(n, (o - 1) * s + d * (k - 1) + 1 - low)) for n, k, s, (low, _), d, o in axes)


def _past_the_last_window(case: Any, arrays: Arrays, value: float) -> Any:
    gradient, (h, w) = grad_input(case, arrays), _reached(case)
    gradient[..., h:, :] = value
    gradient[..., w:] = value
    return gradient


@mutant("conv2d", "grad_input", "the filter is flipped in the gradient of the input", "R > 1 or S > 1")
def grad_input_flipped(case: Any, arrays: Arrays) -> Any:
    return grad_input(case, arrays | {"weight": arrays["weight"][..., ::-1, ::-1]})


@mutant("conv2d", "grad_input", "the filter is flipped along its width in the gradient of the input", "S > 1")
def grad_input_flipped_in_width(case: Any, arrays: Arrays) -> Any:
    return grad_input(case, arrays | {"weight": arrays["weight"][..., ::-1]})


@mutant("conv2d", "grad_input", "square filters are transposed in the gradient of the input", "R == S > 1")
def grad_input_transposed_filter(case: Any, arrays: Arrays) -> Any:
    return grad_input(case, arrays | {"weight": arrays["weight"].swapaxes(-1, -2)})


@mutant(
    "conv2d",
    "grad_input",
    "input and output channels are swapped in the gradient of the input",
    "K == CG > 1",
)
def grad_input_channels_swapped(case: Any, arrays: Arrays) -> Any:
    return grad_input(case, arrays | {"weight": arrays["weight"].swapaxes(0, 1)})


@mutant(
    "conv2d",
    "grad_input",
    "windows that overlap overwrite the gradient of the input instead of adding",
    "P * Q > 1 and (sh < reach_h or sw < reach_w)",
)
def grad_input_overwritten(case: Any, arrays: Arrays) -> Any:
    weight = arrays["weight"].reshape(case.groups, case.filters // case.groups, -1, *case.kernel)
    grad = by_group(case, arrays["grad_output"])
    sizes = [n + low + high for n, (low, high) in zip(case.image, case.pads, strict=True)]
    gradient = np.zeros((len(grad), case.groups, weight.shape[2], *sizes))
    for tap, place in taps(case):
        factor = at_tap(weight, tap)
        gradient[place] = np.einsum("ngk...,gkc->ngc...", grad, factor)
    return unpad(gradient.reshape(len(grad), case.channels, *sizes), case.pads)


@mutant(
    "conv2d",
    "grad_input",
    "the gradient of the input of a 1x1 filter with a stride fills the top left corner",
    "R == S == 1 and max(sh, sw) > 1",
)
def grad_input_1x1_packed(case: Any, arrays: Arrays) -> Any:
    return grad_input(walked(case, stride=1), arrays)


@mutant(
    "conv2d",
    "grad_input",
    "the gradient of the input repeats along the gaps of a 1x1 filter with stride 2",
    "R == S == 1 and sw == 2",
)
def grad_input_1x1_gaps_repeat(case: Any, arrays: Arrays) -> Any:
    gradient = grad_input(case, arrays)
    start = case.pads[1][0] % 2
    gap, value = gradient[..., start + 1 :: 2], gradient[..., start::2]
    gap[...] = value[..., : gap.shape[-1]]
    return gradient


@mutant(
    "conv2d",
    "grad_input",
    "the gradient of the input skips taps where the filter is no multiple of the stride",
    "(R % sh and R > sh) or (S % sw and S > sw)",
)
def grad_input_no_multiple_of_stride(case: Any, arrays: Arrays) -> Any:
    weight = np.zeros_like(arrays["weight"])
    r, s = (k - k % step if k > step else k for k, step in zip(case.kernel, strides(case), strict=True))
    weight[..., :r, :s] = arrays["weight"][..., :r, :s]
    return grad_input(case, arrays | {"weight": weight})


@mutant(
    "conv2d",
    "grad_input",
    "the gradient of the input steps by the filter where the stride is longer",
    "sh > R or sw > S",
)
def grad_input_stride_beyond_filter(case: Any, arrays: Arrays) -> Any:
    return grad_input(walked(case, stride=tuple(map(min, strides(case), case.kernel))), arrays)


@mutant(
    "conv2d",
    "grad_input",
    "padding beyond the filter's reach is cut in the gradient of the input",
    "ph >= reach_h or pw >= reach_w",
)
def grad_input_padding_beyond_filter(case: Any, arrays: Arrays) -> Any:
    reach = (d * (k - 1) for d, k in zip(dilations(case), case.kernel, strict=True))
    cut = tuple((min(low, r), high) for (low, high), r in zip(case.pads, reach, strict=True))
    return grad_input(walked(case, pads=cut), arrays)


@mutant(
    "conv2d",
    "grad_input",
    "dilation ignored in the gradient of the input where there is a stride",
    "max(dh, dw) > 1 and max(sh, sw) > 1",
)
def grad_input_dilation_ignored_if_strided(case: Any, arrays: Arrays) -> Any:
    return grad_input(walked(case, pads=case.pads, dilation=1), arrays)


@mutant(
    "conv2d",
    "grad_input",
    "the gradient of the input is shifted under padding=same with an even reach",
    "same and (reach_h % 2 == 0 or reach_w % 2 == 0)",
)
def grad_input_same_shifted(case: Any, arrays: Arrays) -> Any:
    return grad_input(walked(case, pads=tuple((high, low) for low, high in case.pads)), arrays)


@mutant(
    "conv2d",
    "grad_input",
    "the gradient of the input of images that are not square is transposed",
    "H != W and not depthwise",
)
def grad_input_transposed_image(case: Any, arrays: Arrays) -> Any:
    gradient = grad_input(case, arrays)
    return gradient.swapaxes(-1, -2).reshape(gradient.shape)


@mutant("conv2d", "grad_input", "every group's gradient of the input uses the first group's filters", "G > 1")
def grad_input_first_groups_filters(case: Any, arrays: Arrays) -> Any:
    first = arrays["weight"][: case.filters // case.groups]
    return grad_input(case, arrays | {"weight": np.tile(first, (case.groups, 1, 1, 1))})


@mutant("conv2d", "grad_input", "the gradient of the input of every group past the first is zero", "G > 1")
def grad_input_of_first_group(case: Any, arrays: Arrays) -> Any:
    gradient = grad_input(case, arrays)
    gradient[:, case.channels // case.groups :] = 0
    return gradient


@mutant(
    "conv2d",
    "grad_input",
    "the filter offset of a group uses C/G for K/G in the gradient of the input",
    "G > 1 and CG != KG",
)
def grad_input_group_offset(case: Any, arrays: Arrays) -> Any:
    c, k = case.channels // case.groups, case.filters // case.groups
    read = (np.arange(case.groups)[:, None] * c + np.arange(k)).reshape(-1) % case.filters
    return grad_input(case, arrays | {"weight": arrays["weight"][read]})


@mutant(
    "conv2d",
    "grad_input",
    "the gradient of the input of groups with dilation ignores the dilation",
    "G > 1 and max(dh, dw) > 1",
)
def grad_input_groups_with_dilation(case: Any, arrays: Arrays) -> Any:
    return grad_input(walked(case, pads=case.pads, dilation=1), arrays)


@mutant(
    "conv2d",
    "grad_input",
    "the depthwise gradient of the input ignores the stride",
    "depthwise and max(sh, sw) > 1",
)
def grad_input_depthwise_ignores_stride(case: Any, arrays: Arrays) -> Any:
    return grad_input(walked(case, stride=1), arrays)


@mutant(
    "conv2d",
    "grad_input",
    "the depthwise gradient of the input takes one filter a channel where there are several",
    "depthwise and KG > 1",
)
def grad_input_depthwise_multiplier(case: Any, arrays: Arrays) -> Any:
    grad = arrays["grad_output"].copy()
    by_group(case, grad)[:, :, 1:] = 0
    return grad_input(case, arrays | {"grad_output": grad})


@mutant("conv2d", "grad_input", "every image's gradient of the input is the first one's", "N > 1")
def grad_input_of_first_image(case: Any, arrays: Arrays) -> Any:
    return np.repeat(grad_input(case, arrays)[:1], case.batch, axis=0)


@mutant("conv2d", "grad_input", "the gradient of the input is scaled by 1/N", "N > 1")
def grad_input_over_batch(case: Any, arrays: Arrays) -> Any:
    return grad_input(case, arrays) / case.batch


@mutant("conv2d", "grad_input", "grad_output taken for ones in the gradient of the input")
def grad_input_of_ones(case: Any, arrays: Arrays) -> Any:
    return grad_input(case, arrays | {"grad_output": np.ones_like(arrays["grad_output"])})


@mutant(
    "conv2d",
    "grad_input",
    "one element of grad_output is used for all in the gradient of the input",
    "P * Q > 1",
)
def grad_input_of_constant(case: Any, arrays: Arrays) -> Any:
    grad = arrays["grad_output"]
    return grad_input(case, arrays | {"grad_output": np.broadcast_to(grad[..., :1, :1], grad.shape)})


@mutant(
    "conv2d", "grad_input", "square grad_output is read transposed in the gradient of the input", "P == Q > 1"
)
def grad_input_of_transposed_grad(case: Any, arrays: Arrays) -> Any:
    return grad_input(case, arrays | {"grad_output": arrays["grad_output"].swapaxes(-1, -2)})


@mutant(
    "conv2d", "grad_input", "the last row of grad_output is left out of the gradient of the input", "P > 1"
)
def grad_input_without_last_row(case: Any, arrays: Arrays) -> Any:
    return grad_input(
        case, arrays | {"grad_output": _but_last(arrays["grad_output"], (..., slice(-1, None), slice(None)))}
    )


@mutant(
    "conv2d",
    "grad_input",
    "the gradient of the input leaves the last column out where the stride leaves columns over",
    "rest_w > 0",
)
def grad_input_without_last_column(case: Any, arrays: Arrays) -> Any:
    return grad_input(
        case, arrays | {"grad_output": _but_last(arrays["grad_output"], (..., slice(-1, None)))}
    )


@mutant(
    "conv2d", "grad_input", "the gradient of the input is zero at the first row and column", "H > 1 and W > 1"
)
def grad_input_zero_border(case: Any, arrays: Arrays) -> Any:
    gradient = grad_input(case, arrays)
    gradient[..., 0, :] = gradient[..., 0] = 0
    return gradient


@mutant("conv2d", "grad_input", "long filters: taps beyond 5 give no gradient of the input", "R > 5 or S > 5")
def grad_input_filters_cut(case: Any, arrays: Arrays) -> Any:
    weight = arrays["weight"].copy()
    weight[..., 5:, :] = 0
    weight[..., 5:] = 0
    return grad_input(case, arrays | {"weight": weight})


@mutant(
    "conv2d",
    "grad_input grad_weight",
    "without a bias the gradients of input and weight leave out the last filter",
    "not bias and K > 1",
)
def gradients_without_bias_lose_a_filter(case: Any, arrays: Arrays) -> Answers:
    return conv_backward(
        case, arrays | {"grad_output": _but_last(arrays["grad_output"], (slice(None), slice(-1, None)))}
    )


@mutant(
    "conv2d",
    "grad_input grad_weight",
    "all gradients flip the filter where it has an even size",
    "R % 2 == 0 or S % 2 == 0",
)
def gradients_flip_even_filters(case: Any, arrays: Arrays) -> Answers:
    flipped = conv_backward(case, arrays | {"weight": arrays["weight"][..., ::-1, ::-1]})
    return flipped | {"grad_weight": flipped["grad_weight"][..., ::-1, ::-1]}


def _but_last(array: Array, where: tuple[Any, ...]) -> Any:
    array = array.copy()
    array[where] = 0
    return array


# The gradient of the weight.


@mutant("conv2d", "grad_weight", "the gradient of the weight comes back flipped", "R > 1 or S > 1")
def grad_weight_flipped(case: Any, arrays: Arrays) -> Any:
    return grad_weight(case, arrays)[..., ::-1, ::-1]


@mutant("conv2d", "grad_weight", "the gradient of square filters comes back transposed", "R == S > 1")
def grad_weight_transposed(case: Any, arrays: Arrays) -> Any:
    return grad_weight(case, arrays).swapaxes(-1, -2)


@mutant(
    "conv2d",
    "grad_weight",
    "the gradient of filters that are not square has their axes swapped",
    "R != S and R > 1 and S > 1",
)
def grad_weight_axes_swapped(case: Any, arrays: Arrays) -> Any:
    gradient = grad_weight(case, arrays)
    return gradient.swapaxes(-1, -2).reshape(gradient.shape)


@mutant(
    "conv2d",
    "grad_weight",
    "input and output channels are swapped in the gradient of the weight",
    "K == CG > 1",
)
def grad_weight_channels_swapped(case: Any, arrays: Arrays) -> Any:
    return grad_weight(case, arrays).swapaxes(0, 1)


@mutant(
    "conv2d", "grad_weight", "every group's gradient of the weight reads the first group's input", "G > 1"
)
def grad_weight_reads_the_first_group(case: Any, arrays: Arrays) -> Any:
    first = arrays["input"][:, : case.channels // case.groups]
    return grad_weight(case, arrays | {"input": np.tile(first, (1, case.groups, 1, 1))})


@mutant("conv2d", "grad_weight", "the gradient of the weight is added over the groups", "G > 1")
def grad_weight_added_over_groups(case: Any, arrays: Arrays) -> Any:
    gradient = grad_weight(case, arrays)
    groups = gradient.reshape(case.groups, -1, *gradient.shape[1:])
    return np.tile(groups.sum(axis=0), (case.groups, 1, 1, 1))


@mutant("conv2d", "grad_weight", "the gradient of the weight is divided by the number of groups", "G > 1")
def grad_weight_over_groups(case: Any, arrays: Arrays) -> Any:
    return grad_weight(case, arrays) / case.groups


@mutant(
    "conv2d",
    "grad_weight",
    "the channel offset of a group uses K/G for C/G in the gradient of the weight",
    "G > 1 and CG != KG",
)
def grad_weight_group_offset(case: Any, arrays: Arrays) -> Any:
    c, k = case.channels // case.groups, case.filters // case.groups
    read = (np.arange(case.groups)[:, None] * k + np.arange(c)).reshape(-1) % case.channels
    return grad_weight(case, arrays | {"input": arrays["input"][:, read]})


@mutant(
    "conv2d",
    "grad_weight",
    "the depthwise gradient of the weight ignores the padding",
    "depthwise and padded",
)
def grad_weight_depthwise_ignores_padding(case: Any, arrays: Arrays) -> Any:
    return grad_weight(walked(case, pads=((0, 0), (0, 0))), arrays)


@mutant(
    "conv2d",
    "grad_weight",
    "the depthwise gradient of the weight is the first image's",
    "depthwise and N > 1",
)
def grad_weight_depthwise_of_first_image(case: Any, arrays: Arrays) -> Any:
    return grad_weight(case, _some_images(arrays, slice(0, 1)))


@mutant("conv2d", "grad_weight", "the gradient of the weight is scaled by 1/N", "N > 1")
def grad_weight_over_batch(case: Any, arrays: Arrays) -> Any:
    return grad_weight(case, arrays) / case.batch


@mutant(
    "conv2d",
    "grad_weight",
    "the gradient of the weight is a mean over images and positions, not a sum",
    "N * P * Q > 1",
)
def grad_weight_mean(case: Any, arrays: Arrays) -> Any:
    return grad_weight(case, arrays) / (
        len(arrays["input"]) * case.output_extents[0] * case.output_extents[1]
    )


@mutant("conv2d", "grad_weight", "the gradient of the weight is the last image's alone", "N > 1")
def grad_weight_of_last_image(case: Any, arrays: Arrays) -> Any:
    return grad_weight(case, _some_images(arrays, slice(-1, None)))


@mutant("conv2d", "grad_weight", "the gradient of the weight is the first image's alone", "N > 1")
def grad_weight_of_first_image(case: Any, arrays: Arrays) -> Any:
    return grad_weight(case, _some_images(arrays, slice(0, 1)))


@mutant(
    "conv2d",
    "grad_weight",
    "the gradient of the weight leaves the last image of an odd batch out",
    "N > 1 and N % 2",
)
def grad_weight_odd_batch(case: Any, arrays: Arrays) -> Any:
    return grad_weight(case, _some_images(arrays, slice(0, -1)))


def _some_images(arrays: Arrays, some: slice) -> Arrays:
    return arrays | {name: arrays[name][some] for name in ("input", "grad_output")}


@mutant(
    "conv2d",
    "grad_weight",
    "padding=same is centred in the gradient of the weight",
    "same and (reach_h % 2 == 0 or reach_w % 2 == 0)",
)
def grad_weight_same_shifted(case: Any, arrays: Arrays) -> Any:
    return grad_weight(walked(case, pads=tuple((high, low) for low, high in case.pads)), arrays)


@mutant(
    "conv2d",
    "grad_weight",
    "stride ignored in the gradient of a 1x1 weight",
    "R == S == 1 and max(sh, sw) > 1",
)
def grad_weight_1x1_ignores_stride(case: Any, arrays: Arrays) -> Any:
    return grad_weight(walked(case, stride=1), arrays)


@mutant(
    "conv2d",
    "grad_weight",
    "stride and dilation exchanged in the gradient of the weight",
    "sh != dh or sw != dw",
)
def grad_weight_stride_for_dilation(case: Any, arrays: Arrays) -> Any:
    return grad_weight(walked(case, pads=case.pads, stride=dilations(case), dilation=strides(case)), arrays)


@mutant(
    "conv2d",
    "grad_weight",
    "dilation ignored in the gradient of the weight where there is a stride",
    "max(dh, dw) > 1 and max(sh, sw) > 1",
)
def grad_weight_dilation_ignored_if_strided(case: Any, arrays: Arrays) -> Any:
    return grad_weight(walked(case, pads=case.pads, dilation=1), arrays)


@mutant(
    "conv2d",
    "grad_weight",
    "stride of the height used for both axes in the gradient of square filters",
    "sh != sw and R == S",
)
def grad_weight_stride_of_height_if_square(case: Any, arrays: Arrays) -> Any:
    return grad_weight(with_option(case, "stride", lambda s: (s[0], s[0])), arrays)


@mutant("conv2d", "grad_weight", "the gradient of the weight leaves the last row of grad_output out", "P > 1")
def grad_weight_without_last_row(case: Any, arrays: Arrays) -> Any:
    return grad_weight(
        case, arrays | {"grad_output": _but_last(arrays["grad_output"], (..., slice(-1, None), slice(None)))}
    )


@mutant(
    "conv2d",
    "grad_weight",
    "the gradient of the weight leaves the last column out where the stride leaves columns over",
    "rest_w > 0",
)
def grad_weight_without_last_column(case: Any, arrays: Arrays) -> Any:
    return grad_weight(
        case, arrays | {"grad_output": _but_last(arrays["grad_output"], (..., slice(-1, None)))}
    )


@mutant(
    "conv2d",
    "grad_weight",
    "the gradient of the weight counts windows wholly inside the image only",
    "padded",
)
def grad_weight_of_inner_windows(case: Any, arrays: Arrays) -> Any:
    grad = arrays["grad_output"].copy()
    for axis in (0, 1):
        low, reach = case.pads[axis][0], dilations(case)[axis] * (case.kernel[axis] - 1)
        start = np.arange(case.output_extents[axis]) * strides(case)[axis] - low
        np.moveaxis(grad, axis + 2, 0)[(start < 0) | (start + reach >= case.image[axis])] = 0
    return grad_weight(case, arrays | {"grad_output": grad})


@mutant("conv2d", "grad_weight", "the border repeats the edge in the gradient of the weight", "padded")
def grad_weight_border_repeats_edge(case: Any, arrays: Arrays) -> Any:
    image = np.pad(arrays["input"], ((0, 0), (0, 0), *case.pads), mode="edge")
    return grad_weight(replace(case, image=image.shape[2:], padding=0), arrays | {"input": image})


@mutant(
    "conv2d", "grad_weight", "long filters: taps beyond 5 get no gradient of the weight", "R > 5 or S > 5"
)
def grad_weight_filters_cut(case: Any, arrays: Arrays) -> Any:
    gradient = grad_weight(case, arrays)
    gradient[..., 5:, :] = 0
    gradient[..., 5:] = 0
    return gradient


@mutant("conv2d", "grad_weight", "grad_output taken for ones in the gradient of the weight")
def grad_weight_of_ones(case: Any, arrays: Arrays) -> Any:
    return grad_weight(case, arrays | {"grad_output": np.ones_like(arrays["grad_output"])})


@mutant("conv2d", "grad_weight", "the gradient of the weight is NaN for an empty batch", "N == 0")
def grad_weight_nan_without_images(case: Any, arrays: Arrays) -> Any:
    return grad_weight(case, arrays) + np.nan


@mutant("conv2d", "grad_weight", "the gradient of the weight is left unwritten for an empty batch", "N == 0")
def grad_weight_garbage_without_images(case: Any, arrays: Arrays) -> Any:
    return grad_weight(case, arrays) + 99


@mutant("conv2d", "grad_weight", "the weight is added to its gradient, as weight decay does")
def grad_weight_decayed(case: Any, arrays: Arrays) -> Any:
    return grad_weight(case, arrays) + arrays["weight"]


@mutant(
    "conv2d",
    "grad_weight",
    "the gradient of the weight sums a single input channel twice",
    "CG == 1 and G == 1",
)
def grad_weight_one_channel_twice(case: Any, arrays: Arrays) -> Any:
    return 2 * grad_weight(case, arrays)


@mutant("conv2d", "grad_input", "NaN and infinities of grad_output are lost where there is padding",
        "padded and (nan or infinite)")  # fmt: skip
def grad_input_nan_lost_with_padding(case: Any, arrays: Arrays) -> Any:
    finite = np.nan_to_num(arrays["grad_output"], nan=0, posinf=0, neginf=0)
    return grad_input(case, arrays | {"grad_output": finite})


@mutant("conv2d", "grad_input", "zeros of grad_output are skipped: zero times a NaN of the weight is lost",
        "nan or infinite")  # fmt: skip
def grad_input_zeros_skipped(case: Any, arrays: Arrays) -> Any:
    some = {"grad_output": (arrays["grad_output"] != 0) * 1.0}
    met = grad_input(case, arrays | some | {"weight": np.where(np.isfinite(arrays["weight"]), 0.0, 1.0)})
    finite = {"weight": np.nan_to_num(arrays["weight"], nan=0, posinf=0, neginf=0)}
    return np.where(met > 0, grad_input(case, arrays), grad_input(case, arrays | finite))


@mutant("conv2d", "grad_weight", "images whose grad_output is 0 are skipped: zero times a NaN of the input is lost",
        "N > 1 and (nan or infinite)")  # fmt: skip
def grad_weight_zero_images_skipped(case: Any, arrays: Arrays) -> Any:
    some = (arrays["grad_output"] != 0).any(axis=(1, 2, 3))
    kept = {name: arrays[name][some] for name in ("input", "grad_output")}
    return grad_weight(replace(case, batch=int(some.sum())), arrays | kept)


@mutant("conv2d", "grad_input grad_weight", "a grad_output that is 0 throughout has gradients of 0: NaN is lost",
        "nan or infinite")  # fmt: skip
def zero_grad_output_skipped(case: Any, arrays: Arrays) -> Any:
    some = arrays["grad_output"].any()
    return {"grad_input": grad_input(case, arrays) if some else np.zeros(case.shapes["input"]),
            "grad_weight": grad_weight(case, arrays) if some else np.zeros(case.shapes["weight"])}  # fmt: skip


@mutant("conv2d", "grad_weight", "NaN in the input is taken for 0 in the gradient of the weight", "nan")
def grad_weight_nan_taken_for_zero(case: Any, arrays: Arrays) -> Any:
    return grad_weight(case, arrays | {"input": np.where(np.isnan(arrays["input"]), 0, arrays["input"])})


# The gradient of the bias.


@mutant(
    "conv2d", "grad_bias", "the gradient of the bias is a mean over the batch, not a sum", "N > 1 and bias"
)
def grad_bias_over_batch(case: Any, arrays: Arrays) -> Any:
    return arrays["grad_output"].sum(axis=(0, 2, 3)) / case.batch


@mutant(
    "conv2d",
    "grad_bias",
    "the gradient of the bias is a mean over images and positions, not a sum",
    "N * P * Q > 1 and bias",
)
def grad_bias_mean(case: Any, arrays: Arrays) -> Any:
    return arrays["grad_output"].mean(axis=(0, 2, 3))


@mutant("conv2d", "grad_bias", "the gradient of the bias keeps the batch axis", "bias")
def grad_bias_keeps_the_batch(case: Any, arrays: Arrays) -> Any:
    return arrays["grad_output"].sum(axis=(2, 3))


@mutant(
    "conv2d",
    "grad_bias",
    "the gradient of the bias sums filters and rows, and keeps the columns",
    "K > 1 and bias",
)
def grad_bias_over_wrong_axes(case: Any, arrays: Arrays) -> Any:
    return arrays["grad_output"].sum(axis=(0, 1, 2))


@mutant(
    "conv2d", "grad_bias", "the gradient of the bias sums the first row of grad_output only", "P > 1 and bias"
)
def grad_bias_of_first_row(case: Any, arrays: Arrays) -> Any:
    return arrays["grad_output"][:, :, 0].sum(axis=(0, 2))


@mutant(
    "conv2d",
    "grad_bias",
    "the gradient of the bias sums the first column of grad_output only",
    "Q > 1 and bias",
)
def grad_bias_of_first_column(case: Any, arrays: Arrays) -> Any:
    return arrays["grad_output"][..., 0].sum(axis=(0, 2))


@mutant("conv2d", "grad_bias", "the gradient of the bias is the last image's alone", "N > 1 and bias")
def grad_bias_of_last_image(case: Any, arrays: Arrays) -> Any:
    return arrays["grad_output"][-1].sum(axis=(1, 2))


@mutant("conv2d", "grad_bias", "the gradient of the bias of every group is the first one's", "G > 1 and bias")
def grad_bias_of_first_group(case: Any, arrays: Arrays) -> Any:
    return np.tile(arrays["grad_output"].sum(axis=(0, 2, 3))[: case.filters // case.groups], case.groups)


@mutant(
    "conv2d",
    "grad_bias",
    "the gradient of the bias is scaled by the taps of the filter",
    "R * S > 1 and bias",
)
def grad_bias_times_taps(case: Any, arrays: Arrays) -> Any:
    return arrays["grad_output"].sum(axis=(0, 2, 3)) * (case.kernel[0] * case.kernel[1])


@mutant(
    "conv2d", "grad_bias", "the gradient of the bias counts positions: grad_output taken for ones", "bias"
)
def grad_bias_of_ones(case: Any, arrays: Arrays) -> Any:
    return np.ones_like(arrays["grad_output"]).sum(axis=(0, 2, 3))


@mutant(
    "conv2d",
    "grad_bias",
    "the gradient of the bias is a number for every filter: their total",
    "K > 1 and bias",
)
def grad_bias_total(case: Any, arrays: Arrays) -> Any:
    return np.full(case.filters, arrays["grad_output"].sum())


@mutant("conv2d", "grad_bias", "the gradient of the bias is NaN for an empty batch", "N == 0 and bias")
def grad_bias_nan_without_images(case: Any, arrays: Arrays) -> Any:
    return np.full(case.filters, np.nan)


@mutant("conv2d", "grad_bias", "the gradient of the bias ignores negative gradients", "bias")
def grad_bias_of_positive(case: Any, arrays: Arrays) -> Any:
    return np.maximum(arrays["grad_output"], 0).sum(axis=(0, 2, 3))


@mutant(
    "conv2d", "grad_bias", "the gradient of the bias is zero where the batch is one image", "N == 1 and bias"
)
def grad_bias_of_one_image(case: Any, arrays: Arrays) -> Any:
    return np.zeros(case.filters)
