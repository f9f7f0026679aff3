"""Kernels judged elsewhere: the same report as here, whatever dies; files that travel; what is told."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import conformance
from conformance.cases import Case
from conformance.cli import main, many
from conformance.elsewhere import conductor, desk, desks
from conformance.elsewhere.conductor import RETRIES, Conductor
from conformance.elsewhere.executors import named, threads
from conformance.elsewhere.executors.executor import Hands
from conformance.elsewhere.order import Answer, Order, Part, Work
from conformance.elsewhere.parcel import parcel_of
from conformance.elsewhere.place import differences, place
from conformance.elsewhere.under_way import Operation
from conformance.kernels.subject import SubjectError
from conformance.reports import many as report_many
from conformance.reports.stored import timeless
from conformance.running.failures import ONCE
from conformance.running.journal import JournalError, JournalFile
from conformance.running.settings import Settings
from conformance.running.workers import Workers
from conformance.usage import WrongUsage
from conformance.verdicts.judgement import Judgement
from conformance.verdicts.verdict import Failure, Row, Unit

RIGHT = "from npcnn import conv2d, conv2d_backward, avg_pool2d\n"
WRONG = """
from npcnn import avg_pool2d, conv2d as right, conv2d_backward
def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    output = right(input, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)
    if input.shape[-1] == 7:
        output = output + 0
    return output * 2 if input.shape[-1] == 5 and input.dtype != "float16" else output
"""
CRASHING = """
import ctypes
from npcnn import avg_pool2d
def conv2d(input, weight, bias=None):
    if input.shape[-1] == 5:
        ctypes.string_at(0)
    raise NotImplementedError
