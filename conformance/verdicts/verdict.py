"""What a run finds: the verdict on each output of each unit, and its failing cases."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from conformance.cases import Case
from conformance.cases.scope import Exhausted
from conformance.cases.shrink import is_part_of
from conformance.kernels.subject import Subject
from conformance.verdicts.certificate import Certificate
from conformance.verdicts.coverage import Coverage
from conformance.verdicts.judgement import ADVICE, GRAVEST, Judgement
from conformance.verdicts.summation import Summation
from conformance.verdicts.taps import Taps
from conformance.verdicts.unreached import Unreached

# Every verdict on an output or on a subject, the mildest first.
VERDICTS = (
    "conforms", "not claimed", ADVICE, "known failure", "framework fault", "untested", "interrupted",
    *reversed(GRAVEST),
)  # fmt: skip


@dataclass(frozen=True)
class Unit:
    """What is judged together: all outputs of one operation under one requirement in one dtype."""

    operation: str
    requirement: str
    dtype: str


@dataclass
class Failure:
    """A failing case of one output, shrunk.

    known      the reason, where the subject declares it
    fault      whose it is, where the framework of the subject's arrays fails the same: "PyTorch's own conv2d"
    diagnosis  the known mistake whose wrong numbers these are
    where      what the wrong elements of the first failing cases have in common
    shown_by   the requirement by which a new process shows it, where that is not the one that failed
    likewise   messages of other cases of a requirement whose cases are a list: what else PyTorch refuses
    baseline   the file that has it, where it was there already
    taps       which pixels one wrong window of an answer reads, where the kernel was read out
    """

    case: Case
    judgement: Judgement
    first: Case
    known: str = ""
    fault: str = ""
    diagnosis: str = ""
    where: str = ""
    shown_by: str = ""
    likewise: tuple[str, ...] = ()
    baseline: str = ""
    taps: Taps | None = None

    def explains(self, case: Case, judgement: Judgement) -> bool:
        """Whether a failure of the same output may be the same mistake: no graver, and its case holds all of this."""
        graver = GRAVEST.index(judgement.status) < GRAVEST.index(self.judgement.status)
        return not graver and is_part_of(self.case, case)

    @property
    def verdict(self) -> str:
        if self.known or self.baseline:
            return "known failure"
        return "framework fault" if self.fault else self.judgement.status

    @property
    def decides(self) -> bool:
        """Whether the subject does not conform because of it."""
        return not (self.known or self.fault or self.baseline)

    def as_data(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        texts = {"case": str(self.case), "first": str(self.first)}
        taps = {"taps": self.taps.as_data() if self.taps else None}
        return vars(self) | texts | {"judgement": list(self.judgement)} | taps

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Failure:
        cases = {name: Case.parse(data[name]) for name in ("case", "first")}
        plain = {"judgement": Judgement(*data["judgement"]), "likewise": tuple(data.get("likewise", ()))}
        taps = {"taps": Taps.from_data(data["taps"]) if data.get("taps") else None}
        return cls(**data | cases | plain | taps)


@dataclass
class Row:
    """The verdict on one output of a unit.

    refuses   whether its cases are those that PyTorch refuses, which show no answer of the kernel
    failure   the gravest, and others: those that are unlike it and each other
    advice    what it is advised of, each with the first case that shows it
    orders    of its sums, one for each case that shows it
    seconds   that its unit took
    met       how many cases of its unit fell into which classes; the first row of a unit has it
    """

    unit: Unit
    output: str
    cases: int = 0
    share: float = 0.0
    varied: bool = False
    not_claimed: int = 0
    failure: Failure | None = None
    refuses: bool = False
    advice: dict[str, str] = field(default_factory=dict)
    others: list[Failure] = field(default_factory=list)
    orders: list[list[Any]] = field(default_factory=list)
    seconds: float = field(default=0.0, compare=False)
    met: dict[str, int] = field(default_factory=dict)

    @property
    def failures(self) -> list[Failure]:
        return [self.failure, *self.others] if self.failure else []

    def add(self, failure: Failure) -> None:
        """One more failure that is unlike those before."""
        self.failure, *self.others = sorted([*self.failures, failure], key=_gravity)

    def sort(self) -> None:
        """The gravest failure first, also where some turned out to decide nothing."""
        if self.failures:
            self.failure, *self.others = sorted(self.failures, key=_gravity)

    def join(self, later: Row) -> None:
        """Add what later cases of the same unit say, of which none fails."""
        self.cases += later.cases
        self.share = max(self.share, later.share)
        self.varied = self.varied or later.varied
        self.not_claimed += later.not_claimed
        self.orders += later.orders
        self.seconds += later.seconds
        self.advice |= {message: case for message, case in later.advice.items() if message not in self.advice}

    def count(self, case: Case, judgement: Judgement) -> None:
        """Add what one more case says."""
        if not judgement.claimed:
            self.not_claimed += 1
            return
        self.cases += 1
        self.varied = self.varied or judgement.varied
        self.orders += [judgement.order] if judgement.order else []
        if not judgement.failed:
            self.share = max(self.share, judgement.share)
        if judgement.status == ADVICE:
            self.advice.setdefault(judgement.message, str(case))

    @property
    def judgement(self) -> Judgement:
        """What a row of one case says of it."""
        if self.failure:
            return self.failure.judgement
        if not self.cases:
            return Judgement(self.output, "not claimed")
        if self.advice:
            return Judgement(self.output, ADVICE, self.share, self.varied, next(iter(self.advice)))
        return Judgement(self.output, "conforms", self.share, self.varied)

    def as_data(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        failure = self.failure.as_data() if self.failure else None
        others = [each.as_data() for each in self.others]
        return vars(self) | {"unit": asdict(self.unit), "failure": failure, "others": others}

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Row:
        failure = Failure.from_data(data["failure"]) if data.get("failure") else None
        others = [Failure.from_data(each) for each in data.get("others", ())]
        return cls(**data | {"unit": Unit(**data["unit"]), "failure": failure, "others": others})

    @property
    def verdict(self) -> str:
        if self.failure:
            return self.failure.verdict
        if self.advice:
            return ADVICE
        if self.not_claimed and not (self.cases and self.varied):  # what is claimed of it shows nothing
            return "not claimed"
        return "conforms" if self.cases and self.varied else "untested"

    @property
    def shows(self) -> bool:
        """Whether it says something of the kernel: it conforms, or fails as it did before."""
        return self.verdict in ("conforms", ADVICE) or bool(self.failure and self.failure.baseline)

    @property
    def passed(self) -> bool:
        mild = self.verdict in ("conforms", "not claimed", ADVICE)
        return not any(failure.decides for failure in self.failures) if self.failure else mild


def _gravity(failure: Failure) -> tuple[bool, int]:
    """What is graver has less; what decides nothing comes last."""
    return not failure.decides, GRAVEST.index(failure.judgement.status)


@dataclass(frozen=True)
class Numbers:
    """The conditions of an operation's source on both sides of which cases were asked, and those too large for it."""

    operation: str
    asked: tuple[str, ...]
    too_large: tuple[str, ...] = ()


