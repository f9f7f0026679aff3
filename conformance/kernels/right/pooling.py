"""Pooling by rows and then columns, by reciprocals, by terms scaled first, by another choice among equals."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from conformance.cases.arrays import Array, Arrays
from conformance.kernels.mutants.functions import by_reference, functions
from conformance.kernels.mutants.max_pool import greater, scanned
from conformance.kernels.mutants.registry import dilations, strides
from conformance.kernels.reference import Answers, divisors, max_pool_backward, pad, taps, unpad
from conformance.kernels.right.registry import right


@right("max pooling by the rows of each window and then its columns")
def rows_then_columns() -> SimpleNamespace:
    def compute(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
        answers = by_reference(case, arrays, wanted)
        if "output" not in wanted:
            return answers
        padded = pad(arrays["input"], case.borders, -np.inf)
        rows = _maximum_along(case, padded, 1)
        return answers | {"output": _maximum_along(case, rows.swapaxes(-1, -2), 0).swapaxes(-1, -2)}

    return functions("max_pool2d", compute)


def _maximum_along(case: Any, padded: Array, axis: int) -> Array:
    """The largest of each window along the last axis, which is `axis` of the image; a NaN over everything."""
    stride, dilation, outputs = strides(case)[axis], dilations(case)[axis], case.output_extents[axis]
    places = (
        slice(t * dilation, t * dilation + (outputs - 1) * stride + 1, stride)
        for t in range(case.kernel[axis])
    )
    return np.asarray(np.max([padded[..., place] for place in places], axis=0))


@right("max pooling with every window copied out, its gradient window by window")
def window_by_window() -> SimpleNamespace:
    def compute(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
        answers = by_reference(case, arrays, ("output", "indices"))
        if "grad_input" not in wanted:
            return answers
        gradient, width = np.zeros_like(arrays["input"]), case.image[1]
        for n, c, p, q in np.ndindex(answers["indices"].shape):
            index = answers["indices"][n, c, p, q]
            if index >= 0:
                gradient[n, c, index // width, index % width] += arrays["grad_output"][n, c, p, q]
        return {"grad_input": gradient}

    return functions("max_pool2d", compute)


@right("max pooling that takes the last of equal values", ties="any")
def last_of_equals() -> SimpleNamespace:
    def compute(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
        answers = scanned(case, arrays, lambda value, best: greater(value, best) | (value == best))
        if "grad_input" in wanted:
            return {"grad_input": max_pool_backward(case, arrays, answers["indices"])}
        return answers

    return functions("max_pool2d", compute)


@right("average pooling by the reciprocal of the divisor")
def by_reciprocal() -> SimpleNamespace:
    def compute(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
        dtype = arrays["input"].dtype
        return _averaged(case, arrays, wanted, lambda array: array, (1 / divisors(case)).astype(dtype))

    return functions("avg_pool2d", compute)


@right("average pooling that scales every term before it adds")
def scaled_terms() -> SimpleNamespace:
    def compute(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
        by = divisors(case).astype(arrays["input"].dtype)
        return _averaged(case, arrays, wanted, lambda array: array / by, np.ones((), by.dtype))

    return functions("avg_pool2d", compute)


@right("average pooling that divides by the height and then by the width of the window")
def two_divisions() -> SimpleNamespace:
    def compute(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
        dtype, by = arrays["input"].dtype, np.asarray(divisors(case))
        if case.divisor_override is not None:
            return _averaged(case, arrays, wanted, lambda array: array, (1 / by).astype(dtype))
        rows = by[:, :1] / by[:1, :1]
        columns = by[:1]
        return _averaged(
            case, arrays, wanted, lambda array: array / rows.astype(dtype), (1 / columns).astype(dtype)
        )

    return functions("avg_pool2d", compute)


@right("average pooling by a summed-area table in float64, its gradient by differences of the same kind")
def summed_area_table() -> SimpleNamespace:
    def compute(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
        if not all(np.isfinite(array).all() for array in arrays.values()):
            return by_reference(case, arrays, wanted)  # a NaN would reach all that comes after it
        if wanted == ("output",):
            table = np.pad(pad(arrays["input"].astype(np.float64), case.borders), _ROOM).cumsum(-2).cumsum(-1)
            return {"output": sum(sign * table[corner] for sign, corner in _corners(case)) / divisors(case)}
        table = np.pad(pad(np.zeros(arrays["input"].shape), case.borders), _ROOM)
        for sign, corner in _corners(case):
            np.add.at(table, corner, sign * arrays["grad_output"] / divisors(case))
        spread = table[..., ::-1, ::-1].cumsum(-2).cumsum(-1)[..., ::-1, ::-1]
        return {"grad_input": unpad(spread[..., 1:, 1:], case.borders)}

    return functions("avg_pool2d", compute)


_ROOM = ((0, 0), (0, 0), (1, 0), (1, 0))  # a row and a column of zeros before the table


def _corners(case: Any) -> list[tuple[int, Any]]:
    """The four entries of a table whose difference is the sum of each window, with their signs."""
    starts = [np.arange(outputs) * s for outputs, s in zip(case.output_extents, strides(case), strict=True)]
    rows, columns = starts[0][:, None], starts[1]
    (r, s), every = case.kernel, (slice(None), slice(None))
    return [
        (1, (*every, rows + r, columns + s)), (-1, (*every, rows, columns + s)),
        (-1, (*every, rows + r, columns)), (1, (*every, rows, columns)),
    ]  # fmt: skip


def _averaged(case: Any, arrays: Arrays, wanted: tuple[str, ...], before: Any, factor: Array) -> Answers:
    """Each term through `before`, their sum times `factor`; the gradient likewise."""
    padded, places = pad(arrays["input"], case.borders), [place for _, place in taps(case)]
    if wanted == ("output",):
        return {"output": np.asarray(sum(before(padded[place]) for place in places) * factor)}
    gradient = np.zeros_like(padded)
    for place in places:
        gradient[place] += before(arrays["grad_output"]) * factor
    return {"grad_input": unpad(gradient, case.borders)}
