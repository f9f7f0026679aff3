"""The failures of a run, each mistake once, with the command that runs it again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

from conformance.cases.case import Case
from conformance.cases.features import features_of
from conformance.cases.shrink import cost
from conformance.kernels.framework import TRUSTED
from conformance.operations import OPERATIONS
from conformance.reports.run_info import RunInfo
from conformance.verdicts.verdict import Failure, Report, Row

_PLAIN = {"no bias", "stride=None"}  # features of a case without any option


@dataclass(frozen=True)
class Finding:
    """A failure of one output.

    found_by   every requirement, with the dtype, under which it fails
    replay     the command that runs it again; "" for kernels without a name
    """

    failure: Failure
    found_by: Sequence[tuple[str, str]]
    replay: str = ""

    @property
    def case(self) -> Case:
        return self.failure.case

    @property
    def output(self) -> str:
        return self.failure.judgement.output

    @property
    def status(self) -> str:
        return self.failure.judgement.status

    @property
    def declaration(self) -> str:
        """How to declare the one option that a kernel refuses; "" where it is no matter of one option."""
        features = features_of(self.case.operation)
        unknown = re.findall(r"unexpected keyword argument '(\w+)'", self.failure.judgement.message)
        options = [*features.intersection(unknown)] or sorted(self.case.needs & features - _PLAIN)
        if self.status != "refused" or self.output not in ("output", "indices") or len(options) != 1:
            return ""
        return f'without=("{options[0]}",) of a conformance.Subject'


def findings(report: Report, run: RunInfo) -> list[Finding]:
    """Every failure once: the same output failing on one case, or by one diagnosis, under several requirements."""
    groups: list[list[Row]] = []
    for row in (row for row in report.rows if row.failure):
        group = next((group for group in groups if _same(_clearest(group), _clearest([row]))), None)
        if group is None:
            groups.append(group := [])
        group.append(row)
    every = (
        Finding(_clearest(group), [(r.unit.requirement, r.unit.dtype) for r in group]) for group in groups
    )
    return sorted((with_replay(each, report.subject.name, run) for each in every), key=_place)


def with_replay(finding: Finding, subject: str, run: RunInfo) -> Finding:
    """The finding with the command that runs it again on the subject of this name."""
    if not subject:
        return finding
    words = ["conformance", "replay", shlex.quote(subject), f'"{finding.case}"']
    requirements = [name for name, _ in finding.found_by]
    if finding.failure.shown_by:
        requirements = [finding.failure.shown_by]
    if not finding.case.problem and run.answers.isdisjoint(requirements):  # one alone judges refused cases
        words += ["--requirement", requirements[0]]
    if run.oracle != TRUSTED:
        words += ["--oracle", run.oracle]
    if run.timeout != RunInfo.timeout:
        words += ["--timeout", f"{run.timeout:g}"]
    return replace(finding, replay=" ".join(words))


def _clearest(rows: Sequence[Row]) -> Failure:
    """The failure that shows most: explained, simple, placed, and without "from 4 threads: " before its message."""

    def obscurity(failure: Failure) -> tuple[bool, tuple[int, int, int], bool, int]:
        return not failure.diagnosis, cost(failure.case), not failure.where, len(failure.judgement.message)

    return min((row.failure for row in rows if row.failure), key=obscurity)


def _same(one: Failure, other: Failure) -> bool:
    a, b = one.judgement, other.judgement
    explained = bool(one.diagnosis) and (one.diagnosis, one.known) == (other.diagnosis, other.known)
    alike = (a.output, a.status, one.fault) == (b.output, b.status, other.fault)
    return alike and (one.case == other.case or explained)


def _place(finding: Finding) -> tuple[int, int]:
    """Where a finding stands in a report."""
    operation = OPERATIONS[finding.case.operation]
    return list(OPERATIONS).index(operation.name), operation.outputs.index(finding.output)