@dataclass
class Report:
    """All rows of a run, what was not claimed and why, what was exhausted, and stale known failures."""

    subject: Subject
    rows: list[Row] = field(default_factory=list)
    not_claimed: list[tuple[str, str, str]] = field(default_factory=list)  # operation, feature, reason
    refusing: dict[str, str] = field(default_factory=dict)  # how an operation refuses its plainest call
    exhausted: list[Exhausted] = field(default_factory=list)  # where every answer was exact
    certified: list[Certificate] = field(default_factory=list)  # what was read out, where it is right
    summations: list[Summation] = field(default_factory=list)  # in what order, as far as it was read
    stale: list[str] = field(default_factory=list)  # known failures that no longer fail
    interrupted: bool = False
    limited: str = ""  # why not all was judged that is claimed, where that was wanted
    numbers: list[Numbers] = field(default_factory=list)  # that the source has, by operation
    unreached: Unreached = field(default_factory=Unreached)
    coverage: list[Coverage] = field(default_factory=list)  # by its cases, of classes of parameters

    @property
    def cases(self) -> int:
        """How many cases were judged: a case counts once for all its outputs."""
        counts: dict[Unit, int] = {}
        for row in self.rows:
            counts[row.unit] = max(counts.get(row.unit, 0), row.cases)
        return sum(counts.values())

    @property
    def verdict(self) -> str:
        """conforms, differs, untested or interrupted."""
        if self.stale or any(row.failure and row.failure.decides for row in self.rows):
            return "differs"
        if self.interrupted:
            return "interrupted"
        return "conforms" if self.passed else "untested"

    @property
    def unclaimed(self) -> list[str]:
        """Operations judged by more than bad arguments, nothing of which is claimed."""
        answers = [row for row in self.rows if not row.refuses]
        claimed = {row.unit.operation for row in answers if row.verdict != "not claimed"}
        return [name for name in dict.fromkeys(row.unit.operation for row in answers) if name not in claimed]

    @property
    def passed(self) -> bool:
        judged = any(row.shows for row in self.rows) and not self.unclaimed
        return judged and not self.stale and not self.interrupted and all(row.passed for row in self.rows)
