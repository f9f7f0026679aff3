"""The search: cases that come nearer to stretches of a subject's source that no case ran, until they run.

First by what is compared: where a side of a comparison is a measure of the case, that is made the other side (as cmplog
does, Fioraldi et al. 2020). Then Hypothesis draws cases and climbs: its target is how far a condition is from holding.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from conformance.cases import Case
from conformance.cases.conditions import is_small, measures_of, reach, value
from conformance.cases.neighbours import neighbours
from conformance.cases.sizes import claimed
from conformance.requirements import Plan
from conformance.running.ran import Near, Ran
from conformance.verdicts.judgement import Judgement

Number = tuple[str, int]  # of a stretch: its file, and which of its stretches

SEEDS = 16  # cases that the search begins with
LEAST = 30  # cases that are drawn for one stretch
ALIKE = 4  # cases beside one that reached something


class Seeker(Protocol):
    """Who says how far a case is from stretches: a runner."""

    @property
    def ran(self) -> Ran: ...

    def near(
        self, requirement: str, case: Case, sought: Sequence[Number]
    ) -> tuple[list[Judgement], list[Near]]: ...


class _Enough(BaseException):
    """Ends what draws cases: all is found, or the budget is spent. Hypothesis takes an Exception for a failure."""


@dataclass
class Search:
    """What is searched in one operation, and what was found.

    plans    one for each dtype
    budget   how many cases may be asked
    is_over  whether it should end before that
    reached  the stretches that ran, each with the first case that came there
    cases    to be judged: those that came somewhere, others like them, and those that failed on the way
    """

    requirement: str
    plans: Sequence[Plan]
    seeker: Seeker
    budget: int
    is_over: Callable[[], bool] = lambda: False
    asked: dict[Case, dict[Number, Near]] = field(default_factory=dict)
    reached: dict[Number, Case] = field(default_factory=dict)
    cases: dict[Case, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.plan = self.plans[0]
        self.sought = self.seeker.ran.left(self.plan.operation)

    def run(self) -> None:
        """Ask until everything is reached, or enough was asked."""
        for stage in (self._match, self._draw):
            try:
                if self.sought and not self.is_over():
                    stage()
            except _Enough:
                continue

    def _ask(self, case: Case, budget: int) -> dict[Number, Near]:
        """How far a case is from each stretch that is sought."""
        if case in self.asked:
            return self.asked[case]
        if len(self.asked) >= budget or not self.sought or self.is_over():
            raise _Enough
        sought = self.sought
        judgements, near = self.seeker.near(self.requirement, case, sought)
        self.asked[case] = dict(zip(sought, near, strict=False))
        if any(judgement.failed for judgement in judgements):
            self.cases[case] = None
        self.sought = self.seeker.ran.left(self.plan.operation)
        if self.seeker.ran.unknown:
            raise _Enough
        for number in set(sought) - set(self.sought):
            self.reached[number] = case
            self.cases |= dict.fromkeys(self._like(case))
        return self.asked[case]

    def _like(self, case: Case) -> Iterator[Case]:
        """A case that came somewhere, and others that may: with other values, and other options on the same arrays."""
        plan = next(plan for plan in self.plans if plan.dtype == case.dtype)
        yield case
        for values in (plan.integers, "mean_zero", "special"):
            yield from (
                replace(case, values=each, seed=case.seed + 1) for each in plan.values if each == values
            )
        others = (each for each in neighbours(case) if not each.problem)
        yield from itertools.islice(claimed(others, plan.features), ALIKE)

    # By the sides of comparisons.

    def _match(self) -> None:
        """The nearest case first: each number of it that was compared is made the one that it was compared with."""
        waiting: list[tuple[float, int, Case]] = []
        seeds = itertools.chain(self.plan.explore(SEEDS, SEEDS, SEEDS), self.plan.named())
        for case in itertools.islice(self.plan.with_values(seeds, self.plan.integers), 2 * SEEDS):
            self._wait(waiting, case)
        while waiting:
            far, _, case = heapq.heappop(waiting)
            for other in self._matching(case):
                if other not in self.asked:
                    self._wait(waiting, other, far)

    def _wait(self, waiting: list[tuple[float, int, Case]], case: Case, than: float = float("inf")) -> None:
        near = self._ask(case, self.budget // 2)
        far = min((far for number, (far, _) in near.items() if number in self.sought), default=than)
        if far < than:
            heapq.heappush(waiting, (far, len(self.asked), case))

    def _matching(self, case: Case) -> Iterator[Case]:
        for sides in [sides for number, (_, sides) in self.asked[case].items() if number in self.sought]:
            for one, other in (pair for a, b in sides for pair in ((a, b), (b, a))):
                measures = [each for each in measures_of(case.operation) if value(case, each) == one]
                for measure, target in itertools.product(measures, (other, other + 1, other - 1)):
                    made = reach(case, measure, target, exactly=False)
                    if made and is_small(made):
                        yield from claimed([made], self.plan.features)

    # By drawing.

    def _draw(self) -> None:
        """Each stretch in turn, the nearest first, with its share of what is left."""
        tried: set[Number] = set()
        while untried := [number for number in self.sought if number not in tried]:
            number = min(untried, key=self._nearest)
            tried.add(number)
            share = max(LEAST, (self.budget - len(self.asked)) // len(untried))
            try:
                self._climb(number, min(self.budget, len(self.asked) + share))
            except _Enough:
                if len(self.asked) >= self.budget or self.is_over():
                    raise

    def _nearest(self, number: Number) -> float:
        return min((near[number][0] for near in self.asked.values() if number in near), default=float("inf"))

    def _climb(self, number: Number, budget: int) -> None:
        """Draw cases until one comes to a stretch, those before it ever nearer."""
        import hypothesis  # only where there is something to search
        from hypothesis import strategies as st

        from conformance.cases.strategies import cases

        drawn = st.sampled_from(self.plans).flatmap(
            lambda plan: cases(plan.operation, plan.features, plan.values, large=True, dtype=plan.dtype)
        )

        @hypothesis.seed(self.plan.seed)
        @hypothesis.settings(
            max_examples=max(1, budget - len(self.asked)),
            phases=(hypothesis.Phase.generate, hypothesis.Phase.target),
            database=None,
            deadline=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(drawn)
        def nearer(case: Case) -> None:
            near = self._ask(case, budget)
            if number not in self.sought:
                raise _Enough
            if number in near:
                hypothesis.target(-near[number][0])

        nearer()
