"""Mistakes of conv2d's answer: geometry, filters, borders, groups, batch, bias, and those of one fast path alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from conformance.cases.arrays import Array, Arrays
from conformance.kernels.mutants.axes import with_option
from conformance.kernels.mutants.functions import by_group
from conformance.kernels.mutants.registry import at_tap, dilations, mutant, strides, walked
from conformance.kernels.reference import conv, pad, taps

# Geometry.


def resized(case: Any, **options: Any) -> Any:
    """The case with other options and the answer's shape that follows; that of the case where there is none."""
    other = replace(case, **options)
    return walked(case, **options) if other.problem else other


@mutant(
    "conv2d",
    "output",
    "the answer has the shape of an undilated filter's where there is a stride",
    "max(dh, dw) > 1 and max(sh, sw) > 1 and not same",
)
def conv_sized_without_dilation(case: Any, arrays: Arrays) -> Any:
    other = replace(case, dilation=1)
    extents = zip(case.output_extents, other.output_extents, strict=True)
    return np.pad(conv(case, arrays), ((0, 0), (0, 0), *((0, large - small) for small, large in extents)))


@mutant("conv2d", "output", "dilation ignored where there is a stride", "max(dh, dw) > 1 and max(sh, sw) > 1")
def conv_dilation_ignored_if_strided(case: Any, arrays: Arrays) -> Any:
    return conv(walked(case, pads=case.pads, dilation=1), arrays)


@mutant("conv2d", "output", "dilation of height and width swapped under padding=same", "same and dh != dw")
def conv_dilation_swapped_under_same(case: Any, arrays: Arrays) -> Any:
    return conv(walked(case, dilation=dilations(case)[::-1]), arrays)


@mutant("conv2d", "output", "padding=same computed from the undilated filter", "same and max(dh, dw) > 1")
def conv_same_from_undilated(case: Any, arrays: Arrays) -> Any:
    return conv(walked(case, pads=replace(case, dilation=1).pads), arrays)


@mutant(
    "conv2d",
    "output",
    "padding=same puts the odd zero on the left and top",
    "same and (reach_h % 2 == 0 or reach_w % 2 == 0)",
)
def conv_same_odd_on_the_left(case: Any, arrays: Arrays) -> Any:
    return conv(walked(case, pads=tuple((high, low) for low, high in case.pads)), arrays)


@mutant(
    "conv2d",
    "output",
    "padding=same puts the odd zero on the left, in the width alone",
    "same and reach_w % 2 == 0",
)
def conv_same_odd_on_the_left_of_the_width(case: Any, arrays: Arrays) -> Any:
    return conv(walked(case, pads=(case.pads[0], case.pads[1][::-1])), arrays)


@mutant(
    "conv2d",
    "output",
    "padding=same drops the odd zero: the answer is one shorter",
    "same and (reach_h % 2 == 0 or reach_w % 2 == 0)",
)
def conv_same_drops_the_odd_zero(case: Any, arrays: Arrays) -> Any:
    p, q = (extent - (high - low) for extent, (low, high) in zip(case.output_extents, case.pads, strict=True))
    return conv(case, arrays)[..., :p, :q]


@mutant("conv2d", "output", "padding=same taken for no padding", "same and padded")
def conv_same_taken_for_valid(case: Any, arrays: Arrays) -> Any:
    return conv(walked(case, pads=((0, 0), (0, 0))), arrays)


@mutant(
    "conv2d",
    "output",
    "padding=same takes the padding of the height for the width",
    "same and reach_h != reach_w",
)
def conv_same_of_height(case: Any, arrays: Arrays) -> Any:
    return conv(walked(case, pads=(case.pads[0], case.pads[0])), arrays)


@mutant(
    "conv2d",
    "output",
    "dilation of the height used for the width where the filter is square",
    "dh != dw and R == S > 1",
)
def conv_dilation_of_height_if_square(case: Any, arrays: Arrays) -> Any:
    return conv(with_option(case, "dilation", lambda d: (d[0], d[0])), arrays)


@mutant(
    "conv2d",
    "output",
    "stride of the height used for the width where the filter is square",
    "sh != sw and R == S",
)
def conv_stride_of_height_if_square(case: Any, arrays: Arrays) -> Any:
    return conv(walked(case, stride=strides(case)[0]), arrays)


@mutant(
    "conv2d", "output", "padding is multiplied by the dilation", "max(dh, dw) > 1 and padded and not same"
)
def conv_padding_times_dilation(case: Any, arrays: Arrays) -> Any:
    pairs = zip(case.axes(case.padding) if case.padding != "valid" else (0, 0), dilations(case), strict=True)
    return conv(walked(case, padding=tuple(p * d for p, d in pairs)), arrays)


@mutant("conv2d", "output", "strides beyond 2 taken for 2", "max(sh, sw) > 2")
def conv_stride_at_most_2(case: Any, arrays: Arrays) -> Any:
    return conv(walked(case, stride=tuple(min(s, 2) for s in strides(case))), arrays)


