"""Is an answer right? Element by element, against the expected answer and how far rounding may move it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from conformance.cases.arrays import Array
from conformance.kernels.answer import Answer, Malformed, Refused
from conformance.operations import DTYPES
from conformance.operations.dtypes import COMPLEX

DIFFERS, HUNG = "differs", "hung"
DEATHS = ("crashed", HUNG, "exited", "out of memory", "oracle died")
ADVICE = "advice"  # what a careful kernel would not do, and no answer depends on

EXCEPTIONS = ("refused", "raised")  # meant as an answer, or not
GRAVEST = (*DEATHS, "oracle raised", DIFFERS, *reversed(EXCEPTIONS))  # failures, the gravest first

LOOKED_INTO = 4096  # elements


class Judgement(NamedTuple):
    """What one case says of one output: plain data, so that it travels between processes."""

    output: str
    status: str  # conforms, not claimed, advice, differs, oracle raised, or one of EXCEPTIONS or DEATHS
    share: float = 0.0  # worst error as a share of the bound; inf where the bound is zero
    varied: bool = False  # whether the expected answer holds two different numbers
    message: str = ""
    answer: Any = None  # the wrong answer as nested lists, where it is small enough to be looked into
    place: str = ""  # of an exception: the kernel's own lines that it came through
    trace: str = ""  # and all of them
    order: list[Any] | None = None  # in which the kernel adds, where the case shows it (see summation)

    @property
    def failed(self) -> bool:
        return self.status not in ("conforms", "not claimed", ADVICE)

    @property
    def claimed(self) -> bool:
        return self.status != "not claimed"


def judge(output: str, dtype: str, got: Answer, expected: Array, bound: Array | None = None) -> Judgement:
    """Judge one output; without a bound every element must be equal (NaN equals NaN, +0 equals -0)."""
    if got is None:
        return Judgement(output, "not claimed")
    if isinstance(got, Refused):
        message = f"{output} {got.status}: {got.error}"
        return Judgement(output, got.status, message=message, place=got.place, trace=got.trace)
    if isinstance(got, Malformed):
        return differs(output, f"{output} {got.fault}")
    if got.shape != expected.shape:
        fault = differs(
            output, f"{output} has shape {written_shape(got)}, expected {written_shape(expected)}"
        )
        return fault._replace(answer=_plain(got))
    if fault_of_dtype := _fault_of_dtype(output, dtype, got):
        return differs(output, fault_of_dtype)
    varied = expected.size > 1 and bool((expected != expected.flat[0]).any())
    if (got == expected).all():
        return Judgement(output, "conforms", 0.0, varied)
    share = shares(got, expected, bound)
    worst = float(share.max())
    if worst <= 1:
        return Judgement(output, "conforms", worst, varied)
    at = np.unravel_index(int(share.argmax()), share.shape)
    message = _describe(output, got, expected, bound, share, at)
    return Judgement(output, DIFFERS, worst, varied, message, _plain(got))


def _fault_of_dtype(output: str, dtype: str, got: Array) -> str:
    wanted = DTYPES["int64" if output == "indices" else dtype]
    if got.dtype == wanted.numpy:
        return ""
    order = "" if got.dtype.isnative else " in the other byte order"
    return f"{output} has dtype {got.dtype.name}{order}, expected {wanted.name}"


def _plain(got: Array) -> Any:
    """As lists; a complex number is one of its two parts, as JSON knows none."""
    parts = np.stack((got.real, got.imag), axis=-1) if got.dtype.kind == "c" else got
    return parts.tolist() if got.size <= LOOKED_INTO else None


def looked_into(judgement: Judgement, dtype: str) -> Array:
    """The wrong answer that was kept."""
    answer = np.array(judgement.answer)
    is_complex = DTYPES[dtype].kind == COMPLEX and answer.shape[-1:] == (2,)
    return answer[..., 0] + 1j * answer[..., 1] if is_complex else answer


def differs(output: str, message: str) -> Judgement:
    return Judgement(output, DIFFERS, float("inf"), True, message)


def advised(output: str, message: str, strict: bool) -> Judgement:
    """What is told of a kernel, and fails it only where its developer wants to be strict."""
    return differs(output, message) if strict else Judgement(output, ADVICE, 0.0, True, message)


def shares(got: Array, expected: Array, bound: Array | None = None) -> Array:
    """The error of each element as a share of its bound: 0 where equal, inf where no rounding explains it."""
    with np.errstate(all="ignore"):
        error = np.abs(got.astype(np.result_type(expected, np.float64)) - expected)
        limit = np.zeros(error.shape) if bound is None else np.broadcast_to(bound, error.shape)
        share = np.where(limit > 0, error / limit, np.inf)
    same = (got == expected) | (np.isnan(got) & np.isnan(expected))
    return np.where(same, 0.0, np.where(np.isnan(share), np.inf, share))


def beyond(got: Array, expected: Array, bound: Array | None = None) -> Array:
    """Which elements are off by more than their bound."""
    wrong: Array = shares(got, expected, bound) > 1
    return wrong


def _describe(
    output: str, got: Array, expected: Array, bound: Array | None, share: Array, at: tuple[np.intp, ...]
) -> str:
    place = f"{output}[{', '.join(map(str, map(int, at)))}]" if at else output
    error = float(abs(got[at].item() - expected[at].item()))
    limit = 0.0 if bound is None else float(np.broadcast_to(bound, share.shape)[at])
    wrong = int((share > 1).sum())
    off = f": off by {number(error)}, rounding explains {number(limit)}" if np.isfinite(error) else ""
    many = f"; {wrong} of {share.size} elements differ" if share.size > 1 else ""
    wrong_number, right_number = number(got[at]), number(expected[at])
    if wrong_number == right_number:  # as far as six digits show
        wrong_number, right_number = repr(got[at].item()), repr(expected[at].item())
    return f"{place} = {wrong_number}, expected {right_number}{off}{many}"


def number(value: Any) -> str:
    if isinstance(value, np.integer):
        return str(value)
    if isinstance(value, (complex, np.complexfloating)):
        imaginary = number(value.imag)
        return f"{number(value.real)}{'' if imaginary.startswith('-') else '+'}{imaginary}j"
    value = float(value)
    return str(int(value)) if value == int_or_none(value) and abs(value) < 1e15 else f"{value:.6g}"


def int_or_none(value: float) -> float | None:
    return float(int(value)) if np.isfinite(value) else None


def written_shape(array: Array) -> str:
    return f"({', '.join(map(str, array.shape))}{',' if array.ndim == 1 else ''})"
