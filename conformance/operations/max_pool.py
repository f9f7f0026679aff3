"""Max pooling: max_pool1d, max_pool2d, max_pool3d."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from conformance.operations import pool
from conformance.operations.dtypes import DTYPES, INTEGER, REAL, Dtype
from conformance.operations.family import Answers, Family
from conformance.operations.option import Option
from conformance.operations.readings import maxima
from conformance.operations.special import is_special
from conformance.operations.windows import Array, Arrays, Problem, pad, taps

RETURN_INDICES = Option(
    name="return_indices",
    default=False,
    output="indices",
    classes=(False, True),
    scope="other",
    other=True,
    probe={"stride": 2, "return_indices": True},
)

OPTIONS = (
    *pool.OPTIONS,
    Option(
        name="dilation",
        default=1,
        per_axis=True,
        least=1,
        classes=(1, 2, 3),
        probe={"image": (5, 7), "stride": 2, "dilation": 2},
        others=(1, 2, (2, 1), (1, 2)),
    ),
    RETURN_INDICES,
)


def max_pool(case: Problem, arrays: Arrays) -> Answers:
    """The largest of each window, its index in the image: scan the taps in row-major order; a value replaces the best
    if it is greater or NaN. Padding never wins.
    """
    least = least_of(arrays["input"])
    padded = pad(arrays["input"], case.borders, least)
    position = pad(np.arange(math.prod(case.image)).reshape(1, 1, *case.image), case.borders, -1)
    shape = (*arrays["input"].shape[:2], *case.output_extents)
    best, index = np.full(shape, least, padded.dtype), np.full(shape, -1)
    for _, place in taps(case):
        value, here = padded[place], position[place]
        wins = (here >= 0) & ((value > best) | np.isnan(value) | (index < 0))
        best, index = np.where(wins, value, best), np.where(wins, here, index)
    return {"output": best, "indices": index}


def least_of(array: Array) -> float:
    """What no number of its dtype is below."""
    return int(np.iinfo(array.dtype).min) if array.dtype.kind in "iu" else -math.inf


def max_pool_backward(case: Problem, arrays: Arrays, indices: Array) -> Array:
    """Add each grad_output at its window's index; a window that misses the image (index -1) gives nothing."""
    grad_input = np.zeros(arrays["input"].shape)
    planes = grad_input.reshape(-1, math.prod(case.image))
    at = indices.reshape(len(planes), math.prod(case.output_extents))
    plane, window = np.nonzero(at >= 0)
    np.add.at(planes, (plane, at[plane, window]), arrays["grad_output"].reshape(at.shape)[plane, window])
    return grad_input


def backward(case: Problem, arrays: Arrays) -> Answers:
    return {"grad_input": max_pool_backward(case, arrays, max_pool(case, arrays)["indices"])}


def aten(case: Problem, tensors: dict[str, Any], operators: Any) -> list[Any]:
    t, name = pool.planes(case, tensors), f"max_pool{pool.operators_axes(case)}d_with_indices"
    geometry = (*pool.geometry(case), case.ceil_mode)
    output, indices = getattr(operators, name)(t["input"], *geometry)
    if not case.gradients:
        return pool.without_row(case, [output, indices])
    gradient = getattr(operators, f"{name}_backward")(t["grad_output"], t["input"], *geometry, indices)
    return pool.without_row(case, [output, indices, gradient])


def may_be_nan(case: Problem, arrays: Arrays) -> dict[str, Array]:
    """A mask of the maximum multiplies what it passes on by the zeros of its plane."""
    if not is_special(case, arrays, "grad_output"):
        return {}
    image = tuple(range(-case.dimensions, 0))
    planes = np.isfinite(arrays["grad_output"]).all(axis=image, keepdims=True)
    return {"grad_input": np.logical_not(planes)}


def put_specials(rng: np.random.Generator, case: Problem, arrays: Arrays, name: str) -> None:
    """Dense in the input, which is scanned, with windows of nothing but -inf; of integers, of the least."""
    if name != "input":
        pool.put_specials(rng, case, arrays, name)
        return
    flat = arrays["input"].reshape(-1)
    chosen = rng.random(flat.size) < rng.choice([0.2, 0.6, 1.0])
    flat[chosen] = rng.choice(extremes(DTYPES[case.dtype])[rng.integers(2)], size=int(chosen.sum()))
    if not rng.integers(8) and case.gradients:
        arrays["grad_output"][...] = 0


def extremes(dtype: Dtype) -> Array:
    """What is put among others, and what among the least ones."""
    if dtype.rounds:
        return np.array([[np.nan, np.inf, -np.inf, -0.0, 0.0], [-np.inf, -np.inf, -np.inf, -np.inf, np.nan]])
    least, largest = dtype.range
    return np.array([[least, largest, least + 1, largest - 1, 0], [least, least, least, least, largest]])


FAMILY = Family(
    name="max_pool",
    rank=2,
    kinds=(REAL, INTEGER),
    options=OPTIONS,
    keywords=("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices"),
    refusal=pool.refusal,
    forward=max_pool,
    backward=backward,
    aten=aten,
    chosen=True,
    may_be_nan=may_be_nan,
    specials=lambda case: (
        ["input", "input", "grad_output"] if case.gradients else ["input"]
    ),  # mostly where it chooses
    put_specials=put_specials,
    misses=True,
    scope={"image": 9, "kernel": 4, "stride": 4, "padding": 2, "dilation": 3},
    paired={"image": 6, "kernel": 3, "stride": 3, "padding": 1, "dilation": 2},
    readings=maxima,
    flags=({"return_indices": True}, {}),
    **pool.SHARED,
)
