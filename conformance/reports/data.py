"""The report as plain data, which every file of formats/ renders; docs/json.md says what each entry is."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from conformance.kernels.own import from_here
from conformance.kernels.source.reach import code_of
from conformance.kernels.subject import Subject
from conformance.reports.baseline import Known
from conformance.reports.conclusion import Conclusion
from conformance.reports.document import Document
from conformance.reports.finding_arrays import arrays_of
from conformance.reports.findings import Finding
from conformance.reports.script import of_finding
from conformance.reports.stored import SCHEMA
from conformance.verdicts.verdict import Row


def as_data(document: Document) -> dict[str, Any]:
    """The report as plain data, of numbers that JSON has."""
    run = document.run
    return {
        "schema": SCHEMA,
        "subject": _subject(document),
        "oracle": run.oracle,
        "profile": run.profile,
        "seed": run.seed,
        "seconds": round(run.seconds, 3),
        "command": run.command,
        "started": run.started,
        "machine": _machine(),
        "versions": dict(document.versions),
        "verdict": document.conclusion.verdict,
        "conclusion": _conclusion(document.conclusion),
        "passed": document.passed,
        "cases": document.cases,
        "rows": [_row(row) for row in document.rows],
        "not_claimed": [claim._asdict() for claim in document.not_claimed],
        "parameters": list(document.parameters),
        "misnamed": [{"name": name, "meant": meant} for name, meant in document.misnamed.items()],
        "exhausted": [asdict(each) for each in document.exhausted],
        "certified": [asdict(each) for each in document.certified],
        "summations": [asdict(each) for each in document.summations],
        "numbers": [asdict(each) for each in document.numbers],
        "coverage": [asdict(each) for each in document.coverage],
        "advice": [asdict(each) for each in document.advice],
        "hints": dict(document.hints),
        "failures": [_failure(finding, document.subject) for finding in document.findings],
        "stale_known_failures": list(document.stale),
        "baseline": _baseline(document.known),
        "unreached": _unreached(document),
    }


def _conclusion(last: Conclusion) -> dict[str, Any]:
    return {"words": last.words, "because": last.because, "limited": last.limited or None}


def _machine() -> dict[str, Any]:
    return {"system": platform.system(), "processor": platform.machine(), "cores": os.cpu_count()}


def _unreached(document: Document) -> dict[str, Any]:
    of = document.unreached
    return {
        "lines": of.count,
        "places": [place._asdict() for place in of.places],
        "unknown": of.unknown or None,
        "searched": of.searched,
        "reached": [{**place._asdict(), "case": case} for place, case in of.found],
    }


def _baseline(known: Known | None) -> dict[str, Any] | None:
    if not known:
        return None
    gone = [each._asdict() | {"found_by": list(each.found_by)} for each in known.gone]
    return {"file": known.file, "seen": known.seen, "gone": gone, "unasked": known.unasked}


def _subject(document: Document) -> dict[str, Any]:
    subject = document.subject
    return {
        "name": subject.name,
        "framework": subject.array_framework,
        "operations": list(subject.operations),
        "functions": dict(_functions(subject)),
        "accuracy": subject.accuracy,
        "sums": subject.sums,
    }


def _functions(subject: Subject) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where each function stands, as far as it is Python's and has a file."""
    for operation in subject.operations:
        for name, function in subject.functions_of(operation).items():
            code = code_of(function)
            if code and Path(code.co_filename).is_file():
                yield name, {"file": from_here(code.co_filename), "line": code.co_firstlineno}


def _row(row: Row) -> dict[str, Any]:
    return {
        "operation": row.unit.operation,
        "output": row.output,
        "requirement": row.unit.requirement,
        "dtype": row.unit.dtype,
        "verdict": row.verdict,
        "cases": row.cases,
        "cases_not_claimed": row.not_claimed,
        "worst_share": _finite(row.share),
        "seconds": round(row.seconds, 3),
    }


def _failure(finding: Finding, subject: Subject) -> dict[str, Any]:
    failure = finding.failure
    script, _ = of_finding(subject, finding, to_file=True)
    return {
        "operation": finding.case.operation,
        "output": finding.output,
        "status": finding.status,
        "message": failure.judgement.message,
        "raised_at": failure.judgement.place or None,
        "share": _finite(failure.judgement.share),
        "case": str(finding.case),
        "first_case": str(failure.first),
        "found_by": [{"requirement": requirement, "dtype": dtype} for requirement, dtype in finding.found_by],
        "known": failure.known or None,
        "baseline": failure.baseline or None,
        "fault": failure.fault or None,
        "diagnosis": failure.diagnosis or None,
        "where": failure.where or None,
        "taps": failure.taps.as_data() if failure.taps else None,
        "likewise": list(failure.likewise),
        "declaration": finding.declaration or None,
        "replay": finding.replay or None,
        "arrays": [each._asdict() for each in arrays_of(finding, subject)],
        "script": script or None,
        "also": [_failure(each, subject) for each in finding.also],
    }


def _finite(share: float) -> float | None:
    """A share of the bound; None where the bound is zero and the error is not."""
    return share if math.isfinite(share) else None
