"""Convolution and pooling in C, called through ctypes: NumPy arrays, float32 and float64, any strides.

    python examples/c_kernel/build.py
    conformance run examples/c_kernel/kernel.py

C sees contiguous arrays and sizes that fit; whatever could not be true of them is refused here.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

import conformance

Array = NDArray[Any]
Option = int | Sequence[int]

BUILD = Path(__file__).resolve().parent / "build"


class CConvolution:
    """The convolution of a library that build.py made, named and called as in torch.nn.functional."""

    def __init__(self, library: Path) -> None:
        paths = {dtype: library.with_name(f"{library.name}_{dtype}.so") for dtype in ("float32", "float64")}
        missing = [path.name for path in paths.values() if not path.is_file()]
        if missing:
            raise FileNotFoundError(f"no {missing[0]}: run python examples/c_kernel/build.py first")
        self.libraries = {np.dtype(dtype): ctypes.CDLL(str(path)) for dtype, path in paths.items()}

    def conv2d(
        self,
        input: Array,
        weight: Array,
        bias: Array | None = None,
        stride: Option = 1,
        padding: Option | str = 0,
        dilation: Option = 1,
        groups: int = 1,
    ) -> Array:
        c = self._library(input, weight, bias)
        sizes = _conv(input, weight, bias, stride, padding, dilation, groups)
        output = np.empty((sizes.N, sizes.K, sizes.P, sizes.Q), input.dtype)
        _call(c.conv2d, sizes, input, weight, bias, output)
        return _as_batched(output, input)

    def conv2d_backward(
        self,
        grad_output: Array,
        input: Array,
        weight: Array,
        bias: Array | None = None,
        stride: Option = 1,
        padding: Option | str = 0,
        dilation: Option = 1,
        groups: int = 1,
    ) -> tuple[Array, Array, Array | None]:
        c = self._library(input, weight, bias, grad_output)
        sizes = _conv(input, weight, bias, stride, padding, dilation, groups)
        _check_gradient(grad_output, input, (sizes.N, sizes.K, sizes.P, sizes.Q))
        grad_input, grad_weight = np.empty(input.shape, input.dtype), np.empty(weight.shape, input.dtype)
        grad_bias = None if bias is None else np.empty(bias.shape, input.dtype)
        _call(c.conv2d_backward, sizes, grad_output, input, weight, grad_input, grad_weight, grad_bias)
        return grad_input, grad_weight, grad_bias

    def _library(self, input: Array, *others: Array | None) -> ctypes.CDLL:
        """The library for the arrays' dtype, which they share."""
        arrays = [input, *(array for array in others if array is not None)]
        if not all(isinstance(array, np.ndarray) for array in arrays):
            raise TypeError(f"not all NumPy arrays: {', '.join(type(array).__name__ for array in arrays)}")
        if input.dtype not in self.libraries or any(array.dtype != input.dtype for array in arrays):
            dtypes = ", ".join(str(array.dtype) for array in arrays)
            raise TypeError(f"dtypes {dtypes}: all float32 or all float64")
        return self.libraries[input.dtype]


