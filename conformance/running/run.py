"""A subject judged here, task after task, or in rounds until one fails."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from conformance.kernels.subject import Subject
from conformance.requirements import REQUIREMENTS
from conformance.running import known
from conformance.running.claims import Claims, claims_of
from conformance.running.events import Begun, Ended, Finished, Listener, Planned, Searching, nobody
from conformance.running.failures import with_seen
from conformance.running.judge import Interrupted, judge
from conformance.running.merge import merge
from conformance.running.results import Results, Searched
from conformance.running.rounds import in_rounds, whole
from conformance.running.runner import Runner
from conformance.running.search import Search
from conformance.running.settings import Settings
from conformance.running.tasks import Task, plan, plans, share
from conformance.verdicts.unreached import Reached, Unreached
from conformance.verdicts.verdict import Failure, Report, Row

SHARD = "shard {} of {} was judged; conformance merge joins them"
FIRST = "the run ended at its first failure"
LAST = "only what failed last time was judged"


def run(
    subject: Subject,
    runner: Runner,
    settings: Settings,
    listener: Listener = nobody,
    results: Results | None = None,
    is_over: Callable[[], bool] = lambda: False,
) -> Report:
    """Judge a subject: every unit of every operation it has. KeyboardInterrupt ends it with the verdict so far.

    results   keep what is finished, and have what was; that is not judged again
    is_over   where a search ends
    """
    here = _Here(subject, runner, listener, results or Results(), settings.first_failure)
    listener(Begun(subject))
    stale, interrupted, limited = [], False, _limited(settings)
    try:
        for claims in claims_of(subject, runner, settings):
            here.claims.append(claims)
            here.planned[claims.operation] = list(plan(subject, claims, settings))
            tasks = share(here.planned[claims.operation], settings.shard)
            listener(Planned(claims.operation, tuple(task.unit for task in tasks)))
            for task in tasks if not settings.first_failure else ():
                if here.results.closed and not here.results.judged(task.unit):
                    interrupted = True
                    continue
                here.judge(task)
        if settings.first_failure:
            interrupted = not here.judge_until_one_fails()
        if not limited and not here.results.closed:
            for claims in list(here.claims):
                here.search(claims, settings, is_over)
            stale = known.stale(subject, runner, settings.operations, here.rows)
    except _Enough:
        limited = FIRST
    except KeyboardInterrupt as interruption:
        here.rows += interruption.rows if isinstance(interruption, Interrupted) else []
        interrupted = True
    report = merge(
        subject,
        here.in_order,
        claims=here.claims,
        tasks=here.tasks,
        stale=stale,
        interrupted=interrupted,
        limited=limited,
        unreached=here.unreached(interrupted, limited),
    )
    listener(Finished(report))
    return report


def _limited(settings: Settings) -> str:
    """Why not all is judged that a subject claims, where that is wanted."""
    if settings.shard is not None:
        return SHARD.format(*settings.shard)
    return "" if settings.only is None else LAST


class _Enough(Exception):
    """A failure was found, and no more is wanted."""


@dataclass
class _Here:
    """What was judged in this run, in turn.

    first    whether the first failure ends it
    planned  the tasks of each operation, also those of other shards
    """

    subject: Subject
    runner: Runner
    listener: Listener
    results: Results
    first: bool = False
    claims: list[Claims] = field(default_factory=list)
    planned: dict[str, list[Task]] = field(default_factory=dict)
    tasks: list[Task] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    searches: list[Searched] = field(default_factory=list)

    def judge_until_one_fails(self) -> bool:
        """Judge the units of all operations in rounds; whether all are judged. _Enough where one fails."""
        tasks = [task for planned in self.planned.values() for task in planned]
        left = [task for task in tasks if not self.results.judged(task.unit)]
        judged = [(task, list[Row]()) for task in tasks if self.results.judged(task.unit)]
        more = in_rounds(left, self.runner, self.listener) if not self.results.closed else ()
        for step in itertools.chain(judged, filter(None, more)):
            self.judge(*step)
            if self.differs:
                raise _Enough
        return not (left and self.results.closed)

    def judge(self, task: Task, rows: Sequence[Row] = ()) -> None:
        """A task; rows: what came of its rounds, where it was judged in such."""
        judged = self.results.judged(task.unit)
        if judged:
            self.runner.ran.take(judged.lines)
        rows = judged.rows if judged else self._judge(task, list(rows))
        self.tasks.append(task)
        self.rows += rows
        self.listener(Ended(task.unit, rows, resumed=bool(judged)))

    def _judge(self, task: Task, rows: list[Row]) -> list[Row]:
        how = self._judge_first if self.first else self._judge_in_turn
        rows = whole(rows, lambda: how(task))
        self.results.keep(task.unit, rows, self.runner.ran.news())
        return rows

    def _judge_first(self, task: Task) -> list[Row]:
        return judge(task, self.subject, self.runner, listener=self.listener, first=True)

    def _judge_in_turn(self, task: Task) -> list[Row]:
        """The rows of a task; of one that fails, they depend on the failures of those before it."""
        before = [each for each in self._before(task) if not self.results.judged(each.unit)]
        rows = judge(task, self.subject, self.runner, shrinks=False, first=True) if before else []
        if before and not any(row.failure for row in rows):
            return rows
        for each in before:  # of other shards
            self._judge(each, [])
        earlier = self._failures_before(task)
        return with_seen(
            judge(task, self.subject, self.runner, earlier=earlier, listener=self.listener), rows
        )

    def _before(self, task: Task) -> Iterator[Task]:
        """The tasks of the operation that come before one; all of them where that came up in the run."""
        planned = self.planned[task.plan.operation]
        return itertools.takewhile(lambda each: each.unit != task.unit, planned)

    def _failures_before(self, task: Task) -> list[Failure]:
        return self.results.failures_of(each.unit for each in self._before(task))

    def search(self, claims: Claims, settings: Settings, is_over: Callable[[], bool]) -> None:
        """What a search finds that the other cases did not come to, judged as they are."""
        for name in claims.requirements:
            budget = REQUIREMENTS[name].searched.get(settings.profile, 0)
            if not budget:
                continue
            self.listener(Searching(claims.operation))
            every = {each.dtype: each for each in plans(self.subject, claims, settings)}
            searched = self.results.searched(claims.operation, name)
            if searched is None:
                search = Search(name, list(every.values()), self.runner, budget, is_over)
                searched = search.run()
                self.results.keep_search(searched)
            self.searches.append(searched)
            for dtype, each in every.items():
                found = tuple(case for case in searched.cases if case.dtype == dtype)
                if found:
                    self.judge(Task(each, name, only=found))

    @property
    def in_order(self) -> list[Row]:
        """The rows as their units were planned; those of searches last."""
        units = [task.unit for planned in self.planned.values() for task in planned]
        places = {unit: place for place, unit in enumerate(units)}
        return sorted(self.rows, key=lambda row: places.get(row.unit, len(places)))

    @property
    def differs(self) -> bool:
        return any(failure.decides for row in self.rows for failure in row.failures)

    def unreached(self, interrupted: bool, limited: str) -> Unreached:
        """The lines that no case ran, where all cases ran here."""
        if interrupted:
            return Unreached(unknown="the run was interrupted")
        if limited:
            return Unreached(unknown=limited)
        ran = self.runner.ran
        left = ran.unreached({claims.operation for claims in self.claims if claims.dtypes})
        found = tuple(
            Reached(ran.stretches[file, number][0], case)
            for each in self.searches
            for file, number, case in each.reached
        )
        return replace(left, searched=sum(each.asked for each in self.searches), reached=found)
