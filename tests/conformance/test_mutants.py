"""Mutants differ from the reference where they say so; right kernels never do."""

from __future__ import annotations

import functools
import itertools
import math
import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from conformance.audit import mutants
from conformance.audit.minimal import dying
from conformance.audit.mutants import Mutant, words
from conformance.audit.mutants.otherwise import walked
from conformance.audit.right import ALL as RIGHT
from conformance.cases import Case, networks, sizes
from conformance.cases.arrays import Arrays, fill
from conformance.cases.features import features_of
from conformance.cases.named import named
from conformance.kernels import reference
from conformance.kernels.call import Caller
from conformance.kernels.functions import functions
from conformance.kernels.subject import Subject
from conformance.operations import OPERATIONS as ALL_OPERATIONS
from conformance.operations.dtypes import DTYPES, USUAL
from conformance.operations.family import Answers
from conformance.requirements import REQUIREMENTS, Plan
from conformance.running.runner import examine

OPERATIONS = [name for name, operation in ALL_OPERATIONS.items() if operation.dimensions == 2]
EVERY = [mutant for operation in OPERATIONS for mutant in mutants.of(operation)]
PURE = [mutant for mutant in EVERY if mutant.pure]
OTHERS = [mutant for mutant in EVERY if not mutant.pure]


def by_name(thing: Any) -> str:
    return str(thing.name)


# Cases: random ones, and one just over each block in each extent.


def case_of(operation: str, **fields: Any) -> Case:
    return Case.parse(" ".join([operation, *(f"{name}={written(value)}" for name, value in fields.items())]))


def written(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(written, value)) + ("," if len(value) == 1 else "")
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def axes(draw: random.Random, operation: str, low: int, high: int) -> tuple[int, ...]:
    return tuple(draw.randint(low, high) for _ in range(int(operation[-2])))


def a_conv(draw: random.Random, operation: str) -> Case:
    groups = draw.choice([1, 1, 2, 3])
    dimensions, longest, same = int(operation[-2]), draw.choice([3, 3, 4, 8]), draw.random() < 0.2
    return case_of(
        operation, batch=draw.choice([None, 0, 1, 1, 2, 3, 5]), channels=groups * draw.choice([1, 1, 2, 3, 4]),
        filters=groups * draw.randint(1, 3), groups=groups, bias=draw.random() < 0.6,
        image=axes(draw, operation, 1, 12), dilation=draw.choice([1, axes(draw, operation, 1, 3)]),
        kernel=draw.choice([(1,) * dimensions, (3,) * dimensions, axes(draw, operation, 1, longest)]),
        stride=1 if same else draw.choice([1, 2, axes(draw, operation, 1, 4)]),
        padding="same" if same else draw.choice([0, 1, axes(draw, operation, 0, 4)]),
        values=draw.choice(["integers", "mean_zero", "special"]), dtype=draw.choice(["float32", "float64"]),
        seed=draw.randint(0, 999),
    )  # fmt: skip


def a_conv_transpose(draw: random.Random, operation: str) -> Case:
    conv = a_conv(draw, operation.replace("_transpose", ""))
    steps = {name: tuple(draw.choice([1, 1, 2, 3]) for _ in conv.image) for name in ("stride", "dilation")}
    same = ("batch", "channels", "filters", "groups", "bias", "image", "kernel", "values", "dtype", "seed")
    fields = {name: getattr(conv, name) for name in same} | steps
    more = tuple(draw.randrange(max(of)) for of in zip(*steps.values(), strict=True))
    padding = draw.choice([0, 1, axes(draw, operation, 0, 3)])
    return case_of(operation, **fields, padding=padding, output_padding=more)


