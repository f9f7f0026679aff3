"""Shape, dtype and type of the answer; arguments untouched; no view of an argument nor of an earlier answer."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from conformance.cases import Case
from conformance.cases.arrays import Array, Arrays, fill
from conformance.kernels.answer import Answer
from conformance.kernels.call import Caller
from conformance.kernels.framework import Oracle
from conformance.kernels.surroundings import Changes, changes_since, restored, surroundings
from conformance.requirements.answers import is_forward, judge_all, judged_outputs
from conformance.requirements.plan import Plan
from conformance.requirements.requirement import Requirement
from conformance.verdicts.judgement import Judgement, advised, differs


def cases(plan: Plan) -> Iterator[Case]:
    named = itertools.chain(plan.named(), plan.named("busy"))
    lists = (replace(case, written="lists") for case in plan.named())
    lists = (case for case in lists if case.needs <= plan.features | {case.dtype} and _has_lists(case))
    yield from plan.with_values(itertools.chain(named, lists, plan.covering()), plan.integers)
    if not plan.transforms:  # a kernel may take NaN out of its arguments
        yield from plan.with_values(plan.named(), "special")
        yield from _shortcuts(plan) if plan.first else ()


def _shortcuts(plan: Plan) -> Iterator[Case]:
    """Answers that need no arithmetic: of an array that is one number, or of filters that change nothing."""
    blank = (replace(case, seed=number) for number, case in enumerate(plan.named()))
    yield from plan.with_values(blank, "uniform")
    yield from plan.with_values(plan.named(), "units") if plan.family.bilinear else ()


def _has_lists(case: Case) -> bool:
    return any(isinstance(value, list) for value in case.options.values())


@dataclass(frozen=True)
class Calls:
    """Several calls on the same arrays, and what they changed."""

    first: dict[str, Answer]
    kept: dict[str, Array]  # copies of the first answers, made before the second call
    later: list[dict[str, Answer]]
    arguments: list[str]  # that are not as they were
    surroundings: Changes


def check_contract(caller: Caller, oracle: Oracle, case: Case) -> list[Judgement]:
    """Arguments untouched; the answer no view of an argument nor of an earlier answer."""
    arrays = fill(case)
    before = {name: array.copy() for name, array in arrays.items()}
    calls = _called(caller, case, arrays, before)
    judged = judge_all(caller.subject, oracle, case, before, oracle(case, before), calls.first)
    results = {judgement.output: judgement for judgement in judged}
    differentiated = () if caller.subject.function(f"{case.operation}_backward") else case.gradients
    for name, answer in calls.first.items():
        if results[name].failed or not isinstance(answer, np.ndarray):
            continue
        if name in differentiated and np.shares_memory(answer, arrays["grad_output"]):
            continue  # PyTorch's own doing, where nothing is left to add up
        if fault := _fault(name, answer, arrays, calls):
            results[name] = differs(name, fault)
    _add_surroundings(results, calls.surroundings, caller.subject.strict)
    for words, judgement in itertools.chain(
        _by_default(caller, oracle, case), _in_inference(caller, oracle, case)
    ):
        if judgement.failed and not results[judgement.output].failed:
            results[judgement.output] = judgement._replace(message=f"{words}: {judgement.message}")
    return list(results.values())


def _called(caller: Caller, case: Case, arrays: Arrays, before: Arrays) -> Calls:
    writeable = {name: array.flags.writeable for name, array in arrays.items()}
    given = caller.to_framework(case, arrays)
    with restored():
        first = caller.call(case, given, judged_outputs(caller.subject, case, before))
    answers = caller.to_numpy(case, first)
    changed = [
        name
        for name, array in arrays.items()
        if not np.array_equal(array, before[name], equal_nan=True) or array.flags.writeable != writeable[name]
    ]
    kept = {name: np.array(a) for name, a in answers.items() if isinstance(a, np.ndarray)}
    np.random.random(), random.random()  # noqa: NPY002 - one that is seeded would stand as the first call left it
    around = surroundings()  # the first call may have imported something, which changes a lot
    with restored():
        later = [caller.to_numpy(case, caller.call(case, given)) for _ in range(_LATER)]
        moved = changes_since(around)
    return Calls(answers, kept, later, changed, moved)


_LATER = 3  # calls after the first: an answer may lie in one of several buffers that are used in turn


InWords = Iterator[tuple[str, Judgement]]  # how it was called, and what that says


def _by_default(caller: Caller, oracle: Oracle, case: Case) -> InWords:
    """The same case called as a caller would who means the defaults of torch.nn.functional."""
    subject = caller.subject
    if "defaults" in subject.without:
        return
    arrays = fill(case)
    expected = oracle(case, arrays)
    omitting = replace(caller, omits_defaults=True)
    answers = omitting.answer(case, arrays, judged_outputs(subject, case, arrays))
    for judgement in judge_all(subject, oracle, case, arrays, expected, answers):
        yield "options left to their defaults", judgement


def _in_inference(caller: Caller, oracle: Oracle, case: Case) -> InWords:
    """The forward alone, as it is called where nobody wants a gradient."""
    if not caller.framework.inference:
        return
    arrays = fill(case)
    expected = oracle(case, arrays)
    outputs = [output for output in judged_outputs(caller.subject, case, arrays) if is_forward(output)]
    for words, mode in caller.framework.inference.items():
        with mode():
            answers = caller.answer(case, arrays, outputs)
        for judgement in judge_all(caller.subject, oracle, case, arrays, expected, answers):
            yield words, judgement


def _fault(name: str, answer: Array, arrays: Arrays, calls: Calls) -> str:
    """How a right answer breaks the contract; "" where it does not."""
    shared = [
        f"{name} is a view of the argument {n}" for n, a in arrays.items() if np.shares_memory(answer, a)
    ]
    others = ((n, a, "") for n, a in calls.first.items() if n != name)
    later = ((n, a, " of a later call") for again in calls.later for n, a in again.items())
    for other, value, words in itertools.chain(others, later):
        if isinstance(value, np.ndarray) and np.shares_memory(answer, value):
            shared.append(f"{name} shares its memory with {other}{words}")
    if shared:
        return shared[0]
    if not np.array_equal(answer, calls.kept[name], equal_nan=True):
        return f"a later call changed the earlier {name}"
    if calls.arguments and is_forward(name) == (calls.arguments[0] != "grad_output"):
        return f"the kernel changed its argument {calls.arguments[0]}"
    return ""


def _add_surroundings(results: dict[str, Judgement], changes: Changes, strict: bool) -> None:
    """What the kernel changed around it: told once, of the first output, if that is right."""
    name, first = next(iter(results.items()))
    for changed, fails in ((changes.others, strict), (changes.deciding, True)):
        if changed and not first.failed:
            results[name] = advised(name, f"the kernel changed {', '.join(changed)}", fails)


REQUIREMENT = Requirement(
    "contract", "shape, dtype, type; arguments untouched; no views", cases, check_contract, rank=7
)
