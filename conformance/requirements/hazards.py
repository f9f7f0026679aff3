"""Legal arguments that other kernels do not survive."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.cases import Case
from conformance.cases.arrays import fill
from conformance.kernels import reference
from conformance.kernels.answer import Refused
from conformance.kernels.call import Caller
from conformance.kernels.framework import Oracle
from conformance.requirements.answers import check_answers
from conformance.requirements.plan import Plan
from conformance.requirements.requirement import Requirement
from conformance.verdicts.judgement import Judgement, judge


def cases(plan: Plan) -> Iterator[Case]:
    yield from plan.with_values(plan.named("hazards"), plan.integers)


def check_hazards(caller: Caller, oracle: Oracle, case: Case) -> list[Judgement]:
    """Arguments on which some kernels corrupt memory: right forward answers, and the process survives.

    Where a window misses the image, PyTorch is not asked, a kernel may refuse, and no gradient or index is defined.
    """
    arrays = fill(case)
    for _ in range(_OFTEN):
        answers = caller.answer(case, arrays)
    if not case.hazard:
        return check_answers(caller, oracle, case)
    expected = reference.answer(case, arrays)["output"]
    survived = {
        name: Judgement(name, "conforms", 0.0, True)
        for name, answer in answers.items()
        if isinstance(answer, Refused) or (name != "output" and answer is not None)
    }
    return [
        survived.get(name) or judge(name, case.dtype, answer, expected) for name, answer in answers.items()
    ]


_OFTEN = 20  # a write out of bounds ends the process only when the memory there is used next


REQUIREMENT = Requirement(
    "hazards",
    "legal arguments that other kernels do not survive",
    cases,
    check_hazards,
    every_dtype=False,
    isolated=True,
    rank=12,
    misses_images=True,
    threads=4,
)