def a_pool(draw: random.Random, operation: str, values: list[str], **options: Any) -> Case:
    dimensions, longest = int(operation[-2]), draw.choice([3, 12])
    kernel = draw.choice([(1,) * dimensions, (2,) * dimensions, axes(draw, operation, 1, 5)])
    return case_of(
        operation, batch=draw.choice([None, 0, 1, 2, 3]), channels=draw.randint(1, 3), kernel=kernel,
        image=axes(draw, operation, 1, longest), stride=draw.choice([None, 1, 2, axes(draw, operation, 1, 4)]),
        padding=tuple(draw.randint(0, k // 2) for k in kernel), ceil_mode=draw.random() < 0.5,
        values=draw.choice(values), dtype=draw.choice(["float32", "float64"]), seed=draw.randint(0, 999), **options,
    )  # fmt: skip


def a_max_pool(draw: random.Random, operation: str) -> Case:
    values = ["integers", "mean_zero", "special", "ties", "close"]
    return a_pool(draw, operation, values, dilation=axes(draw, operation, 1, 3), return_indices=True)


def an_avg_pool(draw: random.Random, operation: str) -> Case:
    counting = {
        "count_include_pad": draw.random() < 0.5,
        "divisor_override": draw.choice([None, None, 1, -3, 5]),
    }
    return a_pool(draw, operation, ["integers", "mean_zero", "special", "uniform"], **counting)


def an_adaptive_pool(draw: random.Random, operation: str, values: list[str], **options: Any) -> Case:
    size = axes(draw, operation, 1, draw.choice([3, 7]))
    none = tuple(draw.choice([n, n, None]) for n in size) if len(size) > 1 else size
    return case_of(
        operation, batch=draw.choice([None, 0, 1, 2, 3]), channels=draw.randint(1, 3), output_size=none,
        image=axes(draw, operation, 1, draw.choice([3, 12])), values=draw.choice(values),
        dtype=draw.choice(["float32", "float64"]), seed=draw.randint(0, 999), **options,
    )  # fmt: skip


def an_adaptive_avg_pool(draw: random.Random, operation: str) -> Case:
    return an_adaptive_pool(draw, operation, ["integers", "mean_zero", "special"])


def an_adaptive_max_pool(draw: random.Random, operation: str) -> Case:
    return an_adaptive_pool(draw, operation, ["integers", "special", "ties", "close"], return_indices=True)


def an_lp_pool(draw: random.Random, operation: str) -> Case:
    kernel = axes(draw, operation, 1, 5)
    return case_of(
        operation, batch=draw.choice([None, 0, 1, 2, 3]), channels=draw.randint(1, 3), kernel=kernel,
        image=tuple(k + draw.randint(0, 6) for k in kernel), stride=draw.choice([None, 1, axes(draw, operation, 1, 4)]),
        ceil_mode=draw.random() < 0.5,
        norm_type=draw.choice([1, 2, 3, 4, math.inf]), values=draw.choice(["integers", "mean_zero", "special", "ties"]),
        dtype=draw.choice(["float32", "float64"]), seed=draw.randint(0, 999),
    )  # fmt: skip


def a_max_unpool(draw: random.Random, operation: str) -> Case:
    kernel = axes(draw, operation, 1, 5)
    case = case_of(
        operation, batch=draw.choice([None, 0, 1, 2, 3]), channels=draw.randint(1, 3), kernel=kernel,
        image=axes(draw, operation, 1, 5), stride=draw.choice([None, 2, axes(draw, operation, 1, 4)]),
        padding=tuple(draw.randint(0, k // 2) for k in kernel), repeats=draw.random() < 0.5,
        values=draw.choice(["integers", "mean_zero", "special"]), seed=draw.randint(0, 999),
    )  # fmt: skip
    return case if draw.random() < 0.5 else case.family.completed(case, (1,) * case.dimensions)


DRAWS: dict[str, Any] = {
    "conv": a_conv,
    "conv_transpose": a_conv_transpose,
    "max_pool": a_max_pool,
    "avg_pool": an_avg_pool,
    "adaptive_avg_pool": an_adaptive_avg_pool,
    "adaptive_max_pool": an_adaptive_max_pool,
    "lp_pool": an_lp_pool,
    "max_unpool": a_max_unpool,
}
PLAIN: dict[str, dict[str, Any]] = {
    "conv": {"filters": 2, "bias": True},
    "conv_transpose": {"filters": 2, "bias": True},
    "max_pool": {"return_indices": True},
    "avg_pool": {},
    "adaptive_avg_pool": {},
    "adaptive_max_pool": {"return_indices": True},
    "lp_pool": {},
    "max_unpool": {},
}


def just_over(operation: str, block: int) -> Iterator[Case]:
    """One extent one past a block, and one of two blocks."""
    dimensions = int(operation[-2])
    for extent in (block + 1, 2 * block):
        extents: list[dict[str, Any]] = [{"batch": extent}, {"channels": extent}]
        extents += [{"filters": extent}] if operation.startswith("conv") else []
        for long in range(dimensions):
            extents.append({"image": tuple(extent if axis == long else 2 for axis in range(dimensions))})
        for some in extents:
            plain = {"image": (2,) * dimensions, "channels": 2, "seed": block} | PLAIN[operation[:-2]]
            yield case_of(operation, **plain | some)


@functools.cache
def cases(operation: str) -> list[Case]:
    draw = random.Random(0)
    drawn = [DRAWS[operation[:-2]](draw, operation) for _ in range(1500)]
    blocks = [case for block in (4, 8, 16, 32, 64) for case in just_over(operation, block)]
    return [case for case in drawn if not case.problem and not case.hazard] + blocks + large(operation)


def asked(mutant: Mutant) -> Iterator[Case]:
    """Those in a dtype that the mutant is asked in; in half precision they are the same cases, of real numbers."""
    every = iter(cases(mutant.operation))
    if mutant.table == "sparse":  # wrong where a geometry is read out
        plan = Plan(mutant.operation, "float64", features_of(mutant.operation))
        return itertools.chain(REQUIREMENTS["certified"].cases(plan), every)
    if set(mutant.dtypes) <= set(USUAL):
        return every
    if DTYPES[mutant.dtypes[0]].kind == "complex":
        of_parts = (case for case in every if case.values in ("integers", "mean_zero"))
        return (replace(case, dtype=mutant.dtypes[-1]) for case in of_parts)
    if not DTYPES[mutant.dtypes[0]].rounds:
        alike = (case for case in every if case.values in ("integers", "special", "ties"))
        large = (each for case in alike for each in (case, replace(case, values="large")))
        return (replace(case, dtype=dtype) for case in large for dtype in mutant.dtypes)
    drawn = (replace(case, dtype=mutant.dtypes[0]) for case in every if case.values == "mean_zero")
    return (each for case in drawn for each in (case, replace(case, values="overflowing")))


def large(operation: str) -> list[Case]:
    """Sizes for which fast paths are taken, with each family of values in turn."""
    features = features_of(operation)
    crossed = sizes.crossed(operation, features)
    long = sizes.tails(operation, features, beyond=sizes.BEYOND)
    every = [
        *(case for case in long if max(case.image) > 257),
        *named("layers", operation, features),
        *networks.layers(operation, features),
        *crossed,
        *sizes.mixed(operation, features, 100, 0),
        *sizes.grouped(operation, features),
    ]
    every += networks.lookalikes(operation, features)
    every += [*sizes.reaches(operation, features), *sizes.far(operation, features)]
    values = ["mean_zero", "special", "large", "tiny", "subnormal"] + ["ties"] * ALL_OPERATIONS[
        operation
    ].family.chosen
    flags = {
        option.name: True for option in ALL_OPERATIONS[operation].options if option.name == "return_indices"
    }
    return [replace(case, values=value, **flags) for case in every for value in values]


@functools.cache
def right(case: Case) -> tuple[Arrays, Answers]:
    arrays = fill(case)
    return arrays, reference.answer(case, arrays)


# Mutants.


@pytest.mark.parametrize(
    ("operation", "count"),
    [
        ("conv1d", 686),
        ("conv2d", 784),
        ("conv3d", 820),
        ("conv_transpose1d", 432),
        ("conv_transpose2d", 500),
        ("conv_transpose3d", 539),
        ("max_pool1d", 234),
        ("max_pool2d", 284),
        ("max_pool3d", 320),
        ("avg_pool1d", 172),
        ("avg_pool2d", 242),
        ("avg_pool3d", 269),
        ("adaptive_avg_pool1d", 44),
        ("adaptive_avg_pool2d", 50),
        ("adaptive_avg_pool3d", 50),
        ("adaptive_max_pool1d", 45),
        ("adaptive_max_pool2d", 52),
        ("adaptive_max_pool3d", 52),
        ("lp_pool1d", 56),
        ("lp_pool2d", 79),
        ("lp_pool3d", 97),
        ("max_unpool1d", 41),
        ("max_unpool2d", 51),
        ("max_unpool3d", 51),
    ],
)
def test_every_operation_has_its_mutants(operation, count):
    assert len(mutants.of(operation)) == count


@pytest.mark.parametrize("attribute", ["sentence", "name"])
def test_no_two_mutants_of_an_operation_are_called_the_same(attribute):
    repeated = Counter((mutant.operation, getattr(mutant, attribute)) for mutant in EVERY)
    assert [of for of, count in repeated.items() if count > 1] == []


def says_what_it_is(mutant: Mutant) -> bool:
    outputs = {"output", "indices", "grad_input", "grad_weight", "grad_bias", "grad_grad_output"}
    return bool(mutant.sentence and mutant.when) and set(mutant.outputs) <= outputs


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_mutant_says_what_it_is(operation):
    assert [mutant.name for mutant in mutants.of(operation) if not says_what_it_is(mutant)] == []


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_mutant_is_found_by_its_name(operation):
    assert [each.name for each in mutants.of(operation) if mutants.named(each.name) != each] == []


def test_a_name_that_no_mutant_has_is_refused():
    with pytest.raises(KeyError, match="conv2d_is_right"):
        mutants.named("conv2d_is_right")


@pytest.mark.parametrize("mutant", PURE, ids=by_name)
def test_a_pure_mutant_differs_and_alike_as_functions(mutant):
    case = next((case for case in asked(mutant) if differs(mutant, case)), None)
    assert case is not None, f"no case shows it: {mutant.when}"
    arrays, _ = right(case)
    answers = Caller(Subject(mutant.subject())).answer(case, arrays, mutant.outputs)
    for name, answer in mutant.changes(case, arrays).items():
        dtype = "int64" if name == "indices" else case.dtype
        np.testing.assert_array_equal(answers[name], answer.astype(dtype), err_msg=name)


def differs(mutant: Mutant, case: Case) -> bool:
    return list(dying([mutant], case, *right(case))) == [mutant]


@pytest.mark.parametrize("mutant", OTHERS, ids=by_name)
def test_a_mutant_with_state_is_made_afresh(mutant):
    first, second = mutant.subject(), mutant.subject()
    halves = {"", "_backward", *(["_double_backward"] if mutant.table == "double_backward" else [])}
    assert set(vars(first)) == {f"{mutant.operation}{half}" for half in halves}
    assert vars(first)[mutant.operation] is not vars(second)[mutant.operation]


def test_a_call_cached_by_one_subject_is_unknown_to_the_next():
    mutant = mutants.named("conv2d_output_right_on_the_first_call_only")
    image, weight = np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2))
    np.testing.assert_array_equal(mutant.subject().conv2d(image, weight), np.full((1, 1, 2, 2), 4.0))
    np.testing.assert_array_equal(mutant.subject().conv2d(image, weight), np.full((1, 1, 2, 2), 4.0))


# Words.


def test_a_condition_is_written_in_known_words():
    conditions = {name for mutant in PURE for name in compile(mutant.when, "when", "eval").co_names}
    assert conditions <= {*words.WORDS, "min", "max"}


@pytest.mark.parametrize(
    ("when", "axes"),
    [("max(strides) > 1 and bias", 1), ("sw > 1", 1), ("sh != sw", 2), ("K * Z > 1", 3), ("always", 1)],
)
def test_a_condition_tells_how_many_axes_it_needs(when, axes):
    assert words.axes_named(when) == axes


@pytest.mark.parametrize(("operation", "axes"), [("conv1d", 1), ("max_pool1d", 1), ("conv2d", 2)])
def test_no_mutant_names_an_axis_that_its_operation_lacks(operation, axes):
    told = " ".join(f"{mutant.when} {mutant.sentence}" for mutant in mutants.of(operation))
    lacking = {1: "height", 2: "depth"}[axes]
    assert re.findall(rf"\b{lacking}\b", told) == []


@pytest.mark.parametrize(
    ("operation", "sentence"),
    [
        ("conv1d", "the length-3 path always pads by 1"),
        ("conv2d", "the 3x3 path always pads by 1"),
        ("conv3d", "the 3x3x3 path always pads by 1"),
        ("conv_transpose1d", "the length-4 path with stride 2 always pads by 1"),
    ],
)
def test_a_size_is_told_for_as_many_axes_as_there_are(operation, sentence):
    assert sentence in {mutant.sentence for mutant in mutants.of(operation)}


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("W", 7), ("H", 6), ("S", 2), ("R", 3), ("Q", 3), ("P", 3), ("strides", (2, 3)), ("pads", (2, 1)),
        ("reach", (5, 2)), ("rest_h", 1), ("past", (-1, 0)), ("gaps", True), ("overlap", True), ("even", True),
        ("size", 0), ("stride", 0), ("CG", 2), ("padded", True), ("ragged", True), ("covers", False),
    ],
)  # fmt: skip
def test_a_word_is_read_off_the_case(word, value):
    case = Case.parse(
        "conv2d channels=4 filters=6 groups=2 image=6,7 kernel=3,2 stride=2,3 padding=2,1 dilation=2,1"
    )
    assert words.shows(f"{word} == {value!r}", case, {})


