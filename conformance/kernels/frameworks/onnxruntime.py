"""onnxruntime's CPU kernels as a subject: forward only, float32. Each call builds a model of one node.

Documented differences from PyTorch are bridged: strides of a pooling are given, padding that is counted is asked for,
indices over the whole tensor become indices of a plane, an output_padding of the stride or more is less padding and
then zeros, an adaptive pooling whose windows are all alike is a plain one. What it does not have is not claimed:
divisor_override, unbatched input, ties by position, adaptive windows of several extents, and powers but even ones,
for its LpPool sums those of magnitudes, where PyTorch's has no absolute value.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

from conformance.cases import Case
from conformance.cases.arrays import Array
from conformance.cases.called import called
from conformance.kernels.framework import About, Framework
from conformance.kernels.frameworks import numpy as arrays

ABOUT = About(packages=("onnxruntime", "onnx"), title="onnxruntime", extra="onnxruntime", variants=("",))
OPSET, IR_VERSION = 19, 9  # AveragePool counts padding and has dilations since opset 19


def kernels(variant: str) -> dict[str, Callable[..., Any]]:
    made = {
        "conv": _conv,
        "conv_transpose": _conv_transpose,
        "max_pool": _max_pool,
        "avg_pool": _avg_pool,
        "adaptive_max_pool": _adaptive_max_pool,
        "adaptive_avg_pool": _adaptive_avg_pool,
        "lp_pool": _lp_pool,
        "max_unpool": _max_unpool,
    }
    return {f"{name}{n}d": function(n) for name, function in made.items() for n in (1, 2, 3)}


def _conv(dimensions: int) -> Callable[..., Array]:
    def conv(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):  # type: ignore[no-untyped-def]
        axes = partial(_axes, dimensions)
        attributes = {"strides": axes(stride), "dilations": axes(dilation), "group": groups}
        attributes["pads"] = _conv_pads(padding, axes(stride), axes(dilation), weight.shape[2:])
        operands = [input, weight] if bias is None else [input, weight, bias]
        return _run("Conv", operands, **attributes)[0]

    return conv


def _conv_transpose(dimensions: int) -> Callable[..., Array]:
    def conv_transpose(  # type: ignore[no-untyped-def]
        input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
    ):
        axes = partial(_axes, dimensions)
        pads, more = axes(padding), axes(output_padding)
        attributes = {"strides": axes(stride), "dilations": axes(dilation), "group": groups}
        if all(past < s for past, s in zip(more, axes(stride), strict=True)):
            operands = [input, weight] if bias is None else [input, weight, bias]
            return _run("ConvTranspose", operands, **attributes, pads=pads * 2, output_padding=more)[0]
        _check_output_padding(more, axes(stride), axes(dilation))
        after = tuple(max(0, p - past) for p, past in zip(pads, more, strict=True))
        output = _run("ConvTranspose", [input, weight], **attributes, pads=pads + after)[0]
        left = ((0, past - p + kept) for past, p, kept in zip(more, pads, after, strict=True))
        output = np.pad(output, ((0, 0), (0, 0), *left))
        return output if bias is None else output + bias.reshape(-1, *(1,) * dimensions)

    return conv_transpose


def _check_output_padding(
    more: tuple[int, ...], strides: tuple[int, ...], dilations: tuple[int, ...]
) -> None:
    if any(past >= max(s, d) for past, s, d in zip(more, strides, dilations, strict=True)):
        raise ValueError(
            f"output_padding={more} is not below the stride {strides} nor the dilation {dilations}"
        )


def _conv_pads(
    padding: Any, strides: tuple[int, ...], dilations: tuple[int, ...], kernel: tuple[int, ...]
) -> tuple[int, ...]:
    """Before every axis, then after every axis."""
    if padding not in ("same", "valid"):
        if isinstance(padding, str):
            raise ValueError(f"padding={padding!r}: there are 'same' and 'valid'")
        return _axes(len(strides), padding) * 2
    if padding == "valid":
        return (0,) * 2 * len(strides)
    if max(strides) > 1:
        raise ValueError("padding='same' with a stride is no convolution of PyTorch")
    totals = [d * (k - 1) for d, k in zip(dilations, kernel, strict=True)]
    return (*(t // 2 for t in totals), *(t - t // 2 for t in totals))


def _max_pool(dimensions: int) -> Callable[..., Any]:
    def max_pool(  # type: ignore[no-untyped-def]
        input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
    ):
        geometry = _pool(dimensions, input, kernel_size, stride, padding, ceil_mode, dilation)
        geometry["dilations"] = _axes(dimensions, dilation)
        output, *indices = _run("MaxPool", [input], outputs=1 + return_indices, **geometry)
        return (output, indices[0] % math.prod(input.shape[2:])) if return_indices else output

    return max_pool


def _avg_pool(dimensions: int) -> Callable[..., Array]:
    def avg_pool(  # type: ignore[no-untyped-def]
        input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True
    ):
        geometry = _pool(dimensions, input, kernel_size, stride, padding, ceil_mode)
        return _run("AveragePool", [input], **geometry, count_include_pad=int(count_include_pad))[0]

    return avg_pool


def _adaptive_max_pool(dimensions: int) -> Callable[..., Any]:
    max_pool = _max_pool(dimensions)

    def adaptive_max_pool(input, output_size, return_indices=False):  # type: ignore[no-untyped-def]
        return max_pool(input, _alike(input, output_size, dimensions), return_indices=return_indices)

    return adaptive_max_pool


def _adaptive_avg_pool(dimensions: int) -> Callable[..., Any]:
    avg_pool = _avg_pool(dimensions)
    return lambda input, output_size: avg_pool(input, _alike(input, output_size, dimensions))


def _alike(input: Array, output_size: Any, dimensions: int) -> tuple[int, ...]:
    """The extents of the windows, which are all alike."""
    case = called(f"adaptive_avg_pool{dimensions}d", {"input": input.shape}, {"output_size": output_size})
    if not _claimed(case):
        raise NotImplementedError(
            f"windows of several extents, for output_size={output_size} of {input.shape}"
        )
    return tuple(n // o for n, o in zip(case.image, case.output_extents, strict=True))


def _lp_pool(dimensions: int) -> Callable[..., Array]:
    def lp_pool(input, norm_type, kernel_size, stride=None):  # type: ignore[no-untyped-def]
        if norm_type == 0:
            raise ValueError("norm_type=0 has no root")
        geometry = _pool(dimensions, input, kernel_size, stride, padding=0, ceil_mode=False)
        return _run("LpPool", [input], **geometry, p=int(norm_type))[0]

    return lp_pool


def _claimed(case: Case) -> bool:
    """Adaptive windows that are all alike, and even powers."""
    if hasattr(case, "output_size") and not case.family.indexing:
        return all(o and n % o == 0 for n, o in zip(case.image, case.output_extents, strict=True))
    p = getattr(case, "norm_type", 2)
    return p > 0 and p % 2 == 0


def _max_unpool(dimensions: int) -> Callable[..., Array]:
    def max_unpool(  # type: ignore[no-untyped-def]
        input, indices, kernel_size, stride=None, padding=0, output_size=None
    ):
        if indices.shape != input.shape or input.ndim != dimensions + 2:
            raise ValueError(f"indices {indices.shape} for an input {input.shape} of {dimensions} image axes")
        kernel, pads = _axes(dimensions, kernel_size), _axes(dimensions, padding)
        strides = kernel if stride is None else _axes(dimensions, stride)
        plain = [
            (n - 1) * s + k - 2 * p for n, s, k, p in zip(input.shape[2:], strides, kernel, pads, strict=True)
        ]
        extents = plain if output_size is None else list(output_size)
        if any(abs(n - o) >= s for n, o, s in zip(extents, plain, strides, strict=True)):
            raise ValueError(f"output_size={output_size} is not within a stride {strides} of {plain}")
        plane = math.prod(extents)
        if indices.dtype != np.int64:
            raise ValueError(f"indices are {indices.dtype}, not int64")
        if indices.size and not 0 <= indices.min() <= indices.max() < plane:
            raise ValueError(f"indices outside of {plane} pixels")
        if all(n >= o for n, o in zip(extents, plain, strict=True)):
            geometry = {"kernel_shape": kernel, "strides": strides, "pads": pads * 2}
            return _unpooled(input, indices, tuple(extents), **geometry)
        rows = (*input.shape[:2], math.prod(input.shape[2:]))
        room = max(plane, rows[2])  # of one axis, on which as many pixels have room
        output = _unpooled(input.reshape(rows), indices.reshape(rows), (room,), kernel_shape=(1,))
        return np.ascontiguousarray(output[..., :plane]).reshape(*rows[:2], *extents)

    return max_unpool


def _unpooled(input: Array, indices: Array, extents: tuple[int, ...], **attributes: Any) -> Array:
    """At indices of planes, which become those of the whole tensor."""
    planes = np.arange(math.prod(input.shape[:2])).reshape(*input.shape[:2], *(1,) * len(extents))
    shape = np.array([*input.shape[:2], *extents], np.int64)
    return _run("MaxUnpool", [input, indices + math.prod(extents) * planes, shape], **attributes)[0]


def _pool(
    dimensions: int,
    input: Array,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    dilation: Any = 1,
) -> dict[str, Any]:
    """The attributes of a pooling; ValueError for what PyTorch refuses and onnxruntime answers."""
    axes = partial(_axes, dimensions)
    kernel, pads = axes(kernel_size), axes(padding)
    if any(p > k // 2 for p, k in zip(pads, kernel, strict=True)):
        raise ValueError(f"padding={padding} exceeds half of kernel_size={kernel_size}")
    for extent, p, k, d in zip(input.shape[-dimensions:], pads, kernel, axes(dilation), strict=True):
        if d * (k - 1) + 1 > extent + 2 * p and not ceil_mode:
            raise ValueError(f"kernel_size={kernel_size} exceeds the padded input {input.shape}")
    strides = kernel if stride is None else axes(stride)
    return {"kernel_shape": kernel, "strides": strides, "pads": pads * 2, "ceil_mode": int(ceil_mode)}


def _axes(dimensions: int, option: Any) -> tuple[int, ...]:
    return (option,) * dimensions if isinstance(option, int) else tuple(option)


def _run(operator: str, operands: list[Array], outputs: int = 1, **attributes: Any) -> list[Array]:
    given = tuple((array.dtype.name, array.shape) for array in operands)
    session = _session(operator, given, outputs, tuple(sorted(attributes.items())))
    feed = {f"x{i}": np.ascontiguousarray(array) for i, array in enumerate(operands)}
    return list(session.run(None, feed))


@lru_cache(maxsize=64)
def _session(operator: str, given: Any, outputs: int, attributes: Any) -> onnxruntime.InferenceSession:
    kinds = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE, "float16": TensorProto.FLOAT16}
    kinds |= {"int64": TensorProto.INT64}
    names = [f"x{i}" for i in range(len(given))]
    answers = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(operator, names, answers, **dict(attributes))
    inputs = [
        helper.make_tensor_value_info(n, kinds[d], list(s)) for n, (d, s) in zip(names, given, strict=True)
    ]
    types = (kinds[given[0][0]], TensorProto.INT64)
    made = [helper.make_tensor_value_info(n, t, None) for n, t in zip(answers, types, strict=False)]
    graph = helper.make_graph([node], operator, inputs, made)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


FRAMEWORK = Framework(
    ABOUT,
    array_type=arrays.FRAMEWORK.array_type,
    from_numpy=arrays.from_numpy,
    to_numpy=arrays.to_numpy,
    is_array=arrays.is_array,
    kernels=kernels,
    declared={"dtypes": ("float32",), "without": ("unbatched",), "only": _claimed},
)
