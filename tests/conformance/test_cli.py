"""The command line: the mistakes it finds, what it says and writes, and what it returns."""

import errno
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

import conformance
from conformance import usage
from conformance.__main__ import start
from conformance.cases import Case
from conformance.cases.arrays import VIEWS
from conformance.cases.guarded import GUARDS
from conformance.cli import listeners, main
from conformance.cli.list import LISTS
from conformance.cli.writing import FORMATS
from conformance.kernels.framework import framework
from conformance.kernels.load import load
from conformance.kernels.subject import SubjectError
from conformance.reports.formats import PURPOSES

REPOSITORY = Path(conformance.__file__).parents[1]
QUICK = ["--in-process", "--oracle", "reference", "--profile", "quick", "--dtype", "float32"]


def command(*arguments):
    """Run the command in this process."""
    return CliRunner(env={"COLUMNS": "80"}).invoke(main, list(arguments), prog_name="conformance")


def judged(subject, requirement, *arguments):
    return command("run", subject, "--requirement", requirement, *QUICK, *arguments)


def smallest_case(text):
    return Case.parse(re.findall(r"smallest case +(.*)", text)[0])


# Mistakes that kernels are known to have.

STRIDES_SWAPPED = """
def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    stride = stride[::-1] if isinstance(stride, tuple) else stride
    return npcnn.conv2d(input, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)
"""

# The right gradient spreads grad_output over the pixels that the strides reach; this one keeps it together.
STRIDE_DROPPED = """
def conv2d_backward(grad_output, input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    options = dict(padding=padding, dilation=dilation, groups=groups)
    every = np.zeros(npcnn.conv2d(input, weight, bias, **options).shape, grad_output.dtype)
    every[..., :grad_output.shape[-2], :grad_output.shape[-1]] = grad_output
    return npcnn.conv2d_backward(every, input, weight, bias, **options)
"""

BIAS_IGNORED = """
def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    return npcnn.conv2d(input, weight, None, stride=stride, padding=padding, dilation=dilation, groups=groups)
"""

WIDTH_TAIL = """
def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    output = npcnn.conv2d(input, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)
    if output.shape[-1] > 8:
        output[..., output.shape[-1] // 8 * 8:] = 0
    return output
"""

POOL = """
del conv2d

def windows(shape, kernel, stride):
    stride = kernel if stride is None else stride
    k, s = np.broadcast_to(kernel, 2), np.broadcast_to(stride, 2)
    counts = (np.array(shape[-2:]) - k) // s + 1
    for p, q in np.ndindex(*counts):
        yield (p, q), (..., slice(p * s[0], p * s[0] + k[0]), slice(q * s[1], q * s[1] + k[1]))

def reduced(input, kernel, stride, reduce):
    taken = windows(input.shape, kernel, stride)
    parts = {place: reduce(input[window].reshape(*input.shape[:-2], -1)) for place, window in taken}
    counts = np.max(list(parts), axis=0) + 1
    return np.stack([parts[p, q] for p, q in np.ndindex(*counts)], -1).reshape(*input.shape[:-2], *counts)
"""

TIES_TO_THE_LAST = (
    POOL
    + """
def max_pool2d(input, kernel_size, stride=None):
    return npcnn.max_pool2d(input, kernel_size, stride=stride)

def max_pool2d_backward(grad_output, input, kernel_size, stride=None):
    grad_input = np.zeros_like(input)
    for place, window in windows(input.shape, kernel_size, stride):
        part = input[window]
        flat = part.reshape(*part.shape[:-2], -1)
        last = flat.shape[-1] - 1 - np.argmax(flat[..., ::-1], -1)
        hit = (np.arange(flat.shape[-1]) == last[..., None]).reshape(part.shape)
        grad_input[window] += hit * grad_output[..., place[0], place[1]][..., None, None]
    return grad_input
"""
)

NAN_IGNORED = (
    POOL
    + """
def max_pool2d(input, kernel_size, stride=None):
    return reduced(input, kernel_size, stride, lambda taps: np.fmax.reduce(taps, -1))
"""
)

CEIL_RULE = (
    POOL
    + """
def max_pool2d(input, kernel_size, stride=None, padding=0, ceil_mode=False):
    k = np.broadcast_to(kernel_size, 2)
    s = k if stride is None else np.broadcast_to(stride, 2)
    p = np.broadcast_to(padding, 2)
    n = np.array(input.shape[-2:])
    round_ = np.ceil if ceil_mode else np.floor  # the last window may start past the image
    counts = (round_((n + 2 * p - k) / s) + 1).astype(int)
    more = np.maximum((counts - 1) * s + k - n - p, 0)
    pads = [(0, 0)] * (input.ndim - 2) + [(p[0], more[0]), (p[1], more[1])]
    padded = np.pad(input, pads, constant_values=-np.inf)
    return reduced(padded, kernel_size, stride, lambda taps: taps.max(-1))
"""
)

DIVISOR = """
del conv2d

def avg_pool2d(input, kernel_size, stride=None, padding=0, count_include_pad=True):
    return npcnn.avg_pool2d(input, kernel_size, stride=stride, padding=padding)
"""

