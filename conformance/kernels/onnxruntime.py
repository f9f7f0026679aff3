"""onnxruntime's CPU kernels as a subject: forward only, float32. Each call builds a model of one node.

Documented differences from PyTorch are bridged: strides of a pooling are given, padding that is counted is asked for,
indices over the whole tensor become indices of a plane; what it does not have (divisor_override, unbatched input,
ties by position) is not claimed.
"""

from __future__ import annotations

from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

from conformance.cases.arrays import Array
from conformance.kernels import numpy as arrays

name, differentiates, array_type = "onnxruntime", False, arrays.array_type
from_numpy, to_numpy, is_array, differentiate = (
    arrays.from_numpy,
    arrays.to_numpy,
    arrays.is_array,
    arrays.differentiate,
)

OPSET, IR_VERSION = 19, 9  # AveragePool counts padding and has dilations since opset 19


def subject(variant: str) -> Any:
    from conformance.kernels.subject import Subject, SubjectError

    if variant:
        raise SubjectError(f"onnxruntime:{variant}: there is onnxruntime alone")
    kernels = SimpleNamespace(conv2d=_conv2d, max_pool2d=_max_pool2d, avg_pool2d=_avg_pool2d)
    return Subject(kernels, framework="onnxruntime", dtypes=("float32",), without=("unbatched",))


def _conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):  # type: ignore[no-untyped-def]
    pads = _pair(padding) if not isinstance(padding, str) else (0, 0)
    attributes = {
        "strides": _pair(stride),
        "dilations": _pair(dilation),
        "group": groups,
        "pads": (*pads, *pads),
    }
    if padding == "same":
        totals = [d * (k - 1) for d, k in zip(_pair(dilation), weight.shape[2:], strict=True)]
        attributes["pads"] = (*(t // 2 for t in totals), *(t - t // 2 for t in totals))
    elif padding not in ("valid",) and isinstance(padding, str):
        raise ValueError(f"padding={padding!r}: there are 'same' and 'valid'")
    if padding == "same" and max(_pair(stride)) > 1:
        raise ValueError("padding='same' with a stride is no convolution of PyTorch")
    operands = [input, weight] if bias is None else [input, weight, bias]
    return _run("Conv", operands, **attributes)[0]


def _max_pool2d(  # type: ignore[no-untyped-def]
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    _check_pool(input, padding, kernel_size, dilation, ceil_mode)
    attributes = _pool_attributes(kernel_size, stride, padding, ceil_mode) | {"dilations": _pair(dilation)}
    output, *indices = _run("MaxPool", [input], outputs=1 + return_indices, **attributes)
    return (output, indices[0] % (input.shape[-1] * input.shape[-2])) if return_indices else output


def _avg_pool2d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):  # type: ignore[no-untyped-def]
    _check_pool(input, padding, kernel_size, 1, ceil_mode)
    attributes = _pool_attributes(kernel_size, stride, padding, ceil_mode)
    return _run("AveragePool", [input], **attributes, count_include_pad=int(count_include_pad))[0]


def _check_pool(input: Array, padding: Any, kernel_size: Any, dilation: Any, ceil_mode: bool) -> None:
    """What PyTorch refuses and onnxruntime answers."""
    pads, kernel, dilations = _pair(padding), _pair(kernel_size), _pair(dilation)
    if any(p > k // 2 for p, k in zip(pads, kernel, strict=True)):
        raise ValueError(f"padding={padding} exceeds half of kernel_size={kernel_size}")
    for extent, p, k, d in zip(input.shape[-2:], pads, kernel, dilations, strict=True):
        if d * (k - 1) + 1 > extent + 2 * p and not ceil_mode:
            raise ValueError(f"kernel_size={kernel_size} exceeds the padded input {input.shape}")


def _pool_attributes(kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool) -> dict[str, Any]:
    strides = _pair(kernel_size if stride is None else stride)
    return {
        "kernel_shape": _pair(kernel_size), "strides": strides, "pads": _pair(padding) * 2, "ceil_mode": int(ceil_mode),
    }  # fmt: skip


def _pair(option: Any) -> tuple[int, ...]:
    return (option, option) if isinstance(option, int) else tuple(option)


def _run(operator: str, operands: list[Array], outputs: int = 1, **attributes: Any) -> list[Array]:
    given = tuple((array.dtype.name, array.shape) for array in operands)
    session = _session(operator, given, outputs, tuple(sorted(attributes.items())))
    feed = {f"x{i}": np.ascontiguousarray(array) for i, array in enumerate(operands)}
    return list(session.run(None, feed))


@lru_cache(maxsize=64)
def _session(operator: str, given: Any, outputs: int, attributes: Any) -> onnxruntime.InferenceSession:
    kinds = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE, "float16": TensorProto.FLOAT16}
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
