"""What the words of a page mean: the explanation of each that stands in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from conformance.explanations import KINDS, file_of
from conformance.reports.brief import every_failure

if TYPE_CHECKING:
    from markdown_it.token import Token

LOWER = 2  # levels that the headings of an explanation stand below those of its own page


@dataclass(frozen=True)
class Word:
    """A word, where its explanation stands in the page, and that as HTML."""

    name: str
    anchor: str
    html: Any


def words(data: Mapping[str, Any]) -> list[Word]:
    """Those that stand in the page, as far as this version knows them, in the order of the explanations."""
    there = set(_said(data))
    names = [word for kind in KINDS.values() for word in kind if word in there]
    return [Word(name, anchor_of(name), _html(name, names)) for name in names]


def anchor_of(name: str) -> str:
    return f"word-{name.replace(' ', '-').replace('_', '-')}"


def _said(data: Mapping[str, Any]) -> Iterator[str]:
    for row in data["rows"]:
        yield from (row["requirement"], row["output"], row["verdict"])
    yield from (failure["status"] for failure in every_failure(data["failures"]))
    yield from (word for word, there in THERE.items() if there(data))
    yield data["verdict"]


THERE: Mapping[
    str, Callable[[Mapping[str, Any]], Any]
] = {  # a word, and what its part of the page is made of
    "advice": itemgetter("advice"),
    "stale known failure": itemgetter("stale_known_failures"),
    "no case ran": lambda data: data["unreached"]["places"],
    "finding": itemgetter("failures"),
    "share of the bound": itemgetter("rows"),
    "conforms where asked": lambda data: "where asked" in data["conclusion"]["words"],
    "exhausted": itemgetter("exhausted"),
    "sampled": itemgetter("rows"),
    "coverage": itemgetter("coverage"),
    "order of sums": itemgetter("summations"),
    "baseline": itemgetter("baseline"),
}


def _html(name: str, names: Sequence[str]) -> Any:
    """The explanation without its title; links lead to the other words of the page."""
    from markdown_it import MarkdownIt
    from markupsafe import Markup

    reader = MarkdownIt("commonmark", {"html": False})
    title, _, body = file_of(name).read_text(encoding="utf-8").partition("\n")
    assert title.startswith("# ")
    known = {file_of(each).name: anchor_of(each) for each in names}
    body = re.sub(r"\[([^]]+)\]\(([\w-]+\.md)\)", lambda link: _link(link, known), body)
    tokens = [_lowered(token) for token in reader.parse(body)]
    return Markup(reader.renderer.render(tokens, reader.options, {}))


def _link(link: re.Match[str], known: Mapping[str, str]) -> str:
    """A link to a word of the page; of one that is not there the word alone."""
    text, file = link.groups()
    return f"[{text}](#{known[file]})" if file in known else str(text)


def _lowered(token: Token) -> Token:
    if token.type in ("heading_open", "heading_close"):
        token.tag = f"h{int(token.tag[1:]) + LOWER}"
    return token
