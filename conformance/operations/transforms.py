"""The rounding of convolutions that multiply transforms of whole planes."""

from __future__ import annotations

import math

import numpy as np

from conformance.operations.windows import Array, Arrays, Problem

WINOGRAD, FFT = 256.0, 8.0  # measured, see below


def extra_rounding(case: Problem, arrays: Arrays, output: str, accuracy: str, unit: float) -> Array | float:
    """Rounding of a kernel that multiplies transforms of whole planes: it grows with norms of planes, not with terms.

    winograd: 256 u sum_c max |x_c| ||w_c||_1, twice what F(6, 3), the largest in use, was seen to need (numbers of one
    magnitude or of many). fft: 8 log2(size) u sum_c ||x_c|| ||w_c||, the size that of the padded image (numerics).
    """
    if accuracy not in ("winograd", "fft") or output == "grad_bias":
        return 0.0
    g, batch = case.groups, (arrays["input"].shape[0] if case.batch is not None else 1)
    x = _planes(arrays["input"], batch, g, case.channels // g, math.prod(case.image))
    y = _planes(arrays["grad_output"], batch, g, case.filters // g, math.prod(case.output_extents))
    w = _planes(arrays["weight"], g, case.filters // g, case.channels // g, -1)
    size = math.prod(n + sum(p) for n, p in zip(case.image, case.pads, strict=True))
    c, first, second = (FFT * max(1.0, math.log2(size)), 2, 2) if accuracy == "fft" else (WINOGRAD, np.inf, 1)
    x, y, w, small_y = (_norms(x, first), _norms(y, first), _norms(w, second), _norms(y, second))
    planes: Array = {
        "output": lambda: np.einsum("ngc,gkc->ngk", x, w).reshape(batch, case.filters),
        "grad_input": lambda: np.einsum("ngk,gkc->ngc", y, w).reshape(batch, case.channels),
        "grad_weight": lambda: np.einsum("ngc,ngk->gkc", x, small_y).reshape(
            case.filters, case.channels // g
        ),
    }[output]()
    planes = c * unit * planes[(..., *(None,) * case.dimensions)]
    return planes[0] if case.batch is None and output != "grad_weight" else planes


def _planes(array: Array, *shape: int) -> Array:
    wide = np.complex128 if array.dtype.kind == "c" else np.float64
    return np.abs(np.asarray(array, wide)).reshape(shape)


def _norms(planes: Array, order: float) -> Array:
    """The norm of each plane (last axis): largest, sum, or root of the sum of squares."""
    if order == np.inf:
        return planes.max(axis=-1, initial=0)  # type: ignore[no-any-return]
    return (planes**order).sum(axis=-1) ** (1 / order)  # type: ignore[no-any-return]
