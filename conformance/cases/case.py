"""A case: one problem with every parameter, and its one-line text form."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import field, fields, make_dataclass
from functools import cache, cached_property
from types import NoneType
from typing import TYPE_CHECKING, Any, ClassVar

from conformance.cases.fields import (
    COUNTS,
    about_option,
    fields_of,
    flags_of,
    gaps_of,
    keywords_of,
    options_of,
    per_axis_of,
    read_fields,
    types_of,
)
from conformance.cases.guarded import GUARDS
from conformance.cases.text import CaseError, suggest, write, write_field
from conformance.cases.values import VALUES, planted
from conformance.cases.views import REPEATING, VIEWS
from conformance.operations import DTYPES, OPERATIONS, Family
from conformance.operations.windows import borders, windows_all_hit

ANSWERS = "answers"  # in a layout, beside the arrays: what the kernel allocates with NumPy

WRITTEN = ("", "lists")  # how options of several numbers are passed: as tuples, or as lists

Number = int | tuple[int, ...]  # one for all axes, or one an axis


class Case:
    """One problem: operation, sizes, options, dtype, values, layout and seed.

    The fields of the array shapes are N (batch; None is an unbatched input), C (channels), the image (H, W) and
    the kernel (R, S); those of the operation's options follow. An option is held as the caller of the kernel writes it:
    an int or one int an axis. `str(case)` leaves out what is default; `Case.parse` reads it back; `Case.of` makes one.
    """

    operation: ClassVar[str]
    family: ClassVar[Family]
    dimensions: ClassVar[int]
    batch: int | None
    channels: int
    image: tuple[int, ...]
    kernel: tuple[int, ...]
    dtype: str
    values: str
    layout: str
    malformed: str
    written: str
    seed: int

    if TYPE_CHECKING:  # a dataclass once it is made of an operation, with the options of its family as fields
        __dataclass_fields__: ClassVar[dict[str, Any]]

        def __getattr__(self, name: str) -> Any: ...

    @staticmethod
    def of(operation: str, **fields: Any) -> Case:
        """The case of an operation with these fields, the others at their defaults."""
        made: Case = _class_of(operation)(**fields)
        return made

    def __post_init__(self) -> None:
        for name in self.family.extents:
            extents = getattr(self, name)
            if type(extents) is not tuple:
                extents = (extents,) * self.dimensions
            object.__setattr__(self, name, extents or (1,) * self.dimensions)
            if len(getattr(self, name)) != self.dimensions:
                raise CaseError(f"{name}={write(extents)}: {self.operation} has {self.dimensions} extents")
        values = vars(self)
        for name, types in types_of(self.operation):
            kind = type(value := values[name])
            if kind not in types or (kind is tuple and not set(map(type, value)) - {NoneType} <= {int}):
                allowed = " or ".join("None" if t is NoneType else t.__name__ for t in types)
                raise CaseError(f"{name}={write(value)}: {name} is {allowed}")
            if kind is tuple and len(value) not in (1, self.dimensions):
                raise CaseError(f"{name}={write(value)}: {self.operation} has {self.dimensions} axes")
            if kind is tuple and None in value and name not in gaps_of(self.operation):
                raise CaseError(f"{name}={write(value)}: {name} is one int an axis")
            if name in COUNTS and value is not None and (min(value) if kind is tuple else value) < 0:
                raise CaseError(f"{name}={write(value)}: {name} is not negative")
        self._check("dtype", self.dtype, self.family.dtypes)
        self._check("written", self.written, WRITTEN)
        if self.malformed:
            self._check("malformed", self.malformed, self.family.malformations)
        if self.values not in VALUES and not planted(self.values):
            self._check("values", self.values, VALUES)
        if self.layout:
            self._check_layout()

    def _check_layout(self) -> None:
        for array, view in self.views.items():
            if not view:
                raise CaseError(f"layout={array}: a layout is written array:view, as input:reversed")
            self._check("layout", array, (*self.array_names, ANSWERS))
            self._check("layout", view, (*(VIEWS if array != ANSWERS else ()), *GUARDS))
        together = {self.views.get(name, "") for name in self.array_names if name != "grad_output"}
        if self.family.indexing and len(together) > 1 and together & {*REPEATING}:
            raise CaseError(f"layout={self.layout}: of positions and what they place both repeat, or neither")

    def _check(self, field: str, value: str, known: Any) -> None:
        if value not in known:
            raise CaseError(
                f"{field}={value}: no such {field} of {self.operation}{suggest(value, tuple(known))}"
            )

    def __reduce__(self) -> tuple[Any, ...]:
        return Case.parse, (str(self),)

    # What it is about, by its family.

    @property
    def options(self) -> dict[str, Any]:
        """The keyword arguments that a kernel is called with."""
        written = list if self.written == "lists" else tuple
        given = ((name, getattr(self, name)) for name in keywords_of(self.operation))
        return {name: written(value) if isinstance(value, tuple) else value for name, value in given}

    @property
    def kernel_size(self) -> Number:
        """The kernel as it is passed: an int where it is square and nothing else is given for each axis."""
        square = len(set(self.kernel)) == 1
        square = square and tuple not in [type(getattr(self, name)) for name in per_axis_of(self.operation)]
        alone = square or (self.family.single and self.dimensions == 1)
        return 0 if self.malformed == "kernel_zero" else self.kernel[0] if alone else self.kernel

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each array, in the order a kernel takes them; grad_output last, where there are gradients."""
        given = self.family.arrays(self)
        return given | ({"grad_output": self.output_shape} if DTYPES[self.dtype].differentiated else {})

    @property
    def output_shape(self) -> tuple[int, ...]:
        return (*self.leading, self.family.channels_out(self), *self.output_extents)

    @cached_property
    def array_names(self) -> tuple[str, ...]:
        return (*self.family.arrays(self), *["grad_output"] * DTYPES[self.dtype].differentiated)

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """What is judged: the forward's answers, then the gradients."""
        more = [output for name, output in flags_of(self.operation) if getattr(self, name)]
        return ("output", *more, *self.gradients)

    @cached_property
    def gradients(self) -> tuple[str, ...]:
        names = self.array_names if DTYPES[self.dtype].differentiated else ()
        return tuple(f"grad_{n}" for n in names if n not in ("grad_output", *self.family.indexing))

    def terms(self, output: str) -> int:
        """Largest number of terms that one element of this output sums."""
        return self.family.terms(self, output)

    @cached_property
    def _refused(self) -> str | None:
        """Why PyTorch refuses its options."""
        if min(self.kernel) < 1:
            return f"kernel={write(self.kernel)} is below 1"
        for name in options_of(self.operation):
            _, refusal = about_option(self.operation, name, getattr(self, name))
            if refusal:
                return refusal
        return self.family.refusal(self)

    @cached_property
    def problem(self) -> str | None:
        """Why PyTorch refuses this case, or None where it answers."""
        if self._refused:
            return self._refused
        if self.malformed and (how := self.family.malformations[self.malformed]).changes(self):
            return f"{how.array} {how.mistake}".strip()
        if min(self.image) < 1 or min(getattr(self, name) for name in self.family.few) < 1:
            return "an extent is 0"
        if min(self.output_extents) < self.family.least_output:
            return f"the {self.family.window} exceeds the padded image"
        return None

    @cached_property
    def needs(self) -> frozenset[str]:
        """The features a kernel must have to be asked this case (see conformance.cases.features)."""
        features = [self.dtype]
        for name in options_of(self.operation):
            features += about_option(self.operation, name, getattr(self, name))[0]
        given = [getattr(self, name) for name in per_axis_of(self.operation)]
        tuples = [value for value in given if isinstance(value, tuple)]
        several = self.dimensions > 1
        for feature, needed in (
            ("unbatched", self.batch is None),
            ("options per axis", any(len(set(value)) > 1 for value in tuples)),
            ("options as tuples", bool(tuples)),
            ("options as lists", self.written == "lists"),
            ("options as tuples of one", several and any(len(value) == 1 for value in tuples)),
            ("images not square", len(set(self.image)) > 1),
            (self.family.not_square, len(set(self.kernel)) > 1),
        ):
            if needed:
                features.append(feature)
        return frozenset(features)

    # The geometry: one entry an axis, whatever the options are written as.

    @cached_property
    def strides(self) -> tuple[int, ...]:
        """Steps between windows; those of stride=None are the kernel's extents."""
        stride: Number | None = getattr(self, "stride", 1)
        return self.kernel if stride is None else self.axes(stride)

    @cached_property
    def dilations(self) -> tuple[int, ...]:
        """Steps between the taps of a window."""
        return self.axes(getattr(self, "dilation", 1))

    @cached_property
    def pads(self) -> tuple[tuple[int, int], ...]:
        """Padding before and after each axis; "same" puts the odd one after."""
        padding: Number | str = getattr(self, "padding", 0)
        if padding == "same":
            totals = (d * (k - 1) for d, k in zip(self.dilations, self.kernel, strict=True))
            return tuple((total // 2, total - total // 2) for total in totals)
        return tuple((p, p) for p in self.axes(0 if isinstance(padding, str) else padding))

    @property
    def geometry(self) -> Iterator[tuple[int, int, tuple[int, int], int]]:
        """(kernel, stride, pads, dilation) of each axis."""
        return zip(self.kernel, self.strides, self.pads, self.dilations, strict=True)

    @cached_property
    def output_extents(self) -> tuple[int, ...]:
        """Extents of the output; of a refused case, which has none, a formality."""
        if self._refused:
            return (1,) * self.dimensions
        count = self.family.outputs
        return tuple(max(count(self, axis, n), 0) for axis, n in enumerate(self.image))

    @property
    def windows(self) -> tuple[int, ...]:
        """How many windows each axis has."""
        return self.image if self.family.adjoint else self.output_extents

    @property
    def plane(self) -> tuple[int, ...]:
        """The extents of what they lie over."""
        return self.output_extents if self.family.adjoint else self.image

    @cached_property
    def borders(self) -> tuple[tuple[int, int], ...]:
        """The padding of each axis, and after it what the last window reaches over (ceil_mode)."""
        return borders(self)

    @cached_property
    def hazard(self) -> bool:
        """Whether PyTorch is not to be asked, and a kernel may refuse.

        The answer has no element, PyTorch ought to refuse it, or some window misses the image: there its gradient
        writes out of bounds.
        """
        if self.problem or min(self.output_extents) < 1 or self.family.meaningless(self):
            return not self.problem
        if not self.family.misses or max(self.dilations) == 1:
            return False
        axes = zip(self.image, self.geometry, self.output_extents, strict=True)
        return not all(windows_all_hit(n, k, s, pads[0], d, o) for n, (k, s, pads, d), o in axes)

    def axes(self, option: Number) -> tuple[int, ...]:
        """An option as one int an axis."""
        if isinstance(option, int):
            return (option,) * self.dimensions
        return option * self.dimensions if len(option) == 1 else option

    # What else follows from the fields.

    @cached_property
    def views(self) -> dict[str, str]:
        """The layout of each array that is not plainly contiguous."""
        pairs = (part.partition(":") for part in self.layout.split(",") if part)
        return {array: view for array, _, view in pairs}

    @cached_property
    def leading(self) -> tuple[int, ...]:
        """The batch axis, or none of it for an unbatched input."""
        return () if self.batch is None else (self.batch,)

    @cached_property
    def size(self) -> int:
        """How large the case is, for telling which of two counterexamples is simpler."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    # The text form.

    def __str__(self) -> str:
        named = ((n, getattr(self, n), default) for n, default in _defaults_of(self.operation))
        return " ".join(
            [self.operation, *(f"{n}={write_field(n, v)}" for n, v, default in named if v != default)]
        )

    def __repr__(self) -> str:  # as Python reads it back
        return f"Case.parse({str(self)!r})"

    @staticmethod
    def parse(text: str) -> Case:
        """The case that `str(case)` printed; CaseError lists what exists where a word is unknown."""
        operation, *words = text.split() or [""]
        if operation not in OPERATIONS:
            raise CaseError(
                f"{operation or 'empty text'}: no such operation{suggest(operation, tuple(OPERATIONS))}"
            )
        return Case.of(operation, **read_fields(operation, words))


def plain_of(case: Case) -> dict[str, Any]:
    """The fields of a case of the same operation that names none."""
    return dict(_defaults_of(case.operation))


@cache
def _class_of(operation: str) -> type[Any]:
    """The class of an operation's cases: a frozen dataclass of its fields."""
    found = OPERATIONS[operation]
    named = [(name, Any, field(default=default)) for name, _, default in fields_of(found)]
    lacking = {option.name: option.default for option in found.family.options if option not in found.options}
    lacking |= {} if found.family.has_kernel else {"kernel": (1,) * found.dimensions}
    about: dict[str, Any] = {
        "operation": operation,
        "family": found.family,
        "dimensions": found.dimensions,
        "__doc__": Case.__doc__,
    }
    about |= lacking  # of an option that the family has and the operation lacks, its default
    made = make_dataclass(
        operation, named, bases=(Case,), namespace=about, frozen=True, kw_only=True, repr=False
    )
    made.__module__ = Case.__module__
    return made


@cache
def _defaults_of(operation: str) -> tuple[tuple[str, Any], ...]:
    plain: Any = Case.of(operation)
    return tuple((f.name, getattr(plain, f.name)) for f in fields(plain))
