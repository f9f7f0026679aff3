"""Adaptive, power-average and unpooling: windows of no kernel, powers and roots, positions for numbers."""

import math
from typing import Any

import numpy as np
import pytest

from conformance.cases import Case, CaseError
from conformance.cases.arrays import fill
from conformance.cases.covering import covering, squared
from conformance.cases.features import features_of
from conformance.cases.neighbours import neighbours
from conformance.cases.shrink import shrink
from conformance.cases.values import magnitudes
from conformance.kernels import reference
from conformance.kernels.call import Caller
from conformance.kernels.framework import oracle
from conformance.kernels.functions import functions
from conformance.kernels.subject import Subject
from conformance.operations.adaptive import spans
from conformance.reports.script import script
from conformance.requirements.answers import judge_all
from conformance.verdicts.bounds import bound


def answered(text: str, **arrays: Any) -> dict[str, Any]:
    """What the reference answers to arrays of two axes less than the case has, grad_output of ones."""
    case = Case.parse(f"{text} dtype=float64")
    given = {name: np.array(values)[None, None] for name, values in arrays.items()}
    return reference.answer(case, {"grad_output": np.ones(case.shapes["grad_output"])} | given)


def failures(case: Case, arrays: dict[str, Any], **changed: Any) -> list[str]:
    """The outputs that are judged wrong where some answers of the reference are changed."""
    expected = reference.answer(case, arrays)
    answers = {n: a.astype(np.int64 if n == "indices" else case.dtype) for n, a in expected.items()}
    for name, answer in changed.items():
        answers[name] = np.asarray(answer, case.dtype).reshape(answers[name].shape)
    judged = judge_all(Subject(functions(case.operation)), reference.answer, case, arrays, expected, answers)
    return [judgement.output for judgement in judged if judgement.failed]


# Adaptive.


@pytest.mark.parametrize(
    ("extent", "outputs", "expected"),
    [
        (6, 3, [(0, 2), (2, 4), (4, 6)]),
        (7, 3, [(0, 3), (2, 5), (4, 7)]),
        (2, 3, [(0, 1), (0, 2), (1, 2)]),
        (5, 0, []),
    ],
)
def test_windows_of_an_adaptive_pool_share_pixels_where_the_extent_is_no_multiple(extent, outputs, expected):
    assert spans(extent, outputs) == expected


def test_an_output_size_of_none_keeps_the_extent():
    case = Case.parse("adaptive_avg_pool2d image=4,5 output_size=none,2")
    assert (case.output_size, case.output_extents) == ((None, 2), (4, 2))
    assert str(case) == "adaptive_avg_pool2d image=4,5 output_size=none,2"
    assert "output_size=None" in case.needs


def test_an_adaptive_pool_has_no_kernel():
    with pytest.raises(CaseError, match="adaptive_avg_pool2d has no field kernel"):
        Case.parse("adaptive_avg_pool2d kernel=2,2")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("adaptive_avg_pool1d output_size=none,", "output_size=none of one axis"),
        ("adaptive_max_pool2d output_size=2,", "output_size=2, is one number for 2 axes"),
        ("adaptive_max_pool3d output_size=2,-1,2", "output_size=(2, -1, 2) is below 0"),
        ("lp_pool2d norm_type=0", "norm_type=0 has no root"),
        ("max_unpool2d stride=2,", "stride=2, is one number for 2 axes"),
        (
            "max_unpool1d image=3 kernel=2 output_size=8,",
            "output_size=(8,) is not within a stride (2,) of (6,)",
        ),
    ],
)
def test_what_pytorch_refuses_is_refused_with_a_reason(text, problem):
    case = Case.parse(f"{text} dtype=float64")
    assert case.problem == problem
    pytest.importorskip("torch")
    with pytest.raises((RuntimeError, TypeError, ValueError, IndexError, ZeroDivisionError)):
        oracle("torch")(case, fill(case))


def test_no_window_at_all_has_a_forward_and_is_a_hazard():
    case = Case.parse("adaptive_max_pool2d image=4,7 output_size=0,2 return_indices=true")
    assert case.hazard and not case.problem
    assert reference.answer(case, fill(case))["indices"].shape == (1, 1, 0, 2)
    assert squared(case).image == (7, 7)


def test_the_last_nan_of_a_window_has_its_index():
    answers = answered("adaptive_max_pool1d image=4 return_indices=true", input=[1.0, np.nan, 3.0, np.nan])
    assert answers["indices"].item() == 3
    assert answers["grad_input"].ravel().tolist() == [0, 0, 0, 1]


