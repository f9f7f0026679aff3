"""Subjects: loaded by name, their claims read from signatures, their answers told apart from faults."""

import functools
import importlib.util
import signal
import sys
import warnings
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

from conformance import Subject
from conformance.cases import Case
from conformance.cases.arrays import fill
from conformance.cases.capabilities import FEATURES
from conformance.kernels.answer import Malformed, Refused
from conformance.kernels.call import Caller
from conformance.kernels.load import load
from conformance.kernels.subject import GRADIENTS, SubjectError


def subject_of(options=(), **functions):
    return Subject(SimpleNamespace(**functions), **dict(options))


def asked(subject, text, **changes):
    case = Case.parse(text)
    return Caller(subject).answer(case, fill(case) | changes)


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


def test_arrays_are_passed_by_position_and_options_by_keyword():
    calls = []
    asked(
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
    asked(Subject({"conv2d": lambda x, w, **given: calls.append(sorted(given))}, without=without), text)
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

    asked(subject_of(conv2d=conv2d), "conv2d bias=true stride=2")
    ((stride, bias),) = calls
    assert (stride, bias is not None) == (2, given)
    assert Caller(subject_of(conv2d=function)).why_not(Case.parse("conv2d bias=true")) == (
        None if given else "bias"
    )


def test_a_window_is_passed_by_position_where_its_parameter_has_another_name():
    calls = []
    asked(
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
    assert asked(subject_of(conv2d=lambda x, w: answer), "conv2d")["output"] == found


def test_an_exception_is_a_refusal_with_its_text():
    def conv2d(x, w):
        raise ValueError("not today\nnor tomorrow")

    assert asked(subject_of(conv2d=conv2d), "conv2d")["output"] == Refused("ValueError: not today")


def test_an_exception_whose_text_raises_is_a_refusal_too():
    class Broken(ValueError):
        def __str__(self):
            raise TypeError

    def conv2d(x, w):
        raise Broken

    refused = Refused("Broken: (its text raises TypeError)")
    assert asked(subject_of(conv2d=conv2d), "conv2d")["output"] == refused


@pytest.mark.parametrize(
    ("on_sigterm", "refused"), [(signal.SIG_DFL, True), (signal.default_int_handler, False)]
)
def test_an_interrupt_is_a_refusal_only_where_nobody_can_interrupt(on_sigterm, refused):
    def conv2d(x, w):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, signal.SIG_IGN), signal.signal(signal.SIGTERM, on_sigterm)
    try:
        with nullcontext() if refused else pytest.raises(KeyboardInterrupt):
            assert asked(subject_of(conv2d=conv2d), "conv2d")["output"] == Refused("KeyboardInterrupt")
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])


def test_without_a_backward_gradients_are_not_claimed():
    answers = asked(subject_of(conv2d=lambda x, w: x), "conv2d")
    assert answers["grad_input"] is None
    assert answers["grad_weight"] is None


def test_a_bare_gradient_is_taken():
    pool = subject_of(max_pool2d=lambda x, kernel_size: x, max_pool2d_backward=lambda g, x, kernel_size: g)
    assert isinstance(asked(pool, "max_pool2d")["grad_input"], np.ndarray)


def test_too_few_gradients_are_a_fault():
    conv = subject_of(conv2d=lambda x, w, bias=None: x, conv2d_backward=lambda g, x, w, bias=None: (g, None))
    fault = asked(conv, "conv2d bias=true")["grad_input"]
    assert isinstance(fault, Malformed)
    assert "conv2d_backward returned 2 with None, not grad_input, grad_weight, grad_bias" in fault.fault


def test_an_answer_that_is_no_tuple_of_gradients_is_called_what_it_is():
    conv = subject_of(conv2d=lambda x, w: x, conv2d_backward=lambda g, x, w, bias=None: {"grad_input": x})
    fault = asked(conv, "conv2d")["grad_input"].fault
    due = "a tuple in the order of the arguments: grad_input, grad_weight"
    assert fault == f"missing: conv2d_backward returned a dict; due is {due}"


def test_a_dict_of_gradients_is_a_fault_also_where_the_backward_takes_no_bias():
    conv = subject_of(conv2d=lambda x, w: x, conv2d_backward=lambda g, x, w: {"grad_input": x})
    assert isinstance(asked(conv, "conv2d")["grad_weight"], Malformed)


@pytest.mark.parametrize("answer", [lambda x: x, lambda x: (x, None, None), lambda x: [x]])
def test_a_gradient_declared_as_not_given_is_not_claimed(answer):
    functions = {"conv2d": lambda x, w, b=None: x, "conv2d_backward": lambda g, x, w, b=None: answer(x)}
    answers = asked(Subject(functions, without=("grad_weight", "grad_bias")), "conv2d bias=true")
    assert isinstance(answers["grad_input"], np.ndarray)
    assert answers["grad_weight"] is answers["grad_bias"] is None


def test_a_backward_without_bias_claims_no_grad_bias():
    conv = subject_of(conv2d=lambda x, w, bias=None: x, conv2d_backward=lambda g, x, w: (x, w))
    answers = asked(conv, "conv2d bias=true")
    assert answers["grad_bias"] is None
    assert isinstance(answers["grad_weight"], np.ndarray)


