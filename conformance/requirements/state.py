"""Calls do not depend on earlier calls."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from conformance.cases import Case
from conformance.cases.arrays import Array, Arrays, fill
from conformance.cases.neighbours import neighbours, of_others
from conformance.kernels.answer import Answer
from conformance.kernels.call import Caller
from conformance.kernels.framework import Oracle
from conformance.operations import DTYPES
from conformance.requirements.answers import as_filled, judge_all, same
from conformance.requirements.plan import Plan
from conformance.requirements.requirement import Requirement
from conformance.verdicts.judgement import EXCEPTIONS, Judgement, differs


def cases(plan: Plan) -> Iterator[Case]:
    small = itertools.chain(plan.named(), itertools.islice(plan.covering(), 12))
    larger = (
        case for case in plan.large(0, 0, 0) if case.size < 5000
    )  # their weights are worth packing once
    every = (
        (c for c in small if c.size < 2000),
        itertools.islice(larger, 0, None, 8),
        plan.named("busy"),
    )
    yield from plan.with_values(itertools.chain(*every), plan.integers)


@dataclass(frozen=True)
class Story:
    """One of several calls in turn.

    words      what it shows
    case       what is called, with these arrays
    judged     whether its answer is: a call between two others may be in a dtype that is not claimed
    gradients  whether the gradients alone are called
    """

    words: str
    case: Case
    arrays: Callable[[], Arrays]
    judged: bool = True
    gradients: bool = False

    def answer(self, caller: Caller, given: Arrays) -> dict[str, Answer]:
        if not self.gradients:
            return caller.answer(self.case, given)
        backward = tuple(half for half in caller.halves if half == "backward")
        return replace(caller, halves=backward).answer(self.case, given, self.case.gradients)


@dataclass(frozen=True)
class Differentiation:
    """One way of asking for gradients by automatic differentiation, the other arguments frozen.

    words      what it shows
    outputs    the gradients asked for
    later      whether another forward comes in between
    again      whether they are those of a second backward, which a kernel may decline (as what torch.compile made)
    """

    words: str
    outputs: tuple[str, ...]
    later: bool = False
    again: bool = False


def check_state(caller: Caller, oracle: Oracle, case: Case) -> list[Judgement]:
    """The answer does not depend on what was called before: the same, other options, new contents, a refusal."""
    results: dict[str, Judgement] = {}
    expected: dict[tuple[Case, bytes], dict[str, Array]] = {}
    for story in stories(case, caller.subject.operations):
        if not story.case.problem and caller.why_not(story.case):
            continue
        given = story.arrays()
        answers = story.answer(caller, given)
        known = story.case != case and caller.is_known(story.case)
        if story.case.problem or not story.judged or known:
            continue
        filled = as_filled(story.case, given)
        key = story.case, b"".join(array.tobytes() for array in filled.values())
        if key not in expected:
            expected[key] = oracle(story.case, filled)
        for judgement in judge_all(caller.subject, oracle, story.case, given, expected[key], answers):
            if judgement.output in case.outputs:
                _keep(results, judgement, story.words)
    for judgement in _repeated(caller, oracle, case) if case.size >= _WORTH_REPEATING else ():
        _keep(results, judgement, f"one of {_OFTEN} calls in a row")
    for way in _differentiations(caller, case, tuple(results)):
        for judgement in _differentiated(caller, oracle, case, way):
            declined = way.again and judgement.status in EXCEPTIONS
            if judgement.failed and not declined:
                _keep(results, judgement, way.words)
    return [results[output] for output in case.outputs if output in results]


def _repeated(caller: Caller, oracle: Oracle, case: Case) -> list[Judgement]:
    """The first answer of many that is not as those before: of a race within one call, few are wrong.

    None may lie in the memory of the first, as where many buffers are used in turn.
    """
    arrays = fill(case)
    given = caller.to_framework(case, arrays)
    first, *answers = (caller.to_numpy(case, caller.call(case, given)) for _ in range(_OFTEN))
    kept = {name: np.array(a) if isinstance(a, np.ndarray) else a for name, a in first.items()}
    other = next((answer for answer in answers if not same(answer, kept)), kept)
    judged = judge_all(caller.subject, oracle, case, arrays, oracle(case, as_filled(case, arrays)), other)
    shared = {name for answer in answers for name in answer if _share_memory(first[name], answer[name])}
    return [
        differs(told.output, f"{told.output} shares its memory with that of another call")
        if told.output in shared and not told.failed
        else told
        for told in judged
    ]


def _share_memory(one: Answer, other: Answer) -> bool:
    arrays = isinstance(one, np.ndarray) and isinstance(other, np.ndarray)
    return arrays and np.shares_memory(one, other)


_OFTEN = 40
_WORTH_REPEATING = 1000  # elements, from which kernels take several threads


def _keep(results: dict[str, Judgement], judgement: Judgement, words: str) -> None:
    """The latest judgement of an output, or the first that fails, which says by what call."""
    earlier = results.get(judgement.output)
    if earlier is not None and judgement.failed:
        judgement = judgement._replace(message=f"{words}: {judgement.message}")
    if earlier is None or not earlier.failed:
        results[judgement.output] = judgement


def stories(case: Case, operations: Iterable[str] = ()) -> Iterator[Story]:
    """Calls in turn, some of them of other operations."""
    first, other_dtype = fill(case), replace(case, dtype=DTYPES[case.dtype].other)
    yield Story("the first call", case, lambda: first)
    yield Story("the same call again", case, lambda: first)
    for number, other in enumerate(neighbours(case)):
        yield Story(f"after other calls, {other}", other, lambda other=other: _shared(first, other))  # type: ignore[misc]
        if not number and not other.problem:
            yield Story("after a call with other options", case, lambda: first)
    yield Story("after a refused call", case, lambda: first)
    yield Story("in another dtype", other_dtype, lambda: _as_dtype(first, other_dtype), judged=False)
    yield Story("after a call in another dtype", case, lambda: first)
    yield Story("new arrays with the same contents", case, lambda: _copies(first))
    for other in of_others(case, operations):
        yield Story("another operation", other, lambda other=other: fill(other), judged=False)  # type: ignore[misc]
        yield Story(f"after {other}", case, lambda: first)
    changed = replace(case, seed=case.seed + 1)
    yield Story("other contents", changed, lambda: fill(changed))
    # What the forward of this one kept is no longer there, or is another's.
    yield Story("the gradient of an earlier call", case, lambda: _copies(first), gradients=True)
    yield Story("the same storage with other contents", case, lambda: _rewritten(first, case))
    yield Story("one value changed in the same storage", case, lambda: _nudged(first, case))
    yield Story("the same values in another order", case, lambda: {n: _turned(a) for n, a in first.items()})


def _differentiations(caller: Caller, case: Case, judged: tuple[str, ...]) -> Iterator[Differentiation]:
    unclaimed = caller.subject.without
    gradients = tuple(o for o in judged if o in case.gradients and o not in unclaimed)
    if gradients and caller.freezes(case):
        for output in gradients:
            yield Differentiation("the other arguments need no gradient", (output,))
        yield Differentiation("after another forward", gradients, later=True)
        yield Differentiation("by a second backward", gradients, again=True)


def _differentiated(caller: Caller, oracle: Oracle, case: Case, way: Differentiation) -> list[Judgement]:
    given = fill(case)
    then = {name: _turned(array) for name, array in given.items()} if way.later else None
    answers = caller.alone(case, given, way.outputs, then, again=way.again)
    return judge_all(caller.subject, oracle, case, given, oracle(case, as_filled(case, given)), answers)


def _shared(first: Arrays, other: Case) -> Arrays:
    """The arrays of another case, those of the first where they have the same shape."""
    if other.family.indexing:
        return fill(other)  # the positions of one are none of another
    return {n: first[n] if n in first and first[n].shape == a.shape else a for n, a in fill(other).items()}


def _copies(arrays: Arrays) -> Arrays:
    return {name: array.copy() for name, array in arrays.items()}


def _as_dtype(arrays: Arrays, case: Case) -> Arrays:
    return {n: a if n in case.family.indexing else a.astype(case.dtype) for n, a in arrays.items()}


def _above(array: Array) -> Any:
    """A number above all of an array; of an integer format that goes no further, its least."""
    if array.dtype.kind in "iu" and array.max() == np.iinfo(array.dtype).max:
        return np.iinfo(array.dtype).min
    return array.max() + 1


def _turned(array: Array) -> Array:
    """The values in reverse order: a checksum takes them for the same."""
    return array.reshape(-1)[::-1].reshape(array.shape).copy()


def _rewritten(arrays: Arrays, case: Case) -> Arrays:
    for name, fresh in fill(replace(case, seed=case.seed + 2)).items():
        arrays[name].setflags(write=True)  # whatever the kernel did
        arrays[name].reshape(fresh.shape)[...] = fresh
    return arrays


def _nudged(arrays: Arrays, case: Case) -> Arrays:
    for name, array in arrays.items():
        if array.size and name not in case.family.indexing:
            array.setflags(write=True)
            array.reshape(-1)[array.size // 2] = _above(array)  # no tie with another
    case.family.settled(case, arrays)
    return arrays


REQUIREMENT = Requirement(
    "state", "calls do not depend on earlier calls", cases, check_state, rank=9, repeats_calls=True, threads=2
)
