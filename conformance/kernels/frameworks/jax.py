"""JAX: a subject through jax.lax with gradients by vjp, and an oracle with float64 enabled.

Documented differences from PyTorch are bridged here: what PyTorch refuses (a filter larger than the padded image, a
stride below 1) lax answers or reads otherwise, padding of a pooling and ceil_mode are explicit pads in lax. It has no
adaptive, power-average or unpooling of its own: those are a few lines of its gather, reduce_window and scatter.
"""

from __future__ import annotations

import math
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
from conformance.kernels.functions import apart, bound, signature_of
from conformance.kernels.reference import IMAGES
from conformance.operations import OPERATIONS
from conformance.operations.adaptive import counts, spans
from conformance.operations.avg_pool import divisors
from conformance.operations.lp_pool import wholeness

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
    return {name: _function(name) for name in OPERATIONS}


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
    if _computation(case) not in _TRUSTED or (not finite and left_out):
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


def _function(operation: str) -> Callable[..., jax.Array]:
    family = OPERATIONS[operation].family
    signature = signature_of(operation, lacking=_LACKING.get(family.name, ()))

    def function(*args: Any, **keywords: Any) -> jax.Array:
        return _call(operation, *apart(family.array_names, bound(signature, args, keywords)))

    function.__signature__ = signature  # type: ignore[attr-defined]
    return function


_LACKING = {"max_pool": ("dilation", "return_indices"), "adaptive_max_pool": ("return_indices",)}


def _call(operation: str, arrays: dict[str, jax.Array], options: dict[str, Any]) -> jax.Array:
    case = called(operation, {name: array.shape for name, array in arrays.items()}, options)
    if case.family.indexing:
        _check_indices(case, arrays["indices"])
    return cast(jax.Array, _compiled(case)(*arrays.values()))


def _check_indices(case: Case, indices: jax.Array) -> None:
    """lax leaves out what is written past the end, and counts negative ones from there."""
    if indices.dtype != np.int64:
        raise ValueError(f"indices are {indices.dtype}, not int64")
    if problem := case.family.refused_values(case, {"indices": to_numpy(indices)}):
        raise ValueError(problem)


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
    alone, named = case.batch is None, zip(case.family.array_names, leaves, strict=False)
    output = _computation(case)(
        case, *(leaf[None] if alone and name in IMAGES else leaf for name, leaf in named)
    )
    return output[0] if alone else output


def _computation(case: Case) -> Callable[..., jax.Array]:
    return _COMPUTATIONS[case.family.name]


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


def _powers(case: Any, input: jax.Array) -> jax.Array:
    """A root of a sum of powers, of which that of 0 has no slope, as in PyTorch."""
    p = case.norm_type
    if math.isinf(p):
        return _maxima(case, jnp.abs(input)) if p > 0 else -_maxima(case, -jnp.abs(input))
    whole = jnp.asarray(wholeness(case), input.dtype)
    sums = _reduce(case, input ** int(p) if p == int(p) else input**p, 0.0, lax.add) * whole
    return jnp.where(sums == 0, 0, jnp.where(sums == 0, 1, sums) ** (1 / p))


def _adaptive_means(case: Any, input: jax.Array) -> jax.Array:
    for axis, (table, inside) in _tables(case).items():
        shape = (*inside.shape, *(1,) * (-axis - 1))
        input = jnp.where(inside.reshape(shape), _windows(input, axis, table), 0).sum(axis)
    return input / jnp.asarray(counts(case), input.dtype)


def _adaptive_maxima(case: Any, input: jax.Array) -> jax.Array:
    """The last pixel of a window that is repeated is never the first of its equals."""
    for axis, (table, _) in _tables(case).items():
        every = _windows(input, axis, table)
        taps = tuple(n if at == every.ndim + axis else 1 for at, n in enumerate(every.shape))
        reduced = lax.reduce_window(every, np.array(-np.inf, input.dtype)[()], lax.max, taps, taps, "VALID")
        input = reduced.squeeze(axis)
    return input


def _tables(case: Any) -> dict[int, tuple[Array, Array]]:
    """By axis, the last first: the pixels of each window, the last again where it is short, and which are its own."""
    tables = {}
    for axis in range(-1, -1 - case.dimensions, -1):
        every = np.array(spans(case.image[axis], case.output_extents[axis]), int).reshape(-1, 2)
        starts, ends = every[:, :1], every[:, 1:]
        pixels = starts + np.arange((ends - starts).max(initial=1))
        tables[axis] = np.minimum(pixels, ends - 1), pixels < ends
    return tables


def _windows(input: jax.Array, axis: int, table: Array) -> jax.Array:
    """The axis becomes two: the windows, and the pixels of each."""
    return jnp.take(input, table, axis=axis)


def _unpooled(case: Any, input: jax.Array, indices: jax.Array) -> jax.Array:
    rows = (*input.shape[:2], -1)
    plane = (*input.shape[:2], math.prod(case.output_extents))
    placed = _placed(plane, input.reshape(rows), indices.reshape(rows))
    return placed.reshape(*plane[:2], *case.output_extents)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _placed(plane: tuple[int, ...], values: jax.Array, indices: jax.Array) -> jax.Array:
    """Zeros, and the values at their indices: of those at one place lax differentiates one, PyTorch all."""
    image, channel = np.ogrid[: plane[0], : plane[1]]
    return jnp.zeros(plane, values.dtype).at[image[..., None], channel[..., None], indices].set(values)


def _placed_forward(
    plane: tuple[int, ...], values: jax.Array, indices: jax.Array
) -> tuple[jax.Array, jax.Array]:
    return _placed(plane, values, indices), indices


def _placed_backward(plane: tuple[int, ...], indices: jax.Array, grad: jax.Array) -> tuple[jax.Array, None]:
    return jnp.take_along_axis(grad, indices, axis=-1), None


_placed.defvjp(_placed_forward, _placed_backward)


_COMPUTATIONS: dict[str, Callable[..., jax.Array]] = {
    "conv": _convolved,
    "conv_transpose": _scattered,
    "max_pool": _maxima,
    "avg_pool": _means,
    "adaptive_max_pool": _adaptive_maxima,
    "adaptive_avg_pool": _adaptive_means,
    "lp_pool": _powers,
    "max_unpool": _unpooled,
}
# What lax has itself: the oracle answers the others by the reference.
_TRUSTED = (_convolved, _scattered, _maxima, _means)

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
    declared={"without": ("repeats",)},  # lax says nothing of the order in which a place is written
)
