"""Adaptive max pooling: adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.operations import adaptive, max_pool, pool
from conformance.operations.family import Answers, Family
from conformance.operations.readings import maxima
from conformance.operations.windows import Arrays, Problem

OPTIONS = (adaptive.OUTPUT_SIZE, replace(max_pool.RETURN_INDICES, probe={"return_indices": True}))


def adaptive_max_pool(case: Problem, arrays: Arrays, spans: adaptive.Spans = adaptive.spans) -> Answers:
    """The largest pixel of each window, and its index in the image: the first of equals, the last NaN before all."""
    position = np.arange(math.prod(case.image)).reshape(case.image)
    shape = (*arrays["input"].shape[:2], *case.output_extents)
    best, index = np.zeros(shape), np.zeros(shape, int)
    for place, pixels in adaptive.windows(case, spans):
        here = position[pixels].reshape(-1)
        values = arrays["input"][pixels].reshape(*shape[:2], here.size)
        nan = np.isnan(values)
        last_nan = nan.shape[-1] - 1 - nan[..., ::-1].argmax(axis=-1)
        wins = np.where(nan.any(axis=-1), last_nan, values.argmax(axis=-1))
        best[place] = np.take_along_axis(values, wins[..., None], axis=-1)[..., 0]
        index[place] = here[wins]
    return {"output": best, "indices": index}


def backward(case: Problem, arrays: Arrays) -> Answers:
    indices = adaptive_max_pool(case, arrays)["indices"]
    return {"grad_input": max_pool.max_pool_backward(case, arrays, indices)}


def aten(case: Problem, tensors: dict[str, Any], operators: Any) -> list[Any]:
    t, name = pool.planes(case, tensors), f"adaptive_max_pool{pool.operators_axes(case)}d"
    output, indices = getattr(operators, name)(t["input"], pool.rows_before(case, case.output_extents))
    if min(case.output_extents) < 1:
        return pool.without_row(case, [output, indices])
    gradient = getattr(operators, f"{name}_backward")(t["grad_output"], t["input"], indices)
    return pool.without_row(case, [output, indices, gradient])


FAMILY = Family(
    name="adaptive_max_pool",
    rank=5,
    options=OPTIONS,
    keywords=("output_size", "return_indices"),
    forward=adaptive_max_pool,
    backward=backward,
    aten=aten,
    chosen=True,
    may_be_nan=max_pool.may_be_nan,
    specials=lambda case: ["input", "input", "grad_output"],  # mostly where it chooses
    put_specials=max_pool.put_specials,
    readings=maxima,
    flags=({"return_indices": True}, {}),
    **adaptive.SHARED,
)
