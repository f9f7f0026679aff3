"""A kernel that is mended: the first failure alone, what failed last time alone, and again whenever it changes."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from conformance.cases import Case
from conformance.cli import main
from conformance.kernels.subject import Subject
from conformance.reports import last_time
from conformance.running.failures import ONCE
from conformance.running.in_process import InProcess
from conformance.running.results import Results
from conformance.running.rounds import FIRST
from conformance.running.run import run
from conformance.running.settings import Settings
from conformance.usage import checked_oracle, settings
from conformance.verdicts.judgement import Judgement
from conformance.verdicts.verdict import Failure, Report, Row, Unit
from npcnn import conv1d, max_pool1d

EXACT, SIZES = Unit("conv1d", "exact", "float32"), Unit("conv1d", "sizes", "float32")
QUICK = ("--profile", "quick", "--oracle", "reference", "--in-process", "--dtype", "float32")
WRONG = """
def conv1d(input, weight, bias=None, stride=1):
    return npcnn.conv1d(input, weight, bias, stride=stride) + 1
"""
RIGHT = WRONG.replace(" + 1", "")


def wrong(input, weight, bias=None, stride=1):
    return conv1d(input, weight, bias, stride=stride) + (stride not in (1, (1,)))


# The first failure.


def first_of(functions, **more):
    subject = Subject(functions, dtypes=("float32",))
    chosen = settings(subject, profile="quick", first_failure=True, **more)
    return run(subject, InProcess(subject, checked_oracle("reference")), chosen)


def test_the_first_failure_ends_the_run():
    report = first_of({"conv1d": wrong, "max_pool1d": max_pool1d}, requirements=("exact", "sizes"))
    assert [row.unit for row in report.rows if row.failure] == [EXACT]
    assert {row.unit for row in report.rows} == {EXACT}
    assert (report.verdict, report.limited) == ("differs", "the run ended at its first failure")


def test_the_first_failure_ends_its_unit():
    report = first_of({"conv1d": wrong}, requirements="exact")
    whole = settings(report.subject, profile="quick", requirements="exact")
    every = run(report.subject, InProcess(report.subject, checked_oracle("reference")), whole)
    assert report.cases < every.cases
    assert report.rows[0].failure.case == every.rows[0].failure.case


def test_what_the_last_of_its_requirements_sees_at_once_is_found_before_the_first_one_is_through():
    def spoils(input, weight, bias=None, stride=1):
        answer = conv1d(input, weight, bias, stride=stride)
        input[...] = 0
        return answer

    report = first_of({"conv1d": spoils}, requirements=("exact", "contract"))
    assert [(row.unit.requirement, row.cases) for row in report.rows if row.failure] == [("contract", 1)]
    assert {row.unit.requirement for row in report.rows} == {"contract"}


def test_a_run_without_a_failure_is_whole():
    asked = {"requirements": ("exact", "empty"), "profile": "quick"}
    report = first_of({"conv1d": conv1d}, requirements=asked["requirements"])
    whole = run(report.subject, InProcess(report.subject, checked_oracle("reference")), Settings(**asked))
    assert (report.verdict, report.limited) == ("conforms", "")
    assert [replace(row, seconds=0) for row in report.rows] == [replace(row, seconds=0) for row in whole.rows]


@pytest.mark.parametrize("number", [3 * FIRST, -FIRST, -1])
def test_what_fails_but_once_is_told_whichever_case_it_was(number):
    asked = []

    def once(input, weight, bias=None, stride=1):
        asked.append(1)
        return conv1d(input, weight, bias, stride=stride) + (len(asked) == wrong_at)

    wrong_at = 0
    assert first_of({"conv1d": once}, requirements="exact").verdict == "conforms"
    wrong_at, asked = number % len(asked), []
    report = first_of({"conv1d": once}, requirements="exact")
    assert report.verdict == "differs"
    assert [failure.diagnosis for row in report.rows for failure in row.failures] == [ONCE]


def test_a_failure_of_another_unit_ends_a_run_that_is_resumed():
    results = Results()
    subject = Subject({"conv1d": wrong}, dtypes=("float32",))
    runner = InProcess(subject, checked_oracle("reference"))
    chosen = settings(subject, profile="quick", first_failure=True, requirements="exact")
    once = run(subject, runner, chosen, results=results)
    again = run(subject, runner, replace(chosen, requirements=("exact", "sizes")), results=results)
    assert [row.unit for row in again.rows] == [row.unit for row in once.rows]
    assert again.limited == once.limited != ""


# What failed last time.


def run_command(*arguments):
    return CliRunner().invoke(main, ["run", *arguments, *QUICK])


def report_of(*rows):
    return Report(Subject({"conv1d": conv1d}, name="mine.py"), list(rows))


def row(unit, case="conv1d stride=2", first="conv1d stride=2 image=9"):
    judgement = Judgement("output", "differs", float("inf"), True, "output differs")
    return Row(unit, "output", 3, failure=Failure(Case.parse(case), judgement, Case.parse(first)))


def texts():
    return {unit: [*map(str, cases)] for unit, cases in last_time.failed("mine.py").items()}


@pytest.fixture
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_in_a_folder")
def test_what_fails_is_kept_with_its_smallest_and_its_first_case():
    last_time.keep(report_of(row(EXACT)))
    assert texts() == {EXACT: ["conv1d stride=2", "conv1d image=9 stride=2"]}


@pytest.mark.usefixtures("_in_a_folder")
def test_what_is_not_judged_this_time_stays_as_it_was():
    last_time.keep(report_of(row(EXACT), row(SIZES)))
    last_time.keep(report_of(Row(EXACT, "output", 3, varied=True)))
    assert [*texts()] == [SIZES]


@pytest.mark.usefixtures("_in_a_folder")
def test_a_larger_case_is_kept_until_its_unit_is_right():
    last_time.keep(report_of(row(EXACT)))
    last_time.keep(report_of(row(EXACT, first="conv1d stride=2")))
    assert texts() == {EXACT: ["conv1d stride=2", "conv1d image=9 stride=2"]}


@pytest.mark.usefixtures("_in_a_folder")
@pytest.mark.parametrize(
    "text", ["", "{}", '{"failed": [1]}', '{"failed": [["conv1d", "exact", "float32", ["x"]]]}']
)
def test_a_file_that_is_none_of_ours_says_nothing(text):
    last_time.keep(report_of(row(EXACT)))
    (file,) = Path(last_time.FOLDER).glob("*.json")
    file.write_text(text)
    assert last_time.failed("mine.py") is None


@pytest.mark.usefixtures("_in_a_folder")
def test_the_cache_explains_itself_and_is_not_for_a_repository():
    last_time.keep(report_of(row(EXACT)))
    folder = Path(last_time.FOLDER)
    assert "may be deleted" in (folder / "README.md").read_text()
    assert (folder / ".gitignore").read_text() == "*\n"


@pytest.mark.usefixtures("_in_a_folder")
def test_a_folder_that_cannot_be_written_is_no_matter_of_a_run():
    Path(last_time.FOLDER).write_text("a file")
    last_time.keep(report_of(row(EXACT)))
    assert last_time.failed("mine.py") is None


def test_only_what_failed_last_time_is_judged(write_kernel):
    file = write_kernel("mine", WRONG)
    run_command(file, "--requirement", "exact,sizes", "--op", "conv1d")
    kept = last_time.failed(file)
    ran = run_command(file, "--failed", "--json", "report.json")
    data = json.loads(Path("report.json").read_text())
    assert {row["requirement"] for row in data["rows"]} == {"exact", "sizes"}
    assert ran.exit_code == 1
    assert 2 <= data["cases"] <= sum(map(len, kept.values())) < 9
    assert "only what failed last time was judged" in ran.output


def test_what_failed_last_time_and_is_right_conforms_as_far_as_it_was_asked(write_kernel):
    run_command(write_kernel("mine", WRONG), "--requirement", "exact", "--op", "conv1d")
    ran = run_command(write_kernel("mine", RIGHT), "--failed")
    assert ran.exit_code == 0
    assert "conforms where asked: 1 case, " in ran.output


def test_where_nothing_failed_last_time_all_is_judged(write_kernel):
    file = write_kernel("mine", RIGHT)
    ran = run_command(file, "--failed", "--requirement", "exact", "--op", "conv1d")
    assert ran.exit_code == 0
    assert "nothing is known to have failed last time: all is judged" in ran.output
    assert "what failed last time was judged" not in ran.output


def test_without_a_cache_nothing_is_kept(write_kernel):
    run_command(write_kernel("mine", WRONG), "--requirement", "exact", "--op", "conv1d", "--no-cache")
    assert not Path(last_time.FOLDER).exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--failed", "--resume", "journal"], "--failed and --resume: a journal is one of a whole run"),
        (["--watch", "--events", "log"], "--watch and --events: each run of a watch has a stream of its own"),
    ],
)
def test_what_does_not_go_together_is_told(arguments, message, write_kernel):
    ran = run_command(write_kernel("mine", RIGHT), *arguments)
    assert (ran.exit_code, message in ran.output) == (2, True)


# Whenever it changes.


def wait_until(there, seconds=120):
    patience = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < patience
        time.sleep(0.05)


def test_a_watched_kernel_is_judged_again_when_a_file_that_it_loads_has_changed(write_kernel, tmp_path):
    Path("helper.py").write_text("OFF = 1\n")
    file = write_kernel("mine", "import helper\n" + RIGHT.rstrip() + " + helper.OFF\n")
    told = tmp_path / "told"
    arguments = ["run", file, "--watch", "--requirement", "exact", "--op", "conv1d", *QUICK]
    with told.open("w") as output:
        watching = subprocess.Popen(
            [sys.executable, "-m", "conformance", *arguments],
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(
                signal.SIGINT, signal.SIG_DFL
            ),  # a job in the background ignores it
        )
        try:
            wait_until(lambda: "watching helper.py, mine.py; Ctrl-C ends" in told.read_text())
            assert "differs: conv1d output differs" in told.read_text()
            Path("helper.py").write_text("OFF = 0  # mended\n")
            wait_until(lambda: told.read_text().count("watching") == 2)
            assert "conforms where asked" in told.read_text()
            os.killpg(watching.pid, signal.SIGINT)
            assert watching.wait(60) == 0
        finally:
            watching.kill()


def test_a_watched_file_that_cannot_be_loaded_yet_is_watched(write_kernel, tmp_path):
    file = write_kernel("mine", "def conv1d(:\n")
    told = tmp_path / "told"
    with told.open("w") as output:
        watching = subprocess.Popen(
            [sys.executable, "-m", "conformance", "run", file, "--watch", "--requirement", "exact", *QUICK],
            stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
        try:
            wait_until(lambda: "watching mine.py; Ctrl-C ends" in told.read_text())
            write_kernel("mine", RIGHT)
            wait_until(lambda: told.read_text().count("watching") == 2)
            assert "conforms where asked" in told.read_text()
        finally:
            os.killpg(watching.pid, signal.SIGKILL)
            watching.wait()
