"""The numbers that a kernel's source compares sizes, options and values with: cases on both sides of each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

from conformance.cases import Case
from conformance.cases.conditions import VALUES, around
from conformance.cases.values import fits
from conformance.requirements.answers import check_answers
from conformance.requirements.plan import Plan
from conformance.requirements.requirement import Requirement

MOST = {"quick": 60, "standard": 400, "deep": 6_000}  # of sizes; of each number that values are compared with
OF_VALUES = {"quick": 2, "standard": 6, "deep": 40}


def cases(plan: Plan) -> Iterator[Case]:
    sizes = [each for each in plan.numbers if not each.startswith(VALUES)]
    asked = around(plan.operation, plan.features, sizes, MOST[plan.profile])
    yield from plan.with_values(asked, plan.integers)
    for number in (each.removeprefix(VALUES) for each in plan.numbers if each.startswith(VALUES)):
        for case, side in itertools.product(_shown(plan), ("beyond", "below")):
            planted = replace(case, values=f"{side}:{number}", dtype=plan.dtype)
            if fits(planted, planted.values):
                yield planted


def _shown(plan: Plan) -> Iterator[Case]:
    """Some cases, with each array in turn as the one whose values are compared."""
    for case in itertools.islice(plan.named(), OF_VALUES[plan.profile]):
        yield from (replace(case, seed=seed) for seed in range(len(case.array_names)))


REQUIREMENT = Requirement(
    "numbers",
    "both sides of every number that its source compares with",
    cases,
    check_answers,
    rank=6,
    of_source=True,
)