# The case walked otherwise.


def test_an_adjoint_has_its_windows_over_the_answer():
    case = Case.parse("conv_transpose2d image=3,4 kernel=3,2 stride=2 padding=1,0 output_padding=1,0")
    assert (case.windows, case.plane) == ((3, 4), (6, 8))
    assert words.shows(
        "rest_h == 1 and past == (0, 0) and outpads == (1, 0) and not outpads_of_a_stride", case, {}
    )


def test_a_walked_adjoint_keeps_its_shape_and_pads_what_it_writes_more():
    other = walked(Case.parse("conv_transpose2d image=3,4 kernel=3,2 stride=2"), stride=3)
    assert (other.output_extents, other.borders) == ((7, 8), ((0, 2), (0, 3)))


def test_a_walked_case_keeps_its_shape_and_pads_what_it_reads_more():
    case = Case.parse("conv2d image=5,6 kernel=2,2 stride=2")
    other = walked(case, stride=3)
    assert (other.strides, other.output_extents) == ((3, 3), case.output_extents)
    assert other.borders == ((0, 0), (0, 2))
    assert case.borders == ((0, 0), (0, 0))


# The reference as functions.


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("number", range(20))
def test_the_functions_answer_as_the_reference(operation, number):
    case = cases(operation)[number]
    arrays, expected = right(case)
    answers = Caller(Subject(functions(operation))).answer(case, arrays)
    for name in case.outputs:
        dtype = "int64" if name == "indices" else case.dtype
        np.testing.assert_array_equal(answers[name], expected[name].astype(dtype), err_msg=name)


