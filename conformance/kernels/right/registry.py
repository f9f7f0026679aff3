"""What a right kernel is: one that computes otherwise than the reference, and must never be accused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

Make = Callable[[], SimpleNamespace]


@dataclass(frozen=True)
class Right:
    """A right kernel.

    words     how it computes, in a line
    make      a fresh namespace of functions, called as in torch.nn.functional
    declared  what `conformance.Subject` must be told of it
    """

    name: str
    words: str
    make: Make
    declared: Mapping[str, Any] = field(default_factory=dict)

    def subject(self) -> SimpleNamespace:
        return self.make()


ALL: dict[str, Right] = {}


def right(words: str, name: str = "", **declared: Any) -> Callable[[Make], Make]:
    """Register a right kernel: the decorated factory makes its functions."""

    def register(make: Make) -> Make:
        new = Right(name or str(getattr(make, "__name__", "")), words, make, declared)
        if new.name in ALL:
            raise ValueError(f"two right kernels are called {new.name}")
        ALL[new.name] = new
        return make

    return register
