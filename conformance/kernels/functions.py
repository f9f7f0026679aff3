"""The reference as functions named, called and refusing as in torch.nn.functional, on NumPy arrays.

Whoever computes otherwise (a mutant, a right kernel) hands in its own `compute`; checking arguments, unbatched inputs
and dtypes stay the same for all.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from conformance.cases import Case
from conformance.cases.arrays import Array, Arrays
from conformance.cases.called import called
from conformance.kernels.reference import IMAGES, wide
from conformance.operations import OPERATIONS
from conformance.operations.family import Answers

Compute = Callable[[Any, Arrays, tuple[str, ...]], Answers]  # case, arrays with a batch axis, outputs wanted
Function = Callable[..., Any]


def functions(operation: str, compute: Compute | None = None) -> SimpleNamespace:
    """`operation` and its `_backward`, answered by `compute` (the reference in float64 where none is given)."""
    forward, backward = (make(operation, compute or by_reference) for make in (_forward, _backward))
    forward.__name__, backward.__name__ = operation, f"{operation}_backward"
    return SimpleNamespace(**{operation: forward, f"{operation}_backward": backward})


def by_reference(case: Case, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    """The wanted outputs of a batched case, of real numbers in float64, and any that come with them."""
    backward = any(output.startswith("grad_") for output in wanted)
    compute = case.family.backward if backward else case.family.forward
    return compute(case, wide(case, arrays))


def by_group(case: Any, array: Array) -> Array:
    """(N, C, ...) as (N, G, C/G, ...), also of no images."""
    return array.reshape(len(array), case.groups, array.shape[1] // case.groups, *array.shape[2:])


# Their signatures, as torch.nn.functional has them.

_REQUIRED = inspect.Parameter.empty


def signature_of(
    operation: str, *, backward: bool = False, lacking: Collection[str] = ()
) -> inspect.Signature:
    """The arrays, those that an option may leave out being None, and then the options at PyTorch's defaults.

    A backward takes grad_output before them, and no option that says what else the forward returns.

    lacking   options that the function does not have
    """
    found = OPERATIONS[operation]
    options = {option.name: option for option in found.options}
    defaults: dict[str, Any] = {"grad_output": _REQUIRED} if backward else {}
    defaults |= {name: None if name in options else _REQUIRED for name in found.family.array_names}
    for name in found.family.keywords:
        if name in found.required:
            defaults[name] = _REQUIRED
        elif name in options and not (backward and options[name].output):
            defaults[name] = options[name].default
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    taken = {name: default for name, default in defaults.items() if name not in lacking}
    return inspect.Signature([inspect.Parameter(name, kind, default=d) for name, d in taken.items()])


def _forward(operation: str, compute: Compute) -> Function:
    signature, family = signature_of(operation), OPERATIONS[operation].family
    others = {o.name: o.output for o in OPERATIONS[operation].options if o.output and not o.array}

    def forward(*args: Any, **keywords: Any) -> Any:
        given = bound(signature, args, keywords)
        arrays, options = apart(family.array_names, given)
        answers = _answers(compute, _called(operation, arrays, options), arrays, ("output", *others.values()))
        asked = [output for option, output in others.items() if options[option]]
        return (answers["output"], *(answers[o] for o in asked)) if asked else answers["output"]

    forward.__signature__ = signature  # type: ignore[attr-defined]
    return forward


def _backward(operation: str, compute: Compute) -> Function:
    signature, family = signature_of(operation, backward=True), OPERATIONS[operation].family

    def backward(*args: Any, **keywords: Any) -> Any:
        given = bound(signature, args, keywords)
        grad_output = given.pop("grad_output")
        arrays, options = apart(family.array_names, given)
        case = _called(operation, arrays, options)
        arrays["grad_output"] = _checked_grad(case, grad_output, arrays["input"])
        answers = _answers(compute, case, arrays, case.gradients)
        gradients = tuple(answers.get(f"grad_{name}") for name in family.array_names)
        return gradients if len(gradients) > 1 else gradients[0]

    backward.__signature__ = signature  # type: ignore[attr-defined]
    return backward


def bound(signature: inspect.Signature, args: tuple[Any, ...], keywords: dict[str, Any]) -> dict[str, Any]:
    """Every argument of a call by its name, the defaults too."""
    arguments = signature.bind(*args, **keywords)
    arguments.apply_defaults()
    return arguments.arguments


def apart(array_names: tuple[str, ...], given: dict[str, Any]) -> tuple[Arrays, dict[str, Any]]:
    """The arrays that are there, and the options."""
    arrays = {name: given[name] for name in array_names if given[name] is not None}
    return arrays, {name: value for name, value in given.items() if name not in array_names}


# A call as the case that it is.


def _called(operation: str, arrays: Arrays, options: dict[str, Any]) -> Case:
    """The case of a call; ValueError where PyTorch refuses the arguments."""
    _check_dtypes(operation, arrays)
    shapes = {name: array.shape for name, array in arrays.items()}
    case = called(operation, shapes, options, dtype=arrays["input"].dtype.name)
    if reason := case.family.refused_values(case, arrays):
        raise ValueError(reason)
    return case


def _check_dtypes(operation: str, arrays: Arrays) -> None:
    indexing = OPERATIONS[operation].family.indexing
    for name in indexing:
        if arrays[name].dtype != np.int64:
            raise ValueError(f"{name} are {arrays[name].dtype}, not int64")
    dtypes = {name: array.dtype for name, array in arrays.items() if name not in indexing}
    if len(set(dtypes.values())) > 1:
        raise ValueError(f"arrays of several dtypes: {dtypes}")


def _checked_grad(case: Case, grad_output: Array, input: Array) -> Array:
    if not case.gradients:
        raise ValueError(f"{case.dtype} has no gradient")
    expected = case.shapes["grad_output"]
    if grad_output.shape != expected or grad_output.dtype != input.dtype:
        raise ValueError(
            f"grad_output is {grad_output.dtype} {grad_output.shape}, not {input.dtype} {expected}"
        )
    return grad_output


def _answers(compute: Compute, case: Case, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    """What `compute` answers to the call, in the dtype of the input and batched as the input is."""
    batched = case.batch is not None
    given = arrays if batched else {n: a[None] if n in IMAGES else a for n, a in arrays.items()}
    with np.errstate(all="ignore"):
        answers = compute(case, given, wanted)
        answers = {
            n: a.astype(np.int64 if n == "indices" else case.dtype, copy=False) for n, a in answers.items()
        }
    return answers if batched else {n: cast(Array, a[0]) if n in IMAGES else a for n, a in answers.items()}
