"""Workers: a subject that ends its process loses a process, and gets a verdict."""

import contextlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import connection
from pathlib import Path

import pytest

from conformance.cases import Case
from conformance.kernels.framework import oracle
from conformance.kernels.load import load
from conformance.kernels.subject import SubjectError
from conformance.running.deaths import Death
from conformance.running.failures import CHANGING, HANGS, smallest_failure
from conformance.running.in_process import InProcess
from conformance.running.limits import GONE
from conformance.running.run import run
from conformance.running.server import _Server
from conformance.running.settings import Settings
from conformance.running.slot import Slot
from conformance.running.tasks import Task
from conformance.running.worker import Watch
from conformance.running.workers import ExaminationError, Workers
from conformance.verdicts.judgement import HUNG, Judgement

pytestmark = [pytest.mark.skipif(not hasattr(os, "fork"), reason="workers need fork"), pytest.mark.slow]

PLAIN = Case.parse("conv2d image=3,4 kernel=2,2")
WIDE = Case.parse("conv2d image=3,9 kernel=2,2")
CASES = [PLAIN, WIDE, *(replace(PLAIN, seed=seed) for seed in range(30))]

SUBJECT = """
    import ctypes, os, signal, sys, threading, time
    import numpy as np
    from conformance.cases import Case
    from conformance.operations.conv import conv, conv_backward

    def case_of(input, weight, bias, stride=1, padding=0, dilation=1, groups=1):
        n, c, *image = input.shape
        k, _, *kernel = weight.shape
        return Case.of("conv2d", batch=n, channels=c, filters=k, image=tuple(image), kernel=tuple(kernel),
                    stride=stride, padding=padding, dilation=dilation, groups=groups, bias=bias is not None)

    def wide(input):
        return input.shape[-1] == 9

    def right(input, weight, bias=None, **options):
        arrays = {"input": input, "weight": weight, "bias": bias}
        return conv(case_of(input, weight, bias, **options), arrays).astype(input.dtype)

    def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
        if wide(input):
            FORWARD
        return right(input, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)

    def conv2d_backward(grad_output, input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
        if wide(input):
            BACKWARD
        arrays = {"grad_output": grad_output, "input": input, "weight": weight, "bias": bias}
        case = case_of(input, weight, bias, stride, padding, dilation, groups)
        gradients = conv_backward(case, arrays)
        return tuple(gradients[n].astype(input.dtype) if n in gradients else None
                     for n in ("grad_input", "grad_weight", "grad_bias"))
"""


@pytest.fixture
def subject(tmp_path):
    def write(forward="pass", backward="pass", top="") -> str:
        path = tmp_path / "kernel.py"
        text = textwrap.dedent(SUBJECT).replace("FORWARD", forward).replace("BACKWARD", backward)
        path.write_text(top + "\n" + text)
        return str(path)

    return write


def judged(name, cases, **options):
    with Workers(name, "reference", **({"jobs": 1, "timeout": 1.0} | options)) as workers:
        return list(workers.examine("exact", cases))


def statuses(name, case=WIDE, **options):
    ((_, judgements),) = judged(name, [case], **options)
    return {judgement.output: judgement.status for judgement in judgements}


def message(name, case=WIDE, **options):
    ((_, judgements),) = judged(name, [case], **options)
    return next(judgement.message for judgement in judgements if judgement.failed)


RIGHT = dict.fromkeys(("output", "grad_input", "grad_weight"), "conforms")
CRASH = "ctypes.string_at(0)"


@pytest.mark.parametrize("jobs", [1, 2])
def test_workers_judge_as_this_process_does_in_the_order_of_the_cases(subject, jobs):
    name = subject("return right(input, weight) + 1")
    here = InProcess(load(name), oracle("reference")).examine("exact", CASES)
    assert judged(name, CASES, jobs=jobs) == list(here)


