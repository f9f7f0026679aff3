"""A subject as it is called: its signature read, its arguments passed, its answers told apart from faults."""

import functools
import signal
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

from conformance import Subject
from conformance.cases import Case
from conformance.cases.arrays import fill
from conformance.kernels.answer import Malformed, Refused
from conformance.kernels.call import Caller


def subject_of(**functions):
    return Subject(SimpleNamespace(**functions))


def answers_of(subject, text):
    case = Case.parse(text)
    return Caller(subject).answer(case, fill(case))


@pytest.mark.parametrize(
    ("function", "text", "lacking"),
    [
        (lambda x, w, stride=1, padding=0: 0, "conv2d dilation=2", "dilation"),
        (lambda x, w, stride=1, padding=0: 0, "conv2d bias=true", "bias"),
        (lambda x, w, stride=1, padding=0: 0, "conv2d stride=2 padding=1", None),
        (lambda x, w, bias=None: 0, "conv2d bias=true", None),
        (lambda x, w, bias: 0, "conv2d", "no bias"),
        (lambda x, w, b=None, **options: 0, "conv2d dilation=2 groups=2 channels=2 filters=2", None),
        (lambda *args, **options: 0, "conv2d bias=true dilation=2", None),
    ],
)
def test_an_option_that_the_signature_lacks_is_not_claimed(function, text, lacking):
    assert Caller(subject_of(conv2d=function)).why_not(Case.parse(text)) == lacking


@pytest.mark.parametrize(
    ("text", "function", "named"),
    [
        ("conv2d stride=2 padding=1", lambda x, w, b=None, strides=1, pad=0: (strides, pad), (2, 1)),
        (
            "conv2d dilation=2 groups=2 channels=2 filters=2",
            lambda x, w, b=None, d=(1, 1), group=1: (d, group),
            (2, 2),
        ),
        ("conv2d stride=2", lambda x, w, b=None, s=None: s, 2),
        ("max_pool2d kernel=2,2 stride=3", lambda x, k, s: (k, s), (2, 3)),
        ("max_pool2d kernel=2,2 stride=3", lambda x, *, s=None, ksize: (ksize, s), (2, 3)),
    ],
)
def test_an_option_is_passed_under_the_name_that_the_function_has_for_it(text, function, named):
    calls = []

    @functools.wraps(function)
    def noting(*arguments, **options):
        calls.append(function(*arguments, **options))

    operation = text.partition(" ")[0]
    case = Case.parse(text)
    subject = subject_of(**{operation: noting})
    assert Caller(subject).why_not(case) is None
    Caller(subject).answer(case, fill(case))
    assert calls == [named]


@pytest.mark.parametrize(
    ("function", "own"),
    [
        (lambda x, w, b=None, block=64, stride=1: 0, ("block",)),
        (lambda x, w, s=1.5, stride=1: 0, ("s",)),
        (lambda x, w, p=3: 0, ("p",)),
        (lambda input, weight, bias=None, stride=1, **options: 0, ()),
        (lambda *arrays, tile=(8, 8), **options: 0, ("tile",)),
    ],
)
def test_a_parameter_that_may_be_no_option_is_left_alone(function, own):
    (signature,) = Caller(subject_of(conv2d=function)).parameters("conv2d").values()
    assert (signature.own, dict(signature.named)) == (own, {})


def test_arrays_are_passed_by_position_and_options_by_keyword():
    calls = []
    answers_of(
        subject_of(conv2d=lambda *arrays, **options: calls.append((len(arrays), options))),
        "conv2d bias=true stride=2",
    )
    assert calls == [(3, {"stride": 2, "padding": 0, "dilation": 1, "groups": 1})]


@pytest.mark.parametrize(
    ("without", "text", "options"),
    [
        ((), "conv2d stride=2", ["dilation", "groups", "padding", "stride"]),
        (("dilation", "groups"), "conv2d stride=2", ["padding", "stride"]),
        (("dilation", "groups"), "conv2d stride=2,2 padding=0,0 dilation=1,1", ["padding", "stride"]),
        (("padding=same", "groups"), "conv2d", ["dilation", "padding", "stride"]),
        (("groups",), "conv2d groups=2 channels=2 filters=2", ["dilation", "groups", "padding", "stride"]),
    ],
)
def test_an_option_that_is_not_claimed_is_not_passed_at_its_default(without, text, options):
    calls = []
    answers_of(Subject({"conv2d": lambda x, w, **given: calls.append(sorted(given))}, without=without), text)
    assert calls == [options]


