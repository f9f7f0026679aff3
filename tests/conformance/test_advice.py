"""What a kernel is told and does not fail by, unless its developer is strict."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

import npcnn
from conformance import Subject
from conformance.cli import main
from conformance.kernels import reference
from conformance.reports.advice import advice
from conformance.reports.document import document
from conformance.reports.run_info import RunInfo
from conformance.running.in_process import InProcess
from conformance.running.run import run
from conformance.running.settings import Settings


def zeros_for_bad_arguments(*arrays, **options):
    try:
        return npcnn.avg_pool2d(*arrays, **options)
    except ValueError:
        return np.zeros((1, 1, 1, 1))


def drawing(*arrays, **options):
    np.random.random()  # noqa: NPY002
    random.random()
    return npcnn.avg_pool2d(*arrays, **options)


def judged(function, requirements, strict=False):
    subject = Subject(SimpleNamespace(avg_pool2d=function), strict=strict)
    settings = Settings(("avg_pool2d",), requirements, ("float32",), "quick")
    return run(subject, InProcess(subject, reference.answer), settings)


@pytest.mark.parametrize(
    ("function", "requirement", "what", "details"),
    [
        (zeros_for_bad_arguments, "arguments", "bad arguments answered", 15),
        (drawing, "contract", "the kernel changed NumPy's global random state, the global random state", 0),
    ],
)
def test_what_no_answer_depends_on_is_advice(function, requirement, what, details):
    report = judged(function, ("exact", requirement))
    (told,) = advice(report)
    assert report.verdict == "conforms"
    assert (told.what, told.operations) == (what, ["avg_pool2d"])
    assert len(told.details) == details


@pytest.mark.parametrize(
    ("function", "requirement"), [(zeros_for_bad_arguments, "arguments"), (drawing, "contract")]
)
def test_who_is_strict_fails_by_it(function, requirement):
    report = judged(function, ("exact", requirement), strict=True)
    assert [row.unit.requirement for row in report.rows if row.failure] == [requirement]
    assert not advice(report)


def test_all_bad_arguments_that_are_answered_are_one_finding():
    report = judged(zeros_for_bad_arguments, ("arguments",), strict=True)
    (finding,) = document(report, RunInfo(oracle="reference")).findings
    assert len(finding.failure.likewise) == 14


def test_advice_does_not_end_a_requirement():
    whole, advised = (judged(function, ("contract",)) for function in (npcnn.avg_pool2d, drawing))
    assert whole.cases == advised.cases


def test_a_change_that_answers_depend_on_is_no_advice(monkeypatch):
    def leaving(*arrays, **options):
        monkeypatch.chdir(monkeypatch.path)
        return npcnn.avg_pool2d(*arrays, **options)

    monkeypatch.path = "/"
    report = judged(leaving, ("contract",))
    assert [row.verdict for row in report.rows if row.output == "output"] == ["differs"]


KERNEL = """
def avg_pool2d(x, kernel_size, stride=None):
    try:
        return npcnn.avg_pool2d(x, kernel_size, stride=stride)
    except ValueError:
        return np.zeros((1, 1))
"""


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        ((), 0, "advice (--strict makes it a failure)"),
        (("--strict",), 1, "--strict"),
        (("--strict", "--skip", "arguments,state"), 0, "avg_pool2d: arguments (skipped)"),
    ],
)
def test_the_command_line_is_strict_where_wanted(write_kernel, options, status, words):
    subject = write_kernel("answering", KERNEL)
    some = [
        "--op",
        "conv2d,avg_pool2d",
        "--profile",
        "quick",
        "--requirement",
        "exact,arguments",
        "--in-process",
    ]
    run = CliRunner().invoke(main, ["run", subject, *some, "--oracle", "reference", *options])
    assert run.exit_code == status, run.output
    assert words in run.output


def test_what_is_strict_is_run_again_strictly(write_kernel):
    subject = write_kernel("answering", KERNEL)
    words = [subject, "avg_pool2d stride=0", "--oracle", "reference", "--in-process"]
    assert [CliRunner().invoke(main, ["replay", *words, *more]).exit_code for more in ([], ["--strict"])] == [
        0,
        1,
    ]