MISTAKES = {  # what goes wrong: the kernels, the requirement that sees it, the output, the largest smallest case
    "strides_swapped": (STRIDES_SWAPPED, "exact", "output", 12),
    "stride_dropped": (STRIDE_DROPPED, "exact", "grad_input", 12),
    "bias_ignored": (BIAS_IGNORED, "exact", "output", 4),
    "width_tail": (WIDTH_TAIL, "sizes", "output", 19),
    "ties_to_the_last": (TIES_TO_THE_LAST, "special", "grad_input", 6),
    "nan_ignored": (NAN_IGNORED, "special", "output", 4),
    "ceil_rule": (CEIL_RULE, "exact", "output", 8),
    "divisor": (DIVISOR, "exact", "output", 20),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_run_finds_a_mistake_with_a_small_case(name, write_kernel):
    source, requirement, output, largest = MISTAKES[name]
    result = judged(write_kernel(name, source), requirement)
    assert result.exit_code == 1
    assert re.search(rf"^\w+ {output} +DIFFERS", result.output, re.M)
    assert smallest_case(result.output).size <= largest
    assert result.output.splitlines()[-1].startswith("differs: ")


# Exit codes and the report.


def test_run_of_a_right_kernel_conforms():
    result = judged("npcnn", "empty", "--op", "avg_pool2d")
    assert result.exit_code == 0
    assert result.output.splitlines()[-1].startswith("conforms: 31 cases, 2 verdicts; worst error ")


def test_run_tells_how_to_declare_what_a_kernel_takes_where_it_refuses_the_plainest_call(write_kernel):
    source = "def conv2d(input, weight, **options): raise TypeError(sorted(options))"
    line = "\nconv2d: even the plainest call is refused; only= and without= of a\nconformance.Subject declare what"
    assert line in judged(write_kernel("picky", source), "empty").output
    assert (
        line not in judged(write_kernel("stride", source.replace("raise", "return input\n#")), "empty").output
    )


def test_run_without_a_claimed_case_is_untested(write_kernel):
    result = judged("npcnn", "empty", "--op", "avg_pool2d", "--dtype", "float16")
    subject = write_kernel(
        "narrow", "import conformance\nsubject = conformance.Subject({'conv2d': conv2d}, dtypes='float32')"
    )
    judged_nothing = command("run", subject, "--dtype", "float64", "--in-process", "--oracle", "reference")
    assert judged_nothing.exit_code == 1
    assert judged_nothing.output.splitlines()[-1] == "untested: no case was judged"
    assert result.exit_code == 0


def test_run_names_what_is_not_claimed(write_kernel):
    result = judged(
        write_kernel(
            "plain", "def conv2d(input, weight, stride=1): return npcnn.conv2d(input, weight, stride=stride)"
        ),
        "empty",
    )
    assert (
        "conv2d: bias, dilation, groups, padding, padding=same, padding=valid (not in\n  the signature)"
        in result.output
    )
    assert "conv2d: grad_input, grad_weight (no conv2d_backward)" in result.output


def test_run_tells_of_a_function_that_is_not_called_because_of_its_name(write_kernel):
    result = judged(write_kernel("slip", "def conv2d_backwards(*a): ..."), "empty", "--json", "report.json")
    assert "\nconv2d_backwards is not called; did you mean conv2d_backward?\n" in result.output
    misnamed = json.loads(Path("report.json").read_text())["misnamed"]
    assert misnamed == [{"name": "conv2d_backwards", "meant": "conv2d_backward"}]


def test_no_verdict_is_cut_off_in_the_table(write_kernel):
    result = judged(write_kernel("takes_all", "def conv2d(input, weight): raise MemoryError"), "empty")
    assert re.search(r"^  empty +\d+ out of memory( |$)", result.output, re.M)
    assert [line for line in result.output.splitlines() if line != line.rstrip()] == []


def test_run_keeps_to_80_columns_but_for_commands(write_kernel):
    source = (
        BIAS_IGNORED + "def conv2d_backward(*arguments, stride=1, padding=0): raise ValueError('not yet')\n"
    )
    result = judged(write_kernel("a_kernel_with_quite_a_long_name", source), "empty")
    long = [line for line in result.output.splitlines() if len(line.rstrip()) > 80]
    assert [line for line in long if "conformance replay " not in line] == []


def test_run_shows_a_failure_once_with_every_requirement_that_found_it(write_kernel):
    result = judged(write_kernel("twice", BIAS_IGNORED), "exact", "--requirement", "empty")
    assert result.output.count("DIFFERS") == 1
    assert re.search(r"found by +exact, empty \(float32\)", result.output)


def test_run_writes_out_what_would_drive_the_terminal(write_kernel):
    source = "def conv2d(input, weight): raise ValueError('[bold]red[/bold] \\x1b[31m \\x07 ' + 'r\\u00e9sum\\u00e9')"
    result = judged(write_kernel("rude", source), "empty")
    assert "[bold]red[/bold] \\x1b[31m \\x07 r\u00e9sum\u00e9" in " ".join(result.output.split())


def test_a_long_refusal_is_told_in_a_few_lines(write_kernel):
    result = judged(
        write_kernel("wordy", "def conv2d(input, weight): raise ValueError('no ' * 999)"), "empty"
    )
    assert "..." in result.output
    assert len(result.output.splitlines()) < 30


def test_run_with_script_prints_one_that_shows_the_failure(write_kernel):
    result = judged(write_kernel("scripted", STRIDE_DROPPED), "exact", "--script")
    calls = re.findall(
        r"^got = kernels.conv2d_backward\(grad_output, input, weight, None, (\w+)", result.output, re.M
    )
    assert calls == ["stride", "stride"]


DECLARED = """
import conformance
from conformance import usage
subject = conformance.Subject({"conv2d": conv2d})
"""


def test_the_script_of_a_failure_has_no_blank_line_in_an_array(write_kernel):
    file = write_kernel("bias_ignored", BIAS_IGNORED)
    replayed = replay(
        file, "conv2d batch=2 channels=2 filters=2 groups=2 image=2,2 bias=true", "--output", "output"
    )
    script = replayed.output.partition("the same without conformance\n")[2].strip()
    assert [block.split()[0] for block in script.split("\n\n")] == ["#", "input"]


SCRIPTED = {
    "stride_dropped": (STRIDE_DROPPED, "conv2d image=3,1 stride=2 bias=true", "grad_input"),
    "nan_ignored": (NAN_IGNORED, "max_pool2d image=1,2 kernel=1,2 values=special", "output"),
    "a-dash": (BIAS_IGNORED, "conv2d bias=true", "output"),
    "a-dash-declared": (BIAS_IGNORED + DECLARED, "conv2d bias=true", "output"),
}


@pytest.mark.parametrize("name", SCRIPTED)
def test_the_script_of_a_failure_runs_and_shows_it(name, write_kernel):
    pytest.importorskip("torch")
    source, case, output = SCRIPTED[name]
    replayed = replay(write_kernel(name, source), case, "--output", output)
    lines = replayed.output.partition("the same without conformance\n")[2].splitlines()
    Path("script.py").write_text("\n".join(lines))
    shown = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, env=environment())
    got, _, expected = shown.stdout.partition("expected")
    assert shown.stderr == ""
    assert re.findall(r"-?\d+\.?\d*|nan", got) != re.findall(r"-?\d+\.?\d*|nan", expected)


