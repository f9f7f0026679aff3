"""Options of one axis used for another: every option, every operation, the answer and each gradient alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.cases.arrays import Array, Arrays
from conformance.kernels.mutants.registry import (
    Change,
    dilations,
    max_pooled,
    mutant,
    paddings,
    strides,
    walked,
)  # fmt: skip
from conformance.kernels.reference import (
    Answers,
    avg_pool,
    avg_pool_backward,
    conv,
    conv_backward,
    max_pool,
    max_pool_backward,
)  # fmt: skip

Pair = tuple[Any, Any]

WAYS: dict[str, tuple[str, Callable[[Pair], Pair]]] = {
    "swapped": ("of height and width swapped", lambda pair: (pair[1], pair[0])),
    "of_height": ("of the height used for the width", lambda pair: (pair[0], pair[0])),
    "of_width": ("of the width used for the height", lambda pair: (pair[1], pair[1])),
}
OPTIONS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "stride": (strides, "sh != sw"),
    "padding": (paddings, "ph != pw"),
    "dilation": (dilations, "dh != dw"),
    "kernel": (lambda case: case.kernel, "R != S"),
}
PLAIN = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1)}
SHOWS_PLAIN = {"stride": "sh > 1 or sw > 1", "padding": "padded", "dilation": "dh > 1 or dw > 1"}


def with_option(case: Any, option: str, change: Callable[[Pair], Pair]) -> Any:
    """The case walked with one option of its axes changed ("same" included)."""
    if option == "padding" and isinstance(case.padding, str):
        return walked(case, pads=change(case.pads))
    return walked(case, **{option: change(OPTIONS[option][0](case))})


def _output(case: Any, other: Any, arrays: Arrays) -> Array:
    return conv(other, arrays)


def _gradients(case: Any, other: Any, arrays: Arrays) -> Answers:
    return conv_backward(other, arrays)


def _max_pool(case: Any, other: Any, arrays: Arrays) -> Answers:
    return max_pooled(case, arrays, **max_pool(other, arrays))


def _max_pool_gradient(case: Any, other: Any, arrays: Arrays) -> Array:
    return max_pool_backward(case, arrays, max_pool(other, arrays)["indices"])


def _avg_pool(case: Any, other: Any, arrays: Arrays) -> Array:
    return avg_pool(other, arrays)


def _avg_pool_gradient(case: Any, other: Any, arrays: Arrays) -> Array:
    return avg_pool_backward(other, arrays)


# operation, outputs, where in words, which options, how the changed case is answered
PLACES: list[tuple[str, str, str, str, Callable[[Any, Any, Arrays], Array | Answers]]] = [
    ("conv2d", "output", "", "stride padding dilation", _output),
    ("conv2d", "grad_input", " in the gradient of the input", "stride padding dilation", _gradients),
    ("conv2d", "grad_weight", " in the gradient of the weight", "stride padding dilation", _gradients),
    ("max_pool2d", "output indices grad_input", "", "kernel stride padding dilation", _max_pool),
    ("max_pool2d", "grad_input", " in the gradient", "kernel stride padding dilation", _max_pool_gradient),
    ("avg_pool2d", "output", "", "kernel stride padding", _avg_pool),
    ("avg_pool2d", "grad_input", " in the gradient", "kernel stride padding", _avg_pool_gradient),
]


def _change(option: str, way: Callable[[Pair], Pair], answer: Callable[[Any, Any, Arrays], Any]) -> Change:
    return lambda case, arrays: answer(case, with_option(case, option, way), arrays)


def _plain(option: str) -> Callable[[Pair], Pair]:
    return lambda pair: ((0, 0), (0, 0)) if isinstance(pair[0], tuple) else PLAIN[option]


for operation, outputs, where, options, answer in PLACES:
    place = f"{operation}_{outputs.partition(' ')[0]}"
    for option in options.split():
        for way, (words, change) in WAYS.items():
            sentence, name = f"{option} {words}{where}", f"{place}_{option}_{way}"
            mutant(operation, outputs, sentence, OPTIONS[option][1], name)(_change(option, change, answer))
        if option in PLAIN:
            sentence, name = f"{option} ignored{where}", f"{place}_{option}_ignored"
            mutant(operation, outputs, sentence, SHOWS_PLAIN[option], name)(
                _change(option, _plain(option), answer)
            )


def _in_shape(option: str, way: Callable[[Pair], Pair], answer: Callable[[Any, Arrays], Any]) -> Change:
    """The answer to the changed option, in the shape that follows; the right one where it would be refused."""

    def change(case: Any, arrays: Arrays) -> Any:
        if option == "padding" and isinstance(case.padding, str):
            return {}
        other = replace(case, **{option: way(OPTIONS[option][0](case))})
        return {} if other.problem else answer(other, arrays)

    return change


SHAPES: list[tuple[str, str, str, Callable[[Any, Arrays], Array | Answers]]] = [
    ("conv2d", "output", "stride padding dilation", conv),
    ("max_pool2d", "output indices", "kernel stride padding dilation", max_pool),
    ("avg_pool2d", "output", "kernel stride padding", avg_pool),
]
for operation, outputs, options, resized in SHAPES:
    for option in options.split():
        for way, (words, change) in WAYS.items():
            sentence = f"{option} {words}, in the shape of the answer too"
            name = f"{operation}_output_{option}_{way}_in_shape"
            mutant(operation, outputs, sentence, OPTIONS[option][1], name)(_in_shape(option, change, resized))
