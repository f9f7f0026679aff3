"""What is wrong: the mutant whose wrong numbers a failing subject reproduces, and where in the output the error is.

A mutant explains a failure only if it is itself wrong on the smallest case and gives the same numbers there, and if it
contradicts none of the other cases looked at: wrong where the subject is, with its numbers, and right where it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from conformance.audit.mutants import Mutant, of
from conformance.cases import Case
from conformance.cases.arrays import Array, Arrays, fill
from conformance.cases.units import SINGLE
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
FORMATS = {"float32": 2.0**-24, "TF32 or float16": 2.0**-11, "bfloat16": 2.0**-8}  # unit roundoffs


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


@dataclass(frozen=True)
class Sentence:
    """What wrong elements have in common, in words, and whether the numbers of a case agree with it."""

    words: str = ""
    holds: Callable[[Answered], bool] = lambda answered: True


@dataclass(frozen=True)
class Answered:
    """What a subject answered to a case, and which elements are wrong; none is where the shape is."""

    names: tuple[str, ...]  # of the axes
    got: Array
    expected: Array
    share: Array
    unit: float  # roundoff of the dtype
    single: bool  # whether each element reads one product: 0 or 1

    @property
    def wrong(self) -> Array:
        return np.asarray(self.share > 1)


def where(evidence: Sequence[Evidence]) -> str:
    """What the wrong elements have in common; the smallest case comes last, as it shows the least.

    A sentence must be true of the smallest itself, or of several others: what one of them shows may be chance. None is
    told that the numbers of the smallest contradict.
    """
    wrong = [each for each in evidence if each.got is not None]
    random = all(each.case.values in RANDOM for each in wrong)
    answered = [_answered(_Problem(each)) for each in wrong]
    said = [_where(each, random) for each in answered]
    if not said:
        return ""
    others = (each for each in said if each.words not in (said[-1].words, "", EVERY))
    counts = Counter(each.words for each in others if each.holds(answered[-1]))
    often, times = max(counts.items(), key=itemgetter(1), default=("", 0))
    return often if times > 1 else said[-1].words


def _answered(problem: _Problem) -> Answered:
    got, expected = np.asarray(problem.evidence.got), problem.expected
    share = shares(got, expected, problem.limit) if got.shape == expected.shape else np.zeros(0)
    names = _axis_names(problem.evidence.output, problem.case)[-expected.ndim :]
    single = problem.case.values in SINGLE and problem.case.family.bilinear
    return Answered(names, got, expected, share, problem.dtype.unit, single)


def _where(answered: Answered, random: bool) -> Sentence:
    """A sentence that is true of every element."""
    if not answered.wrong.any():
        return Sentence()
    rough = _rough(float(answered.share.max()), answered.unit) if random else Sentence()
    for sentence in (_scaled(answered.got, answered.expected), rough, placed := _placed(answered)):
        if sentence.words not in ("", EVERY):
            return sentence
    return _counted(answered) or placed


def _scaled(got: Array, expected: Array) -> Sentence:
    """Every element is the right one times the same number."""
    if got.size > 1 and not got.any():
        return Sentence("every element is 0", lambda other: not other.got.any())
    counted = (expected != 0) & np.isfinite(expected)
    with np.errstate(all="ignore"):
        ratios = got[counted] / expected[counted]
    if ratios.size < 2 or not np.isfinite(ratios[0]) or np.isclose(ratios[0], 1) or ratios[0] == 0:
        return Sentence()
    words = f"every element is {ratios[0]:.6g} times what it should be"
    scaled = Sentence(words, lambda other: _is_scaled(other.got, other.expected, ratios[0]))
    return scaled if _is_scaled(got, expected, ratios[0]) else Sentence()


def _is_scaled(got: Array, expected: Array, ratio: float) -> bool:
    with np.errstate(all="ignore"):
        return got.shape == expected.shape and np.allclose(got, ratio * expected, 1e-5, 0, equal_nan=True)


def _rough(worst: float, unit: float) -> Sentence:
    """Errors of the size that a narrower format than that of this unit roundoff rounds to; an infinite one is none."""
    for name, narrower in FORMATS.items():
        if unit < narrower and worst <= narrower / unit:
            words = f"errors of up to {worst:.3g} times the bound: as products in {name} have"
            return Sentence(words, lambda other: bool((other.share <= worst).all()))
    return Sentence()


def _placed(answered: Answered) -> Sentence:
    """The axes along which the wrong elements are a small and regular part, most of which is wrong."""
    wrong = answered.wrong
    if wrong.all():
        return Sentence(EVERY if wrong.size > 1 else "", lambda other: bool(other.wrong.all()))
    if wrong.size < PATTERNED:
        return Sentence()
    patterns, part, many = dict[str, _Pattern](), 1, wrong.sum() >= PATTERNED
    for name, at, n in zip(answered.names, np.nonzero(wrong), wrong.shape, strict=True):
        indices = np.unique(at).tolist()
        pattern = _pattern(name, indices, n, many) if len(indices) < n else None
        patterns |= {name: pattern} if pattern else {}
        part *= len(indices) if pattern else n
    if not (2 * wrong.sum() > part and (many or len(patterns) < 2)):
        return Sentence()
    words = " of ".join(pattern.words for pattern in reversed(patterns.values()))
    return Sentence(words, lambda other: _lies_in(other, patterns))


def _counted(answered: Answered) -> Sentence | None:
    """How the one product of each wrong element is counted, where it is so for all of them."""
    pairs = set(
        zip(answered.expected[answered.wrong].tolist(), answered.got[answered.wrong].tolist(), strict=True)
    )
    words = _FAULTS.get(next(iter(pairs))) if answered.single and len(pairs) == 1 else None
    return Sentence(words, lambda other: other.single and _counted(other) is not None) if words else None


_FAULTS = {  # expected, and got
    (1, 0): "each wrong element lacks the one product that it should have",
    (1, 2): "each wrong element has its one product twice",
    (1, -1): "each wrong element has its one product with the other sign",
    (0, 1): "each wrong element has a product that it should not have",
}


class _Pattern(NamedTuple):
    words: str
    of: Callable[[int], Sequence[int]]  # so many indices -> those of the pattern


def _lies_in(other: Answered, patterns: Mapping[str, _Pattern]) -> bool:
    """Whether every wrong element lies where the patterns of the axes are."""
    axes = zip(other.names, np.nonzero(other.wrong), other.wrong.shape, strict=False)
    return all(set(at.tolist()) <= set(patterns[name].of(n)) for name, at, n in axes if name in patterns)


def _pattern(name: str, at: list[int], n: int, many: bool) -> _Pattern | None:
    """Which of the n indices along an axis these are; None where they are no regular part, or few make it regular."""
    places: list[_Pattern] = [  # the first that fits is said
        _Pattern(f"the first and the last {name}", lambda n: (0, n - 1) if n > 3 else ()),
        _Pattern(f"the first {name}", lambda n: (0,)),
        _Pattern(f"the last {name}", lambda n: (n - 1,)),
        _Pattern(f"every {name} from {at[0]} on", lambda n: range(at[0], n)),
    ]
    for place in places:
        if tuple(place.of(n)) == tuple(at):
            return place
    if len(at) == 1:
        return _Pattern(f"{name} {at[0]} only", lambda n: at)
    step = at[1] - at[0]
    every = _Pattern(
        f"every {_ORDINALS.get(step, f'{step}th')} {name}", lambda n: range(at[0] % step, n, step)
    )
    return every if many and len(at) > 2 and at == list(every.of(n)) else None


_ORDINALS = {2: "second", 3: "third"}
_AXES = ("slice", "row", "column")  # of an image or a filter, the last ones


def _axis_names(output: str, case: Case) -> tuple[str, ...]:
    axes = _AXES[-case.dimensions :]
    if output == "grad_weight":
        first, second = (counted.removesuffix("s") for counted in case.family.weight_axes)
        return (first, f"{second} of the {first}", *(f"{axis} of the filter" for axis in axes))
    return ("filter",) if output == "grad_bias" else ("image", "channel", *axes)
