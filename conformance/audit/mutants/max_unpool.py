"""Mistakes of max unpooling: what an index counts, who stays where several meet, what a gradient makes of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.audit.mutants.max_pool import along_axes, counted
from conformance.audit.mutants.otherwise import ALL, LAST, Change, Computed, Edit, Row, Rows, both_of, finite, first_image, first_images_answer, ones, without_nan, zero
from conformance.audit.mutants.words import paddings
from conformance.cases.arrays import Array, Arrays
from conformance.operations.windows import at
from conformance.operations.max_unpool import max_unpool, max_unpool_backward, plain_extents


output, gradient, both = Computed(max_unpool), Computed(max_unpool_backward), both_of(max_unpool, max_unpool_backward)


def plane_of(case: Any) -> int:
    return math.prod(case.output_extents)


def reindexed(index: Callable[[Any, list[Array]], Array]) -> Edit:
    """Other indices, by the position of each along each axis of the answer; what is outside falls back inside."""
    return lambda case, found: np.asarray(index(case, along_axes(found, case.output_extents))) % plane_of(case)


def by_index(index: Callable[[Any, list[Array]], Array]) -> Change:
    return both.given(indices=reindexed(index))


def from_window(case: Any, places: list[Array]) -> Array:
    """The index is taken for that of a tap: added to where the window starts."""
    found, starts = counted(places, case.output_extents), []
    for after, (n, s, p) in enumerate(zip(case.image, case.strides, paddings(case), strict=True), 1 - case.dimensions):
        starts.append((np.arange(n) * s - p).reshape(-1, *(1,) * -after))
    return np.asarray(found + counted(starts, case.output_extents))


def tap_of_window(tap: int) -> Callable[[Any, list[Array]], Array]:
    """One tap of each window, whatever its index."""

    def index(case: Any, places: list[Array]) -> Array:
        axes = enumerate(zip(case.image, case.kernel, case.strides, paddings(case), case.output_extents, strict=True), 1 - case.dimensions)
        taps = [np.clip(np.arange(n) * s - p + tap % k, 0, o - 1).reshape(-1, *(1,) * -after) for after, (n, k, s, p, o) in axes]
        return np.asarray(counted(taps, case.output_extents) + 0 * places[0])

    return index


def placed(write: Callable[[Array, Array, Array], Any], empty: float = 0) -> Change:
    """Each plane written otherwise: (plane, indices, values)."""

    def change(case: Any, arrays: Arrays) -> Array:
        shape = (*arrays["input"].shape[:2], *case.output_extents)
        planes = np.full((math.prod(shape[:2]), plane_of(case)), empty, float)
        flat = (math.prod(shape[:2]), math.prod(case.image))
        every = zip(planes, arrays["indices"].reshape(flat), arrays["input"].reshape(flat), strict=True)
        for plane, index, values in every:
            write(plane, index, values)
        return planes.reshape(shape)

    return change


def assign(plane: Array, index: Array, values: Array) -> None:
    plane[index] = values


def all_but_the_first(plane: Array, index: Array, values: Array) -> None:
    plane[index] = np.where(index == 0, 0, values)


def first_stays(plane: Array, index: Array, values: Array) -> None:
    plane[index[::-1]] = values[::-1]


def largest_stays(plane: Array, index: Array, values: Array) -> None:
    lowest = np.full(plane.shape, -np.inf)
    np.maximum.at(lowest, index, values)
    plane[index] = lowest[index]


def spread(case: Any, arrays: Arrays) -> Array:
    """Each value to all of its window that no other takes."""
    answer = np.zeros((*arrays["input"].shape[:2], *case.output_extents))
    for window in np.ndindex(*case.image):
        axes = zip(window, case.kernel, case.strides, paddings(case), strict=True)
        place = at(slice(max(i * s - p, 0), max(i * s - p, 0) + k) for i, k, s, p in axes)
        answer[place] = arrays["input"][at(window)].reshape(*answer.shape[:2], *(1,) * case.dimensions)
    return answer


def across_planes(case: Any, arrays: Arrays) -> Array:
    """All planes written into the first of each image."""
    answer = np.zeros((*arrays["input"].shape[:2], *case.output_extents))
    for n, (indices, values) in enumerate(zip(arrays["indices"], arrays["input"], strict=True)):
        answer[n].reshape(-1)[indices.reshape(-1)] = values.reshape(-1)
    return answer


def in_size(size: Callable[[Any], tuple[int, ...]]) -> Change:
    """The answer in another size: indices count in it, what is outside falls back inside."""

    def change(case: Any, arrays: Arrays) -> Array:
        extents = tuple(max(1, n) for n in size(case))
        shape = (*arrays["input"].shape[:2], *extents)
        planes = np.zeros((math.prod(shape[:2]), math.prod(extents)))
        flat = (len(planes), math.prod(case.image))
        np.put_along_axis(planes, arrays["indices"].reshape(flat) % planes.shape[1], arrays["input"].reshape(flat), axis=1)
        return planes.reshape(shape)

    return change


def extents_by(**options: Any) -> Callable[[Any], tuple[int, ...]]:
    """What the windows reach over by other options."""
    return lambda case: plain_extents(replace(case, output_size=None, **{n: o(case) for n, o in options.items()}))


def only_first_of_repeats(case: Any, arrays: Arrays) -> Array:
    """Of those that share a place the one that stayed alone gets the gradient."""
    gathered, flat = max_unpool_backward(case, arrays), (math.prod(arrays["input"].shape[:2]), math.prod(case.image))
    stays = np.zeros((flat[0], plane_of(case)), int)
    numbers, indices = np.broadcast_to(np.arange(flat[1]), flat), arrays["indices"].reshape(flat)
    np.put_along_axis(stays, indices, numbers, axis=1)
    kept = np.take_along_axis(stays, indices, axis=1) == numbers
    return np.where(kept.reshape(gathered.shape), gathered, 0)


def shared(case: Any, arrays: Arrays) -> Array:
    """Those that share a place share its gradient."""
    flat = (math.prod(arrays["input"].shape[:2]), math.prod(case.image))
    many = np.zeros((flat[0], plane_of(case)))
    for counts, index in zip(many, arrays["indices"].reshape(flat), strict=True):
        np.add.at(counts, index, 1)
    sharing = np.take_along_axis(many, arrays["indices"].reshape(flat), axis=1)
    return np.asarray(max_unpool_backward(case, arrays) / sharing.reshape(arrays["input"].shape))


def summed_over_window(case: Any, arrays: Arrays) -> Array:
    """The sum of grad_output over each window."""
    answer = np.zeros(arrays["input"].shape)
    for window in np.ndindex(*case.image):
        axes = zip(window, case.kernel, case.strides, paddings(case), strict=True)
        place = at(slice(max(i * s - p, 0), max(i * s - p + k, 0)) for i, k, s, p in axes)
        answer[at(window)] = arrays["grad_output"][place].sum(axis=tuple(range(2, 2 + case.dimensions)))
    return answer


def turned(axes: tuple[int, ...]) -> tuple[int, ...]:
    return (*axes[:-2], axes[-1], axes[-2])


REPEATED = "repeats"
BOTH: list[Row] = [
    ("an index is taken for that of a tap in its window", "pixels > 1", by_index(from_window)),
    ("indices count column by column", "P > 1 and Q > 1", by_index(lambda c, places: counted(places[::-1], c.output_extents[::-1]))),
    ("height and width of a place are exchanged", "P > 1 and Q > 1", by_index(lambda c, places: counted([*places[:-2], places[-1] % c.output_extents[-2], places[-2] % c.output_extents[-1]], c.output_extents))),
    ("indices are read in rows as long as those of the input", "P > 1 and W != Q", by_index(lambda c, places: counted(places, (*c.output_extents[:-1], c.image[-1])))),
    ("indices are read in rows that output_size does not lengthen", "P > 1 and resized", by_index(lambda c, places: counted(places, plain_extents(c)))),
    ("indices are read in the padded image", "padded", by_index(lambda c, places: counted([place + p for place, p in zip(places, paddings(c), strict=True)], c.output_extents))),
    ("indices count from 1", "positions > 1", by_index(lambda c, places: counted(places, c.output_extents) - 1)),
    ("indices of 8 bits", "True", both.given(indices=lambda c, i: i % 256)),
    ("indices of 16 bits", "True", both.given(indices=lambda c, i: i % 65536)),
    ("each value goes to the first tap of its window", "taps > 1", by_index(tap_of_window(0))),
    ("each value goes to the second tap of its window", "True", by_index(tap_of_window(1))),
    ("every channel uses the first one's indices", "C > 1", both.given(indices=lambda c, i: np.repeat(i[:, :1], c.channels, axis=1))),
    ("every image uses the first one's indices", "N > 1", both.given(indices=first_image)),
]
OUTPUT: list[Row] = [
    ("the first of those that share a place stays", REPEATED, placed(first_stays)),
    ("those that share a place add up", "True", placed(lambda plane, index, values: np.add.at(plane, index, values))),
    ("the largest of those that share a place stays", REPEATED, placed(largest_stays)),
    ("the rest of the answer is 1", "True", placed(assign, empty=1)),
    ("the rest of the answer is -inf", "True", placed(assign, empty=-np.inf)),
    ("each value fills its window", "taps > 1", spread),
    ("indices count over the channels: all write into the first", "C > 1", across_planes),
    ("the last row of values is not written", "H > 1", output.given(input=zero(..., LAST, ALL))),
    ("the last column of values is not written", "W > 1", output.given(input=zero(..., LAST))),
    ("values at index 0 are not written", "True", placed(all_but_the_first)),
    ("NaN taken for 0", "nan", output.given(input=without_nan)),
    ("negative values are not written", "True", output.given(input=lambda c, x: np.where(x < 0, 0, x))),
    ("batch index ignored: every answer is the first image's", "N > 1", output.changed(first_images_answer)),
    ("output_size ignored", "resized", in_size(lambda c: plain_extents(c))),
    ("output_size of height and width swapped", "resized and P != Q", in_size(lambda c: turned(c.output_extents))),
    ("padding ignored in the size of the answer", "padded and not resized", in_size(extents_by(padding=lambda c: 0))),
    ("padding subtracted once in the size of the answer", "padded and not resized", in_size(lambda c: tuple(n + p for n, p in zip(plain_extents(c), paddings(c), strict=True)))),
    ("the size of the answer is the input's times the stride", "not resized and (overlap or gaps or padded)", in_size(lambda c: tuple(n * s for n, s in zip(c.image, c.strides, strict=True)))),
    ("the size of the answer is the input's times the kernel", "not resized and (overlap or gaps or padded)", in_size(lambda c: tuple(n * k for n, k in zip(c.image, c.kernel, strict=True)))),
    ("the default stride is 1, not the kernel", "default_stride and taps > 1 and pixels > 1 and not resized", in_size(extents_by(stride=lambda c: 1))),
    ("the default stride is 2, not the kernel", "default_stride and not resized", in_size(extents_by(stride=lambda c: 2))),
    ("the stride of the width is used for all axes", "sh != sw and not resized", in_size(extents_by(stride=lambda c: c.strides[-1]))),
    ("the stride of the height is used for the width", "sh != sw and not resized", in_size(extents_by(stride=lambda c: (*c.strides[:-1], c.strides[-2])))),
    ("the kernel of height and width swapped", "R != S and not resized", in_size(extents_by(kernel=lambda c: turned(c.kernel), stride=lambda c: c.strides))),
    ("the padding of the width is used for all axes", "ph != pw and not resized", in_size(extents_by(padding=lambda c: paddings(c)[-1]))),
]
GRADIENT: list[Row] = [
    ("of those that share a place one alone gets the gradient", REPEATED, only_first_of_repeats),
    ("those that share a place share its gradient", "True", shared),
    ("the gradient is the sum over the window", "True", summed_over_window),
    ("the gradient is that of the first tap of each window", "taps > 1", gradient.given(indices=reindexed(tap_of_window(0)))),
    ("grad_output taken for ones in the gradient", "True", gradient.given(grad_output=ones)),
    ("NaN and infinities of grad_output are lost", "nan or infinite", gradient.given(grad_output=finite)),
    ("every image's gradient uses the first one's indices", "N > 1", gradient.given(indices=first_image)),
    ("every channel's gradient uses the first one's indices", "C > 1", gradient.given(indices=lambda c, i: np.repeat(i[:, :1], c.channels, axis=1))),
    ("the gradient of values that are 0 is 0", "True", lambda c, a: np.where(a["input"] == 0, 0, max_unpool_backward(c, a))),
    ("the gradient of the last column of values is 0", "W > 1", gradient.changed(zero(..., LAST))),
    ("the gradient is multiplied by the value", "True", lambda c, a: max_unpool_backward(c, a) * a["input"]),
    ("the gradient counts indices from 1", "positions > 1", gradient.given(indices=reindexed(lambda c, places: counted(places, c.output_extents) - 1))),
]
ROWS: Rows = {("max_unpool", "output grad_input"): BOTH, ("max_unpool", "output"): OUTPUT, ("max_unpool", "grad_input"): GRADIENT}
