"""Which operations there are: a file of this folder that holds a FAMILY adds its own."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from conformance import operations
from conformance.operations.family import Family
from conformance.operations.option import Option


@dataclass(frozen=True)
class Operation:
    """A family over a number of image axes, named as in torch.nn.functional."""

    name: str
    family: Family
    dimensions: int

    @cached_property
    def options(self) -> tuple[Option, ...]:
        """The options of the family that this operation has."""
        return tuple(option for option in self.family.options if self.dimensions in option.dimensions)

    @cached_property
    def per_axis(self) -> tuple[str, ...]:
        """The fields of a case that have a number for each axis: extents, and then options."""
        return (*self.family.extents, *(option.name for option in self.options if option.per_axis))

    @cached_property
    def required(self) -> tuple[str, ...]:
        """The keywords that have no default, in order: the extents of a window, and options that are required."""
        optional = {option.name for option in self.family.options if not option.required}
        return tuple(name for name in self.family.keywords if name not in optional)

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """Every output that a case can have, in order."""
        flags = (option.output for option in self.options if option.output and not option.array)
        twice = ("grad_grad_output",) if self.family.bilinear else ()
        return ("output", *flags, *(f"grad_{name}" for name in self.family.differentiated), *twice)


def _families() -> Iterator[Family]:
    for module in pkgutil.iter_modules(operations.__path__):
        found = getattr(importlib.import_module(f"{operations.__name__}.{module.name}"), "FAMILY", None)
        if isinstance(found, Family):
            yield found


OPERATIONS = {
    f"{family.name}{n}d": Operation(f"{family.name}{n}d", family, n)
    for family in sorted(_families(), key=lambda family: family.rank)
    for n in family.dimensions
}

# Every output there is: answers of a forward, then gradients.
OUTPUTS = tuple(
    sorted(
        dict.fromkeys(output for operation in OPERATIONS.values() for output in operation.outputs),
        key=lambda output: output.startswith("grad_"),
    )
)
