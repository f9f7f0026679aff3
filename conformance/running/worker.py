"""What a worker does: it gets cases as text, examines them, and answers with plain data."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import signal
import threading
import traceback
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any, NoReturn

from conformance.cases import Case
from conformance.cases.arrays import Array, Arrays
from conformance.kernels.call import Caller
from conformance.kernels.framework import FRAMEWORKS, MissingFramework, Oracle, about, framework, imported
from conformance.kernels.framework import oracle as oracle_named
from conformance.kernels.lines import Lines
from conformance.kernels.load import load
from conformance.kernels.subject import SubjectError
from conformance.kernels.surroundings import restored
from conformance.requirements import REQUIREMENTS
from conformance.running import limits
from conformance.running.runner import examine
from conformance.running.slot import ORACLE, Slot
from conformance.verdicts.judgement import Judgement

# Sent to a worker that hangs: it prints where, even while native code holds the lock of Python, and ends.
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


def work(server: int, connection: int, slot: int, output: int, options: dict[str, Any]) -> NoReturn:
    """Load the subject, then answer chunks until the parent hangs up. Never returns: no exit handler runs."""
    try:
        limits.die_with_parent(server)
        os.setpgid(0, 0)  # a kernel that signals its group means itself
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
        _tell_where(output)
        _serve(Connection(connection), Slot(slot), output, options)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        os._exit(0)
    except BaseException:
        try:
            traceback.print_exc()
        finally:  # also where a kernel closed what is printed to
            os._exit(FAILED)
    os._exit(0)


def _tell_where(output: int) -> None:
    """Print where a crash comes, and where a call hangs, before the signal of either ends this process."""
    faulthandler.disable()  # or else it takes its handlers for those that are set
    faulthandler.unregister(WHERE)
    faulthandler.enable(output, all_threads=False)
    signal.signal(WHERE, signal.SIG_DFL)
    faulthandler.register(WHERE, output, all_threads=True, chain=True)


def _serve(parent: Connection, slot: Slot, output: int, options: dict[str, Any]) -> None:
    try:
        caller, oracle = _load(slot, options)
        _tell_where(output)  # again: native code that the subject loads may have handlers of its own
    except (SubjectError, MissingFramework) as error:
        parent.send_bytes(json.dumps({"error": type(error).__name__, "text": str(error)}).encode())
        return
    limits.exit_at_once()
    limits.dump_no_core()
    parent.send_bytes(json.dumps({"ready": True, "resident": limits.resident()}).encode())
    loaded, lines = limits.writable(), None
    while (
        taken := limits.writable()
    ) - loaded <= KEEPS:  # a new worker has the rest of what this one was sent
        chunk = json.loads(parent.recv_bytes())
        if taken:
            limits.limit_memory(taken + chunk["bytes"])
        if chunk["lines"]:
            lines = lines or Lines.of(caller.subject)
            lines.mark(Case.parse(chunk["cases"][0]).operation)
            lines.seek(chunk["sought"])
        answer = _answer(chunk, slot, caller, oracle) | (_of_lines(lines, chunk["sought"]) if lines else {})
        parent.send_bytes(json.dumps(answer).encode())
        slot.end()  # only now: a death of what a kernel did to the connection is that of a case


def _load(slot: Slot, options: dict[str, Any]) -> tuple[Caller, Oracle]:
    watch = Watch(slot)
    return Caller(load(options["subject"], **options["declared"]), watch), _watched(options["oracle"], watch)


@restored()
def _answer(chunk: dict[str, Any], slot: Slot, caller: Caller, oracle: Oracle) -> dict[str, Any]:
    caller = replace(caller, halves=tuple(chunk["halves"])) if chunk["halves"] else caller
    _set_threads(chunk["requirement"])
    answers = []
    for number, text in enumerate(chunk["cases"]):
        if slot.dropped >= chunk["chunk"]:
            break
        slot.begin(chunk["chunk"], number)
        try:
            with restored(seldom=False):
                answers.append(_examine(chunk["requirement"], Case.parse(text), caller, oracle))
        except OracleError as error:
            answers.append([list(of_oracle("raised", str(error)))])
        except Exception as error:  # the suite's own: the parent raises it
            error_text = f"{type(error).__name__}: {error}"
            return {"failed": text, "text": traceback.format_exc(), "error": error_text}
    return {"answers": answers}


def _of_lines(lines: Lines, sought: list[Any]) -> dict[str, Any]:
    near = {"near": lines.near(sought)} if sought else {}
    return {"lines": near | lines.news()}


def _set_threads(requirement: str) -> None:
    """Several workers share the cores, but some crashes take threads."""
    threads = 1 if requirement == ORACLE else REQUIREMENTS[requirement].threads
    for each in imported():
        each.set_threads(threads)


def _examine(requirement: str, case: Case, caller: Caller, oracle: Oracle) -> list[Any]:
    if requirement == ORACLE:  # the oracle alone, to learn who is to blame
        from conformance.cases.arrays import fill

        oracle(case, fill(case))
        return []
    return [list(judgement) for judgement in examine(caller, oracle, requirement, case)]


class Watch:
    """Notes the function in hand; several threads may be in several. One that hangs is in hand when the others left."""

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


def _watched(name: str, watch: Watch) -> Oracle:
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
