"""Which tests a subject has, and what each of them finds; a unit is judged when its first test needs it."""

from __future__ import annotations

import logging
import os
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

import pytest

from conformance import usage
from conformance.cases import Case
from conformance.cases.features import features_of
from conformance.kernels.call import Caller
from conformance.kernels.conditions import numbers_of
from conformance.kernels.framework import TRUSTED
from conformance.kernels.subject import Subject, SubjectError
from conformance.operations import OPERATIONS, OUTPUTS
from conformance.reports.claims import not_claimed
from conformance.reports.findings import Finding
from conformance.reports.progress import Progress
from conformance.reports.run_info import RunInfo
from conformance.reports.text import findings_text
from conformance.requirements import REQUIREMENTS, Plan, Requirement
from conformance.running import known
from conformance.running.claims import Claims, claims_of
from conformance.running.judge import judge
from conformance.running.merge import merge
from conformance.running.runner import Runner
from conformance.running.settings import Settings
from conformance.running.tasks import plan
from conformance.running.workers import ExaminationError
from conformance.verdicts.verdict import Row, Unit

NO_VERDICT = (ExaminationError, SubjectError)  # the suite raised, or no worker starts
LOG = logging.getLogger("conformance")  # what pytest shows of it, and when, --log-cli-level says
LOG_SECONDS = 5.0  # between two lines that say how far it is


def matrix(
    kernels: Any,
    *,
    oracle: str = TRUSTED,
    operations: Sequence[str] = (),
    requirements: Sequence[str] = (),
    dtypes: Sequence[str] = (),
    profile: str = "standard",
    seed: int = 0,
    timeout: float = 10.0,
    in_process: bool = False,
    strict: bool = False,
) -> pytest.MarkDecorator:
    """Parametrize a test over every verdict on kernels: a module, an object, a Subject, or the name of any of them.

    In a test file of one's own:

        import conformance, mykernels

        @conformance.matrix(mykernels, profile="quick")
        def test_mykernels(verdict):
            verdict.check()

    makes one test for each operation, output, requirement and dtype, as
    test_mykernels[conv2d-grad_input-exact-float32].
    `check` passes, fails with the smallest failing case, skips what is not claimed, and xfails a known failure.
    What has a name runs in worker processes; an object made in the test file has none, and runs in this process.
    With pytest-xdist, `--dist loadgroup` keeps the outputs of a unit in one process, where they are judged together.
    """
    declared = usage.declared_in_words(strict=strict)
    subject = usage.subject_of(kernels, declared)
    settings = usage.settings(
        subject, operations=operations, requirements=requirements, dtypes=dtypes, profile=profile, seed=seed
    )
    usage.check_oracle(oracle)
    usage.check_timeout(timeout)
    judged = Matrix(subject, settings, oracle, timeout, in_process, declared)
    return pytest.mark.parametrize("verdict", parameters([*judged.verdicts(), *judged.known_failures()]))


def parameters(verdicts: Sequence[Verdict | KnownFailure]) -> list[Any]:
    """The verdicts as pytest takes them."""
    return [pytest.param(verdict, id=str(verdict)) for verdict in verdicts]


