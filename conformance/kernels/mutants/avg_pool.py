"""Mistakes of avg_pool2d: what is divided by, where the windows lie, where the gradient goes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.cases.arrays import Array, Arrays
from conformance.kernels.mutants.registry import mutant, strides, walked
from conformance.kernels.reference import avg_pool, avg_pool_backward, divisors, pad, taps, unpad

BOTH = "output grad_input"


def divided(case: Any, arrays: Arrays, by: Any) -> dict[str, Array]:
    """Answer and gradient where each window is divided by something else."""
    right = divisors(case)
    answers = {"output": avg_pool(case, arrays) * right / by}
    if "grad_output" in arrays:
        answers["grad_input"] = avg_pool_backward(
            case, arrays | {"grad_output": arrays["grad_output"] * right / by}
        )
    return answers


def _taps(case: Any) -> int:
    return math.prod(case.kernel)


def _divisors(case: Any, **options: Any) -> Any:
    return divisors(walked(case, **options))


def _with_overhang(case: Any) -> Any:
    """Whole windows, where ceil_mode's overhang is counted."""
    return np.full(case.output_extents, float(_taps(case)))


# What is divided by.


@mutant("avg_pool2d", BOTH, "count_include_pad always true", "not counted and padded and divisor is None")
def avg_pool_always_counts_padding(case: Any, arrays: Arrays) -> Any:
    return divided(case, arrays, _divisors(case, count_include_pad=True))


@mutant("avg_pool2d", BOTH, "count_include_pad always false", "counted and padded and divisor is None")
def avg_pool_never_counts_padding(case: Any, arrays: Arrays) -> Any:
    return divided(case, arrays, _divisors(case, count_include_pad=False))


@mutant(
    "avg_pool2d",
    "grad_input",
    "count_include_pad always true in the gradient",
    "not counted and padded and divisor is None",
)
def avg_pool_gradient_always_counts_padding(case: Any, arrays: Arrays) -> Any:
    return avg_pool_backward(walked(case, count_include_pad=True), arrays)


@mutant(
    "avg_pool2d",
    "grad_input",
    "count_include_pad always false in the gradient",
    "counted and padded and divisor is None",
)
def avg_pool_gradient_never_counts_padding(case: Any, arrays: Arrays) -> Any:
    return avg_pool_backward(walked(case, count_include_pad=False), arrays)


@mutant(
    "avg_pool2d",
    BOTH,
    "ceil_mode's overhang is counted in the divisor where padding is",
    "ceil and counted and divisor is None and (over_h > ph or over_w > pw)",
)
def avg_pool_overhang_counted(case: Any, arrays: Arrays) -> Any:
    return divided(case, arrays, _with_overhang(case))


@mutant(
    "avg_pool2d",
    BOTH,
    "ceil_mode's overhang is counted in the divisor where padding is not",
    "ceil and not counted and divisor is None and (over_h > ph or over_w > pw)",
)
def avg_pool_overhang_counted_without_padding(case: Any, arrays: Arrays) -> Any:
    """Only what lies before the image is left out."""
    counts = np.ones(())
    axes = zip(case.kernel, strides(case), case.axes(case.padding), case.output_extents, strict=True)
    for k, s, p, outputs in axes:
        start = np.arange(outputs) * s - p
        counts = counts[..., None] * (start + k - np.maximum(start, 0))
    return divided(case, arrays, counts)


@mutant(
    "avg_pool2d",
    "grad_input",
    "the gradient divides by the whole window where ceil_mode clips it",
    "ceil and divisor is None and (over_h > 0 or over_w > 0)",
)
def avg_pool_gradient_of_clipped_window(case: Any, arrays: Arrays) -> Any:
    return avg_pool_backward(
        case, arrays | {"grad_output": arrays["grad_output"] * divisors(case) / _taps(case)}
    )


@mutant(
    "avg_pool2d",
    "grad_input",
    "the gradient divides by the whole window where the border is not counted",
    "not counted and padded and divisor is None",
)
def avg_pool_gradient_of_uncounted_border(case: Any, arrays: Arrays) -> Any:
    return avg_pool_backward(
        case, arrays | {"grad_output": arrays["grad_output"] * divisors(case) / _taps(case)}
    )


