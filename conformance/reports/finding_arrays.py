"""The arrays of a finding's smallest case, and what was got, expected and allowed there: what a picture is made of."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from conformance.cases.arrays import Array
from conformance.kernels.framework import REFERENCE, oracle
from conformance.kernels.subject import Subject
from conformance.reports.findings import Finding
from conformance.requirements import REQUIREMENTS
from conformance.requirements.answers import expected_of
from conformance.verdicts.judgement import DIFFERS, LOOKED_INTO, looked_into, number


class Shown(NamedTuple):
    """An array; its values row by row where there are few, else None, and one that JSON lacks as text."""

    name: str
    shape: list[int]
    dtype: str
    values: Any


def arrays_of(finding: Finding, subject: Subject) -> list[Shown]:
    """The arguments of the smallest case, then got, expected and bound; nothing where a call has other arrays.

    Expected is the reference's answer in float64. A bound is there where an answer need not be equal.
    """
    case = finding.case
    plain = [REQUIREMENTS[name] for name, _ in finding.found_by if REQUIREMENTS[name].plain]
    if case.problem or not plain or case.size > LOOKED_INTO:
        return []
    with np.errstate(all="ignore"):
        arguments = plain[0].fill(case)
    shown = [_shown(name, array) for name, array in arguments.items()]
    if finding.status != DIFFERS or finding.failure.judgement.answer is None:
        return shown
    expected, limits = expected_of(subject, oracle(REFERENCE), case, arguments)
    got = looked_into(finding.failure.judgement, case.dtype)
    answers = {"got": got, "expected": expected[finding.output], "bound": limits.get(finding.output)}
    return [*shown, *(_shown(name, array) for name, array in answers.items() if array is not None)]


def _shown(name: str, array: Array) -> Shown:
    values = _plain(array.tolist()) if array.size <= LOOKED_INTO else None
    return Shown(name, list(array.shape), array.dtype.name, values)


def _plain(values: Any) -> Any:
    """Nested lists of what JSON has: no NaN, no infinity, no complex number."""
    if isinstance(values, list):
        return [_plain(each) for each in values]
    fits = isinstance(values, (bool, int)) or (isinstance(values, float) and np.isfinite(values))
    return values if fits else number(values)
