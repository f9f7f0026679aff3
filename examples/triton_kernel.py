"""A convolution in Triton: each program sums one block of the columns of a filter's answer.

    conformance run examples/triton_kernel.py

It runs on the GPU where there is one. Without one, TRITON_INTERPRET=1 in the environment lets Triton's interpreter run
it on the CPU, so slowly that only small cases are claimed then. Its plain call leaves no graph, so no gradients are.
"""

import os
from typing import Any

import torch
import triton
import triton.language as tl

import conformance

BLOCK = 32
Option = int | tuple[int, int]


@triton.jit
def conv2d_kernel(
    x, w, b, y, C, H, W, K, R, S, P, Q, sh, sw, ph, pw, HAS_BIAS: tl.constexpr, BLOCK: tl.constexpr
):  # fmt: skip
    """y[n, k, p, q] = b[k] + sum over c, r, s of w[k, c, r, s] x[n, c, p sh - ph + r, q sw - pw + s]"""
    row, block = tl.program_id(0), tl.program_id(1)  # row: of all images, filters and rows of their answers
    p, k, n = row % P, row // P % K, row // P // K
    q = block * BLOCK + tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK,), tl.float32)
    for c in range(C):
        for r in range(R):
            h = p * sh - ph + r + 0 * q  # a block, as v is: the interpreter masks by nothing else
            for s in range(S):
                v = q * sw - pw + s
                inside = (q < Q) & (h >= 0) & (h < H) & (v >= 0) & (v < W)
                pixels = tl.load(x + ((n * C + c) * H + h) * W + v, mask=inside, other=0.0)
                tap = tl.load(w + ((k * C + c) * R + r) * S + s)
                total += tl.where(inside, pixels * tap, 0.0)
    if HAS_BIAS:
        total += tl.load(b + k)
    tl.store(y + row * Q + q, total, mask=q < Q)


class Kernels:
    @staticmethod
    def conv2d(input: Any, weight: Any, bias: Any = None, *, stride: Option = 1, padding: Option = 0) -> Any:
        (sh, sw), (ph, pw) = pair(stride), pair(padding)
        if (
            input.ndim != 4
            or weight.ndim != 4
            or input.shape[1] != weight.shape[1]
            or input.dtype != weight.dtype
        ):
            raise ValueError(f"input {tuple(input.shape)} does not go with weight {tuple(weight.shape)}")
        if bias is not None and (bias.shape != weight.shape[:1] or bias.dtype != input.dtype):
            raise ValueError(f"bias {tuple(bias.shape)} does not fit weight {tuple(weight.shape)}")
        if min(sh, sw) < 1 or min(ph, pw) < 0:
            raise ValueError(f"stride={stride} must be at least 1, padding={padding} at least 0")
        (n, c, h, v), (k, _, r, s) = input.shape, weight.shape
        p, q = (h + 2 * ph - r) // sh + 1, (v + 2 * pw - s) // sw + 1
        if min(p, q) < 1:
            raise ValueError(
                f"weight {tuple(weight.shape)} exceeds input {tuple(input.shape)} padded by {padding}"
            )
        output = torch.empty((n, k, p, q), dtype=input.dtype, device=input.device)
        arrays = (
            input.contiguous(),
            weight.contiguous(),
            None if bias is None else bias.contiguous(),
            output,
        )
        if n:
            grid = (n * k * p, triton.cdiv(q, BLOCK))
            conv2d_kernel[grid](*arrays, c, h, v, k, r, s, p, q, sh, sw, ph, pw, bias is not None, BLOCK)
        return output


def pair(option: Option) -> tuple[int, int]:
    return option if isinstance(option, tuple) else (option, option)


subject = conformance.Subject(
    Kernels,
    framework="torch",
    device="cuda" if torch.cuda.is_available() else None,
    dtypes=("float32",),
    without=("unbatched",),
    only=(lambda case: case.size < 60) if os.environ.get("TRITON_INTERPRET") == "1" else None,
)
