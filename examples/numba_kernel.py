"""A convolution as plain loops, compiled by Numba: what it takes is checked in Python, the loops see sizes alone.

    conformance run examples/numba_kernel.py

The first call of each dtype compiles, which takes seconds: calls that compile may take longer than others.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]
Option = int | tuple[int, int]


def conv2d(
    input: Array, weight: Array, bias: Array | None = None, stride: Option = 1, padding: Option = 0
) -> Array:
    """y[n, k, p, q] = b[k] + sum over c, r, s of w[k, c, r, s] x[n, c, p sh - ph + r, q sw - pw + s]"""
    (sh, sw), (ph, pw) = pair(stride), pair(padding)
    if (
        input.ndim != 4
        or weight.ndim != 4
        or input.shape[1] != weight.shape[1]
        or input.dtype != weight.dtype
    ):
        raise ValueError(
            f"input {input.shape} {input.dtype} does not go with weight {weight.shape} {weight.dtype}"
        )
    if bias is not None and (bias.shape != weight.shape[:1] or bias.dtype != input.dtype):
        raise ValueError(f"bias {bias.shape} {bias.dtype} does not fit weight {weight.shape} {weight.dtype}")
    if min(sh, sw) < 1 or min(ph, pw) < 0:
        raise ValueError(f"stride={stride} must be at least 1, padding={padding} at least 0")
    p = (input.shape[2] + 2 * ph - weight.shape[2]) // sh + 1
    q = (input.shape[3] + 2 * pw - weight.shape[3]) // sw + 1
    if min(p, q) < 1:
        raise ValueError(f"weight {weight.shape} exceeds input {input.shape} padded by {padding}")
    start = np.zeros(len(weight), input.dtype) if bias is None else bias
    output = np.empty((len(input), len(weight), p, q), input.dtype)
    _loops(
        np.ascontiguousarray(input),
        np.ascontiguousarray(weight),
        np.ascontiguousarray(start),
        output,
        sh,
        sw,
        ph,
        pw,
    )
    return output


@njit
def _loops(x: Array, w: Array, b: Array, y: Array, sh: int, sw: int, ph: int, pw: int) -> None:
    (N, C, H, W), (K, _, R, S), (_, _, P, Q) = x.shape, w.shape, y.shape
    for n in range(N):
        for k in range(K):
            for p in range(P):
                for q in range(Q):
                    total = b[k]
                    for c in range(C):
                        for r in range(R):
                            h = p * sh - ph + r
                            for s in range(S):
                                v = q * sw - pw + s
                                if 0 <= h < H and 0 <= v < W:
                                    total += w[k, c, r, s] * x[n, c, h, v]
                    y[n, k, p, q] = total


def pair(option: Option) -> tuple[int, int]:
    return option if isinstance(option, tuple) else (option, option)