@pytest.mark.parametrize(
    ("function", "given"),
    [
        (lambda x, w, stride=1, bias=None: (stride, bias), True),
        (lambda x, w, stride=1, b=None: (stride, b), True),
        (lambda x, w, *, bias=None, stride=1: (stride, bias), True),
        (lambda x, w, b=None, stride=1, block=64: (stride, b), True),
        (lambda x, w, b=None, stride=1, padding=0, /: (stride, b), True),
        (lambda x, w, block=64, stride=1: (stride, None if block == 64 else block), False),
        (lambda x, w, stride=1, tile=8: (stride, None if tile == 8 else tile), False),
    ],
)
def test_the_bias_is_passed_where_the_signature_has_it(function, given):
    calls = []

    @functools.wraps(function)
    def conv2d(*arrays, **options):
        calls.append(function(*arrays, **options))

    answers_of(subject_of(conv2d=conv2d), "conv2d bias=true stride=2")
    ((stride, bias),) = calls
    assert (stride, bias is not None) == (2, given)
    assert Caller(subject_of(conv2d=function)).why_not(Case.parse("conv2d bias=true")) == (
        None if given else "bias"
    )


def test_a_window_is_passed_by_position_where_its_parameter_has_another_name():
    calls = []
    answers_of(
        subject_of(max_pool2d=lambda x, window, stride=None: calls.append((window, stride))),
        "max_pool2d image=4,4 kernel=2,2",
    )
    assert calls == [(2, None)]


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ([1.0], Malformed("is a list, not a numpy.ndarray")),
        (np.float32(1), Malformed("is a float32, not a numpy.ndarray")),
        (np.matrix([1]), Malformed("is a matrix, not a numpy.ndarray")),
        (np.ma.masked_array([1]), Malformed("is a MaskedArray, not a numpy.ndarray")),
    ],
)
def test_an_answer_that_is_no_array_is_a_fault(answer, found):
    assert answers_of(subject_of(conv2d=lambda x, w: answer), "conv2d")["output"] == found


def test_an_exception_is_a_refusal_with_its_text():
    def conv2d(x, w):
        raise ValueError("not today\nnor tomorrow")

    assert answers_of(subject_of(conv2d=conv2d), "conv2d")["output"] == Refused("ValueError: not today")


def test_an_exception_whose_text_raises_is_a_refusal_too():
    class Broken(ValueError):
        def __str__(self):
            raise TypeError

    def conv2d(x, w):
        raise Broken

    refused = Refused("Broken: (its text raises TypeError)")
    assert answers_of(subject_of(conv2d=conv2d), "conv2d")["output"] == refused


@pytest.mark.parametrize(
    ("on_sigint", "refused"), [(signal.SIG_IGN, True), (signal.default_int_handler, False)]
)
def test_an_interrupt_is_a_refusal_only_where_nobody_can_interrupt(on_sigint, refused):
    def conv2d(x, w):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, on_sigint)
    try:
        with nullcontext() if refused else pytest.raises(KeyboardInterrupt):
            assert answers_of(subject_of(conv2d=conv2d), "conv2d")["output"] == Refused("KeyboardInterrupt")
    finally:
        signal.signal(signal.SIGINT, before)


def test_without_a_backward_gradients_are_not_claimed():
    answers = answers_of(subject_of(conv2d=lambda x, w: x), "conv2d")
    assert answers["grad_input"] is None
    assert answers["grad_weight"] is None


def test_a_bare_gradient_is_taken():
    pool = subject_of(max_pool2d=lambda x, kernel_size: x, max_pool2d_backward=lambda g, x, kernel_size: g)
    assert isinstance(answers_of(pool, "max_pool2d")["grad_input"], np.ndarray)


def test_too_few_gradients_are_a_fault():
    conv = subject_of(conv2d=lambda x, w, bias=None: x, conv2d_backward=lambda g, x, w, bias=None: (g, None))
    fault = answers_of(conv, "conv2d bias=true")["grad_input"]
    assert isinstance(fault, Malformed)
    assert "conv2d_backward returned 2 with None, not grad_input, grad_weight, grad_bias" in fault.fault


