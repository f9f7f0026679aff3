"""Tasks and rows: plain data, judged anywhere, merged into the same report."""

import json
from dataclasses import replace
from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest

import npcnn
from conformance import Subject
from conformance.audit import mutants
from conformance.cases import Case
from conformance.cases.features import features_of
from conformance.kernels import reference
from conformance.requirements import REQUIREMENTS, Plan
from conformance.running.claims import claims_of
from conformance.running.failures import smallest_failure
from conformance.running.in_process import InProcess
from conformance.running.judge import judge, judge_case
from conformance.running.merge import merge
from conformance.running.run import run
from conformance.running.runner import judgements_of
from conformance.running.settings import Settings
from conformance.running.tasks import Task, plan
from conformance.verdicts.verdict import Row

SETTINGS = Settings(("avg_pool2d",), ("exact", "arguments", "empty"), (), "quick")
PLAN = Plan("conv2d", "float32", features_of("conv2d"), "quick", blocks=(7,))
WIDE = Case.parse("conv2d image=3,9 kernel=2,2")


def off_by_one(input, weight, bias=None, **options):
    return npcnn.conv2d(input, weight, bias, **options) + input.dtype.type(1)


def by(subject) -> tuple[Subject, InProcess]:
    return subject, InProcess(subject, reference.answer)


def tasks_of(subject, settings=SETTINGS):
    every = claims_of(*by(subject), settings)
    return [task for claims in every for task in plan(subject, claims, settings)]


def sent(data):
    """What arrives at the other end of a connection."""
    return json.loads(json.dumps(data))


@pytest.mark.parametrize(
    "task", [Task(PLAN, "sizes"), Task(PLAN, "exact", start=2, step=6), Task.of_case("exact", WIDE)]
)
def test_a_task_that_travels_arrives_as_it_was(task):
    assert Task.from_data(sent(task.as_data())) == task


def test_a_row_that_travels_arrives_as_it_was():
    rows = judge(Task(PLAN, "empty"), *by(Subject({"conv2d": off_by_one})))
    assert rows[0].failure
    assert [Row.from_data(sent(row.as_data())) for row in rows] == rows


def test_the_slices_of_a_task_hold_each_of_its_cases_once():
    cases = [case for start in range(3) for case in Task(PLAN, "empty", start, 3).cases()]
    assert sorted(map(str, cases)) == sorted(map(str, Task(PLAN, "empty").cases()))


def test_a_slice_exhausts_nothing():
    whole = Task(replace(PLAN, profile="standard"), "exact")
    assert (whole.exhausts, replace(whole, step=2).exhausts) == (True, False)


def test_tasks_come_in_the_order_of_their_requirements(monkeypatch):
    monkeypatch.setitem(REQUIREMENTS, "empty", replace(REQUIREMENTS["empty"], order=0))
    assert [(task.requirement, task.plan.dtype) for task in tasks_of(Subject(npcnn))] == [
        ("empty", "float32"), ("exact", "float32"), ("arguments", "float32"),
        ("empty", "float64"), ("exact", "float64"),
    ]  # fmt: skip


def test_tasks_judged_backwards_elsewhere_make_the_report_of_a_run():
    subject = Subject(npcnn)
    tasks = [Task.from_data(sent(task.as_data())) for task in tasks_of(subject)]
    rows = [row.as_data() for task in reversed(tasks) for row in judge(task, *by(Subject(npcnn)))]
    claims = list(claims_of(*by(subject), SETTINGS))
    merged = merge(subject, map(Row.from_data, sent(rows)), claims=claims, tasks=tasks)
    local = run(*by(subject), SETTINGS)
    assert sorted(merged.rows, key=str) == sorted(local.rows, key=str)
    assert (merged.passed, merged.not_claimed) == (local.passed, local.not_claimed)


def test_a_failure_of_an_earlier_task_is_tried_first_when_one_is_shrunk():
    subject = Subject({"conv2d": off_by_one})
    first, *_ = judge(Task(PLAN, "empty"), *by(subject))
    assert first.failure
    earlier = replace(first.failure, case=WIDE)
    assert judge(Task(PLAN, "sizes"), *by(subject), earlier=[earlier])[0].failure.case.size <= WIDE.size


def test_a_failure_of_an_earlier_task_is_tried_though_its_filter_is_less_square():
    name = "conv2d_grad_input_windows_that_overlap_overwrite_the_gradient_of_the_input_instead_of_adding"
    case = Case.parse("conv2d image=5,6 kernel=2,2 padding=4")
    small = Case.parse("conv2d image=1,3 kernel=1,2")
    runner = InProcess(Subject(mutants.named(name).subject()), reference.answer)
    (wrong,) = (each for each in judgements_of(runner, "exact", case) if each.failed)
    assert smallest_failure(runner, Task.of_case("exact", case), case, wrong, [small])[0] == small


def test_without_shrinking_a_failure_is_the_first_that_there_was():
    subject = Subject({"conv2d": off_by_one})
    (case,) = islice(Task(PLAN, "sizes").cases(), 1)
    row, *_ = judge(Task(PLAN, "sizes"), *by(subject), shrinks=False)
    assert (row.failure.case, row.failure.first) == (case, case)


@pytest.mark.parametrize(("kernel", "status"), [(npcnn.conv2d, "conforms"), (off_by_one, "differs")])
def test_one_case_is_judged_as_it_is(kernel, status):
    subject = Subject(SimpleNamespace(conv2d=kernel, conv2d_backward=npcnn.conv2d_backward))
    judgements = judge_case(WIDE, "exact", *by(subject))
    assert [(each.output, each.status) for each in judgements] == [
        ("output", status), ("grad_input", "conforms"), ("grad_weight", "conforms"),
    ]  # fmt: skip


def test_one_case_that_is_not_claimed_says_so():
    subject = Subject({"conv2d": npcnn.conv2d}, only=lambda case: False)
    assert {each.status for each in judge_case(WIDE, "exact", *by(subject))} == {"not claimed"}


def test_a_rule_about_single_numbers_is_not_for_transforms():
    subject = Subject({"conv2d": npcnn.conv2d}, accuracy="fft")
    (claims,) = claims_of(*by(subject), Settings(requirements=("special", "exact"), profile="quick"))
    assert claims.requirements == ("exact",)
    assert ("conv2d", "special", "accuracy=fft spreads a NaN") in claims.not_claimed


def test_a_kernel_that_refuses_the_plainest_call_claims_all_of_it():
    def conv2d(x, w, bias=None):
        raise ValueError(np.shape(x))

    (claims,) = claims_of(*by(Subject({"conv2d": conv2d})), Settings(requirements=("exact",)))
    assert (claims.dtypes, claims.refusing[:10]) == (("float32", "float64"), "ValueError")
