"""What the verdicts of a pytest session say of each subject: their rows, from every process, merged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from conformance.kernels.subject import Subject
from conformance.operations import OPERATIONS
from conformance.reports.advice import advice
from conformance.reports.conclusion import conclusion
from conformance.reports.findings import findings
from conformance.reports.run_info import RunInfo
from conformance.running.merge import merge
from conformance.running.ran import Ran
from conformance.verdicts.verdict import Report, Row


@dataclass
class Summary:
    """What was judged of a subject, and the outputs on which there is no verdict."""

    subject: str
    interrupted: bool = False  # before every test had its turn
    rows: list[Row] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    no_verdict: list[str] = field(default_factory=list)
    ran: Ran = field(default_factory=Ran)

    def add(self, said: Mapping[str, Any]) -> None:
        """What one test says, as plain data."""
        self.rows += map(Row.from_data, said.get("rows", ()))
        self.stale += said.get("stale", ())
        self.no_verdict += said.get("no_verdict", ())
        self.ran.take(said.get("lines", {}))

    @cached_property
    def report(self) -> Report:
        elsewhere = Subject(dict.fromkeys(OPERATIONS, _judged_elsewhere), name=self.subject)
        unreached = self.ran.unreached({row.unit.operation for row in self.rows})
        ended = {"interrupted": True} if self.interrupted else {"unreached": unreached}
        return merge(elsewhere, self.rows, stale=self.stale, **ended)

    @property
    def verdict(self) -> str:
        """conforms, differs, untested, interrupted, or no verdict."""
        return "no verdict" if self.no_verdict else self.report.verdict

    @property
    def advice(self) -> list[str]:
        """What does not fail the kernel, each in a line."""
        return [f"advice: {self.subject}: {each.sentence}" for each in advice(self.report)]

    def __str__(self) -> str:
        last = conclusion(self.report, findings(self.report, RunInfo(oracle="")))
        if not self.no_verdict:
            return f"{last.words}: {self.subject}: {last.because}"
        rest = f"; the rest {last.words}: {last.because}" if self.rows else ""
        return f"no verdict: {self.subject}: {', '.join(dict.fromkeys(self.no_verdict))}{rest}"


def summaries(every: Iterable[Mapping[str, Any]], interrupted: bool = False) -> list[Summary]:
    """A summary of each subject, from what its tests say."""
    by_subject: dict[str, Summary] = {}
    for said in every:
        by_subject.setdefault(said["subject"], Summary(said["subject"], interrupted)).add(said)
    return list(by_subject.values())


def _judged_elsewhere(*_: object) -> None:
    raise NotImplementedError("the kernel is in the process that judged it")
