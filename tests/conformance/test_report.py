"""What a report says, as text and as data, of rows made by hand."""

import functools
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from conformance import Subject
from conformance.cases import Case
from conformance.cases.scope import Exhausted
from conformance.reports import text as t
from conformance.reports.claims import not_claimed
from conformance.reports.data import as_data
from conformance.reports.document import document
from conformance.reports.findings import Finding, findings, with_replay
from conformance.reports.formats.json import render
from conformance.reports.lines import broken, plain, printable
from conformance.reports.run_info import RunInfo
from conformance.reports.tables import cell
from conformance.requirements import REQUIREMENTS
from conformance.verdicts.certificate import Certificate
from conformance.verdicts.judgement import Judgement
from conformance.verdicts.verdict import Failure, Report, Row, Unit

RUN = RunInfo("torch", answers=frozenset({"exact", "rounding"}))


class Kernels:
    @staticmethod
    def conv2d(input, weight):
        raise NotImplementedError


SUBJECT = Subject(Kernels, name="my kernels.py")


def row(output="output", requirement="exact", dtype="float32", **fields):
    fields = {"cases": 3, "varied": True, "refuses": REQUIREMENTS[requirement].refuses} | fields
    return Row(Unit("conv2d", requirement, dtype), output, **fields)


def failure(case="conv2d image=1,3", output="output", message="off", status="differs", known="", share=2.0):
    judgement = Judgement(output, status, share, True, message)
    return Failure(Case.parse(case), judgement, Case.parse(case), known)


def raised(case, output="output", place="kernel.py:3 in f"):
    made = failure(case, output, f"{output} raised: ValueError: no", "raised")
    return replace(made, judgement=made.judgement._replace(place=place))


def explained(case, diagnosis, output="output"):
    return replace(failure(case, output), diagnosis=diagnosis)


def report(*rows, **fields):
    return Report(SUBJECT, list(rows), **fields)


BOTH = {"conv2d": Kernels.conv2d, "conv2d_backward": lambda grad_output, input, weight: None}


def of_skipped(output, cases, kernels=BOTH, **declared):
    rows = [row(output, cases=cases, not_claimed=2)]
    return not_claimed(Report(Subject(kernels, **declared), rows))


@pytest.mark.parametrize(
    ("skipped", "told"),
    [
        (of_skipped("output", 3, only=bool), ("output in 2 cases", "declared")),
        (of_skipped("grad_weight", 0, without="grad_weight"), ("grad_weight", "declared")),
        (of_skipped("grad_weight", 0), ("grad_weight", "conv2d_backward does not return it")),
        (
            of_skipped("grad_input", 3),
            ("grad_input in 2 cases", "conv2d_backward does not take their options"),
        ),
        (
            of_skipped("grad_input", 3, only=bool),
            ("grad_input in 2 cases", "declared, or conv2d_backward does not take their options"),
        ),
        (
            of_skipped("grad_input", 0, kernels={"conv2d": Kernels.conv2d}, framework="torch"),
            ("grad_input", "no conv2d_backward, and torch gets no gradient from a plain call"),
        ),
    ],
)
def test_what_is_not_claimed_says_why(skipped, told):
    assert skipped == [("conv2d", *told)]


def text(lines):
    return [plain(line) for line in lines]


