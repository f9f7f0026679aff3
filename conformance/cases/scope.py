"""Small scope, exhausted: every valid geometry of one axis, on the height and on the width."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any

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


def geometries(operation: str, features: Features, ceil_mode: bool = False) -> list[Geometry]:
    """Every valid geometry of one axis in the small scope that these features allow.

    ceil_mode   those alone that are valid in ceil_mode only: the one window exceeds the padded image
    """
    image, kernel, stride, padding, dilation = SMALL_SCOPE[operation]
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
    if "stride" not in features and not issubclass(FAMILIES[operation], Conv):
        return
    yield from _paired(operation, features, geometries(operation, features))
    if "ceil_mode" in features and not issubclass(FAMILIES[operation], Conv):
        yield from _paired(operation, features, geometries(operation, features, ceil_mode=True))


def _paired(operation: str, features: Features, heights: list[Geometry]) -> Iterator[Case]:
    per_axis = {SQUARE[operation.startswith("conv")], "options per axis", "options as tuples"}
    widths = list(heights)
    if per_axis <= features:
        random.Random(0).shuffle(widths)
    for seed, (height, width) in enumerate(zip(heights, widths, strict=True)):
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
            if not case.problem and not getattr(case, "hazard", False):
                yield case
