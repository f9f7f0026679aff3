"""A 3x3 convolution by Winograd's F(2x2, 3x3), 16 products a tile where the plain sum has 36; others plainly.

    conformance run examples/winograd_kernel.py

Lavin and Gray, Fast Algorithms for Convolutional Neural Networks (2015), section 4.1. The transforms add and
subtract before they multiply, so rounding moves an answer further than in the plain sum: the Subject declares
`accuracy="winograd"` and is held to the bound of that.
"""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

import conformance

Array = NDArray[Any]

INPUT = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]], np.float32)
FILTER = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]], np.float32)
OUTPUT = np.array([[1, 1, 1, 0], [0, 1, -1, -1]], np.float32)


class Winograd:
    @staticmethod
    def conv2d(input: Array, weight: Array, padding: int = 0) -> Array:
        """y[n, k, p, q] = sum over c, r, s of w[k, c, r, s] x[n, c, p - padding + r, q - padding + s]"""
        if input.shape[1] != weight.shape[1] or input.dtype != weight.dtype:
            raise ValueError(
                f"weight {weight.shape} {weight.dtype} does not fit input {input.shape} {input.dtype}"
            )
        padded = np.pad(input, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
        return winograd(padded, weight) if weight.shape[2:] == (3, 3) else plain(padded, weight)


def winograd(padded: Array, weight: Array) -> Array:
    """Each tile of 2x2 outputs is OUTPUT [sum over c of (FILTER w FILTER') * (INPUT x INPUT')] OUTPUT'"""
    n, p, q = len(padded), padded.shape[2] - 2, padded.shape[3] - 2
    if min(p, q) < 1:
        raise ValueError(f"the filter exceeds the padded image {padded.shape}")
    even = np.pad(padded, ((0, 0), (0, 0), (0, p % 2), (0, q % 2)))
    tiles = sliding_window_view(even, (4, 4), axis=(2, 3))[:, :, ::2, ::2]
    products = np.einsum("kcij,ncpqij->nkpqij", transform(FILTER, weight), transform(INPUT, tiles))
    outputs = transform(OUTPUT, products).transpose(0, 1, 2, 4, 3, 5)
    return outputs.reshape(n, len(weight), p + p % 2, q + q % 2)[:, :, :p, :q].copy()


def transform(matrix: Array, tiles: Array) -> Array:
    return matrix @ tiles @ matrix.T


def plain(padded: Array, weight: Array) -> Array:
    windows = sliding_window_view(padded, weight.shape[2:], axis=(2, 3))
    output: Array = np.einsum("kcrs,ncpqrs->nkpq", weight, windows)
    return output


subject = conformance.Subject(
    Winograd,
    dtypes=("float32",),
    accuracy="winograd",
    without=("unbatched", "options as tuples", "options per axis", "padding=same", "padding=valid"),
)
