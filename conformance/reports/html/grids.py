"""Pictures of planes of numbers: what was got, what was expected, and how far they are apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from conformance.cases.arrays import Array
from conformance.reports.html.answers import Plane, written
from conformance.reports.html.svg import element, picture, squares

ROWS, COLUMNS = 12, 12  # of a plane whose numbers are printed
MOST = 40  # rows and columns of a picture: of a larger plane it shows those around the worst element
MARGIN, HEIGHT, SMALL, DIGIT = 30, 26, 12, 7.3  # pixels


@dataclass(frozen=True)
class Grid:
    """Cells with a shade each.

    texts    what is printed in them, where that is wanted
    shades   a CSS class each
    wrong    which are wrong; worst: the one that is most so
    first    the row and the column that the first cell has in the whole plane
    """

    texts: Sequence[Sequence[str]]
    shades: Sequence[Sequence[str]]
    wrong: Array
    worst: tuple[int, int] | None
    first: tuple[int, int]
    width: float
    height: float


def comparison(plane: Plane) -> Iterator[tuple[str, Markup]]:
    """Three pictures with their titles: got, expected, error; each shows the same cells."""
    rows, columns = (_around(place, n) for place, n in zip(plane.worst, plane.expected.shape, strict=True))
    cut = np.ix_(range(*rows), range(*columns))
    got, expected, share = plane.got[cut], plane.expected[cut], plane.share[cut]
    wrong = share > 1
    bounded = bool((plane.bound[cut] > 0).any())
    error = share if bounded else plane.error[cut]
    title = "error, as a share of what rounding explains" if bounded else "error; rounding explains none"
    top = _largest(got, expected)
    worst = plane.worst[0] - rows[0], plane.worst[1] - columns[0]
    first = rows[0], columns[0]
    for name, values, shades in (
        ("got", got, [[_of_value(v, top) for v in row] for row in got.tolist()]),
        ("expected", expected, [[_of_value(v, top) for v in row] for row in expected.tolist()]),
        (title, error, _of_errors(error, wrong)),
    ):
        yield name, _drawn(name, values, shades, wrong, worst, first)


def alone(name: str, plane: Array) -> Markup:
    """A picture of one plane."""
    plane = plane[:MOST, :MOST]
    top = _largest(plane)
    shades = [[_of_value(v, top) for v in row] for row in plane.tolist()]
    return _drawn(name, plane, shades, np.zeros(plane.shape, bool), None, (0, 0))


def _around(place: int, extent: int) -> tuple[int, int]:
    start = max(0, min(place - MOST // 2, extent - MOST))
    return start, min(extent, start + MOST)


def _largest(*planes: Array) -> float:
    sizes = [np.abs(plane[np.isfinite(plane)]).max(initial=0) for plane in planes]
    return float(max(sizes))


def _of_value(value: float | complex, top: float) -> str:
    """Four shades of numbers below 0 and four of those above."""
    if not np.isfinite(value):
        return "odd"
    real = value.real if isinstance(value, complex) else value
    level = min(4, int(np.ceil(4 * abs(real) / top))) if top else 0
    return f"{'n' if real < 0 else 'p'}{level}" if level else "z"


def _of_errors(error: Array, wrong: Array) -> list[list[str]]:
    """What is wrong in red, the more the deeper; what is within the bound pale."""
    finite = error[np.isfinite(error)]
    top = float(finite.max(initial=0))
    return [
        [_of_error(e, w, top) for e, w in zip(*row, strict=True)]
        for row in zip(error.tolist(), wrong, strict=True)
    ]


def _of_error(error: float, wrong: bool, top: float) -> str:
    if not wrong:
        return "z" if error == 0 else "s1"
    return "e3" if not np.isfinite(error) or error > top / 2 else "e2" if error > top / 8 else "e1"


def _drawn(
    name: str,
    values: Array,
    shades: Sequence[Sequence[str]],
    wrong: Array,
    worst: tuple[int, int] | None,
    first: tuple[int, int],
) -> Markup:
    rows, columns = values.shape
    printed = rows <= ROWS and columns <= COLUMNS
    texts = [[written(v) for v in row] for row in values.tolist()] if printed else []
    width = (
        max(28.0, 10 + DIGIT * max((len(text) for row in texts for text in row), default=0))
        if printed
        else SMALL
    )
    grid = Grid(texts, shades, wrong, worst, first, width, HEIGHT if printed else SMALL)
    return _svg(name, grid, rows, columns)


def _svg(name: str, grid: Grid, rows: int, columns: int) -> Markup:
    label = (
        f"{name}, {rows} by {columns}: {int(grid.wrong.sum())} of {rows * columns} shown elements are wrong"
    )
    size = MARGIN + columns * grid.width + 2, 18 + rows * grid.height + 2
    return picture(*size, label, *_indices(grid, rows, columns), *_cells(grid), *_marks(grid))


def _at(grid: Grid, row: int, column: int) -> tuple[float, float]:
    return MARGIN + column * grid.width, 18 + row * grid.height


def _indices(grid: Grid, rows: int, columns: int) -> Iterator[Markup]:
    """The numbers of rows and columns, of many every fifth."""
    every = 1 if grid.texts else 5
    for column in _numbered(grid.first[1], columns, every):
        x, _ = _at(grid, 0, column)
        yield element(
            "text", grid.first[1] + column, x=f"{x + grid.width / 2:g}", y=12, class_="index middle"
        )
    for row in _numbered(grid.first[0], rows, every):
        _, y = _at(grid, row, 0)
        yield element(
            "text", grid.first[0] + row, x=MARGIN - 6, y=f"{y + grid.height / 2 + 4:g}", class_="index end"
        )


def _numbered(first: int, count: int, every: int) -> Iterable[int]:
    return (i for i in range(count) if (first + i) % every == 0)


def _cells(grid: Grid) -> Iterator[Markup]:
    """One path for each shade, then the texts."""
    places: dict[str, list[tuple[float, float]]] = {}
    for row, shades in enumerate(grid.shades):
        for column, shade in enumerate(shades):
            places.setdefault(shade, []).append(_at(grid, row, column))
    for shade, of in places.items():
        yield element("path", d=squares(of, grid.width, grid.height), class_=f"cell {shade}")
    for row, texts in enumerate(grid.texts):
        for column, text in enumerate(texts):
            x, y = _at(grid, row, column)
            middle = f"{x + grid.width / 2:g}"
            yield element("text", text, x=middle, y=f"{y + grid.height / 2 + 4:g}", class_="value middle")


def _marks(grid: Grid) -> Iterator[Markup]:
    """A frame and a corner for each wrong cell, so that colour is not needed; a second frame for the worst."""
    places = [_at(grid, int(row), int(column)) for row, column in np.argwhere(grid.wrong)]
    inside = ((x + 1.5, y + 1.5) for x, y in places)
    if places:
        yield element("path", d=squares(inside, grid.width - 3, grid.height - 3), class_="frame")
        corner = min(8, grid.height - 4)
        yield element(
            "path",
            d="".join(f"M{x + 1:g} {y + 1:g}h{corner:g}l{-corner:g} {corner:g}z" for x, y in places),
            class_="corner",
        )
    if grid.worst is not None and grid.wrong.any():
        x, y = _at(grid, *grid.worst)
        yield element("path", d=squares([(x - 1, y - 1)], grid.width + 2, grid.height + 2), class_="worst")
