"""What a subject claims: by declaration, by signature, and where neither says, by what it does with a plain call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from conformance.cases import Case
from conformance.cases.features import Features, features_of
from conformance.cases.features import probes as features_probes
from conformance.kernels.call import Caller
from conformance.kernels.conditions import numbers_of
from conformance.kernels.probes import probes
from conformance.kernels.subject import Subject
from conformance.operations import DTYPES, OPERATIONS
from conformance.operations.dtypes import COMPLEX
from conformance.requirements import REQUIREMENTS, Plan, requirement_of
from conformance.running.runner import Runner, judgements_of
from conformance.running.settings import Settings
from conformance.verdicts.judgement import EXCEPTIONS

UNDECLARED = "dtypes= of a conformance.Subject does not name it"
DECLINED = "NotImplementedError"


@dataclass(frozen=True)
class Claims:
    """What a subject claims of one operation.

    dtypes        in which it is judged, of those that it claims
    features      that it claims, its dtypes among them
    requirements  that it is held to, in the order in which they are judged
    not_claimed   (operation, what, why)
    refusing      how it refuses its plainest call, where it does
    numbers       the conditions that its source has
    """

    operation: str
    dtypes: tuple[str, ...]
    features: Features
    requirements: tuple[str, ...] = ()
    not_claimed: tuple[tuple[str, str, str], ...] = ()
    refusing: str = ""
    numbers: tuple[str, ...] = ()


def claims_of(subject: Subject, runner: Runner, settings: Settings) -> Iterator[Claims]:
    """What a subject claims of each operation that is judged, when it comes to that."""
    for operation in settings.operations or subject.operations:
        probe = _Probe(operation, Caller(subject), runner)
        features, dtypes = probe.claimed()
        judged = tuple(dtype for dtype in dtypes if dtype in (settings.dtypes or dtypes))
        for dtype in judged:
            for what, reason in _nothing_of(dtype).items():
                probe.note(f"{what} in {dtype}", reason)
        for dtype in settings.dtypes:
            if dtype not in probe.caller.dtypes:
                probe.note(dtype, UNDECLARED)
        numbers, unread = numbers_of(subject, operation)
        plan = Plan(operation, "", features, accuracy=subject.accuracy, numbers=numbers, unread=unread)
        names, others = requirements_of(subject, plan, settings, runner.isolated) if judged else ((), {})
        names, raising = probe.raised(names, judged)
        for name, reason in (others | raising).items():
            probe.note(name, reason)
        yield Claims(
            operation,
            judged,
            features.union(dtypes),
            names,
            tuple(probe.not_claimed),
            probe.refusing,
            numbers,
        )


def _nothing_of(dtype: str) -> dict[str, str]:
    """What there is not of a dtype, and why."""
    rounded = {
        name: "integers are not rounded, and none is NaN"
        for name, each in REQUIREMENTS.items()
        if not each.of_dtype(dtype, first=True)
    }
    gradients = {} if DTYPES[dtype].differentiated else {"gradients": "integers have none"}
    infinite = {"infinities": "their products are NaN or not, as they are multiplied"}
    return rounded | gradients | (infinite if DTYPES[dtype].kind == COMPLEX else {})


def requirements_of(
    subject: Subject, plan: Plan, settings: Settings, isolated: bool
) -> tuple[tuple[str, ...], dict[str, str]]:
    """The requirements that such a subject is held to, in their order, and why not to the others that are wanted."""
    names = sorted(settings.requirements or REQUIREMENTS, key=lambda name: REQUIREMENTS[name].order)
    names = [name for name in names if REQUIREMENTS[name].of_family(plan.family)]
    reasons = {name: REQUIREMENTS[name].why_not(plan, isolated) for name in names}
    reasons |= {name: "skipped" for name in names if name in settings.skipped}
    caller = Caller(subject)
    reasons |= {
        name: REQUIREMENTS[name].unclaimed(caller, plan.operation) for name in names if not reasons[name]
    }
    others = {name: reason for name, reason in reasons.items() if reason}
    return tuple(name for name in names if name not in others), others


@dataclass
class _Probe:
    """Finds what is claimed of one operation, and notes what is not.

    A plain call that is refused with an exception is no wrong answer: its feature is not claimed, and the report says
    so. A kernel that refuses the plainest call claims all, and every case will say how it refuses.
    """

    operation: str
    caller: Caller
    runner: Runner
    not_claimed: list[tuple[str, str, str]] = field(default_factory=list)
    refusing: str = ""

    def note(self, what: str, why: str) -> None:
        self.not_claimed.append((self.operation, what, why))

    def claimed(self) -> tuple[Features, tuple[str, ...]]:
        """Features and dtypes."""
        features, dtypes = self._by_signature(), self._of_operation()
        if not dtypes:
            return features, ()
        showing = probes(self.caller, self.operation)
        plain = [replace(case, dtype=dtypes[0]) for case in showing["plain"]]
        base = next((case for case in plain if not _refusal(self.runner, case)), None)
        if base is None:
            self.refusing = _refusal(self.runner, plain[0])
            return features, dtypes
        if not self.caller.subject.dtypes:
            dtypes = tuple(dtype for dtype in dtypes if self._takes(base, dtype))
        in_dtype = dtypes[0] if dtypes else "float32"
        for feature in sorted(features & set(showing)):
            if reason := self._declines(
                feature, [replace(case, dtype=in_dtype) for case in showing[feature]]
            ):
                self.note(feature, reason)
                features -= {feature}
        return features, dtypes

    def _of_operation(self) -> tuple[str, ...]:
        """The dtypes of the subject, those apart that the operation has nothing to do with."""
        there = OPERATIONS[self.operation].family.dtypes
        for dtype in self.caller.dtypes:
            if dtype not in there:
                self.note(dtype, f"{self.operation} is not judged of {DTYPES[dtype].kind} numbers")
        return tuple(dtype for dtype in self.caller.dtypes if dtype in there)

    def raised(
        self, requirements: Sequence[str], dtypes: Sequence[str]
    ) -> tuple[tuple[str, ...], dict[str, str]]:
        """Those that the kernel claims, and of the others the exception that it raises in a plain case of them."""
        probed = [name for name in requirements if REQUIREMENTS[name].probed]
        plain = [replace(case, dtype=dtype) for dtype in dtypes[:1] for case in self._plain]
        reasons = {name: _refusals(self.runner, name, plain) for name in probed}
        return tuple(n for n in requirements if not reasons.get(n)), {n: r for n, r in reasons.items() if r}

    @property
    def _plain(self) -> list[Case]:
        return probes(self.caller, self.operation)["plain"]

    def _by_signature(self) -> Features:
        lacking = {f: self.caller.lacks(self.operation, f) for f in sorted(features_of(self.operation))}
        for feature, why in lacking.items():
            if why:
                self.note(feature, why)
        return frozenset(feature for feature, why in lacking.items() if not why)

    def _takes(self, base: Case, dtype: str) -> bool:
        reason = _refusal(self.runner, replace(base, dtype=dtype))
        if reason:
            self.note(dtype, reason)
        return not reason

    def _declines(self, feature: str, cases: Sequence[Case]) -> str:
        """Why a feature is not claimed: every case that shows it is refused, in a way that says so."""
        reasons = [_refusal(self.runner, case) for case in cases]
        if not reasons or not all(reasons):
            return ""
        declined = all(reason.startswith(DECLINED) for reason in reasons)
        return reasons[0] if declined or feature in features_probes(self.operation) else ""


def _refusals(runner: Runner, requirement: str, cases: Sequence[Case]) -> str:
    """The exception that every one of the cases ends in under a requirement; "" where one is answered."""
    judged = [judgements_of(runner, requirement, case)[0] for case in cases]
    if not judged or not all(judgement.status in EXCEPTIONS for judgement in judged):
        return ""
    return judged[0].message.partition(f"{judged[0].status}: ")[2]


def _refusal(runner: Runner, case: Case) -> str:
    """How the subject's forward refuses a case, or nothing where it answers, rightly or not."""
    for judgement in judgements_of(runner, requirement_of(case).name, case):
        if judgement.output == "output" and judgement.status in (*EXCEPTIONS, "not claimed"):
            return judgement.message.partition(f"{judgement.status}: ")[2] or "declared"
    return ""
