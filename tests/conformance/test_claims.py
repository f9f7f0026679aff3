"""What a subject claims, and what a report says that it does not."""

from types import SimpleNamespace

import pytest

import npcnn
from conformance import Subject
from conformance.cases.features import features_of
from conformance.kernels import reference
from conformance.reports.document import document
from conformance.reports.run_info import RunInfo
from conformance.running.in_process import InProcess
from conformance.running.run import run
from conformance.running.settings import Settings

ASKED = Settings(requirements=("exact",), dtypes=("float32",), profile="quick")


def judged(subject):
    return run(subject, InProcess(subject, reference.answer), ASKED)


def of_two(value):
    """Options as a kernel takes them that unpacks them."""
    if isinstance(value, tuple):
        first, second = value
        return first, second
    return value


def without_tuples_of_one(function):
    def kernel(*arrays, **options):
        return function(*arrays, **{name: of_two(value) for name, value in options.items()})

    return kernel


@pytest.mark.parametrize(
    ("operation", "feature"),
    [
        (operation, feature)
        for operation in ("conv2d", "max_pool2d", "avg_pool2d")
        for feature in ("stride", "padding", "dilation", "bias", "unbatched", "options per axis")
        if feature in features_of(operation)
    ],
)
def test_a_declaration_creates_no_finding(operation, feature):
    kernel = SimpleNamespace(**{operation: without_tuples_of_one(getattr(npcnn, operation))})
    report = judged(Subject(kernel, without=feature))
    assert [str(row.failure.case) for row in report.rows if row.failure] == []


def ignoring(x, w, b=None, strides=1, pad=0):
    return npcnn.conv2d(x, w, b)


def test_an_option_under_another_name_is_judged():
    assert judged(Subject(SimpleNamespace(conv2d=ignoring))).verdict == "differs"


@pytest.mark.parametrize(
    ("function", "sentences"),
    [
        (ignoring, ["conv2d: strides taken as stride, pad taken as padding"]),
        (lambda x, w, tile=8: npcnn.conv2d(x, w), ["conv2d: tile left at the default: no option of conv2d"]),
        (lambda x, w: npcnn.conv2d(x, w), []),
    ],
)
def test_the_report_says_what_it_takes_a_parameter_for(function, sentences):
    report = judged(Subject(SimpleNamespace(conv2d=function)))
    assert document(report, RunInfo(oracle="reference")).parameters == sentences


def test_the_last_line_says_which_options_and_outputs_were_not_judged():
    kernel = SimpleNamespace(conv2d=lambda x, w, b=None, padding=0: npcnn.conv2d(x, w, b, padding=padding))
    last = document(judged(Subject(kernel)), RunInfo(oracle="reference")).conclusion
    assert last.words == "conforms where asked"
    assert last.because.endswith(
        "; not claimed: conv2d dilation, groups, stride, grad_input, grad_weight, grad_bias"
    )


def test_a_gradient_that_is_scaled_may_round_where_that_is_declared():
    def conv2d_backward(grad_output, *arguments, **options):
        scaled = npcnn.conv2d_backward(grad_output / 3, *arguments, **options)
        return tuple(None if gradient is None else gradient * 3 for gradient in scaled)

    kernel = SimpleNamespace(conv2d=npcnn.conv2d, conv2d_backward=conv2d_backward)
    gradients = ("grad_input", "grad_weight", "grad_bias")
    assert [judged(Subject(kernel, scaled=scaled)).verdict for scaled in ((), gradients)] == [
        "differs",
        "conforms",
    ]
