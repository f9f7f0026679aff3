"""Small scope, exhausted: every valid geometry of one axis, on height and width; every pair of smaller ones."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

from conformance.cases.arrays import SMALL, magnitude
from conformance.cases.capabilities import Features
from conformance.cases.case import FAMILIES, Case, window_outputs, windows_all_hit
from conformance.cases.conv import Conv
from conformance.cases.covering import SQUARE, Row
from conformance.cases.pool import AvgPool, MaxPool

Geometry = tuple[int, int, int, int, int]  # image, kernel, stride, padding, dilation

SMALL_SCOPE = {  # largest image, kernel, stride, padding, dilation: all below are asked on each axis
    "conv2d": (9, 4, 4, 4, 3),
    "max_pool2d": (9, 4, 4, 2, 3),
    "avg_pool2d": (9, 4, 4, 2, 1),
}


PAIRED_SCOPE = {  # the same, of which every pair is asked
    "conv2d": (5, 3, 2, 2, 2),
    "max_pool2d": (6, 3, 3, 1, 2),
    "avg_pool2d": (6, 4, 3, 2, 1),
}


@dataclass(frozen=True)
class Exhausted:
    """What was asked without a gap: every geometry of one axis up to the largest of each parameter.

    chance     of an element that is another polynomial of the integers to be right all the same, in the worst case
               and in the median one: degree / (2 m + 1) for integers from -m to m (Schwartz, Zippel); 0 where the
               operation is no polynomial
    """

    operation: str
    geometries: int
    largest: Geometry
    pairs: int
    chance: tuple[float, float]


def exhausted(operation: str, features: Features, pairs: bool, values: str = "integers") -> Exhausted | None:
    """What every_geometry, and every_pair if asked, leaves no gap in; None where these features allow no such case."""
    every = list(every_geometry(operation, features))
    if not every:
        return None
    of_axis = [
        g
        for ceil_mode in _ceil_modes(operation, features)
        for g in geometries(operation, features, ceil_mode=ceil_mode)
    ]
    degree = {"conv": 2, "avg_": 1}.get(operation[:4], 0)
    largest_of = magnitude if values == "integers" else lambda case: SMALL
    chances = [degree / (2 * largest_of(case) + 1) for case in every]
    paired = len(geometries(operation, features, PAIRED_SCOPE)) ** 2 if pairs else 0
    largest = tuple(max(of) for of in zip(*of_axis, strict=True))
    return Exhausted(operation, len(of_axis), largest, paired, (max(chances), median(chances)))


def geometries(
    operation: str,
    features: Features,
    scope: dict[str, Geometry] = SMALL_SCOPE,
    ceil_mode: bool = False,
) -> list[Geometry]:
    """Every valid geometry of one axis in a scope that these features allow.

    ceil_mode   those alone that are valid in ceil_mode only: the one window exceeds the padded image
    """
    image, kernel, stride, padding, dilation = scope[operation]
    strides = range(1, stride + 1) if "stride" in features else (1,)
    pads = range(padding + 1) if "padding" in features else (0,)
    dilations = range(1, dilation + 1) if "dilation" in features else (1,)
    every = itertools.product(range(1, image + 1), range(1, kernel + 1), strides, pads, dilations)
    return [g for g in every if _valid(operation, g, ceil_mode) and not (g[1] == 1 and g[4] > 2)]


def _valid(operation: str, geometry: Geometry, ceil_mode: bool) -> bool:
    n, k, s, p, d = geometry
    outputs = window_outputs(n, k, s, (p, p), d)
    if issubclass(FAMILIES[operation], Conv):
        return outputs >= 1
    if ceil_mode:
        outputs = window_outputs(n + s - 1, k, s, (p, p), d) if outputs < 1 else 0
    return p <= k // 2 and outputs >= 1 and windows_all_hit(n, k, s, p, d, outputs)


def every_geometry(operation: str, features: Features) -> Iterator[Case]:
    """Cases in which each geometry of one axis occurs on the height and on the width; two axes share a case."""
    for ceil_mode in _ceil_modes(operation, features):
        heights = geometries(operation, features, ceil_mode=ceil_mode)
        widths = list(heights)
        if _PER_AXIS[issubclass(FAMILIES[operation], Conv)] <= features:
            random.Random(0).shuffle(widths)
        yield from _of_pairs(operation, features, zip(heights, widths, strict=True))


def _ceil_modes(operation: str, features: Features) -> tuple[bool, ...]:
    return (False, True) if "ceil_mode" in features and not operation.startswith("conv") else (False,)


def every_pair(operation: str, features: Features) -> Iterator[Case]:
    """Every geometry of the height with every one of the width, both in the smaller scope."""
    if not _PER_AXIS[issubclass(FAMILIES[operation], Conv)] <= features:
        return iter(())
    of_axis = geometries(operation, features, PAIRED_SCOPE)
    return _of_pairs(operation, features, itertools.product(of_axis, of_axis))


_PER_AXIS = {
    conv: {SQUARE[conv], "images not square", "options per axis", "options as tuples"}
    for conv in (True, False)
}


def _of_pairs(
    operation: str, features: Features, pairs: Iterable[tuple[Geometry, Geometry]]
) -> Iterator[Case]:
    if "stride" not in features and not issubclass(FAMILIES[operation], Conv):
        return
    for seed, (height, width) in enumerate(pairs):
        yield from _of_geometries(operation, features, height, width, seed)


def _of_geometries(operation: str, features: Features, h: Geometry, w: Geometry, seed: int) -> Iterator[Case]:
    image, kernel, stride, padding, dilation = (list(pair) for pair in zip(h, w, strict=True))
    same = h[1:] == w[1:]
    fields: Row = {"operation": operation, "image": tuple(image), "kernel": tuple(kernel), "seed": seed}
    written = {"stride": stride, "padding": padding, "dilation": dilation}
    fields |= {
        name: v[0] if same else tuple(v)
        for name, v in written.items()
        if name != "dilation" or "avg" not in operation
    }
    if issubclass(FAMILIES[operation], Conv):
        bias = "no bias" not in features or ("bias" in features and seed % 2 == 0)
        yield Conv(**fields, channels=2, filters=3, batch=1 + seed % 2, bias=bias)
        return
    family: Any = FAMILIES[operation]
    extra: list[Row] = [{}]
    if family is MaxPool and "return_indices" in features:
        extra = [{"return_indices": True}]
    if family is AvgPool and "count_include_pad" in features:
        extra = [{}, {"count_include_pad": False}]
    for ceil_mode in (False, True) if "ceil_mode" in features else (False,):
        for more in extra:
            case = family(**fields, **more, ceil_mode=ceil_mode, channels=2)
            if not case.problem and not case.hazard:
                yield case
