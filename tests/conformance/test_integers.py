"""Max pooling of integers: nothing rounds, none is NaN, none has a gradient; int64 is more than float64 holds."""

from typing import Any

import numpy as np
import pytest

import npcnn
from conformance.cases import Case, CaseError
from conformance.cases.arrays import fill
from conformance.kernels import reference
from conformance.kernels.call import Caller
from conformance.kernels.framework import oracle
from conformance.kernels.functions import functions
from conformance.kernels.subject import Subject
from conformance.operations import DTYPES
from conformance.reports.script import script
from conformance.requirements import REQUIREMENTS, Plan
from conformance.requirements.answers import check_answers
from conformance.requirements.state import stories
from conformance.running.claims import claims_of
from conformance.running.in_process import InProcess
from conformance.running.settings import Settings
from conformance.verdicts.judgement import judge, number

INTEGERS = [name for name, dtype in DTYPES.items() if not dtype.rounds]
VALUES = ("integers", "special", "ties", "large")


def case_of(dtype: str, more: str = "") -> Case:
    return Case.parse(
        f"max_pool2d image=5,6 kernel=3,2 padding=1,1 stride=1 return_indices=true dtype={dtype} {more}"
    )


def test_integers_are_what_does_not_round():
    assert INTEGERS == ["uint8", "int8", "int16", "int32", "int64"]


@pytest.mark.parametrize("operation", ["conv2d", "avg_pool2d", "lp_pool2d", "adaptive_max_pool2d"])
def test_a_family_of_real_numbers_has_no_case_of_integers(operation):
    with pytest.raises(CaseError, match=f"dtype=int8: no such dtype of {operation}"):
        Case.parse(f"{operation} dtype=int8")


@pytest.mark.parametrize("dtype", INTEGERS)
def test_a_case_of_integers_has_no_gradient_and_no_grad_output(dtype):
    case = case_of(dtype)
    assert (case.outputs, [*fill(case)]) == (("output", "indices"), ["input"])
    assert fill(case)["input"].dtype == dtype


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("dtype", INTEGERS)
def test_the_reference_is_pytorch(dtype, values):
    pytest.importorskip("torch")
    case = case_of(dtype, f"values={values}")
    arrays = fill(case)
    expected, answered = oracle("torch")(case, arrays), reference.answer(case, arrays)
    assert {name: array.dtype for name, array in answered.items()} == {"output": dtype, "indices": "int64"}
    for name, array in expected.items():
        np.testing.assert_array_equal(answered[name], array)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_large_integers_are_neighbours_at_both_quarters_of_the_range(dtype):
    numbers = np.sort(fill(case_of(dtype, "values=large"))["input"].ravel()).astype(object)
    steps = np.diff(numbers)
    assert steps.min() in (0, 1) and steps.max() > (DTYPES[dtype].range[1] - DTYPES[dtype].range[0]) / 4


def test_large_integers_of_64_bits_are_none_of_float64():
    numbers = fill(case_of("int64", "values=large"))["input"]
    assert (numbers.astype(np.float64).astype(np.int64) != numbers).mean() > 0.9


@pytest.mark.parametrize("values", ["special", "ties"])
def test_the_least_and_the_largest_integer_are_asked(values):
    every = [fill(case_of("int8", f"values={values} seed={seed}"))["input"] for seed in range(10)]
    assert {-128, 127} <= {*np.concatenate(every).ravel().tolist()}


def test_unsigned_integers_lie_on_both_sides_of_what_a_sign_would_turn():
    numbers = fill(case_of("uint8"))["input"]
    assert numbers.min() < 128 <= numbers.max()


@pytest.mark.parametrize(("dtype", "fails"), [("int32", False), ("int64", True)])
def test_a_detour_by_float64_is_seen_where_it_loses_bits(dtype, fails):
    def detour(input: Any, kernel_size: Any, **options: Any) -> Any:
        output, indices = npcnn.max_pool2d(input.astype(np.float64), kernel_size, **options)
        return output.astype(input.dtype), indices

    caller = Caller(Subject({"max_pool2d": detour}, dtypes=(dtype,)))
    judged = check_answers(caller, reference.answer, case_of(dtype, "values=large"))
    assert judged[0].failed == fails


def test_an_error_of_1_is_told_exactly():
    expected = np.array([2**62 - 1])
    said = judge("output", "int64", np.array([2**62]), expected)
    assert said.message == f"output[0] = {2**62}, expected {2**62 - 1}: off by 1, rounding explains 0"
    assert number(np.int64(2**62 + 1)) == "4611686018427387905"


@pytest.mark.parametrize("value", [-128, 127])
def test_the_least_integer_wins_over_padding(value):
    case = Case.parse("max_pool1d image=3 kernel=3 padding=1 stride=1 dtype=int8 return_indices=true")
    answers = reference.answer(case, {"input": np.full((1, 1, 3), value, np.int8)})
    assert answers["output"].ravel().tolist() == [value] * 3
    assert answers["indices"].ravel().tolist() == [0, 0, 1]


def test_nothing_of_integers_is_asked_that_rounds():
    plan = Plan("max_pool2d", "int8", frozenset())
    assert not REQUIREMENTS["rounding"].is_judged(plan)
    values = {case.values for case in REQUIREMENTS["exact"].cases(plan)}
    assert values == {"integers", "uniform", "large"}


def test_what_there_is_not_of_integers_is_said():
    subject = Subject(npcnn, dtypes=("float32", "int8"))
    settings = Settings(["max_pool2d", "avg_pool2d"])
    pool, average = claims_of(subject, InProcess(subject, reference.answer), settings)
    assert (pool.dtypes, average.dtypes) == (("float32", "int8"), ("float32",))
    assert ("max_pool2d", "rounding in int8", "integers are not rounded, and none is NaN") in pool.not_claimed
    assert ("max_pool2d", "gradients in int8", "integers have none") in pool.not_claimed
    assert ("avg_pool2d", "int8", "avg_pool2d is not judged of integer numbers") in average.not_claimed


def test_no_integers_are_asked_of_a_subject_that_declares_none():
    (claims,) = claims_of(
        subject := Subject(npcnn), InProcess(subject, reference.answer), Settings(["max_pool2d"])
    )
    assert claims.dtypes == ("float32", "float64")


def test_an_integer_has_no_backward():
    kernels = functions("max_pool2d")
    image = np.zeros((1, 1, 2, 2), np.int8)
    with pytest.raises(ValueError, match="int8 has no gradient"):
        kernels.max_pool2d_backward(image[..., :1, :1], image, 2)


def test_calls_in_turn_are_made_of_integers_too():
    case = case_of("int8", "values=integers")
    told = [story for story in stories(case, ("conv2d", "max_pool2d")) if story.arrays()]
    assert {story.case.dtype for story in told} == {"int8", "uint8", "float32"}  # conv2d has no int8


@pytest.mark.parametrize(("dtype", "made"), [("int8", ".double()"), ("int64", ".long()")])
def test_a_script_asks_pytorch_in_a_format_that_holds_them(dtype, made):
    subject = Subject(npcnn, name="npcnn", dtypes=(dtype,))
    lines = script(subject, Case.parse(f"max_pool2d image=2,3 kernel=2,2 dtype={dtype}"), "output")
    assert f"torch.tensor(a){made}" in lines and f"np.{dtype}" in lines and "grad_output" not in lines
