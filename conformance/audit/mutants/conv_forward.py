"""Mistakes of a convolution's answer: geometry, filters, borders, groups, batch, bias, and those of one fast path alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.audit.mutants.otherwise import (
    ALL, LAST, Change, Computed, Edit, Row, Rows, at_tap, cut_to, first_group, first_image, first_images_answer, flipped, kept, no_padding, of_height, per_channel, read_transposed, shorter_strides, swapped, transposed, turned_pads, walked, without_nan, zero,
)
from conformance.cases.arrays import Array, Arrays
from conformance.kernels.functions import by_group
from conformance.operations import DTYPES
from conformance.operations.windows import at, pad, taps
from conformance.operations.conv import conv

output = Computed(conv)
no_bias = output.asked(bias=False)
unpadded = output.walked(pads=no_padding)
undilated = output.walked(pads=lambda c: c.pads, dilation=1)
stride_of_height = output.walked(stride=lambda c: c.strides[-2])
reads_first_group = output.given(input=first_group)
no_last_column = output.changed(zero(..., LAST))
no_last_row = output.changed(zero(..., LAST, ALL))
swapped_taps = output.given(weight=transposed)


def undilated_shape(case: Any, arrays: Arrays) -> Array:
    """The right answer, and zeros up to the shape of an undilated filter's."""
    extents = zip(case.output_extents, replace(case, dilation=1).output_extents, strict=True)
    return np.pad(conv(case, arrays), ((0, 0), (0, 0), *((0, large - small) for small, large in extents)))


def even_filters_shifted(case: Any, arrays: Arrays) -> Array:
    even = [k % 2 == 0 for k in case.kernel]
    pads = tuple((low - e, high + 1) for (low, high), e in zip(case.pads, even, strict=True))
    if min(low for low, _ in pads) >= 0:
        return conv(walked(case, pads=pads), arrays)
    image = np.pad(arrays["input"], ((0, 0), (0, 0), *((0, 1),) * case.dimensions))
    image = image[at(slice(e, e + n) for e, n in zip(map(int, even), case.image, strict=True))]
    return conv(case, arrays | {"input": image})


def without_odd_zero(case: Any, y: Array) -> Any:
    return y[at(slice(o - (high - low)) for o, (low, high) in zip(case.output_extents, case.pads, strict=True))]


def times_dilation(case: Any) -> tuple[int, ...]:
    padding = 0 if case.padding == "valid" else case.padding
    return tuple(p * d for p, d in zip(case.axes(padding), case.dilations, strict=True))


def first_tap_zero(case: Any, weight: Array) -> Array:
    return np.asarray(zero(*at((0,) * case.dimensions))(case, weight))


def channels_last(case: Any, weight: Array) -> Array:
    """The memory of (K, kernel, C) read."""
    return np.moveaxis(weight.reshape(len(weight), *case.kernel, -1), -1, 1)


# Borders.


def on_padded(case: Any, arrays: Arrays, image: Array) -> Any:
    """The answer on an image that is padded already."""
    return conv(replace(case, image=image.shape[2:], padding=0), arrays | {"input": image})


def padded(image: Array, pads: Any, mode: str, **options: Any) -> Array:
    return np.pad(image, ((0, 0), (0, 0), *pads), mode=mode, **options)  # type: ignore[call-overload, no-any-return]


def bordered(mode: str | Callable[[Any], str] = "constant", **options: Any) -> Change:
    """The border is filled by a mode of np.pad."""

    def change(case: Any, arrays: Arrays) -> Any:
        how = mode(case) if callable(mode) else mode
        return on_padded(case, arrays, padded(arrays["input"], case.pads, how, **options))

    return change


def stale(axis: int, after: int) -> Change:
    """7 on one side of the border."""

    def change(case: Any, arrays: Arrays) -> Any:
        image = pad(arrays["input"], case.pads)
        width = case.pads[axis][after]
        where = slice(image.shape[axis] - width, None) if after else slice(0, width)
        np.moveaxis(image, axis, 0)[where] = 7
        return on_padded(case, arrays, image)

    return change


