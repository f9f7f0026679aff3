"""The whole operator of a geometry read out, and compared in every coefficient; its assumptions beside it."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from conformance.cases import Case, scope
from conformance.cases.units import DENSE, large
from conformance.operations import DTYPES, OPERATIONS
from conformance.operations.dtypes import REAL
from conformance.requirements.answers import check_answers
from conformance.requirements.plan import Plan
from conformance.requirements.requirement import Requirement
from conformance.verdicts.certificate import Certificate

LARGEST = {"quick": 400_000, "standard": 400_000, "deep": 4_000_000}  # elements of the arrays of one reading
BESIDE = {"quick": 4, "standard": 16, "deep": 4}  # every so many geometries the assumptions are tested
SOME = 32  # geometries of the quick profile
TERMS = (9, 36, 144)  # of sums whose order is read; the last in the deep profile
OTHERS = 4  # of the geometries one in so many is read in the dtypes after the first


def cases(plan: Plan) -> Iterator[Case]:
    for number, case in enumerate(geometries(plan)):
        read = readings(plan, case)
        yield from read
        if _is_tested(plan, number, read):
            yield from assumptions(plan, read)
    yield from sums(plan)


def sums(plan: Plan) -> Iterator[Case]:
    """One window in so many images that its answers show the order of its sum, asked twice, by other numbers."""
    summed, dtype = plan.family.summed, DTYPES[plan.dtype]
    if summed is None or plan.transforms or dtype.kind != REAL:
        return
    for terms in TERMS if plan.profile == "deep" else TERMS[:2]:
        fields = {**summed(terms, OPERATIONS[plan.operation].dimensions), **_outputs(plan, False)}
        case = Case.of(plan.operation, **fields, dtype=plan.dtype, values="pairs")
        if terms - 2 < 2 ** (large(case) - dtype.digits) and case.needs <= plan.features | {plan.dtype}:
            yield from (case, replace(case, seed=1))


def _is_tested(plan: Plan, number: int, read: list[Case]) -> bool:
    """Whether the assumptions of its readings are tested."""
    return bool(read) and number % BESIDE[plan.profile] == 0


def geometries(plan: Plan) -> Iterator[Case]:
    """Of every class of every parameter, and in the small scope every one; each once, and the larger as far as read."""
    claimed = (plan.operation, plan.features)
    scopes = (scope.squares(*claimed), scope.every_geometry(*claimed)) if plan.exhaustive else ()
    every = itertools.chain(plan.named(), plan.covering(), *scopes, plan.explore(0, 100, 2_000))
    return itertools.islice(every, 0, SOME if plan.profile == "quick" else None, 1 if plan.first else OTHERS)


def readings(plan: Plan, case: Case) -> list[Case]:
    """The cases that read a geometry out; none where they are too large."""
    plain = replace(case, dtype=plan.dtype, layout="", seed=0, **_outputs(plan, False))
    read = [replace(plain, **fields) for fields in case.family.readings(plain)]
    return read if all(each.size <= LARGEST[plan.profile] for each in read) else []


def assumptions(plan: Plan, read: list[Case]) -> Iterator[Case]:
    """What readings take for granted, each compared with the oracle, which keeps it.

    That the kernel is linear, by integers on the same shapes (right there, it is linear there); that it treats each
    image alike, by one alone, some of them, and all in another order; that it skips no zeros, by the same without any.
    """
    first = read[0]
    yield replace(first, values=plan.integers, batch=2, **_outputs(plan, True))
    yield replace(first, batch=1, seed=(first.batch or 0) // 2)
    yield replace(first, batch=min(3, first.batch or 0), seed=1)
    yield replace(first, seed=(first.batch or 0) // 3 + 1)
    for case in read:
        if case.values in DENSE and _has_room(case):
            yield replace(case, values=DENSE[case.values])


def _outputs(plan: Plan, arrays: bool) -> dict[str, bool]:
    """The options that add an output, as far as they are claimed: a bias as asked, and indices wherever there are any.

    A reading needs no bias: its gradient nothing but grad_output decides.
    """
    adding = [option for option in OPERATIONS[plan.operation].options if option.output]
    there = {o.name: o.name in plan.features for o in adding if arrays or not o.array}
    return there | {o.name: o.lacking not in plan.features for o in adding if o.name not in there}


def _has_room(case: Case) -> bool:
    """Whether sums of products of 1 and 2 are exact in the dtype."""
    most = max(case.terms(output) for output in case.outputs if output != "indices")
    return 4 * (most + 2) <= DTYPES[case.dtype].exact


def certificate(plan: Plan) -> Certificate:
    """What all cases certify if every answer is right."""
    every = [readings(plan, case) for case in geometries(plan)]
    read = [cases for cases in every if cases]
    outputs = dict.fromkeys(output for cases in read for case in cases for output in case.outputs)
    counted = Counter(kind for number, cases in enumerate(every) for kind in _kinds(plan, number, cases))
    return Certificate(
        plan.operation, plan.dtype, tuple(outputs), len(read), len(every) - len(read), dict(counted)
    )


def _kinds(plan: Plan, number: int, read: list[Case]) -> Iterator[str]:
    for case in assumptions(plan, read) if _is_tested(plan, number, read) else ():
        dense = case.values in DENSE.values()
        yield "no zeros" if dense else "integers" if case.values == plan.integers else "batches"


REQUIREMENT = Requirement(
    "certified",
    "unit images, unit taps: right in every coefficient",
    cases,
    check_answers,
    rank=1,
    rounds=True,
    certifies=certificate,
)
