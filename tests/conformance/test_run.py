"""A run: claims, verdicts, the smallest failing case; planted mistakes are caught, right kernels are not."""

import itertools
import os
import warnings
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import npcnn
from conformance import Subject
from conformance.cases import Case
from conformance.cases.features import features_of
from conformance.cases.shrink import cost, shrink, simpler
from conformance.kernels import reference
from conformance.operations import OPERATIONS
from conformance.requirements import REQUIREMENTS, Requirement
from conformance.running.events import Judged
from conformance.running.in_process import InProcess
from conformance.running.run import run
from conformance.running.settings import Settings


def judged(subject, **settings):
    settings = {"profile": "quick"} | settings
    return run(subject, InProcess(subject, reference.answer), Settings(**settings))


def wrong(**functions):
    """npcnn with some functions replaced."""
    return Subject(SimpleNamespace(**({n: getattr(npcnn, n) for n in npcnn.__all__} | functions)))


def first_failure(report, output):
    return next(row.failure for row in report.rows if row.output == output and row.failure)


@pytest.mark.parametrize("operation", ["conv2d", "max_pool2d", "avg_pool2d"])
def test_npcnn_conforms_with_nothing_untested(operation):
    report = judged(Subject(npcnn), operations=[operation], dtypes=["float32"])
    assert {row.verdict for row in report.rows} == {"conforms"}
    isolated = {"memory", "hazards"}  # judged in worker processes only
    twice = {"double_backward"} if OPERATIONS[operation].family.bilinear else set()
    assert {what for _, what, _ in report.not_claimed} == isolated | twice
    assert report.passed


@pytest.mark.parametrize(("only", "geometries"), [(None, [277]), (lambda case: case.kernel == (2, 2), [])])
def test_a_subject_that_chooses_its_cases_exhausts_nothing(only, geometries):
    asked = {"operations": ["avg_pool2d"], "requirements": ["exact"], "dtypes": ["float32"]}
    report = judged(Subject(npcnn, only=only), profile="standard", **asked)
    assert report.passed
    assert [each.geometries for each in report.exhausted] == geometries


def swapped_strides(x, w, bias=None, *, stride=1, **options):
    return npcnn.conv2d(x, w, bias, stride=stride if isinstance(stride, int) else stride[::-1], **options)


def ignored_bias(x, w, bias=None, **options):
    return npcnn.conv2d(x, w, None if bias is None else 0 * bias, **options)


