"""A journal holds what is finished, and nothing that could run."""

import importlib.metadata
import json
import sys
from dataclasses import replace

import pytest
from click.testing import CliRunner

from conformance.cases import Case
from conformance.cli import main
from conformance.kernels.framework import oracle
from conformance.kernels.load import load
from conformance.kernels.subject import Subject
from conformance.running.in_process import InProcess
from conformance.running.journal import Journal, JournalError
from conformance.running.run import run
from conformance.running.settings import Settings
from conformance.running.state import heading_of
from conformance.running.workers import Workers

SETTINGS = Settings(requirements=("empty", "arguments"), dtypes=("float32",), profile="quick")


@pytest.fixture
def subject(write_kernel) -> Subject:
    return load(write_kernel("shifted", "right = conv2d\ndef conv2d(*a, **o): return right(*a, **o) + 1\n"))


class Counting(InProcess):
    asked = 0

    def examine(self, requirement, cases):
        for examined in super().examine(requirement, cases):
            Counting.asked += 1
            yield examined


def journalled(subject, path, runner=InProcess):
    journal = Journal(path, heading_of(subject, {"seed": 0}))
    return run(subject, runner(subject, oracle("reference")), SETTINGS, results=journal)


def test_a_run_that_goes_on_reports_what_an_undisturbed_one_does(subject, tmp_path):
    undisturbed = journalled(subject, tmp_path / "first.jsonl")
    lines = (tmp_path / "first.jsonl").read_text().splitlines(keepends=True)
    interrupted = tmp_path / "second.jsonl"
    interrupted.write_text("".join(lines[:2]) + lines[2][:20])  # killed while it wrote the second unit
    assert journalled(subject, interrupted).rows == undisturbed.rows
    assert interrupted.read_text().splitlines()[:2] == "".join(lines).splitlines()[:2]


def test_what_is_finished_is_not_asked_again(subject, tmp_path):
    journalled(subject, tmp_path / "run.jsonl", Counting)
    first, Counting.asked = Counting.asked, 0
    journalled(subject, tmp_path / "run.jsonl", Counting)
    assert Counting.asked < first / 2  # what is claimed is asked again


def test_a_journal_of_another_run_is_not_gone_on_with(subject, tmp_path):
    Journal(tmp_path / "run.jsonl", heading_of(subject, {"seed": 0}))
    with pytest.raises(JournalError, match="its seed is 0, not 1"):
        Journal(tmp_path / "run.jsonl", heading_of(subject, {"seed": 1}))


def _kernel(folder):
    (folder / "helper_of_the_journal.py").write_text(
        "import inner_of_the_journal\ndef conv2d(x, w): return x\n"
    )


def _inner(folder):
    (folder / "inner_of_the_journal.py").write_text("# another\n")


def _declaration(folder):
    (folder / "declared.py").write_text((folder / "declared.py").read_text() + "# another\n")


def _library(folder):
    (folder / "kernel.so").write_bytes(b"another")


@pytest.fixture
def declared(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "modules", sys.modules.copy())
    (tmp_path / "helper_of_the_journal.py").write_text("import inner_of_the_journal\ndef conv2d(x, w): ...\n")
    (tmp_path / "inner_of_the_journal.py").write_text("")
    (tmp_path / "kernel.so").write_bytes(b"one")
    (tmp_path / "declared.py").write_text(
        "import conformance, helper_of_the_journal as h\nsubject = conformance.Subject({'conv2d': h.conv2d})\n"
    )
    return tmp_path


@pytest.mark.parametrize("change", [_kernel, _inner, _declaration, _library])
def test_a_change_of_what_is_loaded_beside_a_kernel_is_another_run(declared, change):
    Journal(declared / "run.jsonl", heading_of(load(str(declared / "declared.py")), {}))
    change(declared)
    with pytest.raises(JournalError, match="its source is"):
        Journal(declared / "run.jsonl", heading_of(load(str(declared / "declared.py")), {}))


def test_what_lies_beside_a_kernel_and_takes_no_part_is_no_change(declared):
    Journal(declared / "run.jsonl", heading_of(load(str(declared / "declared.py")), {}))
    (declared / "notes.py").write_text("# another")
    Journal(declared / "run.jsonl", heading_of(load(str(declared / "declared.py")), {}))


def test_another_declaration_is_another_run(subject, tmp_path):
    Journal(tmp_path / "run.jsonl", heading_of(subject, {}))
    with pytest.raises(JournalError, match="its accuracy is 'direct', not 'winograd'"):
        Journal(tmp_path / "run.jsonl", heading_of(replace(subject, accuracy="winograd"), {}))


