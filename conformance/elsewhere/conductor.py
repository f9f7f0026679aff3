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
from conformance.elsewhere.order import Answer, Order, Work
from conformance.elsewhere.place import differences
from conformance.elsewhere.under_way import UnderWay, cases_of, is_failing
from conformance.kernels.subject import SubjectError
from conformance.running.journal import JournalFile
from conformance.usage import WrongUsage
from conformance.verdicts.verdict import Unit

LONG = 20.0  # seconds of an order where there is enough to do for all
PART = 4.0  # seconds after which the rest of a unit is judged by all, in parts
RETRIES = 5  # times that an order is given again after what fulfilled it ended
PATIENCE = 10.0  # seconds after which it is told that there is no worker
LOOK = 0.5  # seconds between two looks at how many workers there are, and whether the run is to end


@dataclass
class Ended:
    """A subject of which no more is asked: its report, or why there is none."""

    name: str
    seconds: float
    cases: int = 0
    data: dict[str, Any] | None = None
    text: list[Any] = field(default_factory=list)
    error: tuple[str, str] | None = None


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
        self.opened: list[UnderWay] = []
        self.cases = 0
        self.lost = ""
        self._stopped = False
        self._renewed = 0
        self._total, self._since = len(self.waiting), time.monotonic()
        self._flying: dict[Future[Answer], tuple[UnderWay, Order, int]] = {}
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

    def _next(self, width: int) -> tuple[UnderWay, Order] | None:
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

    def _begin(self) -> UnderWay | None:
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
            return UnderWay(work, *known, begun=time.monotonic())
        return None

    def _loading(self, subject: UnderWay) -> Order:
        """Only to load a subject, and to say which units it has."""
        return self._order(subject, (), known=(), finish=False)

    def _of(self, subject: UnderWay, width: int) -> Order | None:
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
            if not each.left or (each.failing and (each.out or each.long)):
                continue
            share = len(each.left) if each.failing else max(1, -(-left // (2 * width)))
            units = each.next(share)
            failing = [line for line in each.known.values() if is_failing(line)]
            how = {"settled": each.is_settled(units), "longest": 0.0 if each.failing else PART}
            return self._order(subject, tuple(units), known=failing, finish=False, **how)
        if subject.out or any(each.long for each in subject.operations.values()):
            return None
        subject.finishing = True
        return self._order(subject, (), known=subject.lines)

    def _order(self, subject: UnderWay, units: tuple[Unit, ...] | None, **more: Any) -> Order:
        known = tuple(more.pop("known"))
        elapsed = time.monotonic() - subject.begun
        return Order(subject.work, units, known=known, heading=subject.heading, elapsed=elapsed, **more)

    def _submit(self, subject: UnderWay, order: Order, tried: int) -> None:
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

    def _fold(self, subject: UnderWay, order: Order, answer: Answer) -> Iterator[Ended]:
        if subject not in self.opened:
            return  # it ended while this was on its way
        self._compare(answer)
        if not answer.error:
            before = len(subject.lines)
            subject.take(answer)
            for unit in order.units or ():
                subject.operations[unit.operation].out.discard(unit)  # type: ignore[index]
            if self.journal:
                self.journal.begin(subject.heading)
                self.journal.keep(subject.work.name, subject.lines[before:])
            self.cases += sum(map(cases_of, subject.lines[before:]))
        if answer.error or answer.data is not None:
            self.opened.remove(subject)
        self._say(self._how_far)
        if answer.error or answer.data is not None:
            yield self._ended(subject, answer)

    def _ended(self, subject: UnderWay, answer: Answer) -> Ended:
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
