"""Cases examined right here, for a debugger and for kernels that cannot be named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from conformance.cases import Case
from conformance.kernels.call import Caller
from conformance.kernels.framework import Oracle
from conformance.kernels.load import load
from conformance.kernels.subject import Subject
from conformance.kernels.surroundings import restored
from conformance.running.ran import Near, Ran
from conformance.running.runner import Examined, examine
from conformance.verdicts.judgement import Judgement


@dataclass(frozen=True)
class InProcess:
    """Examines cases in this process, which a crash ends."""

    subject: Subject
    oracle: Oracle
    isolated = False

    def examine(self, requirement: str, cases: Iterable[Case]) -> Iterator[Examined]:
        for case in cases:
            with restored(seldom=False):
                judgements = examine(self._caller, self.oracle, requirement, case)
            yield case, judgements

    @cached_property
    def _caller(self) -> Caller:
        return Caller(self.subject)

    def near(
        self, requirement: str, case: Case, sought: Sequence[tuple[str, int]]
    ) -> tuple[list[Judgement], list[Near]]:
        return examine(self._caller, self.oracle, requirement, case), []

    def in_new_process(self, requirement: str, case: Case) -> list[Judgement]:
        return []

    @property
    def ran(self) -> Ran:
        return Ran(unknown="its functions ran in this process")

    def of(self, name: str) -> InProcess:
        return InProcess(load(name), self.oracle)

    @property
    def patient(self) -> InProcess:
        return self

    @property
    def shrinking(self) -> InProcess:
        return self
