"""The definitions of all families as an oracle: plain NumPy, float64, short enough to check by reading."""

from __future__ import annotations

import numpy as np

from conformance.cases import Case
from conformance.operations.family import Answers
from conformance.operations.windows import Arrays


def answer(case: Case, arrays: Arrays) -> Answers:
    """Every output of a case in float64; ValueError for a case that PyTorch refuses."""
    if case.problem:
        raise ValueError(f"{case}: {case.problem}")
    batched = case.batch is not None
    indexing = case.family.indexing
    doubles = {n: a if n in indexing else np.asarray(a, np.float64) for n, a in arrays.items()}
    batch = doubles if batched else {n: a[None] if n in IMAGES else a for n, a in doubles.items()}
    with np.errstate(all="ignore"):
        answers = case.family.forward(case, batch) | case.family.backward(case, batch)
    return answers if batched else {n: a[0] if n in IMAGES else a for n, a in answers.items()}


IMAGES = ("input", "output", "indices", "grad_output", "grad_input")
