"""Of values that read a kernel out: what the one number of an answer stands for, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from conformance.cases import Case
from conformance.cases.arrays import Array, Arrays
from conformance.cases.units import SINGLE
from conformance.cases.values import factors

SHOWN = 9  # pixels of an image that is written out


def in_words(case: Case, arrays: Arrays, output: str, place: tuple[int, ...]) -> str:
    """What element `place` of an output reads: a coefficient, by the elements that are 1; "" where it is no such."""
    named = dict(zip(_axes(case, output), place, strict=False))
    if case.values == "patterns" and (image := _plane(case, arrays["input"], named)).size <= SHOWN:
        return f"where the image is {' '.join(f'{number:g}' for number in image.flat)}"
    if case.values not in SINGLE:
        return ""
    ones = [_one(case, name, arrays[name], named) for name in factors(case, output)]
    return f"the coefficient of {' and '.join(ones)}" if ones and all(ones) else ""


def _axes(case: Case, name: str) -> tuple[str, ...]:
    """What the first axes of an array or an output count."""
    of = {"input": ("batch", "channels"), "weight": case.family.weight_axes, "bias": ("filters",)}
    channels = "filters" if "weight" in case.array_names else "channels"
    axes = of.get(name.removeprefix("grad_"), ("batch", channels))
    return axes if case.batch is not None else tuple(axis for axis in axes if axis != "batch")


def _plane(case: Case, images: Array, named: Mapping[str, int]) -> Array:
    channel = named["channels"]
    return np.asarray(images[named["batch"], channel] if case.batch is not None else images[channel])


def _one(case: Case, name: str, array: Array, named: Mapping[str, int]) -> str:
    """The element that is 1 among those of an array with the numbers named, in their group; "" if it is not one."""
    numbered = (
        (place, _numbers(case, name, place)) for place in np.argwhere(np.asarray(array, float) == 1).tolist()
    )
    group = {_group(case, axis, number) for axis, number in named.items()} - {None}
    found = [
        place
        for place, at in numbered
        if at.items() >= {axis: named[axis] for axis in named if axis in at}.items()
        and {_group(case, axis, number) for axis, number in at.items()} - {None} <= group
    ]
    return f"{name}[{', '.join(map(str, found[0]))}]" if len(found) == 1 else ""


def _numbers(case: Case, name: str, place: Sequence[int]) -> dict[str, int]:
    """The image, channel and filter of an element of an array; a weight counts the second of its axes by the group."""
    at = dict(zip(_axes(case, name), place, strict=False))
    if name == "weight":
        first, second = case.family.weight_axes
        group = _group(case, first, at[first])
        at[second] += (group or 0) * getattr(case, second) // case.groups
    return at


def _group(case: Case, axis: str, number: int) -> int | None:
    """Of a channel or a filter; an image is of all of them."""
    return None if axis == "batch" else number * getattr(case, "groups", 1) // getattr(case, axis)
