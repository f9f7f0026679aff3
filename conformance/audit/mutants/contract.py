"""Answers with the right numbers in the wrong form: dtype, axes, type, order; and calls that mean other options."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from conformance.audit.mutants.hooks import BACKWARD, HALVES, Call, Hook, KernelRow, KernelRows, Make, Named, backward, each, forward, signed, sized
from conformance.cases.arrays import Array
from conformance.kernels.functions import functions

Edit = Callable[[Array], Any]


def cast_from(dtype: Any, other: Any) -> Edit:
    return lambda array: array.astype(other) if array.dtype == dtype else array


def images(edit: Edit) -> Callable[[int], Edit]:
    """Arrays with a batch axis alone are edited."""
    return lambda dimensions: lambda array: edit(array) if array.ndim == dimensions + 2 else array


def of_any(edit: Edit) -> Callable[[int], Edit]:
    return lambda dimensions: edit


def batched(dimensions: int) -> Edit:
    return lambda array: array[None] if array.ndim == dimensions + 1 else array


def channels_last(dimensions: int) -> Edit:
    return lambda array: np.moveaxis(array, -1 - dimensions, -1) if array.ndim > dimensions else array


def edited(half: str, edit: Callable[[int], Edit]) -> Make:
    def hook(dimensions: int) -> Hook:
        def edit_answer(call: Call, arrays: Named, options: Named) -> Any:
            answer = call(arrays, options)
            if half == "forward" and isinstance(answer, tuple):  # indices stay as they are
                return edit(dimensions)(answer[0]), answer[1]
            return each(edit(dimensions), answer)

        return edit_answer

    return sized(HALVES[half][0], hook)


EDITS: list[tuple[str, str, Callable[[int], Edit]]] = [
    ("a float32 answer for float64 arrays", "dtype == 'float64'", of_any(cast_from(np.float64, np.float32))),
    ("a float64 answer for float32 arrays", "dtype == 'float32'", of_any(cast_from(np.float32, np.float64))),
    ("an axis of length 1 in front, which broadcasting hides", "always", of_any(lambda array: array[None])),
    ("an axis of length 1 behind", "always", of_any(lambda array: array[..., None])),
    ("an answer of one number without its axes", "one element", of_any(lambda array: array.squeeze() if array.size == 1 else array)),
    ("a batch of one comes back without the batch axis", "N == 1", images(lambda array: array[0] if len(array) == 1 else array)),
    ("an unbatched input gets a batched answer", "unbatched", batched),
    ("everything after the batch axis is flattened", "always", images(lambda array: array.reshape(array.shape[0], -1) if array.size else array)),
    ("the channels come back last", "always", channels_last),
    ("an answer of one row comes back without that axis", "P == 1", images(lambda array: array[..., 0, :] if array.shape[-2] == 1 else array)),
    ("a list for an array", "always", of_any(lambda array: array.tolist())),
    ("the bytes of the answer are in the other order", "always", of_any(lambda array: array.astype(array.dtype.newbyteorder()))),
    ("an array of Python objects", "always", of_any(lambda array: array.astype(object))),
]
# Every mistake is made by the convolution; that every place can make it is shown by one other, in turn.
PLACES = (("conv", "backward"), ("max_pool", "forward"), ("avg_pool", "backward"), ("avg_pool", "forward"), ("max_pool", "backward"))


def edits(family: str, half: str) -> list[KernelRow]:
    makers = [
        (sentence, when, edit)
        for number, (sentence, when, edit) in enumerate(EDITS)
        if (family, half) in (("conv", "forward"), PLACES[number % len(PLACES)])
    ]
    return [(sentence + HALVES[half][1], when, edited(half, edit)) for sentence, when, edit in makers]


# Of what is returned.


def returned(edit: Callable[[Any], Any]) -> Hook:
    return lambda call, arrays, options: edit(call(arrays, options))


def pair(edit: Callable[[Any, Any], Any]) -> Make:
    """Output and indices, where both are returned."""
    return forward(returned(lambda answer: edit(*answer) if isinstance(answer, tuple) else answer))


def three(edit: Callable[[Any, Any, Any], Any]) -> Make:
    """The gradients of input, weight and bias."""
    return backward(returned(lambda answer: edit(*answer)))


def always_a_pair(call: Call, arrays: Named, options: Named) -> Any:
    return call(arrays, options | {"return_indices": True})


def weights_read_only(call: Call, arrays: Named, options: Named) -> Any:
    arrays["weight"].setflags(write=False)
    return call(arrays, options)


def grad_bias_as_image(grad_input: Array, grad_weight: Array, grad_bias: Any) -> Any:
    return grad_input, grad_weight, None if grad_bias is None else grad_bias.reshape(1, -1, *(1,) * (grad_weight.ndim - 2))


def none_for_zeros(call: Call, arrays: Named, options: Named) -> Any:
    grad_input, grad_weight, grad_bias = call(arrays, options)
    return grad_input, grad_weight, grad_bias if grad_bias is not None and arrays["bias"].any() else None


# Other defaults.


def defaulting(half: str, **defaults: Any) -> Make:
    """The right functions, one with other defaults in its signature."""

    def make(operation: str) -> SimpleNamespace:
        right, name = functions(operation), f"{operation}{half}"
        function = getattr(right, name)
        signature = inspect.signature(function)
        parameters = [p.replace(default=defaults.get(p.name, p.default)) for p in signature.parameters.values()]
        setattr(right, name, signed(function, signature.replace(parameters=parameters)))
        return right

    return make


ROWS: KernelRows = {
    ("conv", "output"): [
        *edits("conv", "forward"),
        ("the answer is an object of its own class, not an array", "always", forward(returned(lambda answer: SimpleNamespace(data=answer)))),
        ("nothing is returned", "always", forward(lambda call, arrays, options: None)),
        ("dilation is 2 where none is given", "always", defaulting("", dilation=2)),
        ("the weights are made read-only", "always", forward(weights_read_only)),
        ("a masked array is returned", "always", forward(returned(np.ma.masked_invalid))),
    ],
    ("conv", BACKWARD["conv"]): [
        *edits("conv", "backward"),
        ("the gradients are lost: only that of the input is returned", "always", three(lambda grad_input, grad_weight, grad_bias: grad_input)),
    ],
    ("conv", "grad_input grad_weight"): [
        ("the gradients of input and weight are exchanged", "always", three(lambda grad_input, grad_weight, grad_bias: (grad_weight, grad_input, grad_bias))),
        ("the gradients share their memory where their shapes agree", "shapes agree",
         three(lambda grad_input, grad_weight, grad_bias: (grad_input, grad_input if grad_input.shape == grad_weight.shape else grad_weight, grad_bias))),
    ],
    ("conv", "grad_bias"): [
        ("None for the gradient of a bias of zeros", "a bias of zeros", backward(none_for_zeros)),
        ("None for the gradient of a bias that is there", "bias", three(lambda grad_input, grad_weight, grad_bias: (grad_input, grad_weight, None))),
        ("the gradient of the bias has an axis of length 1 for each of an image", "bias", three(grad_bias_as_image)),
    ],
    ("conv", "grad_input"): [("padding is 1 where none is given", "always", defaulting("_backward", padding=1))],
    ("conv_transpose", "output"): [
        *((sentence, when, edited("forward", edit)) for sentence, when, edit in EDITS[:3]),
        ("dilation is 2 where none is given", "always", defaulting("", dilation=2)),
        ("the weights are made read-only", "always", forward(weights_read_only)),
    ],
    ("conv_transpose", "grad_input grad_weight"): [
        ("the gradients of input and weight are exchanged", "always", three(lambda grad_input, grad_weight, grad_bias: (grad_weight, grad_input, grad_bias))),
    ],
    ("conv_transpose", "grad_input"): [("padding is 1 where none is given", "always", defaulting("_backward", padding=1))],
    ("max_pool", "output"): [
        *edits("max_pool", "forward"),
        ("a pair is returned though no indices are asked for", "not return_indices", forward(always_a_pair)),
        ("the stride is 1 where none is given", "always", defaulting("", stride=1)),
    ],
    ("max_pool", "indices"): [
        ("the indices are int32", "return_indices", pair(lambda output, indices: (output, indices.astype(np.int32)))),
        ("the indices are floats", "return_indices", pair(lambda output, indices: (output, indices.astype(np.float64)))),
    ],
    ("max_pool", "output indices"): [
        ("output and indices are exchanged", "return_indices", pair(lambda output, indices: (indices, output))),
        ("return_indices is ignored", "return_indices", pair(lambda output, indices: output)),
    ],
    ("max_pool", "grad_input"): edits("max_pool", "backward"),
    ("avg_pool", "output"): [*edits("avg_pool", "forward"), ("padding is not counted where nothing is said", "always", defaulting("", count_include_pad=False))],
    ("avg_pool", "grad_input"): [*edits("avg_pool", "backward"), ("windows are in ceil_mode where nothing is said", "always", defaulting("_backward", ceil_mode=True))],
}