@mutant("conv2d", "output", "dilations beyond 2 taken for 2", "max(dh, dw) > 2 and (R > 1 or S > 1)")
def conv_dilation_at_most_2(case: Any, arrays: Arrays) -> Any:
    return conv(walked(case, pads=case.pads, dilation=tuple(min(d, 2) for d in dilations(case))), arrays)


@mutant("conv2d", "output", "strides longer than the filter taken for its length", "sh > R or sw > S")
def conv_stride_beyond_filter(case: Any, arrays: Arrays) -> Any:
    return conv(walked(case, stride=tuple(map(min, strides(case), case.kernel))), arrays)


@mutant(
    "conv2d",
    "output",
    "padding as long as the filter or longer is cut to one less",
    "padded and (ph >= R or pw >= S)",
)
def conv_padding_beyond_filter(case: Any, arrays: Arrays) -> Any:
    cut = tuple((min(low, k - 1), high) for (low, high), k in zip(case.pads, case.kernel, strict=True))
    return conv(walked(case, pads=cut), arrays)


@mutant(
    "conv2d",
    "output",
    "the last row of windows is not written where the stride leaves rows over",
    "rest_h > 0",
)
def conv_last_row_if_remainder(case: Any, arrays: Arrays) -> Any:
    return _zeroed(conv(case, arrays), (..., slice(-1, None), slice(None)))


@mutant(
    "conv2d",
    "output",
    "the last column of windows is not written where the stride leaves columns over",
    "rest_w > 0",
)
def conv_last_column_if_remainder(case: Any, arrays: Arrays) -> Any:
    return _zeroed(conv(case, arrays), (..., slice(-1, None)))


@mutant("conv2d", "output", "the last column is not written where the filter has an even width", "S % 2 == 0")
def conv_last_column_if_even(case: Any, arrays: Arrays) -> Any:
    return _zeroed(conv(case, arrays), (..., slice(-1, None)))


@mutant("conv2d", "output", "the last row is not written where the filter has an even height", "R % 2 == 0")
def conv_last_row_if_even(case: Any, arrays: Arrays) -> Any:
    return _zeroed(conv(case, arrays), (..., slice(-1, None), slice(None)))


@mutant(
    "conv2d",
    "output",
    "filters of an even size are aligned one pixel to the right",
    "R % 2 == 0 or S % 2 == 0",
)
def conv_even_filter_shifted(case: Any, arrays: Arrays) -> Any:
    pads = tuple(
        (low - (k % 2 == 0), high + 1) for (low, high), k in zip(case.pads, case.kernel, strict=True)
    )
    if min(low for low, _ in pads) >= 0:
        return conv(walked(case, pads=pads), arrays)
    shifted = np.pad(arrays["input"], ((0, 0), (0, 0), (0, 1), (0, 1)))
    shifted = shifted[..., 1 if case.kernel[0] % 2 == 0 else 0 :, 1 if case.kernel[1] % 2 == 0 else 0 :]
    return conv(case, arrays | {"input": shifted[..., : case.image[0], : case.image[1]]})


@mutant(
    "conv2d",
    "output",
    "a filter as large as the padded image answers zero",
    "reach_h == H + 2 * ph and reach_w == W + 2 * pw",
)
def conv_filter_as_large_as_image(case: Any, arrays: Arrays) -> Any:
    return 0 * conv(case, arrays)


@mutant("conv2d", "output", "rows and columns of the answer are swapped where it is square", "P == Q > 1")
def conv_answer_transposed_if_square(case: Any, arrays: Arrays) -> Any:
    return conv(case, arrays).swapaxes(-1, -2)


@mutant("conv2d", "output", "images taller than they are wide are read transposed", "H > W")
def conv_tall_image_read_transposed(case: Any, arrays: Arrays) -> Any:
    image = arrays["input"]
    return conv(case, arrays | {"input": image.swapaxes(-1, -2).reshape(image.shape)})


def _zeroed(array: Array, where: tuple[Any, ...]) -> Any:
    array[where] = 0
    return array


# Filters.


def _weighing(arrays: Arrays, weight: Array) -> Arrays:
    return arrays | {"weight": weight}


@mutant("conv2d", "output", "the filter is flipped: a convolution, not a cross-correlation", "R > 1 or S > 1")
def conv_filter_flipped(case: Any, arrays: Arrays) -> Any:
    return conv(case, _weighing(arrays, arrays["weight"][..., ::-1, ::-1]))


@mutant("conv2d", "output", "the filter is flipped along its height", "R > 1")
def conv_filter_flipped_in_height(case: Any, arrays: Arrays) -> Any:
    return conv(case, _weighing(arrays, arrays["weight"][..., ::-1, :]))


@mutant("conv2d", "output", "the filter is flipped along its width", "S > 1")
def conv_filter_flipped_in_width(case: Any, arrays: Arrays) -> Any:
    return conv(case, _weighing(arrays, arrays["weight"][..., ::-1]))


@mutant("conv2d", "output", "square filters are transposed", "R == S > 1")
def conv_square_filter_transposed(case: Any, arrays: Arrays) -> Any:
    return conv(case, _weighing(arrays, arrays["weight"].swapaxes(-1, -2)))


