"""The conditions on sizes and options that the source of a subject has, as lines (see cases.conditions)."""

from __future__ import annotations

import ast
import builtins
import contextlib
import inspect
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from conformance.cases import Case
from conformance.cases.conditions import VALUES, basic, value
from conformance.kernels.guess import names_in, names_of
from conformance.kernels.layout import to_channels_last
from conformance.kernels.signature import leading
from conformance.kernels.source.comparisons import Comparison, conditions, parts_of
from conformance.kernels.source.foreign import LOADING, foreign_conditions, foreign_files, read_text
from conformance.kernels.source.names import Names
from conformance.kernels.source.reach import reached
from conformance.kernels.source.statements import Function, Key, functions, key_of
from conformance.kernels.subject import Subject
from conformance.operations import OPERATIONS
from conformance.operations.option import ARRAY_NAMES, EXTENT_NAMES, OTHER_NAMES

SMALL = 3  # numbers up to it alone are exhausted elsewhere
MANY = 3  # comparisons that together are not
WIDEST = 6  # comparisons of one condition

Measure = tuple[str, ...]  # factors; see cases.conditions


def numbers_of(subject: Subject, operation: str) -> tuple[tuple[str, ...], str]:
    """Those of all functions that an operation may come to, each once; and why nobody knows of others."""
    found: dict[str, None] = {}
    functions = reached(subject.functions_of(operation).values())
    unread = "" if functions else "no function of it has a source that can be read"
    for function in functions:
        try:
            found |= dict.fromkeys(_of_function(subject, operation, function))
        except (OSError, ValueError, SyntaxError):
            unread = f"{function.__code__.co_filename} cannot be read"
    for file in dict.fromkeys(subject.source or _loading(subject, operation)):
        found |= dict.fromkeys(_of_text(subject, operation, file))
    return tuple(found), unread


def _loading(subject: Subject, operation: str) -> Iterator[str]:
    """The texts beside files that load native code."""
    functions_of = reached(subject.functions_of(operation).values())
    for file in dict.fromkeys(function.__code__.co_filename for function in functions_of):
        with contextlib.suppress(OSError):  # which is told elsewhere
            if not LOADING.isdisjoint(re.findall(r"\w+", read_text(file))):
                yield from foreign_files(file)


def _of_text(subject: Subject, operation: str, file: str) -> Iterator[str]:
    """The conditions of a text that is not Python's, in which names are all that is known."""
    reader = _Reader(operation, subject.layout, ast.Module([], []), Names({}, {}), {})
    for comparisons in foreign_conditions(read_text(file)):
        yield from filter(None, (reader.line(comparisons), *map(reader.value, comparisons)))


def _of_function(subject: Subject, operation: str, function: FunctionType) -> Iterator[str]:
    """OSError, ValueError or SyntaxError where its file cannot be read."""
    node = _written(function.__code__.co_filename).get(
        (function.__code__.co_name, function.__code__.co_firstlineno)
    )
    if node is None:
        return
    names = _names(function, node)
    reader = _Reader(operation, subject.layout, node, names, _arrays(operation, function))
    for comparisons in conditions(node, names):
        yield from filter(None, (reader.line(comparisons), *map(reader.value, comparisons)))


@cache
def _written(file: str) -> dict[Key, Function]:
    """The functions that a file defines; one without a name as if it had one, the first of a line."""
    tree = ast.parse(read_text(file))
    unnamed = [each for each in ast.walk(tree) if isinstance(each, ast.Lambda)]
    found = {("<lambda>", each.lineno): _as_function(each) for each in reversed(unnamed)}
    return found | {key_of(node): node for node in functions(tree)}


def _as_function(unnamed: ast.Lambda) -> ast.FunctionDef:
    body: list[ast.stmt] = [ast.Return(unnamed.body)]
    return ast.FunctionDef("<lambda>", unnamed.args, body, [], lineno=unnamed.lineno)


def _names(function: FunctionType, node: ast.AST) -> Names:
    numbers = {
        name: function.__globals__[name]
        for name in sorted(names_in(function.__code__) & function.__globals__.keys())
    }
    for name, home in [*numbers.items(), ("self", _class_of(function)), ("cls", _class_of(function))]:
        if isinstance(home, (ModuleType, type)):
            numbers |= {f"{name}.{other}": of for other, of in vars(home).items() if isinstance(of, _KNOWN)}
    parameters = inspect.signature(function, follow_wrapped=False).parameters.values()
    numbers |= {
        each.name: each.default
        for each in parameters
        if each.default is not each.empty and each.name not in _OPTIONS
    }
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            numbers[name] = cell.cell_contents
        except ValueError:  # not yet filled
            continue
    return Names(numbers, _single(node), _looped(node))


