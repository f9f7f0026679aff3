"""What a namespace of functions does not say: whose arrays it takes, and what a name that nearly fits may mean."""

from __future__ import annotations

import difflib
import functools
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import CodeType, ModuleType
from typing import Any

from conformance.kernels.framework import FRAMEWORKS, PLAIN, about
from conformance.kernels.own import is_own
from conformance.operations import OPERATIONS


def names_of(operation: str) -> list[str]:
    """The functions of an operation: forward, backward, and where there is one, the backward of that."""
    twice = ["_double_backward"] if OPERATIONS[operation].family.bilinear else []
    return [f"{operation}{half}" for half in ("", "_backward", *twice)]


FUNCTIONS = tuple(name for operation in OPERATIONS for name in names_of(operation))
_UNJUDGED = ("fractional_max_pool",)
NEARLY = 0.8  # how alike two names are of which one is taken for a slip of the other


def function_of(kernels: Any, name: str) -> Callable[..., Any] | None:
    there = kernels.get(name) if isinstance(kernels, Mapping) else getattr(kernels, name, None)
    return there if callable(there) else None


# Names.


def misnamed(kernels: Any) -> dict[str, str]:
    """Functions of its own that are not called, with the name that each nearly has and no function of it has."""
    lacking = [name for name in FUNCTIONS if not function_of(kernels, name)]
    others = (name for name, _ in _functions(kernels) if name not in FUNCTIONS and not is_unjudged(name))
    return {name: meant for name in others if (meant := _nearest(name, lacking))}


def unjudged(kernels: Any) -> list[str]:
    """Its functions that are named as in torch.nn.functional and not judged yet."""
    return [name for name, _ in _functions(kernels) if re.fullmatch(rf"({'|'.join(_UNJUDGED)})[123]d", name)]


def own(kernels: Any) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The public functions and classes of a namespace, those apart that a module imports."""
    if isinstance(kernels, Mapping):
        there = dict(kernels)
    else:
        there = {name: inspect.getattr_static(kernels, name, None) for name in dir(kernels)}
    home = there.get("__name__")
    for name, value in there.items():
        imported = home is not None and package(getattr(value, "__module__", None)) != package(home)
        if isinstance(name, str) and not name.startswith("_") and callable(value) and not imported:
            yield name, value


def _functions(kernels: Any) -> Iterator[tuple[str, Callable[..., Any]]]:
    return ((name, value) for name, value in own(kernels) if not isinstance(value, type))


def package(module: Any) -> str:
    return str(module).partition(".")[0]


def _nearest(name: str, names: Iterable[str]) -> str:
    """The name of which this is a slip, if any; conv3d is none of conv2d."""
    digits = [other for other in names if re.sub(r"\D", "", other) == re.sub(r"\D", "", name)]
    return next(iter(difflib.get_close_matches(name.lower(), digits, n=1, cutoff=NEARLY)), "")


def flat(name: str) -> str:
    """A name without what spellings differ in."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def is_unjudged(name: str) -> bool:
    """Whether it names an operation of torch.nn.functional that is not judged yet."""
    return any(flat(word) in flat(name) for word in _UNJUDGED)


# Arrays.


def framework_of(kernels: Any) -> str:
    """What the arrays are: those of the framework that the functions use; NumPy's beside another.

    Helpers in other modules of its own are asked where the functions, and what stands beside them, use none.
    """
    seen: set[int] = set()
    near = [function for operation in OPERATIONS if (function := function_of(kernels, operation))]
    while near:
        far: list[Any] = []
        if used := set().union(*(_used_by(function, seen, far) for function in near)):
            return used.pop() if len(used) == 1 else PLAIN
        near = far
    return PLAIN


def _used_by(value: Any, seen: set[int], far: list[Any]) -> set[str]:
    """The frameworks that a function or class comes from or names in its code, helpers beside it included.

    far   gets the functions and classes of its own other modules
    """
    value = inspect.unwrap(value.func if isinstance(value, functools.partial) else value)
    if id(value) in seen:
        return set()
    seen.add(id(value))
    home = getattr(value, "__module__", None) or ""
    names = names_in(value.__code__) if hasattr(value, "__code__") else set()
    used = _framework_at(home).union(*map(_framework_at, names))
    for part in _parts(value, names):
        if isinstance(part, ModuleType):
            used |= _framework_at(part.__name__)
            far += filter(callable, (getattr(part, name, None) for name in names if _is_own(part.__name__)))
        elif callable(part) and getattr(part, "__module__", None):
            if part.__module__ == home or isinstance(value, type):
                used |= _used_by(part, seen, far)
            else:
                used |= _framework_at(part.__module__)
                far += [part] * _is_own(part.__module__)
    return used


def _is_own(module: str) -> bool:
    """Whether a module is neither Python's nor installed."""
    file = getattr(sys.modules.get(module), "__file__", None)
    return isinstance(file, str) and is_own(file)


def _parts(value: Any, names: Iterable[str]) -> list[Any]:
    """What a function names, what a class is made of, what an object is."""
    if isinstance(value, type):
        return [*value.__bases__, *filter(inspect.isroutine, vars(value).values())]
    if hasattr(value, "__code__"):
        return [value.__globals__[name] for name in names if name in value.__globals__]
    return [type(value)] if callable(value) and not inspect.isroutine(value) else []


def names_in(code: CodeType) -> set[str]:
    """Every name in a code, in that of the functions in it, too."""
    inner = (names_in(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*inner)


def _framework_at(module: str) -> set[str]:
    return {name for name in FRAMEWORKS if package(module) in about(name).packages}
