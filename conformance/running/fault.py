"""Whose fault a failure is: not the kernel's, where the framework that it is written with fails the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from conformance.cases import Case
from conformance.kernels.framework import about, framework
from conformance.kernels.subject import Subject
from conformance.running.runner import Runner, fails
from conformance.verdicts.judgement import DIFFERS, Judgement

AGAIN = 3  # calls of a subject, for its wrong numbers to be others
OFTEN = 12  # calls of a framework's own function, for it to fail as well: a race is lost now and then


@dataclass
class Faults:
    """Asks the framework's own functions what the subject fails at."""

    subject: Subject
    runner: Runner
    asked: dict[tuple[str, Case, str], Judgement | None] = field(default_factory=dict)

    def of_framework(self, requirement: str, case: Case, judgement: Judgement) -> str:
        """Whose fault it is, as "PyTorch's own conv2d"; "" where it is that of the subject."""
        if not self._framework or not self._has(case.operation):
            return ""
        question = requirement, case, judgement.output
        if question not in self.asked:
            self.asked[question] = fails(self._own_runner, *question)
        if _is_same(self.asked[question], judgement) or self._vary_both(question, judgement):
            return f"{about(self._framework).title}'s own {case.operation}"
        return ""

    def _vary_both(self, question: tuple[str, Case, str], judgement: Judgement) -> bool:
        """Whether neither gives the same wrong numbers twice, as where PyTorch reads what another thread writes."""
        if judgement.status != DIFFERS or not _varies(self.runner, question, judgement, AGAIN):
            return False
        own = self._own_runner
        failure = next(filter(None, (fails(own, *question) for _ in range(OFTEN))), None)
        return failure is not None and failure.status == DIFFERS and _varies(own, question, failure, OFTEN)

    @cached_property
    def _own_runner(self) -> Runner:
        return self.runner.of(self._framework)

    @property
    def _framework(self) -> str:
        """The framework whose functions may be at fault: none for themselves, nor for what runs elsewhere."""
        name = self.subject.array_framework
        itself = self.subject.name.partition(":")[0] == name
        return "" if itself or self.subject.device or not about(name).variants else name

    @cached_property
    def _own(self) -> Any:
        kernels = framework(self._framework).kernels
        return kernels("") if kernels else {}

    def _has(self, operation: str) -> bool:
        """Whether the framework has the operation, and the subject's is another function."""
        return operation in self._own and self._own[operation] is not self.subject.function(operation)


def _varies(runner: Runner, question: tuple[str, Case, str], judgement: Judgement, times: int) -> bool:
    return not all(_is_same(fails(runner, *question), judgement) for _ in range(times))


def _is_same(one: Judgement | None, other: Judgement) -> bool:
    """Whether two failures are one: they end alike, and where both answer, with the same numbers."""
    if one is None or one.status != other.status:
        return False
    if one.status != DIFFERS:
        return True
    if one.answer is None or other.answer is None:
        return one.answer is other.answer and one.message == other.message
    return _are_equal(one.answer, other.answer)


def _are_equal(one: Any, other: Any) -> bool:
    """Whether nested lists hold the same numbers, and NaN in the same places."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_are_equal, one, other))
    return bool(one == other or (one != one and other != other))
