"""Which pixels a wrong window reads, each by which tap: out of answers to one pixel and one tap at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from conformance.cases import Case
from conformance.cases.arrays import Array, fill
from conformance.cases.units import SINGLE
from conformance.kernels import reference
from conformance.operations import DTYPES
from conformance.verdicts.judgement import LOOKED_INTO

READ = "output"  # whose windows are read out
ROUNDED = 4  # units of the dtype by which a coefficient may be off

Pixel = tuple[int, ...]


@dataclass(frozen=True)
class Taps:
    """What one wrong window does with each pixel of the image, of which some are neither wanted nor read.

    window     its number along each axis
    right      pixels that are read as they should be
    missing    those that should be read, and are not
    foreign    those that are read, and should not be
    otherwise  those that are read by another tap, or count another number of times
    """

    window: tuple[int, ...]
    right: tuple[Pixel, ...]
    missing: tuple[Pixel, ...]
    foreign: tuple[Pixel, ...]
    otherwise: tuple[Pixel, ...]

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Taps:
        pixels = {name: tuple(map(tuple, pixels)) for name, pixels in data.items() if name != "window"}
        return cls(tuple(data["window"]), **pixels)

    def as_data(self) -> dict[str, Any]:
        return asdict(self)


def readings(case: Case) -> Iterator[Case]:
    """Cases that read out the windows of a case, the one nearest to it first; none where they lie over the answer."""
    if case.family.adjoint or case.problem or "input" not in case.array_names:
        return
    kept = {name: False for name in ("bias",) if hasattr(case, name)}
    for fields in ({}, {"channels": 1, "groups": 1} if hasattr(case, "groups") else {"channels": 1}):
        reading = replace(case, **kept, **fields, values=SINGLE[0], seed=0)
        pixels, each = math.prod(case.image), reading.channels
        if case.family.bilinear:
            reading = replace(reading, filters=each * math.prod(case.kernel))
        reading = replace(reading, batch=each * pixels)
        if max(map(math.prod, reading.shapes.values())) <= LOOKED_INTO >= math.prod(reading.output_shape):
            yield reading


def taps_of(case: Case, got: Array, worst: Array) -> Taps | None:
    """What a wrong answer to a reading shows of one window; None where it shows nothing of single pixels.

    worst   how wrong each window is elsewhere, by which one is chosen
    """
    expected = reference.answer(case, fill(case))[READ]
    if got.shape != expected.shape or got.dtype == object:
        return None
    of_got, of_expected = (_by_pixel(case, answer) for answer in (got, expected))
    unit = ROUNDED * DTYPES[case.dtype].unit
    close = np.isclose(of_got, of_expected, unit, 0, equal_nan=True)
    alike: Array = np.asarray(close.all(axis=1))  # (pixels, windows)
    wrong = ~alike.all(axis=0)
    if not wrong.any():
        return None
    window = int(np.argmax(np.where(wrong, 1 + worst.reshape(-1), 0)))
    read, wanted = of_got[..., window] != 0, of_expected[..., window] != 0
    if read.all():  # something may be added to every answer: no pixel is read for it
        return None
    there, should = read.any(axis=1), wanted.any(axis=1)
    kinds = {
        "right": should & alike[:, window],
        "missing": should & ~there,
        "foreign": there & ~should,
        "otherwise": should & there & ~alike[:, window],
    }
    extents = case.output_extents
    pixels = {
        name: tuple(tuple(int(n) for n in np.unravel_index(at, case.image)) for at in np.flatnonzero(of))
        for name, of in kinds.items()
    }
    return Taps(tuple(int(n) for n in np.unravel_index(window, extents)), **pixels)


def _by_pixel(case: Case, answer: Array) -> Array:
    """(pixels, channels and taps, windows): what each window makes of each pixel by each tap."""
    channels, pixels = case.channels, math.prod(case.image)
    windows = math.prod(case.output_extents)
    split = answer.reshape(channels, pixels, -1, windows).swapaxes(0, 1)
    return split.reshape(pixels, -1, windows)
