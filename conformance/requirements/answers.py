"""Is the answer right? What most requirements check."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeGuard

import numpy as np

from conformance.cases import Case
from conformance.cases.arrays import Array, Arrays, fill
from conformance.cases.units import UNITS
from conformance.cases.values import REALS
from conformance.cases.values import inexact as inexact_of
from conformance.kernels.answer import Answer
from conformance.kernels.call import Caller
from conformance.kernels.framework import Oracle
from conformance.kernels.subject import Subject
from conformance.operations import DTYPES
from conformance.operations.dtypes import REAL
from conformance.requirements.plan import TRANSFORMS
from conformance.verdicts.bounds import bound, undecided
from conformance.verdicts.coefficients import in_words
from conformance.verdicts.judgement import Judgement, advised, judge, shares
from conformance.verdicts.summation import order_of

LESS_THAN_HALF = 0.49  # what an integer may be off to be right once it is rounded

FLUSHED = "subnormal numbers are lost: PyTorch keeps them, what is compiled with -ffast-math does not"


def check_answers(caller: Caller, oracle: Oracle, case: Case) -> list[Judgement]:
    """Every output against the oracle's: equal on integers, within the derived bound on reals."""
    arrays = fill(case)
    expected = oracle(case, arrays)
    given = {name: array.copy() for name, array in arrays.items()}  # a kernel may write to those that it gets
    answers = caller.answer(case, arrays, judged_outputs(caller.subject, case, arrays))
    judged = judge_all(caller.subject, oracle, case, given, expected, answers)
    if case.values != "subnormal" or not any(each.failed for each in judged):
        return judged
    usual = check_answers(caller, oracle, replace(case, values="integers"))
    right = {each.output for each in usual if not each.failed}
    return [
        advised(each.output, FLUSHED, caller.subject.strict)
        if each.failed
        and each.output in right
        and _is_flushed(case, answers[each.output], expected[each.output])
        else each
        for each in judged
    ]


def _is_flushed(case: Case, got: Answer, expected: Array) -> bool:
    """Whether it is off by no more than what sums of subnormal numbers come to."""
    if not _is_number(got, case, expected):
        return False
    lost = np.abs(got.astype(np.float64) - expected)
    return bool((lost <= DTYPES[case.dtype].exact * DTYPES[case.dtype].subnormal).all())


def judge_all(
    subject: Subject,
    oracle: Oracle,
    case: Case,
    arrays: Arrays,
    expected: dict[str, Array],
    answers: dict[str, Answer],
) -> list[Judgement]:
    arrays = as_filled(case, arrays)
    limits = limits_of(subject, oracle, case, arrays, expected)
    numbers = {name: got for name, got in answers.items() if _is_number(got, case, expected[name])}
    for name, answer in case.family.skipping(case, arrays).items():
        if name in numbers:
            expected = expected | {name: np.where(np.isnan(numbers[name]), expected[name], answer)}
    for name, more in case.family.may_be_nan(case, arrays).items():
        if name in numbers:
            expected = expected | {name: np.where(np.isnan(numbers[name]) & more, np.nan, expected[name])}
    for name, free in undecided(case, arrays, subject.sums).items():
        if name in numbers:
            expected = expected | {name: np.where(free, numbers[name], expected[name])}
    judged = []
    for name, got in answers.items():
        limit = limits.get(name)
        said = judge(name, case.dtype, got, expected[name], limit)
        if said.failed and name in numbers:
            right = _in_range(case, numbers[name], expected[name], limit)
            said = _read(
                case, arrays, judge(name, case.dtype, got, right, limit), shares(numbers[name], right, limit)
            )
        if name == "output" and name in numbers and (order := order_of(case, numbers[name])):
            said = said._replace(order=list(order))
        judged.append(said)
    return judged


def _read(case: Case, arrays: Arrays, said: Judgement, share: Array) -> Judgement:
    """With what the worst element stands for, where its case reads the kernel out."""
    if not said.failed or case.values not in UNITS:
        return said
    place = tuple(map(int, np.unravel_index(int(share.argmax()), share.shape)))
    words = in_words(case, arrays, said.output, place)
    return said._replace(message=f"{said.message}; {words}") if words else said


def _is_number(got: Answer, case: Case, expected: Array) -> TypeGuard[Array]:
    """Whether it has the shape and dtype that it should have, so that only its numbers may be wrong."""
    dtype = DTYPES[case.dtype].numpy
    return isinstance(got, np.ndarray) and got.shape == expected.shape and got.dtype == dtype


def _in_range(case: Case, got: Array, expected: Array, limit: Array | None) -> Array:
    """Expected, where the right number may round to an infinity, is that, if it was answered."""
    if DTYPES[case.dtype].kind != REAL:
        return expected
    beyond = np.abs(expected) + (0 if limit is None else limit) >= DTYPES[case.dtype].beyond
    return np.where(beyond & np.isinf(got) & (np.sign(got) == np.sign(expected)), got, expected)


def as_filled(case: Case, arrays: Arrays) -> Arrays:
    """The arrays in their shapes, whatever the kernel did to them: the oracle gets them too."""
    shapes = case.shapes
    if all(array.shape == shapes[name] for name, array in arrays.items()):
        return arrays
    return {name: array.reshape(shapes[name]) for name, array in arrays.items()}


def expected_of(
    subject: Subject, oracle: Oracle, case: Case, arrays: Arrays
) -> tuple[dict[str, Array], dict[str, Array]]:
    """What an oracle answers, and the bounds of a subject's answers."""
    with np.errstate(all="ignore"):
        expected = oracle(case, arrays)
        return expected, limits_of(subject, oracle, case, arrays, expected)


def limits_of(
    subject: Subject, oracle: Oracle, case: Case, arrays: Arrays, expected: dict[str, Array]
) -> dict[str, Array]:
    """The bound of each output that need not be equal bit for bit.

    A quotient rounds, so average pooling has one even on integers: that of any data; so have outputs that the subject
    scales, and sums too long to be exact. So do transforms, and their answers must be right once they are rounded to
    integers: off by less than a half.
    """
    transforms = case.family.bilinear and subject.accuracy in TRANSFORMS
    rounded = case.values in REALS or transforms or case.family.divides
    scaled = expected.keys() & subject.scaled
    inexact = scaled | (inexact_of(case) & expected.keys())
    if not rounded and not inexact:
        return {}
    limits = bound(case, arrays, expected, oracle, subject.accuracy, scaled, subject.sums)
    if not rounded:
        return {name: limits[name] for name in inexact}
    if transforms and case.values not in REALS:
        limits = {name: np.minimum(limit, LESS_THAN_HALF) for name, limit in limits.items()}
    return limits


def judged_outputs(subject: Subject, case: Case, arrays: Arrays) -> tuple[str, ...]:
    """The outputs that this case can judge: not what no kernel is held to."""
    if case.family.chosen and subject.ties == "any":
        ties = np.unique(arrays["input"]).size < arrays["input"].size
        return ("output",) if ties else case.outputs
    return case.outputs


def same(one: dict[str, Answer], other: dict[str, Answer]) -> bool:
    """Whether two answers to one question are the same, bit for bit; how a call fails need not be."""
    pairs = ((one[name], other[name]) for name in one)
    arrays = ((a, b) for a, b in pairs if isinstance(a, np.ndarray) or isinstance(b, np.ndarray))
    return all(type(a) is type(b) and np.array_equal(a, b, equal_nan=True) for a, b in arrays)  # type: ignore[arg-type]


def is_forward(output: str) -> bool:
    return output in ("output", "indices")
