"""A report as data with an order; each file beside this one that renders it reads nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from conformance.cases.scope import Exhausted
from conformance.kernels.subject import Subject
from conformance.kernels.versions import versions
from conformance.reports.advice import Advice, advice
from conformance.reports.baseline import Baseline, Known, mark
from conformance.reports.claims import NotClaimed, hints, not_claimed, parameters
from conformance.reports.conclusion import Conclusion, conclusion
from conformance.reports.findings import Finding, findings
from conformance.reports.run_info import RunInfo
from conformance.reports.tables import Table, tables
from conformance.verdicts.certificate import Certificate
from conformance.verdicts.coverage import Coverage
from conformance.verdicts.summation import Summation
from conformance.verdicts.unreached import Unreached
from conformance.verdicts.verdict import Numbers, Report, Row


@dataclass(frozen=True)
class Document:
    """What a report says, in the order in which it is read.

    The head: the subject, how the run was set up, what took part, how many cases were judged. Then
    tables        one for each operation; rows are the same verdicts, one for each dtype
    not_claimed   what was not judged, and why
    parameters    of the functions that were called, which have another name than in torch.nn.functional
    misnamed      functions that were not called because of their names, with the name that each nearly has
    exhausted     what was judged without a gap, where every answer was exact
    certified     what was read out of the kernel and is right in every coefficient
    summations    in what order the kernel adds, as its answers show it
    numbers       of the kernel's source, on both sides of which cases were asked
    coverage      which classes of parameters the cases met, and which together
    findings      each failure once
    advice        what does not fail it, unless its developer wants to be strict
    hints         by operation that refuses even its plainest call: what it may have to declare
    stale         known failures that no longer fail
    unreached     lines of the subject that no case ran
    known         what there is to say of a baseline, if there is one
    conclusion    the verdict, and what it rests on
    """

    subject: Subject
    run: RunInfo
    versions: Mapping[str, str]
    cases: int
    rows: Sequence[Row]
    tables: Sequence[Table]
    not_claimed: Sequence[NotClaimed]
    parameters: Sequence[str]
    misnamed: Mapping[str, str]
    exhausted: Sequence[Exhausted]
    certified: Sequence[Certificate]
    summations: Sequence[Summation]
    numbers: Sequence[Numbers]
    coverage: Sequence[Coverage]
    findings: Sequence[Finding]
    advice: Sequence[Advice]
    hints: Mapping[str, str]
    stale: Sequence[str]
    unreached: Unreached
    known: Known | None
    conclusion: Conclusion
    passed: bool


def document(report: Report, run: RunInfo, baseline: Baseline | None = None) -> Document:
    """The document of a run; failures that a baseline has are marked in the report."""
    known = mark(report, run, baseline) if baseline else None
    subject, every = report.subject, findings(report, run)
    return Document(
        subject=subject,
        run=run,
        versions=versions(run.oracle, subject.array_framework),
        cases=report.cases,
        rows=report.rows,
        tables=tables(report.rows),
        not_claimed=not_claimed(report),
        parameters=parameters(report),
        misnamed=subject.misnamed,
        exhausted=report.exhausted,
        certified=report.certified,
        summations=report.summations,
        numbers=report.numbers,
        coverage=report.coverage,
        findings=every,
        advice=advice(report),
        hints=hints(report),
        stale=report.stale,
        unreached=report.unreached,
        known=known,
        conclusion=conclusion(report, every, known),
        passed=report.passed,
    )
