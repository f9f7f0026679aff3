"""What to write where a file has none of the functions: an object of it that has, a slip, or lines to paste."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import ModuleType
from typing import Any

from conformance.cases import Case
from conformance.kernels.framework import FRAMEWORKS, about
from conformance.kernels.guess import FUNCTIONS, flat, function_of, is_unjudged, misnamed, own, package
from conformance.operations import OPERATIONS
from conformance.operations.registry import Operation

# What constructors call the extents that follow from a weight.
_EXTENTS = {"kernel_size": "tuple(weight.shape[2:])", "bias": "bias is not None"}
_COUNTS = {"channels": "in_channels", "filters": "out_channels"}
_WHOLE = "new"  # a class whose name ends so is the one of a file that is meant


def hint(kernels: Any, name: str) -> str:
    """What may have been meant where no function is there."""
    where, _, inside = name.partition(":")
    if inside in FUNCTIONS:
        return f" (did you mean {where}?)"
    if isinstance(kernels, type) and (lines := _lines(inside, kernels)):
        return _to_add(inside, lines, where)
    there = vars(kernels) if isinstance(kernels, ModuleType) else {}
    near = [f"{name}:{inside}" for inside, value in there.items() if _has_functions(value)]
    if near:
        return f" (did you mean {' or '.join(near[:3])}?)"
    if made := classes(kernels):
        return f"; its {made[0]} has such methods: {of_class(made[0], getattr(kernels, made[0]), where)}"
    slips = "".join(f"; {slip}: did you mean {meant}?" for slip, meant in misnamed(kernels).items())
    return slips or _advice(kernels, where)


def classes(kernels: Any) -> list[str]:
    """Its own classes that have functions of operations as methods."""
    made = ((name, value) for name, value in own(kernels) if isinstance(value, type))
    return [name for name, value in made if any(function_of(value, each) for each in FUNCTIONS)]


def of_objects(kernels: Any) -> list[str]:
    """The functions of a class that only an object of it has: called on the class, they take an array for self."""
    static = {name: inspect.getattr_static(kernels, name, None) for name in FUNCTIONS}
    methods = [name for name, value in static.items() if inspect.isfunction(value)]
    return [name for name in methods if next(iter(inspect.signature(static[name]).parameters), "") == "self"]


def of_class(name: str, value: type, where: str) -> str:
    """How the methods of a class are judged."""
    if not of_objects(value):
        return f"judge {where}:{name}"
    made = f"{name}({'...' if needs_arguments(value) else ''})"
    return f"add kernels = {made} to {where}, and judge {where}:kernels"


def needs_arguments(value: type) -> bool:
    """Whether an object of a class is not made without."""
    return any(p.default is p.empty for p in _parameters(value))


def adapters(kernels: Any) -> dict[str, list[str]]:
    """The lines that make functions of what looks like kernels under other names, by those; one for an operation."""
    found, operations = {}, {name for name in OPERATIONS if function_of(kernels, name)}
    for name, lines in _written(kernels):
        operation = lines[0].removeprefix("def ").partition("(")[0]
        if name not in FUNCTIONS and operation not in operations:
            operations.add(operation)
            found[name] = lines
    return found


def _written(kernels: Any) -> list[tuple[str, list[str]]]:
    """What looks like a kernel, with the lines around it: first what is named as the one that is meant, then what
    leaves nothing to be filled in."""
    every = ((name, _lines(name, value)) for name, value in own(kernels) if not is_unjudged(name))
    return sorted(
        ((name, lines) for name, lines in every if lines),
        key=lambda each: (not flat(each[0]).endswith(_WHOLE), "..." in "".join(each[1])),
    )


def _has_functions(value: Any) -> bool:
    try:
        return not isinstance(value, (ModuleType, type)) and any(
            function_of(value, name) for name in OPERATIONS
        )
    except Exception:  # an object of any kind, whose look-ups may raise
        return False


def _advice(kernels: Any, where: str) -> str:
    """How the first thing that looks like a kernel becomes one of the functions; what is not judged yet is told."""
    for name, lines in _written(kernels):
        return _to_add(name, lines, where)
    unjudged = [name for name, _ in own(kernels) if is_unjudged(name)]
    return f"; not judged yet: {', '.join(unjudged)}" if unjudged else ""


def _to_add(name: str, lines: Sequence[str], where: str) -> str:
    return "\n    ".join([f"\nTo have {name} judged, add to {where}:\n", *lines])


def _lines(name: str, value: Any) -> list[str]:
    """A function around a function or class; none where it is no kernel by its name or its class."""
    operation = _operation_of(name)
    if isinstance(value, type):
        body = _body_of_class(value)
        operation = operation or _operation_of(_source(value)) or _plainest()
    else:
        body = "return {name}({passed})"
    if not body or not operation:
        return []
    function = getattr(value, "forward", value) if isinstance(value, type) else value
    options = _options(operation, [*_parameters(value), *_parameters(function)])
    apart = "depthwise" in flat(name) and "groups" in Case.of(operation.name).options
    if apart and "groups" not in options:
        options["groups"] = 1
    arrays = operation.family.array_names
    text = body.format(
        name=name,
        made=_made(value, operation.family.weight_axes, options) if isinstance(value, type) else "",
        passed=_passed(function, arrays, options),
        input=arrays[0],
        weights="".join(f"{array}, " for array in arrays[1:]),
    )
    taken = [f"{array}=None" if array == "bias" else array for array in arrays]
    taken += [
        name if name in operation.required else f"{name}={default!r}" for name, default in options.items()
    ]
    lines = [f"def {operation.name}({', '.join(taken)}):", *(f"    {line}" for line in text.splitlines())]
    return [*lines, *(_of_channels(operation.name) if apart else [])]


def _of_channels(operation: str) -> list[str]:
    """The Subject of a kernel that has a group for each channel."""
    kernels, only = f'{{"{operation}": {operation}}}', "only=lambda case: case.groups == case.channels"
    return ["", "import conformance", f"subject = conformance.Subject({kernels}, {only})"]


def _operation_of(text: str) -> Operation | None:
    """The operation that a text names, in whatever spelling: of two image axes where it does not say."""
    said = flat(text)
    families = sorted({each.family.name for each in OPERATIONS.values()}, key=len, reverse=True)
    family = next((family for family in families if flat(family) in said), "")
    axes = re.search(rf"{flat(family)}\D*?([123])d", said) if family else None
    return OPERATIONS.get(f"{family}{axes[1] if axes else 2}d")


def _plainest() -> Operation:
    return next(each for each in OPERATIONS.values() if each.dimensions == 2)


def _body_of_class(value: type) -> str:
    """What a framework says of classes that are derived from one of its own."""
    for base in value.__mro__[1:]:
        for name in FRAMEWORKS:
            if package(base.__module__) in about(name).packages and base.__name__ in about(name).classes:
                return about(name).classes[base.__name__]
    return ""


def _source(value: type) -> str:
    try:
        return inspect.getsource(value)
    except (OSError, TypeError):
        return ""


# What it is called with.


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        every = [*inspect.signature(function).parameters.values()]
    except (TypeError, ValueError):
        return []
    named = [p for p in every if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return named[1:] if named and named[0].name in ("self", "ctx") else named


def _options(operation: Operation, parameters: Iterable[inspect.Parameter]) -> dict[str, Any]:
    """The options that are taken, with PyTorch's defaults."""
    taken = {parameter.name for parameter in parameters}
    every = Case.of(operation.name).options
    return {name: value for name, value in every.items() if name in taken or name in operation.required}


