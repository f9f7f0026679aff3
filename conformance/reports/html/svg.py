"""Elements of a page that are made in Python: pictures. What is not Markup is escaped."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape

from conformance.reports.lines import printable

LONGEST = 1500  # characters of a text: what is longer is cut, and that is said


def element(tag: str, *inside: object, **attributes: object) -> Markup:
    """`element("rect", x=1, stroke_width=2)` is <rect x="1" stroke-width="2"></rect>; None leaves one out."""
    given = ((name.rstrip("_").replace("_", "-"), value) for name, value in attributes.items())
    written = (Markup(' {}="{}"').format(name, value) for name, value in given if value is not None)
    return Markup("<{}{}>{}</{}>").format(tag, joined(written), joined(inside), tag)


def joined(pieces: Iterable[object]) -> Markup:
    return Markup("").join(map(escape, pieces))


def picture(width: float, height: float, label: str, *inside: object) -> Markup:
    """An <svg> of this size in pixels, which a screen reader reads out as its label."""
    box = f"0 0 {width:g} {height:g}"
    return element(
        "svg", *inside, viewBox=box, width=f"{width:g}", height=f"{height:g}", role="img", aria_label=label
    )


def squares(places: Iterable[tuple[float, float]], width: float, height: float) -> str:
    """The path of rectangles of one size, which many cells of one colour take little room as."""
    return "".join(f"M{x:g} {y:g}h{width:g}v{height:g}h{-width:g}z" for x, y in places)


def clean(text: str) -> str:
    """Text of a page, which may have lines."""
    return printable(text, kept="\n\t")


def shown(value: object) -> object:
    """A value as it may stand in a page: a text clean and not too long."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    seen = clean(value[: LONGEST + 1])
    return seen if len(value) <= LONGEST else f"{seen[:-1]} ... ({len(value) - LONGEST:,} more characters)"