@mutant("avg_pool2d", BOTH, "padding counted after the image only", "counted and padded and divisor is None")
def avg_pool_counts_trailing_padding(case: Any, arrays: Arrays) -> Any:
    counts = np.ones(())
    axes = zip(
        case.image, case.kernel, strides(case), case.axes(case.padding), case.output_extents, strict=True
    )
    for n, k, s, p, outputs in axes:
        start = np.arange(outputs) * s - p
        counts = counts[..., None] * (np.minimum(start + k, n + p) - np.maximum(start, 0))
    return divided(case, arrays, counts)


@mutant(
    "avg_pool2d",
    BOTH,
    "the divisor of clipped windows counts the height only",
    "not counted and padded and divisor is None",
)
def avg_pool_clips_height_only(case: Any, arrays: Arrays) -> Any:
    return divided(
        case, arrays, np.broadcast_to(divisors(case).max(axis=1, keepdims=True), case.output_extents)
    )


@mutant("avg_pool2d", BOTH, "divisor_override ignored", "divisor is not None")
def avg_pool_divisor_ignored(case: Any, arrays: Arrays) -> Any:
    return divided(case, arrays, _divisors(case, divisor_override=None))


@mutant(
    "avg_pool2d",
    BOTH,
    "divisor_override ignored where padding is not counted",
    "divisor is not None and not counted",
)
def avg_pool_divisor_ignored_uncounted(case: Any, arrays: Arrays) -> Any:
    return divided(case, arrays, _divisors(case, divisor_override=None))


@mutant("avg_pool2d", BOTH, "divisor_override ignored in ceil_mode", "divisor is not None and ceil")
def avg_pool_divisor_ignored_in_ceil(case: Any, arrays: Arrays) -> Any:
    return divided(case, arrays, _divisors(case, divisor_override=None))


@mutant(
    "avg_pool2d", BOTH, "divisor_override ignored where windows are clipped", "divisor is not None and padded"
)
def avg_pool_divisor_ignored_at_border(case: Any, arrays: Arrays) -> Any:
    uncounted = np.broadcast_to(
        _divisors(case, divisor_override=None, count_include_pad=False), case.output_extents
    )
    return divided(case, arrays, np.where(uncounted < _taps(case), uncounted, divisors(case)))


@mutant("avg_pool2d", BOTH, "the sign of divisor_override is lost", "divisor is not None and divisor < 0")
def avg_pool_divisor_sign_lost(case: Any, arrays: Arrays) -> Any:
    return divided(case, arrays, abs(divisors(case)))


@mutant("avg_pool2d", BOTH, "a negative divisor_override is ignored", "divisor is not None and divisor < 0")
def avg_pool_negative_divisor_ignored(case: Any, arrays: Arrays) -> Any:
    return divided(case, arrays, _divisors(case, divisor_override=None))


@mutant("avg_pool2d", BOTH, "divisor_override of 1 is taken for none", "divisor == 1")
def avg_pool_divisor_one_ignored(case: Any, arrays: Arrays) -> Any:
    return divided(case, arrays, _divisors(case, divisor_override=None))


@mutant("avg_pool2d", "grad_input", "divisor_override ignored in the gradient", "divisor is not None")
def avg_pool_gradient_divisor_ignored(case: Any, arrays: Arrays) -> Any:
    return avg_pool_backward(walked(case, divisor_override=None), arrays)


@mutant(
    "avg_pool2d",
    "grad_input",
    "the sign of divisor_override is lost in the gradient",
    "divisor is not None and divisor < 0",
)
def avg_pool_gradient_divisor_sign_lost(case: Any, arrays: Arrays) -> Any:
    return -avg_pool_backward(case, arrays)


@mutant(
    "avg_pool2d",
    BOTH,
    "divisor_override multiplies the count instead of replacing it",
    "divisor is not None and R * S > 1",
)
def avg_pool_divisor_multiplies(case: Any, arrays: Arrays) -> Any:
    return divided(case, arrays, divisors(case) * _divisors(case, divisor_override=None))


