"""What mistakes in real functions are made of: the right functions of an operation, each called through a hook."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from conformance.operations import OPERATIONS
from conformance.cases.arrays import Array
from conformance.kernels.functions import functions

Named = dict[str, Any]  # arrays or options, by name
Call = Callable[[Named, Named], Any]  # arrays, options -> what the right function returns
Hook = Callable[[Call, Named, Named], Any]
Make = Callable[[str], SimpleNamespace]  # an operation -> its functions, made afresh
KernelRow = tuple[str, str, Make]  # the mistake in words, where it can show, what makes it
KernelRows = dict[tuple[str, str], list[KernelRow]]  # family, outputs -> the mistakes

ARRAYS = ("input", "weight", "bias", "indices", "grad_output")
FORWARD = {"conv": "output", "conv_transpose": "output", "max_pool": "output indices", "avg_pool": "output"}
BACKWARD = {"conv": "grad_input grad_weight grad_bias", "conv_transpose": "grad_input grad_weight grad_bias", "max_pool": "grad_input", "avg_pool": "grad_input"}
OUTPUTS = {family: f"{forward} {BACKWARD[family]}" for family, forward in FORWARD.items()}


def hooked(operation: str, hook: Hook, only: str = "") -> SimpleNamespace:
    """The right functions of an operation, each called through `hook(right, arrays, options)`.

    only    "forward" or "backward": the other one stays right
    """
    right = functions(operation)
    for name, function in vars(right).items():
        if only != ("forward" if name.endswith("_backward") else "backward"):
            setattr(right, name, _through(hook, function))
    return right


def forward(hook: Hook) -> Make:
    return lambda operation: hooked(operation, hook, "forward")


def backward(hook: Hook) -> Make:
    return lambda operation: hooked(operation, hook, "backward")


def both(hook: Hook) -> Make:
    return lambda operation: hooked(operation, hook)


def sized(half: Callable[[Hook], Make], hook: Callable[[int], Hook]) -> Make:
    """A hook that must know how many image axes there are."""
    return lambda operation: half(hook(OPERATIONS[operation].dimensions))(operation)


HALVES: dict[str, tuple[Callable[[Hook], Make], str]] = {"forward": (forward, ""), "backward": (backward, " (gradients)")}


def _through(hook: Hook, function: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(function)

    def call(arrays: Named, options: Named) -> Any:
        return function(**arrays, **options)

    @functools.wraps(function)
    def hooked_function(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        arrays = {name: value for name, value in bound.arguments.items() if name in ARRAYS}
        options = {name: value for name, value in bound.arguments.items() if name not in ARRAYS}
        return hook(call, arrays, options)

    return hooked_function


def signed(function: Callable[..., Any], signature: inspect.Signature) -> Callable[..., Any]:
    """The function behind another signature: called by name, with the defaults that this one has."""

    def call(*arguments: Any, **options: Any) -> Any:
        bound = signature.bind(*arguments, **options)
        bound.apply_defaults()
        return function(**bound.arguments)

    call.__signature__ = signature  # type: ignore[attr-defined]
    return call


def each(edit: Callable[[Array], Any], answer: Any) -> Any:
    """`edit` on every array of what a function returned."""
    if isinstance(answer, tuple):
        return tuple(None if array is None else edit(array) for array in answer)
    return edit(answer)


def first_of(answer: Any) -> Any:
    """The output, or the gradient of the input."""
    return answer[0] if isinstance(answer, tuple) else answer


def with_first(answer: Any, first: Any) -> Any:
    """What a function returned, its first array another."""
    return (first, *answer[1:]) if isinstance(answer, tuple) else first