def test_torch_differentiates_a_kernel_without_a_backward():
    torch = pytest.importorskip("torch")
    subject = Subject(SimpleNamespace(conv2d=torch.nn.functional.conv2d), framework="torch")
    answers = asked(subject, "conv2d image=3,4 kernel=2,2 bias=true layout=input:reversed,weight:read_only")
    assert all(
        isinstance(answers[name], np.ndarray) for name in ("output", "grad_input", "grad_weight", "grad_bias")
    )


def test_a_function_without_a_readable_signature_is_not_passed_what_it_is_declared_without():
    torch = pytest.importorskip("torch")
    functions = {"max_pool2d": torch.max_pool2d}  # has no return_indices
    subject = Subject(functions, framework="torch", without=("return_indices",))
    assert isinstance(asked(subject, "max_pool2d image=3,4 kernel=2,2")["output"], np.ndarray)


def test_a_torch_kernel_without_a_graph_claims_no_gradients():
    torch = pytest.importorskip("torch")
    calls = []

    def conv2d(x, w, bias=None):
        calls.append(bias is None)
        y = torch.nn.functional.conv2d(x.detach(), w.detach())
        return y if bias is None else y + bias[:, None, None]

    for text in ("conv2d image=3,4", "conv2d image=3,4 bias=true"):
        answers = asked(Subject({"conv2d": conv2d}, framework="torch"), text)
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
    answers = asked(Subject(kernel, framework="torch"), "conv2d batch=3 image=3,4")
    assert isinstance(answers["output"], np.ndarray)
    assert isinstance(answers["grad_input"], np.ndarray if input_given else faults)
    assert isinstance(answers["grad_weight"], faults)


def test_nhwc_arrays_go_out_and_come_back_transposed():
    shapes = []

    def conv2d(x, w):
        shapes.append((x.shape, w.shape))
        return np.zeros((2, 4, 5, 7), np.float32)

    subject = Subject(SimpleNamespace(conv2d=conv2d), layout="NHWC")
    answer = asked(subject, "conv2d batch=2 channels=3 filters=7 image=6,6 kernel=3,2")["output"]
    assert shapes == [((2, 6, 6, 3), (3, 2, 3, 7))]
    assert answer.shape == (2, 7, 4, 5)


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
        ({"dtypes": "float8"}, "dtypes='float8': there are float16, float32, float64"),
        ({"blocks": (0,)}, "blocks=(0,): an extent that a kernel blocks over is an int above 0"),
        ({"blocks": 8}, "blocks=8: a Subject's blocks are a tuple"),
        ({"without": 3}, "without=3: a Subject's without are a tuple"),
        ({"only": "x"}, "only='x': a Subject's only is a function of a case"),
        ({"name": 3}, "name=3: a Subject's name is a str"),
        ({"known_failures": ["conv2d"]}, "known_failures=['conv2d']: are a dict of case text to reason"),
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
        subject_of(options, conv2d=len)
    assert str(error.value) == message


NONE = "has none of the functions conv2d, max_pool2d, avg_pool2d"
THERE = "conv2d, conv2d_backward, max_pool2d, max_pool2d_backward, avg_pool2d, avg_pool2d_backward"


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


@pytest.mark.parametrize(
    ("source", "misnamed"),
    [
        ("def conv2d_backwards(g, x, w): ...", {"conv2d_backwards": "conv2d_backward"}),
        ("def maxpool2d(x, kernel_size): ...", {"maxpool2d": "max_pool2d"}),
        ("def AvgPool2d(x, kernel_size): ...", {"AvgPool2d": "avg_pool2d"}),
        ("class MaxPool2d: ...", {}),
        ("def conv_2d(x, w): ...", {}),  # conv2d is there
        ("def max_pool3d(x, kernel_size): ...\ndef conv3d_backward(g, x, w): ...", {}),
        ("def _maxpool2d(x, kernel_size): ...\nmax_pool = 3", {}),
        ("from math import sqrt as maxpool2d", {}),
    ],
)
def test_a_function_whose_name_nearly_is_one_that_is_asked_is_found(tmp_path, source, misnamed):
    file = tmp_path / "slips.py"
    file.write_text(f"def conv2d(x, w): ...\n{source}")
    assert load(str(file)).misnamed == misnamed


def test_a_feature_that_does_not_exist_cannot_be_unclaimed():
    with pytest.raises(
        SubjectError, match=r"^without='unbatchd': there are bias, ceil_mode, .*, unbatched, "
    ):
        Subject(SimpleNamespace(), without=("unbatchd",))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nosuch.py", "nosuch.py: no such file"),
        ("nosuchmodule", "nosuchmodule: importing it raises ModuleNotFoundError"),
        ("npcnn:nothing", "npcnn:nothing: npcnn has no nothing"),
        ("json", "json: has none of the functions conv2d, max_pool2d, avg_pool2d"),
        ("torch:strided", "torch:strided: there are torch, torch:contiguous and torch:channels_last"),
    ],
)
def test_a_subject_that_cannot_be_loaded_says_why(name, message):
    if name.startswith("torch"):
        pytest.importorskip("torch")
    with pytest.raises(SubjectError) as error:
        load(name)
    assert str(error.value).startswith(message)


