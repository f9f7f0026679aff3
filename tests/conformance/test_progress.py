"""How far a run is: in words, counted beside it, and written to logs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import conformance
from conformance.kernels.load import load
from conformance.reports.progress import Progress
from conformance.running.events import Judged
from conformance.running.forecast import Forecast, tasks_of
from conformance.running.settings import Settings
from conformance.verdicts.verdict import Unit

ONE, TWO = Unit("conv2d", "exact", "float32"), Unit("conv2d", "sizes", "float32")


class Known:
    """A forecast that is whole: 100 cases of one unit, 900 of the next."""

    def start(self):
        pass

    def left_after(self, unit, done):
        return {ONE: 1000, TWO: 900}[unit] - done


def said(*cases, forecast=None, first=0.0, every=0.0):
    """The lines of progress, told each unit, how many of its cases are judged, and when."""
    lines: list[str] = []
    times = iter([0.0, *(at for *_, at in cases)])
    progress = Progress(lines.append, first, every, forecast=forecast, clock=lambda: next(times))
    for unit, done, _ in cases:
        progress(Judged(unit, done))
    return lines


def test_progress_tells_how_many_cases_of_all_how_fast_and_how_long():
    lines = said((ONE, 1, 10.0), (ONE, 50, 12.0), (TWO, 100, 20.0), forecast=Known())
    assert lines == [
        "conv2d exact float32, 1 of about 1,000 cases",
        "conv2d exact float32, 50 of about 1,000 cases, 25 a second, 0:38 left",
        "conv2d sizes float32, 150 of about 950 cases, 15 a second, 0:53 left",
    ]


def test_progress_without_a_forecast_tells_how_fast():
    assert said((ONE, 1, 10.0), (ONE, 50, 14.0))[1] == "conv2d exact float32, 50 cases, 12 a second"


def test_hours_are_told_as_on_a_clock():
    assert said((ONE, 1, 10.0), (ONE, 2, 40.0), forecast=Known())[1].endswith("0.1 a second, 4:09:30 left")


def test_progress_is_told_now_and_then():
    cases = [(ONE, n, n / 10) for n in range(1, 100)]
    assert len(said(*cases, first=2.0, every=3.0)) == 3


# The forecast.


def forecast_of(**chosen):
    return Forecast(tasks_of(load("npcnn"), Settings(profile="quick", **chosen), isolated=False))


def test_a_forecast_has_the_number_of_each_units_cases_in_their_order():
    with forecast_of(
        operations=("avg_pool2d",), requirements=("empty", "exact"), dtypes=("float32",)
    ) as forecast:
        forecast.start()
        forecast._reader.join()
    counts = [(unit.requirement, n) for unit, n in forecast.counts.items()]
    assert counts == [(task.requirement, sum(1 for _ in task.cases())) for task in forecast.tasks]


def test_a_forecast_that_is_not_whole_says_nothing_of_what_is_left():
    with forecast_of(operations=("avg_pool2d",)) as forecast:
        assert forecast.left_after(forecast.tasks[0].unit, 0) is None


def test_what_is_left_is_the_rest_of_a_unit_and_the_units_after_it():
    with forecast_of(
        operations=("avg_pool2d",), requirements=("exact", "empty", "special"), dtypes=("float32",)
    ) as forecast:
        forecast.counts = {task.unit: 10 for task in forecast.tasks}
        assert forecast.left_after(forecast.tasks[1].unit, 4) == 16


def test_a_unit_that_has_more_cases_than_forecast_has_none_left():
    with forecast_of(operations=("avg_pool2d",), requirements=("empty",), dtypes=("float32",)) as forecast:
        forecast.counts = {task.unit: 10 for task in forecast.tasks}
        assert forecast.left_after(forecast.tasks[0].unit, 40) == 0


# In a log.

ROOT = str(Path(conformance.__file__).parents[1])


def logged(*arguments, **more):
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    command = [sys.executable, "-m", "conformance", *arguments, "--oracle", "reference", "--in-process"]
    environment |= {"PYTHONPATH": os.pathsep.join([ROOT, os.environ.get("PYTHONPATH", "")])} | more
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_a_log_that_wants_colours_gets_no_frames_of_a_spinner():
    ran = logged("run", "npcnn", "--op", "avg_pool2d", "--requirement", "empty", FORCE_COLOR="1")
    assert (ran.returncode, "\x1b" in ran.stderr, "\x1b[" in ran.stdout) == (0, False, True)


def test_text_that_goes_to_no_terminal_is_not_broken_at_80_columns(write_kernel):
    source = "def conv2d(input, weight): raise ValueError('no ' * 60)"
    ran = logged("run", write_kernel("wordy", source), "--requirement", "empty", "--profile", "quick")
    assert re.search(r"REFUSED  ValueError: (no ?){60}$", ran.stdout, re.M)


def test_a_width_that_somebody_gives_is_kept(write_kernel):
    source = "def conv2d(input, weight): raise ValueError('no ' * 60)"
    ran = logged(
        "run", write_kernel("wordy", source), "--requirement", "empty", "--profile", "quick", COLUMNS="70"
    )
    assert max(len(line) for line in ran.stdout.splitlines() if "run it again" not in line) <= 70
