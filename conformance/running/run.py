"""A subject judged here, task after task."""

from __future__ import annotations

from dataclasses import dataclass, field

from conformance.kernels.subject import Subject
from conformance.running import known
from conformance.running.claims import Claims, claims_of
from conformance.running.judge import Interrupted, Progress, judge
from conformance.running.merge import merge
from conformance.running.runner import Runner
from conformance.running.settings import Settings
from conformance.running.tasks import Task, plan
from conformance.verdicts.journal import Journal
from conformance.verdicts.verdict import Failure, Report, Row


def run(
    subject: Subject,
    runner: Runner,
    settings: Settings,
    progress: Progress = lambda unit, done: None,
    journal: Journal | None = None,
) -> Report:
    """Judge a subject: every unit of every operation it has. KeyboardInterrupt ends it with the verdict so far.

    A journal keeps what is finished; units that it holds already are not judged again.
    """
    done, stale, interrupted = _Done(), [], False
    try:
        for claims in claims_of(subject, runner, settings):
            done.claims.append(claims)
            for task in plan(subject, claims, settings):
                rows = journal.rows(task.unit) if journal else None
                if rows is None:
                    earlier = done.failures_of(task.plan.operation)
                    rows = judge(task, subject, runner, earlier=earlier, progress=progress)
                    if journal:
                        journal.keep(task.unit, rows)
                done.add(task, rows)
        stale = known.stale(subject, runner, settings.operations, done.rows)
    except Interrupted as interruption:
        done.rows += interruption.rows
        interrupted = True
    except KeyboardInterrupt:
        interrupted = True
    return merge(
        subject, done.rows, claims=done.claims, tasks=done.tasks, stale=stale, interrupted=interrupted
    )


@dataclass
class _Done:
    claims: list[Claims] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    def add(self, task: Task, rows: list[Row]) -> None:
        self.tasks.append(task)
        self.rows += rows

    def failures_of(self, operation: str) -> list[Failure]:
        return [row.failure for row in self.rows if row.failure and row.unit.operation == operation]
