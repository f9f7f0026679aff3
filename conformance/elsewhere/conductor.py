"""The work of all subjects shared among all workers: orders given, answers folded, what dies given again."""

from __future__ import annotations

import concurrent.futures
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future
from dataclasses import dataclass, field
from typing import Any

from conformance.elsewhere.desks import fulfil
from conformance.elsewhere.executors.executor import Hands, LostError
from conformance.elsewhere.order import Answer, Order, Part, Work
from conformance.elsewhere.place import differences
from conformance.kernels.subject import SubjectError
from conformance.running.journal import JournalFile
from conformance.running.merge import joined
from conformance.running.results import Judged, unit_line
from conformance.usage import WrongUsage
from conformance.verdicts.verdict import Row, Unit

SHORT, LONG = 2.0, 20.0  # seconds of an order, where work is to be shared, and where there is enough for all
PART = 4.0  # seconds after which the rest of a unit is judged by all, in parts
RETRIES = 5  # times that an order is given again after what fulfilled it ended
PATIENCE = 10.0  # seconds after which it is told that there is no worker
LOOK = 0.5  # seconds between two looks at how many workers there are, and whether the run is to end

Line = dict[str, Any]


@dataclass
class Ended:
    """A subject of which no more is asked: its report, or why there is none."""

    name: str
    seconds: float
    cases: int = 0
    data: dict[str, Any] | None = None
    text: list[Any] = field(default_factory=list)
    error: tuple[str, str] | None = None


@dataclass
class _Long:
    """A unit that is judged in parts, side by side: those that are there by where they begin.

    size  cases of a part: as many as were judged in the time that one may take
    next  where the next part begins
    out   parts that are not there yet
    end   whether the last part is known
    """

    size: int
    next: int
    parts: dict[int, Part] = field(default_factory=dict)
    out: int = 0
    end: bool = False

    def take(self, part: Part) -> None:
        self.parts[part.start] = part
        self.end = self.end or part.ended

    @property
    def fails(self) -> bool:
        return any(part.fails for part in self.parts.values())

    def line(self, unit: Unit) -> Line:
        """All parts as one unit."""
        parts = [self.parts[start] for start in sorted(self.parts)]
        rows = joined([[Row.from_data(data) for data in part.line["rows"]] for part in parts])
        told = [part.line["lines"] for part in parts]
        lines = {"unknown": next((each["unknown"] for each in told if each["unknown"]), "")}
        lines |= {name: [one for each in told for one in each[name]] for name in ("stretches", "ran")}
        return unit_line(unit, Judged(rows, lines))


@dataclass
class _Operation:
    """The units of an operation of a subject, in their order, and how far they are.

    known    units that are judged, each with its line
    long     units that are judged in parts
    failing  whether any fails: then what comes later is judged in turn, since it hangs on what failed before it
    """

    units: list[Unit]
    known: dict[Unit, Line] = field(default_factory=dict)
    out: set[Unit] = field(default_factory=set)
    long: dict[Unit, _Long] = field(default_factory=dict)
    failing: bool = False

    @property
    def left(self) -> list[Unit]:
        return [unit for unit in self.units if unit not in self.known and not self._is_out(unit)]

    def _is_out(self, unit: Unit) -> bool:
        return unit in self.out or unit in self.long

    def next(self, most: int) -> list[Unit]:
        """So many of those that are left, between which none is out."""
        found: list[Unit] = []
        for unit in self.units:
            if self._is_out(unit) and found:
                break
            if unit not in self.known and not self._is_out(unit) and len(found) < most:
                found.append(unit)
        return found

    def is_settled(self, units: list[Unit]) -> bool:
        """Whether all that comes before these is judged."""
        return all(unit in self.known for unit in self.units[: self.units.index(units[0])])

    def take(self, line: Line) -> None:
        unit = Unit(**line["unit"])
        self.known[unit] = line
        self.failing = self.failing or _fails(line)

    def take_part(self, part: Part) -> Line | None:
        """A part of a unit; the whole unit where it was the last one. One that fails is judged again as a whole."""
        long = self.long.setdefault(part.unit, _Long(part.done, part.done))
        long.out -= bool(part.start)
        long.take(part)
        if long.out or not (long.end or long.fails):
            return None
        del self.long[part.unit]
        self.failing = self.failing or long.fails
        return None if long.fails else long.line(part.unit)

    def next_part(self) -> tuple[Unit, tuple[int, int]] | None:
        """Where the next part of a long unit begins, and how many cases it has."""
        for unit, long in self.long.items():
            if not (long.end or long.fails):
                long.out, long.next = long.out + 1, long.next + long.size
                return unit, (long.next - long.size, long.size)
        return None


def _fails(line: Line) -> bool:
    return any(row.get("failure") for row in line.get("rows", ()))


def _cases(line: Line) -> int:
    return max((row["cases"] for row in line.get("rows", ())), default=0)