@mutant("avg_pool2d", BOTH, "the sum is not divided", "R * S > 1")
def avg_pool_sum(case: Any, arrays: Arrays) -> Any:
    return divided(case, arrays, np.ones(()))


@mutant("avg_pool2d", BOTH, "divides by the square of the window's height", "R != S and divisor is None")
def avg_pool_divides_by_square(case: Any, arrays: Arrays) -> Any:
    return divided(case, arrays, divisors(case) * case.kernel[0] / case.kernel[1])


@mutant("avg_pool2d", "output", "the average is rounded down to an integer", "R * S > 1")
def avg_pool_floors(case: Any, arrays: Arrays) -> Any:
    return np.floor(avg_pool(case, arrays))


@mutant("avg_pool2d", "output", "the average is of magnitudes")
def avg_pool_of_magnitudes(case: Any, arrays: Arrays) -> Any:
    return avg_pool(case, arrays | {"input": np.abs(arrays["input"])})


# Where the windows lie.


@mutant("avg_pool2d", "output", "ceil_mode ignored", "ceil and (over_h > 0 or over_w > 0)")
def avg_pool_ceil_ignored(case: Any, arrays: Arrays) -> Any:
    other = replace(case, ceil_mode=False)
    return avg_pool(walked(case) if other.problem else other, arrays)


@mutant("avg_pool2d", "output", "ceil_mode rounds the height only", "ceil and over_w > 0 and Q > 1")
def avg_pool_ceil_of_height(case: Any, arrays: Arrays) -> Any:
    return avg_pool(case, arrays)[..., : case.output_extents[1] - 1]


@mutant("avg_pool2d", "output", "always ceil_mode", "not ceil and (rest_h > 0 or rest_w > 0)")
def avg_pool_always_ceil(case: Any, arrays: Arrays) -> Any:
    return avg_pool(replace(case, ceil_mode=True), arrays)


@mutant(
    "avg_pool2d",
    "output",
    "ceil_mode keeps a last window that starts in the right padding",
    "ceil and padded",
)
def avg_pool_ceil_keeps_the_empty_window(case: Any, arrays: Arrays) -> Any:
    axes = zip(case.image, case.kernel, strides(case), case.axes(case.padding), strict=True)
    extents = tuple(math.ceil((n + 2 * p - k) / s) + 1 for n, k, s, p in axes)
    other = replace(case)
    vars(other)["output_extents"] = extents
    return avg_pool(other, arrays)


@mutant(
    "avg_pool2d",
    "output",
    "ceil_mode's last windows, clipped, are not written",
    "ceil and (over_h > ph or over_w > pw)",
)
def avg_pool_clipped_windows_unwritten(case: Any, arrays: Arrays) -> Any:
    output = avg_pool(case, arrays)
    (over_h, over_w), (ph, pw) = (high for _, high in case.borders), case.axes(case.padding)
    output[..., -1, :] = 0 if over_h > ph else output[..., -1, :]
    output[..., -1] = 0 if over_w > pw else output[..., -1]
    return output


@mutant(
    "avg_pool2d", "output", "the default stride is 1, not the kernel", "default_stride and (R > 1 or S > 1)"
)
def avg_pool_default_stride_is_1(case: Any, arrays: Arrays) -> Any:
    return avg_pool(replace(case, stride=1), arrays)


@mutant(
    "avg_pool2d", BOTH, "the default stride is the kernel's height for both axes", "default_stride and R != S"
)
def avg_pool_default_stride_of_height(case: Any, arrays: Arrays) -> Any:
    return _answers(walked(case, stride=case.kernel[0]), arrays)


@mutant("avg_pool2d", "output", "the border repeats the edge of the image instead of zeros", "padded")
def avg_pool_border_repeats_edge(case: Any, arrays: Arrays) -> Any:
    image = np.pad(arrays["input"], ((0, 0), (0, 0), *case.borders), mode="edge")
    return _sums(case, image) / divisors(case)