def test_of_as_many_gradients_as_there_are_arrays_none_alone_is_missing():
    conv = subject_of(
        conv2d=lambda x, w, bias=None: x, conv2d_backward=lambda g, x, w, bias=None: (x, w, None)
    )
    answers = answers_of(conv, "conv2d bias=true")
    assert [isinstance(answers[f"grad_{n}"], Malformed) for n in ("input", "weight", "bias")] == [
        False,
        False,
        True,
    ]


def test_an_answer_that_is_no_tuple_of_gradients_is_called_what_it_is():
    conv = subject_of(conv2d=lambda x, w: x, conv2d_backward=lambda g, x, w, bias=None: {"grad_input": x})
    fault = answers_of(conv, "conv2d")["grad_input"].fault
    due = "a tuple in the order of the arguments: grad_input, grad_weight"
    assert fault == f"missing: conv2d_backward returned a dict; due is {due}"


def test_a_dict_of_gradients_is_a_fault_also_where_the_backward_takes_no_bias():
    conv = subject_of(conv2d=lambda x, w: x, conv2d_backward=lambda g, x, w: {"grad_input": x})
    assert isinstance(answers_of(conv, "conv2d")["grad_weight"], Malformed)


@pytest.mark.parametrize("answer", [lambda x: x, lambda x: (x, None, None), lambda x: [x]])
def test_a_gradient_declared_as_not_given_is_not_claimed(answer):
    functions = {"conv2d": lambda x, w, b=None: x, "conv2d_backward": lambda g, x, w, b=None: answer(x)}
    answers = answers_of(Subject(functions, without=("grad_weight", "grad_bias")), "conv2d bias=true")
    assert isinstance(answers["grad_input"], np.ndarray)
    assert answers["grad_weight"] is answers["grad_bias"] is None


def test_a_backward_without_bias_claims_no_grad_bias():
    conv = subject_of(conv2d=lambda x, w, bias=None: x, conv2d_backward=lambda g, x, w: (x, w))
    answers = answers_of(conv, "conv2d bias=true")
    assert answers["grad_bias"] is None
    assert isinstance(answers["grad_weight"], np.ndarray)


def test_torch_differentiates_a_kernel_without_a_backward():
    torch = pytest.importorskip("torch")
    subject = Subject(SimpleNamespace(conv2d=torch.nn.functional.conv2d), framework="torch")
    answers = answers_of(
        subject, "conv2d image=3,4 kernel=2,2 bias=true layout=input:reversed,weight:read_only"
    )
    assert all(
        isinstance(answers[name], np.ndarray) for name in ("output", "grad_input", "grad_weight", "grad_bias")
    )


def test_a_function_without_a_readable_signature_is_not_passed_what_it_is_declared_without():
    torch = pytest.importorskip("torch")
    functions = {"max_pool2d": torch.max_pool2d}  # has no return_indices
    subject = Subject(functions, framework="torch", without=("return_indices",))
    assert isinstance(answers_of(subject, "max_pool2d image=3,4 kernel=2,2")["output"], np.ndarray)


def test_a_torch_kernel_without_a_graph_claims_no_gradients():
    torch = pytest.importorskip("torch")
    calls = []

    def conv2d(x, w, bias=None):
        calls.append(bias is None)
        y = torch.nn.functional.conv2d(x.detach(), w.detach())
        return y if bias is None else y + bias[:, None, None]

    for text in ("conv2d image=3,4", "conv2d image=3,4 bias=true"):
        answers = answers_of(Subject({"conv2d": conv2d}, framework="torch"), text)
        assert isinstance(answers.pop("output"), np.ndarray)
        assert set(answers.values()) == {None}
    assert calls


