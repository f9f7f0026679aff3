"""The scripts of a run's failures, each run: it tells a wrong kernel from a right one."""

import contextlib
import io
import json
import runpy
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from conformance import Subject
from conformance.cases import Case
from conformance.cli import main
from conformance.kernels.load import load
from conformance.reports.findings import Finding
from conformance.reports.script import _bound, of_finding, script
from conformance.reports.script_files import scripts_of
from conformance.verdicts.judgement import Judgement
from conformance.verdicts.verdict import Failure

pytest.importorskip("torch")

STRIDE_DROPPED = """
def conv2d(input, weight, bias=None, stride=1):
    return npcnn.conv2d(input, weight, bias)
def conv2d_backward(grad_output, input, weight, bias=None):
    grad_input, grad_weight, grad_bias = npcnn.conv2d_backward(grad_output, input, weight, bias)
    return grad_input, grad_weight * 2, grad_bias
"""
REFUSES = """
def conv2d(input, weight, bias=None):
    if len(input) == 2:
        raise TypeError("no batch of two")
    return npcnn.conv2d(input, weight, bias)
"""
HALF = """
def conv2d(input, weight):
    return npcnn.conv2d(input.astype(np.float16), weight.astype(np.float16)).astype(input.dtype)
"""
ANSWERS = """
def conv2d(input, weight, stride=1):
    stride = tuple(np.maximum(np.broadcast_to(stride, 2), 1).tolist())
    return npcnn.conv2d(input, weight, stride=stride)
"""
WIDE = """
def conv2d(input, weight):
    return npcnn.conv2d(input, weight).astype(np.float64)
"""
INDICES = """
def max_pool2d(input, kernel_size, return_indices=False):
    output, indices = npcnn.max_pool2d(input, kernel_size, return_indices=True)
    return (output, indices + (len(input) == 2)) if return_indices else output
"""
TORCH = """
import torch
def conv2d(input, weight):
    return torch.conv2d(input, weight * 2 - weight.detach())
"""
WRONG = {  # the kernel, and how it is judged
    "differs": (STRIDE_DROPPED, ["exact", "-x"]),
    "refuses": (REFUSES, ["empty"]),
    "rounds": (HALF, ["rounding", "-x"]),
    "answers what PyTorch refuses": (ANSWERS, ["arguments", "--strict"]),
    "has another dtype": (WIDE, ["empty"]),
    "indices": (INDICES, ["exact", "-x"]),
    "a gradient of PyTorch's": (TORCH, ["exact", "-x"]),
}
ASKED = ["--in-process", "--oracle", "reference", "--profile", "quick", "--dtype", "float32", "--no-cache"]


def run(file, *words):
    asked = ["run", file, *ASKED, "--requirement", *words, "--scripts", "scripts", "--json", "report.json"]
    result = CliRunner().invoke(main, asked, prog_name="conformance")
    return result, json.loads(Path("report.json").read_text()), sorted(Path("scripts").iterdir())


class Shown(NamedTuple):
    status: int
    printed: str


