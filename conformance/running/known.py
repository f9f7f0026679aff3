"""Failures that a subject declares: which they explain, and which of them no longer fail."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from operator import add
from typing import Any

from conformance.cases import Case
from conformance.cases.shrink import explains, options_of
from conformance.kernels.subject import Subject
from conformance.requirements import REQUIREMENTS
from conformance.running.failures import smallest_failure
from conformance.running.runner import Runner, fails, judgements_of
from conformance.running.tasks import Task
from conformance.verdicts.judgement import DEATHS, Judgement
from conformance.verdicts.verdict import Failure, Row


def cases_of(subject: Subject, operation: str) -> list[Case]:
    """The known failures of an operation."""
    return [case for case in map(Case.parse, subject.known_failures) if case.operation == operation]


def failure_of(
    subject: Subject, runner: Runner, task: Task, case: Case, judgement: Judgement
) -> Failure | None:
    """A failure as the known one that its subject declares, if that still fails the same way."""
    for text, reason in subject.known_failures.items():
        known = Case.parse(text)
        if known.operation == case.operation and explains(known, case):
            again = fails(runner, task.requirement, known, judgement.output)
            if again and again.status == judgement.status:
                return Failure(known, again, case, reason)
    return None


def has_another_cause(
    runner: Runner, task: Task, known: Sequence[Case], case: Case, judgement: Judgement
) -> bool:
    """Whether a failure with the options of a known one, and more, needs the others: with the known alone it is right.

    Then it is shrunk: what ends with the options of the known one is that one.
    """
    if judgement.status in DEATHS:
        return False  # each question would cost a process
    needed = [options_of(other) for other in known if explains(other, case)]
    for options in needed:
        alone = _with_only(case, options | {"values", "layout", *(["bias"] if case.layout else [])})
        if case in alone or any(bool(other.problem) != bool(case.problem) for other in alone):
            return False
        if any(fails(runner, task.requirement, other, judgement.output) for other in alone):
            return False
    smallest, _ = smallest_failure(runner, task, case, judgement)
    return options_of(smallest) not in needed


def _with_only(case: Case, options: Collection[str]) -> list[Case]:
    """The case without its other options: as it is, and with padding and dilation made part of image and filter."""
    plain = Case.of(case.operation)
    gone = {name: getattr(plain, name) for name in options_of(case).difference(options)}
    sizes: dict[str, Any] = {}
    if "padding" in gone:
        pads = (sum(pads) for _, _, pads, _ in case.geometry)
        sizes["image"] = tuple(map(add, case.image, pads))
    if "dilation" in gone:
        sizes["kernel"] = tuple((k - 1) * d + 1 for k, _, _, d in case.geometry)
    return [replace(case, **gone), replace(case, **gone, **sizes)]


def stale(subject: Subject, runner: Runner, operations: Sequence[str], rows: Iterable[Row]) -> list[str]:
    """Known failures that no longer fail: they would hide the next mistake."""
    hit = {str(failure.case) for row in rows for failure in row.failures}
    declared = [text for text in subject.known_failures if text not in hit]
    of_operations = [t for t in declared if Case.parse(t).operation in (operations or subject.operations)]
    return [text for text in of_operations if not _still_fails(runner, Case.parse(text))]


def _still_fails(runner: Runner, case: Case) -> bool:
    fitting = [name for name, rule in REQUIREMENTS.items() if rule.refuses == bool(case.problem)]
    return any(each.failed for name in fitting for each in judgements_of(runner, name, case))
