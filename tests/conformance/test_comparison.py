"""Two reports beside each other, and failures that were there already."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from conformance import Subject
from conformance.cases import Case
from conformance.cli import main
from conformance.reports import baseline, comparison
from conformance.reports.baseline import Baseline, mark
from conformance.reports.data import as_data
from conformance.reports.document import document
from conformance.reports.entries import Entry, matched
from conformance.reports.lines import plain
from conformance.reports.run_info import RunInfo
from conformance.verdicts.judgement import Judgement
from conformance.verdicts.verdict import Failure, Report, Row, Unit

RUN = RunInfo("torch", answers=frozenset({"exact"}), seconds=10.0)
SUBJECT = Subject({"conv2d": lambda input, weight: None}, name="a.py", framework="numpy")
BOTH = replace(SUBJECT, kernels={"conv2d": len, "max_pool2d": len})
ASKED = {("conv2d", "exact float32")}


def entry(case="conv2d stride=2", output="output", status="differs", diagnosis=""):
    return Entry("conv2d", output, status, case, diagnosis, ("exact float32",))


def row(output="output", requirement="exact", operation="conv2d", **fields):
    fields = {"cases": 3, "varied": True, "seconds": 2.0} | fields
    return Row(Unit(operation, requirement, "float32"), output, **fields)


def failure(case="conv2d stride=2", output="output", **fields):
    case = Case.parse(case)
    return Failure(case, Judgement(output, "differs", 2.0, True, "off"), case, **fields)


def data(*rows, run=RUN, subject=SUBJECT, **fields):
    return as_data(document(Report(subject, list(rows), **fields), run))


# Which failures are the same.


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (entry(), entry()),
        (entry(diagnosis="stride dropped"), entry("conv2d stride=3", diagnosis="stride dropped")),
        (entry(diagnosis="stride dropped"), entry(diagnosis="in other words")),
    ],
)
def test_failures_on_one_case_or_of_one_diagnosis_are_the_same(one, other):
    assert matched([one], [other], ASKED, alike=True).known == {0: one}


@pytest.mark.parametrize(
    "other",
    [
        entry(output="grad_input"),
        entry(status="crashed"),
        entry("conv2d padding=1"),
        entry("conv2d stride=2 padding=1"),
        entry("conv2d image=3,3 stride=2"),
    ],
)
def test_a_failure_elsewhere_is_new(other):
    assert matched([entry()], [other], ASKED, alike=True).new == [0]


def test_between_runs_that_drew_other_cases_a_failure_is_known_by_the_options_that_it_needs():
    one, other = entry(), entry("conv2d image=3,3 stride=2")
    assert matched([one], [other], ASKED, alike=False).known == {0: one}


@pytest.mark.parametrize(
    "other",
    [entry("conv2d padding=1"), entry("conv2d image=3,3 stride=2", diagnosis="another mistake")],
)
def test_between_such_runs_what_needs_others_or_is_another_mistake_is_new(other):
    assert matched([entry(diagnosis="stride dropped")], [other], ASKED, alike=False).new == [0]


def test_between_such_runs_one_earlier_failure_stands_for_one_later_one():
    later = [entry("conv2d image=3,3 stride=2"), entry("conv2d image=5,5 stride=2")]
    assert matched([entry()], later, ASKED, alike=False).new == [1]


def test_a_case_that_another_version_wrote_is_no_error():
    assert matched([entry("conv2d colour=2")], [entry()], ASKED, alike=False).new == [0]


def test_a_failure_is_gone_only_where_it_was_asked_for():
    assert matched([entry()], [], ASKED, alike=True).gone == [entry()]
    assert matched([entry()], [], {("conv2d", "sizes float32")}, alike=True).unasked == [entry()]


# compare.


def compared(old, new, factor=2.0):
    return comparison.compare(old, new, factor)


def told(old, new, factor=2.0):
    return [plain(line) for line in comparison.lines(compared(old, new, factor), 200)]


RIGHT, WRONG = data(row()), data(row(failure=failure()))
EXCUSED = as_data(
    document(Report(SUBJECT, [row(failure=failure())]), RUN, Baseline("known.json", (), [entry()]))
)
NEW = 'new       conv2d output differs on "conv2d stride=2": conformance replay a.py "conv2d stride=2"'
CHANGES = {  # old, new, verdict, lines in between
    "nothing": (WRONG, WRONG, "the same: no verdict changed", []),
    "a new failure": (
        RIGHT, WRONG, "worse: 1 new failure, 1 verdict worse",
        [NEW, "worse     conv2d output by exact (float32): conforms, now differs"],
    ),
    "a failure gone": (
        WRONG, RIGHT, "better: 1 failure gone, 1 verdict better",
        ['gone      conv2d output differs on "conv2d stride=2"',
         "better    conv2d output by exact (float32): differs, now conforms"],
    ),
    "a failure declared": (
        WRONG, data(row(), row("grad_input"), row(failure=failure(known="later"))),
        "better: 1 verdict better",
        ["better    conv2d output by exact (float32): differs, now known failure",
         "judged    conv2d grad_input by exact (float32): not before"],
    ),
    "an output no longer claimed": (
        data(row(), row("grad_input")), data(row(), row("grad_input", cases=0, not_claimed=3)),
        "worse: 1 verdict worse",
        ["worse     conv2d grad_input by exact (float32): conforms, now not claimed"],
    ),
    "an operation lost": (
        data(row(), row(operation="max_pool2d"), subject=BOTH), RIGHT, "worse: 1 operation lost",
        ["lost      max_pool2d: the subject has no such function any more"],
    ),
    "less asked": (
        data(row(), row(requirement="sizes")), RIGHT, "the same: no verdict changed",
        ["dropped   conv2d output by sizes (float32): not any more"],
    ),
    "a stale known failure": (
        RIGHT, data(row(), stale=["conv2d stride=2"]), "worse: the run does not pass any more", [],
    ),
    "a stale known failure beside others": (
        WRONG, data(row(failure=failure()), stale=["conv2d"]), "worse: the run does not pass any more", [],
    ),
    "nothing tested": (
        RIGHT, data(row(varied=False)), "worse: 1 verdict worse",
        ["worse     conv2d output by exact (float32): conforms, now untested"],
    ),
    "a baseline": (WRONG, EXCUSED, "the same: no verdict changed", []),
    "no baseline any more": (EXCUSED, WRONG, "the same: no verdict changed", []),
    "a larger error": (
        data(row(share=0.2)), data(row(share=0.5)), "the same: no verdict changed",
        ["accuracy  conv2d output exact float32: worst error 0.2 of its bound, now 0.5"],
    ),
    "an error that hardly moved": (data(row(share=0.2)), data(row(share=0.3)), "the same: no verdict changed", []),
    "an error of a few roundings": (data(row(share=1e-6)), data(row(share=5e-3)), "the same: no verdict changed", []),
    "advice": (
        RIGHT, data(row(advice={"it prints": "conv2d"})), "the same: no verdict changed", [],
    ),
    "a slower run": (
        data(row()), data(row(seconds=5.0)), "the same: no verdict changed",
        ["time      conv2d exact: 2.0 s, now 5.0 s"],
    ),
    "milliseconds": (
        data(row(seconds=0.01)), data(row(seconds=0.5)), "the same: no verdict changed", [],
    ),
    "an interrupted run": (WRONG, data(row(cases=1), interrupted=True), "the same: no verdict changed", []),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_compare_tells_what_changed(name):
    old, new, verdict, lines = CHANGES[name]
    _, *between, last = told(old, new)
    assert (between, last) == (lines, verdict)


@pytest.mark.parametrize("name", CHANGES)
def test_only_what_is_worse_fails_a_comparison(name):
    old, new, verdict, _ = CHANGES[name]
    assert compared(old, new).is_worse == verdict.startswith("worse")


def test_compare_takes_the_factor_that_is_asked_for():
    old, new = data(row(share=0.2)), data(row(share=0.3))
    assert len(compared(old, new, 1.2).accuracy) == 1


def test_compare_tells_where_a_failure_is_seen_on_another_case():
    old = data(row(failure=failure(diagnosis="stride dropped")))
    new = data(row(failure=failure("conv2d stride=3", diagnosis="stride dropped")))
    (line,) = told(old, new)[1:-1]
    assert line.startswith('again     conv2d output differs on "conv2d stride=3"')
    assert line.endswith(', before on "conv2d stride=2"')


def test_compare_of_another_seed_knows_a_failure_by_its_options():
    new = data(row(failure=failure("conv2d image=3,3 stride=2")), run=replace(RUN, seed=1))
    assert compared(WRONG, new).new == []


def test_a_failure_as_which_another_was_seen_is_one_of_both_runs():
    both = data(row(failure=failure()), row("grad_input", failure=failure(output="grad_input")))
    assert [each["also"] != [] for each in both["failures"]] == [True]
    assert [each.output for each in compared(WRONG, both).new] == ["grad_input"]


@pytest.fixture
def command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, of in {
        "right": RIGHT,
        "wrong": WRONG,
        "newer": RIGHT | {"schema": 2},
        "other": {"schema": 1},
    }.items():
        Path(f"{name}.json").write_text(json.dumps(of))
    Path("text.json").write_text("no JSON")
    Path("list.json").write_text("[]")
    Path("torn.json").write_text(
        '{"conformance_baseline": 1, "subjects": {"a.py": {"failures": [{"case": 1}]}}}'
    )
    Path("early.json").write_text(
        json.dumps({name: of for name, of in RIGHT.items() if name != "conclusion"})
    )
    Path("strange.json").write_text('{"conformance_baseline": 2}')
    return lambda *words: CliRunner(env={"COLUMNS": "200"}).invoke(main, words, prog_name="conformance")


@pytest.mark.parametrize(("old", "new", "status"), [("right", "wrong", 1), ("wrong", "right", 0)])
def test_the_exit_status_of_compare_says_whether_anything_is_worse(old, new, status, command):
    assert command("compare", f"{old}.json", f"{new}.json").exit_code == status


def test_compare_writes_json(command):
    result = command("compare", "right.json", "wrong.json", "--json", "-")
    said = json.loads(result.stdout)
    assert (said["comparison"], said["verdicts"]) == ("worse", ["conforms", "differs"])
    assert said["new"][0]["replay"] == 'conformance replay a.py "conv2d stride=2"'
    assert "worse: 1 new failure" in result.stderr


NO_REPORT = {
    "none.json": "cannot be read: No such file or directory",
    "text.json": "is no JSON: Expecting value: line 1 column 1 (char 0)",
    "list.json": "holds no JSON object but list",
    "other.json": "is no report that conformance run --json FILE writes",
    "newer.json": "has schema 2; this version reads 1",
    "early.json": "has no conclusion: an earlier version wrote it, so run it again",
}


@pytest.mark.parametrize("file", NO_REPORT)
@pytest.mark.parametrize("words", [["compare", "right.json"], ["baseline", "update", "known.json"]])
def test_what_is_no_report_is_told(words, file, command):
    result = command(*words, file)
    assert result.exit_code == 2
    assert result.output.splitlines()[-1] == f"Error: {file}: {NO_REPORT[file]}"
    assert not Path("known.json").exists()


# A baseline.


def marked(*rows, entries=(), seed=0, **fields):
    """What a run says of a baseline, and its report."""
    report = Report(SUBJECT, list(rows), **fields)
    drawn = (RUN.profile, seed, baseline.versions().get(baseline.PROJECT, ""))
    return mark(report, RUN, Baseline("known.json", drawn, entries)), report


def test_a_failure_of_the_baseline_decides_nothing():
    known, report = marked(row(failure=failure()), row("grad_input"), entries=[entry()])
    assert (known.seen, known.gone, report.passed, report.verdict) == (1, [], True, "conforms")
    assert report.rows[0].verdict == "known failure"


def test_a_run_whose_every_row_fails_as_it_did_passes():
    _, report = marked(row(failure=failure()), entries=[entry()])
    assert report.passed


def test_a_failure_that_the_baseline_has_not_fails_the_run():
    _, report = marked(
        row(failure=failure()), row("grad_input", failure=failure(output="grad_input")), entries=[entry()]
    )
    assert [each.verdict for each in report.rows] == ["known failure", "differs"]
    assert not report.passed


def test_a_new_failure_behind_a_known_one_of_its_row_fails_the_run():
    both = row(failure=failure(), others=[failure("conv2d padding=1")])
    _, report = marked(both, entries=[entry()])
    assert (str(both.failure.case), both.verdict, report.passed) == ("conv2d padding=1", "differs", False)


def test_a_stale_known_failure_of_the_subject_fails_the_run_whatever_the_baseline():
    _, report = marked(row(failure=failure()), entries=[entry()], stale=["conv2d"])
    assert not report.passed


def test_what_is_gone_is_told_and_fails_nothing():
    known, report = marked(row(), entries=[entry()])
    assert (known.gone, report.passed) == ([entry()], True)


@pytest.mark.parametrize("how", [{"interrupted": True}, {"limited": "ended at the first failure"}])
def test_a_run_that_did_not_judge_all_calls_nothing_gone(how):
    known, _ = marked(row(), entries=[entry()], **how)
    assert (known.gone, known.unasked) == ([], 1)


def test_the_conclusion_names_the_baseline():
    made = Report(SUBJECT, [row(failure=failure()), row("grad_input")])
    last = document(made, RUN, Baseline("known.json", (), [entry()])).conclusion
    assert last.words == "conforms but for 1 known failure of known.json"
    assert last.because == "3 cases, 2 verdicts"


def test_the_conclusion_counts_what_is_known_beside_what_is_new():
    new = row("grad_input", failure=failure(output="grad_input"))
    made = Report(SUBJECT, [row(failure=failure()), new])
    last = document(made, RUN, Baseline("known.json", (), [entry()])).conclusion
    assert last.because == "conv2d grad_input differs (3 cases); beside 1 known failure of known.json"


def test_a_file_has_a_line_for_each_failure_and_none_that_moves(command):
    command("baseline", "update", "known.json", "wrong.json")
    lines = Path("known.json").read_text().splitlines()
    (line,) = [line for line in lines if '"status"' in line]
    assert json.loads(line) == entry()._asdict() | {"found_by": ["exact float32"]}
    command("baseline", "update", "known.json", "wrong.json")
    assert Path("known.json").read_text().splitlines() == lines


def test_the_failures_of_a_file_are_sorted():
    both = (failure(), failure("conv2d padding=1"))
    orders = [data(*(row(failure=each) for each in some)) for some in (both, both[::-1])]
    of = [baseline.updated("known.json", {}, run)["subjects"]["a.py"]["failures"] for run in orders]
    assert [each["case"] for each in of[0]] == ["conv2d padding=1", "conv2d stride=2"]
    assert of[0] == of[1]


def test_an_update_keeps_what_the_file_has_of_other_subjects(command):
    Path("b.json").write_text(json.dumps(data(row(), subject=replace(SUBJECT, name="b.py"))))
    command("baseline", "update", "known.json", "wrong.json")
    result = command("baseline", "update", "known.json", "b.json")
    assert result.output == "known.json: 0 known failures of b.py, 0 before\n"
    assert [*json.loads(Path("known.json").read_text())["subjects"]] == ["a.py", "b.py"]


def test_an_update_by_a_run_with_a_baseline_keeps_what_is_known():
    report = Report(SUBJECT, [row(failure=failure())])
    of_run = as_data(document(report, RUN, Baseline("known.json", (), [entry()])))
    assert of_run["failures"][0]["baseline"] == "known.json"
    assert len(baseline.updated("known.json", {}, of_run)["subjects"]["a.py"]["failures"]) == 1


def test_an_update_leaves_out_what_the_subject_declares_itself():
    of_run = data(row(failure=failure(known="later")))
    assert baseline.updated("known.json", {}, of_run)["subjects"]["a.py"]["failures"] == []


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("text.json", "text.json: is no JSON: Expecting value: line 1 column 1 (char 0)"),
        ("right.json", "right.json: holds something else than a baseline, which is not written over"),
        ("strange.json", "strange.json: has format 2; this version reads 1"),
        ("torn.json", "torn.json: is no whole baseline any more; delete it, and update it from a run"),
    ],
)
def test_an_update_writes_over_nothing_else(file, said, command):
    before = Path(file).read_text()
    result = command("baseline", "update", file, "wrong.json")
    assert (result.exit_code, result.output.splitlines()[-1]) == (2, f"Error: {said}")
    assert Path(file).read_text() == before


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"verdict": "interrupted"}, "the run did not judge all, so it does not say what fails"),
        (
            {"conclusion": WRONG["conclusion"] | {"limited": "ended"}},
            "the run did not judge all, so it does not say what fails",
        ),
        (
            {"subject": WRONG["subject"] | {"name": ""}},
            "its subject has no name, by which a later run could find its failures",
        ),
    ],
)
def test_an_update_takes_whole_runs_of_subjects_with_names(changed, said, command):
    Path("run.json").write_text(json.dumps(WRONG | changed))
    result = command("baseline", "update", "known.json", "run.json")
    assert (result.exit_code, result.output.splitlines()[-1]) == (2, f"Error: run.json: {said}")


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("none.json", "cannot be read: No such file or directory"),
        ("other.json", "is no report that conformance run --json FILE writes"),
        ("newer.json", "has schema 2; this version reads 1"),
        ("strange.json", "has format 2; this version reads 1"),
        ("torn.json", "is no whole baseline any more; delete it, and update it from a run"),
        (
            "wrong.json",
            "has nothing of b.py, but of a.py; conformance baseline update wrong.json RUN.json adds it",
        ),
    ],
)
def test_a_baseline_that_says_nothing_of_the_subject_is_told_before_anything_runs(file, said, command):
    result = command("run", "b.py", "--baseline", file)
    assert result.exit_code == 2
    assert result.output.splitlines()[-1] == f"Error: --baseline {file}: {said}"


def test_the_first_failure_and_a_baseline_do_not_go_together(command):
    result = command("run", "a.py", "-x", "--baseline", "wrong.json")
    assert result.exit_code == 2
    assert "--first-failure and --baseline: the first failure may be a known one" in result.output


# Three commits of a kernel that gets better and worse.

VERSIONS = {  # what each commit does to the kernel: its stride, its bias
    "first": ("stride=1", "bias"),
    "stride mended": ("stride=stride", "bias"),
    "bias broken": ("stride=stride", "None"),
}
KERNEL = """
import npcnn

