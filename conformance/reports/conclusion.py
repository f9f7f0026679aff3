"""The last word of a report: the verdict on the subject, and what it rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from conformance.reports.findings import Finding
from conformance.reports.lines import plural
from conformance.verdicts.verdict import Report

NAMED = 3  # untested outputs that are named


@dataclass(frozen=True)
class Conclusion:
    """conforms, differs, untested or interrupted; and why, in words."""

    verdict: str
    because: str


def conclusion(report: Report, findings: Sequence[Finding]) -> Conclusion:
    return Conclusion(report.verdict, _BECAUSE[report.verdict](report, findings))


def _conforms(report: Report, _: Sequence[Finding]) -> str:
    judged = [row for row in report.rows if row.verdict != "not claimed"]
    share = max(row.share for row in judged)
    excused = Counter(row.verdict for row in judged if row.failure)
    parts = [
        f"{plural(report.cases, 'case')}, {plural(len(judged), 'verdict')}",
        f"worst error {share:.2f} of what rounding explains" if share else "every answer exact",
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
            wrong.setdefault(finding.case.operation, {})[f"{finding.output} {finding.status}"] = None
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
