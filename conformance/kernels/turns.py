"""Threads that take turns between the lines of a kernel.

Where chance alone decides which thread runs, a mistake of few lines is met in one run and missed in the next. Here one
thread runs at a time, and at a line of the kernel the next one goes on: a case has the same interleaving each time.
"""

from __future__ import annotations

import dis
import random
import sys
import threading
from collections.abc import Callable
from functools import cache
from types import CodeType, FrameType
from typing import Any, TypeVar

from conformance.kernels.framework import FRAMEWORKS, about

_RUNS = (1, 1, 2, 3, 8, 32)  # lines in a turn: threads come close to each other, or pass while one stands
_SLOWER = 128  # turns are a line longer after each so many: a long kernel does not stop at each line
_LINES = 10_000  # a kernel of more is let go: tracing makes it slower, and it meets others anyway
_PATIENCE = 0.032  # seconds that a thread may take to its next line, before another one has its turn
_LEAST_PATIENCE = 0.001
# What other threads may see is written by these instructions, and by functions and methods of these names.
_STORES = {"STORE_GLOBAL", "STORE_ATTR", "STORE_SUBSCR", "STORE_SLICE", "STORE_DEREF"}
_WRITING = {"add", "append", "copyto", "extend", "fill", "insert", "put", "setattr", "setdefault", "update"}

T = TypeVar("T")


class Turns:
    """The threads 0 to count - 1, each of which has the turn after the one before it.

    One that waits for another, as for a lock, would wait for ever: it loses the turn after a while. Each time this
    happens the while is shorter, as a kernel that has a lock takes it again and again.

    alone   how often thread 0 writes something in its first call before others make theirs
    """

    def __init__(self, seed: str, count: int, alone: int = 0) -> None:
        self.seed, self.count, self.alone = seed, count, alone
        self.ready = set(
            range(count)
        )  # those that may be given the turn, also before they come to wait for it
        self.waiting: set[int] = set()  # those that stand at a line
        self.behind = [*range(1, count)]  # those whose first call waits for something that thread 0 writes
        self.turn: int | None = 0
        self.given = 0  # how often the turn was
        self.patience = _PATIENCE
        lock = threading.Lock()
        self.called = [threading.Condition(lock) for _ in range(count)]

    def calls(self, thread: int, call: Callable[[], T], times: int) -> list[T]:
        """What the calls of a thread return.

        In the first, thread 0 leads: where it has written something, another one makes its whole call, which meets
        what is half filled. In the second, all go abreast, line by line: what one writes, the others write before it
        reads. In the rest, their turns are of lengths drawn from the seed.
        """
        rng, lines, stop, number = random.Random(f"{thread} {self.seed}"), 0, 1, 0
        written, at = set[tuple[CodeType, int]](), dict[FrameType, int]()

        def trace(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal lines, stop
            if event == "call":
                return trace if _of_kernel(_module(frame)) and not _imports(frame) else None
            lines += event == "line"
            if lines > _LINES:
                sys.settrace(None)
                self.leave(thread)
            elif number == 0:
                done = frame.f_code, at.pop(frame, 0)
                if event == "line":
                    at[frame] = frame.f_lineno
                if is_new := done[1] in _writing(done[0]) and done not in written:
                    written.add(done)
                self.follow(thread, is_new and len(written) > self.alone)
            elif lines >= stop:
                stop = lines + (1 if number == 1 else rng.choice(_RUNS)) + lines // _SLOWER
                self.pause(thread)
            return trace

        answers, before = [], sys.gettrace()
        sys.settrace(trace)
        try:
            for number in range(times):
                answers.append(call())
                if number == 0:
                    self.gather(thread)
            return answers
        finally:
            sys.settrace(before)
            self.leave(thread)

    def follow(self, thread: int, has_written: bool) -> None:
        """At a line of a first call: the next one of the others makes its own where thread 0 has written something."""
        if thread == 0 and has_written and self.behind:
            self.pause(thread, self.behind.pop(0))
        elif self.turn != thread:
            self.pause(thread)
        else:
            self.given += 1  # whoever waits sees that it comes to lines

    def gather(self, thread: int) -> None:
        """After a first call: back to thread 0, which goes on once all others have made theirs."""
        if thread:
            self.pause(thread, 0)
        while not thread and self.behind:
            self.pause(thread, self.behind.pop(0))

    def pause(self, thread: int, to: int | None = None) -> None:
        """Let another thread go on, the next one if none is named; back when it is this one's turn."""
        mine = self.called[thread]
        with mine:
            self.ready.add(thread)
            self.waiting.add(thread)
            if self.turn in (thread, None):
                self._give(thread if to is None else to - 1)
            while self.turn != thread:
                given = self.given
                if not mine.wait(self.patience) and given == self.given:
                    self._take_away()
            self.waiting.remove(thread)

    def leave(self, thread: int) -> None:
        """This thread runs on without turns."""
        with self.called[thread]:
            self.ready.discard(thread)
            if self.turn == thread:
                self._give(thread)

    def _give(self, after: int | None) -> None:
        self.given += 1
        self.turn = min(self.ready, key=lambda thread: (thread - (after or 0) - 1) % self.count, default=None)
        if self.turn is not None:
            self.called[self.turn].notify()

    def _take_away(self) -> None:
        """Whose turn it is comes to no line: it may have one again once it has reached one."""
        if self.turn not in self.waiting:  # else it is about to wake up
            self.ready -= {self.turn}
            self.patience = max(_LEAST_PATIENCE, self.patience / 2)
            self._give(self.turn)


@cache
def _writing(code: CodeType) -> frozenset[int]:
    """Its lines that write into what another thread may have in its hands, too."""
    starts, found, line = dict(dis.findlinestarts(code)), set(), 0
    for each in dis.get_instructions(code):
        line = starts.get(each.offset) or line
        if each.opname in _STORES or (each.opname.startswith("LOAD_") and each.argval in _WRITING):
            found.add(line)
    return frozenset(found)


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _imports(frame: FrameType | None) -> bool:
    """Whether the import system runs it, with a lock in its hand for which the other threads would wait.

    Only frames below the nearest traced one are looked at: that one was not being imported either.
    """
    while frame and not frame.f_trace:
        if _module(frame).startswith(("importlib.", "_frozen_importlib")):
            return True
        frame = frame.f_back
    return False


def _of_kernel(module: str) -> bool:
    """Whether a kernel may have memory of its own there: not in libraries, nor in the suite around it."""
    top = module.partition(".")[0]
    ours = top == "conformance" and not module.startswith("conformance.audit.mutants")
    library = top in _LIBRARIES or top in sys.stdlib_module_names
    made_by_library = top.startswith("namedtuple_")  # of collections, for each of its classes
    return not (ours or library or made_by_library)


_LIBRARIES = {"numba", "triton"}.union(*(about(name).packages for name in FRAMEWORKS))