@pytest.mark.parametrize(
    ("deed", "status", "told"),
    [
        (CRASH, "crashed", "crashed (SIGSEGV) at kernel.py:"),
        ("os.abort()", "crashed", "crashed (SIGABRT) at kernel.py:"),
        ("os._exit(3)", "exited", "exited (3)"),
        ("ctypes.CDLL(None).exit(4)", "exited", "exited (4)"),
        ("os._exit(0)", "exited", "exited (0)"),
        ("while True: pass", "hung", "hung (> 1 s) at kernel.py:"),
        ("time.sleep(60)", "hung", "hung (> 1 s) at kernel.py:"),
        ("threading.Event().wait()", "hung", "hung (> 1 s)"),
        ("ctypes.PyDLL(None).pause()", "hung", "hung (> 1 s)"),  # native code that keeps the lock of Python
        ("os.kill(os.getpid(), signal.SIGKILL)", "crashed", "crashed (SIGKILL)"),
        ("raise SystemExit(2)", "refused", "output refused: SystemExit: 2"),
        ("raise KeyboardInterrupt", "refused", "output refused: KeyboardInterrupt"),
        ("raise MemoryError", "out of memory", "output out of memory: MemoryError"),
        ("bytearray(1 << 40)", "out of memory", "output out of memory: MemoryError"),
        ("os.killpg(0, signal.SIGKILL)", "crashed", "crashed (SIGKILL)"),
        ("os.kill(os.getppid(), signal.SIGKILL); time.sleep(60)", "crashed", "crashed (SIGKILL)"),
        ("os.closerange(0, 100)", "exited", "exited (70)"),
        ("os.fork() or time.sleep(60); os._exit(3)", "exited", "exited (3)"),
    ],
)
def test_a_forward_that_ends_its_process_is_told_how_and_its_gradients_are_still_judged(
    subject, deed, status, told
):
    name = subject(deed)
    ((_, judgements),) = judged(name, [WIDE])
    assert {judgement.output: judgement.status for judgement in judgements} == RIGHT | {"output": status}
    assert told in judgements[0].message


def test_a_backward_that_ends_its_process_leaves_the_output_judged(subject):
    assert statuses(subject(backward=CRASH)) == {
        "output": "conforms", "grad_input": "crashed", "grad_weight": "crashed",
    }  # fmt: skip


def test_forward_and_backward_may_end_in_different_ways(subject):
    assert statuses(subject("os._exit(3)", CRASH)) == {
        "output": "exited", "grad_input": "crashed", "grad_weight": "crashed",
    }  # fmt: skip


def test_cases_around_a_death_are_judged_as_without_it(subject):
    cases = [*CASES[2:20], WIDE, *CASES[20:]]
    assert [
        (case, {judgement.status for judgement in judgements} == {"conforms"})
        for case, judgements in judged(subject(CRASH), cases, jobs=2)
    ] == [(case, case != WIDE) for case in cases]


def test_memory_taken_without_end_is_refused_before_the_machine_runs_out_of_it(subject):
    deed = "taken = [bytearray(os.urandom(1 << 20)) for _ in iter(int, 1)]"
    assert statuses(subject(deed), memory=1 << 28, timeout=10) == RIGHT | {"output": "out of memory"}


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's limit")
def test_memory_that_earlier_calls_left_behind_is_not_held_against_a_later_one(subject):
    name = subject("kept.append(bytearray(os.urandom(1 << 16) * (1 << 8)))", top="kept = []")  # 16 MiB
    cases = [replace(WIDE, seed=seed) for seed in range(60)]
    with Workers(name, "reference", jobs=1, memory=1 << 28) as workers:
        before = workers.processes
        found = list(workers.examine("exact", cases))
        assert workers.processes != before  # it does not grow without end
    assert {judgement.status for _, judgements in found for judgement in judgements} == {"conforms"}


C_HOG = """
#include <stdlib.h>
#include <string.h>
void hog(void) { for (;;) memset(malloc(1 << 20), 1, 1 << 20); }
"""


@pytest.mark.skipif(not shutil.which("gcc") or sys.platform != "linux", reason="needs gcc and Linux's limit")
def test_native_code_that_takes_memory_without_end_is_out_of_memory(subject, tmp_path):
    (tmp_path / "hog.c").write_text(C_HOG)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", tmp_path / "hog.so", tmp_path / "hog.c"], check=True)
    name = subject(f"ctypes.CDLL('{tmp_path / 'hog.so'}').hog()")
    assert statuses(name, memory=1 << 28, timeout=20) == RIGHT | {"output": "out of memory"}


def test_the_last_words_of_a_process_are_told(subject):
    deed = "print('size >= 0 failed', file=sys.stderr, flush=True); os.abort()"
    assert message(subject(deed)).endswith("it had printed: size >= 0 failed")