def test_run_again_with_the_command_that_the_report_prints(write_kernel):
    result = judged(write_kernel("again", STRIDES_SWAPPED), "exact")
    (words,) = re.findall(r'conformance (replay) (\S+) "(.*)" (--oracle) (\S+)', result.output)
    assert command(*words, "--in-process").exit_code == 1


def test_the_command_that_runs_a_hang_again_has_the_timeout_of_the_run(write_kernel):
    source = "import time\ndef conv2d(input, weight):\n    time.sleep(0.6)\n    return npcnn.conv2d(input, weight)\n"
    asked = ("run", write_kernel("slow", source), "--requirement", "exact", *QUICK[1:], "--timeout", "0.3")
    result = command(*asked, "--jobs", "1")
    assert re.search(
        r'HUNG .*replay slow.py ".*" --oracle reference --timeout 0.3\n', result.output, re.DOTALL
    )


def test_everything_that_a_kernel_changes_around_it_is_named(write_kernel):
    source = """
import random
def conv2d(input, weight, bias=None):
    random.random()
    np.random.rand()
    return npcnn.conv2d(input, weight, bias)
"""
    result = judged(write_kernel("moves", source), "contract")
    told = " ".join(result.output.split())
    assert "the kernel changed NumPy's global random state, the global random state" in told


@pytest.mark.parametrize(
    ("deed", "told"),
    [
        ("random.seed(0)", "the global random state"),
        ("np.random.seed(0)", "NumPy's global random state"),
        ("warnings.simplefilter('ignore')", "the filters of warnings"),
    ],
)
def test_a_change_that_every_call_makes_alike_is_named(write_kernel, deed, told):
    source = f"def conv2d(input, weight):\n    {deed}\n    return npcnn.conv2d(input, weight)\n"
    result = judged(write_kernel("alike", f"import random, warnings\n{source}"), "contract")
    assert f"the kernel changed {told}" in " ".join(result.output.split())


def test_run_names_the_requirement_to_replay_where_it_is_not_the_answer(write_kernel):
    source = "def conv2d(input, weight, bias=None):\n    input += 1\n    return npcnn.conv2d(input - 1, weight, bias)\n"
    result = judged(write_kernel("careless", source), "contract")
    assert "the kernel changed its argument input" in result.output
    assert re.search(r'replay careless.py "conv2d" --requirement contract --oracle reference', result.output)


# JSON.


def test_json_says_what_the_report_says(write_kernel):
    result = judged(write_kernel("told", STRIDE_DROPPED), "exact", "--json", "report.json")
    data = json.loads(Path("report.json").read_text())
    assert result.exit_code == 1
    assert (data["schema"], data["verdict"], data["passed"]) == (1, "differs", False)
    assert data["subject"] == {
        "name": "told.py", "framework": "numpy", "operations": ["conv2d"], "accuracy": "direct", "sums": "wide",
        "functions": {
            "conv2d": {"file": "told.py", "line": 6}, "conv2d_backward": {"file": "told.py", "line": 9},
        },
    }  # fmt: skip
    rows = {row["output"]: row for row in data["rows"]}
    assert rows["output"].pop("seconds") > 0
    assert rows["output"] == {
        "operation": "conv2d", "output": "output", "requirement": "exact", "dtype": "float32", "verdict": "conforms",
        "cases": data["cases"], "cases_not_claimed": 0, "worst_share": 0.0,
    }  # fmt: skip
    failure = data["failures"][0]
    assert failure["output"] == "grad_input"
    assert failure["found_by"] == [{"requirement": "exact", "dtype": "float32"}]
    assert failure["replay"] in result.output
    assert Case.parse(failure["case"]).size < Case.parse(failure["first_case"]).size