@mutant("avg_pool2d", "output", "the border reads stale data", "padded")
def avg_pool_border_stale(case: Any, arrays: Arrays) -> Any:
    return _sums(case, pad(arrays["input"], case.borders, 7)) / divisors(case)


@mutant(
    "avg_pool2d", "output", "ceil_mode's overhang reads the start of the row again", "ceil and over_w > pw"
)
def avg_pool_overhang_wraps(case: Any, arrays: Arrays) -> Any:
    padded = pad(arrays["input"], case.borders)
    end = case.image[1] + 2 * case.axes(case.padding)[1]
    padded[..., end:] = np.take(padded, np.arange(padded.shape[-1] - end), axis=-1)
    return _sums(case, padded) / divisors(case)


@mutant("avg_pool2d", BOTH, "the last tap of each row of the window is skipped", "S > 1")
def avg_pool_last_column_skipped(case: Any, arrays: Arrays) -> Any:
    return _narrower(case, arrays, (0, 1))


@mutant("avg_pool2d", BOTH, "the last row of the window is skipped", "R > 1")
def avg_pool_last_row_skipped(case: Any, arrays: Arrays) -> Any:
    return _narrower(case, arrays, (1, 0))


def _narrower(case: Any, arrays: Arrays, fewer: tuple[int, int]) -> dict[str, Array]:
    kernel = tuple(k - less for k, less in zip(case.kernel, fewer, strict=True))
    return divided(walked(case, kernel=kernel, divisor_override=1), arrays, divisors(case))


@mutant(
    "avg_pool2d", BOTH, "the 2x2 path with stride 2 ignores the padding", "R == S == sh == sw == 2 and padded"
)
def avg_pool_2x2_ignores_padding(case: Any, arrays: Arrays) -> Any:
    return _answers(walked(case, padding=0), arrays)


@mutant("avg_pool2d", BOTH, "stride beyond the window taken for the window", "sh > R or sw > S")
def avg_pool_stride_beyond_window(case: Any, arrays: Arrays) -> Any:
    return _answers(walked(case, stride=tuple(map(min, strides(case), case.kernel))), arrays)


@mutant(
    "avg_pool2d",
    "output",
    "a window that covers the padded image averages all of it, border left out",
    "R == H + 2 * ph and S == W + 2 * pw and padded and counted and divisor is None",
)
def avg_pool_global_path(case: Any, arrays: Arrays) -> Any:
    return np.broadcast_to(arrays["input"].mean(axis=(2, 3), keepdims=True), avg_pool(case, arrays).shape)


@mutant("avg_pool2d", "output", "batch index ignored: every answer is the first image's", "N > 1")
def avg_pool_batch_index_ignored(case: Any, arrays: Arrays) -> Any:
    return np.repeat(avg_pool(case, arrays)[:1], case.batch, axis=0)


@mutant("avg_pool2d", "output", "channels averaged too", "C > 1")
def avg_pool_over_channels(case: Any, arrays: Arrays) -> Any:
    output = avg_pool(case, arrays)
    return np.broadcast_to(output.mean(axis=1, keepdims=True), output.shape)


@mutant("avg_pool2d", "output", "NaN left out of the sum", "nan")
def avg_pool_nan_left_out(case: Any, arrays: Arrays) -> Any:
    return avg_pool(case, arrays | {"input": np.where(np.isnan(arrays["input"]), 0, arrays["input"])})


@mutant(
    "avg_pool2d",
    "output",
    "differences of running sums: a NaN or infinity reaches every window after it",
    "nan or infinite",
)
def avg_pool_by_running_sums(case: Any, arrays: Arrays) -> Any:
    padded = pad(arrays["input"], case.borders)
    table = np.pad(padded.cumsum(axis=2).cumsum(axis=3), ((0, 0), (0, 0), (1, 0), (1, 0)))
    rows, columns = (np.arange(o) * s for o, s in zip(case.output_extents, strides(case), strict=True))
    r, s = case.kernel
    corners = [table[..., a[:, None], b] for a in (rows + r, rows) for b in (columns + s, columns)]
    return (corners[0] - corners[1] - corners[2] + corners[3]) / divisors(case)


