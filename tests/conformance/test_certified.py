"""Reading a kernel out: every coefficient and every pattern is asked, and a wrong one is named."""

from dataclasses import replace

import numpy as np
import pytest

import npcnn
from conformance import Subject
from conformance.audit import mutants
from conformance.cases import Case
from conformance.cases.arrays import fill
from conformance.cases.features import features_of
from conformance.cases.scope import geometries, squares
from conformance.cases.shrink import shrink
from conformance.kernels import reference
from conformance.kernels.call import Caller
from conformance.kernels.functions import functions
from conformance.operations import OPERATIONS
from conformance.requirements import REQUIREMENTS, Plan
from conformance.requirements.certified import LARGEST, certificate, readings
from conformance.running.in_process import InProcess
from conformance.running.run import run
from conformance.running.settings import Settings

CERTIFIED = REQUIREMENTS["certified"]


def plan_of(operation, dtype="float32", profile="quick", **more):
    return Plan(operation, dtype, features_of(operation), profile, **more)


def read(text):
    """The readings of a case, without options that only add an output."""
    case = Case.parse(text)
    return readings(plan_of(case.operation), case)


def answers(case):
    return reference.answer(case, fill(case))


def said(kernel, case):
    """What is said against a kernel by one case."""
    judged = CERTIFIED.check(Caller(Subject(kernel)), reference.answer, case)
    return " ".join(judgement.message for judgement in judged if judgement.failed)


# Each coefficient stands alone.

OF_CONV = "conv2d image=4,5 kernel=2,3 stride=1,2 padding=1"
OF_TRANSPOSE = "conv_transpose2d image=3,2 kernel=2,3 stride=1,2 padding=1"


@pytest.mark.parametrize(
    ("text", "order"),
    [
        (OF_CONV, ("output", "grad_input", "grad_weight")),
        (f"{OF_CONV} channels=2 filters=2 groups=2", ("output", "grad_input", "grad_weight")),
        (OF_TRANSPOSE, ("grad_input", "output", "grad_weight")),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_reading_answers_with_single_coefficients(text, order, place):
    answer = answers(read(text)[place])[order[place]]
    assert set(np.unique(answer)) == {0, 1}


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("text", [OF_CONV, OF_TRANSPOSE])
def test_three_readings_hold_as_many_coefficients_each(text, place):
    case = read(text)[place]
    order = ("grad_input", "output") if case.family.adjoint else ("output", "grad_input")
    ones = answers(case)[(*order, "grad_weight")[place]].sum()
    # Of the first, groups of two channels: each coefficient for both, and zeros between them.
    taken = ones / (2 if case.values == "units" else 1)
    assert taken == answers(read(text)[2])["grad_weight"].sum()


def test_an_image_of_a_max_pool_is_high_everywhere_but_in_its_window():
    case = next(each for each in read("max_pool2d image=5,6 kernel=3,2 stride=2,1") if each.values == "holes")
    output, windows = answers(case)["output"][:, 0], 2 * 5
    low = output.reshape(3, windows, windows)[:, range(windows), range(windows)]
    np.testing.assert_array_equal(low, np.repeat([[0], [-1], [-np.finfo(np.float32).max]], windows, axis=1))


@pytest.mark.parametrize(("image", "count"), [("2,3", 4**6), ("3,3", 2 * 3**9)])
def test_a_small_image_of_a_max_pool_has_every_pattern(image, count):
    case = next(each for each in read(f"max_pool2d image={image} kernel=2,2") if each.values == "patterns")
    planes = np.nan_to_num(fill(case)["input"], nan=7, neginf=-7).reshape(case.batch, -1)
    shared = 2**9 if image == "3,3" else 0  # of 0 and 1 alone, which are in both halves
    assert len(np.unique(planes, axis=0)) == count - shared == case.batch - shared


def test_every_pixel_is_unpooled_to_every_place():
    (case,) = read("max_unpool2d image=2,3 kernel=2,2 repeats=true")
    indices = fill(case)["indices"].reshape(-1, 6)
    assert all(set(indices[:, pixel].tolist()) == set(range(24)) for pixel in range(6))


def test_dense_readings_have_no_zeros():
    dense = [case for case in CERTIFIED.cases(plan_of("conv2d")) if case.values.startswith("dense")]
    assert dense
    assert all(np.all(array != 0) for case in dense for array in fill(case).values())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_no_sum_of_a_dense_reading_rounds(dtype):
    dense = [case for case in CERTIFIED.cases(plan_of("conv2d", dtype)) if case.values.startswith("dense")]
    largest = max(abs(answer).max() for case in dense for answer in answers(case).values())
    assert largest <= {"float16": 2**11, "bfloat16": 2**8, "float32": 2**24}[dtype]


# What is asked.


@pytest.mark.parametrize("profile", ["quick", "standard"])
@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name.endswith("1d")])
def test_no_reading_is_larger_than_its_profile_allows(operation, profile):
    assert (
        max(case.size for case in CERTIFIED.cases(plan_of(operation, profile=profile)))
        <= 2 * LARGEST[profile]
    )


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_is_read_out_in_the_quick_profile(operation):
    assert certificate(plan_of(operation)).geometries >= 10


