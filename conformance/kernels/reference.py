"""The definition of each operation in plain NumPy, float64: short enough to check by reading.

One loop over the taps of the filter or window; every tap is a strided view of the padded input. Axes: N C then the
image; G groups, K filters; any number of spatial axes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from typing import Any, cast

import numpy as np

from conformance.cases import AvgPool, Case, Conv, MaxPool
from conformance.cases.arrays import Array, Arrays
from conformance.cases.pool import Pool

Answers = dict[str, Array]


def answer(case: Case, arrays: Arrays, gradients: bool = True) -> Answers:
    """Every output of a case in float64; ValueError for a case that PyTorch refuses."""
    if case.problem:
        raise ValueError(f"{case}: {case.problem}")
    batched = case.batch is not None
    doubles = {n: np.asarray(a, np.float64) for n, a in arrays.items()}
    batch = doubles if batched else {n: a[None] if n in _IMAGES else a for n, a in doubles.items()}
    with np.errstate(all="ignore"):
        answers = _forward_and_backward(case, batch)
    return answers if batched else {n: a[0] if n in _IMAGES else a for n, a in answers.items()}


_IMAGES = ("input", "output", "indices", "grad_output", "grad_input")


def _forward_and_backward(case: Case, arrays: Arrays) -> Answers:
    if isinstance(case, Conv):
        return {"output": conv(case, arrays)} | conv_backward(case, arrays)
    if isinstance(case, MaxPool):
        answers = max_pool(case, arrays)
        return answers | {"grad_input": max_pool_backward(case, arrays, answers["indices"])}
    assert isinstance(case, AvgPool)
    return {"output": avg_pool(case, arrays), "grad_input": avg_pool_backward(case, arrays)}


def conv(case: Conv, arrays: Arrays) -> Array:
    """y[n,g,k,q] = b[g,k] + sum over c and taps t of w[g,k,c,t] x[n,g,c, q stride - padding + t dilation]."""
    weight = _grouped(case, arrays["weight"], 0)
    padded = _grouped(case, pad(arrays["input"], case.borders), 1)
    n, g, k = padded.shape[0], case.groups, case.filters // case.groups
    output = np.zeros((n, g, k, *case.output_extents))
    for tap, place in taps(case):
        output += np.einsum("ngc...,gkc->ngk...", padded[place], weight[at(tap)])
    output = output.reshape(n, case.filters, *case.output_extents)
    return output + _per_channel(case, arrays["bias"]) if case.bias else output


def conv_backward(case: Conv, arrays: Arrays) -> Answers:
    """The adjoint of conv in each argument, tap by tap."""
    weight = _grouped(case, arrays["weight"], 0)
    padded = _grouped(case, pad(arrays["input"], case.borders), 1)
    grad = _grouped(case, arrays["grad_output"], 1)
    grad_padded, grad_weight = np.zeros(padded.shape), np.zeros(weight.shape)
    for tap, place in taps(case):
        grad_padded[place] += np.einsum("ngk...,gkc->ngc...", grad, weight[at(tap)])
        grad_weight[at(tap)] = np.einsum("ngkx,ngcx->gkc", _flat(grad, 3), _flat(padded[place], 3))
    whole = grad_padded.reshape(len(padded), case.channels, *grad_padded.shape[3:])
    gradients = {
        "grad_input": unpad(whole, case.borders),
        "grad_weight": grad_weight.reshape(arrays["weight"].shape),
    }
    bias = {"grad_bias": arrays["grad_output"].sum(axis=(0, *range(2, 2 + case.dimensions)))}
    return gradients | (bias if case.bias else {})


def max_pool(case: MaxPool, arrays: Arrays) -> Answers:
    """Scan the taps in row-major order; a value replaces the best if it is greater or NaN."""
    pads = case.borders
    padded = pad(arrays["input"], pads, -np.inf)
    position = pad(np.arange(math.prod(case.image)).reshape(1, 1, *case.image), pads, -1)
    shape = (*arrays["input"].shape[:2], *case.output_extents)
    best, index = np.full(shape, -np.inf), np.full(shape, -1)
    for _, place in taps(case):
        value, here = padded[place], position[place]
        wins = (here >= 0) & ((value > best) | np.isnan(value) | (index < 0))
        best, index = np.where(wins, value, best), np.where(wins, here, index)
    return {"output": best, "indices": index}


def max_pool_backward(case: MaxPool, arrays: Arrays, indices: Array) -> Array:
    """Add each grad_output at its window's index; a window that misses the image (index -1) gives nothing."""
    grad_input = np.zeros(arrays["input"].shape)
    planes, at = (
        grad_input.reshape(-1, math.prod(case.image)),
        indices.reshape(-1, math.prod(case.output_extents)),
    )
    plane, window = np.nonzero(at >= 0)
    np.add.at(planes, (plane, at[plane, window]), arrays["grad_output"].reshape(at.shape)[plane, window])
    return grad_input


