"""Pooling axis by axis, by reciprocals, by terms scaled first, by another choice among equals."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.audit.mutants.max_pool import greater, scan
from conformance.audit.right.kernel import Right, computed
from conformance.cases.arrays import Array, Arrays
from conformance.kernels.functions import by_reference
from conformance.operations.family import Answers
from conformance.operations.windows import at, pad, taps, unpad
from conformance.operations.avg_pool import divisors
from conformance.operations.max_pool import max_pool_backward


def axis_by_axis(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    answers = by_reference(case, arrays, wanted)
    if "output" not in wanted:
        return answers
    largest = pad(arrays["input"], case.borders, -np.inf)
    for axis in reversed(range(case.dimensions)):
        largest = np.moveaxis(_maximum_along(case, np.moveaxis(largest, axis + 2, 0), axis), 0, axis + 2)
    return answers | {"output": largest}


def _maximum_along(case: Any, padded: Array, axis: int) -> Array:
    """The largest of each window along the first axis, which is `axis` of the image; a NaN over everything."""
    stride, dilation, outputs = case.strides[axis], case.dilations[axis], case.output_extents[axis]
    starts = (tap * dilation for tap in range(case.kernel[axis]))
    return np.asarray(np.max([padded[start : start + (outputs - 1) * stride + 1 : stride] for start in starts], axis=0))


def window_by_window(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    answers = by_reference(case, arrays, ("output", "indices"))
    if "grad_input" not in wanted:
        return answers
    gradient = np.zeros_like(arrays["input"])
    for place in np.ndindex(answers["indices"].shape):
        index = answers["indices"][place]
        if index >= 0:
            gradient[(*place[:2], *np.unravel_index(index, case.image))] += arrays["grad_output"][place]
    return {"grad_input": gradient}


def last_of_equals(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    answers = scan(case, arrays, lambda value, best: greater(value, best) | (value == best))
    if "grad_input" in wanted:
        return {"grad_input": max_pool_backward(case, arrays, answers["indices"])}
    return answers


# Averages.


def averaged(case: Any, arrays: Arrays, wanted: tuple[str, ...], before: Callable[[Array], Array], factor: Array) -> Answers:
    """Each term through `before`, their sum times `factor`; the gradient likewise."""
    padded, places = pad(arrays["input"], case.borders), [place for _, place in taps(case)]
    if wanted == ("output",):
        return {"output": np.asarray(sum(before(padded[place]) for place in places) * factor)}
    gradient = np.zeros_like(padded)
    for place in places:
        gradient[place] += before(arrays["grad_output"]) * factor
    return {"grad_input": unpad(gradient, case.borders)}


def by_reciprocal(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    factor = (1 / np.asarray(divisors(case))).astype(arrays["input"].dtype)
    return averaged(case, arrays, wanted, lambda array: array, factor)


def scaled_terms(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    by = divisors(case).astype(arrays["input"].dtype)
    return averaged(case, arrays, wanted, lambda array: array / by, np.ones((), by.dtype))


def two_divisions(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    dtype, by = arrays["input"].dtype, np.asarray(divisors(case))
    if case.divisor_override is not None:
        return by_reciprocal(case, arrays, wanted)
    one = (slice(1),) * case.dimensions
    first = by[(slice(None), *one[1:])] / by[one]
    return averaged(case, arrays, wanted, lambda array: array / first.astype(dtype), (1 / by[:1]).astype(dtype))


def summed_area(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    if not all(np.isfinite(array).all() for array in arrays.values()):
        return by_reference(case, arrays, wanted)  # a NaN would reach all that comes after it
    axes, room = tuple(range(2, 2 + case.dimensions)), ((1, 0),) * case.dimensions  # zeros before the table
    if wanted == ("output",):
        table = pad(pad(arrays["input"].astype(np.float64), case.borders), room)
        for axis in axes:
            table = table.cumsum(axis)
        return {"output": sum(sign * table[corner] for sign, corner in _corners(case)) / divisors(case)}
    table = pad(pad(np.zeros(arrays["input"].shape), case.borders), room)
    for sign, corner in _corners(case):
        np.add.at(table, corner, sign * arrays["grad_output"] / divisors(case))
    for axis in axes:
        table = np.flip(np.flip(table, axis).cumsum(axis), axis)
    return {"grad_input": unpad(table[at((slice(1, None),) * case.dimensions)], case.borders)}


def _corners(case: Any) -> list[tuple[int, Any]]:
    """The entries of a table whose difference is the sum of each window, with their signs."""
    starts = [np.arange(outputs) * s for outputs, s in zip(case.output_extents, case.strides, strict=True)]
    corners = []
    for ends in itertools.product((1, 0), repeat=case.dimensions):
        places = (start + k * end for start, k, end in zip(starts, case.kernel, reversed(ends), strict=True))
        corners.append(((-1) ** ends.count(0), (slice(None), slice(None), *np.ix_(*places))))
    return corners


ROWS = [
    Right("rows_then_columns", "max pooling by the rows of each window and then its columns", computed(axis_by_axis, "max_pool")),
    Right("window_by_window", "max pooling with every window copied out, its gradient window by window", computed(window_by_window, "max_pool")),
    Right("last_of_equals", "max pooling that takes the last of equal values", computed(last_of_equals, "max_pool"), {"ties": "any"}),
    Right("by_reciprocal", "average pooling by the reciprocal of the divisor", computed(by_reciprocal, "avg_pool")),
    Right("scaled_terms", "average pooling that scales every term before it adds", computed(scaled_terms, "avg_pool")),
    Right("two_divisions", "average pooling that divides by the height and then by the width of the window", computed(two_divisions, "avg_pool")),
    Right("summed_area_table", "average pooling by a summed-area table in float64, its gradient by differences of the same kind", computed(summed_area, "avg_pool")),
]
