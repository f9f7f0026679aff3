"""What a mutant is, and how one is written: a mistake in words on a function of a case and its arrays."""

from __future__ import annotations

import builtins
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import CodeType, SimpleNamespace
from typing import Any

import numpy as np

from conformance.cases import Case
from conformance.cases.arrays import Array, Arrays
from conformance.kernels import reference
from conformance.kernels.mutants.functions import IMAGES, by_reference, doubles, functions
from conformance.kernels.reference import Answers

Change = Callable[[Any, Arrays], Array | Answers]


@dataclass(frozen=True)
class Mutant:
    """A kernel with one known mistake.

    name       unique; `ALL[name]` makes the same mutant in any process
    operation  whose functions it has
    outputs    what the mistake can change
    sentence   the mistake, as a developer wants to read it
    when       where it can show: an expression in WORDS for a pure mutant, else in words
    change     a pure mutant: the changed outputs of a case with a batch axis, in float64
    make       any other: a fresh namespace of functions, with the state that its mistake lies in
    """

    name: str
    operation: str
    outputs: tuple[str, ...]
    sentence: str
    when: str
    change: Change | None = None
    make: Callable[[], SimpleNamespace] | None = None

    @property
    def family(self) -> str:
        """The file it is written in, which tells what requirement is likely to notice it."""
        function = self.change or self.make
        return str(getattr(function, "func", function).__module__).rpartition(".")[2]

    @property
    def pure(self) -> bool:
        """Whether its answer is a function of the case and its arrays."""
        return self.change is not None

    def shows(self, case: Case, arrays: Arrays) -> bool:
        """Whether the case meets `when`, without which a pure mutant is right."""
        return case.operation == self.operation and bool(
            eval(
                _compiled(self.when), _BUILTINS, _Words(case, arrays)
            )  # an expression of this package, of no user
        )

    def changes(self, case: Case, arrays: Arrays) -> Answers:
        """The outputs that the mistake changes, in float64; {} where the case does not meet `when`."""
        if self.change is None:
            raise TypeError(f"{self.name} is no function of a case: call its subject()")
        if case.operation != self.operation or case.problem:
            return {}
        values = doubles(arrays)
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
        return self.make() if self.make else functions(self.operation, self._compute)

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
        return {output: answers[output] for output in outputs if output in answers}

    def _compute(self, case: Case, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
        values = doubles(arrays)
        if "grad_output" not in values and any(output.startswith("grad_") for output in self.outputs):
            shape = case.shapes["grad_output"]  # a forward call; the mistake computes all its outputs at once
            values["grad_output"] = np.zeros(shape if case.batch is not None else (1, *shape))
        changed = self._batched(case, values, wanted)
        return changed if set(wanted) <= set(changed) else by_reference(case, arrays, wanted) | changed


ALL: dict[str, Mutant] = {}


def mutant(
    operation: str, outputs: str, sentence: str, when: str = "True", name: str = ""
) -> Callable[[Change], Change]:
    """Register a pure mutant: the decorated function answers the changed outputs of a case that meets `when`."""

    def register(change: Change) -> Change:
        _add(Mutant(name or _name(change), operation, tuple(outputs.split()), sentence, when, change=change))
        return change

    return register


def kernel(
    operation: str, outputs: str, sentence: str, when: str, name: str = ""
) -> Callable[[Callable[[], SimpleNamespace]], Callable[[], SimpleNamespace]]:
    """Register a mutant whose mistake needs real functions: the decorated factory makes them afresh."""

    def register(make: Callable[[], SimpleNamespace]) -> Callable[[], SimpleNamespace]:
        _add(Mutant(name or _name(make), operation, tuple(outputs.split()), sentence, when, make=make))
        return make

    return register


def _add(new: Mutant) -> None:
    if new.name in ALL:
        raise ValueError(f"two mutants are called {new.name}")
    ALL[new.name] = new


def _name(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__name__", ""))


# The words of `when`.


def _fits(case: Any) -> list[tuple[int, ...]]:
    """Extent, reach of the dilated kernel, stride and pads of each axis."""
    pads = case.borders if case.family.bounded else case.pads
    reach = [d * (k - 1) + 1 for d, k in zip(dilations(case), case.kernel, strict=True)]
    return list(zip(case.image, reach, strides(case), *zip(*pads, strict=True), strict=True))


def _rest(case: Any, axis: int) -> int:
    """Rows (columns) of the padded image past the last window."""
    extent, reach, stride, low, high = _fits(case)[axis]
    return int(extent + low + high - ((case.output_extents[axis] - 1) * stride + reach))


def _overhang(case: Any, axis: int) -> int:
    """Rows (columns) that ceil_mode's last window reaches over the padded image."""
    return int(case.borders[axis][1] - case.pads[axis][1])


def strides(case: Any) -> tuple[int, ...]:
    return tuple(case.strides if case.family.bounded else case.axes(case.stride))


def dilations(case: Any) -> tuple[int, ...]:
    return tuple(case.dilations if case.family.bounded else case.axes(case.dilation))


def paddings(case: Any) -> tuple[int, ...]:
    return tuple(case.axes(case.padding)) if case.family.bounded else tuple(low for low, _ in case.pads)


WORDS: dict[str, Callable[[Any, Arrays], Any]] = {
    "N": lambda case, arrays: 1 if case.batch is None else case.batch,
    "unbatched": lambda case, arrays: case.batch is None,
    "C": lambda case, arrays: case.channels,
    "K": lambda case, arrays: case.filters,
    "G": lambda case, arrays: case.groups,
    "CG": lambda case, arrays: case.channels // case.groups,
    "KG": lambda case, arrays: case.filters // case.groups,
    "depthwise": lambda case, arrays: case.groups == case.channels > 1,
    "bias": lambda case, arrays: case.bias,
    "same": lambda case, arrays: case.padding == "same",
    "default_stride": lambda case, arrays: case.stride is None,
    "ceil": lambda case, arrays: case.ceil_mode,
    "counted": lambda case, arrays: case.count_include_pad,
    "divisor": lambda case, arrays: case.divisor_override,
    "H": lambda case, arrays: case.image[0],
    "W": lambda case, arrays: case.image[1],
    "R": lambda case, arrays: case.kernel[0],
    "S": lambda case, arrays: case.kernel[1],
    "P": lambda case, arrays: case.output_extents[0],
    "Q": lambda case, arrays: case.output_extents[1],
    "sh": lambda case, arrays: strides(case)[0],
    "sw": lambda case, arrays: strides(case)[1],
    "ph": lambda case, arrays: paddings(case)[0],
    "pw": lambda case, arrays: paddings(case)[1],
    "dh": lambda case, arrays: dilations(case)[0],
    "dw": lambda case, arrays: dilations(case)[1],
    "reach_h": lambda case, arrays: _fits(case)[0][1],
    "reach_w": lambda case, arrays: _fits(case)[1][1],
    "rest_h": lambda case, arrays: _rest(case, 0),
    "rest_w": lambda case, arrays: _rest(case, 1),
    "over_h": lambda case, arrays: _overhang(case, 0),
    "over_w": lambda case, arrays: _overhang(case, 1),
    "padded": lambda case, arrays: any(map(any, case.borders if case.family.bounded else case.pads)),
    "dtype": lambda case, arrays: case.dtype,
    "nan": lambda case, arrays: any(np.isnan(array).any() for array in arrays.values()),
    "infinite": lambda case, arrays: any(np.isinf(array).any() for array in arrays.values()),
    "ties": lambda case, arrays: len(np.unique(arrays["input"])) < arrays["input"].size,
}

_BUILTINS = {"__builtins__": {name: getattr(builtins, name) for name in ("max", "min", "any", "all")}}


class _Words(Mapping[str, Any]):
    """WORDS of one case, each worked out when it is read."""

    def __init__(self, case: Case, arrays: Arrays) -> None:
        self.case, self.arrays = case, arrays

    def __getitem__(self, name: str) -> Any:
        return WORDS[name](self.case, self.arrays)

    def __iter__(self) -> Iterator[str]:
        return iter(WORDS)

    def __len__(self) -> int:
        return len(WORDS)


@functools.cache
def _compiled(expression: str) -> CodeType:
    return compile(expression, "<when>", "eval")


# What mistakes are made of.


def walked(case: Any, pads: tuple[tuple[int, int], ...] | None = None, **options: Any) -> Any:
    """The case walked with other options: its answer keeps its shape, what is read past the image is zero.

    So does a kernel that allocates by the right sizes and steps by wrong ones.
    """
    if case.family.bounded:
        options.setdefault("stride", case.strides)
    other = replace(case, **options)
    extents = case.output_extents
    vars(other)["output_extents"] = extents
    if other.family.bilinear:
        sizes = zip(
            other.image,
            other.kernel,
            strides(other),
            pads or other.pads,
            dilations(other),
            extents,
            strict=True,
        )
        vars(other)["pads"] = tuple(
            (low, max(high, (o - 1) * s + d * (k - 1) + 1 - n - low)) for n, k, s, (low, high), d, o in sizes
        )
    return other


def at_tap(weight: Array, tap: tuple[int, ...]) -> Array:
    """One tap of every filter."""
    place: Any = (..., *tap)
    return np.asarray(weight[place])


def max_pooled(case: Case, arrays: Arrays, **answers: Array) -> Answers:
    """The answers of a max pooling whose `output` and `indices` are given, with the gradient that follows."""
    if "grad_output" not in arrays:
        return answers
    return answers | {"grad_input": reference.max_pool_backward(case, arrays, answers["indices"])}


# What mistakes in real functions are made of.

Call = Callable[
    [dict[str, Any], dict[str, Any]], Any
]  # arrays by name, options by name -> what the function returns
Hook = Callable[[Call, dict[str, Any], dict[str, Any]], Any]
ARRAYS = ("input", "weight", "bias", "grad_output")


def hooked(operation: str, hook: Hook, only: str = "") -> SimpleNamespace:
    """The right functions of an operation, each called through `hook(right, arrays, options)`.

    only    "forward" or "backward": the other one stays right
    """
    right = functions(operation)
    for name, function in vars(right).items():
        if only != ("forward" if name.endswith("_backward") else "backward"):
            setattr(right, name, _through(hook, function))
    return right


def _through(hook: Hook, function: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(function)

    def call(arrays: dict[str, Any], options: dict[str, Any]) -> Any:
        return function(**arrays, **options)

    @functools.wraps(function)
    def hooked_function(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        arrays = {name: value for name, value in bound.arguments.items() if name in ARRAYS}
        options = {name: value for name, value in bound.arguments.items() if name not in ARRAYS}
        return hook(call, arrays, options)

    return hooked_function


def each(edit: Callable[[Array], Any], answer: Any) -> Any:
    """`edit` on every array of what a function returned."""
    if isinstance(answer, tuple):
        return tuple(None if array is None else edit(array) for array in answer)
    return edit(answer)
