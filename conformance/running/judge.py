"""A task judged: every case counted, and for each output that fails the smallest failing case."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from conformance.cases import Case
from conformance.kernels.subject import Subject
from conformance.requirements import REQUIREMENTS
from conformance.running import known
from conformance.running.failures import Fault, failure_of, nobodys
from conformance.running.fault import Faults
from conformance.running.runner import Examined, Judged, Runner
from conformance.running.tasks import Task
from conformance.verdicts.judgement import DEATHS, Judgement
from conformance.verdicts.verdict import Failure, Row, Unit

Progress = Callable[[Unit, int], None]  # a unit, and how many of its cases are judged

MOST_FAILURES = 12  # kept of an output: a diagnosis must not contradict them
MOST_DEATHS = 3  # a task of which so many cases end the process is judged no further
COSTLY = ("hung", "out of memory")  # one of them is enough


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
    progress: Progress = lambda unit, done: None,
    shrinks: bool = True,
) -> list[Row]:
    """A row for each output of a task.

    earlier   failures of other tasks of the operation, whose cases are tried first when one is shrunk
    shrinks   else a failure is the first that there was, as it was
    """
    fault = Faults(subject, runner).of_framework if shrinks else nobodys
    tally = _Tally(task, known.cases_of(subject, task.plan.operation) if shrinks else [], fault)
    try:
        tally.take(runner.examine(task.requirement, task.cases()), progress)
        if shrinks:
            _explain(tally, subject, runner, earlier)
    except KeyboardInterrupt:
        raise Interrupted(tally.in_order) from None
    return tally.in_order or [tally.empty_row("output")]


def judge_case(case: Case, requirement: str, subject: Subject, runner: Runner) -> list[Judgement]:
    """What one case says of each output, as it is."""
    rows = judge(Task.of_case(requirement, case), subject, runner, shrinks=False)
    return [row.judgement for row in rows]


def _explain(tally: _Tally, subject: Subject, runner: Runner, earlier: Sequence[Failure]) -> None:
    """Every failure as the known one that it is, or shrunk and explained."""
    task = tally.task
    for (output, _), first in tally.forms.items():
        if output not in tally.failing and known.has_another_cause(runner, task, tally.known, *first):
            tally.failing[output] = [first]
    for output, failures in tally.failing.items():
        tally.rows[output].failure = failure_of(runner, task, failures, earlier, tally.fault)
    for output, failures in tally.excused.items():
        if output not in tally.failing:
            declared = known.failure_of(subject, runner, task, *failures[0])
            tally.rows[output].failure = declared or failure_of(runner, task, failures, earlier, tally.fault)
    for output, failures in tally.foreign.items():
        costly = failures[0][1].status in COSTLY  # and no matter of the subject's: shown as it is
        if output not in {*tally.failing, *tally.excused} and not costly:
            tally.rows[output].failure = failure_of(runner, task, failures, earlier, tally.fault)


@dataclass
class _Tally:
    """What the cases of a task have shown, by output.

    excused   failures that a known one may explain; they do not end the search
    forms     of those, the first with each set of options
    foreign   failures that are the framework's own; they do not end the search either
    """

    task: Task
    known: Sequence[Case]
    fault: Fault
    rows: dict[str, Row] = field(default_factory=dict)
    failing: dict[str, list[Judged]] = field(default_factory=dict)
    excused: dict[str, list[Judged]] = field(default_factory=dict)
    forms: dict[tuple[str, frozenset[str]], Judged] = field(default_factory=dict)
    foreign: dict[str, list[Judged]] = field(default_factory=dict)

    def take(self, examined: Iterable[Examined], progress: Progress) -> None:
        """Every case, until more would show nothing new."""
        for done, (case, judgements) in enumerate(examined, 1):
            self._add(case, judgements)
            progress(self.task.unit, done)
            if self._says_enough:
                break

    def _add(self, case: Case, judgements: Iterable[Judgement]) -> None:
        for judgement in judgements:
            row = self.rows.get(judgement.output)
            if row is None:
                row = self.rows[judgement.output] = self.empty_row(judgement.output)
            row.count(judgement)
            if judgement.failed:
                self._add_failure(row, case, judgement)

    def empty_row(self, output: str) -> Row:
        return Row(self.task.unit, output, refuses=REQUIREMENTS[self.task.requirement].refuses)

    def _add_failure(self, row: Row, case: Case, judgement: Judgement) -> None:
        fault, kind = "", self.failing
        if any(known.explains(other, case) for other in self.known):
            self.forms.setdefault((row.output, known.options_of(case)), (case, judgement))
            kind = self.excused
        elif row.output not in self.failing and (fault := self.fault(self.task.requirement, case, judgement)):
            kind = self.foreign
        failures = kind.setdefault(row.output, [])
        _keep(failures, (case, judgement))
        row.failure = Failure(*failures[0], case, fault=fault)

    @property
    def _says_enough(self) -> bool:
        """Every output has failed, or the process died again and again; the framework's own failures are none."""
        claimed = {row.output for row in self.rows.values() if row.cases}
        if not claimed or not (self.failing or self.excused):
            return False
        failures = itertools.chain(*self.failing.values(), *self.excused.values())
        dead = [(case, judgement.status) for case, judgement in failures if judgement.status in DEATHS]
        costly = any(status in COSTLY for _, status in dead)
        return claimed <= set(self.failing) or costly or len({case for case, _ in dead}) >= MOST_DEATHS

    @property
    def in_order(self) -> list[Row]:
        return [self.rows[output] for output in sorted(self.rows, key=_OUTPUTS.index)]


_OUTPUTS = ("output", "indices", "grad_input", "grad_weight", "grad_bias")


def _keep(failures: list[Judged], failure: Judged) -> None:
    """The first and the latest failing cases, few enough to hold their answers."""
    failures.append(failure)
    if len(failures) > MOST_FAILURES:
        del failures[MOST_FAILURES // 2]
