"""What is to be judged, cut into tasks: plain data, which travels and is judged anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from conformance.cases import Case
from conformance.kernels.subject import Subject
from conformance.operations import OPERATIONS
from conformance.requirements import REQUIREMENTS, Plan
from conformance.running.claims import Claims
from conformance.running.settings import Settings
from conformance.verdicts.verdict import Unit


@dataclass(frozen=True)
class Task:
    """One unit of a run, or a slice of its cases.

    plan          the operation, the dtype and what decides which cases are built
    start, step   every step-th case from this one on
    only          these cases instead of the requirement's
    """

    plan: Plan
    requirement: str
    start: int = 0
    step: int = 1
    only: tuple[Case, ...] = ()

    @classmethod
    def of_case(cls, requirement: str, case: Case) -> Task:
        return cls(Plan(case.operation, case.dtype, frozenset()), requirement, only=(case,))

    @property
    def unit(self) -> Unit:
        return Unit(self.plan.operation, self.requirement, self.plan.dtype)

    def cases(self) -> Iterator[Case]:
        cases = iter(self.only) if self.only else REQUIREMENTS[self.requirement].cases(self.plan)
        return islice(cases, self.start, None, self.step)

    @property
    def exhausts(self) -> bool:
        """Whether its cases leave no gap in the small scope."""
        return REQUIREMENTS[self.requirement].exhausts and self.plan.exhaustive and self.is_whole

    @property
    def is_whole(self) -> bool:
        """Whether it is no slice, and no cases but the requirement's."""
        return (self.start, self.step, self.only) == (0, 1, ())

    def as_data(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        plan = asdict(self.plan) | {
            "features": sorted(self.plan.features),
            "blocks": list(self.plan.blocks),
            "numbers": list(self.plan.numbers),
        }
        return vars(self) | {"plan": plan, "only": [str(case) for case in self.only]}

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Task:
        plan = data["plan"]
        sets = {"features": frozenset(plan["features"])} | {n: tuple(plan[n]) for n in ("blocks", "numbers")}
        return cls(**data | {"plan": Plan(**plan | sets), "only": tuple(map(Case.parse, data["only"]))})


def plan(subject: Subject, claims: Claims, settings: Settings) -> Iterator[Task]:
    """The tasks of one operation, in the order in which a run judges them."""
    for each in plans(subject, claims, settings):
        if settings.only is not None:
            yield from _only(each, settings.only)
            continue
        for requirement in claims.requirements:
            if REQUIREMENTS[requirement].is_judged(each):
                yield Task(each, requirement)


def share(tasks: Sequence[Task], shard: tuple[int, int] | None) -> list[Task]:
    """Those of one operation that a shard judges: every eighth of eight, from another one on in each operation."""
    if shard is None:
        return list(tasks)
    number, of = shard
    first = list(OPERATIONS).index(tasks[0].plan.operation) if tasks else 0
    return list(tasks[(number - 1 - first) % of :: of])


def _only(plan: Plan, only: Mapping[Unit, Sequence[Case]]) -> Iterator[Task]:
    """The tasks of one operation and dtype where nothing but these cases is judged."""
    for unit, cases in only.items():
        if (unit.operation, unit.dtype) == (plan.operation, plan.dtype):
            yield Task(plan, unit.requirement, only=tuple(cases))


def plans(subject: Subject, claims: Claims, settings: Settings) -> Iterator[Plan]:
    """One plan for each dtype; the main one has to do with what has nothing to do with the dtype."""
    main = "float32" if "float32" in claims.dtypes else next(iter(claims.dtypes), "")
    for dtype in claims.dtypes:
        yield Plan(
            claims.operation,
            dtype,
            claims.features,
            settings.profile,
            settings.seed,
            subject.accuracy,
            subject.sums,
            subject.ties,
            subject.blocks,
            claims.numbers,
            first=dtype == main,
        )
