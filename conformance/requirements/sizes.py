"""Extents around the blocks of fast kernels, long options, layers of networks."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from conformance.cases import Case, networks
from conformance.cases import sizes as sizing
from conformance.requirements.answers import check_answers
from conformance.requirements.plan import Plan
from conformance.requirements.requirement import Requirement


def cases(plan: Plan) -> Iterator[Case]:
    claimed = (plan.operation, plan.features)
    quick = plan.profile == "quick"
    blocks, beyond = ((8, 16), ()) if quick else (sizing.BLOCKS, sizing.BEYOND)
    parts = (
        sizing.tails(*claimed, (*blocks, *plan.blocks), beyond),
        sizing.reaches(*claimed),
        *(
            (sizing.far(*claimed), networks.lookalikes(*claimed))
            if plan.first or plan.profile == "deep"
            else ()
        ),
        plan.large(40, 200, 5_000),
    )
    yield from plan.with_values(itertools.chain(*parts), plan.integers)


REQUIREMENT = Requirement(
    "sizes", "extents around 4 to 64, long options, layers of networks", cases, check_answers, rank=6
)
