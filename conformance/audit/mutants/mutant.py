"""What a mutant is: a mistake in words on a function of a case and its arrays, or in functions with a state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from conformance.audit.mutants.otherwise import Change
from conformance.audit.mutants.words import shows
from conformance.cases import Case
from conformance.cases.arrays import Array, Arrays
from conformance.kernels import reference
from conformance.kernels.functions import by_reference, functions
from conformance.kernels.reference import IMAGES, wide
from conformance.operations.dtypes import COMPLEX, DTYPES, REAL, USUAL
from conformance.operations.family import Answers


@dataclass(frozen=True)
class Mutant:
    """A kernel with one known mistake.

    name       unique; `named(name)` makes the same mutant in any process
    operation  whose functions it has
    outputs    what the mistake can change
    sentence   the mistake, as a developer wants to read it
    when       where it can show: an expression in words.WORDS for a pure mutant, else in words
    table      the file its row stands in, which tells what requirement is likely to notice it
    dtypes     that it is asked in
    change     a pure mutant: the changed outputs of a case with a batch axis, in float64
    make       any other: a fresh namespace of the operation's functions, with the state that its mistake lies in
    """

    name: str
    operation: str
    outputs: tuple[str, ...]
    sentence: str
    when: str
    table: str
    dtypes: tuple[str, ...] = USUAL
    change: Change | None = None
    make: Callable[[str], SimpleNamespace] | None = None

    @property
    def pure(self) -> bool:
        """Whether its answer is a function of the case and its arrays."""
        return self.change is not None

    def shows(self, case: Case, arrays: Arrays) -> bool:
        """Whether the case meets `when`, without which a pure mutant is right; a forward sees no grad_output."""
        if not any(output.startswith("grad_") for output in self.outputs):
            arrays = {name: array for name, array in arrays.items() if name != "grad_output"}
        return case.operation == self.operation and shows(self.when, case, arrays)

    def changes(self, case: Case, arrays: Arrays) -> Answers:
        """The outputs that the mistake changes, in float64; {} where the case does not meet `when`."""
        if self.change is None:
            raise TypeError(f"{self.name} is no function of a case: call its subject()")
        if case.operation != self.operation or case.problem or not self._holds(case, arrays):
            return {}
        values = self._values(case, arrays)
        if case.batch is not None:
            return self._batched(case, values, self.outputs)
        batch = {name: array[None] if name in IMAGES else array for name, array in values.items()}
        answers = self._batched(case, batch, self.outputs)
        return {name: array[0] if name in IMAGES else array for name, array in answers.items()}

    def answer(self, case: Case, arrays: Arrays, right: Answers | None = None) -> Answers:
        """Every output in float64; `right` is the reference's answer, for those who ask many mutants."""
        return (right or reference.answer(case, arrays)) | self.changes(case, arrays)

    def subject(self) -> SimpleNamespace:
        """Fresh functions with the mistake, called as in torch.nn.functional."""
        return self.make(self.operation) if self.make else functions(self.operation, self._compute)

    def _holds(self, case: Case, arrays: Arrays) -> bool:
        """Whether the numbers are those of the mistake, or float64 holds them as well."""
        if DTYPES[case.dtype].kind == REAL or case.dtype in self.dtypes:
            return True
        if DTYPES[case.dtype].kind == COMPLEX:
            return False
        exact = DTYPES["float64"].exact
        return all(abs(int(end(a))) <= exact for a in arrays.values() if a.size for end in (np.min, np.max))

    def _values(self, case: Case, arrays: Arrays) -> Arrays:
        """Numbers as the mistake is written for: of integers in float64, unless it is one of theirs."""
        if DTYPES[case.dtype].rounds or case.dtype in self.dtypes:
            return wide(case, arrays)
        return {n: a if n in case.family.indexing else np.asarray(a, np.float64) for n, a in arrays.items()}

    def _batched(self, case: Case, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
        assert self.change is not None
        outputs = [
            output for output in self.outputs if output in wanted and output in (*case.outputs, "indices")
        ]
        if not outputs or not self.shows(case, arrays):
            return {}
        with np.errstate(all="ignore"):
            changed = self.change(case, arrays)
        answers = changed if isinstance(changed, dict) else {self.outputs[0]: changed}
        return {output: _stored(case, output, answers[output]) for output in outputs if output in answers}

    def _compute(self, case: Case, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
        values = self._values(case, arrays)
        if "grad_output" not in values and any(output in case.gradients for output in self.outputs):
            shape = case.output_shape  # a forward call; the mistake computes all its outputs at once
            values["grad_output"] = np.zeros(shape if case.batch is not None else (1, *shape))
        changed = self._batched(case, values, wanted)
        return changed if set(wanted) <= set(changed) else by_reference(case, arrays, wanted) | changed


def _stored(case: Case, output: str, answer: Array) -> Array:
    """Integers in their own format, in which some are others; numbers that round stay in float64."""
    if DTYPES[case.dtype].rounds or output == "indices":
        return answer
    with np.errstate(invalid="ignore"):
        return np.asarray(answer).astype(case.dtype)
