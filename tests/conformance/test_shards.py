"""Shards of a run: disjoint, and joined the same report as of the whole."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from conformance.cli import main
from conformance.reports.stored import timeless
from conformance.requirements import REQUIREMENTS, Plan
from conformance.running.tasks import Task, share

WRONG = """
right = conv2d
def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    output = right(input, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return output * 2 if input.shape[-1] == 5 else output
"""
ASKED = ["--oracle", "reference", "--profile", "quick", "--op", "conv2d,avg_pool2d"]
ASKED += ["--requirement", "empty,memory,arguments"]


def judged(*words: str, status: int = 1) -> str:
    result = CliRunner().invoke(main, [*words])
    assert result.exit_code == status, result.output
    return result.output


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """A folder with a wrong kernel, the report of the whole run, and those of three shards."""
    folder = tmp_path_factory.mktemp("shards")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("kernel.py").write_text("from npcnn import avg_pool2d, conv2d, conv2d_backward\n" + WRONG)
        judged("run", "kernel.py", *ASKED, "--json", "whole.json")
        for number in (1, 2, 3):
            words = ("run", "kernel.py", *ASKED, "--shard", f"{number}/3", "--json", f"{number}.json")
            CliRunner().invoke(main, [*words])
    return folder


@pytest.fixture
def there(parts, monkeypatch):
    monkeypatch.chdir(parts)


def report(name: str):
    return json.loads(Path(name).read_text())


@pytest.mark.parametrize("of", [1, 2, 3, 8])
def test_every_task_is_in_one_shard(of):
    plans = [Plan("conv2d", dtype, frozenset(), "quick") for dtype in ("float32", "float64")]
    tasks = [Task(plan, name) for plan in plans for name in REQUIREMENTS]
    shared = [task for number in range(1, of + 1) for task in share(tasks, (number, of))]
    assert len(shared) == len(tasks)
    assert set(map(id, shared)) == set(map(id, tasks))


def test_the_units_of_shards_are_disjoint_and_together_those_of_the_whole(there):
    def units(name):
        return {(row["operation"], row["requirement"], row["dtype"]) for row in report(name)["rows"]}

    every = [units(f"{number}.json") for number in (1, 2, 3)]
    assert sum(map(len, every)) == len(set.union(*every)) == len(units("whole.json"))
    assert all(every)


def test_merged_shards_are_the_report_of_the_whole_run(there):
    told = judged("merge", "3.json", "1.json", "2.json", "--json", "merged.json")
    assert timeless(report("merged.json")) == timeless(report("whole.json"))
    assert report("whole.json")["failures"]  # which depend on what failed in other shards
    assert "from 3 shards" in told


def test_a_shard_says_that_it_is_a_part(there):
    asked = ("--oracle", "reference", "--op", "avg_pool2d", "--requirement", "empty,memory")
    told = judged("run", "kernel.py", *asked, "--shard", "1/2", status=0)
    assert "conforms where asked: " in told and "shard 1 of 2" in told


def edited(name: str, **entries) -> str:
    """A report whose shard has other entries."""
    data = report(name)
    data["shard"] |= entries
    Path("edited.json").write_text(json.dumps(data))
    return "edited.json"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["1.json", "2.json"], "shard 3/3: no report of it; a merge needs all 3"),
        (["1.json", "2.json", "2.json"], "2.json and 2.json: both are shard 2/3"),
        (["whole.json"], "whole.json: is no report that conformance run --shard I/N --json FILE writes"),
        (["nowhere.json"], "nowhere.json: cannot be read"),
        (["1.json", "2.json", "3.json", "--json", "1.json"], "--json 1.json: is a report that is merged"),
    ],
)
def test_what_cannot_be_merged_is_told(there, words, message):
    assert message in judged("merge", *words, status=2)


def test_a_shard_of_another_run_is_told(there):
    heading = report("1.json")["shard"]["heading"]
    other = edited("3.json", heading=heading | {"seed": 7})
    assert f"{other}: no shard of the run of 1.json: its seed is 7, not 0" in judged(
        "merge", "1.json", "2.json", other, status=2
    )


def test_shards_of_a_kernel_that_has_changed_are_told(there):
    before = Path("kernel.py").read_text()
    try:
        Path("kernel.py").write_text(before + "# another\n")
        told = judged("merge", "1.json", "2.json", "3.json", status=2)
    finally:
        Path("kernel.py").write_text(before)
    assert "1.json: a shard of another run: its source is" in told


def test_an_interrupted_shard_is_no_part(there):
    data = report("3.json") | {"verdict": "interrupted"}
    Path("cut.json").write_text(json.dumps(data))
    assert "cut.json: shard 3/3 was interrupted" in judged("merge", "1.json", "2.json", "cut.json", status=2)


@pytest.mark.parametrize("text", ["3", "0/2", "3/2", "a/b", "1/", "-1/2"])
def test_what_is_no_shard_is_told(there, text):
    assert f"{text}: write 3/8 for the third of eight parts" in judged(
        "run", "kernel.py", "--shard", text, status=2
    )


@pytest.mark.parametrize("option", ["-x", "--failed", "--watch"])
def test_a_shard_is_a_part_of_a_whole_run(there, option):
    told = judged("run", "kernel.py", "--shard", "1/2", option, status=2)
    assert "a shard is a part of a whole run" in told
