"""Cases chosen by hand: those of a family's file, the smallest, and the refused."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache, partial
from importlib import resources
from typing import Any

from conformance.cases.case import Case
from conformance.cases.features import Features, features_of
from conformance.cases.fields import of_operation, read_fields
from conformance.operations import OPERATIONS
from conformance.operations.option import fit
from conformance.operations.windows import along, image_extent

WRITTEN_FOR = 2  # image axes


def named(section: str, operation: str, features: Features) -> Iterator[Case]:
    """The cases of a section of the family's file, made plainer where they need a feature that is not claimed."""
    for case in dict.fromkeys(_plainer(case, features) for case in listed(section, operation)):
        if (
            case.needs <= features | {case.dtype}
            and not case.problem
            and (section == "hazards" or not case.hazard)
        ):
            yield case


@cache
def listed(section: str, operation: str) -> tuple[Case, ...]:
    """The cases of a section of the family's file, for the axes of an operation."""
    return tuple(dict.fromkeys(_for_axes(operation, line.split()) for line in _lines(operation, section)))


def _lines(operation: str, section: str) -> Iterator[str]:
    found, ours = OPERATIONS[operation], False
    text = resources.files("conformance.operations").joinpath(f"{found.family.name}.cases").read_text()
    for line in text.splitlines():
        if line.startswith("["):
            ours = line == f"[{section}]"
        elif ours and line and not line.startswith("#"):
            axes, _, rest = line.partition(" ")
            if axes not in ("1d", "2d", "3d"):
                yield line
            elif axes == f"{found.dimensions}d":
                yield rest


def _for_axes(operation: str, words: list[str]) -> Case:
    """The case of a line that is written for two axes, or for those of the operation."""
    found = OPERATIONS[operation]
    family, dimensions = found.family, found.dimensions
    flat = f"{family.name}{WRITTEN_FOR}d"
    words = [word for word in words if word != "plain"]
    if dimensions == WRITTEN_FOR or any(word.count(",") >= WRITTEN_FOR for word in words):
        return Case.of(operation, **read_fields(operation, words))
    known = {option.name for option in OPERATIONS[flat].options} - {option.name for option in found.options}
    fields = {n: v for n, v in read_fields(flat, words).items() if n not in known}
    case = Case.of(flat, **fields)
    if dimensions < WRITTEN_FOR:
        return Case.of(operation, **fit(fields, dimensions))
    return Case.of(operation, **(fields | _deeper(case, fields)))


def _deeper(case: Case, fields: Mapping[str, Any]) -> dict[str, Any]:
    """A third axis in front: the geometry of the first, its filter and answer two at most, so that it stays small."""
    if case.family.deeper:
        return dict(case.family.deeper(case))
    (kernel, stride, (low, high), dilation), *_ = case.geometry
    small = min(kernel, max(2, 2 * low)) if case.family.bounded else min(kernel, 2)
    windows, of_image = min(case.windows[0], 2), partial(case.family.image_for, kernel=small, stride=stride)
    extent = image_extent(windows, small, stride, (low, high), dilation, 0)
    while (image := of_image(extent, pads=(low, high), dilation=dilation)) in case.image and windows > 1:
        extent += stride
    return {
        **{n: (v[0], *v) for n, v in fields.items() if isinstance(v, tuple) and len(v) == WRITTEN_FOR},
        "kernel": (small, *case.kernel),
        "image": (image, *case.image),
    }


def _plainer(case: Case, features: Features) -> Case:
    for feature, change in _plainer_fields(case):
        if feature in case.needs and feature not in features:
            case = replace(case, **change(case))
    return case


def _plainer_fields(case: Case) -> Iterator[tuple[str, Any]]:
    """What is changed where a feature is not claimed."""
    yield "unbatched", lambda case: {"batch": 1}
    options = OPERATIONS[case.operation].options
    for option in options:
        for word in option.words:
            yield f"{option.name}={word}", lambda case, o=option: {o.name: o.default}
        yield option.name, lambda case, o=option: {o.name: o.default}
        if option.lacking:
            yield option.lacking, lambda case, o=option: {o.name: _other(case, o)}
    yield "images not square", lambda case: {"image": (max(case.image),) * case.dimensions}
    if case.family.has_kernel:
        yield case.family.not_square, lambda case: {"kernel": (min(case.kernel),) * case.dimensions}
    for option in options:
        yield option.gap, lambda case, o=option: {o.name: tuple(n or 1 for n in getattr(case, o.name))}
    for feature in ("options per axis", "options as tuples", "options as tuples of one"):
        yield feature, _smallest_of_axes


