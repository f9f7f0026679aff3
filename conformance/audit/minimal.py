"""Which mutants tell of the suite: those whose death does not follow from another's.

A mutant is implied by another where every case that kills the other kills it too. Among those that the same cases kill
one stands for all. What is left is small, and each of them is caught by something that catches none of the others
(subsuming mutants: Ammann, Delamaro and Offutt, Establishing Theoretical Minimal Sets of Mutants, 2014).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice

import numpy as np

from conformance.audit import mutants
from conformance.audit.mutants import Mutant
from conformance.cases import Case, networks, sizes
from conformance.cases.arrays import Array, Arrays, fill
from conformance.cases.covering import covering
from conformance.cases.features import features_of
from conformance.cases.named import named
from conformance.kernels import reference
from conformance.operations import OPERATIONS
from conformance.operations.family import Answers

COVERED, SIZED = 50, 60  # cases of the covering array, and of the sizes, beside the named ones
LARGEST = 5_000  # elements of a case: none takes long
VALUES = {
    True: ("integers", "ties", "special"),
    False: ("integers", "mean_zero", "special"),
}  # chosen, or computed


def sample(operation: str) -> Iterator[Case]:
    """Fixed cases, each with one kind of values after the other: named, covering and of many sizes."""
    features, values = features_of(operation), VALUES[OPERATIONS[operation].family.chosen]
    every = (sizes.tails, sizes.crossed, networks.lookalikes)
    sized = [case for some in every for case in some(operation, features) if case.size < LARGEST]
    few = [*named("named", operation, features), *islice(covering(operation, features), COVERED)]
    for number, case in enumerate([*few, *sized[:: max(1, len(sized) // SIZED)]]):
        yield replace(case, values=values[number % len(values)])


def killed(names: Iterable[str], operation: str) -> dict[str, frozenset[int]]:
    """For each of these mutants the cases of the sample that kill it, by their number."""
    some = [mutants.named(name) for name in names]
    kills: dict[str, set[int]] = {mutant.name: set() for mutant in some}
    for number, case in enumerate(sample(operation)):
        arrays = fill(case)
        for mutant in dying(some, case, arrays, reference.answer(case, arrays)):
            kills[mutant.name].add(number)
    return {name: frozenset(cases) for name, cases in kills.items()}


def dying(some: Iterable[Mutant], case: Case, arrays: Arrays, right: Answers) -> Iterator[Mutant]:
    """The mutants that answer a case otherwise than the reference."""
    for mutant in some:
        answers = mutant.changes(case, arrays)
        if not all(same(right[output], answer) for output, answer in answers.items()):
            yield mutant


def same(expected: Array, answer: Array) -> bool:
    """Equal but for the order in which float64 was summed, of integers equal."""
    if expected.dtype.kind in "iu":
        return np.array_equal(expected, answer)
    largest = np.abs(expected[np.isfinite(expected)]).max(initial=0)
    close = expected.shape == answer.shape
    return close and np.allclose(expected, answer, rtol=1e-12, atol=1e-12 * min(1, largest), equal_nan=True)


def minimal(kills: Mapping[str, frozenset[int]]) -> list[str]:
    """Of those that die at all, the ones that no other's death implies; of several that die alike, the first."""
    first = {cases: name for name, cases in reversed(list(kills.items())) if cases}
    return [
        name for cases, name in reversed(list(first.items())) if not any(other < cases for other in first)
    ]