@pytest.mark.parametrize(
    "text",
    [
        "conv2d image=3,3 kernel=2,2 padding=-1",
        "conv2d image=3,3 kernel=2,2 stride=0",
        "conv2d image=3,3 kernel=2,2 padding=SAME",
        "conv2d image=3,3 kernel=2,2 padding=same stride=2",
        "conv2d image=3,3 kernel=4,2",
        "conv2d channels=3 image=3,3 kernel=2,2 groups=2 filters=2",
        "conv2d image=3,3 kernel=2,2 malformed=weight_channels",
        "conv2d image=3,3 kernel=2,2 malformed=weight_dtype",
        "conv2d image=3,3 kernel=2,2 bias=true malformed=bias_length",
        "conv_transpose2d image=3,3 kernel=2,2 output_padding=1",
        "conv_transpose2d image=3,3 kernel=2,2 padding=3",
        "conv_transpose2d channels=3 image=3,3 kernel=2,2 groups=2 filters=2",
        "conv_transpose2d image=3,3 kernel=2,2 malformed=weight_channels",
        "max_pool2d image=4,4 kernel=2,2 padding=2",
        "max_pool2d image=4,4 kernel=2,2 malformed=input_rank",
        "avg_pool2d image=4,4 kernel=2,2 divisor_override=0",
    ],
)
def test_the_functions_refuse_what_pytorch_refuses(text):
    case = Case.parse(text)
    function = getattr(functions(case.operation), case.operation)
    arrays = [array for name, array in fill(case).items() if name != "grad_output"]
    with pytest.raises(ValueError):
        function(*arrays, **case.options)


