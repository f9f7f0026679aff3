"""Several threads at once get what one gets."""

from __future__ import annotations

import itertools
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TypeVar

from conformance.cases import Case
from conformance.cases.arrays import Arrays, fill
from conformance.cases.neighbours import neighbours
from conformance.kernels.answer import Answer
from conformance.kernels.call import Caller
from conformance.kernels.framework import Oracle
from conformance.kernels.turns import Turns
from conformance.requirements.answers import judge_all, same
from conformance.requirements.plan import Plan
from conformance.requirements.requirement import Requirement
from conformance.verdicts.judgement import Judgement

T = TypeVar("T")


def cases(plan: Plan) -> Iterator[Case]:
    """Cases whose seeds also say how much one thread writes before others come: each of the first has another one."""
    named = itertools.chain(plan.named(), plan.named("busy"))
    for number, case in enumerate(plan.with_values(named, plan.integers)):
        yield replace(case, seed=number % _ALONE)


def check_threads(caller: Caller, oracle: Oracle, case: Case) -> list[Judgement]:
    """Several threads at once, two of them with the same arrays and some with other options, get what one gets."""
    others = [other for other in neighbours(case) if not (other.problem or caller.why_not(other))]
    others = [other for other in others if not caller.is_known(other)][:2]
    # Those with other options last: of threads that go abreast, the last leaves its options to all.
    every = [*(replace(case, seed=case.seed + n) for n in (0, 0, 1, 2)), *others]
    filled = [fill(each) for each in every]
    expected = [oracle(each, arrays) for each, arrays in zip(every, filled, strict=True)]
    filled[1] = filled[0]  # the very same arrays: what changes one and puts it back, another thread sees
    results: dict[str, Judgement] = {}
    for each, arrays, want, got in zip(every, filled, expected, _answers(caller, every, filled), strict=True):
        judged = (judge_all(caller.subject, oracle, each, arrays, want, one) for one in got)
        for judgement in itertools.chain.from_iterable(judged):
            if judgement.failed:
                fresh = fill(each)
                again = caller.answer(each, fresh, [judgement.output])
                (alone,) = judge_all(caller.subject, oracle, each, fresh, want, again)
                words = f"{each}, from one thread, too" if alone.failed else f"from {len(every)} threads"
                judgement = judgement._replace(message=f"{words}: {judgement.message}")
            if judgement.output not in results or judgement.failed:
                results[judgement.output] = judgement
    return list(results.values())


def _answers(caller: Caller, every: list[Case], filled: list[Arrays]) -> list[list[dict[str, Answer]]]:
    """The first answer of each thread, and one that is not the same where there is any."""
    caller.to_framework(every[0], filled[0])  # what that imports, threads would have to wait for
    turns, start = Turns(str(every[0]), len(every), every[0].seed % _ALONE), threading.Barrier(len(every))

    def ask(i: int) -> list[dict[str, Answer]]:
        def call() -> dict[str, Answer]:
            return caller.answer(every[i], filled[i])

        answers = turns.calls(i, call, _IN_TURN)
        with suppress(threading.BrokenBarrierError):  # one of them is late, or raised
            start.wait(_LATE)
        answers += _at_once(call, random.Random(i))
        others = (answer for answer in answers if not same(answer, answers[0]))
        return [answers[0], *itertools.islice(others, 1)]

    with _often_switched(), ThreadPoolExecutor(len(every)) as threads:
        return list(threads.map(ask, range(len(every))))


def _at_once(call: Callable[[], T], rng: random.Random) -> Iterator[T]:
    """Calls in the midst of those of other threads: what native code shares is met by chance alone.

    Who wakes up takes the processor from another, which may be in native code; one that only goes on waits for it.
    """
    worked, end = time.thread_time() + _WORK, time.monotonic() + _LATE
    for number in range(_MOST):
        if number >= _LEAST and (time.thread_time() > worked or time.monotonic() > end):
            return
        time.sleep(rng.random() * _PAUSE)
        yield call()


@contextmanager
def _often_switched() -> Iterator[None]:
    """Inside, Python lets another thread go on sooner."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCHED)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


_ALONE = 3  # as often does one thread write something before others come, or less often
_IN_TURN = 4  # calls of each thread that take turns between lines
_LEAST, _MOST = 3, 40  # calls of each thread at once: so many as take no more than
_WORK = 0.002  # seconds of its own on a processor, however busy the machine is
_LATE = 1.0  # seconds
_PAUSE = 1e-4  # the same
_SWITCHED = 1e-4  # the same


REQUIREMENT = Requirement(
    "threads",
    "several threads at once get what one gets",
    cases,
    check_threads,
    every_dtype=False,
    rank=10,
    repeatable=False,
    fresh=_ALONE,
)
