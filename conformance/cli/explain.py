"""conformance explain: what a word of a report means."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from conformance.cli.shared import console, show, wrong_usage

if TYPE_CHECKING:
    from conformance.reports.lines import Line

WIDEST = 100  # columns of a page on a terminal


def _begun(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """What a shell completes: a word of several words has hyphens between them."""
    from conformance.explanations import KINDS

    every = (word.replace(" ", "-") for words in KINDS.values() for word in words)
    return [word for word in every if word.startswith(begun)]


@click.command("explain")
@click.argument("word", nargs=-1, shell_complete=_begun)
def command(word: tuple[str, ...]) -> None:
    """Say what a WORD of a report means.

    A word is the name of a requirement, an output, a finding or a term of the report, such as exhausted or looks
    like. Capitals and quotes do not matter: conformance explain out of memory. Without a WORD, all are listed.
    """
    if not word:
        show(console(), _listed())
        return
    from conformance.explanations import explanation

    with wrong_usage():
        page = explanation(_meant(" ".join(word)))
    if not sys.stdout.isatty():
        click.echo(page, nl=False)
        return
    from rich.markdown import Markdown
    from rich.theme import Theme

    out = console()
    out.push_theme(Theme({"markdown.code": "bold"}))  # not on black: a terminal may be light
    out.print(Markdown(page, code_theme="ansi_dark"), width=min(out.width, WIDEST))


def _listed() -> Iterator[Line]:
    """What there is, a kind a paragraph."""
    from conformance.explanations import KINDS

    for kind, words in KINDS.items():
        yield [(kind, "head")]
        yield from ([(f"  {word}", "")] for word in words)


def _meant(given: str) -> str:
    """The word whose page explains what is given, however that is written: of one or of several."""
    from conformance.explanations import KINDS, MEANT
    from conformance.usage import require

    of = {word: word for words in KINDS.values() for word in words} | MEANT
    known = {_plain(said): word for said, word in of.items()}
    written = _plain(given)
    found = known.get(written) or known.get(written.removesuffix("s"), "")
    if not found:
        require("word of a report", given.strip().lower(), list(of))
    return found


def _plain(word: str) -> str:
    return " ".join(word.lower().replace("-", " ").replace("_", " ").split())
