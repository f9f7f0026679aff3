"""Which classes of parameters the cases met, and which together: one heat map for each operation."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup

from conformance.reports.html.svg import element, picture

Data = Mapping[str, Any]
CELL, LABEL = 9, 128  # pixels
GAP = 0.5  # cells between the classes of two parameters
LEVELS = (1, 10, 100, 1000)  # cases from which a cell is a shade darker


@dataclass(frozen=True)
class Map:
    """The classes of an operation's parameters with their counts, and a picture of each class with each other.

    met, pairs   of the pairs of classes how many were met, and how many there are
    counts       the same as plain data, which the page makes tables of two parameters from
    dropped      whether both are left out, because the page would be too large
    """

    operation: str
    cases: int
    parameters: Mapping[str, Sequence[tuple[str, int, str]]]
    met: int
    pairs: int
    svg: Markup
    counts: Mapping[str, Any]
    dropped: bool = False


def maps(data: Data) -> list[Map]:
    """One for each operation."""
    return [_map(each) for each in data["coverage"]]


def within(every: Sequence[Map], room: int) -> Iterator[Map]:
    """The same, the first ones whole, as far as there is room for so many characters."""
    for each in every:
        size = len(each.svg) + len(json.dumps(each.counts))
        fits = size <= room
        room -= size if fits else 0
        yield each if fits else replace(each, svg=Markup(""), counts={}, dropped=True)


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
    size = LABEL + end * CELL + 6
    cells = element("g", *_cells(of, starts), transform=f"translate({LABEL} {LABEL}) scale({CELL})")
    return picture(size, size, label, *_labels(starts), cells)


def _starts(of: Data, varying: Sequence[str]) -> tuple[dict[str, tuple[float, float]], float]:
    """Where the classes of each parameter begin and end, in cells."""
    starts, at = {}, 0.0
    for name in varying:
        starts[name] = (at, at + len(of["parameters"][name]))
        at = starts[name][1] + GAP
    return starts, at


def _labels(starts: Mapping[str, tuple[float, float]]) -> Iterator[Markup]:
    names = list(starts)
    middles = {name: LABEL + CELL * sum(starts[name]) / 2 + 4 for name in names}
    for name in names[:-1]:
        yield element("text", name, x=LABEL - 8, y=f"{middles[name]:g}", class_="label end")
    for name in names[1:]:
        x, y = middles[name], LABEL - 8
        yield element("text", name, x=f"{x:g}", y=y, transform=f"rotate(-60 {x:g} {y})", class_="label")


def _cells(of: Data, starts: Mapping[str, tuple[float, float]]) -> Iterator[Markup]:
    """One path for each shade: a dashed line for cells that follow each other, and dots where no case was."""
    runs: dict[str, list[tuple[float, float, int]]] = {}
    for pair in of["pairs"]:
        top, left = starts[pair["first"]][0], starts[pair["second"]][0]
        for row, counts in enumerate(pair["counts"]):
            column = 0
            for name, run in itertools.groupby(map(shade, counts)):
                length = len(list(run))
                runs.setdefault(name, []).append((left + column, top + row, length))
                column += length
    for name, of_shade in sorted(runs.items()):
        yield element("path", d="".join(_moves(of_shade)), class_=f"heat {name}")


def _moves(runs: Sequence[tuple[float, float, int]]) -> Iterator[str]:
    """Lines through the middles of cells, each from where the last one ended: short numbers take little room."""
    x, y = 0.0, -0.5
    for left, row, length in runs:
        yield f"m{left - x:g} {row - y:g}h{length}"
        x, y = left + length, row
