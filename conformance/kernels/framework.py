"""What a framework's file says, and which files there are: a new framework is one new file in frameworks/.

ABOUT = About(...)          in literals, which are read without importing the framework
FRAMEWORK = Framework(...)  its functions; what is left out has the default that stands here
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from conformance.kernels.handlers import handlers_kept

if TYPE_CHECKING:
    from conformance.cases import Case
    from conformance.cases.arrays import Array, Arrays

Oracle = Callable[["Case", "Arrays"], "dict[str, Array]"]

TRUSTED = "torch"  # the oracle that is asked where none is named
REFERENCE = "reference"  # the oracle that needs no framework
PLAIN = "numpy"  # what arrays are where nothing says otherwise: as the suite fills them

_FOLDER = Path(__file__).with_name("frameworks")
FRAMEWORKS = tuple(sorted(module.name for module in pkgutil.iter_modules([str(_FOLDER)])))


@dataclass(frozen=True)
class About:
    """What is asked about a framework before it is imported, if it ever is.

    packages  what is imported of it and has a version; the first is the one that a kernel cannot do without
    title     as a person calls it
    extra     of this project, which installs it
    oracle    what it answers with, where it can be trusted to
    arrays    what a message calls its arrays
    classes   of its own, by name, and how functions are made of one that is derived from it
    variants  of its own kernels, "" the plain one; none where it has none
    forks     whether a process that has imported it can be forked
    """

    packages: tuple[str, ...]
    title: str
    extra: str = ""
    oracle: str = ""
    arrays: tuple[str, ...] = ()
    classes: Mapping[str, str] = field(default_factory=dict)
    variants: tuple[str, ...] = ()
    forks: bool = False


class Shared(NamedTuple):
    """A state of the process that a kernel shares with everybody.

    put_back  where the next kernel or the suite would notice a change
    decides   whether an answer may depend on it; else to change it is unkind, no more
    parts     whether it is read as several by name, each told by its own
    seldom    whether it is put back after a few cases and not after each, as it is slow to read
    """

    read: Callable[[], Any]
    put_back: Callable[[Any], object] | None = None
    decides: bool = True
    parts: bool = False
    seldom: bool = False


@dataclass(frozen=True)
class Framework:
    """How arrays of a framework are made and read, and whatever else a kernel on them has in common with others.

    array_type     as a person calls it
    dtypes         those that a kernel is asked where none are declared
    differentiate  (function, arrays, grad_output) -> the function's answer, and the gradient of each array
    freezes        whether a gradient may be asked of one argument alone; `differentiate` then takes `again`, too
    differentiate_twice  (function, arrays, grad_output, gradients of the arrays' gradients) -> the gradients of their
                   products' sum by grad_output and by each array that is multiplied; an exception where there are none
    inference      how a forward is called where no gradient is wanted: the words, and the context
    oracle         every output of a case in float64; an exception where PyTorch refuses
    kernels        its own, of a variant, and `declared` what a Subject says of them
    shared         the state of the process by name, as "PyTorch's default dtype"
    preload        imports what the first call would, where workers are forked from
    set_threads    how many threads one call may use
    script_array   how a script writes an array of it, {} being NumPy's; "" where it cannot
    script_leaf    the same of an array whose gradient is asked, and script_gradient: the lines that get it
    script_answer  how a script makes an answer of it, `got`, one of NumPy, of a wide dtype, {}
    script_import  by variant, how a script imports its own kernels
    """

    about: About
    array_type: str
    from_numpy: Callable[[Array, str | None], Any]
    to_numpy: Callable[[Any], Array]
    is_array: Callable[[Any], bool]
    dtypes: Callable[[], tuple[str, ...]] = lambda: ("float32", "float64")
    differentiate: Callable[..., Any] | None = None
    freezes: bool = False
    differentiate_twice: Callable[..., Any] | None = None
    inference: Mapping[str, Callable[[], AbstractContextManager[Any]]] = field(default_factory=dict)
    oracle: Oracle | None = None
    kernels: Callable[[str], Mapping[str, Callable[..., Any]]] | None = None
    declared: Mapping[str, Any] = field(default_factory=dict)
    shared: Callable[[], Mapping[str, Shared]] = dict
    preload: Callable[[], None] = lambda: None
    set_threads: Callable[[int], None] = lambda number: None
    script_array: str = ""
    script_leaf: str = ""
    script_gradient: tuple[str, ...] = ()
    script_answer: str = "np.asarray(got).astype(np.{})"
    script_import: Mapping[str, str] = field(default_factory=dict)


class NoGradient(RuntimeError):
    """An answer comes without what its framework differentiates by."""


class MissingFramework(ImportError):
    """A framework that was asked for is not installed."""


@cache
def about(name: str) -> About:
    """What a framework's file says in literals; neither it nor the framework is imported."""
    for node in ast.parse((_FOLDER / f"{name}.py").read_text(encoding="utf-8")).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="ABOUT")], value=ast.Call(keywords=said)):
                return About(**{str(each.arg): ast.literal_eval(each.value) for each in said})
    raise LookupError(f"{name}: no file of a framework: it says nothing as ABOUT = About(...)")


def installed(name: str) -> bool:
    return all(importlib.util.find_spec(package) for package in about(name).packages)


@cache
def framework(name: str) -> Framework:
    """The framework of this name, which is imported."""
    try:
        return cast(Framework, _file(f"conformance.kernels.frameworks.{name}").FRAMEWORK)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in about(name).packages:
            raise
        raise MissingFramework(missing(name)) from None


def _file(module: str) -> Any:
    with nullcontext() if module in sys.modules else handlers_kept():
        return importlib.import_module(module)


def missing(name: str) -> str:
    return f"{name} is not installed: python -m pip install 'npcnn-conformance[{about(name).extra}]'"


def imported() -> list[Framework]:
    """The frameworks that this process has imported, whoever did."""
    there = (name for name in FRAMEWORKS if sys.modules.get(about(name).packages[0]))
    return [found for found in map(_whole, there) if found]


def _whole(name: str) -> Framework | None:
    try:
        return framework(name)
    except Exception:  # another module of that name, or one that is only half imported
        return None


def oracles() -> dict[str, str]:
    """Who can be trusted to answer, and with what."""
    first = {TRUSTED: about(TRUSTED).oracle, REFERENCE: "the definition of each operation, in NumPy only"}
    said = first | {name: about(name).oracle for name in FRAMEWORKS}
    return {name: words for name, words in said.items() if words}


def oracle(name: str) -> Oracle:
    """Who is trusted to answer, in float64; a function of a case and its arrays."""
    if name == REFERENCE:
        from conformance.kernels import reference

        return reference.answer
    try:
        return cast(Oracle, framework(name).oracle)
    except MissingFramework as error:
        raise MissingFramework(
            f"{error}, or take the oracle called {REFERENCE}, which needs NumPy only"
        ) from None
