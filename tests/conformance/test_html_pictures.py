"""What the page draws of a finding: the plane that is most wrong, and the window that shows it."""

import numpy as np
import pytest

from conformance.cases import Case
from conformance.cases.arrays import fill
from conformance.kernels.framework import oracle
from conformance.operations import OPERATIONS
from conformance.reports.html import grids
from conformance.reports.html.answers import arrays_of, plane_of, written
from conformance.reports.html.findings import figures_of
from conformance.reports.html.geometry import SHOWN, axes_of
from conformance.reports.html.window import drawing_of


def finding(case="conv2d image=1,3", arrays=(), message="off"):
    return {"case": case, "output": "output", "message": message, "arrays": list(arrays), "script": None}


def array(name, values):
    made = np.array(values, float)
    return {"name": name, "shape": list(made.shape), "dtype": "float64", "values": values}


def compared(got, expected, bound=None, **fields):
    arrays = [array("got", got), array("expected", expected), *([array("bound", bound)] if bound else [])]
    return finding(arrays=arrays, **fields)


# The plane that is most wrong.


def test_the_plane_is_that_of_the_worst_element():
    off = compared([[[[1, 2]], [[3, 9]]]], [[[[1, 3]], [[3, 4]]]], [[[[1, 0.5]], [[1, 1]]]])
    plane = plane_of(off, Case.parse(off["case"]))
    assert (plane.place, plane.leading, plane.worst) == ((0, 1, 0, 1), (0, 1), (0, 1))
    assert plane.share.tolist() == [[0, 5]]


def test_the_element_that_the_message_names_is_the_worst():
    off = compared([[[[1, 2]]]], [[[[9, 9]]]], message="output[0, 0, 0, 1] = 2, expected 9: off by 7")
    assert plane_of(off, Case.parse(off["case"])).place == (0, 0, 0, 1)


def test_a_number_that_json_lacks_is_read():
    off = compared([[[["nan", "-inf", 1]]]], [[[["nan", "inf", 1]]]])
    plane = plane_of(off, Case.parse(off["case"]))
    assert plane.share.tolist() == [[0, np.inf, 0]]


def test_a_complex_number_is_read():
    off = finding(arrays=[{"name": "got", "shape": [1], "dtype": "complex64", "values": ["1-2j"]}])
    assert arrays_of(off)["got"].tolist() == [1 - 2j]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (3.0, "3"),
        (-0.0, "-0"),
        (0.5, "0.5"),
        (float("nan"), "nan"),
        (float("-inf"), "-\u221e"),
        (1 - 2j, "1-2j"),
    ],
)
def test_a_number_is_written_short(number, text):
    assert written(number) == text


def test_answers_of_other_shapes_stand_side_by_side():
    figures = figures_of(compared([[[[1.0, 2.0]]]], [[[[1.0, 2.0, 3.0]]]]))
    assert [title for title, _ in figures.pictures] == [
        "got, shape (1, 1, 1, 2)",
        "expected, shape (1, 1, 1, 3)",
    ]
    assert "the window at (0, 2)" in figures.drawing.sentence


def test_an_array_of_too_many_numbers_is_named_alone():
    shown = figures_of(finding(arrays=[array("input", [1.0] * 601), array("weight", [1.0] * 600)])).arrays
    assert [(table.name, bool(table.planes), bool(table.left_out)) for table in shown] == [
        ("input", False, True), ("weight", True, False)
    ]  # fmt: skip


def test_a_large_plane_is_shown_around_its_worst_element():
    expected = np.zeros((1, 1, 60, 60))
    got = expected.copy()
    got[0, 0, 50, 55] = 1
    off = compared(got.tolist(), expected.tolist(), case="conv2d image=60,60")
    _, svg = next(grids.comparison(plane_of(off, Case.parse(off["case"]))))
    assert f"{grids.MOST} by {grids.MOST}: 1 of 1600" in svg


# The window that shows it.


