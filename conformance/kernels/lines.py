"""Which lines of a subject's own Python files ran: found out in a worker, told as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

from conformance.kernels.source.distance import FARTHEST
from conformance.kernels.source.markers import Marked, Unreadable, read
from conformance.kernels.source.reach import reached
from conformance.kernels.subject import Subject

MOST_SIDES = 6  # of comparisons that are told
RARELY = 64  # chunks between two times that markers are taken away, once most are


@dataclass
class Lines:
    """The stretches of statements of a subject's functions.

    functions   by file and id, each with the operations that may come to it
    texts       of these files
    unknown     why nothing can be said; "" also where it has no Python file of its own
    """

    functions: dict[str, dict[int, tuple[FunctionType, set[str]]]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    unknown: str = ""
    marked: dict[str, Marked] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)  # files whose stretches were
    said: set[tuple[str, int]] = field(default_factory=set)  # the stretches that ran, as was told
    chunks: int = 0
    next: int = 1

    @classmethod
    def of(cls, subject: Subject) -> Lines:
        """Those of a subject, none of them marked yet."""
        lines = cls()
        for operation in subject.operations:
            for each in reached(subject.functions_of(operation).values()):
                there = lines.functions.setdefault(each.__code__.co_filename, {})
                there.setdefault(id(each), (each, set()))[1].add(operation)
        try:
            lines.texts = {file: read(file) for file in lines.functions}
        except Unreadable as error:
            lines.unknown = str(error)
        return lines

    def mark(self, operation: str) -> None:
        """Mark the files that an operation may come to."""
        for file, functions in self.functions.items() if not self.unknown else ():
            if file not in self.marked and any(operation in of for _, of in functions.values()):
                each = self.marked[file] = Marked.of(
                    file, self.texts[file], [each for each, _ in functions.values()]
                )
                each.mark()

    def seek(self, sought: Iterable[Sequence[Any]]) -> None:
        """Note from now on how far calls are from these stretches, each a file and a number."""
        wanted: dict[str, list[int]] = {file: [] for file in self.marked}
        for file, number in sought:
            wanted.get(file, []).append(number)
        for file, numbers in wanted.items():
            self.marked[file].seek(numbers)
            self.marked[file].seen.clear()

    def near(self, sought: Iterable[Sequence[Any]]) -> list[tuple[float, list[tuple[float, float]]]]:
        """How far the calls since then were from each, and the sides of what did not hold."""
        return [self._near(file, number) for file, number in sought]

    def _near(self, file: str, number: int) -> tuple[float, list[tuple[float, float]]]:
        marked = self.marked.get(file)
        if not marked or number not in marked.chains:
            return FARTHEST, []
        chain = marked.chains[number]
        return chain.far(marked.seen), chain.open(marked.seen)[:MOST_SIDES]

    def news(self) -> dict[str, Any]:
        """What is new since this was last asked, between calls: stretches that were marked, and those that ran."""
        new, self.told = self.marked.keys() - self.told, set(self.marked)
        ran = {(file, number) for file, each in self.marked.items() for number in each.ran} - self.said
        self.said |= ran
        self.chunks += 1
        if self.chunks == self.next:
            self.next += min(self.chunks, RARELY)
            for each in self.marked.values():
                each.mark()
        stretches = [stretch for file in new for stretch in self._stretches(file)]
        return {"unknown": self.unknown, "stretches": stretches, "ran": sorted(ran)}

    def _stretches(self, file: str) -> Iterator[tuple[str, int, tuple[int, ...], str, list[str]]]:
        """Those that do more than refuse: where they are, what decides that they run, and for which operations."""
        for number, each in self.marked[file].stretches.items():
            if each.lines and not each.refuses:
                within = self.marked[file].functions_of(number)
                operations = set().union(*(self.functions[file][id(function)][1] for function in within))
                yield file, number, each.lines, each.why, sorted(operations)
