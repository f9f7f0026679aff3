"""Which pixels a wrong window reads: told in the JSON report, and drawn in the page."""

import json

import numpy as np
import pytest

from conformance import Subject
from conformance.cases import Case
from conformance.reports import data
from conformance.reports.document import document
from conformance.reports.formats.html import render
from conformance.reports.html.findings import figures_of
from conformance.reports.html.window import READ, drawing_of
from conformance.reports.run_info import RunInfo
from conformance.running.in_process import InProcess
from conformance.running.run import run
from conformance.usage import checked_oracle, settings
from conformance.verdicts.taps import readings
from conformance.verdicts.verdict import Failure
from npcnn import avg_pool2d, conv1d, conv2d


def last_tap_skipped(input, weight, bias=None, stride=1, padding=0):
    last = np.arange(weight.shape[-1]) == max(weight.shape[-1] - 1, 1)
    return conv2d(input, np.where(last, 0, weight), bias, stride=stride, padding=padding)


def flipped(input, weight, bias=None, stride=1, padding=0):
    return conv1d(input, weight[..., ::-1], bias, stride=stride, padding=padding)


def next_pixel(input, kernel_size, stride=None, padding=0):
    return avg_pool2d(np.roll(input, -1, axis=-1), kernel_size, stride=stride, padding=padding)


def off_by_one(input, weight, bias=None, stride=1, padding=0):
    return conv2d(input, weight, bias, stride=stride, padding=padding) + 1


WRONG = {
    last_tap_skipped: ("conv2d", {"right": [[0, 0]], "missing": [[0, 1]]}),
    flipped: ("conv1d", {"otherwise": [[0], [1]]}),
    next_pixel: ("avg_pool2d", {"missing": [[0, 0]], "foreign": [[0, 1]]}),
    off_by_one: ("conv2d", None),
}


@pytest.fixture(scope="module")
def failures():
    return {kernel: finding_of(kernel, operation) for kernel, (operation, _) in WRONG.items()}


def finding_of(kernel, operation):
    """The gravest failure of the answer, as the JSON report has it."""
    subject = Subject({operation: kernel}, name="kernel.py", dtypes=("float32",))
    chosen = settings(subject, requirements=("exact",), profile="quick")
    report = run(subject, InProcess(subject, checked_oracle("reference")), chosen)
    every = [failure for row in report.rows for failure in row.failures]
    assert all(Failure.from_data(json.loads(json.dumps(each.as_data()))).taps == each.taps for each in every)
    return json.loads(json.dumps(data.as_data(document(report, RunInfo("reference", "quick")))))


@pytest.mark.parametrize("kernel", WRONG, ids=lambda kernel: kernel.__name__)
def test_the_report_tells_what_a_wrong_window_reads(failures, kernel):
    taps, *_ = [each["taps"] for each in failures[kernel]["failures"] if each["output"] == "output"]
    expected = WRONG[kernel][1]
    assert (
        taps and {kind: pixels for kind, pixels in taps.items() if pixels and kind != "window"}
    ) == expected


@pytest.mark.parametrize(
    "kernel", [last_tap_skipped, next_pixel, flipped], ids=lambda kernel: kernel.__name__
)
def test_the_page_draws_what_the_json_tells(failures, kernel):
    page = render(failures[kernel])
    kinds = {kind for kind in WRONG[kernel][1] if kind in READ}
    assert {kind for kind in READ if f'class="tap {kind}"' in page} == kinds
    assert all(f"<title>{READ[kind]}</title>" in page for kind in kinds)


def test_a_report_of_a_version_that_did_not_read_out_is_drawn(failures):
    (old, *_) = failures[last_tap_skipped]["failures"]
    del old["taps"]
    drawing = figures_of(old).drawing
    assert "inside" in dict(drawing.legend) and not {*READ} & {*dict(drawing.legend)}


TAPS = {"window": [1, 1], "right": [[1, 1]], "missing": [[1, 2]], "foreign": [[0, 0]], "otherwise": [[2, 1]]}


def test_a_drawing_is_of_the_window_that_was_read_out_and_says_so():
    drawing = drawing_of(Case.parse("conv2d image=5,5 kernel=2,2"), "output", (0, 0, 3, 3), TAPS)
    assert "the window at (1, 1)" in drawing.sentence
    assert "a tap that is missing: (1, 2)" in drawing.sentence
    assert {*READ} < {*dict(drawing.legend)}


def test_kinds_of_taps_have_shapes_of_their_own():
    svg = str(drawing_of(Case.parse("conv2d image=5,5 kernel=2,2"), "output", None, TAPS).svg)
    drawn = [
        svg.partition(f'" class="tap {kind}"')[0].rpartition('d="')[2].partition("m")[2] for kind in READ
    ]
    assert all(drawn) and len(set(drawn)) == len(READ)


def test_three_axes_are_drawn_without():
    case = Case.parse("conv3d image=3,3,3 kernel=2,2,2")
    assert drawing_of(case, "output", None, TAPS).legend == drawing_of(case, "output", None).legend


@pytest.mark.parametrize("text", ["conv_transpose2d", "conv2d stride=0", "max_unpool2d image=2,2"])
def test_what_has_no_window_over_its_image_is_not_read_out(text):
    assert list(readings(Case.parse(text))) == []


@pytest.mark.parametrize("text", ["conv2d image=900,900 kernel=3,3", "max_pool1d image=70000 kernel=2"])
def test_what_is_too_large_is_not_read_out(text):
    assert list(readings(Case.parse(text))) == []