def _class_of(function: FunctionType) -> Any:
    """The class of a module that a method is of."""
    return function.__globals__.get(function.__qualname__.rpartition(".")[0])


_KNOWN = (int, float, dict, set, frozenset, tuple, list)  # what a module or a class holds that is read
_OPTIONS = {name for option, others in OTHER_NAMES.items() for name in (option, *others)}


def _single(node: ast.AST) -> dict[str, ast.expr]:
    """The names that one statement alone gives a value, with that."""
    given: dict[str, list[ast.expr]] = {}
    for each in ast.walk(node):
        if isinstance(each, ast.Assign):
            for target in each.targets:
                for name, of in _given(target, each.value):
                    given.setdefault(name, []).append(of)
        elif isinstance(each, (ast.AugAssign, ast.For, ast.comprehension)) and isinstance(
            each.target, ast.Name
        ):
            given.setdefault(each.target.id, []).extend([ast.Constant(None)] * 2)
        elif isinstance(each, ast.NamedExpr):
            given.setdefault(each.target.id, []).append(each.value)
        elif isinstance(each, ast.Match):
            for case in each.cases:
                for name, of in _captured(case.pattern, each.subject):
                    given.setdefault(name, []).append(of)
    return {name: of[0] for name, of in given.items() if len(of) == 1}


