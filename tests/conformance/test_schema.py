"""The JSON Schemas that are published: what the JSON report has, and what docs/json.md says of it."""

import importlib.resources
import json
import re
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from conformance.cli import main
from conformance.reports.stored import SCHEMA
from conformance.verdicts.judgement import GRAVEST

DOCS = Path(__file__).resolve().parents[2] / "docs"
TEXT = importlib.resources.files("conformance.reports").joinpath("report.schema.json").read_text()
PUBLISHED = json.loads(TEXT)


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(PUBLISHED)
    assert PUBLISHED["$id"] == f"urn:npcnn-conformance:report:{SCHEMA}"


def test_every_entry_of_the_schema_is_described(objects_of):
    every = objects_of(PUBLISHED)
    entries = [(name, entry) for each in every for name, entry in each["properties"].items()]
    assert ("message" in dict(entries), len(every) > 1) == (True, True)
    assert [name for name, entry in entries if "description" not in entry] == []
    assert [each for each in every if not each["description"]] == []


RIGHT = "def conv2d(input, weight, bias=None, **options): return npcnn.conv2d(input, weight, bias, **options)"
WRONG = "def conv2d(input, weight, bias=None, stride=1): return npcnn.conv2d(input, weight, bias)"
BRANCH = """
def conv2d(input, weight):
    if len(input) > 10**9:
        input = 0
    return npcnn.conv2d(input, weight)
"""
STALE = (
    "import conformance\nsubject = conformance.Subject({'conv2d': conv2d}, known_failures={'conv2d': 'no'})"
)
KERNELS = {  # and the requirements that they are held to
    "right": (RIGHT, "exact,certified"),
    "wrong": (WRONG, "exact,rounding,arguments"),
    "raises": ("def conv2d(input, weight): raise TypeError('no')", "empty"),
    "misnamed": ("def conv2d_backwards(grad_output, input, weight): ...", "empty"),
    "stale": (STALE, "empty"),
    "with a branch": (BRANCH, "empty,search"),
}
ASKED = ["--in-process", "--oracle", "reference", "--profile", "quick", "--no-cache", "--json", "report.json"]


@pytest.fixture
def report_of(write_kernel):
    def run(name, *arguments):
        source, requirements = KERNELS[name]
        asked = ["run", write_kernel("kernel", source), *ASKED, "--requirement", requirements, *arguments]
        CliRunner().invoke(main, asked, prog_name="conformance")
        return json.loads(Path("report.json").read_text())

    return run


@pytest.mark.slow
@pytest.mark.parametrize("name", KERNELS)
def test_the_report_of_a_run_keeps_to_the_schema(name, report_of, schema_errors):
    assert schema_errors(report_of(name)) == []


def test_the_report_of_a_run_that_ends_early_keeps_to_the_schema(report_of, schema_errors):
    report = report_of("wrong", "-x")
    assert report["conclusion"]["limited"]
    assert schema_errors(report) == []


def test_a_report_with_an_entry_that_nobody_described_is_told_apart(report_of, schema_errors):
    report = report_of("raises")
    assert len(schema_errors(report | {"surprise": 1})) == 1


def test_every_way_to_fail_is_in_the_schema():
    failure, row = (PUBLISHED["$defs"][name]["properties"] for name in ("failure", "row"))
    assert sorted(failure["status"]["enum"]) == sorted(GRAVEST)
    assert set(row["verdict"]["enum"]) > set(GRAVEST)


def listed(text, heading):
    """The entries in the first column of the table under a line of docs/json.md that begins so."""
    table = text[text.index(heading) :].split("| entry |")[1].split("\n\n")[0]
    return [
        name for line in re.findall(r"^\| (`.*?) \|", table, re.M) for name in re.findall(r"`(\w+)`", line)
    ]


@pytest.mark.parametrize(
    ("heading", "of", "named"),
    [
        ("# The JSON report", PUBLISHED, []),
        ("A row has", PUBLISHED["$defs"]["row"], ["operation", "output", "requirement", "dtype"]),
        ("A failure has", PUBLISHED["$defs"]["failure"], ["operation", "output"]),
    ],
)
def test_the_text_for_people_lists_the_same_entries(heading, of, named):
    text = (DOCS / "json.md").read_text()
    assert sorted([*named, *listed(text, heading)]) == sorted(of["properties"])
