"""What the wrong numbers of a failure look like: a known mistake, or where they are."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice

import numpy as np

from conformance.cases import Case
from conformance.cases.arrays import fill
from conformance.kernels import reference
from conformance.requirements import REQUIREMENTS
from conformance.running.runner import OneJudgement, Runner
from conformance.running.tasks import Task
from conformance.verdicts import diagnosis
from conformance.verdicts.diagnosis import Evidence
from conformance.verdicts.judgement import Judgement, looked_into
from conformance.verdicts.taps import READ as ANSWER
from conformance.verdicts.taps import Taps, readings, taps_of
from conformance.verdicts.verdict import Failure

CHANCE = "answers that differ from call to call"
AGAIN = 2  # calls on the same arrays before the numbers of an answer are looked at
FIRST = 12  # cases of the task that a diagnosis must not contradict, beside those that failed
READ = 48  # more of them, where the others are read out
CANDIDATES = 5000  # cases for a diagnosis to choose from: a deep profile has more than need be held


def explained(runner: Runner, task: Task, failure: Failure, failures: Sequence[OneJudgement]) -> Failure:
    """The failure with its diagnosis, or where it is; only a plain answer has numbers to look at."""
    if failure.judgement.answer is None or not REQUIREMENTS[task.requirement].plain:
        return failure
    witness = _Witness(runner, task.requirement, failure.judgement.output)
    if witness.changes(failure):
        return replace(failure, diagnosis=CHANCE)
    candidates = _first_cases(task)
    evidence = witness.evidence([(failure.case, failure.judgement), *failures])
    evidence += witness.examined(candidates[:: max(1, len(candidates) // FIRST)])
    evidence += witness.examined(candidates[:READ] if _reads(task) else ())
    # Integers, where a mistake of what has zeros, or all the same numbers, does not show.
    evidence += witness.examined([replace(failure.case, values=task.plan.integers)])
    named = diagnosis.diagnose(evidence, witness.of_case, candidates)
    placed = "" if named else diagnosis.where([*evidence[1:], evidence[0]])  # the smallest shows the least
    return replace(failure, diagnosis=named, where=placed, taps=_taps(witness, evidence[0]))


def _taps(witness: _Witness, smallest: Evidence) -> Taps | None:
    """Which pixels one of the windows reads that are wrong on the smallest case."""
    if smallest.output != ANSWER or smallest.got is None:
        return None
    case, expected = smallest.case, reference.answer(smallest.case, fill(smallest.case))[ANSWER]
    if smallest.got.shape != expected.shape:
        return None
    with np.errstate(all="ignore"):
        error = np.nan_to_num(np.abs(smallest.got - expected), nan=np.inf)
    worst = error.reshape(-1, math.prod(case.output_extents)).max(axis=0)
    for reading in readings(case):
        read = witness.of_case(reading)
        if read and read.got is not None and (taps := taps_of(reading, read.got, worst)):
            return taps
    return None


@dataclass(frozen=True)
class _Witness:
    """What the subject answers for one output, as evidence for a diagnosis."""

    runner: Runner
    requirement: str
    output: str

    def changes(self, failure: Failure) -> bool:
        """Whether another call on the same arrays answers otherwise: no number of it tells anything then."""
        first = looked_into(failure.judgement, failure.case.dtype)
        others = (self.of_case(failure.case) for _ in range(AGAIN))
        answers = [other.got for other in others if other]
        return any(got is None or not np.array_equal(got, first, equal_nan=True) for got in answers)

    def of_case(self, case: Case) -> Evidence | None:
        return next(iter(self.examined([case])), None)

    def examined(self, cases: Iterable[Case]) -> list[Evidence]:
        examined = self.runner.examine(self.requirement, cases)
        return self.evidence((case, judgement) for case, judgements in examined for judgement in judgements)

    def evidence(self, judged: Iterable[OneJudgement]) -> list[Evidence]:
        return [
            Evidence(case, self.output, looked_into(judgement, case.dtype) if judgement.failed else None)
            for case, judgement in judged
            if judgement.output == self.output and _says_something(case, judgement)
        ]


def _says_something(case: Case, judgement: Judgement) -> bool:
    """A wrong answer that was kept, or a right one that can be one only: a kernel may have more NaN than PyTorch."""
    if judgement.status != "conforms":
        return judgement.answer is not None
    return judgement.output not in case.family.may_be_nan(case, fill(case))


@lru_cache(maxsize=8)
def _first_cases(task: Task) -> list[Case]:
    others = task.plan.with_values(task.plan.covering(), task.plan.integers) if _reads(task) else ()
    return list(islice(itertools.chain(others, task.cases()), CANDIDATES))


def _reads(task: Task) -> bool:
    """Whether its cases tell mutants from each other only with those of other values."""
    return REQUIREMENTS[task.requirement].certifies is not None and not task.only
