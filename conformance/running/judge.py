"""A task judged: every case counted, and for each output that fails the smallest failing case."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from conformance.cases import Case
from conformance.cases.shrink import is_part_of
from conformance.kernels.subject import Subject
from conformance.requirements import REQUIREMENTS
from conformance.running import known
from conformance.running.events import Found, Listener, Shrinking, nobody
from conformance.running.failures import failure_of, nobodys
from conformance.running.fault import Faults
from conformance.running.runner import Examined, OneJudgement, Runner
from conformance.running.tally import COSTLY, Tally
from conformance.running.tasks import Task
from conformance.verdicts.judgement import DEATHS, Judgement
from conformance.verdicts.verdict import Failure, Row

MOST_CAUSES = 3  # of an output that are looked for in one task
FURTHER = 1000  # cases in which they are, after the first failure of every output


class Interrupted(KeyboardInterrupt):
    """Ctrl-C in the middle of a task, with its rows so far."""

    def __init__(self, rows: list[Row]) -> None:
        super().__init__()
        self.rows = rows


def judge(
    task: Task,
    subject: Subject,
    runner: Runner,
    *,
    earlier: Sequence[Failure] = (),
    listener: Listener = nobody,
    shrinks: bool = True,
    first: bool = False,
) -> list[Row]:
    """A row for each output of a task.

    earlier   failures of other tasks of the operation, whose cases are tried first when one is shrunk
    shrinks   else a failure is the first that there was, as it was
    first     whether the first failure ends it
    """
    begun = time.perf_counter()
    fault = Faults(subject, runner).of_framework if shrinks else nobodys
    tally = Tally(task, known.cases_of(subject, task.plan.operation) if shrinks else [], fault, first)
    try:
        tally.take(_fresh(task, runner), listener)
        tally.done = 0  # those stand in the stream again
        tally.take(runner.examine(task.requirement, task.cases()), listener)
        if shrinks:
            explainer = _Explainer(tally, subject, runner, earlier, listener)
            explainer.explain()
            if not first:
                explainer.find_others()
    except KeyboardInterrupt:
        raise Interrupted(_timed(tally, begun)) from None
    return _timed(tally, begun) or [tally.empty_row("output")]


def judge_part(
    task: Task, runner: Runner, cases: Iterable[Case], *, before: int, listener: Listener = nobody
) -> tuple[list[Row], int]:
    """What some cases of a task say, up to their first failure: a row for each output, and how many cases they were.

    before   how many cases the task has before them; where none, some are asked first thing in a new process, too
    """
    begun = time.perf_counter()
    tally = Tally(task, [], nobodys, first=True)
    if not before:
        tally.take(_fresh(task, runner), listener)
    tally.done = before  # those stand in the stream again
    tally.take(runner.examine(task.requirement, cases), listener)
    return _timed(tally, begun), tally.done - before


def _timed(tally: Tally, begun: float) -> list[Row]:
    rows, seconds = tally.in_order, time.perf_counter() - begun
    for row in rows:
        row.seconds = seconds
    return rows


def _fresh(task: Task, runner: Runner) -> Iterator[Examined]:
    """The first cases, each first thing in a new process, where the requirement wants that."""
    for case in islice(task.cases(), REQUIREMENTS[task.requirement].fresh):
        if judgements := runner.in_new_process(task.requirement, case):
            yield case, judgements


def judge_case(case: Case, requirement: str, subject: Subject, runner: Runner) -> list[Judgement]:
    """What one case says of each output, as it is."""
    rows = judge(Task.of_case(requirement, case), subject, runner, shrinks=False)
    return [row.judgement for row in rows]


@dataclass(frozen=True)
class _Explainer:
    """Makes failures of what the cases of a task have shown.

    earlier  failures of other tasks, whose cases are tried first
    """

    tally: Tally
    subject: Subject
    runner: Runner
    earlier: Sequence[Failure]
    listener: Listener

    def explain(self) -> None:
        """Every failure as the known one that it is, or shrunk and explained."""
        tally = self.tally
        for (output, _), first in tally.forms.items():
            if output not in tally.failing and known.has_another_cause(
                self.runner, tally.task, tally.known, *first
            ):
                tally.failing[output] = [first]
        for output, failures in tally.failing.items():
            failure = self._failure(failures)
            if tally.lists:
                failure.likewise = tuple(dict.fromkeys(judgement.message for _, judgement in failures[1:]))
            tally.rows[output].failure = failure
        for output, failures in tally.excused.items():
            if output not in tally.failing:
                declared = known.failure_of(self.subject, self.runner, tally.task, *failures[0])
                tally.rows[output].failure = declared or self._failure(failures)
        for output, failures in tally.foreign.items():
            costly = failures[0][1].status in COSTLY  # and no matter of the subject's: shown as it is
            if output not in {*tally.failing, *tally.excused} and not costly:
                tally.rows[output].failure = self._failure(failures)

    def find_others(self) -> None:
        """Go on behind the failures that there are, for some that are unlike them: one mistake may hide another."""
        tally = self.tally
        if not tally.failing or tally.lists:
            return
        rest = list(islice(tally.task.cases(), tally.done, tally.done + FURTHER))
        for _ in range(MOST_CAUSES):
            if tally.is_costly:
                return
            shown = [*self.earlier, *(failure for row in tally.rows.values() for failure in row.failures)]
            dead = [failure.case for failure in shown if failure.judgement.status in DEATHS]
            rest = [case for case in rest if not any(is_part_of(each, case) for each in dead)]
            before = tally.done
            examined = self.runner.examine(tally.task.requirement, rest)
            new = tally.take_others(examined, shown, self.listener)
            if new is None:
                return
            tally.rows[new[1].output].add(self._failure([new]))
            rest = rest[tally.done - before :]

    def _failure(self, failures: Sequence[OneJudgement]) -> Failure:
        """The first of the failures of an output, shrunk and explained."""
        task, (case, judgement) = self.tally.task, failures[0]
        self.listener(Shrinking(task.unit, judgement.output, case))
        failure = failure_of(self.runner, task, failures, self.earlier, self.tally.fault)
        self.listener(Found(task.unit, failure))
        return failure
