"""JAX: a subject through jax.lax with gradients by vjp, and an oracle with float64 enabled.

Documented differences from PyTorch are bridged here: what PyTorch refuses (a filter larger than the padded image, a
stride below 1) lax answers or reads otherwise, padding of a pooling and ceil_mode are explicit pads in lax.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from conformance.cases import Case
from conformance.cases.arrays import Array, Arrays
from conformance.kernels import reference

name, array_type, differentiates = "jax", "jax.Array", True


def dtypes() -> tuple[str, ...]:
    """float64 only where the kernel's file has enabled it: JAX rounds its arrays to float32 otherwise."""
    return ("float32", "float64") if jax.config.jax_enable_x64 else ("float32",)


def from_numpy(array: Array, device: str | None) -> jax.Array:
    return jnp.array(array, device=jax.devices(device)[0] if device else None)


def to_numpy(array: jax.Array) -> Array:
    return np.asarray(array)


def is_array(value: Any) -> bool:
    return isinstance(value, jax.Array)


def differentiate(
    function: Callable[..., Any], arrays: Sequence[jax.Array], grad_output: jax.Array
) -> tuple[Any, tuple[jax.Array, ...]]:
    """The function's answer, and the gradient of each array."""
    answer, pull_back = jax.vjp(function, *arrays)
    if isinstance(answer, tuple):  # indices are integers: their cotangent has no values
        return answer, pull_back((grad_output, np.zeros(answer[1].shape, jax.dtypes.float0)))
    return answer, pull_back(grad_output)


def subject(variant: str) -> Any:
    """jax.lax behind PyTorch's signatures; max_pool2d has no indices, and no dilation, whose gradient lax lacks."""
    from conformance.kernels.subject import Subject, SubjectError

    if variant:
        raise SubjectError(f"jax:{variant}: there is jax alone")
    jax.config.update("jax_enable_x64", True)
    kernels = SimpleNamespace(conv2d=_conv2d, max_pool2d=_max_pool2d, avg_pool2d=_avg_pool2d)
    return Subject(kernels, framework="jax")


def oracle(case: Case, arrays: Arrays) -> dict[str, Array]:
    """Every output of a case in float64; what lax does not give comes from the reference.

    That is indices, the gradient of a dilated max pooling, and where there are NaN or infinities, maxima and groups:
    on the CPU (0.10) reduce_window loses NaN in wide rows, and a NaN in one group reaches the others.
    """
    if case.problem:
        raise ValueError(case.problem)
    finite = all(np.isfinite(array).all() for array in arrays.values())
    if not finite and (case.family.chosen or getattr(case, "groups", 1) > 1):
        return _of_case(case, reference.answer(case, arrays))
    with jax.enable_x64(True):
        doubles = [jnp.array(array, jnp.float64) for name, array in arrays.items() if name != "grad_output"]
        if case.family.chosen and max(case.dilations) > 1:
            output = to_numpy(jax.jit(partial(_answer, case))(*doubles))
            return _of_case(case, reference.answer(case, arrays) | {"output": output})
        grad_output = jnp.array(arrays["grad_output"], jnp.float64)
        both = jax.jit(lambda g, *leaves: differentiate(partial(_answer, case), leaves, g))  # one compilation
        output, gradients = both(grad_output, *doubles)
        answers = {"output": to_numpy(output)}
        names = (name for name in arrays if name != "grad_output")
        answers |= {f"grad_{name}": to_numpy(g) for name, g in zip(names, gradients, strict=True)}
    if "indices" in case.outputs:
        answers["indices"] = reference.answer(case, arrays)["indices"]
    return _of_case(case, answers)


def _of_case(case: Case, answers: dict[str, Array]) -> dict[str, Array]:
    return {output: answers[output] for output in case.outputs}