def test_a_covering_array_has_images_smaller_than_their_answer():
    cases = list(covering("adaptive_avg_pool2d", features_of("adaptive_avg_pool2d")))
    kinds = {n < o for case in cases for n, o in zip(case.image, case.output_extents, strict=True)}
    remainders = {n % o > 0 for case in cases for n, o in zip(case.image, case.output_extents, strict=True)}
    assert kinds == remainders == {False, True}


def test_an_adaptive_case_shrinks_by_its_output_size():
    case = Case.parse("adaptive_avg_pool2d image=9,7 output_size=none,5 channels=3")
    small = shrink(case, lambda other: max(other.output_extents) > 2, features_of(case.operation))
    assert str(small) == "adaptive_avg_pool2d output_size=1,3"


# Powers and roots.


@pytest.mark.parametrize(
    ("norm", "window", "output", "gradient"),
    [
        ("1", [1.0, -3.0], -2.0, [1, 1]),
        ("2", [3.0, -4.0], 5.0, [0.6, -0.8]),
        ("3", [1.0, -2.0], math.nan, [math.nan, math.nan]),
        ("inf", [1.0, -2.0], 2.0, [0, -1]),
        ("2", [0.0, 0.0], 0.0, [0, 0]),
        ("2.5", [1.0, 0.0], 1.0, [1, 0]),
    ],
)
def test_a_power_average_is_that_of_pytorch(norm, window, output, gradient):
    text = f"lp_pool1d image=2 kernel=2 norm_type={norm}"
    answers = answered(text, input=window)
    np.testing.assert_allclose(answers["output"].item(), output)
    np.testing.assert_allclose(answers["grad_input"].ravel(), gradient)
    pytest.importorskip("torch")
    case = Case.parse(f"{text} dtype=float64")
    expected = oracle("torch")(
        case, {"input": np.array(window)[None, None], "grad_output": np.ones((1, 1, 1))}
    )
    np.testing.assert_allclose(answers["grad_input"], expected["grad_input"])


def test_powers_of_integers_are_summed_exactly():
    case = Case.parse("lp_pool2d image=4,6 kernel=2,3 norm_type=4")
    largest = magnitudes(case)["input"]
    assert 6 * largest**4 < 2**24 <= 8 * (largest + 1) ** 4


ROOTLESS = Case.parse("lp_pool1d image=2 kernel=2 norm_type=3 values=mean_zero")


@pytest.mark.parametrize(("second", "fails"), [(-1 + 1e-9, []), (-0.5, ["output"])])
def test_rounding_may_decide_whether_a_sum_has_a_root(second, fails):
    arrays = {"input": np.array([[[1, second]]]), "grad_output": np.ones((1, 1, 1))}
    assert failures(ROOTLESS, arrays, output=math.nan) == fails


@pytest.mark.parametrize(
    ("window", "gradient", "fails"),
    [([2.0, -2.0], [1, 1], []), ([2.0, -1.0], [0, 0], ["grad_input"])],
)
def test_for_a_norm_of_1_a_sum_of_0_may_have_a_slope(window, gradient, fails):
    case = Case.parse("lp_pool1d image=2 kernel=2 norm_type=1")
    arrays = {"input": np.array([[window]]), "grad_output": np.ones((1, 1, 1))}
    assert failures(case, arrays, grad_input=gradient) == fails


def test_a_pixel_of_no_window_may_have_the_gradient_0_though_it_is_infinite():
    case = Case.parse("lp_pool1d image=3 kernel=2 norm_type=2")
    arrays = {"input": np.array([[[3.0, 4.0, np.inf]]]), "grad_output": np.ones((1, 1, 1))}
    assert failures(case, arrays, grad_input=[0.6, 0.8, 0]) == []
    assert failures(case, arrays, grad_input=[0.6, 0, 0]) == ["grad_input"]


@pytest.mark.parametrize(("scale", "fails"), [(1e20, []), (1.0, ["output"])])
def test_a_sum_beyond_the_numbers_of_the_dtype_may_be_infinite(scale, fails):
    case = Case.parse("lp_pool1d image=2 kernel=2 norm_type=2 values=mean_zero")
    arrays = {"input": np.array([[[3 * scale, 4 * scale]]]), "grad_output": np.ones((1, 1, 1))}
    assert failures(case, arrays, output=np.inf) == fails


