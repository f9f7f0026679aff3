"""A subject: the kernel being checked, as its developer hands it over, and how it is called."""

from __future__ import annotations

import contextlib
import difflib
import functools
import importlib
import importlib.util
import inspect
import re
import signal
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import numpy as np

from conformance.cases import Case
from conformance.cases.arrays import Array, Arrays, fill
from conformance.cases.features import FEATURES
from conformance.kernels.frameworks import FRAMEWORKS, Framework, NoGradient, framework
from conformance.operations import DTYPES, OPERATIONS
from conformance.operations.dtypes import USUAL

ACCURACIES = ("direct", "winograd", "fft", "tf32")
LAYOUTS = ("NCHW", "NHWC")
FUNCTIONS = tuple(f"{operation}{half}" for operation in OPERATIONS for half in ("", "_backward"))
NEARLY = 0.8  # how alike two names are of which one is taken for a slip of the other
LONGEST = 300  # characters of what a kernel says when it refuses: four lines of a report
GRADIENTS = ("grad_input", "grad_weight", "grad_bias")


class SubjectError(ValueError):
    """A subject cannot be loaded or declares what does not exist."""


@dataclass(frozen=True)
class Refused:
    """The subject raised instead of answering."""

    error: str
    status: str = "refused"  # or: out of memory
    no_gradient: bool = False  # there is an answer, but nothing to differentiate


@dataclass(frozen=True)
class Malformed:
    """The subject answered with something that is no array, or not as many of them as asked."""

    fault: str


Answer = Array | Refused | Malformed | None  # None: not claimed


