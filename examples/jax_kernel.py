"""Convolution and pooling in JAX; the gradients come from jax.vjp.

    conformance run examples/jax_kernel.py

JAX's own rules differ from PyTorch's in small things, and the file says which are bridged.
"""

from typing import Any

from jax import lax

import conformance

Option = int | tuple[int, ...]


class Kernels:
    @staticmethod
    def conv2d(
        input: Any,
        weight: Any,
        bias: Any = None,
        stride: Option = 1,
        padding: Option = 0,
        dilation: Option = 1,
        groups: int = 1,
    ) -> Any:
        output = lax.conv_general_dilated(
            input,
            weight,
            window_strides=pair(stride),
            padding=[(p, p) for p in pair(padding)],
            rhs_dilation=pair(dilation),
            feature_group_count=groups,
            precision=lax.Precision.HIGHEST,
        )
        if 0 in output.shape[1:] or min(pair(padding)) < 0:  # JAX answers these; PyTorch refuses
            raise ValueError(f"weight {weight.shape} or padding {padding} does not fit input {input.shape}")
        return output if bias is None else output + bias[:, None, None]

    @staticmethod
    def avg_pool2d(input: Any, kernel_size: Option, stride: Option | None = None) -> Any:
        kernel = pair(kernel_size)
        strides = kernel if stride is None else pair(stride)
        sums = lax.reduce_window(input, 0.0, lax.add, (1, 1, *kernel), (1, 1, *strides), "VALID")
        return sums / (kernel[0] * kernel[1])


def pair(option: Option) -> tuple[int, ...]:
    return option if isinstance(option, tuple) else (option, option)


subject = conformance.Subject(Kernels, framework="jax", dtypes=("float32",), without=("unbatched",))
