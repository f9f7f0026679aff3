"""PyTorch: the default oracle (float64, contiguous, on the CPU), and apart from that a subject like any other."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from conformance.cases import Case
from conformance.cases.arrays import Array, Arrays
from conformance.kernels.framework import About, Framework, NoGradient, Shared
from conformance.kernels.getters import differing, settable
from conformance.kernels.reference import IMAGES
from conformance.operations import DTYPES, OPERATIONS
from conformance.operations.dtypes import COMPLEX

ABOUT = About(
    packages=("torch",),
    title="PyTorch",
    extra="torch",
    oracle="PyTorch in float64, contiguous, on the CPU",
    arrays=("Tensor",),
    classes={
        "Module": "import torch\n"
        "layer = {name}({made})\n"
        "names = [name for name, _ in layer.named_parameters()]\n"
        "return torch.func.functional_call(layer, dict(zip(names, ({weights}))), ({input},))",
        "Function": "return {name}.apply({passed})",
    },
    variants=("", "contiguous", "channels_last"),
    forks=True,
)


def from_numpy(array: Array, device: str | None) -> torch.Tensor:
    """Shares the memory and the strides, where PyTorch can express them (it has no negative ones)."""
    if any(stride < 0 for stride in array.strides) or not array.dtype.isnative:
        array = array.copy()
    if not array.flags.writeable:
        array = np.lib.stride_tricks.as_strided(_writeable(array), array.shape, array.strides)
    tensor = torch.from_numpy(array.view(np.int16) if _is_bfloat16(array) else array)
    tensor = tensor.view(torch.bfloat16) if _is_bfloat16(array) else tensor
    return tensor.to(device) if device else tensor


def _is_bfloat16(array: Array) -> bool:
    """Whether it has numbers that PyTorch has and NumPy has not: their bits are handed over."""
    return bool(array.dtype.name == "bfloat16")


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
    array = array.detach().cpu().resolve_conj().resolve_neg()  # which wait for what reads them
    if array.dtype == torch.bfloat16:
        bits: Array = array.view(torch.int16).numpy()
        return bits.view(DTYPES["bfloat16"].numpy)
    return np.asarray(array)


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


def differentiate_twice(
    function: Callable[..., Any],
    arrays: Sequence[torch.Tensor],
    grad_output: torch.Tensor,
    gradients: Sequence[torch.Tensor],
) -> tuple[torch.Tensor, ...]:
    """Gradients of the gradients' products with others, by grad_output and by each array but the bias."""
    with torch.enable_grad():
        leaves = [array.detach().requires_grad_(True) for array in (grad_output, *arrays)]
        first = torch.autograd.grad(function(*leaves[1:]), leaves[1:], leaves[0], create_graph=True)
        if not all(gradient.requires_grad for gradient in first):
            raise NoGradient("a gradient has no graph of its own")
        second = torch.autograd.grad(first, leaves[:3], list(gradients))
    return tuple(second)


def kernels(variant: str) -> dict[str, Callable[..., Any]]:
    """torch.nn.functional; `torch:channels_last` first puts images and filters into channels_last memory."""
    functions = {name: getattr(F, name) for name in OPERATIONS if hasattr(F, name)}
    if variant != "channels_last":
        return functions
    return {
        name: _channels_last(function, OPERATIONS[name].dimensions) for name, function in functions.items()
    }


_CHANNELS_LAST = {
    2: torch.channels_last,
    3: torch.channels_last_3d,
}  # by image axes; of one axis there is none


def _channels_last(function: Callable[..., Any], dimensions: int) -> Callable[..., Any]:
    memory = _CHANNELS_LAST.get(dimensions, torch.contiguous_format)

    def stored(array: Any) -> Any:
        image = isinstance(array, torch.Tensor) and array.ndim == dimensions + 2
        return array.contiguous(memory_format=memory) if image else array

    return lambda *arrays, **options: function(*map(stored, arrays), **options)


@cache
def shared() -> dict[str, Shared]:
    return {name: Shared(switch.read, switch.set) for name, switch in _SWITCHES.items()} | {
        "PyTorch's default device": Shared(lambda: str(torch.empty(0).device), _set_default_device),
        "PyTorch's float32 matmul precision": Shared(
            torch.get_float32_matmul_precision, torch.set_float32_matmul_precision
        ),
        "PyTorch's default dtype": Shared(torch.get_default_dtype, torch.set_default_dtype),
        "PyTorch's number of threads": Shared(torch.get_num_threads, torch.set_num_threads),
        "PyTorch's gradient mode": Shared(torch.is_grad_enabled, torch.set_grad_enabled),
        "PyTorch's random state": Shared(_random_state, _set_random_state, decides=False, seldom=True),
        **settable(torch, but=_NAMED, unkind=("is_warn_always_enabled",)),
        **settable(torch.backends.mha),
        **{
            f"torch.backends.{name}": _flags(module)
            for name, module in vars(torch.backends).items()
            if isinstance(module, ModuleType) and type(module) is not ModuleType
        },
    }


def _random_state() -> bytes:
    return bytes(torch.get_rng_state().numpy())


def _set_random_state(state: bytes) -> None:
    torch.set_rng_state(torch.frombuffer(bytearray(state), dtype=torch.uint8))


def _flags(module: ModuleType) -> Shared:
    """The attributes of a backend that set something."""
    properties = vars(type(module)).items()
    names = [name for name, each in properties if getattr(each, "fset", hasattr(type(each), "__set__"))]

    def read() -> dict[str, Any]:
        found = {}
        for name in names:
            with contextlib.suppress(RuntimeError):  # as where two ways to say the same were mixed
                found[name] = getattr(module, name)
        return found

    def put_back(before: dict[str, Any]) -> None:
        for name in differing(before, read()):
            with contextlib.suppress(RuntimeError):
                setattr(module, name, before[name])

    return Shared(read, put_back, parts=True, seldom=True)