@mutant(
    "conv2d",
    "output",
    "filters that are not square are read with height and width swapped",
    "R != S and R > 1 and S > 1",
)
def conv_filter_read_with_axes_swapped(case: Any, arrays: Arrays) -> Any:
    weight = arrays["weight"]
    return conv(case, _weighing(arrays, weight.swapaxes(-1, -2).reshape(weight.shape)))


@mutant(
    "conv2d",
    "output",
    "input and output channels of the weight are swapped where they are as many",
    "K == CG > 1",
)
def conv_weight_channels_swapped(case: Any, arrays: Arrays) -> Any:
    return conv(case, _weighing(arrays, arrays["weight"].swapaxes(0, 1)))


@mutant("conv2d", "output", "weight read as (K, R, S, C)", "CG > 1 and (R > 1 or S > 1)")
def conv_weight_read_channels_last(case: Any, arrays: Arrays) -> Any:
    weight = arrays["weight"]
    k, c, r, s = weight.shape
    return conv(case, _weighing(arrays, weight.reshape(k, r, s, c).transpose(0, 3, 1, 2)))


@mutant("conv2d", "output", "the last tap of each row of the filter is skipped", "S > 1")
def conv_last_tap_of_row_skipped(case: Any, arrays: Arrays) -> Any:
    return conv(case, _weighing(arrays, _cut(arrays["weight"], case.kernel[0], case.kernel[1] - 1)))


@mutant("conv2d", "output", "the last row of the filter is skipped", "R > 1")
def conv_last_row_of_filter_skipped(case: Any, arrays: Arrays) -> Any:
    return conv(case, _weighing(arrays, _cut(arrays["weight"], case.kernel[0] - 1, case.kernel[1])))


@mutant("conv2d", "output", "the first tap is skipped", "R > 1 or S > 1")
def conv_first_tap_skipped(case: Any, arrays: Arrays) -> Any:
    weight = arrays["weight"].copy()
    weight[..., 0, 0] = 0
    return conv(case, _weighing(arrays, weight))


@mutant(
    "conv2d", "output", "the filter's height is used for its width: columns beyond it are skipped", "S > R"
)
def conv_filter_width_cut_to_height(case: Any, arrays: Arrays) -> Any:
    return conv(case, _weighing(arrays, _cut(arrays["weight"], case.kernel[0], case.kernel[0])))


for _length in (3, 4, 5, 7):

    def _longer(case: Any, arrays: Arrays, length: int = _length) -> Any:
        return conv(case, _weighing(arrays, _cut(arrays["weight"], length, length)))

    mutant(
        "conv2d", "output", f"filters longer than {_length} are cut to {_length} taps an axis",
        f"R > {_length} or S > {_length}", f"conv_filters_cut_to_{_length}",
    )(_longer)  # fmt: skip


def _cut(weight: Array, rows: int, columns: int) -> Any:
    """The filter without the taps past some rows and columns."""
    kept = np.zeros_like(weight)
    kept[..., :rows, :columns] = weight[..., :rows, :columns]
    return kept


# Borders.


def bordered(case: Any, arrays: Arrays, mode: str = "constant", **options: Any) -> Any:
    """The answer with the border filled by np.pad's mode instead of zeros."""
    image = np.pad(arrays["input"], ((0, 0), (0, 0), *case.pads), mode=mode, **options)  # type: ignore[call-overload]
    return _on_padded(case, arrays, image)


def _on_padded(case: Any, arrays: Arrays, image: Array) -> Any:
    """The answer on an image that is already padded."""
    return conv(replace(case, image=image.shape[2:], padding=0), arrays | {"input": image})


def _framed(case: Any, arrays: Arrays, value: float, sides: str) -> Any:
    """The padded image with `value` on some sides of the border."""
    (top, bottom), (left, right) = case.pads
    image = np.pad(arrays["input"], ((0, 0), (0, 0), *case.pads))
    height, width = image.shape[2:]
    strips = {
        "top": (..., slice(0, top), slice(None)),
        "bottom": (..., slice(height - bottom, None), slice(None)),
        "left": (..., slice(0, left)),
        "right": (..., slice(width - right, None)),
    }
    for side in sides.split():
        image[strips[side]] = value
    return image


@mutant("conv2d", "output", "the border repeats the edge of the image instead of zeros", "padded")
def conv_border_repeats_edge(case: Any, arrays: Arrays) -> Any:
    return bordered(case, arrays, "edge")


@mutant("conv2d", "output", "the border wraps around to the other side of the image", "padded")
def conv_border_wraps(case: Any, arrays: Arrays) -> Any:
    return bordered(case, arrays, "wrap")


@mutant("conv2d", "output", "the border mirrors the image instead of zeros", "padded")
def conv_border_mirrors(case: Any, arrays: Arrays) -> Any:
    return bordered(case, arrays, "reflect" if min(case.image) > 1 else "symmetric")


@mutant("conv2d", "output", "the border is one, not zero", "padded")
def conv_border_of_ones(case: Any, arrays: Arrays) -> Any:
    return bordered(case, arrays, constant_values=1)


