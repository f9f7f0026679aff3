"""What the cases of a task have shown, counted by output, and which of its failures are worth a look."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from conformance.cases import Case
from conformance.cases.classes import classes_met
from conformance.cases.shrink import explains, options_of
from conformance.operations import OUTPUTS
from conformance.requirements import REQUIREMENTS
from conformance.running.events import Judged, Listener
from conformance.running.failures import Fault
from conformance.running.runner import Examined, OneJudgement
from conformance.running.tasks import Task
from conformance.verdicts.coverage import BETWEEN
from conformance.verdicts.judgement import DEATHS, Judgement
from conformance.verdicts.verdict import Failure, Row

MOST_FAILURES = 12  # kept of an output: a diagnosis must not contradict them
MOST_DEATHS = 3  # a task of which so many cases end the process is judged no further
COSTLY = ("hung", "out of memory")  # one of them is enough


@dataclass
class Tally:
    """What the cases of a task have shown, by output.

    excused   failures that a known one may explain; they do not end the search
    forms     of those, the first with each set of options
    fault     tells whose a failure is, beside the subject
    foreign   failures that are the framework's own; they do not end the search either
    first     whether the first failure of any output ends it
    """

    task: Task
    known: Sequence[Case]
    fault: Fault
    first: bool = False
    done: int = 0  # cases of the task that were judged, in their order
    met: Counter[tuple[str, ...]] = field(default_factory=Counter)  # classes of their parameters
    rows: dict[str, Row] = field(default_factory=dict)
    failing: dict[str, list[OneJudgement]] = field(default_factory=dict)
    excused: dict[str, list[OneJudgement]] = field(default_factory=dict)
    forms: dict[tuple[str, frozenset[str]], OneJudgement] = field(default_factory=dict)
    foreign: dict[str, list[OneJudgement]] = field(default_factory=dict)

    def take(self, examined: Iterable[Examined], listener: Listener) -> None:
        """Every case, until more would show nothing new."""
        for case, judgements in examined:
            self._add(case, judgements)
            self._note(case, listener)
            if self._says_enough:
                break

    def take_others(
        self, examined: Iterable[Examined], shown: Sequence[Failure], listener: Listener
    ) -> OneJudgement | None:
        """Further cases, until an output fails as none of the failures shown explains; that one."""
        for case, judgements in examined:
            self._note(case, listener)
            for judgement in judgements:
                row = self._row(judgement.output)
                row.count(case, judgement)
                if judgement.failed and not self._is_explained(case, judgement, shown):
                    return case, judgement
        return None

    def _is_explained(self, case: Case, judgement: Judgement, shown: Sequence[Failure]) -> bool:
        same = (failure for failure in shown if failure.judgement.output == judgement.output)
        return (
            self._is_excused(case)
            or any(failure.explains(case, judgement) for failure in same)
            or bool(self.fault(self.task.requirement, case, judgement))
        )

    def _is_excused(self, case: Case) -> bool:
        return any(explains(other, case) for other in self.known)

    def _note(self, case: Case, listener: Listener) -> None:
        self.done += 1
        self.met[classes_met(case)] += 1
        listener(Judged(self.task.unit, self.done))

    def _add(self, case: Case, judgements: Iterable[Judgement]) -> None:
        for judgement in judgements:
            row = self._row(judgement.output)
            row.count(case, judgement)
            if judgement.failed:
                self._add_failure(row, case, judgement)

    def _row(self, output: str) -> Row:
        return self.rows.setdefault(output, self.empty_row(output))

    def empty_row(self, output: str) -> Row:
        rule = REQUIREMENTS[self.task.requirement]
        # Where the source decides what is asked, or somebody, an output may well have but one number in each case.
        chosen = rule.of_source or bool(self.task.only)
        return Row(self.task.unit, output, varied=chosen, refuses=rule.refuses)

    def _add_failure(self, row: Row, case: Case, judgement: Judgement) -> None:
        fault, kind = "", self.failing
        if self._is_excused(case):
            self.forms.setdefault((row.output, options_of(case)), (case, judgement))
            kind = self.excused
        elif row.output not in self.failing and (fault := self.fault(self.task.requirement, case, judgement)):
            kind = self.foreign
        failures = kind.setdefault(row.output, [])
        failures.append((case, judgement))
        if len(failures) > MOST_FAILURES and not self.lists:
            del failures[MOST_FAILURES // 2]  # the first and the latest are kept
        row.failure = Failure(*failures[0], case, fault=fault)

    @property
    def lists(self) -> bool:
        """Whether every failure is told, as of a list of bad arguments; else one that stands for all."""
        return REQUIREMENTS[self.task.requirement].refuses

    @property
    def _says_enough(self) -> bool:
        """Every output has failed, or the process died again and again."""
        if self.first and self.failing:
            return True
        claimed = {row.output for row in self.rows.values() if row.cases}
        if not claimed or not (self.failing or self.excused):
            return False
        return self.is_costly or (claimed <= set(self.failing) and not self.lists)

    @property
    def is_costly(self) -> bool:
        """Whether its failures have cost processes, or the time of one that hung."""
        failures = itertools.chain(*self.failing.values(), *self.excused.values())
        dead = [(case, judgement.status) for case, judgement in failures if judgement.status in DEATHS]
        return any(status in COSTLY for _, status in dead) or len({case for case, _ in dead}) >= MOST_DEATHS

    @property
    def in_order(self) -> list[Row]:
        rows = [self.rows[output] for output in sorted(self.rows, key=OUTPUTS.index)]
        for first in rows[:1]:
            first.met = {BETWEEN.join(classes): count for classes, count in self.met.items()}
        return rows
