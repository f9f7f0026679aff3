"""A family that is the adjoint of another: what is known of that one, its input and its answer exchanged."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from conformance.operations.windows import Arrays, Problem

_EXCHANGED = {"input": "grad_output", "grad_output": "input", "output": "grad_input", "grad_input": "output"}
_SAME = "batch values dtype dimensions groups kernel strides dilations pads borders windows".split()


def mirrored(case: Problem) -> Problem:
    """The case whose input has the shape of the answer, and the other way round; a bias stays behind."""
    same = {name: getattr(case, name) for name in _SAME}
    image, answer = {"image": case.output_extents}, {"output_extents": case.image}
    return SimpleNamespace(
        **same, **image, **answer, channels=case.filters, filters=case.channels, bias=False
    )


def exchanged(named: dict[str, Any]) -> dict[str, Any]:
    """Arrays or answers by the names that they have in the other family."""
    return {_EXCHANGED.get(name, name): value for name, value in named.items()}


def of_adjoint(
    rule: Callable[[Problem, Arrays], dict[str, Any]],
) -> Callable[[Problem, Arrays], dict[str, Any]]:
    """What a rule of the other family says, which has the conjugate of a complex weight."""
    return lambda case, arrays: conjugated(
        "grad_weight", exchanged(rule(mirrored(case), exchanged(conjugated("weight", arrays))))
    )


def conjugated(name: str, named: dict[str, Any]) -> dict[str, Any]:
    """The arrays or answers, the one of this name conjugated where it is complex."""
    return {n: a.conj() if n == name and a.dtype.kind == "c" else a for n, a in named.items()}
