"""Which classes of an operation's parameters the cases of a run met, one by one and two together."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from conformance.cases.classes import parameters_of

BETWEEN = "|"  # classes of one case, where they are written in one text

Counts = Mapping[str, int]  # of cases, by class


@dataclass(frozen=True)
class Pair:
    """How many cases there are of each class of one parameter with each of another: a row for each of the first."""

    first: str
    second: str
    counts: list[list[int]]


@dataclass(frozen=True)
class Coverage:
    """How many cases of an operation there are of each class of each parameter, and of each pair of classes."""

    operation: str
    cases: int
    parameters: Mapping[str, Counts]
    pairs: list[Pair]


def coverage(operation: str, met: Mapping[str, int]) -> Coverage:
    """Of the classes that cases met, and how many cases each: see conformance.cases.classes."""
    names = parameters_of(operation)
    cases = [(tuple(classes.split(BETWEEN)), count) for classes, count in met.items()]
    parameters = {name: _counts(cases, place) for place, name in enumerate(names)}
    varying = [place for place, name in enumerate(names) if len(parameters[name]) > 1]
    pairs = []
    for one, other in itertools.combinations(varying, 2):
        together: Counter[tuple[str, str]] = Counter()
        for classes, count in cases:
            together[classes[one], classes[other]] += count
        first, second = names[one], names[other]
        table = [[together[a, b] for b in parameters[second]] for a in parameters[first]]
        pairs.append(Pair(first, second, table))
    return Coverage(operation, sum(met.values()), parameters, pairs)


def _counts(cases: list[tuple[tuple[str, ...], int]], place: int) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for classes, count in cases:
        counts[classes[place]] += count
    return dict(sorted(counts.items(), key=lambda item: _order(item[0])))


def _order(name: str) -> tuple[bool, float, str]:
    """Numbers and ranges as they rise, then words."""
    number = re.match(r"(?:above )?(\d[\d,.]*)", name)
    return (False, float(number[1].replace(",", "")), "") if number else (True, 0.0, name)
