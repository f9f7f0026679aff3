"""JAX: a subject through jax.lax with gradients by vjp, and an oracle with float64 enabled.

Documented differences from PyTorch are bridged here: what PyTorch refuses (a filter larger than the padded image, a
stride below 1) lax answers or reads otherwise, padding of a pooling and ceil_mode are explicit pads in lax.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from conformance.cases import Case
from conformance.cases.arrays import Array, Arrays
from conformance.cases.called import called
from conformance.kernels import reference
from conformance.kernels.framework import About, Framework
from conformance.operations.avg_pool import divisors

ABOUT = About(
    packages=("jax", "jaxlib"),
    title="JAX",
    extra="jax",
    oracle="JAX in float64, its gradients by vjp",
    arrays=("jax", "jaxlib", "Tracer"),
    variants=("",),
)


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


def differentiate_twice(
    function: Callable[..., Any],
    arrays: Sequence[jax.Array],
    grad_output: jax.Array,
    gradients: Sequence[jax.Array],
) -> tuple[jax.Array, ...]:
    """Gradients of the gradients' products with others, by grad_output and by each array."""

    def first(grad_output: jax.Array, *leaves: jax.Array) -> tuple[jax.Array, ...]:
        return differentiate(function, leaves, grad_output)[1]

    _, pull_back = jax.vjp(first, grad_output, *arrays)
    return tuple(pull_back(tuple(gradients)))


def kernels(variant: str) -> dict[str, Callable[..., Any]]:
    """jax.lax behind PyTorch's signatures; a max pooling has no indices, and no dilation, whose gradient lax lacks."""
    jax.config.update("jax_enable_x64", True)
    made = {"conv": _conv, "conv_transpose": _conv_transpose, "max_pool": _max_pool, "avg_pool": _avg_pool}
    return {f"{name}{n}d": function(f"{name}{n}d") for name, function in made.items() for n in (1, 2, 3)}


def oracle(case: Case, arrays: Arrays) -> dict[str, Array]:
    """Every output of a case in float64; what lax does not give comes from the reference.

    That is indices, the gradient of a dilated max pooling, and where there are NaN or infinities, maxima, groups and
    transposed convolutions: on the CPU (0.10) reduce_window loses NaN in wide rows, a NaN in one group reaches the
    others, and one of a filter meets the zeros that lax puts between pixels.
    """
    if case.problem:
        raise ValueError(case.problem)
    finite = all(np.isfinite(array).all() for array in arrays.values())
    maxima = _computation(case) is _maxima
    left_out = maxima or case.family.adjoint or getattr(case, "groups", 1) > 1
    if _computation(case) is None or (not finite and left_out):
        return _of_case(case, reference.answer(case, arrays))
    with jax.enable_x64(True):
        doubles = [jnp.array(array, jnp.float64) for name, array in arrays.items() if name != "grad_output"]
        if maxima and max(case.dilations) > 1:
            output = to_numpy(_compiled(_geometry(case))(*doubles))
            return _of_case(case, reference.answer(case, arrays) | {"output": output})
        answers = _with_gradients(case, arrays, doubles)
    if "indices" in case.outputs:
        answers["indices"] = reference.answer(case, arrays)["indices"]
    return _of_case(case, answers)


def _with_gradients(case: Case, arrays: Arrays, doubles: Sequence[jax.Array]) -> dict[str, Array]:
    grad_output = jnp.array(arrays["grad_output"], jnp.float64)
    output, gradients = _compiled_with_gradients(_geometry(case))(grad_output, *doubles)
    names = (f"grad_{name}" for name in arrays if name != "grad_output")
    return {"output": to_numpy(output)} | dict(zip(names, map(to_numpy, gradients), strict=True))


def _of_case(case: Case, answers: dict[str, Array]) -> dict[str, Array]:
    return {output: answers[output] for output in case.outputs}


# PyTorch's signatures. A call becomes a case, which knows the sizes and what PyTorch refuses.


def _conv(operation: str) -> Callable[..., jax.Array]:
    def conv(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):  # type: ignore[no-untyped-def]
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        arrays = {"input": input, "weight": weight} | ({} if bias is None else {"bias": bias})
        return _call(operation, arrays, options)

    return conv


def _conv_transpose(operation: str) -> Callable[..., jax.Array]:
    def conv_transpose(  # type: ignore[no-untyped-def]
        input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
    ):
        options = {"stride": stride, "padding": padding, "output_padding": output_padding}
        options |= {"groups": groups, "dilation": dilation}
        arrays = {"input": input, "weight": weight} | ({} if bias is None else {"bias": bias})
        return _call(operation, arrays, options)

    return conv_transpose


def _max_pool(operation: str) -> Callable[..., jax.Array]:
    def max_pool(input, kernel_size, stride=None, padding=0, ceil_mode=False):  # type: ignore[no-untyped-def]
        options = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "ceil_mode": ceil_mode}
        return _call(operation, {"input": input}, options)

    return max_pool


