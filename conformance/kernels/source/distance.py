"""How far a comparison is from being true, and from being false: what a search makes less (Tracey 1998, Korel 1990)."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

Far = tuple[float, float]  # from true, from false

HOW: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq, "!=": operator.ne, ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip
REMAINDER = "remainder"  # of what is compared, in the place of any or all
FARTHEST = 2.0**60  # of what is not finite


def of_comparison(how: str, left: Any, right: Any, over: str = "any") -> Far:
    """Of two numbers, tuples or arrays; over: whether of arrays any element, or all, are to hold. TypeError of others.

    >>> of_comparison("<", 7, 3)
    (5.0, 0.0)
    """
    if isinstance(left, (tuple, list)) and isinstance(right, (tuple, list)):
        return _of_tuples(how, left, right)
    gap = np.asarray(left, np.float64) - np.asarray(right, np.float64)
    if not gap.size:
        return (0.0, 1.0) if over == "all" else (1.0, 0.0)
    true, false = _of_gap(how, np.nan_to_num(gap, nan=FARTHEST, posinf=FARTHEST, neginf=-FARTHEST))
    holds, fails = (np.max, np.min) if over == "all" else (np.min, np.max)
    return float(holds(true)), float(fails(false))


def _of_gap(how: str, gap: Any) -> tuple[Any, Any]:
    """From the left side less the right."""
    if how in ("!=", ">=", ">"):
        false, true = _of_gap({"!=": "==", ">=": "<", ">": "<="}[how], gap)
        return true, false
    if how == "==":
        return np.abs(gap), (gap == 0) * 1.0
    least = 1.0 if how == "<" else 0.0
    return np.where(gap + least > 0, gap + least, 0.0), np.where(
        1.0 - least - gap > 0, 1.0 - least - gap, 0.0
    )


def _of_tuples(how: str, left: Any, right: Any) -> Far:
    """Of shapes: the sum over their entries."""
    if how not in ("==", "!="):
        raise TypeError(f"{how} of tuples")
    apart = float(abs(len(left) - len(right)))
    apart += sum(of_comparison("==", *each)[0] for each in zip(left, right, strict=False))
    return (apart, float(not apart)) if how == "==" else (float(not apart), apart)


def normal(distance: float) -> float:
    """From 0, of what holds, to 1."""
    return distance / (distance + 1)


@dataclass
class Seen:
    """What the comparisons of a call were, by their numbers: how far from true and false, and the sides of numbers."""

    far: dict[int, Far] = field(default_factory=dict)
    sides: dict[int, tuple[float, float]] = field(default_factory=dict)

    def clear(self) -> None:
        self.far.clear()
        self.sides.clear()

    def comparing(self, site: int, how: str, over: str) -> Callable[[Any, Any], Any]:
        """What stands in the place of a comparison."""
        if over == REMAINDER:
            return partial(self._compare_remainder, site, how)
        return partial(self._compare, site, how, over)

    def asking(self, site: int) -> Callable[[Any], Any]:
        """What stands around an expression whose truth decides."""
        return partial(self._ask, site)

    def _compare(self, site: int, how: str, over: str, left: Any, right: Any) -> Any:
        answer = HOW[how](left, right)
        try:
            far = of_comparison(how, left, right, over)
        except Exception:  # of what is no number: whatever it raises, the kernel does not see it
            far = _of_truth(answer)
        self._note(site, far)
        self._note_sides(site, left, right)
        return answer

    def _compare_remainder(self, site: int, how: str, left: Any, modulus: Any, right: Any) -> Any:
        """Whose sides are the number, and the next one that has the other remainder."""
        answer = self._compare(site, how, "any", left % modulus, right)
        if all(map(_is_number, (left, modulus, right))) and modulus > 0:
            self._note_sides(site, left, left + (right - left) % modulus)
        return answer

    def _note_sides(self, site: int, left: Any, right: Any) -> None:
        if _is_number(left) and _is_number(right):
            self.sides[site] = _plain(left), _plain(right)

    def _ask(self, site: int, value: Any) -> Any:
        self._note(site, _of_truth(value))
        return value

    def _note(self, site: int, far: Far) -> None:
        before = self.far.get(site, (math.inf, math.inf))
        self.far[site] = min(before[0], far[0]), min(before[1], far[1])


def _of_truth(value: Any) -> Far:
    """Of a flag, a number that is 0 or not, a list that is empty or not; of what has no truth, that it is unknown."""
    try:
        if isinstance(value, (list, tuple, dict, str, range)):
            return (float(not value), float(len(value)))
        if isinstance(value, (int, float, np.number)) and math.isfinite(value):
            return (float(not value), abs(float(value)))
        return (0.0, 1.0) if value else (1.0, 0.0)
    except Exception:  # of an array of several
        return 1.0, 1.0


def _is_number(value: Any) -> bool:
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, (bool, np.complexfloating))
    return number and math.isfinite(value)


def _plain(value: Any) -> float:
    return value.item() if isinstance(value, np.number) else value  # type: ignore[no-any-return]
