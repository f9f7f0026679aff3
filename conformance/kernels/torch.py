"""PyTorch: the default oracle (float64, contiguous, on the CPU), and apart from that a subject like any other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from conformance.cases import Case
from conformance.cases.arrays import Array, Arrays
from conformance.kernels.frameworks import NoGradient
from conformance.kernels.reference import IMAGES
from conformance.operations import OPERATIONS

name, array_type, differentiates = "torch", "torch.Tensor", True


def from_numpy(array: Array, device: str | None) -> torch.Tensor:
    """Shares the memory and the strides, where PyTorch can express them (it has no negative ones)."""
    if any(stride < 0 for stride in array.strides) or not array.dtype.isnative:
        array = array.copy()
    if not array.flags.writeable:
        array = np.lib.stride_tricks.as_strided(_writeable(array), array.shape, array.strides)
    tensor = torch.from_numpy(array)
    return tensor.to(device) if device else tensor


def _writeable(array: Array) -> Array:
    """The same elements in memory that may be written: PyTorch knows no read-only tensors."""
    bytes_reached = (
        sum((n - 1) * s for n, s in zip(array.shape, array.strides, strict=True)) if array.size else 0
    )
    memory = np.zeros(bytes_reached // array.itemsize + 1, array.dtype)
    view = np.lib.stride_tricks.as_strided(memory, array.shape, array.strides)
    view[...] = array
    return memory


def to_numpy(array: torch.Tensor) -> Array:
    return np.asarray(array.detach().cpu())


def is_array(value: Any) -> bool:
    return isinstance(value, torch.Tensor)


def differentiate(
    function: Callable[..., Any],
    arrays: Sequence[torch.Tensor],
    grad_output: torch.Tensor,
    again: bool = False,
) -> tuple[Any, tuple[torch.Tensor | None, ...]]:
    """The function's answer, and the gradient of each array, None of one that is not in the graph of the output.

    again   the graph is kept, and the gradient is that of a second backward

    NoGradient where neither the image nor the filters are in the graph; a bias is often added by PyTorch itself.
    """
    with torch.enable_grad():  # a kernel's file may have disabled them for all
        leaves = [array.detach().requires_grad_(True) for array in arrays]
        answer = function(*leaves)
        output = answer[0] if isinstance(answer, tuple) else answer
        if isinstance(output, torch.Tensor) and not output.requires_grad:
            raise NoGradient("the output does not require grad")
        if again:
            torch.autograd.grad(output, leaves, grad_output, allow_unused=True, retain_graph=True)
        gradients = torch.autograd.grad(output, leaves, grad_output, allow_unused=True)
    if all(gradient is None for gradient in gradients[:2]):
        raise NoGradient("its arguments are not in the graph of the output")
    return answer, gradients


def subject(variant: str) -> Any:
    """torch.nn.functional; `torch:channels_last` first puts images and filters into channels_last memory."""
    from conformance.kernels.subject import Subject, SubjectError

    if variant not in ("", "contiguous", "channels_last"):
        raise SubjectError(f"torch:{variant}: there are torch, torch:contiguous and torch:channels_last")
    memory = torch.channels_last if variant == "channels_last" else torch.contiguous_format
    functions = {name: _in_memory(getattr(F, name), memory) for name in OPERATIONS}
    return Subject(SimpleNamespace(**functions), framework="torch")


def _in_memory(function: Callable[..., Any], memory: torch.memory_format) -> Callable[..., Any]:
    def call(*arrays: Any, **options: Any) -> Any:
        return function(
            *(a.contiguous(memory_format=memory) if _is_image(a) else a for a in arrays), **options
        )

    return call if memory is torch.channels_last else function


def _is_image(array: Any) -> bool:
    return isinstance(array, torch.Tensor) and array.ndim == 4


def oracle(case: Case, arrays: Arrays) -> dict[str, Array]:
    """Every output of a case in float64; an exception where PyTorch refuses.

    Through the operators under torch.nn.functional, which give all gradients at once without recording a graph.
    """
    tensors = {
        name: torch.from_numpy(np.array(array, np.float64, order="C")) for name, array in arrays.items()
    }
    if case.problem or getattr(case, "padding", 0) == "same":
        return _by_autograd(case, tensors)
    if case.batch is None:
        tensors = {n: tensor[None] if n in IMAGES else tensor for n, tensor in tensors.items()}
    every = case.family.aten(case, tensors, torch.ops.aten)
    answers = dict(zip(OPERATIONS[case.operation].outputs, every, strict=True))
    if case.batch is None:
        answers = {n: a[0] if n in IMAGES else a for n, a in answers.items()}
    return {output: answers[output].numpy() for output in case.outputs}


def _by_autograd(case: Case, tensors: dict[str, torch.Tensor]) -> dict[str, Array]:
    names = [name for name in tensors if name != "grad_output"]
    function = getattr(F, case.operation)
    answer, gradients = differentiate(
        lambda *leaves: function(*leaves, **case.options), [tensors[n] for n in names], tensors["grad_output"]
    )
    named = dict(zip(("output", "indices"), answer if isinstance(answer, tuple) else (answer,), strict=False))
    return {
        n: to_numpy(a)
        for n, a in (named | {f"grad_{n}": g for n, g in zip(names, gradients, strict=True)}).items()
        if a is not None
    }
