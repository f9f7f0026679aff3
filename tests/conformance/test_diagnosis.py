"""Diagnosis: named by a mutant that contradicts nothing, told apart by a case, placed where no mutant fits."""

import re

import numpy as np
import pytest

from conformance.audit import mutants
from conformance.cases import Case
from conformance.cases.arrays import fill
from conformance.cases.covering import covering
from conformance.cases.features import features_of
from conformance.cases.named import named
from conformance.kernels import reference
from conformance.verdicts.diagnosis import Evidence, diagnose, where

CASES = list(named("named", "conv2d", features_of("conv2d")))


def told_by(mutant: str, case: Case, output: str) -> Evidence:
    """What a subject with a mutant's mistake says of a case."""
    arrays = fill(case)
    right, wrong = reference.answer(case, arrays), mutants.named(mutant).answer(case, arrays)
    same = np.array_equal(right[output], wrong[output])
    return Evidence(case, output, None if same else wrong[output].astype(case.dtype))


def nothing(case: Case) -> None:
    return None


@pytest.mark.parametrize(
    ("mutant", "text", "output"),
    [
        (
            "conv2d_output_stride_of_height_and_width_swapped",
            "conv2d image=4,4 kernel=2,2 stride=1,2",
            "output",
        ),
        (
            "conv2d_grad_weight_padding_ignored_in_the_gradient_of_the_weight",
            "conv2d image=3,4 kernel=2,2 padding=1",
            "grad_weight",
        ),
    ],
)
def test_a_mutant_is_named_by_its_own_sentence(mutant, text, output):
    evidence = [told_by(mutant, case, output) for case in (Case.parse(text), *CASES)]
    assert diagnose(evidence, nothing, CASES) == mutants.named(mutant).sentence


def test_mutants_that_one_case_does_not_tell_apart_are_told_apart_by_asking():
    mutant = "conv2d_output_columns_of_the_output_past_the_last_whole_block_of_8_are_not_written"
    evidence = [told_by(mutant, Case.parse("conv2d image=1,17"), "output")]
    assert " or: " in diagnose(evidence, nothing, [])
    others = [Case.parse(f"conv2d image=1,{n}") for n in (5, 8, 9, 12)]
    assert (
        diagnose(evidence, lambda case: told_by(mutant, case, "output"), others)
        == mutants.named(mutant).sentence
    )


def test_a_mutant_that_contradicts_a_right_answer_is_not_named():
    mutant = "conv2d_output_stride_of_height_and_width_swapped"
    case = Case.parse("conv2d image=4,4 kernel=2,2 stride=1,2")
    evidence = [told_by(mutant, case, "output"), Evidence(Case.parse(f"{case} seed=1"), "output", None)]
    assert diagnose(evidence, nothing, []) == ""


def test_an_output_that_a_candidate_lacks_is_not_asked_of_it():
    evidence = [Evidence(Case.parse("conv2d bias=true image=2,3"), "grad_bias", np.zeros(1, np.float32))]
    diagnose(evidence, nothing, [Case.parse("conv2d")])


def placed(text: str, change) -> str:
    case = Case.parse(text)
    got = reference.answer(case, fill(case))["output"].copy()
    change(got)
    return where([Evidence(case, "output", got)])


def last_column(got):
    got[..., -1] += 1


def second_image(got):
    got[1] += 1


def every_third_channel(got):
    got[:, ::3] += 1


def from_column_8(got):
    got[..., 8:] += 1


def halved(got):
    got *= 0.5


def nothing_written(got):
    got[...] = 0


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (nothing_written, "every element is 0"),
        (last_column, "the last column"),
        (second_image, "image 1 only"),
        (every_third_channel, "every third channel"),
        (from_column_8, "every column from 8 on"),
        (halved, "every element is 0.5 times what it should be"),
    ],
)
def test_an_error_is_placed(change, place):
    assert placed("conv2d batch=3 channels=2 image=5,12 kernel=2,2 filters=7", change) == place


