"""A file as KernelBench has them: a Model, a ModelNew that is to be as right and faster, and inputs of one shape.

    conformance run examples/kernelbench_kernel.py --requirement exact,rounding --profile quick

ModelNew passes a comparison on those inputs with a tolerance of 1e-2, and multiplies in bfloat16. The last function is
all that the suite needs: it makes a ModelNew for the shapes of a case and runs it with the weights of the case.
"""

from typing import Any

import torch
from torch import nn
from torch.func import functional_call


class Model(nn.Module):
    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, stride=stride, padding=padding, bias=False
        )

    def forward(self, x: Any) -> Any:
        return self.conv(x)


class ModelNew(nn.Module):
    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, stride=stride, padding=padding, bias=False
        )

    def forward(self, x: Any) -> Any:
        weight = self.conv.weight.bfloat16()
        y = nn.functional.conv2d(x.bfloat16(), weight, stride=self.conv.stride, padding=self.conv.padding)
        return y.to(x.dtype)


def get_inputs() -> list[Any]:
    return [torch.rand(4, 3, 64, 64)]


def get_init_inputs() -> list[Any]:
    return [3, 16, 11, 4, 2]


def conv2d(input: Any, weight: Any, *, stride: Any = 1, padding: Any = 0) -> Any:
    """ModelNew, with the weight of a case for its parameter."""
    filters, channels, *kernel = weight.shape
    model = ModelNew(channels, filters, tuple(kernel), stride, padding)
    return functional_call(model, {"conv.weight": weight}, (input,))
