"""What limits a verdict, in groups: each a title, the word that explains it, what it means, and its items."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from conformance.reports import brief
from conformance.reports.lines import plural

Data = Mapping[str, Any]
Item = tuple[str, str]  # the operation that it is about, or "", and a sentence


@dataclass(frozen=True)
class Limit:
    """A kind of limit: word is what explains it."""

    title: str
    word: str
    means: str
    items: list[Item] = field(default_factory=list)


def limits(data: Data) -> list[Limit]:
    """Those that this run has, the gravest first."""
    every = (Limit(title, word, means, list(items(data))) for title, word, means, items in LIMITS)
    return [limit for limit in every if limit.items]


def _interrupted(data: Data) -> Iterator[Item]:
    if brief.cut_short(data):
        yield (
            "",
            data["conclusion"]["limited"] or f"{plural(data['cases'], 'case')} were judged before it ended",
        )


def _hints(data: Data) -> Iterator[Item]:
    yield from data["hints"].items()


def _misnamed(data: Data) -> Iterator[Item]:
    for each in data["misnamed"]:
        yield "", f"{each['name']}: did you mean {each['meant']}?"


def _unreached(data: Data) -> Iterator[Item]:
    of = data["unreached"]
    if of["unknown"]:
        yield "", f"not known: {of['unknown']}"
    for each in of["places"]:
        yield "", f"{brief.place(each)} ({each['why']})"


def _faults(data: Data) -> Iterator[Item]:
    return (_item(each) for each in brief.every_failure(data["failures"]) if each["fault"])


def _known(data: Data) -> Iterator[Item]:
    excused = (each for each in brief.every_failure(data["failures"]) if not brief.decides(each))
    return (_item(each) for each in excused if not each["fault"])


def _item(failure: Data) -> Item:
    what = f"{failure['output']} {failure['status']} on {failure['case']}"
    return failure["operation"], f"{what}: {brief.excuse(failure)}"


def _stale(data: Data) -> Iterator[Item]:
    yield from (("", text) for text in data["stale_known_failures"])


def _gone(data: Data) -> Iterator[Item]:
    baseline = data["baseline"] or {"gone": [], "unasked": 0}
    for each in baseline["gone"]:
        yield each["operation"], f"{each['output']} {each['status']} on {each['case']}"


def _too_large(data: Data) -> Iterator[Item]:
    for each in data["numbers"]:
        if each["too_large"]:
            yield each["operation"], f"conditions of its source: {'; '.join(each['too_large'])}"
    beyond: dict[str, int] = {}
    for each in data["certified"]:
        beyond[each["operation"]] = max(beyond.get(each["operation"], 0), each["too_large"])
    for operation, count in beyond.items():
        if count:
            yield operation, f"{plural(count, 'geometry', 'geometries')} too large to be read out whole"


def _parameters(data: Data) -> Iterator[Item]:
    yield from (("", sentence) for sentence in data["parameters"])


LIMITS: tuple[tuple[str, str, str, Callable[[Data], Iterator[Item]]], ...] = (
    ("Interrupted", "interrupted", "The run ended before everything was judged.", _interrupted),
    ("Untested", "untested", "No case ran, or none whose expected answer varies.", brief.untested),
    ("Known failures that no longer fail", "stale known failure", "Take them out of known_failures.", _stale),
    ("Failures of the baseline that are gone", "baseline", "Update it, so that they do not come back unseen.", _gone),
    ("Not claimed", "not claimed", "The kernel does not offer these, so they were not judged.", brief.not_claimed),
    ("Even the plainest call is refused", "untested", "What the kernel may have to declare.", _hints),
    ("Not called because of its name", "not claimed", "Functions that were not judged.", _misnamed),
    ("Lines that no case ran", "no case ran", "Nothing is known of these lines of the kernel.", _unreached),
    ("The framework's own faults", "framework fault", "Its own function fails, too: these decide nothing.", _faults),
    ("Known failures", "known failure", "Declared by the subject or in the baseline; they fail as before.", _known),
    ("Too large to be asked", "numbers", "No case is large enough to reach these.", _too_large),
    ("Names taken for others", "not claimed", "What parameters of the kernel's own names were taken for.", _parameters),
)  # fmt: skip
