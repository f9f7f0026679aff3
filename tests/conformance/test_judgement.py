"""Bounds and judgements: what is equal, what rounding explains, and how an error is told."""

import numpy as np
import pytest

import npcnn
from conformance.cases import Case
from conformance.cases.arrays import fill
from conformance.cases.values import REALS, VALUES
from conformance.kernels import reference
from conformance.kernels.answer import Malformed, Refused
from conformance.kernels.call import Caller
from conformance.kernels.subject import Subject
from conformance.operations.windows import taps
from conformance.requirements.answers import check_answers, judge_all, limits_of
from conformance.verdicts.bounds import bound, growth
from conformance.verdicts.judgement import judge, number


def floats(*values):
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (floats(1, 2), np.array([1.0, 2.0])),
        (floats(np.nan, np.inf), np.array([np.nan, np.inf])),
        (floats(0.0), np.array([-0.0])),
        (floats(), np.array([])),
    ],
)
def test_equal_answers_conform(got, expected):
    assert judge("output", "float32", got, expected).status == "conforms"


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (floats(np.nan), np.array([1.0])),
        (floats(1.0), np.array([np.nan])),
        (floats(np.inf), np.array([-np.inf])),
        (floats(np.inf), np.array([3e38])),
        (floats(1.0000001), np.array([1.0])),
    ],
)
def test_unequal_answers_differ(got, expected):
    assert judge("output", "float32", got, expected).status == "differs"


@pytest.mark.parametrize("got", [floats(np.nan), floats(np.inf), floats(-np.inf)])
def test_no_bound_explains_a_value_that_is_not_finite(got):
    assert judge("output", "float32", got, np.array([1.0]), np.array([1e30])).failed


@pytest.mark.parametrize(("off", "status"), [(0.9, "conforms"), (1.1, "differs")])
def test_an_error_is_judged_by_its_share_of_the_bound(off, status):
    judgement = judge("output", "float64", np.array([1 + off]), np.array([1.0]), np.array([1.0]))
    assert judgement.status == status
    assert judgement.share == pytest.approx(off)


@pytest.mark.parametrize(
    ("got", "message"),
    [
        (floats(8), "output[0] = 8, expected 0: off by 8, rounding explains 0"),
        (np.zeros(1), "output has dtype float64, expected float32"),
        (floats(0, 0), "output has shape (2,), expected (1,)"),
        (np.zeros((1, 1), np.float32), "output has shape (1, 1), expected (1,)"),
        (Refused("ValueError: no"), "output refused: ValueError: no"),
        (Malformed("is a list, not a numpy.ndarray"), "output is a list, not a numpy.ndarray"),
    ],
)
def test_a_message_says_what_was_got_and_expected(got, message):
    assert judge("output", "float32", got, np.array([0.0])).message == message


def test_indices_are_int64():
    assert judge("indices", "float32", np.array([3]), np.array([3])).status == "conforms"
    assert judge("indices", "float32", np.array([3], np.int32), np.array([3])).failed


def test_a_constant_answer_is_told_apart_from_a_varied_one():
    assert not judge("output", "float32", floats(1, 1), np.array([1.0, 1.0])).varied
    assert judge("output", "float32", floats(1, 2), np.array([1.0, 2.0])).varied


@pytest.mark.parametrize(
    ("value", "text"), [(3.0, "3"), (0.5, "0.5"), (np.nan, "nan"), (1e20, "1e+20"), (-0.0, "0")]
)
def test_numbers_are_short(value, text):
    assert number(value) == text


def test_growth_is_never_above_the_rigorous_one():
    assert all(growth(values, n) <= n + 1 for values in VALUES for n in (1, 9, 900))


CONV = "conv2d channels=20 filters=3 image=9,8 kernel=3,3 values={values} bias=true"


def rounded_to_tf32(array):
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    return ((bits + 0x1000) & np.uint32(0xFFFFE000)).view(np.float32)


def cut_to_tf32(array):
    return (np.ascontiguousarray(array, np.float32).view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32)


@pytest.mark.parametrize("values", REALS)
@pytest.mark.parametrize("seed", range(5))
def test_a_float32_sum_stays_within_the_bound(values, seed):
    case = Case.parse(CONV.format(values=values) + f" seed={seed}")
    arrays = fill(case)
    exact = reference.answer(case, arrays)["output"]
    total = np.zeros(exact.shape, np.float32) + arrays["bias"][:, None, None]
    for c in range(20):
        for tap, place in taps(case):
            total += arrays["input"][:, c : c + 1][place] * arrays["weight"][:, c, *tap][:, None, None]
    limits = bound(case, arrays, {"output": exact}, reference.answer, "direct")
    assert judge("output", "float32", total, exact, limits["output"]).status == "conforms"


