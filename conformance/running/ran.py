"""Which lines of a subject ran in any of its workers: the parent's side."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from conformance.verdicts.unreached import Stretch, Unreached

# How far from a stretch, and the sides of what did not hold.
Near = tuple[float, Sequence[tuple[float, float]]]

DIED = "a call ended its process, and with it what was known of its lines"


@dataclass
class Ran:
    """What workers told of the stretches of a subject (see kernels.lines); every worker numbers them alike.

    stretches  each with the operations that may come to it, by its number
    near       of the latest case, how far it was from each stretch that was sought
    """

    stretches: dict[tuple[str, int], tuple[Stretch, frozenset[str]]] = field(default_factory=dict)
    ran: set[tuple[str, int]] = field(default_factory=set)
    unknown: str = ""
    near: list[Near] = field(default_factory=list)
    given: set[tuple[str, int]] = field(default_factory=set)  # stretches that were, and those that ran
    given_ran: set[tuple[str, int]] = field(default_factory=set)

    def take(self, told: Mapping[str, Any]) -> None:
        """What a worker tells beside its answers."""
        self.unknown = self.unknown or told.get("unknown", "")
        for file, number, lines, why, operations in told.get("stretches", ()):
            self.stretches[file, number] = Stretch(file, tuple(lines), why), frozenset(operations)
        self.near = [(far, [(a, b) for a, b in sides]) for far, sides in told.get("near", ())] or self.near
        self.ran.update((file, number) for file, number in told.get("ran", ()))

    def news(self) -> dict[str, Any]:
        """What was taken since this was last asked, as workers tell it: plain data, for another process."""
        new, ran = self.stretches.keys() - self.given, self.ran - self.given_ran
        self.given |= new
        self.given_ran |= ran
        told = [
            (*number, stretch.lines, stretch.why, sorted(of))
            for number in sorted(new)
            for stretch, of in [self.stretches[number]]
        ]
        return {"unknown": self.unknown, "stretches": told, "ran": sorted(ran)}

    def left(self, operation: str) -> list[tuple[str, int]]:
        """The numbers of the stretches that did not run, and may for an operation; none where that is not known."""
        left = sorted(self.stretches.keys() - self.ran) if not self.unknown else []
        return [number for number in left if operation in self.stretches[number][1]]

    def unreached(self, operations: Collection[str]) -> Unreached:
        """What did not run, and may run for one of these operations."""
        if self.unknown:
            return Unreached(unknown=self.unknown)
        left = [self.stretches[number] for number in sorted(self.stretches.keys() - self.ran)]
        return Unreached(tuple(stretch for stretch, of in left if not of.isdisjoint(operations)))
