"""A convolution by im2col, as one would paste it into a notebook: no groups, no dilation, no class.

    conformance run examples/numpy_kernel.py

judges what the two signatures take, and reports groups and dilation as not claimed.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def conv2d(input, weight, bias=None, stride=1, padding=0):
    """y[n, k, p, q] = b[k] + sum over c, r, s of w[k, c, r, s] x[n, c, p sh - ph + r, q sw - pw + s]"""
    columns = im2col(input, weight, stride, padding)
    if bias is not None and (bias.shape != weight.shape[:1] or bias.dtype != input.dtype):
        raise ValueError(f"bias {bias.shape} {bias.dtype} does not fit weight {weight.shape} {weight.dtype}")
    output = columns @ weight.reshape(len(weight), -1).T + (0 if bias is None else bias)
    return np.ascontiguousarray(np.moveaxis(output, -1, 1))


def conv2d_backward(grad_output, input, weight, bias=None, stride=1, padding=0):
    k, c, r, s = weight.shape
    (sh, sw), (ph, pw) = pair(stride), pair(padding)
    columns = im2col(input, weight, stride, padding)
    grad = np.moveaxis(grad_output, 1, -1)  # N P Q K
    grad_weight = np.tensordot(grad, columns, ((0, 1, 2), (0, 1, 2))).reshape(weight.shape)

    grad_columns = (grad @ weight.reshape(k, -1)).reshape(*grad.shape[:3], c, r, s)
    p, q = grad_output.shape[2:]
    padded = np.zeros((len(input), c, input.shape[2] + 2 * ph, input.shape[3] + 2 * pw), input.dtype)
    for i in range(r):
        for j in range(s):
            pixels = np.s_[:, :, i : i + (p - 1) * sh + 1 : sh, j : j + (q - 1) * sw + 1 : sw]
            padded[pixels] += np.moveaxis(grad_columns[..., i, j], -1, 1)
    grad_input = padded[:, :, ph : ph + input.shape[2], pw : pw + input.shape[3]].copy()
    return grad_input, grad_weight, None if bias is None else grad_output.sum(axis=(0, 2, 3))


def im2col(input, weight, stride, padding):
    """One row of C R S pixels for each window: (N, P, Q, C R S)."""
    (sh, sw), (ph, pw) = pair(stride), pair(padding)
    if input.ndim != 4 or input.dtype != weight.dtype or input.shape[1] != weight.shape[1] or min(sh, sw) < 1:
        raise ValueError(
            f"input {input.shape} {input.dtype} does not go with weight {weight.shape} {weight.dtype}"
        )
    padded = np.pad(input, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    windows = sliding_window_view(padded, weight.shape[2:], axis=(2, 3))[:, :, ::sh, ::sw]
    n, c, p, q, r, s = windows.shape
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(n, p, q, c * r * s)


def pair(option):
    return option if isinstance(option, tuple) else (option, option)
