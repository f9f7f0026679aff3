"""The reference as functions named, called and refusing as in torch.nn.functional, on NumPy arrays.

Whoever computes otherwise (a mutant, a right kernel) hands in its own `compute`; checking arguments, unbatched inputs
and dtypes stay the same for all.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from conformance.cases import Case
from conformance.cases.arrays import Array, Arrays
from conformance.cases.called import called
from conformance.kernels.reference import IMAGES
from conformance.operations import OPERATIONS
from conformance.operations.family import Answers

Compute = Callable[[Any, Arrays, tuple[str, ...]], Answers]  # case, arrays with a batch axis, outputs wanted


def functions(operation: str, compute: Compute | None = None) -> SimpleNamespace:
    """`operation` and its `_backward`, answered by `compute` (the reference in float64 where none is given)."""
    forward, backward = _FAMILIES[OPERATIONS[operation].family.name](operation, compute or by_reference)
    forward.__name__, backward.__name__ = operation, f"{operation}_backward"
    return SimpleNamespace(**{operation: forward, f"{operation}_backward": backward})


def by_reference(case: Case, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    """The wanted outputs of a batched case in float64, and any that come with them."""
    backward = any(output.startswith("grad_") for output in wanted)
    compute = case.family.backward if backward else case.family.forward
    return compute(case, doubles(arrays))


def doubles(arrays: Arrays) -> Arrays:
    return {name: np.asarray(array, np.float64) for name, array in arrays.items()}


def by_group(case: Any, array: Array) -> Array:
    """(N, C, ...) as (N, G, C/G, ...), also of no images."""
    return array.reshape(len(array), case.groups, array.shape[1] // case.groups, *array.shape[2:])


# The functions of each family, with the signatures that torch.nn.functional has.

Pair = tuple[Callable[..., Any], Callable[..., Any]]


def _conv(operation: str, compute: Compute) -> Pair:
    def forward(
        input: Array, weight: Array, bias: Array | None = None,
        stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1,
    ) -> Array:  # fmt: skip
        arrays = _present(input=input, weight=weight, bias=bias)
        case = _called(operation, arrays, stride=stride, padding=padding, dilation=dilation, groups=groups)
        return _answers(compute, case, arrays, ("output",))["output"]

    def backward(
        grad_output: Array, input: Array, weight: Array, bias: Array | None = None,
        stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1,
    ) -> tuple[Array | None, ...]:  # fmt: skip
        arrays = _present(input=input, weight=weight, bias=bias)
        case = _called(operation, arrays, stride=stride, padding=padding, dilation=dilation, groups=groups)
        arrays["grad_output"] = _checked_grad(case, grad_output, input)
        answers = _answers(compute, case, arrays, case.gradients)
        return answers["grad_input"], answers["grad_weight"], answers.get("grad_bias")

    return forward, backward


def _max_pool(operation: str, compute: Compute) -> Pair:
    def forward(
        input: Array, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
        ceil_mode: bool = False, return_indices: bool = False,
    ) -> Array | tuple[Array, Array]:  # fmt: skip
        options = {"stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil_mode}
        case = _called(
            operation, {"input": input}, kernel_size=kernel_size, return_indices=return_indices, **options
        )
        answers = _answers(compute, case, {"input": input}, ("output", "indices"))
        return (answers["output"], answers["indices"]) if return_indices else answers["output"]

    def backward(
        grad_output: Array, input: Array, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
        ceil_mode: bool = False,
    ) -> Array:  # fmt: skip
        options = {"stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil_mode}
        case = _called(operation, {"input": input}, kernel_size=kernel_size, **options)
        arrays = {"input": input, "grad_output": _checked_grad(case, grad_output, input)}
        return _answers(compute, case, arrays, ("grad_input",))["grad_input"]

    return forward, backward


def _avg_pool(operation: str, compute: Compute) -> Pair:
    def forward(
        input: Array, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
        count_include_pad: bool = True, divisor_override: int | None = None,
    ) -> Array:  # fmt: skip
        counting = {"count_include_pad": count_include_pad, "divisor_override": divisor_override}
        options = {"stride": stride, "padding": padding, "ceil_mode": ceil_mode}
        case = _called(operation, {"input": input}, kernel_size=kernel_size, **options, **counting)
        return _answers(compute, case, {"input": input}, ("output",))["output"]

    def backward(
        grad_output: Array, input: Array, kernel_size: Any, stride: Any = None, padding: Any = 0,
        ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: int | None = None,
    ) -> Array:  # fmt: skip
        counting = {"count_include_pad": count_include_pad, "divisor_override": divisor_override}
        options = {"stride": stride, "padding": padding, "ceil_mode": ceil_mode}
        case = _called(operation, {"input": input}, kernel_size=kernel_size, **options, **counting)
        arrays = {"input": input, "grad_output": _checked_grad(case, grad_output, input)}
        return _answers(compute, case, arrays, ("grad_input",))["grad_input"]

    return forward, backward


_FAMILIES: dict[str, Callable[[str, Compute], Pair]] = {
    "conv": _conv,
    "max_pool": _max_pool,
    "avg_pool": _avg_pool,
}


# A call as the case that it is.


def _present(**arrays: Array | None) -> Arrays:
    return {name: array for name, array in arrays.items() if array is not None}


def _called(operation: str, arrays: Arrays, **options: Any) -> Case:
    """The case of a call; ValueError where PyTorch refuses the arguments."""
    _check_dtypes(arrays)
    shapes = {name: array.shape for name, array in arrays.items()}
    return called(operation, shapes, options, dtype=arrays["input"].dtype.name)


def _check_dtypes(arrays: Arrays) -> None:
    dtypes = {name: array.dtype for name, array in arrays.items()}
    if len(set(dtypes.values())) > 1:
        raise ValueError(f"arrays of several dtypes: {dtypes}")


def _checked_grad(case: Case, grad_output: Array, input: Array) -> Array:
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
