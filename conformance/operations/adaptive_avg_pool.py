"""Adaptive average pooling: adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.operations import adaptive, pool
from conformance.operations.family import Family
from conformance.operations.readings import linear
from conformance.operations.windows import Array, Arrays, Problem


def adaptive_avg_pool(case: Problem, arrays: Arrays, spans: adaptive.Spans = adaptive.spans) -> Array:
    """The mean of the pixels of each window."""
    output = np.zeros((*arrays["input"].shape[:2], *case.output_extents))
    for place, pixels in adaptive.windows(case, spans):
        output[place] = arrays["input"][pixels].mean(axis=_image_axes(case))
    return output


def adaptive_avg_pool_backward(
    case: Problem, arrays: Arrays, spans: adaptive.Spans = adaptive.spans
) -> Array:
    """To each pixel of a window its grad_output over their number; windows that share a pixel add."""
    grad_input = np.zeros(arrays["input"].shape)
    share = np.asarray(arrays["grad_output"] / adaptive.counts(case, spans))
    for place, pixels in adaptive.windows(case, spans):
        grad_input[pixels] += share[place].reshape(*share.shape[:2], *(1,) * case.dimensions)
    return grad_input


def _image_axes(case: Problem) -> tuple[int, ...]:
    return tuple(range(-case.dimensions, 0))


def aten(case: Problem, tensors: dict[str, Any], operators: Any) -> list[Any]:
    t, name = pool.planes(case, tensors), f"_adaptive_avg_pool{pool.operators_axes(case)}d"
    output = getattr(operators, name)(t["input"], pool.rows_before(case, case.output_extents))
    if min(case.output_extents) < 1:
        return pool.without_row(case, [output])
    gradient = getattr(operators, f"{name}_backward")(t["grad_output"], t["input"])
    return pool.without_row(case, [output, gradient])


def extra_rounding(case: Problem, arrays: Arrays, output: str, accuracy: str, unit: float) -> Array | float:
    return pool.table_rounding(case, arrays, output, adaptive.counts(case))


FAMILY = Family(
    name="adaptive_avg_pool",
    rank=4,
    options=(adaptive.OUTPUT_SIZE,),
    keywords=("output_size",),
    forward=lambda case, arrays: {"output": adaptive_avg_pool(case, arrays)},
    backward=lambda case, arrays: {"grad_input": adaptive_avg_pool_backward(case, arrays)},
    aten=aten,
    divides=3,  # one along each axis
    extra_rounding=extra_rounding,
    specials=lambda case: ["input", "grad_output"],
    put_specials=pool.put_specials,
    readings=linear,
    flags=({},),
    **adaptive.SHARED,
)