def test_a_flood_of_prints_is_swallowed(subject, capfd):
    assert statuses(subject("for _ in range(20_000): print('x' * 100, flush=True)"), timeout=10) == RIGHT
    assert capfd.readouterr() == ("", "")


def test_a_child_that_a_kernel_forks_answers_nothing(subject):
    name = subject("os.fork()")
    assert judged(name, [WIDE, *CASES]) == judged(subject(), [WIDE, *CASES])


def test_control_characters_in_last_words_are_not_passed_on(subject):
    deed = r"sys.stderr.write('\x1b[2Jgone\n'); sys.stderr.flush(); os.abort()"
    assert "\x1b" not in message(subject(deed))


@pytest.mark.parametrize("deed", ["os.chdir('/')", "os.environ['CHANGED'] = '1'", "np.random.seed(0)"])
def test_what_a_kernel_changes_around_it_changes_no_answer(subject, deed):
    assert all(
        judgement.status == "conforms"
        for _, judgements in judged(subject(deed), [WIDE, PLAIN, WIDE])
        for judgement in judgements
    )


def test_a_death_that_an_earlier_call_caused_says_so(subject):
    name = subject(f"if len(calls) > 1: {CRASH}", top="calls = []").replace("", "")
    path = Path(name)
    path.write_text(
        path.read_text().replace("    if wide(input):", "    calls.append(1)\n    if wide(input):", 1)
    )
    *_, (_, judgements) = judged(name, [PLAIN, PLAIN, WIDE])
    assert judgements[0].status == "crashed"
    assert "not when it runs alone" in judgements[0].message


def test_workers_killed_from_outside_change_nothing(subject):
    name = subject("time.sleep(0.01); return right(input, weight) + 1")
    cases = [case for case in CASES for _ in range(4)]
    undisturbed = judged(name, cases, jobs=2)
    with Workers(name, "reference", jobs=2) as workers:
        killer = threading.Thread(target=_kill_some, args=(workers, 20))
        killer.start()
        found = list(workers.examine("exact", cases))
        killer.join()
    assert found == undisturbed


def _kill_some(workers, times):
    for _ in range(times):
        time.sleep(random.random() / 20)
        with contextlib.suppress(ProcessLookupError, IndexError):
            # one that is killed four times before it has imported the subject is taken for unable to
            ready = [worker for worker in workers._pool.workers if worker.ready]
            os.kill(random.choice(ready).process, signal.SIGKILL)


def test_closing_leaves_no_process_also_not_what_a_subject_started(subject):
    name = subject("__import__('subprocess').Popen(['sleep', '600'])")
    with Workers(name, "reference", jobs=2) as workers:
        list(workers.examine("exact", [WIDE, PLAIN]))
        groups = [workers._pool.server.pid, *workers.processes]
    for group in groups:
        _wait_until_gone(group)


def test_a_worker_that_ends_leaves_no_process_of_its_subject(subject):
    name = subject("__import__('subprocess').Popen(['sleep', '600']); os._exit(3)")
    with Workers(name, "reference", jobs=1) as workers:
        (group,) = workers.processes
        list(workers.examine("exact", [WIDE]))
        _wait_until_gone(group)


def _wait_until_gone(group):
    with pytest.raises(ProcessLookupError):
        _ask(group, patience=time.monotonic() + 60)


def _ask(group, patience):
    while time.monotonic() < patience:
        os.killpg(group, 0)
        time.sleep(0.02)


def test_a_kernel_that_kills_its_group_ends_itself_alone(subject):
    with Workers(subject("os.killpg(0, signal.SIGKILL)"), "reference", jobs=1) as workers:
        server = workers._pool.server.pid
        list(workers.examine("exact", [WIDE]))
        assert workers._pool.server.pid == server


def test_a_server_that_is_killed_is_started_again(subject):
    with Workers(subject(), "reference", jobs=1) as workers:
        os.kill(workers._pool.server.pid, signal.SIGKILL)
        assert {judgement.status for judgement in workers.in_new_process("exact", WIDE)} == {"conforms"}


def test_a_server_that_dies_with_all_of_its_workers_is_replaced_while_they_are_buried(subject):
    with Workers(subject(), "reference", jobs=2) as workers:
        pool = workers._pool
        old, ends = pool.server.pid, [worker.connection for worker in pool.workers]
        for process in [old, *workers.processes]:
            with contextlib.suppress(ProcessLookupError):  # Linux ends workers with their server
                os.kill(process, signal.SIGKILL)
        _until_all_are_ready([pool.server.control, *ends])
        assert [death.code for _, death in pool.wait()] == [-signal.SIGKILL] * 2
        assert pool.server.pid != old


