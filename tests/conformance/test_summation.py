"""The order in which a kernel adds is read out of its answers, and told where two calls show the same one."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import reduce
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import npcnn
from conformance.cases import Case
from conformance.cases.arrays import Array, fill
from conformance.cases.features import features_of
from conformance.cases.units import pairs
from conformance.kernels import reference
from conformance.kernels.subject import Subject
from conformance.reports.data import as_data
from conformance.reports.document import document
from conformance.reports.run_info import RunInfo
from conformance.reports.text import lines
from conformance.requirements import Plan
from conformance.requirements.certified import sums
from conformance.running.in_process import InProcess
from conformance.running.run import run
from conformance.running.settings import Settings
from conformance.verdicts import summation
from conformance.verdicts.summation import Order, Summation, order_of, summations
from conformance.verdicts.verdict import Report


def products(input: Array, weight: Array) -> list[Array]:
    """Those of the one window, a list of the terms of all images."""
    return list((input * weight).reshape(len(input), -1).T)


def sequential(terms: list[Array]) -> Array:
    return reduce(np.add, terms)


def pairwise(terms: list[Array]) -> Array:
    middle = len(terms) // 2
    return pairwise(terms[:middle]) + pairwise(terms[middle:]) if middle else terms[0]


def in_lanes(terms: list[Array]) -> Array:
    return sequential([sequential(terms[lane::4]) for lane in range(4)])


def kahan(terms: list[Array]) -> Array:
    total = lost = np.zeros_like(terms[0])
    for term in terms:
        corrected = term - lost
        new = total + corrected
        total, lost = new, (new - total) - corrected
    return total


def in_float64(terms: list[Array]) -> Array:
    return sequential([term.astype(np.float64) for term in terms])


def by_value(terms: list[Array]) -> Array:
    """The smallest first."""
    order = np.argsort(np.abs(terms), axis=0, kind="stable")
    return sequential(list(np.take_along_axis(np.array(terms), order, axis=0)))


def by_the_image(terms: list[Array]) -> Array:
    """The images after the first 16 in another order, as in the tail of a loop."""
    rest = sequential([*terms[4:], *terms[:4]])
    return np.concatenate([pairwise(terms)[:16], rest[16:]])


SUMS = {
    sequential: (summation.SEQUENTIAL, 35),
    pairwise: (summation.PAIRWISE, 6),
    in_lanes: (summation.BLOCKED, 11),
    kahan: (summation.COMPENSATED, 35),
    in_float64: (summation.WIDER, 0),
    by_value: (summation.AT_ONCE, 1),
    by_the_image: (summation.UNLIKE, 0),
}


def asked(operation: str = "conv2d", dtype: str = "float32", **plan: Any) -> list[Case]:
    return list(sums(Plan(operation, dtype, features_of(operation), **plan)))


def order(case: Case, add: Any) -> Order | None:
    arrays = fill(case)
    total = add(products(arrays["input"], arrays["weight"]))
    return order_of(case, total.astype(case.dtype).reshape(-1, 1, 1, 1))


@pytest.mark.parametrize("add", SUMS, ids=lambda add: add.__name__)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_order_of_a_sum_is_read_by_whichever_numbers(add, seed):
    case = asked()[2 + seed]
    found = order(case, add)
    assert found is not None
    assert (found.terms, found.kind, found.height) == (36, *SUMS[add])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize(
    ("add", "kind"), [(in_float64, summation.WIDER), (sequential, summation.NARROW)], ids=["wider", "narrow"]
)
def test_of_half_precision_it_is_told_in_which_format_it_adds(dtype, add, kind):
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")
    found = order(asked(dtype=dtype)[0], add)
    assert found == Order(9, kind)


@pytest.mark.parametrize(
    ("add", "kind"), [(in_float64, summation.WIDER), (sequential, summation.NARROW)], ids=["wider", "narrow"]
)
def test_an_average_that_half_precision_rounds_is_read_all_the_same(add, kind):
    case = asked("avg_pool2d", "float16")[0]
    total = add(list(fill(case)["input"].reshape(case.batch, -1).T))
    average = (total.astype(np.float64) / case.terms("output")).astype(np.float16)
    assert order_of(case, average.reshape(-1, 1, 1, 1)) == Order(9, kind)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("operation", ["conv2d", "conv_transpose1d", "avg_pool3d", "conv3d"])
def test_npcnn_shows_the_same_order_twice(operation, dtype):
    report = run(
        Subject(npcnn),
        InProcess(Subject(npcnn), reference.answer),
        Settings([operation], ["certified"], dtypes=(dtype,), profile="quick"),
    )
    assert [each.terms for each in report.summations] == [9, 36]
    assert summation.UNLIKE not in {each.kind for each in report.summations}


def test_pytorch_adds_small_windows_in_no_wider_format():
    torch = pytest.importorskip("torch")

    def conv2d(input, weight, **options):
        return torch.nn.functional.conv2d(
            torch.from_numpy(input), torch.from_numpy(weight), **options
        ).numpy()

    kinds = set()
    for case in asked():
        arrays = fill(case)
        found = order_of(case, conv2d(arrays["input"], arrays["weight"]))
        kinds.add(found.kind if found else "")
    assert kinds <= {summation.SEQUENTIAL, summation.BLOCKED, summation.PAIRWISE, summation.UNLIKE}


def test_two_calls_of_two_orders_are_told_to_be_in_none():
    of = [
        Order(9, summation.BLOCKED, 4, "a"),
        Order(9, summation.BLOCKED, 4, "b"),
        Order(36, summation.WIDER),
    ]
    assert list(summations("conv2d", "float32", of)) == [
        Summation("conv2d", "float32", 9, summation.UNLIKE, 0),
        Summation("conv2d", "float32", 36, summation.WIDER, 0),
    ]


@pytest.mark.parametrize("terms", [2, 3, 9, 36])
def test_each_two_terms_are_large_in_an_image_of_their_own(terms):
    one, other = pairs(terms * (terms // 2 + 1), terms)
    met = {frozenset(pair) for pair in zip(one.tolist(), other.tolist(), strict=True)}
    assert len(met) == terms * (terms + 1) // 2


def test_more_terms_are_asked_in_the_deep_profile():
    assert {case.terms("output") for case in asked(profile="deep")} == {9, 36, 144}


@pytest.mark.parametrize(
    ("operation", "plan"), [("max_pool2d", {}), ("conv2d", {"accuracy": "winograd"}), ("lp_pool2d", {})]
)
def test_what_is_no_plain_sum_is_not_asked_for_an_order(operation, plan):
    assert asked(operation, **plan) == []


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    "add", [sequential, pairwise, kahan, in_lanes, by_value], ids=lambda add: add.__name__
)
def test_no_order_is_accused(dtype, seed, add):
    def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
        wide = np.float32 if dtype == "float16" else dtype
        total = add([term.astype(wide) for term in products(input, weight)])
        return total.astype(dtype).reshape(len(input), 1, 1, 1)

    subject = Subject(SimpleNamespace(conv2d=conv2d), dtypes=(dtype,))
    case = replace(asked(dtype=dtype)[0], seed=seed)
    ((_, judged),) = InProcess(subject, reference.answer).examine("certified", [case])
    assert [judgement.message for judgement in judged if judgement.failed] == []


def test_the_order_is_told_in_text_and_in_json():
    report = Report(Subject(npcnn), summations=[Summation("conv2d", "float64", 9, summation.SEQUENTIAL, 8)])
    told = document(report, RunInfo("torch"))
    text = ["".join(part for part, _ in line) for line in lines(told, 100)]
    assert "  conv2d: float64: 9 terms one after the other, 8 additions deep" in text
    assert json.loads(json.dumps(as_data(told)))["summations"] == [
        {"operation": "conv2d", "dtype": "float64", "terms": 9, "kind": "one after the other", "height": 8}
    ]
