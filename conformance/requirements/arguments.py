"""What PyTorch refuses is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from conformance.cases import Case
from conformance.cases.arrays import fill
from conformance.cases.named import refused
from conformance.kernels.answer import Refused
from conformance.kernels.call import Caller
from conformance.kernels.framework import Oracle
from conformance.requirements.plan import Plan
from conformance.requirements.requirement import Requirement
from conformance.verdicts.judgement import Judgement, advised


def cases(plan: Plan) -> Iterator[Case]:
    yield from (replace(case, dtype=plan.dtype) for case in refused(plan.operation, plan.features))


def check_arguments(caller: Caller, oracle: Oracle, case: Case) -> list[Judgement]:
    """What PyTorch refuses is refused: any exception will do; an answer is advised against, as kernels rarely check."""
    with np.errstate(all="ignore"):
        arrays = fill(case)
    answer = caller.answer(case, arrays, ("output",))["output"]
    if isinstance(answer, Refused) or answer is None:
        return [Judgement("output", "conforms" if answer else "not claimed", 0.0, True)]
    return [advised("output", f"bad arguments answered: {case.problem}", caller.subject.strict)]


REQUIREMENT = Requirement(
    "arguments",
    "what PyTorch refuses is refused",
    cases,
    check_arguments,
    every_dtype=False,
    rank=8,
    refuses=True,
)
