"""Max unpooling at once over all planes, pixel by pixel, by sorted indices, from the end."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from conformance.audit.right.kernel import Right, computed
from conformance.cases.arrays import Array, Arrays
from conformance.operations.family import Answers


def planes(case: Any, arrays: Arrays) -> tuple[int, Array, Array]:
    """How many planes, their indices, their values: of the input, or of grad_output where there is one."""
    count, pixels = math.prod(arrays["input"].shape[:2]), math.prod(case.image)
    source = arrays.get("grad_output", arrays["input"])
    return count, arrays["indices"].reshape(count, pixels), source.reshape(count, math.prod(source.shape[2:]))


def shaped(case: Any, arrays: Arrays, wanted: tuple[str, ...], flat: Array) -> Answers:
    extents = case.output_extents if wanted == ("output",) else case.image
    return {wanted[0]: flat.reshape(*arrays["input"].shape[:2], *extents)}


def along_planes(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    count, index, values = planes(case, arrays)
    if wanted != ("output",):
        return shaped(case, arrays, wanted, np.take_along_axis(values, index, axis=1))
    answer = np.zeros((count, math.prod(case.output_extents)), values.dtype)
    np.put_along_axis(answer, index, values, axis=1)
    return shaped(case, arrays, wanted, answer)


def in_one_memory(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    """One index over all planes."""
    count, index, values = planes(case, arrays)
    plane = math.prod(case.output_extents)
    every = (index + plane * np.arange(count)[:, None]).reshape(-1)
    if wanted != ("output",):
        return shaped(case, arrays, wanted, values.reshape(-1)[every])
    answer = np.zeros(count * plane, values.dtype)
    answer[every] = values.reshape(-1)
    return shaped(case, arrays, wanted, answer)


def pixel_by_pixel(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    count, index, values = planes(case, arrays)
    gathers = wanted != ("output",)
    answer = np.zeros((count, index.shape[1] if gathers else math.prod(case.output_extents)), values.dtype)
    for pixel in range(index.shape[1]):
        for plane in range(count):
            place = index[plane, pixel]
            if gathers:
                answer[plane, pixel] = values[plane, place]
            else:
                answer[plane, place] = values[plane, pixel]
    return shaped(case, arrays, wanted, answer)


def last_alone(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    """Each place is written once, by the last that has it: the first of them seen from the end."""
    count, index, values = planes(case, arrays)
    if wanted != ("output",):
        return along_planes(case, arrays, wanted)
    answer = np.zeros((count, math.prod(case.output_extents)), values.dtype)
    for plane, places, value in zip(answer, index[:, ::-1], values[:, ::-1], strict=True):
        once, first = np.unique(places, return_index=True)
        plane[once] = value[first]
    return shaped(case, arrays, wanted, answer)


def by_sorting(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    """Sorted by place, in order where it is shared; the gradient sorted back."""
    count, index, values = planes(case, arrays)
    order = np.argsort(index, axis=1, kind="stable")
    places = np.take_along_axis(index, order, axis=1)
    if wanted != ("output",):
        answer = np.zeros(index.shape, values.dtype)
        np.put_along_axis(answer, order, np.take_along_axis(values, places, axis=1), axis=1)
        return shaped(case, arrays, wanted, answer)
    last = np.ones(places.shape, bool)
    last[:, :-1] = places[:, 1:] != places[:, :-1]
    answer = np.zeros((count, math.prod(case.output_extents)), values.dtype)
    plane = np.broadcast_to(np.arange(count)[:, None], places.shape)[last]
    answer[plane, places[last]] = np.take_along_axis(values, order, axis=1)[last]
    return shaped(case, arrays, wanted, answer)


ROWS = [
    Right("unpool_along_planes", "values put along each plane", computed(along_planes, "max_unpool")),
    Right("unpool_in_one_memory", "one index over all planes", computed(in_one_memory, "max_unpool")),
    Right("unpool_pixel_by_pixel", "pixel by pixel, all planes of one after the other", computed(pixel_by_pixel, "max_unpool")),
    Right("unpool_last_alone", "each place written once, by the last that has it", computed(last_alone, "max_unpool")),
    Right("unpool_by_sorting", "pixels sorted by their place", computed(by_sorting, "max_unpool")),
]
