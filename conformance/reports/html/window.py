"""A drawing of one window over its image: taps, padding, stride, dilation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from conformance.cases import Case
from conformance.operations.windows import AXES
from conformance.reports.html.geometry import ROW, Axis, axes_of
from conformance.reports.html.svg import element, picture, squares

CELL, LEFT, TOP = 22, 30, 20  # pixels of the picture
TOLD = 6  # pixels that a sentence names

_Shape = Callable[[Sequence[tuple[float, float]]], Iterator[Markup]]


@dataclass(frozen=True)
class Drawing:
    """The picture, what it shows in a sentence, and the words for the marks that it has."""

    svg: Markup
    sentence: str
    legend: Sequence[tuple[str, str]]


def drawing_of(
    case: Case, output: str, place: Sequence[int] | None, taps: Mapping[str, Any] | None = None
) -> Drawing | None:
    """Of three axes the last two; None of a case that PyTorch refuses, or that has no window.

    taps   what a window that was read out does with each pixel: it is that window then, but of three axes
    """
    taps = taps if taps and case.dimensions <= len("hw") else None
    if case.problem or min(case.windows) < 1 or min(case.plane) < 1:
        return None
    if not (axes := axes_of(case, output, (taps or {}).get("window", place))):
        return None
    rows, columns = [ROW, *axes][-2:]
    read = _read(taps) if taps else {}
    marks, places = list(_marks(rows, columns, read)), _Places(rows.pixels, columns.pixels)
    drawn = [*_indices(places, len(axes) > 1), *(piece for mark in marks for piece in mark.drawn(places))]
    size = LEFT + len(places.x) * CELL + 4, TOP + len(places.y) * CELL + 4
    sentence = "; ".join([_sentence(case, axes), *_told(taps or {})])
    return Drawing(picture(*size, sentence, *drawn), sentence, [(mark.kind, mark.words) for mark in marks])


@dataclass(frozen=True)
class _Places:
    """Where pixels of an image are in the picture."""

    y: range
    x: range

    def of(self, pixels: Iterable[tuple[int, int]]) -> list[tuple[float, float]]:
        inside = ((row, column) for row, column in pixels if row in self.y and column in self.x)
        return [(LEFT + (c - self.x.start) * CELL, TOP + (r - self.y.start) * CELL) for r, c in inside]

    def frame(self, rows: Sequence[int], columns: Sequence[int]) -> tuple[float, float, float, float] | None:
        """The rectangle around taps, as far as it is drawn."""
        if not rows or not columns:
            return None
        y = max(rows[0], self.y.start), min(rows[-1], self.y.stop - 1)
        x = max(columns[0], self.x.start), min(columns[-1], self.x.stop - 1)
        if y[0] > y[1] or x[0] > x[1]:
            return None
        ((left, top),) = self.of([(y[0], x[0])])
        return left, top, (x[1] - x[0] + 1) * CELL, (y[1] - y[0] + 1) * CELL


@dataclass(frozen=True)
class _Mark:
    """Pixels that look alike: a class of the style sheet, what they are in words, and their shape."""

    kind: str
    words: str
    pixels: Sequence[tuple[int, int]] = ()
    frames: Sequence[tuple[Sequence[int], Sequence[int]]] = ()

    def drawn(self, places: _Places) -> Iterator[Markup]:
        if shapes := list(_SHAPES[self.kind](places.of(self.pixels))):
            yield element("g", element("title", self.words), *shapes)
        for rows, columns in self.frames:
            if frame := places.frame(rows, columns):
                x, y, width, height = frame
                yield element("rect", x=x, y=y, width=width, height=height, class_=f"window {self.kind}")


def _squares(kind: str, inset: float = 0.0) -> _Shape:
    def drawn(places: Sequence[tuple[float, float]]) -> Iterator[Markup]:
        inside = ((x + inset, y + inset) for x, y in places)
        if places:
            yield element(
                "path", d=squares(inside, CELL - 2 * inset, CELL - 2 * inset), class_=f"pixel {kind}"
            )

    return drawn


def _crosses(kind: str) -> _Shape:
    def drawn(places: Sequence[tuple[float, float]]) -> Iterator[Markup]:
        if places:
            strokes = (f"M{x + 7:g} {y + 15:g}l8 -8" for x, y in places)
            yield element("path", d="".join(strokes), class_=f"stroke {kind}")

    return drawn


def _lines(kind: str, path: str) -> _Shape:
    """The same path in every pixel: what tells taps apart without a colour."""

    def drawn(places: Sequence[tuple[float, float]]) -> Iterator[Markup]:
        if places:
            moves = (f"M{x:g} {y:g}{path}" for x, y in places)
            yield element("path", d="".join(moves), class_=f"tap {kind}")

    return drawn


def _circles(kind: str, radius: float) -> _Shape:
    def drawn(places: Sequence[tuple[float, float]]) -> Iterator[Markup]:
        for x, y in places:
            yield element("circle", cx=x + CELL / 2, cy=y + CELL / 2, r=radius, class_=f"tap {kind}")

    return drawn


_SHAPES: dict[str, _Shape] = {
    "image": _squares("image"),
    "padding": _squares("padding"),
    "unread": _crosses("unread"),
    "inside": _circles("inside", 6),
    "outside": _circles("outside", 6),
    "missing": _lines("missing", "m5 5l12 12m0 -12l-12 12"),
    "foreign": _lines("foreign", "m11 3l8 8l-8 8l-8 -8z"),
    "otherwise": _lines("otherwise", "m11 4l7.5 13h-15z"),
    "marked": _squares("marked", 2),
    "this": lambda places: iter(()),
    "next": lambda places: iter(()),
}


READ = {  # what a window that was read out does with a pixel, and in words
    "missing": "a tap that is missing",
    "foreign": "read, and no tap of the window",
    "otherwise": "read by another tap, or another number of times",
}


def _read(taps: Mapping[str, Any]) -> dict[str, list[tuple[int, int]]]:
    """The pixels that are not read as they should be, of one axis in row 0."""
    return {kind: [(0, *pixel)[-2:] for pixel in taps[kind]] for kind in READ}


def _told(taps: Mapping[str, Any]) -> Iterator[str]:
    for kind, words in READ.items():
        if pixels := taps.get(kind):
            places = ", ".join(f"({', '.join(map(str, pixel))})" for pixel in pixels[:TOLD])
            more = f" and {len(pixels) - TOLD} more" if len(pixels) > TOLD else ""
            yield f"{words}: {places}{more}"


def _marks(rows: Axis, columns: Axis, read: Mapping[str, Sequence[tuple[int, int]]]) -> Iterator[_Mark]:
    """Everything that is drawn, what is behind first."""
    every = [(row, column) for row in rows.pixels for column in columns.pixels]
    image = {(r, c) for r, c in every if 0 <= r < rows.extent and 0 <= c < columns.extent}
    unread = [(r, c) for r, c in sorted(image) if r not in rows.read or c not in columns.read]
    drawn = [tap for tap in columns.taps if tap in columns.pixels]
    taps = [(row, column) for row in rows.taps if row in rows.pixels for column in drawn]
    nexts = [(rows.taps, columns.following), (rows.following, columns.taps)]
    marked = rows.marked is not None and columns.marked is not None and len(image) > 1
    for kind, words, pixels in (
        ("image", "a pixel", sorted(image)),
        ("padding", "padding", [pixel for pixel in every if pixel not in image]),
        ("unread", "no window reads it", unread),
    ):
        yield from [_Mark(kind, words, pixels)] if pixels else []
    if frames := [frame for frame in nexts if all(frame)]:
        yield _Mark("next", "the next window, along each axis", frames=frames)
    yield _Mark("this", "the window", frames=[(rows.taps, columns.taps)])
    wrong = {pixel for pixels in read.values() for pixel in pixels}
    for kind, words, pixels in (
        ("inside", "a tap of the window", [tap for tap in taps if tap in image and tap not in wrong]),
        *((kind, READ[kind], list(pixels)) for kind, pixels in read.items()),
        ("outside", "a tap in the padding", [tap for tap in taps if tap not in image]),
        ("marked", "where it is wrong", [(rows.marked or 0, columns.marked or 0)] if marked else []),
    ):
        yield from [_Mark(kind, words, pixels)] if pixels else []


def _indices(places: _Places, with_rows: bool) -> Iterator[Markup]:
    """The numbers of rows and columns; the padding has none."""
    for column in places.x:
        ((x, _),) = places.of([(places.y.start, column)])
        yield element("text", column, x=x + CELL / 2, y=TOP - 6, class_="index middle")
    for row in places.y if with_rows else ():
        ((_, y),) = places.of([(row, places.x.start)])
        yield element("text", row, x=LEFT - 6, y=y + CELL / 2 + 4, class_="index end")


def _sentence(case: Case, axes: Sequence[Axis]) -> str:
    """What is drawn, in words and numbers."""
    where = "answer" if case.family.adjoint else "image"
    number = ", ".join(str(axis.window) for axis in axes)
    letters = AXES[case.dimensions]
    parts = [f"{where} {_by(case.plane)}", f"{case.family.window} {_by(len(axis.taps) for axis in axes)}"]
    if case.family.has_kernel:
        parts.append(f"stride {_by(case.strides)}")
        parts += [f"padding {_padding(axes)}"] if any(any(axis.pads) for axis in axes) else []
        parts += [f"dilation {_by(case.dilations)}"] if set(case.dilations) != {1} else []
    parts.append(f"drawn: the window at ({number}) of ({', '.join(letters)})")
    if len(axes) > len("hw"):
        parts.append(f"one plane of its {letters[0]} axis")
    return "; ".join(parts)


def _by(numbers: Iterable[int]) -> str:
    return " \N{MULTIPLICATION SIGN} ".join(map(str, numbers))


def _padding(axes: Sequence[Axis]) -> str:
    """One number an axis, two where it differs before and after."""
    written = (
        str(low) if low == high else f"{low} before and {high} after" for low, high in (a.pads for a in axes)
    )
    return ", ".join(written)
