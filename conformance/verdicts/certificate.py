"""What was read out of a kernel and is right in every coefficient, and what that rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Certificate:
    """The geometries of one operation in one dtype whose whole operator is right, by exhaustion.

    outputs      that were read: the answer, its gradients
    geometries   how many
    too_large    geometries that were drawn and would take too many numbers to read
    assumptions  what it takes for granted ("no zeros", "integers", "batches"), each with the cases that test it
    """

    operation: str
    dtype: str
    outputs: Sequence[str]
    geometries: int
    too_large: int
    assumptions: Mapping[str, int]
