"""A convolution that keeps channels last: images (N, H, W, C), weights (R, S, C, K). Its Subject says so.

    conformance run examples/nhwc_kernel.py

Cases and counterexamples stay in NCHW; the suite lays the arrays out as declared, and puts the answers back.
"""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

import conformance

Array = NDArray[Any]


class ChannelsLast:
    @staticmethod
    def conv2d(input: Array, weight: Array, bias: Array | None = None, *, stride: int = 1) -> Array:
        """y[n, p, q, k] = b[k] + sum over r, s, c of x[n, p s + r, q s + s, c] w[r, s, c, k]"""
        if input.ndim != 4 or weight.ndim != 4 or input.dtype != weight.dtype or stride < 1:
            raise ValueError(f"input {input.shape}, weight {weight.shape} and stride={stride} do not fit")
        if bias is not None and (bias.shape != weight.shape[3:] or bias.dtype != weight.dtype):
            raise ValueError(f"bias {bias.shape} does not fit weight {weight.shape}")
        windows = sliding_window_view(input, weight.shape[:2], axis=(1, 2))[:, ::stride, ::stride]
        output = np.tensordot(windows, weight, ((4, 5, 3), (0, 1, 2)))
        return output if bias is None else output + bias


subject = conformance.Subject(
    ChannelsLast,
    layout="NHWC",
    dtypes=("float32",),
    without=("unbatched", "options as tuples", "options per axis"),
)
