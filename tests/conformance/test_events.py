"""The events of a run, in their order, and the log of them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from conformance.cli import main
from conformance.kernels.subject import Subject
from conformance.reports.event_log import EventLog
from conformance.reports.progress import Progress
from conformance.running.events import (
    Begun,
    Ended,
    Event,
    Finished,
    Found,
    Judged,
    Planned,
    Searching,
    Shrinking,
    together,
)
from conformance.running.in_process import InProcess
from conformance.running.run import run
from conformance.usage import checked_oracle, settings
from conformance.verdicts.verdict import Unit
from npcnn import conv1d

EXACT = Unit("conv1d", "exact", "float32")


def halved(input, weight, bias=None, stride=1):
    return conv1d(input, weight, bias, stride=stride) / (1 if stride in (1, (1,)) else 2)


def off(input, weight, bias=None, stride=1):
    return conv1d(input, weight, bias, stride=stride) + 1


def events_of(function, requirement="exact", **more):
    subject = Subject({"conv1d": function}, dtypes=("float32",))
    events: list[Event] = []
    chosen = settings(subject, requirements=requirement, profile="quick", **more)
    report = run(subject, InProcess(subject, checked_oracle("reference")), chosen, events.append)
    return events, report


def names_of(events):
    """Their kinds, those that follow each other once."""
    kinds = [type(event) for event in events]
    return [kind for place, kind in enumerate(kinds) if place == 0 or kinds[place - 1] is not kind]


def test_a_run_begins_plans_judges_and_ends():
    events, report = events_of(conv1d)
    assert names_of(events) == [Begun, Planned, Judged, Ended, Finished]
    assert events[1] == Planned("conv1d", (EXACT,))
    assert [event.done for event in events if isinstance(event, Judged)] == [*range(1, report.cases + 1)]
    assert (events[-2].rows, events[-1].report) == (report.rows, report)


def test_a_failure_is_shrunk_before_it_is_found():
    events, report = events_of(halved)
    assert names_of(events)[:5] == [Begun, Planned, Judged, Shrinking, Found]
    shrinking, found = (next(e for e in events if isinstance(e, kind)) for kind in (Shrinking, Found))
    assert (shrinking.unit, shrinking.output, shrinking.case) == (EXACT, "output", found.failure.first)
    assert found.failure is report.rows[0].failure


def test_several_listen_to_the_same_events():
    one: list[Event] = []
    other: list[Event] = []
    together([one.append, other.append])(Planned("conv1d", ()))
    assert one == other == [Planned("conv1d", ())]


def logged(events, every=0.0):
    lines: list[str] = []
    times = iter(range(1000))
    log = EventLog(lines.append, clock=lambda: next(times) * every)
    for event in events:
        log(event)
    return [json.loads(line) for line in lines]


def test_the_log_has_a_line_for_each_event_with_what_it_holds():
    events, report = events_of(halved)
    lines = logged(events, every=1.0)
    assert [line["event"] for line in lines] == [type(event).__name__.lower() for event in events]
    (found,) = [line for line in lines if line["event"] == "found"]
    failure = report.rows[0].failure
    assert found == {
        "event": "found",
        "seconds": found["seconds"],
        "operation": "conv1d",
        "requirement": "exact",
        "dtype": "float32",
        "output": "output",
        "verdict": "differs",
        "message": failure.judgement.message,
        "case": str(failure.case),
        "diagnosis": failure.diagnosis or None,
    }
    assert lines[-1] == {
        "event": "finished", "seconds": lines[-1]["seconds"], "verdict": "differs", "passed": False,
        "cases": report.cases,
    }  # fmt: skip


def test_the_log_says_of_cases_only_now_and_then_how_many_are_judged():
    cases = [Judged(EXACT, number) for number in range(1, 101)]
    assert [line["cases"] for line in logged(cases, every=0.25)] == [1, 5, *range(9, 101, 4)]


def test_the_log_has_every_event():
    """One of a kind that it does not know would end a run."""
    assert logged([Searching("conv1d")]) == [{"event": "searching", "seconds": 0.0, "operation": "conv1d"}]


def test_progress_tells_each_failure_once_where_it_is_found():
    told: list[str] = []
    progress = Progress(lambda line: None, 0.0, 0.0, tell=told.append)
    events, report = events_of(off, requirement=("exact", "sizes"))
    for event in events:
        progress(event)
    assert told == [f"conv1d output differs  {report.rows[0].failure.case}"]


def test_progress_says_that_a_smaller_case_is_looked_for_and_how_many_failures_there_are():
    said: list[str] = []
    progress = Progress(said.append, 0.0, 0.0)
    for event in events_of(off, requirement=("exact", "sizes"))[0]:
        progress(event)
    assert "conv1d exact float32, a smaller case of output" in said
    assert re.search(r"^conv1d sizes float32, \d+ cases.*, 1 failure", said[-1])


# On the command line.

RUN = (
    "--requirement",
    "exact",
    "--profile",
    "quick",
    "--dtype",
    "float32",
    "--oracle",
    "reference",
    "--in-process",
)


def run_command(*arguments):
    return CliRunner().invoke(main, ["run", *arguments, *RUN])


def test_the_events_are_written_to_a_file_as_they_happen(write_kernel, tmp_path):
    ran = run_command(write_kernel("right", ""), "--events", "log")
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert (ran.exit_code, lines[0]["event"], lines[-1]["event"]) == (0, "begun", "finished")
    assert lines[0]["files"] == [str(tmp_path / "right.py")]


def test_events_on_standard_output_leave_the_report_to_standard_error(write_kernel):
    command = [sys.executable, "-m", "conformance", "run", write_kernel("right", "print('loud')\n"), *RUN]
    ran = subprocess.run([*command, "--events", "-"], capture_output=True, text=True)
    assert [json.loads(line)["event"] for line in ran.stdout.splitlines()][-1] == "finished"
    assert "conforms where asked" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--events", "-", "--json", "-"], "--json - and --events -: standard output is one file"),
        (
            ["--events", "no/such/folder"],
            "--events no/such/folder: cannot be written: No such file or directory",
        ),
    ],
)
def test_events_that_cannot_be_written_are_told_before_the_run(arguments, message, write_kernel):
    ran = run_command(write_kernel("right", ""), *arguments)
    assert (ran.exit_code, message in ran.output) == (2, True)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
def test_events_that_can_no_longer_be_written_cost_no_report(write_kernel):
    ran = run_command(write_kernel("right", ""), "--events", "/dev/full", "--json", "report.json")
    assert (ran.exit_code, json.loads(Path("report.json").read_text())["verdict"]) == (0, "conforms")
    assert (
        ran.output.count("--events /dev/full: cannot be written: No space left on device; the rest is not")
        == 1
    )
