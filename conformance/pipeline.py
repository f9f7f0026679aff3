"""One case from arrays to verdict; many cases, to the smallest failure. The command line and pytest both call this."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from operator import add
from typing import Any

import numpy as np

from conformance.cases import Case
from conformance.cases.arrays import fill
from conformance.cases.features import Features, features_of
from conformance.cases.features import probes as features_probes
from conformance.cases.shrink import cost, shrink
from conformance.kernels.call import Caller
from conformance.kernels.probes import probes
from conformance.kernels.subject import Subject
from conformance.requirements import PROFILES, REPEATED_CALLS, REQUIREMENTS, Plan, requirement_of
from conformance.running.runner import Judged, Runner, judgements_of
from conformance.verdicts.journal import Journal
from conformance.verdicts.judgement import DEATHS, Judgement
from conformance.verdicts.verdict import Failure, Report, Row, Unit

Progress = Callable[[Unit, int], None]  # a unit, and how many of its cases are judged


@dataclass(frozen=True)
class Settings:
    """What of a subject is judged, and how thoroughly; empty means all."""

    operations: Sequence[str] = ()
    requirements: Sequence[str] = ()
    dtypes: Sequence[str] = ()
    profile: str = "standard"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            raise ValueError(f"profile={self.profile!r}: there are {', '.join(PROFILES)}")


def run(
    subject: Subject,
    runner: Runner,
    settings: Settings,
    progress: Progress = lambda unit, done: None,
    journal: Journal | None = None,
) -> Report:
    """Judge a subject: every unit of every operation it has. KeyboardInterrupt ends it with the verdict so far.

    A journal keeps what is finished; units that it holds already are not judged again.
    """
    report = Report(subject)
    try:
        for plan in plans(subject, runner, settings, report):
            for requirement in sorted(
                settings.requirements or REQUIREMENTS, key=lambda name: REQUIREMENTS[name].order
            ):
                unit = Unit(plan.operation, requirement, plan.dtype)
                if reason := REQUIREMENTS[requirement].why_not(plan, runner.isolated):
                    skipped = (plan.operation, requirement, reason)
                    report.not_claimed += [skipped] if skipped not in report.not_claimed else []
                elif REQUIREMENTS[requirement].is_judged(plan):
                    of_operation = (row for row in report.rows if row.unit.operation == plan.operation)
                    earlier = [row.failure for row in of_operation if row.failure]
                    rows = journal.rows(unit) if journal else None
                    if rows is None:
                        rows = judge_unit(subject, runner, plan, requirement, progress, earlier)
                        if journal:
                            journal.keep(unit, rows)
                    report.rows += rows
                    whole = plan.exhaustive and not subject.only  # which leaves gaps
                    right = all(row.verdict in ("conforms", "not claimed") for row in rows)
                    if REQUIREMENTS[requirement].exhausts and whole and right:
                        report.exhausted += filter(None, [plan.exhausted()])
        report.stale += stale_failures(subject, runner, report, settings)
    except Interrupted as interruption:
        report.rows += interruption.rows
        report.interrupted = True
    except KeyboardInterrupt:
        report.interrupted = True
    return report


class Interrupted(KeyboardInterrupt):
    """Ctrl-C in the middle of a unit, with its rows so far."""

    def __init__(self, rows: list[Row]) -> None:
        super().__init__()
        self.rows = rows


# What is claimed.


def plans(subject: Subject, runner: Runner, settings: Settings, report: Report) -> Iterator[Plan]:
    """One plan for each operation and dtype that the subject claims; what it does not goes into the report."""
    for operation in settings.operations or subject.operations:
        dtypes, features = claims(subject, runner, operation, report)
        undeclared = [dtype for dtype in settings.dtypes if dtype not in Caller(subject).dtypes]
        report.not_claimed += [(operation, dtype, UNDECLARED) for dtype in undeclared]
        asked = [dtype for dtype in dtypes if dtype in (settings.dtypes or dtypes)]
        for dtype in asked:
            first = dtype == ("float32" if "float32" in asked else asked[0])
            kind = (subject.accuracy, subject.ties, subject.blocks, first)
            yield Plan(operation, dtype, features.union(dtypes), settings.profile, settings.seed, *kind)


UNDECLARED = "dtypes= of a conformance.Subject does not name it"


def claims(
    subject: Subject, runner: Runner, operation: str, report: Report
) -> tuple[tuple[str, ...], Features]:
    """The dtypes and features that a subject claims: by declaration, by signature, and where neither tells, by asking.

    A plain call that is refused with an exception is no wrong answer: its feature is not claimed, and the report says
    so. A kernel that refuses the plainest call claims all, and every case will say how it refuses.
    """
    features, caller = set(), Caller(subject)
    for feature in sorted(features_of(operation)):
        if lacking := caller.lacks(operation, feature):
            report.not_claimed.append((operation, feature, lacking))
        else:
            features.add(feature)
    dtypes, showing = caller.dtypes, probes(caller, operation)
    plain = [replace(case, dtype=dtypes[0]) for case in showing["plain"]]
    base = next((case for case in plain if not _refusal(runner, case)), None)
    if base is None:
        report.refusing[operation] = _refusal(runner, plain[0])
        return dtypes, frozenset(features)
    for dtype in dtypes if not subject.dtypes else ():
        if reason := _refusal(runner, replace(base, dtype=dtype)):
            report.not_claimed.append((operation, dtype, reason))
            dtypes = tuple(d for d in dtypes if d != dtype)
    asked = dtypes[0] if dtypes else "float32"
    for feature in sorted(features & set(showing)):
        reasons = [_refusal(runner, replace(case, dtype=asked)) for case in showing[feature]]
        declined = all(reason.startswith("NotImplementedError") for reason in reasons)
        if reasons and all(reasons) and (feature in features_probes(operation) or declined):
            report.not_claimed.append((operation, feature, reasons[0]))
            features.discard(feature)
    return dtypes, frozenset(features)


def _refusal(runner: Runner, case: Case) -> str:
    """How the subject's forward refuses a case, or nothing where it answers, rightly or not."""
    for judgement in judgements_of(runner, requirement_of(case).name, case):
        if judgement.output == "output" and judgement.status in ("refused", "not claimed"):
            return judgement.message.partition("refused: ")[2] or "declared"
    return ""


