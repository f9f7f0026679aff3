"""Transposed convolution: what PyTorch does, what the reference computes, and what an adjoint asks of the suite."""

import itertools
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from conformance.audit.right import ALL as RIGHT
from conformance.cases import Case
from conformance.cases.arrays import fill
from conformance.cases.called import called
from conformance.cases.covering import covering, explore
from conformance.cases.features import features_of
from conformance.cases.named import named, refused
from conformance.cases.scope import every_geometry
from conformance.kernels import reference
from conformance.kernels.call import Caller
from conformance.kernels.framework import oracle
from conformance.kernels.functions import functions
from conformance.kernels.subject import Subject
from conformance.operations import OPERATIONS
from conformance.running.runner import examine
from conformance.verdicts.diagnosis import Evidence, where

NAMES = ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")


def judged(subject: SimpleNamespace, requirement: str, text: str) -> set[str]:
    case = Case.parse(text)
    return {told.status for told in examine(Caller(Subject(subject)), reference.answer, requirement, case)}


# What PyTorch does.


@pytest.mark.parametrize(
    ("text", "extents"),
    [
        ("image=3,4 kernel=3,2", (5, 5)),
        ("image=3,4 kernel=3,2 stride=2 padding=1,0 output_padding=0,1", (5, 9)),
        ("image=3,4 kernel=3,2 dilation=2,3 output_padding=1,2", (8, 9)),
        ("image=2,3 kernel=1,2 padding=1,0", (0, 4)),
    ],
)
def test_the_extents_follow_from_every_option(text, extents):
    assert Case.parse(f"conv_transpose2d {text}").output_extents == extents


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("padding=1", "padding=1 takes more than the answer"),
        ("kernel=3,3 padding=1,2", "padding=(1, 2) takes more than the answer"),
        ("output_padding=1", "output_padding=1 is not below the stride nor the dilation"),
        ("stride=2,1 output_padding=1", "output_padding=1 is not below the stride nor the dilation"),
        ("channels=3 filters=2 groups=2", "channels=3 or filters=2 do not divide into 2 groups"),
        ("stride=2,1 dilation=1,2 kernel=2,2 output_padding=1", None),
    ],
)
def test_what_pytorch_refuses_is_a_problem(text, problem):
    assert Case.parse(f"conv_transpose2d {text}").problem == problem


def test_an_answer_without_elements_is_refused_by_pytorch_in_float64_and_a_hazard_here():
    pytest.importorskip("torch")
    case = Case.parse("conv_transpose2d channels=2 image=2,3 kernel=1,2 padding=1,0")
    assert (case.problem, case.hazard, case.shapes["grad_output"]) == (None, True, (1, 1, 0, 4))
    with pytest.raises(RuntimeError, match="Output size is too small"):
        oracle("torch")(case, fill(case))


@pytest.mark.parametrize(
    ("answer", "status"),
    [(lambda right: right, "conforms"), (lambda right: right[0], "differs"), (None, "conforms")],
)
def test_an_answer_without_elements_may_be_refused_but_not_of_another_shape(answer, status):
    right = functions("conv_transpose2d").conv_transpose2d

    def conv_transpose2d(*arrays, **options):
        if not answer:
            raise ValueError("nothing to answer")
        return answer(right(*arrays, **options))

    subject = SimpleNamespace(conv_transpose2d=conv_transpose2d)
    text = "conv_transpose2d channels=2 image=2,3 kernel=1,2 padding=1,0"
    assert judged(subject, "hazards", text) - {"not claimed"} == {status}


# The definition.


def test_each_pixel_adds_the_filter_where_its_window_lies():
    case = Case.parse("conv_transpose1d image=2 kernel=3 stride=2 padding=1 output_padding=1 bias=true")
    arrays = {"input": [[[1, 10]]], "weight": [[[2, 3, 4]]], "bias": [100], "grad_output": [[[1, 2, 3, 4]]]}
    answers = reference.answer(case, {name: np.array(a, np.float64) for name, a in arrays.items()})
    assert answers["output"].tolist() == [
        [[103, 124, 130, 140]]
    ]  # 2 3 4+20 30 40, the first cut off, and the bias
    assert answers["grad_input"].tolist() == [[[3 * 1 + 4 * 2, 2 * 2 + 3 * 3 + 4 * 4]]]
    assert answers["grad_weight"].tolist() == [[[10 * 2, 1 * 1 + 10 * 3, 1 * 2 + 10 * 4]]]
    assert answers["grad_bias"].tolist() == [10]