@dataclass(frozen=True)
class Subject:
    """A kernel and what its signature cannot say.

    kernels     a namespace (module, class instance, SimpleNamespace) or mapping of functions named and called as in
                torch.nn.functional; `<operation>_backward(grad_output, *arguments of the forward)` gives its gradients
    framework   what its arrays are: numpy, torch or jax
    device      where its arrays live, as the framework names it ("cuda")
    dtypes      which it takes; undeclared, float32 and float64, each unless a plain call refuses it
    layout      NCHW, or NHWC with weights (R, S, C/G, K)
    without     features and gradients it does not claim, in the words of the report ("unbatched", "grad_weight", ...)
    only        a function of a case, whether it is claimed, for what no word says: lambda case: case.kernel == (2, 2)
    accuracy    how it multiplies: direct, winograd, fft or tf32; its bound follows
    ties        which of equal maxima it takes: "first", or "any" (then gradient and indices of ties are not judged)
    blocks      extents that it blocks over and that are worth probing around
    known_failures  case text -> reason: counterexamples that are expected to fail, and must
    watch       told the name of each function before it is called, and "" after (a worker notes it: see workers)
    asked       "forward", "backward" or both: where one of them ends the process, the other is asked alone
    defaults    whether an option is left to the default of the signature where PyTorch's default is meant
    """

    kernels: Any
    framework: str = ""
    device: str | None = None
    dtypes: tuple[str, ...] = ()
    layout: str = "NCHW"
    without: tuple[str, ...] = ()
    only: Callable[[Case], bool] | None = field(default=None, repr=False, compare=False)
    accuracy: str = "direct"
    ties: str = "first"
    blocks: tuple[int, ...] = ()
    known_failures: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    watch: Callable[[str], None] = field(default=lambda function: None, repr=False, compare=False)
    asked: tuple[str, ...] = ("forward", "backward")
    defaults: bool = False

    def __post_init__(self) -> None:
        for option, known in {"accuracy": ACCURACIES, "layout": LAYOUTS, "ties": ("first", "any")}.items():
            if getattr(self, option) not in known:
                raise SubjectError(
                    f"{option}={getattr(self, option)!r}: a Subject's {option} is {' or '.join(known)}"
                )
        if self.framework not in ("", *FRAMEWORKS):
            raise SubjectError(f"framework={self.framework!r}: there are {', '.join(FRAMEWORKS)}")
        for option in ("dtypes", "without", "blocks"):
            given = getattr(self, option)
            if not isinstance(given, Iterable):
                raise SubjectError(f"{option}={given!r}: a Subject's {option} are a tuple")
            object.__setattr__(self, option, (given,) if isinstance(given, str) else tuple(given))
        words = {"dtypes": DTYPES, "without": (*sorted(FEATURES), *GRADIENTS)}
        for option, there in words.items():
            for word in getattr(self, option):
                if word not in there:
                    raise SubjectError(f"{option}={word!r}: there are {', '.join(there)}")
        if not all(isinstance(block, int) and block > 0 for block in self.blocks):
            raise SubjectError(
                f"blocks={self.blocks!r}: an extent that a kernel blocks over is an int above 0"
            )
        if not (self.only is None or callable(self.only)):
            raise SubjectError(f"only={self.only!r}: a Subject's only is a function of a case")
        if not isinstance(self.name, str):
            raise SubjectError(f"name={self.name!r}: a Subject's name is a str")
        self._check_kernels()
        object.__setattr__(self, "known_failures", dict(self._known()))

    def _check_kernels(self) -> None:
        """Whether there is a function to judge; a dict that somebody wrote has no other words than theirs."""
        if isinstance(self.kernels, str):
            raise SubjectError(f"{self.kernels!r}: a name is loaded by conformance.load({self.kernels!r})")
        if isinstance(self.kernels, Mapping) and "__name__" not in self.kernels:  # as in globals()
            for name in FUNCTIONS:
                if name in self.kernels and not callable(self.kernels[name]):
                    raise SubjectError(f"{name}={self.kernels[name]!r}: a kernel is a function")
            for name, meant in self.misnamed.items():
                raise SubjectError(f"{name}: no such function (did you mean {meant}?); there are {_LISTED}")
        if not self.operations:
            name = self.name or repr(self.kernels)
            raise SubjectError(f"{name}: has none of the functions {', '.join(OPERATIONS)}{_hint(self)}")

    def _known(self) -> Iterator[tuple[str, str]]:
        """The known failures, each case as it is printed."""
        if not isinstance(self.known_failures, Mapping):
            raise SubjectError(f"known_failures={self.known_failures!r}: are a dict of case text to reason")
        for text, reason in self.known_failures.items():
            case = Case.parse(text)
            if not (isinstance(reason, str) and reason):
                raise SubjectError(f"known_failures={{{text!r}: {reason!r}}}: a reason is a text")
            if case.operation not in self.operations:
                there = ", ".join(self.operations)
                raise SubjectError(f"known_failures: {text}: has no {case.operation}; it has {there}")
            yield str(case), reason

    # What it claims.

    @cached_property
    def operations(self) -> tuple[str, ...]:
        return tuple(operation for operation in OPERATIONS if self.function(operation))

    @property
    def misnamed(self) -> dict[str, str]:
        """Functions of its own that are not asked, with the name that each nearly has and no function of it has."""
        lacking = [name for name in FUNCTIONS if not self.function(name)]
        others = (name for name in _own_functions(self.kernels) if name not in FUNCTIONS)
        return {name: meant for name in others if (meant := _nearest(name, lacking))}

    def function(self, name: str) -> Callable[..., Any] | None:
        found = (
            self.kernels.get(name) if isinstance(self.kernels, Mapping) else getattr(self.kernels, name, None)
        )
        return found if callable(found) else None

    def claims(self, case: Case) -> bool:
        """Whether a case is among those that the subject declares; what PyTorch refuses always is."""
        try:
            return bool(self.only is None or case.problem or self.only(case))
        except Exception as error:
            raise SubjectError(f"only= raises {_said(error)}, asked for {case}") from error

    def why_not(self, case: Case) -> str | None:
        """The first feature of a case that the forward does not claim, or None."""
        if not self.claims(case):
            return "such cases (declared)"
        return self._call(case.operation).lacks(case.needs, self.without)

    def lacks(self, operation: str, feature: str) -> str | None:
        """Why a feature is not claimed, as far as declaration and signature tell."""
        if feature in self.without:
            return "declared"
        return "not in the signature" if self._call(operation).lacks(frozenset({feature}), ()) else None

    def why_no_gradients(self, case: Case) -> str | None:
        """Why the gradients of a case are not claimed, or None."""
        backward = f"{case.operation}_backward"
        if "backward" not in self.asked:
            return "not asked"
        if self.function(backward):
            return self._call(backward).lacks(case.needs, self.without)
        return None if self._framework.differentiates else f"no {backward}"

    def arguments(self, name: str, case: Case, arrays: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """What the function of this name, a forward or a backward, is called with, by position and by keyword."""
        before = [arrays["grad_output"]] if name.endswith("_backward") else []
        return self._call(name).arguments(case, before, arrays)

    def _call(self, name: str) -> _Call:
        if name not in self._calls:
            self._calls[name] = _Call.read(name, self.function(name), self.without, self.defaults)
        return self._calls[name]

    @cached_property
    def _calls(self) -> dict[str, _Call]:
        return {}

    @cached_property
    def _framework(self) -> Framework:
        return framework(self.framework or _guess_framework(self))

    @property
    def asked_dtypes(self) -> tuple[str, ...]:
        """The dtypes declared, or else those of the framework that a kernel is asked for."""
        return self.dtypes or getattr(self._framework, "dtypes", lambda: USUAL)()

    @property
    def array_framework(self) -> str:
        return self._framework.name

    # How it is asked.

    def answer(self, case: Case, arrays: Arrays, outputs: Iterable[str] | None = None) -> dict[str, Answer]:
        """Every output asked for: an array, how the subject failed to give one, or None where it is not claimed."""
        return self.to_numpy(case, self.call(case, self.to_framework(arrays), outputs))

    def to_framework(self, arrays: Arrays) -> dict[str, Any]:
        """The arrays as the subject takes them, in its layout, framework and device."""
        if self.layout == "NHWC":
            arrays = {name: _to_nhwc(name, array) for name, array in arrays.items()}
        return {name: self._framework.from_numpy(array, self.device) for name, array in arrays.items()}

    def call(
        self, case: Case, arrays: dict[str, Any], outputs: Iterable[str] | None = None
    ) -> dict[str, Any]:
        """The subject's own answers, unconverted; Refused where it raised."""
        wanted = tuple(case.outputs if outputs is None else outputs)
        gradients = any(output in case.gradients for output in wanted) and not self.why_no_gradients(case)
        names = [name for name in arrays if name != "grad_output"]
        if gradients and not self.function(f"{case.operation}_backward"):
            answers = self._differentiated(case, arrays, names)
        else:
            answers = self._forward(case, arrays) if "forward" in self.asked else {}
            answers |= self._backward(case, arrays, names) if gradients else {}
        return {output: None if output in self.without else answers.get(output) for output in wanted}

    def to_numpy(self, case: Case, answers: Mapping[str, Any]) -> dict[str, Answer]:
        return {output: self._converted(case, output, answer) for output, answer in answers.items()}

    def _converted(self, case: Case, output: str, answer: Any) -> Answer:
        """As a NumPy array; some frameworks compute only now."""
        self.watch(f"{case.operation}_backward" if output in case.gradients else case.operation)
        try:
            return self._as_array(output, answer)
        finally:
            self.watch("")

    def _as_array(self, output: str, answer: Any) -> Answer:
        if answer is None or isinstance(answer, (Refused, Malformed)):
            return answer
        if not self._framework.is_array(answer):
            return Malformed(f"is a {type(answer).__name__}, not a {self._framework.array_type}")
        array = self._framework.to_numpy(answer)
        return _from_nhwc(output, array) if self.layout == "NHWC" else array

    def _forward(self, case: Case, arrays: Mapping[str, Any]) -> dict[str, Any]:
        answer = self._guarded(case.operation, lambda: self._call(case.operation)(case, [], arrays))
        return _split_forward(case, answer)

    def _backward(self, case: Case, arrays: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
        call = self._call(f"{case.operation}_backward")
        answer = self._guarded(call.name, lambda: call(case, [arrays["grad_output"]], arrays))
        gradients = [f"grad_{name}" for name in names]
        if isinstance(answer, (Refused, Malformed)):
            return dict.fromkeys(gradients, answer)
        due = [name for name in gradients if name not in self.without]
        if isinstance(answer, Mapping):
            fault = f"missing: {call.name} returned a {type(answer).__name__}"
            fault += f"; due is a tuple in the order of the arguments: {', '.join(due)}"
            return dict.fromkeys(due, Malformed(fault))
        given = tuple(answer) if isinstance(answer, (tuple, list)) else (answer,)
        if len(given) < len(gradients) and not call.takes_bias:  # a backward without bias claims no grad_bias
            given = (*given, *(None,) * (len(gradients) - len(given)))
            return dict(zip(gradients, given, strict=True))
        found = dict(zip(gradients if len(given) >= len(gradients) else due, given, strict=False))
        if any(found.get(name) is None for name in due):
            count = _count(given) if isinstance(answer, (tuple, list)) else f"a {type(answer).__name__}"
            fault = f"missing: {call.name} returned {count}, not {', '.join(due)}"
            return dict.fromkeys(due, Malformed(fault))
        return found

    def _differentiated(self, case: Case, arrays: dict[str, Any], names: list[str]) -> dict[str, Any]:
        answer = self._autograd(case, arrays, names)
        if isinstance(answer, Refused):
            forward = self._forward(case, arrays)  # is it the forward that refuses, or its gradient?
            if answer.no_gradient and self._forward_only(case.operation):
                return forward
            return forward | dict.fromkeys(case.gradients, answer)
        if isinstance(answer, Malformed):
            return dict.fromkeys(case.outputs, answer)
        output, gradients = answer
        missing = Malformed("missing: the argument is not in the graph of the output")
        found = (missing if gradient is None else gradient for gradient in gradients)
        return _split_forward(case, output) | {f"grad_{n}": g for n, g in zip(names, found, strict=True)}

    def freezes(self, case: Case) -> bool:
        """Whether arguments may be frozen: their gradients are not asked for, and need not be computed."""
        by_autograd = self.array_framework == "torch" and not self.function(f"{case.operation}_backward")
        return by_autograd and not self.why_no_gradients(case) and not self._forward_only(case.operation)

    def alone(
        self,
        case: Case,
        arrays: Arrays,
        outputs: Sequence[str],
        then: Arrays | None = None,
        again: bool = False,
    ) -> dict[str, Answer]:
        """Gradients by autograd, every argument but theirs frozen.

        then    what another forward has in between
        again   those of a second backward
        """
        later = None if then is None else self.to_framework(then)
        names = [output.removeprefix("grad_") for output in outputs]
        answer = self._autograd(case, self.to_framework(arrays), names, later, again=again)
        if isinstance(answer, (Refused, Malformed)):
            return dict.fromkeys(outputs, answer)
        return self.to_numpy(case, dict(zip(outputs, answer[1], strict=True)))

    def _autograd(
        self,
        case: Case,
        arrays: dict[str, Any],
        names: list[str],
        then: dict[str, Any] | None = None,
        **how: bool,
    ) -> Any:
        """The answer and the gradients of these arguments."""

        def function(*leaves: Any) -> Any:
            answer = self._call(case.operation)(case, [], arrays | dict(zip(names, leaves, strict=True)))
            if then is not None:
                self._call(case.operation)(case, [], then)
            self.watch(f"{case.operation}_backward")
            return answer

        leaves = [arrays[name] for name in names]
        differentiate = self._framework.differentiate
        return self._guarded(
            case.operation, lambda: differentiate(function, leaves, arrays["grad_output"], **how)
        )

    def _forward_only(self, operation: str) -> bool:
        """Whether no gradient comes from the plain call either."""
        if operation not in self._forwards_only:
            self._forwards_only[operation] = self._has_no_graph(operation)
        return self._forwards_only[operation]

    @cached_property
    def _forwards_only(self) -> dict[str, bool]:
        return {}

    def _has_no_graph(self, operation: str) -> bool:
        """What the first plain call that is not refused shows."""
        from conformance.kernels.probes import probes

        for case in probes(self, operation)["plain"]:
            arrays = self.to_framework(fill(replace(case, dtype=self.asked_dtypes[0])))
            answer = self._autograd(case, arrays, [name for name in arrays if name != "grad_output"])
            if not isinstance(answer, Refused) or answer.no_gradient:
                return isinstance(answer, Refused)
        return False

    def _guarded(self, name: str, call: Callable[[], Any]) -> Any:
        """What a call answers; whatever it raises is its refusal, also SystemExit."""
        self.watch(name)
        try:
            with np.errstate(all="ignore"):
                answer = call()
                changed = set(np.geterr().values()) != {"ignore"}
            return Malformed("comes with a change of NumPy's error state (np.seterr)") if changed else answer
        except KeyboardInterrupt as error:
            # In a worker nobody presses Ctrl-C; in a run of the command line SIGTERM is as good.
            ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            if not ignored or signal.getsignal(signal.SIGTERM) is signal.default_int_handler:
                raise
            return _refusal(error)
        except BaseException as error:
            return _refusal(error)
        finally:
            self.watch("")


@dataclass(frozen=True)
class _Call:
    """A function and what its signature takes."""

    name: str
    function: Callable[..., Any] | None
    options: frozenset[str] | None = None  # None: all
    unclaimed: frozenset[str] = frozenset()  # options that **options takes, but not all functions under it
    takes_bias: bool = True
    needs_bias: bool = False
    bias_keyword: str = ""  # the name to pass it by, where it does not stand right behind the weight
    ordered: tuple[str, ...] = ()  # options that have no keyword, in their order
    by_position: bool = False  # kernel_size goes after the arrays: its parameter has another name
    left_out: frozenset[str] = frozenset()  # options that are not passed where PyTorch's default is meant

    @classmethod
    def read(
        cls,
        name: str,
        function: Callable[..., Any] | None,
        without: tuple[str, ...] = (),
        defaults: bool = False,
    ) -> _Call:
        try:
            parameters = dict(inspect.signature(function).parameters) if function else {}
        except (TypeError, ValueError):
            return cls(name, function, unclaimed=frozenset(without))
        operation = name.removesuffix("_backward")
        known = set(Case.of(operation).options)
        kinds = {p.kind for p in parameters.values()}
        every = inspect.Parameter.VAR_KEYWORD in kinds
        arrays = 3 if name != operation else 2
        bias, by_name = _bias_of(list(parameters.values()), arrays, known)
        return cls(
            name=name,
            function=function,
            options=None if every else frozenset(known & set(parameters)),
            unclaimed=frozenset(without) - set(parameters) if every else frozenset(),
            takes_bias=bias is not None or inspect.Parameter.VAR_POSITIONAL in kinds,
            needs_bias=bias is not None and bias.default is inspect.Parameter.empty,
            bias_keyword=bias.name if bias and by_name else "",
            ordered=tuple(n for n, p in parameters.items() if p.kind is p.POSITIONAL_ONLY and n in known),
            by_position=not every and "kernel_size" in known - set(parameters),
            left_out=frozenset(
                n for n, p in parameters.items() if defaults and n in known and p.default is not p.empty
            ),
        )

    def __call__(self, case: Case, before: list[Any], arrays: Mapping[str, Any]) -> Any:
        assert self.function is not None
        positional, options = self.arguments(case, before, arrays)
        return self.function(*positional, **options)

    def arguments(
        self, case: Case, before: list[Any], arrays: Mapping[str, Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        """What the function is called with: by position and by keyword."""
        positional = [*before, *(a for name, a in arrays.items() if name not in ("grad_output", "bias"))]
        options = dict(case.options)
        if "weight" in arrays and self.takes_bias and not self.bias_keyword:
            positional.append(arrays.get("bias"))
        if self.name.endswith("_backward"):
            options.pop("return_indices", None)
        if self.by_position:
            positional.append(options.pop("kernel_size"))
        if self.options is not None:
            options = {name: value for name, value in options.items() if name in self.options}
        unsaid = self.unclaimed | self.left_out - {"kernel_size"}
        plain = Case.of(case.operation).options if unsaid else {}
        for name in unsaid & set(plain):
            if name in options and _alike(options[name], plain[name]):
                del options[name]
        positional += [options.pop(name) for name in self.ordered if name in options]
        if self.bias_keyword:
            options[self.bias_keyword] = arrays.get("bias")
        return positional, options

    def lacks(self, needs: frozenset[str], without: tuple[str, ...]) -> str | None:
        options = {need: need.partition("=")[0] for need in needs}
        for need, option in sorted(options.items()):
            backward_only = self.name.endswith("_backward") and option == "return_indices"
            lacking = option in _OPTIONS and self.options is not None and option not in self.options
            if need in without or (lacking and not backward_only and need != "stride=None"):
                return need
            if need == "bias" and not self.takes_bias and not self.name.endswith("_backward"):
                return need
            if need == "no bias" and self.needs_bias:
                return need
        return None


def _alike(value: Any, default: Any) -> bool:
    """Whether an option is at its default, which may be written once an axis."""
    return bool(value == default or (isinstance(value, tuple) and set(value) == {default}))


def _bias_of(
    parameters: list[inspect.Parameter], arrays: int, options: set[str]
) -> tuple[inspect.Parameter | None, bool]:
    """The parameter that takes the bias, and whether it must be passed by its name.

    It is called bias, or stands right behind the other arrays with the default None or with none at all: another
    default, as of block=64, belongs to a parameter of the kernel's own.
    """
    for behind in parameters[arrays : arrays + 1]:
        plain = behind.kind in (behind.POSITIONAL_ONLY, behind.POSITIONAL_OR_KEYWORD)
        may_be_none = behind.default is None or behind.default is behind.empty
        if plain and (behind.name == "bias" or (behind.name not in options and may_be_none)):
            return behind, False
    named = (p for p in parameters if p.name in ("bias", "b") and p.kind != p.POSITIONAL_ONLY)
    return next(named, None), True


_OPTIONS = {option for name in OPERATIONS for option in Case.of(name).options if option != "kernel_size"}


def _own_functions(kernels: Any) -> Iterator[str]:
    """The public functions of a namespace, those apart that a module imports."""
    if isinstance(kernels, Mapping):
        there = dict(kernels)
    else:
        there = {name: inspect.getattr_static(kernels, name, None) for name in dir(kernels)}
    home = there.get("__name__")
    for name, value in there.items():
        if isinstance(name, str) and not name.startswith("_") and callable(value):
            own = home is None or _package(getattr(value, "__module__", None)) == _package(home)
            if own and not isinstance(value, type):
                yield name


def _package(module: Any) -> str:
    return str(module).partition(".")[0]


def _nearest(name: str, names: Iterable[str]) -> str:
    """The name of which this is a slip, if any; conv3d is none of conv2d."""
    digits = [other for other in names if re.sub(r"\D", "", other) == re.sub(r"\D", "", name)]
    return next(iter(difflib.get_close_matches(name.lower(), digits, n=1, cutoff=NEARLY)), "")


_LISTED = ", ".join(FUNCTIONS)


def _hint(subject: Subject) -> str:
    """What may have been meant where no function is found: an object of the module, or a name nearly the same."""
    where, _, inside = subject.name.partition(":")
    if inside in FUNCTIONS:
        return f" (did you mean {where}?)"
    there = vars(subject.kernels) if isinstance(subject.kernels, ModuleType) else {}
    near = [f"{subject.name}:{inside}" for inside, value in there.items() if _has_functions(value)]
    if near:
        return f" (did you mean {' or '.join(near[:3])}?)"
    return "".join(f"; {name}: did you mean {meant}?" for name, meant in subject.misnamed.items())


def _said(error: BaseException) -> str:
    """An exception as its class and text; the text is made by the subject's code, which may raise in turn."""
    try:
        text = str(error).strip()
    except Exception as again:
        text = f"(its text raises {type(again).__name__})"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _refusal(error: BaseException) -> Refused:
    text = _said(error).splitlines()[0]
    return Refused(
        text if len(text) <= LONGEST else f"{text[:LONGEST]}...",
        "out of memory" if isinstance(error, MemoryError) else "refused",
        isinstance(error, NoGradient),
    )


def _split_forward(case: Case, answer: Any) -> dict[str, Any]:
    names = [output for output in case.outputs if output not in case.gradients]
    if isinstance(answer, (Refused, Malformed)):
        return dict.fromkeys(names, answer)
    if answer is None:
        return dict.fromkeys(names, Malformed("is None, not an array"))
    if len(names) == 1:
        return {names[0]: answer}
    if not isinstance(answer, (tuple, list)) or len(answer) != len(names):
        return dict.fromkeys(
            names, Malformed(f"missing: {case.operation} returned no pair of output and indices")
        )
    return dict(zip(names, answer, strict=True))


def _count(given: tuple[Any, ...]) -> str:
    return f"{len(given)} with None" if any(g is None for g in given) else f"{len(given)} of them"


def _to_nhwc(name: str, array: Array) -> Array:
    if name == "bias":
        return array
    if name == "weight":  # (K, C/G, R, S) -> (R, S, C/G, K)
        return np.moveaxis(array, (0, 1), (-1, -2))
    return np.moveaxis(array, 1 if array.ndim > 3 else 0, -1)


def _from_nhwc(output: str, array: Array) -> Array:
    if output == "grad_bias" or array.ndim < 3:
        return array
    if output == "grad_weight":
        return np.moveaxis(array, (-1, -2), (0, 1))
    return np.moveaxis(array, -1, 1 if array.ndim > 3 else 0)


def _guess_framework(subject: Subject) -> str:
    """What the arrays are, where a Subject does not say: the framework that its functions use; NumPy beside another."""
    used: set[str] = set()
    seen: set[int] = set()
    for function in filter(None, map(subject.function, subject.operations)):
        used |= _frameworks_of(function, seen)
    others = [name for name in FRAMEWORKS if name in used and name != "numpy"]
    return others[0] if len(others) == 1 and "numpy" not in used else "numpy"


def _frameworks_of(value: Any, seen: set[int]) -> set[str]:
    """The frameworks that a function or class comes from or names in its code, helpers beside it included."""
    value = inspect.unwrap(value.func if isinstance(value, functools.partial) else value)
    if id(value) in seen:
        return set()
    seen.add(id(value))
    home = getattr(value, "__module__", None) or ""
    used = {home.partition(".")[0]} & set(FRAMEWORKS)
    if isinstance(value, type):
        parts: list[Any] = [*value.__bases__, *filter(inspect.isroutine, vars(value).values())]
    elif code := getattr(value, "__code__", None):
        named = (value.__globals__[name] for name in _names_in(code) if name in value.__globals__)
        parts = list(named)
    else:
        parts = [type(value)] if callable(value) and not inspect.isroutine(value) else []
    for part in parts:
        if isinstance(part, ModuleType):
            used |= {part.__name__.partition(".")[0]} & set(FRAMEWORKS)
        elif callable(part) and getattr(part, "__module__", None):
            beside = part.__module__ == home or isinstance(value, type)
            used |= (
                _frameworks_of(part, seen)
                if beside
                else {part.__module__.partition(".")[0]} & set(FRAMEWORKS)
            )
    return used


def _names_in(code: CodeType) -> set[str]:
    inner = (_names_in(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*inner)


# Loading by name.


def load(name: str) -> Subject:
    """The subject named `package.module`, `package.module:object`, `file.py`, `file.py:object` or by a framework."""
    if not isinstance(name, str):
        raise SubjectError(
            f"{name!r}: load takes a name; conformance.Subject takes a module or object itself"
        )
    where, colon, attribute = name.partition(":")
    named = where.endswith(".py") or all(part.isidentifier() for part in where.split("."))
    if not named or (colon and not attribute):
        raise SubjectError(
            f"{name!r}: a subject is package.module, file.py, either with :object, or a framework"
        )
    if where in FRAMEWORKS and where != "numpy":
        return _named(framework(where).subject(attribute), name)
    module = _load_file(where) if where.endswith(".py") else _load_module(where)
    if attribute:
        try:
            found = getattr(module, attribute)
        except AttributeError:
            raise SubjectError(f"{name}: {where} has no {attribute}") from None
    else:
        declared = [value for value in vars(module).values() if isinstance(value, Subject)]
        if len({id(value) for value in declared}) > 1:
            raise SubjectError(
                f"{name}: {where} declares {len(declared)} subjects; name one, as {where}:object"
            )
        found = declared[0] if declared else module
    return _named(found, name)


def _named(found: Any, name: str) -> Subject:
    return replace(found, name=name) if isinstance(found, Subject) else Subject(found, name=name)


def _has_functions(value: Any) -> bool:
    try:
        return not isinstance(value, (ModuleType, type)) and bool(Subject(value).operations)
    except Exception:  # no subject; or an object of any kind, whose look-ups may raise
        return False


def _load_file(where: str) -> ModuleType:
    path = Path(where).resolve()
    if not path.is_file():
        raise SubjectError(f"{where}: {'is a folder' if path.is_dir() else 'no such file'}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)  # dataclasses and pickles in the file look their module up
    try:
        with _importable(str(path.parent)), _settings_kept():
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise SubjectError(f"{where}: importing it raises {_said(error)}") from error
    return module


def _load_module(where: str) -> ModuleType:
    try:
        with _importable(""), _settings_kept():
            return importlib.import_module(where)
    except (Exception, SystemExit) as error:
        raise SubjectError(f"{where}: importing it raises {_said(error)}") from error


@contextlib.contextmanager
def _importable(folder: str) -> Iterator[None]:
    """Modules come from this folder first, as for `python file.py`; afterwards, for imports in a call, from it last.

    What lies beside a kernel thereby stands for no module that the suite imports later.
    """
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
        if folder not in sys.path:
            sys.path.append(folder)


@contextlib.contextmanager
def _settings_kept() -> Iterator[None]:
    """A file may turn every warning or rounding into an error: that is for its kernels, not for who judges them."""
    with warnings.catch_warnings(), np.errstate():
        yield
