"""The pytest suite and its plugin, in pytest sessions of their own."""

import os
import re
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import conformance
import npcnn
from conformance import Subject
from conformance.requirements import REQUIREMENTS
from conformance.running.judge import judge
from conformance.running.settings import Settings
from conformance.suite.matrix import Matrix, outputs

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.slow
pytest.importorskip("torch")  # now: a test takes away what it imported, and PyTorch cannot be imported twice

REPOSITORY = Path(conformance.__file__).parents[1]
PLUGIN = "conformance.pytest_plugin"
INSTALLED = any(entry.value == PLUGIN for entry in entry_points(group="pytest11"))
SUITE = ("--pyargs", "conformance.suite")
QUICK = (
    "--conformance-oracle",
    "reference",
    "--conformance-profile",
    "quick",
    "--conformance-dtype",
    "float32",
)

BIAS_IGNORED = """
import npcnn

def conv2d(input, weight, bias=None):
    return npcnn.conv2d(input, weight)
"""

CRASHES = """
import os, npcnn

def avg_pool2d(input, kernel_size, stride=None):
    if input.shape[0] == 2:
        os.abort()
    return npcnn.avg_pool2d(input, kernel_size, stride=stride)
"""


@pytest.fixture
def session(pytester, monkeypatch):
    """Run pytest in a folder of its own: in this process, or where workers are to live and die, in another."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    plugin = () if INSTALLED else ("-p", PLUGIN)

    def run(*arguments, apart=False, **files):
        for name, source in files.items():
            pytester.makepyfile(**{name: source})
        arguments = ("-p", "no:cacheprovider", *arguments, *plugin)
        if apart:
            return pytester.runpytest_subprocess(*arguments, timeout=120)
        return pytester.runpytest_inprocess(*arguments, "--conformance-in-process")

    return run


def requirement(*names):
    return [word for name in names for word in ("--conformance-requirement", name)]


def test_a_right_kernel_passes(session):
    result = session(
        *SUITE, "--subject", "npcnn", *QUICK, *requirement("empty"), "--conformance-op", "avg_pool2d", "-v"
    )
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*test_subject[[]avg_pool2d-grad_input-empty-float32[]] PASSED*"])
    result.stdout.fnmatch_lines(
        ["conforms: npcnn: 31 cases, 2 verdicts; worst error * of what rounding explains"]
    )


def test_the_command_of_a_failure_has_the_timeout(session):
    arguments = (*SUITE, "--subject", "wrong.py", *QUICK, *requirement("empty"), "--conformance-timeout", "7")
    session(*arguments, wrong=BIAS_IGNORED).stdout.fnmatch_lines(["*replay wrong.py *--timeout 7"])


@pytest.mark.parametrize("workers", [(), ("-n", "2", "-v")], ids=["alone", "xdist"])
def test_a_wrong_kernel_fails_in_a_few_lines(workers, session):
    arguments = (*SUITE, "--subject", "wrong.py", *QUICK, *requirement("empty", "arguments"), *workers)
    result = session(*arguments, apart=bool(workers), wrong=BIAS_IGNORED)
    assert result.ret == 1
    result.assert_outcomes(failed=1, passed=1, skipped=3)
    result.stdout.fnmatch_lines([
        "*_ test_subject[[]conv2d-output-empty-float32*[]]*_*",
        "conv2d output  DIFFERS  output[[]0, 0, 0, 0[]] = *, expected *",
        "            smallest case   conv2d bias=true",
        "            found by        empty (float32)",
        '            run it again    conformance replay wrong.py "conv2d bias=true" --oracle reference',
        "differs: wrong.py: conv2d output differs (* cases)",
    ])  # fmt: skip
    assert "Traceback" not in result.stdout.str()
    assert "matrix.py" not in result.stdout.str()
    if workers:
        ran = re.findall(r"\[(gw\d)\].* test_subject.py::test_subject\[conv2d-\w+-empty", result.stdout.str())
        assert len(ran) == 4 and len(set(ran)) == 1  # what is judged together is kept together


def test_what_is_not_claimed_is_skipped_with_the_reason(session):
    result = session(
        *SUITE, "--subject", "wrong.py", *QUICK, *requirement("empty"), "-rs", wrong=BIAS_IGNORED
    )
    result.stdout.fnmatch_lines(["*not claimed: grad_weight (no conv2d_backward)*"])


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_crash_fails_its_tests_and_the_session_ends_in_order(workers, session):
    arguments = (*SUITE, "--subject", "crashes.py", *QUICK, *requirement("empty", "arguments"), *workers)
    result = session(*arguments, apart=True, crashes=CRASHES)
    result.assert_outcomes(failed=1, passed=1, skipped=1)
    result.stdout.fnmatch_lines(
        ["avg_pool2d output  CRASHED*", "            smallest case   avg_pool2d*batch=2*"]
    )


def test_bad_arguments_alone_are_no_verdict_on_a_kernel(session):
    source = """
