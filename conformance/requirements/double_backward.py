"""The backward of a backward: gradients of gradients, as training with a penalty on gradients needs them.

    grad_grad_output = conv(grad_grad_input, weight) + conv(input, grad_grad_weight) + grad_grad_bias
    grad_input       = the gradient of the input by grad_output, with grad_grad_weight for the weight
    grad_weight      = the gradient of the weight by grad_output, with grad_grad_input for the input

An operation that is linear in the input and in the weight is the derivative of itself: its forward and backward on
other arrays give all three.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from conformance.cases import Case
from conformance.cases.arrays import Array, Arrays
from conformance.cases.doubled import OF, fill_doubled, is_exact
from conformance.kernels import double_backward
from conformance.kernels.call import Caller
from conformance.kernels.double_backward import OUTPUTS
from conformance.kernels.framework import Oracle
from conformance.requirements.answers import limits_of
from conformance.requirements.plan import Plan
from conformance.requirements.requirement import Requirement
from conformance.verdicts.judgement import Judgement, judge

OF_OUTPUT, OF_INPUT, OF_WEIGHT = OUTPUTS


def cases(plan: Plan) -> Iterator[Case]:
    plain = (plan.named(), plan.covering(), plan.explore(0, 60, 2_000), plan.large(0, 20, 200))
    yield from filter(is_exact, plan.with_values(itertools.chain(*plain), plan.integers))
    yield from plan.with_values(itertools.chain(plan.named(), plan.covering()), "mean_zero")
    yield from filter(is_exact, plan.with_values(plan.named("busy"), plan.integers))


def check(caller: Caller, oracle: Oracle, case: Case) -> list[Judgement]:
    arrays = fill_doubled(case)
    given = {name: array.copy() for name, array in arrays.items()}  # a kernel may write to those that it gets
    answers = double_backward.answer(caller, case, arrays)
    if all(answer is None for answer in answers.values()):
        return [Judgement(output, "not claimed") for output in OUTPUTS]
    halves = [(problem, oracle(case, problem)) for problem in _problems(case, given)]
    expected = _joined(*(answer for _, answer in halves))
    limits = _limits(caller, oracle, case, halves)
    return [judge(name, case.dtype, answers[name], expected[name], limits.get(name)) for name in OUTPUTS]


def _problems(case: Case, arrays: Arrays) -> tuple[Arrays, Arrays]:
    """The arrays of the case on which the operation gives one half of it, and of those of the other."""
    plain = {name: array for name, array in arrays.items() if not name.startswith(OF)}
    by_weight = plain | {n: arrays[f"{OF}{n}"] for n in ("input", "bias") if n in plain}
    by_input = plain | {"weight": arrays[f"{OF}weight"]}
    return by_weight, by_input | {n: np.zeros_like(plain[n]) for n in ("bias",) if n in plain}


def _joined(by_weight: dict[str, Array], by_input: dict[str, Array]) -> dict[str, Array]:
    return {
        OF_OUTPUT: by_weight["output"] + by_input["output"],
        OF_INPUT: by_input["grad_input"],
        OF_WEIGHT: by_weight["grad_weight"],
    }


def _limits(
    caller: Caller, oracle: Oracle, case: Case, halves: list[tuple[Arrays, dict[str, Array]]]
) -> dict[str, Array]:
    """The bound of each output that need not be equal bit for bit.

    That of grad_grad_output is twice the sum of its halves' bounds: a sum of n + n terms in any order is off by at most
    2 n u S (Higham, as in verdicts.bounds), two sums of n that are added by as much.
    """
    limits = [limits_of(caller.subject, oracle, case, arrays, answer) for arrays, answer in halves]
    joined = {
        OF_OUTPUT: [of["output"] for of in limits if "output" in of] * 2,
        OF_INPUT: [of["grad_input"] for of in limits[1:] if "grad_input" in of],
        OF_WEIGHT: [of["grad_weight"] for of in limits[:1] if "grad_weight" in of],
    }
    return {name: np.sum(parts, axis=0) for name, parts in joined.items() if parts}


REQUIREMENT = Requirement(
    "double_backward",
    "gradients of gradients, where a kernel has them",
    cases,
    check,
    rank=7,
    outputs=OUTPUTS,
    fill=fill_doubled,
    of_family=lambda family: family.bilinear,
    unclaimed=double_backward.why_not,
    probed=True,
)
