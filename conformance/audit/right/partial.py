"""Kernels that claim less: by their signature, or by what they declare."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from conformance.audit.mutants.hooks import Call, Hook, Named, signed
from conformance.audit.right.kernel import Make, Right, of, through
from conformance.kernels.functions import functions


def lacking(words: str, *families: str, gradients: bool = True, required: str = "") -> Make:
    """The reference's functions without some arguments; those required have no default."""

    def make(operation: str) -> SimpleNamespace:
        some = vars(functions(operation)).items()
        return SimpleNamespace(**{name: _lacking(function, words.split(), required) for name, function in some if gradients or name == operation})

    return lambda: of(families, make)


def _lacking(function: Callable[..., Any], lacks: list[str], required: str) -> Callable[..., Any]:
    signature = inspect.signature(function)
    left = [p.replace(default=p.empty) if p.name == required else p for p in signature.parameters.values() if p.name not in lacks]
    unbiased = "bias" in lacks and "grad_output" in signature.parameters  # its gradient goes with it

    def call(**arguments: Any) -> Any:
        answer = function(**arguments)
        return answer[:-1] if unbiased else answer

    return signed(call, signature.replace(parameters=left))


def demanding(demand: Callable[[Named, Named, int], bool], rule: str) -> Callable[[int], Hook]:
    """Calls that do not meet a demand are refused."""

    def hook_of(axes: int) -> Hook:
        def hook(call: Call, arrays: Named, options: Named) -> Any:
            if not demand(arrays, options, axes):
                raise TypeError(rule)
            return call(arrays, options)

        return hook

    return hook_of


def ints_alone(arrays: Named, options: Named, axes: int) -> bool:
    return all(isinstance(options[name], int) for name in ("stride", "padding", "dilation"))


def in_batches(arrays: Named, options: Named, axes: int) -> bool:
    return bool(arrays["input"].ndim == axes + 2)


def in_float32(arrays: Named, options: Named, axes: int) -> bool:
    return bool(arrays["input"].dtype == np.float32)


INTS = {"without": ("options as tuples", "options per axis", "padding=same", "padding=valid")}
ROWS = [
    Right("without_dilation", "no dilation", lacking("dilation", "conv")),
    Right("without_bias_and_groups", "no bias and no groups", lacking("bias groups", "conv")),
    Right("plain_forward", "a filter and a bias, nothing else; no gradients", lacking("stride padding dilation groups", "conv", gradients=False, required="bias")),
    Right("int_options", "options as ints alone", through(demanding(ints_alone, "stride, padding and dilation are ints"), "conv"), INTS),
    Right("four_axes", "batches alone", through(demanding(in_batches, "input has a batch axis"), "conv"), {"without": ("unbatched",)}),
    Right("without_output_padding", "no output_padding, no dilation and no groups", lacking("output_padding dilation groups", "conv_transpose")),
    Right("float32_alone", "float32 alone", through(demanding(in_float32, "arrays are float32"), "conv", "max_pool"), {"dtypes": ("float32",)}),
    Right("whole_tiles", "pooling of whole tiles: no padding, no dilation, no ceil_mode", lacking("padding dilation ceil_mode return_indices count_include_pad divisor_override", "max_pool", "avg_pool", gradients=False)),
]
