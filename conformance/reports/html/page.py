"""The page: what its template is given, and how that is rendered."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from conformance.cases.scope import Exhausted
from conformance.reports import brief, text
from conformance.reports.html import coverage, measures
from conformance.reports.html.coverage import Map
from conformance.reports.html.findings import Shown, figures_of, shown_of
from conformance.reports.html.limits import limits
from conformance.reports.html.matrix import asks, matrices
from conformance.reports.html.svg import shown
from conformance.reports.html.words import words
from conformance.reports.lines import Line, plain
from conformance.verdicts.certificate import Certificate
from conformance.verdicts.verdict import Numbers

TEMPLATES = Path(__file__).parent / "templates"
MOST = 2_000_000  # characters of a page
ROOMS = (1_000_000, 500_000, 200_000, 0)  # of it for figures, and for coverage: tried one after the other
UNBROKEN = 1_000_000  # columns: the browser breaks lines
_TONES = {"conforms": "good", "differs": "bad"}


def page(data: Mapping[str, Any]) -> str:
    """The whole page in ASCII, so that no encoding is to be guessed; one script, which alone may run.

    ValueError or KeyError where the data lacks something.
    """
    figures, maps, written = [figures_of(each) for each in data["failures"]], coverage.maps(data), ""
    for room in ROOMS:
        findings = shown_of(data["failures"], figures, room)
        written = _page(data, findings, list(coverage.within(maps, room)))
        if len(written) < MOST:
            break
    return written


def _page(data: Mapping[str, Any], findings: Sequence[Shown], maps: Sequence[Map]) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, UndefinedError
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES, encoding="utf-8"), autoescape=True, finalize=shown,
        trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined,
    )  # fmt: skip
    parts = {name: Markup((TEMPLATES / name).read_text(encoding="utf-8")) for name in ("page.css", "page.js")}
    digest = _digest(parts["page.js"])
    try:
        written = environment.get_template("page.html").render(
            style=parts["page.css"], script=parts["page.js"], digest=digest, **_context(data, findings, maps)
        )
    except UndefinedError as error:
        raise ValueError(error.message) from None
    return written.encode("ascii", "xmlcharrefreplace").decode()


def _digest(script: str) -> str:
    """How the page's policy names the script that it allows."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _context(data: Mapping[str, Any], findings: Sequence[Shown], maps: Sequence[Map]) -> dict[str, Any]:
    rows, explained = data["rows"], words(data)
    return {
        "data": data,
        "words": explained,
        "meaning": {word.name: word.anchor for word in explained},
        "tone": _TONES.get(data["verdict"], "odd"),
        "counted": brief.counted(data),
        "limits": limits(data),
        "matrices": matrices(data, findings),
        "asks": asks,
        "findings": findings,
        "place": brief.place,
        "accuracies": measures.accuracies(data),
        "times": {by: measures.times(data, by) for by in ("requirement", "operation")},
        "exhausted": _sentences(text.exhausted([Exhausted(**each) for each in data["exhausted"]], UNBROKEN)),
        "certified": _sentences(
            text.certified([Certificate(**each) for each in data["certified"]], UNBROKEN)
        ),
        "numbers": _sentences(text.numbers([Numbers(**each) for each in data["numbers"]], UNBROKEN)),
        "sampled": _sampled(data),
        "maps": maps,
        "choices": {
            name: list(dict.fromkeys(row[name] for row in rows))
            for name in ("operation", "output", "requirement")
        },
    }


def _sentences(lines: Iterable[Line]) -> list[tuple[str, str]]:
    """The lines of a text below its heading: the operation that each is about, and what is said of it."""
    below = [plain(line).strip().partition(": ") for line in lines][1:]
    return [(operation, said) for operation, _, said in below]


def _sampled(data: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """How many cases each requirement judged, all operations and dtypes together."""
    counts: dict[str, int] = {}
    for (_, requirement, _), rows in brief.by_unit(data).items():
        counts[requirement] = counts.get(requirement, 0) + max(row["cases"] for row in rows)
    yield from counts.items()