@pytest.mark.parametrize(("off", "fails"), [(1e-7, []), (1e-5, ["output"])])
def test_a_root_is_held_to_a_few_roundings(off, fails):
    case = Case.parse("lp_pool1d image=2 kernel=2 norm_type=2 values=mean_zero")
    arrays = {"input": np.array([[[3.0, 4.0]]]), "grad_output": np.ones((1, 1, 1))}
    assert failures(case, arrays, output=5 * (1 + off)) == fails


@pytest.mark.parametrize(
    ("norm", "output", "gradient"),
    [
        ("1", [3, 6], [1, 1, 2]),
        ("2", [5**0.5, 18**0.5], [5**-0.5, 2 * 5**-0.5, 2**0.5]),
        ("inf", [2, 3], [0, 1, 1]),
    ],
)
def test_a_window_that_ceil_mode_clips_counts_as_a_whole_one(norm, output, gradient):
    text = f"lp_pool1d image=3 kernel=2 norm_type={norm} ceil_mode=true"
    answers = answered(text, input=[1.0, 2, 3])
    np.testing.assert_allclose(answers["output"].ravel(), output)
    np.testing.assert_allclose(answers["grad_input"].ravel(), gradient)
    pytest.importorskip("torch")
    case = Case.parse(f"{text} dtype=float64")
    arrays = {"input": np.array([[[1.0, 2, 3]]]), "grad_output": np.ones((1, 1, 2))}
    np.testing.assert_allclose(answers["grad_input"], oracle("torch")(case, arrays)["grad_input"])


def test_a_clipped_window_over_three_axes_is_refused_where_pytorch_refuses_it():
    case = Case.parse("lp_pool3d image=4,4,2 kernel=2,2,3 stride=2 ceil_mode=true dtype=float64")
    assert (
        case.problem == "the window exceeds the image, which PyTorch's avg_pool3d refuses in ceil_mode, too"
    )
    pytest.importorskip("torch")
    with pytest.raises(RuntimeError, match="smaller than kernel size"):
        oracle("torch")(case, fill(case))


@pytest.mark.parametrize(("off", "fails"), [(2.0**-149, []), (4 * 2.0**-145, ["grad_input"])])
def test_a_gradient_may_lose_what_a_power_loses_that_is_subnormal(off, fails):
    case = Case.parse("lp_pool1d image=2 kernel=2 norm_type=4 values=mean_zero")
    x = np.array([[[1.3 * 2.0**-45, 1]]], np.float32)
    arrays = {"input": x, "grad_output": np.full((1, 1, 1), 1000.0)}
    power = x[0, 0, 0].astype(np.float64) ** 3 + off
    assert failures(case, arrays, grad_input=[1000 * power, 1000]) == fails


def test_a_window_that_is_clipped_and_infinite_has_a_gradient_that_rounds():
    case = Case.parse("lp_pool1d image=4 kernel=3 norm_type=1 ceil_mode=true values=special")
    arrays = {"input": np.array([[[1.0, 2, 3, np.inf]]]), "grad_output": np.array([[[1.0, 1 / 3]]])}
    assert failures(case, arrays, grad_input=[1, 1, 1, 1 + 1e-7]) == []
    assert failures(case, arrays, grad_input=[1, 1, 1, 1.001]) == ["grad_input"]


def test_the_largest_magnitude_is_exact():
    case = Case.parse("lp_pool1d image=4 kernel=2 norm_type=inf values=mean_zero")
    arrays = fill(case)
    limits = bound(case, arrays, reference.answer(case, arrays), reference.answer, "direct")
    assert not limits["output"].any()


def test_a_kernel_of_one_axis_is_passed_as_an_int():
    case = Case.parse("lp_pool1d image=6 kernel=2 stride=2,")
    assert (case.options["kernel_size"], case.options["stride"]) == (2, (2,))


# Positions.


def test_the_last_of_those_that_share_a_place_stays_and_each_gets_its_gradient():
    answers = answered(
        "max_unpool1d image=3 kernel=1 repeats=true",
        input=[5.0, 6.0, 7.0],
        indices=[1, 0, 1],
        grad_output=[1.0, 2, 3],
    )
    assert answers["output"].ravel().tolist() == [6, 7, 0]
    assert answers["grad_input"].ravel().tolist() == [2, 1, 2]


