"""Convolution by transforms: right within the bound of its declared class."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.audit.right.kernel import Right, bias_of, computed
from conformance.cases.arrays import Array, Arrays
from conformance.kernels.functions import Compute, by_group, by_reference
from conformance.operations.family import Answers
from conformance.operations.windows import at, pad

AXES = "dhw"  # letters of the image axes in an einsum


def by_fourier(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    """Cross-correlation at stride 1 is a product of spectra; every stride-th of it is the answer."""
    if wanted != ("output",):
        return by_reference(case, arrays, wanted)
    padded = pad(arrays["input"], case.pads)
    size, along, letters = padded.shape[2:], tuple(range(-case.dimensions, 0)), AXES[-case.dimensions :]
    spread = np.zeros((*arrays["weight"].shape[:2], *size), padded.dtype)
    spread[at(slice(0, d * (k - 1) + 1, d) for k, d in zip(case.kernel, case.dilations, strict=True))] = arrays["weight"]
    images = np.fft.rfftn(by_group(case, padded), axes=along)
    filters = np.fft.rfftn(spread.reshape(case.groups, -1, *spread.shape[1:]), axes=along).conj()
    products = np.einsum(f"ngc{letters},gkc{letters}->ngk{letters}", images, filters)
    output = np.fft.irfftn(products, s=size, axes=along)
    output = output[at(slice(0, (o - 1) * s + 1, s) for o, s in zip(case.output_extents, case.strides, strict=True))]
    return {"output": output.reshape(len(padded), case.filters, *case.output_extents).astype(padded.dtype) + bias_of(case, arrays)}


def _toom_cook(m: int) -> tuple[Array, Array, Array]:
    """The transforms of input, filter and output of Winograd's F(m, 3), by the points that are in use for it.

    y = A ((G w) * (B x)): G evaluates the filter at m + 1 points and at infinity, A the m answers there; B has the
    coefficients of the polynomials that are zero at all other points (Blahut, Fast Algorithms for Signal Processing).
    """
    points = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5)[: m + 1]
    others = [[q for q in points if q != p] for p in points]
    weights = [float(np.prod(np.subtract(p, rest))) for p, rest in zip(points, others, strict=True)]
    infinity = np.eye(m + 2)[-1:]
    forward = np.array([*([*np.poly(rest)[::-1], 0.0] for rest in others), np.poly(points)[::-1]])
    filtering = np.vander(points, 3, increasing=True) / np.array(weights)[:, None]
    back = np.vstack([np.vander(points, m, increasing=True), infinity[:, -m:]]).T
    return forward, np.vstack([filtering, infinity[:, -3:]]), back


def by_winograd(m: int) -> Compute:
    """F(m, 3) in height and width, for 3x3 filters at stride 1; everything else by the reference."""

    def compute(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
        plain = case.kernel == (3, 3) and set(case.strides + case.dilations) == {1}
        if wanted != ("output",) or not plain:
            return by_reference(case, arrays, wanted)
        return {"output": _tiled(m, case, arrays) + bias_of(case, arrays)}

    return compute


def _tiled(m: int, case: Any, arrays: Arrays) -> Array:
    dtype = arrays["input"].dtype
    forward, filtering, back = (matrix.astype(dtype) for matrix in _toom_cook(m))
    p, q = case.output_extents
    image = np.pad(pad(arrays["input"], case.pads), ((0, 0), (0, 0), (0, -p % m), (0, -q % m)))
    tiles = np.lib.stride_tricks.sliding_window_view(image, (m + 2, m + 2), axis=(2, 3))[:, :, ::m, ::m]
    tiles = by_group(case, tiles)
    weight = arrays["weight"].reshape(case.groups, -1, *arrays["weight"].shape[1:])
    transformed = forward @ tiles @ forward.T, filtering @ weight @ filtering.T
    blocks = (back @ np.einsum("ngcpqij,gkcij->ngkpqij", *transformed) @ back.T).swapaxes(-3, -2)
    return np.asarray(blocks.reshape(len(image), case.filters, p + -p % m, q + -q % m)[..., :p, :q])


WINOGRAD = {"accuracy": "winograd"}
ROWS = [
    Right("fourier", "Fourier transforms of the padded image and of the dilated filter", computed(by_fourier, "conv"), {"accuracy": "fft"}),
    Right("winograd", "Winograd's F(2, 3) for 3x3 filters at stride 1, everything else by the reference", computed(by_winograd(2), "conv"), WINOGRAD),
    Right("winograd_4", "Winograd's F(4, 3), tiles of 6x6", computed(by_winograd(4), "conv"), WINOGRAD),
    Right("winograd_6", "Winograd's F(6, 3), tiles of 8x8", computed(by_winograd(6), "conv"), WINOGRAD),
]
