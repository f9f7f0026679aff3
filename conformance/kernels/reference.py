"""The definitions of all families as an oracle: plain NumPy, float64, short enough to check by reading."""

from __future__ import annotations

import numpy as np

from conformance.cases import Case
from conformance.operations import DTYPES
from conformance.operations.family import Answers
from conformance.operations.windows import Arrays


def answer(case: Case, arrays: Arrays) -> Answers:
    """Every output of a case, of real numbers in float64; ValueError for a case that PyTorch refuses."""
    if case.problem:
        raise ValueError(f"{case}: {case.problem}")
    batched, given = case.batch is not None, wide(case, arrays)
    batch = given if batched else {n: a[None] if n in IMAGES else a for n, a in given.items()}
    with np.errstate(all="ignore"):
        gradients = case.family.backward(case, batch) if case.gradients else {}
        answers = case.family.forward(case, batch) | gradients
    return answers if batched else {n: a[0] if n in IMAGES else a for n, a in answers.items()}


def wide(case: Case, arrays: Arrays) -> Arrays:
    """Numbers in the format of trusted answers; positions as they are."""
    dtype, indexing = DTYPES[case.dtype].wide, case.family.indexing
    return {n: a if n in indexing else np.asarray(a, dtype) for n, a in arrays.items()}


IMAGES = ("input", "output", "indices", "grad_output", "grad_input")
