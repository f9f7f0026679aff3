"""Right numbers in every form that is allowed: order in memory, views of fresh memory, layouts, careful state."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from conformance.cases.arrays import Array, Arrays
from conformance.kernels.mutants.functions import OPERATIONS, by_reference, functions
from conformance.kernels.mutants.registry import Call, Hook, each, hooked
from conformance.kernels.reference import Answers
from conformance.kernels.right.registry import right


def _all(make: Callable[[str], SimpleNamespace]) -> SimpleNamespace:
    return SimpleNamespace(
        **{name: f for operation in OPERATIONS for name, f in vars(make(operation)).items()}
    )


def _formed(edit: Callable[[Array], Array]) -> SimpleNamespace:
    return _hooked(lambda call, arrays, options: each(edit, call(arrays, options)))


def _hooked(hook: Hook) -> SimpleNamespace:
    return _all(lambda operation: hooked(operation, hook))


@right("everything in float64, rounded once")
def double_inside() -> SimpleNamespace:
    return _all(functions)


@right("half precision: sums in float64, rounded once", dtypes=("float16",))
def half_rounded_once() -> SimpleNamespace:
    return _all(functions)


@right("half precision: sums rounded, and rounded again once the bias is added", dtypes=("float16",))
def half_rounded_before_the_bias() -> SimpleNamespace:
    def compute(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
        if wanted != ("output",) or not case.bias:
            return by_reference(case, arrays, wanted)
        bias = arrays["bias"].reshape(-1, 1, 1)
        sums = by_reference(case, arrays | {"bias": np.zeros_like(arrays["bias"])}, wanted)["output"]
        return {"output": sums.astype(np.float16) + bias}

    return functions("conv2d", compute)


@right("answers in Fortran order")
def fortran_answers() -> SimpleNamespace:
    return _formed(np.asfortranarray)


@right("answers as non-contiguous views of fresh memory")
def view_answers() -> SimpleNamespace:
    def within(array: Array) -> Array:
        memory = np.zeros((*array.shape[:-1], 2 * array.shape[-1] + 1), array.dtype)
        memory[..., 1::2] = array
        return memory[..., 1::2]

    return _formed(within)


@right("answers walked backwards through fresh memory")
def reversed_answers() -> SimpleNamespace:
    return _formed(lambda array: np.ascontiguousarray(array[..., ::-1])[..., ::-1])


@right("answers in channels-last memory")
def channels_last_answers() -> SimpleNamespace:
    def channels_last(array: Array) -> Array:
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 0, -1)), -1, 0)

    return _formed(channels_last)


@right("answers that cannot be written to")
def read_only_answers() -> SimpleNamespace:
    def frozen(array: Array) -> Array:
        array.flags.writeable = False
        return array

    return _formed(frozen)


@right("images (N, H, W, C) and weights (R, S, C/G, K)", layout="NHWC")
def channels_last_kernel() -> SimpleNamespace:
    return _hooked(_nhwc)


def _nhwc(call: Call, arrays: dict[str, Any], options: dict[str, Any]) -> Any:
    """The same kernel between two transpositions."""
    named = {name: None if array is None else _to_nchw(name, array) for name, array in arrays.items()}
    answer = call(named, options)
    if "weight" not in arrays or "grad_output" not in arrays:
        return each(lambda array: np.moveaxis(array, -3, -1), answer)
    grad_input, grad_weight, grad_bias = answer
    return np.moveaxis(grad_input, -3, -1), np.moveaxis(grad_weight, (0, 1), (3, 2)), grad_bias


def _to_nchw(name: str, array: Array) -> Array:
    if name == "bias":
        return array
    return np.moveaxis(array, (3, 2), (0, 1)) if name == "weight" else np.moveaxis(array, -1, -3)


# Memory that is kept with care.


@right("answers remembered by everything they depend on, and copied out")
def careful_cache() -> SimpleNamespace:
    remembered: dict[Any, Any] = {}

    def hook(call: Call, arrays: dict[str, Any], options: dict[str, Any]) -> Any:
        contents = tuple(
            (name, None if a is None else (a.shape, a.dtype.name, a.tobytes())) for name, a in arrays.items()
        )
        key = (contents, tuple((name, repr(option)) for name, option in options.items()))
        if key not in remembered:
            remembered.clear()
            remembered[key] = call(arrays, options)
        return each(np.copy, remembered.get(key, call(arrays, options)))

    return _hooked(hook)


@right("one scratch memory for all calls, behind a lock")
def locked_scratch() -> SimpleNamespace:
    lock = threading.Lock()
    scratch: dict[str, Any] = {}

    def hook(call: Call, arrays: dict[str, Any], options: dict[str, Any]) -> Any:
        with lock:
            scratch.clear()
            scratch.update(
                {name: None if array is None else np.array(array) for name, array in arrays.items()}
            )
            return call(dict(scratch), options)

    return _hooked(hook)


@right("arguments copied before anything else")
def copied_arguments() -> SimpleNamespace:
    return _hooked(
        lambda call, arrays, options: call(
            {n: None if a is None else np.array(a) for n, a in arrays.items()}, options
        )
    )
