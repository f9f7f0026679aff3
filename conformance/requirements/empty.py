"""N = 0, extents of 1, a filter as large as the padded image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from conformance.cases import Case
from conformance.cases.named import smallest
from conformance.requirements.answers import check_answers
from conformance.requirements.plan import Plan
from conformance.requirements.requirement import Requirement


def cases(plan: Plan) -> Iterator[Case]:
    yield from plan.with_values(smallest(plan.operation, plan.features), plan.integers)
    named = (replace(case, batch=0) for case in plan.named() if case.batch is not None)
    yield from plan.with_values(named, plan.integers)


REQUIREMENT = Requirement(
    "empty", "N = 0, extents of 1, a filter as large as the image", cases, check_answers, rank=5
)
