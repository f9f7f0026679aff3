"""Mistakes of kernels in half precision: sums and products that are not held in float32, answers not rounded to the nearest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from conformance.audit.mutants import avg_pool, conv_backward, conv_forward, conv_transpose
from conformance.audit.mutants.otherwise import Change, Computed, Edit, Row, Rows
from conformance.audit.mutants.orders import Order, in_four_lanes, left_to_right, pairwise, summed
from conformance.audit.mutants.precision import without_subnormals
from conformance.cases.arrays import Array, Arrays
from conformance.operations import DTYPES
from conformance.operations.avg_pool import divisors

NAMES = ("float16", "bfloat16")  # of the dtypes that its mutants are asked in


def rounded(case: Any, array: Array) -> Any:
    """To the nearest number of the case's dtype."""
    return array.astype(DTYPES[case.dtype].numpy).astype(np.float64)


def added(output: str, order: Order) -> Change:
    """Every product and every partial sum in the dtype of the arrays."""

    def change(case: Any, arrays: Arrays) -> Array:
        own = {name: array.astype(DTYPES[case.dtype].numpy) for name, array in arrays.items()}
        return np.asarray(summed(order)(case, own, (output,))[output]).astype(np.float64)

    return change


def divided_when_rounded(case: Any, arrays: Arrays) -> Array:
    return np.asarray(rounded(case, avg_pool.output(case, arrays) * divisors(case)) / divisors(case))


def by_rounded_reciprocal(case: Any, arrays: Arrays) -> Array:
    by = np.asarray(divisors(case))
    return np.asarray(avg_pool.output(case, arrays) * by * rounded(case, 1 / by))


def by_rounded_divisor(case: Any, arrays: Arrays) -> Array:
    by = np.asarray(divisors(case))
    return np.asarray(avg_pool.output(case, arrays) * by / rounded(case, by))


def cut_off(case: Any, array: Array) -> Array:
    """The nearest number of the dtype that is not larger, without its sign."""
    nearest = rounded(case, array)
    bits = np.finfo(np.float64).nmant + 1 + int(np.log2(DTYPES[case.dtype].unit))  # that the dtype has fewer
    fewer = (array.view(np.int64) >> bits << bits).view(np.float64)
    return np.where(np.isfinite(array) & np.isfinite(nearest), fewer, nearest)


def within_range(case: Any, array: Array) -> Array:
    largest = DTYPES[case.dtype].largest
    return np.where(np.isinf(array), array, np.clip(array, -largest, largest))


ORDERS: list[tuple[str, Order]] = [
    ("sums in {}, one after the other", left_to_right),
    ("sums in {}, of halves that are summed before", pairwise),
    ("four sums in {} side by side", in_four_lanes),
]
ANSWERS: list[tuple[str, Edit]] = [
    ("{} answers are cut off instead of rounded to the nearest", cut_off),
    ("answers that are subnormal in {} become 0", without_subnormals),
    ("what exceeds the numbers of {} becomes the largest", within_range),
]
SUMMED = (  # family, output, and where more than two terms meet in an element
    ("conv", "output", "taps * CG > 2"), ("conv", "grad_input", "taps * KG > 2"), ("conv", "grad_weight", "N * positions > 2"),
    ("conv", "grad_bias", "bias and N * positions > 2"), ("conv_transpose", "output", "taps * CG > 2"),
    ("conv_transpose", "grad_input", "taps * KG > 2"), ("conv_transpose", "grad_weight", "N * pixels > 2"),
    ("conv_transpose", "grad_bias", "bias and N * positions > 2"), ("max_pool", "grad_input", "overlap"),
    ("avg_pool", "output", "taps > 2"), ("avg_pool", "grad_input", "overlap"),
)  # fmt: skip
WORDS = {"output": "", "grad_input": " in the gradient of the input", "grad_weight": " in the gradient of the weight", "grad_bias": " in the gradient of the bias"}
COMPUTED: dict[tuple[str, str], Computed] = {
    ("conv", "output"): conv_forward.output,
    ("conv", "grad_weight"): conv_backward.grad_weight,
    ("conv_transpose", "output"): conv_transpose.output,
    ("conv_transpose", "grad_weight"): conv_transpose.grad_weight,
    ("avg_pool", "output"): avg_pool.output,
}
AVERAGES: list[tuple[str, str, Change]] = [
    ("the {} sum is rounded before it is divided", "True", divided_when_rounded),
    ("{} is multiplied by the reciprocal of the divisor, rounded to it", "True", by_rounded_reciprocal),
    ("the divisor is rounded to {}", "taps > 256", by_rounded_divisor),
]


def rows(family: str, output: str) -> Iterator[Row]:
    for dtype in NAMES:
        where = f"dtype == '{dtype}'"
        for of_family, of_output, when in SUMMED:
            if (of_family, of_output) == (family, output):
                for sentence, order in ORDERS:
                    yield sentence.format(dtype) + WORDS[output], f"{where} and {when}", added(output, order)
        if right := COMPUTED.get((family, output)):
            every = ANSWERS[:2] if family == "avg_pool" else ANSWERS  # an average exceeds none
            for sentence, edit in every if dtype == "float16" else ANSWERS[:1]:  # bfloat16 has the range of float32
                yield sentence.format(dtype) + WORDS[output], where, right.changed(edit)
        averages = AVERAGES if dtype == "bfloat16" else AVERAGES[:-1]  # no window has as many pixels as float16 counts
        for sentence, when, change in averages if (family, output) == ("avg_pool", "output") else ():
            yield sentence.format(dtype), f"{where} and {when}", change


ROWS: Rows = {(family, output): list(rows(family, output)) for family, output, _ in SUMMED}
