"""The whole operator of a geometry read out, and compared in every coefficient; its assumptions beside it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

from conformance.cases import Case, scope
from conformance.cases.units import DENSE
from conformance.operations import DTYPES, OPERATIONS
from conformance.requirements.answers import check_answers
from conformance.requirements.plan import Plan
from conformance.requirements.requirement import Requirement

LARGEST = {"quick": 60_000, "standard": 400_000, "deep": 4_000_000}  # elements of the arrays of one reading
BESIDE = {"quick": 4, "standard": 16, "deep": 4}  # every so many geometries the assumptions are tested
SOME = 32  # geometries of the quick profile
OTHERS = 4  # of the geometries one in so many is read in the dtypes after the first


def cases(plan: Plan) -> Iterator[Case]:
    for number, case in enumerate(geometries(plan)):
        read = readings(plan, case)
        yield from read
        if read and number % BESIDE[plan.profile] == 0:
            yield from assumptions(plan, read)


def geometries(plan: Plan) -> Iterator[Case]:
    """Of every class of every parameter, and in the small scope every one; each once, and the larger as far as read."""
    claimed = (plan.operation, plan.features)
    scopes = (scope.squares(*claimed), scope.every_geometry(*claimed)) if plan.exhaustive else ()
    every = itertools.chain(plan.named(), plan.covering(), *scopes, plan.explore(0, 100, 2_000))
    return itertools.islice(every, 0, SOME if plan.profile == "quick" else None, 1 if plan.first else OTHERS)


def readings(plan: Plan, case: Case) -> list[Case]:
    """The cases that read a geometry out; none where they are too large."""
    plain = replace(case, dtype=plan.dtype, layout="", seed=0, **_arrays(plan, False))
    read = [replace(plain, **fields) for fields in case.family.readings(plain)]
    return read if all(each.size <= LARGEST[plan.profile] for each in read) else []


def assumptions(plan: Plan, read: list[Case]) -> Iterator[Case]:
    """What readings take for granted, each compared with the oracle, which keeps it.

    That the kernel is linear, by integers on the same shapes (right there, it is linear there); that it treats each
    image alike, by one alone, some of them, and all in another order; that it skips no zeros, by the same without any.
    """
    first = read[0]
    yield replace(first, values=plan.integers, batch=2, **_arrays(plan, True))
    yield replace(first, batch=1, seed=(first.batch or 0) // 2)
    yield replace(first, batch=min(3, first.batch or 0), seed=1)
    yield replace(first, seed=(first.batch or 0) // 3 + 1)
    for case in read:
        if case.values in DENSE and _has_room(case):
            yield replace(case, values=DENSE[case.values])


def _arrays(plan: Plan, there: bool) -> dict[str, bool]:
    """The options that are arrays of their own, a bias, there or not as far as that is claimed.

    A reading needs none; its gradient, which nothing but grad_output decides, is read where there is one.
    """
    arrays = [option for option in OPERATIONS[plan.operation].options if option.array]
    return {o.name: o.name in plan.features if there else o.lacking not in plan.features for o in arrays}


def _has_room(case: Case) -> bool:
    """Whether sums of products of 1 and 2 are exact in the dtype."""
    most = max(case.terms(output) for output in case.outputs if output != "indices")
    return 4 * (most + 2) <= DTYPES[case.dtype].exact


REQUIREMENT = Requirement(
    "certified",
    "unit images, unit taps: right in every coefficient",
    cases,
    check_answers,
    rank=1,
    reads=True,
)