def _made(value: type, weight_axes: tuple[str, str], options: dict[str, Any]) -> str:
    """The arguments of a constructor."""
    groups = " * groups" if "groups" in options else ""
    whole, of_group = (_COUNTS[counted] for counted in weight_axes)
    extents = (
        _EXTENTS | {whole: "weight.shape[0]", of_group: f"weight.shape[1]{groups}"} | {n: n for n in options}
    )
    return ", ".join(_filled(_parameters(value), extents))


def _passed(function: Callable[..., Any], arrays: tuple[str, ...], options: dict[str, Any]) -> str:
    """The arguments of a function: the arrays in their order, the options by position, too, as `apply` needs them."""
    others = [p for p in _parameters(function) if p.name not in options]
    places = dict(zip((p.name for p in others), arrays, strict=False)) | {name: name for name in options}
    return ", ".join(places.get(p.name, "...") for p in _up_to_the_last(_parameters(function), places))


def _up_to_the_last(
    parameters: list[inspect.Parameter], places: dict[str, str]
) -> Iterator[inspect.Parameter]:
    """Those that must be given, and what stands before them."""
    needed = [n for n, p in enumerate(parameters) if p.name in places or p.default is p.empty]
    yield from parameters[: needed[-1] + 1 if needed else 0]


def _filled(parameters: Iterable[inspect.Parameter], texts: dict[str, str]) -> Iterator[str]:
    """By keyword; ... for what nobody can tell."""
    for p in parameters:
        if p.name in texts or p.default is p.empty:
            yield f"{p.name}={texts.get(p.name, '...')}"
