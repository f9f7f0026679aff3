"""Every exact case sees a number or an option that is another one; what cannot be seen has a reason."""

import itertools

import numpy as np
import pytest

from conformance.audit.blind import exact_cases, unseen
from conformance.cases import Case
from conformance.cases.features import features_of
from conformance.operations import OPERATIONS
from conformance.requirements import REQUIREMENTS, Plan

SAMPLE = 200  # of so many cases one; all of them: python benchmarks/blind.py


def sampled(operation: str, dtype: str) -> list[Case]:
    plan = Plan(operation, dtype, features_of(operation) | {dtype}, first=dtype == "float32")
    numbers = [each for each in REQUIREMENTS.values() if not (each.refuses or each.certifies)]
    asked = (each for each in numbers if each.is_judged(plan))
    every = exact_cases(itertools.chain.from_iterable(each.cases(plan) for each in asked))
    return list(itertools.islice(every, 7, None, SAMPLE))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_exact_case_has_a_blind_spot(operation, dtype):
    found = [(str(case), each) for case in sampled(operation, dtype) for each in unseen(case)]
    assert [(text, each.output, each.change.where) for text, each in found if not each.why] == []


@pytest.mark.parametrize(
    ("text", "of", "why"),
    [
        ("conv2d image=5,6 kernel=1,2 stride=3", "input", "cannot matter"),
        ("conv2d image=5,6 kernel=1,2", "dilation", "cannot matter"),
        (
            "conv2d image=7,7 kernel=2,2 stride=4 layout=input:expanded",
            "stride",
            "a view repeats its numbers",
        ),
        ("max_pool2d image=1,5 kernel=1,5 padding=0,2", "padding", "the largest of each window is the same"),
    ],
)
def test_what_cannot_be_seen_has_a_reason(text, of, why):
    cases = [Case.parse(f"{text} seed={seed}") for seed in range(20)]
    assert (of, why) in {(each.change.of, each.why) for case in cases for each in unseen(case)}


def test_a_bias_beside_large_products_is_changed_enough_to_be_seen():
    assert list(unseen(Case.parse("conv2d image=5,7 kernel=3,3 bias=true values=large"))) == []


def test_a_weight_of_0_is_a_blind_spot(monkeypatch):
    monkeypatch.setattr("conformance.audit.blind.fill", zeros_for_weights)
    found = list(unseen(Case.parse("conv2d image=3,4")))
    assert {(each.change.of, each.output) for each in found if not each.why} >= {("input", "output")}


def zeros_for_weights(case):
    from conformance.cases.arrays import fill

    arrays = fill(case)
    return arrays | ({"weight": np.zeros_like(arrays["weight"])} if case.values == "integers" else {})
