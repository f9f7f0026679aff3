"""Mistakes of convolutions of complex numbers: a part that is lost, a conjugate too many or too few, a sign, a format."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.audit.mutants.otherwise import Change, Computed, Edit, Row, Rows
from conformance.cases.arrays import Array, Arrays
from conformance.operations.conv import conv, conv_backward
from conformance.operations.conv_transpose import conv_transpose, conv_transpose_backward

COMPLEX, DOUBLE = "(dtype == 'complex64' or dtype == 'complex128')", "dtype == 'complex128'"


def real(case: Any, array: Array) -> Array:
    return array.real.astype(array.dtype)


def imaginary(case: Any, array: Array) -> Array:
    return array.imag.astype(array.dtype)


def conjugate(case: Any, array: Array) -> Array:
    return array.conj()


def in_complex64(case: Any, array: Array) -> Array:
    return array.astype(np.complex64).astype(np.complex128)


def by_parts(computed: Change, parts: Callable[[Array, Array, Array, Array], Any]) -> Change:
    """Another answer of the four real ones: of the parts of the input, by those of the weight; then the bias."""

    def change(case: Any, arrays: Arrays) -> Array:
        nothing = {"bias": np.zeros_like(arrays["bias"])} if case.bias else {}
        some = arrays | nothing
        four = (some | {"input": x, "weight": w} for x in _parts(some["input"]) for w in _parts(some["weight"]))
        answer = np.asarray(parts(*(computed(case, each) for each in four)))
        return answer + (arrays["bias"].reshape(-1, *(1,) * case.dimensions) if case.bias else 0)

    return change


def _parts(array: Array) -> tuple[Array, Array]:
    return array.real.astype(array.dtype), array.imag.astype(array.dtype)


def output_rows(computed: Change) -> list[Row]:
    right = Computed(computed)
    forward: list[tuple[str, str, Change]] = [
        ("the imaginary part of the input is lost", COMPLEX, right.given(input=real)),
        ("the imaginary part of the weight is lost", COMPLEX, right.given(weight=real)),
        ("the imaginary part of the bias is lost", f"{COMPLEX} and bias", right.given(bias=real)),
        ("the bias is added to the real part alone, by its magnitude", f"{COMPLEX} and bias", right.given(bias=lambda c, b: np.abs(b).astype(b.dtype))),
        ("the imaginary part of the answer is lost", COMPLEX, right.changed(real)),
        ("the real part of the answer is lost", COMPLEX, right.changed(lambda c, y: 1j * imaginary(c, y))),
        ("real parts are multiplied with real ones, imaginary with imaginary", COMPLEX, by_parts(computed, lambda rr, ri, ir, ii: rr + 1j * ii)),
        ("the square of i counts as 1", COMPLEX, by_parts(computed, lambda rr, ri, ir, ii: rr + ii + 1j * (ri + ir))),
        ("one of the imaginary products is left out", COMPLEX, by_parts(computed, lambda rr, ri, ir, ii: rr - ii + 1j * ri)),
        ("the products of sums of parts are not corrected by both others", COMPLEX, by_parts(computed, lambda rr, ri, ir, ii: rr - ii + 1j * (rr + ri + ir))),
        ("the weight is conjugated", COMPLEX, right.given(weight=conjugate)),
        ("the input is conjugated", COMPLEX, right.given(input=conjugate)),
        ("the answer is conjugated", COMPLEX, right.changed(conjugate)),
        ("complex numbers go through complex64", DOUBLE, right.given(input=in_complex64, weight=in_complex64)),
        ("sums of complex numbers are stored in complex64", DOUBLE, right.changed(in_complex64)),
    ]  # fmt: skip
    return forward


def gradient_rows(computed: Change, name: str, other: str) -> list[Row]:
    """Of the gradient of one array, which is multiplied with another."""
    right = Computed(lambda case, arrays: computed(case, arrays)[f"grad_{name}"])
    words = f"in the gradient of the {name}"
    rows: list[tuple[str, str, Edit]] = [
        (f"the imaginary part is lost {words}", COMPLEX, real),
        (f"the conjugate of what is right {words}", COMPLEX, conjugate),
    ]
    edits: list[Row] = [(sentence, when, right.changed(edit)) for sentence, when, edit in rows]
    edits.append((f"grad_output is conjugated {words}", COMPLEX, right.given(grad_output=conjugate)))
    if other:
        edits.append((f"the {other} is not conjugated {words}", COMPLEX, right.given(**{other: conjugate})))
        edits.append((f"the imaginary part of the {other} is lost {words}", COMPLEX, right.given(**{other: real})))
    return edits


FAMILIES: dict[str, tuple[Change, Change]] = {
    "conv": (conv, conv_backward),
    "conv_transpose": (conv_transpose, conv_transpose_backward),
}
OTHERS = {"input": "weight", "weight": "input", "bias": ""}
ROWS: Rows = {(family, "output"): output_rows(forward) for family, (forward, _) in FAMILIES.items()} | {
    (family, f"grad_{name}"): [
        (sentence, f"{when} and bias" if name == "bias" else when, change)
        for sentence, when, change in gradient_rows(backward, name, other)[: None if other else 2]
    ]
    for family, (_, backward) in FAMILIES.items()
    for name, other in OTHERS.items()
}
