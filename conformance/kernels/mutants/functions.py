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
from conformance.kernels import reference
from conformance.kernels.reference import Answers

Compute = Callable[[Any, Arrays, tuple[str, ...]], Answers]  # case, arrays with a batch axis, outputs wanted
IMAGES = ("input", "output", "indices", "grad_output", "grad_input")


def functions(operation: str, compute: Compute | None = None) -> SimpleNamespace:
    """`operation` and its `_backward`, answered by `compute` (the reference in float64 where none is given)."""
    return _FAMILIES[operation](compute or by_reference)


def by_reference(case: Case, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    """The wanted outputs of a batched case in float64, and any that come with them."""
    arrays = doubles(arrays)
    backward = any(output.startswith("grad_") for output in wanted)
    if case.family.name == "conv":
        return reference.conv_backward(case, arrays) if backward else {"output": reference.conv(case, arrays)}
    if case.family.name == "max_pool":
        answers = reference.max_pool(case, arrays)
        return (
            {"grad_input": reference.max_pool_backward(case, arrays, answers["indices"])}
            if backward
            else answers
        )
    if backward:
        return {"grad_input": reference.avg_pool_backward(case, arrays)}
    return {"output": reference.avg_pool(case, arrays)}


def doubles(arrays: Arrays) -> Arrays:
    return {name: np.asarray(array, np.float64) for name, array in arrays.items()}


def by_group(case: Any, array: Array) -> Array:
    """(N, C, ...) as (N, G, C/G, ...), also of no images."""
    return array.reshape(len(array), case.groups, array.shape[1] // case.groups, *array.shape[2:])


def _conv2d(compute: Compute) -> SimpleNamespace:
    def conv2d(
        input: Array, weight: Array, bias: Array | None = None,
        stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1,
    ) -> Array:  # fmt: skip
        arrays = _conv_arrays(input, weight, bias)
        case = conv_case(arrays, stride=stride, padding=padding, dilation=dilation, groups=groups)
        return _answers(compute, case, arrays, ("output",))["output"]

    def conv2d_backward(
        grad_output: Array, input: Array, weight: Array, bias: Array | None = None,
        stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1,
    ) -> tuple[Array | None, ...]:  # fmt: skip
        arrays = _conv_arrays(input, weight, bias)
        case = conv_case(arrays, stride=stride, padding=padding, dilation=dilation, groups=groups)
        arrays["grad_output"] = _checked_grad(case, grad_output, input)
        answers = _answers(compute, case, arrays, case.gradients)
        return answers["grad_input"], answers["grad_weight"], answers.get("grad_bias")

    return SimpleNamespace(conv2d=conv2d, conv2d_backward=conv2d_backward)


def _max_pool2d(compute: Compute) -> SimpleNamespace:
    def max_pool2d(
        input: Array, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
        ceil_mode: bool = False, return_indices: bool = False,
    ) -> Array | tuple[Array, Array]:  # fmt: skip
        options = {"stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil_mode}
        case = pool_case("max_pool2d", input, kernel_size, return_indices=return_indices, **options)
        answers = _answers(compute, case, {"input": input}, ("output", "indices"))
        return (answers["output"], answers["indices"]) if return_indices else answers["output"]

    def max_pool2d_backward(
        grad_output: Array, input: Array, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
        ceil_mode: bool = False,
    ) -> Array:  # fmt: skip
        options = {"stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil_mode}
        case = pool_case("max_pool2d", input, kernel_size, **options)
        arrays = {"input": input, "grad_output": _checked_grad(case, grad_output, input)}
        return _answers(compute, case, arrays, ("grad_input",))["grad_input"]

    return SimpleNamespace(max_pool2d=max_pool2d, max_pool2d_backward=max_pool2d_backward)


def _avg_pool2d(compute: Compute) -> SimpleNamespace:
    def avg_pool2d(
        input: Array, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
        count_include_pad: bool = True, divisor_override: int | None = None,
    ) -> Array:  # fmt: skip
        counting = {"count_include_pad": count_include_pad, "divisor_override": divisor_override}
        case = pool_case(
            "avg_pool2d", input, kernel_size, stride=stride, padding=padding, ceil_mode=ceil_mode, **counting
        )
        return _answers(compute, case, {"input": input}, ("output",))["output"]

    def avg_pool2d_backward(
        grad_output: Array, input: Array, kernel_size: Any, stride: Any = None, padding: Any = 0,
        ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: int | None = None,
    ) -> Array:  # fmt: skip
        counting = {"count_include_pad": count_include_pad, "divisor_override": divisor_override}
        case = pool_case(
            "avg_pool2d", input, kernel_size, stride=stride, padding=padding, ceil_mode=ceil_mode, **counting
        )
        arrays = {"input": input, "grad_output": _checked_grad(case, grad_output, input)}
        return _answers(compute, case, arrays, ("grad_input",))["grad_input"]

    return SimpleNamespace(avg_pool2d=avg_pool2d, avg_pool2d_backward=avg_pool2d_backward)


_FAMILIES = {"conv2d": _conv2d, "max_pool2d": _max_pool2d, "avg_pool2d": _avg_pool2d}
OPERATIONS = tuple(_FAMILIES)


# A call as the case that it is.


def conv_case(arrays: Arrays, **options: Any) -> Case:
    """The case of a call; ValueError where PyTorch refuses the arguments."""
    shape, weight = arrays["input"].shape, arrays["weight"].shape
    if len(shape) not in (3, 4) or len(weight) != 4:
        raise ValueError(
            f"input of shape {shape} and weight of shape {weight} must have 4 axes (input: or 3)"
        )
    _check_dtypes(arrays)
    case = Case.of(
        "conv2d", batch=_batch(shape), channels=shape[-3], image=shape[-2:], kernel=weight[2:],
        filters=weight[0], bias="bias" in arrays, dtype=arrays["input"].dtype.name, **_as_tuples(options),
    )  # fmt: skip
    _check(case)
    if weight[1] * case.groups != case.channels:
        raise ValueError(
            f"weight {weight} expects {weight[1]} channels a group, input {shape}, {case.groups} groups"
        )
    if "bias" in arrays and arrays["bias"].shape != (case.filters,):
        raise ValueError(f"bias of shape {arrays['bias'].shape} is not ({case.filters},)")
    return case


def pool_case(operation: str, input: Array, kernel_size: Any, **options: Any) -> Any:
    """The case of a call; ValueError where PyTorch refuses the arguments."""
    if input.ndim not in (3, 4):
        raise ValueError(f"input of shape {input.shape} must have 3 or 4 axes")
    kernel = tuple(kernel_size) if isinstance(kernel_size, (tuple, list)) else (kernel_size,)
    case = Case.of(
        operation, batch=_batch(input.shape),
        channels=input.shape[-3], image=input.shape[-2:], kernel=kernel * 2 if len(kernel) == 1 else kernel,
        dtype=input.dtype.name, **_as_tuples(options),
    )  # fmt: skip
    _check(case)
    return case


def _conv_arrays(input: Array, weight: Array, bias: Array | None) -> Arrays:
    arrays = {"input": input, "weight": weight}
    return arrays if bias is None else arrays | {"bias": bias}


def _batch(shape: tuple[int, ...]) -> int | None:
    return shape[0] if len(shape) == 4 else None


def _as_tuples(options: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(option) if isinstance(option, list) else option for name, option in options.items()}


def _check(case: Case) -> None:
    if case.problem:
        raise ValueError(case.problem)


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
