"""The search: cases that come nearer to stretches of a subject's source that no case ran, until they run.

First by what is compared: where a side of a comparison is a measure of the case, that is made the other side (as cmplog
does, Fioraldi et al. 2020). Then Hypothesis draws cases and climbs: its target is how far a condition is from holding.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from tempfile import TemporaryDirectory

from conformance.cases import Case, covering
from conformance.cases.conditions import ALONG_ALL, basic, is_small, measures_of, reach, value
from conformance.cases.neighbours import neighbours
from conformance.cases.sizes import claimed
from conformance.cases.values import PLANTED, fits
from conformance.requirements import Plan
from conformance.running.ran import Near
from conformance.running.results import Searched
from conformance.running.runner import Runner

_Waiting = tuple[float, int, Iterator[Case]]  # how far a case is, when it came, and what may come nearer

Number = tuple[str, int]  # of a stretch: its file, and which of its stretches

SEEDS = 16  # cases that the search begins with
FILLED = 4  # times that one of them is filled with each family of values
SMALL = 8  # values are of that size anyway
LEAST = 30  # cases that are drawn for one stretch
ENOUGH = 6  # cases that come to a stretch: one alone may have an answer in which nothing shows
ALIKE = 4  # cases beside one that reached something


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
    runner: Runner
    budget: int
    is_over: Callable[[], bool] = lambda: False
    asked: dict[Case, dict[Number, Near]] = field(default_factory=dict)
    reached: dict[Number, Case] = field(default_factory=dict)
    cases: dict[Case, None] = field(default_factory=dict)
    came: dict[Number, int] = field(default_factory=dict)  # how many cases came to each

    def __post_init__(self) -> None:
        self.plan = self.plans[0]
        self.sought = self.runner.ran.left(self.plan.operation)
        self._unreached = set(self.sought)
        self._number = itertools.count()

    def run(self) -> Searched:
        """Ask until everything is reached, or enough was asked."""
        for stage in (self._match, self._draw):
            try:
                if self.sought and not self.is_over():
                    stage()
            except _Enough:
                continue
        reached = tuple((*number, str(case)) for number, case in self.reached.items())
        return Searched(self.plan.operation, self.requirement, len(self.asked), reached, tuple(self.cases))

    def _ask(self, case: Case, budget: int) -> dict[Number, Near]:
        """How far a case is from each stretch that is sought."""
        if case in self.asked:
            return self.asked[case]
        if len(self.asked) >= budget or not self.sought or self.is_over():
            raise _Enough
        sought = self.sought
        judgements, near = self.runner.near(self.requirement, case, sought)
        self.asked[case] = dict(zip(sought, near, strict=False))
        if any(judgement.failed for judgement in judgements):
            self.cases[case] = None
        self._unreached = set(self.runner.ran.left(self.plan.operation))
        if self.runner.ran.unknown or len(near) < len(sought):
            raise _Enough  # it died, and what it came to with it
        for number in sought:
            self._note(number, case)
        self.sought = [number for number in sought if self.came.get(number, 0) < ENOUGH]
        return self.asked[case]

    def _note(self, number: Number, case: Case) -> None:
        """Keep a case that came to a stretch, the first one with others like it."""
        if number in self._unreached:
            return
        if number not in self.reached:
            self.reached[number] = case
            self.cases |= dict.fromkeys(self._like(case))
        if case is self.reached[number] or not self.asked[case][number][0]:
            self.came[number] = self.came.get(number, 0) + 1
            self.cases[case] = None

    def _like(self, case: Case) -> Iterator[Case]:
        """A case that came somewhere, and others that may: with other values, and other options on the same arrays."""
        plan = next(plan for plan in self.plans if plan.dtype == case.dtype)
        yield case
        yield from (replace(case, values=values, seed=case.seed + 1) for values in plan.values)
        others = (each for each in neighbours(case) if not each.problem)
        yield from itertools.islice(claimed(others, plan.features), ALIKE)

    # By the sides of comparisons.

    def _match(self) -> None:
        """The next case of the nearest one, always: what comes nearer goes on before the others of its own do."""
        waiting: list[_Waiting] = []
        seeds = (itertools.islice(self.plan.named(), SEEDS), self.plan.explore(SEEDS, SEEDS, SEEDS))
        for case in self.plan.with_values(itertools.chain(*seeds), self.plan.integers):
            self._wait(waiting, case)
        for case in itertools.islice(self.plan.named(), 1):
            for values, seed in itertools.product(self.plan.values, range(FILLED)):
                self._wait(waiting, replace(case, values=values, seed=seed))
        self.sought = [number for number in self.sought if self._hangs_on_cases(number)]
        while waiting:
            far, _, others = waiting[0]
            came = sum(self.came.values())
            other = next((each for each in others if each not in self.asked), None)
            if other:
                self._wait(waiting, other, far)
            if (
                not other or sum(self.came.values()) > came
            ):  # the rest of these would show as much, or as little
                waiting.remove((far, _, others))
                heapq.heapify(waiting)

    def _hangs_on_cases(self, number: Number) -> bool:
        """Whether a case has been nearer to a stretch than another, or something is compared on the way."""
        near = [near[number] for near in self.asked.values() if number in near]
        return any(sides for _, sides in near) or len({far for far, _ in near}) > 1

    def _wait(self, waiting: list[_Waiting], case: Case, than: float = float("inf")) -> None:
        """Ask a case; one that is nearer than that waits for its turn to be changed."""
        near = self._ask(case, self.budget // 2)
        far = min((far for number, (far, _) in near.items() if number in self.sought), default=than)
        if far < than:
            others = itertools.chain(self._matching(case), self._valued(case))
            heapq.heappush(waiting, (far, next(self._number), others))

    def _matching(self, case: Case) -> Iterator[Case]:
        """A measure of it that is one side of a comparison made the other side, or just beyond."""
        for off, (one, other) in itertools.product((0, 1, -1), self._sides(case)):
            for measure in _measures(case):
                if value(case, measure) == one and (
                    made := reach(case, measure, int(other) + off, exactly=False)
                ):
                    yield from claimed(itertools.islice(_small(made), 1), self.plan.features)

    def _valued(self, case: Case) -> Iterator[Case]:
        """Other values, among them some beyond and below a number that something is compared with."""
        sides = [other for _, other in self._sides(case) if other > SMALL]
        planted = (f"{side}:{number:.12g}" for number in sides for side in PLANTED)
        families = (*(each for each in planted if fits(case, each)), *self.plan.values)
        for seed, values in itertools.product(range(2 * len(case.array_names)), families):
            yield replace(case, values=values, seed=seed)

    def _sides(self, case: Case) -> list[tuple[float, float]]:
        near = (of for number, of in self.asked[case].items() if number in self.sought)
        return [pair for _, sides in near for a, b in sides for pair in ((a, b), (b, a))]

    # By drawing.

    def _draw(self) -> None:
        """Each stretch in turn, the nearest first, with its share of what is left."""
        tried: set[Number] = set()
        while untried := [number for number in self.sought if number in self._unreached - tried]:
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

        from conformance.cases.strategies import grown

        @st.composite
        def cases(draw: st.DrawFn) -> Case:
            """Of classes at random, which all hang on one number: what climbs are the extents that are drawn beside."""
            plan, seed = draw(st.sampled_from(self.plans)), draw(st.integers(0, 10**6))
            (case,) = covering.explore(plan.operation, plan.features, 1, seed)
            values = draw(st.sampled_from(plan.values))
            return draw(grown(replace(case, values=values, dtype=plan.dtype), plan.features))

        @hypothesis.seed(self.plan.seed)
        @hypothesis.settings(
            max_examples=max(1, budget - len(self.asked)),
            phases=(hypothesis.Phase.generate, hypothesis.Phase.target),
            database=None,
            deadline=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(cases())
        def nearer(case: Case) -> None:
            near = self._ask(case, budget)
            if number not in self._unreached:
                raise _Enough
            if number in near:
                hypothesis.target(-near[number][0])

        with _leaving_no_files():
            nearer()


@contextmanager
def _leaving_no_files() -> Iterator[None]:
    """What Hypothesis keeps beside its database is written to a folder that goes."""
    from hypothesis.configuration import set_hypothesis_home_dir

    with TemporaryDirectory() as folder:
        set_hypothesis_home_dir(folder)
        try:
            yield
        finally:
            set_hypothesis_home_dir(None)


def _measures(case: Case) -> Iterator[tuple[str, ...]]:
    """Of all axes together, too."""
    yield from ((name,) for name in ALONG_ALL if f"{name}.0" in basic(case.operation))
    yield from measures_of(case.operation)


def _small(case: Case) -> Iterator[Case]:
    """The case, or one of parts of its image, as far as that is small."""
    parts = (tuple(-(-n // part) for n in case.image) for part in (1, 2, 4, 8))
    return filter(is_small, (replace(case, image=image) for image in parts))
