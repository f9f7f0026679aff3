"""Who examines cases, and what one case says of a subject."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from conformance.cases import Case
from conformance.kernels.call import Caller
from conformance.kernels.framework import Oracle
from conformance.requirements import REQUIREMENTS
from conformance.running.ran import Near, Ran
from conformance.verdicts.judgement import Judgement

OneJudgement = tuple[Case, Judgement]  # of one output
Examined = tuple[Case, list[Judgement]]  # of every output


class Runner(Protocol):
    """Who examines cases: this process or workers; the judgements come in the order of the cases."""

    def examine(self, requirement: str, cases: Iterable[Case]) -> Iterator[Examined]: ...

    def in_new_process(self, requirement: str, case: Case) -> list[Judgement]:
        """What a case says first thing in a new process; nothing where there is none to be had."""

    def near(
        self, requirement: str, case: Case, sought: Sequence[tuple[str, int]]
    ) -> tuple[list[Judgement], list[Near]]:
        """What a case says, and how far it was from stretches of the subject that no case ran."""

    @property
    def isolated(self) -> bool:
        """Whether a subject that ends its process does not end this one."""

    @property
    def ran(self) -> Ran:
        """Which lines of the subject did."""

    def of(self, name: str) -> Runner:
        """Who examines another subject likewise."""

    @property
    def patient(self) -> Runner:
        """The same, where a hang is believed only of a case that has had all of its time."""

    @property
    def shrinking(self) -> Runner:
        """The same in a hurry, for the many candidates of a smaller case."""


def examine(caller: Caller, oracle: Oracle, requirement: str, case: Case) -> list[Judgement]:
    """What one case says of a subject: a judgement for each output."""
    if not caller.claims(case):
        return [Judgement(output, "not claimed") for output in REQUIREMENTS[requirement].outputs_of(case)]
    return REQUIREMENTS[requirement].check(caller, oracle, case)


def judgements_of(runner: Runner, requirement: str, case: Case) -> list[Judgement]:
    ((_, judgements),) = runner.examine(requirement, [case])
    return judgements


def fails(runner: Runner, requirement: str, case: Case, output: str) -> Judgement | None:
    """The judgement of an output, where it is a failure."""
    judgements = judgements_of(runner, requirement, case)
    return next((each for each in judgements if each.output == output and each.failed), None)