def conv2d(input, weight, bias=None, stride=1):
    return npcnn.conv2d(input, weight, {bias}, {stride})
"""
HISTORY = """
set -e
git init -q .
commit() { git add -A && git -c user.name=me -c user.email=me@example.org commit -qm "$1"; }
run() { python -m conformance run kernel.py --in-process --oracle reference --profile quick \\
    --requirement exact --dtype float32 --no-cache "$@"; }

cp first.txt kernel.py; run --json first.json || true
python -m conformance baseline update known.json first.json; commit first

cp second.txt kernel.py; run --json second.json --baseline known.json; echo "second: $?"
python -m conformance compare first.json second.json; echo "first to second: $?"
python -m conformance baseline update known.json second.json; commit second

cp third.txt kernel.py; run --json third.json --baseline known.json || echo "third: $?"
python -m conformance compare second.json third.json || echo "second to third: $?"
git diff HEAD~1 --stat -- known.json
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
def test_compare_and_a_baseline_follow_a_kernel_that_gets_better_and_worse(tmp_path):
    for name, (stride, bias) in zip(("first", "second", "third"), VERSIONS.values(), strict=True):
        (tmp_path / f"{name}.txt").write_text(KERNEL.format(stride=stride, bias=bias))
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    root = str(Path(main.callback.__code__.co_filename).parents[2])
    environment = os.environ | {"PATH": path, "PYTHONPATH": root, "COLUMNS": "200"}
    shell = ["bash", "-c", HISTORY]
    ran = subprocess.run(shell, cwd=tmp_path, env=environment, capture_output=True, text=True)
    said = ran.stdout
    assert ran.returncode == 0, ran.stderr
    assert "known.json: 1 known failure of kernel.py, 0 before" in said
    assert "gone from known.json (conformance baseline update known.json RUN.json)" in said
    assert "second: 0" in said
    assert "better: 1 failure gone" in said
    assert "first to second: 0" in said
    assert "known.json: 0 known failures of kernel.py, 1 before" in said
    assert "third: 1" in said
    assert "worse: 1 new failure" in said
    assert "second to third: 1" in said
    assert "1 file changed" in said


def test_two_subjects_are_told_to_be_two():
    other = RIGHT | {"subject": RIGHT["subject"] | {"name": "b.py"}}
    assert "two subjects, not one before and after a change" in told(RIGHT, other)
    assert "two subjects, not one before and after a change" not in told(RIGHT, RIGHT)


@pytest.mark.parametrize("entry", ["verdict", "seconds", "versions"])
def test_a_report_that_was_edited_is_told(entry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("run.json").write_text(json.dumps(RIGHT))
    Path("edited.json").write_text(json.dumps({name: of for name, of in RIGHT.items() if name != entry}))
    ran = CliRunner().invoke(main, ["compare", "run.json", "edited.json"])
    assert (ran.exit_code, "run.json or edited.json: is no whole report of this version" in ran.output) == (
        2,
        True,
    )
