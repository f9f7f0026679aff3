"""Kernels that claim less: by their signature, or by what they declare."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from conformance.cases.arrays import Array
from conformance.kernels.mutants.functions import functions
from conformance.kernels.mutants.registry import Call, hooked
from conformance.kernels.right.registry import right

_conv = functions("conv2d")
_max = functions("max_pool2d")
_avg = functions("avg_pool2d")


@right("no dilation")
def without_dilation() -> SimpleNamespace:
    def conv2d(
        input: Array,
        weight: Array,
        bias: Array | None = None,
        stride: Any = 1,
        padding: Any = 0,
        groups: int = 1,
    ) -> Any:
        return _conv.conv2d(input, weight, bias, stride, padding, 1, groups)

    def conv2d_backward(
        grad_output: Array, input: Array, weight: Array, bias: Array | None = None,
        stride: Any = 1, padding: Any = 0, groups: int = 1,
    ) -> Any:  # fmt: skip
        return _conv.conv2d_backward(grad_output, input, weight, bias, stride, padding, 1, groups)

    return SimpleNamespace(conv2d=conv2d, conv2d_backward=conv2d_backward)


@right("no bias and no groups")
def without_bias_and_groups() -> SimpleNamespace:
    def conv2d(input: Array, weight: Array, stride: Any = 1, padding: Any = 0, dilation: Any = 1) -> Any:
        return _conv.conv2d(input, weight, None, stride, padding, dilation)

    def conv2d_backward(
        grad_output: Array, input: Array, weight: Array, stride: Any = 1, padding: Any = 0, dilation: Any = 1
    ) -> Any:
        return _conv.conv2d_backward(grad_output, input, weight, None, stride, padding, dilation)[:2]

    return SimpleNamespace(conv2d=conv2d, conv2d_backward=conv2d_backward)


@right("a filter and a bias, nothing else; no gradients")
def plain_forward() -> SimpleNamespace:
    def conv2d(input: Array, weight: Array, bias: Array) -> Any:
        return _conv.conv2d(input, weight, bias)

    return SimpleNamespace(conv2d=conv2d)


@right(
    "options as ints alone",
    without=("options as tuples", "options per axis", "padding=same", "padding=valid"),
)
def int_options() -> SimpleNamespace:
    def hook(call: Call, arrays: dict[str, Any], options: dict[str, Any]) -> Any:
        if not all(isinstance(options[name], int) for name in ("stride", "padding", "dilation")):
            raise TypeError("stride, padding and dilation are ints")
        return call(arrays, options)

    return hooked("conv2d", hook)


@right("four axes alone", without=("unbatched",))
def four_axes() -> SimpleNamespace:
    def hook(call: Call, arrays: dict[str, Any], options: dict[str, Any]) -> Any:
        if arrays["input"].ndim != 4:
            raise ValueError("input has four axes")
        return call(arrays, options)

    return hooked("conv2d", hook)


@right("float32 alone", dtypes=("float32",))
def float32_alone() -> SimpleNamespace:
    def hook(call: Call, arrays: dict[str, Any], options: dict[str, Any]) -> Any:
        if arrays["input"].dtype != np.float32:
            raise TypeError("arrays are float32")
        return call(arrays, options)

    return SimpleNamespace(**vars(hooked("conv2d", hook)), **vars(hooked("max_pool2d", hook)))


@right("max pooling of whole tiles: no padding, no dilation, no ceil_mode")
def whole_tiles() -> SimpleNamespace:
    def max_pool2d(input: Array, kernel_size: Any, stride: Any = None) -> Any:
        return _max.max_pool2d(input, kernel_size, stride)

    def avg_pool2d(input: Array, kernel_size: Any, stride: Any = None) -> Any:
        return _avg.avg_pool2d(input, kernel_size, stride)

    return SimpleNamespace(max_pool2d=max_pool2d, avg_pool2d=avg_pool2d)
