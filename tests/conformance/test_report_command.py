"""`conformance report`: the report of an earlier run in other formats."""

import importlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from conformance.cli import main
from conformance.cli.writing import FORMATS
from conformance.reports import formats
from conformance.reports.formats import PURPOSES


@pytest.fixture
def stored(report_data, tmp_path, monkeypatch):
    """The JSON of an earlier run, in a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    Path("run.json").write_text(json.dumps(report_data))
    return report_data


def report(*words):
    return CliRunner().invoke(main, ["report", *words])


def test_every_format_has_a_purpose_and_no_purpose_is_left_over():
    assert set(PURPOSES) == set(FORMATS)


@pytest.mark.parametrize("command", ["run", "report"])
@pytest.mark.parametrize("name", FORMATS)
def test_the_help_of_a_format_says_what_it_is_for(command, name):
    shown = " ".join(CliRunner().invoke(main, [command, "--help"]).output.split())
    assert f"--{name} FILE" in shown and PURPOSES[name] in shown


@pytest.mark.parametrize("name", FORMATS)
def test_a_report_is_written_in_each_format_as_the_run_would_have(stored, name):
    result = report("run.json", f"--{name}", "written")
    assert (result.exit_code, result.output) == (0, "")
    assert Path("written").read_text() == importlib.import_module(f"{formats.__name__}.{name}").render(stored)


def test_several_formats_are_written_at_once(stored):
    assert report("run.json", "--html", "run.html", "--markdown", "run.md").exit_code == 0
    assert Path("run.html").read_text().startswith("<!DOCTYPE html>")
    assert Path("run.md").exists()


def test_a_report_goes_to_standard_output(stored):
    assert json.loads(report("run.json", "--json", "-").output) == stored


WRONG = {
    "no format": (["run.json"], "no format is named; there are --badge, --html, --json"),
    "no file": (["none.json", "--html", "x"], "none.json: cannot be read: No such file or directory"),
    "no JSON": (["text.json", "--html", "x"], "text.json: is no JSON: "),
    "no object": (["list.json", "--html", "x"], "list.json: holds no JSON object but list"),
    "no report": (
        ["other.json", "--html", "x"],
        "other.json: is no report that conformance run --json FILE writes",
    ),
    "another schema": (["newer.json", "--html", "x"], "newer.json: has schema 99; this version reads 1"),
    "half a report": (
        ["half.json", "--html", "x"],
        "half.json: is no whole report of this version: lacks 'coverage'",
    ),
    "a part without its parts": (
        ["bare.json", "--html", "x"],
        "bare.json: is no whole report of this version: ",
    ),
    "two to standard output": (
        ["run.json", "--html", "-", "--json", "-"],
        "--html - and --json -: standard output is",
    ),
    "no folder": (
        ["run.json", "--html", "no/x"],
        "--html no/x: cannot be written: No such file or directory",
    ),
    "over a kernel": (
        ["run.json", "--html", "k.py"],
        "--html k.py: a report is not written over a Python file",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_usage_is_one_line_and_writes_nothing(stored, name):
    words, line = WRONG[name]
    half = {entry: value for entry, value in stored.items() if entry != "coverage"}
    for file, text in {
        "text.json": "{", "list.json": "[]", "other.json": "{}", "k.py": "kernel = 1",
        "newer.json": json.dumps(stored | {"schema": 99}), "half.json": json.dumps(half),
        "bare.json": json.dumps(stored | {"machine": {}}),
    }.items():  # fmt: skip
        Path(file).write_text(text)
    result = report(*words)
    assert result.exit_code == 2
    assert f"Error: {line}" in result.output
    assert not Path("x").exists() and Path("k.py").read_text() == "kernel = 1"