# The gradient.


@mutant(
    "avg_pool2d",
    "grad_input",
    "windows that overlap overwrite the gradient instead of adding",
    "P * Q > 1 and (sh < R or sw < S)",
)
def avg_pool_gradient_overwritten(case: Any, arrays: Arrays) -> Any:
    pads = case.borders
    gradient = np.zeros(pad(arrays["input"], pads).shape)
    for _, place in taps(case):
        gradient[place] = arrays["grad_output"] / divisors(case)
    return unpad(gradient, pads)


@mutant("avg_pool2d", "grad_input", "the gradient is not divided", "R * S > 1")
def avg_pool_gradient_undivided(case: Any, arrays: Arrays) -> Any:
    return avg_pool_backward(case, arrays | {"grad_output": arrays["grad_output"] * divisors(case)})


@mutant("avg_pool2d", "grad_input", "grad_output taken for ones in the gradient")
def avg_pool_gradient_of_ones(case: Any, arrays: Arrays) -> Any:
    return avg_pool_backward(case, arrays | {"grad_output": np.ones_like(arrays["grad_output"])})


@mutant("avg_pool2d", "grad_input", "the gradient goes to the first pixel of each window", "R * S > 1")
def avg_pool_gradient_to_first_pixel(case: Any, arrays: Arrays) -> Any:
    grad = arrays["grad_output"] * divisors(case)
    return avg_pool_backward(walked(case, kernel=(1, 1), divisor_override=1), arrays | {"grad_output": grad})


@mutant(
    "avg_pool2d", "grad_input", "garbage in the gradient past the last window", "rest_h > ph or rest_w > pw"
)
def avg_pool_gradient_garbage(case: Any, arrays: Arrays) -> Any:
    gradient = avg_pool_backward(case, arrays)
    axes = zip(case.output_extents, strides(case), case.kernel, case.axes(case.padding), strict=True)
    h, w = ((o - 1) * s + k - p for o, s, k, p in axes)
    gradient[..., h:, :] = 7
    gradient[..., w:] = 7
    return gradient


@mutant("avg_pool2d", "grad_input", "clipped windows give no gradient", "padded")
def avg_pool_gradient_of_whole_windows(case: Any, arrays: Arrays) -> Any:
    uncounted = _divisors(case, divisor_override=None, count_include_pad=False)
    return avg_pool_backward(
        case, arrays | {"grad_output": np.where(uncounted < _taps(case), 0, arrays["grad_output"])}
    )


@mutant("avg_pool2d", "grad_input", "the gradient is shifted by the padding", "padded")
def avg_pool_gradient_shifted(case: Any, arrays: Arrays) -> Any:
    pads = case.borders
    gradient = np.zeros(pad(arrays["input"], pads).shape)
    for _, place in taps(case):
        gradient[place] += arrays["grad_output"] / divisors(case)
    return gradient[..., : case.image[0], : case.image[1]]


@mutant("avg_pool2d", "grad_input", "a running sum: NaN and infinities of grad_output reach the rest of the row",
        "nan or infinite")  # fmt: skip
def avg_pool_gradient_by_running_sum(case: Any, arrays: Arrays) -> Any:
    gradient = avg_pool_backward(case, arrays)
    return np.where(np.logical_or.accumulate(~np.isfinite(gradient), axis=-1), np.nan, gradient)


@mutant("avg_pool2d", "grad_input", "every image's gradient is the first one's", "N > 1")
def avg_pool_gradient_of_first_image(case: Any, arrays: Arrays) -> Any:
    return np.repeat(avg_pool_backward(case, arrays)[:1], case.batch, axis=0)


def _answers(case: Any, arrays: Arrays) -> dict[str, Array]:
    answers = {"output": avg_pool(case, arrays)}
    return answers | ({"grad_input": avg_pool_backward(case, arrays)} if "grad_output" in arrays else {})


def _sums(case: Any, padded: Array) -> Any:
    return np.sum([padded[place] for _, place in taps(case)], axis=0)
