"""The definitions of all families as an oracle: plain NumPy, float64, short enough to check by reading."""

from __future__ import annotations

import numpy as np

from conformance.cases import Case
from conformance.operations import OPERATIONS
from conformance.operations.family import Answers
from conformance.operations.windows import Arrays


def answer(case: Case, arrays: Arrays) -> Answers:
    """Every output of a case in float64; ValueError for a case that PyTorch refuses."""
    if case.problem:
        raise ValueError(f"{case}: {case.problem}")
    batched, given = case.batch is not None, doubles(arrays)
    batch = given if batched else {n: a[None] if n in IMAGES else a for n, a in given.items()}
    with np.errstate(all="ignore"):
        answers = case.family.forward(case, batch) | case.family.backward(case, batch)
    return answers if batched else {n: a[0] if n in IMAGES else a for n, a in answers.items()}


def doubles(arrays: Arrays) -> Arrays:
    """Numbers in float64; positions as they are."""
    return {n: a if n in _INDEXING else np.asarray(a, np.float64) for n, a in arrays.items()}


_INDEXING = {name for found in OPERATIONS.values() for name in found.family.indexing}
IMAGES = ("input", "output", "indices", "grad_output", "grad_input")
