"""Rows, from wherever they were judged, made one report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from conformance.cases.conditions import unasked
from conformance.cases.scope import Exhausted
from conformance.kernels.subject import Subject
from conformance.operations import OUTPUTS
from conformance.requirements import REQUIREMENTS
from conformance.running.claims import Claims
from conformance.running.tasks import Task
from conformance.verdicts.certificate import Certificate
from conformance.verdicts.coverage import Coverage, coverage
from conformance.verdicts.judgement import ADVICE
from conformance.verdicts.summation import Order, summations
from conformance.verdicts.unreached import Unreached
from conformance.verdicts.verdict import Numbers, Report, Row


def merge(
    subject: Subject,
    rows: Iterable[Row],
    *,
    claims: Iterable[Claims] = (),
    tasks: Iterable[Task] = (),
    stale: Iterable[str] = (),
    interrupted: bool = False,
    limited: str = "",
    unreached: Unreached = Unreached(),  # noqa: B008 - frozen
) -> Report:
    """The report that rows make.

    claims   what the subject claims of each operation
    tasks    that were judged: they say what was exhausted, and what certified
    stale    known failures that no longer fail
    limited  why not all was judged that a subject claims, where that was wanted
    """
    report = Report(
        subject,
        list(rows),
        stale=list(stale),
        interrupted=interrupted,
        limited=limited,
        unreached=unreached,
    )
    for each in claims:
        report.not_claimed += each.not_claimed
        report.refusing |= {each.operation: each.refusing} if each.refusing else {}
    judged = list(tasks)
    report.exhausted += _exhausted(report, judged)
    report.certified += _certified(report, judged)
    for row in report.rows:
        orders = (Order(*order) for order in row.orders)
        report.summations += summations(row.unit.operation, row.unit.dtype, orders)
    report.numbers += _numbers(judged)
    report.coverage += _coverage(report.rows)
    return report


def joined(parts: Iterable[Sequence[Row]]) -> list[Row]:
    """The rows of a unit from those of its parts, in their order, of which none fails."""
    rows: dict[str, Row] = {}
    met: Counter[str] = Counter()
    for row in (row for part in parts for row in part):
        met.update(row.met)
        row.met = {}
        if row.output in rows:
            rows[row.output].join(row)
        else:
            rows[row.output] = row
    ordered = [rows[output] for output in sorted(rows, key=OUTPUTS.index)]
    ordered[0].met = dict(met)
    return ordered


def _coverage(rows: Iterable[Row]) -> Iterator[Coverage]:
    """What the cases of each operation met, whatever the requirement."""
    met: dict[str, Counter[str]] = {}
    for row in rows:
        if row.met:
            met.setdefault(row.unit.operation, Counter()).update(row.met)
    return (coverage(operation, counts) for operation, counts in met.items())


def _numbers(tasks: Iterable[Task]) -> Iterator[Numbers]:
    """What was asked of the source of each operation."""
    plans = {task.plan.operation: task.plan for task in tasks if REQUIREMENTS[task.requirement].of_source}
    for operation, plan in plans.items():
        too_large = unasked(operation, plan.features, plan.numbers)
        yield Numbers(
            operation, tuple(each for each in plan.numbers if each not in too_large), tuple(too_large)
        )


def _exhausted(report: Report, tasks: Iterable[Task]) -> Iterator[Exhausted]:
    """Where no case was left out and every answer is right."""
    for task in tasks:
        rows = [row for row in report.rows if row.unit == task.unit]
        right = all(row.verdict in ("conforms", "not claimed") for row in rows)
        chosen = report.subject.only  # by it a subject chooses its cases, which leaves gaps
        if task.exhausts and right and not chosen and (exhausted := task.plan.exhausted()):
            yield exhausted


def _certified(report: Report, tasks: Iterable[Task]) -> Iterator[Certificate]:
    """The outputs that were read out in every case and are right."""
    for task in tasks:
        certifies = REQUIREMENTS[task.requirement].certifies
        rows = [row for row in report.rows if row.unit == task.unit and row.verdict in ("conforms", ADVICE)]
        right = {row.output for row in rows if not row.not_claimed}
        if certifies and task.is_whole and right:
            certificate = certifies(task.plan)
            yield replace(certificate, outputs=tuple(name for name in certificate.outputs if name in right))