import conformance, npcnn
kernel = conformance.Subject({"avg_pool2d": npcnn.avg_pool2d}, only=lambda case: False)
"""
    arguments = (*SUITE, "--subject", "nothing.py", *QUICK)
    result = session(*arguments, *requirement("empty", "arguments"), nothing=source)
    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(["untested: nothing.py: avg_pool2d: no case that was asked is claimed, *"])
    assert result.ret == 1
    result = session(*arguments, *requirement("arguments"))
    result.stdout.fnmatch_lines(["conforms: nothing.py: * cases, 1 verdict; *"])


@pytest.mark.parametrize("strict", [False, True])
def test_the_summary_tells_what_a_kernel_is_advised_of(session, strict):
    source = """
import npcnn

def avg_pool2d(input, kernel_size, padding=0):
    return npcnn.avg_pool2d(input, kernel_size, padding=max(padding, 0) if isinstance(padding, int) else padding)
"""
    options = ("--conformance-strict",) if strict else ()
    arguments = (*SUITE, "--subject", "lenient.py", *QUICK, *requirement("empty", "arguments"), *options)
    result = session(*arguments, lenient=source)
    told = "advice: lenient.py: avg_pool2d: bad arguments answered: padding=-1 is below 0"
    assert (told in result.outlines) is not strict
    assert result.ret == strict


def test_the_summary_counts_the_cases_that_are_claimed(session):
    source = """
import conformance, npcnn
kernel = conformance.Subject({"avg_pool2d": npcnn.avg_pool2d}, only=lambda case: case.batch == 2)
"""
    result = session(*SUITE, "--subject", "twos.py", *QUICK, *requirement("empty"), twos=source)
    result.stdout.fnmatch_lines(["conforms where asked: twos.py: 6 cases, 1 verdict; *"])


def test_the_summary_tells_of_a_function_that_is_not_asked_because_of_its_name(session):
    source = BIAS_IGNORED + "def maxpool2d(x): ..."
    result = session(*SUITE, "--subject", "slip.py", *QUICK, *requirement("arguments"), slip=source)
    result.stdout.fnmatch_lines(["maxpool2d is not called; did you mean max_pool2d[?]"])


ENDING = """
import conformance, npcnn

@conformance.matrix(npcnn, profile="quick", oracle="reference", operations="avg_pool2d", requirements=["empty"])
def test_first(verdict):
    verdict.check()

def test_then():
    {end}
"""
INTERRUPTED = "interrupted: npcnn: nothing wrong in * cases, but the rest was not judged"


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_a_session_that_ends_early_does_not_say_that_a_kernel_conforms(workers, session):
    own = ENDING.format(end="raise KeyboardInterrupt")
    result = session("test_own.py", *workers, apart=True, test_own=own)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines([INTERRUPTED])


def test_tests_that_a_failure_elsewhere_stops_do_not_say_that_a_kernel_conforms(session):
    result = session("test_own.py", "-x", test_own=ENDING.format(end="assert False"))
    result.stdout.fnmatch_lines([INTERRUPTED])


def test_a_failure_is_told_once_and_referred_to_by_other_tests(session):
    asked = (*SUITE, "--subject", "wrong.py", *QUICK, *requirement("empty", "exact"))
    result = session(*asked, wrong=BIAS_IGNORED)
    assert result.stdout.str().count("smallest case") == 1
    told = "conv2d output  DIFFERS  as told by test_subject[[]conv2d-output-*-float32[]] (conv2d bias=true)"
    result.stdout.fnmatch_lines([told])


def test_a_failure_is_logged_as_it_is_found_where_the_log_is_shown(session):
    arguments = (*SUITE, "--subject", "wrong.py", *QUICK, *requirement("empty"), "--log-cli-level=INFO")
    live = session(*arguments, wrong=BIAS_IGNORED).stdout
    live.fnmatch_lines(["*live log call*", "INFO*conv2d output differs  conv2d bias=true", "*= FAILURES =*"])


@pytest.mark.parametrize("folder", [".", "below"])
def test_the_line_of_a_failure_begins_with_its_verdict_and_has_an_id_that_can_be_run(
    folder, session, pytester
):
    pytester.makeini("[pytest]")
    (pytester.path / folder).mkdir(exist_ok=True)
    os.chdir(pytester.path / folder)
    Path("wrong.py").write_text(BIAS_IGNORED)
    asked = ("--subject", "wrong.py", *QUICK, *requirement("empty"))
    lines = session(*SUITE, *asked).stdout.lines
    (verdict, name) = next(line.split()[:2] for line in lines if line.startswith("DIFFERS "))
    assert (verdict, name) == (
        "DIFFERS",
        "conformance.suite.test_subject::test_subject[conv2d-output-empty-float32]",
    )
    session("--pyargs", name, *asked).assert_outcomes(failed=1)


def test_a_test_of_a_known_failure_can_be_run_by_its_id(session):
    source = """
