"""Adaptive pooling axis by axis, by tables, by matrices, by windows gathered at once, pixel by pixel."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from conformance.audit.right.kernel import Right, computed
from conformance.cases.arrays import Array, Arrays
from conformance.kernels.functions import by_reference
from conformance.operations.adaptive import counts, spans, windows
from conformance.operations.family import Answers
from conformance.operations.max_pool import max_pool_backward

Axis = tuple[int, list[tuple[int, int]]]


def axes_of(case: Any) -> list[Axis]:
    """Each image axis, the last first, with the pixels of its windows."""
    every = zip(case.image, case.output_extents, strict=True)
    return [(axis, spans(n, o)) for axis, (n, o) in enumerate(every, -case.dimensions)][::-1]


# Means.


def by_axis(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    by = counts(case).astype(arrays["input"].dtype)
    if wanted == ("output",):
        answer = arrays["input"]
        for axis, every in axes_of(case):
            parts = [np.moveaxis(answer, axis, 0)[start:end].sum(axis=0) for start, end in every]
            answer = np.stack(parts, axis=axis)
        return {"output": answer / by}
    grad = arrays["grad_output"] / by
    for axis, every in axes_of(case):
        moved = np.moveaxis(grad, axis, 0)
        wide = np.zeros((case.image[axis], *moved.shape[1:]), grad.dtype)
        for (start, end), one in zip(every, moved, strict=True):
            wide[start:end] += one
        grad = np.moveaxis(wide, 0, axis)
    return {"grad_input": grad}


def by_matrices(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    """A matrix along each axis, of one over the pixels of each window."""
    if not all(np.isfinite(array).all() for array in arrays.values()):
        return by_reference(case, arrays, wanted)  # a NaN times 0 would reach every window
    answer = arrays["input" if wanted == ("output",) else "grad_output"]
    for axis, every in axes_of(case):
        matrix = np.zeros((len(every), case.image[axis]), answer.dtype)
        for row, (start, end) in zip(matrix, every, strict=True):
            row[start:end] = 1 / (end - start)
        turned = matrix.T if wanted == ("output",) else matrix
        answer = np.moveaxis(np.moveaxis(answer, axis, -1) @ turned, -1, axis)
    return {wanted[0]: answer}


def by_table(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    """Differences of running sums in float64 along one axis after the other."""
    if wanted != ("output",) or not np.isfinite(arrays["input"]).all():
        return by_reference(case, arrays, wanted)
    answer = arrays["input"].astype(np.float64)
    for axis, every in axes_of(case):
        first = np.zeros_like(answer.take([0], axis=axis))
        table = np.concatenate([first, answer.cumsum(axis=axis)], axis=axis)
        starts, ends = (np.array(side, int) for side in zip(*every, strict=True))
        answer = table.take(ends, axis=axis) - table.take(starts, axis=axis)
    return {"output": answer / counts(case)}


def pixel_by_pixel(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    """Each pixel added by itself, from the last to the first, and divided first."""
    by, dtype = counts(case), arrays["input"].dtype
    extents = case.output_extents if wanted == ("output",) else case.image
    answer = np.zeros((*arrays["input"].shape[:2], *extents), dtype)
    for place, pixels in windows(case):
        factor = by[place[1:]].astype(dtype)
        for pixel in reversed(list(np.ndindex(*(here.stop - here.start for here in pixels[1:])))):
            at = (..., *(here.start + step for here, step in zip(pixels[1:], pixel, strict=True)))
            if wanted == ("output",):
                answer[place] += arrays["input"][at] / factor
            else:
                answer[at] += arrays["grad_output"][place] / factor
    return {wanted[0]: answer}


# Maxima.


def rows_then_columns(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    """The winner of each row, then of those: the first of the largest, or the last NaN."""
    best = arrays["input"]
    index = np.broadcast_to(np.arange(math.prod(case.image)).reshape(case.image), best.shape)
    for axis, every in axes_of(case):
        parts = [_winner(np.moveaxis(best, axis, 0)[start:end], np.moveaxis(index, axis, 0)[start:end]) for start, end in every]
        best, index = (np.stack(side, axis=axis) for side in zip(*parts, strict=True))
    return with_gradient(case, arrays, wanted, best, index)


def _winner(values: Array, index: Array) -> tuple[Array, Array]:
    best, found = values[0], index[0]
    for value, here in zip(values[1:], index[1:], strict=True):
        wins = (value > best) | np.isnan(value)
        best, found = np.where(wins, value, best), np.where(wins, here, found)
    return best, found


def backwards(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    """Each window scanned from its end: a value replaces the best unless it is smaller, or the best is NaN."""
    position = np.arange(math.prod(case.image)).reshape(case.image)
    shape = (*arrays["input"].shape[:2], *case.output_extents)
    best, index = np.zeros(shape, arrays["input"].dtype), np.zeros(shape, int)
    for place, pixels in windows(case):
        here = position[pixels].reshape(-1)
        values = arrays["input"][pixels].reshape(*shape[:2], here.size)
        value, found = values[..., -1], np.full(shape[:2], here[-1])
        for tap in reversed(range(here.size - 1)):
            wins = ((values[..., tap] >= value) | np.isnan(values[..., tap])) & ~np.isnan(value)
            value, found = np.where(wins, values[..., tap], value), np.where(wins, here[tap], found)
        best[place], index[place] = value, found
    return with_gradient(case, arrays, wanted, best, index)


def gathered(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    """All windows at once, each as long as the longest, its last pixel repeated: none of its equals comes before it."""
    axes = [(np.array([s for s, _ in every], int), np.array([e for _, e in every], int)) for _, every in axes_of(case)[::-1]]
    longest = [int((ends - starts).max(initial=1)) for starts, ends in axes]
    best = np.full((*arrays["input"].shape[:2], *case.output_extents), -np.inf, arrays["input"].dtype)
    index = np.full(best.shape, -1)
    position = np.arange(math.prod(case.image)).reshape(case.image)
    for tap in np.ndindex(*longest):
        each = [(starts + t, ends) for t, (starts, ends) in zip(tap, axes, strict=True)]
        places = np.ix_(*(np.minimum(here, ends - 1) for here, ends in each))
        there = np.ix_(*((here < ends).astype(int) for here, ends in each))
        inside = np.logical_and.reduce(np.broadcast_arrays(*there))
        value = arrays["input"][(..., *places)]
        wins = inside & ((value > best) | np.isnan(value) | (index < 0))
        best, index = np.where(wins, value, best), np.where(wins, position[places], index)
    return with_gradient(case, arrays, wanted, best, index)


def last_of_equals(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    """The image turned round, and its answer turned back."""
    back = (..., *(slice(None, None, -1),) * case.dimensions)
    answers = rows_then_columns(case, arrays | {"input": arrays["input"][back]}, ("output", "indices"))
    index = math.prod(case.image) - 1 - answers["indices"][back]
    nan = np.isnan(answers["output"][back])
    right = by_reference(case, arrays, ("output", "indices"))["indices"]
    return with_gradient(case, arrays, wanted, answers["output"][back], np.where(nan, right, index))


def with_gradient(case: Any, arrays: Arrays, wanted: tuple[str, ...], best: Array, index: Array) -> Answers:
    if "grad_input" not in wanted:
        return {"output": best, "indices": index}
    return {"grad_input": max_pool_backward(case, arrays, index)}


MEAN, LARGEST = "adaptive_avg_pool", "adaptive_max_pool"
ROWS = [
    Right("adaptive_by_axis", "adaptive means along one axis after the other", computed(by_axis, MEAN)),
    Right("adaptive_by_matrices", "adaptive means by a matrix along each axis", computed(by_matrices, MEAN)),
    Right("adaptive_by_table", "adaptive means by running sums in float64", computed(by_table, MEAN)),
    Right("adaptive_pixel_by_pixel", "adaptive means of pixels that are divided first, from the last to the first", computed(pixel_by_pixel, MEAN)),
    Right("adaptive_rows_then_columns", "adaptive maxima along one axis after the other", computed(rows_then_columns, LARGEST)),
    Right("adaptive_backwards", "adaptive maxima, every window scanned from its end", computed(backwards, LARGEST)),
    Right("adaptive_gathered", "adaptive maxima of all windows at once", computed(gathered, LARGEST)),
    Right("adaptive_last_of_equals", "adaptive maxima that take the last of equal values", computed(last_of_equals, LARGEST), {"ties": "any"}),
]
