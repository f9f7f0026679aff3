"""Which classes of parameters the cases met, and which together: one heat map for each operation."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from conformance.reports.html.svg import element, picture

Data = Mapping[str, Any]
CELL, GAP, LABEL = 9, 4, 128  # pixels
LEVELS = (1, 10, 100, 1000)  # cases from which a cell is a shade darker


@dataclass(frozen=True)
class Map:
    """The classes of an operation's parameters with their counts, and a picture of each class with each other.

    met, pairs   of the pairs of classes how many were met, and how many there are
    counts       the same as plain data, which the page makes tables of two parameters from
    """

    operation: str
    cases: int
    parameters: Mapping[str, Sequence[tuple[str, int, str]]]
    met: int
    pairs: int
    svg: Markup
    counts: Mapping[str, Any]


def maps(data: Data) -> list[Map]:
    return [_map(each) for each in data["coverage"]]


def _map(of: Data) -> Map:
    together = [count for pair in of["pairs"] for row in pair["counts"] for count in row]
    parameters = {
        name: [(label, count, shade(count)) for label, count in classes.items()]
        for name, classes in of["parameters"].items()
    }
    classes = {name: list(counts) for name, counts in of["parameters"].items()}
    pairs = [[pair["first"], pair["second"], pair["counts"]] for pair in of["pairs"]]
    counts = {"operation": of["operation"], "classes": classes, "pairs": pairs}
    met = sum(map(bool, together))
    return Map(
        of["operation"], of["cases"], parameters, met, len(together), _svg(of, met, len(together)), counts
    )


def shade(count: int) -> str:
    """h0 of none to h4 of many."""
    return f"h{sum(count >= level for level in LEVELS)}"


def _svg(of: Data, met: int, pairs: int) -> Markup:
    """The first parameter of each pair down, the second across, classes side by side."""
    varying = [name for name, counts in of["parameters"].items() if len(counts) > 1]
    starts, end = _starts(of, varying)
    label = f"{of['operation']}: {met:,} of {pairs:,} pairs of classes were met"
    size = LABEL + end + 6, LABEL + end + 6
    return picture(*size, label, *_labels(starts), *_cells(of, starts))


def _starts(of: Data, varying: Sequence[str]) -> tuple[dict[str, tuple[float, float]], float]:
    """Where the classes of each parameter begin and end."""
    starts, at = {}, 0.0
    for name in varying:
        length = CELL * len(of["parameters"][name])
        starts[name] = (at, at + length)
        at += length + GAP
    return starts, at


def _labels(starts: Mapping[str, tuple[float, float]]) -> Iterator[Markup]:
    names = list(starts)
    for name in names[:-1]:
        middle = LABEL + sum(starts[name]) / 2 + 4
        yield element("text", name, x=LABEL - 8, y=f"{middle:g}", class_="label end")
    for name in names[1:]:
        x, y = LABEL + sum(starts[name]) / 2 + 4, LABEL - 8
        yield element("text", name, x=f"{x:g}", y=y, transform=f"rotate(-60 {x:g} {y})", class_="label")


def _cells(of: Data, starts: Mapping[str, tuple[float, float]]) -> Iterator[Markup]:
    """One path for each shade: a dashed line for cells that follow each other, and dots where no case was."""
    lines: dict[str, list[str]] = {}
    for pair in of["pairs"]:
        top, left = LABEL + starts[pair["first"]][0], LABEL + starts[pair["second"]][0]
        for row, counts in enumerate(pair["counts"]):
            column, y = 0, top + row * CELL + CELL / 2
            for name, run in itertools.groupby(map(shade, counts)):
                length = len(list(run))
                lines.setdefault(name, []).append(f"M{left + column * CELL:g} {y:g}h{length * CELL - 1}")
                column += length
    for name, of_shade in sorted(lines.items()):
        yield element("path", d="".join(of_shade), class_=f"heat {name}")