def _other(case: Case, option: Any) -> Any:
    if not option.per_axis:
        return option.other
    return case.kernel if len(set(case.kernel)) > 1 else case.kernel[0]


def _smallest_of_axes(case: Case) -> dict[str, Any]:
    names = (option.name for option in OPERATIONS[case.operation].options if option.per_axis)
    every = {name: value for name in names if isinstance(value := getattr(case, name), tuple)}
    return {name: min(1 if n is None else n for n in value) for name, value in every.items()}


# Empty and smallest.

SMALLEST = (  # image and kernel, for two axes
    ((1, 1), (1, 1)), ((1, 5), (1, 2)), ((4, 1), (3, 1)), ((3, 4), (3, 4)), ((2, 3), (2, 2)), ((2, 2), (2, 2)),
)  # fmt: skip


def smallest(operation: str, features: Features) -> Iterator[Case]:
    """No image at all (N = 0), extents of 1, a filter as large as the padded image."""
    found = OPERATIONS[operation]
    family = found.family
    flags = [o.name for o in found.options if o.output]
    padded = "padding" in found.per_axis
    pads = (0, 1) if padded and not family.bounded else (0,)
    every = itertools.product((0, 1, 2), SMALLEST, pads, ({}, *({name: True} for name in flags)))
    for batch, (image, kernel), padding, flag in every:
        fields = {
            "image": image,
            family.size: kernel,
            "padding": padding,
            "batch": batch,
            **family.few,
            **flag,
        }
        case = Case.of(operation, **fit(of_operation(operation, fields), found.dimensions))
        square = {family.not_square} if len(set(case.kernel)) == 1 else set()
        if case.needs - {case.dtype} <= features | square and not case.problem and not case.hazard:
            yield case
    if not padded:
        return
    reach = fit({"image": (1, 2), "kernel": (3, 4), "padding": 1, **family.few}, found.dimensions)
    case = Case.of(operation, **reach)
    if case.needs - {case.dtype} <= features and not case.problem:
        yield from (case, replace(case, batch=0))


# Bad arguments: what PyTorch refuses.


def refused(operation: str, features: Features) -> Iterator[Case]:
    """Cases that PyTorch refuses, one reason each."""
    found = OPERATIONS[operation]
    base = Case.of(operation, **fit(found.family.refused, found.dimensions))
    for fields in dict.fromkeys(map(_hashable, _refused_fields(operation, base))):
        case = replace(base, **dict(fields))
        if case.problem and _needs_of_refused(case) <= features | {case.dtype}:
            yield case


def _hashable(fields: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(fields.items())


def _refused_fields(operation: str, base: Case) -> Iterator[Mapping[str, Any]]:
    dimensions, options = base.dimensions, OPERATIONS[operation].options
    for option in options:
        if option.least is None:
            continue
        below = option.least - 1
        yield {option.name: below}
        if option.per_axis:
            others = (along(axis, below, below + 1, dimensions) for axis in range(dimensions))
            yield from ({option.name: value} for value in others)
            yield {option.name: -1}
    for axis in range(dimensions if base.family.has_kernel else 0):
        too_large = {"kernel": along(axis, base.image[axis] + 1, 2, dimensions)}
        yield from (too_large, too_large | {"batch": 0})
        if any(option.name == "dilation" for option in options):
            yield {"dilation": along(axis, base.image[axis], 1, dimensions)}
    for line in _lines(operation, "refused"):
        fields = read_fields(f"{base.family.name}{WRITTEN_FOR}d", line.split())
        if fields.keys() <= vars(base).keys():
            yield fit(fields, dimensions)
    for name, how in base.family.malformations.items():
        yield {"malformed": name} | ({how.array: True} if how.array == "bias" else {})


def _needs_of_refused(case: Case) -> Features:
    """The features that a refused case is about; PyTorch refuses it, so no more is needed to be asked it."""
    unsaid = {option.lacking for option in OPERATIONS[case.operation].options} | {"images not square"}
    return (case.needs & features_of(case.operation)) - unsaid