def zero_but_one(got):
    got[...] = 0
    got[0, 0, 0, 0] = 5


def halved_but_where_zero_is_due(got):
    got[...] = np.where(got == 0, 1, got / 2)


def every_fourth_channel_but_the_last(got):
    got[:, 0:1] += 1
    got[:, 4:5] += 1


def some_elements_of_the_last_column(got):
    got[0, ::4, 0, -1] += 1


def last_column_of_every_third_channel(got):
    got[:, ::3, :, -1] += 1


@pytest.mark.parametrize(
    ("change", "case", "place"),
    [
        (zero_but_one, "conv2d image=5,12", "every element"),
        (zero_but_one, "conv2d image=5,12 padding=1", ""),
        (halved_but_where_zero_is_due, "conv2d image=3,3 padding=1", "every element"),
        (every_fourth_channel_but_the_last, "conv2d image=5,12 filters=12", ""),
        (last_column_of_every_third_channel, "conv2d image=5,12 filters=7", ""),
        (some_elements_of_the_last_column, "conv2d image=5,12 filters=9", ""),
        (
            last_column_of_every_third_channel,
            "conv2d batch=2 image=5,12 filters=7",
            "the last column of every third channel",
        ),
        (last_column, "conv2d image=1,4", ""),
        (last_column, "conv2d image=4,6", "the last column"),
    ],
)
def test_no_sentence_is_told_that_an_element_contradicts_or_that_few_support(change, case, place):
    assert placed(case, change) == place


@pytest.mark.parametrize(
    ("images", "place"),
    [
        ((12, 12, 3), "the last column"),
        ((12, 3), ""),
        ((3, 12), "the last column"),
        ((12, 9, 1), "the last column"),
    ],
)
def test_a_place_is_that_of_the_smallest_case_or_of_several(images, place):
    evidence = []
    for columns in images:  # the smallest last
        case = Case.parse(f"conv2d batch=2 image=4,{columns}" if columns > 3 else f"conv2d image=1,{columns}")
        got = reference.answer(case, fill(case))["output"].copy()
        last_column(got)
        evidence.append(Evidence(case, "output", got))
    assert where(evidence) == place


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (0, "each wrong element lacks the one product that it should have"),
        (2, "each wrong element has its one product twice"),
        (-1, "each wrong element has its one product with the other sign"),
        (3, ""),
    ],
)
def test_how_a_single_product_is_counted_is_told(wrong, words):
    case = Case.parse("conv2d batch=12 image=3,4 kernel=2,2 filters=4 values=unit_planes")
    got = reference.answer(case, fill(case))["output"].copy()
    got[tuple(np.argwhere(got == 1)[5])] = wrong
    assert where([Evidence(case, "output", got)]) == words


def agrees(words: str, names: list[str], got: np.ndarray, expected: np.ndarray) -> bool:
    """Whether a sentence is true of an answer, as far as its words say where the error is."""
    if words == "every element is 0":
        return not got.any()
    if words == "every element":
        return bool((got != expected).all())
    if scaled := re.fullmatch(r"every element is (\S+) times what it should be", words):
        return np.allclose(got, float(scaled[1]) * expected, 1e-4, 0, equal_nan=True)
    wrong = np.argwhere(~np.isclose(got, expected, 1e-5, 1e-5, equal_nan=True))
    for name, at, n in zip(names, wrong.T, got.shape, strict=False):
        if words.endswith(f"the last {name}") and set(at) - {n - 1}:
            return False
        if words.endswith(f"the first {name}") and set(at) - {0}:
            return False
        if (start := re.search(rf"every {name} from (\d+) on", words)) and min(at) < int(start[1]):
            return False
    return True


