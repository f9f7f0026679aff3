"""The functions that a function may call, as far as their names tell."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from conformance.kernels.guess import names_in
from conformance.kernels.own import is_own, package_of

SPECIAL = (
    "__init__",
    "__new__",
    "__call__",
    "__post_init__",
    "__enter__",
    "__exit__",
)  # called without their names
MOST = 1000  # entries of a table that are looked at


def reached(functions: Iterable[Any]) -> list[FunctionType]:
    """Functions, what they name of the files beside theirs, what that names, and so on, each once."""
    seen: dict[int, Any] = {}
    found: list[FunctionType] = []
    waiting = list(functions)
    homes = {home_of(code.co_filename) for code in map(code_of, waiting) if code}
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen[id(value)] = value
        if isinstance(value, FunctionType) and _is_of(value.__code__.co_filename, homes):
            found.append(value)
        waiting += _named_by(value, homes)
    return found


def code_of(value: Any) -> CodeType | None:
    """The code of a function, of what it wraps, or of an object called as one; None where it is not Python's."""
    value = inspect.unwrap(value.func if isinstance(value, functools.partial) else value)
    for each in (value, type(value).__call__):  # a function, or an object that is called as one
        found = getattr(getattr(each, "__func__", each), "__code__", None)
        if isinstance(found, CodeType):
            return found
    return None


def _is_of(file: str, homes: set[str]) -> bool:
    """Whether it lies where the subject's functions do; "<string>" is no file."""
    if package := package_of(file):
        return package in homes
    return not file.startswith("<") and is_own(file) and not homes.isdisjoint(map(str, Path(file).parents))


def home_of(file: str) -> str:
    """The installed package that a file belongs to; or else the whole package, or the folder, that it lies in."""
    folder = Path(file).parent
    while (folder / "__init__.py").is_file() and (folder.parent / "__init__.py").is_file():
        folder = folder.parent
    return package_of(file) or str(folder)


def _named_by(value: Any, homes: set[str]) -> Iterator[Any]:
    """What a value may call: what a function names, what a class or an object of one has, what a table holds."""
    if isinstance(value, FunctionType):
        if _is_of(value.__code__.co_filename, homes):
            yield from _named_in(value, homes)
    elif isinstance(value, MethodType):
        yield from (value.__func__, value.__self__)
    elif isinstance(value, functools.partial):
        yield from (value.func, *value.args, *value.keywords.values())
    elif isinstance(value, (staticmethod, classmethod)):
        yield value.__func__
    elif isinstance(value, property):
        yield value.fget
    elif isinstance(value, (list, tuple, set, frozenset, dict)) and len(value) <= MOST:
        yield from value.values() if isinstance(value, dict) else value
    elif isinstance(value, type):
        yield from _of_class(value, homes)
    elif wrapped := inspect.getattr_static(value, "__wrapped__", None):
        yield wrapped
    elif _is_own_class(type(value), homes):
        yield from (type(value), *getattr(value, "__dict__", {}).values())


def _named_in(function: FunctionType, homes: set[str]) -> Iterator[Any]:
    names = names_in(function.__code__)
    for name in sorted(names & function.__globals__.keys()):  # every process comes to them in one order
        value = function.__globals__[name]
        yield value
        if isinstance(value, ModuleType) and _is_of(getattr(value, "__file__", None) or "", homes):
            yield from (vars(value)[other] for other in sorted(names & vars(value).keys()))
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not yet filled
            continue
    yield from (*(function.__defaults__ or ()), getattr(function, "__wrapped__", None))


def _of_class(value: type, homes: set[str]) -> Iterator[Any]:
    if _is_own_class(value, homes):
        yield from value.__bases__
        for name, member in vars(value).items():
            if not name.startswith("__") or name in SPECIAL:
                yield member


def _is_own_class(value: type, homes: set[str]) -> bool:
    """Whether a method of it is written where the subject's functions are."""
    methods = (member for member in vars(value).values() if isinstance(member, FunctionType))
    return any(_is_of(method.__code__.co_filename, homes) for method in methods)