def avg_pool(case: AvgPool, arrays: Arrays) -> Array:
    padded = pad(arrays["input"], case.borders)
    return cast(Array, sum(padded[place] for _, place in taps(case)) / divisors(case))


def avg_pool_backward(case: AvgPool, arrays: Arrays) -> Array:
    pads = case.borders
    grad_padded = np.zeros(pad(arrays["input"], pads).shape)
    for _, place in taps(case):
        grad_padded[place] += arrays["grad_output"] / divisors(case)
    return unpad(grad_padded, pads)


def divisors(case: AvgPool) -> Array:
    """divisor_override, or the taps of each window inside the padded image (or inside the image)."""
    if case.divisor_override is not None:
        return np.asarray(float(case.divisor_override))
    counts = np.ones(())
    axes = zip(
        case.image, case.kernel, case.strides, case.axes(case.padding), case.output_extents, strict=True
    )
    for n, k, s, p, outputs in axes:
        start = np.arange(outputs) * s - p
        end = np.minimum(start + k, n + p)
        counted = end - start if case.count_include_pad else np.minimum(end, n) - np.maximum(start, 0)
        counts = counts[..., None] * counted
    return counts


# The one idea: every tap is a strided view of the padded input.


def taps(case: Conv | Pool) -> Iterator[tuple[tuple[int, ...], Any]]:
    """Each tap in row-major order and where, in the padded image, it meets every window."""
    for tap in itertools.product(*map(range, case.kernel)):
        axes = zip(tap, case.dilations, case.strides, case.output_extents, strict=True)
        yield tap, at(slice(t * d, t * d + (o - 1) * s + 1, s) for t, d, s, o in axes)


def pad(array: Array, pads: tuple[tuple[int, int], ...], value: float = 0) -> Array:
    """The last axes longer by so many elements before and after (np.pad does the same, twenty times slower)."""
    extents = array.shape[-len(pads) :]
    padded = np.full(
        (*array.shape[: -len(pads)], *(n + sum(p) for n, p in zip(extents, pads, strict=True))),
        value,
        array.dtype,
    )
    padded[at(slice(lo, lo + n) for n, (lo, _) in zip(extents, pads, strict=True))] = array
    return padded


def at(last: Iterable[int | slice]) -> Any:
    """The index of the last axes; all of those before."""
    return (..., *last)


def unpad(array: Array, pads: tuple[tuple[int, int], ...]) -> Array:
    inside = (slice(lo, n - hi) for n, (lo, hi) in zip(array.shape[2:], pads, strict=True))
    return cast(Array, array[at(inside)])


def _grouped(case: Conv, array: Array, axis: int) -> Array:
    """Split an axis of channels into (groups, channels of a group)."""
    shape = array.shape
    return array.reshape(*shape[:axis], case.groups, shape[axis] // case.groups, *shape[axis + 1 :])


def _flat(array: Array, keep: int) -> Array:
    return array.reshape(*array.shape[:keep], math.prod(array.shape[keep:]))


def _per_channel(case: Conv, bias: Array) -> Array:
    return bias.reshape(-1, *(1,) * case.dimensions)
