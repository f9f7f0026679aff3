"""Which cases read a kernel out: the values they are filled with, and how many images, channels and filters.

Each says of one geometry the fields that differ. In their answers every coefficient stands alone (cases/units.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from conformance.operations.option import Fields
from conformance.operations.windows import Problem

MIXED = 30_000  # coefficients up to which groups of two channels are read, too
LEVELS = 3  # pairs of numbers that holes are made of: see cases/units.py
LABELLED = 251  # of neighbouring labels all are different
PATTERNS = 9  # pixels of an image all of whose patterns are asked
PATTERNED = 400_000  # and of all of these the pixels and windows
MOST_OF_FOUR = 6  # pixels up to which a pattern is of four numbers


def bilinear(case: Problem) -> Iterator[Fields]:
    """The answer and both gradients, each by a call with extents of its own.

    y[n,k,q] is one coefficient where one pixel of image n is 1 and one tap of filter k; dx[n,c,h] likewise of windows
    and taps, a channel for each; dw[k,c,t] where channel c has one pixel and filter k one window.
    """
    taps, pixels, windows = map(math.prod, (case.kernel, case.image, case.output_extents))
    groups, (first, second) = case.groups, case.family.weight_axes
    one, other = (windows, pixels) if case.family.adjoint else (pixels, windows)
    many = 4 * groups * taps * pixels * windows <= MIXED
    each = {"values": "units", "batch": 2 * groups * one, first: 2 * groups * taps, second: 2 * groups}
    by_plane = {"values": "unit_planes", "batch": one, first: groups * taps, second: groups}
    yield each if many else by_plane
    yield {"values": "unit_planes", "batch": other, first: groups, second: groups * taps}
    yield {"values": "unit_planes", "batch": 1, "channels": groups * pixels, "filters": groups * windows}


def linear(case: Problem) -> Iterator[Fields]:
    """Each pixel of each channel and each window of each channel in an image of its own."""
    extents = (math.prod(case.image), math.prod(case.output_extents))
    yield {"values": "units", "batch": max(1, case.channels * max(extents))}


def maxima(case: Problem) -> Iterator[Fields]:
    """Impulses, holes, and of a small image every pattern: by them a choice among numbers is known (Knuth, TAOCP 3,
    5.3.4).
    """
    yield from linear(case)
    yield {"values": "holes", "batch": max(1, LEVELS * math.prod(case.output_extents))}
    pixels, windows = math.prod(case.image), math.prod(case.output_extents)
    if pixels <= PATTERNS and patterns(pixels) * (pixels + windows) <= PATTERNED:
        yield {"values": "patterns", "channels": 1, "batch": patterns(pixels)}


def window_of(channels: int, window: tuple[int, ...]) -> Fields:
    """One window, as large as the image, in so many images that each two of its terms have one for themselves.

    Beside them one image for each term (cases/units.py).
    """
    terms = channels * math.prod(window)
    return {"channels": channels, "image": window, "batch": terms * (terms // 2 + 1)}


def patterns(pixels: int) -> int:
    """Of four numbers; of more pixels, of three, and again of three (see cases/units.py)."""
    return int(4**pixels if pixels <= MOST_OF_FOUR else 2 * 3**pixels)


def placed(case: Problem) -> Iterator[Fields]:
    """Every pixel at every place that its index may say, each with a number of its own."""
    places = math.prod(case.output_extents if case.repeats else case.kernel)
    yield {"values": "labels", "batch": max(1, places)}
