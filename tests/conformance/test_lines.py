"""Which lines of a kernel ran: markers in its functions, and what is told of those that did not."""

import inspect
import json
import traceback
from pathlib import Path

import pytest

from conformance import Subject
from conformance.kernels.lines import Lines
from conformance.kernels.load import load
from conformance.reports.data import as_data
from conformance.reports.document import document
from conformance.reports.formats.json import render
from conformance.reports.lines import plain
from conformance.reports.run_info import RunInfo
from conformance.reports.text import MOST_PLACES
from conformance.reports.text import lines as lines_of
from conformance.reports.text import unreached as unreached_lines
from conformance.running.ran import DIED, Ran
from conformance.running.run import run
from conformance.running.settings import Settings
from conformance.running.workers import Workers
from conformance.suite.summary import Summary
from conformance.usage import check
from conformance.verdicts.unreached import Stretch, Unreached
from conformance.verdicts.verdict import Report

KERNEL = '''
import functools

def kept(function):
    @functools.wraps(function)
    def inner(*args):
        return function(*args)
    return inner

class Plan:
    def __init__(self, width):
        self.width = width

    def fits(self):
        if self.width > 100:
            return False
        return True

def fallback(x):
    """Never needed."""
    for n in range(3):
        x = x + n
    return x

def unasked(x):
    return x

TABLE = {"slow": fallback}

@kept
def conv2d(input, weight=0):
    if input < 0:
        message = "below 0"
        raise ValueError(message)
    if not Plan(input).fits():
        return TABLE["slow"](input)
    elif input == 7:
        seven = lambda: 7
        return seven()
    try:
        found = 1 / (input - 5)
    except ZeroDivisionError:
        found = 0

    # twice
    def doubled():
        if found > 50:
            return 100
        return 2 * found
    match input:
        case 1:
            pass
        case _:
            return doubled()
    return found
'''


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """A function that writes a kernel to a file, and loads it."""
    monkeypatch.chdir(tmp_path)

    def write(text=KERNEL, name="lined"):
        Path(f"{name}.py").write_text(text)
        return load(f"{name}.py")

    return write


def marked(subject):
    lines = Lines.of(subject)
    lines.mark("conv2d")
    return lines


def left(lines):
    """Where the stretches are that no call ran, as far as was told, and why they run."""
    ran = Ran()
    ran.take(json.loads(json.dumps(lines.news())))
    return {(place.first, place.last): place.why for place in ran.unreached({"conv2d"}).places}


def test_what_no_call_ran_is_left_with_what_decides_that_it_runs(kernel):
    subject = kernel()
    lines = marked(subject)
    for number in (1, 5):
        subject.function("conv2d")(number)
    assert left(lines) == {
        (16, 16): "if self.width > 100", (21, 23): "def fallback", (36, 36): "if not Plan(input).fits()",
        (38, 39): "if input == 7", (48, 48): "if found > 50",
    }  # fmt: skip


def test_what_only_refuses_is_told_apart_and_what_nothing_calls_is_of_no_kernel(kernel):
    lines = marked(kernel())
    places = left(lines)
    assert all(not first <= line <= last for first, last in places for line in (26, 33, 34))


def test_a_function_of_which_all_ran_has_its_own_code_again(kernel):
    subject = kernel()
    function = inspect.unwrap(subject.function("conv2d"))
    own = function.__code__
    lines = marked(subject)
    assert function.__code__ is not own
    for number in (-1, 1, 5, 7, 101):
        try:
            subject.function("conv2d")(number)
        except ValueError:
            continue
    subject.function("conv2d")(5.01)
    lines.news()
    assert function.__code__ is own


def test_answers_tracebacks_and_the_source_stay_as_they_are(kernel):
    subject = kernel()

    def seen():
        try:
            subject.function("conv2d")(-1)
        except ValueError as error:
            places = [(frame.lineno, frame.line) for frame in traceback.extract_tb(error.__traceback__)]
        source = inspect.getsource(inspect.unwrap(subject.function("conv2d")))
        return [subject.function("conv2d")(n) for n in (1, 2, 7, 101)], places, source, dir(subject.kernels)

    before = seen()
    lines = marked(subject)
    assert seen() == before
    lines.news()
    assert seen() == before


@pytest.mark.parametrize(
    "word", ["import numba", "from torch import compile", "import pickle", "from os import fork"]
)
def test_nothing_is_marked_where_the_code_of_a_function_may_be_looked_at(kernel, word):
    subject = kernel(f"{KERNEL}\nif False:\n    {word}\n")
    function = inspect.unwrap(subject.function("conv2d"))
    own = function.__code__
    lines = marked(subject)
    assert (function.__code__ is own, lines.unknown) == (
        True,
        f"{Path('lined.py').resolve()} uses {word.split()[-1]}",
    )


def test_a_compiled_pattern_is_no_compiled_kernel(kernel):
    assert marked(kernel(f"{KERNEL}\nimport re\nPATTERN = re.compile('a')\n")).unknown == ""


