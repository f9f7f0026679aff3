"""The classes that a case's parameters fall into: what a report counts, to show which were met, and which together."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

from conformance.cases.case import Case
from conformance.cases.fields import fields_of
from conformance.cases.values import VALUES
from conformance.operations import OPERATIONS

RANGES = ((4, 8), (9, 64), (65, 1024))  # numbers up to 3 are classes of their own
_ELSEWHERE = ("seed", "malformed", "written")  # fields whose value is no matter of how a case is calculated


@cache
def parameters_of(operation: str) -> tuple[str, ...]:
    """The parameters that are classed: the fields of a case, and whether an option differs from axis to axis."""
    names = [name for name, _, _ in fields_of(OPERATIONS[operation]) if name not in _ELSEWHERE]
    return (*names, "axes") if OPERATIONS[operation].dimensions > 1 else tuple(names)


def classes_met(case: Case) -> tuple[str, ...]:
    """The class of each parameter, in the order of parameters_of.

    >>> dict(zip(parameters_of("conv1d"), classes_met(Case.parse("conv1d image=9 stride=2")), strict=True))["image"]
    '9 to 64'
    """
    names = parameters_of(case.operation)
    axes = "alike" if "options per axis" not in case.needs else "unlike"
    return tuple(axes if name == "axes" else _class(name, getattr(case, name)) for name in names)


@lru_cache(maxsize=4096, typed=True)
def _class(name: str, value: Any) -> str:
    if name == "layout":
        return _of_layout(value)
    if name == "values" and value not in VALUES:
        return "planted"
    if value is None:
        return "unbatched" if name == "batch" else "None"
    if isinstance(value, tuple):  # the largest: whether they differ is a parameter of its own
        numbers = [number for number in value if number is not None]
        return _of_number(max(numbers)) if numbers else "None"
    return str(value) if isinstance(value, (bool, str)) else _of_number(value)


def _of_number(number: float) -> str:
    """Of an int, or of the norm of an lp pooling, its range or itself."""
    ranges = (f"{low} to {high:,}" for low, high in RANGES if low <= number <= high)
    return next(ranges, f"above {RANGES[-1][1]:,}" if number > RANGES[-1][1] else f"{number:g}")


def _of_layout(layout: str) -> str:
    views = {part.partition(":")[2] for part in layout.split(",") if part}
    return "contiguous" if not views else views.pop() if len(views) == 1 else "several"
