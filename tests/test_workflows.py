"""The files for CI: they are what GitHub and GitLab read, name what there is, and their steps do what they say.

No runner of GitHub is at hand: a step's `run` is run by the shell that it would be run by, with `conformance`, `python`
and `git` that write down how they were called.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from conformance.operations import OPERATIONS

ROOT = Path(__file__).resolve().parents[1]
ACTION = ROOT / ".github" / "actions" / "conformance" / "action.yml"
OWN, GITHUB = ROOT / ".github" / "workflows" / "ci.yml", ROOT / "examples" / "ci" / "github.yml"
GITLAB = ROOT / "examples" / "ci" / "gitlab.yml"
FILES = [ACTION, OWN, GITHUB, GITLAB]
SHELL = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"]  # what GitHub makes of `shell: bash`
STUB = """#!/bin/bash
for word in "$@"; do printf '<%s>' "$word"; done >> "$CALLS"
printf '\\n' >> "$CALLS"
previous=""
for word in "$@"; do if [ "$previous" = --markdown ]; then echo "the summary" > "$word"; fi; previous="$word"; done
exit "${STATUS:-0}"
"""


def read(path):
    return yaml.safe_load(path.read_text())


def steps(path):
    """Every step of a workflow or an action."""
    data = read(path)
    jobs = [data["runs"]] if "runs" in data else data["jobs"].values()
    return [step for job in jobs for step in job["steps"]]


def step(name):
    return next(each for each in steps(ACTION) if each.get("name") == name)


SCRIPTS = [
    *(
        pytest.param(each["run"], id=f"{path.stem}: {each['name']}")
        for path in FILES[:3]
        for each in steps(path)
        if "run" in each
    ),
    pytest.param("\n".join(read(GITLAB)["conformance"]["script"]), id="gitlab"),
]


@pytest.fixture
def called(tmp_path):
    """Runs a script among commands that only write down how they were called; its status, and the calls."""
    calls, there = tmp_path / "calls", tmp_path / "bin"
    there.mkdir()
    for name in ("conformance", "python", "git"):
        (there / name).write_text(STUB)
        (there / name).chmod(0o755)

    def call(script, **environment):
        given = os.environ | {"PATH": f"{there}:{os.environ['PATH']}", "CALLS": str(calls)} | environment
        ended = subprocess.run([*SHELL, script], cwd=tmp_path, env=given, capture_output=True, text=True)
        return ended.returncode, calls.read_text().splitlines() if calls.exists() else []

    return call


@pytest.fixture
def judge(called, tmp_path):
    """Runs the step of the action that judges; its status, what it called, and the summary of the job."""

    def run(subject="mykernels.py", options="", status="0"):
        summary = tmp_path / "summary"
        environment = {"SUBJECT": subject, "PROFILE": "quick", "OPTIONS": options, "STATUS": status}
        environment |= {"REPORTS": str(tmp_path / "reports"), "GITHUB_STEP_SUMMARY": str(summary)}
        ended, (call,) = called(step("Judge")["run"], **environment)
        return ended, call, summary.read_text()

    return run


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_is_yaml(path):
    assert isinstance(read(path), dict)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_bash(script):
    plain = re.sub(r"\$\{\{.*?\}\}", "word", script)
    assert subprocess.run(["bash", "-n", "-c", plain], capture_output=True, text=True).stderr == ""


@pytest.mark.parametrize("path", [OWN, GITHUB], ids=lambda path: path.stem)
def test_a_workflow_gives_the_action_inputs_that_it_has(path):
    given = [
        each["with"]
        for each in steps(path)
        if each.get("uses", "").partition("@")[0].endswith("actions/conformance")
    ]
    assert given
    assert {name for inputs in given for name in inputs} <= read(ACTION)["inputs"].keys()


def test_the_action_uses_each_of_its_inputs_and_no_other():
    assert set(re.findall(r"inputs\.([\w-]+)", ACTION.read_text())) == read(ACTION)["inputs"].keys()


def test_the_own_workflow_runs_environments_of_tox_that_there_are():
    there = set(re.findall(r"^\[testenv:(.+)\]", (ROOT / "tox.ini").read_text(), re.MULTILINE))
    matrix = read(OWN)["jobs"]["tests"]["strategy"]["matrix"]
    named = {*matrix["env"], *(each["env"] for each in matrix["include"])}
    named |= {
        name for each in steps(OWN) for name in re.findall(r"tox run -e ([\w,]+)", each.get("run", ""))[:1]
    }
    assert {word for name in named for word in name.split(",")} <= there


def test_the_night_asks_every_operation_over_two_axes():
    asked = read(OWN)["jobs"]["deep"]["strategy"]["matrix"]["op"]
    assert asked == [name for name in asked if name in OPERATIONS]
    assert set(asked) == {name for name, each in OPERATIONS.items() if each.dimensions == 2}


def test_the_suite_of_the_action_is_the_folder_above_it():
    suite = step("Install the suite and PyTorch")["env"]["SUITE"].removeprefix("${{ github.action_path }}")
    assert (Path(f"{ACTION.parent}{suite}") / "constraints.txt").resolve() == ROOT / "constraints.txt"


def test_the_action_installs_the_suite_with_pytorch_as_constrained(called):
    status, calls = called(step("Install the suite and PyTorch")["run"], SUITE="/a suite")
    assert (status, calls) == (
        0,
        ["<-m><pip><install><--quiet><-c></a suite/constraints.txt></a suite[torch]>"],
    )


def test_the_action_judges_the_subject(judge):
    status, call, _ = judge(options="--strict --op conv2d")
    assert status == 0
    assert call.startswith("<run><mykernels.py><--profile><quick><--strict><--op><conv2d><--json>")


def test_the_action_without_a_subject_judges_those_of_the_configuration(judge):
    assert judge(subject="")[1].startswith("<run><--profile><quick><--json>")


@pytest.mark.parametrize("status", [0, 1, 2])
def test_the_action_ends_as_the_run_ends_and_writes_the_summary_in_any_case(judge, status):
    ended, _, summary = judge(status=str(status))
    assert (ended, summary) == (status, "the summary\n")


@pytest.mark.parametrize("option", re.findall(r"--\w+(?= \"\$REPORTS)", step("Judge")["run"]))
def test_the_action_asks_for_reports_that_there_are(option):
    from conformance.cli.run import command

    assert option in {name for parameter in command.params for name in parameter.opts}


@pytest.mark.parametrize(
    ("source", "asked"),
    [("merge_request_event", "<--profile><quick>"), ("schedule", "<--profile><deep><--seed><17>")],
)
def test_the_gitlab_script_is_quick_on_a_merge_request_and_deep_at_night(called, source, asked):
    script = "\n".join(read(GITLAB)["conformance"]["script"])
    status, calls = called(script, CI_PIPELINE_SOURCE=source, CI_PIPELINE_IID="17", SUITE="the suite")
    assert (status, calls) == (
        0,
        [
            "<clone><--depth><1><the suite><suite>",
            "<-m><pip><install><--quiet><-c><suite/constraints.txt><./suite[torch]>",
            f"<run><mykernels.py>{asked}<--junit><junit.xml><--html><report.html>",
        ],
    )
