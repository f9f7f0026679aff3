"""The arrays of a finding, read back from the data, and the plane of the answer that is most wrong."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from conformance.cases import Case
from conformance.cases.arrays import Array
from conformance.verdicts.judgement import shares

Data = Mapping[str, Any]


def arrays_of(failure: Data) -> dict[str, Array]:
    """By name, as far as the data has their values."""
    return {each["name"]: _array(each) for each in failure["arrays"] if each["values"] is not None}


def _array(written: Data) -> Array:
    numbers = list(map(_number, _flat(written["values"])))
    kind = complex if any(isinstance(number, complex) for number in numbers) else float
    return np.array(numbers, kind).reshape(written["shape"])


def _flat(values: Any) -> Iterator[Any]:
    if isinstance(values, list):
        for each in values:
            yield from _flat(each)
    else:
        yield values


def _number(written: Any) -> float | complex:
    """One that JSON lacks is text: nan, -inf, 1+2j."""
    if not isinstance(written, str):
        return float(written)
    return complex(written) if written.endswith("j") else float(written)


@dataclass(frozen=True)
class Plane:
    """The last two axes of an answer (of one image axis: the last) at the place where it is most wrong.

    place      the index of the element that is most wrong
    leading    of it what chooses the plane
    got, expected, bound, share   two axes each; share is the error as a share of the bound, inf where that is 0
    """

    place: tuple[int, ...]
    leading: tuple[int, ...]
    got: Array
    expected: Array
    bound: Array
    share: Array

    @property
    def worst(self) -> tuple[int, int]:
        """Where the element is in the plane."""
        row, column = (0, *self.place)[-2:] if self.expected.shape[0] == 1 else self.place[-2:]
        return row, column

    @property
    def error(self) -> Array:
        with np.errstate(all="ignore"):
            error: Array = np.abs(self.got - self.expected)
        return np.where(self.share == 0, 0.0, error)


def place_of(failure: Data) -> tuple[int, ...] | None:
    """The index that the message names: `output[0, 0, 3] = 5, expected 4`."""
    found = re.search(rf"\b{re.escape(failure['output'])}\[(\d+(?:, \d+)*)\] = ", failure["message"])
    return tuple(map(int, found[1].split(", "))) if found else None


def first_unlike(arrays: Mapping[str, Array]) -> tuple[int, ...] | None:
    """Of answers of other shapes the first place that is expected, and not there or another number."""
    got, expected = arrays.get("got"), arrays.get("expected")
    if got is None or expected is None or got.ndim != expected.ndim:
        return None
    there = all_within(got.shape)
    return next((at for at in np.ndindex(*expected.shape) if not there(at) or got[at] != expected[at]), None)


def all_within(shape: tuple[int, ...]) -> Callable[[tuple[int, ...]], bool]:
    return lambda place: all(i < n for i, n in zip(place, shape, strict=True))


def plane_of(failure: Data, case: Case) -> Plane | None:
    """None where nothing is to be compared: there is no answer, or it has another shape."""
    arrays = arrays_of(failure)
    if not {"got", "expected"} <= arrays.keys():
        return None
    got, expected = arrays["got"], arrays["expected"]
    if got.shape != expected.shape or not got.size or not got.ndim:
        return None
    bound = np.broadcast_to(arrays.get("bound", np.zeros(())), got.shape)
    share = shares(got, expected, bound)
    if not (share > 1).any():
        return None
    place = _worst(share, place_of(failure))
    axes = min(2, case.dimensions, got.ndim)
    leading = place[: got.ndim - axes]
    planes = (_flattened(each[leading]) for each in (got, expected, bound, share))
    return Plane(place, leading, *planes)


def _worst(share: Array, named: tuple[int, ...] | None) -> tuple[int, ...]:
    """The place that the message names, if it is one and wrong; else the first of the largest error."""
    if named and len(named) == share.ndim and all_within(share.shape)(named) and share[named] > 1:
        return named
    return tuple(map(int, np.unravel_index(int(share.argmax()), share.shape)))


def _flattened(array: Array) -> Array:
    return array if array.ndim == 2 else array[None]


def planes(array: Array) -> Iterator[tuple[tuple[int, ...], Array]]:
    """Each plane of an array with the index that chooses it."""
    leading = array.shape[:-2]
    for place in np.ndindex(*leading) if math.prod(array.shape) else ():
        yield place, _flattened(array[place] if array.ndim else array[None])


def written(value: Any) -> str:
    """A number in few characters."""
    if isinstance(value, complex):
        return (
            f"{written(value.real)}{'' if written(value.imag).startswith('-') else '+'}{written(value.imag)}j"
        )
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else "\N{INFINITY}" if value > 0 else "-\N{INFINITY}"
    if value == 0 and math.copysign(1, value) < 0:
        return "-0"
    return str(int(value)) if value == int(value) and abs(value) < 1e7 else f"{value:.6g}"