for _side in ("top", "bottom", "left", "right"):

    def _stale(case: Any, arrays: Arrays, side: str = _side) -> Any:
        return _on_padded(case, arrays, _framed(case, arrays, 7, side))

    mutant(
        "conv2d", "output", f"the {_side} border reads stale data", "padded", f"conv_{_side}_border_stale",
    )(_stale)  # fmt: skip


@mutant(
    "conv2d",
    "output",
    "columns left and right of the image are read from the neighbouring rows",
    "padded and H > 1",
)
def conv_border_reads_neighbouring_rows(case: Any, arrays: Arrays) -> Any:
    height, width = case.image
    rows, columns = (np.arange(-low, n + high) for n, (low, high) in zip(case.image, case.pads, strict=True))
    flat = rows[:, None] * width + columns
    inside = (flat >= 0) & (flat < height * width) & ((rows >= 0) & (rows < height))[:, None]
    planes = arrays["input"].reshape(*arrays["input"].shape[:2], height * width)
    return _on_padded(case, arrays, np.where(inside, planes[..., np.clip(flat, 0, height * width - 1)], 0))


@mutant(
    "conv2d",
    "output",
    "rows above and below the image are read from the neighbouring channels",
    "padded and C > 1",
)
def conv_border_reads_neighbouring_channels(case: Any, arrays: Arrays) -> Any:
    (top, bottom), (left, right) = case.pads
    image = np.pad(arrays["input"], ((0, 0), (0, 0), (0, 0), (left, right)))
    tall = image.reshape(len(image), case.channels * case.image[0], image.shape[-1])
    rows = np.arange(case.channels)[:, None] * case.image[0] + np.arange(-top, case.image[0] + bottom)
    inside = (rows >= 0) & (rows < tall.shape[1])
    return _on_padded(
        case, arrays, np.where(inside[..., None], tall[:, np.clip(rows, 0, tall.shape[1] - 1)], 0)
    )


@mutant(
    "conv2d", "output", "corner taps that leave the image on both axes read its corner", "ph > 0 and pw > 0"
)
def conv_corners_read_the_image(case: Any, arrays: Arrays) -> Any:
    edge = np.pad(arrays["input"], ((0, 0), (0, 0), *case.pads), mode="edge")
    outside = [np.ones(n + low + high, bool) for n, (low, high) in zip(case.image, case.pads, strict=True)]
    for axis, (low, _) in zip((0, 1), case.pads, strict=True):
        outside[axis][low : low + case.image[axis]] = False
    zero = np.pad(arrays["input"], ((0, 0), (0, 0), *case.pads))
    return _on_padded(case, arrays, np.where(outside[0][:, None] & outside[1], edge, zero))


@mutant("conv2d", "output", "padding of the width beyond 1 taken for 1", "pw > 1")
def conv_padding_at_most_1(case: Any, arrays: Arrays) -> Any:
    return conv(walked(case, pads=(case.pads[0], (1, case.pads[1][1]))), arrays)


@mutant(
    "conv2d",
    "output",
    "a window that lies wholly in the border leaves out the bias",
    "bias and (ph >= reach_h or pw >= reach_w)",
)
def conv_bias_lost_in_the_border(case: Any, arrays: Arrays) -> Any:
    ones = replace(case, bias=False, channels=1, filters=1, groups=1)
    everywhere = {"input": np.ones((1, 1, *case.image)), "weight": np.ones((1, 1, *case.kernel))}
    touched = conv(ones, everywhere)[0, 0] > 0
    return np.where(touched, conv(case, arrays), 0)


# Fast paths that go wrong on their own cases alone.


@mutant("conv2d", "output", "the 1x1 path ignores the stride", "R == S == 1 and max(sh, sw) > 1")
def conv_1x1_ignores_stride(case: Any, arrays: Arrays) -> Any:
    return conv(walked(case, stride=1), arrays)


@mutant("conv2d", "output", "the 1x1 path ignores the padding", "R == S == 1 and padded")
def conv_1x1_ignores_padding(case: Any, arrays: Arrays) -> Any:
    return conv(walked(case, pads=((0, 0), (0, 0))), arrays)


@mutant(
    "conv2d",
    "output",
    "the 1x1 path takes the stride of the height for both axes",
    "R == S == 1 and sh != sw",
)
def conv_1x1_stride_of_height(case: Any, arrays: Arrays) -> Any:
    return conv(walked(case, stride=strides(case)[0]), arrays)


@mutant("conv2d", "output", "the 1x1 path leaves out the bias", "R == S == 1 and bias")
def conv_1x1_without_bias(case: Any, arrays: Arrays) -> Any:
    return conv(replace(case, bias=False), arrays)


@mutant(
    "conv2d", "output", "the 1x1 path lets every group read the first one's channels", "R == S == 1 and G > 1"
)
def conv_1x1_reads_the_first_group(case: Any, arrays: Arrays) -> Any:
    return conv(case, _first_group(case, arrays))


@mutant(
    "conv2d", "output", "filters of one row ignore the padding of the height", "R == 1 and S > 1 and ph > 0"
)
def conv_one_row_ignores_padding(case: Any, arrays: Arrays) -> Any:
    return conv(walked(case, pads=((0, 0), case.pads[1])), arrays)


