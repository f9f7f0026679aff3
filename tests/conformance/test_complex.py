"""Convolutions of complex numbers: Gaussian integers, gradients by conjugates, bounds by magnitude."""

import json
from typing import Any

import numpy as np
import pytest

import npcnn
from conformance.audit import right
from conformance.audit.mutants import of
from conformance.cases import Case, CaseError
from conformance.cases.arrays import fill
from conformance.kernels import reference
from conformance.kernels.call import Caller
from conformance.kernels.framework import framework, oracle
from conformance.kernels.functions import functions
from conformance.kernels.subject import Subject
from conformance.operations import DTYPES
from conformance.reports.script import script
from conformance.requirements.answers import check_answers, judge_all
from conformance.running.claims import claims_of
from conformance.running.in_process import InProcess
from conformance.running.settings import Settings
from conformance.verdicts.bounds import bound
from conformance.verdicts.judgement import judge, looked_into, number

COMPLEX = [name for name, dtype in DTYPES.items() if dtype.kind == "complex"]
CASES = (
    "conv2d batch=2 channels=4 image=5,6 kernel=3,2 filters=6 groups=2 stride=2,1 padding=1 bias=true",
    "conv1d channels=2 image=7 kernel=3 padding=same dilation=2",
    "conv_transpose2d batch=2 channels=4 image=3,4 kernel=3,2 filters=6 groups=2 stride=2 padding=1 bias=true",
    "conv_transpose3d channels=2 image=2,3,2 kernel=2,2,3 filters=2 padding=1",
)


def test_complex_numbers_have_two_formats():
    assert COMPLEX == ["complex64", "complex128"]


@pytest.mark.parametrize("operation", ["max_pool2d", "avg_pool2d", "lp_pool2d"])
def test_no_pooling_has_a_case_of_complex_numbers(operation):
    with pytest.raises(CaseError, match="dtype=complex64: no such dtype"):
        Case.parse(f"{operation} dtype=complex64")


@pytest.mark.parametrize("dtype", COMPLEX)
def test_arrays_are_gaussian_integers_of_two_parts(dtype):
    for array in fill(Case.parse(f"{CASES[0]} dtype={dtype}")).values():
        assert array.dtype == dtype
        assert all((part == np.round(part)).all() and part.any() for part in (array.real, array.imag))
        assert (array.real != array.imag).any()


@pytest.mark.parametrize("values", ["integers", "special", "large"])
@pytest.mark.parametrize("text", CASES)
def test_the_reference_is_pytorch(text, values):
    pytest.importorskip("torch")
    case = Case.parse(f"{text} dtype=complex64 values={values}")
    arrays = fill(case)
    expected, caller = oracle("torch")(case, arrays), Caller(Subject(functions(case.operation)))
    judged = judge_all(caller.subject, reference.answer, case, arrays, expected, caller.answer(case, arrays))
    assert [(told.output, told.message) for told in judged if told.failed] == []


def test_a_gradient_is_multiplied_by_the_conjugate():
    case = Case.parse("conv1d dtype=complex128 bias=true")
    arrays = {"input": 1 + 2j, "weight": 3 - 1j, "bias": 1j, "grad_output": 2 + 1j}
    shaped = {n: np.full(case.shapes[n], a) for n, a in arrays.items()}
    answers = {n: a.item() for n, a in reference.answer(case, shaped).items()}
    assert answers == {
        "output": (1 + 2j) * (3 - 1j) + 1j,
        "grad_input": (2 + 1j) * (3 + 1j),
        "grad_weight": (2 + 1j) * (1 - 2j),
        "grad_bias": 2 + 1j,
    }


@pytest.mark.parametrize("dtype", COMPLEX)
@pytest.mark.parametrize("text", CASES)
@pytest.mark.parametrize("values", ["integers", "mean_zero", "non_negative", "spread", "special"])
def test_a_convolution_by_three_real_ones_is_right(text, values, dtype):
    subject = Subject(right.ALL["complex_by_three"].subject(), dtypes=(dtype,))
    judged = check_answers(
        Caller(subject), reference.answer, Case.parse(f"{text} dtype={dtype} values={values}")
    )
    assert [(told.output, told.message) for told in judged if told.failed] == []


def test_the_bound_is_one_of_magnitudes():
    case = Case.parse("conv1d image=2 kernel=2 dtype=complex64 values=spread")
    arrays = {n: np.full(shape, 3 + 4j, np.complex64) for n, shape in case.shapes.items()}
    limits = bound(case, arrays, reference.answer(case, arrays), reference.answer, "direct")
    size, u = 2 * 25, 2.0**-24
    assert limits["output"].item() == pytest.approx(4 * ((2 + 1) + 1) * u * size)


def judged(got: complex, expected: complex, limit: float) -> Any:
    return judge(
        "output", "complex64", np.array([got], np.complex64), np.array([expected]), np.array([limit])
    )


@pytest.mark.parametrize(("got", "fails"), [(1 + 1.0001j, False), (1.001 + 1j, True), (1 - 1j, True)])
def test_an_error_is_the_magnitude_of_a_difference(got, fails):
    assert judged(got, 1 + 1j, 2e-4).failed == fails


def test_a_wrong_number_is_told_with_both_parts_and_kept_as_two():
    told = judged(1 - 2j, 1 + 2j, 0.0)
    assert told.message == "output[0] = 1-2j, expected 1+2j: off by 4, rounding explains 0"
    assert json.loads(json.dumps(told.answer)) == [[1, -2]]
    assert looked_into(told, "complex64").tolist() == [1 - 2j]
    assert number(np.complex64(0.5 + 1j)) == "0.5+1j"


def test_special_values_of_complex_numbers_are_no_infinities_which_is_said():
    cases = [Case.parse(f"{CASES[0]} dtype=complex64 values=special seed={seed}") for seed in range(12)]
    arrays = [array for case in cases for array in fill(case).values()]
    assert any(np.isnan(array).any() for array in arrays)
    assert not any(np.isinf(array).any() for array in arrays)
    subject = Subject(npcnn, dtypes=("complex64",))
    (claims,) = claims_of(subject, InProcess(subject, reference.answer), Settings(["conv2d"]))
    assert "infinities in complex64" in {what for _, what, _ in claims.not_claimed}


def test_a_mistake_with_real_numbers_explains_none_with_complex_ones():
    case = Case.parse("conv2d image=3,4 kernel=2,2 dtype=complex64")
    silent = [mutant for mutant in of("conv2d") if mutant.pure and not mutant.changes(case, fill(case))]
    assert {mutant.table for mutant in of("conv2d") if mutant.pure and mutant not in silent} == {"complex"}


def test_a_script_asks_pytorch_for_complex_numbers():
    subject = Subject(npcnn, name="npcnn", dtypes=("complex64",))
    text = script(subject, Case.parse("conv2d dtype=complex64 values=special"), "grad_weight")
    assert "torch.tensor(a).to(torch.complex128).requires_grad_()" in text
    assert "np.frombuffer" in text  # an imaginary part that is NaN has no words


@pytest.mark.parametrize("name", ["torch", "jax"])
def test_complex_numbers_go_to_a_framework_and_back(name):
    pytest.importorskip(name)
    array = fill(Case.parse("conv2d image=3,4 dtype=complex64"))["input"]
    its = framework(name)
    back = its.to_numpy(its.from_numpy(array, None).conj())
    assert back.dtype == array.dtype and np.array_equal(back, array.conj())