import conformance, npcnn
kernel = conformance.Subject({"conv2d": npcnn.conv2d}, known_failures={"conv2d stride=1,2 bias=true": "later"})
"""
    name = "conformance.suite.test_subject::test_subject[known failure: conv2d stride=1,2 bias=true]"
    result = session("--pyargs", name, "--subject", "known.py", *QUICK, known=source)
    result.stdout.fnmatch_lines([f"STALE {name.replace('[', '[[]').replace(']]', '[]]')}*"])


def test_two_subjects_at_once_are_refused(session):
    result = session(*SUITE, "--subject", "npcnn", "--subject", "other.py", *QUICK)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --subject npcnn --subject other.py: one at a time"])


def test_a_known_failure_is_expected_and_must_still_fail(session):
    known = (
        BIAS_IGNORED
        + """
import conformance
kernel = conformance.Subject(globals(), known_failures={"conv2d bias=true": "bias comes later"})
"""
    )
    result = session(*SUITE, "--subject", "known.py", *QUICK, *requirement("empty"), "-rx", known=known)
    result.assert_outcomes(xfailed=1, passed=1, skipped=3)
    result.stdout.fnmatch_lines(["*bias comes later (conv2d bias=true)*"])


def test_a_known_failure_that_no_longer_fails_fails(session):
    stale = """
import conformance, npcnn
kernel = conformance.Subject({"conv2d": npcnn.conv2d}, known_failures={"conv2d bias=true": "bias comes later"})
"""
    result = session(*SUITE, "--subject", "stale.py", *QUICK, *requirement("arguments"), stale=stale)
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["stale known failure, take it out of known_failures: conv2d bias=true"])


def test_what_a_declared_accuracy_rules_out_is_skipped(session):
    source = """
import conformance, npcnn
kernel = conformance.Subject({"conv2d": npcnn.conv2d}, accuracy="fft")
"""
    result = session(*SUITE, "--subject", "fft.py", *QUICK, *requirement("special"), fft=source)
    assert set(result.parseoutcomes()) == {"skipped"}


def test_a_dtype_that_is_not_declared_is_untested(session):
    dtype = ("--conformance-dtype", "float16", "--conformance-op", "conv2d", "-rs")
    result = session(*SUITE, "--subject", "npcnn", *requirement("empty"), *dtype)
    assert (result.ret, set(result.parseoutcomes())) == (1, {"skipped"})
    result.stdout.fnmatch_lines(["*not claimed: float16 (dtypes= of a conformance.Subject does not name it)"])


def test_what_ran_no_case_fails(session, monkeypatch):
    assert outputs("conv2d", "empty", "quick")  # listed while there are cases, and remembered
    monkeypatch.setitem(REQUIREMENTS, "empty", replace(REQUIREMENTS["empty"], cases=lambda plan: iter(())))
    own = "import npcnn\n\ndef conv2d(input, weight):\n    return npcnn.conv2d(input, weight)\n"
    result = session(*SUITE, "--subject", "none.py", *QUICK, *requirement("empty"), none=own)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["conv2d-output-empty-float32 untested: no case was judged"])


def test_the_matrix_decorator_judges_kernels_in_ones_own_tests(session):
    own = """
