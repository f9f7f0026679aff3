"""Text as lines of styled pieces, which print with colour, plainly, and in pytest alike."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterator, Sequence

Line = list[tuple[str, str]]  # pieces of text, each with a word of STYLES
STYLES = {"good": "green", "bad": "bold red", "odd": "yellow", "dim": "dim", "head": "bold", "": ""}
NARROWEST = 30  # columns that a text is wrapped to, however little room there is


def plain(line: Line) -> str:
    return "".join(text for text, _ in line)


def printable(text: str, kept: str = "") -> str:
    """Text of the subject's making, with what would drive a terminal or turn the text around it written out."""
    return "".join(c if c.isprintable() or c in kept else c.encode("unicode_escape").decode() for c in text)


def plural(count: int, noun: str, several: str = "") -> str:
    return f"{count:,} {noun if count == 1 else several or f'{noun}s'}"


def wrapped(label: str, text: str, width: int, style: str = "") -> Iterator[Line]:
    """A text beside its label: over as many lines as it needs, all of them beginning where the first does."""
    rows = textwrap.wrap(text, max(width - len(label), NARROWEST), break_on_hyphens=False) or [""]
    yield [(label, style), (rows[0], "")]
    for row in rows[1:]:
        yield [(" " * len(label) + row, "")]


def broken(line: Line, width: int) -> Iterator[Line]:
    """A line, broken between words where it is too wide; each piece keeps its style."""
    text, end = plain(line), 0
    styles = [style for piece, style in line for _ in piece]
    for row in textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False):
        start = text.index(row, end)
        end = start + len(row)
        pieces = itertools.groupby(zip(row, styles[start:end], strict=True), key=lambda each: each[1])
        yield [("".join(letter for letter, _ in letters), style) for style, letters in pieces]


def columns(rows: Sequence[Sequence[Line]], least: Sequence[int]) -> Iterator[Line]:
    """Cells one below the other, in columns as wide as what they hold and at least so wide."""
    widths = [max(n, *map(_length, column)) for n, column in zip(least, zip(*rows, strict=True), strict=True)]
    for row in rows:
        yield _padded(row, widths)


def _length(line: Line) -> int:
    return len(plain(line))


def _padded(row: Sequence[Line], widths: Sequence[int]) -> Line:
    """The cells of a row, each padded to its column; nothing after the last."""
    padded = ([*cell, (" " * (w + 2 - _length(cell)), "")] for cell, w in zip(row, widths, strict=True))
    pieces = [piece for cell in padded for piece in cell]
    while not pieces[-1][0].strip():
        pieces.pop()
    return pieces