def test_what_lies_elsewhere_is_not_of_the_kernel(kernel, tmp_path):
    Path("near").mkdir()
    Path("near/helping.py").write_text("def helped(x):\n    if x == 9:\n        x = 8\n    return x\n")
    other = Path("near/kernel.py")
    other.write_text(
        "import lined, helping\ndef conv2d(input, weight=0):\n    return lined.conv2d(helping.helped(input))\n"
    )
    kernel()
    lines = Lines.of(load(str(other)))
    lines.mark("conv2d")
    assert {Path(file).name for file in lines.marked} == {"kernel.py", "helping.py"}


def test_a_function_that_was_changed_since_it_was_loaded_is_not_marked(kernel):
    subject = kernel()
    Path("lined.py").write_text(KERNEL.replace("x + n", "x - n"))
    assert (21, 23) not in left(marked(subject))


def test_a_file_that_is_gone_is_told(kernel):
    subject = kernel()
    Path("lined.py").unlink()
    assert marked(subject).unknown.startswith(f"{Path('lined.py').resolve()} cannot be read: ")


CONV = """
import npcnn

def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    if input.shape[1] > 123_456:
        input = input + 0
        input = input - 0
    END
    return npcnn.conv2d(input, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)
"""
EXACT = Settings(["conv2d"], ["exact"], ["float32"], profile="quick")


def judged(text):
    Path("lined_conv.py").write_text(text)
    with Workers("lined_conv.py", jobs=2) as workers:
        return run(load("lined_conv.py"), workers, EXACT)


@pytest.mark.slow
def test_a_report_says_which_lines_no_case_ran(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written = document(judged(CONV.replace("END", "")), RunInfo("torch"))
    text = "\n".join(map(plain, lines_of(written, 300)))
    assert "no case ran\n  lined_conv.py:6-7  if input.shape[1] > 123456" in text
    assert written.conclusion.because.endswith("; nothing is known of 2 lines that no case ran")
    place = {
        "file": str(Path("lined_conv.py").resolve()),
        "first": 6,
        "last": 7,
        "why": "if input.shape[1] > 123456",
    }
    assert json.loads(render(as_data(written)))["unreached"] == {
        "lines": 2,
        "places": [place],
        "unknown": None,
        "searched": 0,
        "reached": [],
    }


@pytest.mark.slow
def test_nothing_is_said_of_lines_where_a_call_ended_its_process(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dying = CONV.replace("END", "if input.shape[-1] > 5: __import__('os').abort()")
    assert judged(dying).unreached == Unreached(unknown=DIED)


def test_nothing_is_said_of_lines_of_this_process():
    report = check(Subject({"conv2d": lambda input, weight: None}), requirements="empty", profile="quick")
    assert report.unreached == Unreached(unknown="its functions ran in this process")


def test_stretches_that_follow_each_other_are_one_place():
    lines = [Stretch("k.py", (3, 4), "if a"), Stretch("k.py", (5,), "if b"), Stretch("k.py", (7,), "if c")]
    assert [(each.first, each.last, each.why) for each in Unreached(tuple(lines)).places] == [
        (3, 5, "if a"), (7, 7, "if c"),
    ]  # fmt: skip


def test_of_hundreds_of_places_the_text_tells_the_first():
    every = tuple(Stretch("k.py", (2 * number,), f"if size == {number}") for number in range(1, 101))
    told = [plain(line) for line in unreached_lines(Unreached(every), 80)]
    assert told[1] == "  k.py:2  if size == 1"
    assert len(told) == 1 + MOST_PLACES + 1
    assert told[-1] == "  and 70 more: --html FILE and --json FILE have them all"


def test_lines_that_several_processes_ran_are_those_that_any_of_them_did():
    stretches = [["k.py", n, [n], "if a", ["conv2d"]] for n in (1, 2, 3)]
    summary = Summary("k")
    for ran in (1, 2):
        summary.add({"lines": {"unknown": "", "stretches": stretches, "ran": [["k.py", ran]]}})
    assert summary.ran.unreached({"conv2d"}).stretches == (Stretch("k.py", (3,), "if a"),)
    assert summary.ran.unreached({"max_pool2d"}).stretches == ()


def test_what_is_told_once_is_not_told_again():
    ran = Ran()
    ran.take({"stretches": [["k.py", 1, [1], "if a", ["conv2d"]]], "ran": [["k.py", 1]]})
    assert ran.news() == {
        "unknown": "", "stretches": [("k.py", 1, (1,), "if a", ["conv2d"])], "ran": [("k.py", 1)],
    }  # fmt: skip
    assert ran.news() == {"unknown": "", "stretches": [], "ran": []}


def test_that_lines_are_unknown_is_told_with_the_reason():
    report = Report(Subject({"conv2d": lambda input, weight: None}), unreached=Unreached(unknown="no time"))
    text = [plain(line) for line in lines_of(document(report, RunInfo("torch")), 100)]
    assert "which lines no case ran is not known: no time" in text
