"""What is wrong: the mutant whose wrong numbers a failing subject reproduces, and where in the output the error is.

A mutant explains a failure only if it is itself wrong on the smallest case and gives the same numbers there, and if it
contradicts none of the other cases looked at: wrong where the subject is, with its numbers, and right where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise

import numpy as np

from conformance.audit.mutants import Mutant, of
from conformance.cases import Case
from conformance.cases.arrays import Array, Arrays, fill
from conformance.kernels import reference
from conformance.operations import DTYPES
from conformance.verdicts.bounds import bound

CANDIDATES = 600  # cases looked through for one that tells mutants apart
FAR = 10_000  # an option or a padding
NAMED = 3  # mutants that no case tells apart are all named, up to so many


@dataclass(frozen=True)
class Evidence:
    """One case with what the subject answered for one output: None where it was right."""

    case: Case
    output: str
    got: Array | None


Ask = Callable[[Case], Evidence | None]  # what the subject answers to a case; None where that says nothing


_RANDOM = ("mean_zero", "non_negative")  # values whose rounding tells the format


class _Problem:
    """The evidence with the right answer and how far rounding may move it."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence, self.case = evidence, evidence.case
        self.arrays: Arrays = fill(evidence.case)
        self.right = reference.answer(evidence.case, self.arrays)
        limits = bound(evidence.case, self.arrays, self.right, reference.answer, "direct")
        chosen = evidence.case.family.chosen and evidence.output != "grad_input"  # not computed
        self.unit = (
            0.0 if chosen else DTYPES[evidence.case.dtype].unit * (evidence.case.terms(evidence.output) + 2)
        )
        self.expected, self.limit = self.right[evidence.output], limits[evidence.output]

    def agrees(self, mutant: Mutant) -> bool:
        """Whether the mutant does what the subject did."""
        plain = replace(self.case, layout="")  # the arrays are laid out; a mutant changes other fields
        told = mutant.answer(plain, self.arrays, self.right)[self.evidence.output]
        if self.evidence.got is None:
            return self.near(told, self.expected)
        return self.near(told, self.evidence.got) and not self.near(told, self.expected)

    def separates(self, suspects: Sequence[Mutant]) -> bool:
        """Whether two of the mutants answer differently."""
        plain = replace(self.case, layout="")
        answers = [mutant.answer(plain, self.arrays, self.right)[self.evidence.output] for mutant in suspects]
        return not all(self.near(answer, answers[0]) for answer in answers[1:])

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
    evidence = [each for each in evidence if not _far(each.case)]
    candidates = (case for case in candidates if not _far(case))
    suspects = [
        mutant for mutant in of(smallest.case.operation) if mutant.pure and smallest.output in mutant.outputs
    ]
    for each in evidence:
        if suspects:
            problem = _Problem(each)
            suspects = [mutant for mutant in suspects if problem.agrees(mutant)]
    for case in islice((case for case in candidates if smallest.output in case.outputs), CANDIDATES):
        if len(suspects) < 2:
            break
        if _Problem(Evidence(case, smallest.output, None)).separates(suspects):
            told = ask(case)
            left = [mutant for mutant in suspects if _Problem(told).agrees(mutant)] if told else suspects
            suspects = left
    return " or: ".join(mutant.sentence for mutant in suspects[:NAMED])


def _far(case: Case) -> bool:
    """Whether a mutant that has one option for another would fill the memory of the machine."""
    return max(n for axis in case.geometry for n in (*axis[:2], *axis[2], axis[3])) > FAR


def where(evidence: Sequence[Evidence]) -> str:
    """What the wrong elements have in common in the first case that tells, and that case; "" where none does."""
    wrong = [each for each in evidence if each.got is not None]
    rounds = all(each.case.values in _RANDOM for each in wrong)
    for each in wrong:
        if told := _where(_Problem(each), rounds):
            return f"{told}, in {each.case}"
    return ""


def _where(problem: _Problem, rounds: bool) -> str:
    got, expected = np.asarray(problem.evidence.got, np.float64), problem.expected
    if got.shape != expected.shape:
        return ""
    with np.errstate(all="ignore"):
        wrong = ~(
            (np.abs(got - expected) <= problem.limit)
            | (got == expected)
            | (np.isnan(got) & np.isnan(expected))
        )
    if not wrong.any():
        return ""
    rough = _rough(problem, got, expected) if rounds else ""
    return _scaled(got, expected) or rough or _placed(problem, wrong)


def _scaled(got: Array, expected: Array) -> str:
    """Every element is the right one times the same number."""
    with np.errstate(all="ignore"):
        ratios = (got / expected)[(expected != 0) & np.isfinite(expected)]
    plain = ratios.size > 1 and np.isfinite(ratios).all() and np.allclose(ratios, ratios[0], rtol=1e-5)
    if plain and ratios[0] == 0:
        return "every element is 0"
    return (
        f"every element is {ratios[0]:.6g} times what it should be"
        if plain and not np.isclose(ratios[0], 1)
        else ""
    )


def _rough(problem: _Problem, got: Array, expected: Array) -> str:
    """Errors everywhere, small, and of the size that a narrower format rounds to."""
    with np.errstate(all="ignore"):
        worst = float(np.nanmax(np.abs(got - expected) / problem.limit))
    for name, factor in {"TF32 or float16": 2.0**13, "bfloat16": 2.0**16}.items():
        if worst <= factor:
            return f"errors of up to {worst:.3g} times the bound: as products in {name} have"
    return ""


def _placed(problem: _Problem, wrong: Array) -> str:
    """The axis along which the wrong elements are a small and regular part."""
    names = _axis_names(problem.evidence.output, problem.case.dimensions)
    told = []
    for axis, name in enumerate(names[-wrong.ndim :] if wrong.ndim < len(names) else names):
        n = wrong.shape[axis]
        at = np.nonzero(wrong.any(axis=tuple(i for i in range(wrong.ndim) if i != axis)))[0]
        if n > 1 and (text := _pattern(name, [int(i) for i in at], n)):
            told.append(text)
    return (
        " of ".join(reversed(told)) if told else ("every element" if wrong.all() and wrong.size > 1 else "")
    )


def _pattern(name: str, at: list[int], n: int) -> str:
    if len(at) == n:
        return ""
    if at == [n - 1]:
        return f"the last {name}"
    if at == [0]:
        return f"the first {name}"
    if len(at) == 1:
        return f"{name} {at[0]} only"
    if at == [0, n - 1] and n > 3:
        return f"the first and the last {name}"
    if at == list(range(at[0], n)):
        return f"every {name} from {at[0]} on"
    steps = {b - a for a, b in pairwise(at)}
    return (
        f"every {_ORDINALS.get(step, f'{step}th')} {name}"
        if len(steps) == 1 and (step := steps.pop()) > 1
        else ""
    )


_ORDINALS = {2: "second", 3: "third"}
_AXES = ("slice", "row", "column")  # of an image or a filter, the last ones


def _axis_names(output: str, dimensions: int) -> tuple[str, ...]:
    axes = _AXES[-dimensions:]
    if output == "grad_weight":
        return ("filter", "channel of the filter", *(f"{axis} of the filter" for axis in axes))
    return ("filter",) if output == "grad_bias" else ("image", "channel", *axes)