_NAMED = {  # what stands above by another name, and what warns that there is another way to ask
    "get_default_dtype", "get_default_device", "get_num_threads", "get_deterministic_debug_mode",
    "get_float32_matmul_precision", "is_grad_enabled", "is_inference_mode_enabled", "is_anomaly_enabled",
    *(name for name in dir(torch) if "_autocast_" in name and "cache" not in name),
}  # fmt: skip


class _Switch(NamedTuple):
    """What changes what PyTorch answers in float64 on the CPU, and how the oracle has it."""

    read: Callable[[], Any]
    set: Callable[[Any], Any]
    ours: Any


def _set_inference_mode(enabled: bool) -> None:
    _modes.append(torch.inference_mode(enabled))
    _modes[-1].__enter__()


_modes: list[Any] = []  # that stay: PyTorch ends one that nobody holds


def _set_default_device(device: str) -> None:
    torch.set_default_device(None if device == "cpu" else device)


def _flushes() -> bool:
    """Whether subnormal numbers count as 0, as after the import of what was compiled with -ffast-math."""
    return not _SUBNORMAL * np.float64(1.0)


_SUBNORMAL = np.float64(5e-324)
_SWITCHES = {
    "PyTorch's inference mode": _Switch(torch.is_inference_mode_enabled, _set_inference_mode, False),
    "PyTorch's anomaly mode": _Switch(torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly, False),
    "PyTorch's deterministic mode": _Switch(
        torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode, 0
    ),
    "PyTorch's autocast": _Switch(
        partial(torch.is_autocast_enabled, "cpu"), partial(torch.set_autocast_enabled, "cpu"), False
    ),
    "PyTorch's flushing of subnormal numbers": _Switch(_flushes, torch.set_flush_denormal, False),
}


def preload() -> None:
    """What the first gradient imports, a second or more."""
    with contextlib.suppress(ImportError):
        importlib.import_module("torch.fx.experimental.symbolic_shapes")


def oracle(case: Case, arrays: Arrays) -> dict[str, Array]:
    """Every output of a case in float64, whatever a kernel left switched; an exception where PyTorch refuses."""
    theirs = [(switch, value) for switch in _SWITCHES.values() if (value := switch.read()) != switch.ours]
    for switch, _ in theirs:
        switch.set(switch.ours)
    try:
        return _answers(case, arrays)
    finally:
        for switch, value in theirs:
            switch.set(value)


def _answers(case: Case, arrays: Arrays) -> dict[str, Array]:
    """Through the operators under torch.nn.functional, which give all gradients at once without recording a graph."""
    indexing = case.family.indexing
    tensors = {
        n: torch.from_numpy(np.array(a, a.dtype if n in indexing else DTYPES[case.dtype].wide, order="C"))
        for n, a in arrays.items()
    }
    alone = DTYPES[case.dtype].kind == COMPLEX  # numbers that its functions take and those operators do not
    if case.problem or case.family.aten is None or getattr(case, "padding", 0) == "same" or alone:
        with _one_thread() if indexing else contextlib.nullcontext():
            return _by_autograd(case, tensors)
    if case.batch is None:
        tensors = {n: tensor[None] if n in IMAGES else tensor for n, tensor in tensors.items()}
    every = case.family.aten(case, tensors, torch.ops.aten)
    answers = dict(zip(OPERATIONS[case.operation].outputs, every, strict=False))
    if case.batch is None:
        answers = {n: a[0] if n in IMAGES else a for n, a in answers.items()}
    return {output: answers[output].numpy() for output in case.outputs}


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Several write at once: which of the values stays that share a place is left to chance."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _by_autograd(case: Case, tensors: dict[str, torch.Tensor]) -> dict[str, Array]:
    names = [gradient.removeprefix("grad_") for gradient in case.gradients]
    arguments = {n: tensor for n, tensor in tensors.items() if n != "grad_output"}
    function = getattr(F, case.operation)
    answer, gradients = differentiate(
        lambda *leaves: function(
            *(arguments | dict(zip(names, leaves, strict=True))).values(), **case.options
        ),
        [tensors[n] for n in names],
        tensors["grad_output"],
    )
    named = dict(zip(("output", "indices"), answer if isinstance(answer, tuple) else (answer,), strict=False))
    return {
        n: to_numpy(a)
        for n, a in (named | {f"grad_{n}": g for n, g in zip(names, gradients, strict=True)}).items()
        if a is not None
    }


FRAMEWORK = Framework(
    ABOUT,
    array_type="torch.Tensor",
    from_numpy=from_numpy,
    to_numpy=to_numpy,
    is_array=is_array,
    differentiate=differentiate,
    freezes=True,
    differentiate_twice=differentiate_twice,
    inference={
        "on tensors that require no gradient": contextlib.nullcontext,
        "under torch.no_grad()": torch.no_grad,
        "under torch.inference_mode()": torch.inference_mode,
    },
    oracle=oracle,
    kernels=kernels,
    shared=shared,
    preload=preload,
    set_threads=torch.set_num_threads,
    script_array="torch.tensor({})",
    script_leaf="torch.tensor({}).requires_grad_()",
    script_gradient=("{answer}.backward({grad_output})", "got = {leaf}.grad"),
    script_answer="got.detach().to(torch.{}).numpy()",
    script_import=dict.fromkeys(("", "contiguous"), "import torch.nn.functional as kernels"),
)
