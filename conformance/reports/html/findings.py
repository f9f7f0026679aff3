"""What is told of each finding: facts, pictures, arrays, the script."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from markupsafe import Markup

from conformance.cases import Case, CaseError
from conformance.reports import brief
from conformance.reports.html import grids
from conformance.reports.html.answers import Plane, arrays_of, first_unlike, place_of, plane_of, planes
from conformance.reports.html.arrays import Table, tables_of
from conformance.reports.html.svg import clean
from conformance.reports.html.window import Drawing, drawing_of

Data = Mapping[str, Any]
SCRIPT = 20_000  # characters of a script that is shown


@dataclass(frozen=True)
class Figures:
    """What a finding is shown with.

    pictures  of the plane that is most wrong, each with its title; caption: which plane, and how much of it is wrong
    """

    pictures: Sequence[tuple[str, Markup]] = ()
    caption: str = ""
    drawing: Drawing | None = None
    arrays: Sequence[Table] = ()
    script: str = ""

    @property
    def size(self) -> int:
        drawn = sum(len(svg) for _, svg in self.pictures) + len(self.drawing.svg if self.drawing else "")
        return drawn + sum(table.size for table in self.arrays) + len(self.script)


@dataclass(frozen=True)
class Shown:
    """A finding as the page has it.

    anchor   what a link to it ends with: the same in every run that finds the mistake
    outputs, requirements   under which it is found by a filter, those of what else was seen included
    facts    each a label, a text, and whether that is to be copied
    dropped  whether it has no figures because the page would be too large
    """

    anchor: str
    failure: Data
    outputs: Sequence[str]
    requirements: Sequence[str]
    facts: Sequence[tuple[str, str, bool]]
    also: Sequence[tuple[Data, str]]
    figures: Figures
    dropped: bool


def shown_of(failures: Sequence[Data], every: Sequence[Figures], room: int) -> list[Shown]:
    """Each failure with its figures, those of the first ones as far as there is room for so many characters."""
    found = []
    for failure, figures, anchor in zip(failures, every, _anchors(failures), strict=True):
        fits = figures.size <= room
        room -= figures.size if fits else 0
        found.append(_shown(failure, anchor, figures if fits else Figures(), not fits))
    return found


def _anchors(failures: Sequence[Data]) -> Iterator[str]:
    """A name for each; the second of two that are alike gets a number."""
    seen: dict[str, int] = {}
    for failure in failures:
        anchor = f"finding-{brief.fingerprint(failure)}"
        seen[anchor] = seen.get(anchor, 0) + 1
        yield anchor if seen[anchor] == 1 else f"{anchor}-{seen[anchor]}"


def _shown(failure: Data, anchor: str, figures: Figures, dropped: bool) -> Shown:
    every = list(brief.every_failure([failure]))
    return Shown(
        anchor=anchor,
        failure=failure,
        outputs=list(dict.fromkeys(each["output"] for each in every)),
        requirements=list(dict.fromkeys(by["requirement"] for each in every for by in each["found_by"])),
        facts=list(_facts(failure)),
        also=[(each, brief.found_by(each)) for each in every[1:]],
        figures=figures,
        dropped=dropped,
    )


def _facts(failure: Data) -> Iterator[tuple[str, str, bool]]:
    for label, said in FACTS.items():
        if text := said(failure):
            yield label, text, label in _COPIED


def _likewise(failure: Data) -> str:
    """What else fails, without the words with which all of them begin."""
    common = failure["message"].partition(": ")[0] + ": "
    return "; ".join(message.removeprefix(common) for message in failure["likewise"])


def _first_case(failure: Data) -> str:
    return str(failure["first_case"]) if failure["first_case"] != failure["case"] else ""


FACTS: Mapping[str, Callable[[Data], str]] = {  # a label, and what stands behind it
    "smallest case": itemgetter("case"),
    "run it again": itemgetter("replay"),
    "looks like": itemgetter("diagnosis"),
    "where": itemgetter("where"),
    "likewise": _likewise,
    "raised at": itemgetter("raised_at"),
    "if intended": itemgetter("declaration"),
    "decides nothing": brief.excuse,
    "found by": brief.found_by,
    "first case": _first_case,
}
_COPIED = ("smallest case", "run it again", "first case")


def figures_of(failure: Data) -> Figures:
    """Whatever can be drawn; nothing of a case that this version cannot read."""
    script = failure["script"] or ""
    script = Markup("{}").format(clean(script)) if len(script) <= SCRIPT else ""
    try:
        case = Case.parse(failure["case"])
        plane = plane_of(failure, case)
    except (CaseError, ValueError, TypeError):
        return Figures(script=script)
    place = plane.place if plane else place_of(failure) or first_unlike(arrays_of(failure))
    pictures, caption = (
        (list(grids.comparison(plane)), _caption(failure, plane)) if plane else _unlike(failure)
    )
    drawing = drawing_of(case, failure["output"], place, failure.get("taps"))
    return Figures(pictures, caption, drawing, tables_of(failure), script)


def _unlike(failure: Data) -> tuple[list[tuple[str, Markup]], str]:
    """Two answers of other shapes side by side: nothing else is there to compare."""
    arrays = arrays_of(failure)
    if not {"got", "expected"} <= arrays.keys() or arrays["got"].shape == arrays["expected"].shape:
        return [], ""
    firsts = ((name, next(planes(arrays[name]), None)) for name in ("got", "expected"))
    drawn = [
        (f"{name}, shape {_shape(arrays[name].shape)}", grids.alone(name, first[1]))
        for name, first in firsts
        if first
    ]
    return drawn, "The answer has another shape than expected; this is the first plane of each."


def _caption(failure: Data, plane: Plane) -> str:
    """Which plane, and how many of its elements are wrong."""
    inner = len(plane.place) - len(plane.leading)
    index = ", ".join([*map(str, plane.leading), *[":"] * inner])
    wrong, size = int((plane.share > 1).sum()), plane.share.size
    return (
        f"{failure['output']}[{index}], the plane with the worst element; wrong in it: {wrong:,} of {size:,}."
    )


def _shape(shape: Sequence[int]) -> str:
    return f"({', '.join(map(str, shape))})"
