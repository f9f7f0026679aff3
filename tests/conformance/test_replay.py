"""Replay of several cases, and its scripts in a file."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from conformance.cli import main

BIAS_IGNORED = """
def conv2d(input, weight, bias=None, stride=1):
    return npcnn.conv2d(input, weight, None, stride=stride)
"""


def replay(*arguments, stdin=""):
    asked = ["replay", *arguments, "--in-process", "--oracle", "reference"]
    return CliRunner(env={"COLUMNS": "100"}).invoke(main, asked, input=stdin, prog_name="conformance")


@pytest.fixture
def biasless(write_kernel):
    return write_kernel("biasless", BIAS_IGNORED)


CASES = "conv2d image=3,4  # right\n\n# a comment\nconv2d bias=true\n"


@pytest.mark.parametrize("how", ["words", "a file", "standard input"])
def test_several_cases_are_judged_in_their_order(how, biasless):
    Path("cases.txt").write_text(CASES)
    words = {
        "words": ["conv2d image=3,4", "conv2d bias=true"],
        "a file": ["@cases.txt"],
        "standard input": ["-"],
    }
    result = replay(biasless, *words[how], stdin=CASES)
    heads = re.findall(r"^biasless.py: (.*)$", result.output, re.M)
    assert heads == ["conv2d image=3,4", "conv2d bias=true"]


def test_one_case_that_fails_is_the_status_of_all_and_named_at_the_end(biasless):
    result = replay(biasless, "conv2d bias=true", "conv2d image=3,4")
    assert result.exit_code == 1
    assert result.output.endswith("\n\n1 of 2 cases fail\n  conv2d bias=true\n")


def test_several_cases_that_are_right_are_no_failure(biasless):
    result = replay(biasless, "conv2d stride=2", "conv2d stride=0", "conv2d image=3,4")
    assert (result.exit_code, result.output.splitlines()[-1]) == (0, "0 of 3 cases fail")


def test_one_extent_stands_for_all_axes(biasless):
    assert replay(biasless, "conv2d kernel=2 image=5").output.startswith(
        "biasless.py: conv2d image=5,5 kernel=2,2\n"
    )


def test_a_case_that_both_refuse_says_so(biasless):
    assert re.search(
        r"^output +conforms  refused, as PyTorch refuses it$", replay("npcnn", "conv2d stride=0").output, re.M
    )


def test_an_extent_of_0_is_refused_and_no_default(write_kernel):
    file = write_kernel("answers", "def conv2d(x, w): return np.ones((1, 1, 1, 1), np.float32)\n")
    told = "answers.py does not refuse it: its output has shape (1, 1, 1, 1)"
    assert f"PyTorch refuses it: kernel=0,0 is below 1\n{told}" in replay(file, "conv2d kernel=0").output


WRONG = {
    "no file": (["@nosuch.txt"], "@nosuch.txt: cannot be read: No such file or directory"),
    "a file that is no text": (["@binary"], "@binary: cannot be read: is no text"),
    "a file without a case": (["@empty.txt"], "@empty.txt: holds no case"),
    "a bad line": (["@bad.txt"], "@bad.txt, line 2: strde=2: conv2d has no field"),
    "a script of two cases": (["conv2d", "conv2d", "--script", "s.py"], "--script s.py: a script is of one case, not"),
    "a script over a kernel": (["conv2d", "--script", "biasless.py"], "biasless.py: holds something else, which is"),
    "a script nowhere": (["conv2d", "--script", "no/s.py"], "--script no/s.py: cannot be written: No such file"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_wrong_usage_of_replay_is_told(what, biasless):
    Path("binary").write_bytes(b"\xff\xfe")
    Path("empty.txt").write_text("# nothing\n")
    Path("bad.txt").write_text("conv2d\nconv2d strde=2\n")
    arguments, message = WRONG[what]
    result = replay(biasless, *arguments)
    assert (result.exit_code, message in result.output) == (2, True)


# Scripts. Each runs by itself, and shows that what was got is not what is expected.

NHWC = """
import conformance
def conv2d(input, weight, bias=None):
    taps = np.lib.stride_tricks.sliding_window_view(input, weight.shape[:2], axis=(1, 2))
    return np.ascontiguousarray(np.tensordot(taps, weight, ((4, 5, 3), (0, 1, 2))))
kernels = conformance.Subject({"conv2d": conv2d}, layout="NHWC")
"""
AUTOGRAD = """
import torch
def conv2d(input, weight):
    return torch.conv2d(input, weight * 2 - weight.detach())
"""
POOL_OF_ALL = """
import torch
def max_pool2d(input, kernel_size, return_indices=False):
    return torch.nn.functional.max_pool2d(input * 1.5, kernel_size, return_indices=return_indices)
"""
SCRIPTED = {
    "larger arrays": (BIAS_IGNORED, "conv2d channels=3 image=20,20 bias=true", "output"),
    "channels last": (NHWC, "conv2d channels=2 filters=3 image=3,4 kernel=2,2 bias=true", "output"),
    "autograd": (AUTOGRAD, "conv2d channels=2 filters=2 image=3,3 kernel=2,2", "grad_weight"),
    "autograd of a pair": (POOL_OF_ALL, "max_pool2d image=2,4 kernel=2,2 return_indices=true", "grad_input"),
}


@pytest.mark.parametrize("what", SCRIPTED)
def test_the_script_of_a_failure_goes_to_a_file_and_shows_it(what, write_kernel):
    pytest.importorskip("torch")
    source, case, output = SCRIPTED[what]
    file = write_kernel(f"scripted_{what.replace(' ', '_')}", source)
    replayed = replay(file, case, "--output", output, "--script", "script.py")
    shown = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True)
    got, _, expected = shown.stdout.partition("expected")
    assert (replayed.exit_code, shown.stderr) == (1, "")
    assert re.findall(r"-?\d+\.?\d*", got) != re.findall(r"-?\d+\.?\d*", expected)


def test_a_script_may_be_written_again(biasless):
    first, again = (replay(biasless, "conv2d bias=true", "--script", "s.py").exit_code for _ in range(2))
    assert (first, again) == (1, 1)


def test_what_does_not_fail_has_no_script(biasless):
    result = replay(biasless, "conv2d", "--script", "s.py")
    assert "Error: --script s.py: nothing fails that a script can show" in result.output