def ran(file):
    """What a script prints and ends with, run in this process, which has imported PyTorch already."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            runpy.run_path(str(file), run_name="__main__")
            status = 0
        except SystemExit as ended:
            status = int(ended.code or 0)
        except Exception as error:  # as Python ends a script
            status = 1
            print(type(error).__name__)
    return Shown(status, printed.getvalue())


@pytest.fixture(autouse=True)
def path_as_before(monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])


@pytest.mark.parametrize("what", WRONG)
def test_each_script_of_a_wrong_kernel_shows_that_it_is_wrong(what, write_kernel):
    source, words = WRONG[what]
    name = f"wrong_{what.replace(' ', '_')}".replace("'", "")
    result, report, files = run(write_kernel(name, source), *words)
    assert (result.exit_code, report["verdict"], bool(files)) == (1, "differs", True)
    for file in files:
        shown = ran(file)
        assert (shown.status, shown.printed.partition("\n")[0]) == (1, TOLD.get(what, "got"))


TOLD = {
    "refuses": "TypeError",
    "answers what PyTorch refuses": "answered",
}  # the first word, where it is another


def test_each_failure_that_a_script_shows_has_a_file(write_kernel):
    result, report, files = run(write_kernel("two_mistakes", STRIDE_DROPPED), "empty")
    assert len(files) == 2
    assert {file.name.rpartition("-")[0] for file in files} == {
        "conv2d-output-differs", "conv2d-grad_weight-differs",
    }  # fmt: skip
    assert "2 scripts in scripts" in result.stderr
    assert {file.read_text() for file in files} == {each["script"] for each in report["failures"]}


FAILURE: dict[str, Any] = {
    "operation": "conv2d", "output": "grad_input", "status": "out of memory", "case": "conv2d stride=2",
    "diagnosis": None, "script": "text", "also": [],
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "alike"),
    [({"script": "another"}, True), ({"case": "conv2d"}, False), ({"output": "output"}, False)],
)
def test_the_name_of_a_script_is_that_of_its_mistake(changed, alike):
    assert (scripts_of([FAILURE]).keys() == scripts_of([FAILURE | changed]).keys()) == alike


def test_the_name_of_a_script_says_what_is_wrong():
    assert next(iter(scripts_of([FAILURE]))).startswith("conv2d-grad_input-out_of_memory-")


RIGHT = {  # kernels that are right, and a case
    "numpy": ("def f(): ...", "conv2d image=3,3 kernel=2,2 values=mean_zero", "output"),
    "numpy's gradient": (
        "def conv2d_backward(grad_output, input, weight): return npcnn.conv2d_backward(grad_output, input, weight)",
        "conv2d image=3,3 kernel=2,2 values=mean_zero", "grad_weight",
    ),
    "torch": (
        TORCH.replace("* 2 - weight.detach()", ""), "conv2d image=3,3 kernel=2,2 values=mean_zero", "grad_weight",
    ),
    "what PyTorch refuses": ("def f(): ...", "conv2d stride=0", "output"),
}  # fmt: skip


@pytest.mark.parametrize("what", RIGHT)
def test_the_script_of_a_mistake_that_is_mended_ends_well(what, write_kernel):
    source, case, output = RIGHT[what]
    name = f"right_{what.replace(' ', '_')}".replace("'", "")
    subject = load(write_kernel(name, source))
    Path("script.py").write_text(script(subject, Case.parse(case), output))
    assert ran("script.py").status == 0


@pytest.mark.parametrize(("off", "status"), [(0.5, 0), (2.0, 1)])
def test_a_script_allows_what_rounding_explains_and_no_more(off, status, write_kernel):
    case = Case.parse("conv2d image=3,3 kernel=2,2 values=mean_zero")
    plain = load(write_kernel("plain", "def f(): ..."))
    (bound,) = (each for each in _bound(plain, case, "output").values())
    source = f"def conv2d(input, weight): return npcnn.conv2d(input, weight) + np.float32({off * float(bound.min())})"
    subject = load(write_kernel(f"off_by_{status}", source))
    Path("script.py").write_text(script(subject, case, "output"))
    assert ran("script.py").status == status


def finding(case="conv2d", requirement="exact", **fields):
    made = Case.parse(case)
    judgement = Judgement("output", "differs", 2.0, True, "off")
    return Finding(Failure(made, judgement, made, **fields), [(requirement, "float32")])


@pytest.mark.parametrize(
    ("of", "why"),
    [
        (finding(requirement="threads"), "one call does not show it: threads"),
        (finding(shown_by="state"), "one call does not show it: state"),
        (
            finding("conv2d image=4,4 layout=input:fortran"),
            "its arrays are not plain: another layout or device",
        ),
    ],
)
def test_a_failure_that_one_plain_call_does_not_show_has_no_script(of, why):
    subject = Subject({"conv2d": len}, name="npcnn", framework="numpy")
    assert of_finding(subject, of) == ("", why)


def test_a_folder_that_cannot_be_made_is_told_before_the_run(write_kernel):
    file = write_kernel("never_judged", "")
    Path("scripts").write_text("a file")
    result = CliRunner().invoke(main, ["run", file, "--scripts", "scripts"], prog_name="conformance")
    assert result.exit_code == 2
    assert (
        result.output.splitlines()[-1] == "Error: --scripts scripts: no folder can be made there: File exists"
    )


def test_the_script_of_a_failure_that_is_gone_is_deleted_and_no_other_file(write_kernel):
    _, _, before = run(write_kernel("mended", STRIDE_DROPPED), "exact", "-x")
    for name, text in {"mine.py": "print(1)", "other.py": '# conformance replay others.py "conv2d"'}.items():
        Path("scripts", name).write_text(text)
    _, report, after = run(write_kernel("mended", ""), "exact", "-x")
    assert (len(before), report["verdict"]) == (1, "conforms")
    assert [file.name for file in after] == ["mine.py", "other.py"]
