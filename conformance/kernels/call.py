"""How a subject is called: its arrays in its layout and framework, its answers back, its gradients from where they are.

A Caller is the engine's: what it holds beside the subject is how it calls at the moment, not what anybody declares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from conformance.cases import Case
from conformance.cases.arrays import Arrays, fill
from conformance.cases.shrink import explains
from conformance.kernels.answer import Answer, Malformed, Refused, of_backward, of_call, of_forward
from conformance.kernels.framework import Framework, framework
from conformance.kernels.layout import from_channels_last, to_channels_last
from conformance.kernels.probes import probes
from conformance.kernels.signature import Arguments, Signature
from conformance.kernels.subject import Subject

HALVES = ("forward", "backward")


@dataclass(frozen=True)
class Caller:
    """Who calls a subject.

    watch           called with the name of each function before it is, and with "" after (a worker notes it)
    halves          which are called: where one of them ends the process, the other is called alone
    omits_defaults  whether an option is left to the default of the signature where PyTorch's default is meant
    """

    subject: Subject
    watch: Callable[[str], None] = field(default=lambda function: None, repr=False, compare=False)
    halves: tuple[str, ...] = HALVES
    omits_defaults: bool = False

    # What is claimed.

    @cached_property
    def framework(self) -> Framework:
        return framework(self.subject.array_framework)

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The dtypes declared, or else those of the framework that a kernel is asked for."""
        return self.subject.dtypes or self.framework.dtypes()

    @property
    def only(self) -> Callable[[Case], bool] | None:
        return self.subject.only

    def claims(self, case: Case) -> bool:
        return self.subject.claims(case)

    def is_known(self, case: Case) -> bool:
        """Whether the subject declares a failure that a case with its options has."""
        return any(known.operation == case.operation and explains(known, case) for known in self._known)

    @cached_property
    def _known(self) -> tuple[Case, ...]:
        return tuple(map(Case.parse, self.subject.known_failures))

    def why_not(self, case: Case) -> str | None:
        """The first feature of a case that the forward does not claim, or None."""
        if not self.claims(case):
            return "such cases (declared)"
        return self.lacking(case.operation, case.needs)

    def lacks(self, operation: str, feature: str) -> str | None:
        """Why a feature is not claimed, as far as declaration and signature tell."""
        if feature in self.subject.without:
            return "declared"
        lacking = self._signature(operation).lacks(frozenset({feature}), ())
        return "not in the signature" if lacking else None

    def why_no_gradients(self, case: Case) -> str | None:
        """Why the gradients of a case are not claimed, or None."""
        backward = f"{case.operation}_backward"
        if "backward" not in self.halves:
            return "not asked"
        if self.subject.function(backward):
            return self.lacking(backward, case.needs)
        return None if self.framework.differentiate else f"no {backward}"

    def parameters(self, operation: str) -> dict[str, Signature]:
        """The signatures of the forward and of the gradients, where there are any."""
        return {name: self._signature(name) for name in self.subject.functions_of(operation)}

    # One call.

    def answer(self, case: Case, arrays: Arrays, outputs: Iterable[str] | None = None) -> dict[str, Answer]:
        """Every output: an array, how the subject failed to give one, or None where it is not claimed."""
        return self.to_numpy(case, self.call(case, self.to_framework(case, arrays), outputs))

    def to_framework(self, case: Case, arrays: Arrays) -> dict[str, Any]:
        """The arrays as the subject takes them, in its layout, framework and device."""
        if self.subject.layout == "NHWC":
            arrays = {name: to_channels_last(case, name, array) for name, array in arrays.items()}
        from_numpy, device = self.framework.from_numpy, self.subject.device
        return {name: from_numpy(array, device) for name, array in arrays.items()}

    def call(
        self, case: Case, arrays: Mapping[str, Any], outputs: Iterable[str] | None = None
    ) -> dict[str, Any]:
        """The subject's own answers, unconverted; Refused where it raised."""
        wanted = tuple(case.outputs if outputs is None else outputs)
        gradients = any(output in case.gradients for output in wanted) and not self.why_no_gradients(case)
        if gradients and not self.subject.function(f"{case.operation}_backward"):
            answers = self._differentiated(case, arrays)
        else:
            answers = self._forward(case, arrays) if "forward" in self.halves else {}
            answers |= self._backward(case, arrays) if gradients else {}
        return {output: None if output in self.subject.without else answers.get(output) for output in wanted}

    def to_numpy(self, case: Case, answers: Mapping[str, Any]) -> dict[str, Answer]:
        return {output: self._watched_array(case, output, answer) for output, answer in answers.items()}

    def arguments(self, function: str, case: Case, arrays: Mapping[str, Any]) -> Arguments:
        """What the function of this name, a forward or a backward, is called with, by position and by keyword."""
        return self._signature(function).arguments(case, arrays, self.omits_defaults)

    def _watched_array(self, case: Case, output: str, answer: Any) -> Answer:
        """As a NumPy array; some frameworks compute only now."""
        self.watch(f"{case.operation}_backward" if output in case.gradients else case.operation)
        try:
            return self._array(case, output, answer)
        finally:
            self.watch("")

    def _array(self, case: Case, output: str, answer: Any) -> Answer:
        if answer is None or isinstance(answer, (Refused, Malformed)):
            return answer
        if not self.framework.is_array(answer):
            return Malformed(f"is a {type(answer).__name__}, not a {self.framework.array_type}")
        array = self.framework.to_numpy(answer)
        return from_channels_last(case, output, array) if self.subject.layout == "NHWC" else array

    def _forward(self, case: Case, arrays: Mapping[str, Any]) -> dict[str, Any]:
        answer = self.watched(case.operation, lambda: self.called(case.operation, case, arrays))
        return of_forward(case, answer)

    def _backward(self, case: Case, arrays: Mapping[str, Any]) -> dict[str, Any]:
        name = f"{case.operation}_backward"
        answer = self.watched(name, lambda: self.called(name, case, arrays))
        gradients = list(case.gradients)
        due = [gradient for gradient in gradients if gradient not in self.subject.without]
        return of_backward(name, answer, gradients, due, self._signature(name).takes_bias)

    def called(self, name: str, case: Case, arrays: Mapping[str, Any]) -> Any:
        function = self.subject.function(name)
        assert function is not None
        positional, options = self.arguments(name, case, arrays)
        return function(*positional, **options)

    def watched(self, function: str, call: Callable[[], Any]) -> Any:
        self.watch(function)
        try:
            return of_call(call)
        finally:
            self.watch("")

    def _signature(self, name: str) -> Signature:
        if name not in self._signatures:
            function, without = self.subject.function(name), self.subject.without
            self._signatures[name] = Signature.read(name, function, without)
        return self._signatures[name]

    def lacking(self, name: str, needs: frozenset[str]) -> str | None:
        """The first feature that a function lacks; many cases need the same."""
        if (name, needs) not in self._lacked:
            self._lacked[name, needs] = self._signature(name).lacks(needs, self.subject.without)
        return self._lacked[name, needs]

    @cached_property
    def _lacked(self) -> dict[tuple[str, frozenset[str]], str | None]:
        return {}

    @cached_property
    def _signatures(self) -> dict[str, Signature]:
        return {}

    # Gradients that the framework differentiates.

    def _differentiated(self, case: Case, arrays: Mapping[str, Any]) -> dict[str, Any]:
        names = _differentiated(case)
        answer = self._with_gradients(case, arrays, names)
        if isinstance(answer, Refused):
            forward = self._forward(case, arrays)  # is it the forward that refuses, or its gradient?
            if answer.no_gradient and self._lacks_graph(case.operation):
                return forward
            return forward | dict.fromkeys(case.gradients, answer)
        if isinstance(answer, Malformed):
            return dict.fromkeys(case.outputs, answer)
        output, gradients = answer
        missing = Malformed("missing: the argument is not in the graph of the output")
        given = [missing if gradient is None else gradient for gradient in gradients]
        return of_forward(case, output) | {f"grad_{n}": g for n, g in zip(names, given, strict=True)}

    def freezes(self, case: Case) -> bool:
        """Whether arguments may be frozen: their gradients are not asked for, and need not be computed."""
        differentiated = self.framework.freezes and not self.subject.function(f"{case.operation}_backward")
        return differentiated and not self.why_no_gradients(case) and not self._lacks_graph(case.operation)

    def alone(
        self,
        case: Case,
        arrays: Arrays,
        outputs: Sequence[str],
        then: Arrays | None = None,
        again: bool = False,
    ) -> dict[str, Answer]:
        """Gradients that the framework differentiates, every argument but theirs frozen.

        then    what another forward has in between
        again   those of a second backward
        """
        later = None if then is None else self.to_framework(case, then)
        names = [output.removeprefix("grad_") for output in outputs]
        answer = self._with_gradients(case, self.to_framework(case, arrays), names, later, again=again)
        if isinstance(answer, (Refused, Malformed)):
            return dict.fromkeys(outputs, answer)
        return self.to_numpy(case, dict(zip(outputs, answer[1], strict=True)))

    def _with_gradients(
        self,
        case: Case,
        arrays: Mapping[str, Any],
        names: Sequence[str],
        then: Mapping[str, Any] | None = None,
        **how: bool,
    ) -> Any:
        """The answer and the gradients of these arguments."""

        def function(*leaves: Any) -> Any:
            answer = self.called(case.operation, case, {**arrays, **dict(zip(names, leaves, strict=True))})
            if then is not None:
                self.called(case.operation, case, then)
            self.watch(f"{case.operation}_backward")
            return answer

        differentiate, leaves = self.framework.differentiate, [arrays[name] for name in names]
        assert differentiate is not None
        return self.watched(
            case.operation, lambda: differentiate(function, leaves, arrays["grad_output"], **how)
        )

    def _lacks_graph(self, operation: str) -> bool:
        """Whether no gradient comes from the plain call either."""
        if operation not in self._graphless:
            self._graphless[operation] = self._is_graphless(operation)
        return self._graphless[operation]

    @cached_property
    def _graphless(self) -> dict[str, bool]:
        return {}

    def _is_graphless(self, operation: str) -> bool:
        """What the first plain call that is not refused shows."""
        for case in probes(self, operation)["plain"]:
            arrays = self.to_framework(case, fill(replace(case, dtype=self.dtypes[0])))
            answer = self._with_gradients(case, arrays, _differentiated(case))
            if not isinstance(answer, Refused) or answer.no_gradient:
                return isinstance(answer, Refused)
        return False


def _differentiated(case: Case) -> list[str]:
    return [gradient.removeprefix("grad_") for gradient in case.gradients]
