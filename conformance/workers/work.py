"""What a worker does: it gets cases as text, examines them, and answers with plain data."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import json
import os
import signal
import sys
import threading
import traceback
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

from conformance.cases import Case
from conformance.cases.arrays import Array, Arrays
from conformance.kernels.call import Caller
from conformance.kernels.framework import FRAMEWORKS, MissingFramework, Oracle, about, framework, imported
from conformance.kernels.framework import oracle as oracle_named
from conformance.kernels.load import load
from conformance.kernels.subject import SubjectError
from conformance.kernels.surroundings import restored
from conformance.pipeline import examine
from conformance.requirements import REQUIREMENTS
from conformance.verdicts.judgement import Judgement
from conformance.workers.slot import ORACLE, Slot

# Sent to a worker that hangs: it prints where, even while native code holds the lock of Python.
# 0 and imports in functions where there are no workers: this module is imported there, too.
WHERE = getattr(signal, "SIGUSR1", 0)

# Bytes: what earlier cases left behind, as a compiler of every shape does, is not held against a later one.
KEEPS = 1 << 29

FAILED = 70  # the exit status of a worker that cannot go on


def preload(options: dict[str, Any]) -> None:
    """Import what every worker needs; what fails here fails again in the worker, which says so."""
    named = {options["oracle"], options["subject"].partition(":")[0]}
    for name in named.intersection(FRAMEWORKS):
        if about(name).forks:
            with contextlib.suppress(ImportError):
                framework(name)
    for each in imported():
        each.preload()


def work(connection: int, slot: int, output: int, options: dict[str, Any]) -> NoReturn:
    """Load the subject, then answer tasks until the parent hangs up. Never returns: no exit handler runs."""
    try:
        die_with_parent()
        os.setpgid(0, 0)  # a kernel that signals its group means itself
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
        faulthandler.enable(output, all_threads=False)
        faulthandler.register(WHERE, output, all_threads=True)
        _serve(Connection(connection), Slot(slot), options)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        os._exit(0)
    except BaseException:
        try:
            traceback.print_exc()
        finally:  # also where a kernel closed what is printed to
            os._exit(FAILED)
    os._exit(0)


def _serve(parent: Connection, slot: Slot, options: dict[str, Any]) -> None:
    try:
        caller, oracle = _load(slot, options)
    except (SubjectError, MissingFramework) as error:
        parent.send_bytes(json.dumps({"error": type(error).__name__, "text": str(error)}).encode())
        return
    _exit_at_once()
    _dump_no_core()
    parent.send_bytes(json.dumps({"ready": True, "resident": _resident()}).encode())
    loaded = _data()
    while (taken := _data()) - loaded <= KEEPS:  # a new worker has the rest of what this one was sent
        task = json.loads(parent.recv_bytes())
        if taken:
            _limit_memory(taken + task["bytes"])
        parent.send_bytes(json.dumps(_answer(task, slot, caller, oracle)).encode())
        slot.end()  # only now: a death of what a kernel did to the connection is that of a case


def _load(slot: Slot, options: dict[str, Any]) -> tuple[Caller, Oracle]:
    watch = _Watch(slot)
    return Caller(load(options["subject"]), watch), _watched(options["oracle"], watch)


def _answer(task: dict[str, Any], slot: Slot, caller: Caller, oracle: Oracle) -> dict[str, Any]:
    caller = replace(caller, halves=tuple(task["halves"])) if task["halves"] else caller
    threads = 1 if task["requirement"] == ORACLE else REQUIREMENTS[task["requirement"]].threads
    for each in imported():  # several workers share the cores, but some crashes take threads
        each.set_threads(threads)
    answers = []
    for number, text in enumerate(task["cases"]):
        if slot.dropped >= task["task"]:
            break
        slot.begin(task["task"], number)
        try:
            with restored():
                answers.append(_examine(task["requirement"], Case.parse(text), caller, oracle))
        except OracleError as error:
            answers.append([list(of_oracle("raised", str(error)))])
        except Exception as error:  # the suite's own: the parent raises it
            return {
                "failed": text,
                "text": traceback.format_exc(),
                "error": f"{type(error).__name__}: {error}",
            }
    return {"task": task["task"], "answers": answers}


def _examine(requirement: str, case: Case, caller: Caller, oracle: Oracle) -> list[Any]:
    if requirement == ORACLE:  # the oracle alone, to learn who is to blame
        from conformance.cases.arrays import fill

        oracle(case, fill(case))
        return []
    return [list(judgement) for judgement in examine(caller, oracle, requirement, case)]


class _Watch:
    """Told the function in hand; several threads may be in several. One that hangs is in hand when the others left."""

    def __init__(self, slot: Slot) -> None:
        self.slot = slot
        self.inside: dict[int, str] = {}
        self.lock = threading.Lock()
        self.process = os.getpid()

    def __call__(self, function: str) -> None:
        thread = threading.get_ident()
        if not function:
            self._still_whole()
        with self.lock:
            if function:
                self.inside[thread] = function
                self.slot.enter(function)
            elif self.inside.pop(thread, None):
                if self.inside:
                    self.slot.enter(next(iter(self.inside.values())))
                else:
                    self.slot.leave()

    def _still_whole(self) -> None:
        """End a child that the kernel forked, as its parent answers, and a worker whose files the kernel closed."""
        if os.getpid() != self.process:
            os._exit(0)
        try:
            os.fstat(self.slot.descriptor)
        except OSError:
            os._exit(FAILED)


class OracleError(Exception):
    """The oracle raised an exception."""


def of_oracle(ended: str, words: str) -> Judgement:
    """No verdict on the subject: the oracle died or raised an exception."""
    words = f"the oracle {words}; this says nothing of the subject"
    return Judgement("output", f"oracle {ended}", float("inf"), True, words)


def _watched(name: str, watch: _Watch) -> Oracle:
    oracle = oracle_named(name)

    def answer(case: Case, arrays: Arrays) -> dict[str, Array]:
        watch(ORACLE)
        try:
            return oracle(case, arrays)
        except Exception as error:
            raise OracleError(f"{name} raised {type(error).__name__}: {error}") from error
        finally:
            watch("")

    return answer


def _dump_no_core() -> None:
    """Deaths are expected."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _resident() -> int:
    """The most memory that this process ever held, in bytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _data() -> int:
    """The memory that this process may write to, in bytes; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("VmData"))


def _limit_memory(limit: int) -> None:
    """Beyond it memory is refused, before the machine runs out of it."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (limit if hard < 0 else min(limit, hard), hard))


def die_with_parent() -> None:
    """Leave no process behind where the parent is killed, and can end nobody."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _exit_at_once() -> None:
    """Where a subject calls exit(), skip what loaded libraries would do then: half a second for PyTorch's."""
    c = ctypes.CDLL(None)
    if hasattr(c, "on_exit"):  # the last function registered is called first, with the status
        c.on_exit(ctypes.cast(c._exit, ctypes.c_void_p), None)