def test_json_to_standard_output_leaves_the_report_to_standard_error():
    result = judged("npcnn", "empty", "--op", "avg_pool2d", "--json", "-")
    assert json.loads(result.stdout)["verdict"] == "conforms"
    assert "conforms: " in result.stderr


def test_json_that_cannot_be_written_is_told_before_the_run():
    result = judged("npcnn", "exact", "--json", "no/such/folder/report.json")
    assert result.exit_code == 2
    assert "--json no/such/folder/report.json: cannot be written: No such file or directory" in result.output


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
@pytest.mark.parametrize("option", ["--json", "--resume"])
def test_a_full_disk_is_told_before_the_run(option):
    result = judged("npcnn", "exact", option, "/dev/full")
    assert result.exit_code == 2
    assert f"{option} /dev/full: cannot be written: No space left on device" in result.output


def test_a_disk_that_fills_up_during_the_run_costs_the_journal_and_not_the_verdict(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written = []

    def sync(file):
        written.append(file)
        if len(written) > 1:  # the heading has room
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("conformance.running.journal.os.fsync", sync)
    result = judged("npcnn", "empty", "--op", "avg_pool2d", "--resume", "journal")
    assert result.exit_code == 0
    assert "--resume journal: cannot be written: No space left on device" in result.stderr
    assert "conforms: " in result.stdout


def test_json_is_left_as_it_is_until_the_run_ends(write_kernel):
    Path(write_kernel("report", "")).with_suffix(".json").write_text("the last report")
    judged("npcm", "exact", "--json", "report.json")
    assert Path("report.json").read_text() == "the last report"


# Wrong usage: exit 2, the value and what there is, no traceback.

WRONG = {
    "unknown subject": (["run", "no_such_module"], "no_such_module: importing it raises ModuleNotFoundError"),
    "unknown file": (["run", "no_such.py"], "no_such.py: no such file"),
    "unknown operation": (["run", "npcnn", "--op", "conv"], "conv: no such operation"),
    "operation not the subject's": (["run", "bare.py", "--op", "avg_pool2d"], "has no avg_pool2d; it has conv2d"),
    "unknown requirement": (["run", "npcnn", "--requirement", "exakt"], "(did you mean exact?); there are exact,"),
    "unknown dtype": (["run", "npcnn", "--dtype", "float8"], "float8: no such dtype (did you mean float"),
    "unknown profile": (["run", "npcnn", "--profile", "fast"], "there are quick, standard, deep"),
    "unknown oracle": (["run", "npcnn", "--oracle", "caffe"], "caffe: no such oracle; there are torch, reference, jax"),
    "case of an unknown operation": (["replay", "npcnn", "conv3 image=1"], "conv3: no such operation"),
    "typo in a case": (["replay", "npcnn", "conv2d strde=2"], "conv2d has no field strde (did you mean stride?)"),
    "unknown output": (["replay", "npcnn", "conv2d", "--output", "grad_bias"], "there are output, grad_input,"),
    "case not the subject's": (["replay", "bare.py", "avg_pool2d"], "bare.py has no avg_pool2d; it has conv2d"),
    "bad case asked for its answer": (
        ["replay", "npcnn", "conv2d stride=0", "--requirement", "exact"], "only --requirement arguments can judge it",
    ),
    "file without functions": (["run", "empty.py"], "has none of the functions conv1d, conv2d, conv3d, "),
    "file that raises": (["run", "raises.py"], "raises.py: importing it raises ZeroDivisionError"),
    "file that exits": (["run", "exits.py"], "exits.py: importing it raises SystemExit: 3"),
    "no object after the colon": (["run", "bare.py:"], "'bare.py:': a subject is package.module, file.py, either with"),
    "a folder": (["run", "."], "'.': a subject is package.module, file.py, either with :object, or a framework"),
    "timeout that is no number": (["run", "bare.py", "--timeout", "nan"], "timeout nan: must be at least 0.1 sec"),
    "timeout too short": (["run", "bare.py", "--timeout", "1e-9"], "timeout 1e-09: must be at least 0.1 seconds"),
    "operation without a name": (["run", "bare.py", "--op", ""], "'': no such operation; there are conv1d,"),
    "layout without a view": (
        ["replay", "bare.py", "conv2d layout=foo"], "layout=foo: a layout is written array:view, as input:reversed",
    ),
    "a folder named as a file": (["run", "folder.py"], "folder.py: is a folder"),
    "a function of a file": (["run", "bare.py:conv2d"], "max_unpool2d, max_unpool3d (did you mean bare.py?)"),
    "report over a kernel": (["run", "bare.py", "--json", "bare.py"], "bare.py: a report is not written over a Python"),
    "journal without a name": (["run", "bare.py", "--resume", ""], "--resume '': a file has a name"),
    "text in no mutant's name": (["mutants", "--only", "zz"], "zz: no mutant and no right kernel has this in its name"),
    "one file for two reports": (
        ["run", "npcnn", "--json", "r", "--junit", "./r"], "--json r and --junit ./r: one file for both"
    ),
    "one file for a report and a journal": (["run", "npcnn", "--json", "r", "--resume", "r"], "one file for both"),
    "a baseline that would be replaced": (["run", "npcnn", "--json", "r", "--baseline", "r"], "one file for both"),
    "a requirement asked for and skipped": (
        ["run", "npcnn", "--requirement", "exact", "--skip", "exact"],
        "exact: asked for and skipped, so nothing is left",
    ),
    "negative extent": (["replay", "npcnn", "conv2d image=-1,3"], "image=-1,3: image is not negative"),
    "case too large": (
        ["replay", "npcnn", "conv2d image=9999,9999"], "its arrays have 199,960,003 elements; a case may have 33,554",
    ),
    "good case asked whether it is refused": (
        ["replay", "npcnn", "conv2d stride=2", "--requirement", "arguments"], "so --requirement arguments cannot judge",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_wrong_usage_is_told(what, write_kernel):
    write_kernel("bare", "")
    Path("folder.py").mkdir()
    Path("empty.py").write_text("")
    Path("raises.py").write_text("1 / 0")
    Path("exits.py").write_text("import sys; sys.exit(3)")
    arguments, message = WRONG[what]
    result = command(*arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "nosuch.py"],
        ["run", "empty.py"],
        ["run", "bare.py", "--op", "avg_pool2d"],
        ["run", "bare.py:nothing"],
        ["replay", "bare.py", "avg_pool2d"],
        ["replay", "bare.py", "conv2d strde=2"],
    ],
)
def test_wrong_usage_is_told_before_any_process_imports_the_oracle(arguments, write_kernel):
    Path(write_kernel("bare", "")).with_name("empty.py").write_text("")
    with process(*arguments, PYTHONPROFILEIMPORTTIME="1") as run:
        _, errors = run.communicate(timeout=60)
    assert (run.returncode, re.findall(r"\| torch$", errors, re.M)) == (2, [])


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"seed": "a"}, "seed 'a': must be an int of at least 0"),
        ({"seed": 1.5}, "seed 1.5: must be an int of at least 0"),
        ({"timeout": "x"}, "timeout 'x': must be at least 0.1 seconds"),
    ],
)
def test_wrong_usage_of_a_matrix_is_told(asked, message):
    with pytest.raises(usage.WrongUsage, match=f"^{re.escape(message)}$"):
        conformance.matrix("npcnn", oracle="reference", **asked)


