"""Values that read a kernel out: of what they are made an answer shows one coefficient, window or pattern at a time.

By the seed they are rotated: the images of a batch stand in another order, and one image alone may be any of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from conformance.operations import DTYPES
from conformance.operations.readings import LABELLED, LEVELS, MOST_OF_FOUR
from conformance.operations.windows import Array, Problem

FEW = 3  # labels, where up to as many are added as half precision has room for
SPECIAL = (-np.inf, 0.0, 1.0, np.nan)
LOST, LOST_IN_STORAGE = 16, 9  # powers of two beyond the digits of a dtype
HELD = 26  # digits to the base of 4 that a float64 holds


def _units(rng: np.random.Generator, case: Problem, name: str, shape: tuple[int, ...]) -> Array:
    """One element of each image is 1, and one tap of each filter: an answer is one coefficient."""
    if name == "bias":
        return _small(shape)
    rows = shape[0] if name == "weight" or case.batch is not None else 1
    return _ones(shape, np.arange(rows) + _turn(case, name))


def _unit_planes(rng: np.random.Generator, case: Problem, name: str, shape: tuple[int, ...]) -> Array:
    """One pixel of each channel of each image is 1, and one tap of each channel of each filter."""
    if name == "bias":
        return _small(shape)
    planes = np.indices(shape[: -case.dimensions]).sum(axis=0)
    return _ones(shape, planes.reshape(-1) + _turn(case, name))


def _dense_units(rng: np.random.Generator, case: Problem, name: str, shape: tuple[int, ...]) -> Array:
    """1 more everywhere than units: no zero that could be skipped."""
    return _units(rng, case, name, shape) + (name != "bias")


def _dense_planes(rng: np.random.Generator, case: Problem, name: str, shape: tuple[int, ...]) -> Array:
    """1 more everywhere than unit_planes: no zero that could be skipped."""
    return _unit_planes(rng, case, name, shape) + (name != "bias")


def _holes(rng: np.random.Generator, case: Problem, name: str, shape: tuple[int, ...]) -> Array:
    """Each image is large everywhere but in one window: 0 and 1, -1 and 0, the lowest number and 0."""
    if name != "input" or case.problem or len(case.family.array_names) > 1:
        return _small(shape)  # there are no windows of the input alone
    inside = _windows(case)
    rows = np.arange(math.prod(case.leading)) + case.seed
    low, high = np.array([(0, 1), (-1, 0), (-DTYPES[case.dtype].largest, 0)])[rows // len(inside) % LEVELS].T
    planes = np.where(inside[rows % len(inside)], low[:, None], high[:, None])
    return np.broadcast_to(planes.reshape(*case.leading, 1, *case.image), shape).copy()


@lru_cache(maxsize=1)
def _windows(case: Problem) -> Array:
    """(windows, pixels): which pixels each holds. Asked of the definition, one pixel at a time."""
    pixels = math.prod(case.image)
    one = np.eye(pixels).reshape(pixels, 1, *case.image)
    answers: Array = case.family.forward(case, {"input": one})["output"]
    return answers.reshape(pixels, -1).T > 0 if answers.size else np.zeros((1, pixels), bool)


def _patterns(rng: np.random.Generator, case: Problem, name: str, shape: tuple[int, ...]) -> Array:
    """Each plane is another pattern of -inf, 0, 1 and NaN; of more than 6 pixels, without NaN and then without -inf."""
    if name != "input":
        return _small(shape)
    pixels = math.prod(case.image)
    kinds = np.array([SPECIAL] if pixels <= MOST_OF_FOUR else [SPECIAL[:-1], SPECIAL[1:]])
    levels = float(kinds.shape[1])
    planes = np.arange(math.prod(shape[: -case.dimensions])) + case.seed
    digits = planes[:, None] // levels ** np.minimum(np.arange(pixels)[::-1], HELD) % levels
    of_kind = kinds[(planes // levels ** min(pixels, HELD) % len(kinds)).astype(int)]
    return np.take_along_axis(of_kind, digits.astype(int), axis=1).reshape(shape)


def _labels(rng: np.random.Generator, case: Problem, name: str, shape: tuple[int, ...]) -> Array:
    """Each element of a plane has its own number, from 1 on."""
    return 1 + (np.arange(math.prod(shape)) % LABELLED).reshape(shape)


def _pairs(rng: np.random.Generator, case: Problem, name: str, shape: tuple[int, ...]) -> Array:
    """Each image is alike but for two of its elements, which are large and cancel: for each two elements, one image.

    What is added before the two meet is lost beside them; the answer is what comes later. In the last images one
    element is as large as what rounds 1 away. By the seed all are doubled, and the two change their signs.
    """
    if name != "input":
        return np.ones(shape) if name == "weight" else np.zeros(shape)
    rows = shape[0] if case.batch is not None else 1
    images = np.full((rows, math.prod(shape) // max(1, rows)), 1.0 + case.seed % 2)
    if images.size:
        row, (one, other) = np.arange(rows), pairs(*images.shape)
        apart, unit, size = one != other, images[0, 0], images[0, 0] * 2.0 ** large(case) * (-1) ** case.seed
        images[row, one] = np.where(apart, size, unit * 2.0 ** DTYPES[case.dtype].digits)
        images[row[apart], other[apart]] = -size
    return images.reshape(shape)


def pairs(rows: int, terms: int) -> tuple[Array, Array]:
    """The two elements that are large in each row; the same one twice where it is alone."""
    row, apart = np.arange(rows), terms // 2
    distance = (1 + row // terms) % (apart + 1)
    return row % terms, (row + distance) % terms


def large(case: Problem) -> int:
    """The power of two beside which 1 is lost in the dtype, many times over; not in one that holds its sums wider."""
    dtype = DTYPES[case.dtype]
    return min(dtype.digits + (LOST_IN_STORAGE if dtype.narrow else LOST), dtype.top - 1)  # it may be doubled


def _ones(shape: tuple[int, ...], turns: Array) -> Array:
    """As many rows as turns, each with a 1 at its own place, modulo how many there are."""
    rows = np.zeros((len(turns), math.prod(shape) // max(1, len(turns))))
    if rows.size:
        rows[np.arange(len(turns)), turns % rows.shape[1]] = 1
    return rows.reshape(shape)


def _turn(case: Problem, name: str) -> int:
    return 0 if name == "weight" else int(case.seed)


def _small(shape: tuple[int, ...]) -> Array:
    return 1 + (np.arange(math.prod(shape)) % FEW).reshape(shape)


UNITS: dict[str, Callable[[np.random.Generator, Problem, str, tuple[int, ...]], Array]] = {
    "units": _units,
    "unit_planes": _unit_planes,
    "dense_units": _dense_units,
    "dense_planes": _dense_planes,
    "holes": _holes,
    "patterns": _patterns,
    "labels": _labels,
}
SUMMED = {"pairs": _pairs}
DENSE = {"units": "dense_units", "unit_planes": "dense_planes"}
SINGLE = ("units", "unit_planes")  # of which one product makes an element of a reading
CLAIMED_AS = {"patterns": "special"}  # the values that a subject must claim as well
