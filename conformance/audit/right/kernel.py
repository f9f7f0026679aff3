"""What a right kernel is: one that computes otherwise than the reference, and must never be accused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from conformance.audit.mutants.hooks import Hook, hooked
from conformance.audit.mutants.otherwise import per_channel
from conformance.cases.arrays import Array, Arrays
from conformance.kernels.functions import Compute, by_reference, functions
from conformance.operations.family import Answers
from conformance.operations import OPERATIONS

Make = Callable[[], SimpleNamespace]
EVERY = ("conv", "conv_transpose", "max_pool", "avg_pool")


@dataclass(frozen=True)
class Right:
    """A right kernel.

    words     how it computes, in a line
    make      a fresh namespace of functions, called as in torch.nn.functional
    declared  what `conformance.Subject` must be told of it
    """

    name: str
    words: str
    make: Make
    declared: Mapping[str, Any] = field(default_factory=dict)

    def subject(self) -> SimpleNamespace:
        return self.make()


def of(families: tuple[str, ...], make: Callable[[str], SimpleNamespace]) -> SimpleNamespace:
    """The functions of every operation of some families."""
    some = (make(name) for name, found in OPERATIONS.items() if found.family.name in families)
    return SimpleNamespace(**{name: function for each in some for name, function in vars(each).items()})


def computed(compute: Compute, *families: str) -> Make:
    return lambda: of(families or EVERY, lambda operation: functions(operation, compute))


def through(hook: Callable[[int], Hook], *families: str) -> Make:
    """The reference's functions, each called through a hook that knows how many image axes there are."""
    return lambda: of(families or EVERY, lambda operation: hooked(operation, hook(OPERATIONS[operation].dimensions)))


def but_for(output: str, own: Callable[[Any, Arrays], Array]) -> Compute:
    """The reference with one output computed otherwise."""

    def compute(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
        if output == "output" and wanted == ("output",):
            return {output: own(case, arrays)}
        answers = by_reference(case, arrays, wanted)
        return answers | {output: own(case, arrays)} if output in wanted else answers

    return compute


def bias_of(case: Any, arrays: Arrays) -> Array:
    return per_channel(case, arrays["bias"]) if case.bias else np.zeros((), arrays["input"].dtype)