def _conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):  # type: ignore[no-untyped-def]
    case = _case("conv2d", input, filters=weight.shape[0], kernel=weight.shape[2:], bias=bias is not None,
                 groups=groups, stride=stride, padding=padding, dilation=dilation)  # fmt: skip
    if case.channels != weight.shape[1] * groups:
        raise ValueError(
            f"input has {case.channels} channels but weight expects {weight.shape[1]} x {groups} groups"
        )
    if bias is not None and bias.shape != (case.filters,):
        raise ValueError(f"bias has shape {bias.shape}, not ({case.filters},)")
    return _jitted(case, input, weight) if bias is None else _jitted(case, input, weight, bias)


def _max_pool2d(input, kernel_size, stride=None, padding=0, ceil_mode=False):  # type: ignore[no-untyped-def]
    return _jitted(_pool("max_pool2d", input, kernel_size, stride, padding, ceil_mode=ceil_mode), input)


def _avg_pool2d(  # type: ignore[no-untyped-def]
    input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
):
    counted = {"count_include_pad": count_include_pad, "divisor_override": divisor_override}
    case = _pool("avg_pool2d", input, kernel_size, stride, padding, ceil_mode=ceil_mode, **counted)
    return _jitted(case, input)


def _pool(
    operation: str, input: jax.Array, kernel_size: Any, stride: Any, padding: Any, **options: Any
) -> Any:
    kernel = (kernel_size,) * 2 if isinstance(kernel_size, int) else tuple(kernel_size)
    return _case(operation, input, kernel=kernel, stride=stride, padding=padding, **options)


def _case(operation: str, input: jax.Array, **fields: Any) -> Any:
    """The call as a case, which knows the sizes and what PyTorch refuses."""
    if input.ndim not in (3, 4):
        raise ValueError(f"input has {input.ndim} axes, not 3 or 4")
    batch = input.shape[0] if input.ndim == 4 else None
    case = Case.of(operation, batch=batch, channels=input.shape[-3], image=input.shape[-2:], **fields)
    if case.problem:
        raise ValueError(case.problem)
    return case


def _jitted(case: Any, *leaves: jax.Array) -> jax.Array:
    """Compiled once a case, not once an operation of it."""
    return cast(jax.Array, jax.jit(partial(_answer, case))(*leaves))


def _answer(case: Any, *leaves: jax.Array) -> jax.Array:
    batched = leaves[0] if case.batch is not None else leaves[0][None]
    functions: dict[str, Callable[..., jax.Array]] = {
        "conv": _conv,
        "max_pool": _max_pool,
        "avg_pool": _avg_pool,
    }
    output = functions[case.family.name](case, batched, *leaves[1:])
    return output if case.batch is not None else output[0]


def _conv(case: Case, input: jax.Array, weight: jax.Array, bias: jax.Array | None = None) -> jax.Array:
    output = lax.conv_general_dilated(
        input, weight, case.axes(case.stride), case.pads, rhs_dilation=case.axes(case.dilation),
        dimension_numbers=("NCHW", "OIHW", "NCHW"), feature_group_count=case.groups, precision=lax.Precision.HIGHEST,
    )  # fmt: skip
    return output if bias is None else output + bias[:, None, None]


def _max_pool(case: Case, input: jax.Array) -> jax.Array:
    return _reduce(case, input, -jnp.inf, lax.max)


def _avg_pool(case: Case, input: jax.Array) -> jax.Array:
    return _reduce(case, input, 0.0, lax.add) / jnp.asarray(reference.divisors(case), input.dtype)


def _reduce(case: Any, input: jax.Array, start: float, function: Callable[..., Any]) -> jax.Array:
    pads = ((0, 0), (0, 0), *case.borders)
    window, strides = (1, 1, *case.kernel), (1, 1, *case.strides)
    reduced = lax.reduce_window(
        input,
        np.array(start, input.dtype)[()],
        function,
        window,
        strides,
        pads,
        window_dilation=(1, 1, *case.dilations),
    )
    return reduced[(..., *(slice(extent) for extent in case.output_extents))]
