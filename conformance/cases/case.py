"""A case: one problem with every parameter, and its one-line text form."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache, cached_property
from types import NoneType, UnionType
from typing import Any, ClassVar, get_args, get_origin, get_type_hints

from conformance.cases.guarded import GUARDS

ANSWERS = "answers"  # in a layout, beside the arrays: what the kernel allocates with NumPy
Option = int | tuple[int, ...]

DTYPES = ("float16", "float32", "float64")
FAMILIES: dict[str, type[Case]] = {}


class CaseError(ValueError):
    """A case's text or fields are wrong: the value, then the rule."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One problem: operation, sizes, options, dtype, values, layout and seed.

    The fields of the array shapes are N (batch; None is an unbatched input), C (channels), the image (H, W) and
    the kernel (R, S). An option is held as the caller of the kernel writes it: an int or one int an axis.
    `str(case)` leaves out what is default; `Case.parse` reads it back.
    """

    operation: str
    batch: int | None = 1
    channels: int = 1
    image: tuple[int, ...] = ()
    kernel: tuple[int, ...] = ()
    dtype: str = "float32"
    values: str = "integers"
    layout: str = ""
    malformed: str = ""
    seed: int = 0

    # Ways of spoiling the arrays that no other field can express, in words.
    MALFORMED: ClassVar[dict[str, str]] = {}

    def __init_subclass__(cls, operations: tuple[str, ...] = (), **rest: Any) -> None:
        super().__init_subclass__(**rest)
        FAMILIES.update(dict.fromkeys(operations, cls))

    def __post_init__(self) -> None:
        for name in ("image", "kernel"):
            extents = getattr(self, name) or (1,) * self.dimensions
            object.__setattr__(self, name, (extents,) if isinstance(extents, int) else tuple(extents))
            if len(getattr(self, name)) != self.dimensions:
                raise CaseError(f"{name}={_write(extents)}: {self.operation} has {self.dimensions} extents")
        self._check("dtype", self.dtype, DTYPES)
        self._check("malformed", self.malformed, ("", *self.MALFORMED))
        self._check("values", self.values, _known("VALUES"))
        for array, view in self.views.items() if self.layout else ():
            if not view:
                raise CaseError(f"layout={array}: a layout is written array:view, as input:reversed")
            self._check("layout", array, (*self.array_names, ANSWERS))
            self._check("layout", view, (*(_known("VIEWS") if array != ANSWERS else ()), *GUARDS))
        values = vars(self)
        for name, types in _types_of(self.operation):
            kind = type(value := values[name])
            if kind not in types or (kind is tuple and set(map(type, value)) != {int}):
                allowed = " or ".join("None" if t is NoneType else t.__name__ for t in types)
                raise CaseError(f"{name}={_write(value)}: {name} is {allowed}")
            if kind is tuple and len(value) not in (1, self.dimensions):
                raise CaseError(f"{name}={_write(value)}: {self.operation} has {self.dimensions} axes")
            if name in _COUNTS and value is not None and (min(value) if kind is tuple else value) < 0:
                raise CaseError(f"{name}={_write(value)}: {name} is not negative")

    def _check(self, field: str, value: str, known: tuple[str, ...]) -> None:
        if value not in known:
            raise CaseError(f"{field}={value}: no such {field} of {self.operation}{_suggest(value, known)}")

    # What every family answers.

    @property
    def options(self) -> dict[str, Any]:
        """The keyword arguments that a kernel is called with."""
        raise NotImplementedError

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each array, in the order a kernel takes them; grad_output last."""
        raise NotImplementedError

    @property
    def outputs(self) -> tuple[str, ...]:
        """What is judged: the forward's answers, then the gradients."""
        raise NotImplementedError

    @property
    def problem(self) -> str | None:
        """Why PyTorch refuses this case, or None where it answers."""
        raise NotImplementedError

    @property
    def needs(self) -> frozenset[str]:
        """The features a kernel must have to be asked this case (see capabilities)."""
        raise NotImplementedError

    def terms(self, output: str) -> int:
        """Largest number of terms that one element of this output sums."""
        raise NotImplementedError

    # What follows from the fields.

    @property
    def dimensions(self) -> int:
        return int(self.operation[-2])  # conv2d

    @cached_property
    def views(self) -> dict[str, str]:
        """The layout of each array that is not plainly contiguous."""
        pairs = (part.partition(":") for part in self.layout.split(",") if part)
        return {array: view for array, _, view in pairs}

    @cached_property
    def array_names(self) -> tuple[str, ...]:
        return ("input", "grad_output")

    @cached_property
    def gradients(self) -> tuple[str, ...]:
        return tuple(output for output in self.outputs if output.startswith("grad_"))

    @cached_property
    def leading(self) -> tuple[int, ...]:
        """The batch axis, or none of it for an unbatched input."""
        return () if self.batch is None else (self.batch,)

    # The geometry: one entry an axis, whatever the options are written as.

    @cached_property
    def strides(self) -> tuple[int, ...]:
        """Steps between windows; those of stride=None are the kernel's extents."""
        stride: Option | None = getattr(self, "stride", 1)
        return self.kernel if stride is None else self.axes(stride)

    @cached_property
    def dilations(self) -> tuple[int, ...]:
        """Steps between the taps of a window."""
        return self.axes(getattr(self, "dilation", 1))

    @cached_property
    def pads(self) -> tuple[tuple[int, int], ...]:
        """Padding before and after each axis; "same" puts the odd one after."""
        padding: Option | str = getattr(self, "padding", 0)
        if padding == "same":
            totals = (d * (k - 1) for d, k in zip(self.dilations, self.kernel, strict=True))
            return tuple((total // 2, total - total // 2) for total in totals)
        return tuple((p, p) for p in self.axes(0 if isinstance(padding, str) else padding))

    @property
    def geometry(self) -> Iterator[tuple[int, int, tuple[int, int], int]]:
        """(kernel, stride, pads, dilation) of each axis."""
        return zip(self.kernel, self.strides, self.pads, self.dilations, strict=True)

    @cached_property
    def borders(self) -> tuple[tuple[int, int], ...]:
        """The padding of each axis, and after it what the last window reaches over (ceil_mode)."""
        axes = zip(self.image, self.geometry, self.output_extents, strict=True)
        return tuple(
            (low, max(high, (o - 1) * s + d * (k - 1) + 1 - n - low)) for n, (k, s, (low, high), d), o in axes
        )

    @property
    def output_extents(self) -> tuple[int, ...]:
        """Windows of each axis."""
        raise NotImplementedError

    @property
    def hazard(self) -> bool:
        """Whether PyTorch answers this case and may write out of bounds or end the process."""
        return False

    def axes(self, option: Option) -> tuple[int, ...]:
        """An option as one int an axis."""
        if isinstance(option, int):
            return (option,) * self.dimensions
        return option * self.dimensions if len(option) == 1 else option

    @cached_property
    def size(self) -> int:
        """How large the case is, for telling which of two counterexamples is simpler."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    # The text form.

    def __str__(self) -> str:
        named = ((n, getattr(self, n), default) for n, default in _defaults_of(self.operation))
        return " ".join([self.operation, *(f"{n}={_write(v)}" for n, v, default in named if v != default)])

    @staticmethod
    def parse(text: str) -> Case:
        """The case that `str(case)` printed; CaseError lists what exists where a word is unknown."""
        operation, *words = text.split() or [""]
        if operation not in FAMILIES:
            raise CaseError(
                f"{operation or 'empty text'}: no such operation{_suggest(operation, tuple(FAMILIES))}"
            )
        family = FAMILIES[operation]
        known = tuple(name for name, _ in _defaults_of(operation))
        values: dict[str, Any] = {}
        for word in words:
            name, equals, value = word.partition("=")
            if not equals:
                raise CaseError(f"{word}: a field is written name=value")
            if name not in known:
                raise CaseError(f"{word}: {operation} has no field {name}{_suggest(name, known)}")
            if name in values:
                raise CaseError(f"{word}: {name} is given twice")
            values[name] = value if name in _TEXT_FIELDS else _read(word, value)
        return family(operation=operation, **values)


_TEXT_FIELDS = ("dtype", "values", "layout", "malformed")


@cache
def _types_of(operation: str) -> tuple[tuple[str, tuple[type, ...]], ...]:
    """The fields of such a case, and the types that each may have."""
    hints = get_type_hints(FAMILIES[operation])
    return tuple((field.name, _types(hints[field.name])) for field in fields(FAMILIES[operation]))


def _types(hint: Any) -> tuple[type, ...]:
    """The types of a union; those of what is in a tuple are not among them."""
    return tuple(get_origin(of) or of for of in (get_args(hint) if isinstance(hint, UnionType) else (hint,)))


@cache
def _known(table: str) -> tuple[str, ...]:
    """The names of VALUES or VIEWS: what exists is listed where it is made."""
    from conformance.cases import arrays

    return tuple(getattr(arrays, table))


@cache
def _defaults_of(operation: str) -> tuple[tuple[str, Any], ...]:
    plain: Any = FAMILIES[operation](operation=operation)
    return tuple((f.name, getattr(plain, f.name)) for f in fields(plain) if f.name != "operation")


_COUNTS = ("batch", "channels", "filters", "image", "kernel", "seed")


def _write(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(str, value)) + ("," if len(value) == 1 else "")
    return str(value)


_INT, _INTS = re.compile(r"-?\d+"), re.compile(r"(-?\d+,)+(-?\d+)?")


def _read(word: str, value: str) -> Any:
    if value in ("none", "true", "false"):
        return {"none": None, "true": True, "false": False}[value]
    if _INT.fullmatch(value):
        return int(value)
    if _INTS.fullmatch(value):
        return tuple(int(part) for part in value.split(",") if part)
    if re.fullmatch(r"[A-Za-z_]+", value):
        return value
    raise CaseError(f"{word}: a value is an int, ints with commas, a word, true, false or none")


def _suggest(word: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(word, [name for name in known if name], n=1)
    return (f" (did you mean {near[0]}?)" if near else "") + f"; there are {', '.join(filter(None, known))}"


def window_outputs(extent: int, kernel: int, stride: int, pads: tuple[int, int], dilation: int) -> int:
    """floor((n + lo + hi - d (k - 1) - 1) / s) + 1: how many whole windows fit an axis."""
    return (extent + sum(pads) - dilation * (kernel - 1) - 1) // stride + 1


def windows_all_hit(extent: int, kernel: int, stride: int, padding: int, dilation: int, outputs: int) -> bool:
    """Whether every window of an axis has a tap inside the image (only a dilated one can miss)."""
    return all(
        any(0 <= window * stride - padding + tap * dilation < extent for tap in range(kernel))
        for window in range(outputs)
    )
