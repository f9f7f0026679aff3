"""What a namespace of functions does not say: whose arrays it takes, and what a name that nearly fits may mean."""

from __future__ import annotations

import difflib
import functools
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import CodeType, ModuleType
from typing import Any

from conformance.kernels.framework import FRAMEWORKS, PLAIN, about
from conformance.operations import OPERATIONS

FUNCTIONS = tuple(f"{operation}{half}" for operation in OPERATIONS for half in ("", "_backward"))
NEARLY = 0.8  # how alike two names are of which one is taken for a slip of the other


def function_of(kernels: Any, name: str) -> Callable[..., Any] | None:
    there = kernels.get(name) if isinstance(kernels, Mapping) else getattr(kernels, name, None)
    return there if callable(there) else None


# Names.


def misnamed(kernels: Any) -> dict[str, str]:
    """Functions of its own that are not called, with the name that each nearly has and no function of it has."""
    lacking = [name for name in FUNCTIONS if not function_of(kernels, name)]
    others = (name for name in _own_functions(kernels) if name not in FUNCTIONS)
    return {name: meant for name in others if (meant := _nearest(name, lacking))}


def hint(kernels: Any, name: str) -> str:
    """What may have been meant where no function is there: an object of the module, or a name nearly the same."""
    where, _, inside = name.partition(":")
    if inside in FUNCTIONS:
        return f" (did you mean {where}?)"
    there = vars(kernels) if isinstance(kernels, ModuleType) else {}
    near = [f"{name}:{inside}" for inside, value in there.items() if _has_functions(value)]
    if near:
        return f" (did you mean {' or '.join(near[:3])}?)"
    return "".join(f"; {slip}: did you mean {meant}?" for slip, meant in misnamed(kernels).items())


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


def _has_functions(value: Any) -> bool:
    try:
        return not isinstance(value, (ModuleType, type)) and any(
            function_of(value, name) for name in OPERATIONS
        )
    except Exception:  # an object of any kind, whose look-ups may raise
        return False


# Arrays.


def framework_of(kernels: Any) -> str:
    """What the arrays are: those of the framework that the functions use; NumPy's beside another."""
    used: set[str] = set()
    seen: set[int] = set()
    for function in filter(None, (function_of(kernels, operation) for operation in OPERATIONS)):
        used |= _used_by(function, seen)
    return used.pop() if len(used) == 1 else PLAIN


def _used_by(value: Any, seen: set[int]) -> set[str]:
    """The frameworks that a function or class comes from or names in its code, helpers beside it included."""
    value = inspect.unwrap(value.func if isinstance(value, functools.partial) else value)
    if id(value) in seen:
        return set()
    seen.add(id(value))
    home = getattr(value, "__module__", None) or ""
    used = _framework_at(home)
    for part in _parts(value):
        if isinstance(part, ModuleType):
            used |= _framework_at(part.__name__)
        elif callable(part) and getattr(part, "__module__", None):
            beside = part.__module__ == home or isinstance(value, type)
            used |= _used_by(part, seen) if beside else _framework_at(part.__module__)
    return used


def _parts(value: Any) -> list[Any]:
    """What a function names, what a class is made of, what an object is."""
    if isinstance(value, type):
        return [*value.__bases__, *filter(inspect.isroutine, vars(value).values())]
    if code := getattr(value, "__code__", None):
        return [value.__globals__[name] for name in _names_in(code) if name in value.__globals__]
    return [type(value)] if callable(value) and not inspect.isroutine(value) else []


def _names_in(code: CodeType) -> set[str]:
    inner = (_names_in(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*inner)


def _framework_at(module: str) -> set[str]:
    return {name for name in FRAMEWORKS if _package(module) in about(name).packages}
