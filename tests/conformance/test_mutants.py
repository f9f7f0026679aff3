"""Mutants differ from the reference where they say so; right kernels never do."""

from __future__ import annotations

import functools
import random
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from conformance.cases import Case, networks, sizes
from conformance.cases.arrays import Arrays, fill
from conformance.cases.features import features_of
from conformance.cases.named import named
from conformance.kernels import reference
from conformance.kernels.call import Caller
from conformance.kernels.mutants import ALL, Mutant
from conformance.kernels.mutants.functions import OPERATIONS, functions
from conformance.kernels.mutants.registry import WORDS
from conformance.kernels.reference import Answers
from conformance.kernels.right import ALL as RIGHT
from conformance.kernels.subject import Subject
from conformance.requirements import REQUIREMENTS, Plan
from conformance.running.runner import examine

PURE = [mutant for mutant in ALL.values() if mutant.pure]
OTHERS = [mutant for mutant in ALL.values() if not mutant.pure]


def by_name(thing: Any) -> str:
    return str(thing.name)


# Cases: random ones, and one just over each block in each extent.


def a_conv(draw: random.Random) -> Case:
    groups = draw.choice([1, 1, 2, 3])
    per_group = draw.choice([1, 1, 2, 3, 4])
    longest = draw.choice([3, 3, 4, 8])
    dilation = draw.choice([(1, 1), (draw.randint(1, 3), draw.randint(1, 3))])
    same = draw.random() < 0.2
    stride: Any = 1 if same else draw.choice([1, 2, (draw.randint(1, 4), draw.randint(1, 4))])
    padding: Any = "same" if same else draw.choice([0, 1, (draw.randint(0, 4), draw.randint(0, 4))])
    return Case.of(
        "conv2d", batch=draw.choice([None, 0, 1, 1, 2, 3, 5]), channels=groups * per_group,
        filters=groups * draw.randint(1, 3), groups=groups, bias=draw.random() < 0.6,
        image=(draw.randint(1, 12), draw.randint(1, 12)), dilation=dilation,
        kernel=draw.choice([(1, 1), (3, 3), (draw.randint(1, longest), draw.randint(1, longest))]),
        stride=stride, padding=padding,
        values=draw.choice(["integers", "mean_zero", "special"]), dtype=draw.choice(["float32", "float64"]),
        seed=draw.randint(0, 999),
    )  # fmt: skip


