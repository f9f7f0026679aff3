"""No access outside of its arrays, every element written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from conformance.cases import Case
from conformance.cases import sizes as sizing
from conformance.cases.arrays import Array, fill
from conformance.cases.case import ANSWERS
from conformance.cases.guarded import GUARDS, UNGUARDED, allocations, never_written
from conformance.kernels.answer import Answer
from conformance.kernels.call import Caller
from conformance.kernels.framework import Oracle
from conformance.requirements.answers import is_forward, judge_all, judged_outputs
from conformance.requirements.plan import Plan
from conformance.requirements.requirement import Requirement
from conformance.verdicts.judgement import Judgement, differs


def cases(plan: Plan) -> Iterator[Case]:
    named = list(plan.named())
    blocks = (4, 8) if plan.profile == "quick" else sizing.BLOCKS
    around = list(sizing.tails(plan.operation, plan.features, (*blocks, *plan.blocks)))
    combined = list(plan.covering())
    few = [*combined, *around][:: _SPARSE[plan.profile]]
    for view, more in (("ends_at_guard", [*combined, *around]), ("starts_after_guard", few)):
        for case in plan.with_values(iter(named + more), plan.integers):
            layout = ",".join(f"{name}:{view}" for name in (*case.array_names, ANSWERS))
            yield replace(case, layout=layout)


_SPARSE = {"quick": 16, "standard": 4, "deep": 1}


def check_memory(caller: Caller, oracle: Oracle, case: Case) -> list[Judgement]:
    """Arrays, and what the kernel allocates with NumPy, lie at guarded pages; memory starts out poisoned."""
    arrays = fill(case)
    before = {name: array.copy() for name, array in arrays.items()}
    expected = oracle(case, before)
    judged = judged_outputs(caller.subject, case, before)
    guard = GUARDS.get(case.views.get(ANSWERS, ""), UNGUARDED)
    results: list[Judgement] = []
    for half in caller.halves:
        outputs = [name for name in judged if is_forward(name) == (half == "forward")]
        with allocations(guard) as allocated:
            answers = replace(caller, halves=(half,)).answer(case, arrays, outputs)
        found = judge_all(caller.subject, oracle, case, before, expected, answers)
        found = [_unwritten(told, answers[told.output], expected[told.output]) for told in found]
        if allocated.overran:
            found[0] = differs(found[0].output, f"writes beyond an array that {half} allocates")
        results += found
    return results


def _unwritten(told: Judgement, answer: Answer, expected: Array) -> Judgement:
    if not told.failed or not isinstance(answer, np.ndarray) or answer.shape != expected.shape:
        return told
    unwritten = never_written(answer) & ~np.isnan(expected)
    if not unwritten.any():
        return told
    place = ", ".join(map(str, np.argwhere(unwritten)[0].tolist()))
    many = f"; {int(unwritten.sum())} of {unwritten.size} elements are not"
    return differs(told.output, f"{told.output}[{place}] is never written{many}")


# Judged first: later, anything may die of a write out of bounds.
REQUIREMENT = Requirement(
    "memory",
    "no access outside of its arrays, every element written",
    cases,
    check_memory,
    every_dtype=False,
    isolated=True,
    rank=11,
    order=0,
    guarded=True,
)
