"""Mistakes of max pooling of integers: other formats on the way, other orders, numbers that count as none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.audit.mutants.max_pool import forward, not_less, scan
from conformance.audit.mutants.otherwise import Change, Edit, Row, Rows
from conformance.cases.arrays import Array, Arrays
from conformance.operations.family import Answers
from conformance.operations.max_pool import least_of, max_pool

SIGNED = ("int8", "int16", "int32", "int64")


def of(*names: str) -> str:
    """Where these dtypes alone show it."""
    return "(" + " or ".join(f"dtype == '{name}'" for name in names) + ")"


def through(dtype: str) -> Change:
    """Numbers in another format on the way."""
    return forward.given(input=lambda case, x: x.astype(dtype))


def seen_as(prefix: str) -> Change:
    """The same bits, with a sign or without."""
    return forward.given(input=lambda case, x: x.view(f"{prefix}{8 * x.itemsize}"))


def by_difference(value: Array, best: Array) -> Array:
    """The sign of a difference, which overflows."""
    return np.asarray(value - best > 0)


def by_magnitude(value: Array, best: Array) -> Array:
    """The least number is its own magnitude."""
    return (np.abs(value) > np.abs(best)) & ((value > 0) | (best < 0)) | ((value > 0) & (best <= 0))


def bordered(border: Callable[[Array], int]) -> Change:
    """Padding takes part as a number."""
    return lambda case, arrays: scan(case, arrays, np.greater, border=border(arrays["input"]))


def started(lowest: Callable[[Array], float]) -> Change:
    return lambda case, arrays: scan(case, arrays, np.greater, lowest=lowest(arrays["input"]))["output"]


def without_index(case: Any, arrays: Arrays) -> Answers:
    """A window of nothing but the least number has the index 0."""
    right = max_pool(case, arrays)
    return right | {"indices": np.where(right["output"] == least_of(arrays["input"]), 0, right["indices"])}


def clipped(dtype: str) -> Edit:
    return lambda case, x: np.clip(x, np.iinfo(dtype).min, np.iinfo(dtype).max)


BOTH: list[Row] = [
    ("integers go through float64", of("int64"), through("float64")),
    ("integers go through float32", of("int32", "int64"), through("float32")),
    ("integers go through float16", of("int16"), through("float16")),
    ("integers are cut to 32 bits", of("int64"), through("int32")),
    ("integers are cut to 8 bits", of("int16", "int32"), through("int8")),
    ("integers beyond 8 bits become the largest of these", of("int16", "int32", "int64"), forward.given(input=clipped("int8"))),
    ("unsigned integers are compared as signed ones", of("uint8"), seen_as("int")),
    ("signed integers are compared as unsigned ones", of(*SIGNED), seen_as("uint")),
    ("integers are compared by the sign of their difference, which overflows", of("uint8", *SIGNED),
     lambda case, arrays: scan(case, arrays, by_difference)),
    ("integers are compared by their magnitude first, which the least has not", of(*SIGNED),
     lambda case, arrays: scan(case, arrays, by_magnitude)),
    ("padding of integers counts as 0", f"{of(*SIGNED)} and padded", bordered(lambda x: 0)),
    ("padding of integers counts as -128", f"{of('int16', 'int32', 'int64')} and padded", bordered(lambda x: -128)),
    ("padding of unsigned integers counts as 255", f"{of('uint8')} and padded", bordered(lambda x: 255)),
]  # fmt: skip
OUTPUT: list[Row] = [
    ("the scan of integers starts from 0", of(*SIGNED), started(lambda x: 0)),
    ("the scan of integers starts from the negative of the largest, above the least", of(*SIGNED), started(lambda x: least_of(x) + 1)),
    ("the scan of unsigned integers starts from 1", of("uint8"), started(lambda x: 1)),
]
INDICES: list[Row] = [
    ("the last of equal integers has its index", of("uint8", *SIGNED), lambda case, arrays: scan(case, arrays, not_less)["indices"]),
    ("a window of nothing but the least integer has the index 0", of("uint8", *SIGNED), lambda case, arrays: without_index(case, arrays)["indices"]),
]
ROWS: Rows = {("max_pool", "output indices"): BOTH, ("max_pool", "output"): OUTPUT, ("max_pool", "indices"): INDICES}
