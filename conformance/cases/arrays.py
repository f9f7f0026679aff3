"""What a case is filled with: values of its family, laid out in memory as it asks."""

from __future__ import annotations

import numpy as np

from conformance.cases.case import Case
from conformance.cases.guarded import GUARDS
from conformance.cases.values import VALUES
from conformance.cases.views import VIEWS
from conformance.operations import DTYPES
from conformance.operations.windows import Array, Arrays

__all__ = ["Array", "Arrays", "fill"]


def fill(case: Case) -> Arrays:
    """The arrays of a case in the order a kernel takes them, grad_output last: a function of the case alone."""
    rng = np.random.default_rng(case.seed)
    make = VALUES[case.values]
    with np.errstate(over="ignore"):  # of a float16 pool's integers, which need not stay finite
        dtype = DTYPES[case.dtype].numpy
        arrays = {n: make(rng, case, n, shape).astype(dtype) for n, shape in case.shapes.items()}
    if case.values == "special":
        names = case.family.specials(case)
        case.family.put_specials(rng, case, arrays, names[case.seed % len(names)])
    for name, view in case.views.items():
        if name in arrays:
            arrays[name] = _laid_out(arrays[name], view, case.dimensions)
    if case.malformed and (how := case.family.malformations[case.malformed]).array in arrays:
        arrays[how.array] = how.spoil(arrays[how.array])
    return arrays


def _laid_out(array: Array, view: str, dimensions: int) -> Array:
    return GUARDS[view](array) if view in GUARDS else VIEWS[view](array, dimensions)