@mutant(
    "conv2d", "output", "filters of one column ignore the stride of the width", "S == 1 and R > 1 and sw > 1"
)
def conv_one_column_ignores_stride(case: Any, arrays: Arrays) -> Any:
    return conv(walked(case, stride=(strides(case)[0], 1)), arrays)


@mutant(
    "conv2d",
    "output",
    "the path for stride 1 without dilation ignores the padding",
    "max(sh, sw, dh, dw) == 1 and padded and max(R, S) > 1",
)
def conv_unit_stride_ignores_padding(case: Any, arrays: Arrays) -> Any:
    return conv(walked(case, pads=((0, 0), (0, 0))), arrays)


@mutant(
    "conv2d",
    "output",
    "the path for stride 1 without dilation repeats the edge in the border",
    "max(sh, sw, dh, dw) == 1 and padded and max(R, S) > 1",
)
def conv_unit_stride_repeats_edge(case: Any, arrays: Arrays) -> Any:
    return bordered(case, arrays, "edge")


@mutant(
    "conv2d",
    "output",
    "the 3x3 path always pads by 1",
    "R == S == 3 and max(sh, sw, dh, dw) == 1 and (ph != 1 or pw != 1)",
)
def conv_3x3_always_pads(case: Any, arrays: Arrays) -> Any:
    return conv(walked(case, pads=((1, 1), (1, 1))), arrays)


@mutant(
    "conv2d",
    "output",
    "the 3x3 path leaves an odd last column of its 2x2 tiles out",
    "R == S == 3 and max(sh, sw, dh, dw) == 1 and Q % 2",
)
def conv_3x3_odd_column(case: Any, arrays: Arrays) -> Any:
    return _zeroed(conv(case, arrays), (..., slice(-1, None)))


@mutant(
    "conv2d",
    "output",
    "the 3x3 path with stride 2 starts one pixel to the right",
    "R == S == 3 and sh == sw == 2 and W > 3",
)
def conv_3x3_stride_2_shifted(case: Any, arrays: Arrays) -> Any:
    image = np.pad(arrays["input"], ((0, 0), (0, 0), (0, 0), (0, 1)))[..., 1:]
    return conv(case, arrays | {"input": image})


@mutant(
    "conv2d",
    "output",
    "the unpadded path ignores the stride of the height",
    "not padded and sh > 1 and P > 1",
)
def conv_unpadded_ignores_stride(case: Any, arrays: Arrays) -> Any:
    return conv(walked(case, stride=(1, strides(case)[1])), arrays)


@mutant("conv2d", "output", "the dilated path ignores the padding of the width", "max(dh, dw) > 1 and pw > 0")
def conv_dilated_ignores_padding(case: Any, arrays: Arrays) -> Any:
    return conv(walked(case, pads=(case.pads[0], (0, 0))), arrays)


@mutant("conv2d", "output", "the dilated path leaves out the bias", "max(dh, dw) > 1 and bias")
def conv_dilated_without_bias(case: Any, arrays: Arrays) -> Any:
    return conv(replace(case, bias=False), arrays)


@mutant("conv2d", "output", "one image, the path for a batch of one, leaves out the bias", "N == 1 and bias")
def conv_one_image_without_bias(case: Any, arrays: Arrays) -> Any:
    return conv(replace(case, bias=False), arrays)


@mutant(
    "conv2d", "output", "one image, the path for a batch of one, skips the last filter", "N == 1 and K > 1"
)
def conv_one_image_skips_the_last_filter(case: Any, arrays: Arrays) -> Any:
    return _zeroed(conv(case, arrays), (slice(None), slice(-1, None)))


@mutant(
    "conv2d",
    "output",
    "an unbatched input with as many channels as filters is taken for a batch",
    "unbatched and C == K > 1 and G == 1",
)
def conv_unbatched_taken_for_batch(case: Any, arrays: Arrays) -> Any:
    plain = replace(case, batch=case.channels, channels=1, filters=1, bias=False)
    return conv(plain, {"input": arrays["input"][0][:, None], "weight": arrays["weight"][:1, :1]}).swapaxes(
        0, 1
    )


@mutant(
    "conv2d",
    "output",
    "a single input channel is read for its first column only",
    "CG == 1 and S > 1 and not depthwise",
)
def conv_one_channel_skips_taps(case: Any, arrays: Arrays) -> Any:
    return conv(case, _weighing(arrays, _cut(arrays["weight"], case.kernel[0], 1)))


@mutant("conv2d", "output", "without a bias the first weight is added", "not bias")
def conv_absent_bias_reads_weight(case: Any, arrays: Arrays) -> Any:
    return conv(case, arrays) + arrays["weight"].reshape(-1)[0]


@mutant(
    "conv2d", "output", "answers of a single pixel leave out the last input channel", "P == Q == 1 and CG > 1"
)
def conv_single_pixel_loses_a_channel(case: Any, arrays: Arrays) -> Any:
    weight = arrays["weight"].copy()
    weight[:, -1] = 0
    return conv(case, _weighing(arrays, weight))


