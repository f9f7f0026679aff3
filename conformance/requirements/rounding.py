"""Real numbers: every element within the derived bound of the float64 oracle."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from conformance.cases import Case
from conformance.requirements.answers import check_answers
from conformance.requirements.plan import Plan
from conformance.requirements.requirement import Requirement


def cases(plan: Plan) -> Iterator[Case]:
    for values in ("mean_zero", "non_negative"):
        yield from plan.with_values(
            itertools.chain(plan.named(), plan.covering(), plan.explore(0, 150, 5_000)), values
        )
    yield from plan.with_values(plan.large(0, 40, 1_000), "mean_zero")
    spread = itertools.chain(plan.named(), plan.large(0, 0, 1_000))
    yield from plan.with_values(itertools.islice(spread, 0, None, 2), "spread")
    if plan.overflows:
        yield from plan.with_values(itertools.chain(plan.named(), plan.covering()), "overflowing")


REQUIREMENT = Requirement(
    "rounding", "real numbers: within the derived bound of float64", cases, check_answers, rank=2, rounds=True
)
