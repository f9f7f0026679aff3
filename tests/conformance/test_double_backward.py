"""Gradients of gradients: asked of whom, judged how, refused by none that is right."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

import conformance
import npcnn
from conformance.cases import Case
from conformance.cases.doubled import fill_doubled
from conformance.kernels.call import Caller
from conformance.kernels.double_backward import OUTPUTS, answer
from conformance.kernels.reference import answer as reference
from conformance.kernels.subject import Subject
from conformance.requirements import REQUIREMENTS
from conformance.requirements.double_backward import check

RULE = REQUIREMENTS["double_backward"]
CASES = [
    "conv2d batch=2 channels=4 image=5,6 kernel=2,3 filters=6 stride=2,1 padding=1 dilation=1,2 groups=2 bias=true",
    "conv1d batch=none image=7 kernel=3 bias=true",
    "conv3d channels=2 image=3,4,5 kernel=2,2,2 filters=3",
    "conv_transpose2d channels=4 image=3,4 kernel=2,3 filters=6 stride=2 output_padding=1 groups=2 bias=true",
]


def doubled(operation: str, layout: str = "NCHW") -> SimpleNamespace:
    forward, backward = getattr(npcnn, operation), getattr(npcnn, f"{operation}_backward")

    def double(ggi, ggw, ggb, grad_output, input, weight, bias=None, **options):
        grad_grad_output = forward(ggi, weight, ggb, **options) + forward(input, ggw, None, **options)
        grad_input = backward(grad_output, input, ggw, None, **options)[0]
        return grad_grad_output, grad_input, backward(grad_output, ggi, weight, None, **options)[1]

    return SimpleNamespace(**{operation: forward, f"{operation}_double_backward": double})


@pytest.mark.parametrize("values", ["integers", "mean_zero"])
@pytest.mark.parametrize("text", CASES)
def test_a_right_double_backward_conforms(text, values):
    case = Case.parse(f"{text} values={values}")
    judged = check(Caller(Subject(doubled(case.operation))), reference, case)
    assert [(each.output, each.status) for each in judged] == [(output, "conforms") for output in OUTPUTS]


@pytest.mark.parametrize("text", CASES)
def test_pytorch_differentiated_twice_says_the_same(text):
    case = Case.parse(text)
    judged = check(Caller(conformance.load("torch")), reference, case)
    assert [(each.output, each.status) for each in judged] == [(output, "conforms") for output in OUTPUTS]


@pytest.mark.parametrize("text", [*CASES, "conv2d channels=7 image=9,9 filters=9 bias=true"])
def test_sums_of_twice_as_many_integers_stay_exact(text):
    case = Case.parse(f"{text} dtype=float16")
    largest = {name: float(np.abs(array).max()) for name, array in fill_doubled(case).items()}
    products = sum(
        largest[f"grad_grad_{one}"] * largest[other]
        for one, other in [("input", "weight"), ("weight", "input")]
    )
    assert 0 < (case.terms("output") - case.bias) * products + largest.get("grad_grad_bias", 0) <= 2**11


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_wrong_gradient_of_gradients_is_one_of_its_output(output):
    case, right = Case.parse(CASES[0]), doubled("conv2d")

    def wrong(*args, **options):
        answers = dict(zip(OUTPUTS, right.conv2d_double_backward(*args, **options), strict=True))
        answers[output] = answers[output] + (np.arange(answers[output].size) == 3).reshape(
            answers[output].shape
        ).astype(np.float32)
        return tuple(answers.values())

    subject = Subject({"conv2d": npcnn.conv2d, "conv2d_double_backward": wrong})
    failing = [each.output for each in check(Caller(subject), reference, case) if each.failed]
    assert failing == [output]


def test_where_there_is_no_double_backward_the_report_says_so():
    report = conformance.check(
        npcnn,
        profile="quick",
        operations=["conv2d"],
        requirements=["empty", "double_backward"],
        oracle="reference",
    )
    assert ("conv2d", "double_backward", "no conv2d_double_backward") in report.not_claimed


def test_a_function_that_cannot_be_differentiated_twice_does_not_claim_it():
    class Once(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx, input, weight):
            ctx.save_for_backward(input, weight)
            return torch.nn.functional.conv2d(input, weight)

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, grad_output):
            (input, weight), grad = ctx.saved_tensors, torch.nn.grad
            grad_input = grad.conv2d_input(input.shape, weight, grad_output)
            return grad_input, grad.conv2d_weight(input, weight.shape, grad_output)

    subject = Subject({"conv2d": lambda input, weight: Once.apply(input, weight)}, framework="torch")
    answers = answer(Caller(subject), (case := Case.parse("conv2d image=3,3 kernel=2,2")), fill_doubled(case))
    assert [each.status for each in answers.values()] == ["raised"] * 3


def test_what_is_declared_is_not_asked():
    subject = Subject(doubled("conv2d"), without=("grad_grad_output",))
    assert RULE.unclaimed(Caller(subject), "conv2d") == "declared"


def test_channels_may_come_last():
    case = Case.parse(CASES[0])
    right = doubled("conv2d")

    def inward(array, weight=False):
        return (
            None
            if array is None
            else np.moveaxis(array, (-1, -2), (0, 1))
            if weight
            else np.moveaxis(array, -1, 1)
        )

    def conv2d(input, weight, bias=None, **options):
        return np.moveaxis(right.conv2d(inward(input), inward(weight, True), bias, **options), 1, -1)

    def double(ggi, ggw, ggb, g, input, weight, bias=None, **options):
        arrays = inward(ggi), inward(ggw, True), ggb, inward(g), inward(input), inward(weight, True), bias
        ggo, gi, gw = right.conv2d_double_backward(*arrays, **options)
        return np.moveaxis(ggo, 1, -1), np.moveaxis(gi, 1, -1), np.moveaxis(gw, (0, 1), (-1, -2))

    subject = Subject({"conv2d": conv2d, "conv2d_double_backward": double}, layout="NHWC")
    assert not any(each.failed for each in check(Caller(subject), reference, case))


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "bfloat16", "float16"])
def test_pytorch_says_the_same_in_other_dtypes(dtype):
    case = Case.parse(f"{CASES[0]} dtype={dtype}")
    judged = check(Caller(conformance.load("torch")), reference, case)
    assert [(each.output, each.status) for each in judged] == [(output, "conforms") for output in OUTPUTS]