# One unit.

EVIDENCE = 12  # failing cases, and first cases of the unit, that a diagnosis must not contradict
MOST_DEATHS = 3  # a unit of which so many cases end the process is not asked further


def judge_unit(
    subject: Subject,
    runner: Runner,
    plan: Plan,
    requirement: str,
    progress: Progress = lambda unit, done: None,
    earlier: Sequence[Failure] = (),
) -> list[Row]:
    """Judge every case of a unit; each output that fails gets its smallest failing case.

    earlier    failures of other units of the operation, whose cases are tried first
    """
    unit = Unit(plan.operation, requirement, plan.dtype)
    if REQUIREMENTS[requirement].why_not(plan, runner.isolated):
        return [Row(unit, "output", not_claimed=1, refuses=REQUIREMENTS[requirement].refuses)]
    refuses = REQUIREMENTS[requirement].refuses
    rows: dict[str, Row] = {}
    failing: dict[str, list[Judged]] = {}
    expected: dict[
        str, list[Judged]
    ] = {}  # failures that a known one may explain; they do not end the search
    forms: dict[tuple[str, frozenset[str]], Judged] = {}  # of those, the first with each set of options
    known = [case for case in map(Case.parse, subject.known_failures) if case.operation == plan.operation]
    cases = REQUIREMENTS[requirement].cases(plan)
    try:
        for done, (case, judgements) in enumerate(runner.examine(requirement, cases), 1):
            for judgement in judgements:
                _count(
                    rows.setdefault(judgement.output, Row(unit, judgement.output, refuses=refuses)), judgement
                )
                if judgement.failed:
                    of_known = any(_explains(other, case) for other in known)
                    if of_known:
                        forms.setdefault((judgement.output, _options(case)), (case, judgement))
                    failures = (expected if of_known else failing).setdefault(judgement.output, [])
                    _keep(failures, (case, judgement))
                    rows[judgement.output].failure = Failure(*failures[0], case)
            progress(unit, done)
            if _enough(rows, failing, expected):
                break
        for (output, _), told in forms.items():
            if output not in failing and _has_another_cause(runner, plan, requirement, known, *told):
                failing[output] = [told]
        for output, failures in failing.items():
            rows[output].failure = failure_of(runner, plan, requirement, failures, earlier)
        for output in expected.keys() - failing.keys():
            found = known_failure_of(subject, runner, plan, requirement, expected[output])
            rows[output].failure = found or failure_of(runner, plan, requirement, expected[output], earlier)
    except KeyboardInterrupt:
        raise Interrupted(_in_order(rows)) from None
    return _in_order(rows) or [Row(unit, "output", refuses=refuses)]


def _in_order(rows: dict[str, Row]) -> list[Row]:
    return [rows[output] for output in sorted(rows, key=_OUTPUTS.index)]


_OUTPUTS = ("output", "indices", "grad_input", "grad_weight", "grad_bias")


