"""Convolutions of complex numbers in their own format, by four real ones and by three."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.audit.mutants.otherwise import per_channel
from conformance.audit.right.kernel import Make, Right, computed
from conformance.cases.arrays import Array, Arrays
from conformance.kernels.functions import Compute
from conformance.operations.family import Answers

DTYPES = {"dtypes": ("complex64", "complex128")}
FACTORS = {"output": ("input", "weight"), "grad_input": ("grad_output", "weight"), "grad_weight": ("grad_output", "input")}
Product = Callable[[Array, Array], Array]  # of real arrays, in the places of an output's factors


def in_their_own_format(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    return dict((case.family.forward if "output" in wanted else case.family.backward)(case, arrays))


def by_real_ones(multiplied: Callable[[Product, Array, Array], Array]) -> Compute:
    """Each output by products of real arrays; a gradient is multiplied by a conjugate."""

    def compute(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
        answers = {}
        for output, (one, other) in FACTORS.items():
            if output in wanted:
                by = arrays[other] if output == "output" else arrays[other].conj()
                answers[output] = multiplied(_product(case, arrays, output), arrays[one], by)
        if case.bias and "output" in wanted:
            answers["output"] = answers["output"] + per_channel(case, arrays["bias"])
        if "grad_bias" in wanted:
            answers["grad_bias"] = arrays["grad_output"].sum(axis=(0, *range(2, 2 + case.dimensions)))
        return answers

    return compute


def _product(case: Any, arrays: Arrays, output: str) -> Product:
    real = {name: np.ascontiguousarray(array.real) for name, array in arrays.items()}
    if case.bias:
        real["bias"] = np.zeros_like(real["bias"])
    compute, (one, other) = case.family.forward if output == "output" else case.family.backward, FACTORS[output]
    return lambda a, b: compute(case, real | {one: a, other: b})[output]


def four(product: Product, a: Array, b: Array) -> Array:
    real = product(a.real, b.real) - product(a.imag, b.imag)
    return np.asarray(real + 1j * (product(a.real, b.imag) + product(a.imag, b.real)))


def three(product: Product, a: Array, b: Array) -> Array:
    """As Karatsuba multiplies: (a + b)(c + d) has both mixed products."""
    one, other, both = product(a.real, b.real), product(a.imag, b.imag), product(a.real + a.imag, b.real + b.imag)
    return np.asarray(one - other + 1j * (both - one - other))


def of_both(compute: Compute) -> Make:
    return computed(compute, "conv", "conv_transpose")


ROWS = [
    Right("complex_in_their_own_format", "the definition, in the format of its arrays", of_both(in_their_own_format), DTYPES),
    Right("complex_by_four", "four real convolutions", of_both(by_real_ones(four)), DTYPES),
    Right("complex_by_three", "three real convolutions", of_both(by_real_ones(three)), DTYPES),
]  # fmt: skip