@dataclass(frozen=True)
class Verdict:
    """One output of one unit: judged when checked, together with the unit's other outputs."""

    matrix: Matrix
    unit: Unit
    output: str

    def __str__(self) -> str:
        return "-".join((self.unit.operation, self.output, self.unit.requirement, self.unit.dtype))

    def check(self) -> None:
        """Pass, or say in a few lines what is wrong."""
        __tracebackhide__ = True
        try:
            row = self.matrix.row(self.unit, self.output)
        except NO_VERDICT as error:
            pytest.fail(f"no verdict: {error}", pytrace=False)
        if row.verdict == "not claimed":
            pytest.skip(f"not claimed: {self.matrix.why_not(self.unit, self.output)}")
        if row.failure and row.passed:
            pytest.xfail(f"{row.failure.known or f'{row.failure.fault} does, too'} ({row.failure.case})")
        if not row.passed:
            pytest.fail(self._text(row), pytrace=False)

    def _text(self, row: Row) -> str:
        if row.failure:
            by = [(self.unit.requirement, self.unit.dtype)]
            every = [Finding(failure, by) for failure in row.failures]
            return findings_text(every, self.matrix.subject, self.matrix.run_info)
        none = (
            f"none of {row.cases} cases expects an answer that varies" if row.cases else "no case was judged"
        )
        return f"{self} untested: {none}"

    def as_data(self) -> dict[str, Any]:
        """What the summary needs, as plain data, which travels between processes: a row, or that there is none."""
        subject = {"subject": usage.name_of(self.matrix.subject)}
        if self.matrix.has_judged(self.unit):
            row = self.matrix.row(self.unit, self.output)
            lines = {"lines": self.matrix.news_of_lines()}
            return subject | lines | {"rows": [row.as_data()], "verdict": row.verdict}
        return subject | {"no_verdict": [f"{self.unit.operation} {self.output}"], "verdict": "no verdict"}


@dataclass(frozen=True)
class KnownFailure:
    """A failure that the subject declares: it must still fail, or it would hide the next mistake."""

    matrix: Matrix
    case: str

    def __str__(self) -> str:
        return f"known failure: {self.case}"

    def check(self) -> None:
        __tracebackhide__ = True
        if self.matrix.is_stale(self.case):
            pytest.fail(f"stale known failure, take it out of known_failures: {self.case}", pytrace=False)

    def as_data(self) -> dict[str, Any]:
        """The known failure, where it no longer fails, as far as that was checked."""
        stale = [self.case] if self.matrix.stale.get(self.case) else []
        return {"subject": usage.name_of(self.matrix.subject), "stale": stale, "verdict": "stale"}


