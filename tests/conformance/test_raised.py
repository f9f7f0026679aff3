"""An exception of a kernel: meant as a refusal or not, and where it was raised."""

import json
import re
import sys
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from conformance.cases import Case
from conformance.cases.arrays import fill
from conformance.cli import main
from conformance.kernels.answer import of_call
from conformance.kernels.call import Caller
from conformance.kernels.load import load
from conformance.kernels.subject import Subject

HELPER = """
def pick(values, n):
    return values[n]
"""


@pytest.fixture
def refused(tmp_path, monkeypatch):
    """How a kernel whose body is this line fails."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "helper_of_raises.py").write_text(HELPER)

    def of(line):
        file = tmp_path / "raises.py"
        file.write_text(f"import numpy as np\nimport helper_of_raises\ndef conv2d(x, w):\n    {line}\n")
        case = Case.parse("conv2d")
        return Caller(load(str(file))).answer(case, fill(case))["output"]

    return of


@pytest.mark.parametrize(
    ("line", "status"),
    [
        # What a kernel raises itself is a refusal.
        ("raise ValueError('no')", "refused"),
        ("raise NotImplementedError", "refused"),
        ("raise RuntimeError('no such device')", "refused"),
        ("assert x.ndim == 3, 'unbatched only'", "refused"),
        ("raise SystemExit(2)", "refused"),
        ("raise TypeError from ValueError()", "refused"),
        # Any other exception is raised.
        ("return x.shape[7]", "raised"),
        ("return 1 / 0", "raised"),
        ("return x.reshape(7)", "raised"),  # ValueError of NumPy's native code
        ("return np.pad(x, -1)", "raised"),  # and of its Python
        ("a, b = x.shape", "raised"),
        ("return missing", "raised"),
        ("return len(3)", "raised"),
        ("return helper_of_raises.pick([], 1)", "raised"),
        ("import sys; sys.exit(2)", "raised"),
    ],
)
def test_what_a_kernel_raises_itself_is_a_refusal_and_any_other_exception_is_not(refused, line, status):
    assert refused(line).status == status


def test_a_call_that_does_not_fit_the_signature_is_a_refusal():
    subject = Subject({"conv2d": lambda x: x})
    case = Case.parse("conv2d")
    assert Caller(subject).answer(case, fill(case))["output"].status == "refused"


@pytest.mark.parametrize(("native", "status"), [(partial(int, "x"), "refused"), ([].pop, "raised")])
def test_native_code_refuses_by_the_class_of_its_exception(native, status):
    assert of_call(native).status == status


def test_the_place_is_the_last_lines_of_the_kernels_own_files(refused):
    assert refused("return helper_of_raises.pick([], 1)").place == (
        "helper_of_raises.py:3 in pick, raises.py:4 in conv2d"
    )


def test_the_place_of_an_exception_from_a_library_is_the_line_that_called_it(refused):
    assert refused("return np.pad(x, -1)").place == "raises.py:4 in conv2d"


def test_the_traceback_begins_with_the_kernel_and_has_the_frames_of_libraries(refused):
    files = re.findall(r'File ".*?(\w+\.py)"', refused("return np.pad(x, -1)").trace)
    assert (files[0], len(files) > 1) == ("raises.py", True)


def test_the_traceback_has_the_cause_of_an_exception(refused):
    assert "direct cause" in refused("raise TypeError from ValueError()").trace


# What the commands show of it.

RAISES = "def conv2d(x, w, stride=1):\n    return x.shape[stride] if stride != 1 else npcnn.conv2d(x, w)\n"


def command(*arguments):
    return CliRunner(env={"COLUMNS": "100"}).invoke(main, list(arguments), prog_name="conformance")


@pytest.fixture
def raises(write_kernel):
    return write_kernel("raises", RAISES.replace("x.shape[stride]", "x.shape[stride + 9]"))


def test_a_finding_says_that_a_kernel_raised_and_where(raises):
    asked = ["--requirement", "exact", "--profile", "quick", "--dtype", "float32", "--json", "report.json"]
    result = command("run", raises, "--in-process", "--oracle", "reference", *asked)
    assert re.search(r"^conv2d output +RAISED  IndexError: tuple index out of range$", result.output, re.M)
    assert re.search(r"^ +raised at +raises\.py:\d+ in conv2d$", result.output, re.M)
    (failure,) = json.loads(Path("report.json").read_text())["failures"]
    assert (failure["status"], failure["raised_at"][:10]) == ("raised", "raises.py:")


def test_replay_shows_the_whole_traceback(raises):
    result = command("replay", raises, "conv2d stride=2", "--in-process", "--oracle", "reference")
    shown = r"output +RAISED  IndexError: .*\n    Traceback .*\n +File .*raises.py.*\n +return x.shape\[stride \+ 9\]"
    assert re.search(shown, result.output)


def test_a_plain_call_that_raises_is_not_claimed_as_one_that_refuses(write_kernel):
    source = "def conv2d(x, w):\n    n, c, h, wide = x.shape\n    return npcnn.conv2d(x, w)\n"
    asked = ["--requirement", "exact", "--profile", "quick", "--in-process", "--oracle", "reference"]
    result = command("run", write_kernel("unpacks", source), *asked)
    assert result.exit_code == 0
    assert "unbatched (ValueError: not enough values to unpack (expected 4, got 3))" in result.output