def _until_all_are_ready(ends):
    """Each has its end of file to be read, after what a worker may have said as it got ready."""
    for end in ends[1:]:
        with contextlib.suppress(EOFError, ConnectionResetError):
            while True:
                end.recv_bytes()
    while len(connection.wait(ends)) < len(ends):
        pass


def test_a_subject_that_kills_the_parent_of_its_process_again_and_again_is_told(subject, monkeypatch):
    monkeypatch.setattr("conformance.running.fork_server.SERVERS", 2)
    name = subject("os.kill(os.getppid(), signal.SIGKILL); time.sleep(60)")
    with pytest.raises(SubjectError, match=r"kernel\.py: the parent of its process was killed 2 times"):
        judged(name, [WIDE])


def test_a_server_whose_parent_is_gone_ends_without_a_word(monkeypatch):
    def gone(*_):
        raise ConnectionResetError

    monkeypatch.setattr(socket, "recv_fds", gone)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert _Server(theirs, {})._fork() is False


def test_an_interrupted_or_killed_run_leaves_no_process(subject, tmp_path):
    name = subject("__import__('subprocess').Popen(['sleep', '600'])")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, time\nfrom conformance.running.workers import Workers\n"
        f"with Workers({name!r}, 'reference', jobs=1) as workers:\n"
        "    from conformance.cases import Case\n"
        f"    list(workers.examine('exact', [Case.parse('{WIDE}')]))\n"
        "    print(workers._pool.server.pid, *workers.processes, flush=True)\n"
        "    time.sleep(60)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout
        groups = map(int, process.stdout.readline().split())
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
    for group in groups:
        _wait_until_gone(group)


WITHOUT_FORK = """
import os, signal, sys
sys.modules["resource"] = None
del os.fork, signal.SIGUSR1
import conformance.audit.runner, conformance.suite.matrix
from conformance.kernels.subject import SubjectError
from conformance.running.workers import Workers
try:
    Workers("npcnn", "reference").__enter__()
except SubjectError as error:
    print(error)
"""


def test_a_system_without_workers_is_told_of_them_when_they_are_asked_for():
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    shown = subprocess.run(
        [sys.executable, "-c", WITHOUT_FORK], capture_output=True, text=True, env=environment
    )
    assert shown.stderr == ""
    assert shown.stdout == "workers need fork, which this system lacks: use --in-process\n"


@pytest.mark.parametrize(
    ("top", "told"),
    [
        ("import ctypes; ctypes.string_at(0)", "the process that imports it crashed (SIGSEGV)"),
        ("raise ValueError('no')", "importing it raises ValueError: no"),
        ("import os; os._exit(5)", "importing it raises SystemExit: os._exit(5), which would end"),
    ],
)
def test_a_subject_that_cannot_be_imported_is_told_before_the_run(subject, top, told):
    with pytest.raises(SubjectError) as error, Workers(subject(top=top), "reference", jobs=1):
        pass
    assert told in str(error.value)


def test_a_subject_whose_import_never_ends_is_told(subject, monkeypatch):
    monkeypatch.setattr("conformance.running.pool.IMPORT_SECONDS", 1.0)
    name = subject(top="__import__('time').sleep(60)")
    with pytest.raises(SubjectError, match="importing it takes more than 1 s"), Workers(name, "reference"):
        pass


def test_an_oracle_that_dies_is_not_blamed_on_the_subject(subject, monkeypatch, tmp_path):
    name = subject(top="import conformance.kernels.reference as r, os; r.answer = lambda *_: os.abort()")
    ((_, judgements),) = judged(name, [PLAIN])
    assert [
        (judgement.status, "nothing of the subject" in judgement.message) for judgement in judgements
    ] == [("oracle died", True)]


def test_an_oracle_that_raises_is_told_and_the_run_goes_on(subject):
    name = subject(top="import conformance.kernels.reference as r\nr.answer = lambda *_: 1 / 0")
    (judgement,) = judged(name, [PLAIN])[0][1]
    assert judgement.status == "oracle raised"
    assert "the oracle reference raised ZeroDivisionError: division by zero" in judgement.message