class Matrix:
    """A subject and how it is judged; each unit is judged when it is first needed, once.

    stale     of the known failures looked at, which no longer fail
    declared  fields of a Subject that options declare, beside what it declares itself
    """

    def __init__(
        self,
        subject: Subject,
        settings: Settings,
        oracle: str,
        timeout: float = 10.0,
        in_process: bool = False,
        declared: Mapping[str, Any] | None = None,
    ) -> None:
        self.subject, self.settings = subject, settings
        self.run_info = RunInfo(
            oracle,
            settings.profile,
            settings.seed,
            answers=usage.ANSWERS,
            timeout=timeout,
            declared=declared or {},
        )
        self.stale: dict[str, bool] = {}
        self._timeout, self._in_process = timeout, in_process
        self._follows = Progress(LOG.info, LOG_SECONDS, LOG_SECONDS, tell=LOG.info)
        self._judged: dict[Unit, dict[str, Row]] = {}
        self._errors: dict[Unit, Exception] = {}
        self._claims: dict[str, Claims] = {}

    def verdicts(self) -> list[Verdict]:
        """Every verdict there can be: a matter of what is declared, not of what the kernels do."""
        return [
            Verdict(self, unit, output)
            for unit in self._units()
            for output in outputs(unit.operation, unit.requirement, self.settings.profile)
        ]

    def known_failures(self) -> list[KnownFailure]:
        judged = self.settings.operations or self.subject.operations
        texts = self.subject.known_failures
        return [KnownFailure(self, text) for text in texts if Case.parse(text).operation in judged]

    def _units(self) -> Iterator[Unit]:
        caller = Caller(self.subject)
        every = self.settings.dtypes or caller.dtypes
        names = [n for n in self.settings.requirements or REQUIREMENTS if n not in self.settings.skipped]
        for operation in self.settings.operations or self.subject.operations:
            family = OPERATIONS[operation].family
            dtypes = [dtype for dtype in every if dtype in family.dtypes]
            once = "float32" if "float32" in dtypes else dtypes[0] if dtypes else ""
            for requirement in (REQUIREMENTS[name] for name in names):
                if requirement.of_family(family) and self._is_claimed(caller, operation, requirement):
                    for dtype in (each for each in dtypes if requirement.of_dtype(each, each == once)):
                        yield Unit(operation, requirement.name, dtype)

    def _is_claimed(self, caller: Caller, operation: str, requirement: Requirement) -> bool:
        """Whether a kernel claims it, and its source has what its cases follow from, where they follow from that."""
        there = not requirement.of_source or numbers_of(self.subject, operation)[0]
        return bool(there) and not requirement.unclaimed(caller, operation)

    def has_judged(self, unit: Unit) -> bool:
        return unit in self._judged

    def row(self, unit: Unit, output: str) -> Row:
        """The row of an output of a unit; one without cases, where it is not claimed."""
        if unit in self._errors:
            raise self._errors[unit]
        if unit not in self._judged:
            try:
                self._judged[unit] = {row.output: row for row in self._judge(unit)}
            except NO_VERDICT as error:
                self._errors[unit] = error
                raise
        unclaimed = Row(unit, output, not_claimed=1, refuses=REQUIREMENTS[unit.requirement].refuses)
        return self._judged[unit].get(output, unclaimed)

    def news_of_lines(self) -> dict[str, Any]:
        """Which lines ran since this was last asked."""
        return self._runner.ran.news()

    def _judge(self, unit: Unit) -> list[Row]:
        tasks = plan(self.subject, self._claims_of(unit.operation), self.settings)
        task = next((task for task in tasks if task.unit == unit), None)
        return judge(task, self.subject, self._runner, listener=self._follows) if task else []

    def _claims_of(self, operation: str) -> Claims:
        if operation not in self._claims:
            settings = replace(self.settings, operations=(operation,))
            (self._claims[operation],) = claims_of(self.subject, self._runner, settings)
        return self._claims[operation]

    def why_not(self, unit: Unit, output: str) -> str:
        """Why an output of a unit was not judged, as far as it can be told."""
        rows = [row for rows in self._judged.values() for row in rows.values()]
        report = merge(self.subject, rows, claims=self._claims.values())
        claims = [(f, r) for operation, f, r in not_claimed(report) if operation == unit.operation]
        reasons = dict(reversed(claims))
        needed = {"grad_bias": "bias", "indices": "return_indices"}.get(output, "")
        for what in (unit.dtype, output, needed):
            if what in reasons:
                return f"{what} ({reasons[what]})"
        return f"{output} is not judged by {unit.requirement}"

    def is_stale(self, case: str) -> bool:
        """Whether a known failure no longer fails."""
        if case not in self.stale:
            alone = replace(self.subject, known_failures={case: self.subject.known_failures[case]})
            self.stale[case] = bool(known.stale(alone, self._runner, self.settings.operations, ()))
        return self.stale[case]

    @cached_property
    def _runner(self) -> Runner:
        """Workers for as long as this object lives, or the process; one where pytest-xdist already fills the cores."""
        stack = ExitStack()
        jobs = 1 if os.environ.get("PYTEST_XDIST_WORKER") else None
        runner = stack.enter_context(
            usage.runner_of(
                self.subject,
                self.run_info.oracle,
                jobs=jobs,
                in_process=self._in_process,
                timeout=self._timeout,
                declared=self.run_info.declared,
            )
        )
        weakref.finalize(self, stack.close)
        return runner


@cache
def outputs(operation: str, requirement: str, profile: str) -> tuple[str, ...]:
    """The outputs that a requirement judges of an operation: those of its cases, were everything claimed."""
    if fixed := REQUIREMENTS[requirement].outputs:
        return fixed
    plan = Plan(operation, "float32", features_of(operation), profile, numbers=("batch >= 1",))
    every = {output for output in OPERATIONS[operation].outputs if not output.startswith("grad_grad_")}
    judged: set[str] = set()
    for case in REQUIREMENTS[requirement].cases(plan):
        judged |= {"output"} if case.problem else set(case.outputs)
        if judged >= every or case.problem:
            break
    return tuple(output for output in OUTPUTS if output in judged)
