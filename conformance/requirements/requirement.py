"""One rule that a kernel must keep: the cases that ask it, the check that judges it, and how others treat it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field

from conformance.cases import Case
from conformance.cases.arrays import Arrays, fill
from conformance.cases.conditions import unasked
from conformance.kernels.call import Caller
from conformance.kernels.framework import Oracle
from conformance.operations import DTYPES, Family
from conformance.requirements.answers import check_answers
from conformance.requirements.plan import Plan
from conformance.verdicts.certificate import Certificate
from conformance.verdicts.judgement import Judgement


@dataclass(frozen=True)
class Requirement:
    """One rule, and all by which others treat it: nobody else knows its name.

    rank            its place in lists and reports
    order           what is judged first has the least
    every_dtype     else float32 alone, where the rule has nothing to do with the dtype
    rounds          it asks what no integer format has: numbers that are rounded, NaN or infinite
    isolated        judged by workers only: a kernel that fails it ends its process
    refuses         its cases are those that PyTorch refuses; what a kernel does with them shows no answer of it
    exhausts        its cases leave no gap in the small scope
    certifies       what its cases certify if all are right; they read a kernel out, and show little of other numbers
    local           a kernel that multiplies transforms of whole tiles is not held to it: there a NaN spreads
    repeatable      what fails once fails again in a new process, unless an earlier call decides
    repeats_calls   one of its cases is several calls, so that it fails where an earlier call decides
    guarded         its arrays lie at guarded pages: of a death, which array was left can be found
    misses_images   its windows may miss the image, where PyTorch's gradient writes out of bounds
    threads         that the frameworks may take
    of_source       its cases follow from the source of the kernel
    searched        by profile, how many cases a search for them may ask; of others they follow from a plan
    fresh           so many of its first cases are judged first thing in a new process, too: what a first call fills
    outputs         what it judges, where that is not what its cases have
    fill            the arrays of a case, as replay shows them
    of_family       whether it has anything to do with a family
    unclaimed       (caller, operation) -> why a kernel does not claim it, as far as that can be told without a call
    probed          whether a kernel that raises in a plain case of it does not claim it
    """

    name: str
    asks: str
    cases: Callable[[Plan], Iterator[Case]]
    check: Callable[[Caller, Oracle, Case], list[Judgement]]
    _: KW_ONLY
    rank: int
    order: int = 1
    every_dtype: bool = True
    rounds: bool = False
    isolated: bool = False
    refuses: bool = False
    exhausts: bool = False
    certifies: Callable[[Plan], Certificate] | None = None
    local: bool = False
    repeatable: bool = True
    repeats_calls: bool = False
    guarded: bool = False
    misses_images: bool = False
    threads: int = 1
    of_source: bool = False
    searched: Mapping[str, int] = field(default_factory=dict)
    fresh: int = 0
    outputs: tuple[str, ...] = ()
    fill: Callable[[Case], Arrays] = fill
    of_family: Callable[[Family], bool] = lambda family: True
    unclaimed: Callable[[Caller, str], str] = lambda caller, operation: ""
    probed: bool = False

    def why_not(self, plan: Plan, isolated: bool) -> str:
        """Why such a kernel is not held to the requirement, or not in this process; "" where it is."""
        if self.isolated and not isolated:
            return "judged in worker processes only"
        if self.of_source and not plan.numbers:
            return plan.unread or "no number of its source could be tied to a size, an option or a value"
        if self.of_source and unasked(plan.operation, plan.features, plan.numbers) == [*plan.numbers]:
            return f"too large to be asked: {'; '.join(plan.numbers)}"
        spreads = plan.transforms and self.local
        return f"accuracy={plan.accuracy} spreads a NaN" if spreads else ""

    def is_judged(self, plan: Plan) -> bool:
        """Whether cases of it follow from the plan, by its operation and dtype."""
        return not self.searched and self.of_family(plan.family) and self.of_dtype(plan.dtype, plan.first)

    def of_dtype(self, dtype: str, first: bool) -> bool:
        return (self.every_dtype or first) and (DTYPES[dtype].rounds or not self.rounds)

    def outputs_of(self, case: Case) -> tuple[str, ...]:
        return self.outputs or case.outputs

    @property
    def plain(self) -> bool:
        """Whether a case is one call on the arrays that it is filled with, so that an answer can be looked into."""
        return self.check is check_answers