import conformance, wrong

@conformance.matrix(wrong, profile="quick", oracle="reference", requirements=["empty"], dtypes=["float32"])
def test_wrong(verdict):
    verdict.check()
"""
    result = session("test_own.py", test_own=own, wrong=BIAS_IGNORED)
    result.assert_outcomes(failed=1, skipped=3)
    result.stdout.fnmatch_lines(
        ["*_ test_wrong[[]conv2d-output-empty-float32[]] _*", "*conformance replay wrong *"]
    )
    result.stdout.fnmatch_lines(["differs: wrong: conv2d output differs*"])


def test_the_matrix_decorator_takes_a_word_alone():
    words = {"operations": "conv2d", "requirements": "exact", "dtypes": "float32"}
    made = conformance.matrix(npcnn, oracle="reference", profile="quick", **words)
    names = [parameter.id for parameter in made.args[1]]
    assert names[0] == "conv2d-output-exact-float32"
    assert {name.partition("-exact-")[2] for name in names} == {"float32"}


def test_the_matrix_decorator_takes_an_object_made_in_the_test_file(session):
    own = """
import conformance, npcnn
from types import SimpleNamespace

@conformance.matrix(SimpleNamespace(avg_pool2d=npcnn.avg_pool2d), oracle="reference", requirements=["empty"])
def test_own(verdict):
    verdict.check()
"""
    session("test_own.py", test_own=own).assert_outcomes(passed=2, skipped=2)


def test_collecting_is_the_same_every_time_and_calls_no_kernel(session):
    counted = """
def conv2d(*arguments, **options):
    raise SystemExit("called while collecting")
"""
    arguments = (*SUITE, "--subject", "counted.py", "--collect-only", "-q")
    first, again = (session(*arguments, counted=counted).stdout.lines for _ in range(2))
    tests = [line for line in first if "::" in line]
    assert len(tests) > 60
    assert tests == [line for line in again if "::" in line]


def test_a_unit_is_judged_once_for_all_its_tests(monkeypatch):
    judged = []

    def judge_and_note(task, *arguments, **options):
        judged.append(task.requirement)
        return judge(task, *arguments, **options)

    monkeypatch.setattr("conformance.suite.matrix.judge", judge_and_note)
    settings = Settings(("avg_pool2d",), ("empty", "arguments"), ("float32",), "quick")
    verdicts = Matrix(Subject(npcnn), settings, "reference").verdicts()
    for verdict in verdicts:
        verdict.check()
    assert [str(verdict) for verdict in verdicts] == [
        "avg_pool2d-output-empty-float32", "avg_pool2d-grad_input-empty-float32", "avg_pool2d-output-arguments-float32"
    ]  # fmt: skip
    assert judged == ["empty", "arguments"]


WRONG = {
    "no subject": ((), "no kernel to judge: pytest --pyargs conformance.suite --subject mykernels"),
    "unknown subject": (("--subject", "no_such.py"), "no_such.py: no such file"),
    "timeout that is none": (
        ("--subject", "npcnn", "--conformance-timeout", "-1"), "timeout -1.0: must be at least 0.1 seconds",
    ),
    "negative seed": (("--subject", "npcnn", "--conformance-seed", "-1"), "seed -1: must be an int of at least 0"),
    "unknown requirement": (
        ("--subject", "npcnn", "--conformance-requirement", "exat"), "exat: no such requirement (did you mean exact?)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_wrong_usage_is_told_before_anything_is_collected(what, session):
    arguments, message = WRONG[what]
    result = session(*SUITE, *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {message.replace('?', '[?]')}*"])


def test_the_plugin_leaves_other_sessions_alone(session):
    result = session("test_own.py", test_own="def test_own(): pass")
    result.assert_outcomes(passed=1)
    assert "conformance" not in re.sub(r"plugins: .*|rootdir: .*", "", result.stdout.str())


def test_a_plugin_with_a_subject_of_its_own_does_no_harm(session, pytester):
    other = "def pytest_addoption(parser): parser.addoption('--subject', dest='theirs')"
    pytester.syspathinsert()
    result = session("-p", "other", *SUITE, "--conformance-subject", "npcn", other=other)
    result.stderr.fnmatch_lines(["ERROR: npcn: importing it raises ModuleNotFoundError*"])
