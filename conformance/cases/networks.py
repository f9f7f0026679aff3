"""Layers of networks, and what looks like one."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from conformance.cases.case import Case
from conformance.cases.features import Features
from conformance.cases.named import listed
from conformance.cases.sizes import PRODUCTS, claimed, products, thinned
from conformance.operations import OPERATIONS
from conformance.operations.windows import along, image_extent

SIDES = (7, 8, 14, 16)  # of a square answer


def layers(operation: str, features: Features) -> Iterator[Case]:
    """Every filter or window that networks are made of with every width; square images, batches of 1 to 8."""
    family, rng = OPERATIONS[operation].family, random.Random(operation)
    names = {option.name for option in OPERATIONS[operation].options}
    flags = [flag for flag in family.flags if flag.keys() <= names]
    for seed, (form, width) in enumerate(itertools.product(listed("forms", operation), family.widths)):
        fields: dict[str, Any] = {
            **width,
            **rng.choice(flags),
            "batch": rng.choice((1, 2, 4, 8)),
            "seed": seed,
        }
        plain = replace(form, **fields)
        unread = getattr(plain, "ceil_mode", False) or rng.choice((0, 1))  # what ceil_mode is there for
        yield from claimed(iter([thinned(_square(plain, rng.choice(SIDES), int(unread)))]), features)


def _square(plain: Case, side: int, unread: int) -> Case:
    """With a square answer, smaller where a kernel of plain loops would take long; the stride leaves pixels or none."""
    unreads = tuple(unread * (stride - 1) if plain.family.has_kernel else unread for stride in plain.strides)
    case = _imaged(plain, (side,) * plain.dimensions, unreads)
    return _square(plain, side // 2, unread) if products(case) > PRODUCTS // 2 and side > 1 else case


def _imaged(case: Case, windows: Sequence[int], unread: Sequence[int]) -> Case:
    """The case on an image that has so many windows, and pixels past the last one, along each axis."""
    axes = enumerate(zip(windows, case.geometry, unread, strict=True))
    image = tuple(extent_of(case, axis, *of) for axis, of in axes)
    imaged: Case = case.family.completed(replace(case, image=image), tuple(map(bool, unread)))
    return imaged


def extent_of(case: Case, axis: int, windows: int, geometry: Any, unread: int) -> int:
    if case.family.image:
        return case.family.image(case, axis, windows, unread)
    kernel, stride, pads, dilation = geometry
    extent = image_extent(windows, kernel, stride, pads, dilation, unread)
    return case.family.image_for(extent, kernel, stride, pads, dilation)


def lookalikes(operation: str, features: Features) -> Iterator[Case]:
    """The same forms with one option another, along one axis or all: what a fast path must not take for its own."""
    family, rng = OPERATIONS[operation].family, random.Random(operation)
    for seed, (form, of) in enumerate(itertools.product(listed("forms", operation), family.alike)):
        width = rng.choice(family.widths[of])
        plain = replace(form, **width, batch=rng.choice((1, 2)), seed=seed)
        for change in _changes(plain):
            case = replace(plain, **change)
            sides = rng.sample((2, 3, 4), case.dimensions)
            unread = [rng.randrange(stride) for stride in case.strides]
            yield from claimed(iter([thinned(_imaged(case, sides, unread))]), features)


def _changes(case: Case) -> Iterator[dict[str, Any]]:
    """Options of this case that are one more along an axis or all of them, and each flag; nothing at all."""
    n, (_, *names) = case.dimensions, OPERATIONS[case.operation].per_axis
    options = OPERATIONS[case.operation].options
    for name in names:
        option: Any = getattr(case, name)
        more = dict.fromkeys([*(along(axis, 1, 0, n) for axis in range(n)), (1,) * n])
        for step in more if not isinstance(option, str) else ():
            given = case.strides if option is None else case.axes(option)
            yield {name: tuple(None if n is None else n + more for n, more in zip(given, step, strict=True))}
    flags = {option.name: option.other for option in options if option.array}
    flags |= {"batch": None, **{option.name: option.other for option in options if option.other is not None}}
    for flag in ({}, *({name: value} for name, value in flags.items())):
        yield from (flag, flag)  # on two images: the pixels past the last window are others