def test_an_exception_of_the_suite_ends_the_run_with_its_case(subject):
    name = subject(top="import conformance.running.worker as w\nw.examine = lambda *_: 1 / 0")
    with pytest.raises(ExaminationError, match=f"{PLAIN}: ZeroDivisionError"):
        judged(name, [PLAIN])


def test_a_case_that_is_right_in_a_new_process_is_told(subject):
    name = subject("calls.append(1); input = input + (len(calls) > 2)", top="calls = []")
    settings = Settings(("conv2d",), ("sizes",), ("float32",), profile="quick")
    with Workers(name, "reference", jobs=1) as workers:
        report = run(load(name), workers, settings)
    (failure,) = [row.failure for row in report.rows if row.output == "output"]
    assert (failure.diagnosis, failure.shown_by) == (CHANGING, "state")


COMPILED = """
import functools, time
def compiled(function, done=[]):
    @functools.wraps(function)
    def call(*arrays, **options):
        if function not in done:
            time.sleep(SECONDS)  # as a just-in-time compiler does at the first call of a process
            done.append(function)
        return function(*arrays, **options)
    return call
"""


def compiling(name, function, seconds=0.8):
    text = Path(name).read_text().replace(f"def {function}(", f"@compiled\ndef {function}(")
    Path(name).write_text(COMPILED.replace("SECONDS", str(seconds)) + text)
    return name


LARGE = Case.parse("conv2d image=9,12 kernel=2,2")


def test_a_function_is_not_hurried_because_another_hung(subject):
    name = compiling(subject("time.sleep(60)"), "conv2d_backward")
    with Workers(name, "reference", jobs=1, timeout=0.5) as workers:
        list(workers.examine("exact", [WIDE]))
        ((_, judgements),) = workers.examine("exact", [LARGE])
    assert {j.output: j.status for j in judgements} == RIGHT


def test_a_function_that_answers_after_all_is_not_hurried_again(subject):
    name = compiling(subject("time.sleep(60)"), "conv2d")
    with Workers(name, "reference", jobs=1, timeout=2.0) as workers:
        list(workers.examine("exact", [WIDE]))
        list(workers.examine("exact", CASES[2:4]))
        before = workers.processes
        ((_, judgements),) = workers.examine("exact", [PLAIN])
        assert workers.processes == before
    assert {j.output: j.status for j in judgements} == RIGHT


@pytest.mark.parametrize("function", ["conv2d", "conv2d_backward"])
def test_a_first_call_that_compiles_for_longer_than_a_call_may_take_is_no_finding(subject, function):
    name = compiling(subject(), function, seconds=1.5)
    assert {status for _, found in judged(name, [WIDE, PLAIN]) for _, status, *_ in found} == {"conforms"}


def test_a_function_that_is_as_slow_when_it_is_called_again_hung(subject):
    assert statuses(subject("time.sleep(1.5)")) == RIGHT | {"output": "hung"}


def test_a_call_that_hangs_after_earlier_ones_and_not_alone_is_a_finding(subject):
    name = subject("calls.append(1); len(calls) < 3 or time.sleep(60)", top="calls = []")
    cases = [replace(WIDE, seed=seed) for seed in range(3)]
    *_, (_, judgements) = judged(name, cases)
    assert judgements[0].status == "hung"
    assert "not when it runs alone" in judgements[0].message


def test_no_hang_is_shown_with_a_limit_that_nobody_set(subject):
    name = subject("time.sleep(60)")
    path = Path(name)
    path.write_text(path.read_text().replace("input.shape[-1] == 9", "input.shape[-1] > 1"))
    settings = Settings(requirements=("exact", "empty"), dtypes=("float32",), profile="quick")
    with Workers(name, "reference", jobs=1, timeout=0.2) as workers:
        report = run(load(name), workers, settings)
    shown = [row.failure.judgement.message for row in report.rows if row.failure]
    assert [re.findall(r"hung(?: \(> (\S+) s\))?", message) for message in shown] == [["0.2"], ["0.2"]]


def test_a_hang_is_shrunk_by_a_few_candidates_that_hang():
    always = _AlwaysHung()
    case = Case.parse("conv2d batch=7 channels=9 filters=8 image=40,50 kernel=5,6 stride=3,4 padding=1,2")
    task = Task.of_case("exact", case)
    smallest_failure(always, task, case, Judgement("output", HUNG))
    assert always.asked < 2 * HANGS