def a_pool(draw: random.Random, operation: str) -> Case:
    kernel = draw.choice([(1, 1), (2, 2), (draw.randint(1, 5), draw.randint(1, 5))])
    options: dict[str, Any] = {
        "count_include_pad": draw.random() < 0.5,
        "divisor_override": draw.choice([None, None, 1, -3, 5]),
    }
    values = ["integers", "mean_zero", "special"]
    if operation == "max_pool2d":
        options = {"dilation": (draw.randint(1, 3), draw.randint(1, 3)), "return_indices": True}
        values += ["ties", "close"]
    return Case.of(
        operation, batch=draw.choice([None, 0, 1, 2, 3]),
        channels=draw.randint(1, 3), kernel=kernel,
        image=tuple(draw.randint(1, draw.choice([3, 12])) for _ in range(2)),
        stride=draw.choice([None, 1, 2, (draw.randint(1, 4), draw.randint(1, 4))]),
        padding=(draw.randint(0, kernel[0] // 2), draw.randint(0, kernel[1] // 2)), ceil_mode=draw.random() < 0.5,
        values=draw.choice(values), dtype=draw.choice(["float32", "float64"]), seed=draw.randint(0, 999), **options,
    )  # fmt: skip


DRAWS: dict[str, Any] = {
    "conv2d": a_conv,
    "max_pool2d": functools.partial(a_pool, operation="max_pool2d"),
    "avg_pool2d": functools.partial(a_pool, operation="avg_pool2d"),
}
EXTENTS: tuple[dict[str, Any], ...] = (
    {"batch": 0},
    {"channels": 0},
    {"filters": 0},
    {"image": (0, 2)},
    {"image": (2, 0)},
)


def just_over(operation: str, block: int) -> list[Case]:
    """One extent one past a block, and one of two blocks."""
    cases: list[Case] = []
    for extent in (block + 1, 2 * block):
        for shape in EXTENTS:
            sizes = {
                name: extent if value == 0 else tuple(v or extent for v in value)
                for name, value in shape.items()
            }
            plain: dict[str, Any] = {"image": (2, 2), "channels": 2, "kernel": (1, 1), "seed": block} | sizes
            if operation == "conv2d":
                plain = {"filters": 2, "bias": True} | plain
            elif "filters" in plain:
                continue
            elif operation == "max_pool2d":
                plain["return_indices"] = True
            cases.append(Case.of(operation, **plain))
    return cases


@functools.cache
def cases(operation: str) -> list[Case]:
    draw = random.Random(0)
    drawn = [DRAWS[operation](draw) for _ in range(1500)]
    blocks = [c for block in (4, 8, 16, 32, 64) for c in just_over(operation, block)]
    return [case for case in drawn if not case.problem] + blocks + large(operation)


def large(operation: str) -> list[Case]:
    """Sizes for which fast paths are taken, with each family of values in turn."""
    features = features_of(operation)
    crossed = sizes.crossed(operation, features)
    every = [
        *named("layers", operation, features),
        *networks.layers(operation, features),
        *crossed,
        *sizes.mixed(operation, features, 100, 0),
    ]
    every += networks.lookalikes(operation, features)
    every += [*sizes.reaches(operation, features), *sizes.far(operation, features)]
    every += [case for case in sizes.tails(operation, features, beyond=sizes.BEYOND) if max(case.image) > 257]
    values = ["mean_zero", "special", "large", "tiny"] + ["ties"] * operation.startswith("max_pool")
    indices = {"return_indices": True} if operation.startswith("max_pool") else {}
    return [replace(case, values=value, **indices) for case in every for value in values]


@functools.cache
def right(case: Case) -> tuple[Arrays, Answers]:
    arrays = fill(case)
    return arrays, reference.answer(case, arrays)


def differs(mutant: Mutant, case: Case) -> bool:
    arrays, expected = right(case)
    return any(not same(expected[name], answer) for name, answer in mutant.changes(case, arrays).items())


def same(expected: np.ndarray, answer: np.ndarray) -> bool:
    largest = np.abs(expected[np.isfinite(expected)]).max(initial=0)
    return expected.shape == answer.shape and np.allclose(
        expected, answer, rtol=1e-12, atol=1e-12 * min(1, largest), equal_nan=True
    )


# Mutants.


def test_there_are_more_than_two_hundred_mutants():
    assert len(ALL) > 200


def test_sentences_are_unique_within_an_operation():
    repeated = Counter((mutant.operation, mutant.sentence) for mutant in ALL.values())
    assert [sentence for sentence, count in repeated.items() if count > 1] == []


def test_every_mutant_says_what_it_is():
    outputs = {"output", "indices", "grad_input", "grad_weight", "grad_bias"}
    told = [
        mutant
        for mutant in ALL.values()
        if mutant.sentence and mutant.when and set(mutant.outputs) <= outputs
    ]
    assert told == list(ALL.values())


def test_a_mutant_is_found_by_its_name():
    assert [mutant.name for mutant in ALL.values()] == list(ALL)


@pytest.mark.parametrize("mutant", PURE, ids=by_name)
def test_a_pure_mutant_differs_and_alike_as_functions(mutant):
    case = next((case for case in cases(mutant.operation) if differs(mutant, case)), None)
    assert case is not None, f"no case shows it: {mutant.when}"
    arrays, _ = right(case)
    answers = Caller(Subject(mutant.subject())).answer(case, arrays, mutant.outputs)
    for name, answer in mutant.changes(case, arrays).items():
        dtype = "int64" if name == "indices" else case.dtype
        np.testing.assert_array_equal(answers[name], answer.astype(dtype), err_msg=name)


@pytest.mark.parametrize("mutant", OTHERS, ids=by_name)
def test_a_mutant_with_state_is_made_afresh(mutant):
    first, second = mutant.subject(), mutant.subject()
    assert set(vars(first)) == {mutant.operation, f"{mutant.operation}_backward"}
    assert vars(first)[mutant.operation] is not vars(second)[mutant.operation]


def test_a_call_cached_by_one_subject_is_unknown_to_the_next():
    mutant = ALL["conv2d_forward_right_once"]
    image, weight = np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2))
    np.testing.assert_array_equal(mutant.subject().conv2d(image, weight), np.full((1, 1, 2, 2), 4.0))
    np.testing.assert_array_equal(mutant.subject().conv2d(image, weight), np.full((1, 1, 2, 2), 4.0))


def test_a_condition_is_written_in_known_words():
    conditions = {name for mutant in PURE for name in compile(mutant.when, "when", "eval").co_names}
    assert conditions <= {*WORDS, "min", "max"}


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


def test_there_are_at_least_twenty_right_kernels():
    assert len(RIGHT) >= 20


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
        plan = Plan(
            operation,
            dtype,
            frozenset(features_of(operation) - lacking),
            "quick",
            accuracy=subject.accuracy,
            ties=subject.ties,
        )
        some = list(REQUIREMENTS[requirement].cases(plan))
        for case in some[:: max(1, len(some) // 8)]:
            judged = examine(caller, reference.answer, requirement, case)
            found += [f"{case}: {judgement.message}" for judgement in judged if judgement.failed]
    return found
