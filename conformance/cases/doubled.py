"""What the backward of a backward is asked: gradients of the gradients, beside the arrays of a case.

    loss = <grad_grad_input, grad_input> + <grad_grad_weight, grad_weight> + <grad_grad_bias, grad_bias>

Its gradients by grad_output, input and weight are sums of products again (see requirements.double_backward).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from conformance.cases.arrays import fill
from conformance.cases.case import Case
from conformance.cases.values import REALS, magnitudes
from conformance.operations.windows import Array, Arrays

OF = "grad_grad_"  # before the name of an array: the gradient of its gradient


def fill_doubled(case: Case) -> Arrays:
    """The arrays of a case, and for each that has a gradient a gradient of that, of the same shape."""
    others = fill(replace(case, seed=case.seed + 1, layout=""))
    named = {name: others[name] for name in case.family.differentiated if name in others}
    for array in named.values() if case.values not in REALS else ():
        _halve(array.real)
        _halve(array.imag)
    return {f"{OF}{name}": array for name, array in named.items()} | fill(case)


def _halve(part: Array) -> None:
    """Integers half as large, 1 and -1 apart: a sum of twice as many products is as exact."""
    if part.flags.writeable:  # not what is imaginary of a real array
        part[np.abs(part) > 1] /= 2
        np.trunc(part, out=part)


def is_exact(case: Case) -> bool:
    """Whether its sums have room for twice as many products of integers."""
    return case.values in REALS or min(m for n, m in magnitudes(case).items() if n != "bias") > 1