# Right kernels.


def test_there_are_eighty_six_right_kernels():
    assert len(RIGHT) == 86


@pytest.mark.parametrize("kernel", RIGHT.values(), ids=by_name)
@pytest.mark.parametrize("requirement", ["exact", "rounding", "empty"])
def test_a_right_kernel_is_not_accused(kernel, requirement):
    subject = Subject(kernel.subject(), **kernel.declared)
    assert accusations(subject, requirement) == []


def accusations(subject: Subject, requirement: str) -> list[str]:
    """What a few cases of a requirement say against a subject."""
    found, caller = [], Caller(subject)
    for operation in subject.operations:
        lacking = {f for f in features_of(operation) if caller.lacks(operation, f)}
        dtype = (subject.dtypes or ("float32",))[0]
        claimed = frozenset(features_of(operation) - lacking)
        declared = {name: getattr(subject, name) for name in ("accuracy", "sums", "ties")}
        plan = Plan(operation, dtype, claimed, "quick", **declared)
        for case in a_few(requirement, plan):
            judged = examine(caller, reference.answer, requirement, case)
            found += [f"{case}: {judgement.message}" for judgement in judged if judgement.failed]
    return found


@functools.cache  # many kernels are asked the same
def a_few(requirement: str, plan: Plan) -> list[Case]:
    """None of many multiplications: some of these kernels add one number after the other in Python."""
    some = [case for case in REQUIREMENTS[requirement].cases(plan) if sizes.products(case) < 20_000]
    return some[:: max(1, len(some) // 8)]