def _avg_pool(operation: str) -> Callable[..., jax.Array]:
    def avg_pool(  # type: ignore[no-untyped-def]
        input,
        kernel_size,
        stride=None,
        padding=0,
        ceil_mode=False,
        count_include_pad=True,
        divisor_override=None,
    ):
        options = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "ceil_mode": ceil_mode}
        options |= {"count_include_pad": count_include_pad}
        options |= {} if divisor_override is None else {"divisor_override": divisor_override}
        return _call(operation, {"input": input}, options)

    return avg_pool


def _call(operation: str, arrays: dict[str, jax.Array], options: dict[str, Any]) -> jax.Array:
    case = called(operation, {name: array.shape for name, array in arrays.items()}, options)
    return cast(jax.Array, _compiled(case)(*arrays.values()))


# What lax computes of a case.


@lru_cache(maxsize=256)
def _compiled(case: Case) -> Callable[..., Any]:
    """Its answer, compiled once a case: jax.jit knows again only the same function."""
    return cast(Callable[..., Any], jax.jit(partial(_answer, case)))


@lru_cache(maxsize=256)
def _compiled_with_gradients(case: Case) -> Callable[..., Any]:
    """Both in one compilation."""
    both = jax.jit(lambda grad_output, *leaves: differentiate(partial(_answer, case), leaves, grad_output))
    return cast(Callable[..., Any], both)


def _geometry(case: Case) -> Case:
    """The case without what does not change what is computed."""
    plain = Case.of(case.operation)
    return replace(case, **{name: getattr(plain, name) for name in ("dtype", "values", "layout", "seed")})


def _answer(case: Any, *leaves: jax.Array) -> jax.Array:
    compute = cast(Callable[..., jax.Array], _computation(case))
    batched = leaves[0] if case.batch is not None else leaves[0][None]
    output = compute(case, batched, *leaves[1:])
    return output if case.batch is not None else output[0]


def _computation(case: Case) -> Callable[..., jax.Array] | None:
    return _COMPUTATIONS.get(case.family.name)


def _convolved(case: Any, input: jax.Array, weight: jax.Array, bias: jax.Array | None = None) -> jax.Array:
    output = lax.conv_general_dilated(
        input, weight, case.strides, case.pads, rhs_dilation=case.dilations,
        feature_group_count=case.groups, precision=lax.Precision.HIGHEST,
    )  # fmt: skip
    return output if bias is None else output + bias.reshape(-1, *(1,) * case.dimensions)


def _scattered(case: Any, input: jax.Array, weight: jax.Array, bias: jax.Array | None = None) -> jax.Array:
    """A correlation of the image, its pixels a stride apart, with the filters turned round, inputs for outputs."""
    groups, axes = case.groups, tuple(range(-case.dimensions, 0))
    turned = jnp.flip(weight, axes).reshape(groups, -1, *weight.shape[1:]).swapaxes(1, 2)
    reaches = (d * (k - 1) for k, d in zip(case.kernel, case.dilations, strict=True))
    more = zip(reaches, case.pads, case.axes(case.output_padding), strict=True)
    output = lax.conv_general_dilated(
        input, turned.reshape(case.filters, -1, *case.kernel), (1,) * case.dimensions,
        [(reach - low, reach - high + past) for reach, (low, high), past in more],
        lhs_dilation=case.strides, rhs_dilation=case.dilations,
        feature_group_count=groups, precision=lax.Precision.HIGHEST,
    )  # fmt: skip
    return output if bias is None else output + bias.reshape(-1, *(1,) * case.dimensions)


def _maxima(case: Any, input: jax.Array) -> jax.Array:
    return _reduce(case, input, -jnp.inf, lax.max)


def _means(case: Any, input: jax.Array) -> jax.Array:
    return _reduce(case, input, 0.0, lax.add) / jnp.asarray(divisors(case), input.dtype)


def _reduce(case: Any, input: jax.Array, start: float, function: Callable[..., Any]) -> jax.Array:
    reduced = lax.reduce_window(
        input, np.array(start, input.dtype)[()], function, (1, 1, *case.kernel), (1, 1, *case.strides),
        ((0, 0), (0, 0), *case.borders), window_dilation=(1, 1, *case.dilations),
    )  # fmt: skip
    return reduced[(..., *(slice(extent) for extent in case.output_extents))]


_COMPUTATIONS: dict[str, Callable[..., jax.Array]] = {
    "conv": _convolved,
    "conv_transpose": _scattered,
    "max_pool": _maxima,
    "avg_pool": _means,
}

FRAMEWORK = Framework(
    ABOUT,
    array_type="jax.Array",
    from_numpy=from_numpy,
    to_numpy=to_numpy,
    is_array=is_array,
    dtypes=dtypes,
    differentiate=differentiate,
    differentiate_twice=differentiate_twice,
    oracle=oracle,
    kernels=kernels,
)