def reached(case, at):
    """The pixels that one element of an answer depends on, along the last axis: by asking the reference."""
    arrays = {name: np.ones_like(array) for name, array in fill(case).items()}
    before = oracle("reference")(case, arrays)["output"]
    found = []
    for pixel in range(case.image[-1]):
        changed = {**arrays, "input": arrays["input"].copy()}
        changed["input"][..., pixel] += 100
        if (oracle("reference")(case, changed)["output"] != before)[..., at].any():
            found.append(pixel)
    return found


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("conv2d image=7,7 kernel=3,3", 2),
        ("conv2d image=7,9 kernel=3,3 stride=2 padding=1", 0),
        ("conv2d image=7,9 kernel=2,3 dilation=2 padding=2", 6),
        ("conv1d image=6 kernel=4 padding=same", 5),
        ("avg_pool2d image=7,8 kernel=2,3 stride=3 ceil_mode=true", 2),
        ("adaptive_avg_pool2d image=7,8 output_size=3", 1),
        ("adaptive_max_pool1d image=8 output_size=5", 3),
        ("avg_pool3d image=4,5,6 kernel=2,2,2 padding=1", 3),
    ],
)
def test_the_taps_of_a_window_are_the_pixels_that_its_answer_depends_on(text, at):
    case = Case.parse(text)
    axis = axes_of(case, "output", (0, 0, *[at] * case.dimensions))[-1]
    inside = [pixel for pixel in axis.taps if 0 <= pixel < axis.extent]
    assert inside == reached(case, at)


@pytest.mark.parametrize(
    ("text", "output", "place", "window", "marked"),
    [
        ("conv2d image=1,7 kernel=1,3 stride=1,2", "output", (0, 0, 0, 2), 2, None),
        ("conv2d image=1,7 kernel=1,3 stride=1,2", "grad_input", (0, 0, 0, 4), 1, 4),
        ("conv2d image=1,7 kernel=1,3 stride=1,2", "grad_weight", (0, 0, 0, 1), 0, 1),
        ("conv2d image=1,7 kernel=1,3 stride=1,2 bias=true", "grad_bias", (0,), 0, None),
        ("conv_transpose2d image=1,3 kernel=1,3 stride=1,2", "output", (0, 0, 0, 4), 1, 4),
        ("conv_transpose2d image=1,3 kernel=1,3 stride=1,2", "grad_input", (0, 0, 0, 2), 2, None),
    ],
)
def test_the_window_is_one_that_has_to_do_with_the_element(text, output, place, window, marked):
    axis = axes_of(Case.parse(text), output, place)[-1]
    assert (axis.window, axis.marked) == (window, marked)


@pytest.mark.parametrize("output", ["output", "grad_input"])
def test_a_window_far_away_is_drawn_with_what_lies_around_it(output):
    (axis,) = axes_of(Case.parse("conv1d image=70003 kernel=3"), output, (0, 0, 60_001))
    assert 60_001 in axis.taps and {*axis.taps} <= {*axis.pixels} == axis.read
    assert len(axis.pixels) == SHOWN


def test_what_a_last_window_reaches_over_is_padding():
    axis = axes_of(Case.parse("avg_pool2d image=5,5 kernel=2,2 stride=2 ceil_mode=true"), "output", None)[-1]
    assert (axis.pads, axis.pixels) == ((0, 1), range(6))


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_window_is_drawn_of_every_operation(name):
    case = Case.of(name, image=(5, 5, 5)[: OPERATIONS[name].dimensions])
    assert "inside" in dict(drawing_of(case, "output", None).legend)


def test_a_drawing_says_what_it_shows_in_numbers():
    case = Case.parse("conv2d image=5,7 kernel=2,3 stride=2,1 padding=0,1 dilation=2")
    assert drawing_of(case, "output", (0, 0, 1, 2)).sentence == (
        "image 5 \u00d7 7; filter 2 \u00d7 3; stride 2 \u00d7 1; padding 0, 1; dilation 2 \u00d7 2; "
        "drawn: the window at (1, 2) of (h, w)"
    )


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("conv2d image=5,5 stride=2", "unread"),
        ("conv2d kernel=3,3 image=3,3 padding=1", "padding"),
        ("conv2d kernel=3,3 image=3,3 padding=1", "outside"),
        ("conv2d image=5,5", "next"),
    ],
)
def test_a_mark_is_explained_where_it_is_drawn(text, kind):
    drawing = drawing_of(Case.parse(text), "output", (0, 0, 0, 0))
    assert kind in dict(drawing.legend) and kind in drawing.svg


@pytest.mark.parametrize("text", ["conv2d image=1,1 kernel=3,3", "conv2d stride=0"])
def test_a_case_that_pytorch_refuses_has_no_drawing(text):
    assert drawing_of(Case.parse(text), "output", None) is None


def test_a_case_of_another_version_has_no_figures():
    assert figures_of(finding("conv2d image=1,3 unheard_of=2")).drawing is None