"""
LOADING = "import nowhere\n"
ASKED = ["--oracle", "reference", "--profile", "quick", "--requirement", "empty,memory,exact", "--no-cache"]
SETTINGS = Settings(("conv2d", "avg_pool2d"), ("empty", "memory", "exact"), ("float32",), "quick")


@pytest.fixture(autouse=True)
def kernels(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in {"right": RIGHT, "wrong": WRONG, "crashing": CRASHING, "loading": LOADING}.items():
        Path(f"{name}.py").write_text(text)
    yield tmp_path
    desks.close()


def judged(*words: str, status: int = 0) -> str:
    """What the command prints, in a process of its own, as it takes signals and ends children."""
    environment = os.environ | {"COLUMNS": "120", "PYTHONPATH": str(Path(conformance.__file__).parents[1])}
    command = [sys.executable, "-m", "conformance", "run", *words]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert ended.returncode == status, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def report(name: str):
    return timeless(json.loads(Path(name).read_text()))


def work(name: str, **more) -> Work:
    return Work(name, SETTINGS, "reference", 10.0, **more)


def conducted(hands: Hands, *names: str, **more) -> dict[str, conductor.Ended]:
    return {ended.name: ended for ended in Conductor(hands, names, work, place(), **more).run()}


# Many subjects.


@pytest.mark.slow
def test_subjects_judged_together_have_the_reports_that_each_has_alone():
    names = ("wrong", "right", "crashing")
    told = judged(
        *(f"{name}.py" for name in names), "loading.py", *ASKED, "--json", "{subject}.json", status=2
    )
    for name in names:
        judged(f"{name}.py", *ASKED, "--json", "alone.json", status=0 if name == "right" else 1)
        assert report("alone.json") == report(f"{name}.json")
    rows = {line.split()[0]: line.split()[1] for line in told.splitlines()[1:5]}
    assert rows == {
        "wrong.py": "differs", "right.py": "conforms", "crashing.py": "differs", "loading.py": "not"
    }  # fmt: skip
    assert "conv2d output differs: " in told and "conv2d output crashed: " in told
    assert "loading.py  not judged: loading.py: importing it raises ModuleNotFoundError" in told
    assert "4 subjects: differs 2, conforms 1, not judged 1; " in told


@pytest.mark.slow
def test_one_file_holds_the_reports_of_all_and_each_can_be_rendered_later():
    Path("list.txt").write_text("right.py  # the one\n\n# and\nwrong.py\n")
    asked = (*ASKED, "--op", "avg_pool2d", "--requirement", "empty")
    judged("@list.txt", "loading.py", *asked, "--json", "all.json", "--html", "{subject}.html", status=2)
    data = report("all.json")
    assert data["verdicts"] == {"conforms": 2, "not judged": 1}
    assert [(each["subject"]["name"], each["verdict"]) for each in data["runs"]] == [
        ("right.py", "conforms"), ("wrong.py", "conforms"), ("loading.py", "not judged")
    ]  # fmt: skip
    assert "right.py" in Path("right.html").read_text()
    result = CliRunner().invoke(main, ["report", "all.json", "--markdown", "{subject}.md"])
    assert result.exit_code == 0, result.output
    assert "wrong.py" in Path("wrong.md").read_text() and not Path("loading.md").exists()


@pytest.mark.slow
def test_a_report_that_cannot_be_written_any_more_is_not_the_end_of_the_run():
    Path("right.py").write_text(RIGHT + "import os\nos.makedirs('right.md', exist_ok=True)\n")
    asked = (*ASKED, "--op", "avg_pool2d", "--requirement", "empty")
    told = judged("right.py", "wrong.py", *asked, "--markdown", "{subject}.md", status=2)
    assert "note: --markdown right.md: cannot be written: Is a directory" in told
    assert "2 subjects: conforms 2; " in told and Path("wrong.md").is_file()


def test_a_whole_report_that_cannot_be_written_costs_no_table(monkeypatch):
    def full(name: str, path: str, text: str) -> None:
        raise click.ClickException(f"{name} {path}: cannot be written: No space left on device")

    monkeypatch.setattr(many, "write", full)
    options = dict.fromkeys((*many.FORMATS, "folder")) | {"json": "all.json"}
    with many._Reports(["right.py", "wrong.py"], options, lambda name, each: None) as reports:
        reports.finish({}, 1.0)
    assert reports.status == 2 and reports.verdicts.keys() == {"right.py", "wrong.py"}


@pytest.mark.slow
def test_what_a_kernel_starts_when_it_is_imported_ends_with_its_run():
    Path("right.py").write_text(RIGHT + "import subprocess\nsubprocess.Popen(['sleep', '600'])\n")
    asked = (*ASKED, "--op", "avg_pool2d", "--requirement", "empty")
    environment = os.environ | {"PYTHONPATH": str(Path(conformance.__file__).parents[1])}
    command = [sys.executable, "-m", "conformance", "run", "right.py", "wrong.py", *asked]
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    left = _processes_in(Path.cwd())
    try:
        assert not [each for each in left if "sleep 600" in each]
    finally:
        for process in _numbers_in(Path.cwd()):
            os.kill(process, signal.SIGKILL)


def test_a_row_without_a_verdict_needs_no_words_below_the_table():
    cut = report_many.Verdict("right.py", "interrupted", {}, 0, 0.0)
    told = ["".join(text for text, _ in line) for line in report_many.lines([cut], 1.0, 100)]
    assert [each.split()[:2] for each in told if "right.py" in each] == [["right.py", "interrupted"]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["right.py", "wrong.py", "--failed"], "--failed: goes with one subject"),
        (["right.py", "wrong.py", "--in-process"], "--in-process: goes with one subject"),
        (["right.py", "--dask", "local", "--shard", "1/2"], "--shard: goes with one subject"),
        (["right.py", "--dask", "a", "--executor", "b"], "--executor and --dask: one of them"),
        (["right.py", "--carry", "wrong.py"], "--carry: goes with --executor or --dask"),
        (["right.py", "--dask", "nonsense"], "--dask nonsense: write tcp://HOST:8786"),
        (["right.py", "--executor", "nowhere:make"], "--executor nowhere:make: nowhere: importing it raises"),
        (["right.py", "--executor", "os:getcwd"], "--executor os:getcwd: returns str; it must return"),
        (["right.py", "--executor", "os:nothing"], "--executor os:nothing: is no function"),
        (["right.py", "--executor", "os"], "--executor os: write module:factory"),
        (["right.py", "--executor", "nowhere.py:make"], "--executor nowhere.py:make: "),
        (["@nowhere.txt"], "@nowhere.txt: cannot be read"),
        (["right.py", "wrong.py", "--op", "conv"], "conv: no such operation"),
        (["right.py", "wrong.py", "--timeout", "0"], "timeout 0.0: must be at least"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_told(words, message):
    result = CliRunner().invoke(main, ["run", *words])
    assert (result.exit_code, message in result.output) == (2, True), result.output


# Executors.


@pytest.mark.slow
def test_by_an_executor_the_report_is_that_of_a_run_here():
    judged("wrong.py", *ASKED, "--json", "here.json", status=1)
    words = ("--executor", "concurrent.futures:ProcessPoolExecutor", "--jobs", "2")
    judged("wrong.py", *ASKED, *words, "--json", "there.json", status=1)
    assert report("here.json") == report("there.json")


@pytest.mark.slow
def test_on_dask_the_report_is_that_of_a_run_here():
    pytest.importorskip("distributed")
    judged("wrong.py", *ASKED, "--json", "here.json", status=1)
    told = judged("wrong.py", *ASKED, "--dask", "local", "--jobs", "2", "--json", "there.json", status=1)
    assert report("here.json") == report("there.json")
    assert "differs: conv2d output differs" in told


class Dying(ThreadPoolExecutor):
    """Kills the process that fulfils an order, of every third order, while it is at it."""

    count = 0

    def submit(self, call, /, *orders, **more):
        Dying.count += 1
        return super().submit(self._killed if Dying.count % 3 == 2 else call, *orders)

    def _killed(self, order):
        taken = desks._HERE.take(order.work)
        thread = threading.Timer(0.3, lambda: desks._HERE._nurseries["reference"].process.kill())
        thread.start()
        try:
            taken.connection.send(order)
            return taken.connection.recv()
        finally:
            desks._HERE.give_back(taken, False)
            thread.join()


def test_what_dies_is_judged_again():
    hands = Hands(Dying(2), lambda: 2, lambda: None)
    one = conducted(hands, "wrong.py")["wrong.py"]
    other = conducted(threads.hands(1), "wrong.py")["wrong.py"]
    assert Dying.count > 3
    assert timeless(one.data) == timeless(other.data)


class Refusing(ThreadPoolExecutor):
    """An executor all of whose processes die."""

    count = 0

    def submit(self, call, /, *orders, **more):
        Refusing.count += 1
        future: Future[Answer] = Future()
        future.set_exception(desks.DeskError("killed"))
        return future


def test_the_folders_of_a_nursery_that_was_killed_are_removed_by_the_next(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    fulfilled("right.py")
    (old,) = tmp_path.glob("conformance-*")
    desks._HERE._nurseries["reference"].process.kill()
    desks.close()
    assert old.exists()
    fulfilled("right.py")
    assert not old.exists()
    desks.close()
    assert [*tmp_path.glob("conformance-*")] == []


def test_what_cannot_be_begun_is_a_row_and_not_the_end():
    def begun(name: str) -> Work:
        return work(name, parcel=parcel_of(name, ["nowhere"] if name == "wrong.py" else []))

    every = {
        each.name: each
        for each in Conductor(threads.hands(1), ["wrong.py", "right.py"], begun, place()).run()
    }
    assert every["wrong.py"].error == ("WrongUsage", "--carry nowhere: no such file or folder")
    assert every["right.py"].data


def test_what_dies_again_and_again_is_a_verdict_of_its_own():
    ended = conducted(Hands(Refusing(1), lambda: 1, lambda: None), "right.py")
    assert ended["right.py"].error == ("DeskError", "killed")
    assert Refusing.count == 1 + RETRIES


class Going(ThreadPoolExecutor):
    """An executor that is gone after some orders."""

    left = 3

    def submit(self, call, /, *orders, **more):
        Going.left -= 1
        if Going.left < 0:
            raise RuntimeError("cannot schedule new futures after shutdown")
        return super().submit(call, *orders)


def test_a_pool_that_is_broken_is_made_anew(tmp_path):
    Path("making.py").write_text("import concurrent.futures as f\nmake = lambda: f.ProcessPoolExecutor(1)\n")
    hands = named.hands("--executor", "making.py:make", None)
    first = hands.executor
    hands.executor.submit(os._exit, 1)
    assert conducted(hands, "right.py")["right.py"].data
    assert hands.executor is not first
    hands.close()


def test_a_run_whose_executor_is_gone_tells_what_there_is_and_is_gone_on_with(tmp_path):
    hands = Hands(Going(1), lambda: 1, lambda: None)
    judge = Conductor(hands, ["wrong.py", "right.py"], work, place(), JournalFile(tmp_path / "journal"))
    cut = {ended.name: ended for ended in judge.run()}
    assert judge.lost and judge.ended_early
    data = cut["wrong.py"].data
    assert data and data["verdict"] in ("interrupted", "differs")
    before = JournalFile(tmp_path / "journal")
    assert before.lines["wrong.py"]
    whole = conducted(threads.hands(1), "wrong.py", "right.py", journal=before)
    undisturbed = conducted(threads.hands(1), "wrong.py", "right.py")
    for name, ended in undisturbed.items():
        assert timeless(whole[name].data) == timeless(ended.data)


def test_what_a_journal_has_is_not_judged_again(tmp_path):
    conducted(threads.hands(1), "right.py", journal=JournalFile(tmp_path / "journal"))
    size = (tmp_path / "journal").stat().st_size
    again = conducted(threads.hands(1), "right.py", journal=JournalFile(tmp_path / "journal"))
    data = again["right.py"].data
    assert data and data["verdict"] == "conforms"
    assert (tmp_path / "journal").stat().st_size == size


def test_the_journal_of_another_kernel_is_not_gone_on_with(tmp_path):
    conducted(threads.hands(1), "right.py", journal=JournalFile(tmp_path / "journal"))
    Path("right.py").write_text(RIGHT + "# another\n")
    ended = conducted(threads.hands(1), "right.py", journal=JournalFile(tmp_path / "journal"))["right.py"]
    assert ended.error and "another run: its source is" in ended.error[1]


UNIT = {"operation": "conv2d", "requirement": "empty", "dtype": "float32"}


@pytest.mark.parametrize(
    "line",
    [
        {"unit": {"operation": "conv2d"}, "rows": [], "lines": {}},
        {"unit": 3, "rows": [], "lines": {}},
        {"unit": UNIT, "rows": "x", "lines": {}},
        {"unit": UNIT, "rows": [{"cases": 1}], "lines": {}},
        {},
    ],
)
def test_a_journal_that_was_edited_is_an_error_before_anything_runs(line, tmp_path):
    heading = json.dumps({"subject": "right.py"})
    (tmp_path / "journal").write_text(f"{heading}\n{json.dumps({'of': 'right.py', **line})}\n")
    with pytest.raises(JournalError, match="not the journal of a run"):
        JournalFile(tmp_path / "journal")


def test_a_disk_that_is_full_when_a_subject_begins_ends_no_run():
    journal = JournalFile(Path("/dev/full"))
    journal.begin({"subject": "right.py"})
    assert journal.lost == ("/dev/full", "No space left on device")


@pytest.mark.slow
def test_ctrl_c_tells_the_verdicts_so_far_and_leaves_no_process():
    environment = os.environ | {"PYTHONPATH": str(Path(conformance.__file__).parents[1])}
    words = ["-m", "conformance", "run", "wrong.py", "right.py", "--profile", "deep", "--oracle", "reference"]
    run = subprocess.Popen(
        [sys.executable, *words, "--resume", "journal", "--no-cache"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    patience = time.monotonic() + 120
    while not (Path("journal").exists() and Path("journal").read_text().count("\n") > 2):
        assert time.monotonic() < patience and run.poll() is None
        time.sleep(0.1)
    run.send_signal(signal.SIGINT)
    told, _ = run.communicate(timeout=120)
    assert run.returncode == 130
    assert "2 subjects: " in told and "interrupted" in told
    patience = time.monotonic() + 30
    while left := _processes_in(Path.cwd()):
        assert time.monotonic() < patience, left
        time.sleep(0.1)


def _processes_in(folder: Path) -> list[str]:
    """What the processes that work in a folder are, this one apart."""
    found = []
    for process in _numbers_in(folder):
        with suppress(OSError):
            found.append(Path(f"/proc/{process}/cmdline").read_text().replace("\0", " "))
    return found


def _numbers_in(folder: Path) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int(process.name) != os.getpid() and (process / "cwd").resolve() == folder:
                found.append(int(process.name))
    return found


# Units, in order.


def test_units_that_follow_each_other_are_given_together_and_those_that_fail_in_turn():
    units = [Unit("conv2d", str(number), "float32") for number in range(8)]
    operation = Operation(units)
    assert operation.next(3) == units[:3] and operation.is_settled(units[:3])
    operation.out.update(units[2:4])
    operation.take({"unit": vars(units[0]), "rows": []})
    assert operation.next(9) == [units[1]]  # what comes behind those that are out would not be settled
    operation.take({"unit": vars(units[1]), "rows": []})
    assert operation.next(2) == units[4:6] and not operation.is_settled(units[4:6])
    assert not operation.failing
    operation.take({"unit": vars(units[4]), "rows": [{"failure": {"case": "conv2d"}}]})
    assert operation.failing


class Counting(ThreadPoolExecutor):
    """Counts the orders that ask for a part of a unit."""

    parts = 0

    def submit(self, call, /, *orders, **more):
        Counting.parts += orders[0].part is not None
        return super().submit(call, *orders)


@pytest.mark.parametrize("name", ["right.py", "wrong.py"])
def test_a_long_unit_is_judged_in_parts_as_it_is_as_a_whole(name, monkeypatch):
    whole = conducted(threads.hands(1), name)[name]
    monkeypatch.setattr(conductor, "PART", 0.02)
    Counting.parts = 0
    parts = conducted(Hands(Counting(2), lambda: 2, lambda: None), name)[name]
    assert Counting.parts > 10
    assert timeless(parts.data) == timeless(whole.data)


def part(start: int, done: int, ended: bool = False, fails: bool = False) -> Part:
    row = {"unit": {"operation": "conv2d", "requirement": "exact", "dtype": "float32"}, "output": "output"}
    told = {"unknown": "", "stretches": [], "ran": [["file", start]]}
    line = {"unit": row["unit"], "rows": [row | {"cases": done, "met": {"a|b": done}}], "lines": told}
    return Part(Unit("conv2d", "exact", "float32"), start, done, ended, fails, line)


def test_parts_are_one_unit_once_all_are_there():
    operation = Operation([Unit("conv2d", "exact", "float32")])
    assert operation.take_part(part(0, 10)) is None and not operation.left
    assert [operation.next_part() for _ in range(3)] == [
        (operation.units[0], (10, 10)), (operation.units[0], (20, 10)), (operation.units[0], (30, 10))
    ]  # fmt: skip
    assert operation.take_part(part(20, 4, ended=True)) is None
    assert operation.next_part() is None  # behind the last one there is nothing
    assert operation.take_part(part(30, 0, ended=True)) is None
    line = operation.take_part(part(10, 10))
    assert line and (line["rows"][0]["cases"], line["rows"][0]["met"]) == (24, {"a|b": 24})
    assert line["lines"]["ran"] == [["file", 0], ["file", 10], ["file", 20], ["file", 30]]
    assert not operation.long and not operation.failing


def test_a_unit_of_which_a_part_fails_is_judged_again_in_its_turn():
    operation = Operation([Unit("conv2d", "exact", "float32")])
    operation.take_part(part(0, 10))
    operation.next_part(), operation.next_part()
    assert operation.take_part(part(10, 3, fails=True)) is None
    assert operation.next_part() is None and not operation.left
    assert operation.take_part(part(20, 10)) is None
    assert operation.failing and operation.left == operation.units
    line = {"unit": vars(operation.units[0]), "rows": [], "lines": part(99, 1).line["lines"]}
    operation.take(line)
    assert [at for _, at in line["lines"]["ran"]] == [0, 10, 20, 99]  # nobody tells of a line twice


def test_what_a_part_saw_and_the_whole_did_not_is_told_in_the_line_of_the_unit():
    operation, case = Operation([Unit("conv2d", "exact", "float32")]), Case.parse("conv2d")
    seen = part(0, 3, fails=True)
    failure = Failure(case, Judgement("output", "differs", message="output differs"), case)
    seen.line["rows"][0]["failure"] = failure.as_data()
    operation.take_part(seen)
    line = part(0, 24).line
    operation.take(line)
    (row,) = map(Row.from_data, line["rows"])
    assert (row.cases, row.failure) == (24, replace(failure, diagnosis=ONCE))


# Parcels.


def test_a_file_travels_with_what_it_imports_and_with_libraries_beside_it(tmp_path):
    (tmp_path / "sub").mkdir()
    Path("sub/kernel.py").write_text("import helper\nfrom other import conv2d\nimport numpy\n")
    Path("sub/helper.py").write_text("import deeper\n")
    for name in ("deeper.py", "other.py", "unused.py", "library.so", "kernel.cu", "notes.txt"):
        Path("sub", name).write_text("")
    parcel = parcel_of("sub/kernel.py:thing")
    names = {name for name, _ in parcel.files}
    assert names == {"kernel.py", "helper.py", "deeper.py", "other.py", "library.so", "kernel.cu"}
    assert (parcel.name, parcel.way) == ("sub/kernel.py:thing", "sub")
    carried = {name for name, _ in parcel_of("sub/kernel.py", ["sub/notes.txt"]).files}
    assert carried == names | {"notes.txt"}
    parcel.unpack(tmp_path / "there")
    assert (tmp_path / "there" / "sub" / "helper.py").read_text() == "import deeper\n"


def test_a_package_travels_whole_and_what_is_installed_does_not(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "ours" / "inner").mkdir(parents=True)
    for name in ("ours/__init__.py", "ours/kernels.py", "ours/inner/data.bin"):
        Path(name).write_text("")
    parcel = parcel_of("ours.kernels:thing")
    assert {name for name, _ in parcel.files} == {
        "ours/__init__.py",
        "ours/kernels.py",
        "ours/inner/data.bin",
    }
    assert parcel.name == "ours.kernels:thing"
    assert parcel_of("torch").files == () and parcel_of("numpy.linalg").files == ()


@pytest.mark.parametrize(
    ("carried", "message"), [("nowhere", "no such file or folder"), ("/", "must lie in")]
)
def test_what_cannot_be_carried_is_told(carried, message):
    with pytest.raises(WrongUsage, match=f"--carry {carried}: {message}"):
        parcel_of("right.py", [carried])


def fulfilled(name: str, carried=()) -> Answer:
    """By a desk that takes a subject from its parcel."""
    parcel = parcel_of(name, carried)
    return desks.fulfil(Order(work(name, parcel=parcel), seconds=60.0))


@pytest.mark.parametrize("place_of", ["sub/wrong.py", "../outside/wrong.py"])
def test_a_parcel_is_judged_as_what_lies_here_and_names_the_same_files(place_of, tmp_path):
    folder = tmp_path / "here"
    folder.mkdir()
    os.chdir(folder)
    Path(place_of).parent.mkdir()
    Path(place_of).write_text(WRONG.replace("return output *", "assert bias is None\n    return output *"))
    there = fulfilled(place_of)
    here = desks.fulfil(Order(work(place_of), seconds=60.0))
    assert there.data and timeless(there.data) == timeless(here.data)


def test_what_did_not_travel_is_named():
    Path("hidden.py").write_text("import importlib\nconv2d = importlib.import_module('h' + 'elper').conv2d\n")
    Path("helper.py").write_text(RIGHT)
    with Path("hidden.py").open("a") as file:
        file.write("from npcnn import avg_pool2d\n")
    error = fulfilled("hidden.py").error
    assert error and "No module named 'helper'" in error[1] and "--carry PATH" in error[1]
    assert not fulfilled("hidden.py", ["helper.py"]).error


def test_the_lines_of_a_unit_that_fails_are_told_when_it_is_judged_in_its_turn(monkeypatch):
    monkeypatch.setattr(desk, "Workers", lambda *names, forked, **more: Workers(*names, **more))
    with ExitStack() as until:
        opened = desk.Desk.opened(work("wrong.py"), Path(), until)
        how = {"units": (Unit("conv2d", "memory", "float32"),), "finish": False}
        first = opened.fulfil(Order(opened.work, longest=60.0, settled=False, **how))
        assert first.unsettled and not first.lines
        (line,) = opened.fulfil(Order(opened.work, **how)).lines
    assert line["lines"]["stretches"] and line["lines"]["ran"]


def test_an_import_that_hangs_the_second_time_is_no_end_of_the_run(monkeypatch):
    monkeypatch.setattr(desk, "IMPORT_SECONDS", 0.5)
    monkeypatch.setattr(desk, "Workers", lambda *names, forked, **more: Workers(*names, **more))
    Path("again.py").write_text(
        "import pathlib, time\nif pathlib.Path('mark').exists():\n    time.sleep(60)\npathlib.Path('mark').touch()\n"
        + RIGHT
    )
    with ExitStack() as until, pytest.raises(SubjectError, match="importing it again takes more"):
        desk.Desk.opened(work("again.py"), Path(), until)


# Places.


def test_what_is_otherwise_there_is_told_once_and_another_suite_is_an_error():
    here = place()
    there = here | {"processor": [*here["processor"], "AVX9"]}
    assert [*differences(there, here)] == ["a processor with AVX9"]
    there |= {"versions": here["versions"] | {"numpy": "1.0"}}  # which gives instructions other names
    assert [*differences(there, here)] == [f"numpy 1.0, here {here['versions']['numpy']}"]
    told: list[str] = []
    ended = [
        *Conductor(
            threads.hands(2), ["right.py"], work, here | {"versions": {"numpy": "9"}, "suite": here["suite"]},
            warn=told.append,
        ).run()
    ]  # fmt: skip
    assert ended[0].data and len(told) == 1 and "numpy" in told[0]
    (other,) = Conductor(threads.hands(1), ["right.py"], work, here | {"suite": "another"}).run()
    assert other.error and "the suite there is another version" in other.error[1]


def test_an_error_says_where_it_was(monkeypatch):
    lacking = Answer(place=place(), error=("MissingFramework", "jax is not installed"))
    hands = Hands(ThreadPoolExecutor(1), lambda: 1, lambda: None, apart=True)
    monkeypatch.setattr(conductor, "fulfil", lambda order: lacking)
    (ended,) = Conductor(hands, ["right.py"], work, place()).run()
    assert ended.error == ("MissingFramework", f"jax is not installed (on {place()['machine']})")


def test_an_executor_is_as_wide_as_its_pool(tmp_path):
    Path("making.py").write_text(
        "from concurrent.futures import ThreadPoolExecutor\nmake = lambda: ThreadPoolExecutor(7)\n"
    )
    assert named.hands("--executor", "making.py:make", None).width() == 7
    assert named.hands("--executor", "making.py:make", 3).width() == 3


def test_an_order_that_is_not_fulfilled_says_which_subject_it_was_of():
    settings = replace(SETTINGS, operations=("conv3d",))
    answer = desks.fulfil(Order(Work("right.py", settings, "reference", 10.0)))
    assert answer.error == ("WrongUsage", "conv3d: right.py has no conv3d; it has conv2d, avg_pool2d")