def test_another_version_is_another_run(subject, tmp_path, monkeypatch):
    Journal(tmp_path / "run.jsonl", heading_of(subject, {}))
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.0")
    with pytest.raises(JournalError, match=r"its numpy is '.*', not '0\.0'"):
        Journal(tmp_path / "run.jsonl", heading_of(subject, {}))


@pytest.mark.parametrize("length", [3, 40])
def test_a_journal_without_a_whole_line_is_empty(subject, tmp_path, length):
    path = tmp_path / "run.jsonl"
    Journal(path, heading_of(subject, {}))
    whole = path.read_text()
    path.write_text(whole[:length])  # killed while it wrote the heading
    Journal(path, heading_of(subject, {}))
    assert path.read_text() == whole


@pytest.mark.parametrize(
    "text", [b"nonsense", b"nonsense\n", b"[]\n", b'{"subject": 1}\n[2]\n', b"\x80\x04\x95\n"]
)
def test_what_is_no_journal_is_told(subject, tmp_path, text):
    path = tmp_path / "run.jsonl"
    path.write_bytes(text)
    with pytest.raises(JournalError, match=r"run\.jsonl: "):
        Journal(path, heading_of(subject, {}))


def test_a_journal_is_plain_json(subject, tmp_path):
    journalled(subject, tmp_path / "run.jsonl")
    _, *units = (json.loads(line) for line in (tmp_path / "run.jsonl").read_text().splitlines())
    failures = [row["failure"] for unit in units for row in unit["rows"] if row.get("failure")]
    assert [Case.parse(failure["case"]).operation for failure in failures] == ["conv2d"]


@pytest.mark.parametrize(
    ("path", "message"),
    [("nowhere/journal.jsonl", "cannot be written"), ("other.jsonl", "not the journal of a run")],
)
def test_the_command_refuses_a_journal_that_it_cannot_use(tmp_path, monkeypatch, path, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.jsonl").write_text("hello\n")
    asked = ["run", "npcnn", "--oracle", "reference", "--in-process", "--resume", path]
    result = CliRunner().invoke(main, asked)
    assert result.exit_code == 2
    assert f"--resume {path}: {message}" in result.output


def test_the_report_tells_how_much_was_taken_from_a_journal(write_kernel):
    name = write_kernel("kernel", "")
    asked = ["run", name, "--oracle", "reference", "--in-process", "--requirement", "arguments"]
    asked += ["--profile", "quick", "--resume", "run.jsonl"]
    first, second = (CliRunner().invoke(main, asked).output.splitlines()[1] for _ in range(2))
    assert "taken" not in first
    cases = first.partition(" cases in ")[0]
    assert second.startswith(f"{cases} cases in ") and f" s, {cases} cases taken from run.jsonl" in second


def test_a_journal_of_a_run_that_ended_at_its_first_failure_is_no_other_run_s(subject, tmp_path):
    Journal(tmp_path / "cut.jsonl", heading_of(subject, {"seed": 0, "first_failure": True}))
    with pytest.raises(JournalError, match="its first_failure is True, not None"):
        Journal(tmp_path / "cut.jsonl", heading_of(subject, {"seed": 0}))


BRANCHING = """
from npcnn import conv2d as right
def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    output = right(input, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)
    if input.shape[-1] == 61:
        output = output + 0
    if weight.shape == (91, 91, 91, 91):
        output = output - 0
    return output
"""


def test_a_run_that_goes_on_knows_which_lines_ran_and_what_a_search_found(tmp_path):
    (tmp_path / "branching.py").write_text(BRANCHING)
    subject = load(str(tmp_path / "branching.py"))
    settings = Settings(requirements=("empty", "search"), dtypes=("float32",))

    def judged(name):
        with Workers(subject.name, "reference", jobs=1) as workers:
            return run(subject, workers, settings, results=Journal(tmp_path / name, heading_of(subject, {})))

    whole = judged("whole.jsonl")
    assert [place.why for place, _ in whole.unreached.found] == ["if input.shape[-1] == 61"]
    assert whole.unreached.count == 1
    lines = (tmp_path / "whole.jsonl").read_text().splitlines(keepends=True)
    for kept in range(2, 1 + len(lines)):
        (tmp_path / "cut.jsonl").write_text("".join(lines[:kept]))
        resumed = judged("cut.jsonl")
        assert (resumed.rows, resumed.unreached) == (whole.rows, whole.unreached)
