"""A case, shown: its arrays when small, got and expected side by side, the bound, and where they differ."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from conformance.cases.arrays import Array
from conformance.kernels.answer import Answer
from conformance.verdicts.judgement import number
from conformance.verdicts.report import Line

SMALL = 200  # elements that are printed
WORST = 8  # elements listed of an array that is not small

Block = tuple[str, list[Line], int]  # title, rows, width


def array_lines(name: str, array: Array) -> Iterator[Line]:
    """An array: its shape, dtype and strides where they are not plain, and its planes when small."""
    strides = "" if array.flags.c_contiguous else f", strides {array.strides}"
    yield [(name, "head"), (f" {_shape(array)} {array.dtype.name}{strides}", "")]
    if array.size > SMALL:
        between = f"from {number(array.min())} to {number(array.max())}"
        yield [(f"    not shown: {array.size:,} elements {between}", "dim")]
    elif array.size:
        for index, rows in _planes(array):
            yield from _indented([_block(_index(index) if index else "", _rows(rows, rows.dtype.kind, None))])


def answer_lines(got: Answer, expected: Array, bound: Array | None, width: int) -> Iterator[Line]:
    """What was got beside what was expected; elements beyond the bound are marked with *."""
    if not isinstance(got, np.ndarray) or got.shape != expected.shape:
        if isinstance(got, np.ndarray) and got.size <= SMALL:
            yield from array_lines("got", got)
        if expected.size <= SMALL:
            yield from array_lines("expected", expected)
        return
    limit = np.broadcast_to(np.zeros(()) if bound is None else bound, expected.shape)
    wrong = beyond(got, expected, limit)
    if expected.size > SMALL:
        yield from _worst(got, expected, limit, wrong)
        return
    bounded = bool(limit.any())
    for index, there in _planes(expected):
        where: Any = (*index, ...)
        blocks = [
            _block("got", _rows(np.atleast_2d(got[where]), got.dtype.kind, np.atleast_2d(wrong[where]))),
            _block("expected", _rows(there, "f", None)),
        ]
        if bounded:
            blocks.append(_block("bound", _rows(np.atleast_2d(limit[where]), "b", None)))
        if index:
            yield [(f"    {_index(index)}", "dim")]
        yield from _beside(blocks, width)


def beyond(got: Array, expected: Array, limit: Array) -> Array:
    """Which elements are off by more than the bound."""
    with np.errstate(all="ignore"):
        off = ~(np.abs(got.astype(np.float64) - expected) <= limit)
    wrong: Array = off & (got != expected) & ~(np.isnan(got) & np.isnan(expected))
    return wrong


def _worst(got: Array, expected: Array, limit: Array, wrong: Array) -> Iterator[Line]:
    count = int(wrong.sum())
    yield [
        (f"    {count:,} of {wrong.size:,} elements differ" + (", the first of them:" if count else ""), "")
    ]
    for at in itertools.islice(zip(*np.nonzero(wrong), strict=True), WORST):
        index: tuple[int, ...] = tuple(int(i) for i in at)
        values = f"got {number(got[index])}  expected {number(expected[index])}  bound {number(limit[index])}"
        yield [(f"    {_index(index)}  {values}", "")]


def _planes(array: Array) -> Iterator[tuple[tuple[int, ...], Array]]:
    """The last two axes, for each index of the others."""
    if array.ndim < 3:
        yield (), np.atleast_2d(array)
        return
    for index in np.ndindex(array.shape[:-2]):
        yield tuple(index), array[index]


def _rows(plane: Array, kind: str, wrong: Array | None) -> list[Line]:
    """A plane as rows of equally wide numbers."""
    texts = [[_write(value, kind) for value in row] for row in plane]
    widest = max((len(text) for row in texts for text in row), default=0)
    marks = np.zeros(plane.shape, bool) if wrong is None else wrong
    return [
        [
            ((("*" if mark else " ") + text).rjust(widest + 1), "bad" if mark else "")
            for text, mark in zip(row, bad, strict=True)
        ]
        for row, bad in zip(texts, marks, strict=True)
    ]


def _write(value: float, kind: str) -> str:
    return f"{value:.1e}" if kind == "b" else number(value)


def _block(title: str, rows: list[Line]) -> Block:
    return title, rows, max([len(title) + 1, *(_length(row) for row in rows)])


def _length(line: Line) -> int:
    return sum(len(text) for text, _ in line)


def _beside(blocks: Sequence[Block], width: int) -> Iterator[Line]:
    """Blocks side by side, or one under the other where the width does not hold them."""
    if 4 + sum(w for _, _, w in blocks) + 3 * (len(blocks) - 1) > width:
        for block in blocks:
            yield from _indented([block])
        return
    yield from _indented(blocks)


def _indented(blocks: Sequence[Block]) -> Iterator[Line]:
    if any(title for title, _, _ in blocks):
        titles = "   ".join((" " + title).ljust(w) for title, _, w in blocks)
        yield [("    " + titles.rstrip(), "dim")]
    for rows in zip(*(rows for _, rows, _ in blocks), strict=True):
        line: Line = [("    ", "")]
        for place, (row, (_, _, w)) in enumerate(zip(rows, blocks, strict=True), 1):
            line += row
            if place < len(rows):
                line.append((" " * (w - _length(row) + 3), ""))
        yield line


def _index(index: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, index))}]"


def _shape(array: Array) -> str:
    return f"({', '.join(map(str, array.shape))}{',' if array.ndim == 1 else ''})"