def neighbouring_rows(case: Any, arrays: Arrays) -> Any:
    """Columns are counted from the start of their row, wherever that leads in the plane."""
    *before, (top, bottom), (left, right) = case.pads
    image = pad(arrays["input"], (*before, (0, 0), (0, 0)))
    height, width = image.shape[-2:]
    rows, columns = np.arange(-top, height + bottom)[:, None], np.arange(-left, width + right)
    place = rows * width + columns
    inside = (place >= 0) & (place < height * width) & (rows >= 0) & (rows < height)
    planes = image.reshape(*image.shape[:-2], height * width)
    return on_padded(case, arrays, np.where(inside, planes[..., np.clip(place, 0, height * width - 1)], 0))


def neighbouring_channels(case: Any, arrays: Arrays) -> Any:
    (before, after), *others = case.pads
    image = pad(arrays["input"], ((0, 0), *others))
    joined = image.reshape(len(image), case.channels * case.image[0], *image.shape[3:])
    place = np.arange(case.channels)[:, None] * case.image[0] + np.arange(-before, case.image[0] + after)
    inside = (place >= 0) & (place < joined.shape[1])
    read = joined[:, np.clip(place, 0, joined.shape[1] - 1)]
    return on_padded(case, arrays, np.where(inside.reshape(*inside.shape, *(1,) * len(others)), read, 0))


def corners(case: Any, arrays: Arrays) -> Any:
    edge, zeros = padded(arrays["input"], case.pads, "edge"), pad(arrays["input"], case.pads)
    rows, columns = (pad(np.zeros(n, bool), (pads,), 1) for n, pads in zip(case.image[-2:], case.pads[-2:], strict=True))
    return on_padded(case, arrays, np.where(rows[:, None] & columns, edge, zeros))


def no_bias_in_border(case: Any, arrays: Arrays) -> Array:
    ones = {"input": np.ones((1, 1, *case.image)), "weight": np.ones((1, 1, *case.kernel))}
    touched = conv(replace(case, bias=False, channels=1, filters=1, groups=1), ones)[0, 0] > 0
    return np.where(touched, conv(case, arrays), 0)


# Channels, filters, images.


