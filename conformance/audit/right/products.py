"""The same sums as matrix products, as multiply-adds, as phases, as loops over scalars."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.audit.mutants.otherwise import at_tap, per_channel
from conformance.audit.mutants.words import reach
from conformance.audit.right.kernel import Right, bias_of, but_for, computed
from conformance.cases.arrays import Array, Arrays
from conformance.kernels.functions import Compute, by_group, by_reference
from conformance.operations.family import Answers
from conformance.operations.windows import at, pad, taps, unpad

OUT, TAP = "xpq", "trs"  # letters of the image axes in an einsum: where a window lies, and what lies in it


def _columns(case: Any, arrays: Arrays) -> Array:
    """Windows as columns: (N, G, C/G taps, positions)."""
    padded = by_group(case, pad(arrays["input"], case.pads))
    windows = np.stack([padded[place] for _, place in taps(case)], axis=3)
    n, groups, channels = windows.shape[:3]
    return windows.reshape(n, groups, channels * math.prod(case.kernel), math.prod(case.output_extents))


def _scattered(case: Any, arrays: Arrays, columns: Array) -> Array:
    """The adjoint of _columns."""
    padded = np.zeros_like(pad(arrays["input"], case.pads))
    grouped = by_group(case, padded)
    parts = columns.reshape(*grouped.shape[:3], math.prod(case.kernel), *case.output_extents)
    for number, (_, place) in enumerate(taps(case)):
        grouped[place] += parts[:, :, :, number]
    return unpad(padded, case.pads)


def by_columns(product: Callable[[Array, Array], Array]) -> Compute:
    """Windows copied into columns, and each output as a product of matrices."""

    def compute(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
        weight = arrays["weight"].reshape(case.groups, case.filters // case.groups, -1)
        columns = _columns(case, arrays)
        if wanted == ("output",):
            output = product(weight, columns).reshape(-1, case.filters, *case.output_extents)
            return {"output": output + bias_of(case, arrays)}
        grad = arrays["grad_output"].reshape(len(columns), *weight.shape[:2], math.prod(case.output_extents))
        transposed = np.ascontiguousarray(columns.swapaxes(-1, -2))
        return {
            "grad_input": _scattered(case, arrays, product(weight.swapaxes(-1, -2), grad)),
            "grad_weight": product(grad, transposed).sum(axis=0).reshape(arrays["weight"].shape),
            "grad_bias": arrays["grad_output"].sum(axis=(0, *range(2, 2 + case.dimensions))),
        }

    return compute


def in_blocks(left: Array, right: Array) -> Array:
    """A matrix product in blocks of 4 along the sum."""
    total = left[..., :4] @ right[..., :4, :]
    for start in range(4, left.shape[-1], 4):
        total = total + left[..., start : start + 4] @ right[..., start : start + 4, :]
    return np.asarray(total)


def over_windows(case: Any, arrays: Arrays) -> Array:
    padded, axes = pad(arrays["input"], case.pads), tuple(range(2, 2 + case.dimensions))
    windows: Any = np.lib.stride_tricks.sliding_window_view(padded, reach(case), axis=axes)
    windows = by_group(case, windows[at(slice(None, None, step) for step in (*case.strides, *case.dilations))])
    weight = arrays["weight"].reshape(case.groups, -1, *arrays["weight"].shape[1:])
    out, tap = OUT[-case.dimensions :], TAP[-case.dimensions :]
    output = np.einsum(f"ngc{out}{tap},gkc{tap}->ngk{out}", windows, weight)
    return np.asarray(output.reshape(len(padded), case.filters, *case.output_extents) + bias_of(case, arrays))


def depthwise(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    if wanted != ("output",) or case.groups != case.channels:
        return by_reference(case, arrays, wanted)
    padded = np.repeat(pad(arrays["input"], case.pads), case.filters // case.channels, axis=1)
    total = np.zeros((len(padded), case.filters, *case.output_extents), padded.dtype)
    for tap, place in taps(case):
        total += padded[place] * per_channel(case, at_tap(arrays["weight"][:, 0], tap))
    return {"output": total + bias_of(case, arrays)}


def dot_of_taps(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    if wanted != ("output",) or case.groups != 1:
        return by_reference(case, arrays, wanted)
    padded = pad(arrays["input"], case.pads)
    total = np.zeros((case.filters, len(padded), *case.output_extents), padded.dtype)
    for tap, place in taps(case):
        total += np.tensordot(at_tap(arrays["weight"], tap), padded[place], (1, 1))
    return {"output": total.swapaxes(0, 1) + bias_of(case, arrays)}


def gathered(case: Any, arrays: Arrays) -> Array:
    """The gradient of the input: every pixel gathers its own windows."""
    weight = arrays["weight"].reshape(case.groups, -1, *arrays["weight"].shape[1:])
    grad, out = by_group(case, arrays["grad_output"]), OUT[-case.dimensions :]
    gradient = np.zeros((len(grad), case.groups, weight.shape[2], *case.image), grad.dtype)
    for hits in itertools.product(*(_hits(case, axis) for axis in range(case.dimensions))):
        tap, pixels, windows = zip(*hits, strict=True)
        part = grad[at(np.ix_(*windows))]
        gradient[at(np.ix_(*pixels))] += np.einsum(f"ngk{out},gkc->ngc{out}", part, at_tap(weight, tap))
    return gradient.reshape(len(grad), case.channels, *case.image)


def _hits(case: Any, axis: int) -> list[tuple[int, Array, Array]]:
    """For each tap the pixels it meets, and the window that meets each."""
    found, pixels = [], np.arange(case.image[axis])
    low, stride, dilation = case.pads[axis][0], case.strides[axis], case.dilations[axis]
    for tap in range(case.kernel[axis]):
        start = pixels + low - tap * dilation
        hit = (start % stride == 0) & (start >= 0) & (start // stride < case.output_extents[axis])
        found.append((tap, pixels[hit], start[hit] // stride))
    return found


def correlated(case: Any, arrays: Arrays) -> Array:
    """The gradient of the weight, with zeros put between the pixels of grad_output."""
    padded, grad_output, out = pad(arrays["input"], case.pads), arrays["grad_output"], OUT[-case.dimensions :]
    extents = tuple((o - 1) * s + 1 for o, s in zip(case.output_extents, case.strides, strict=True))
    spread = np.zeros((*grad_output.shape[:2], *extents))
    spread[at(slice(None, None, s) for s in case.strides)] = grad_output
    padded, spread = by_group(case, padded), by_group(case, spread)
    grad = np.empty((case.groups, case.filters // case.groups, case.channels // case.groups, *case.kernel))
    for tap in np.ndindex(case.kernel):
        starts = (t * d for t, d in zip(tap, case.dilations, strict=True))
        seen = padded[at(slice(start, start + n) for start, n in zip(starts, extents, strict=True))]
        grad[at(tap)] = np.einsum(f"ngk{out},ngc{out}->gkc", spread, seen)
    return grad.reshape(arrays["weight"].shape)


def scalar_loops(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    few = case.batch != 0 and case.terms("output") * np.prod(case.shapes["grad_output"]) < 2000
    return {"output": _looped(case, arrays)} if few and wanted == ("output",) else by_reference(case, arrays, wanted)


def _looped(case: Any, arrays: Arrays) -> Array:
    image, weight = arrays["input"], arrays["weight"]
    channels, filters = weight.shape[1], case.filters // case.groups
    output = np.zeros((len(image), case.filters, *case.output_extents), image.dtype)
    for n, k, *position in np.ndindex(output.shape):
        total = arrays["bias"][k] if case.bias else image.dtype.type(0)
        for c, *tap in np.ndindex(weight.shape[1:]):
            axes = zip(position, case.strides, case.pads, tap, case.dilations, strict=True)
            pixel = [o * s - low + t * d for o, s, (low, _), t, d in axes]
            if all(0 <= place < extent for place, extent in zip(pixel, case.image, strict=True)):
                total += image[(n, k // filters * channels + c, *pixel)] * weight[(k, c, *tap)]
        output[(n, k, *position)] = total
    return output


def one_matrix(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    """The answer is linear in the input: its matrix is read off the unit images."""
    image = case.shapes["input"][-1 - case.dimensions :]
    pixels, finite = math.prod(image), all(np.isfinite(array).all() for array in arrays.values())
    if pixels > 100 or wanted != ("output",) or not finite:  # zero times infinity is no zero
        return by_reference(case, arrays, wanted)
    columns = _columns(case, {"input": np.eye(pixels, dtype=arrays["input"].dtype).reshape(pixels, *image)})
    weight = arrays["weight"].reshape(case.groups, case.filters // case.groups, -1)
    output = arrays["input"].reshape(-1, pixels) @ (weight @ columns).reshape(pixels, -1)
    return {"output": output.reshape(-1, case.filters, *case.output_extents) + bias_of(case, arrays)}


ROWS = [
    Right("im2col", "windows copied into columns, one matrix product", computed(by_columns(np.matmul), "conv")),
    Right("blocked_matrix_product", "a matrix product in blocks of 4 along the sum", computed(by_columns(in_blocks), "conv")),
    Right("einsum_over_windows", "einsum over strided windows in the dtype of the arrays", computed(but_for("output", over_windows), "conv")),
    Right("depthwise_by_multiply_add", "depthwise by multiply-adds over whole planes, everything else by the reference", computed(depthwise, "conv")),
    Right("dot_of_each_tap", "tap by tap, each a numpy.dot of a filter matrix", computed(dot_of_taps, "conv")),
    Right("gradient_by_phases", "the gradient of the input by phases of the stride: every pixel gathers its own windows", computed(but_for("grad_input", gathered), "conv")),
    Right("zeros_between", "the gradient of the weight by zeros put between the pixels of grad_output", computed(but_for("grad_weight", correlated), "conv")),
    Right("scalar_loops", "loops over scalars, where they are few enough", computed(scalar_loops, "conv")),
    Right("as_one_matrix", "one dense matrix for the whole convolution, where it is small", computed(one_matrix, "conv")),
]
