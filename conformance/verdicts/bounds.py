"""How far rounding alone may move each element of a right kernel's answer.

u is the unit roundoff, n the number of terms, S the operation on absolute values; sources in each function.
"""

from __future__ import annotations

import math

import numpy as np

from conformance.cases import Case
from conformance.cases.arrays import Array, Arrays
from conformance.kernels.framework import Oracle
from conformance.operations import DTYPES

UNIT = {"float16": 2.0**-11, "float32": 2.0**-24, "float64": 2.0**-53}
SUBNORMAL = {"float16": 2.0**-24, "float32": 2.0**-149, "float64": 2.0**-1074}
ACCUMULATOR = {"float16": "float32", "float32": "float32", "float64": "float64"}
TF32 = 2.0**-10  # where the low bits are cut off; rounding to nearest does half of it

MEAN_ZERO = 16  # c(n) of random numbers of both signs: 6.1 was seen for n up to 50,000 (numerics.md)


def bound(
    case: Case, arrays: Arrays, expected: dict[str, Array], oracle: Oracle, accuracy: str
) -> dict[str, Array]:
    """The bound of every output, by name, for a kernel of an accuracy class; zero where the answer is exact."""
    sums = _absolute(case, arrays, oracle)
    return {output: _of_output(case, arrays, output, expected[output], sums, accuracy) for output in expected}


def _of_output(case: Case, arrays: Arrays, output: str, y: Array, sums: Arrays, accuracy: str) -> Array:
    family, dtype = case.family, DTYPES[case.dtype]
    if family.chosen and (output != "grad_input" or case.terms("grad_input") == 1):
        return np.zeros(y.shape)  # values and indices are chosen, not computed
    u, n = DTYPES[dtype.accumulator].unit, case.terms(output)
    total = growth(case.values, n + family.divides) * u * sums[output]
    if family.bilinear and output != "grad_bias" and accuracy == "tf32":  # both factors of each product, once
        total = total + 2 * dtype.truncation * (1 + dtype.truncation) * sums[output]
    total = total + family.extra_rounding(case, arrays, output, accuracy, u)
    if dtype.narrow:
        total = total + dtype.unit * np.abs(y)  # one rounding of the sum
        if "bias" in arrays and output == "output":  # and one before the bias, as PyTorch's own on a GPU
            unbiased = y - arrays["bias"].reshape(-1, *(1,) * case.dimensions)
            total = total + dtype.unit * (1 + dtype.unit) * np.abs(unbiased)
    if case.dtype == "float64":
        total = 2 * total  # the oracle rounds as well
    return total + dtype.subnormal / 2 * (n + 1)


def growth(values: str, n: int) -> float:
    """c(n), by which rounding errors of a sum of n products grow relative to u S.

    n + 1 holds for any data and any order (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., 3.1:
    gamma_n). Random data does better, with room to spare for right kernels of every order (numerics.md).
    """
    rigorous = n + 1
    if values == "mean_zero":
        return min(rigorous, MEAN_ZERO)
    return min(rigorous, 6 + 2 * math.sqrt(n)) if values == "non_negative" else rigorous


def _absolute(case: Case, arrays: Arrays, oracle: Oracle) -> dict[str, Array]:
    """S: the operation on absolute values; a chosen answer stays chosen, only grad_output loses its sign."""
    absolute = {n: a if n == "input" and case.family.chosen else np.abs(a) for n, a in arrays.items()}
    return {output: np.abs(a) for output, a in oracle(case, absolute).items()}
