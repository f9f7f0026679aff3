"""A subject's declaration: what does not exist is refused in words that say what there is."""

from types import SimpleNamespace

import pytest

from conformance import Subject
from conformance.cases import Case
from conformance.cases.features import FEATURES
from conformance.kernels.guess import FUNCTIONS
from conformance.kernels.subject import GRADIENTS, SubjectError
from conformance.operations import DTYPES

NONE = f"has none of the functions {', '.join(FUNCTIONS[::2])}"
THERE = ", ".join(FUNCTIONS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"accuracy": "exact"},
            "accuracy='exact': a Subject's accuracy is direct or winograd or fft or tf32",
        ),
        ({"layout": "NCWH"}, "layout='NCWH': a Subject's layout is NCHW or NHWC"),
        ({"ties": "last"}, "ties='last': a Subject's ties is first or any"),
        (
            {"without": ("grad_output",)},
            f"without='grad_output': there are {', '.join((*sorted(FEATURES), *GRADIENTS))}",
        ),
        ({"framework": "theano"}, "framework='theano': there are jax, numpy, onnxruntime, torch"),
        (
            {"dtypes": "float8"},
            f"dtypes='float8': there are {', '.join(DTYPES)}",
        ),
        ({"blocks": (0,)}, "blocks=(0,): an extent that a kernel blocks over is an int above 0"),
        ({"blocks": 8}, "blocks=8: a Subject's blocks are a tuple"),
        ({"without": 3}, "without=3: a Subject's without are a tuple"),
        ({"only": "x"}, "only='x': a Subject's only is a function of a case"),
        ({"name": 3}, "name=3: a Subject's name is a str"),
        ({"known_failures": ["conv2d"]}, "known_failures=['conv2d']: must be a dict of case text to reason"),
        ({"known_failures": {"conv2d": 3}}, "known_failures={'conv2d': 3}: a reason is a text"),
        ({"known_failures": {"conv2d": ""}}, "known_failures={'conv2d': ''}: a reason is a text"),
        (
            {"known_failures": {"max_pool2d": "slow"}},
            "known_failures: max_pool2d: has no max_pool2d; it has conv2d",
        ),
    ],
)
def test_a_declaration_of_what_does_not_exist_is_refused(options, message):
    with pytest.raises(SubjectError) as error:
        Subject({"conv2d": len}, **options)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("kernels", "message"),
    [
        (None, f"None: {NONE}"),
        ({}, f"{{}}: {NONE}"),
        ("fx", "'fx': a name is loaded by conformance.load('fx')"),
        ({"conv2d": 3}, "conv2d=3: a kernel is a function"),
        (
            {"conv2d": len, "conv2d_backwards": len},
            f"conv2d_backwards: no such function (did you mean conv2d_backward?); there are {THERE}",
        ),
    ],
)
def test_kernels_that_are_none_are_refused(kernels, message):
    with pytest.raises(SubjectError) as error:
        Subject(kernels)
    assert str(error.value) == message


def test_a_feature_that_does_not_exist_cannot_be_unclaimed():
    with pytest.raises(
        SubjectError, match=r"^without='unbatchd': there are bias, ceil_mode, .*, unbatched, "
    ):
        Subject(SimpleNamespace(), without=("unbatchd",))


def test_an_only_that_raises_is_told_with_its_case():
    subject = Subject({"conv2d": lambda x, w: x}, only=lambda case: case.ceil_mode)
    with pytest.raises(SubjectError, match=r"only= raises AttributeError: .*, asked for conv2d image=3,4"):
        subject.claims(Case.parse("conv2d image=3,4"))
