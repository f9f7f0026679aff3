"""Convolution by transforms: right within the bound of its declared class."""

from __future__ import annotations

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


# Winograd's F(2, 3): Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2016, section 4.1.
INPUT = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])
FILTER = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
OUTPUT = np.array([[1, 1, 1, 0], [0, 1, -1, -1]])


@right(
    "Winograd's F(2, 3) for 3x3 filters at stride 1, everything else by the reference", accuracy="winograd"
)
def winograd() -> SimpleNamespace:
    return functions("conv2d", _by_winograd)


def _by_winograd(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    plain = case.kernel == (3, 3) and strides(case) == dilations(case) == (1, 1)
    if wanted != ("output",) or not plain:
        return by_reference(case, arrays, wanted)
    dtype = arrays["input"].dtype
    forward, filtering, back = (matrix.astype(dtype) for matrix in (INPUT, FILTER, OUTPUT))
    p, q = case.output_extents
    image = np.pad(pad(arrays["input"], case.pads), ((0, 0), (0, 0), (0, p % 2), (0, q % 2)))
    tiles = np.lib.stride_tricks.sliding_window_view(image, (4, 4), axis=(2, 3))[:, :, ::2, ::2]
    tiles = by_group(case, tiles)
    weight = arrays["weight"].reshape(case.groups, -1, *arrays["weight"].shape[1:])
    products = np.einsum(
        "ngcpqij,gkcij->ngkpqij", forward @ tiles @ forward.T, filtering @ weight @ filtering.T
    )
    blocks = (back @ products @ back.T).swapaxes(-3, -2)
    output = blocks.reshape(len(image), case.filters, p + p % 2, q + q % 2)[..., :p, :q]
    return {"output": output + _bias(case, arrays)}