def _captured(pattern: ast.pattern, of: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """The names that a pattern gives values, with those."""
    if isinstance(pattern, ast.MatchAs) and pattern.name:
        yield pattern.name, of
    for inner, part in parts_of(pattern, of):
        yield from _captured(inner, part)


def _looped(node: ast.AST) -> dict[str, tuple[ast.expr, int | None]]:
    """The names of loops that nothing else gives a value, with what they go over."""
    found: dict[str, tuple[ast.expr, int | None]] = {}
    for each in ast.walk(node):
        if isinstance(each, (ast.For, ast.comprehension)):
            targets = each.target.elts if isinstance(each.target, ast.Tuple) else [each.target]
            for place, target in enumerate(targets):
                if isinstance(target, ast.Name):
                    found[target.id] = each.iter, place if isinstance(each.target, ast.Tuple) else None
    stores = Counter(
        each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    )
    return {name: over for name, over in found.items() if stores[name] == 1}


def _given(target: ast.expr, of: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target.id, of
    if isinstance(target, (ast.Tuple, ast.List)):
        starred = next((n for n, each in enumerate(target.elts) if isinstance(each, ast.Starred)), None)
        for place, each in enumerate(target.elts):
            at = place if starred is None or place < starred else place - len(target.elts)
            if isinstance(each, ast.Starred):
                end = place + 1 - len(target.elts)
                cut = ast.Slice(ast.Constant(place), ast.Constant(end) if end else None)
                yield from _given(each.value, ast.Subscript(of, cut))
            elif isinstance(of, (ast.Tuple, ast.List)) and len(of.elts) == len(target.elts):
                yield from _given(each, of.elts[place])
            else:
                yield from _given(each, ast.Subscript(of, ast.Constant(at)))


def _arrays(operation: str, function: FunctionType) -> dict[str, str]:
    """The parameters of a function that are arrays: by their place in one of an operation, by their names elsewhere."""
    names = list(inspect.signature(function, follow_wrapped=False).parameters)
    arrays = list(OPERATIONS[operation].family.array_names)
    if function.__name__ not in names_of(operation):
        return {}
    return dict(zip(names, [*leading(function.__name__), *arrays], strict=False))


@dataclass(frozen=True)
class _Reader:
    """Reads what the expressions of a function are: a measure of a case, a list of them, the shape of an array."""

    operation: str
    layout: str
    node: ast.AST
    names: Names
    arrays: Mapping[str, str]

    def line(self, comparisons: list[Comparison]) -> str:
        """The condition as a line; "" where it is of no use: of small numbers alone, or of values."""
        atoms = dict.fromkeys(filter(None, map(self._atom, comparisons[-WIDEST:])))
        numbers = [int(atom.rpartition(" ")[2]) for atom in atoms]
        moduli = [int(atom.partition("% ")[2].split()[0]) for atom in atoms if "%" in atom]
        if not atoms or (max([*numbers, *moduli]) <= SMALL and len(atoms) < MANY):
            return ""
        return " and ".join(atoms)

    def value(self, comparison: Comparison) -> str:
        """The line of a number that values may be compared with: a fraction, or one of nobody knows what."""
        of, modulus, _, number = comparison
        fraction = isinstance(number, float) and number != int(number)
        unknown = not modulus and not isinstance(of, ast.Slice) and self._text(of) == "?"
        return f"{VALUES}{abs(number):.12g}" if fraction or (unknown and abs(number) > SMALL) else ""

    def _atom(self, comparison: Comparison) -> str:
        of, modulus, how, number = comparison
        if not isinstance(number, int) or number < 0:
            return ""
        read = "?" if isinstance(of, ast.Slice) else self._text(of)
        if not read or (read == "?" and max(number, modulus) <= SMALL):
            return ""
        return f"{read} {f'% {modulus} ' if modulus else ''}{how} {number}"

    def _text(self, node: ast.expr) -> str:
        """What an expression is, `?` where nobody knows, "" where it is no number of a case."""
        if self._is_no_size(node):
            return ""
        if isinstance(found := self._read(node), tuple):
            return "*".join(found).replace("*/", "/")
        if isinstance(found, list) and len({each[0].partition(".")[0] for each in found if each}) == 1 < len(
            found
        ):
            return str(found[0][0].partition(".")[0])  # along every axis
        if isinstance(found, list) and found:
            return "|".join(
                dict.fromkeys("*".join(each).replace("*/", "/") for each in found if isinstance(each, tuple))
            )
        return "?"

    def _is_no_size(self, node: ast.expr) -> bool:
        """Whether it is a number of axes, or of something else that no case has."""
        if isinstance(node, ast.Attribute):
            return node.attr in ("ndim", "itemsize", "kind", "version_info")
        if not (isinstance(node, ast.Call) and ast.unparse(node.func) == "len" and node.args):
            return False
        of = node.args[0]
        return isinstance(of, (ast.Name, ast.Attribute)) and not isinstance(self._read(of), str)

    # What an expression is: a measure, a list of them, or the name of an array.

    def _read(self, node: ast.expr, depth: int = 0) -> Any:
        if depth > 12:
            return None
        read = getattr(self, f"_read_{type(node).__name__.lower()}", None)
        return read(node, depth + 1) if read else None

    def _read_name(self, node: ast.Name, depth: int) -> Any:
        if node.id in self.names.expressions and (
            found := self._read(self.names.expressions[node.id], depth)
        ):
            return found
        if node.id in self._bound and len(node.id) == 1 and node.id.islower():
            return None  # a local of the function's own, of which its name says nothing
        return self.arrays.get(node.id) or self._by_name(node.id)

    @cached_property
    def _bound(self) -> set[str]:
        """The names that the function gives values to."""
        names = (each for each in ast.walk(self.node) if isinstance(each, ast.Name))
        return {each.id for each in names if isinstance(each.ctx, ast.Store)}

    def _by_name(self, name: str) -> Any:
        """What a name usually is, where this operation has it."""
        name = name.lower()
        for array, others in ARRAY_NAMES.items():
            if name in others and len(name) > 1 and array in self._shapes:
                return array
        there, usual = basic(self.operation), self._usual(name)
        measures = [tuple(text.replace("/", "*/").split("*")) for text in usual]
        found = [each for each in measures if all(factor.lstrip("/") in there for factor in each)]
        return found[0] if len(found) == 1 else found or None

    def _usual(self, name: str) -> Iterator[str]:
        axes = OPERATIONS[self.operation].dimensions
        for text, others in EXTENT_NAMES.items():
            if name in others:
                field, _, axis = text.partition(".")
                yield f"{field}.{int(axis) + axes - 2}" if axis else text
        for option, others in OTHER_NAMES.items():
            if name in (option, *others) and len(name) > 1:
                field = "kernel" if option == "kernel_size" else option
                yield from (f"{field}.{axis}" for axis in range(axes)) if option != "groups" else ("groups",)
        if name in ("g", *OTHER_NAMES["groups"]):
            yield "groups"

    def _read_tuple(self, node: ast.Tuple, depth: int) -> Any:
        return [self._read(each, depth) for each in node.elts]

    _read_list = _read_tuple

    def _read_attribute(self, node: ast.Attribute, depth: int) -> Any:
        of = self._read(node.value, depth)
        if isinstance(of, str) and of in self._shapes:
            if node.attr == "shape":
                return self._shapes[of]
            if node.attr in ("size", "nbytes"):
                return (f"{'size' if node.attr == 'size' else 'bytes'}.{of}",)
        return self._by_name(node.attr)

    def _read_subscript(self, node: ast.Subscript, depth: int) -> Any:
        of = self._read(node.value, depth)
        if isinstance(of, str):
            return of if isinstance(node.slice, ast.Slice) else None
        if not isinstance(of, list):
            return of
        if isinstance(node.slice, ast.Slice):
            ends = [self.names.number(end) if end else None for end in (node.slice.lower, node.slice.upper)]
            start, stop = (end if isinstance(end, int) else None for end in ends)
            return of[start:stop]
        place = self.names.number(node.slice)
        return of[place] if isinstance(place, int) and -len(of) <= place < len(of) else None

    def _read_binop(self, node: ast.BinOp, depth: int) -> Any:
        left, right = self._read(node.left, depth), self._read(node.right, depth)
        if isinstance(node.op, ast.Mult) and isinstance(left, tuple) and isinstance(right, tuple):
            return left + right
        if isinstance(node.op, ast.FloorDiv) and isinstance(left, tuple):
            number = self.names.number(node.right)
            if isinstance(number, int) and number > 0:
                return (*left, f"/{number}")
            return (*left, f"/{right[0]}") if isinstance(right, tuple) and len(right) == 1 else None
        if isinstance(node.op, ast.Mult):
            for one, other in ((left, node.right), (right, node.left)):
                number = self.names.number(other)
                if isinstance(one, tuple) and isinstance(number, int) and number > 0:
                    return (*one, str(number))
        return None

    def _read_call(self, node: ast.Call, depth: int) -> Any:
        name = ast.unparse(node.func).rpartition(".")[2]
        if name in ("numel",) and isinstance(node.func, ast.Attribute):
            of = self._read(node.func.value, depth)
            return (f"size.{of}",) if isinstance(of, str) else None
        of = self._read(node.args[0], depth) if node.args else None
        if name == "len" and isinstance(of, str) and of in self._shapes:
            return self._shapes[of][0]
        if name == "prod" and isinstance(of, list) and all(isinstance(each, tuple) for each in of):
            return tuple(factor for each in of for factor in each)
        if name in ("int", "abs", "max", "min", "ascontiguousarray", "asarray", "array", "copy", *_PAIRS):
            return of
        return self._options_in(node) if not hasattr(builtins, name) else None

    def _options_in(self, node: ast.Call) -> Any:
        """What a helper that gets one option alone returns: a number an axis, as is usual."""
        found = [self._by_name(each.id) for each in node.args if isinstance(each, ast.Name)]
        return found[0] if len(found) == 1 and isinstance(found[0], list) else None

    @cached_property
    def _shapes(self) -> dict[str, list[Measure | None]]:
        """The measure of each axis of each array, found out by a case all of whose extents differ."""
        found = OPERATIONS[self.operation]
        fields: dict[str, Any] = {"batch": 5, "image": (103, 211, 307)[: found.dimensions]}
        fields |= {name: 2 * n for name, n in zip(found.family.few, (17, 23), strict=False)}
        fields |= {"kernel": (3, 7, 11)[: found.dimensions]} if found.family.has_kernel else {}
        fields |= {"groups": 2} if "groups" in basic(self.operation) else {}
        fields |= {option.name: True for option in found.options if option.array}
        case = Case.of(self.operation, **fields)
        grouped = [(name, "/groups") for name in found.family.few if "groups" in basic(self.operation)]
        known = {
            value(case, each): each for each in (*grouped, *((name,) for name in basic(self.operation)[::-1]))
        }
        return {name: [known.get(n) for n in self._shape(case, name)] for name in case.shapes}

    def _shape(self, case: Case, name: str) -> tuple[int, ...]:
        array = np.broadcast_to(np.float32(0), case.shapes[name])
        return tuple((to_channels_last(case, name, array) if self.layout == "NHWC" else array).shape)


_PAIRS = ("tuple", "list", "pair", "_pair", "to_tuple", "as_tuple", "to_2tuple")
