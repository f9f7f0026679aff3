"""Lines of a subject's own Python files that no case ran."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from conformance.kernels.own import from_here


class Stretch(NamedTuple):
    """Statements that run one after the other.

    why   what decides that they run: "if channels > 512", "def fallback"
    """

    file: str
    lines: tuple[int, ...]
    why: str

    @classmethod
    def from_data(cls, data: Sequence[Any]) -> Stretch:
        file, lines, why = data
        return cls(file, tuple(lines), why)


class Place(NamedTuple):
    """Lines from the first to the last of one decision."""

    file: str
    first: int
    last: int
    why: str

    @property
    def words(self) -> str:
        """Where it is, as "mykernels.py:87-93"."""
        return f"{from_here(self.file)}:{self.first}" + (f"-{self.last}" if self.last > self.first else "")


class Reached(NamedTuple):
    """Statements that a search came to, and its first case that did."""

    stretch: Stretch
    case: str


@dataclass(frozen=True)
class Unreached:
    """What no case ran, in the order of files and lines.

    unknown   why nothing is known of it
    searched  how many cases a search for it asked
    reached   what it came to
    """

    stretches: tuple[Stretch, ...] = ()
    unknown: str = ""
    searched: int = 0
    reached: tuple[Reached, ...] = ()

    @property
    def count(self) -> int:
        """How many lines."""
        return len({(each.file, line) for each in self.stretches for line in each.lines})

    @property
    def places(self) -> Iterator[Place]:
        """Stretches that follow each other are one place."""
        return map(_place, _joined(sorted(self.stretches)))

    @property
    def found(self) -> Iterator[tuple[Place, str]]:
        """The places that a search came to, each with its case."""
        return ((_place([each.stretch]), each.case) for each in sorted(self.reached))


def _place(group: Sequence[Stretch]) -> Place:
    lines = [line for each in group for line in each.lines]
    return Place(group[0].file, min(lines), max(lines), group[0].why)


def _joined(stretches: Iterable[Stretch]) -> list[list[Stretch]]:
    """Those that follow each other without a line in between."""
    joined: list[list[Stretch]] = []
    for each in stretches:
        before = joined[-1][-1] if joined else None
        if before and before.file == each.file and each.lines[0] - before.lines[-1] <= 1:
            joined[-1].append(each)
        else:
            joined.append([each])
    return joined