VERDICTS = {
    "conforms": (report(row()), "conforms: 3 cases, 1 verdict; every answer exact"),
    "bounded": (report(row(share=0.25)), "conforms: 3 cases, 1 verdict; worst error 0.25 of what rounding explains"),
    "known": (
        report(row(), row("grad_input", failure=failure(output="grad_input", known="later"))),
        "conforms: 3 cases, 2 verdicts; 1 known failure",
    ),
    "differs": (report(row(failure=failure())), "differs: conv2d output differs (3 cases)"),
    "crashed": (
        report(row(failure=failure(status="crashed")), row("grad_input", failure=failure(output="grad_input"))),
        "differs: conv2d output crashed, grad_input differs (3 cases)",
    ),
    "untested": (
        report(row(), row("grad_input", varied=False)),
        "untested: conv2d grad_input exact: no case, or none whose expected answer varies",
    ),
    "nothing": (report(), "untested: no case was judged"),
    "bad arguments alone": (
        report(row(requirement="arguments"), row(cases=0, not_claimed=9)),
        "untested: conv2d: no case that was asked is claimed, bad arguments apart",
    ),
    "bad arguments asked alone": (
        report(row(requirement="arguments")), "conforms: 3 cases, 1 verdict; every answer exact",
    ),
    "stale": (report(row(), stale=["conv2d"]), "differs: 1 known failure no longer fails (3 cases)"),
    "interrupted": (
        report(row(), interrupted=True), "interrupted: nothing wrong in 3 cases, but the rest was not judged",
    ),
    "interrupted and wrong": (
        report(row(failure=failure()), interrupted=True), "differs: interrupted; conv2d output differs (3 cases)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", VERDICTS)
def test_the_last_line_is_the_verdict(name):
    made, line = VERDICTS[name]
    assert text(t.conclusion(document(made, RUN), 200)) == [line]


@pytest.mark.parametrize("name", VERDICTS)
def test_only_a_conforming_report_passes(name):
    made, line = VERDICTS[name]
    assert made.passed == (made.verdict == "conforms") == line.startswith("conforms")


def test_a_case_counts_once_for_all_its_outputs():
    made = report(
        row(cases=5),
        row("grad_input", cases=4, not_claimed=1),
        row(requirement="rounding", cases=2, not_claimed=8),
    )
    assert made.cases == 7


CELLS = {
    "exact": ([row()], "    3 ok"),
    "within the bound": ([row(share=0.5), row(dtype="float64", share=0.25)], "    6 ok 0.50"),
    "wrong in one dtype": ([row(), row(dtype="float64", failure=failure())], "    6 differs f64"),
    "wrong in all": ([row(failure=failure())], "    3 differs"),
    "known": ([row(failure=failure(known="later"))], "    3 known"),
    "untested": ([row(cases=0)], "    0 untested"),
    "not claimed": ([row(cases=0, not_claimed=3)], "  not claimed"),
    "what is claimed shows nothing": ([row(varied=False, not_claimed=3)], "  not claimed"),
    "wrong goes before untested": (
        [row(cases=0), row(dtype="float64", failure=failure())],
        "    3 differs f64",
    ),
}


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_tells_the_worst_of_its_dtypes(name):
    rows, written = CELLS[name]
    assert plain(t.cell(cell(rows))) == written


def test_a_failure_found_by_several_requirements_is_one():
    made = report(
        row(failure=failure(message="off")),
        row(requirement="threads", failure=failure(message="from 4 threads: off")),
        row(dtype="float64", failure=failure(message="off")),
    )
    (finding,) = findings(made, RUN)
    assert t.requirements(finding.found_by) == "exact (float32, float64), threads (float32)"
    assert finding.failure.judgement.message == "off"


def test_one_mistake_is_told_by_its_simplest_case():
    small, larger = (
        replace(failure(text), diagnosis="stride dropped") for text in ("conv2d", "conv2d image=1,3")
    )
    (finding,) = findings(report(row(failure=larger), row(requirement="sizes", failure=small)), RUN)
    assert (str(finding.case), t.requirements(finding.found_by)) == ("conv2d", "exact, sizes (float32)")


def seen_as(*failures):
    """As how many others each finding was seen."""
    names = ("exact", "rounding", "sizes")
    rows = [row(requirement=name, failure=each) for name, each in zip(names, failures, strict=False)]
    return [len(finding.also) for finding in findings(report(*rows), RUN)]


def test_what_is_explained_joins_what_is_shown_on_the_same_case_without_an_explanation():
    explained_here, elsewhere = (
        explained(text, "stride dropped") for text in ("conv2d stride=2", "conv2d padding=1")
    )
    assert seen_as(failure("conv2d stride=2"), explained_here, elsewhere) == [0]


@pytest.mark.parametrize(
    "others",
    [
        (failure(), failure(output="grad_input")),
        (failure(), failure("conv2d")),
        (failure("conv2d stride=2"), failure("conv2d image=3,3 stride=2 dtype=float64")),
        (
            explained("conv2d stride=2", "stride dropped"),
            explained("conv2d padding=1", "stride dropped", "grad_input"),
        ),
        (
            failure("conv2d stride=2"),
            failure("conv2d stride=2 image=5,5", output="grad_input", status="refused"),
        ),
        (failure("conv2d", status="hung"), failure("conv2d stride=2", status="hung")),
        (raised("conv2d batch=0", "grad_input"), raised("conv2d batch=0 bias=true", "grad_bias")),
    ],
)
def test_what_may_be_one_mistake_is_one_finding(others):
    assert seen_as(*others) == [1]


@pytest.mark.parametrize(
    "others",
    [
        (failure("conv2d stride=2"), failure("conv2d padding=1")),
        (
            explained("conv2d stride=2", "stride dropped"),
            explained("conv2d stride=2", "swapped", "grad_input"),
        ),
        (failure("conv2d stride=2"), failure("conv2d stride=2", output="grad_input", status="crashed")),
        (failure("conv2d", status="hung"), failure("conv2d", output="grad_input", status="hung")),
        (
            replace(failure("conv2d stride=2"), fault="PyTorch's own conv2d"),
            failure("conv2d stride=2", "grad_input"),
        ),
        (raised("conv2d batch=0"), raised("conv2d stride=2", "grad_bias", "kernel.py:9 in g")),
    ],
)
def test_failures_that_differ_are_shown_apart(others):
    assert seen_as(*others) == [0, 0]


def test_what_is_gravest_comes_first():
    rows = (
        row(failure=failure(f"conv2d {option}=2", status=status))
        for status, option in (("refused", "dilation"), ("differs", "stride"), ("crashed", "padding"))
    )
    assert [each.status for each in findings(report(*rows), RUN)] == ["crashed", "differs", "refused"]


COMMANDS = {
    "the answer": (row(failure=failure()), RUN, "conformance replay 'my kernels.py' \"conv2d image=1,3\""),
    "another requirement": (
        row(requirement="state", failure=failure()), RUN,
        "conformance replay 'my kernels.py' \"conv2d image=1,3\" --requirement state",
    ),
    "an answer that only an earlier call makes wrong": (
        row(failure=replace(failure(), shown_by="state")), RUN,
        "conformance replay 'my kernels.py' \"conv2d image=1,3\" --requirement state",
    ),
    "a bad call": (
        row(requirement="arguments", failure=failure("conv2d stride=0")), RUN,
        "conformance replay 'my kernels.py' \"conv2d stride=0\"",
    ),
    "another oracle": (
        row(failure=failure()), RunInfo("jax", answers=RUN.answers),
        "conformance replay 'my kernels.py' \"conv2d image=1,3\" --oracle jax",
    ),
    "another timeout": (
        row(failure=failure()), replace(RUN, timeout=0.5),
        "conformance replay 'my kernels.py' \"conv2d image=1,3\" --timeout 0.5",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_runs_the_failure_again(name):
    made, run, command = COMMANDS[name]
    assert findings(report(made), run)[0].replay == command


def test_a_failure_shows_its_diagnosis_and_place_where_there_are_any():
    found = failure(message="off by 8")
    found.diagnosis, found.where = "stride ignored", "every column past the last window"
    lines = text(t.finding(with_replay(Finding(found, [("exact", "float32")]), SUBJECT.name, RUN), 80))
    assert lines == [
        "conv2d output  DIFFERS  off by 8",
        "            smallest case   conv2d image=1,3",
        "            looks like      stride ignored",
        "            where           every column past the last window",
        "            found by        exact (float32)",
        "            run it again    conformance replay 'my kernels.py' \"conv2d image=1,3\"",
    ]


def test_not_claimed_groups_features_by_reason():
    made = report(
        row("grad_input", cases=0, not_claimed=3),
        not_claimed=[("conv2d", "bias", "why"), ("conv2d", "groups", "why")],
    )
    assert text(t.not_claimed(not_claimed(made), 80)) == [
        "not claimed",
        "  conv2d: bias, groups (why)",
        "  conv2d: grad_input (no conv2d_backward)",
    ]


def test_what_is_not_claimed_with_its_output_is_declared():
    rows = [row(not_claimed=2), row("grad_input", not_claimed=2)]
    made = Report(Subject({"conv2d": Kernels.conv2d}, framework="torch", only=bool), rows)
    assert {why for _, _, why in not_claimed(made)} == {"declared"}


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("TypeError: no such option", "only= and without= of a conformance.Subject declare what a"),
        (
            "AttributeError: no attribute unfold",
            "its arrays are taken for those of numpy, which framework= of a",
        ),
        (
            "TypeError: argument 'input' must be Tensor, not numpy.ndarray",
            "its arrays are taken for those of numpy, which framework= of a conformance.Subject changes, as framework=",
        ),
        ("RuntimeError: no device", None),
    ],
)
def test_a_kernel_that_refuses_the_plainest_call_is_told_how_to_declare_what_it_takes(reason, told):
    made = report(row(failure=failure(status="refused")), refusing={"conv2d": reason})
    lines = text(t.hints(document(made, RUN), 300))
    assert [line.startswith(f"conv2d: even the plainest call is refused; {told}") for line in lines] == [
        True
    ] * bool(told)


@pytest.mark.parametrize(
    ("case", "message", "told"),
    [
        ("conv2d stride=2", "ValueError: stride", 'without=("stride",) of a conformance.Subject'),
        ("conv2d channels=2 filters=2 groups=2 stride=2", "ValueError", None),
        ("conv2d image=3,3", "ValueError", None),
        (
            "max_pool2d", "TypeError: max_pool2d() got an unexpected keyword argument 'return_indices'",
            'without=("return_indices",) of a conformance.Subject',
        ),
        ("max_pool2d", "ValueError", None),
    ],
)  # fmt: skip
def test_a_refused_option_is_told_how_to_be_declared(case, message, told):
    refused = Finding(failure(case, message=message, status="refused"), [("exact", "float32")])
    lines = text(t.finding(refused, 80))
    assert [line for line in lines if "if intended" in line] == (
        [f"            if intended     {told}"] if told else []
    )


GEOMETRY = {"image": 9, "kernel": 4, "stride": 4, "padding": 1, "dilation": 3}  # the largest of each


def test_what_was_exhausted_is_told_with_the_odds_of_a_chance_pass():
    made = report(row(), exhausted=[Exhausted("conv2d", 12, GEOMETRY, 144, (0.034, 0.0098))])
    assert text(t.exhausted(made.exhausted, 80)) == [
        "exhausted, every answer right",
        "  conv2d: all 12 geometries of one axis (image to 9, kernel to 4, stride to 4,",
        "  dilation to 3) on height and width, all 144 pairs of smaller ones; an element",
        "  of another bilinear function is right by chance in 0.98 % of the cases",
        "  (median; at most 3.4 %)",
    ]


@pytest.mark.parametrize(
    ("operation", "axes"),
    [("conv1d", ")"), ("conv2d", ") on height and width"), ("conv3d", ") on depth, height and width")],
)
def test_what_was_exhausted_names_the_axes_that_there_are(operation, axes):
    (line,) = text(t.exhausted([Exhausted(operation, 12, GEOMETRY, 0, (0, 0))], 200))[1:]
    assert (
        line
        == f"  {operation}: all 12 geometries of one axis (image to 9, kernel to 4, stride to 4, dilation to 3{axes}"
    )


READ = Certificate("conv2d", "float32", ("output", "grad_input"), 12, 1, {"no zeros": 4, "batches": 6})


def test_what_was_certified_is_told_with_what_a_wrong_kernel_must_do():
    others = replace(READ, dtype="float64", geometries=1, assumptions={"no zeros": 1})
    assert text(t.certified([READ, others], 80)) == [
        "certified, every coefficient right",
        "  conv2d: the whole operator (output, grad_input) of 12 geometries in float32, 1",
        "  geometry in float64; 1 geometry too large to be read; to pass, a wrong kernel",
        "  must tell unit images from images without zeros (5 cases), other batches of",
        "  them (6 cases), where it was right",
    ]


def test_of_a_pooling_of_maxima_the_windows_are_certified():
    told = text(t.certified([replace(READ, operation="max_pool2d")], 200))[1]
    assert told.startswith("  max_pool2d: every window (output, grad_input) of 12 geometries in float32;")


def test_the_parts_of_a_report_stand_in_their_order():
    made = report(
        row(failure=failure(status="refused")),
        not_claimed=[("conv2d", "bias", "why")],
        exhausted=[Exhausted("conv2d", 12, GEOMETRY, 0, (0, 0))],
        certified=[READ],
        refusing={"conv2d": "ValueError"},
        stale=["conv2d stride=2"],
    )
    lines = text(t.lines(document(made, RUN), 80))
    parts = [lines[0], *(line for before, line in pairwise(lines) if not before)]
    assert [line.split(" ")[0] for line in parts] == [
        "my", "conv2d", "not", "exhausted,", "certified,", "conv2d", "conv2d:", "stale", "differs:",
    ]  # fmt: skip


def test_a_line_that_is_too_wide_is_broken_between_words_and_keeps_its_styles():
    line = [("my kernels.py", "head"), (": numpy arrays", "")]
    assert list(broken(line, 14)) == [[("my kernels.py", "head"), (":", "")], [("numpy arrays", "")]]


def test_text_of_the_subject_cannot_drive_the_terminal():
    assert printable("a\x1b[31m\nb\u202e") == "a\\x1b[31m\\nb\\u202e"


def test_the_data_is_json_without_infinities():
    made = report(row(failure=failure(share=float("inf"))), not_claimed=[("conv2d", "bias", "declared")])
    data = json.loads(render(as_data(document(made, RUN))))
    assert data["failures"][0]["share"] is None
    assert data["not_claimed"] == [{"operation": "conv2d", "feature": "bias", "reason": "declared"}]


def decorated(function):
    @functools.wraps(function)
    def inner(*arguments):
        return function(*arguments)

    return inner


class Called:
    def __call__(self, input, weight):
        return None


PLAIN = Kernels.conv2d
LINE = PLAIN.__code__.co_firstlineno
STAND = {  # functions, and the lines that they stand at
    "a function": (PLAIN, LINE),
    "a wrapped one": (decorated(PLAIN), LINE),
    "a part of one": (functools.partial(PLAIN, weight=1), LINE),
    "an object that is called": (Called(), Called.__call__.__code__.co_firstlineno),
}


@pytest.mark.parametrize("name", STAND)
def test_the_data_says_where_each_function_stands(name):
    function, line = STAND[name]
    made = Report(Subject({"conv2d": function}, framework="numpy"), [row()])
    (place,) = as_data(document(made, RUN))["subject"]["functions"].values()
    assert (Path(place["file"]).resolve(), place["line"]) == (Path(__file__).resolve(), line)


@pytest.mark.parametrize("function", [len, eval("lambda input, weight: None")])
def test_the_data_says_of_no_function_where_it_stands_that_no_file_has(function):
    made = Report(Subject({"conv2d": function}, framework="numpy"), [row()])
    assert as_data(document(made, RUN))["subject"]["functions"] == {}
