"""A journal holds what is finished, and nothing that could run."""

import json

import pytest
from click.testing import CliRunner

from conformance.cases import Case
from conformance.cli import main
from conformance.kernels.frameworks import oracle
from conformance.kernels.subject import Subject, load
from conformance.pipeline import InProcess, Settings, run
from conformance.verdicts.journal import Journal, JournalError

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
    journal = Journal(path, subject, {"seed": 0})
    return run(subject, runner(subject, oracle("reference")), SETTINGS, journal=journal)


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
    Journal(tmp_path / "run.jsonl", subject, {"seed": 0})
    with pytest.raises(JournalError, match="its seed is 0, not 1"):
        Journal(tmp_path / "run.jsonl", subject, {"seed": 1})


def test_a_changed_kernel_is_another_run(write_kernel, tmp_path):
    Journal(tmp_path / "run.jsonl", load(write_kernel("kernel", "")), {})
    with pytest.raises(JournalError, match="its source is"):
        Journal(tmp_path / "run.jsonl", load(write_kernel("kernel", "# changed\n")), {})


@pytest.mark.parametrize("text", [b"nonsense\n", b"[]\n", b'{"subject": 1}\n[2]\n', b"\x80\x04\x95\n"])
def test_what_is_no_journal_is_told(subject, tmp_path, text):
    path = tmp_path / "run.jsonl"
    path.write_bytes(text)
    with pytest.raises(JournalError, match=r"run\.jsonl: "):
        Journal(path, subject, {})


def test_a_journal_is_plain_json(subject, tmp_path):
    journalled(subject, tmp_path / "run.jsonl")
    _, *units = (json.loads(line) for line in (tmp_path / "run.jsonl").read_text().splitlines())
    failures = [row["failure"] for unit in units for row in unit["rows"] if row.get("failure")]
    assert [Case.parse(failure["case"]).operation for failure in failures] == ["conv2d"]


@pytest.mark.parametrize(
    ("path", "message"),
    [("nowhere/journal.jsonl", "cannot be written"), ("other.jsonl", "no journal of a run")],
)
def test_the_command_refuses_a_journal_that_it_cannot_use(tmp_path, monkeypatch, path, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.jsonl").write_text("hello\n")
    asked = ["run", "npcnn", "--oracle", "reference", "--in-process", "--resume", path]
    result = CliRunner().invoke(main, asked)
    assert result.exit_code == 2
    assert f"--resume {path}: {message}" in result.output
