"""The number formats that a case's arrays may have."""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

REAL, INTEGER, COMPLEX = "real", "integer", "complex"  # kinds of numbers


@dataclass(frozen=True)
class Dtype:
    """A number format, and what follows from it for data and bounds.

    unit         unit roundoff: half the distance from 1 to the next number
    subnormal    the smallest number above 0
    top          the exponent of its largest numbers
    exact        every integer up to it is a number of this format
    accumulator  the format that sums are held in (numerics.md)
    truncation   of a factor whose low bits a narrower multiplier cuts off: 2^-10 for TF32, which takes float32 only
    headroom     what exact integers leave, along each of two axes of a filter, to kernels that transform them: F(2, 3)
                 of Winograd grows the data by 2 x 3/2, counts in halves, and adds three of them up
    scales       powers of two by which a sum of products of two scaled numbers is neither infinite nor subnormal
    spread       powers of two that numbers shrink by along an axis
    other        a format that a kernel is called in between
    package      what makes it known to NumPy, where NumPy does not have it
    kind         real; integer: nothing rounds, none is NaN nor infinite, none has a gradient; complex: unit, subnormal,
                 top, scales and spread are those of each part, and exact leaves room for sums of parts
    wide         the format of trusted answers: that of integers is their own, nothing else holds all that they do
    """

    name: str
    short: str
    unit: float
    subnormal: float
    top: int
    exact: int
    accumulator: str
    truncation: float
    headroom: int
    scales: tuple[int, int]
    spread: int
    other: str
    package: str = ""
    kind: str = REAL
    wide: str = "float64"

    @property
    def rounds(self) -> bool:
        return self.kind != INTEGER

    @property
    def differentiated(self) -> bool:
        return self.kind != INTEGER

    @property
    def trusted(self) -> bool:
        """Whether trusted answers are in this format: they round as those of a kernel do."""
        return self.rounds and self.name == self.wide

    @property
    def range(self) -> tuple[int, int]:
        """The least and the largest number of an integer format."""
        about = np.iinfo(self.name)
        return int(about.min), int(about.max)

    @property
    def narrow(self) -> bool:
        """Whether a sum is rounded once more when it is stored."""
        return self.accumulator != self.name

    @property
    def digits(self) -> int:
        """Of its significand, to the base of 2."""
        return round(-math.log2(self.unit))

    @property
    def overflows(self) -> bool:
        """Whether a sum that the accumulator holds may be infinite once it is stored."""
        return DTYPES[self.accumulator].top > self.top

    @property
    def beyond(self) -> float:
        """From this on a number is rounded to infinity: the largest and half a step (IEEE 754-2019, 4.3.1)."""
        return 2.0**self.top * (2 - self.unit)

    @property
    def largest(self) -> float:
        return 2.0**self.top * (2 - 2 * self.unit)

    @property
    def smallest(self) -> float:
        """Above 0, of those that are not subnormal."""
        return 2.0 ** (1 - self.top)

    @cached_property
    def numpy(self) -> np.dtype[np.generic]:
        if self.package:
            importlib.import_module(self.package)
        return np.dtype(self.name)


def _complex(name: str, short: str, part: Dtype, other: str) -> Dtype:
    """Products of sums of parts, (a + b)(c + d), are up to eight times what parts of one product are."""
    named = replace(part, name=name, short=short, accumulator=name, other=other)
    return replace(named, exact=part.exact // 8, kind=COMPLEX, wide="complex128")


def _integer(name: str, short: str, other: str) -> Dtype:
    """Exact as far as it goes; that its data has no scales and no spread follows from its kind."""
    bits = np.iinfo(name).bits
    return Dtype(name, short, 0.0, 0.0, bits, 2**63, name, 0.0, 1, (0, 0), 1, other, kind=INTEGER, wide=name)


_FLOAT32 = Dtype(
    "float32", "f32", 2.0**-24, 2.0**-149, 127, 2**24, "float32", 2.0**-10, 8, (50, -55), 20, "float64"
)
_FLOAT64 = Dtype(
    "float64", "f64", 2.0**-53, 2.0**-1074, 1023, 2**53, "float64", 0.0, 8, (450, -480), 40, "float32"
)
DTYPES = {
    dtype.name: dtype
    for dtype in (
        Dtype(
            "bfloat16", "bf16", 2.0**-8, 2.0**-133, 127, 2**8, "float32", 0.0, 1, (50, -55), 3, "float32", "ml_dtypes"
        ),
        Dtype("float16", "f16", 2.0**-11, 2.0**-24, 15, 2**11, "float32", 0.0, 1, (2, -6), 3, "float32"),
        _FLOAT32,
        _FLOAT64,
        _complex("complex64", "c64", _FLOAT32, "complex128"),
        _complex("complex128", "c128", _FLOAT64, "complex64"),
        _integer("uint8", "u8", "int8"),
        _integer("int8", "i8", "uint8"),
        _integer("int16", "i16", "int32"),
        _integer("int32", "i32", "int64"),
        _integer("int64", "i64", "int32"),
    )
}  # fmt: skip
PLAIN = "float32"  # of a case that names none
USUAL = ("float32", "float64")  # what a kernel is asked that declares none
