"""The reference against PyTorch, and the oracles against each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.cases import Case
from conformance.cases.arrays import fill
from conformance.cases.features import features_of
from conformance.cases.named import refused
from conformance.cases.strategies import cases
from conformance.kernels import reference
from conformance.kernels.framework import oracle
from conformance.operations import OPERATIONS

ANY_CASE = st.sampled_from(sorted(OPERATIONS)).flatmap(lambda op: cases(op, dtype="float64"))
pytest.importorskip("torch")


def assert_agree(one: dict, other: dict) -> None:
    assert set(one) == set(other)
    for name in one:
        largest = np.abs(other[name][np.isfinite(other[name])]).max(
            initial=1
        )  # of which quotients may cancel
        np.testing.assert_allclose(one[name], other[name], rtol=1e-9, atol=1e-9 * largest)


@settings(max_examples=300)
@given(ANY_CASE)
def test_reference_agrees_with_pytorch(case):
    arrays = fill(case)
    expected = oracle("torch")(case, arrays)
    assert_agree({name: reference.answer(case, arrays)[name] for name in expected}, expected)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_pytorch_refuses_what_the_case_says_it_refuses(operation):
    answered = []
    for case in refused(operation, features_of(operation)):
        if case.malformed.endswith("dtype"):
            continue  # the oracle takes every array in float64
        try:
            oracle("torch")(case, fill(case))
        except (RuntimeError, TypeError, IndexError, ValueError, ZeroDivisionError):
            continue
        answered.append(str(case))
    assert answered == []


def test_average_pooling_with_an_overhang_divides_by_what_is_padded():
    case = Case.parse("avg_pool2d image=4,4 kernel=3,3 stride=2 padding=1 ceil_mode=true")
    arrays = {"input": np.arange(1.0, 17.0).reshape(1, 1, 4, 4), "grad_output": np.ones((1, 1, 3, 3))}
    expected = [[14 / 9, 30 / 9, 2.0], [57 / 9, 11.0, 6.0], [4.5, 7.5, 4.0]]
    np.testing.assert_allclose(reference.answer(case, arrays)["output"][0, 0], expected)


@pytest.mark.parametrize(
    "text",
    [
        "conv2d batch=2 channels=4 filters=6 groups=2 image=5,6 kernel=3,2 stride=2,1 padding=1,0 bias=true",
        "conv2d batch=none channels=2 filters=3 image=5,4 kernel=2,3 padding=same",
        "max_pool2d channels=2 image=6,7 kernel=3,2 stride=2 padding=1 ceil_mode=true return_indices=true",
        "max_pool2d channels=2 image=6,7 kernel=3,2 stride=1 dilation=2,1 return_indices=true",
        "max_pool2d channels=2 image=6,7 kernel=3,2 stride=1 values=special",
        "max_pool2d channels=6 image=25,28 kernel=2,2 values=special",
        "conv2d channels=2 values=special filters=2 groups=2",
        "avg_pool2d channels=2 image=6,7 kernel=3,2 stride=2 padding=1 ceil_mode=true count_include_pad=false",
    ],
)
def test_jax_agrees_with_pytorch(text):
    pytest.importorskip("jax")
    case = Case.parse(text)
    arrays = fill(case)
    assert_agree(oracle("jax")(case, arrays), oracle("torch")(case, arrays))
