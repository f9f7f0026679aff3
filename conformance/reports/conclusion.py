"""The last word of a report: the verdict on the subject, and what it rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from conformance.operations import OPERATIONS
from conformance.reports.baseline import Known
from conformance.reports.claims import not_claimed
from conformance.reports.findings import Finding
from conformance.reports.lines import plural
from conformance.verdicts.verdict import Report

NAMED = 3  # untested outputs that are named


@dataclass(frozen=True)
class Conclusion:
    """conforms, differs, untested or interrupted; and why, in words.

    lacking   options and outputs of each operation that were not judged at all
    limited   why not all was judged that is claimed, where that was wanted
    known     the failures that a baseline has
    """

    verdict: str
    because: str
    lacking: Mapping[str, Sequence[str]] = field(default_factory=dict)
    limited: str = ""
    known: Known | None = None

    @property
    def words(self) -> str:
        """The verdict, as far as it goes."""
        if self.verdict != "conforms":
            return self.verdict
        words = "conforms where asked" if self.lacking or self.limited else "conforms"
        return f"{words} but for {_of_baseline(self.known)}" if self.known and self.known.seen else words


def conclusion(report: Report, findings: Sequence[Finding], known: Known | None = None) -> Conclusion:
    because, lacking = _BECAUSE[report.verdict](report, findings), _lacking(report)
    if report.verdict == "conforms" and lacking:
        listed = (f"{operation} {', '.join(what)}" for operation, what in lacking.items())
        because += f"; not claimed: {'; '.join(listed)}"
    if known and known.seen and report.verdict != "conforms":
        because += f"; beside {_of_baseline(known)}"
    if report.limited:
        because += f"; {report.limited}"
    if count := report.unreached.count:
        because += f"; nothing is known of {plural(count, 'line')} that no case ran"
    return Conclusion(report.verdict, because, lacking, report.limited, known)


def _of_baseline(known: Known) -> str:
    return f"{plural(known.seen, 'known failure')} of {known.file}"


def _lacking(report: Report) -> dict[str, list[str]]:
    """By operation the ordinary options and the outputs that are not claimed."""
    lacking: dict[str, list[str]] = {}
    for claim in not_claimed(report):
        found = OPERATIONS[claim.operation]
        if claim.feature in (*(option.name for option in found.options), *found.outputs):
            lacking.setdefault(claim.operation, []).append(claim.feature)
    return lacking


def _conforms(report: Report, _: Sequence[Finding]) -> str:
    judged = [row for row in report.rows if row.verdict != "not claimed"]
    share = max(row.share for row in judged)
    excused = Counter(row.verdict for row in judged if row.failure and not row.failure.baseline)
    exact = [] if any(row.failure for row in judged) else ["every answer exact"]
    parts = [
        f"{plural(report.cases, 'case')}, {plural(len(judged), 'verdict')}",
        *([f"worst error {share:.2f} of what rounding explains"] if share else exact),
        *(plural(number, verdict) for verdict, number in excused.items()),
    ]
    return "; ".join(parts)


def _differs(report: Report, findings: Sequence[Finding]) -> str:
    parts = [*(["interrupted"] if report.interrupted else []), *_wrong(findings)]
    if stale := len(report.stale):
        parts.append(f"{plural(stale, 'known failure')} no longer fail{'s' if stale == 1 else ''}")
    return f"{'; '.join(parts)} ({plural(report.cases, 'case')})"


def _wrong(findings: Sequence[Finding]) -> Iterator[str]:
    """Each operation with the outputs that are wrong."""
    wrong: dict[str, dict[str, None]] = {}
    for finding in findings:
        if finding.failure.decides:
            for each in (finding, *finding.also):
                wrong.setdefault(each.case.operation, {})[f"{each.output} {each.status}"] = None
    return (f"{operation} {', '.join(outputs)}" for operation, outputs in wrong.items())


def _untested(report: Report, _: Sequence[Finding]) -> str:
    if report.unclaimed:
        return f"{', '.join(report.unclaimed)}: no case that was asked is claimed, bad arguments apart"
    units = [(row.unit, row.output) for row in report.rows if row.verdict == "untested"]
    names = [f"{unit.operation} {output} {unit.requirement}" for unit, output in units]
    if not names:
        failures = sorted({f"{row.failure.verdict}s" for row in report.rows if row.failure})
        return f"nothing but {' and '.join(failures)}" if failures else "no case was judged"
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}: no case, or none whose expected answer varies"


def _interrupted(report: Report, _: Sequence[Finding]) -> str:
    return f"nothing wrong in {plural(report.cases, 'case')}, but the rest was not judged"


_BECAUSE = {
    "conforms": _conforms, "differs": _differs, "untested": _untested, "interrupted": _interrupted
}  # fmt: skip
