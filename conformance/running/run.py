"""A subject judged here, task after task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from conformance.kernels.subject import Subject
from conformance.requirements import REQUIREMENTS
from conformance.running import known
from conformance.running.claims import Claims, claims_of
from conformance.running.judge import Interrupted, judge
from conformance.running.merge import merge
from conformance.running.runner import Runner
from conformance.running.search import Search
from conformance.running.settings import Settings
from conformance.running.tally import Progress
from conformance.running.tasks import Task, plan, plans
from conformance.verdicts.journal import Journal
from conformance.verdicts.unreached import Reached, Unreached
from conformance.verdicts.verdict import Failure, Report, Row


def run(
    subject: Subject,
    runner: Runner,
    settings: Settings,
    progress: Progress = lambda unit, done: None,
    journal: Journal | None = None,
    is_over: Callable[[], bool] = lambda: False,
) -> Report:
    """Judge a subject: every unit of every operation it has. KeyboardInterrupt ends it with the verdict so far.

    A journal keeps what is finished; units that it holds already are not judged again. A search ends where `is_over`.
    """
    here = _Here(subject, runner, progress, journal)
    stale, interrupted = [], False
    try:
        for claims in claims_of(subject, runner, settings):
            here.claims.append(claims)
            for task in plan(subject, claims, settings):
                here.judge(task)
        for claims in list(here.claims):
            here.search(claims, settings, is_over)
        stale = known.stale(subject, runner, settings.operations, here.rows)
    except KeyboardInterrupt as interruption:
        here.rows += interruption.rows if isinstance(interruption, Interrupted) else []
        interrupted = True
    return merge(
        subject,
        here.rows,
        claims=here.claims,
        tasks=here.tasks,
        stale=stale,
        interrupted=interrupted,
        unreached=here.unreached(interrupted),
    )


@dataclass
class _Here:
    """What was judged in this run, in turn."""

    subject: Subject
    runner: Runner
    progress: Progress
    journal: Journal | None
    claims: list[Claims] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    searches: list[Search] = field(default_factory=list)

    def judge(self, task: Task) -> None:
        rows = self.journal.rows(task.unit) if self.journal else None
        if rows is None:
            earlier = self._failures_of(task.plan.operation)
            rows = judge(task, self.subject, self.runner, earlier=earlier, progress=self.progress)
            if self.journal:
                self.journal.keep(task.unit, rows)
        self.tasks.append(task)
        self.rows += rows

    def search(self, claims: Claims, settings: Settings, is_over: Callable[[], bool]) -> None:
        """What a search finds that the other cases did not come to, judged as they are."""
        for name in claims.requirements:
            budget = REQUIREMENTS[name].searched.get(settings.profile, 0)
            if not budget:
                continue
            every = {each.dtype: each for each in plans(self.subject, claims, settings)}
            search = Search(name, list(every.values()), self.runner, budget, is_over)
            search.run()
            self.searches.append(search)
            for dtype, each in every.items():
                found = tuple(case for case in search.cases if case.dtype == dtype)
                if found:
                    self.judge(Task(each, name, only=found))

    def unreached(self, interrupted: bool) -> Unreached:
        """The lines that no case ran, where all cases ran here."""
        if interrupted or (self.journal and self.journal.taken):
            return Unreached(unknown="the run was " + ("interrupted" if interrupted else "resumed"))
        ran = self.runner.ran
        left = ran.unreached({claims.operation for claims in self.claims if claims.dtypes})
        reached = {number: str(case) for each in self.searches for number, case in each.reached.items()}
        found = tuple(Reached(ran.stretches[number][0], case) for number, case in reached.items())
        return replace(left, searched=sum(len(each.asked) for each in self.searches), reached=found)

    def _failures_of(self, operation: str) -> list[Failure]:
        rows = (row for row in self.rows if row.unit.operation == operation)
        return [failure for row in rows for failure in row.failures]
