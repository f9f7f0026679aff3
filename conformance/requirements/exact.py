"""Small integers, every partial sum representable: the answer is equal, bit for bit."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace

from conformance.cases import Case, scope
from conformance.operations import DTYPES
from conformance.requirements.answers import check_answers
from conformance.requirements.plan import Plan
from conformance.requirements.requirement import Requirement

UNIFORM = 40  # cases of arrays that are one number all over, beside the named ones


def cases(plan: Plan) -> Iterator[Case]:
    by_hand = itertools.chain(plan.named(), plan.named("frameworks"))
    yield from plan.with_values(itertools.chain(by_hand, plan.covering()), plan.integers)
    for place, values in enumerate(plan.scaled):
        some = itertools.islice(plan.large(0, 0, 0), place, None, 16)  # of the sizes that take fast paths
        seeded = enumerate(itertools.chain(plan.named(), some))
        yield from plan.with_values((replace(case, seed=number) for number, case in seeded), values)
    yield from plan.with_values(_uniform(plan), "uniform") if not plan.transforms else ()
    parts = [plan.explore(0, 600, 20_000)]
    if plan.exhaustive:
        parts.append(scope.every_geometry(plan.operation, plan.features))
        if plan.profile == "deep":
            parts.append(scope.every_pair(plan.operation, plan.features))
    yield from plan.with_values(itertools.chain(*parts), plan.integers)
    if plan.family.chosen and DTYPES[plan.dtype].rounds:
        steps = 1 / (2 * DTYPES[plan.dtype].unit)  # neighbouring floats that are all different
        large = (case for case in plan.large(0, 0, 0) if math.prod(case.shapes["input"]) < steps)
        yield from plan.with_values(
            itertools.chain(plan.covering(), itertools.islice(large, 0, None, 4)), "close"
        )


def _uniform(plan: Plan) -> Iterator[Case]:
    """Each array of the named cases as the one that is a number all over, by turns 0; of others, one of them each."""
    for number, case in enumerate(plan.named()):
        arrays = len(case.array_names) - len(case.family.indexing)
        yield from (replace(case, seed=number % 2 * arrays + turn) for turn in range(arrays))
    others = itertools.islice(plan.covering(), UNIFORM)
    yield from (replace(case, seed=number) for number, case in enumerate(others))


REQUIREMENT = Requirement(
    "exact", "small integers: equal, bit for bit", cases, check_answers, rank=0, exhausts=True
)
