"""Mistakes of max pooling: what wins, which index, where the gradient goes, where the windows lie."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.audit.mutants.otherwise import FIRST, LAST, Change, Computed, Edit, Row, Rows, Walked, finite, first_images_answer, ones, past, per_channel, shorter_strides, walked, zero
from conformance.audit.mutants.words import paddings, reach
from conformance.cases.arrays import Array, Arrays
from conformance.operations import DTYPES
from conformance.operations.family import Answers
from conformance.operations.windows import at, pad, taps, unpad
from conformance.operations.max_pool import least_of, max_pool, max_pool_backward

Wins = Callable[[Array, Array], Array]  # value, best -> where the value replaces the best
EVERYTHING = "output indices grad_input"


def with_gradient(case: Any, arrays: Arrays, answers: Answers) -> Answers:
    """The answers of a max pooling with the gradient that follows from its indices."""
    if "grad_output" not in arrays:
        return answers
    return answers | {"grad_input": max_pool_backward(case, arrays, answers["indices"])}


def reanswered(edit: Edit, *names: str) -> Change:
    """The answers changed (those named, or both), the gradient by the changed indices."""

    def change(case: Any, arrays: Arrays) -> Answers:
        answers = {name: edit(case, answer) for name, answer in max_pool(case, arrays).items() if name in (names or (name,))}
        return with_gradient(case, arrays, answers)

    return change


def gradient_of(case: Any, arrays: Arrays, edit: Edit = lambda case, indices: indices) -> Any:
    """The gradient by other indices."""
    return max_pool_backward(case, arrays, edit(case, max_pool(case, arrays)["indices"]))


forward = Computed(max_pool)
output = Computed(lambda case, arrays: max_pool(case, arrays)["output"])
indices = Computed(lambda case, arrays: max_pool(case, arrays)["indices"])
gradient = Computed(gradient_of)
everything = Computed(lambda case, arrays: with_gradient(case, arrays, max_pool(case, arrays)))

# Who wins.


def greater(value: Array, best: Array) -> Any:
    return (value > best) | np.isnan(value)


def greater_alone(value: Array, best: Array) -> Any:
    return value > best


def not_less(value: Array, best: Array) -> Any:
    return (value >= best) | np.isnan(value)


def above_signed_zeros(value: Array, best: Array) -> Any:
    return greater(value, best) | ((value == 0) & (best == 0) & ~np.signbit(value) & np.signbit(best))


def scan(case: Any, arrays: Arrays, wins: Wins, border: float | None = None, lowest: float | None = None) -> Answers:
    """max_pool with another rule of who wins.

    border    what padding counts as, where it takes part (index of the window's first tap inside)
    lowest    what a window starts from, where not from the least number
    """
    least = least_of(arrays["input"])
    padded = pad(arrays["input"], case.borders, least if border is None else border)
    place_of = numbered(case)
    shape = (*arrays["input"].shape[:2], *case.output_extents)
    best, index = np.full(shape, least if lowest is None else lowest, padded.dtype), np.full(shape, -1)
    for _, place in taps(case):
        value, here = padded[place], np.broadcast_to(place_of[place], shape)
        won = wins(value, best) & ((here >= 0) | (border is not None))
        best = np.where(won, value, best)
        index = np.where((won & (here >= 0)) | ((index < 0) & (here >= 0)), here, index)
    return {"output": best, "indices": index}


def numbered(case: Any) -> Array:
    """The index of each pixel of the padded image; -1 in the border."""
    return pad(np.arange(math.prod(case.image)).reshape(1, 1, *case.image), case.borders, -1)


def scanned(wins: Wins, border: float | None = None) -> Change:
    return lambda case, arrays: with_gradient(case, arrays, scan(case, arrays, wins, border))


def started(lowest: float | Callable[[Any], float]) -> Change:
    """The scan starts from a number, not from -inf."""
    return lambda case, arrays: scan(case, arrays, greater, lowest=lowest(case) if callable(lowest) else lowest)["output"]


def nan_of_first_tap(case: Any, arrays: Arrays) -> Answers:
    first = np.isnan(pad(arrays["input"], case.borders, -np.inf)[next(taps(case))[1]])
    right, ignoring = max_pool(case, arrays), scan(case, arrays, greater_alone)
    return with_gradient(case, arrays, {name: np.where(first, right[name], answer) for name, answer in ignoring.items()})


def first_in_column_order(case: Any, arrays: Arrays) -> Answers:
    padded, place_of = pad(arrays["input"], case.borders, -np.inf), numbered(case)
    best = output(case, arrays)
    index = np.full(best.shape, -1)
    for _, place in sorted(taps(case), key=lambda tap: tap[0][::-1], reverse=True):
        value, here = padded[place], place_of[place]
        index = np.where((here >= 0) & ((value == best) | np.isnan(value)), here, index)
    return with_gradient(case, arrays, {"indices": index})


def to_equals(share: Callable[[Array], Array], tolerance: float = 0) -> Change:
    """The gradient where each tap that equals its window's largest value gets a share."""

    def change(case: Any, arrays: Arrays) -> Array:
        best, padded = output(case, arrays), pad(arrays["input"], case.borders, -np.inf)
        inside = pad(np.ones_like(arrays["input"]), case.borders) > 0
        places = [place for _, place in taps(case)]
        equal = [inside[p] & ((padded[p] == best) | (padded[p] >= best - tolerance)) for p in places]
        spread = np.zeros(padded.shape)
        for place, part in zip(places, share(np.array(equal, float)), strict=True):
            spread[place] += arrays["grad_output"] * part
        return unpad(spread, case.borders)

    return change


def found_in_plane(case: Any, arrays: Arrays) -> Array:
    """The first pixel of the whole plane that equals each answer."""
    best = output(case, arrays)
    planes, values = arrays["input"].reshape(-1, math.prod(case.image)), best.reshape(-1, math.prod(case.output_extents))
    found = [(plane == value[:, None]).argmax(axis=1) for plane, value in zip(planes, values, strict=True)]
    return np.array(found, int).reshape(best.shape)


# Indices: each as one number an axis, and back.


def along_axes(index: Array, extents: Sequence[int]) -> list[Array]:
    """The position along each axis of an index that counts in row-major order."""
    places = []
    for extent in reversed(extents[1:]):
        places.append(index % extent)
        index = index // extent
    return [index, *reversed(places)]


def counted(places: Sequence[Array], extents: Sequence[int]) -> Array:
    """The index of a position in an image of these extents."""
    index = places[0]
    for place, extent in zip(places[1:], extents[1:], strict=True):
        index = index * extent + place
    return index


def starts(case: Any) -> list[Array]:
    """Where the windows of each axis start, to stand beside the answers."""
    axes = enumerate(zip(case.output_extents, case.strides, paddings(case), strict=True), 1 - case.dimensions)
    return [(np.arange(o) * s - p).reshape(-1, *(1,) * -after) for after, (o, s, p) in axes]


def reindexed(index: Callable[[Any, list[Array]], Array]) -> Change:
    """The index by its position along each axis."""
    return indices.changed(lambda case, found: index(case, along_axes(found, case.image)))


def taps_of(case: Any, places: list[Array]) -> list[Array]:
    """The tap of its window that each position is."""
    return [(place - start) // d for place, start, d in zip(places, starts(case), case.dilations, strict=True)]


def in_window(case: Any, places: list[Array]) -> Array:
    return counted(taps_of(case, places), case.kernel)


def in_padded_image(case: Any, places: list[Array]) -> Array:
    padding = paddings(case)
    moved = [place + p for place, p in zip(places, padding, strict=True)]
    return counted(moved, [n + 2 * p for n, p in zip(case.image, padding, strict=True)])


def undilated_index(case: Any, places: list[Array]) -> Array:
    return counted([tap + start for tap, start in zip(taps_of(case, places), starts(case), strict=True)], case.image)


def at_clipped_start(case: Any, places: list[Array]) -> Array:
    border = np.logical_or.reduce(np.broadcast_arrays(*(start < 0 for start in starts(case))))
    return np.where(border, counted([np.maximum(start, 0) for start in starts(case)], case.image), counted(places, case.image))


def infinite_windows(index: int) -> Callable[[Answers], Array]:
    return lambda answers: np.where(np.isneginf(answers["output"]), index, answers["indices"])


def planes_counted(case: Any, index: Array) -> Any:
    planes = np.arange(index.shape[0] * index.shape[1]).reshape(*index.shape[:2], *(1,) * case.dimensions)
    return index + planes * math.prod(case.image)


# The gradient.


def overwritten(case: Any, arrays: Arrays) -> Array:
    spread, index = np.zeros(arrays["input"].shape), indices(case, arrays)
    planes, at = spread.reshape(-1, math.prod(case.image)), index.reshape(-1, math.prod(case.output_extents))
    plane, window = np.nonzero(at >= 0)
    planes[plane, at[plane, window]] = arrays["grad_output"].reshape(at.shape)[plane, window]
    return spread


def shared_by_windows(case: Any, arrays: Arrays) -> Array:
    windows = gradient.given(grad_output=ones)(case, arrays)
    return np.asarray(gradient(case, arrays) / np.maximum(windows, 1))


def averaged(case: Any, arrays: Arrays) -> Array:
    spread = np.zeros(pad(arrays["input"], case.borders).shape)
    for _, place in taps(case):
        spread[place] += arrays["grad_output"] / math.prod(case.kernel)
    return unpad(spread, case.borders)


def garbage_right_of_the_last_window(case: Any, grad: Array) -> Array:
    end = (case.output_extents[-1] - 1) * case.strides[-1] - paddings(case)[-1] + reach(case)[-1]
    return past(grad, (end,), 7)


def lost_in_padding(case: Any, arrays: Arrays) -> Array:
    zero_padded, right = scan(case, arrays, greater, border=0)["output"], max_pool(case, arrays)
    return max_pool_backward(case, arrays, np.where(zero_padded == right["output"], right["indices"], -1))


# Where the windows lie.


def unrounded(case: Any) -> Any:
    """The case without ceil_mode; as it was where that would be refused."""
    other = replace(case, ceil_mode=False)
    return walked(case) if other.problem else other


def every_window(case: Any) -> Any:
    """ceil_mode that keeps a window which starts in the right padding."""
    axes = zip(case.image, paddings(case), reach(case), case.strides, strict=True)
    return Walked(case, tuple(math.ceil((n + 2 * p - r) / s) + 1 for n, p, r, s in axes), case.pads)


def largest(case: Any, padded: Array) -> Array:
    return np.asarray(np.max([padded[place] for _, place in taps(case)], axis=0))


def overhang(value: float) -> Change:
    """What ceil_mode's last windows reach over the padded image is a number."""

    def change(case: Any, arrays: Arrays) -> Array:
        extents = tuple(n + 2 * p for n, p in zip(case.image, paddings(case), strict=True))
        return largest(case, past(pad(arrays["input"], case.borders, -np.inf), extents, value))

    return change


def overhang_of_next_row(case: Any, arrays: Arrays) -> Array:
    padded, low, inside = pad(arrays["input"], case.borders, -np.inf), paddings(case)[-1], case.image[-1]
    after = padded.shape[-1] - low - inside
    following = np.roll(padded, -1, axis=-2)[..., low : low + min(after, inside)]
    padded[..., :-1, low + inside : low + inside + following.shape[-1]] = following[..., :-1, :]
    return largest(case, padded)


def dilated_from_0(case: Any, arrays: Arrays) -> Answers:
    """Starts are clamped along each axis before the dilated taps are added."""
    ways = []
    for n, k, s, p, d, o in zip(case.image, case.kernel, case.strides, paddings(case), case.dilations, case.output_extents, strict=True):
        start = np.maximum(np.arange(o) * s - p, 0)
        ways.append([np.where(start + t * d < n, start + t * d, -1) for t in range(k)])
    best = np.full((*arrays["input"].shape[:2], *case.output_extents), -np.inf)
    index = np.full(best.shape, -1)
    for places in (np.ix_(*way) for way in itertools.product(*ways)):
        there: Any = (..., *places)
        value = arrays["input"][there]
        inside = np.logical_and.reduce(np.broadcast_arrays(*(place >= 0 for place in places)))
        won = inside & (greater(value, best) | (index < 0))
        best, index = np.where(won, value, best), np.where(won, counted(places, case.image), index)
    return with_gradient(case, arrays, {"output": best, "indices": index})


def border_wrapped(case: Any, arrays: Arrays) -> Any:
    wrapped = np.pad(arrays["input"], ((0, 0), (0, 0), *case.borders), mode="wrap")
    plain = replace(case, image=wrapped.shape[2:], padding=0, stride=case.strides)
    answers = forward(Walked(plain, case.output_extents, plain.pads), {"input": wrapped})
    places = along_axes(answers["indices"], wrapped.shape[2:])
    inside = [(place - low) % n for place, n, (low, _) in zip(places, case.image, case.borders, strict=True)]
    return answers | {"indices": counted(inside, case.image)}


def nothing_compared(case: Any, arrays: Arrays) -> Any:
    first = arrays["input"][at((FIRST,) * case.dimensions)]
    return 0 * first + np.zeros((*arrays["input"].shape[:2], *case.output_extents))


ALL_OUTPUTS: list[Row] = [
    ("padding counts as 0: it wins over negative values", "padded", scanned(greater, border=0)),
    ("NaN ignored", "nan", scanned(greater_alone)),
    ("NaN forgotten when a value follows it", "nan", scanned(lambda value, best: ~(value <= best))),
    ("NaN in the first tap of a window only is kept", "nan", nan_of_first_tap),
    ("+0 wins over -0", "ties", scanned(above_signed_zeros)),
    ("values within 1e-3 of each other are taken for equal", "True", scanned(lambda value, best: (value > best + 1e-3) | np.isnan(value))),
    ("the default stride is the kernel's height for both axes", "default_stride and R != S", everything.walked(stride=lambda c: c.kernel[-2])),
    ("starts of dilated windows in the border are moved to 0", "max(dilations) > 1 and padded", dilated_from_0),
    ("the last tap of each row of the window is skipped", "S > 1", everything.walked(kernel=lambda c: (*c.kernel[:-1], c.kernel[-1] - 1))),
    ("the last row of the window is skipped", "R > 1", everything.walked(kernel=lambda c: (*c.kernel[:-2], c.kernel[-2] - 1, c.kernel[-1]))),
    ("windows longer than 4 are cut to 4", "max(kernel) > 4", everything.walked(kernel=lambda c: tuple(min(k, 4) for k in c.kernel))),
    ("the 2x2 path with stride 2 ignores the padding", "size == stride == 2 and padded", everything.walked(padding=0)),
    ("stride beyond the window taken for the window", "gaps", everything.walked(stride=shorter_strides)),
    ("dilation ignored where there is a stride", "max(dilations) > 1 and max(strides) > 1", everything.walked(dilation=1)),
    ("dilation ignored in ceil_mode", "max(dilations) > 1 and ceil", everything.walked(dilation=1)),
    ("NaN counts as -inf in ceil_mode", "nan and ceil", scanned(greater_alone)),
]
FORWARD: list[Row] = [
    ("ceil_mode ignored", "ceil and max(over) > 0", lambda c, a: max_pool(unrounded(c), a)),
    ("ceil_mode rounds the height only", "H > 0 and ceil and over_w > 0 and Q > 1", forward.changed(lambda c, y: y[..., :-1])),
    ("always ceil_mode", "not ceil and max(rest) > 0", forward.asked(ceil_mode=True)),
    ("ceil_mode keeps a last window that starts in the right padding", "ceil and padded", lambda c, a: max_pool(every_window(c), a)),
    ("the default stride is 1, not the kernel", "default_stride and taps > 1", forward.asked(stride=1)),
    ("the 2x2 path with stride 2 leaves an odd last column out of ceil_mode", "size == stride == 2 and ceil and over_w > pw and Q > 1", forward.changed(lambda c, y: y[..., :-1])),
    ("the border repeats the edge: windows see it, and its index is wrapped", "padded and W > 1", border_wrapped),
]
OUTPUT: list[Row] = [
    ("the scan starts from the lowest float: a window of -inf answers that", "infinite", started(lambda c: -DTYPES[c.dtype].largest)),
    ("the scan starts from 0: negative windows answer 0", "True", started(0)),
    ("the scan starts from the smallest positive float", "True", started(lambda c: DTYPES[c.dtype].smallest)),
    ("the scan starts from -1000: lower windows answer that", "True", started(-1000)),
    ("the largest by absolute value wins", "True",
     lambda c, a: scan(c, a, lambda value, best: (np.abs(value) > np.abs(best)) | np.isinf(best) | np.isnan(value))["output"]),
    ("ceil_mode's overhang counts as 0", "ceil and overhang", overhang(0)),
    ("ceil_mode's overhang reads garbage", "ceil and overhang", overhang(1e6)),
    ("ceil_mode's overhang reads the start of the next row", "ceil and over_w > pw and H > 1", overhang_of_next_row),
    ("a window of one pixel answers zero: nothing is compared", "size == 1", nothing_compared),
    ("batch index ignored: every answer is the first image's", "N > 1", output.changed(first_images_answer)),
]
CHOICE: list[Row] = [
    ("index and gradient of the first NaN instead of the last", "nan", scanned(lambda value, best: (value > best) | (np.isnan(value) & ~np.isnan(best)))),
    ("the last of equal values wins", "ties", scanned(not_less)),
    ("the first of equal values in column order wins", "ties", first_in_column_order),
]
INDICES: list[Row] = [
    ("the index is that of the first equal value in the plane, outside the window too", "ties", found_in_plane),
    ("the index counts within the window", "True", reindexed(in_window)),
    ("the index counts in the padded image", "padded", reindexed(in_padded_image)),
    ("the index counts channels too", "C > 1", indices.changed(lambda c, i: i + per_channel(c, np.arange(c.channels) * math.prod(c.image)))),
    ("the index counts images and channels too", "N * C > 1", indices.changed(planes_counted)),
    ("the index counts down the columns", "H > 1 and W > 1", reindexed(lambda c, places: counted(places[::-1], c.image[::-1]))),
    ("the index multiplies by the image's height for its width", "H != W", reindexed(lambda c, places: counted(places, (*c.image[:-1], c.image[-2])))),
    ("the index is channels last: (row * W + column) * C + channel", "C > 1", indices.changed(lambda c, i: i * c.channels + per_channel(c, np.arange(c.channels)))),
    ("the index of a dilated window ignores the dilation", "max(dilations) > 1", reindexed(undilated_index)),
    ("the index of a window in the border is clipped to the window's start", "padded", reindexed(at_clipped_start)),
    ("the index counts from one", "True", indices.changed(lambda c, i: i + 1)),
    ("the index of a window of nothing but -inf is -1", "infinite", lambda c, a: infinite_windows(-1)(max_pool(c, a))),
    ("a window of nothing but -inf has index 0, not its first tap", "infinite", lambda c, a: infinite_windows(0)(max_pool(c, a))),
]
GRADIENT: list[Row] = [
    ("the gradient goes to every tie", "ties", to_equals(lambda equal: equal)),
    ("ties share the gradient", "ties", to_equals(lambda equal: equal / np.maximum(sum(equal), 1))),
    ("the gradient goes to every value within 1e-5 of the largest", "True", to_equals(lambda equal: equal, 1e-5)),
    ("the gradient goes to every pixel that equals any window's largest value", "ties or overlap", lambda c, a: max_pool_backward(c, a, found_in_plane(c, a))),
    ("a window of nothing but -inf gives no gradient", "infinite", lambda c, a: max_pool_backward(c, a, infinite_windows(-1)(max_pool(c, a)))),
    ("windows that overlap overwrite the gradient instead of adding", "positions > 1 and overlap", overwritten),
    ("the gradient is divided by the windows that hold the pixel", "overlap", shared_by_windows),
    ("the gradient is spread over the window as in average pooling", "taps > 1", averaged),
    ("grad_output taken for ones in the gradient", "True", gradient.given(grad_output=ones)),
    ("the last row of windows gives no gradient where the stride leaves rows over", "past_h > 0", gradient.given(grad_output=zero(..., LAST, slice(None)))),
    ("garbage in the gradient past the last window", "past_w > 0", gradient.changed(garbage_right_of_the_last_window)),
    ("NaN and infinities of grad_output are lost", "nan or infinite", gradient.given(grad_output=finite)),
    ("a NaN that was the answer gets no gradient", "nan", lambda c, a: gradient_of(c, a, lambda c, i: np.where(np.isnan(output(c, a)), -1, i))),
    ("every image's gradient uses the first one's indices", "N > 1", lambda c, a: gradient_of(c, a, lambda c, i: np.broadcast_to(i[:1], i.shape))),
    ("every channel's gradient uses the first one's indices", "C > 1", lambda c, a: gradient_of(c, a, lambda c, i: np.broadcast_to(i[:, :1], i.shape))),
    ("padding takes the gradient of windows of negative values", "padded", lost_in_padding),
]
ROWS: Rows = {
    ("max_pool", EVERYTHING): ALL_OUTPUTS,
    ("max_pool", "output"): OUTPUT,
    ("max_pool", "indices grad_input"): CHOICE,
    ("max_pool", "grad_input"): GRADIENT,
    ("max_pool", "indices"): INDICES,
    ("max_pool", "output indices"): FORWARD,
}
