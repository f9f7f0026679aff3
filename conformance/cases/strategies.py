"""Hypothesis strategies: cases drawn by their classes, so that every draw is valid and shrinks to the plain one."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from conformance.cases.case import Case
from conformance.cases.conditions import basic, is_small, reach
from conformance.cases.covering import as_claimed, build, classes_of, forms
from conformance.cases.features import Features, features_of
from conformance.cases.sizes import claimed
from conformance.cases.text import CaseError, suggest
from conformance.cases.values import PLANTED, VALUES, fits
from conformance.operations import OPERATIONS

GIVEN = ("dtype", "values")  # fields of every case that a strategy draws; the others are drawn
LONGEST = 3000  # of an extent or option that is drawn by itself
SEVERAL = 3  # of them in a case
POWERS = 30  # of ten, up to which and down to which numbers are that values lie beyond or below


def strategy(operation: str, *, without: Collection[str] = (), **given: str) -> st.SearchStrategy[Case]:
    """Valid cases of an operation, for a @given test of one's own; a failing one shrinks towards the plainest.

    without  features that no case needs, in the words of a report: ("groups", "unbatched")
    given    the dtype or values of every case: dtype="float64", values="integers"

    conformance.fill(case) makes the arrays of a case, in the order in which a kernel takes them, and case.options the
    keyword arguments. CaseError where a word does not exist.
    """
    if operation not in OPERATIONS:
        raise CaseError(f"{operation}: no such operation{suggest(operation, tuple(OPERATIONS))}")
    every, left_out = features_of(operation), {without} if isinstance(without, str) else set(without)
    for word in sorted(left_out - every):
        raise CaseError(
            f"without {word}: {operation} has no such feature{suggest(word, tuple(sorted(every)))}"
        )
    for name in given.keys() - {*GIVEN}:
        raise CaseError(f"{name}={given[name]}: every case may be given {' and '.join(GIVEN)}")
    Case.of(operation, **given)  # raises where there is no such dtype or family of values
    return cases(operation, every - left_out, **given)


@st.composite
def cases(draw: st.DrawFn, /, operation: str, features: Features | None = None, **fields: Any) -> Case:
    """A valid case of an operation that needs no other features; other fields (dtype, values, ...) as given."""
    features = features_of(operation) if features is None else features
    form = draw(st.sampled_from(forms(operation, features)))
    classes = classes_of(operation, form, features)
    row = draw(st.fixed_dictionaries({name: st.sampled_from(of) for name, of in classes.items()}))
    values = draw(st.sampled_from([name for name in VALUES if name not in ("small_integers", "subnormal")]))
    seed = draw(st.integers(0, 10**6))
    return as_claimed(build(operation, form, row, seed, **({"values": values} | fields)), features)


@st.composite
def grown(draw: st.DrawFn, /, case: Case, features: Features) -> Case:
    """The case with some of its extents and options others, as far as its arrays stay small."""
    names = st.sampled_from(basic(case.operation))
    for name, n in draw(st.lists(st.tuples(names, st.integers(1, LONGEST)), max_size=SEVERAL)):
        case = next(_with(case, name, n, features), case)
    side, power = draw(st.sampled_from(["", *PLANTED])), draw(st.integers(-POWERS, POWERS))
    planted = f"{side}:1e{power}"
    return replace(case, values=planted) if side and fits(case, planted) else case


def _with(case: Case, name: str, n: int, features: Features) -> Iterator[Case]:
    """The cases with this number, its half, its quarter: each that is small enough and claimed."""
    halves = itertools.takewhile(bool, (n >> power for power in itertools.count()))
    grown = (each for half in halves if (each := reach(case, (name,), half, exactly=False)))
    return (each for one in grown if is_small(one) for each in claimed([one], features))
