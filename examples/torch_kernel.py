"""A convolution on PyTorch tensors by unfold and a matrix product; the gradients come from autograd.

    conformance run examples/torch_kernel.py

That it takes tensors is seen from its imports. It has no `groups`, so none are asked.
"""

import torch
from torch.nn.functional import unfold


def conv2d(input, weight, bias=None, *, stride=1, padding=0, dilation=1):
    """y[n, k, pq] = b[k] + sum over crs of w[k, crs] columns[n, crs, pq]"""
    if input.shape[-3] != weight.shape[1]:
        raise ValueError(f"input {tuple(input.shape)} has not the channels of weight {tuple(weight.shape)}")
    k, _, r, s = weight.shape
    columns = unfold(input, (r, s), dilation=dilation, padding=padding, stride=stride)
    output = torch.matmul(weight.reshape(k, -1), columns)
    if bias is not None:
        if bias.shape != (k,) or bias.dtype != output.dtype:
            raise ValueError(
                f"bias {tuple(bias.shape)} {bias.dtype} does not fit {k} filters of {output.dtype}"
            )
        output = output + bias[:, None]
    return output.unflatten(-1, extents(input, weight, stride, padding, dilation))


def extents(input, weight, stride, padding, dilation):
    axes = zip(input.shape[-2:], weight.shape[-2:], *map(pair, (stride, padding, dilation)), strict=True)
    return [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in axes]


def pair(option):
    return option if isinstance(option, tuple) else (option, option)