def CG(case: Any) -> int:
    return int(case.channels // case.groups)


def KG(case: Any) -> int:
    return int(case.filters // case.groups)


def channels(right: Computed, read: Callable[[Any, int, int], int]) -> Change:
    """Channel c of group g is read at read(case, g, c), kept inside the input."""

    def reread(case: Any, image: Array) -> Array:
        places = [read(case, g, c) % case.channels for g in range(case.groups) for c in range(CG(case))]
        return image[:, places]

    return right.given(input=reread)


def after_first(right: Computed, rest: Change) -> Change:
    """The first image is answered right, the others otherwise."""
    return lambda case, arrays: np.concatenate([right(case, arrays)[:1], rest(case, arrays)[1:]])


def filters_dealt(right: Computed) -> Change:
    def change(case: Any, arrays: Arrays) -> Any:
        unbiased = right(replace(case, bias=False), arrays)
        dealt = unbiased.reshape(-1, case.groups, KG(case), *case.output_extents).swapaxes(1, 2)
        return dealt.reshape(-1, case.filters, *case.output_extents) + bias_of(case, arrays)

    return change


def bias_of(case: Any, arrays: Arrays) -> Array:
    return per_channel(case, arrays["bias"]) if case.bias else np.zeros(())


def unbatched_as_batch(case: Any, arrays: Arrays) -> Array:
    plain = replace(case, batch=case.channels, channels=1, filters=1, bias=False)
    return conv(plain, {"input": arrays["input"][0][:, None], "weight": arrays["weight"][:1, :1]}).swapaxes(0, 1)


def depthwise_by_remainder(right: Computed) -> Change:
    def change(case: Any, arrays: Arrays) -> Any:
        dense = replace(case, channels=case.filters, groups=case.filters)
        image = arrays["input"][:, np.arange(case.filters) % case.channels]
        return right(dense, arrays | {"input": image, "weight": arrays["weight"].reshape(dense.shapes["weight"])})

    return change


def rebiased(right: Computed, edit: Edit) -> Change:
    return right.given(bias=lambda c, b: np.asarray(edit(c, b), np.float64))


# NaN and infinities.


def products(product: Callable[[Array, Array], Array], used: Callable[[Array], Any] | None = None) -> Change:
    """A sum of product(x, w), tap by tap; of the taps that are used."""

    def change(case: Any, arrays: Arrays) -> Array:
        weight = arrays["weight"].reshape(case.groups, KG(case), -1, *case.kernel)
        image, some = by_group(case, pad(arrays["input"], case.pads)), used(arrays["weight"]) if used else None
        sums = np.zeros((len(image), case.groups, KG(case), *case.output_extents))
        for tap, place in taps(case):
            if some is None or some[tap]:
                factor = at_tap(weight, tap)
                sums += product(image[place][:, :, None], factor.reshape(*factor.shape, *(1,) * case.dimensions)).sum(axis=3)
        return sums.reshape(len(image), case.filters, *case.output_extents) + bias_of(case, arrays)

    return change


def unused_groups_zero(case: Any, arrays: Arrays) -> Array:
    used = arrays["weight"].reshape(case.groups, -1).any(axis=1).repeat(CG(case))
    return conv(case, arrays | {"input": np.where(per_channel(case, used), arrays["input"], 0)})


def zero_input_skipped(case: Any, arrays: Arrays) -> Array:
    return conv(case, arrays if arrays["input"].any() else arrays | {"weight": np.zeros(case.shapes["weight"])})


def nan_of_whole_image(case: Any, arrays: Arrays) -> Any:
    image = arrays["input"]
    return conv(case, arrays) + 0 * image.sum(axis=tuple(range(1, image.ndim)), keepdims=True)


def nan_along_rows(case: Any, arrays: Arrays) -> Any:
    image = arrays["input"]
    return conv(case, arrays) + 0 * conv(case, arrays | {"input": np.broadcast_to(image.sum(axis=-1, keepdims=True), image.shape)})


def within_range(case: Any, y: Array) -> Array:
    largest = DTYPES[case.dtype].largest
    return np.clip(y, -largest, largest)


GEOMETRY: list[Row] = [
    ("the answer has the shape of an undilated filter's where there is a stride", "max(dilations) > 1 and max(strides) > 1 and not same", undilated_shape),
    ("dilation ignored where there is a stride", "max(dilations) > 1 and max(strides) > 1", undilated),
    ("dilation of height and width swapped under padding=same", "same and dh != dw", output.walked(dilation=lambda c: swapped(c.dilations))),
    ("padding=same computed from the undilated filter", "same and max(dilations) > 1", output.walked(pads=lambda c: replace(c, dilation=1).pads)),
    ("padding=same puts the odd zero on the left and top", "same and even_reach", output.walked(pads=turned_pads)),
    ("padding=same puts the odd zero on the left, in the width alone", "same and reach_w % 2 == 0", output.walked(pads=lambda c: (*c.pads[:-1], c.pads[-1][::-1]))),
    ("padding=same drops the odd zero: the answer is one shorter", "same and even_reach", output.changed(without_odd_zero)),
    ("padding=same taken for no padding", "same and padded", unpadded),
    ("padding=same takes the padding of the height for the width", "same and reach_h != reach_w", output.walked(pads=lambda c: of_height(c.pads))),
    ("dilation of the height used for the width where the filter is square", "dh != dw and R == S > 1", output.walked(dilation=lambda c: of_height(c.dilations))),
    ("stride of the height used for the width where the filter is square", "sh != sw and R == S", stride_of_height),
    ("padding is multiplied by the dilation", "max(dilations) > 1 and padded and not same", output.walked(padding=times_dilation)),
    ("strides beyond 2 taken for 2", "max(strides) > 2", output.walked(stride=lambda c: tuple(min(s, 2) for s in c.strides))),
    ("dilations beyond 2 taken for 2", "max(dilations) > 2 and taps > 1", output.walked(pads=lambda c: c.pads, dilation=lambda c: tuple(min(d, 2) for d in c.dilations))),
    ("strides longer than the filter taken for its length", "gaps", output.walked(stride=shorter_strides)),
    ("padding as long as the filter or longer is cut to one less", "padded and padding_of_a_filter",
     output.walked(pads=lambda c: tuple((min(low, k - 1), high) for (low, high), k in zip(c.pads, c.kernel, strict=True)))),
    ("the last row of windows is not written where the stride leaves rows over", "rest_h > 0", no_last_row),
    ("the last column of windows is not written where the stride leaves columns over", "rest_w > 0", no_last_column),
    ("the last column is not written where the filter has an even width", "S % 2 == 0", no_last_column),
    ("the last row is not written where the filter has an even height", "R % 2 == 0", no_last_row),
    ("filters of an even size are aligned one pixel to the right", "even", even_filters_shifted),
    ("a filter as large as the padded image answers zero", "covers", output.changed(lambda c, y: 0 * y)),
    ("rows and columns of the answer are swapped where it is square", "P == Q > 1", output.changed(transposed)),
    ("images taller than they are wide are read transposed", "H > W", output.given(input=read_transposed)),
]
FILTERS: list[Row] = [
    ("the filter is flipped: a convolution, not a cross-correlation", "taps > 1", output.given(weight=flipped)),
    ("the filter is flipped along its height", "R > 1", output.given(weight=lambda c, w: w[..., ::-1, :])),
    ("the filter is flipped along its width", "S > 1", output.given(weight=lambda c, w: w[..., ::-1])),
    ("square filters are transposed", "R == S > 1", swapped_taps),
    ("filters that are not square are read with height and width swapped", "R != S and R > 1 and S > 1", output.given(weight=read_transposed)),
    ("input and output channels of the weight are swapped where they are as many", "K == CG > 1", output.given(weight=lambda c, w: w.swapaxes(0, 1))),
    ("weight read with its channels last", "CG > 1 and taps > 1", output.given(weight=channels_last)),
    ("the last tap of each row of the filter is skipped", "S > 1", output.given(weight=zero(..., LAST))),
    ("the last row of the filter is skipped", "R > 1", output.given(weight=zero(..., LAST, ALL))),
    ("the first tap is skipped", "taps > 1", output.given(weight=first_tap_zero)),
    ("the filter's height is used for its width: columns beyond it are skipped", "S > R", output.given(weight=kept(lambda c: of_height(c.kernel)))),
    *((f"filters longer than {n} are cut to {n} taps an axis", f"max(kernel) > {n}", output.given(weight=kept(cut_to(n)))) for n in (3, 4, 5, 7)),
]
BORDERS: list[Row] = [
    ("the border repeats the edge of the image instead of zeros", "padded", bordered("edge")),
    ("the border wraps around to the other side of the image", "padded", bordered("wrap")),
    ("the border mirrors the image instead of zeros", "padded", bordered(lambda c: "reflect" if min(c.image) > 1 else "symmetric")),
    ("the border is one, not zero", "padded", bordered(constant_values=1)),
    ("the top border reads stale data", "padded and H > 0", stale(-2, 0)),
    ("the bottom border reads stale data", "padded and H > 0", stale(-2, 1)),
    ("the left border reads stale data", "padded", stale(-1, 0)),
    ("the right border reads stale data", "padded", stale(-1, 1)),
    ("columns left and right of the image are read from the neighbouring rows", "padded and H > 1", neighbouring_rows),
    ("the border of the first image axis is read from the neighbouring channels", "padded and C > 1", neighbouring_channels),
    ("corner taps that leave the image on both axes read its corner", "ph > 0 and pw > 0", corners),
    ("padding of the width beyond 1 taken for 1", "pw > 1", output.walked(pads=lambda c: (*c.pads[:-1], (1, c.pads[-1][1])))),
    ("a window that lies wholly in the border leaves out the bias", "bias and window_in_border", no_bias_in_border),
]
PATHS: list[Row] = [
    ("the 1x1 path ignores the stride", "size == 1 and max(strides) > 1", output.walked(stride=1)),
    ("the 1x1 path ignores the padding", "size == 1 and padded", unpadded),
    ("the 1x1 path takes the stride of the height for both axes", "size == 1 and sh != sw", stride_of_height),
    ("the 1x1 path leaves out the bias", "size == 1 and bias", no_bias),
    ("the 1x1 path lets every group read the first one's channels", "size == 1 and G > 1", reads_first_group),
    ("filters of one row ignore the padding of the height", "R == 1 and S > 1 and ph > 0", output.walked(pads=lambda c: (*c.pads[:-2], (0, 0), c.pads[-1]))),
    ("filters of one column ignore the stride of the width", "S == 1 and R > 1 and sw > 1", output.walked(stride=lambda c: (*c.strides[:-1], 1))),
    ("the path for stride 1 without dilation ignores the padding", "max(strides + dilations) == 1 and padded and taps > 1", unpadded),
    ("the path for stride 1 without dilation repeats the edge in the border", "max(strides + dilations) == 1 and padded and taps > 1", bordered("edge")),
    ("the 3x3 path always pads by 1", "size == 3 and max(strides + dilations) == 1 and (max(pads) != 1 or min(pads) != 1)", output.walked(pads=lambda c: ((1, 1),) * c.dimensions)),
    ("the 3x3 path leaves an odd last column of its 2x2 tiles out", "size == 3 and max(strides + dilations) == 1 and Q % 2", no_last_column),
    ("the 3x3 path with stride 2 starts one pixel to the right", "size == 3 and stride == 2 and W > 3",
     output.given(input=lambda c, x: pad(x, ((0, 1),))[..., 1:])),
    ("the unpadded path ignores the stride of the height", "not padded and sh > 1 and P > 1", output.walked(stride=lambda c: (*c.strides[:-2], 1, c.strides[-1]))),
    ("the dilated path ignores the padding of the width", "max(dilations) > 1 and pw > 0", output.walked(pads=lambda c: (*c.pads[:-1], (0, 0)))),
    ("the dilated path leaves out the bias", "max(dilations) > 1 and bias", no_bias),
    ("one image, the path for a batch of one, leaves out the bias", "N == 1 and bias", no_bias),
    ("one image, the path for a batch of one, skips the last filter", "N == 1 and K > 1", output.changed(zero(ALL, LAST))),
    ("an unbatched input with as many channels as filters is taken for a batch", "unbatched and C == K > 1 and G == 1", unbatched_as_batch),
    ("a single input channel is read for its first column only", "CG == 1 and S > 1 and not depthwise", output.given(weight=zero(..., slice(1, None)))),
    ("without a bias the first weight is added", "not bias", lambda c, a: conv(c, a) + a["weight"].reshape(-1)[0]),
    ("answers of a single pixel leave out the last input channel", "positions == 1 and CG > 1", output.given(weight=zero(ALL, -1))),
]

def of_groups(right: Computed) -> list[Row]:
    """Mistakes that a convolution and its adjoint make alike: what is a group, and what belongs to it."""
    no_bias, unpadded = right.asked(bias=False), right.walked(pads=no_padding)
    undilated = right.walked(pads=lambda c: c.pads, dilation=1)
    stride_of_height, reads_first_group = right.walked(stride=lambda c: c.strides[-2]), right.given(input=first_group)
    return [
        ("groups ignored: all filters read the first group's channels", "G > 1", reads_first_group),
        ("input channels dealt to the groups round robin", "G > 1 and CG > 1", channels(right, lambda case, g, c: c * case.groups + g)),
        ("filters dealt to the groups round robin", "G > 1 and KG > 1", filters_dealt(right)),
        ("the channel offset of a group uses K/G for C/G", "G > 1 and CG != KG", channels(right, lambda case, g, c: g * KG(case) + c)),
        ("the last group is not written", "G > 1", right.changed(lambda c, y: zero(ALL, slice(-KG(c), None))(c, y))),
        ("the groups read their channels in reverse order", "G > 1", channels(right, lambda case, g, c: (case.groups - 1 - g) * CG(case) + c)),
        ("depthwise with several filters a channel reads channel k % C for k // (K/C)", "depthwise and KG > 1", depthwise_by_remainder(right)),
        ("the depthwise path ignores the dilation", "depthwise and max(dilations) > 1", undilated),
        ("the depthwise path takes the stride of the height for both axes", "depthwise and sh != sw", stride_of_height),
        ("the depthwise path leaves out the bias", "depthwise and bias", no_bias),
        ("the depthwise path flips the filter", "depthwise and taps > 1", right.given(weight=flipped)),
        ("the depthwise path reads the first image for all", "depthwise and N > 1", right.given(input=first_image)),
        ("groups with a stride read the first group's channels", "G > 1 and max(strides) > 1", reads_first_group),
        ("groups with dilation ignore the dilation", "G > 1 and max(dilations) > 1", undilated),
        ("groups with padding ignore the padding", "G > 1 and padded", unpadded),
        ("groups in a batch: images past the first read the first group", "G > 1 and N > 1", after_first(right, reads_first_group)),
        ("more than two groups: those past the second read the second", "G > 2", channels(right, lambda case, g, c: min(g, 1) * CG(case) + c)),
    ]


def of_batch_and_bias(right: Computed) -> list[Row]:
    """The same of images and of what is added to them."""
    no_bias, unpadded = right.asked(bias=False), right.walked(pads=no_padding)
    return [
        ("batch index ignored: every answer is the first image's", "N > 1", right.changed(first_images_answer)),
        ("the last image of a batch is not written", "N > 1", right.changed(zero(LAST))),
        ("images past the second are read from the second", "N > 2", right.changed(lambda c, y: y[np.minimum(np.arange(c.batch), 1)])),
        ("a batch of 4 or more leaves out the padding", "N >= 4 and padded", unpadded),
        ("the batch comes back in reverse", "N > 1", right.changed(lambda c, y: y[::-1])),
        ("bias ignored", "bias", no_bias),
        ("bias added once for each tap of the filter", "bias and taps > 1", rebiased(right, lambda c, b: b * np.prod(c.kernel))),
        ("bias added once for each input channel", "bias and CG > 1", rebiased(right, lambda c, b: b * CG(c))),
        ("bias added once for each group", "bias and G > 1", rebiased(right, lambda c, b: b * c.groups)),
        ("bias added for the first group only", "bias and G > 1", rebiased(right, lambda c, b: np.where(np.arange(c.filters) < KG(c), b, 0))),
        ("every group takes the first group's bias", "bias and G > 1", rebiased(right, lambda c, b: np.tile(b[: KG(c)], c.groups))),
        ("bias added to the first image only", "bias and N > 1", after_first(right, no_bias)),
        ("bias subtracted", "bias", rebiased(right, lambda c, b: -b)),
        ("every filter takes the first bias", "bias and K > 1", rebiased(right, lambda c, b: np.full(c.filters, b[0]))),
        ("bias goes along the columns where there are as many as filters", "bias and K == Q > 1", lambda c, a: no_bias(c, a) + a["bias"]),
        ("the bias of the last filter is left out where filters are odd in number", "bias and K > 1 and K % 2", rebiased(right, zero(-1))),
        ("the answer is clipped below at 0", "K > 0", right.changed(lambda c, y: np.maximum(y, 0))),
    ]


SPECIAL: list[Row] = [
    ("zero weights are skipped: zero times NaN or infinity is lost", "nan or infinite", products(lambda x, w: np.where(w == 0, 0, x * w))),
    ("zero inputs are skipped: zero times an infinite weight is lost", "nan or infinite", products(lambda x, w: np.where(x == 0, 0, x * w))),
    ("groups whose weights are all 0 are skipped: zero times NaN or infinity is lost", "G > 1 and (nan or infinite)", unused_groups_zero),
    ("taps that are 0 in every filter are skipped: zero times NaN or infinity is lost", "taps > 1 and (nan or infinite)", products(lambda x, w: x * w, lambda w: w.any(axis=(0, 1)))),
    ("an input that is 0 throughout answers the bias: zero times an infinite weight is lost", "nan or infinite", zero_input_skipped),
    ("NaN in the input is taken for 0", "nan", output.given(input=without_nan)),
    ("NaN in the bias is taken for 0", "nan and bias", output.given(bias=without_nan)),
    ("NaN and infinities in the bias reach every filter: it is multiplied by a unit matrix", "bias and K > 1 and (nan or infinite)",
     output.given(bias=lambda c, b: (np.eye(c.filters) * b).sum(axis=1))),
    ("infinities are cut to the largest number", "infinite", output.changed(within_range)),
    ("an infinite answer becomes NaN", "infinite", output.changed(lambda c, y: np.where(np.isinf(y), np.nan, y))),
    ("a NaN past the last window reaches the answer", "nan and max(rest) > 0", nan_of_whole_image),
    ("a NaN reaches the whole row of its pixel: edge windows multiply by a mask of zeros", "nan and padded", nan_along_rows),
]
ROWS: Rows = {("conv", "output"): [*GEOMETRY, *FILTERS, *BORDERS, *PATHS, *of_groups(output), *of_batch_and_bias(output), *SPECIAL]}
