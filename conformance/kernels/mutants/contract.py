"""Answers with the right numbers in the wrong form: dtype, axes, type, order; and calls that mean other options."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from conformance.cases.arrays import Array
from conformance.kernels.mutants.functions import functions
from conformance.kernels.mutants.registry import each, hooked, kernel

# Every mistake is made by conv2d; that every place can make it is shown by one other, in turn.
FIRST = ("conv2d", "forward", "output")
PLACES = (
    ("conv2d", "backward", "grad_input grad_weight grad_bias"),
    ("max_pool2d", "forward", "output"),
    ("avg_pool2d", "backward", "grad_input"),
    ("avg_pool2d", "forward", "output"),
    ("max_pool2d", "backward", "grad_input"),
)
Edit = Callable[[Array], Any]


def _float32_for_float64(array: Array) -> Array:
    return array.astype(np.float32) if array.dtype == np.float64 else array


def _float64_for_float32(array: Array) -> Array:
    return array.astype(np.float64) if array.dtype == np.float32 else array


def _squeezed(array: Array) -> Any:
    return array.squeeze() if array.size == 1 else array


def _without_batch_of_one(array: Array) -> Array:
    return array[0] if array.ndim == 4 and len(array) == 1 else array


def _batched(array: Array) -> Array:
    return array[None] if array.ndim == 3 else array


def _flat(array: Array) -> Array:
    return array.reshape(array.shape[0], -1) if array.ndim == 4 and array.size else array


def _channels_last(array: Array) -> Array:
    return np.moveaxis(array, -3, -1) if array.ndim > 2 else array


def _row_as_vector(array: Array) -> Array:
    return array[..., 0, :] if array.ndim == 4 and array.shape[2] == 1 else array


EDITS: dict[str, tuple[str, Edit, str]] = {
    "float32": ("a float32 answer for float64 arrays", _float32_for_float64, "dtype == 'float64'"),
    "float64": ("a float64 answer for float32 arrays", _float64_for_float32, "dtype == 'float32'"),
    "extra_axis": (
        "an axis of length 1 in front, which broadcasting hides",
        lambda array: array[None],
        "always",
    ),
    "trailing_axis": ("an axis of length 1 behind", lambda array: array[..., None], "always"),
    "squeezed": ("an answer of one number without its axes", _squeezed, "one element"),
    "unbatched": ("a batch of one comes back without the batch axis", _without_batch_of_one, "N == 1"),
    "batched": ("an unbatched input gets a batched answer", _batched, "unbatched"),
    "flat": ("everything after the batch axis is flattened", _flat, "always"),
    "channels_last": ("the channels come back last", _channels_last, "always"),
    "row_as_vector": ("an answer of one row comes back without that axis", _row_as_vector, "P == 1"),
    "list": ("a list for an array", lambda array: array.tolist(), "always"),
    "big_endian": (
        "the bytes of the answer are in the other order",
        lambda array: array.astype(array.dtype.newbyteorder()),
        "always",
    ),
    "objects": ("an array of Python objects", lambda array: array.astype(object), "always"),
}


def _edited(operation: str, place: str, edit: Edit) -> SimpleNamespace:
    def hook(call: Any, arrays: dict[str, Any], options: dict[str, Any]) -> Any:
        answer = call(arrays, options)
        if place == "forward" and isinstance(answer, tuple):  # indices stay as they are
            return edit(answer[0]), answer[1]
        return each(edit, answer)

    return hooked(operation, hook, only=place)


for _number, (_name, (_sentence, _edit, _when)) in enumerate(EDITS.items()):
    for _operation, _place, _outputs in (FIRST, PLACES[_number % len(PLACES)]):
        _words = _sentence if _place == "forward" else f"{_sentence} (gradients)"
        kernel(_operation, _outputs, _words, _when, f"{_operation}_{_place}_answers_{_name}")(
            functools.partial(_edited, _operation, _place, _edit)
        )


@kernel("max_pool2d", "indices", "the indices are int32", "return_indices")
def max_pool2d_indices_int32() -> SimpleNamespace:
    return hooked("max_pool2d", functools.partial(_indices_as, np.int32), only="forward")


@kernel("max_pool2d", "indices", "the indices are floats", "return_indices")
def max_pool2d_indices_float() -> SimpleNamespace:
    return hooked("max_pool2d", functools.partial(_indices_as, np.float64), only="forward")


def _indices_as(dtype: Any, call: Any, arrays: dict[str, Any], options: dict[str, Any]) -> Any:
    answer = call(arrays, options)
    return (answer[0], answer[1].astype(dtype)) if isinstance(answer, tuple) else answer


@kernel("max_pool2d", "output indices", "output and indices are exchanged", "return_indices")
def max_pool2d_indices_first() -> SimpleNamespace:
    def hook(call: Any, arrays: dict[str, Any], options: dict[str, Any]) -> Any:
        answer = call(arrays, options)
        return answer[::-1] if isinstance(answer, tuple) else answer

    return hooked("max_pool2d", hook, only="forward")


@kernel("max_pool2d", "output indices", "return_indices is ignored", "return_indices")
def max_pool2d_without_indices() -> SimpleNamespace:
    def hook(call: Any, arrays: dict[str, Any], options: dict[str, Any]) -> Any:
        answer = call(arrays, options)
        return answer[0] if isinstance(answer, tuple) else answer

    return hooked("max_pool2d", hook, only="forward")


@kernel("max_pool2d", "output", "a pair is returned though no indices are asked for", "not return_indices")
def max_pool2d_always_a_pair() -> SimpleNamespace:
    def hook(call: Any, arrays: dict[str, Any], options: dict[str, Any]) -> Any:
        return call(arrays, options | {"return_indices": True})

    return hooked("max_pool2d", hook, only="forward")


@kernel("conv2d", "grad_input grad_weight", "the gradients of input and weight are exchanged", "always")
def conv2d_gradients_exchanged() -> SimpleNamespace:
    def hook(call: Any, arrays: dict[str, Any], options: dict[str, Any]) -> Any:
        grad_input, grad_weight, grad_bias = call(arrays, options)
        return grad_weight, grad_input, grad_bias

    return hooked("conv2d", hook, only="backward")


@kernel("conv2d", "grad_bias", "None for the gradient of a bias that is there", "bias")
def conv2d_no_gradient_of_the_bias() -> SimpleNamespace:
    def hook(call: Any, arrays: dict[str, Any], options: dict[str, Any]) -> Any:
        return (*call(arrays, options)[:2], None)

    return hooked("conv2d", hook, only="backward")


@kernel(
    "conv2d",
    "grad_input grad_weight grad_bias",
    "the gradients are lost: only that of the input is returned",
    "always",
)
def conv2d_gradient_of_the_input_only() -> SimpleNamespace:
    def hook(call: Any, arrays: dict[str, Any], options: dict[str, Any]) -> Any:
        return call(arrays, options)[0]

    return hooked("conv2d", hook, only="backward")


@kernel("conv2d", "grad_bias", "the gradient of the bias has the shape (1, K, 1, 1)", "bias")
def conv2d_grad_bias_of_four_axes() -> SimpleNamespace:
    def hook(call: Any, arrays: dict[str, Any], options: dict[str, Any]) -> Any:
        grad_input, grad_weight, grad_bias = call(arrays, options)
        return grad_input, grad_weight, None if grad_bias is None else grad_bias.reshape(1, -1, 1, 1)

    return hooked("conv2d", hook, only="backward")


@kernel(
    "conv2d",
    "grad_input grad_weight",
    "the gradients share their memory where their shapes agree",
    "shapes agree",
)
def conv2d_gradients_share_memory() -> SimpleNamespace:
    def hook(call: Any, arrays: dict[str, Any], options: dict[str, Any]) -> Any:
        grad_input, grad_weight, grad_bias = call(arrays, options)
        if grad_input.shape == grad_weight.shape:
            grad_weight = grad_input
        return grad_input, grad_weight, grad_bias

    return hooked("conv2d", hook, only="backward")


@kernel("conv2d", "output", "the answer is an object of its own class, not an array", "always")
def conv2d_answers_an_object() -> SimpleNamespace:
    return hooked(
        "conv2d", lambda call, arrays, options: SimpleNamespace(data=call(arrays, options)), only="forward"
    )


@kernel("conv2d", "output", "nothing is returned", "always")
def conv2d_returns_nothing() -> SimpleNamespace:
    return hooked("conv2d", lambda call, arrays, options: None, only="forward")


DEFAULTS: dict[str, tuple[str, dict[str, Any]]] = {
    "max_pool2d": ("the stride is 1 where none is given", {"stride": 1}),
    "avg_pool2d": ("padding is not counted where nothing is said", {"count_include_pad": False}),
    "avg_pool2d_backward": ("windows are in ceil_mode where nothing is said", {"ceil_mode": True}),
    "conv2d": ("dilation is 2 where none is given", {"dilation": 2}),
    "conv2d_backward": ("padding is 1 where none is given", {"padding": 1}),
}


def _defaulting(operation: str, name: str, defaults: dict[str, Any]) -> SimpleNamespace:
    """The right functions, one with other defaults in its signature."""
    right = functions(operation)
    function = getattr(right, name)
    signature = inspect.signature(function)
    parameters = [
        parameter.replace(default=defaults.get(parameter.name, parameter.default))
        for parameter in signature.parameters.values()
    ]
    signature = signature.replace(parameters=parameters)

    def call(*arguments: Any, **options: Any) -> Any:
        bound = signature.bind(*arguments, **options)
        bound.apply_defaults()
        return function(*bound.args, **bound.kwargs)

    call.__signature__ = signature  # type: ignore[attr-defined]
    setattr(right, name, call)
    return right


for _name, (_sentence, _defaults) in DEFAULTS.items():
    _operation = _name.removesuffix("_backward")
    _outputs = "output" if _name == _operation else "grad_input"
    kernel(_operation, _outputs, _sentence, "always", f"{_name}_other_default")(
        functools.partial(_defaulting, _operation, _name, _defaults)
    )


@kernel("conv2d", "output", "the weights are made read-only", "always")
def conv2d_makes_weights_read_only() -> SimpleNamespace:
    def hook(call: Any, arrays: dict[str, Any], options: dict[str, Any]) -> Any:
        arrays["weight"].setflags(write=False)
        return call(arrays, options)

    return hooked("conv2d", hook, only="forward")


@kernel("conv2d", "output", "a masked array is returned", "always")
def conv2d_answers_masked() -> SimpleNamespace:
    def hook(call: Any, arrays: dict[str, Any], options: dict[str, Any]) -> Any:
        return np.ma.masked_invalid(call(arrays, options))

    return hooked("conv2d", hook, only="forward")
