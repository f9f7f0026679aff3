"""The verdicts on many subjects: one row each, the first failure of each, and how many of what."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.reports.brief import decides, every_failure, worst
from conformance.reports.lines import Line, columns, plural, printable, wrapped

MOST = 6  # operations that have a column; beyond it, those that are not right are named
NOT_JUDGED = "not judged"
BROKEN_OFF = "interrupted"
_STYLES = {"conforms": "good", "ok": "good", "": "", "not claimed": "dim"}


@dataclass(frozen=True)
class Verdict:
    """What a table says of a subject.

    verdict     of the report, or not judged
    operations  the worst verdict on each
    seconds     to the verdict
    because     why it is not judged, where it is not
    failure     the first that decides: operation, output, status, message, case, diagnosis, replay
    """

    name: str
    verdict: str
    operations: Mapping[str, str]
    cases: int
    seconds: float
    because: str = ""
    passed: bool = False
    failure: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, name: str, data: Mapping[str, Any], seconds: float) -> Verdict:
        """From the data of a report."""
        rows: dict[str, list[Any]] = {}
        for row in data["rows"]:
            rows.setdefault(row["operation"], []).append(row)
        operations = {operation: worst(each)[0] for operation, each in rows.items()}
        failure = next((each for each in every_failure(data["failures"]) if decides(each)), None)
        because = data["conclusion"]["because"]
        return cls(
            name, data["verdict"], operations, data["cases"], seconds, because, data["passed"], failure
        )


def lines(verdicts: Sequence[Verdict], seconds: float, width: int) -> Iterator[Line]:
    """The table, what is wrong first with each, and the last line."""
    yield from _table(verdicts)
    for each in verdicts:
        if not each.passed and (each.failure or each.because):
            yield []
            yield from _first(each, width)
    yield []
    yield from wrapped("", _last(verdicts, seconds), width)


def _table(verdicts: Sequence[Verdict]) -> Iterator[Line]:
    operations = list(dict.fromkeys(name for each in verdicts for name in each.operations))
    shown = operations if len(operations) <= MOST else []
    heads = [
        "subject",
        "verdict",
        *shown,
        *([] if shown or not operations else ["not right"]),
        "cases",
        "seconds",
    ]
    rows: list[list[Line]] = [[[(text, "head")] for text in heads]]
    for each in verdicts:
        of = [_cell(each.operations.get(name, "")) for name in shown]
        if operations and not shown:
            wrong = [name for name, verdict in each.operations.items() if verdict not in _STYLES]
            of = [[(", ".join(wrong), "bad")]]
        counts = [[(f"{each.cases:>9,}", "")], [(f"{each.seconds:>7.1f}", "")]]
        rows.append([[(printable(each.name), "")], _cell(each.verdict, each.verdict), *of, *counts])
    return columns(rows, [0] * len(heads))


def _cell(verdict: str, right: str = "ok") -> Line:
    return [(right if verdict == "conforms" else verdict, _STYLES.get(verdict, "bad"))]


def _first(of: Verdict, width: int) -> Iterator[Line]:
    """The first failure of a subject, or why there is none."""
    name = printable(of.name)
    failure = of.failure
    if failure is None:
        yield from wrapped(f"{name}  ", f"{of.verdict}: {printable(of.because)}", width, "head")
        return
    what = f"{failure['operation']} {failure['output']} {failure['status']}: {printable(failure['message'])}"
    yield from wrapped(f"{name}  ", what, width, "head")
    for label, text in (("case", failure["case"]), ("diagnosis", failure["diagnosis"])):
        if text:
            yield from wrapped(f"    {label:<14}", printable(text), width)
    if failure["replay"]:
        yield [("    run it again  ", ""), (printable(failure["replay"]), "")]


def _last(verdicts: Sequence[Verdict], seconds: float) -> str:
    """How many of each verdict, and how fast."""
    counts = Counter(each.verdict for each in verdicts)
    judged = sorted(each.seconds for each in verdicts if each.verdict not in (NOT_JUDGED, BROKEN_OFF))
    words = ", ".join(f"{verdict} {number:,}" for verdict, number in counts.items())
    cases = sum(each.cases for each in verdicts)
    text = f"{plural(len(verdicts), 'subject')}: {words}; {plural(cases, 'case')} in {seconds:.1f} s"
    if len(judged) > 1:
        late = judged[min(len(judged) - 1, int(0.95 * len(judged)))]
        pace = f"{60 * len(judged) / seconds:.0f} a minute" if seconds else ""
        text += f", {pace}; to a verdict {statistics.median(judged):.1f} s (median), {late:.1f} s (95 %)"
    return text
