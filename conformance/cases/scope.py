"""Small scope, exhausted: every valid geometry of one axis, on each axis; every pair of smaller ones."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from statistics import median
from typing import Any

from conformance.cases.case import Case
from conformance.cases.features import Features
from conformance.cases.values import chance
from conformance.operations import OPERATIONS, Option

MIDDLE = 5  # pixels along an axis
Geometry = tuple[int, ...]  # image, kernel, and each option that is one an axis


@dataclass(frozen=True)
class Exhausted:
    """What was asked without a gap: every geometry of one axis up to the largest of each parameter.

    chance     of an element that is another polynomial of the integers to be right all the same, in the worst case
               and in the median one; 0 where the operation is no polynomial (see values.chance)
    """

    operation: str
    geometries: int
    largest: Mapping[str, int]
    pairs: int
    chance: tuple[float, float]


def exhausted(operation: str, features: Features, pairs: bool, values: str = "integers") -> Exhausted | None:
    """What every_geometry, and every_pair if asked, leaves no gap in; None where these features allow no such case."""
    every = list(every_geometry(operation, features))
    if not every:
        return None
    of_axis = [
        g
        for mode in _ceil_modes(operation, features)
        for g in geometries(operation, features, ceil_mode=mode)
    ]
    chances = [chance(case, small=values != "integers") for case in every]
    paired = len(geometries(operation, features, paired=True)) ** 2 if pairs else 0
    largest = dict(zip(_names(operation), map(max, zip(*of_axis, strict=True)), strict=True))
    return Exhausted(operation, len(of_axis), largest, paired, (max(chances), median(chances)))


@cache
def geometries(
    operation: str, features: Features, paired: bool = False, ceil_mode: bool = False
) -> list[Geometry]:
    """Every valid geometry of one axis that these features allow, in the family's scope or in that of pairs.

    ceil_mode   those alone that are valid in ceil_mode only: the one window exceeds the padded image
    """
    family, options = OPERATIONS[operation].family, {o.name: o for o in OPERATIONS[operation].options}
    scope = family.paired if paired else family.scope
    ranges = []
    for name in _names(operation):
        least = (options[name].least or 0) if name in options else 1
        claimed = name not in options or name in features or not options[name].feature
        ranges.append(range(least, scope[name] + 1) if claimed else (least,))
    return [g for g in itertools.product(*ranges) if _valid(operation, g, ceil_mode)]


def _names(operation: str) -> tuple[str, ...]:
    """Of what a geometry is made."""
    return OPERATIONS[operation].per_axis


def _valid(operation: str, geometry: Geometry, ceil_mode: bool) -> bool:
    fields = dict(zip(_names(operation), geometry, strict=True))
    if fields.get("kernel") == 1 and fields.get("dilation", 1) > 2:
        return False  # one tap is dilated to one tap
    dimensions = OPERATIONS[operation].dimensions
    extents = {name: (fields[name],) * dimensions for name in ("image", "kernel") if name in fields}
    case = Case.of(operation, **fields | extents)
    if ceil_mode:
        return _answered(replace(case, ceil_mode=True)) and not _answered(case)
    return _answered(case)


def _answered(case: Case) -> bool:
    return not case.problem and not case.hazard


def every_geometry(operation: str, features: Features) -> Iterator[Case]:
    """Cases in which each geometry of one axis occurs on every axis; the axes share a case."""
    found = OPERATIONS[operation]
    for ceil_mode in _ceil_modes(operation, features):
        of_axis = geometries(operation, features, ceil_mode=ceil_mode)
        every = [list(of_axis) for _ in range(found.dimensions)]
        if _per_axis(operation) <= features:
            for axis in range(1, found.dimensions):
                random.Random(axis - 1).shuffle(every[axis])
        yield from _of_axes(operation, features, zip(*every, strict=True))


def _ceil_modes(operation: str, features: Features) -> tuple[bool, ...]:
    there = any(option.name == "ceil_mode" for option in OPERATIONS[operation].options)
    return (False, True) if there and "ceil_mode" in features else (False,)


def squares(operation: str, features: Features) -> Iterator[Case]:
    """Geometries that all axes share, as most fast paths want: of all options the smallest image, and one of MIDDLE."""
    return _of_axes(operation, features, _shared(operation, features))


def _shared(operation: str, features: Features) -> Iterator[tuple[Geometry, ...]]:
    axes, images = OPERATIONS[operation].dimensions, dict[Geometry, list[int]]()
    for geometry in geometries(operation, features):
        images.setdefault(geometry[1:], []).append(geometry[0])
    for options, extents in images.items():
        yield ((extents[0], *options),) * axes
        longer = [extent for extent in extents if extent >= MIDDLE][:axes]
        if len(longer) == axes > 1 and "images not square" in features:
            yield tuple((extent, *options) for extent in longer)


def every_pair(operation: str, features: Features) -> Iterator[Case]:
    """Every geometry of the height with every one of the width, both in the smaller scope; of depth, each in turn."""
    found = OPERATIONS[operation]
    if found.dimensions < 2 or not _per_axis(operation) <= features:
        return iter(())
    of_axis = geometries(operation, features, paired=True)
    pairs = itertools.product(of_axis, of_axis)
    deeper = [itertools.cycle(of_axis)] * (found.dimensions - 2)
    return _of_axes(operation, features, ((*(next(d) for d in deeper), *pair) for pair in pairs))


def _per_axis(operation: str) -> set[str]:
    """The features of a case whose axes differ."""
    found = OPERATIONS[operation]
    several = (
        {*found.family.shaped, "images not square", "options per axis"} if found.dimensions > 1 else set()
    )
    return several | {"options as tuples"}


def _of_axes(operation: str, features: Features, each: Iterable[tuple[Geometry, ...]]) -> Iterator[Case]:
    options = OPERATIONS[operation].options
    if any(o.per_axis and o.lacking and o.name not in features for o in options):
        return  # no stride but the kernel's extents
    for seed, of in enumerate(each):
        yield from _of_geometries(operation, features, of, seed)


def _of_geometries(operation: str, features: Features, of: tuple[Geometry, ...], seed: int) -> Iterator[Case]:
    family = OPERATIONS[operation].family
    fields: dict[str, Any] = dict(zip(_names(operation), zip(*of, strict=True), strict=True))
    if len({geometry[1:] for geometry in of}) == 1:
        fields |= {name: value[0] for name, value in fields.items() if name not in ("image", "kernel")}
    fields |= {"seed": seed, **family.few}
    fields["batch"] = family.batches[seed % len(family.batches)]
    for flags in _flags(operation, features, seed):
        case = Case.of(operation, **fields, **flags)
        if _answered(case):
            yield case


def _flags(operation: str, features: Features, seed: int) -> Iterator[dict[str, Any]]:
    """Every combination of the flags that the scope varies, as far as they are claimed."""
    options = [option for option in OPERATIONS[operation].options if option.scope]
    values = ([v for v in (o.default, o.other) if _takes(o, v, features, seed)] for o in options)
    for row in itertools.product(*values):
        yield {option.name: value for option, value in zip(options, row, strict=True)}


def _takes(option: Option, value: Any, features: Features, seed: int) -> bool:
    claimed = {
        True: option.name in features or not option.feature,  # the other value
        False: not option.lacking or option.lacking in features,
    }
    is_other: bool = value != option.default
    if option.scope == "each" or not (claimed[True] and claimed[False]):
        return claimed[is_other]
    return is_other if option.scope == "other" else is_other == (seed % 2 == 0)
