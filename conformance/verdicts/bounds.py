"""How far rounding alone may move each element of a right kernel's answer.

u is the unit roundoff, n the number of terms, S the operation on absolute values; sources in each function.
"""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np

from conformance.cases import Case
from conformance.cases.arrays import Array, Arrays
from conformance.kernels.framework import Oracle
from conformance.operations import DTYPES
from conformance.operations.dtypes import COMPLEX

MEAN_ZERO = 16  # c(n) of random numbers of both signs: 6.1 was seen for n up to 50,000 (numerics.md)


def bound(
    case: Case,
    arrays: Arrays,
    expected: dict[str, Array],
    oracle: Oracle,
    accuracy: str,
    scaled: Collection[str] = (),
    added: str = "wide",
) -> dict[str, Array]:
    """The bound of every output, by name, for a kernel of an accuracy class; zero where the answer is exact.

    added    how half precision is summed, in float32 (wide) or in its own dtype (narrow)
    scaled   outputs of sums whose terms were divided by a number, and that are multiplied by it: (1 + u)^2 S more
    """
    sums = {} if case.family.error and not scaled else _absolute(case, arrays, oracle)
    limits = {out: _of_output(case, arrays, out, expected[out], sums, accuracy, added) for out in expected}
    u = DTYPES[case.dtype].unit
    return limits | {out: limits[out] + (2 + u) * u * sums[out] for out in limits if out in scaled}


def _of_output(
    case: Case, arrays: Arrays, output: str, y: Array, sums: Arrays, accuracy: str, added: str
) -> Array:
    family, dtype = case.family, DTYPES[case.dtype]
    if family.chosen and (output != "grad_input" or case.terms("grad_input") == 1):
        return np.zeros(y.shape)  # values and indices are chosen, not computed
    u = _unit(case, added)
    if family.error:
        with np.errstate(all="ignore"):
            total = family.error(case, arrays, output, u, dtype.subnormal)
        if not total.any():
            return np.zeros(y.shape)
    else:
        total = _of_sum(case, arrays, output, sums, accuracy, u)
    if dtype.narrow:
        total = total + dtype.unit * np.abs(y)  # one rounding of the sum
        if "bias" in arrays and output == "output":  # and one before the bias, as PyTorch's own on a GPU
            with np.errstate(invalid="ignore"):  # an infinite sum less an infinite bias has no bound
                unbiased = y - arrays["bias"].reshape(-1, *(1,) * case.dimensions)
            total = total + dtype.unit * (1 + dtype.unit) * np.abs(unbiased)
    if dtype.trusted:
        total = 2 * total  # the oracle rounds as well
    underflow = dtype.subnormal / 2 * (case.terms(output) + 1)
    return np.asarray(total + (PARTS if dtype.kind == COMPLEX else 1) * underflow)


def _of_sum(case: Case, arrays: Arrays, output: str, sums: Arrays, accuracy: str, u: float) -> Array:
    family, dtype = case.family, DTYPES[case.dtype]
    n = case.terms(output) + family.divides
    c = growth(case.values, n)
    if u > DTYPES[dtype.accumulator].unit:
        # n u S of a sum in any order, however large n u is (Jeannerod and Rump, Improved error bounds for inner
        # products, SIAM J. Matrix Anal. Appl. 34, 2013), and a factor of 1 + u for what is done with it.
        c = (n + 1) * (1 + u)
    total = c * u * sums[output]
    if family.bilinear and output != "grad_bias" and accuracy == "tf32":  # both factors of each product, once
        total = total + 2 * dtype.truncation * (1 + dtype.truncation) * sums[output]
    total = total + family.extra_rounding(case, arrays, output, accuracy, u)
    return np.asarray(PARTS * (total + u * sums[output]) if dtype.kind == COMPLEX else total)


# What the bound of a sum of n real products, c u S, is for one of complex products, whose error is a complex number.
# By four real sums each part has 2n products, of magnitudes of at most S: 2 c each (Higham, Accuracy and Stability of
# Numerical Algorithms, 2nd ed., 3.6), both parts sqrt(8) c. By three, the imaginary part is a sum of (a + b)(c + d), of
# magnitudes of at most 2 S and with two roundings more, less two others of S together: 3 c + 4, the real part c, both
# parts sqrt(c^2 + (3 c + 4)^2) <= 4 (c + 1). Transforms: four real sums.
PARTS = 4


def _unit(case: Case, added: str) -> float:
    """Of the format in which numbers are added."""
    dtype = DTYPES[case.dtype]
    return dtype.unit if dtype.narrow and added == "narrow" else DTYPES[dtype.accumulator].unit


def undecided(case: Case, arrays: Arrays, added: str) -> dict[str, Array]:
    """By output, where rounding decides between answers that are far apart: whatever is answered there may be right."""
    with np.errstate(all="ignore"):
        return case.family.undecided(case, arrays, _unit(case, added), DTYPES[case.dtype].subnormal)


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
