"""A subject: the kernel being checked, as its developer declares it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from conformance.cases import Case
from conformance.cases.features import FEATURES
from conformance.cases.units import CLAIMED_AS
from conformance.kernels.answer import said
from conformance.kernels.framework import FRAMEWORKS
from conformance.kernels.guess import FUNCTIONS, framework_of, function_of, misnamed, names_of, unjudged
from conformance.kernels.hints import hint, of_class, of_objects
from conformance.operations import DTYPES, OPERATIONS

GRADIENTS = ("grad_input", "grad_weight", "grad_bias")
ONE_OF = {
    "accuracy": ("direct", "winograd", "fft", "tf32"), "layout": ("NCHW", "NHWC"), "ties": ("first", "any"),
    "sums": ("wide", "narrow"),
}  # fmt: skip
WORDS = {
    "dtypes": tuple(DTYPES),
    "without": (*sorted(FEATURES), *GRADIENTS, "grad_grad_output"),
    "scaled": GRADIENTS,
}


class SubjectError(ValueError):
    """A subject cannot be loaded or declares what does not exist."""


@dataclass(frozen=True)
class Subject:
    """A kernel and what its signature cannot say.

    kernels     a namespace (module, class instance, SimpleNamespace) or mapping of functions named and called as in
                torch.nn.functional; `<operation>_backward(grad_output, *arguments of the forward)` gives its gradients,
                `<operation>_double_backward(grad_grad_input, grad_grad_weight, grad_grad_bias, *those of the backward)`
                of a convolution theirs: grad_grad_output, grad_input, grad_weight
    framework   what its arrays are, as numpy; undeclared, those of the framework that its functions use
    device      where its arrays live, as the framework names it ("cuda")
    dtypes      which it takes; undeclared, float32 and float64, each unless a plain call refuses it
    layout      NCHW, or NHWC (one image axis: NWC) with weights (R, S, C/G, K)
    without     features and gradients it does not claim, in the words of the report ("unbatched", "grad_weight", ...)
    only        a function of a case, whether it is claimed, for what no word says: lambda case: case.kernel == (2, 2)
    accuracy    how it multiplies: direct, winograd, fft or tf32; its bound follows
    sums        how half precision is summed: in float32 and rounded once (wide), or in its own dtype (narrow)
    ties        which of equal maxima it takes: "first", or "any" (then gradient and indices of ties are not judged)
    blocks      extents that it blocks over and that are worth probing around
    source      files whose text has its numbers, where it is not Python's: undeclared, those beside a file that loads
                native code
    scaled      outputs that come through a division and a multiplication, as gradients of a mean do
    strict      whether it fails by what is otherwise advice: bad arguments answered, global state that it leaves
                changed and no answer depends on
    known_failures  case text -> reason: counterexamples that are expected to fail, and must
    """

    kernels: Any
    framework: str = ""
    device: str | None = None
    dtypes: tuple[str, ...] = ()
    layout: str = "NCHW"
    without: tuple[str, ...] = ()
    only: Callable[[Case], bool] | None = field(default=None, repr=False, compare=False)
    accuracy: str = "direct"
    sums: str = "wide"
    ties: str = "first"
    blocks: tuple[int, ...] = ()
    source: tuple[str, ...] = ()
    scaled: tuple[str, ...] = ()
    strict: bool = False
    known_failures: Mapping[str, str] = field(default_factory=dict)
    name: str = ""

    def __post_init__(self) -> None:
        for option, known in ONE_OF.items():
            if getattr(self, option) not in known:
                raise SubjectError(
                    f"{option}={getattr(self, option)!r}: a Subject's {option} is {' or '.join(known)}"
                )
        if self.framework not in ("", *FRAMEWORKS):
            raise SubjectError(f"framework={self.framework!r}: there are {', '.join(FRAMEWORKS)}")
        for option in (*WORDS, "blocks", "source"):
            object.__setattr__(self, option, self._as_tuple(option))
        for option, known in WORDS.items():
            for word in getattr(self, option):
                if word not in known:
                    raise SubjectError(f"{option}={word!r}: there are {', '.join(known)}")
        self._check_types()
        self._check_kernels()
        object.__setattr__(self, "known_failures", dict(self._known()))

    def _as_tuple(self, option: str) -> tuple[Any, ...]:
        """A word alone is a tuple of one."""
        given = getattr(self, option)
        if not isinstance(given, Iterable):
            raise SubjectError(f"{option}={given!r}: a Subject's {option} are a tuple")
        return (given,) if isinstance(given, str) else tuple(given)

    def _check_types(self) -> None:
        if not all(isinstance(block, int) and block > 0 for block in self.blocks):
            raise SubjectError(
                f"blocks={self.blocks!r}: an extent that a kernel blocks over is an int above 0"
            )
        for file in self.source:
            if not isinstance(file, str) or not Path(file).is_file():
                raise SubjectError(f"source={file!r}: a Subject's source are files")
        if not (self.only is None or callable(self.only)):
            raise SubjectError(f"only={self.only!r}: a Subject's only is a function of a case")
        if not isinstance(self.strict, bool):
            raise SubjectError(f"strict={self.strict!r}: a Subject's strict is True or False")
        if not isinstance(self.name, str):
            raise SubjectError(f"name={self.name!r}: a Subject's name is a str")

    def _check_kernels(self) -> None:
        """Whether there is a function to judge; a dict that somebody wrote has no other words than theirs."""
        if isinstance(self.kernels, str):
            raise SubjectError(f"{self.kernels!r}: a name is loaded by conformance.load({self.kernels!r})")
        if isinstance(self.kernels, Mapping) and "__name__" not in self.kernels:  # as in globals()
            for name in FUNCTIONS:
                if name in self.kernels and not callable(self.kernels[name]):
                    raise SubjectError(f"{name}={self.kernels[name]!r}: a kernel is a function")
            for name, meant in self.misnamed.items():
                there = ", ".join(FUNCTIONS)
                raise SubjectError(f"{name}: no such function (did you mean {meant}?); there are {there}")
        if isinstance(self.kernels, type) and (methods := of_objects(self.kernels)):
            name = self.kernels.__name__
            how = of_class(name, self.kernels, self.name.partition(":")[0] or "its file")
            raise SubjectError(f"{self.name or name}: {methods[0]} takes self, so it needs an object; {how}")
        if not self.operations:
            name, none = self.name or repr(self.kernels), f"has none of the functions {', '.join(OPERATIONS)}"
            raise SubjectError(f"{name}: {none}{hint(self.kernels, self.name)}")

    def _known(self) -> Iterator[tuple[str, str]]:
        """The known failures, each case as it is printed."""
        if not isinstance(self.known_failures, Mapping):
            raise SubjectError(
                f"known_failures={self.known_failures!r}: must be a dict of case text to reason"
            )
        for text, reason in self.known_failures.items():
            case = Case.parse(text)
            if not (isinstance(reason, str) and reason):
                raise SubjectError(f"known_failures={{{text!r}: {reason!r}}}: a reason is a text")
            if case.operation not in self.operations:
                there = ", ".join(self.operations)
                raise SubjectError(f"known_failures: {text}: has no {case.operation}; it has {there}")
            yield str(case), reason

    # What follows from it.

    @cached_property
    def operations(self) -> tuple[str, ...]:
        return tuple(operation for operation in OPERATIONS if self.function(operation))

    def function(self, name: str) -> Callable[..., Any] | None:
        return function_of(self.kernels, name)

    def functions_of(self, operation: str) -> dict[str, Callable[..., Any]]:
        """Those that it has of an operation, by name."""
        return {name: function for name in names_of(operation) if (function := self.function(name))}

    @property
    def misnamed(self) -> dict[str, str]:
        """Functions that are not called because of their names, with the name that each nearly has."""
        return misnamed(self.kernels)

    @property
    def unjudged(self) -> list[str]:
        """Functions of operations that are not judged yet."""
        return unjudged(self.kernels)

    @cached_property
    def array_framework(self) -> str:
        """The name of the framework that its arrays are of, which is not imported for that."""
        return self.framework or framework_of(self.kernels)

    def claims(self, case: Case) -> bool:
        """Whether a case is among those that the subject declares; what PyTorch refuses always is.

        A case with NaN among its patterns is declared only where other values with NaN are.
        """
        asked = [
            case,
            *([replace(case, values=CLAIMED_AS[case.values])] if case.values in CLAIMED_AS else []),
        ]
        try:
            return bool(self.only is None or case.problem or all(map(self.only, asked)))
        except Exception as error:
            raise SubjectError(f"only= raises {said(error)}, asked for {case}") from error
