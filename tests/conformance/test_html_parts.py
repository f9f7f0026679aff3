"""What the page says and draws, without a browser."""

import re
from copy import deepcopy

import numpy as np
import pytest

from conformance.reports.formats.html import render
from conformance.reports.html import coverage, measures
from conformance.reports.html.findings import Figures, shown_of
from conformance.reports.html.limits import limits
from conformance.reports.html.matrix import matrices
from conformance.reports.html.svg import LONGEST, element, shown

MOST = 2_000_000  # bytes of a page
ROOM = 100_000  # characters


def failure(case="conv2d image=1,3", output="output", **fields):
    plain = {
        "operation": case.split()[0], "output": output, "status": "differs", "message": "off", "raised_at": None,
        "share": None, "case": case, "first_case": case, "known": None, "baseline": None, "fault": None,
        "found_by": [{"requirement": "exact", "dtype": "float32"}], "diagnosis": None, "where": None, "replay": None,
        "likewise": [], "declaration": None, "arrays": [], "script": None, "also": [],
    }  # fmt: skip
    return plain | fields


def found_of(failures):
    return shown_of(failures, [Figures()] * len(failures), ROOM)


def row(output="output", requirement="exact", dtype="float32", **fields):
    plain = {"operation": "conv2d", "output": output, "requirement": requirement, "dtype": dtype}
    return plain | {"verdict": "conforms", "cases": 3, "worst_share": 0.0, "seconds": 2.0} | fields


# What the parts say.


def test_a_cell_shows_every_wrong_verdict_of_its_dtypes_the_gravest_first():
    rows = [row(verdict="differs"), row(dtype="float64", verdict="crashed"), row("grad_input")]
    (matrix,) = matrices({"rows": rows}, [])
    cells = matrix.rows["exact"]
    assert cells["output"].verdicts == [("crashed", ["float64"], ""), ("differs", ["float32"], "")]
    assert cells["grad_input"].verdicts == [("conforms", (), "")]
    assert matrix.failing == 1


SUMMARIES = {
    "1 wrong": ("bad", [row(verdict="crashed"), row("grad_input", verdict="untested")]),
    "partly untested": ("odd", [row(), row("grad_input", verdict="untested")]),
    "nothing judged": ("quiet", [row(verdict="not claimed")]),
    "nothing wrong": (
        "good",
        [row(), row("grad_input", verdict="not claimed"), row("indices", verdict="advice")],
    ),
}


@pytest.mark.parametrize("words", SUMMARIES)
def test_an_operation_is_summed_up_by_its_worst_cell(words):
    tone, rows = SUMMARIES[words]
    (matrix,) = matrices({"rows": rows}, [])
    assert (matrix.tone, matrix.words) == (tone, words)


def test_a_cell_leads_to_the_finding_that_it_comes_from():
    found = found_of([failure(also=[failure(output="grad_input")])])
    (matrix,) = matrices({"rows": [row(verdict="differs"), row("grad_input", verdict="differs")]}, found)
    links = [cell.verdicts for cell in matrix.rows["exact"].values()]
    assert links == [[("differs", (), found[0].anchor)]] * 2


def test_each_verdict_of_a_cell_leads_to_its_own_finding():
    found = found_of([failure(status="crashed"), failure()])
    rows = [row(verdict="differs"), row(dtype="float64", verdict="crashed")]
    (matrix,) = matrices({"rows": rows}, found)
    assert [anchor for _, _, anchor in matrix.rows["exact"]["output"].verdicts] == [
        each.anchor for each in found
    ]


def test_the_anchor_of_a_finding_is_the_same_in_another_run():
    runs = [failure(diagnosis="stride dropped")], [failure("conv2d image=2,3", diagnosis="stride dropped")]
    assert len({found_of(run)[0].anchor for run in runs}) == 1


def test_two_findings_have_two_anchors():
    assert len({each.anchor for each in found_of([failure(), failure()])}) == 2


def test_time_is_counted_once_for_all_outputs_of_a_unit():
    rows = [row(), row("grad_input"), row(dtype="float64"), row(requirement="special", seconds=1.0)]
    assert [(each.name, each.seconds) for each in measures.times({"rows": rows}, "requirement")] == [
        ("exact", 4),
        ("special", 1),
    ]


def test_accuracy_is_the_worst_of_all_requirements():
    rows = [row(worst_share=0.25), row(requirement="rounding", worst_share=0.75), row("grad_input", cases=0)]
    (found,) = measures.accuracies({"rows": rows})
    assert (found.share, found.requirement) == (0.75, "rounding")


def coverage_of(room):
    pair = {"first": "stride", "second": "bias", "counts": [[5, 0], [1, 2]]}
    parameters = {"stride": {"1": 5, "2": 3}, "bias": {"False": 6, "True": 2}}
    each = {"operation": "conv2d", "cases": 8, "parameters": parameters, "pairs": [pair]}
    return next(coverage.within(coverage.maps({"coverage": [each]}), room))