class _AlwaysHung:
    """A runner under which every case hangs."""

    asked = 0

    def examine(self, requirement, cases):
        for case in cases:
            self.asked += 1
            yield case, [Judgement("output", HUNG)]

    @property
    def shrinking(self):
        return self

    patient = shrinking


def test_a_hang_is_placed_also_where_native_code_took_the_signal_that_asks_where(subject):
    top = "import ctypes, signal\nctypes.CDLL(None).signal(signal.SIGUSR1, ctypes.c_void_p(1))"
    assert "hung (> 1 s) at kernel.py:" in message(subject("while True: pass", top=top))


def test_a_process_that_hangs_and_cannot_be_asked_where_is_ended_all_the_same(subject, monkeypatch):
    monkeypatch.setattr("conformance.running.pool.LAST_WORDS_SECONDS", 0.1)
    deed = "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1}); time.sleep(60)"
    assert statuses(subject(deed)) == RIGHT | {"output": "hung"}


def test_a_process_whose_parent_is_gone_already_ends():
    code = "import os; from conformance.running.limits import die_with_parent; die_with_parent(os.getpid())"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == GONE


def test_a_first_worker_that_is_killed_as_it_imports_the_subject_is_followed_by_another(subject, tmp_path):
    top = (
        f"import os, pathlib, signal, time\nonce = pathlib.Path({str(tmp_path / 'once')!r})\n"
        "if not once.exists():\n    once.touch(); os.kill(os.getppid(), signal.SIGKILL); time.sleep(60)\n"
    )
    assert statuses(subject(top=top)) == RIGHT


def test_a_wrong_answer_of_one_thread_is_not_blamed_on_threads(subject):
    name = subject("input = input + 1")
    ((_, judgements),) = InProcess(load(name), oracle("reference")).examine("threads", [WIDE])
    (told,) = [judgement for judgement in judgements if judgement.output == "output"]
    assert ", from one thread, too: output[" in told.message


def test_what_threads_share_between_two_lines_is_seen(subject):
    name = subject("kept['input'] = input\n    input = kept['input']", top="kept = {}")
    ((_, judgements),) = InProcess(load(name), oracle("reference")).examine("threads", [WIDE])
    assert "from 4 threads: output[" in judgements[0].message


def test_a_death_is_shrunk_like_any_failure(subject):
    name = subject(CRASH)
    settings = Settings(requirements=("exact",), dtypes=("float32",), profile="quick")
    path = Path(name)
    path.write_text(
        path.read_text()
        .replace("input.shape[-1] == 9", "stride not in (1, (1, 1))")
        .replace("def wide(input):", "def wide(stride):")
        .replace("wide(input)", "wide(stride)")
    )
    with Workers(name, "reference", jobs=2) as workers:
        report = run(load(name), workers, settings)
    (row,) = (row for row in report.rows if row.output == "output")
    assert (row.verdict, str(row.failure and row.failure.case)) == ("crashed", "conv2d stride=2")


@pytest.mark.parametrize(
    ("death", "words"),
    [
        (Death("conv2d", True, -11), "crashed (SIGSEGV)"),
        (Death("conv2d", True, -40), "crashed (signal 40)"),
        (Death("conv2d", False, -6), "crashed (SIGABRT) after conv2d had answered"),
        (Death("conv2d", True, 3), "exited (3)"),
        (Death("conv2d", True, -9, hung=10.0),
         "hung (> 10 s); --timeout allows a call longer, as one that compiles may need"),
        (Death("conv2d", True, -9, hung=1.5, hurried=True), "hung"),
        (Death("conv2d", True, -6, printed="terminate: std::bad_alloc\n"),
         "out of memory; it had printed: terminate: std::bad_alloc"),
    ],
)  # fmt: skip
def test_a_death_reads(death, words):
    assert str(death) == words


def test_a_thread_that_hangs_is_in_hand_once_the_others_have_left():
    slot = Slot.new()
    watch = Watch(slot)
    watch("conv2d")
    with ThreadPoolExecutor(1) as other:
        list(other.map(watch, ["conv2d_backward", ""]))
    assert (slot.function, slot.since > 0) == ("conv2d", True)
    watch("")
    assert slot.since == 0
    slot.close()