@dataclass
class _Subject:
    """A subject that is not ended.

    heading, lines  of its journal: what is judged
    operations      once it has been loaded somewhere
    out             orders that are not answered
    begun           when its first order was given
    finishing       whether its report is ordered
    """

    work: Work
    heading: Mapping[str, Any] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    operations: dict[str, _Operation] | None = None
    out: int = 0
    begun: float = 0.0
    finishing: bool = False

    @property
    def cases(self) -> int:
        return sum(map(_cases, self.lines))

    def take(self, answer: Answer) -> None:
        """Fold in what a desk found."""
        self.heading = self.heading or answer.heading
        if self.operations is None:
            self.operations = {name: _Operation(units) for name, units in answer.planned.items()}
            for line in self.lines:
                self._note(line)
        parts = (self.operations[part.unit.operation].take_part(part) for part in answer.parts)
        for line in (*answer.lines, *filter(None, parts)):
            self.lines.append(line)
            self._note(line)
        if answer.unsettled:
            self.operations[answer.unsettled.operation].failing = True

    def _note(self, line: Line) -> None:
        assert self.operations is not None
        operation = line["unit"]["operation"] if "unit" in line else ""
        if operation in self.operations:
            self.operations[operation].take(line)


class Conductor:
    """Judges subjects by an executor.

    names     of the subjects
    work      how a subject is judged, by its name
    here      what this process is made of: see place.py
    journal   keeps what is judged, and has what was
    warn      is told what a user should know, each once: what is otherwise where a subject is judged
    say       is told how far the run is
    cases     judged so far, also of subjects that have not ended
    lost      why the executor is gone
    """

    def __init__(
        self,
        hands: Hands,
        names: Iterable[str],
        work: Callable[[str], Work],
        here: Mapping[str, Any],
        journal: JournalFile | None = None,
        warn: Callable[[str], None] = lambda text: None,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.hands, self.here, self.journal = hands, here, journal
        self._warn, self._say = warn, say
        self.work, self.waiting = work, deque(names)
        self.opened: list[_Subject] = []
        self.cases = 0
        self.lost = ""
        self._stopped = False
        self._renewed = 0
        self._total, self._since = len(self.waiting), time.monotonic()
        self._flying: dict[Future[Answer], tuple[_Subject, Order, int]] = {}
        self._warned: set[str] = set()
        self._unbegun: list[Ended] = []

    def stop(self) -> None:
        """End the run soon, with the verdicts so far; from a handler of a signal, or another thread."""
        self._stopped = True

    @property
    def ended_early(self) -> bool:
        return self._stopped or bool(self.lost)

    def run(self) -> Iterator[Ended]:
        """Each subject when it has ended; where the run ends early, those that were begun as far as they are."""
        try:
            while not self._stopped and (self.waiting or self.opened):
                self._give()
                while self._unbegun:
                    yield self._unbegun.pop()
                yield from self._answers()
        except LostError as error:
            self.lost = str(error)
        yield from self._broken_off()

    def _give(self) -> None:
        """Orders for all who have none."""
        width = self.hands.width()
        if not width and time.monotonic() - self._since > PATIENCE:
            self._note("the executor has no workers: waiting for one")
        width = max(1, width)
        while len(self._flying) < width and (given := self._next(width)):
            self._submit(*given, 0)

    def _next(self, width: int) -> tuple[_Subject, Order] | None:
        """The next order: first of subjects that are begun."""
        for subject in self.opened:
            if order := self._of(subject, width):
                return subject, order
        begun = self._begin()
        if not begun:
            return None
        self.opened.append(begun)
        if len(self.waiting) < width and not begun.work.settings.first_failure:
            return begun, self._loading(begun)  # it is shared from the first unit on
        return begun, self._order(begun, None, known=begun.lines, seconds=LONG)

    def _begin(self) -> _Subject | None:
        """The next subject of which there is something to judge."""
        while self.waiting:
            name = self.waiting.popleft()
            try:
                work = self.work(name)
            except (WrongUsage, SubjectError, OSError) as error:
                self._unbegun.append(Ended(name, 0.0, error=(type(error).__name__, str(error))))
                continue
            journal = self.journal
            known = (journal.headings.get(name, {}), [*journal.lines.get(name, ())]) if journal else ({}, [])
            return _Subject(work, *known, begun=time.monotonic())
        return None

    def _loading(self, subject: _Subject) -> Order:
        """Only to load a subject, and to say which units it has."""
        return self._order(subject, (), known=(), finish=False)

    def _of(self, subject: _Subject, width: int) -> Order | None:
        """What is to be judged next of a subject that is begun; None where others have to answer first."""
        if subject.operations is None:
            alone = not self.waiting and not subject.work.settings.first_failure
            return self._loading(subject) if alone and subject.out < width else None
        if subject.finishing:
            return None
        if subject.work.settings.first_failure:
            return None if subject.out else self._order(subject, None, known=subject.lines, seconds=LONG)
        left = sum(len(each.left) for each in subject.operations.values())
        for each in subject.operations.values():
            if part := each.next_part():
                return self._order(subject, (part[0],), known=(), part=part[1], finish=False)
        for each in subject.operations.values():
            if not each.left or (each.failing and each.out):
                continue
            share = len(each.left) if each.failing else max(1, -(-left // (2 * width)))
            units = each.next(share)
            failing = [line for line in each.known.values() if _fails(line)]
            how = {"settled": each.is_settled(units), "longest": 0.0 if each.failing else PART}
            return self._order(subject, tuple(units), known=failing, finish=False, **how)
        if subject.out or any(each.long for each in subject.operations.values()):
            return None
        subject.finishing = True
        return self._order(subject, (), known=subject.lines)

    def _order(self, subject: _Subject, units: tuple[Unit, ...] | None, **more: Any) -> Order:
        known = tuple(more.pop("known"))
        elapsed = time.monotonic() - subject.begun
        return Order(subject.work, units, known=known, heading=subject.heading, elapsed=elapsed, **more)

    def _submit(self, subject: _Subject, order: Order, tried: int) -> None:
        subject.out += not tried
        for unit in order.units or ():
            subject.operations[unit.operation].out.add(unit)  # type: ignore[index]
        try:
            future = self.hands.executor.submit(fulfil, order)
        except RuntimeError as error:  # it was shut down, or is broken
            self._renew(self.hands.lost(error) or str(error), error)
            future = self.hands.executor.submit(fulfil, order)
        self._flying[future] = subject, order, tried

    def _answers(self) -> Iterator[Ended]:
        """What is answered by now."""
        done, _ = concurrent.futures.wait(self._flying, LOOK, FIRST_COMPLETED)
        for future in done:
            if future not in self._flying:
                continue  # given again
            subject, order, tried = self._flying[future]
            try:
                answer = future.result()
            except BaseException as error:
                if why := self.hands.lost(error):
                    self._renew(why, error)
                    continue
                answer = Answer(error=(type(error).__name__, str(error)))
                if tried < RETRIES and not isinstance(error, ModuleNotFoundError):
                    del self._flying[future]
                    self._submit(subject, order, tried + 1)
                    continue
            del self._flying[future]
            subject.out -= 1
            yield from self._fold(subject, order, answer)

    def _renew(self, why: str, error: BaseException) -> None:
        """Take another executor in the place of one that is gone, and give it what was out; else LostError."""
        self._renewed += 1
        if not self.hands.renew or self._renewed > RETRIES:
            raise LostError(why) from error
        self.hands.executor = self.hands.renew()
        out, self._flying = [*self._flying.values()], {}
        for subject, order, tried in out:
            self._submit(subject, order, max(1, tried))

    def _fold(self, subject: _Subject, order: Order, answer: Answer) -> Iterator[Ended]:
        if subject not in self.opened:
            return  # it ended while this was on its way
        self._compare(answer)
        if not answer.error:
            before = len(subject.lines)
            subject.take(answer)
            for unit in order.units or ():
                subject.operations[unit.operation].out.discard(unit)  # type: ignore[index]
            self._keep(subject, subject.lines[before:])
            self.cases += sum(map(_cases, subject.lines[before:]))
        if answer.error or answer.data is not None:
            self.opened.remove(subject)
        self._say(self._how_far)
        if answer.error or answer.data is not None:
            yield self._ended(subject, answer)

    def _keep(self, subject: _Subject, lines: list[Line]) -> None:
        if self.journal and not self.journal.lost:
            try:
                self.journal.begin(subject.heading)
                self.journal.keep(subject.work.name, lines)
            except OSError as error:  # the disk is full: the run goes on
                self.journal.lost = str(self.journal.path), str(error.strerror)

    def _ended(self, subject: _Subject, answer: Answer) -> Ended:
        seconds, error = time.monotonic() - subject.begun, answer.error
        if error and self.hands.apart and answer.place:
            error = error[0], f"{error[1]} (on {answer.place['machine']})"
        return Ended(subject.work.name, seconds, subject.cases, answer.data, answer.text, error)

    def _compare(self, answer: Answer) -> None:
        """Say what is otherwise where a subject was judged; another version of the suite is an error."""
        there = answer.place
        if not there:
            return
        if there["suite"] != self.here["suite"] and not answer.error:
            answer.error = ("WrongUsage", f"{there['machine']}: the suite there is another version than here")
        for each in differences(there, self.here):
            self._note(f"{there['machine']}: {each}")

    def _note(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self._warn(text)

    @property
    def _how_far(self) -> str:
        ended = self._total - len(self.waiting) - len(self.opened)
        if self._total == 1 and self.opened and (operations := self.opened[0].operations):
            known = sum(len(each.known) for each in operations.values())
            units = sum(len(each.units) for each in operations.values())
            return f"{known:,} of {units:,} units, {self.cases:,} cases"
        return f"{ended:,} of {self._total:,} subjects, {self.cases:,} cases"

    def _broken_off(self) -> Iterator[Ended]:
        """What there is of the subjects that were begun, told by desks of this process."""
        for future in self._flying:
            future.cancel()
        for subject in self.opened:
            answer = Answer()
            if subject.operations is not None:
                order = self._order(subject, (), known=subject.lines, closed=True)
                try:
                    answer = fulfil(order)
                except Exception as error:
                    answer = Answer(error=(type(error).__name__, str(error)))
            yield self._ended(subject, answer)