def dropped_tail(x, w, bias=None, **options):
    output = npcnn.conv2d(x, w, bias, **options)
    output[..., output.shape[-1] // 8 * 8 :] *= output.shape[-1] < 8
    return output


def unit_stride_gradient(g, x, w, bias=None, *, stride=1, **options):
    gradients = npcnn.conv2d_backward(g, x, w, bias, stride=stride, **options)
    if stride in (1, (1, 1)):
        return gradients
    return (np.roll(gradients[0], 1, axis=-1), *gradients[1:])


def last_of_ties(x, kernel_size, *, return_indices=False, **options):
    answer = npcnn.max_pool2d(x, kernel_size, return_indices=return_indices, **options)
    if not return_indices:
        return answer
    back = npcnn.max_pool2d(
        x[..., ::-1, ::-1], kernel_size, return_indices=True, **(options | {"ceil_mode": False})
    )
    plain = options.get("padding") in (0, (0, 0)) and back[1].shape == answer[1].shape
    return (answer[0], x.shape[-1] * x.shape[-2] - 1 - back[1][..., ::-1, ::-1]) if plain else answer


def ignored_nan(x, kernel_size, **options):
    return npcnn.max_pool2d(np.where(np.isnan(x), x.dtype.type(-np.inf), x), kernel_size, **options)


def floor_for_ceil(x, kernel_size, *, ceil_mode=False, **options):
    return npcnn.max_pool2d(x, kernel_size, ceil_mode=False, **options)


def counted_padding(x, kernel_size, *, count_include_pad=True, **options):
    return npcnn.avg_pool2d(x, kernel_size, count_include_pad=True, **options)


@pytest.mark.parametrize(
    ("functions", "output", "size"),
    [
        ({"conv2d": swapped_strides}, "output", 8),
        ({"conv2d": ignored_bias}, "output", 4),
        ({"conv2d": dropped_tail}, "output", 40),
        ({"conv2d_backward": unit_stride_gradient}, "grad_input", 8),
        ({"max_pool2d": last_of_ties}, "indices", 16),
        ({"max_pool2d": ignored_nan}, "output", 8),
        ({"max_pool2d": floor_for_ceil}, "output", 8),
        ({"avg_pool2d": counted_padding}, "output", 8),
    ],
    ids=lambda value: next(iter(value.values())).__name__ if isinstance(value, dict) else None,
)
def test_a_planted_mistake_is_caught_with_a_small_case(functions, output, size):
    name = next(iter(functions)).removesuffix("_backward")
    report = judged(
        wrong(**functions), operations=[name], requirements=["exact", "special"], dtypes=["float32"]
    )
    assert not report.passed
    assert first_failure(report, output).case.size <= size


def test_a_failure_of_one_output_is_no_failure_of_another():
    report = judged(
        wrong(conv2d_backward=unit_stride_gradient), operations=["conv2d"], requirements=["exact"]
    )
    assert {row.output: row.verdict for row in report.rows} == {
        "output": "conforms", "grad_input": "differs", "grad_weight": "conforms", "grad_bias": "conforms",
    }  # fmt: skip


def test_what_a_plain_call_refuses_is_not_claimed():
    def conv2d(x, w, stride=1, padding=0):
        if x.ndim != 4 or x.dtype != np.float32 or not isinstance(stride, int) or isinstance(padding, str):
            raise TypeError("float32 images with int options only")
        return npcnn.conv2d(x, w, stride=stride, padding=padding)

    report = judged(Subject(SimpleNamespace(conv2d=conv2d)), requirements=["exact", "arguments", "empty"])
    assert report.passed
    assert {feature for _, feature, _ in report.not_claimed} - {"memory", "hazards"} == {
        "bias", "dilation", "groups", "float64", "unbatched", "options per axis",
        "options as tuples", "options as lists", "options as tuples of one",
        "padding=same", "padding=valid",
    }  # fmt: skip


@pytest.mark.parametrize(("error", "declined"), [(NotImplementedError, True), (ValueError, False)])
def test_an_option_of_the_signature_is_declined_by_not_implemented_alone(error, declined):
    def conv2d(x, w, bias=None, stride=1, padding=0, dilation=1, groups=1):
        if groups != 1:
            raise error("groups")
        return npcnn.conv2d(x, w, bias, stride=stride, padding=padding, dilation=dilation)

    report = judged(Subject({"conv2d": conv2d}), requirements=["exact"], dtypes=["float32"])
    assert report.passed == declined
    assert (("conv2d", "groups", "NotImplementedError: groups") in report.not_claimed) == declined


@pytest.mark.parametrize("declared", [False, True])
def test_an_option_that_is_left_out_has_the_default_of_torch(declared):
    def max_pool2d(x, kernel_size, stride=1, padding=0):
        return npcnn.max_pool2d(x, kernel_size, stride=stride, padding=padding)

    subject = Subject({"max_pool2d": max_pool2d}, without=("defaults",) if declared else ())
    report = judged(subject, requirements=["exact", "contract"], dtypes=["float32"])
    wrong = [row.failure.judgement.message for row in report.rows if row.failure]
    assert [message.partition(":")[0] for message in wrong] == (
        [] if declared else ["options left to their defaults"]
    )


def test_a_failure_does_not_shrink_into_a_dtype_that_is_not_declared():
    def conv2d(x, w):
        return npcnn.conv2d(x, w).astype(np.float16)

    report = judged(
        Subject({"conv2d": lambda x, w: conv2d(x, w) + 1}, dtypes=("float16",)), requirements=["exact"]
    )
    assert first_failure(report, "output").case.dtype == "float16"


def test_a_kernel_that_reshapes_its_argument_does_not_reach_the_oracle():
    def conv2d(x, w):
        answer = npcnn.conv2d(x, w)
        w.shape = (-1,)
        return answer

    report = judged(Subject({"conv2d": conv2d}), requirements=["contract", "state"], dtypes=["float32"])
    assert "the kernel changed its argument weight" in first_failure(report, "output").judgement.message


def test_a_gradient_by_autograd_may_be_grad_output_itself():
    pytest.importorskip("torch")
    subject = Subject({"conv2d": _bias_added_last}, framework="torch")
    case = Case.parse("conv2d batch=none bias=true")
    ((_, judgements),) = InProcess(subject, reference.answer).examine("contract", [case])
    assert not [judgement.message for judgement in judgements if judgement.failed]


def _bias_added_last(x, w, bias):
    import torch

    return torch.conv2d(x, w) + bias[:, None, None]


@pytest.mark.parametrize("operation", ["conv2d", "max_pool2d", "avg_pool2d"])
def test_a_kernel_of_square_images_alone_is_asked_those(operation):
    def square_alone(x, *arrays, **options):
        if x.shape[-1] != x.shape[-2]:
            raise NotImplementedError("square images only")
        return getattr(npcnn, operation)(x, *arrays, **options)

    report = judged(Subject({operation: square_alone}), dtypes=["float32"])
    assert report.passed
    assert (operation, "images not square", "NotImplementedError: square images only") in report.not_claimed
    assert sum(row.cases for row in report.rows) > 1000


def test_cases_that_a_subject_does_not_declare_are_not_claimed():
    def max_pool2d(x, kernel_size, stride=None):
        if kernel_size not in (2, (2, 2)) or stride not in (2, None, (2, 2)):
            raise NotImplementedError("2x2 windows, stride 2")
        return npcnn.max_pool2d(x, kernel_size, stride=stride)

    def halves(case):
        return case.kernel == (2, 2) and case.strides == (2, 2)

    report = judged(Subject({"max_pool2d": max_pool2d}, only=halves))
    assert report.passed
    row = next(row for row in report.rows if row.unit.requirement == "exact" and row.output == "output")
    assert row.verdict == "conforms"
    assert row.not_claimed > row.cases > 10


def test_a_kernel_is_probed_with_cases_that_it_declares():
    def conv2d(x, w, bias=None, stride=1, padding=0, dilation=1, groups=1):
        if x.dtype != np.float32 or x.ndim != 4 or w.shape[2:] != (3, 3) or type(padding) is not int:
            raise TypeError("3x3 filters, float32")
        return npcnn.conv2d(x, w, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)

    def padded(case):
        return case.kernel == (3, 3) and case.padding in (1, (1, 1)) and case.groups == 1

    report = judged(Subject({"conv2d": conv2d}, only=padded), requirements=["exact", "empty", "sizes"])
    assert report.passed
    reasons = {feature: reason for _, feature, reason in report.not_claimed}
    refused = {feature for feature, reason in reasons.items() if reason == "TypeError: 3x3 filters, float32"}
    assert refused == {"float64", "unbatched", "options as tuples", "options per axis"}
    assert reasons["options as tuples of one"] == "declared"


def test_bad_arguments_alone_are_no_verdict_on_a_kernel():
    subject = Subject({"conv2d": npcnn.conv2d}, only=lambda case: False)
    report = judged(subject, requirements=["exact", "arguments"])
    assert {row.verdict for row in report.rows} == {"conforms", "not claimed"}
    assert (report.unclaimed, report.passed) == (["conv2d"], False)
    assert judged(subject, requirements=["arguments"]).passed


def test_a_kernel_that_takes_what_its_signature_does_not_say_is_told_of():
    report = judged(Subject({"conv2d": lambda x, w, **options: 1 / 0}), requirements=["exact"])
    assert report.refusing == {"conv2d": "ZeroDivisionError: division by zero"}


def test_bad_arguments_are_asked_whatever_a_subject_declares():
    report = judged(Subject({"conv2d": npcnn.conv2d}, only=lambda case: False), requirements=["arguments"])
    assert [row.cases > 10 for row in report.rows] == [True]


def test_a_kernel_that_refuses_everything_does_not_pass():
    def conv2d(x, w, bias=None):
        raise NotImplementedError

    report = judged(Subject(SimpleNamespace(conv2d=conv2d)), requirements=["exact"])
    assert {row.verdict for row in report.rows if row.output == "output"} == {"refused"}


def none(plan):
    return iter(())


def constant(plan):
    yield Case.parse("conv2d batch=0 image=3,3")


@pytest.mark.parametrize("cases", [none, constant])
def test_a_requirement_that_asks_nothing_is_untested(monkeypatch, cases):
    monkeypatch.setitem(REQUIREMENTS, "exact", replace(REQUIREMENTS["exact"], cases=cases))
    report = judged(Subject(npcnn), operations=["conv2d"], requirements=["exact"])
    assert {row.verdict for row in report.rows} == {"untested"}
    assert not report.passed


def test_a_broken_generator_ends_the_run(monkeypatch):
    def broken(plan):
        raise RuntimeError("no cases today")
        yield

    monkeypatch.setitem(
        REQUIREMENTS, "exact", Requirement("exact", "", broken, REQUIREMENTS["exact"].check, rank=0)
    )
    with pytest.raises(RuntimeError, match="no cases today"):
        judged(Subject(npcnn), operations=["conv2d"], requirements=["exact"])


def with_known(subject, report, output):
    return replace(subject, known_failures={str(first_failure(report, output).case): "stride, fixed in 1.2"})


def test_a_known_failure_passes_as_long_as_it_fails():
    subject = wrong(conv2d=swapped_strides)
    asked = {"operations": ["conv2d"], "requirements": ["exact"], "dtypes": ["float32"]}
    known = with_known(subject, judged(subject, **asked), "output")
    assert {row.verdict for row in judged(known, **asked).rows} <= {"known failure", "conforms"}


def test_a_known_failure_does_not_hide_another_mistake():
    def both(x, w, bias=None, **options):
        return swapped_strides(x, w, None, **options)

    asked = {"operations": ["conv2d"], "requirements": ["exact"], "dtypes": ["float32"]}
    known = with_known(wrong(conv2d=both), judged(wrong(conv2d=swapped_strides), **asked), "output")
    found = first_failure(judged(known, **asked), "output")
    assert (found.known, str(found.case)) == ("", "conv2d bias=true")


MORE = {
    "another option": lambda options: options["dilation"] not in (1, (1, 1)),
    "options that meet": lambda options: (
        options["stride"] not in (1, (1, 1)) and options["padding"] not in (0, (0, 0))
    ),
}


@pytest.mark.parametrize("name", MORE)
def test_a_known_failure_without_options_explains_none_that_needs_options(name):
    def conv2d(x, w, bias=None, *, stride=1, padding=0, dilation=1, groups=1):
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        return npcnn.conv2d(x, w, bias, **options) + (x.shape[-1] == 7) + 2 * MORE[name](options)

    subject = replace(wrong(conv2d=conv2d), known_failures={"conv2d image=1,7": "issue 12"})
    report = judged(subject, operations=["conv2d"], requirements=["exact"], dtypes=["float32"])
    assert first_failure(report, "output").known == ""


def test_nothing_is_exhausted_where_a_failure_is_known():
    subject = replace(
        wrong(conv2d=swapped_strides), known_failures={"conv2d image=1,3 stride=1,2": "issue 12"}
    )
    asked = {"operations": ["conv2d"], "requirements": ["exact"], "dtypes": ["float32"]}
    report = judged(subject, profile="standard", **asked)
    assert report.rows[0].failure.known
    assert not report.exhausted


def test_a_known_failure_that_no_longer_fails_is_stale():
    subject = Subject(npcnn, known_failures={"conv2d image=1,3 stride=1,2": "fixed since"})
    report = judged(subject, operations=["conv2d"], requirements=["empty"])
    assert report.stale == ["conv2d image=1,3 stride=1,2"]
    assert not report.passed


def test_an_interrupted_run_keeps_the_verdict_so_far():
    subject = Subject(npcnn)

    def interrupt(event):
        if isinstance(event, Judged) and event.unit.requirement == "empty":
            raise KeyboardInterrupt

    settings = Settings(operations=["conv2d"], requirements=["exact", "empty"], profile="quick")
    report = run(subject, InProcess(subject, reference.answer), settings, interrupt)
    assert report.interrupted
    assert {row.unit.requirement for row in report.rows} == {"exact", "empty"}
    assert next(row.cases for row in report.rows if row.unit.requirement == "empty") == 1
    assert not report.passed


def test_shrinking_reaches_the_smallest_case():
    start = Case.parse(
        "conv2d batch=3 channels=4 filters=6 groups=2 image=9,8 kernel=3,2 stride=2,3 padding=1 bias=true"
    )
    assert (
        str(shrink(start, lambda case: case.axes(case.stride)[1] == 3, features_of("conv2d")))
        == "conv2d stride=3"
    )


@pytest.mark.parametrize("written", ["1048576", "1048576,"])
def test_a_dilation_shrinks_with_its_image_in_few_steps(written):
    asked = []

    def is_dilated(case):
        asked.append(case)
        return case.kernel == (2,) and case.dilations[0] > 1

    start = Case.parse(f"max_pool1d image=1048579 kernel=2 seed=7 dilation={written}")
    smallest = shrink(start, is_dilated, features_of("max_pool1d"))
    assert (smallest.image, smallest.dilations) == ((3,), (2,))
    assert len(asked) < 60


def test_shrinking_keeps_a_refused_case_refused():
    start = Case.parse("conv2d channels=4 filters=6 groups=3 image=5,5 kernel=2,2")
    assert shrink(start, lambda case: True, frozenset({"groups"})).problem


def test_simpler_cases_cost_less_or_are_passed_over():
    case = Case.parse("max_pool2d image=6,7 kernel=3,2 stride=2,1 padding=1 ceil_mode=true")
    assert any(cost(candidate) < cost(case) for candidate in simpler(case))


def test_a_mutant_that_contradicts_no_case_names_the_mistake():
    asked = {"operations": ["conv2d"], "requirements": ["exact"], "dtypes": ["float32"]}
    told = first_failure(judged(wrong(conv2d=ignored_bias), **asked), "output")
    assert told.diagnosis == "bias ignored"


def test_a_mutant_that_other_values_of_the_smallest_case_contradict_is_not_named():
    """It takes channels that are 0 in the first image for 0 in all: those of unit images, and none of integers."""

    def conv2d(x, w, bias=None, **options):
        silent = x.ndim == 4 and len(x) > 1 and ~x[0].any(axis=(1, 2))[:, None, None]
        return npcnn.conv2d(np.where(silent, 0, x).astype(x.dtype), w, bias, **options)

    asked = {
        "operations": ["conv2d"],
        "requirements": ["certified"],
        "dtypes": ["float32"],
        "first_failure": True,
    }
    assert first_failure(judged(wrong(conv2d=conv2d), **asked), "output").diagnosis == ""


def test_a_mistake_that_no_mutant_makes_is_placed_and_not_named():
    def conv2d(x, w, bias=None, **options):
        output = npcnn.conv2d(x, w, bias, **options)
        output[..., -1] += 3
        return output

    asked = {"operations": ["conv2d"], "requirements": ["exact"], "dtypes": ["float32"]}
    told = first_failure(judged(wrong(conv2d=conv2d), **asked), "output")
    assert (told.diagnosis, told.where) == ("", "the last column")


# What autograd may do with arguments that need no gradient, and with graphs that overlap.


def _first_layer_forgotten(torch):
    """grad_weight only where the input needs a gradient, too."""

    class Function(torch.autograd.Function):  # type: ignore[name-defined, misc]
        @staticmethod
        def forward(ctx, x, w):
            ctx.save_for_backward(x, w)
            return torch.nn.functional.conv2d(x, w)

        @staticmethod
        def backward(ctx, g):
            x, w = ctx.saved_tensors
            grad_input = torch.nn.grad.conv2d_input(x.shape, w, g)
            return grad_input, torch.nn.grad.conv2d_weight(x, w.shape, g) if ctx.needs_input_grad[0] else None

    return Function.apply


def _last_forward_kept(torch):
    """The gradient reads what the last forward kept, not what its own did."""
    kept = {}

    class Function(torch.autograd.Function):  # type: ignore[name-defined, misc]
        @staticmethod
        def forward(ctx, x, w):
            kept["arrays"] = x, w
            return torch.nn.functional.conv2d(x, w)

        @staticmethod
        def backward(ctx, g):
            x, w = kept["arrays"]
            return torch.nn.grad.conv2d_input(x.shape, w, g), torch.nn.grad.conv2d_weight(x, w.shape, g)

    return Function.apply


def _adds_up(torch):
    """The gradient of the weight is added to that of an earlier backward."""

    class Function(torch.autograd.Function):  # type: ignore[name-defined, misc]
        @staticmethod
        def forward(ctx, x, w):
            ctx.arrays, ctx.total = (x, w), torch.zeros_like(w)
            return torch.nn.functional.conv2d(x, w)

        @staticmethod
        def backward(ctx, g):
            x, w = ctx.arrays
            ctx.total += torch.nn.grad.conv2d_weight(x, w.shape, g)
            return torch.nn.grad.conv2d_input(x.shape, w, g), ctx.total.clone()

    return Function.apply


@pytest.mark.parametrize(
    ("kernel", "story"),
    [
        (_adds_up, "by a second backward: grad_weight["),
        (_first_layer_forgotten, "the other arguments need no gradient: grad_weight refused"),
        (_last_forward_kept, "after another forward: grad_weight["),
    ],
)
def test_a_gradient_is_asked_alone_and_after_another_forward(kernel, story):
    function = kernel(pytest.importorskip("torch"))
    subject = Subject({"conv2d": lambda x, w: function(x, w)}, framework="torch")
    report = judged(
        subject, operations=["conv2d"], requirements=["state"], dtypes=["float64"], profile="quick"
    )
    assert story in first_failure(report, "grad_weight").judgement.message


@pytest.mark.parametrize("accuracy", ["direct", "winograd"])
def test_a_max_pooling_has_no_ties_because_its_file_has_a_winograd_convolution(accuracy):
    subject = Subject(npcnn, accuracy=accuracy, ties="any")
    report = judged(subject, operations=["max_pool2d"], requirements=["sizes"], dtypes=["float32"])
    assert {row.output: row.verdict for row in report.rows}["grad_input"] == "conforms"


def test_one_nan_of_grad_output_may_fill_its_plane_and_no_other():
    def spread(over):
        def backward(grad_output, input, *args, **options):
            grad = npcnn.max_pool2d_backward(grad_output, input, *args, **options)
            more = np.where(np.isfinite(grad_output), 0, np.nan).astype(grad.dtype)
            return grad + more.sum(over, keepdims=True)

        return wrong(max_pool2d_backward=backward)

    asked = {"operations": ["max_pool2d"], "requirements": ["special"], "dtypes": ["float32"]}
    assert judged(spread((-2, -1)), **asked).passed
    assert first_failure(judged(spread((-3, -2, -1)), **asked), "grad_input")


def test_settings_have_a_profile_that_there_is():
    with pytest.raises(ValueError, match=r"^profile='x': there are quick, standard, deep$"):
        Settings(profile="x")


@pytest.mark.parametrize(
    ("deed", "state"),
    [
        (lambda: os.chdir("/"), os.getcwd),
        (lambda: os.environ.update(CHANGED="1"), lambda: "CHANGED" in os.environ),
        (lambda: warnings.simplefilter("error"), lambda: list(warnings.filters)),
    ],
)
def test_what_a_kernel_changes_is_put_back_in_this_process(deed, state):
    before = state()

    def conv2d(input, weight):
        deed()
        return npcnn.conv2d(input, weight)

    judged(Subject({"conv2d": conv2d}), requirements=("empty",))
    assert state() == before


def test_a_mistake_behind_another_is_found_too():
    def conv2d(x, w, bias=None, *, stride=1, groups=1, **options):
        if groups > 1 and stride != 1:
            raise ValueError("groups with a stride")
        output = npcnn.conv2d(x, w, bias, stride=stride, groups=groups, **options)
        return output * 0 if options["dilation"] == 2 else output

    asked = {"operations": ["conv2d"], "requirements": ["exact"], "dtypes": ["float32"]}
    (row,) = (r for r in judged(Subject({"conv2d": conv2d}), **asked).rows if r.failure)
    assert sorted((f.judgement.status, str(f.case)) for f in row.failures) == [
        ("differs", "conv2d dilation=2"),
        ("refused", "conv2d channels=2 filters=2 groups=2 stride=1,1"),
    ]


def test_what_a_failure_explains_is_not_told_again():
    asked = {"operations": ["conv2d"], "requirements": ["exact"], "dtypes": ["float32"]}
    report = judged(wrong(conv2d=ignored_bias), **asked)
    assert [len(row.failures) for row in report.rows if row.failure] == [1]


def test_garbage_is_said_to_differ_from_call_to_call():
    calls = itertools.count(1)

    def conv2d(x, w, bias=None, **options):
        return npcnn.conv2d(x, w, bias, **options) + next(calls)

    asked = {"operations": ["conv2d"], "requirements": ["exact"], "dtypes": ["float32"]}
    failure = first_failure(judged(Subject({"conv2d": conv2d}), **asked), "output")
    assert (failure.diagnosis, failure.where) == ("answers that differ from call to call", "")


@pytest.mark.parametrize("requirement", ["state", "threads"])
def test_a_known_failure_is_excused_in_calls_that_follow_each_other(requirement):
    subject = Subject({"conv2d": swapped_strides}, known_failures={"conv2d image=1,3 stride=1,2": "swapped"})
    report = judged(subject, operations=["conv2d"], requirements=[requirement], dtypes=["float32"])
    assert {row.verdict for row in report.rows if row.output == "output"} <= {"known failure", "conforms"}
