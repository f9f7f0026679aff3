"""A layer, checked as the function that it stands for: its parameters are those that a case gives.

    conformance run examples/layer_kernel.py

`conv2d` below makes the layer for the shapes of a case, and `functional_call` runs it with weight and bias for
its parameters. Automatic differentiation goes through, so the gradients of the layer are judged, too.
"""

from typing import Any

import torch
from torch import nn
from torch.func import functional_call
from torch.nn.functional import unfold

Option = int | tuple[int, int]


class Convolution(nn.Module):
    """A convolution by unfold and a matrix product, as a layer with parameters."""

    def __init__(
        self,
        channels: int,
        filters: int,
        kernel: tuple[int, int],
        stride: Option = 1,
        padding: Option = 0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.kernel, self.stride, self.padding = kernel, stride, padding
        self.weight = nn.Parameter(torch.empty(filters, channels, *kernel))
        self.bias = nn.Parameter(torch.empty(filters)) if bias else None

    def forward(self, input: Any) -> Any:
        columns = unfold(input, self.kernel, stride=self.stride, padding=self.padding)
        output = self.weight.flatten(1) @ columns
        output = output if self.bias is None else output + self.bias[:, None]
        axes = zip(input.shape[-2:], self.kernel, pair(self.stride), pair(self.padding), strict=True)
        return output.unflatten(-1, [(n + 2 * p - k) // s + 1 for n, k, s, p in axes])


def conv2d(input: Any, weight: Any, bias: Any = None, *, stride: Option = 1, padding: Option = 0) -> Any:
    """The layer, with weight and bias for its parameters."""
    filters, channels, *kernel = weight.shape
    layer = Convolution(channels, filters, tuple(kernel), stride, padding, bias is not None)
    parameters = {"weight": weight} | ({} if bias is None else {"bias": bias})
    return functional_call(layer, parameters, (input,))


def pair(option: Option) -> tuple[int, int]:
    return option if isinstance(option, tuple) else (option, option)
