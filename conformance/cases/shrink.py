"""The smallest case that still fails: simpler parameters, one step at a time, until no step fails any more."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from operator import add, le
from typing import Any

from conformance.cases.case import Case, plain_of
from conformance.cases.features import Features
from conformance.cases.text import CaseError
from conformance.cases.units import UNITS
from conformance.operations import DTYPES, OPERATIONS

LIMIT = 2000  # cases tried at most
UNSAID = 4  # what an extent that is not said counts for: a small one is simpler
SMALL = 1_000_000  # elements up to which a case with fewer words may be larger than one with more


def shrink(case: Case, fails: Callable[[Case], bool], features: Features, limit: int = LIMIT) -> Case:
    """Greedy: take the first simpler case that fails as well, and start again from it.

    A valid case stays valid and a refused one refused; none asks for a feature that is not claimed.
    """
    tried = {case}
    while (smaller := _first(case, fails, features, tried, limit)) is not None:
        case = smaller
    return case


def _first(
    case: Case, fails: Callable[[Case], bool], features: Features, tried: set[Case], limit: int
) -> Case | None:
    for candidate in simpler(case):
        if len(tried) >= limit:
            return None
        if candidate in tried or not _fits(candidate, case, features) or cost(candidate) >= cost(case):
            continue
        tried.add(candidate)
        if fails(candidate):
            return candidate
    return None


def cost(case: Case) -> tuple[int, int, int]:
    """What makes a case simple: few fields and layouts to read, the seed apart, then few elements, small numbers."""
    fields_said = [word for word in str(case).split() if not word.startswith("seed=")]
    return (
        len(fields_said) + len(case.views),
        case.size,
        sum(abs(n) for f in fields(case) for n in _numbers(getattr(case, f.name))),
    )


SIZES = ("batch", "channels", "filters", "image", "kernel")


def options_of(case: Case) -> frozenset[str]:
    """The fields of a case that are not plain, sizes apart."""
    plain = Case.of(case.operation)
    names = (field.name for field in fields(case) if field.name not in (*SIZES, "dtype", "seed"))
    return frozenset(name for name in names if getattr(case, name) != getattr(plain, name))


def explains(known: Case, case: Case) -> bool:
    """Whether a case has every option that a known failure needs; one that lacks it fails for another reason."""
    return bool(known.problem) == bool(case.problem) and options_of(known) <= options_of(case)


def is_part_of(small: Case, case: Case) -> bool:
    """Whether a case has every option of a smaller one, and no extent that is smaller: what fails there may here."""
    if bool(small.problem) != bool(case.problem) or not options_of(small) <= options_of(case):
        return False
    extents = ((_numbers(getattr(each, name, 1)) or (1,) for name in SIZES) for each in (small, case))
    return all(all(map(le, low, high)) for low, high in zip(*extents, strict=True))


def _fits(candidate: Case, case: Case, features: Features) -> bool:
    if bool(candidate.problem) != bool(case.problem):
        return False
    if _elements(candidate) > max(_elements(case), SMALL):
        return False  # fewer words, and more memory than there is
    if candidate.hazard > getattr(case, "hazard", False):  # which looks at every window: of few by now
        return False
    dtypes = features & set(DTYPES) or {candidate.dtype}
    return candidate.needs <= features | case.needs | dtypes


def _elements(case: Case) -> int:
    """Of all arrays and of one padded plane."""
    if case.problem:
        return 0
    pads = [sum(pads) for _, _, pads, _ in case.geometry]
    plane: int = math.prod(map(add, case.image, pads))
    return case.size + plane


def simpler(case: Case) -> Iterator[Case]:
    """Candidates, the boldest first."""
    for change in _changes(case):
        try:
            yield replace(case, **change)
        except CaseError:
            continue  # for instance a layout of a bias that is gone


def _changes(case: Case) -> Iterator[Mapping[str, Any]]:
    for name, default in plain_of(case).items():  # one field back to its default
        if getattr(case, name) != default and not (name == "values" and case.values in UNITS):
            yield {name: default}  # what reads a kernel out says more than any sum
    if case.layout:
        yield from (
            {"layout": f"{array}:{view}"} for array, view in case.views.items() if len(case.views) > 1
        )
        arrays = (o.name for o in OPERATIONS[case.operation].options if o.array)
        yield {"layout": "", **dict.fromkeys(arrays, False)}
    yield from case.family.simpler(case)
    groups = getattr(case, "groups", 1)
    for i in range(case.dimensions):  # an axis to its smallest
        yield {name: _with(getattr(case, name), i, 1) for name in case.family.extents}
    yield from _less_dilated(case)
    for name in OPERATIONS[case.operation].per_axis:
        value = getattr(case, name)
        if isinstance(value, tuple):
            yield from _smaller_tuples(name, value)
            numbers = sorted({n for n in value if n is not None})
            yield from ({name: n} for n in numbers if name not in case.family.extents)
        elif isinstance(value, int):
            yield from ({name: n} for n in _smaller(value))
    for i in range(case.dimensions):  # image and kernel together keep the geometry's remainder
        for n in range(1, case.kernel[i]):
            yield {
                "kernel": _with(case.kernel, i, n),
                "image": _with(case.image, i, max(1, case.image[i] - case.kernel[i] + n)),
            }
    yield from _later_half(case)
    for name in ("batch", "channels", "filters", "seed"):
        if (value := getattr(case, name, None)) is not None:
            step = groups if name in ("channels", "filters") else 1
            yield from ({name: n * step} for n in _smaller(value // max(step, 1)))


def _less_dilated(case: Case) -> Iterator[Mapping[str, Any]]:
    """A smaller dilation, and an image that holds as many windows: one alone would leave none, or millions."""
    if case.family.adjoint:
        return
    for most in filter(None, _smaller(max(case.dilations))):
        dilations = tuple(min(most, dilation) for dilation in case.dilations)
        axes = zip(case.image, case.kernel, case.dilations, dilations, strict=True)
        image = tuple(max(1, extent - (k - 1) * (before - after)) for extent, k, before, after in axes)
        yield {"image": image, "dilation": dilations if isinstance(case.dilation, tuple) else most}


def _later_half(case: Case) -> Iterator[Mapping[str, Any]]:
    """The second half of images that the seed turns."""
    if case.values in UNITS and (case.batch or 0) > 1:
        half = (case.batch or 0) // 2
        yield {"batch": (case.batch or 0) - half, "seed": case.seed + half}


def _smaller_tuples(name: str, value: tuple[int, ...]) -> Iterator[dict[str, Any]]:
    for i, extent in enumerate(value):
        yield from ({name: _with(value, i, n)} for n in _smaller(UNSAID if extent is None else extent))


def _smaller(value: int) -> Iterator[int]:
    """0 or 1, then halves and quarters off, then one less."""
    candidates = [0, 1, 2, value // 2, value - value // 4, value - 2, value - 1]
    yield from dict.fromkeys(n for n in candidates if 0 <= n < value)


def _with(extents: tuple[int, ...], axis: int, value: int) -> tuple[int, ...]:
    return (*extents[:axis], value, *extents[axis + 1 :])


def _numbers(value: Any) -> tuple[int, ...]:
    if isinstance(value, (bool, str, float)) or value is None:
        return ()
    return tuple(UNSAID if n is None else n for n in value) if isinstance(value, tuple) else (value,)
