"""Max pooling of integers: sorted, by bits that keep their order, by NumPy's own maximum."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.audit.right.kernel import Make, Right, computed
from conformance.cases.arrays import Array, Arrays
from conformance.kernels.functions import by_reference
from conformance.operations.family import Answers
from conformance.operations.max_pool import least_of, max_pool
from conformance.operations.windows import pad, taps

DTYPES = {"dtypes": ("uint8", "int8", "int16", "int32", "int64")}


def windows_of(case: Any, arrays: Arrays) -> Array:
    """Every window copied out, padding as the least number: (taps, N, C, *output)."""
    padded = pad(arrays["input"], case.borders, least_of(arrays["input"]))
    return np.stack([padded[place] for _, place in taps(case)])


def sorted_windows(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    return by_reference(case, arrays, wanted) | {"output": np.sort(windows_of(case, arrays), axis=0)[-1]}


def maximum_of_all(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    return by_reference(case, arrays, wanted) | {"output": windows_of(case, arrays).max(axis=0)}


def by_bits(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    """Unsigned numbers in the same order: the bit of the sign turned round."""
    x = arrays["input"]
    if x.dtype.kind == "u":
        return by_reference(case, arrays, wanted)
    unsigned = np.dtype(f"uint{8 * x.itemsize}")
    turn = unsigned.type(1 << (8 * x.itemsize - 1))
    answers = max_pool(case, {"input": x.view(unsigned) ^ turn})
    return answers | {"output": (answers["output"].astype(unsigned) ^ turn).view(x.dtype)}


def in_pairs(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    """The larger of halves of each window."""
    every = windows_of(case, arrays)
    while len(every) > 1:
        half = -(-len(every) // 2)
        every = np.maximum(every[:half], every[-half:])
    return by_reference(case, arrays, wanted) | {"output": every[0]}


def pooled(compute: Any) -> Make:
    return computed(compute, "max_pool")


ROWS = [
    Right("integers_sorted", "max pooling of integers by sorted windows", pooled(sorted_windows), DTYPES),
    Right("integers_at_once", "max pooling of integers by the maximum of all taps", pooled(maximum_of_all), DTYPES),
    Right("integers_by_bits", "max pooling of unsigned numbers in the order of the integers", pooled(by_bits), DTYPES),
    Right("integers_in_pairs", "max pooling of integers by halves of each window", pooled(in_pairs), DTYPES),
]  # fmt: skip
