"""The pages beside this file: `conformance explain` prints them, and the documentation includes them.

A word of a report without a page of its own is explained by the page of another.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from conformance.operations.registry import OUTPUTS
from conformance.requirements import REQUIREMENTS
from conformance.verdicts.verdict import VERDICTS

FOLDER = Path(__file__).parent

# What a report can find: its verdicts, and what else stands in it under words of its own.
FINDINGS = (*VERDICTS, "stale known failure", "no case ran")

TERMS = (
    "finding", "share of the bound", "conforms where asked", "exhausted", "sampled", "coverage", "order of sums",
    "baseline", "no verdict",
)  # fmt: skip

KINDS: Mapping[str, Sequence[str]] = {
    "requirements": tuple(REQUIREMENTS),
    "outputs": OUTPUTS,
    "findings": FINDINGS,
    "terms": TERMS,
}

_OTHERWISE = {  # a word that has a page: what a report says for it, or tells on its page
    "conforms": ("ok",),
    "known failure": ("known",),
    "framework fault": ("framework's", "framework's own fault"),
    "not claimed": ("not called because of its name", "name taken for another", "did you mean"),
    "untested": ("even the plainest call is refused", "no case was judged"),
    "no case ran": ("unreached", "unreached line", "lines that no case ran"),
    "search": ("reached by search", "searched"),
    "certified": ("certificate", "too large to be read"),
    "numbers": ("numbers of its source", "too large to be asked"),
    "finding": (
        "smallest case", "first case", "likewise", "raised at", "known because", "not its own", "looks like",
        "where", "if intended", "found by", "run it again", "also seen as", "as told by", "decides nothing",
        "diagnosis",
    ),
    "share of the bound": ("share", "bound", "accuracy", "worst error"),
    "conforms where asked": ("limited", "limit", "what limits this verdict"),
    "sampled": ("sample",),
    "coverage": ("class", "classes", "classes of parameters", "pairs of classes"),
    "order of sums": ("sums", "order of its sums"),
    "baseline": ("gone", "but for known failures"),
}  # fmt: skip
MEANT = {
    said: word for word, every in _OTHERWISE.items() for said in every
}  # and the word whose page explains it


def explanation(word: str) -> str:
    """The page of a word, as Markdown; of links to other pages the words alone."""
    return re.sub(r"\[([^]]+)\]\([\w-]+\.md\)", r"\1", file_of(word).read_text(encoding="utf-8"))


def file_of(word: str) -> Path:
    return FOLDER / f"{word.replace(' ', '-')}.md"


def pages() -> list[str]:
    """The words that have a page."""
    return sorted(file.stem.replace("-", " ") for file in FOLDER.glob("*.md"))