def _count(row: Row, judgement: Judgement) -> None:
    if judgement.status == "not claimed":
        row.not_claimed += 1
        return
    row.cases += 1
    row.varied = row.varied or judgement.varied
    if not judgement.failed:
        row.share = max(row.share, judgement.share)


def _options(case: Case) -> frozenset[str]:
    """The fields of a case that are not plain, sizes apart."""
    plain = Case.of(case.operation)
    names = (field.name for field in fields(case) if field.name not in _SIZES)
    return frozenset(name for name in names if getattr(case, name) != getattr(plain, name))


_SIZES = ("batch", "channels", "filters", "image", "kernel", "dtype", "seed")


def _explains(known: Case, case: Case) -> bool:
    """Whether a case has every option that a known failure needs; one that lacks it fails for another reason."""
    return bool(known.problem) == bool(case.problem) and _options(known) <= _options(case)


def _has_another_cause(
    runner: Runner, plan: Plan, requirement: str, known: Sequence[Case], case: Case, judgement: Judgement
) -> bool:
    """Whether a failure with the options of a known one, and more, needs the others: with the known alone it is right.

    Then it is shrunk: what ends with the options of the known one is that one.
    """
    if judgement.status in DEATHS:
        return False  # each question would cost a process
    needed = [_options(other) for other in known if _explains(other, case)]
    for options in needed:
        alone = _with_only(case, options | {"values", "layout", *(["bias"] if case.layout else [])})
        if case in alone or any(bool(other.problem) != bool(case.problem) for other in alone):
            return False
        told = (again for other in alone for again in judgements_of(runner, requirement, other))
        if any(again.failed for again in told if again.output == judgement.output):
            return False
    smallest, _ = smallest_failure(runner, plan.features, requirement, case, judgement)
    return _options(smallest) not in needed


def _with_only(case: Case, options: Collection[str]) -> list[Case]:
    """The case without its other options: as it is, and with padding and dilation made part of image and filter."""
    plain = Case.of(case.operation)
    gone = {name: getattr(plain, name) for name in _options(case).difference(options)}
    sizes: dict[str, Any] = {}
    if "padding" in gone:
        pads = (sum(pads) for _, _, pads, _ in case.geometry)
        sizes["image"] = tuple(map(add, case.image, pads))
    if "dilation" in gone:
        sizes["kernel"] = tuple((k - 1) * d + 1 for k, _, _, d in case.geometry)
    return [replace(case, **gone), replace(case, **gone, **sizes)]


def _enough(
    rows: dict[str, Row], failing: dict[str, list[Judged]], expected: dict[str, list[Judged]]
) -> bool:
    """Whether more cases would tell nothing new: every output has failed, or the process died again and again."""
    claimed = [row.output for row in rows.values() if row.cases]
    told = itertools.chain(*failing.values(), *expected.values())
    dead = [found for found in told if found[1].status in DEATHS]
    costly = len({case for case, _ in dead}) >= MOST_DEATHS or any(
        told.status in ("hung", "out of memory") for _, told in dead
    )
    return bool(claimed) and (set(claimed) <= set(failing) or costly)


