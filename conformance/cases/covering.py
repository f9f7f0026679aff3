"""Covering arrays over the classes of every parameter, and cases built from classes.

Cases are built, never drawn and thrown away: the output sizes and remainders first, then the image that yields them.
A class that needs a feature the subject does not claim is left out before anything is built.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial
from typing import Any

from conformance.cases.case import Case
from conformance.cases.features import FEATURES, Features
from conformance.operations import OPERATIONS, Operation
from conformance.operations.windows import AXES, image_extent, windows_all_hit

Classes = dict[str, list[Any]]
Row = dict[str, Any]

BATCHES = {"one": 1, "two": 2, "three": 3, "unbatched": None}
GEOMETRY: Classes = {
    "stride": [1],
    "padding": ["none"],
    "dilation": [1],
}  # and the classes of a family that lacks it


def covering(operation: str, features: Features) -> Iterator[Case]:
    """Cases in which every pair of classes of parameters appears, for each form of writing the options."""
    for form in forms(operation, features):
        for seed, row in enumerate(_covering_rows(operation, form, features)):
            yield as_claimed(build(operation, form, dict(row), seed), features)


def explore(operation: str, features: Features, count: int, seed: int) -> Iterator[Case]:
    """Cases of classes drawn at random: triples and more of classes meet."""
    rng = random.Random(f"{operation} {seed}")
    rows = [(form, classes_of(operation, form, features)) for form in forms(operation, features)]
    for number in range(count):
        form, classes = rows[0] if number % 2 else rng.choice(rows)
        row = {name: rng.choice(values) for name, values in classes.items()}
        yield as_claimed(build(operation, form, row, seed + number), features)


def forms(operation: str, features: Features) -> list[str]:
    """How the options are written: one int an axis, one int for all, left to their defaults, or a word."""
    found = OPERATIONS[operation]
    several = {"options per axis"} if found.dimensions > 1 else set()
    needed = {"tuples": several | {"options as tuples"}, "ints": set()}
    for option in found.options:
        words = option.words if option.per_axis else ()
        needed |= {word: {option.name, f"{option.name}={word}"} & FEATURES for word in words}
        if option.per_axis and option.lacking:
            needed[option.lacking] = {option.lacking}
            if option.name not in features and option.lacking in features:
                return [option.lacking]
    return [form for form, features_of_form in needed.items() if features_of_form <= features]


@cache
def _covering_rows(operation: str, form: str, features: Features) -> list[tuple[tuple[str, Any], ...]]:
    from covertable import make

    classes = classes_of(operation, form, features)
    varying = {name: values for name, values in classes.items() if len(values) > 1}
    fixed = {name: values[0] for name, values in classes.items() if len(values) == 1}
    return [tuple((fixed | row).items()) for row in make(varying, strength=2)]


def classes_of(operation: str, form: str, features: Features) -> Classes:
    """The classes of each parameter that a subject with these features can be asked."""
    found = OPERATIONS[operation]
    family, axes = found.family, AXES[found.dimensions]
    options = {option.name: option for option in found.options}
    plain = next((words[form] for words in (o.words for o in found.options) if form in words), ())
    classes: Classes = {"batch": ["one", "two", "three"] + ["unbatched"] * ("unbatched" in features)}
    for axis in axes:
        over = [0, 1] if not family.over or family.over in features else [0]
        classes |= {f"output {axis}": [1, 2, 4], f"unread {axis}": over}
    for axis in axes if family.not_square in features or len(axes) == 1 else ("",):
        classes |= {f"kernel {axis}": list(family.kernels)} if family.has_kernel else {}
    every = GEOMETRY | {o.name: [o.default] for o in found.options if o.per_axis and o.name not in GEOMETRY}
    for axis in axes if form == "tuples" else ("",):
        for name, only in every.items():
            option = options.get(name)
            varies = option and (name in features or not option.feature) and name not in plain
            classes[f"{name} {axis}"] = _claimed_of_axis(option, form, features) if varies else only
    for name, values in family.counts.items():
        lacked = name in options and options[name].feature and name not in features
        classes[name] = list(values[:1] if lacked else values)
    for option in found.options:
        if option.classes and not option.per_axis:
            classes[option.name] = _claimed_values(option, features)
    return classes


def _claimed_of_axis(option: Any, form: str, features: Features) -> list[Any]:
    """The values of an option along an axis: None there is written in a tuple alone."""
    gaps = form == "tuples" and option.gap in features
    return [value for value in option.classes if value is not None or gaps]


def _claimed_values(option: Any, features: Features) -> list[Any]:
    """The values of a flag that need no feature that is not claimed."""
    lacked = {option.default} if option.lacking and option.lacking not in features else set()
    lacked |= {word for word in option.words if f"{option.name}={word}" not in features}
    claimed = option.name in features or not option.feature
    return [v for v in option.classes if v not in lacked and (v == option.default or claimed)]


def build(operation: str, form: str, row: Row, seed: int, **more: Any) -> Case:
    """The case of one row of classes; more fields (dtype, values, ...) as given."""
    found = OPERATIONS[operation]
    fields: Row = {"batch": BATCHES.get(row["batch"], row["batch"]), "seed": seed, **more}
    kernel = (1,) * found.dimensions
    if found.family.has_kernel:
        kernel = fields["kernel"] = tuple(_of_axis(row, "kernel", axis) for axis in AXES[found.dimensions])
    fields |= found.family.channels(row)
    for option in found.options:
        if option.per_axis:
            fields[option.name] = _written(found, option, form, row, kernel)
        elif option.name in row and option.classes:
            fields[option.name] = row[option.name]
    return _with_image(Case.of(operation, **fields), row)


def _written(found: Operation, option: Any, form: str, row: Row, kernel: tuple[int, ...]) -> Any:
    """An option per axis as it is written in a form."""
    if form in option.words:
        return form
    if form == option.lacking:
        return None
    axes = AXES[found.dimensions]
    values, strides, dilations = (
        [_of_axis(row, n, axis) for axis in axes] for n in (option.name, "stride", "dilation")
    )
    if option.name == "padding":
        values = [found.family.padding(*of) for of in zip(values, kernel, dilations, strict=True)]
        return tuple(values) if form == "tuples" else min(values)
    values = [option.within(*of) for of in zip(values, strides, dilations, strict=True)]
    return tuple(values) if form == "tuples" else values[0]


def _of_axis(row: Row, name: str, axis: str) -> Any:
    """The class of a parameter on an axis: its own, or the one that all axes share."""
    return row[f"{name} {axis}"] if f"{name} {axis}" in row else row[f"{name} "]


def as_claimed(case: Case, features: Features) -> Case:
    """The case, or the same on a square image where others are not claimed."""
    return case if "images not square" in features else squared(case)


def squared(case: Case) -> Case:
    """The same case on an image as high as wide, no window of which misses it."""
    side = max(case.image)
    while (square := replace(case, image=(side,) * case.dimensions)).hazard and not case.hazard:
        side += 1
    return square


def _with_image(case: Case, row: Row) -> Case:
    """Choose the image: extents that differ, and every window of a max pooling with a tap inside."""
    extents: list[int] = []
    for axis, (kernel, stride, pads, dilation) in enumerate(case.geometry):
        name = AXES[case.dimensions][axis]
        outputs, unread = row[f"output {name}"], (stride - 1) * row[f"unread {name}"]
        if case.family.image:
            extents.append(_another(case.family.image(case, axis, outputs, row[f"unread {name}"]), extents))
            continue
        extent = image_extent(outputs, kernel, stride, pads, dilation, unread)
        of_image = partial(case.family.image_for, kernel=kernel, stride=stride, pads=pads, dilation=dilation)
        while of_image(extent) in extents or _misses(case, axis, extent):
            extent += stride
        extents.append(of_image(extent))
    unread = tuple(row[f"unread {name}"] for name in AXES[case.dimensions])
    built: Case = case.family.completed(replace(case, image=tuple(extents)), unread)
    # avg_pool3d takes no image smaller than its window; a longer one may have become square
    while built.problem or built.hazard or len(set(built.image)) < len(set(extents)):
        built = replace(built, image=tuple(n + s for n, s in zip(built.image, built.strides, strict=True)))
    return built


def _another(extent: int, extents: list[int]) -> int:
    """The extent, or the next that is none of these."""
    return next(n for n in itertools.count(extent) if n not in extents)


def _misses(case: Case, axis: int, extent: int) -> bool:
    if not case.family.misses:
        return False
    kernel, stride, pads, dilation = list(case.geometry)[axis]
    outputs = case.family.outputs(case, axis, extent)
    return outputs < 1 or not windows_all_hit(extent, kernel, stride, pads[0], dilation, outputs)
