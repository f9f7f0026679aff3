"""What a case is filled with: values of its family, laid out in memory as it asks."""

from __future__ import annotations

import numpy as np

from conformance.cases.case import Case
from conformance.cases.guarded import GUARDS
from conformance.cases.values import as_subnormal, values_named
from conformance.cases.views import VIEWS
from conformance.operations import DTYPES
from conformance.operations.dtypes import COMPLEX
from conformance.operations.windows import Array, Arrays

__all__ = ["Array", "Arrays", "fill"]


def fill(case: Case) -> Arrays:
    """The arrays of a case in the order a kernel takes them, grad_output last: a function of the case alone."""
    rng = np.random.default_rng(case.seed)
    with np.errstate(over="ignore"):  # of a float16 pool's integers, which need not stay finite
        arrays = {n: _array(rng, case, n, shape) for n, shape in case.shapes.items()}
    if case.values == "special":
        names = case.family.specials(case)
        case.family.put_specials(rng, case, arrays, names[case.seed % len(names)])
    if case.values == "subnormal":
        as_subnormal(case, arrays)
    case.family.settled(case, arrays)
    for name, view in case.views.items():
        if name in arrays:
            arrays[name] = _laid_out(arrays[name], view, case.dimensions)
    if case.malformed and (how := case.family.malformations[case.malformed]).array in arrays:
        arrays[how.array] = how.spoil(arrays[how.array])
    return arrays


def _array(rng: np.random.Generator, case: Case, name: str, shape: tuple[int, ...]) -> Array:
    if name in case.family.indexing and case.family.positions:
        return case.family.positions(rng, case, shape).astype(np.int64)
    dtype, drawn = DTYPES[case.dtype], values_named(case.values)
    numbers = drawn(rng, case, name, shape)
    if dtype.kind == COMPLEX:
        numbers = numbers + 1j * drawn(rng, case, name, shape)
    return numbers.astype(dtype.numpy)


def _laid_out(array: Array, view: str, dimensions: int) -> Array:
    return GUARDS[view](array) if view in GUARDS else VIEWS[view](array, dimensions)