def test_every_geometry_of_the_small_scope_is_read_on_both_axes():
    features = features_of("conv2d")
    drawn = [case for case in CERTIFIED.cases(plan_of("conv2d", profile="standard")) if case.batch == 1]
    of_axis = [
        {(c.image[axis], c.kernel[axis], c.strides[axis], c.pads[axis][0], c.dilations[axis]) for c in drawn}
        for axis in (0, 1)
    ]
    every = {(n, k, s, p, d) for n, k, s, p, d in geometries("conv2d", features)}
    assert [every - read_out for read_out in of_axis] == [set(), set()]


def test_geometries_that_the_axes_share_have_the_window_of_the_image_too():
    shared = {(c.image, c.kernel, c.strides) for c in squares("max_pool2d", features_of("max_pool2d"))}
    assert {((3, 3), (3, 3), (1, 1)), ((5, 6), (3, 3), (2, 2))} <= shared


def test_no_nan_is_asked_of_a_kernel_that_claims_none():
    subject = Subject(npcnn, only=lambda case: case.values != "special")
    (pattern,) = [c for c in read("max_pool2d image=2,2 kernel=2,2") if c.values == "patterns"]
    assert not subject.claims(pattern)
    assert Subject(npcnn, only=lambda case: True).claims(pattern)


# What is said.


def test_a_wrong_coefficient_is_named():
    mistake = "one_product_of_3x3_filters_at_stride_1_is_missing_in_one_element_of_the_answer"
    mutant = mutants.named(f"conv2d_output_{mistake}")
    case = read("conv2d image=5,6 kernel=3,3")[0]
    assert said(mutant.subject(), case).endswith(
        "; the coefficient of input[52, 1, 3, 4] and weight[17, 1, 2, 2]"
    )


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("grad_input", "the coefficient of grad_output[11, 0, 2, 3] and weight[0, 8, 2, 2]"),
        ("grad_weight", "the coefficient of grad_output[0, 11, 2, 3] and input[0, 29, 4, 5]"),
    ],
)
def test_a_wrong_coefficient_of_a_gradient_is_named(output, words):
    cases, kernel = read("conv2d image=5,6 kernel=3,3"), functions("conv2d")

    def backward(*arguments, **options):
        gradients = list(kernel.conv2d_backward(*arguments, **options))
        wrong = gradients[("grad_input", "grad_weight").index(output)]
        wrong[wrong.nonzero()[0][-1], wrong.nonzero()[1][-1]] *= 2
        return gradients

    case = cases[("", "grad_input", "grad_weight").index(output)]
    assert said({"conv2d": kernel.conv2d, "conv2d_backward": backward}, case).endswith(words)


def test_a_wrong_pattern_is_written_out():
    mutant = mutants.named("max_pool2d_output_a_NaN_that_is_fourth_of_four_pixels_is_lost_behind_ties_of_1")
    case = read("max_pool2d image=2,2 kernel=2,2")[-1]
    assert said(mutant.subject(), case).endswith("; where the image is 1 1 0 nan")


def test_a_reading_shrinks_to_the_image_that_shows_it():
    case = read("conv2d image=4,5 kernel=2,3")[0]
    place = np.unravel_index(33, (2, 4, 5))

    def fails(candidate):
        return candidate.image == (4, 5) and bool(fill(candidate)["input"][(slice(None), *place)].any())

    small = shrink(
        replace(case, channels=2), lambda each: each.channels == 2 and fails(each), features_of("conv2d")
    )
    assert (small.batch, small.values, small.seed % 40) == (1, "units", 33)


def test_a_mistake_is_not_named_by_what_readings_alone_cannot_tell():
    def conv2d(x, w, bias=None, stride=1, padding=0, dilation=1, groups=1):
        y = npcnn.conv2d(x, w, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)
        if (w.shape[2:], x.shape[2:], stride, padding, dilation) == ((3, 3), (5, 6), 1, 0, 1) and groups == 1:
            y[:, :, 1, 1] -= x[:, -1, 1, 2][:, None] * w[:, -1, 0, 1]
        return y

    asked = Settings(requirements=("certified",), dtypes=("float32",), profile="standard")
    subject = Subject({"conv2d": conv2d})
    report = run(subject, InProcess(subject, reference.answer), asked)
    (row,) = [row for row in report.rows if row.failure]
    assert (row.output, row.failure.diagnosis) == ("output", "")
    assert "the coefficient of input[0, 0, 1, 2] and weight[" in row.failure.judgement.message


# What is certified.


def certified(subject, *operations):
    asked = Settings(operations, requirements=("certified",), dtypes=("float32",), profile="quick")
    return run(subject, InProcess(subject, reference.answer), asked).certified


def test_what_was_read_out_is_told():
    (told,) = certified(Subject(npcnn), "conv2d")
    assert told.outputs == ("output", "grad_input", "grad_weight")
    assert (told.operation, told.dtype) == ("conv2d", "float32")
    assert told.geometries + told.too_large == 32
    assert set(told.assumptions) == {"no zeros", "integers", "batches"}


def test_an_output_that_is_wrong_is_not_certified():
    mutant = mutants.named("conv2d_output_stride_of_height_and_width_swapped")
    (told,) = certified(Subject(mutant.subject()), "conv2d")
    assert told.outputs == ("grad_input", "grad_weight")


def test_nothing_is_certified_of_a_kernel_that_chooses_its_cases():
    assert certified(Subject(npcnn, only=lambda case: case.kernel == (3, 3)), "conv2d") == []
