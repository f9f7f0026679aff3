"""A process that judges one subject, order after order; it has been forked from a nursery for that."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from conformance import usage
from conformance.cases import Case
from conformance.elsewhere.order import Answer, Order, Part, Work
from conformance.elsewhere.place import place
from conformance.kernels.framework import MissingFramework
from conformance.kernels.load import load
from conformance.kernels.own import tell_from
from conformance.kernels.subject import Subject, SubjectError
from conformance.reports import last_time, text
from conformance.reports.data import as_data
from conformance.reports.document import document
from conformance.reports.run_info import RunInfo
from conformance.running.claims import claims_of
from conformance.running.failures import with_seen
from conformance.running.judge import judge, judge_part
from conformance.running.pool import IMPORT_SECONDS
from conformance.running.results import Judged, Results, unit_line
from conformance.running.rounds import in_rounds, whole
from conformance.running.run import run
from conformance.running.state import heading_of, other_run, setup_of
from conformance.running.tasks import Task, plan
from conformance.running.workers import ExaminationError, Workers
from conformance.verdicts.verdict import Failure, Row, Unit

TOLD = (SubjectError, MissingFramework, usage.WrongUsage, ExaminationError)  # each in its own words

LACKING = ("No module named", "No such file", "cannot open shared object")
HINT = "; what it imports by name travelled with it, --carry PATH takes more along"


def attend(connection: Connection, folder: Path) -> None:
    """Fulfil orders of one subject until nobody has one more; its files are unpacked into the folder."""
    with ExitStack() as open_until_then, contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        desk: Desk | None = None
        while True:
            order: Order = connection.recv()
            try:
                desk = desk or Desk.opened(order.work, folder, open_until_then)
                answer = desk.fulfil(order)
            except TOLD as error:
                hint = HINT if order.work.parcel and any(word in str(error) for word in LACKING) else ""
                answer = Answer(error=(type(error).__name__, f"{error}{hint}"))
            except Exception:
                answer = Answer(error=("an error of the suite", traceback.format_exc()))
            answer.place = answer.place or place(order.work.oracle)
            connection.send(_named(answer, order.work, folder))


def _named(answer: Answer, work: Work, folder: Path) -> Answer:
    """The answer with the names that files have where they come from."""
    names = work.parcel.names(folder) if work.parcel and work.parcel.files else []
    if not names:
        return answer
    texts = {
        "lines": answer.lines,
        "parts": [part.line for part in answer.parts],
        "data": answer.data,
        "text": answer.text,
        "error": answer.error,
    }
    texts = _renamed(texts, names)
    parts = [part._replace(line=line) for part, line in zip(answer.parts, texts.pop("parts"), strict=True)]
    return replace(answer, parts=parts, **texts)


def _renamed(data: Any, names: Iterable[tuple[str, str]]) -> Any:
    text = json.dumps(data)
    for there, here in names:
        text = text.replace(json.dumps(there)[1:-1], json.dumps(here)[1:-1])
    return json.loads(text)


@contextlib.contextmanager
def _no_longer_than(seconds: float, what: str) -> Iterator[None]:
    """SubjectError where Python code goes on beyond so many seconds."""

    def end(number: int, frame: Any) -> None:
        raise SubjectError(f"{what} takes more than {seconds:g} s")

    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


class _Stream:
    """The cases of a task, from one place on; the next part of it mostly lies behind it.

    place  how many were taken, ended whether there are no more
    """

    def __init__(self, cases: Iterator[Case]) -> None:
        self._cases = cases
        self.place, self.ended = 0, False

    def next(self, count: int) -> Iterator[Case]:
        for _ in range(count):
            if (case := next(self._cases, None)) is None:
                self.ended = True
                return
            self.place += 1
            yield case

    def until(self, end: float) -> Iterator[Case]:
        """Until it is that late; at least one."""
        yield from self.next(1)
        while not self.ended and time.monotonic() < end:
            yield from self.next(1)

    def skip(self, count: int) -> None:
        for _ in self.next(count):
            pass


@dataclass
class Desk:
    """A subject that is loaded, and its worker process.

    heading  of the run
    planned  the tasks of each operation, in their order
    names    of files there, and where they come from
    streams  of units that are judged in parts
    rounds   in which all units are judged, where the first failure ends that
    """

    work: Work
    subject: Subject
    workers: Workers
    heading: dict[str, Any]
    planned: dict[str, list[Task]]
    names: list[tuple[str, str]] = field(default_factory=list)
    streams: dict[Unit, _Stream] = field(default_factory=dict)
    rounds: Iterator[tuple[Task, list[Row]] | None] | None = None

    @classmethod
    def opened(cls, work: Work, folder: Path, until: ExitStack) -> Desk:
        """Load the subject, first where it can do no harm; SubjectError or WrongUsage where that fails."""
        parcel, names = work.parcel, []
        if parcel and parcel.files:
            parcel.unpack(folder)
            os.chdir(folder)
            if parcel.path:
                sys.path.insert(0, str(folder / parcel.path))
            names = parcel.names(folder)
        if parcel:
            tell_from(parcel.sent, names[:1])
        name = parcel.name if parcel else work.name
        usage.check_oracle(work.oracle)
        declared = {**work.declared}
        workers = until.enter_context(
            Workers(name, work.oracle, 1, work.timeout, declared=declared, forked=True)
        )
        with _no_longer_than(IMPORT_SECONDS, f"{work.name}: importing it again"):
            subject = replace(load(name, **declared), name=work.name)
        chosen = ("operations", "requirements", "dtypes", "profile", "seed", "skipped")
        usage.settings(subject, **{each: getattr(work.settings, each) for each in chosen})
        claimed = claims_of(subject, workers, work.settings)
        planned = {claims.operation: list(plan(subject, claims, work.settings)) for claims in claimed}
        setup = setup_of(work.oracle, work.settings)
        heading = heading_of(replace(subject, name=name), setup) | {"subject": work.name}
        return cls(work, subject, workers, heading, planned, names)

    def fulfil(self, order: Order) -> Answer:
        """Judge what is asked for as long as there is time, and report, if that is wanted and all is judged."""
        begun, results = time.monotonic(), Results()
        if order.heading and (other := other_run(order.heading, self.heading)):
            raise usage.WrongUsage(f"the journal is of another run: {other}")
        for line in _renamed(order.known, [(here, there) for there, here in self.names]):
            results.take(line)
        answer = Answer(
            place(self.work.oracle, self.subject.array_framework),
            self.heading,
            {operation: [task.unit for task in tasks] for operation, tasks in self.planned.items()},
        )
        if order.part and order.units:
            self._judge_part(self._task(order.units[0]), *order.part, answer)
            return answer
        end = begun + order.seconds
        if self.work.settings.first_failure:
            through = self._until_one_fails(order, results, answer, end)
        else:
            through = self._all(order, results, answer, end)
        if order.finish and through and not answer.unsettled:
            results.closed = order.closed
            self._report(results, answer, order.elapsed + time.monotonic() - begun)
        return answer

    def _until_one_fails(self, order: Order, results: Results, answer: Answer, end: float) -> bool:
        """Whether a unit fails, or all are judged; else it is too late for more."""
        if order.closed or any(failure.decides for failure in results.failures):
            return True
        self.rounds = self.rounds or in_rounds(list(self._wanted(order, results)), self.workers)
        for step in self.rounds:
            if step:
                task, found = step
                rows = whole(found, partial(judge, task, self.subject, self.workers, first=True))
                self._keep(task, rows, results, answer)
                if any(failure.decides for row in rows for failure in row.failures):
                    return True
            if time.monotonic() > end:
                return False
        return True

    def _all(self, order: Order, results: Results, answer: Answer, end: float) -> bool:
        """Whether all that is wanted is judged; else it is too late for more, or others must be judged before."""
        for task in list(self._wanted(order, results)):
            if (answer.lines or answer.parts) and time.monotonic() > end:
                return False
            if self._judge(task, order, results, answer):
                return False
        return True

    def _keep(self, task: Task, rows: list[Row], results: Results, answer: Answer) -> None:
        results.keep(task.unit, rows, self.workers.ran.news())
        answer.lines.append(results.lines[-1])

    def _wanted(self, order: Order, results: Results) -> Iterator[Task]:
        """The tasks that are asked for and not judged."""
        for task in (task for tasks in self.planned.values() for task in tasks if not order.closed):
            if not results.judged(task.unit) and (order.units is None or task.unit in order.units):
                yield task

    def _judge(self, task: Task, order: Order, results: Results, answer: Answer) -> bool:
        """Judge a task, or a part of it; whether others must be judged before."""
        part = self._begin(task, order.longest) if order.longest else None
        if part and not part.ended and not part.fails:
            answer.parts.append(part)
            return False
        if part and part.fails and not order.settled:
            answer.unsettled = task.unit
            return True
        if part and not part.fails and part.done:
            answer.lines.append(part.line)
            results.take(part.line)
            return False
        rows = judge(task, self.subject, self.workers, earlier=self._earlier(task, results))
        seen = [Row.from_data(data) for data in part.line["rows"]] if part else []
        self._keep(task, with_seen(rows, seen), results, answer)
        return False

    def _begin(self, task: Task, longest: float) -> Part:
        """The first cases of a task: all of them, unless that takes too long."""
        self.streams[task.unit] = stream = _Stream(task.cases())
        return self._part(task, stream, stream.until(time.monotonic() + longest))

    def _judge_part(self, task: Task, start: int, count: int, answer: Answer) -> None:
        stream = self.streams.get(task.unit)
        if not stream or stream.place > start:
            stream = self.streams[task.unit] = _Stream(task.cases())
        stream.skip(start - stream.place)
        answer.parts.append(self._part(task, stream, stream.next(count)))

    def _part(self, task: Task, stream: _Stream, cases: Iterator[Case]) -> Part:
        start = stream.place
        rows, done = judge_part(task, self.workers, cases, before=start)
        fails = any(row.failure for row in rows)
        # Of a unit that fails, lines are told once it is judged as a whole.
        told = {} if fails else self.workers.ran.news()
        return Part(task.unit, start, done, stream.ended, fails, unit_line(task.unit, Judged(rows, told)))

    def _task(self, unit: Unit) -> Task:
        return next(task for task in self.planned[unit.operation] if task.unit == unit)

    def _earlier(self, task: Task, results: Results) -> list[Failure]:
        """The failures of the units of an operation that come before one, as far as they are known."""
        before = self.planned[task.plan.operation]
        return results.failures_of(each.unit for each in before[: before.index(task)])

    def _report(self, results: Results, answer: Answer, seconds: float) -> None:
        work = self.work
        report = run(self.subject, self.workers, work.settings, results=results)
        how = work.oracle, work.settings.profile, work.settings.seed
        info = RunInfo(*how, seconds, usage.ANSWERS, work.timeout, declared=work.words, **work.began)
        told = document(report, info, work.baseline)
        if work.keeps:
            last_time.keep(report)
        answer.data = as_data(told)
        answer.text = list(text.lines(told, work.width, work.scripts))
