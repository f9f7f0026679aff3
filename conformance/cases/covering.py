"""Covering arrays over the classes of every parameter, and cases built from classes.

Cases are built, never drawn and thrown away: the output sizes and remainders first, then the image that yields them.
A class that needs a feature the subject does not claim is left out before anything is built.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any, cast

from conformance.cases.capabilities import FEATURES, Features
from conformance.cases.case import FAMILIES, Case, windows_all_hit
from conformance.cases.conv import Conv
from conformance.cases.pool import AvgPool, MaxPool

Classes = dict[str, list[Any]]
Row = dict[str, Any]

BATCHES = {"one": 1, "two": 2, "three": 3, "unbatched": None}


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
    needed = {
        "tuples": {"options per axis", "options as tuples"} & FEATURES,
        "ints": set(),
        "same": {"padding", "padding=same"},
        "valid": {"padding", "padding=valid"},
        "stride=None": {"stride=None"},
    }
    words = ("same", "valid") if issubclass(FAMILIES[operation], Conv) else ("stride=None",)
    possible = [form for form in ("tuples", "ints", *words) if needed[form] <= features]
    if "stride" not in features and "stride=None" in possible and not issubclass(FAMILIES[operation], Conv):
        return ["stride=None"]
    return possible


@cache
def _covering_rows(operation: str, form: str, features: Features) -> list[tuple[tuple[str, Any], ...]]:
    from covertable import make

    classes = classes_of(operation, form, features)
    varying = {name: values for name, values in classes.items() if len(values) > 1}
    fixed = {name: values[0] for name, values in classes.items() if len(values) == 1}
    return [tuple((fixed | row).items()) for row in make(varying, strength=2)]


def classes_of(operation: str, form: str, features: Features) -> Classes:
    """The classes of each parameter that a subject with these features can be asked."""
    family = FAMILIES[operation]
    per_axis = ("h", "w") if form == "tuples" else ("",)
    shapes = ("h", "w") if SQUARE[issubclass(family, Conv)] in features else ("",)
    classes: Classes = {"batch": ["one", "two", "three"] + ["unbatched"] * ("unbatched" in features)}
    for axis in ("h", "w"):
        classes |= {f"output {axis}": [1, 2, 4], f"unread {axis}": [0, 1]}
    for axis in shapes:
        classes[f"kernel {axis}"] = [1, 2, 3, 5] if family is Conv else [1, 2, 3, 4]
    for axis in per_axis:
        classes[f"stride {axis}"] = [1, 2, 3] if "stride" in features and form != "same" else [1]
        classes[f"padding {axis}"] = (
            ["none", "some", "beyond"] if "padding" in features and form != "same" else ["none"]
        )
        classes[f"dilation {axis}"] = [1, 2, 3] if "dilation" in features else [1]
    if family is Conv:
        classes["groups"] = ["one", "several", "depthwise", "multiplier"] if "groups" in features else ["one"]
        classes |= {"channels": [1, 2, 3], "filters": [1, 2, 3]}
        classes["bias"] = [feature == "bias" for feature in ("no bias", "bias") if feature in features]
    else:
        classes |= {"channels": [1, 2, 3], "ceil_mode": [False, True] if "ceil_mode" in features else [False]}
    if family is MaxPool:
        classes["return_indices"] = [False, True] if "return_indices" in features else [False]
    if family is AvgPool:
        classes["count_include_pad"] = [True, False] if "count_include_pad" in features else [True]
        classes["divisor_override"] = [None, 1, 3, -2] if "divisor_override" in features else [None]
    return classes


SQUARE = {True: "filters not square", False: "windows not square"}


def build(operation: str, form: str, row: Row, seed: int, **more: Any) -> Case:
    """The case of one row of classes; more fields (dtype, values, ...) as given."""
    family = FAMILIES[operation]
    fields: Row = {
        "operation": operation,
        "batch": BATCHES.get(row["batch"], row["batch"]),
        "seed": seed,
        **more,
    }
    kernel = tuple(_of_axis(row, "kernel", axis) for axis in "hw")
    stride, dilation = (_option(row, name, form) for name in ("stride", "dilation"))
    padding = tuple(_padding(family, row, axis, kernel[i]) for i, axis in enumerate("hw"))
    fields |= {"kernel": kernel, "padding": padding if form == "tuples" else min(padding)}
    fields |= {"stride": None} if form == "stride=None" else {"stride": stride}
    if family in (Conv, MaxPool):
        fields["dilation"] = dilation
    if form in ("same", "valid"):
        fields["padding"] = form
    fields |= _channels(row) if family is Conv else {"channels": row["channels"]}
    fields |= {name: row[name] for name in _FLAGS if name in row}
    return _with_image(family(**fields), row)


_FLAGS = ("bias", "ceil_mode", "return_indices", "count_include_pad", "divisor_override")


def _of_axis(row: Row, name: str, axis: str) -> Any:
    """The class of a parameter on an axis: its own, or the one that both axes share."""
    return row[f"{name} {axis}"] if f"{name} {axis}" in row else row[f"{name} "]


def _option(row: Row, name: str, form: str) -> int | tuple[int, ...]:
    return (row[f"{name} h"], row[f"{name} w"]) if form == "tuples" else int(row[f"{name} "])


def _padding(family: type[Case], row: Row, axis: str, kernel: int) -> int:
    """none; some, inside the filter's reach; beyond it (a pool allows half of its kernel at most)."""
    kind, dilation = _of_axis(row, "padding", axis), _of_axis(row, "dilation", axis)
    if family is not Conv:
        return {"none": 0, "some": min(1, kernel // 2), "beyond": kernel // 2}[kind]
    reach = dilation * (kernel - 1)
    return int({"none": 0, "some": max(1, reach // 2), "beyond": reach + 1}[kind])


def _channels(row: Row) -> Row:
    """C and K from the channels and filters of a group, kept apart so that C/G and K/G are not mixed up unseen."""
    c, k = row["channels"], row["filters"]
    if row["groups"] == "depthwise":
        return {"groups": c + 1, "channels": c + 1, "filters": c + 1}
    if row["groups"] == "multiplier":
        return {"groups": c + 1, "channels": c + 1, "filters": (c + 1) * (k + 1)}
    groups = {"one": 1, "several": 2 + (c + k) % 2}[row["groups"]]
    return {"groups": groups, "channels": groups * c, "filters": groups * k}


def as_claimed(case: Case, features: Features) -> Case:
    """The case, or the same on a square image where others are not claimed."""
    return case if "images not square" in features else squared(case)


def squared(case: Any) -> Case:
    """The same case on an image as high as wide, no window of which misses it."""
    side = max(case.image)
    while (square := replace(case, image=(side, side))).hazard:
        side += 1
    return cast(Case, square)


def _with_image(case: Case, row: Row) -> Case:
    """Choose the image: H != W, and every window of a max pooling with a tap inside."""
    extents: list[int] = []
    for i, (kernel, stride, pads, dilation) in enumerate(case.geometry):
        outputs, unread = row[f"output {'hw'[i]}"], (stride - 1) * row[f"unread {'hw'[i]}"]
        extent = image_extent(outputs, kernel, stride, pads, dilation, unread)
        while extent in extents or _misses(case, i, extent):
            extent += stride
        extents.append(extent)
    return replace(case, image=tuple(extents))


def image_extent(
    outputs: int, kernel: int, stride: int, pads: tuple[int, int], dilation: int, unread: int
) -> int:
    """The extent that yields so many outputs and leaves so many pixels past the last window; at least 1."""
    extent = (outputs - 1) * stride + dilation * (kernel - 1) + 1 - sum(pads) + unread
    return extent if extent >= 1 else extent + stride * math.ceil((1 - extent) / stride)


def _misses(case: Any, axis: int, extent: int) -> bool:
    if not isinstance(case, MaxPool):
        return False
    kernel, stride, pads, dilation = list(case.geometry)[axis]
    outputs = case._outputs(extent, kernel, stride, pads[0], dilation)
    return outputs < 1 or not windows_all_hit(extent, kernel, stride, pads[0], dilation, outputs)
