"""A backward of the backward in two sums that are added, or in one sum of twice as many terms."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from conformance.audit.mutants.doubled import BY_IMAGE, BY_WEIGHT, Answer, Calls, summed, with_double
from conformance.audit.mutants.orders import left_to_right, shuffled, summed as summed_so
from conformance.audit.right.kernel import Make, Right, of
from conformance.cases.arrays import Array
from conformance.kernels.functions import Compute, by_reference, functions
from conformance.operations import OPERATIONS

NARROW = {"dtypes": ("float16", "bfloat16"), "sums": "narrow"}


def in_one_sum(dimensions: int, transposed: bool) -> Answer:
    """The images one behind the other along the channels, and so the filters: one convolution has both terms."""

    def answer(halves: SimpleNamespace, calls: Calls, options: dict[str, Any]) -> tuple[Array, ...]:
        right = summed(halves, calls, options)
        if options.get("groups", 1) > 1:  # a group's channels would not lie together
            return right
        images, weights = ([np.asarray(calls[of][name]) for of in (BY_WEIGHT, BY_IMAGE)] for name in ("input", "weight"))
        image = np.concatenate(images, axis=-1 - dimensions)
        weight = np.concatenate(weights, axis=0 if transposed else 1)
        return halves.forward(input=image, weight=weight, bias=calls[BY_WEIGHT]["bias"], **options), *right[1:]

    return answer


def doubled(compute: Compute, joined: bool = False) -> Make:
    def make(operation: str) -> SimpleNamespace:
        found = OPERATIONS[operation]
        answer = in_one_sum(found.dimensions, found.family.adjoint) if joined else summed
        return with_double(functions(operation, compute), operation, answer=answer)

    return lambda: of(("conv", "conv_transpose"), make)


ROWS = [
    Right("double_of_two_sums", "gradients of gradients out of a forward and a backward", doubled(by_reference)),
    Right("double_in_one_sum", "both terms of a gradient's gradient in one sum from the first term to the last", doubled(summed_so(left_to_right), joined=True)),
    Right("double_half_shuffled", "half precision: gradients of gradients in sums in the dtype of the arrays, in a shuffled order", doubled(summed_so(shuffled), joined=True), NARROW),
]
