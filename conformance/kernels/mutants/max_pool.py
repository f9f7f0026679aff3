"""Mistakes of max_pool2d: what wins, which index, where the gradient goes, where the windows lie."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.cases.arrays import Array, Arrays
from conformance.kernels.mutants.registry import dilations, max_pooled, mutant, strides, walked
from conformance.kernels.reference import Answers, max_pool, max_pool_backward, pad, taps, unpad

EVERYTHING = "output indices grad_input"
Wins = Callable[[Array, Array], Array]  # value, best -> where the value replaces the best


def scanned(
    case: Any, arrays: Arrays, wins: Wins, border: float | None = None, lowest: float = -np.inf
) -> Answers:
    """max_pool with another rule of who wins.

    border    what padding counts as, where it takes part (index of the window's first tap inside)
    lowest    what a window starts from
    """
    pads = case.borders
    padded = pad(arrays["input"], pads, -np.inf if border is None else border)
    position = pad(np.arange(math.prod(case.image)).reshape(1, 1, *case.image), pads, -1)
    shape = (*arrays["input"].shape[:2], *case.output_extents)
    best, index = np.full(shape, lowest), np.full(shape, -1)
    for _, place in taps(case):
        value, here = padded[place], np.broadcast_to(position[place], shape)
        won = wins(value, best) & ((here >= 0) | (border is not None))
        best = np.where(won, value, best)
        index = np.where((won & (here >= 0)) | ((index < 0) & (here >= 0)), here, index)
    return {"output": best, "indices": index}


def greater(value: Array, best: Array) -> Any:
    return (value > best) | np.isnan(value)


# Who wins.


@mutant("max_pool2d", EVERYTHING, "padding counts as 0: it wins over negative values", "padded")
def max_pool_padding_is_zero(case: Any, arrays: Arrays) -> Answers:
    return max_pooled(case, arrays, **scanned(case, arrays, greater, border=0))


@mutant(
    "max_pool2d", "output", "the scan starts from the lowest float: a window of -inf answers that", "infinite"
)
def max_pool_starts_from_lowest(case: Any, arrays: Arrays) -> Any:
    return scanned(case, arrays, greater, lowest=float(np.finfo(case.dtype).min))["output"]


@mutant("max_pool2d", "output", "the scan starts from 0: negative windows answer 0")
def max_pool_starts_from_zero(case: Any, arrays: Arrays) -> Any:
    return scanned(case, arrays, greater, lowest=0)["output"]


@mutant(
    "max_pool2d",
    "output",
    "the scan starts from the smallest positive float",
    name="max_pool_starts_from_tiny",
)
def _tiny(case: Any, arrays: Arrays) -> Any:
    return scanned(case, arrays, greater, lowest=float(np.finfo(case.dtype).tiny))["output"]


@mutant("max_pool2d", "output", "the scan starts from -1000: lower windows answer that")
def max_pool_starts_from_minus_1000(case: Any, arrays: Arrays) -> Any:
    return scanned(case, arrays, greater, lowest=-1000)["output"]


@mutant("max_pool2d", EVERYTHING, "NaN ignored", "nan")
def max_pool_nan_ignored(case: Any, arrays: Arrays) -> Answers:
    return max_pooled(case, arrays, **scanned(case, arrays, lambda value, best: value > best))


@mutant("max_pool2d", EVERYTHING, "NaN forgotten when a value follows it", "nan")
def max_pool_nan_forgotten(case: Any, arrays: Arrays) -> Answers:
    return max_pooled(case, arrays, **scanned(case, arrays, lambda value, best: ~(value <= best)))


@mutant("max_pool2d", "indices grad_input", "index and gradient of the first NaN instead of the last", "nan")
def max_pool_first_nan(case: Any, arrays: Arrays) -> Answers:
    return max_pooled(
        case, arrays, **scanned(case, arrays, lambda v, best: (v > best) | (np.isnan(v) & ~np.isnan(best)))
    )


@mutant("max_pool2d", EVERYTHING, "NaN in the first tap of a window only is kept", "nan")
def max_pool_nan_kept_first_only(case: Any, arrays: Arrays) -> Answers:
    first = next(taps(case))[1]
    padded = pad(arrays["input"], case.borders, -np.inf)
    kept = np.isnan(padded[first])
    ignoring = scanned(case, arrays, lambda value, best: value > best)
    return max_pooled(
        case, arrays, **{n: np.where(kept, max_pool(case, arrays)[n], a) for n, a in ignoring.items()}
    )


@mutant("max_pool2d", "indices grad_input", "the last of equal values wins", "ties")
def max_pool_last_of_equals(case: Any, arrays: Arrays) -> Answers:
    return max_pooled(case, arrays, **scanned(case, arrays, lambda v, best: (v >= best) | np.isnan(v)))


@mutant("max_pool2d", "indices grad_input", "the first of equal values in column order wins", "ties")
def max_pool_first_in_column_order(case: Any, arrays: Arrays) -> Answers:
    order = sorted(taps(case), key=lambda tap: tap[0][::-1])
    padded = pad(arrays["input"], case.borders, -np.inf)
    position = pad(np.arange(math.prod(case.image)).reshape(1, 1, *case.image), case.borders, -1)
    best, index = (
        max_pool(case, arrays)["output"],
        np.full((*arrays["input"].shape[:2], *case.output_extents), -1),
    )
    for _, place in reversed(order):
        value, here = padded[place], position[place]
        index = np.where((here >= 0) & ((value == best) | np.isnan(value)), here, index)
    return max_pooled(case, arrays, indices=index)


@mutant("max_pool2d", EVERYTHING, "+0 wins over -0", "ties")
def max_pool_signed_zeros_ordered(case: Any, arrays: Arrays) -> Answers:
    def above(value: Array, best: Array) -> Any:
        zeros = (value == 0) & (best == 0) & ~np.signbit(value) & np.signbit(best)
        return greater(value, best) | zeros

    return max_pooled(case, arrays, **scanned(case, arrays, above))


@mutant("max_pool2d", EVERYTHING, "values within 1e-3 of each other are taken for equal")
def max_pool_equality_by_tolerance(case: Any, arrays: Arrays) -> Answers:
    return max_pooled(case, arrays, **scanned(case, arrays, lambda v, best: (v > best + 1e-3) | np.isnan(v)))


@mutant("max_pool2d", "output", "the largest by absolute value wins")
def max_pool_by_magnitude(case: Any, arrays: Arrays) -> Any:
    return scanned(case, arrays, lambda v, best: (np.abs(v) > np.abs(best)) | np.isinf(best) | np.isnan(v))[
        "output"
    ]


@mutant("max_pool2d", "grad_input", "the gradient goes to every tie", "ties")
def max_pool_gradient_to_all_ties(case: Any, arrays: Arrays) -> Any:
    return _to_equals(case, arrays, lambda equal: equal)


@mutant("max_pool2d", "grad_input", "ties share the gradient", "ties")
def max_pool_gradient_shared_by_ties(case: Any, arrays: Arrays) -> Any:
    return _to_equals(case, arrays, lambda equal: equal / np.maximum(sum(equal), 1))


@mutant("max_pool2d", "grad_input", "the gradient goes to every value within 1e-5 of the largest")
def max_pool_gradient_by_tolerance(case: Any, arrays: Arrays) -> Any:
    return _to_equals(case, arrays, lambda equal: equal, 1e-5)


@mutant(
    "max_pool2d",
    "grad_input",
    "the gradient goes to every pixel that equals any window's largest value",
    "ties or sh < reach_h or sw < reach_w",
)
def max_pool_gradient_by_search(case: Any, arrays: Arrays) -> Any:
    """Each output's gradient goes to the first pixel of the whole plane with its value."""
    best = max_pool(case, arrays)["output"].reshape(-1, math.prod(case.output_extents))
    planes = arrays["input"].reshape(-1, math.prod(case.image))
    found = np.array(
        [(plane == value[:, None]).argmax(axis=1) for plane, value in zip(planes, best, strict=True)], int
    )
    return max_pool_backward(case, arrays, found.reshape(arrays["grad_output"].shape))


@mutant(
    "max_pool2d",
    "indices",
    "the index is that of the first equal value in the plane, outside the window too",
    "ties",
)
def max_pool_index_by_search(case: Any, arrays: Arrays) -> Any:
    best = max_pool(case, arrays)["output"]
    planes, values = (
        arrays["input"].reshape(-1, math.prod(case.image)),
        best.reshape(-1, math.prod(case.output_extents)),
    )
    found = [(plane == value[:, None]).argmax(axis=1) for plane, value in zip(planes, values, strict=True)]
    return np.array(found, int).reshape(best.shape)


def _to_equals(case: Any, arrays: Arrays, share: Any, tolerance: float = 0) -> Any:
    """The gradient where each tap that equals its window's largest value gets a share."""
    pads, best = case.borders, max_pool(case, arrays)["output"]
    padded = pad(arrays["input"], pads, -np.inf)
    inside = pad(np.ones_like(arrays["input"]), pads) > 0
    places = [place for _, place in taps(case)]
    equal = [inside[p] & ((padded[p] == best) | (padded[p] >= best - tolerance)) for p in places]
    gradient = np.zeros(padded.shape)
    for place, part in zip(places, share(np.array(equal, float)), strict=True):
        gradient[place] += arrays["grad_output"] * part
    return unpad(gradient, pads)


# Indices.


def _windows(case: Any, indices: Array) -> tuple[Array, Array, Array]:
    """Row and column of each index, and which of them exist."""
    return indices // case.image[1], indices % case.image[1], indices >= 0


@mutant("max_pool2d", "indices", "the index counts within the window")
def max_pool_index_in_window(case: Any, arrays: Arrays) -> Any:
    row, column, _ = _windows(case, max_pool(case, arrays)["indices"])
    starts = [
        np.arange(o) * s - p
        for o, s, p in zip(case.output_extents, strides(case), case.axes(case.padding), strict=True)
    ]
    dh, dw = dilations(case)
    return (row - starts[0][:, None]) // dh * case.kernel[1] + (column - starts[1]) // dw


@mutant("max_pool2d", "indices", "the index counts in the padded image", "padded")
def max_pool_index_in_padded_image(case: Any, arrays: Arrays) -> Any:
    (row, column, _), (ph, pw) = _windows(case, max_pool(case, arrays)["indices"]), case.axes(case.padding)
    return (row + ph) * (case.image[1] + 2 * pw) + column + pw


@mutant("max_pool2d", "indices", "the index counts channels too", "C > 1")
def max_pool_index_with_channels(case: Any, arrays: Arrays) -> Any:
    return (
        max_pool(case, arrays)["indices"] + (np.arange(case.channels) * math.prod(case.image))[:, None, None]
    )


@mutant("max_pool2d", "indices", "the index counts images and channels too", "N * C > 1")
def max_pool_index_in_whole_input(case: Any, arrays: Arrays) -> Any:
    indices = max_pool(case, arrays)["indices"]
    planes = np.arange(indices.shape[0] * indices.shape[1]).reshape(*indices.shape[:2], 1, 1)
    return indices + planes * math.prod(case.image)


@mutant("max_pool2d", "indices", "the index counts down the columns", "H > 1 and W > 1")
def max_pool_index_by_columns(case: Any, arrays: Arrays) -> Any:
    row, column, _ = _windows(case, max_pool(case, arrays)["indices"])
    return column * case.image[0] + row


@mutant("max_pool2d", "indices", "the index multiplies by the image's height for its width", "H != W")
def max_pool_index_by_height(case: Any, arrays: Arrays) -> Any:
    row, column, _ = _windows(case, max_pool(case, arrays)["indices"])
    return row * case.image[0] + column


@mutant("max_pool2d", "indices", "the index is channels last: (row * W + column) * C + channel", "C > 1")
def max_pool_index_channels_last(case: Any, arrays: Arrays) -> Any:
    return max_pool(case, arrays)["indices"] * case.channels + np.arange(case.channels)[:, None, None]


@mutant("max_pool2d", "indices", "the index of a dilated window ignores the dilation", "max(dh, dw) > 1")
def max_pool_index_ignores_dilation(case: Any, arrays: Arrays) -> Any:
    row, column, _ = _windows(case, max_pool(case, arrays)["indices"])
    starts = [
        np.arange(o) * s - p
        for o, s, p in zip(case.output_extents, strides(case), case.axes(case.padding), strict=True)
    ]
    dh, dw = dilations(case)
    r, s = (row - starts[0][:, None]) // dh, (column - starts[1]) // dw
    return (r + starts[0][:, None]) * case.image[1] + s + starts[1]


@mutant(
    "max_pool2d", "indices", "the index of a window in the border is clipped to the window's start", "padded"
)
def max_pool_index_at_clipped_start(case: Any, arrays: Arrays) -> Any:
    row, column, _ = _windows(case, max_pool(case, arrays)["indices"])
    starts = [
        np.arange(o) * s - p
        for o, s, p in zip(case.output_extents, strides(case), case.axes(case.padding), strict=True)
    ]
    border = (starts[0] < 0)[:, None] | (starts[1] < 0)
    return np.where(
        border,
        np.maximum(starts[0], 0)[:, None] * case.image[1] + np.maximum(starts[1], 0),
        row * case.image[1] + column,
    )


@mutant("max_pool2d", "indices", "the index counts from one")
def max_pool_index_from_one(case: Any, arrays: Arrays) -> Any:
    return max_pool(case, arrays)["indices"] + 1


@mutant("max_pool2d", "indices", "the index of a window of nothing but -inf is -1", "infinite")
def max_pool_index_of_all_infinite(case: Any, arrays: Arrays) -> Any:
    answers = max_pool(case, arrays)
    return np.where(np.isneginf(answers["output"]), -1, answers["indices"])


@mutant("max_pool2d", "grad_input", "a window of nothing but -inf gives no gradient", "infinite")
def max_pool_gradient_of_all_infinite(case: Any, arrays: Arrays) -> Any:
    answers = max_pool(case, arrays)
    return max_pool_backward(case, arrays, np.where(np.isneginf(answers["output"]), -1, answers["indices"]))


@mutant("max_pool2d", "indices", "a window of nothing but -inf has index 0, not its first tap", "infinite")
def max_pool_index_zero_of_all_infinite(case: Any, arrays: Arrays) -> Any:
    answers = max_pool(case, arrays)
    return np.where(np.isneginf(answers["output"]), 0, answers["indices"])


# The gradient.


def _gradient(case: Any, arrays: Arrays) -> Any:
    return max_pool_backward(case, arrays, max_pool(case, arrays)["indices"])


@mutant(
    "max_pool2d",
    "grad_input",
    "windows that overlap overwrite the gradient instead of adding",
    "P * Q > 1 and (sh < reach_h or sw < reach_w)",
)
def max_pool_gradient_overwritten(case: Any, arrays: Arrays) -> Any:
    gradient, indices = np.zeros(arrays["input"].shape), max_pool(case, arrays)["indices"]
    planes, at = (
        gradient.reshape(-1, math.prod(case.image)),
        indices.reshape(-1, math.prod(case.output_extents)),
    )
    plane, window = np.nonzero(at >= 0)
    planes[plane, at[plane, window]] = arrays["grad_output"].reshape(at.shape)[plane, window]
    return gradient


@mutant(
    "max_pool2d",
    "grad_input",
    "the gradient is divided by the windows that hold the pixel",
    "sh < reach_h or sw < reach_w",
)
def max_pool_gradient_shared_by_windows(case: Any, arrays: Arrays) -> Any:
    counts = max_pool_backward(
        case, arrays | {"grad_output": np.ones_like(arrays["grad_output"])}, max_pool(case, arrays)["indices"]
    )
    return _gradient(case, arrays) / np.maximum(counts, 1)


@mutant(
    "max_pool2d", "grad_input", "the gradient is spread over the window as in average pooling", "R * S > 1"
)
def max_pool_gradient_averaged(case: Any, arrays: Arrays) -> Any:
    pads = case.borders
    gradient = np.zeros(pad(arrays["input"], pads).shape)
    for _, place in taps(case):
        gradient[place] += arrays["grad_output"] / math.prod(case.kernel)
    return unpad(gradient, pads)


@mutant("max_pool2d", "grad_input", "grad_output taken for ones in the gradient")
def max_pool_gradient_of_ones(case: Any, arrays: Arrays) -> Any:
    return _gradient(case, arrays | {"grad_output": np.ones_like(arrays["grad_output"])})


@mutant(
    "max_pool2d",
    "grad_input",
    "the last row of windows gives no gradient where the stride leaves rows over",
    "rest_h > ph",
)
def max_pool_gradient_loses_last_row(case: Any, arrays: Arrays) -> Any:
    grad = arrays["grad_output"].copy()
    grad[..., -1, :] = 0
    return _gradient(case, arrays | {"grad_output": grad})


@mutant("max_pool2d", "grad_input", "garbage in the gradient past the last window", "rest_w > pw")
def max_pool_gradient_garbage(case: Any, arrays: Arrays) -> Any:
    gradient = _gradient(case, arrays)
    dilated = dilations(case)[1] * (case.kernel[1] - 1) + 1
    gradient[
        ..., (case.output_extents[1] - 1) * strides(case)[1] - case.axes(case.padding)[1] + dilated :
    ] = 7
    return gradient


@mutant("max_pool2d", "grad_input", "NaN and infinities of grad_output are lost", "nan or infinite")
def max_pool_gradient_of_finite_alone(case: Any, arrays: Arrays) -> Any:
    finite = np.nan_to_num(arrays["grad_output"], nan=0, posinf=0, neginf=0)
    return max_pool_backward(case, arrays | {"grad_output": finite}, max_pool(case, arrays)["indices"])


@mutant("max_pool2d", "grad_input", "a NaN that was the answer gets no gradient", "nan")
def max_pool_gradient_not_to_nan(case: Any, arrays: Arrays) -> Any:
    answers = max_pool(case, arrays)
    return max_pool_backward(case, arrays, np.where(np.isnan(answers["output"]), -1, answers["indices"]))


@mutant("max_pool2d", "grad_input", "every image's gradient uses the first one's indices", "N > 1")
def max_pool_gradient_of_first_image(case: Any, arrays: Arrays) -> Any:
    indices = max_pool(case, arrays)["indices"]
    return max_pool_backward(case, arrays, np.broadcast_to(indices[:1], indices.shape))


@mutant("max_pool2d", "grad_input", "every channel's gradient uses the first one's indices", "C > 1")
def max_pool_gradient_of_first_channel(case: Any, arrays: Arrays) -> Any:
    indices = max_pool(case, arrays)["indices"]
    return max_pool_backward(case, arrays, np.broadcast_to(indices[:, :1], indices.shape))


@mutant("max_pool2d", "grad_input", "padding takes the gradient of windows of negative values", "padded")
def max_pool_gradient_lost_in_padding(case: Any, arrays: Arrays) -> Any:
    zero_padded = scanned(case, arrays, greater, border=0)["output"]
    answers = max_pool(case, arrays)
    return max_pool_backward(case, arrays, np.where(zero_padded == answers["output"], answers["indices"], -1))


# Where the windows lie.


def _other(case: Any, arrays: Arrays, other: Any) -> Answers:
    """The answers of a case whose windows lie otherwise, in the shape of their own."""
    answers = max_pool(other, arrays)
    fits = case.output_extents == other.output_extents
    return max_pooled(case, arrays, **answers) if fits else answers


@mutant("max_pool2d", "output indices", "ceil_mode ignored", "ceil and (over_h > 0 or over_w > 0)")
def max_pool_ceil_ignored(case: Any, arrays: Arrays) -> Answers:
    other = replace(case, ceil_mode=False)
    return max_pool(walked(case) if other.problem else other, arrays)


@mutant("max_pool2d", "output indices", "ceil_mode rounds the height only", "ceil and over_w > 0 and Q > 1")
def max_pool_ceil_of_height(case: Any, arrays: Arrays) -> Answers:
    q = case.output_extents[1] - 1
    return {name: answer[..., :q] for name, answer in max_pool(case, arrays).items()}


@mutant("max_pool2d", "output indices", "always ceil_mode", "not ceil and (rest_h > 0 or rest_w > 0)")
def max_pool_always_ceil(case: Any, arrays: Arrays) -> Answers:
    return max_pool(replace(case, ceil_mode=True), arrays)


@mutant(
    "max_pool2d",
    "output indices",
    "ceil_mode keeps a last window that starts in the right padding",
    "ceil and padded",
)
def max_pool_ceil_keeps_the_empty_window(case: Any, arrays: Arrays) -> Answers:
    axes = zip(case.image, case.kernel, strides(case), case.axes(case.padding), dilations(case), strict=True)
    extents = tuple(math.ceil((n + 2 * p - d * (k - 1) - 1) / s) + 1 for n, k, s, p, d in axes)
    other = replace(case)
    vars(other)["output_extents"] = extents
    return max_pool(other, arrays)


@mutant("max_pool2d", "output", "ceil_mode's overhang counts as 0", "ceil and (over_h > ph or over_w > pw)")
def max_pool_overhang_is_zero(case: Any, arrays: Arrays) -> Any:
    return _overhang(case, arrays, 0)


@mutant("max_pool2d", "output", "ceil_mode's overhang reads garbage", "ceil and (over_h > ph or over_w > pw)")
def max_pool_overhang_is_garbage(case: Any, arrays: Arrays) -> Any:
    return _overhang(case, arrays, 1e6)


@mutant(
    "max_pool2d",
    "output",
    "ceil_mode's overhang reads the start of the next row",
    "ceil and over_w > pw and H > 1",
)
def max_pool_overhang_reads_next_row(case: Any, arrays: Arrays) -> Any:
    pads = case.borders
    padded = pad(arrays["input"], pads, -np.inf)
    low, inside = case.axes(case.padding)[1], case.image[1]
    past = padded.shape[-1] - low - inside
    following = np.roll(padded, -1, axis=-2)[..., low : low + min(past, inside)]
    padded[..., :-1, low + inside : low + inside + following.shape[-1]] = following[..., :-1, :]
    return np.max([padded[place] for _, place in taps(case)], axis=0)


def _overhang(case: Any, arrays: Arrays, value: float) -> Any:
    pads = case.borders
    padded = pad(arrays["input"], pads, -np.inf)
    (h, w), (ph, pw) = case.image, case.axes(case.padding)
    padded[..., h + 2 * ph :, :] = value
    padded[..., w + 2 * pw :] = value
    return np.max([padded[place] for _, place in taps(case)], axis=0)


@mutant(
    "max_pool2d",
    "output indices",
    "the default stride is 1, not the kernel",
    "default_stride and (R > 1 or S > 1)",
)
def max_pool_default_stride_is_1(case: Any, arrays: Arrays) -> Answers:
    return max_pool(replace(case, stride=1), arrays)


@mutant(
    "max_pool2d",
    EVERYTHING,
    "the default stride is the kernel's height for both axes",
    "default_stride and R != S",
)
def max_pool_default_stride_of_height(case: Any, arrays: Arrays) -> Answers:
    return max_pooled(case, arrays, **max_pool(walked(case, stride=case.kernel[0]), arrays))


@mutant(
    "max_pool2d",
    EVERYTHING,
    "starts of dilated windows in the border are moved to 0",
    "max(dh, dw) > 1 and padded",
)
def max_pool_dilated_starts_at_0(case: Any, arrays: Arrays) -> Answers:
    """Row and column starts are clamped before the dilated taps are added."""
    extents, places = case.output_extents, []
    axes = zip(
        case.image, case.kernel, strides(case), case.axes(case.padding), dilations(case), extents, strict=True
    )
    for n, k, s, p, d, o in axes:
        start = np.maximum(np.arange(o) * s - p, 0)
        places.append([np.where(start + t * d < n, start + t * d, -1) for t in range(k)])
    best = np.full((*arrays["input"].shape[:2], *extents), -np.inf)
    index = np.full(best.shape, -1)
    for rows in places[0]:
        for columns in places[1]:
            value = arrays["input"][..., rows[:, None], columns]
            inside = (rows >= 0)[:, None] & (columns >= 0)
            won = inside & (greater(value, best) | (index < 0))
            best = np.where(won, value, best)
            index = np.where(won, rows[:, None] * case.image[1] + columns, index)
    return max_pooled(case, arrays, output=best, indices=index)


@mutant("max_pool2d", EVERYTHING, "the last tap of each row of the window is skipped", "S > 1")
def max_pool_last_column_skipped(case: Any, arrays: Arrays) -> Answers:
    return max_pooled(
        case, arrays, **max_pool(walked(case, kernel=(case.kernel[0], case.kernel[1] - 1)), arrays)
    )


@mutant("max_pool2d", EVERYTHING, "the last row of the window is skipped", "R > 1")
def max_pool_last_row_skipped(case: Any, arrays: Arrays) -> Answers:
    return max_pooled(
        case, arrays, **max_pool(walked(case, kernel=(case.kernel[0] - 1, case.kernel[1])), arrays)
    )


@mutant("max_pool2d", EVERYTHING, "windows longer than 4 are cut to 4", "R > 4 or S > 4")
def max_pool_windows_cut_to_4(case: Any, arrays: Arrays) -> Answers:
    return max_pooled(
        case, arrays, **max_pool(walked(case, kernel=tuple(min(k, 4) for k in case.kernel)), arrays)
    )


@mutant(
    "max_pool2d",
    EVERYTHING,
    "the 2x2 path with stride 2 ignores the padding",
    "R == S == sh == sw == 2 and padded",
)
def max_pool_2x2_ignores_padding(case: Any, arrays: Arrays) -> Answers:
    return max_pooled(case, arrays, **max_pool(walked(case, padding=0), arrays))


@mutant(
    "max_pool2d",
    "output indices",
    "the 2x2 path with stride 2 leaves an odd last column out of ceil_mode",
    "R == S == sh == sw == 2 and ceil and over_w > pw and Q > 1",
)
def max_pool_2x2_ignores_ceil(case: Any, arrays: Arrays) -> Answers:
    return {
        name: answer[..., : case.output_extents[1] - 1] for name, answer in max_pool(case, arrays).items()
    }


@mutant("max_pool2d", EVERYTHING, "stride beyond the window taken for the window", "sh > R or sw > S")
def max_pool_stride_beyond_window(case: Any, arrays: Arrays) -> Answers:
    return max_pooled(
        case, arrays, **max_pool(walked(case, stride=tuple(map(min, strides(case), case.kernel))), arrays)
    )


@mutant(
    "max_pool2d",
    EVERYTHING,
    "dilation ignored where there is a stride",
    "max(dh, dw) > 1 and max(sh, sw) > 1",
)
def max_pool_dilation_ignored_if_strided(case: Any, arrays: Arrays) -> Answers:
    return max_pooled(case, arrays, **max_pool(walked(case, dilation=1), arrays))


@mutant("max_pool2d", EVERYTHING, "dilation ignored in ceil_mode", "max(dh, dw) > 1 and ceil")
def max_pool_dilation_ignored_if_ceil(case: Any, arrays: Arrays) -> Answers:
    return max_pooled(case, arrays, **max_pool(walked(case, dilation=1), arrays))


@mutant("max_pool2d", "output", "a window of one pixel answers zero: nothing is compared", "R == S == 1")
def max_pool_single_pixel_window(case: Any, arrays: Arrays) -> Any:
    return 0 * arrays["input"][..., :1, :1] + np.zeros((*arrays["input"].shape[:2], *case.output_extents))


@mutant("max_pool2d", "output", "batch index ignored: every answer is the first image's", "N > 1")
def max_pool_batch_index_ignored(case: Any, arrays: Arrays) -> Any:
    return np.repeat(max_pool(case, arrays)["output"][:1], case.batch, axis=0)


@mutant(
    "max_pool2d",
    "output indices",
    "the border repeats the edge: windows see it, and its index is wrapped",
    "padded and W > 1",
)
def max_pool_border_wraps(case: Any, arrays: Arrays) -> Answers:
    pads = case.borders
    wrapped = np.pad(arrays["input"], ((0, 0), (0, 0), *pads), mode="wrap")
    plain = replace(case, image=wrapped.shape[2:], padding=0, stride=case.strides)
    vars(plain)["output_extents"] = case.output_extents
    answers = max_pool(plain, {"input": wrapped})
    row, column = answers["indices"] // wrapped.shape[3], answers["indices"] % wrapped.shape[3]
    (h, w), ((top, _), (left, _)) = case.image, pads
    return {"output": answers["output"], "indices": (row - top) % h * w + (column - left) % w}


@mutant("max_pool2d", EVERYTHING, "NaN counts as -inf in ceil_mode", "nan and ceil")
def max_pool_nan_lost_in_ceil(case: Any, arrays: Arrays) -> Answers:
    return max_pooled(case, arrays, **scanned(case, arrays, lambda value, best: value > best))