def test_load_takes_no_module():
    with pytest.raises(
        SubjectError, match=r"^<module 'json' .*>: load takes a name; conformance.Subject takes a m"
    ):
        load(json)


def test_an_oracle_that_is_not_installed_is_told_with_what_works_without(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "conformance.kernels.frameworks.torch", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    framework.cache_clear()
    result = command("run", "npcnn")
    assert result.exit_code == 2
    assert "python -m pip install 'npcnn-conformance[torch]'" in result.output
    assert "or take the oracle called reference" in result.output


# Replay.


def replay(subject, case, *arguments):
    return command("replay", subject, case, "--in-process", "--oracle", "reference", *arguments)


def test_replay_shows_got_beside_expected(write_kernel):
    result = replay(write_kernel("shown", BIAS_IGNORED), "conv2d image=1,2 bias=true", "--output", "output")
    assert result.exit_code == 1
    assert "bias (1,) float32\n" in result.output
    assert re.search(r"\[0, 0\]\n +got +expected\n +\*-?\d+ \*-?\d+ +-?\d+ +-?\d+\n", result.output)


def test_replay_of_a_right_answer_conforms():
    result = replay("npcnn", "conv2d image=3,4 values=mean_zero")
    assert result.exit_code == 0
    assert re.search(r"got +expected +bound", result.output)


def test_replay_lists_the_differences_of_a_large_case(write_kernel):
    file = write_kernel("large", WIDTH_TAIL)
    result = replay(file, "conv2d image=30,31")
    assert re.search(r"2\d\d of 930 elements differ, the first of them:", result.output)
    assert re.search(r"\[0, 0, 0, 24\]  got 0  expected -?\d+  bound 0", result.output)


def test_replay_of_a_refused_case_says_why_and_with_what_words_the_subject_refuses_it():
    result = replay("npcnn", "conv2d stride=0")
    assert result.exit_code == 0
    assert "requirement arguments" in result.output
    assert "\n\nPyTorch refuses it: stride=0 is below 1\n" in result.output
    refusal = "npcnn refuses it, too: ValueError: stride=0 must be at least 1"
    assert re.search(
        rf"\n{refusal} at checks.py:\d+ in per_axis, .*\n\noutput +conforms  refused, as", result.output
    )


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (
            "np.ones((1, 1, 1, 2))",
            "has shape (1, 1, 1, 2)\ngot (1, 1, 1, 2) float64\n     [0, 0]\n     1 1\n",
        ),
        ("np.ones((9, 9, 9, 9))", "has shape (9, 9, 9, 9)\n\noutput"),
        ("3", "is a int, not a"),
    ],
)
def test_replay_of_a_refused_case_shows_what_the_subject_answers(answer, shown, write_kernel):
    file = write_kernel("answers", f"def conv2d(input, weight, bias=None, stride=1): return {answer}")
    result = replay(file, "conv2d stride=0", "--strict")
    assert result.exit_code == 1
    assert "PyTorch refuses it: stride=0 is below 1\n" in result.output
    assert f"answers.py does not refuse it: its output {shown}" in result.output


def test_replay_of_a_refused_case_that_crashes_does_not_ask_it_again(write_kernel):
    source = "import os\ndef conv2d(input, weight, bias=None, stride=1): os.abort()"
    with process("replay", write_kernel("aborts", source), "conv2d stride=0") as run:
        output, _ = run.communicate(timeout=60)
    assert run.returncode == 1
    assert re.search(r"PyTorch refuses it: stride=0 is below 1\n\noutput +CRASHED", output)


