"""Every array argument as a transposed, sliced, reversed, broadcast, read-only view."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

from conformance.cases import Case
from conformance.cases import sizes as sizing
from conformance.cases.views import REPEATING, VIEWS
from conformance.requirements.answers import check_answers
from conformance.requirements.plan import Plan
from conformance.requirements.requirement import Requirement


def cases(plan: Plan) -> Iterator[Case]:
    """Each array in each layout by itself, then all of them; all of them over sizes that take the fast paths."""
    plain = [case for case in _filled(plan, plan.named()) if case.size < 2000]
    for number, view in enumerate(VIEWS):
        for offset in range({"quick": 3, "standard": 2 * len(plain) // 3}.get(plan.profile, len(plain))):
            case = plain[(number * 3 + offset) % len(plain)]
            if case.batch == 1 and offset % 2:
                case = replace(case, batch=2)  # else the stride of the images is never used
            for array in case.array_names:
                if case.family.indexing and view in REPEATING and array != "grad_output":
                    continue  # positions that repeat want numbers that do
                yield replace(case, layout=f"{array}:{view}")
            yield replace(case, layout=every_array(case, view))
        for case in _filled(plan, plan.named("busy")) if plan.profile != "quick" else ():
            yield replace(case, layout=every_array(case, view))
    for case in _filled(plan, sizing.widths(plan.operation, plan.features)):
        yield replace(case, layout=every_array(case, "offset"))
    for case, view in zip(_filled(plan, plan.large(0, 0, 1_000)), itertools.cycle(VIEWS), strict=False):
        if not case.family.deadly(case, view):  # asked by the hazards, in a worker
            yield replace(case, layout=every_array(case, view))


def _filled(plan: Plan, cases: Iterator[Case]) -> Iterator[Case]:
    """With integers, in the plan's dtype, which decides what arrays there are."""
    return plan.with_values(cases, plan.integers)


def every_array(case: Case, view: str) -> str:
    """The layout of a case with all of its arrays in one view."""
    return ",".join(f"{array}:{view}" for array in case.array_names)


REQUIREMENT = Requirement(
    "layouts", "transposed, sliced, reversed, broadcast, read-only views", cases, check_answers, rank=4
)
