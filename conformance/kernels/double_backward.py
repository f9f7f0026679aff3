"""The gradients of gradients that a subject gives: by its own function, or differentiated twice by its framework."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.cases import Case
from conformance.cases.arrays import Arrays
from conformance.cases.doubled import OF
from conformance.kernels.answer import Answer, Malformed, Refused, of_backward
from conformance.kernels.call import Caller

SUFFIX = "_double_backward"
OUTPUTS = ("grad_grad_output", "grad_input", "grad_weight")  # in the order in which a function returns them


def why_not(caller: Caller, operation: str) -> str:
    """Why they are not claimed, as far as that can be told without a call; "" where they are."""
    if OUTPUTS[0] in caller.subject.without:
        return "declared"
    if caller.subject.function(f"{operation}{SUFFIX}"):
        return ""
    own = caller.subject.function(f"{operation}_backward")
    return "" if caller.framework.differentiate_twice and not own else f"no {operation}{SUFFIX}"


def answer(caller: Caller, case: Case, arrays: Arrays) -> dict[str, Answer]:
    """Every output: an array, how the subject failed to give one, or None where it is not claimed."""
    name = f"{case.operation}{SUFFIX}"
    own = caller.subject.function(name) is not None
    unclaimed = why_not(caller, case.operation) or "backward" not in caller.halves
    if unclaimed or (own and caller.lacking(name, case.needs)):
        return dict.fromkeys(OUTPUTS)
    given = caller.to_framework(case, arrays)
    if own:
        answers = of_backward(
            name, caller.watched(name, lambda: caller.called(name, case, given)), OUTPUTS, OUTPUTS, True
        )
    else:
        answers = _differentiated(caller, case, given, name)
    return caller.to_numpy(case, answers)


def _differentiated(caller: Caller, case: Case, arrays: Mapping[str, Any], name: str) -> dict[str, Any]:
    names = [gradient.removeprefix("grad_") for gradient in case.gradients]
    plain = {n: a for n, a in arrays.items() if not n.startswith(OF)}
    twice = caller.framework.differentiate_twice
    assert twice is not None

    def function(*leaves: Any) -> Any:
        return caller.called(case.operation, case, plain | dict(zip(names, leaves, strict=True)))

    leaves, gradients = [arrays[n] for n in names], [arrays[f"{OF}{n}"] for n in names]
    answers = caller.watched(name, lambda: twice(function, leaves, arrays["grad_output"], gradients))
    if isinstance(answers, (Refused, Malformed)):
        return dict.fromkeys(OUTPUTS, answers)
    return dict(zip(OUTPUTS, answers, strict=False))