def test_replay_of_what_is_not_claimed_says_so(write_kernel):
    file = write_kernel("unclaimed", "def conv2d(input, weight): return npcnn.conv2d(input, weight)")
    result = replay(file, "conv2d image=3,4 stride=2")
    assert result.exit_code == 1
    assert "not claimed: unclaimed.py does not take stride" in result.output


def test_replay_of_a_right_answer_conforms_also_without_gradients(write_kernel):
    file = write_kernel("forward", "")
    assert replay(file, "conv2d image=3,4").exit_code == 0
    assert replay(file, "conv2d image=3,4", "--output", "grad_input").exit_code == 1


def test_replay_says_why_there_is_no_script(write_kernel):
    pytest.importorskip("torch")
    result = replay(write_kernel("large", BIAS_IGNORED), "conv2d image=30,30 bias=true", "--output", "output")
    told = "no script: its arrays have 1,802 elements; --script FILE of conformance replay writes one"
    assert told in result.output


def test_replay_of_what_crashes_pytorch_prints_no_script_that_asks_pytorch():
    result = replay("npcnn", "max_pool2d image=2,2 kernel=2,2 padding=1 dilation=3")
    assert "grad_input  REFUSED" in result.output
    assert "import torch" not in result.output


def test_a_long_run_tells_the_log_now_and_then_what_it_judges(monkeypatch):
    monkeypatch.setattr(listeners, "FIRST_SECONDS", 0)
    monkeypatch.setattr(listeners, "LOG_SECONDS", 0)
    told = judged("npcnn", "empty", "--op", "avg_pool2d").stderr.splitlines()
    assert told[-1] == "avg_pool2d empty float32, 31 cases"


# The command as a process.


def environment(**more):
    path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))  # "" is the folder
    return os.environ | {"PYTHONPATH": path, "COLUMNS": "80"} | more


