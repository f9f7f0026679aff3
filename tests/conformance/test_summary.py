"""The summary of a pytest session, from what its tests say."""

import pytest

from conformance.cases import Case
from conformance.suite.summary import summaries
from conformance.verdicts.judgement import Judgement
from conformance.verdicts.verdict import Failure, Row, Unit


def row(output="output", requirement="exact", **fields):
    made = {"cases": 3, "varied": True, "share": 0.5} | fields
    return Row(Unit("conv2d", requirement, "float32"), output, **made)


def wrong(output):
    case = Case.parse("conv2d image=1,3")
    return row(output, failure=Failure(case, Judgement(output, "differs"), case))


def said(*rows, subject="mine.py", **more):
    return {"subject": subject, "rows": [row.as_data() for row in rows]} | more


@pytest.mark.parametrize(
    ("every", "line"),
    [
        (
            [said(row()), said(row("grad_input", cases=2))],
            "conforms: mine.py: 3 cases, 2 verdicts; worst error 0.50 of what rounding explains",
        ),
        ([said(row()), said(wrong("grad_bias"))], "differs: mine.py: conv2d grad_bias differs (3 cases)"),
        ([said(row(), stale=["conv2d"])], "differs: mine.py: 1 known failure no longer fails (3 cases)"),
        ([said(no_verdict=["conv2d output"])], "no verdict: mine.py: conv2d output"),
        (
            [said(row(share=0.0)), said(no_verdict=["conv2d output"])],
            "no verdict: mine.py: conv2d output; the rest conforms: 3 cases, 1 verdict; every answer exact",
        ),
    ],
    ids=["right", "wrong", "stale", "no verdict", "no verdict of some"],
)
def test_a_line_says_what_all_tests_of_a_subject_say(every, line):
    (summary,) = summaries(every)
    assert str(summary) == line


def test_tests_that_had_no_turn_leave_no_verdict_but_a_failure():
    said_so_far = [said(row()), said(wrong("output"), subject="other.py")]
    verdicts = {each.subject: each.verdict for each in summaries(said_so_far, interrupted=True)}
    assert verdicts == {"mine.py": "interrupted", "other.py": "differs"}


def test_bad_arguments_alone_make_a_kernel_untested():
    (summary,) = summaries([said(row(refuses=True), row("grad_input", cases=0, not_claimed=9))])
    assert summary.verdict == "untested"


def test_each_subject_has_a_line_of_its_own():
    lines = summaries([said(row()), said(wrong("output"), subject="other.py"), said(row("grad_input"))])
    assert [(each.subject, each.verdict) for each in lines] == [
        ("mine.py", "conforms"),
        ("other.py", "differs"),
    ]