# Groups.


def _first_group(case: Any, arrays: Arrays) -> Arrays:
    return arrays | {
        "input": np.tile(arrays["input"][:, : case.channels // case.groups], (1, case.groups, 1, 1))
    }


def _channels_read(case: Any, arrays: Arrays, read: Any) -> Any:
    """The answer where channel c of group g is read at `read(g, c)`, kept inside the input."""
    groups, per_group = case.groups, case.channels // case.groups
    channels = [read(g, c) % case.channels for g in range(groups) for c in range(per_group)]
    return conv(case, arrays | {"input": arrays["input"][:, channels]})


@mutant("conv2d", "output", "groups ignored: all filters read the first group's channels", "G > 1")
def conv_groups_read_the_first(case: Any, arrays: Arrays) -> Any:
    return conv(case, _first_group(case, arrays))


@mutant("conv2d", "output", "input channels dealt to the groups round robin", "G > 1 and CG > 1")
def conv_groups_deal_channels(case: Any, arrays: Arrays) -> Any:
    return _channels_read(case, arrays, lambda g, c: c * case.groups + g)


@mutant("conv2d", "output", "filters dealt to the groups round robin", "G > 1 and KG > 1")
def conv_groups_deal_filters(case: Any, arrays: Arrays) -> Any:
    return conv(replace(case, bias=False), arrays).reshape(
        -1, case.groups, case.filters // case.groups, *case.output_extents
    ).swapaxes(1, 2).reshape(-1, case.filters, *case.output_extents) + _bias(case, arrays)  # fmt: skip


@mutant("conv2d", "output", "the channel offset of a group uses K/G for C/G", "G > 1 and CG != KG")
def conv_group_offset_uses_filters(case: Any, arrays: Arrays) -> Any:
    return _channels_read(case, arrays, lambda g, c: g * (case.filters // case.groups) + c)


@mutant("conv2d", "output", "the last group is not written", "G > 1")
def conv_last_group_unwritten(case: Any, arrays: Arrays) -> Any:
    return _zeroed(conv(case, arrays), (slice(None), slice(-(case.filters // case.groups), None)))


@mutant("conv2d", "output", "the groups read their channels in reverse order", "G > 1")
def conv_groups_reversed(case: Any, arrays: Arrays) -> Any:
    return _channels_read(
        case, arrays, lambda g, c: (case.groups - 1 - g) * (case.channels // case.groups) + c
    )


@mutant(
    "conv2d",
    "output",
    "depthwise with several filters a channel reads channel k % C for k // (K/C)",
    "depthwise and KG > 1",
)
def conv_depthwise_multiplier(case: Any, arrays: Arrays) -> Any:
    dense = replace(case, channels=case.filters, groups=case.filters)
    return conv(dense, arrays | {"input": arrays["input"][:, np.arange(case.filters) % case.channels]})


@mutant("conv2d", "output", "the depthwise path ignores the dilation", "depthwise and max(dh, dw) > 1")
def conv_depthwise_ignores_dilation(case: Any, arrays: Arrays) -> Any:
    return conv(walked(case, pads=case.pads, dilation=1), arrays)


@mutant(
    "conv2d",
    "output",
    "the depthwise path takes the stride of the height for both axes",
    "depthwise and sh != sw",
)
def conv_depthwise_stride_of_height(case: Any, arrays: Arrays) -> Any:
    return conv(walked(case, stride=strides(case)[0]), arrays)


@mutant("conv2d", "output", "the depthwise path leaves out the bias", "depthwise and bias")
def conv_depthwise_without_bias(case: Any, arrays: Arrays) -> Any:
    return conv(replace(case, bias=False), arrays)


@mutant("conv2d", "output", "the depthwise path flips the filter", "depthwise and (R > 1 or S > 1)")
def conv_depthwise_flips(case: Any, arrays: Arrays) -> Any:
    return conv(case, _weighing(arrays, arrays["weight"][..., ::-1, ::-1]))


@mutant("conv2d", "output", "the depthwise path reads the first image for all", "depthwise and N > 1")
def conv_depthwise_batch(case: Any, arrays: Arrays) -> Any:
    return conv(case, arrays | {"input": np.broadcast_to(arrays["input"][:1], arrays["input"].shape)})


@mutant(
    "conv2d", "output", "groups with a stride read the first group's channels", "G > 1 and max(sh, sw) > 1"
)
def conv_groups_with_stride(case: Any, arrays: Arrays) -> Any:
    return conv(case, _first_group(case, arrays))


@mutant("conv2d", "output", "groups with dilation ignore the dilation", "G > 1 and max(dh, dw) > 1")
def conv_groups_with_dilation(case: Any, arrays: Arrays) -> Any:
    return conv(walked(case, pads=case.pads, dilation=1), arrays)


@mutant("conv2d", "output", "groups with padding ignore the padding", "G > 1 and padded")
def conv_groups_with_padding(case: Any, arrays: Arrays) -> Any:
    return conv(walked(case, pads=((0, 0), (0, 0))), arrays)


@mutant(
    "conv2d", "output", "groups in a batch: images past the first read the first group", "G > 1 and N > 1"
)
def conv_groups_in_a_batch(case: Any, arrays: Arrays) -> Any:
    return np.concatenate([conv(case, arrays)[:1], conv(case, _first_group(case, arrays))[1:]])


@mutant("conv2d", "output", "more than two groups: those past the second read the second", "G > 2")
def conv_groups_beyond_two(case: Any, arrays: Arrays) -> Any:
    return _channels_read(case, arrays, lambda g, c: min(g, 1) * (case.channels // case.groups) + c)


# Batch and bias.


def _bias(case: Any, arrays: Arrays) -> Any:
    return arrays["bias"].reshape(-1, 1, 1) if case.bias else np.zeros(())


def _rebiased(case: Any, arrays: Arrays, bias: Any) -> Any:
    return conv(case, arrays | {"bias": np.asarray(bias, np.float64)})


@mutant("conv2d", "output", "batch index ignored: every answer is the first image's", "N > 1")
def conv_batch_index_ignored(case: Any, arrays: Arrays) -> Any:
    return np.repeat(conv(case, arrays)[:1], case.batch, axis=0)


@mutant("conv2d", "output", "the last image of a batch is not written", "N > 1")
def conv_last_image_unwritten(case: Any, arrays: Arrays) -> Any:
    return _zeroed(conv(case, arrays), (slice(-1, None),))


@mutant("conv2d", "output", "images past the second are read from the second", "N > 2")
def conv_images_beyond_two(case: Any, arrays: Arrays) -> Any:
    return conv(case, arrays)[np.minimum(np.arange(case.batch), 1)]


@mutant("conv2d", "output", "a batch of 4 or more leaves out the padding", "N >= 4 and padded")
def conv_large_batch_ignores_padding(case: Any, arrays: Arrays) -> Any:
    return conv(walked(case, pads=((0, 0), (0, 0))), arrays)


@mutant("conv2d", "output", "the batch comes back in reverse", "N > 1")
def conv_batch_reversed(case: Any, arrays: Arrays) -> Any:
    return conv(case, arrays)[::-1]


@mutant("conv2d", "output", "bias ignored", "bias")
def conv_bias_ignored(case: Any, arrays: Arrays) -> Any:
    return conv(replace(case, bias=False), arrays)


@mutant("conv2d", "output", "bias added once for each tap of the filter", "bias and R * S > 1")
def conv_bias_per_tap(case: Any, arrays: Arrays) -> Any:
    return _rebiased(case, arrays, arrays["bias"] * (case.kernel[0] * case.kernel[1]))


@mutant("conv2d", "output", "bias added once for each input channel", "bias and CG > 1")
def conv_bias_per_channel(case: Any, arrays: Arrays) -> Any:
    return _rebiased(case, arrays, arrays["bias"] * (case.channels // case.groups))


@mutant("conv2d", "output", "bias added once for each group", "bias and G > 1")
def conv_bias_per_group(case: Any, arrays: Arrays) -> Any:
    return _rebiased(case, arrays, arrays["bias"] * case.groups)


@mutant("conv2d", "output", "bias added for the first group only", "bias and G > 1")
def conv_bias_of_first_group(case: Any, arrays: Arrays) -> Any:
    per_group = case.filters // case.groups
    return _rebiased(case, arrays, np.where(np.arange(case.filters) < per_group, arrays["bias"], 0))


@mutant("conv2d", "output", "every group takes the first group's bias", "bias and G > 1")
def conv_bias_of_first_group_for_all(case: Any, arrays: Arrays) -> Any:
    return _rebiased(case, arrays, np.tile(arrays["bias"][: case.filters // case.groups], case.groups))


@mutant("conv2d", "output", "bias added to the first image only", "bias and N > 1")
def conv_bias_of_first_image(case: Any, arrays: Arrays) -> Any:
    return np.concatenate([conv(case, arrays)[:1], conv(replace(case, bias=False), arrays)[1:]])


@mutant("conv2d", "output", "bias subtracted", "bias")
def conv_bias_subtracted(case: Any, arrays: Arrays) -> Any:
    return _rebiased(case, arrays, -arrays["bias"])


@mutant("conv2d", "output", "every filter takes the first bias", "bias and K > 1")
def conv_first_bias_for_all(case: Any, arrays: Arrays) -> Any:
    return _rebiased(case, arrays, np.full(case.filters, arrays["bias"][0]))


@mutant(
    "conv2d",
    "output",
    "bias goes along the columns where there are as many as filters",
    "bias and K == Q > 1",
)
def conv_bias_along_columns(case: Any, arrays: Arrays) -> Any:
    return conv(replace(case, bias=False), arrays) + arrays["bias"]


@mutant(
    "conv2d",
    "output",
    "the bias of the last filter is left out where filters are odd in number",
    "bias and K > 1 and K % 2",
)
def conv_bias_of_odd_filter(case: Any, arrays: Arrays) -> Any:
    bias = arrays["bias"].copy()
    bias[-1] = 0
    return _rebiased(case, arrays, bias)


@mutant("conv2d", "output", "the answer is clipped below at 0", "K > 0")
def conv_fused_relu(case: Any, arrays: Arrays) -> Any:
    return np.maximum(conv(case, arrays), 0)


# NaN and infinities.


@mutant("conv2d", "output", "zero weights are skipped: zero times NaN or infinity is lost", "nan or infinite")
def conv_zero_weights_skipped(case: Any, arrays: Arrays) -> Any:
    return _by_products(case, arrays, lambda x, w: np.where(w == 0, 0, x * w))


@mutant(
    "conv2d", "output", "zero inputs are skipped: zero times an infinite weight is lost", "nan or infinite"
)
def conv_zero_inputs_skipped(case: Any, arrays: Arrays) -> Any:
    return _by_products(case, arrays, lambda x, w: np.where(x == 0, 0, x * w))


@mutant("conv2d", "output", "groups whose weights are all 0 are skipped: zero times NaN or infinity is lost",
        "G > 1 and (nan or infinite)")  # fmt: skip
def conv_zero_groups_skipped(case: Any, arrays: Arrays) -> Any:
    used = arrays["weight"].reshape(case.groups, -1).any(axis=1).repeat(case.channels // case.groups)
    return conv(case, arrays | {"input": np.where(used[:, None, None], arrays["input"], 0)})


@mutant("conv2d", "output", "taps that are 0 in every filter are skipped: zero times NaN or infinity is lost",
        "R * S > 1 and (nan or infinite)")  # fmt: skip
def conv_zero_taps_skipped(case: Any, arrays: Arrays) -> Any:
    used = arrays["weight"].any(axis=(0, 1))
    return _by_products(case, arrays, lambda x, w: x * w, used)


@mutant("conv2d", "output", "an input that is 0 throughout answers the bias: zero times an infinite weight is lost",
        "nan or infinite")  # fmt: skip
def conv_zero_input_skipped(case: Any, arrays: Arrays) -> Any:
    return conv(
        case, arrays if arrays["input"].any() else arrays | {"weight": 0 * np.ones(case.shapes["weight"])}
    )


@mutant("conv2d", "output", "NaN in the input is taken for 0", "nan")
def conv_nan_taken_for_zero(case: Any, arrays: Arrays) -> Any:
    return conv(case, arrays | {"input": np.where(np.isnan(arrays["input"]), 0, arrays["input"])})


@mutant("conv2d", "output", "NaN in the bias is taken for 0", "nan and bias")
def conv_nan_in_bias_taken_for_zero(case: Any, arrays: Arrays) -> Any:
    return conv(case, arrays | {"bias": np.where(np.isnan(arrays["bias"]), 0, arrays["bias"])})


@mutant("conv2d", "output", "NaN and infinities in the bias reach every filter: it is multiplied by a unit matrix",
        "bias and K > 1 and (nan or infinite)")  # fmt: skip
def conv_bias_by_unit_matrix(case: Any, arrays: Arrays) -> Any:
    return conv(case, arrays | {"bias": (np.eye(case.filters) * arrays["bias"]).sum(axis=1)})


@mutant("conv2d", "output", "infinities are cut to the largest number", "infinite")
def conv_infinities_cut(case: Any, arrays: Arrays) -> Any:
    largest = float(np.finfo(case.dtype).max)
    return np.clip(conv(case, arrays), -largest, largest)


@mutant("conv2d", "output", "an infinite answer becomes NaN", "infinite")
def conv_infinity_becomes_nan(case: Any, arrays: Arrays) -> Any:
    output = conv(case, arrays)
    return np.where(np.isinf(output), np.nan, output)


@mutant(
    "conv2d", "output", "a NaN past the last window reaches the answer", "nan and (rest_h > 0 or rest_w > 0)"
)
def conv_nan_past_the_last_window(case: Any, arrays: Arrays) -> Any:
    return conv(case, arrays) + 0 * arrays["input"].sum(axis=(1, 2, 3), keepdims=True)


@mutant(
    "conv2d",
    "output",
    "a NaN reaches the whole row of its pixel: edge windows multiply by a mask of zeros",
    "nan and padded",
)
def conv_nan_spreads_along_its_row(case: Any, arrays: Arrays) -> Any:
    rows = np.broadcast_to(arrays["input"].sum(axis=-1, keepdims=True), arrays["input"].shape)
    return conv(case, arrays) + 0 * conv(case, arrays | {"input": rows})


def _by_products(case: Any, arrays: Arrays, product: Any, used: Any = None) -> Any:
    """The answer as a sum of `product(x, w)` tap by tap, of those that are used."""
    groups, n = case.groups, len(arrays["input"])
    weight = arrays["weight"].reshape(groups, case.filters // groups, -1, *case.kernel)
    padded = by_group(case, pad(arrays["input"], case.pads))
    output = np.zeros((n, groups, case.filters // groups, *case.output_extents))
    for tap, place in taps(case):
        if used is not None and not used[tap]:
            continue
        factor = at_tap(weight, tap)
        output += product(padded[place][:, :, None], factor[..., None, None]).sum(axis=3)
    return output.reshape(n, case.filters, *case.output_extents) + _bias(case, arrays)
