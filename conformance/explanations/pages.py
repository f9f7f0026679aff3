"""The pages beside this file: `conformance explain` prints them, and the documentation includes them."""

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

KINDS: Mapping[str, Sequence[str]] = {
    "requirements": tuple(REQUIREMENTS),
    "outputs": OUTPUTS,
    "findings": FINDINGS,
}


def explanation(word: str) -> str:
    """The page of a word, as Markdown; of links to other pages the words alone."""
    return re.sub(r"\[([^]]+)\]\([\w-]+\.md\)", r"\1", file_of(word).read_text(encoding="utf-8"))


def file_of(word: str) -> Path:
    return FOLDER / f"{word.replace(' ', '-')}.md"


def pages() -> list[str]:
    """The words that have a page."""
    return sorted(file.stem.replace("-", " ") for file in FOLDER.glob("*.md"))