class CKernels(CConvolution):
    """The poolings too."""

    def max_pool2d(
        self,
        input: Array,
        kernel_size: Option,
        stride: Option | None = None,
        padding: Option = 0,
        dilation: Option = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Array | tuple[Array, Array]:
        c = self._library(input)
        sizes = _pool(input, kernel_size, stride, padding, dilation, ceil_mode)
        output = np.empty((*input.shape[:-2], sizes.P, sizes.Q), input.dtype)
        indices = np.empty(output.shape, np.int64)
        _call(c.max_pool2d, sizes, input, output, indices)
        return (output, indices) if return_indices else output

    def max_pool2d_backward(
        self,
        grad_output: Array,
        input: Array,
        kernel_size: Option,
        stride: Option | None = None,
        padding: Option = 0,
        dilation: Option = 1,
        ceil_mode: bool = False,
    ) -> Array:
        c = self._library(input, grad_output)
        options = (kernel_size, stride, padding, dilation, ceil_mode)
        sizes = _pool(input, *options)
        _check_gradient(grad_output, input, (*input.shape[:-2], sizes.P, sizes.Q))
        _, indices = self.max_pool2d(input, *options, return_indices=True)
        grad_input = np.empty(input.shape, input.dtype)
        _call(c.max_pool2d_backward, sizes, grad_output, indices, grad_input)
        return grad_input

    def avg_pool2d(
        self,
        input: Array,
        kernel_size: Option,
        stride: Option | None = None,
        padding: Option = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Array:
        c = self._library(input)
        sizes = _pool(input, kernel_size, stride, padding, 1, ceil_mode)
        output = np.empty((*input.shape[:-2], sizes.P, sizes.Q), input.dtype)
        _call(c.avg_pool2d, sizes, *_divisor(count_include_pad, divisor_override), input, output)
        return output

    def avg_pool2d_backward(
        self,
        grad_output: Array,
        input: Array,
        kernel_size: Option,
        stride: Option | None = None,
        padding: Option = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Array:
        c = self._library(input, grad_output)
        sizes = _pool(input, kernel_size, stride, padding, 1, ceil_mode)
        _check_gradient(grad_output, input, (*input.shape[:-2], sizes.P, sizes.Q))
        grad_input = np.empty(input.shape, input.dtype)
        divisor = _divisor(count_include_pad, divisor_override)
        _call(c.avg_pool2d_backward, sizes, *divisor, grad_output, grad_input)
        return grad_input


class Conv(ctypes.Structure):
    """Conv of kernels.c."""

    _fields_ = [(name, ctypes.c_int64) for name in "N C H W K R S P Q G sh sw ph pw dh dw".split()]


class Pool(ctypes.Structure):
    """Pool of kernels.c."""

    _fields_ = [(name, ctypes.c_int64) for name in "planes H W R S P Q sh sw ph pw dh dw".split()]


def _call(function: Any, sizes: ctypes.Structure, *arguments: Array | int | None) -> None:
    """Call C with arrays as pointers to contiguous memory (a copy where they are not), None as NULL."""
    contiguous = [np.ascontiguousarray(a) if isinstance(a, np.ndarray) else a for a in arguments]
    pointers = [a.ctypes.data_as(ctypes.c_void_p) if isinstance(a, np.ndarray) else a for a in contiguous]
    function.restype = None
    function(ctypes.byref(sizes), *(ctypes.c_int64(p) if isinstance(p, int) else p for p in pointers))


def _conv(
    input: Array,
    weight: Array,
    bias: Array | None,
    stride: Option,
    padding: Option | str,
    dilation: Option,
    groups: int,
) -> Conv:
    """The sizes of a convolution, or the error that its arguments earn."""
    if input.ndim not in (3, 4) or weight.ndim != 4 or 0 in input.shape[-3:] + weight.shape:
        _refuse("input is (N, C, H, W) or (C, H, W), weight (K, C/G, R, S), only N may be 0", input, weight)
    n, (channels, h, w) = _batch(input), input.shape[-3:]
    k, per_group, r, s = weight.shape
    if not isinstance(groups, int) or groups < 1 or per_group * groups != channels or k % groups:
        _refuse(f"groups={groups} must divide channels and filters", input, weight)
    if bias is not None and bias.shape != (k,):
        _refuse(f"bias {bias.shape} is not ({k},)", input, weight)
    (sh, sw), (dh, dw) = _pair("stride", stride, 1), _pair("dilation", dilation, 1)
    reach = dh * (r - 1), dw * (s - 1)
    (top, bottom), (left, right) = _pads(padding, reach, (sh, sw))
    p = (h + top + bottom - reach[0] - 1) // sh + 1
    q = (w + left + right - reach[1] - 1) // sw + 1
    if p < 1 or q < 1:
        _refuse(f"the filter at dilation={dilation} exceeds the image padded by {padding}", input, weight)
    return Conv(n, channels, h, w, k, r, s, p, q, groups, sh, sw, top, left, dh, dw)


def _pads(padding: Option | str, reach: tuple[int, int], strides: tuple[int, int]) -> list[tuple[int, int]]:
    """Padding before and after each axis; "same" puts the odd one after."""
    if padding == "same":
        if strides != (1, 1):
            raise ValueError(f"padding='same' needs stride 1, not {strides}")
        return [(total // 2, total - total // 2) for total in reach]
    if isinstance(padding, str) and padding != "valid":
        raise ValueError(f"padding={padding!r}: an int, a pair, 'same' or 'valid'")
    return [(p, p) for p in _pair("padding", 0 if isinstance(padding, str) else padding, 0)]


def _pool(
    input: Array,
    kernel_size: Option,
    stride: Option | None,
    padding: Option,
    dilation: Option,
    ceil_mode: bool,
) -> Pool:
    """The sizes of a pooling, or the error that its arguments earn."""
    if input.ndim not in (3, 4) or 0 in input.shape[-3:]:
        _refuse("input is (N, C, H, W) or (C, H, W), only N may be 0", input)
    kernels = _pair("kernel_size", kernel_size, 1)
    strides = kernels if stride is None else _pair("stride", stride, 1)
    pads, dilations = _pair("padding", padding, 0), _pair("dilation", dilation, 1)
    if any(p > k // 2 for p, k in zip(pads, kernels, strict=True)):
        raise ValueError(f"padding={padding} exceeds half of kernel_size={kernel_size}")
    axes = zip(input.shape[-2:], kernels, strides, pads, dilations, strict=True)
    outputs = [_pool_outputs(*axis, ceil_mode) for axis in axes]
    if min(outputs) < 1:
        _refuse(f"kernel_size={kernel_size} at dilation={dilation} exceeds the padded image", input)
    planes = _batch(input) * input.shape[-3]
    return Pool(planes, *input.shape[-2:], *kernels, *outputs, *strides, *pads, *dilations)


def _pool_outputs(extent: int, kernel: int, stride: int, pad: int, dilation: int, ceil_mode: bool) -> int:
    """Windows of an axis; with ceil_mode also a last one that starts in the image but reaches past it."""
    room = extent + 2 * pad - dilation * (kernel - 1) - 1
    outputs = (room + (stride - 1 if ceil_mode else 0)) // stride + 1
    return outputs - 1 if ceil_mode and (outputs - 1) * stride >= extent + pad else outputs


def _divisor(count_include_pad: bool, divisor_override: int | None) -> tuple[int, int]:
    if divisor_override == 0:
        raise ValueError("divisor_override=0 must not be 0")
    return int(count_include_pad), divisor_override or 0


def _pair(name: str, option: Option, least: int) -> tuple[int, int]:
    """An option as (height, width)."""
    values: list[Any] = list(option) if isinstance(option, (tuple, list)) else [option]
    if not all(isinstance(value, (int, np.integer)) and not isinstance(value, bool) for value in values):
        raise TypeError(f"{name}={option!r}: an int or a pair of ints")
    if len(values) not in (1, 2) or min(values) < least:
        raise ValueError(f"{name}={option!r}: an int or a pair, at least {least}")
    return int(values[0]), int(values[-1])


def _check_gradient(grad_output: Array, input: Array, shape: tuple[int, ...]) -> None:
    expected = shape if input.ndim == 4 else shape[-3:]
    if grad_output.shape != expected:
        _refuse(f"grad_output {grad_output.shape} is not the output's {expected}", input)


def _batch(input: Array) -> int:
    return input.shape[0] if input.ndim == 4 else 1


def _as_batched(output: Array, input: Array) -> Array:
    return output if input.ndim == 4 else output.reshape(output.shape[1:])


def _refuse(rule: str, *arrays: Array) -> NoReturn:
    raise ValueError(f"{rule} (got {', '.join(str(array.shape) for array in arrays)})")


subject = conformance.Subject(CKernels(BUILD / "kernels"))