def test_with_one_thread_pytorch_lets_the_last_stay():
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    case = Case.parse("max_unpool1d image=64 repeats=true dtype=float64")
    arrays = fill(case) | {"indices": np.zeros((1, 1, 64), int)}
    stayed = {oracle("torch")(case, arrays)["output"][0, 0, 0] for _ in range(100)}
    assert stayed == {arrays["input"][0, 0, -1]}
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("repeats", ["false", "true"])
def test_positions_lie_in_the_answer_and_repeat_where_that_is_asked(repeats):
    case = Case.parse(f"max_unpool2d image=6,7 kernel=3,3 stride=2 padding=1 channels=2 repeats={repeats}")
    indices = fill(case)["indices"]
    assert indices.dtype == np.int64
    assert 0 <= indices.min() <= indices.max() < math.prod(case.output_extents)
    assert (len(np.unique(indices[0, 0])) <= 21) == (repeats == "true")


@pytest.mark.parametrize("values", ["integers", "special"])
def test_pixels_that_share_a_place_agree_unless_they_are_to_differ(values):
    case = Case.parse(f"max_unpool2d image=6,7 kernel=3,3 stride=1 values={values}")
    arrays = fill(case)
    back = reference.answer(case, arrays | {"grad_output": reference.answer(case, arrays)["output"]})
    np.testing.assert_array_equal(back["grad_input"], arrays["input"].astype(float))


def test_positions_have_no_gradient():
    assert Case.parse("max_unpool2d").gradients == ("grad_input",)


def test_other_options_come_with_positions_of_their_own():
    case = Case.parse("max_unpool2d image=3,4 kernel=2,2 stride=2")
    *others, refused = neighbours(case)
    assert others
    assert refused.problem
    assert not any(other.hazard for other in others)


@pytest.mark.parametrize("index", [-1, 12])
def test_a_function_refuses_a_position_outside_of_the_answer(index):
    with pytest.raises(ValueError, match=f"indices has {index}, outside of 12 pixels"):
        functions("max_unpool1d").max_unpool1d(np.ones((1, 1, 6)), np.full((1, 1, 6), index), 2)


def test_a_function_refuses_positions_of_another_type():
    with pytest.raises(ValueError, match="indices are int32, not int64"):
        functions("max_unpool1d").max_unpool1d(np.ones((1, 1, 6)), np.zeros((1, 1, 6), np.int32), 2)


def test_gradients_of_a_framework_are_asked_of_numbers_alone():
    pytest.importorskip("torch")
    from conformance.kernels.framework import framework

    kernels = framework("torch").kernels
    assert kernels is not None
    case = Case.parse("max_unpool2d image=3,4 kernel=2,2")
    arrays = fill(case)
    answers = Caller(Subject(kernels(""), framework="torch")).answer(case, arrays)
    np.testing.assert_array_equal(answers["grad_input"], reference.answer(case, arrays)["grad_input"])


# What is required goes by position where a function calls it otherwise.


def lp_pool1d(image: Any, a: Any, b: Any, stride: Any = None) -> Any:
    return functions("lp_pool1d").lp_pool1d(image, a, b, stride)


def adaptive_avg_pool1d(image: Any, bins: Any) -> Any:
    return functions("adaptive_avg_pool1d").adaptive_avg_pool1d(image, bins)


@pytest.mark.parametrize(
    "text", ["lp_pool1d image=7 kernel=3 norm_type=4 stride=2", "adaptive_avg_pool1d image=7 output_size=3"]
)
def test_required_options_may_have_other_names(text):
    case = Case.parse(text)
    kernels = {"lp_pool1d": lp_pool1d, "adaptive_avg_pool1d": adaptive_avg_pool1d}
    arrays = fill(case)
    answer = Caller(Subject(kernels)).answer(case, arrays, ["output"])["output"]
    expected = reference.answer(case, arrays)["output"].astype(case.dtype)
    np.testing.assert_array_equal(answer, expected)


# The script of a failure.


@pytest.mark.parametrize(
    ("text", "output", "lines"),
    [
        (
            "max_unpool2d kernel=2,2",
            "grad_input",
            ["leaves.append(torch.tensor(indices))", "for a in (input,)]", "padding=0, output_size=None)\n"],
        ),
        ("lp_pool2d kernel=2,2 image=2,2 norm_type=inf", "output", ["norm_type=float('inf')"]),
    ],
)
def test_a_script_knows_positions_from_numbers(text, output, lines):
    case = Case.parse(text)
    subject = Subject(functions(case.operation), framework="numpy", name="mykernels")
    written = script(subject, case, output)
    assert [line for line in lines if line not in written] == []
