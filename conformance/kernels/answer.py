"""What a function answers: an array an output, or how it failed to give one."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from conformance.cases import Case
from conformance.cases.arrays import Array
from conformance.kernels import raised
from conformance.kernels.framework import NoGradient

LONGEST = 300  # characters of what a kernel says when it refuses: four lines of a report


@dataclass(frozen=True)
class Refused:
    """The subject raised an exception instead of answering: to refuse, or because it failed.

    status       refused, raised or out of memory
    no_gradient  there is an answer, but nothing to differentiate
    place        the kernel's own lines that it came through, and trace: all of them
    """

    error: str
    status: str = "refused"
    no_gradient: bool = False
    place: str = field(default="", compare=False)
    trace: str = field(default="", compare=False)


@dataclass(frozen=True)
class Malformed:
    """The subject answered with something that is no array, or not with as many of them as are due."""

    fault: str


Answer = Array | Refused | Malformed | None  # None: not claimed


def of_call(call: Callable[[], Any]) -> Any:
    """What a call answers; whatever it raises is its refusal, also SystemExit."""
    try:
        with np.errstate(all="ignore"):
            before = _error_state()
            answer = call()
            changed = [name for name, value in _error_state().items() if value != before[name]]
        state = f"comes with a change of NumPy's error state (np.{', np.'.join(changed)})"
        return Malformed(state) if changed else answer
    except KeyboardInterrupt as error:
        # In a worker, which ignores it, nobody presses Ctrl-C.
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            raise
        return _refusal(error)
    except BaseException as error:
        return _refusal(error)


def _error_state() -> dict[str, Any]:
    """By what sets it; every context of errors has its own."""
    return {"seterr": np.geterr(), "seterrcall": np.geterrcall(), "setbufsize": np.getbufsize()}


def _refusal(error: BaseException) -> Refused:
    text = said(error).splitlines()[0]
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    if isinstance(error, MemoryError):
        return Refused(text, "out of memory", place=raised.place(error))
    status = "refused" if raised.is_meant(error) else "raised"
    return Refused(text, status, isinstance(error, NoGradient), raised.place(error), raised.trace(error))


def said(error: BaseException) -> str:
    """An exception as its class and text; the text is made by the subject's code, which may raise in turn."""
    try:
        text = str(error).strip()
    except Exception as again:
        text = f"(its text raises {type(again).__name__})"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def of_forward(case: Case, answer: Any) -> dict[str, Any]:
    """The answer of a forward by output: bare, or a pair with the indices."""
    names = [output for output in case.outputs if output not in case.gradients]
    if isinstance(answer, (Refused, Malformed)):
        return dict.fromkeys(names, answer)
    if answer is None:
        return dict.fromkeys(names, Malformed("is None, not an array"))
    if len(names) == 1:
        return {names[0]: answer}
    if not isinstance(answer, (tuple, list)) or len(answer) != len(names):
        fault = f"missing: {case.operation} returned no pair of output and indices"
        return dict.fromkeys(names, Malformed(fault))
    return dict(zip(names, answer, strict=True))


def of_backward(
    function: str, answer: Any, gradients: Sequence[str], due: Sequence[str], takes_bias: bool
) -> dict[str, Any]:
    """The answer of a backward by gradient: those in order, or those alone that are due; a single one may be bare."""
    if isinstance(answer, (Refused, Malformed)):
        return dict.fromkeys(gradients, answer)
    if isinstance(answer, Mapping):
        in_order = f"a tuple in the order of the arguments: {', '.join(due)}"
        fault = f"missing: {function} returned a {type(answer).__name__}; due is {in_order}"
        return dict.fromkeys(due, Malformed(fault))
    given = tuple(answer) if isinstance(answer, (tuple, list)) else (answer,)
    if len(given) < len(gradients) and not takes_bias:  # a backward without bias claims no grad_bias
        return dict.fromkeys(gradients) | dict(zip(gradients, given, strict=False))
    named = dict(zip(gradients if len(given) >= len(gradients) else due, given, strict=False))
    missing = [name for name in due if named.get(name) is None]
    if missing:
        # Of as many as there are, those that are not None are where they should be.
        in_place = len(given) == len(gradients) and len(missing) < len(due)
        fault = f"missing: {function} returned {_count(answer)}, not {', '.join(due)}"
        return named | dict.fromkeys(missing if in_place else due, Malformed(fault))
    return named


def _count(answer: Any) -> str:
    if not isinstance(answer, (tuple, list)):
        return f"a {type(answer).__name__}"
    return f"{len(answer)} with None" if any(each is None for each in answer) else f"{len(answer)} of them"
