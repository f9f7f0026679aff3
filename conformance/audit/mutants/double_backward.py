"""Mistakes of a backward's own backward: one of its four calls reads another array, or not all of one."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from conformance.audit.mutants.doubled import BY_IMAGE, BY_WEIGHT, OF_IMAGE, OF_WEIGHT, Calls, with_double
from conformance.audit.mutants.hooks import KernelRow, KernelRows, Make
from conformance.cases.arrays import Array
from conformance.kernels.functions import functions

WORDS = {BY_WEIGHT: "the term by the weight", BY_IMAGE: "the term by the image", OF_IMAGE: "the gradient of the image", OF_WEIGHT: "the gradient of the weight"}
OUTPUT = {BY_WEIGHT: "grad_grad_output", BY_IMAGE: "grad_grad_output", OF_IMAGE: "grad_input", OF_WEIGHT: "grad_weight"}


def zeroed(*at: Any) -> Callable[[Array], Array]:
    def zero(array: Array) -> Array:
        changed = np.array(array)
        changed[at] = 0
        return changed

    return zero


EDITS: list[tuple[str, str, Callable[[Array], Array]]] = [
    ("{call} is left out, since its {array} is 0", "always", lambda array: array * 0),
    ("{call} has the other sign, since its {array} has", "always", lambda array: -array),
    ("{call} leaves out the last column of its {array}", "several columns", zeroed(..., slice(-1, None))),
    ("{call} leaves out the first of its {array}", "several images, channels or filters", zeroed(slice(0, 1))),
]
READ = {BY_WEIGHT: ("input", "weight"), BY_IMAGE: ("input", "weight"), OF_IMAGE: ("grad_output", "weight"), OF_WEIGHT: ("grad_output", "input")}
# A call, what it reads, and the call whose array it reads instead.
SWAPPED = [(BY_WEIGHT, "input", BY_IMAGE), (BY_WEIGHT, "weight", BY_IMAGE), (BY_IMAGE, "input", BY_WEIGHT), (BY_IMAGE, "weight", BY_WEIGHT), (OF_IMAGE, "weight", BY_WEIGHT), (OF_WEIGHT, "input", BY_IMAGE)]
BIASES: list[tuple[str, Callable[[Array], Array | None]]] = [
    ("the gradient of the bias's gradient is left out", lambda bias: None),
    ("the gradient of the bias's gradient is added twice", lambda bias: bias * 2),
]


def made(edit: Callable[[Calls], None]) -> Make:
    def make(operation: str) -> SimpleNamespace:
        return with_double(functions(operation), operation, edit)

    return make


def in_call(call: str, array: str, change: Callable[[Array], Array | None]) -> Make:
    def edit(calls: Calls) -> None:
        given = calls[call][array]
        calls[call][array] = None if given is None else change(given)

    return made(edit)


def swapped(call: str, array: str, other: str) -> Make:
    def edit(calls: Calls) -> None:
        calls[call][array] = calls[other][array]

    return made(edit)


def rows(output: str) -> list[KernelRow]:
    found: list[KernelRow] = [
        (sentence.format(call=WORDS[call], array=array), when, in_call(call, array, change))
        for call, arrays in READ.items() for array in arrays for sentence, when, change in EDITS
        if OUTPUT[call] == output
    ]
    found += [
        (f"{WORDS[call]} reads the {array} of {WORDS[other]}", "always", swapped(call, array, other))
        for call, array, other in SWAPPED if OUTPUT[call] == output
    ]
    biases = BIASES if output == OUTPUT[BY_WEIGHT] else []
    return found + [(sentence, "bias", in_call(BY_WEIGHT, "bias", change)) for sentence, change in biases]


ROWS: KernelRows = {
    (family, output): rows(output) for family in ("conv", "conv_transpose") for output in ("grad_grad_output", "grad_input", "grad_weight")
}
