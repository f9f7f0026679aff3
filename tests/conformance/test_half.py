"""Half precision: float16 and bfloat16, and how their sums are held."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from conformance.audit.mutants.orders import left_to_right, summed
from conformance.cases import Case
from conformance.cases.arrays import fill
from conformance.cases.covering import explore
from conformance.cases.features import features_of
from conformance.kernels import reference
from conformance.kernels.call import Caller
from conformance.kernels.framework import framework
from conformance.kernels.functions import by_reference, functions
from conformance.kernels.subject import Subject
from conformance.operations import DTYPES
from conformance.requirements import Plan
from conformance.requirements.answers import check_answers

HALF = [name for name, dtype in DTYPES.items() if dtype.narrow]
REAL = [name for name, dtype in DTYPES.items() if dtype.kind == "real"]


def test_half_precision_is_what_is_summed_in_a_wider_format():
    assert HALF == ["bfloat16", "float16"]


@pytest.mark.parametrize("dtype", REAL)
def test_the_arrays_of_a_case_have_its_dtype(dtype):
    assert {array.dtype.name for array in fill(Case.parse(f"conv2d dtype={dtype} bias=true")).values()} == {
        dtype
    }


@pytest.mark.parametrize("dtype", REAL)
def test_the_largest_number_is_the_last_before_infinity(dtype):
    with np.errstate(over="ignore"):
        largest, beyond = (
            np.array(x).astype(DTYPES[dtype].numpy) for x in (DTYPES[dtype].largest, DTYPES[dtype].beyond)
        )
    assert float(largest) == DTYPES[dtype].largest and np.isinf(beyond)


@pytest.mark.parametrize("name", ["torch", "jax"])
def test_bfloat16_goes_to_a_framework_and_back(name):
    pytest.importorskip(name)
    array = fill(Case.parse("conv2d image=3,4 dtype=bfloat16 values=mean_zero"))["input"]
    there = framework(name).from_numpy(array, None)
    back = framework(name).to_numpy(there)
    assert "bfloat16" in str(there.dtype) and back.dtype == array.dtype
    assert np.array_equal(back.astype(float), array.astype(float))


def judged(dtype, compute=None, values=("mean_zero", "integers", "overflowing"), **declared):
    """Which outputs of these kernels differ from the reference, on some cases."""
    caller = Caller(Subject(functions("conv2d", compute), dtypes=(dtype,), **declared))
    cases = itertools.product(explore("conv2d", features_of("conv2d"), 12, 0), values)
    judgements = (
        each
        for case, values in cases
        for each in check_answers(caller, reference.answer, replace(case, values=values, dtype=dtype))
    )
    return {each.output for each in judgements if each.failed}


@pytest.mark.parametrize("dtype", HALF)
def test_sums_that_are_rounded_once_conform(dtype):
    assert judged(dtype) == set()


@pytest.mark.parametrize("dtype", HALF)
def test_sums_in_half_precision_differ_unless_they_are_declared(dtype):
    kernels = summed(left_to_right)
    assert judged(dtype, kernels) == {"output", "grad_input", "grad_weight", "grad_bias"}
    assert judged(dtype, kernels, ("mean_zero", "integers"), sums="narrow") == set()


@pytest.mark.parametrize(
    ("operation", "dtype", "declared", "overflows"),
    [
        ("conv2d", "float16", {}, True),
        ("conv2d", "float16", {"sums": "narrow"}, False),  # a partial sum may
        ("conv2d", "float16", {"accuracy": "winograd"}, False),
        ("conv2d", "bfloat16", {}, False),  # so may one in float32
        ("conv2d", "float32", {}, False),
        ("max_pool2d", "float16", {}, False),
    ],
)
def test_answers_overflow_where_sums_do_not(operation, dtype, declared, overflows):
    assert Plan(operation, dtype, frozenset(), **declared).overflows == overflows


def test_an_answer_beyond_float16_that_is_cut_to_its_largest_number_differs():
    def cut(case, arrays, wanted):
        answers = by_reference(case, arrays, wanted)
        return {name: np.clip(answer, -65504, 65504) for name, answer in answers.items()}

    assert judged("float16", cut, ("integers",)) == set()
    assert "output" in judged("float16", cut, ("overflowing",))
