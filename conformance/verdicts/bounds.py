"""How far rounding alone may move each element of a right kernel's answer.

u is the unit roundoff, n the number of terms, S the operation on absolute values; sources in each function.
"""

from __future__ import annotations

import math

import numpy as np

from conformance.cases import AvgPool, Case, Conv, MaxPool
from conformance.cases.arrays import Array, Arrays
from conformance.kernels.framework import Oracle
from conformance.kernels.reference import divisors

UNIT = {"float16": 2.0**-11, "float32": 2.0**-24, "float64": 2.0**-53}
SUBNORMAL = {"float16": 2.0**-24, "float32": 2.0**-149, "float64": 2.0**-1074}
ACCUMULATOR = {"float16": "float32", "float32": "float32", "float64": "float64"}
TF32 = 2.0**-10  # where the low bits are cut off; rounding to nearest does half of it


def bound(
    case: Case, arrays: Arrays, expected: dict[str, Array], oracle: Oracle, accuracy: str
) -> dict[str, Array]:
    """The bound of every output, by name, for a kernel of an accuracy class; zero where the answer is exact."""
    sums = _absolute(case, arrays, oracle)
    return {output: _of_output(case, arrays, output, expected[output], sums, accuracy) for output in expected}


def _of_output(case: Case, arrays: Arrays, output: str, y: Array, sums: Arrays, accuracy: str) -> Array:
    if isinstance(case, MaxPool) and (output != "grad_input" or case.terms("grad_input") == 1):
        return np.zeros(y.shape)  # values and indices are chosen, not computed
    u, n = UNIT[ACCUMULATOR[case.dtype]], case.terms(output)
    total = growth(case.values, n + isinstance(case, AvgPool)) * u * sums[output]
    if isinstance(case, Conv) and output != "grad_bias":  # what sums products
        if accuracy == "tf32" and case.dtype == "float32":
            total = total + 2 * TF32 * (1 + TF32) * sums[output]  # both factors of each product, once
        if accuracy in ("winograd", "fft"):
            total = total + transformed(case, arrays, output, u, accuracy)
    if ACCUMULATOR[case.dtype] != case.dtype:
        total = total + UNIT[case.dtype] * np.abs(y)  # one rounding of the sum
        if "bias" in arrays and output == "output":  # and one before the bias, as PyTorch's own on a GPU
            unbiased = y - arrays["bias"].reshape(-1, *(1,) * case.dimensions)
            total = total + UNIT[case.dtype] * (1 + UNIT[case.dtype]) * np.abs(unbiased)
    if case.dtype == "float64":
        total = 2 * total  # the oracle rounds as well
    if isinstance(case, AvgPool):
        total = total + tabled(case, arrays, output)
    return total + SUBNORMAL[case.dtype] / 2 * (n + 1)


def tabled(case: AvgPool, arrays: Arrays, output: str) -> Array:
    """Rounding of a kernel that pools by a summed-area table in float64, far below that of float32 itself.

    The answer is the difference of four entries, each a sum of at most the n elements of the plane in some order (a
    gradient's plane has four of them for each window): 4 (n + 2) 2^-53 of the plane's absolute sum (Higham, 3.1).
    """
    by = np.abs(divisors(case))
    plane = np.abs(np.asarray(arrays["input" if output == "output" else "grad_output"], np.float64))
    plane = np.where(np.isfinite(plane), plane, 0)  # a table of others is of no use to anyone
    if output == "output":
        n, scale = math.prod(case.image), 1 / by
    else:
        n, scale, plane = 4 * math.prod(case.output_extents), np.ones((1, 1)), 4 * plane / by
    whole: Array = 4 * (n + 2) * UNIT["float64"] * plane.sum(axis=(-2, -1), keepdims=True) * scale
    return whole


def growth(values: str, n: int) -> float:
    """c(n), by which rounding errors of a sum of n products grow relative to u S.

    n + 1 holds for any data and any order (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., 3.1:
    gamma_n). Random data does better, with room to spare for right kernels of every order (numerics.md).
    """
    rigorous = n + 1
    if values == "mean_zero":
        return min(rigorous, 16)
    return min(rigorous, 6 + 2 * math.sqrt(n)) if values == "non_negative" else rigorous


def transformed(case: Conv, arrays: Arrays, output: str, u: float, accuracy: str) -> Array:
    """Rounding of a kernel that multiplies transforms of whole planes: it grows with norms of planes, not with terms.

    winograd: 256 u sum_c max |x_c| ||w_c||_1, twice what F(6, 3), the largest in use, was seen to need (numbers of one
    magnitude or of many). fft: 8 log2(size) u sum_c ||x_c|| ||w_c||.
    """
    g, batch = case.groups, (arrays["input"].shape[0] if case.batch is not None else 1)
    x = np.abs(np.asarray(arrays["input"], np.float64)).reshape(
        batch, g, case.channels // g, math.prod(case.image)
    )
    y = np.abs(np.asarray(arrays["grad_output"], np.float64)).reshape(
        batch, g, case.filters // g, math.prod(case.output_extents)
    )
    w = np.abs(np.asarray(arrays["weight"], np.float64)).reshape(g, case.filters // g, case.channels // g, -1)
    size = math.prod(n + sum(p) for n, p in zip(case.image, case.pads, strict=True))
    c, first, second = (8 * max(1.0, math.log2(size)), 2, 2) if accuracy == "fft" else (256.0, np.inf, 1)
    x, y, w, small_y = (_norms(x, first), _norms(y, first), _norms(w, second), _norms(y, second))
    planes: Array = {
        "output": lambda: np.einsum("ngc,gkc->ngk", x, w).reshape(batch, case.filters),
        "grad_input": lambda: np.einsum("ngk,gkc->ngc", y, w).reshape(batch, case.channels),
        "grad_weight": lambda: np.einsum("ngc,ngk->gkc", x, small_y).reshape(
            case.filters, case.channels // g
        ),
    }[output]()
    planes = c * u * planes[(..., *(None,) * case.dimensions)]
    return planes[0] if case.batch is None and output != "grad_weight" else planes


def _norms(planes: Array, order: float) -> Array:
    """The norm of each plane (last axis): largest, sum, or root of the sum of squares."""
    if order == np.inf:
        return planes.max(axis=-1, initial=0)  # type: ignore[no-any-return]
    return (planes**order).sum(axis=-1) ** (1 / order)  # type: ignore[no-any-return]


def _absolute(case: Case, arrays: Arrays, oracle: Oracle) -> dict[str, Array]:
    """S: the operation on absolute values; a max pooling keeps its choice and takes that of grad_output only."""
    kept = ("input",) if isinstance(case, MaxPool) else ()
    absolute = {name: a if name in kept else np.abs(a) for name, a in arrays.items()}
    return {output: np.abs(a) for output, a in oracle(case, absolute).items()}
