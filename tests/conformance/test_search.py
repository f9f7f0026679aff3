"""The search: comparisons with both sides known, distances, and cases that come to lines that no case ran."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from conformance.cases import Case
from conformance.cases.arrays import fill
from conformance.cli import main
from conformance.kernels.call import Caller
from conformance.kernels.lines import Lines
from conformance.kernels.load import load
from conformance.kernels.source.distance import of_comparison
from conformance.running.run import run
from conformance.running.search import ENOUGH
from conformance.running.settings import Settings
from conformance.running.workers import Workers
from conformance.verdicts.verdict import Report

KERNEL = """
import numpy as np
from npcnn import conv2d as right

def wide(channels):
    if channels < 40:
        return False
    return True

def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    output = right(input, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)
    n, c, h, w = np.shape(input) if input.ndim == 4 else (1, *np.shape(input))
    if CONDITION:
        output[..., output.shape[-1] // 2] = 0
    return output
"""


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """A function that writes the kernel with a condition to a file, and gives its name."""
    monkeypatch.chdir(tmp_path)

    def write(condition: str) -> str:
        Path("searched.py").write_text(KERNEL.replace("CONDITION", condition))
        return "searched.py"

    return write


def searched(name: str, profile: str = "standard") -> Report:
    with Workers(name, "reference", jobs=1) as workers:
        settings = Settings(requirements=("empty", "search"), dtypes=("float32",), profile=profile)
        return run(load(name), workers, settings)


@pytest.mark.parametrize(
    ("how", "left", "right", "far"),
    [
        ("==", 7, 3, (4, 0)), ("==", 3, 3, (0, 1)), ("!=", 3, 3, (1, 0)), ("<", 3, 3, (1, 0)), ("<", 1, 3, (0, 2)),
        ("<=", 5, 3, (2, 0)), (">", 3, 5, (3, 0)), (">=", 5, 5, (0, 1)), ("==", (2, 3), (2, 5), (2, 0)),
        ("==", (2,), (2, 5), (1, 0)),
    ],
)  # fmt: skip
def test_a_comparison_is_as_far_from_true_and_from_false_as_its_sides_are_apart(how, left, right, far):
    assert of_comparison(how, left, right) == far


@pytest.mark.parametrize(("over", "far"), [("any", 1.0), ("all", 3.0)])
def test_of_arrays_the_nearest_element_or_the_farthest_one_counts(over, far):
    assert of_comparison("==", np.array([1, 2, 3]), np.array([2, 4, 6]), over)[0] == far


def near(name: str, text: str) -> tuple[float, list[tuple[float, float]]]:
    """How far a case is from the column that is not written."""
    subject, case = load(name), Case.parse(text)
    lines = Lines.of(subject)
    lines.mark("conv2d")
    (sought,) = [
        each[:2] for each in lines.news()["stretches"] if each[3].startswith("if") and "<" not in each[3]
    ]
    lines.seek([sought])
    Caller(subject).answer(case, fill(case))
    return lines.near([sought])[0]


@pytest.mark.parametrize(
    ("condition", "sides"),
    [
        ("c > 700", [(3, 700)]), ("c % 32 == 0", [(3, 32)]), ("h == 5 and w > 90", [(6, 90)]), ("not c != 9", [(3, 9)]),
        ("w * h > 999 or c == 44", [(30, 999), (3, 44)]), ("wide(c)", [(3, 40)]), ("5 == h > 70", [(5, 70)]),
    ],
)  # fmt: skip
def test_the_sides_of_the_comparison_that_does_not_hold_are_known(kernel, condition, sides):
    far, told = near(kernel(condition), "conv2d channels=3 image=5,6")
    assert far > 0 and told == sides


@pytest.mark.parametrize("condition", ["c > 700", "np.max(input) > 5e4", "h == 5 and w > 90"])
def test_a_case_with_more_of_it_is_nearer(kernel, condition):
    name = kernel(condition)
    nearer, _ = near(name, "conv2d channels=300 image=5,60 values=beyond:1e4")
    farther, _ = near(name, "conv2d channels=3 image=5,6")
    assert nearer < farther


def test_functions_have_their_own_code_again_once_nothing_is_sought(kernel):
    subject = load(kernel("c > 2"))
    function = subject.function("conv2d")
    own = function.__code__
    lines = Lines.of(subject)
    lines.mark("conv2d")
    (sought,) = [each[:2] for each in lines.news()["stretches"] if each[3] == "if c > 2"]
    lines.seek([sought])
    assert function.__code__ is not own
    for text in ("conv2d channels=3 image=5,6", "conv2d batch=none"):
        Caller(subject).answer(Case.parse(text), fill(Case.parse(text)))
    Caller(subject).answer(case := Case.parse("conv2d channels=50"), fill(case))
    lines.seek([])
    lines.news()
    lines.news()
    assert function.__code__ is own


@pytest.mark.parametrize("condition", ["c > 700", "wide(c) and stride == 3", "not weight.any() and w > 20"])
def test_the_search_comes_to_a_line_and_what_is_wrong_there_is_a_finding(kernel, condition):
    report = searched(kernel(condition))
    (failure,) = [row.failure for row in report.rows if row.unit.requirement == "search" and row.failure]
    assert failure.judgement.status == "differs"
    assert f"if {condition}" in [each.stretch.why for each in report.unreached.reached]
    assert f"if {condition}" not in [each.why for each in report.unreached.stretches]


def test_others_like_the_case_that_came_to_a_line_are_judged_with_it(kernel):
    judged = [row.cases for row in searched(kernel("c > 700")).rows if row.unit.requirement == "search"]
    assert max(judged) > ENOUGH


def test_nothing_is_searched_where_all_ran_and_in_the_quick_profile(kernel):
    assert searched(kernel("c < 0 and False"), "quick").unreached.searched == 0
    assert not [row for row in searched(kernel("c > 700"), "quick").rows if row.unit.requirement == "search"]


def test_the_same_search_asks_the_same_cases(kernel):
    name = kernel("c > 700")
    assert searched(name).unreached == searched(name).unreached


@pytest.mark.parametrize(
    ("source", "said"), [("pass", "nothing to search for"), ("raise ValueError", "untested")]
)
def test_the_command_says_that_nothing_is_left_to_search_where_all_ran(source, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kernel = "import npcnn\n\ndef conv1d(input, weight):\n    {}\n    return npcnn.conv1d(input, weight)\n"
    Path("whole.py").write_text(kernel.format(source))
    result = CliRunner().invoke(main, ["search", "whole.py", "--oracle", "reference", "--jobs", "1"])
    assert (result.exit_code, said in result.output) == (0, True)