def process(*arguments, python=(), start_new_session=False, **more):
    return subprocess.Popen(
        [sys.executable, *python, "-m", "conformance", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(**more),
        start_new_session=start_new_session,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background ignores it
    )  # fmt: skip


def beside_progress(errors):
    """What else stands on standard error: a busy machine may take long enough for progress to be told."""
    return re.sub(r"^(loading|\w+ \w+ \w+, .*cases?.*)\n", "", errors, flags=re.M)


def test_run_in_workers_reports_a_crash_with_its_case(write_kernel):
    source = """
import os
def conv2d(input, weight, bias=None, stride=1):
    if stride != 1 and input.shape[-1] > 1:
        os.abort()
    return npcnn.conv2d(input, weight, bias, stride=stride)
"""
    arguments = [
        "--requirement",
        "empty",
        "--requirement",
        "exact",
        "--oracle",
        "reference",
        "--profile",
        "quick",
    ]
    with process(
        "run", write_kernel("crashes", source), "--dtype", "float32", "--jobs", "2", *arguments
    ) as run:
        output, errors = run.communicate(timeout=60)
    assert (run.returncode, beside_progress(errors)) == (1, "")
    assert re.search(r"^conv2d output +CRASHED", output, re.M)
    assert smallest_case(output).size <= 8


SLEEPS = """
import pathlib, time
calls = itertools.count()
def conv2d(input, weight, bias=None):
    if next(calls) == 10:
        pathlib.Path("begun").touch()
        time.sleep(600)
    return npcnn.conv2d(input, weight, bias)
"""


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_prints_the_verdict_so_far(write_kernel, ended_by):
    with process("run", write_kernel("slow", SLEEPS), "--oracle", "reference", "--in-process") as run:
        wait_until(Path("begun").exists)
        run.send_signal(ended_by)
        output, errors = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "Traceback" not in errors
    assert output.splitlines()[-1].startswith("interrupted: nothing wrong in ")


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_costs_no_report(write_kernel, second):
    files = ["--json", "report.json", "--events", "events"]
    with process("run", write_kernel("slow", SLEEPS), "--oracle", "reference", "--in-process", *files) as run:
        wait_until(Path("begun").exists)
        run.send_signal(signal.SIGINT)
        while run.poll() is None and not Path("report.json").exists():
            run.send_signal(second)
            time.sleep(0.002)
        output, errors = run.communicate(timeout=60)
    assert (run.returncode, "Traceback" in errors) == (130, False)
    assert json.loads(Path("report.json").read_text())["verdict"] == "interrupted"
    assert output.splitlines()[-1].startswith("interrupted: ")


@pytest.mark.parametrize("ended_by", ["SIGINT", "SIGTERM"])
def test_a_tool_that_a_subject_loads_does_not_decide_how_a_run_ends(write_kernel, ended_by):
    source = f"""
import ctypes, pathlib, signal, time
ctypes.CDLL(None).signal(signal.{ended_by}, ctypes.c_void_p(1))  # ignored, and Python does not know
def conv2d(input, weight, bias=None):
    pathlib.Path("begun").touch()
    time.sleep(600)
"""
    with process("run", write_kernel("deaf", source), "--oracle", "reference", "--jobs", "1") as run:
        wait_until(Path("begun").exists)
        run.send_signal(getattr(signal, ended_by))
        output, errors = run.communicate(timeout=60)
    assert (run.returncode, "Traceback" in errors) == (130, False)
    assert output.splitlines()[-1].startswith("interrupted: ")


def test_replay_names_the_outputs_in_their_order_also_where_a_later_one_crashes(write_kernel):
    source = "import os\ndef conv2d_backward(*arrays, **options): os.abort()\n"
    with process("replay", write_kernel("aborts", source), "conv2d", "--oracle", "reference") as run:
        output, _ = run.communicate(timeout=60)
    assert re.findall(r"^(\w+) +(?:conforms|CRASHED)", output, re.M) == [
        "output",
        "grad_input",
        "grad_weight",
    ]


LOUD = """
import os
print("loaded")
def conv2d(input, weight):
    print("called", flush=True)
    os.system("echo past Python; echo error >&2")
    return npcnn.conv2d(input, weight)
"""


def test_replay_shows_what_a_kernel_prints_in_a_place_of_its_own(write_kernel):
    with process("replay", write_kernel("loud", LOUD), "conv2d", "--oracle", "reference") as run:
        output, errors = run.communicate(timeout=60)
    assert (run.returncode, errors) == (0, "")
    assert output.endswith("\nprinted by the kernel\n    loaded\n    called\n    past Python\n    error\n")


@pytest.mark.parametrize("where", [["--jobs", "1"], ["--in-process"]])
def test_nothing_that_a_kernel_prints_gets_into_the_report(where, write_kernel):
    asked = ["--requirement", "empty", "--oracle", "reference", "--profile", "quick", "--json", "-", *where]
    with process("run", write_kernel("loud", LOUD), *asked) as run:
        output, errors = run.communicate(timeout=60)
    assert json.loads(output)["verdict"] == "conforms"
    assert "loaded\n" in errors


@pytest.mark.parametrize("module", ["click", "conformance.cli", "numpy", "conformance.kernels.subject"])
def test_ctrl_c_while_the_command_is_loaded_is_no_traceback(module):
    with process("run", "npcnn", "--oracle", "reference", python=["-X", "importtime"]) as run:
        while run.stderr.readline().split()[-1:] != [module]:  # a line for each module that is imported
            assert run.poll() is None
        run.send_signal(signal.SIGINT)
        output, errors = run.communicate(timeout=60)
    assert (run.returncode in (130, -signal.SIGINT), output) == (True, "")
    assert "Traceback" not in errors


def test_ctrl_c_while_a_class_is_made_is_no_traceback(monkeypatch):
    class Interrupted:
        def __set_name__(self, owner, name):
            raise KeyboardInterrupt

    monkeypatch.setattr("conformance.__main__._main", lambda: type("Made", (), {"field": Interrupted()}))
    with pytest.raises(SystemExit) as ended:
        start()
    assert ended.value.code == 130


def test_ctrl_c_before_there_is_a_verdict_is_no_verdict_and_no_traceback(write_kernel):
    file = write_kernel("late", "import pathlib, time\npathlib.Path('begun').touch()\ntime.sleep(60)\n")
    with process("run", file, "--oracle", "reference") as run:
        wait_until(Path("begun").exists)
        run.send_signal(signal.SIGINT)
        output, errors = run.communicate(timeout=60)
    assert (run.returncode, output, beside_progress(errors)) == (130, "", "interrupted\n")


def wait_until(there, seconds=60):
    patience = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < patience
        time.sleep(0.02)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_character_that_the_output_cannot_encode_is_written_out(write_kernel, encoding):
    source = "def conv2d(input, weight): raise ValueError('stride \\u2264 2')"
    arguments = ["--requirement", "empty", *QUICK]
    with process("run", write_kernel("\u03ba", source), *arguments, PYTHONIOENCODING=encoding) as run:
        output, errors = run.communicate(timeout=60)
    assert (run.returncode, beside_progress(errors)) == (1, "")
    assert re.search(r"^\\u03ba.py: .*REFUSED  ValueError: stride \\u2264 2$", output, re.M | re.S)


def test_a_working_directory_that_is_gone_is_told(tmp_path):
    code = "import os; from conformance.__main__ import start; os.rmdir(os.getcwd()); start()"
    arguments = [sys.executable, "-c", code, "list", "ops"]
    run = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, env=environment())
    assert run.returncode == 2
    assert "Error: the working directory no longer exists; change to one that does" in run.stderr


def test_a_module_of_the_folder_is_not_taken_for_one_of_python(write_kernel):
    file = write_kernel("plain", "")
    Path("json.py").write_text("raise OSError")
    arguments = ["--oracle", "reference", "--output", "output"]
    with process("replay", file, "conv2d", *arguments, python=["-P"]) as run:
        _, errors = run.communicate(timeout=60)
    assert (run.returncode, errors) == (0, "")


def test_a_terminal_of_no_columns_gets_eighty():
    with process("run", "npcnn", "--op", "avg_pool2d", "--requirement", "empty", *QUICK, COLUMNS="0") as run:
        output, _ = run.communicate(timeout=60)
    assert output.splitlines()[-1].startswith("conforms: ")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_report_that_cannot_be_printed_is_told_and_the_json_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["--op", "avg_pool2d", "--requirement", "empty", "--json", "report.json", *QUICK]
    with Path("/dev/full").open("w") as full:
        run = subprocess.run(
            [sys.executable, "-m", "conformance", "run", "npcnn", *arguments],
            stdout=full, stderr=subprocess.PIPE, text=True, env=environment(),
        )  # fmt: skip
    assert run.returncode == 2
    assert run.stderr == "Error: standard output cannot be written: No space left on device\n"
    assert json.loads(Path("report.json").read_text())["verdict"] == "conforms"


