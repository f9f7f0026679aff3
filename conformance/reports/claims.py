"""What of a subject was not judged, and why; and what it may have to declare."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from conformance.cases.case import Case
from conformance.kernels.call import Caller
from conformance.kernels.framework import FRAMEWORKS, about, framework
from conformance.kernels.subject import Subject
from conformance.operations import OPERATIONS
from conformance.verdicts.judgement import EXCEPTIONS
from conformance.verdicts.verdict import Report, Row


class NotClaimed(NamedTuple):
    """A feature, dtype or output, or a part of an output, that was not judged."""

    operation: str
    feature: str
    reason: str


def not_claimed(report: Report) -> list[NotClaimed]:
    """Everything that was not judged: features and dtypes, then outputs."""
    claims = [NotClaimed(*claim) for claim in dict.fromkeys(report.not_claimed)]
    for operation in dict.fromkeys(row.unit.operation for row in report.rows):
        rows = [row for row in report.rows if row.unit.operation == operation]
        claims += _outputs(report.subject, operation, rows)
    return claims


def _outputs(subject: Subject, operation: str, rows: Sequence[Row]) -> Iterator[NotClaimed]:
    """The outputs of an operation that were not judged, or not in every case."""
    forward = [row for row in rows if row.output == "output" and not row.refuses]
    judged, skipped = _counts(forward)
    for output in OPERATIONS[operation].outputs:
        judged_here, skipped_here = _counts([row for row in rows if row.output == output])
        if skipped_here:
            feature = f"{output} in {skipped_here} cases" if judged_here else output
            # Or else it goes with the output of the same cases.
            declared = skipped_here <= skipped and bool(judged_here or not judged)
            yield NotClaimed(
                operation, feature, _why_not(subject, operation, output, bool(judged_here), declared)
            )


def _counts(rows: Sequence[Row]) -> tuple[int, int]:
    """Cases judged, and cases not claimed."""
    return sum(row.cases for row in rows), sum(row.not_claimed for row in rows)


def _why_not(subject: Subject, operation: str, output: str, partly: bool, declared: bool) -> str:
    if output in subject.without or not output.startswith("grad_"):
        return "declared"
    if why := Caller(subject).why_no_gradients(Case.of(operation)):
        return why
    if declared:
        return "declared"
    if not subject.function(f"{operation}_backward"):
        return f"no {operation}_backward, and {subject.array_framework} gets no gradient from a plain call"
    if not partly:
        return f"{operation}_backward does not return it"
    return f"{'declared, or ' if subject.only else ''}{operation}_backward does not take their options"


def parameters(report: Report) -> list[str]:
    """What the functions that were called have in their signatures under names of their own, a sentence each."""
    caller, said = Caller(report.subject), []
    for operation in dict.fromkeys(row.unit.operation for row in report.rows):
        for name, signature in caller.parameters(operation).items():
            taken = ", ".join(f"{word} taken as {option}" for option, word in signature.named.items())
            said += [f"{name}: {taken}"] if taken else []
            left = ", ".join(signature.own)
            said += [f"{name}: {left} left at the default: no option of {operation}"] if left else []
    return said


def hints(report: Report) -> dict[str, str]:
    """By operation that refuses even its plainest call: it may take less than its signature says, or other arrays."""
    found = {}
    for operation, reason in report.refusing.items():
        refused = any(row.verdict in EXCEPTIONS for row in report.rows if row.unit.operation == operation)
        if refused and (hint := _hint(reason, report.subject.array_framework)):
            found[operation] = hint
    return found


def _hint(reason: str, taken_for: str) -> str:
    others = [name for name in FRAMEWORKS if name != taken_for and _speaks_of(reason, about(name).arrays)]
    own = framework(taken_for).array_type
    if reason.startswith("AttributeError") or (reason.startswith("TypeError") and (others or own in reason)):
        as_that = f', as framework="{others[0]}", or --framework {others[0]}' if others else ""
        changes = f"which framework= of a conformance.Subject changes{as_that}"
        return f"its arrays are taken for those of {taken_for}, {changes}"
    return _DECLARE if reason.startswith(("NotImplementedError", "ValueError", "TypeError")) else ""


def _speaks_of(reason: str, arrays: Sequence[str]) -> bool:
    return any(re.search(rf"\b{name}\b", reason) for name in arrays)


_DECLARE = (
    "only= and without= of a conformance.Subject declare what a kernel takes, as "
    "only=lambda case: case.kernel == (3, 3)"
)
