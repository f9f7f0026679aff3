"""The features that a case can need and a kernel can lack, and the plain case that shows each."""

from __future__ import annotations

from functools import cache
from typing import Any

from conformance.cases.case import Case
from conformance.operations import OPERATIONS
from conformance.operations.option import fit

Features = frozenset[str]

_OF_ONE_AXIS = ("unbatched", "options as tuples", "options as lists", "defaults")
_OF_SEVERAL = ("options per axis", "options as tuples of one", "images not square")


@cache
def features_of(operation: str) -> Features:
    """Every feature that a case of an operation can need, dtypes apart."""
    found = OPERATIONS[operation]
    several = (*_OF_SEVERAL, *found.family.shaped) if found.dimensions > 1 else ()
    every = frozenset((*_OF_ONE_AXIS, *several, *(f for o in found.options for f in o.every_feature)))
    broadcast = any(option.broadcasts for option in found.options if option.per_axis)
    gaps = {option.gap for option in found.options if option.gap and found.dimensions < 2}
    return every - gaps - (set() if broadcast else {"options as tuples of one"})


FEATURES: Features = frozenset().union(*map(features_of, OPERATIONS))


@cache
def probes(operation: str, features: Features | None = None) -> dict[str, Case]:
    """A plain case of each feature that a signature cannot tell: a kernel that refuses it does not claim it.

    features   that the kernel may claim, all if not given: what is asked of options is shown by one of these, if any
    """
    family = OPERATIONS[operation].family
    options = OPERATIONS[operation].options
    per_axis = [option for option in options if option.per_axis]
    shown = next((o for o in per_axis if features is None or o.name in features), per_axis[0])
    name, least = shown.name, shown.default if shown.required else shown.least or 0
    fields: dict[str, dict[str, Any]] = {
        "unbatched": {"batch": None},
        "options per axis": {"image": (5, 6), name: (least, least + 1)},
        "options as tuples": {"image": (5, 6), name: (least + 1, least + 1)},
        "options as lists": {"image": (5, 6), name: (least + 1, least + 1), "written": "lists"},
        "options as tuples of one": {"image": (5, 6), name: (least + 1,)},
        "images not square": {},
        **{feature: {"kernel": (2, 1)} for feature in family.shaped},
    }
    for option in options:
        fields |= {option.gap: {option.name: (None, 2)}} if option.gap else {}
        fields |= {f"{option.name}={word}": {family.size: (3, 3), option.name: word} for word in option.words}
        fields |= {option.lacking: {}} if option.lacking else {}
    return {name: _plain(operation, of) for name, of in fields.items() if name in features_of(operation)}


@cache
def declinable(operation: str) -> dict[str, Case]:
    """A plain case of each option that a signature names and a kernel may decline: by NotImplementedError alone."""
    options = [option for option in OPERATIONS[operation].options if option.feature]
    return {option.name: _plain(operation, {"image": (5, 7), **option.probe}) for option in options}


def plain(operation: str) -> list[Case]:
    """The plainest calls: a kernel that refuses them all claims all, and every case will say how it refuses."""
    stepped = next(option.name for option in OPERATIONS[operation].options if option.per_axis)
    return [_plain(operation, {}), _plain(operation, {stepped: 2})]


def _plain(operation: str, fields: dict[str, Any]) -> Case:
    plain = {"image": (4, 6), OPERATIONS[operation].family.size: (2, 2), **fields}
    return Case.of(operation, **fit(plain, OPERATIONS[operation].dimensions))
