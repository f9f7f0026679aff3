"""The failures of a run, each mistake once, with the command that runs it again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from conformance.cases.case import Case
from conformance.cases.features import features_of
from conformance.cases.shrink import cost, is_part_of, options_of
from conformance.operations import OPERATIONS
from conformance.reports.run_info import RunInfo
from conformance.verdicts.judgement import DEATHS, EXCEPTIONS, GRAVEST
from conformance.verdicts.verdict import Failure, Report, Unit

_PLAIN = {"no bias", "stride=None"}  # features of a case without any option


@dataclass(frozen=True)
class Finding:
    """A failure of one output, and what else is likely to be the same mistake.

    found_by   every requirement, with the dtype, under which it fails
    replay     the command that runs it again; "" for kernels without a name
    also       as which other failures the mistake was seen
    """

    failure: Failure
    found_by: Sequence[tuple[str, str]]
    replay: str = ""
    also: Sequence[Finding] = ()

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
        if self.status not in EXCEPTIONS or self.output not in ("output", "indices") or len(options) != 1:
            return ""
        return f'without=("{options[0]}",) of a conformance.Subject'


@dataclass(frozen=True)
class Mistake:
    """Failures of one output that are one mistake, and the units in which they were found."""

    failures: Sequence[Failure]
    units: Sequence[Unit]

    @property
    def clearest(self) -> Failure:
        """The failure that shows most: explained, simple, placed, and without "from 4 threads: " before its message."""

        def obscurity(failure: Failure) -> tuple[bool, tuple[int, int, int], bool, int]:
            message = len(failure.judgement.message)
            return not failure.diagnosis, cost(failure.case), not failure.where, message

        return min(self.failures, key=obscurity)


def mistakes(report: Report) -> list[Mistake]:
    """The failures of all rows, those that are alike together."""
    every = [(failure, row.unit) for row in report.rows for failure in row.failures]
    groups = _grouped(every, lambda one, other: same(one[0], other[0]))
    return [Mistake([failure for failure, _ in group], [unit for _, unit in group]) for group in groups]


def findings(report: Report, run: RunInfo) -> list[Finding]:
    """Every mistake once: what fails alike under several requirements, and as what else it was seen."""
    found = []
    for mistake in mistakes(report):
        units = dict.fromkeys((unit.requirement, unit.dtype) for unit in mistake.units)
        found.append(with_replay(Finding(mistake.clearest, list(units)), report.subject.name, run))
    causes = _grouped(sorted(found, key=_place), lambda one, other: _same_cause(one.failure, other.failure))
    return [replace(first, also=others) for first, *others in causes]


T = TypeVar("T")


def _grouped(every: Iterable[T], alike: Callable[[T, T], bool]) -> list[list[T]]:
    """Each with those before it of which one is alike."""
    groups: list[list[T]] = []
    for each in every:
        group = next((group for group in groups if any(alike(one, each) for one in group)), None)
        if group is None:
            groups.append(group := [])
        group.append(each)
    return groups


def requirements(found_by: Iterable[tuple[str, str]]) -> str:
    """The requirements that found a failure, each with its dtypes."""
    dtypes: dict[str, list[str]] = {}
    for requirement, dtype in found_by:
        dtypes.setdefault(requirement, []).append(dtype)
    if len({*map(tuple, dtypes.values())}) == 1:
        return f"{', '.join(dtypes)} ({', '.join(next(iter(dtypes.values())))})"
    return ", ".join(f"{name} ({', '.join(of)})" for name, of in dtypes.items())


def with_replay(finding: Finding, subject: str, run: RunInfo) -> Finding:
    """The finding with the command that runs it again on the subject of this name."""
    requirements = [name for name, _ in finding.found_by]
    if finding.failure.shown_by:
        requirements = [finding.failure.shown_by]
    alone = bool(finding.case.problem)  # one requirement judges refused cases: it need not be named
    named = not alone and run.answers.isdisjoint(requirements)
    command = replay_of(subject, str(finding.case), run, requirements[0] if named else "")
    return replace(finding, replay=command)


def replay_of(subject: str, case: str, run: RunInfo, requirement: str = "") -> str:
    """The command that judges a case as a run did; "" for kernels without a name."""
    words = ["conformance", "replay", shlex.quote(subject), f'"{case}"']
    words += ["--requirement", requirement] if requirement else []
    return " ".join([*words, *run.options]) if subject else ""


def same(one: Failure, other: Failure) -> bool:
    """Whether two failures are one mistake: of one output, on one case or by one diagnosis."""
    a, b = one.judgement, other.judgement
    explained = bool(one.diagnosis) and (one.diagnosis, one.known) == (other.diagnosis, other.known)
    alike = (a.output, a.status, one.fault) == (b.output, b.status, other.fault)
    return alike and (one.case == other.case or explained)


def _same_cause(one: Failure, other: Failure) -> bool:
    """Whether two failures of an operation that are not alike may well be one mistake."""
    if one.case.operation != other.case.operation or one.baseline != other.baseline:
        return False
    if any(each.known or each.fault for each in (one, other)):
        return False
    if one.diagnosis and other.diagnosis:
        return one.diagnosis == other.diagnosis
    status = one.judgement.status
    if status != other.judgement.status:
        cascade = one.judgement.output in ("output", "indices") and status == "differs"
        return cascade and other.judgement.status in EXCEPTIONS and is_part_of(one.case, other.case)
    if status in EXCEPTIONS and one.judgement.place and _raised(one) == _raised(other):
        return True
    if status in DEATHS:
        message = status != "crashed" or one.judgement.message == other.judgement.message
        return message and _is_gradient(one) == _is_gradient(other)
    return options_of(one.case) == options_of(other.case)


def _raised(failure: Failure) -> tuple[str, str]:
    """Where an exception came from, and its text, before which the output stands."""
    judgement = failure.judgement
    return judgement.place, judgement.message.removeprefix(judgement.output)


def _is_gradient(failure: Failure) -> bool:
    return failure.judgement.output in failure.case.gradients


def _place(finding: Finding) -> tuple[int, int, int]:
    """Where a finding stands in a report: by operation, what is gravest first."""
    operation = OPERATIONS[finding.case.operation]
    place, output = list(OPERATIONS).index(operation.name), operation.outputs.index(finding.output)
    return place, GRAVEST.index(finding.status), output
