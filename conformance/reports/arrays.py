"""Arrays as text: planes when small, got and expected side by side with the bound, and where they differ."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from conformance.cases.arrays import Array
from conformance.kernels.answer import Answer
from conformance.reports.lines import Line, plain
from conformance.verdicts.judgement import beyond, number, written_shape

SMALL = 200  # elements that are printed
WORST = 8  # elements listed of an array that is not small
MARGIN, BETWEEN = "    ", "   "  # before blocks, and between those that stand side by side


class _Block(NamedTuple):
    title: str
    rows: list[Line]

    @property
    def width(self) -> int:
        return max([len(self.title) + 1, *(len(plain(row)) for row in self.rows)])


def array_lines(name: str, array: Array) -> Iterator[Line]:
    """An array: its shape, dtype and strides where they are not plain, and its planes when small."""
    strides = "" if array.flags.c_contiguous else f", strides {array.strides}"
    yield [(name, "head"), (f" {written_shape(array)} {array.dtype.name}{strides}", "")]
    if array.size > SMALL:
        numbers, of = (np.abs(array), "of magnitudes ") if array.dtype.kind == "c" else (array, "")
        between = f"{of}from {number(numbers.min())} to {number(numbers.max())}"
        yield [(f"{MARGIN}not shown: {array.size:,} elements {between}", "dim")]
    elif array.size:
        for index, plane in _planes(array):
            yield from _indented([_Block(_index(index) if index else "", _rows(plane))])


def answer_lines(got: Answer, expected: Array, bound: Array | None, width: int) -> Iterator[Line]:
    """What was got beside what was expected; elements beyond the bound are marked with *."""
    if not isinstance(got, np.ndarray) or got.shape != expected.shape:
        return _apart(got, expected)
    limit = np.broadcast_to(np.zeros(()) if bound is None else bound, expected.shape)
    wrong = beyond(got, expected, limit)
    if expected.size > SMALL:
        return _first_differences(got, expected, limit, wrong)
    return _side_by_side(got, expected, limit, wrong, width)


def _apart(got: Answer, expected: Array) -> Iterator[Line]:
    """What cannot be compared element by element: each by itself."""
    if isinstance(got, np.ndarray) and got.size <= SMALL:
        yield from array_lines("got", got)
    if expected.size <= SMALL:
        yield from array_lines("expected", expected)


def _first_differences(got: Array, expected: Array, limit: Array, wrong: Array) -> Iterator[Line]:
    count = int(wrong.sum())
    first = ", the first of them:" if count else ""
    yield [(f"{MARGIN}{count:,} of {wrong.size:,} elements differ{first}", "")]
    for at in itertools.islice(zip(*np.nonzero(wrong), strict=True), WORST):
        index: tuple[int, ...] = tuple(int(i) for i in at)
        values = f"got {number(got[index])}  expected {number(expected[index])}  bound {number(limit[index])}"
        yield [(f"{MARGIN}{_index(index)}  {values}", "")]


def _side_by_side(got: Array, expected: Array, limit: Array, wrong: Array, width: int) -> Iterator[Line]:
    bounded = bool(limit.any())
    for index, plane in _planes(expected):
        where: Any = (*index, ...)
        blocks = [
            _Block("got", _rows(np.atleast_2d(got[where]), np.atleast_2d(wrong[where]))),
            _Block("expected", _rows(plane)),
        ]
        if bounded:
            blocks.append(_Block("bound", _rows(np.atleast_2d(limit[where]), digits=".1e")))
        if index:
            yield [(f"{MARGIN}{_index(index)}", "dim")]
        yield from _beside(blocks, width)


def _planes(array: Array) -> Iterator[tuple[tuple[int, ...], Array]]:
    """The last two axes, for each index of the others."""
    if array.ndim < 3:
        yield (), np.atleast_2d(array)
        return
    for index in np.ndindex(array.shape[:-2]):
        yield tuple(index), array[index]


def _rows(plane: Array, wrong: Array | None = None, digits: str = "") -> list[Line]:
    """A plane as rows of equally wide numbers, those that are wrong marked."""
    texts = [[f"{value:{digits}}" if digits else number(value) for value in row] for row in plane]
    widest = max((len(text) for row in texts for text in row), default=0)
    marks = np.zeros(plane.shape, bool) if wrong is None else wrong
    return [
        [
            (f"{'*' if mark else ' '}{text}".rjust(widest + 1), "bad" if mark else "")
            for text, mark in zip(row, bad, strict=True)
        ]
        for row, bad in zip(texts, marks, strict=True)
    ]


def _beside(blocks: Sequence[_Block], width: int) -> Iterator[Line]:
    """Blocks side by side, or one under the other where the width does not hold them."""
    needed = len(MARGIN) + sum(block.width for block in blocks) + len(BETWEEN) * (len(blocks) - 1)
    for group in [blocks] if needed <= width else [[block] for block in blocks]:
        yield from _indented(group)


def _indented(blocks: Sequence[_Block]) -> Iterator[Line]:
    if any(block.title for block in blocks):
        titles = BETWEEN.join(f" {block.title}".ljust(block.width) for block in blocks)
        yield [(f"{MARGIN}{titles.rstrip()}", "dim")]
    for rows in zip(*(block.rows for block in blocks), strict=True):
        line: Line = [(MARGIN, "")]
        for place, (row, block) in enumerate(zip(rows, blocks, strict=True), 1):
            line += row
            if place < len(rows):
                line.append((" " * (block.width - len(plain(row))) + BETWEEN, ""))
        yield line


def _index(index: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, index))}]"