def test_a_file_whose_functions_are_in_an_object_is_told_which(tmp_path):
    file = tmp_path / "methods.py"
    file.write_text("import npcnn\nclass C:\n    def conv2d(self, x, w): ...\nkernels = C()\n")
    with pytest.raises(SubjectError) as error:
        load(str(file))
    assert str(error.value).endswith(f"max_pool2d, avg_pool2d (did you mean {file}:kernels?)")


def test_a_file_whose_only_function_is_misspelled_is_told_what_may_be_meant(tmp_path):
    file = tmp_path / "slip.py"
    file.write_text("def maxpool2d(x, kernel_size): ...")
    with pytest.raises(SubjectError, match=r"avg_pool2d; maxpool2d: did you mean max_pool2d\?$"):
        load(str(file))


def test_objects_beside_the_functions_may_be_of_any_kind(tmp_path):
    file = tmp_path / "odd.py"
    file.write_text("class Odd:\n    def __getattr__(self, name): raise OSError(name)\nodd = Odd()\n")
    with pytest.raises(SubjectError, match=r"has none of the functions conv2d, max_pool2d, avg_pool2d$"):
        load(str(file))


def test_an_only_that_raises_is_told_with_its_case():
    subject = Subject({"conv2d": lambda x, w: x}, only=lambda case: case.ceil_mode)
    with pytest.raises(SubjectError, match=r"only= raises AttributeError: .*, asked for conv2d image=3,4"):
        subject.claims(Case.parse("conv2d image=3,4"))


def test_a_file_with_one_declared_subject_uses_it(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "import conformance\ndef conv2d(x, w): ...\nsubject = conformance.Subject({'conv2d': conv2d}, dtypes='float32')"
    )
    assert load(str(file)).dtypes == ("float32",)
    assert load(f"{file}:subject").name == f"{file}:subject"


def test_arrays_are_those_of_the_framework_that_the_file_imports(tmp_path):
    pytest.importorskip("torch")
    file = tmp_path / "torch_only.py"
    file.write_text("import torch\ndef conv2d(x, w): return torch.nn.functional.conv2d(x, w)")
    assert load(str(file)).array_framework == "torch"


@pytest.mark.parametrize(
    "text",
    [
        "import numpy as np\nimport torch.nn.functional as F\ndef conv2d(x, w): return F.conv2d(x, w)",
        "from torch import conv2d as c\ndef conv2d(x, w): return c(x, w)",
        "from torch import nn\nclass C(nn.Module): pass\nconv2d = C()",
        "import functools, torch\nconv2d = functools.partial(torch.nn.functional.max_pool2d, stride=1)",
        "import numpy, torch\nclass A(torch.autograd.Function): pass\ndef conv2d(x, w): return A.apply(x, w)",
        "import numpy, torch\ndef conv2d(x, w): return helper(x, w)\ndef helper(x, w): return torch.conv2d(x, w)",
    ],
)
def test_arrays_are_those_of_the_framework_that_the_functions_use(tmp_path, text):
    pytest.importorskip("torch")
    file = tmp_path / "of_torch.py"
    file.write_text(text)
    assert load(str(file)).array_framework == "torch"


@pytest.mark.parametrize("name", ["lazy.py", "lazy"])
def test_a_kernel_may_import_what_lies_beside_it_when_it_is_called(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "beside.py").write_text("def conv2d(x, w): return x")
    (tmp_path / "lazy.py").write_text("def conv2d(x, w):\n    import beside\n    return beside.conv2d(x, w)")
    monkeypatch.setattr(sys, "modules", sys.modules.copy())
    assert isinstance(asked(load(name), "conv2d")["output"], np.ndarray)


def test_what_lies_beside_a_kernel_stands_for_no_module_that_is_imported_later(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "this.py").write_text("")
    (tmp_path / "plain.py").write_text("def conv2d(x, w): ...")
    load(str(tmp_path / "plain.py"))
    found = importlib.util.find_spec("this")
    assert found and found.origin != str(tmp_path / "this.py")


def test_what_a_file_makes_an_error_is_no_error_of_the_suite(tmp_path):
    file = tmp_path / "strict.py"
    file.write_text(
        "import warnings, numpy\nwarnings.simplefilter('error')\nnumpy.seterr(all='raise')\ndef conv2d(x, w): ..."
    )
    before = np.geterr(), list(warnings.filters)
    load(str(file))
    assert (np.geterr(), list(warnings.filters)) == before


def test_torch_differentiates_where_a_file_has_disabled_gradients():
    torch = pytest.importorskip("torch")
    subject = Subject({"conv2d": torch.nn.functional.conv2d}, framework="torch")
    with torch.no_grad():
        assert isinstance(asked(subject, "conv2d image=3,4")["grad_input"], np.ndarray)