@pytest.mark.parametrize("tf32", [rounded_to_tf32, cut_to_tf32])
@pytest.mark.parametrize("output", ["output", "grad_input", "grad_weight"])
@pytest.mark.parametrize("text", [CONV.format(values="mean_zero"), "conv2d values=mean_zero"])
def test_products_in_tf32_exceed_the_bound(text, output, tf32):
    case = Case.parse(text)
    arrays = fill(case)
    exact = reference.answer(case, arrays)
    rough = reference.answer(case, {name: tf32(a) for name, a in arrays.items()})[output]
    limits = bound(case, arrays, {output: exact[output]}, reference.answer, "direct")
    assert judge(output, "float32", rough.astype(np.float32), exact[output], limits[output]).failed
    declared = bound(case, arrays, {output: exact[output]}, reference.answer, "tf32")
    assert not judge(output, "float32", rough.astype(np.float32), exact[output], declared[output]).failed


TRANSFORMED = "conv2d channels=3 image=9,8 kernel=3,3 filters=2 padding=1 bias=true"


@pytest.mark.parametrize("accuracy", ["tf32", "winograd", "fft"])
@pytest.mark.parametrize(
    ("text", "output"),
    [
        (f"{TRANSFORMED} values=mean_zero", "grad_bias"),
        ("avg_pool2d image=5,6 kernel=2,2 values=mean_zero", "output"),
        ("max_pool2d image=5,6 kernel=3,3 stride=1 values=mean_zero", "grad_input"),
    ],
)
def test_an_accuracy_is_that_of_products_alone(text, output, accuracy):
    case = Case.parse(text)
    arrays = fill(case)
    exact = reference.answer(case, arrays)
    of_class, direct = (bound(case, arrays, exact, reference.answer, a)[output] for a in (accuracy, "direct"))
    assert np.array_equal(of_class, direct)


def test_tf32_is_no_excuse_in_float64():
    case = Case.parse(f"{TRANSFORMED} values=mean_zero dtype=float64")
    arrays = fill(case)
    exact = reference.answer(case, arrays)
    limits = [bound(case, arrays, exact, reference.answer, a)["output"] for a in ("tf32", "direct")]
    assert np.array_equal(*limits)


@pytest.mark.parametrize("accuracy", ["winograd", "fft"])
def test_transforms_of_small_integers_are_nearly_exact(accuracy):
    case = Case.parse(f"{TRANSFORMED} values=small_integers")
    arrays = fill(case)
    exact = reference.answer(case, arrays)
    limits = limits_of(Subject({"conv2d": print}, accuracy=accuracy), reference.answer, case, arrays, exact)
    assert 0 < limits["output"].max() < 0.02


def test_numbers_that_six_digits_do_not_tell_apart_are_told_in_full():
    told = judge("output", "float64", np.array([2652.000244]), np.array([2652.0])).message
    assert told == "output[0] = 2652.000244, expected 2652.0: off by 0.000244, rounding explains 0"


def test_a_sum_too_long_to_be_exact_may_round():
    text = "conv2d image=9,229 dtype=float16 layout=input:averaged,weight:averaged,grad_output:averaged"
    case = Case.parse(text)
    arrays = fill(case)
    expected = reference.answer(case, arrays)
    limits = limits_of(Subject({"conv2d": len}), reference.answer, case, arrays, expected)
    assert {name for name, limit in limits.items() if limit.any()} == {"grad_weight"}


@pytest.mark.parametrize(
    ("right", "got", "status"),
    [
        (65520.0, np.inf, "conforms"),
        (-70000.0, -np.inf, "conforms"),
        (65519.0, np.inf, "differs"),
        (70000.0, -np.inf, "differs"),
        (70000.0, 1.0, "differs"),
    ],
)
def test_what_is_beyond_the_numbers_of_a_dtype_may_be_an_infinity(right, got, status):
    case = Case.parse("conv2d dtype=float16")
    expected, answer = np.full((1, 1, 1, 1), right), np.full((1, 1, 1, 1), got, np.float16)
    judged = judge_all(
        Subject({"conv2d": len}), reference.answer, case, fill(case), {"output": expected}, {"output": answer}
    )
    assert [each.status for each in judged] == [status]


@pytest.mark.parametrize("dtype", ["object", "U1", "complex64", "bool", "datetime64[s]"])
@pytest.mark.parametrize("values", ["integers", "special"])
def test_an_answer_of_no_float_dtype_differs(dtype, values):
    case = Case.parse(f"conv2d image=3,4 kernel=2,2 padding=1 values={values}")
    arrays = fill(case)
    expected = reference.answer(case, arrays)
    answer = np.zeros(expected["output"].shape).astype(int).astype(dtype)
    (judged,) = judge_all(
        Subject({"conv2d": len}), reference.answer, case, arrays, expected, {"output": answer}
    )
    assert judged.status == "differs" and "dtype" in judged.message


def test_a_kernel_that_writes_to_its_argument_is_held_to_the_bound_of_what_it_was_given():
    def conv2d(input, weight):
        answer = npcnn.conv2d(input, weight)
        input *= 1e-3
        return answer

    caller = Caller(Subject({"conv2d": conv2d}))
    case = Case.parse("conv2d channels=40 image=9,9 kernel=3,3 values=mean_zero")
    (judged, *_) = check_answers(caller, reference.answer, case)
    assert judged.status == "conforms"