@pytest.mark.parametrize("operation", ["conv2d", "max_pool2d", "avg_pool2d"])
def test_no_sentence_is_contradicted_by_the_smallest_case(operation):
    cases = [*named("named", operation, features_of(operation)), *covering(operation, features_of(operation))]
    cases = [case for case in cases if case.batch is not None and case.size < 4000][:24]
    forward = [mutant for mutant in mutants.of(operation) if mutant.pure and mutant.outputs == ("output",)]
    told = 0
    for mutant in forward[::4]:
        wrong = [told_by(mutant.name, case, "output") for case in cases if wrong_on(mutant, case)]
        wrong.sort(key=lambda each: -each.case.size)
        if len(wrong) > 2 and (words := where(wrong)):
            smallest, told = wrong[-1], told + 1
            right = reference.answer(smallest.case, fill(smallest.case))["output"]
            assert agrees(words, ["image", "channel", "row", "column"], smallest.got, right), mutant.sentence
    assert told > 2


def wrong_on(mutant, case):
    arrays = fill(case)
    right = reference.answer(case, arrays)
    answer = mutant.answer(case, arrays, right)["output"]
    return answer.shape == right["output"].shape and not np.allclose(answer, right["output"], equal_nan=True)


def test_a_place_that_the_smallest_case_contradicts_is_not_told():
    evidence = []
    for columns in (12, 13, 4):
        case = Case.parse(f"conv2d batch=2 image=4,{columns}" if columns > 4 else "conv2d image=2,4")
        got = reference.answer(case, fill(case))["output"].copy()
        got[..., -1 if columns > 4 else 1] += 1
        evidence.append(Evidence(case, "output", got))
    assert where(evidence) == ""


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_an_answer_that_is_not_finite_is_no_rounding(wrong):
    case = Case.parse("conv2d channels=4 image=5,6 kernel=3,3 values=mean_zero")
    got = reference.answer(case, fill(case))["output"] * (1 + 1e-5)
    got[0, 0, 0, 0] = wrong
    assert "products" not in where([Evidence(case, "output", got)])


@pytest.mark.parametrize(("other", "told"), [("mean_zero", True), ("integers", False)])
def test_errors_on_integers_are_not_those_of_a_narrower_format(other, told):
    cases = [
        Case.parse(f"conv2d channels=4 image=5,6 kernel=3,3 values={values}")
        for values in ("mean_zero", other)
    ]
    right = [reference.answer(case, fill(case))["output"] for case in cases]
    evidence = [
        Evidence(case, "output", y * (1 + 1e-4 * np.sin(y))) for case, y in zip(cases, right, strict=True)
    ]
    assert ("as products in TF32 or float16 have" in where(evidence)) == told


@pytest.mark.parametrize(
    ("dtype", "off", "told"),
    [
        ("float32", 1e-4, "TF32 or float16"),
        ("float64", 1e-8, "float32"),
        ("float64", 1e-4, "TF32 or float16"),
        ("bfloat16", 1e-1, ""),  # TF32 holds its products
    ],
)
def test_errors_are_those_of_a_narrower_format_than_the_arrays_have(dtype, off, told):
    case = Case.parse(f"conv2d channels=4 image=5,6 kernel=3,3 dtype={dtype} values=mean_zero")
    y = reference.answer(case, fill(case))["output"]
    words = where([Evidence(case, "output", y * (1 + off * np.sin(y)))])
    assert f"as products in {told} have" in words if told else "products" not in words


def test_an_infinite_answer_is_no_finite_one():
    case = Case.parse(
        "max_pool2d channels=2 image=3,4 kernel=2,2 seed=71 stride=3,4 padding=0,1 ceil_mode=true dilation=2,3"
    )
    mutant = mutants.named("max_pool2d_output_the_last_tap_of_each_row_of_the_window_is_skipped")
    arrays = fill(case)
    got = mutant.answer(case, arrays, reference.answer(case, arrays))["output"]
    assert np.isinf(got).any()
    assert diagnose([Evidence(case, "output", got)], lambda case: None, []) == mutant.sentence
