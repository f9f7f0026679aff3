"""What is wrong: the mutant whose wrong numbers a failing subject reproduces, and where in the output the error is.

A mutant explains a failure only if it is itself wrong on the smallest case and gives the same numbers there, and if it
contradicts none of the other cases looked at: wrong where the subject is, with its numbers, and right where it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from operator import itemgetter

import numpy as np

from conformance.audit.mutants import Mutant, of
from conformance.cases import Case
from conformance.cases.arrays import Array, Arrays, fill
from conformance.kernels import reference
from conformance.operations import DTYPES
from conformance.verdicts.bounds import bound
from conformance.verdicts.judgement import shares

EVERY = "every element"  # is wrong, in no way that has a name
CANDIDATES = 600  # cases looked through for one that tells mutants apart
FAR = 10_000  # an option or a padding
NAMED = 3  # mutants that no case tells apart are all named, up to so many
PATTERNED = 24  # elements that an answer must have before a pattern in it is more than chance
RANDOM = ("mean_zero", "non_negative")  # values whose rounding shows the format
FORMATS = {"TF32 or float16": 2.0**13, "bfloat16": 2.0**16}  # how many bounds their products are off by


@dataclass(frozen=True)
class Evidence:
    """One case with what the subject answered for one output: None where it was right."""

    case: Case
    output: str
    got: Array | None


Ask = Callable[[Case], Evidence | None]  # what the subject answers to a case; None where that shows nothing


class _Problem:
    """The evidence with the right answer and how far rounding may move it."""

    def __init__(self, evidence: Evidence) -> None:
        case, output = evidence.case, evidence.output
        self.evidence, self.case = evidence, case
        self.arrays: Arrays = fill(case)
        self.right = reference.answer(case, self.arrays)
        limits = bound(case, self.arrays, self.right, reference.answer, "direct")
        chosen = case.family.chosen and output != "grad_input"  # not computed
        self.dtype = DTYPES[case.dtype]
        self.unit = 0.0 if chosen else self.dtype.unit * (case.terms(output) + 2)
        self.expected, self.limit = self.right[output], limits[output]
        # By which answers may be alike: in half precision rounding errors are large, and tell much.
        self.ways = (self.near, self.same) if self.dtype.narrow else (self.near,)

    def answer(self, mutant: Mutant) -> Array:
        """The mutant's."""
        plain = replace(self.case, layout="")  # the arrays are laid out; a mutant changes other fields
        return mutant.answer(plain, self.arrays, self.right)[self.evidence.output]

    def agrees(self, mutant: Mutant) -> bool:
        """Whether the mutant does what the subject did."""
        answer = self.answer(mutant)
        if self.evidence.got is None:
            return self.near(answer, self.expected)
        got, expected = self.evidence.got, self.expected
        return any(alike(answer, got) and not alike(answer, expected) for alike in self.ways)

    def separates(self, suspects: Sequence[Mutant]) -> bool:
        """Whether two of the mutants answer differently."""
        first, *others = (self.answer(mutant) for mutant in suspects)
        return not all(alike(answer, first) for alike in self.ways for answer in others)

    def same(self, one: Array, other: Array) -> bool:
        """Whether they are the same half-precision numbers."""
        with np.errstate(over="ignore"):
            ours, theirs = (a.astype(self.dtype.numpy).astype(np.float64) for a in (one, other))
        return np.array_equal(ours, theirs, equal_nan=True)

    def near(self, one: Array, other: Array) -> bool:
        if one.shape != other.shape:
            return False
        with np.errstate(all="ignore"):
            own = 2 * self.unit * np.abs(one)  # a wrong sum rounds where the right one may not
            within = np.abs(one - other) <= own + (2 * self.limit if self.limit.shape == one.shape else 0)
            within &= np.isfinite(one) & np.isfinite(other)
        return bool((within | (one == other) | (np.isnan(one) & np.isnan(other))).all())


def diagnose(evidence: Sequence[Evidence], ask: Ask, candidates: Iterable[Case]) -> str:
    """The sentence of the mutant that explains the evidence, the smallest failing case first; "" where none does.

    Mutants that the evidence does not tell apart are told apart by asking the subject a case on which they differ.
    """
    smallest = evidence[0]
    if _far(smallest.case):
        return ""
    suspects = [
        mutant for mutant in of(smallest.case.operation) if mutant.pure and smallest.output in mutant.outputs
    ]
    for each in evidence:
        if suspects and not _far(each.case):
            problem = _Problem(each)
            suspects = [mutant for mutant in suspects if problem.agrees(mutant)]
    near = (case for case in candidates if smallest.output in case.outputs and not _far(case))
    left = _told_apart(suspects, smallest.output, ask, islice(near, CANDIDATES))
    return " or: ".join(mutant.sentence for mutant in left[:NAMED])


