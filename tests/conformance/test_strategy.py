"""Cases for @given tests of one's own."""

import re

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

import conformance
from conformance.cases import Case, CaseError
from conformance.cases.features import features_of
from conformance.operations import OPERATIONS


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_case_that_is_drawn_is_valid_and_needs_no_more_than_was_said(operation):
    @settings(max_examples=30)
    @given(conformance.strategy(operation, without=("unbatched",), dtype="float64"))
    def drawn(case):
        assert (case.operation, case.dtype, case.problem) == (operation, "float64", None)
        assert case.needs - {"float64"} <= features_of(operation) - {"unbatched"}
        assert {name: array.shape for name, array in conformance.fill(case).items()} == case.shapes

    drawn()


def test_values_are_as_given():
    assert find(conformance.strategy("conv1d", values="mean_zero"), lambda case: True).values == "mean_zero"


def test_a_case_shrinks_towards_the_plainest():
    found = find(conformance.strategy("conv2d", values="integers"), lambda case: max(case.strides) > 1)
    assert max(found.strides) == 2
    assert (found.groups, found.dilations, found.batch) == (1, (1, 1), 1)


@pytest.mark.parametrize(
    ("operation", "options", "message"),
    [
        ("conv2", {}, "conv2: no such operation (did you mean conv2d?)"),
        (
            "conv2d",
            {"without": ("group",)},
            "without group: conv2d has no such feature (did you mean groups?)",
        ),
        ("conv2d", {"without": "group"}, "without group: conv2d has no such feature (did you mean groups?)"),
        ("conv2d", {"dtype": "float23"}, "dtype=float23: no such dtype of conv2d (did you mean float32?)"),
        ("conv2d", {"stride": 2}, "stride=2: every case may be given dtype and values"),
    ],
)
def test_a_word_that_does_not_exist_is_told_before_anything_is_drawn(operation, options, message):
    with pytest.raises(CaseError, match=re.escape(message)):
        conformance.strategy(operation, **options)


def test_a_case_is_shown_as_replay_takes_it():
    case = Case.parse("conv2d image=5,6 stride=2")
    assert repr(case) == "Case.parse('conv2d image=5,6 stride=2')"
    assert eval(repr(case)) == case


def test_a_strategy_is_one_that_hypothesis_knows():
    assert isinstance(conformance.strategy("conv2d"), st.SearchStrategy)
