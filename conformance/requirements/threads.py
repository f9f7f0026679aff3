"""Several threads at once get what one gets."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import numpy as np

from conformance.cases import Case
from conformance.cases.arrays import Arrays, fill
from conformance.cases.neighbours import neighbours
from conformance.kernels.answer import Answer
from conformance.kernels.call import Caller
from conformance.kernels.framework import Oracle
from conformance.kernels.turns import Turns
from conformance.requirements.answers import judge_all
from conformance.requirements.plan import Plan
from conformance.requirements.requirement import Requirement
from conformance.verdicts.judgement import Judgement


def cases(plan: Plan) -> Iterator[Case]:
    named = itertools.chain(plan.named(), plan.named("busy"))
    yield from plan.with_values(named, plan.integers)


def check_threads(caller: Caller, oracle: Oracle, case: Case) -> list[Judgement]:
    """Several threads at once, each with its own arrays and some with other options, get what one gets."""
    others = [other for other in neighbours(case) if not other.problem and not caller.why_not(other)][:2]
    every = [replace(case, seed=case.seed + n) for n in range(4)] + others
    filled = [fill(each) for each in every]
    expected = [oracle(each, arrays) for each, arrays in zip(every, filled, strict=True)]
    results: dict[str, Judgement] = {}
    for each, arrays, want, got in zip(every, filled, expected, _answers(caller, every, filled), strict=True):
        judged = (judge_all(caller.subject, oracle, each, arrays, want, one) for one in got)
        for judgement in itertools.chain.from_iterable(judged):
            if judgement.failed:
                again = caller.answer(each, arrays, [judgement.output])
                (alone,) = judge_all(caller.subject, oracle, each, arrays, want, again)
                words = f"{each}, from one thread, too" if alone.failed else f"from {len(every)} threads"
                judgement = judgement._replace(message=f"{words}: {judgement.message}")
            if judgement.output not in results or judgement.failed:
                results[judgement.output] = judgement
    return list(results.values())


def _answers(caller: Caller, every: list[Case], filled: list[Arrays]) -> list[list[dict[str, Answer]]]:
    """The first answer of each thread, and one that is not the same where there is any."""
    caller.to_framework(every[0], filled[0])  # what that imports, threads would have to wait for
    turns, start = Turns(str(every[0]), len(every)), threading.Barrier(len(every))

    def ask(i: int) -> list[dict[str, Answer]]:
        def call() -> dict[str, Answer]:
            return caller.answer(every[i], filled[i])

        answers = turns.calls(i, call, _IN_TURN)
        for _ in range(_AT_ONCE):
            with suppress(threading.BrokenBarrierError):  # one of them is late, or raised
                start.wait(_LATE)
            answers.append(call())
        others = (answer for answer in answers if not _same(answer, answers[0]))
        return [answers[0], *itertools.islice(others, 1)]

    with ThreadPoolExecutor(len(every)) as threads:
        return list(threads.map(ask, range(len(every))))


_IN_TURN = 3  # calls of each thread that take turns between lines
_AT_ONCE = 3  # calls of each thread that only start together: what native code shares is met by chance alone
_LATE = 1.0  # seconds


def _same(one: dict[str, Answer], other: dict[str, Answer]) -> bool:
    """Whether two answers to one question are the same, bit for bit; how a call fails need not be."""
    pairs = ((one[name], other[name]) for name in one)
    arrays = ((a, b) for a, b in pairs if isinstance(a, np.ndarray) or isinstance(b, np.ndarray))
    return all(type(a) is type(b) and np.array_equal(a, b, equal_nan=True) for a, b in arrays)  # type: ignore[arg-type]


REQUIREMENT = Requirement(
    "threads",
    "several threads at once get what one gets",
    cases,
    check_threads,
    every_dtype=False,
    rank=9,
    repeatable=False,
)