def _keep(failures: list[Judged], told: Judged) -> None:
    """The first and the latest failing cases, few enough to hold their answers."""
    failures.append(told)
    if len(failures) > EVIDENCE:
        del failures[EVIDENCE // 2]


CHANGING = "right in a new process: an earlier call, or chance, decides"


def known_failure_of(
    subject: Subject, runner: Runner, plan: Plan, requirement: str, failures: list[Judged]
) -> Failure | None:
    """The first failure as the known one that its subject declares, if that still fails the same way."""
    first, judgement = failures[0]
    for text, reason in subject.known_failures.items():
        known = Case.parse(text)
        if known.operation == plan.operation and _explains(known, first):
            for told in judgements_of(runner, requirement, known):
                if told.output == judgement.output and told.status == judgement.status:
                    return Failure(known, told, first, reason)
    return None


def failure_of(
    runner: Runner, plan: Plan, requirement: str, failures: list[Judged], earlier: Sequence[Failure]
) -> Failure:
    """The first failure, shrunk and explained."""
    first, judgement = failures[0]
    alike = (
        f for f in earlier if f.judgement[:2] == judgement[:2] and bool(f.case.problem) == bool(first.problem)
    )
    small = [
        *_deadly(first, judgement, failures, earlier),
        *(replace(f.case, dtype=plan.dtype) for f in alike),
    ]
    smallest, told = smallest_failure(runner, plan.features, requirement, first, judgement, small)

    def afresh(requirement: str) -> list[bool]:
        """Whether the output fails first thing in a new process, where that answers."""
        return [j.failed for j in runner.in_new_process(requirement, smallest) if j.output == told.output]

    failure = Failure(smallest, told, first)
    repeatable = REQUIREMENTS[requirement].repeatable
    if repeatable and told.status == "differs" and afresh(requirement) == [False]:
        shown_by = REPEATED_CALLS if afresh(REPEATED_CALLS) == [True] else ""
        return replace(failure, diagnosis=CHANGING, shown_by=shown_by)
    return _explained(runner, plan, requirement, failure, failures)


def _explained(
    runner: Runner, plan: Plan, requirement: str, failure: Failure, failures: list[Judged]
) -> Failure:
    """The failure with what its wrong numbers look like; only a plain answer has numbers to look at."""
    output = failure.judgement.output
    if failure.judgement.answer is None or not REQUIREMENTS[requirement].plain:
        return failure
    from conformance.verdicts import diagnosis  # all mutants: loaded once one is needed

    def asked(cases: Iterable[Case]) -> list[diagnosis.Evidence]:
        return told_by(
            [(case, told) for case, judged in runner.examine(requirement, cases) for told in judged]
        )

    def told_by(judged: Iterable[Judged]) -> list[diagnosis.Evidence]:
        return [
            diagnosis.Evidence(case, output, np.array(told.answer) if told.failed else None)
            for case, told in judged
            if told.output == output
            and (_pinned(case, output) if told.status == "conforms" else told.answer is not None)
        ]

    every = _first_cases(requirement, plan)
    evidence = told_by([(failure.case, failure.judgement), *failures])
    evidence += asked(every[:: max(1, len(every) // EVIDENCE)])
    named = diagnosis.diagnose(evidence, lambda case: next(iter(asked([case])), None), every)
    placed = "" if named else diagnosis.where([*evidence[1:], evidence[0]])  # the smallest shows the least
    return replace(failure, diagnosis=named, where=placed)


def _pinned(case: Case, output: str) -> bool:
    """Whether a right answer can be one only: not where a kernel may have more NaN than PyTorch."""
    return case.values != "special" or output not in case.family.may_be_nan(case, fill(case))


@lru_cache(maxsize=8)
def _first_cases(requirement: str, plan: Plan) -> list[Case]:
    """Cases for a diagnosis to ask: many, but a deep profile has more than need be held."""
    return list(itertools.islice(REQUIREMENTS[requirement].cases(plan), 5000))


def smallest_failure(
    runner: Runner,
    features: Features,
    requirement: str,
    case: Case,
    judgement: Judgement,
    small: Iterable[Case] = (),
) -> tuple[Case, Judgement]:
    """Shrink a failure of one output: simpler cases count only where the same output fails the same way.

    Small cases that failed before are tried first, so that one mistake is told by one case.
    """
    told = {case: judgement}

    def fails(candidate: Case, by: Runner) -> bool:
        failed = {other.output: other for other in judgements_of(by, requirement, candidate) if other.failed}
        again = failed.get(judgement.output)
        if again and again.status == judgement.status:
            told[candidate] = again
            return True
        return False

    known = [k for k in small if k.needs <= case.needs | {k.dtype}]
    known = [k for k in known if k.views.items() <= case.views.items()]
    start = next((k for k in known if fails(k, runner.shrinking)), case)
    shrink(start, lambda candidate: fails(candidate, runner.shrinking), features)
    smaller = [candidate for candidate in reversed(list(told)) if candidate != case]
    smallest = next((candidate for candidate in smaller if fails(candidate, runner)), case)
    return smallest, told[smallest]


def _deadly(
    case: Case, judgement: Judgement, failures: Iterable[Judged], earlier: Iterable[Failure]
) -> list[Case]:
    """Smaller cases to try first: a shrink costs a process for each death, a hang its time."""
    if judgement.status not in DEATHS:
        return []
    dead = [known for known, failed in failures if failed.status in DEATHS]
    dead += [known for f in earlier if f.judgement.status in DEATHS for known in (f.case, f.first)]
    same = dict.fromkeys(replace(known, dtype=case.dtype) for known in dead)
    fitting = (k for k in same if k.needs <= case.needs and cost(k) < cost(case))
    return sorted(fitting, key=cost)[:8]


def stale_failures(subject: Subject, runner: Runner, report: Report, settings: Settings) -> list[str]:
    """Known failures that no longer fail: they would hide the next mistake."""
    stale = []
    hit = {str(row.failure.case) for row in report.rows if row.failure}
    for text in subject.known_failures:
        case = Case.parse(text)
        if text in hit or case.operation not in (settings.operations or subject.operations):
            continue
        asked = [name for name, rule in REQUIREMENTS.items() if rule.refuses == bool(case.problem)]
        if not any(j.failed for name in asked for j in judgements_of(runner, name, case)):
            stale.append(text)
    return stale
