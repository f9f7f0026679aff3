"""A failure, shrunk and explained."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace

from conformance.cases import Case
from conformance.cases.shrink import cost, shrink
from conformance.requirements import REPEATED_CALLS, REQUIREMENTS
from conformance.running.runner import Judged, Runner, fails
from conformance.running.tasks import Task
from conformance.verdicts.judgement import DEATHS, Judgement
from conformance.verdicts.verdict import Failure

CHANGING = "right in a new process: an earlier call, or chance, decides"


def failure_of(
    runner: Runner, task: Task, failures: Sequence[Judged], earlier: Sequence[Failure] = ()
) -> Failure:
    """The first of the failures of an output, shrunk and explained."""
    first, judgement = failures[0]
    small = _tried_first(first, judgement, failures, earlier)
    smallest, shown = smallest_failure(runner, task, first, judgement, small)
    failure = Failure(smallest, shown, first)
    if _is_changing(runner, task, failure):
        again = _fails_in_new_process(runner, REPEATED_CALLS, failure)
        return replace(failure, diagnosis=CHANGING, shown_by=REPEATED_CALLS if again else "")
    from conformance.running.explanation import explained  # all mutants: loaded once one is needed

    return explained(runner, task, failure, failures)


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
    runner: Runner, task: Task, case: Case, judgement: Judgement, small: Iterable[Case] = ()
) -> Judged:
    """Shrink a failure of one output: simpler cases count only where the same output fails the same way.

    Small cases that failed before are tried first, so that one mistake is shown by one case.
    """
    failing = {case: judgement}

    def still_fails(candidate: Case, runner: Runner) -> bool:
        again = fails(runner, task.requirement, candidate, judgement.output)
        if again and again.status == judgement.status:
            failing[candidate] = again
            return True
        return False

    fitting = [other for other in small if _is_part_of(other, case)]
    start = next((other for other in fitting if still_fails(other, runner.shrinking)), case)
    shrink(start, lambda candidate: still_fails(candidate, runner.shrinking), task.plan.features)
    smaller = [candidate for candidate in reversed(list(failing)) if candidate != case]
    smallest = next((candidate for candidate in smaller if still_fails(candidate, runner)), case)
    return smallest, failing[smallest]


def _is_part_of(other: Case, case: Case) -> bool:
    """Whether a case needs and lays out nothing that the other does not."""
    return other.needs <= case.needs | {other.dtype} and other.views.items() <= case.views.items()


def _tried_first(
    case: Case, judgement: Judgement, failures: Sequence[Judged], earlier: Sequence[Failure]
) -> list[Case]:
    """Cases that failed before: those that ended the process, and the smallest of the same kind of failure."""
    alike = [f.case for f in earlier if _is_alike(f, case, judgement)]
    dead = _dead(case, failures, earlier) if judgement.status in DEATHS else []
    return [*dead, *(replace(other, dtype=case.dtype) for other in alike)]


def _is_alike(failure: Failure, case: Case, judgement: Judgement) -> bool:
    same = failure.judgement[:2] == judgement[:2]  # output and status
    return same and bool(failure.case.problem) == bool(case.problem)


def _dead(case: Case, failures: Sequence[Judged], earlier: Sequence[Failure]) -> list[Case]:
    """Smaller cases that ended the process: a shrink costs a process for each death, a hang its time."""
    dead = [other for other, judgement in failures if judgement.status in DEATHS]
    of_others = (f for f in earlier if f.judgement.status in DEATHS)
    dead += itertools.chain.from_iterable((f.case, f.first) for f in of_others)
    same = dict.fromkeys(replace(other, dtype=case.dtype) for other in dead)
    smaller = (other for other in same if other.needs <= case.needs and cost(other) < cost(case))
    return sorted(smaller, key=cost)[:8]
