"""The backward of a backward out of an operation's own forward and backward: four calls, for what gets them wrong."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from conformance.cases.arrays import Array

Calls = dict[str, dict[str, Array | None]]  # by what a call is for, its arrays
Answer = Callable[[SimpleNamespace, Calls, dict[str, Any]], tuple[Array, ...]]

BY_WEIGHT, BY_IMAGE, OF_IMAGE, OF_WEIGHT = "by_weight", "by_image", "grad_input", "grad_weight"


def summed(halves: SimpleNamespace, calls: Calls, options: dict[str, Any]) -> tuple[Array, ...]:
    """grad_grad_output as the sum of two answers, grad_input and grad_weight as gradients of other arrays."""
    one, other = (halves.forward(**calls[of], **options) for of in (BY_WEIGHT, BY_IMAGE))
    grad_input = halves.backward(**calls[OF_IMAGE], **options)[0]
    return one + other, grad_input, halves.backward(**calls[OF_WEIGHT], **options)[1]


def with_double(
    right: SimpleNamespace,
    operation: str,
    edit: Callable[[Calls], None] = lambda calls: None,
    answer: Answer = summed,
) -> SimpleNamespace:
    """The functions of an operation, and a double backward whose calls are edited and then answered."""
    halves = SimpleNamespace(
        forward=getattr(right, operation), backward=getattr(right, f"{operation}_backward")
    )

    def double_backward(
        grad_grad_input: Array,
        grad_grad_weight: Array,
        grad_grad_bias: Array | None,
        grad_output: Array,
        input: Array,
        weight: Array,
        bias: Array | None = None,
        **options: Any,
    ) -> tuple[Array, ...]:
        calls: Calls = {
            BY_WEIGHT: {"input": grad_grad_input, "weight": weight, "bias": grad_grad_bias},
            BY_IMAGE: {"input": input, "weight": grad_grad_weight, "bias": None},
            OF_IMAGE: {"grad_output": grad_output, "input": input, "weight": grad_grad_weight},
            OF_WEIGHT: {"grad_output": grad_output, "input": grad_grad_input, "weight": weight},
        }
        edit(calls)
        return answer(halves, calls, options)

    return SimpleNamespace(**vars(right), **{f"{operation}_double_backward": double_backward})