def test_a_pair_of_classes_that_no_case_has_is_counted_as_not_met():
    assert (coverage_of(ROOM).met, coverage_of(ROOM).pairs) == (3, 4)


def test_each_run_of_classes_with_about_as_many_cases_is_a_line():
    lines = dict(re.findall(r'd="([^"]+)" class="heat (h\d)"', coverage_of(ROOM).svg))
    assert lines == {"m3.5 0.5h1": "h0", "m2.5 0.5h1m-1 1h2": "h1"}


def test_pairs_of_classes_for_which_there_is_no_room_are_left_out():
    assert (coverage_of(10).dropped, coverage_of(10).svg, coverage_of(10).met) == (True, "", 3)


LIMITS = {
    "Interrupted": {"conclusion": {"words": "", "because": "interrupted; x", "limited": None}},
    "Untested": {"rows": [row(verdict="untested")]},
    "Known failures that no longer fail": {"stale_known_failures": ["conv2d"]},
    "Failures of the baseline that are gone": {
        "baseline": {"gone": [{"operation": "conv2d", "output": "output", "status": "differs", "case": "conv2d"}]}
    },
    "Not claimed": {"not_claimed": [{"operation": "conv2d", "feature": "groups", "reason": "declared"}]},
    "Even the plainest call is refused": {"hints": {"conv2d": "declare layout"}},
    "Not called because of its name": {"misnamed": [{"name": "conv2", "meant": "conv2d"}]},
    "Lines that no case ran": {
        "unreached": {"unknown": None, "places": [{"file": "k.py", "first": 3, "last": 4, "why": "if big"}]}
    },
    "The framework's own faults": {"failures": [failure(fault="PyTorch's own conv2d")]},
    "Known failures": {"failures": [failure(known="later")]},
    "Too large to be asked": {"numbers": [{"operation": "conv2d", "asked": [], "too_large": ["channels > 9999"]}]},
    "Names taken for others": {"parameters": ["conv2d: x is taken for input"]},
}  # fmt: skip


@pytest.mark.parametrize("title", LIMITS)
def test_what_limits_a_verdict_is_told(report_data, title):
    plain = deepcopy(report_data) | {"failures": [], "rows": [], "not_claimed": []}
    plain["unreached"] |= {"unknown": None}
    assert [limit.title for limit in limits(plain | LIMITS[title])] == [title]


def test_a_run_that_nothing_limits_has_no_such_part(report_data):
    plain = deepcopy(report_data) | {"failures": [], "rows": [], "not_claimed": []}
    plain["unreached"] |= {"unknown": None}
    assert "What limits this verdict" not in render(plain)


def test_a_finding_says_what_else_fails_and_how_to_declare_it():
    refused = failure(
        message="arguments: stride=0", likewise=["arguments: stride=-1"], declaration="without=..."
    )
    facts = {label: text for label, text, _ in found_of([refused])[0].facts}
    assert (facts["likewise"], facts["if intended"]) == ("stride=-1", "without=...")


# The page.


def test_the_parts_stand_in_the_order_in_which_they_are_read(report_data):
    found = re.findall(r'<section id="(\w+)"', render(report_data))
    assert found == [
        "verdict",
        "limits",
        "matrix",
        "findings",
        "accuracy",
        "coverage",
        "time",
        "run",
        "words",
    ]


def test_a_run_that_was_interrupted_before_its_first_case_says_that_there_is_nothing(report_data):
    text = render(report_data | {"rows": [], "failures": [], "coverage": [], "cases": 0})
    assert re.findall(r'<section id="(\w+)"', text) == ["verdict", "limits", "run", "words"]
    assert "No case was judged" in text


def test_the_page_is_ascii(report_data):
    assert render(report_data | {"command": "conformance run k\u00e9rnels.py \ud800"}).isascii()


def test_a_page_of_very_many_findings_stays_small(report_data):
    values = np.random.default_rng(0).normal(size=(1, 1, 64, 64))
    answers = {"got": values, "expected": values + 1}
    about = {"shape": list(values.shape), "dtype": "float64"}
    arrays = [about | {"name": name, "values": array.tolist()} for name, array in answers.items()]
    large = failure("conv2d image=64,64", arrays=arrays, script="x" * 20_000)
    wide = failure(message="off " * 5000)
    data = report_data | {"failures": [large] * 16 + [wide] * 60, "coverage": report_data["coverage"] * 60}
    text = render(data)
    assert len(text) < MOST
    assert "are left out here, to keep this page small" in text


def test_a_text_that_is_too_long_is_cut_and_says_so():
    assert shown("x" * (LONGEST + 5)) == "x" * LONGEST + " ... (5 more characters)"


def test_what_turns_or_hides_text_is_written_out():
    assert shown("a\u202eb\x00c\nd") == "a\\u202eb\\x00c\nd"


def test_the_attributes_and_the_inside_of_an_element_are_escaped():
    assert element("text", "<b>", aria_label='"') == '<text aria-label="&#34;">&lt;b&gt;</text>'
