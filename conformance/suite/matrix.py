"""Which tests a subject has, and what each of them finds: the pipeline, judged a unit at a time."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

import pytest

from conformance import pipeline, usage
from conformance.cases import Case
from conformance.cases.features import features_of
from conformance.kernels.call import Caller
from conformance.kernels.framework import TRUSTED
from conformance.kernels.subject import Subject, SubjectError
from conformance.operations import OPERATIONS, OUTPUTS
from conformance.pipeline import Runner, Settings
from conformance.reports.claims import not_claimed
from conformance.reports.findings import Finding as Found
from conformance.reports.run_info import RunInfo as Asked
from conformance.reports.text import findings_text as row_text
from conformance.requirements import REQUIREMENTS, Plan
from conformance.verdicts.verdict import Report, Row, Unit
from conformance.workers import ExaminationError

NO_VERDICT = (ExaminationError, SubjectError)  # the suite raised, or no worker starts


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
    subject = usage.subject_of(kernels)
    settings = usage.settings(
        subject, operations=operations, requirements=requirements, dtypes=dtypes, profile=profile, seed=seed
    )
    usage.check_oracle(oracle)
    usage.check_timeout(timeout)
    judged = Matrix(subject, settings, oracle, timeout, in_process)
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
            row = self.matrix.rows(self.unit).get(self.output)
        except NO_VERDICT as error:
            pytest.fail(f"no verdict: {error}", pytrace=False)
        if row is None or row.verdict == "not claimed":
            pytest.skip(f"not claimed: {self.matrix.why_not(self.unit, self.output)}")
        if row.failure and row.failure.known:
            pytest.xfail(f"{row.failure.known} ({row.failure.case})")
        if row.verdict == "untested":
            judged = (
                f"none of {row.cases} cases expects an answer that varies"
                if row.cases
                else "no case was asked"
            )
            pytest.fail(f"{self} untested: {judged}", pytrace=False)
        if not row.passed:
            pytest.fail(self._text(row), pytrace=False)

    def _text(self, row: Row) -> str:
        by = [(self.unit.requirement, self.unit.dtype)]
        new = [Found(row.failure, by)] if row.failure else []
        return row_text(new, self.matrix.subject, self.matrix.asked)

    def told(self) -> dict[str, Any]:
        """What the summary needs of a judged verdict: plain data, which travels between processes."""
        row = self.matrix.judged.get(self.unit, {}).get(self.output)
        unknown = "not claimed" if self.unit in self.matrix.judged else "without a verdict"
        told = self.matrix.named | {
            "unit": "-".join((self.unit.operation, self.unit.requirement, self.unit.dtype)),
            "what": f"{self.unit.operation} {self.output}",
        }
        if row is None:
            return told | {"verdict": unknown, "cases": 0, "share": 0.0}
        return told | {"verdict": row.verdict, "cases": row.cases, "share": row.share}


@dataclass(frozen=True)
class KnownFailure:
    """A failure that the subject declares: it must still fail, or it would hide the next mistake."""

    matrix: Matrix
    case: str

    def __str__(self) -> str:
        return f"known failure: {self.case}"

    def check(self) -> None:
        __tracebackhide__ = True
        if self.matrix.stale(self.case):
            pytest.fail(f"stale known failure, take it out of known_failures: {self.case}", pytrace=False)

    def told(self) -> dict[str, Any]:
        told = self.matrix.named | {"unit": str(self), "what": str(self)}
        return told | {"verdict": "no longer fails", "cases": 0, "share": 0.0}


class Matrix:
    """A subject and how it is asked; each unit is judged when it is first needed, once."""

    def __init__(
        self,
        subject: Subject,
        settings: Settings,
        oracle: str,
        timeout: float = 10.0,
        in_process: bool = False,
    ) -> None:
        self.subject, self.settings = subject, settings
        self.asked = Asked(oracle, settings.profile, settings.seed, answers=usage.ANSWERS, timeout=timeout)
        self.judged: dict[Unit, dict[str, Row]] = {}
        self.failed: dict[Unit, Exception] = {}
        self._timeout, self._in_process = timeout, in_process
        self._plans: dict[str, dict[str, Plan]] = {}
        self._report = Report(subject)  # collects what is not claimed

    @property
    def named(self) -> dict[str, Any]:
        return {"subject": self.subject.name or "the subject"}

    def verdicts(self) -> list[Verdict]:
        """Every verdict there can be: a matter of what is declared, not of what the kernels do."""
        return [
            Verdict(self, unit, output)
            for unit in self._units()
            for output in outputs(unit.operation, unit.requirement, self.settings.profile)
        ]

    def known_failures(self) -> list[KnownFailure]:
        asked = self.settings.operations or self.subject.operations
        return [
            KnownFailure(self, t) for t in self.subject.known_failures if Case.parse(t).operation in asked
        ]

    def _units(self) -> Iterator[Unit]:
        dtypes = self.settings.dtypes or Caller(self.subject).dtypes
        for operation in self.settings.operations or self.subject.operations:
            for name in self.settings.requirements or REQUIREMENTS:
                once = "float32" if "float32" in dtypes else dtypes[0] if dtypes else ""
                for dtype in dtypes:
                    if REQUIREMENTS[name].every_dtype or dtype == once:
                        yield Unit(operation, name, dtype)

    def rows(self, unit: Unit) -> dict[str, Row]:
        """The rows of a unit, by output; none where its dtype is not claimed."""
        if unit in self.failed:
            raise self.failed[unit]
        if unit not in self.judged:
            try:
                plan = self._plan(unit)
                rows = pipeline.judge_unit(self.subject, self._runner, plan, unit.requirement) if plan else []
            except NO_VERDICT as error:
                self.failed[unit] = error
                raise
            self.judged[unit] = {row.output: row for row in rows}
        return self.judged[unit]

    def why_not(self, unit: Unit, output: str) -> str:
        """Why an output of a unit was not judged, as far as it can be told."""
        self._report.rows = [row for rows in self.judged.values() for row in rows.values()]
        claims = [(f, r) for operation, f, r in not_claimed(self._report) if operation == unit.operation]
        reasons = dict(reversed(claims))
        needed = {"grad_bias": "bias", "indices": "return_indices"}.get(output, "")
        for what in (unit.dtype, output, needed):
            if what in reasons:
                return f"{what} ({reasons[what]})"
        return f"{output} is not judged by {unit.requirement}"

    def stale(self, case: str) -> bool:
        """Whether a known failure no longer fails."""
        alone = replace(self.subject, known_failures={case: self.subject.known_failures[case]})
        return bool(pipeline.stale_failures(alone, self._runner, Report(alone), self.settings))

    def _plan(self, unit: Unit) -> Plan | None:
        if unit.operation not in self._plans:
            settings = replace(self.settings, operations=(unit.operation,))
            plans = pipeline.plans(self.subject, self._runner, settings, self._report)
            self._plans[unit.operation] = {plan.dtype: plan for plan in plans}
        return self._plans[unit.operation].get(unit.dtype)

    @cached_property
    def _runner(self) -> Runner:
        """Workers for as long as this object lives, or the process; one where pytest-xdist already fills the cores."""
        stack = ExitStack()
        jobs = 1 if os.environ.get("PYTEST_XDIST_WORKER") else None
        runner = stack.enter_context(
            usage.runner_of(
                self.subject, self.asked.oracle, jobs=jobs, in_process=self._in_process, timeout=self._timeout
            )
        )
        weakref.finalize(self, stack.close)
        return runner


@cache
def outputs(operation: str, requirement: str, profile: str) -> tuple[str, ...]:
    """The outputs that a requirement asks of an operation: those of its cases, were everything claimed."""
    plan = Plan(operation, "float32", features_of(operation), profile)
    every = set(OPERATIONS[operation].outputs)
    asked: set[str] = set()
    for case in REQUIREMENTS[requirement].cases(plan):
        asked |= {"output"} if case.problem else set(case.outputs)
        if asked >= every or case.problem:
            break
    return tuple(output for output in OUTPUTS if output in asked)