def _told_apart(
    suspects: Sequence[Mutant], output: str, ask: Ask, candidates: Iterable[Case]
) -> Sequence[Mutant]:
    """The suspects that the subject agrees with on every case on which they differ."""
    for case in candidates:
        if len(suspects) < 2:
            break
        if _Problem(Evidence(case, output, None)).separates(suspects) and (answered := ask(case)):
            problem = _Problem(answered)
            suspects = [mutant for mutant in suspects if problem.agrees(mutant)]
    return suspects


def _far(case: Case) -> bool:
    """Whether a mutant that has one option for another would fill the memory of the machine."""
    return max(n for axis in case.geometry for n in (*axis[:2], *axis[2], axis[3])) > FAR


def where(evidence: Sequence[Evidence]) -> str:
    """What the wrong elements have in common; the smallest case comes last, as it shows the least.

    A sentence must be true of the smallest itself, or of several others: what one of them shows may be chance.
    """
    wrong = [each for each in evidence if each.got is not None]
    random = all(each.case.values in RANDOM for each in wrong)
    said = [_where(_Problem(each), random) for each in wrong]
    counts = Counter(sentence for sentence in said if sentence != said[-1] and sentence not in ("", EVERY))
    often, times = max(counts.items(), key=itemgetter(1), default=("", 0))
    return often if times > 1 else "".join(said[-1:])


def _where(problem: _Problem, random: bool) -> str:
    """A sentence that is true of every element."""
    got, expected = np.asarray(problem.evidence.got), problem.expected
    if got.shape != expected.shape:
        return ""
    share = shares(got, expected, problem.limit)
    if not (share > 1).any():
        return ""
    rough = _rough(float(share.max())) if random else ""
    return _scaled(got, expected) or rough or _placed(problem, share > 1)


def _scaled(got: Array, expected: Array) -> str:
    """Every element is the right one times the same number."""
    if got.size > 1 and not got.any():
        return "every element is 0"
    counted = (expected != 0) & np.isfinite(expected)
    with np.errstate(all="ignore"):
        ratios = got[counted] / expected[counted]
        if ratios.size < 2 or not np.isfinite(ratios[0]) or np.isclose(ratios[0], 1) or ratios[0] == 0:
            return ""
        scaled = np.isclose(got, ratios[0] * expected, rtol=1e-5, atol=0, equal_nan=True)
    return f"every element is {ratios[0]:.6g} times what it should be" if scaled.all() else ""


def _rough(worst: float) -> str:
    """Errors of the size that a narrower format rounds to; an infinite one is none."""
    for name, factor in FORMATS.items():
        if worst <= factor:
            return f"errors of up to {worst:.3g} times the bound: as products in {name} have"
    return ""


def _placed(problem: _Problem, wrong: Array) -> str:
    """The axes along which the wrong elements are a small and regular part, most of which is wrong."""
    if wrong.all():
        return EVERY if wrong.size > 1 else ""
    if wrong.size < PATTERNED:
        return ""
    patterns, part, many = [], 1, wrong.sum() >= PATTERNED
    names = _axis_names(problem.evidence.output, problem.case)[-wrong.ndim :]
    for name, at, n in zip(names, np.nonzero(wrong), wrong.shape, strict=True):
        indices = np.unique(at).tolist()
        pattern = _pattern(name, indices, n, many) if len(indices) < n else ""
        patterns += [pattern] if pattern else []
        part *= len(indices) if pattern else n
    shown = 2 * wrong.sum() > part and (many or len(patterns) < 2)
    return " of ".join(reversed(patterns)) if shown else ""


def _pattern(name: str, at: list[int], n: int, many: bool) -> str:
    """Which of the n indices along an axis these are; "" where they are no regular part, or few make it regular."""
    places = {  # of two that are the same, the later is said
        tuple(range(at[0], n)): f"every {name} from {at[0]} on",
        (n - 1,): f"the last {name}",
        (0,): f"the first {name}",
        (0, n - 1): f"the first and the last {name}" if n > 3 else "",
    }
    if place := places.get(tuple(at)):
        return place
    if len(at) == 1:
        return f"{name} {at[0]} only"
    step = at[1] - at[0]
    periodic = many and len(at) > 2 and at == list(range(at[0] % step, n, step))
    return f"every {_ORDINALS.get(step, f'{step}th')} {name}" if periodic else ""


_ORDINALS = {2: "second", 3: "third"}
_AXES = ("slice", "row", "column")  # of an image or a filter, the last ones


def _axis_names(output: str, case: Case) -> tuple[str, ...]:
    axes = _AXES[-case.dimensions :]
    if output == "grad_weight":
        first, second = (counted.removesuffix("s") for counted in case.family.weight_axes)
        return (first, f"{second} of the {first}", *(f"{axis} of the filter" for axis in axes))
    return ("filter",) if output == "grad_bias" else ("image", "channel", *axes)