@pytest.mark.parametrize("operation", NAMES)
def test_it_is_the_adjoint_of_a_convolution(operation):
    for case in itertools.islice(explore(operation, features_of(operation), 200, 1), 200):
        case = replace(case, bias=False, output_padding=0)
        if case.problem or case.hazard or case.batch is None:
            continue
        exchanged = {"channels": case.filters, "filters": case.channels, "image": case.output_extents}
        options = {
            name: getattr(case, name)
            for name in ("batch", "groups", "kernel", "stride", "padding", "dilation")
        }
        other = Case.of(operation.replace("_transpose", ""), **exchanged, **options)
        arrays = {name: array.astype(np.float64) for name, array in fill(case).items()}
        mirrored = {
            "input": arrays["grad_output"],
            "weight": arrays["weight"],
            "grad_output": arrays["input"],
        }
        one, two = reference.answer(case, arrays), reference.answer(other, mirrored)
        for name, its in (("output", "grad_input"), ("grad_input", "output"), ("grad_weight", "grad_weight")):
            np.testing.assert_allclose(one[name], two[its])


@pytest.mark.parametrize("operation", NAMES)
def test_no_element_sums_more_terms_than_said_and_one_as_many_in_a_large_image(operation):
    for case in itertools.islice(covering(operation, features_of(operation)), 20):
        large = replace(case, image=(11,) * case.dimensions, padding=0, batch=1, bias=False)
        for each in (case, large):
            ones = {name: np.ones(shape) for name, shape in each.shapes.items()}
            most = {name: array.max(initial=0) for name, array in reference.answer(each, ones).items()}
            assert all(most[name] <= each.terms(name) for name in each.outputs)
        assert most["output"] == large.terms("output")


# What is not finite.


@pytest.mark.parametrize(
    "kernel", ["zeros_between_pixels", "col2im", "phases_of_the_stride", "pixel_by_pixel"]
)
def test_a_kernel_that_multiplies_zeros_between_pixels_is_as_right_as_one_that_has_none(kernel):
    special = [
        replace(case, seed=seed)
        for case in named("named", "conv_transpose2d", features_of("conv_transpose2d"))
        for seed in range(4)
    ]
    caller = Caller(Subject(RIGHT[kernel].subject()))
    for case in special[:80]:
        told = examine(caller, reference.answer, "special", replace(case, values="special"))
        assert [f"{case}: {each.message}" for each in told if each.failed] == []


def test_a_nan_of_the_input_that_is_lost_is_found():
    right = functions("conv_transpose2d").conv_transpose2d
    subject = SimpleNamespace(
        conv_transpose2d=lambda x, w, b=None, **options: right(np.nan_to_num(x, nan=0), w, b, **options)
    )
    found = {
        status
        for seed in range(0, 30, 3)
        for status in judged(
            subject, "special", f"conv_transpose2d image=3,4 kernel=2,2 values=special seed={seed}"
        )
    }
    assert "differs" in found


# What an adjoint asks of the suite.


@pytest.mark.parametrize("operation", NAMES)
def test_every_output_padding_is_asked_beside_every_stride_and_dilation(operation):
    asked = set[tuple[int, ...]]()
    for case in every_geometry(operation, features_of(operation)):
        asked.update(zip(case.strides, case.dilations, case.axes(case.output_padding), strict=True))
    assert asked == {(s, d, o) for s in (1, 2, 3, 4) for d in (1, 2, 3) for o in range(max(s, d))}


@pytest.mark.parametrize("operation", NAMES)
def test_a_kernel_without_output_padding_is_asked_none(operation):
    features = features_of(operation) - {"output_padding"}
    assert {case.output_padding for case in covering(operation, features)} <= {
        0,
        (0,) * OPERATIONS[operation].dimensions,
    }


def test_what_is_refused_tells_of_output_padding_and_of_padding():
    problems = " ".join(
        str(case.problem) for case in refused("conv_transpose2d", features_of("conv_transpose2d"))
    )
    assert "output_padding=(2, 1)" not in problems
    assert "output_padding=(1, 3) is not below" in problems
    assert "padding=6 takes more" in problems


@pytest.mark.parametrize(("groups", "filters"), [(1, 3), (2, 6)])
def test_a_call_has_as_many_filters_as_the_second_axis_of_its_weight_in_every_group(groups, filters):
    shapes = {"input": (1, 4, 5, 6), "weight": (4, 3, 2, 2)}
    assert called("conv_transpose2d", shapes, {"groups": groups}).filters == filters


def test_a_wrong_gradient_of_the_weight_is_placed_by_channel_and_filter():
    case = Case.parse("conv_transpose2d channels=5 filters=6 image=3,4 kernel=2,2")
    got = reference.answer(case, fill(case))["grad_weight"].copy()
    got[:, -1] += 1
    assert where([Evidence(case, "grad_weight", got)]) == "the last filter of the channel"
