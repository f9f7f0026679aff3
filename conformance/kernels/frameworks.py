"""What a framework's file offers, and which frameworks there are. A framework is imported when asked for."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

from conformance.cases import Case
from conformance.cases.arrays import Array, Arrays

FRAMEWORKS = ("numpy", "torch", "jax", "onnxruntime")  # each in conformance/kernels/<name>.py
ORACLES = ("torch", "reference", "jax")

Oracle = Callable[[Case, Arrays], dict[str, Array]]


class Framework(Protocol):
    """The functions of a framework's file; `subject` and `oracle` only where it has them."""

    name: str
    array_type: str
    differentiates: bool

    def from_numpy(self, array: Array, device: str | None) -> Any: ...
    def to_numpy(self, array: Any) -> Array: ...
    def is_array(self, value: Any) -> bool: ...
    def differentiate(self, function: Callable[..., Any], arrays: Sequence[Any], grad_output: Any) -> Any: ...
    def subject(self, variant: str) -> Any: ...


class NoGradient(RuntimeError):
    """An answer comes without what its framework differentiates by."""


class MissingFramework(ImportError):
    """A framework that was asked for is not installed."""


def framework(name: str) -> Framework:
    try:
        return cast(Framework, importlib.import_module(f"conformance.kernels.{name}"))
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] in FRAMEWORKS:
            raise MissingFramework(
                f"{name} is not installed: python -m pip install 'npcnn-conformance[{name}]'"
            ) from None
        raise


def oracle(name: str) -> Oracle:
    """Who is trusted to answer, in float64; a function of a case and its arrays."""
    if name == "reference":
        from conformance.kernels import reference

        return reference.answer
    try:
        return framework(name).oracle  # type: ignore[attr-defined, no-any-return]
    except MissingFramework as error:
        raise MissingFramework(
            f"{error}, or take the oracle called reference, which needs NumPy only"
        ) from None