@pytest.mark.parametrize(
    ("detached", "input_given", "faults"),
    [
        (lambda x, w: (x.detach(), w.detach()) if x.shape[0] == 3 else (x, w), False, Refused),
        (lambda x, w: (x, w.detach()), True, Malformed),
    ],
)
def test_a_graph_that_is_missing_of_one_case_or_one_array_is_a_failure(detached, input_given, faults):
    torch = pytest.importorskip("torch")
    kernel = {"conv2d": lambda x, w: torch.nn.functional.conv2d(*detached(x, w))}
    answers = answers_of(Subject(kernel, framework="torch"), "conv2d batch=3 image=3,4")
    assert isinstance(answers["output"], np.ndarray)
    assert isinstance(answers["grad_input"], np.ndarray if input_given else faults)
    assert isinstance(answers["grad_weight"], faults)


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("conv1d batch=2 channels=3 filters=5 image=7 kernel=2", [(2, 7, 3), (2, 3, 5)]),
        ("conv1d batch=none channels=3 filters=5 image=7 kernel=2", [(7, 3), (2, 3, 5)]),
        ("conv2d batch=2 channels=3 filters=7 image=6,4 kernel=3,2", [(2, 6, 4, 3), (3, 2, 3, 7)]),
        ("conv2d batch=none channels=3 filters=7 image=6,4 kernel=3,2", [(6, 4, 3), (3, 2, 3, 7)]),
        ("conv2d channels=4 groups=2 filters=6 image=6,4 kernel=3,2", [(1, 6, 4, 4), (3, 2, 2, 6)]),
        ("conv3d batch=2 channels=3 filters=7 image=4,5,6 kernel=1,2,3", [(2, 4, 5, 6, 3), (1, 2, 3, 3, 7)]),
        ("conv3d batch=none channels=3 filters=7 image=4,5,6 kernel=1,2,3", [(4, 5, 6, 3), (1, 2, 3, 3, 7)]),
    ],
)
def test_nhwc_arrays_go_out_with_their_channels_last_and_come_back(text, shapes):
    case, given = Case.parse(text), []

    def forward(x, w, stride=1, padding=0, dilation=1, groups=1):
        given.append([x.shape, w.shape])
        output = case.shapes["grad_output"]
        channels = len(case.leading)
        return np.zeros((*output[:channels], *output[channels + 1 :], output[channels]), np.float32)

    def backward(g, x, w, stride=1, padding=0, dilation=1, groups=1):
        return x, w

    kernels = {case.operation: forward, f"{case.operation}_backward": backward}
    answers = answers_of(Subject({"conv2d": forward} | kernels, layout="NHWC"), text)
    assert given == [shapes]
    assert answers["output"].shape == case.shapes["grad_output"]
    assert np.array_equal(answers["grad_input"], fill(case)["input"])
    assert np.array_equal(answers["grad_weight"], fill(case)["weight"])


def test_an_nhwc_answer_of_another_number_of_axes_stays_as_it_is():
    subject = Subject({"conv2d": lambda x, w: np.zeros((2, 3, 4), np.float32)}, layout="NHWC")
    assert answers_of(subject, "conv2d")["output"].shape == (2, 3, 4)


@pytest.mark.parametrize(
    ("halves", "called"), [(("forward",), ["conv2d"]), (("backward",), ["conv2d_backward"])]
)
def test_one_half_is_called_alone(halves, called):
    functions = []
    kernels = {
        "conv2d": lambda x, w: functions.append("conv2d"),
        "conv2d_backward": lambda g, x, w: functions.append("conv2d_backward"),
    }
    case = Case.parse("conv2d")
    Caller(Subject(kernels), halves=halves).answer(case, fill(case))
    assert functions == called


def test_an_option_at_its_default_can_be_left_to_the_signature():
    subject = Subject({"conv2d": lambda x, w, stride=1, padding=0: x})
    case = Case.parse("conv2d stride=2")
    positional, options = Caller(subject, omits_defaults=True).arguments("conv2d", case, fill(case))
    assert (len(positional), options) == (2, {"stride": 2})


def test_each_function_is_announced_before_it_is_called_and_its_end_after():
    told: list[str] = []
    kernels = {"conv2d": lambda x, w: x, "conv2d_backward": lambda g, x, w: (x, w)}
    case = Case.parse("conv2d")
    Caller(Subject(kernels), told.append).call(case, fill(case))
    assert told == ["conv2d", "", "conv2d_backward", ""]


def test_torch_differentiates_where_a_file_has_disabled_gradients():
    torch = pytest.importorskip("torch")
    subject = Subject({"conv2d": torch.nn.functional.conv2d}, framework="torch")
    with torch.no_grad():
        assert isinstance(answers_of(subject, "conv2d image=3,4")["grad_input"], np.ndarray)
