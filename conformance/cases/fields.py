"""The fields of a case: their names, types and defaults, and how they are read from words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from types import NoneType
from typing import Any

from conformance.cases.text import CaseError, read, suggest, write
from conformance.operations import OPERATIONS, Operation
from conformance.operations.dtypes import PLAIN

TEXT_FIELDS = ("dtype", "values", "layout", "malformed", "written")
COUNTS = ("batch", "channels", "filters", "image", "kernel", "seed")
_FIELDS: tuple[tuple[str, tuple[type, ...], Any], ...] = (
    ("batch", (int, NoneType), 1),
    ("channels", (int,), 1),
    ("image", (tuple,), ()),
    ("kernel", (tuple,), ()),
    ("dtype", (str,), PLAIN),
    ("values", (str,), "integers"),
    ("layout", (str,), ""),
    ("malformed", (str,), ""),
    ("written", (str,), ""),
    ("seed", (int,), 0),
)


def fields_of(operation: Operation) -> Iterator[tuple[str, tuple[type, ...], Any]]:
    yield from (of for of in _FIELDS if of[0] != "kernel" or operation.family.has_kernel)
    for option in operation.options:
        yield option.name, option.value_types, option.default


@cache
def types_of(operation: str) -> tuple[tuple[str, tuple[type, ...]], ...]:
    return tuple((name, types) for name, types, _ in fields_of(OPERATIONS[operation]))


@cache
def _names_of(operation: str) -> tuple[str, ...]:
    return tuple(name for name, _ in types_of(operation))


def of_operation(operation: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Those of these fields that the operation's cases have."""
    known = _names_of(operation)
    return {name: value for name, value in fields.items() if name in known}


@cache
def gaps_of(operation: str) -> tuple[str, ...]:
    """The options that may be None along an axis."""
    return tuple(option.name for option in OPERATIONS[operation].options if option.gap)


@cache
def keywords_of(operation: str) -> tuple[str, ...]:
    found = OPERATIONS[operation]
    there = {"kernel_size", *(option.name for option in found.options)}
    return tuple(name for name in found.family.keywords if name in there)


@cache
def options_of(operation: str) -> tuple[str, ...]:
    return tuple(option.name for option in OPERATIONS[operation].options)


@cache
def per_axis_of(operation: str) -> tuple[str, ...]:
    return tuple(option.name for option in OPERATIONS[operation].options if option.per_axis)


@cache
def flags_of(operation: str) -> tuple[tuple[str, str], ...]:
    """The options that ask for one more output, and that."""
    options = OPERATIONS[operation].options
    return tuple((o.name, o.output) for o in options if o.output and not o.array)


@lru_cache(maxsize=4096, typed=True)  # most cases have options that others have, too
def about_option(operation: str, name: str, value: Any) -> tuple[tuple[str, ...], str | None]:
    """The features that a value of an option needs, and why PyTorch refuses it."""
    dimensions = OPERATIONS[operation].dimensions
    option = next(option for option in OPERATIONS[operation].options if option.name == name)
    axes = value if isinstance(value, tuple) else (value,) * dimensions
    refusal = option.refusal(value, axes)
    if len(axes) < dimensions and not option.broadcasts:
        refusal = f"{name}={write(value)} is one number for {dimensions} axes"
    return tuple(option.features(value, dimensions)), refusal


def read_fields(operation: str, words: list[str]) -> dict[str, Any]:
    """The values of fields written name=value."""
    known = _names_of(operation)
    values: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise CaseError(f"{word}: a field is written name=value")
        if name not in known:
            raise CaseError(f"{word}: {operation} has no field {name}{suggest(name, known)}")
        if name in values:
            raise CaseError(f"{word}: {name} is given twice")
        values[name] = value if name in TEXT_FIELDS else read(word, value)
    return values
