"""A failure, shrunk and explained."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from conformance.cases import Case
from conformance.cases.shrink import cost, is_part_of, shrink
from conformance.requirements import REPEATED_CALLS, REQUIREMENTS
from conformance.running.runner import OneJudgement, Runner, judgements_of
from conformance.running.tasks import Task
from conformance.verdicts.judgement import DEATHS, HUNG, Judgement
from conformance.verdicts.verdict import Failure, Row

CHANGING = "right in a new process: an earlier call, or chance, decides"
ONCE = "seen once, and not again with the same cases: an earlier call, or chance, decides"
HANGS = 8  # candidates of a smaller case that may hang

Fault = Callable[[str, Case, Judgement], str]  # requirement; see Faults.of_framework


def nobodys(requirement: str, case: Case, judgement: Judgement) -> str:
    return ""


def failure_of(
    runner: Runner,
    task: Task,
    failures: Sequence[OneJudgement],
    earlier: Sequence[Failure] = (),
    fault: Fault = nobodys,
) -> Failure:
    """The first of the failures of an output, shrunk and explained.

    fault   whose it is, beside the subject
    """
    first, judgement = failures[0]
    small = _tried_first(first, judgement, failures, earlier)
    smallest, shown = smallest_failure(runner, task, first, judgement, small, fault)
    failure = Failure(smallest, shown, first, fault=fault(task.requirement, smallest, shown))
    if failure.fault:
        return failure
    if _is_changing(runner, task, failure):
        again = _fails_in_new_process(runner, REPEATED_CALLS, failure)
        return replace(failure, diagnosis=CHANGING, shown_by=REPEATED_CALLS if again else "")
    from conformance.running.explanation import explained  # all mutants: loaded once one is needed

    return explained(runner, task, failure, failures)


def with_seen(rows: list[Row], seen: Iterable[Row]) -> list[Row]:
    """The rows of a unit that was judged whole because some of its cases failed: also with that, if it came no more."""
    if any(row.failure for row in rows):
        return rows
    there = {row.output: row for row in rows}
    for row in seen:
        if row.failure:
            there.setdefault(row.output, row).failure = replace(row.failure, diagnosis=ONCE)
    return list(there.values())


def _is_changing(runner: Runner, task: Task, failure: Failure) -> bool:
    """Whether the case is right first thing in a new process, and not because it fails by chance only."""
    if failure.judgement.status != "differs" or not REQUIREMENTS[task.requirement].repeatable:
        return False
    return _fails_in_new_process(runner, task.requirement, failure) is False


def _fails_in_new_process(runner: Runner, requirement: str, failure: Failure) -> bool | None:
    """Whether the output fails first thing in a new process; None where that says nothing of it."""
    judgements = runner.in_new_process(requirement, failure.case)
    return next((each.failed for each in judgements if each.output == failure.judgement.output), None)


# Shrinking.


def smallest_failure(
    runner: Runner,
    task: Task,
    case: Case,
    judgement: Judgement,
    small: Iterable[Case] = (),
    fault: Fault = nobodys,
) -> OneJudgement:
    """Shrink a failure of one output: simpler cases count only where the same output fails the same way.

    Small cases that failed before are tried first, so that one mistake is shown by one case.
    """
    search = _Search(task.requirement, judgement, fault, bool(fault(task.requirement, case, judgement)))
    fitting = [other for other in small if _asks_no_more(other, case)]
    start = next((other for other in fitting if search.takes(other, runner.shrinking)), case)
    shrink(start, lambda candidate: search.takes(candidate, runner.shrinking), task.plan.features)
    return search.confirmed(runner.patient) or (case, judgement)


@dataclass
class _Search:
    """For the smallest case on which an output fails the same way.

    foreign   whether the failure is somebody else's; one of the subject's own does not shrink into such
    hung      how many candidates hung: each costs its time, whichever output it is
    """

    requirement: str
    judgement: Judgement
    fault: Fault
    foreign: bool
    failing: list[Case] = field(default_factory=list)
    hung: int = 0

    def takes(self, candidate: Case, runner: Runner) -> bool:
        if self.hung >= HANGS or not self._failure(candidate, runner):
            return False
        self.failing.append(candidate)
        return True

    def confirmed(self, runner: Runner) -> OneJudgement | None:
        """The smallest that such a runner finds failing as well; where they hang, only some are asked."""
        smaller = self.failing[::-1]
        while smaller:
            if again := self._failure(smaller[0], runner):
                return smaller[0], again
            smaller = smaller[max(1, len(smaller) // 2 if self.judgement.status == HUNG else 1) :]
        return None

    def _failure(self, candidate: Case, runner: Runner) -> Judgement | None:
        judgements = judgements_of(runner, self.requirement, candidate)
        self.hung += any(each.status == HUNG for each in judgements)
        for each in judgements:
            if each[:2] == self.judgement[:2]:  # output and status
                theirs = not self.foreign and self.fault(self.requirement, candidate, each)
                return None if theirs else each
        return None


def _asks_no_more(other: Case, case: Case) -> bool:
    """Whether a case lays out nothing that the other does not, and needs no more, or is a part of it."""
    needs = other.needs <= case.needs | {other.dtype} or is_part_of(other, case)
    return needs and other.views.items() <= case.views.items()


def _tried_first(
    case: Case, judgement: Judgement, failures: Sequence[OneJudgement], earlier: Sequence[Failure]
) -> list[Case]:
    """Cases that failed before: those that ended the process, and the smallest of the same kind of failure."""
    alike = [f.case for f in earlier if _is_alike(f, case, judgement)]
    dead = _dead(case, failures, earlier) if judgement.status in DEATHS else []
    return [*dead, *(replace(other, dtype=case.dtype) for other in alike)]


def _is_alike(failure: Failure, case: Case, judgement: Judgement) -> bool:
    same = failure.judgement[:2] == judgement[:2]  # output and status
    return same and bool(failure.case.problem) == bool(case.problem)


def _dead(case: Case, failures: Sequence[OneJudgement], earlier: Sequence[Failure]) -> list[Case]:
    """Smaller cases that ended the process: a shrink costs a process for each death, a hang its time."""
    dead = [other for other, judgement in failures if judgement.status in DEATHS]
    of_others = (f for f in earlier if f.judgement.status in DEATHS)
    dead += itertools.chain.from_iterable((f.case, f.first) for f in of_others)
    same = dict.fromkeys(replace(other, dtype=case.dtype) for other in dead)
    smaller = (other for other in same if other.needs <= case.needs and cost(other) < cost(case))
    return sorted(smaller, key=cost)[:8]
