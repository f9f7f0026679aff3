"""Convolution by transforms: right within the bound of its declared class."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from conformance.cases.arrays import Array, Arrays
from conformance.kernels.mutants.functions import by_group, by_reference, functions
from conformance.kernels.mutants.registry import dilations, strides
from conformance.kernels.reference import Answers, pad
from conformance.kernels.right.registry import right


def _bias(case: Any, arrays: Arrays) -> Array:
    return arrays["bias"].reshape(-1, 1, 1) if case.bias else np.zeros((), arrays["input"].dtype)


@right("Fourier transforms of the padded image and of the dilated filter", accuracy="fft")
def fourier() -> SimpleNamespace:
    return functions("conv2d", _by_fourier)


def _by_fourier(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    """Cross-correlation at stride 1 is a product of spectra; every stride-th of it is the answer."""
    if wanted != ("output",):
        return by_reference(case, arrays, wanted)
    padded = pad(arrays["input"], case.pads)
    n, size = len(padded), padded.shape[2:]
    (dh, dw), (sh, sw), (p, q) = dilations(case), strides(case), case.output_extents
    spread = np.zeros((*arrays["weight"].shape[:2], *size), padded.dtype)
    spread[..., : dh * (case.kernel[0] - 1) + 1 : dh, : dw * (case.kernel[1] - 1) + 1 : dw] = arrays["weight"]
    images = np.fft.rfft2(by_group(case, padded))
    filters = np.fft.rfft2(spread.reshape(case.groups, -1, *spread.shape[1:])).conj()
    products = np.einsum("ngchw,gkchw->ngkhw", images, filters)
    output = np.fft.irfft2(products, s=size)[..., : (p - 1) * sh + 1 : sh, : (q - 1) * sw + 1 : sw]
    return {"output": output.reshape(n, case.filters, p, q).astype(padded.dtype) + _bias(case, arrays)}


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


@right(
    "Winograd's F(2, 3) for 3x3 filters at stride 1, everything else by the reference", accuracy="winograd"
)
def winograd() -> SimpleNamespace:
    return functions("conv2d", partial(_by_winograd, 2))


@right("Winograd's F(4, 3), tiles of 6x6", accuracy="winograd")
def winograd_4() -> SimpleNamespace:
    return functions("conv2d", partial(_by_winograd, 4))


@right("Winograd's F(6, 3), tiles of 8x8", accuracy="winograd")
def winograd_6() -> SimpleNamespace:
    return functions("conv2d", partial(_by_winograd, 6))


def _by_winograd(m: int, case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    plain = case.kernel == (3, 3) and strides(case) == dilations(case) == (1, 1)
    if wanted != ("output",) or not plain:
        return by_reference(case, arrays, wanted)
    dtype = arrays["input"].dtype
    forward, filtering, back = (matrix.astype(dtype) for matrix in _toom_cook(m))
    p, q = case.output_extents
    image = np.pad(pad(arrays["input"], case.pads), ((0, 0), (0, 0), (0, -p % m), (0, -q % m)))
    tiles = np.lib.stride_tricks.sliding_window_view(image, (m + 2, m + 2), axis=(2, 3))[:, :, ::m, ::m]
    tiles = by_group(case, tiles)
    weight = arrays["weight"].reshape(case.groups, -1, *arrays["weight"].shape[1:])
    products = np.einsum(
        "ngcpqij,gkcij->ngkpqij", forward @ tiles @ forward.T, filtering @ weight @ filtering.T
    )
    blocks = (back @ products @ back.T).swapaxes(-3, -2)
    output = blocks.reshape(len(image), case.filters, p + -p % m, q + -q % m)[..., :p, :q]
    return {"output": output + _bias(case, arrays)}