def test_streams_that_a_shell_closed_are_no_traceback(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = "run npcnn --op avg_pool2d --requirement empty --json report.json --no-cache"
    command = f"{shlex.quote(sys.executable)} -m conformance {run} {shlex.join(QUICK)}"
    closed = subprocess.run(
        ["/bin/sh", "-c", f"{command} <&- >&-"], stderr=subprocess.PIPE, text=True, env=environment()
    )
    assert (closed.returncode, closed.stderr) == (0, "")
    assert json.loads(Path("report.json").read_text())["verdict"] == "conforms"


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, and Linux's signal of a parent's death")
def test_mutants_that_are_killed_leave_no_process():
    with process("mutants", "--no-right", "--op", "conv2d", "--jobs", "1") as measured:
        assert measured.stdout
        measured.stdout.readline()  # its processes run
        children = Path(f"/proc/{measured.pid}/task/{measured.pid}/children").read_text().split()
        measured.kill()
    assert children
    wait_until(lambda: not any(Path(f"/proc/{child}").exists() for child in children))


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("whom", [os.kill, os.killpg])
def test_interrupted_mutants_are_summed_up(ended_by, whom):
    arguments = ["mutants", "--no-right", "--op", "conv2d", "--jobs", "2", "--json", os.devnull]
    with process(*arguments, start_new_session=True) as measured:
        measured.stdout.readline()
        whom(measured.pid, ended_by)
        output, errors = measured.communicate(timeout=60)
    assert (measured.returncode, errors) == (130, "")
    assert re.search(
        r"^caught (\d+) of \1 mutants in .*\ninterrupted: the rest was not asked$", output, re.M | re.S
    )


COMMANDS = {
    "baseline": "Keep the failures that runs with --baseline take for known.",
    "compare": "Say what got better or worse from OLD.json to NEW.json.",
    "completion": "Print what lets SHELL complete words.",
    "init": "Write a Subject for the kernels of FILE.",
    "search": "Search SUBJECT for cases that come to its every line.",
    "list": "List what the other commands can name, one to a line.",
    "mutants": "Measure the suite on kernels known to be wrong or right.",
    "replay": "Judge SUBJECT on each CASE, and show arrays and answers.",
    "run": "Judge SUBJECT: every operation it has, under every requirement.",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_says_what_each_command_does(name):
    assert re.search(rf"^  {name} +{re.escape(COMMANDS[name])}$", command("--help").output, re.M)
    assert COMMANDS[name] in command(name, "--help").output


OPTIONS = {
    "--timeout": ("run", "SECONDS How long a call may take; one that takes longer counts as hung."),
    "--oracle": ("run", "NAME Whose answers count as right; `conformance list oracles` shows the choice."),
    "--in-process": (
        "run",
        "Judge in this process, without workers, for a debugger; a crash then ends the run.",
    ),
    "--resume": (
        "run",
        "FILE Save what is finished in FILE; if FILE holds an interrupted run, continue that.",
    ),
    "--json": ("run", f"FILE Also write the report as {PURPOSES['json']}; - is standard output."),
    "--baseline": (
        "run",
        "FILE Fail on new failures only: FILE has the known ones (`conformance baseline update`, or a --json).",
    ),
    "--scripts": ("run", "FOLDER Write that script of each failure to a file in FOLDER."),
    "--factor": ("compare", "F Tell of an error or a time that moved by more than this factor."),
    "--script": ("run", "With each failure, print a script that needs only NumPy, PyTorch and the kernel."),
    "--requirement": (
        "replay",
        "NAME What judges it: exact if not given, arguments for a case that PyTorch refuses.",
    ),
    "--only": ("mutants", "TEXT Only mutants and right kernels that have TEXT in their names."),
}


@pytest.mark.parametrize("option", OPTIONS)
def test_the_help_says_what_an_option_does(option):
    name, text = OPTIONS[option]
    assert f" {option} {text} " in " ".join(command(name, "--help").output.split())


@pytest.mark.parametrize("name", FORMATS)
def test_each_way_to_write_a_report_is_an_option(name):
    result = judged("npcnn", "empty", "--op", "avg_pool2d", f"--{name}", "-")
    assert result.exit_code == 0
    assert result.stdout and "conforms: " in result.stderr


def test_an_unknown_command_is_told():
    result = command("judge")
    assert result.exit_code == 2
    assert "Error: No such command 'judge'." in result.output


def test_the_help_says_what_the_exit_status_means():
    result = command("--help")
    assert result.exit_code == 0
    assert "Exit status: 0 conforms, 1 differs or untested, 2 wrong usage." in result.output


@pytest.mark.parametrize("what", LISTS)
def test_list_names_what_there_is(what):
    result = command("list", what)
    assert result.exit_code == 0
    assert len(result.output.splitlines()) >= 3


def test_list_names_every_layout_that_a_command_may_have():
    names = {line.split()[0] for line in command("list", "layouts").output.splitlines()}
    assert names == {*VIEWS, *GUARDS}


@pytest.mark.parametrize("option", ["--json", "--resume"])
def test_a_file_that_cannot_be_written_is_not_lost(option, monkeypatch, tmp_path):
    kept = tmp_path / "kept"
    kept.write_text("of an earlier run")

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", full)
        with pytest.raises(usage.WrongUsage, match="cannot be written: No space left"):
            usage.check_writable(option, str(kept))
    assert kept.read_text() == "of an earlier run"
