"""The same sums as matrix products, as multiply-adds, as phases, as loops over scalars."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from conformance.cases.arrays import Array, Arrays
from conformance.kernels.mutants.functions import by_group, by_reference, functions
from conformance.kernels.mutants.registry import at_tap, dilations, strides
from conformance.kernels.reference import Answers, pad, taps, unpad
from conformance.kernels.right.registry import right


def _bias(case: Any, arrays: Arrays) -> Array:
    return arrays["bias"].reshape(-1, 1, 1) if case.bias else np.zeros((), arrays["input"].dtype)


def _columns(case: Any, arrays: Arrays) -> Array:
    """Windows as columns: (N, G, C/G R S, P Q)."""
    padded = pad(arrays["input"], case.pads)
    n = len(padded)
    padded = by_group(case, padded)
    windows = np.stack([padded[place] for _, place in taps(case)], axis=3)
    return windows.reshape(
        n, case.groups, windows.shape[2] * windows.shape[3], windows.shape[4] * windows.shape[5]
    )


def _scattered(case: Any, arrays: Arrays, columns: Array) -> Array:
    """The adjoint of _columns."""
    padded = np.zeros_like(pad(arrays["input"], case.pads))
    grouped = by_group(case, padded)
    parts = columns.reshape(*grouped.shape[:3], math.prod(case.kernel), *case.output_extents)
    for number, (_, place) in enumerate(taps(case)):
        grouped[place] += parts[:, :, :, number]
    return unpad(padded, case.pads)


def _by_columns(case: Any, arrays: Arrays, wanted: tuple[str, ...], product: Any) -> Answers:
    weight = arrays["weight"].reshape(case.groups, case.filters // case.groups, -1)
    columns = _columns(case, arrays)
    if wanted == ("output",):
        output = product(weight, columns).reshape(-1, case.filters, *case.output_extents)
        return {"output": output + _bias(case, arrays)}
    positions = math.prod(case.output_extents)
    grad = arrays["grad_output"].reshape(len(columns), *weight.shape[:2], positions)
    transposed = np.ascontiguousarray(columns.swapaxes(-1, -2))
    grad_weight = product(grad, transposed).sum(axis=0).reshape(arrays["weight"].shape)
    grad_input = _scattered(case, arrays, product(weight.swapaxes(-1, -2), grad))
    return {
        "grad_input": grad_input,
        "grad_weight": grad_weight,
        "grad_bias": arrays["grad_output"].sum(axis=(0, 2, 3)),
    }


def _in_blocks(left: Array, right_: Array) -> Array:
    """A matrix product in blocks of 4 along the sum."""
    total = left[..., :4] @ right_[..., :4, :]
    for start in range(4, left.shape[-1], 4):
        total = total + left[..., start : start + 4] @ right_[..., start : start + 4, :]
    return np.asarray(total)


@right("windows copied into columns, one matrix product")
def im2col() -> SimpleNamespace:
    return functions("conv2d", lambda case, arrays, wanted: _by_columns(case, arrays, wanted, np.matmul))


@right("a matrix product in blocks of 4 along the sum")
def blocked_matrix_product() -> SimpleNamespace:
    return functions("conv2d", lambda case, arrays, wanted: _by_columns(case, arrays, wanted, _in_blocks))


@right("einsum over strided windows in the dtype of the arrays")
def einsum_over_windows() -> SimpleNamespace:
    def compute(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
        if wanted != ("output",):
            return by_reference(case, arrays, wanted)
        padded = pad(arrays["input"], case.pads)
        reach = [d * (k - 1) + 1 for d, k in zip(dilations(case), case.kernel, strict=True)]
        windows = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=(2, 3))
        (sh, sw), (dh, dw) = strides(case), dilations(case)
        windows = windows[:, :, ::sh, ::sw, ::dh, ::dw]
        windows = by_group(case, windows)
        weight = arrays["weight"].reshape(case.groups, -1, *arrays["weight"].shape[1:])
        output = np.einsum("ngcpqrs,gkcrs->ngkpq", windows, weight)
        return {
            "output": output.reshape(len(padded), case.filters, *case.output_extents) + _bias(case, arrays)
        }

    return functions("conv2d", compute)


@right("depthwise by multiply-adds over whole planes, everything else by the reference")
def depthwise_by_multiply_add() -> SimpleNamespace:
    def compute(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
        if wanted != ("output",) or case.groups != case.channels:
            return by_reference(case, arrays, wanted)
        padded = np.repeat(pad(arrays["input"], case.pads), case.filters // case.channels, axis=1)
        total = np.zeros((len(padded), case.filters, *case.output_extents), padded.dtype)
        for tap, place in taps(case):
            factor = at_tap(arrays["weight"][:, 0], tap)
            total += padded[place] * factor[:, None, None]
        return {"output": total + _bias(case, arrays)}

    return functions("conv2d", compute)


@right("tap by tap, each a numpy.dot of a filter matrix")
def dot_of_each_tap() -> SimpleNamespace:
    def compute(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
        if wanted != ("output",) or case.groups != 1:
            return by_reference(case, arrays, wanted)
        padded = pad(arrays["input"], case.pads)
        total = np.zeros((case.filters, len(padded), *case.output_extents), padded.dtype)
        for tap, place in taps(case):
            total += np.tensordot(at_tap(arrays["weight"], tap), padded[place], (1, 1))
        return {"output": total.swapaxes(0, 1) + _bias(case, arrays)}

    return functions("conv2d", compute)


def _but_for(output: str, own: Callable[[Any, Arrays], Array]) -> SimpleNamespace:
    """The reference with one output computed otherwise."""

    def compute(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
        answers = by_reference(case, arrays, wanted)
        return answers | {output: own(case, arrays)} if output in wanted else answers

    return functions("conv2d", compute)


@right("the gradient of the input by phases of the stride: every pixel gathers its own windows")
def gradient_by_phases() -> SimpleNamespace:
    return _but_for("grad_input", _gathered)


def _gathered(case: Any, arrays: Arrays) -> Array:
    weight = arrays["weight"].reshape(case.groups, -1, *arrays["weight"].shape[1:])
    grad = by_group(case, arrays["grad_output"])
    gradient = np.zeros((len(grad), case.groups, weight.shape[2], *case.image), grad.dtype)
    hits = [_hits(case, axis) for axis in (0, 1)]
    for (r, rows, p), (s, columns, q) in itertools.product(*hits):
        part = grad[..., p[:, None], q]
        gradient[..., rows[:, None], columns] += np.einsum("ngkpq,gkc->ngcpq", part, weight[..., r, s])
    return gradient.reshape(len(grad), case.channels, *case.image)


def _hits(case: Any, axis: int) -> list[tuple[int, Array, Array]]:
    """For each tap the pixels it meets, and the window that meets each."""
    found, pixels = [], np.arange(case.image[axis])
    low, stride, dilation = case.pads[axis][0], strides(case)[axis], dilations(case)[axis]
    for tap in range(case.kernel[axis]):
        start = pixels + low - tap * dilation
        hit = (start % stride == 0) & (start >= 0) & (start // stride < case.output_extents[axis])
        found.append((tap, pixels[hit], start[hit] // stride))
    return found


@right("the gradient of the weight by zeros put between the pixels of grad_output")
def zeros_between() -> SimpleNamespace:
    return _but_for("grad_weight", _correlated)


def _correlated(case: Any, arrays: Arrays) -> Array:
    padded, (sh, sw), (dh, dw) = pad(arrays["input"], case.pads), strides(case), dilations(case)
    n, k, p, q = arrays["grad_output"].shape
    spread = np.zeros((n, k, (p - 1) * sh + 1, (q - 1) * sw + 1))
    spread[..., ::sh, ::sw] = arrays["grad_output"]
    height, width = spread.shape[2:]
    padded, spread = by_group(case, padded), by_group(case, spread)
    grad = np.empty((case.groups, k // case.groups, case.channels // case.groups, *case.kernel))
    for r, s in np.ndindex(case.kernel):
        seen = padded[..., r * dh : r * dh + height, s * dw : s * dw + width]
        grad[..., r, s] = np.einsum("ngkpq,ngcpq->gkc", spread, seen)
    return grad.reshape(arrays["weight"].shape)


@right("loops over scalars, where they are few enough")
def scalar_loops() -> SimpleNamespace:
    def compute(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
        few = case.batch != 0 and case.terms("output") * np.prod(case.shapes["grad_output"]) < 2000
        return (
            {"output": _looped(case, arrays)}
            if few and wanted == ("output",)
            else by_reference(case, arrays, wanted)
        )

    return functions("conv2d", compute)


def _looped(case: Any, arrays: Arrays) -> Array:
    image, weight = arrays["input"], arrays["weight"]
    (sh, sw), (dh, dw), (top, left) = strides(case), dilations(case), (low for low, _ in case.pads)
    channels, filters = weight.shape[1], case.filters // case.groups
    output = np.zeros((len(image), case.filters, *case.output_extents), image.dtype)
    for n, k, p, q in np.ndindex(output.shape):
        total = arrays["bias"][k] if case.bias else image.dtype.type(0)
        for c, r, s in np.ndindex(weight.shape[1:]):
            h, w = p * sh - top + r * dh, q * sw - left + s * dw
            if 0 <= h < case.image[0] and 0 <= w < case.image[1]:
                total += image[n, k // filters * channels + c, h, w] * weight[k, c, r, s]
        output[n, k, p, q] = total
    return output


@right("one dense matrix for the whole convolution, where it is small")
def as_one_matrix() -> SimpleNamespace:
    """The answer is linear in the input: its matrix is read off the unit images."""

    def compute(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
        pixels = int(np.prod(case.shapes["input"][-3:]))
        finite = all(np.isfinite(array).all() for array in arrays.values())  # zero times infinity is no zero
        if pixels > 100 or wanted != ("output",) or not finite:
            return by_reference(case, arrays, wanted)
        units = np.eye(pixels, dtype=arrays["input"].dtype).reshape(pixels, *case.shapes["input"][-3:])
        columns = _columns(case, {"input": units})
        weight = arrays["weight"].reshape(case.groups, case.filters // case.groups, -1)
        matrix = (weight @ columns).reshape(pixels, -1)
        output = arrays["input"].reshape(-1, pixels) @ matrix
        return {"output": output.reshape(-1, case.filters, *case.output_extents) + _bias(case, arrays)}

    return functions("conv2d", compute)
