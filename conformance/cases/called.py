"""A call of a function as the case that it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.cases.case import Case
from conformance.operations import OPERATIONS

Shape = tuple[int, ...]


def called(operation: str, shapes: Mapping[str, Shape], options: Mapping[str, Any], **fields: Any) -> Case:
    """The case of a call with arrays of these shapes; ValueError where PyTorch refuses it."""
    found = OPERATIONS[operation]
    input, axes = tuple(shapes["input"]), found.dimensions
    if len(input) not in (axes + 1, axes + 2):
        raise ValueError(f"input of shape {input} must have {axes + 1} or {axes + 2} axes")
    there = {option.name for option in found.options}
    given = {n: v for n, v in options.items() if n in there or (n != "kernel_size" and v is not None)}
    fields |= {n: tuple(v) if isinstance(v, list) else v for n, v in given.items()}
    fields |= {option.name: option.name in shapes for option in found.options if option.array}
    if found.family.has_kernel:
        fields["kernel"] = _kernel(axes, shapes.get("weight"), options.get("kernel_size"))
    if "weight" in shapes:
        of_group = found.family.weight_axes.index("filters")
        fields["filters"] = shapes["weight"][of_group] * (options.get("groups", 1) if of_group else 1)
    batch = input[0] if len(input) == axes + 2 else None
    case = Case.of(operation, batch=batch, channels=input[-1 - axes], image=input[-axes:], **fields)
    if case.problem:
        raise ValueError(case.problem)
    for name, expected in case.shapes.items():
        if name in shapes and tuple(shapes[name]) != expected:
            raise ValueError(f"{name} has shape {tuple(shapes[name])}, not {expected}")
    return case


def _kernel(axes: int, weight: Shape | None, kernel_size: Any) -> Shape:
    """The extents of a filter, or of a window: one for all axes or one an axis."""
    if weight is not None:
        if len(weight) != axes + 2:
            raise ValueError(f"weight of shape {tuple(weight)} must have {axes + 2} axes")
        return tuple(weight[2:])
    kernel = tuple(kernel_size) if isinstance(kernel_size, (tuple, list)) else (kernel_size,)
    return kernel * axes if len(kernel) == 1 else kernel
