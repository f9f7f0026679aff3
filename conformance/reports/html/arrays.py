"""The arrays of a finding as tables of numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.reports.html.answers import arrays_of, planes, written

MOST = 600  # numbers of an array that are printed


@dataclass(frozen=True)
class Table:
    """An array: its planes, each the index that chooses it and rows of numbers; why they are left out, if they are."""

    name: str
    about: str
    planes: Sequence[tuple[str, Sequence[Sequence[str]]]]
    left_out: str = ""

    @property
    def size(self) -> int:
        """About how many characters it takes."""
        return sum(len(text) + 10 for _, rows in self.planes for row in rows for text in row)


def tables_of(failure: Mapping[str, Any]) -> list[Table]:
    """One table for each array."""
    arrays = arrays_of(failure)
    return [_table(each, arrays.get(each["name"])) for each in failure["arrays"]]


def _table(about: Mapping[str, Any], array: Any) -> Table:
    words = f"({', '.join(map(str, about['shape']))}) {about['dtype']}"
    if array is None or array.size > MOST:
        return Table(about["name"], words, [], "too many numbers to print here")
    return Table(about["name"], words, list(_planes(array)))


def _planes(array: Any) -> Iterator[tuple[str, list[list[str]]]]:
    for place, plane in planes(array):
        index = f"[{', '.join([*map(str, place), ':', ':'])}]" if place else ""
        yield index, [[written(number) for number in row] for row in plane.tolist()]
