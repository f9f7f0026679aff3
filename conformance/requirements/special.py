"""NaN, infinities, signed zeros, subnormals, ties."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

from conformance.cases import Case
from conformance.cases.views import VIEWS
from conformance.requirements.answers import check_answers
from conformance.requirements.layouts import every_array
from conformance.requirements.plan import Plan
from conformance.requirements.requirement import Requirement


def cases(plan: Plan) -> Iterator[Case]:
    if plan.keeps_subnormals:
        for seed in range(2):  # of the answer, and of the gradients
            seeded = (replace(case, seed=seed) for case in plan.named())
            yield from plan.with_values(seeded, "subnormal")
    for values in ("special", "ties") if plan.family.chosen or plan.family.ties else ("special",):
        for seed in range(2 if plan.profile == "quick" else 3):
            plain = itertools.chain(plan.named(), plan.covering())
            yield from plan.with_values(
                (replace(case, seed=case.seed + 1001 * seed) for case in plain), values
            )
        by_hand = itertools.chain(plan.named("special"), plan.named("frameworks"))
        yield from plan.with_values(by_hand, values)
        yield from plan.with_values(plan.large(0, 30, 1_000), values)
        small = [case for case in plan.with_values(plan.named(), values) if case.size < 2000]
        for number, view in enumerate(VIEWS if plan.profile != "quick" else ()):
            seen = [small[(4 * number + offset) % len(small)] for offset in range(4)] if small else []
            yield from (replace(case, layout=every_array(case, view)) for case in seen)


REQUIREMENT = Requirement(
    "special", "NaN, infinities, signed zeros, ties", cases, check_answers, rank=3, local=True
)
