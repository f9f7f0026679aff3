"""Cases that cannot see: their right answer stays the same when a number or an option of theirs is another one."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from conformance.cases import Case
from conformance.cases.arrays import Arrays, fill
from conformance.kernels import reference
from conformance.operations import OPERATIONS
from conformance.operations.family import Answers

EXACT = ("integers", "small_integers", "large", "tiny", "close")  # whose answers are equal, or wrong


@dataclass(frozen=True)
class Change:
    """A case and its arrays with one thing changed: what it is of, where, and what that makes of them."""

    of: str
    where: str
    case: Case
    place: int | None = None  # the number of the array that is another one

    def answer(self, arrays: Arrays) -> Answers:
        if self.place is not None:
            changed = np.array(arrays[self.of], np.float64, order="C")
            step = max(1.0, float(np.abs(changed).max()))  # 1 alone is lost beside large numbers
            changed.reshape(-1)[self.place] = changed.max() + np.ptp(changed) / 2 + step
            arrays = arrays | {self.of: changed}
        return reference.answer(self.case, arrays)


@dataclass(frozen=True)
class Unseen:
    """A change that leaves an output of a case as it is.

    why   it cannot be seen: "cannot matter" where random reals on the same shapes do not show it either; "" where it is
          a blind spot
    """

    change: Change
    output: str
    why: str


def unseen(case: Case) -> Iterator[Unseen]:
    """Of one number of each array, by chance, and each option moved to a neighbour that keeps the answer's shape."""
    if case.problem or case.batch == 0:
        return
    arrays = fill(case)
    answers, real = (
        reference.answer(case, arrays),
        replace(case, values="mean_zero", dtype="float64", layout=""),
    )
    reals = fill(real) | {name: arrays[name] for name in case.family.indexing}  # which decide what matters
    of_reals = reference.answer(real, reals)
    for change in changes(case, arrays):
        able = _different(change.answer(reals), of_reals)
        if not able:
            yield Unseen(change, "", "cannot matter")
            continue
        seen = _different(change.answer(arrays), answers)
        chosen = _chooses(case, arrays, answers)  # which of the inputs is no sum
        lost = () if chosen and seen else sorted(able - seen)
        for output in lost:
            stays = bool(np.isnan(answers[output]).any()) and change.place is not None
            yield Unseen(change, output, "a NaN stays one" if stays else _excuse(change, arrays))


def _chooses(case: Case, arrays: Arrays, answers: Answers) -> bool:
    """Whether its answer is made of numbers of its input."""
    every = case.family.chosen or case.family.ties
    return every and bool(np.isin(np.abs(answers["output"]), np.abs(arrays["input"])).all())


def _excuse(change: Change, arrays: Arrays) -> str:
    """Why a case cannot see a change of an option that others see."""
    repeats = any(
        n > 1 and not step for a in arrays.values() for n, step in zip(a.shape, a.strides, strict=True)
    )
    if change.place is None and repeats:
        return "a view repeats its numbers"
    chosen = change.place is None and (change.case.family.chosen or change.case.family.ties)
    return "the largest of each window is the same" if chosen else ""


def _different(one: Answers, other: Answers) -> set[str]:
    return {name for name in one if not np.array_equal(one[name], other[name], equal_nan=True)}


def changes(case: Case, arrays: Arrays) -> Iterator[Change]:
    rng = random.Random(str(case))
    numbers = {name: array for name, array in arrays.items() if name not in case.family.indexing}
    for name, array in numbers.items():
        yield Change(name, f"number {(place := rng.randrange(array.size))}", case, place)
    for name, value in _neighbours(case):
        other = replace(case, **{name: value})
        if not other.problem and not other.hazard and other.shapes == case.shapes:
            yield Change(name, f"{name}={value}", other)


def _neighbours(case: Case) -> Iterator[tuple[str, Any]]:
    """Each option one more and one less along each axis, or as it is not by default."""
    for option in OPERATIONS[case.operation].options:
        value = getattr(case, option.name)
        if option.per_axis and not isinstance(value, str):
            each = case.strides if value is None else case.axes(value)
            moved = ((axis, step) for axis in range(case.dimensions) for step in (-1, 1))
            yield from (
                (option.name, tuple(n if n is None else n + step * (i == axis) for i, n in enumerate(each)))
                for axis, step in moved
            )
        elif option.other is not None and not option.output:
            yield option.name, option.default if value != option.default else option.other


def exact_cases(every: Iterable[Case]) -> Iterator[Case]:
    """Those with exact values, each once."""
    return (case for case in dict.fromkeys(every) if case.values in EXACT)
