"""Lines of the kernel that no case of the other requirements ran: cases that a search finds (see running.search)."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.cases import Case
from conformance.requirements.answers import check_answers
from conformance.requirements.plan import Plan
from conformance.requirements.requirement import Requirement


def cases(plan: Plan) -> Iterator[Case]:
    """None follows from a plan alone: they are found by what the kernel does."""
    return iter(())


REQUIREMENT = Requirement(
    "search",
    "lines of its source that no other case ran: cases that a search leads there",
    cases,
    check_answers,
    rank=14,
    order=2,
    searched={"quick": 0, "standard": 400, "deep": 6_000},
)
