"""Comparisons with a number in the text of a function: what decides which of its statements run."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# One comparison: what is compared (an expression), its modulus or 0, how, and the number.
Comparison = tuple[ast.expr, int, str, float]

_HOW: dict[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<=",
}  # fmt: skip
_MIRRORED = {">": "<", ">=": "<=", "<": ">", "<=": ">="}
_FOLDED: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv,
    ast.Pow: operator.pow, ast.LShift: operator.lshift, ast.Mod: operator.mod, ast.Div: operator.truediv,
}  # fmt: skip
MANY_KEYS = 32  # of a table that are asked
LARGEST = 1 << 40  # of a number that arithmetic makes


@dataclass(frozen=True)
class Names:
    """What names stand for in a function: values of its module, class, defaults and closure, or a single expression."""

    numbers: Mapping[str, Any]
    expressions: Mapping[str, ast.expr]

    def number(self, node: ast.expr) -> float | None:
        """The number that an expression is, where that does not depend on a call."""
        if isinstance(node, ast.Constant):
            return _plain(node.value)
        if isinstance(node, ast.Name):
            if node.id not in self.numbers and node.id in self.expressions:
                return self.number(self.expressions[node.id])
            return _plain(self.numbers.get(node.id))
        if isinstance(node, ast.Attribute):
            return _plain(self.numbers.get(ast.unparse(node)))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            inner = self.number(node.operand)
            return None if inner is None else -inner
        if isinstance(node, ast.BinOp) and type(node.op) in _FOLDED:
            return _folded(type(node.op), self.number(node.left), self.number(node.right))
        return None


def _plain(value: object) -> float | None:
    """The value if it is a number: no infinity is one, which every size and finite value is on one side of."""
    if isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value if isinstance(value, (int, float)) else None


def _folded(op: type[ast.operator], left: float | None, right: float | None) -> float | None:
    if left is None or right is None or (op in (ast.Pow, ast.LShift) and not 0 <= right <= 64):
        return None
    try:
        made = _FOLDED[op](left, right)
    except (ArithmeticError, TypeError):
        return None
    return made if isinstance(made, (int, float)) and abs(made) <= LARGEST else None


def conditions(function: ast.AST, names: Names) -> Iterator[list[Comparison]]:
    """What must hold together: a test with the tests around it; and each block that a loop or a slice has, alone."""
    yield from _tests(getattr(function, "body", []), [], names)
    for node in ast.walk(function):
        yield from ([each] for each in _blocks(node, names))
        yield from _looked_up(node, names)


def _tests(body: list[ast.stmt], around: list[Comparison], names: Names) -> Iterator[list[Comparison]]:
    """The tests of statements, each with those that must hold for it to be asked; and of expressions in them."""
    for statement in body:
        inside = around
        for test in _asked(statement):
            for alternative in _alternatives(test):
                found = [each for part in alternative for each in comparisons(part, names)]
                if found:
                    yield [*around, *found]
                    inside = [*around, *found] if isinstance(statement, (ast.If, ast.While)) else around
        if isinstance(statement, ast.Match):
            yield from _matched(statement, around, names)
        for name in ("body", "orelse", "finalbody"):
            inner = getattr(statement, name, [])
            if not isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
                yield from _tests(inner, inside if name == "body" else around, names)
        for holder in (*getattr(statement, "handlers", []), *getattr(statement, "cases", [])):
            yield from _tests(holder.body, around, names)


def _asked(statement: ast.stmt) -> Iterator[ast.expr]:
    """What a statement tests itself: its head, conditional expressions, and comparisons that it computes with."""
    inner = [
        each
        for name in ("body", "orelse", "finalbody", "handlers", "cases")
        for each in getattr(statement, name, [])
    ]
    if isinstance(test := getattr(statement, "test", None), ast.expr):
        yield test
    for child in ast.iter_child_nodes(statement):
        if child not in inner and child is not test:
            yield from _tests_in(child)


def _tests_in(node: ast.AST) -> Iterator[ast.expr]:
    """The outermost tests in an expression."""
    if isinstance(node, (ast.Compare, ast.BoolOp)):
        yield node
        return
    if isinstance(node, ast.IfExp) and not isinstance(node.test, (ast.Compare, ast.BoolOp)):
        yield node.test
    for child in ast.iter_child_nodes(node):
        yield from _tests_in(child)


def _alternatives(test: ast.expr) -> Iterator[list[ast.expr]]:
    """The parts of a test that hold together; those of `or` stand for themselves."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or):
        for each in test.values:
            yield from _alternatives(each)
    elif isinstance(test, ast.BoolOp):
        parts: list[list[ast.expr]] = [[]]
        for value in test.values:
            parts = [[*before, *more] for before in parts for more in _alternatives(value)][:8]
        yield from parts
    elif isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        yield from _alternatives(test.operand)
    elif isinstance(test, ast.Compare) and isinstance(test.ops[0], (ast.In, ast.NotIn)):
        listed = getattr(test.comparators[0], "elts", [])
        for each in listed:
            yield [ast.Compare(test.left, [ast.Eq()], [each])]
    else:
        yield [test]


def comparisons(test: ast.expr, names: Names) -> Iterator[Comparison]:
    """The comparisons with a number in one part of a test."""
    if isinstance(test, ast.Compare):
        sides = [test.left, *test.comparators]
        for left, op, right in zip(sides, test.ops, sides[1:], strict=False):
            yield from _compared(left, _HOW.get(type(op), ""), right, names)
        yield from _chained(sides, names) if all(isinstance(op, ast.Eq) for op in test.ops) else ()
    elif isinstance(test, ast.BinOp) and isinstance(test.op, ast.Mod):
        modulus = names.number(test.right)
        if isinstance(modulus, int) and modulus > 1:
            yield test.left, modulus, "==", 0


def _chained(sides: list[ast.expr], names: Names) -> Iterator[Comparison]:
    """Of R == S == 3, that R is 3, too."""
    numbers = [number for side in sides if (number := names.number(side)) is not None]
    for side in sides[:-2] if len(numbers) == 1 else ():
        if names.number(side) is None:
            yield side, 0, "==", numbers[0]


def _compared(left: ast.expr, how: str, right: ast.expr, names: Names) -> Iterator[Comparison]:
    if not how:
        return
    if names.number(left) is not None:
        left, right, how = right, left, _MIRRORED.get(how, how)
    if isinstance(right, (ast.Tuple, ast.List, ast.Set)):
        for place, each in enumerate(right.elts):
            whole = isinstance(left, (ast.Tuple, ast.List)) and len(left.elts) == len(right.elts)
            of = left.elts[place] if whole else left  # type: ignore[attr-defined]
            yield from _compared(of, how, each, names)
        return
    number = names.number(right)
    if number is None or names.number(left) is not None:
        return
    if isinstance(left, ast.BinOp) and isinstance(left.op, ast.Mod):
        modulus = names.number(left.right)
        if isinstance(modulus, int) and modulus > 1 and how in ("==", "!="):
            yield left.left, modulus, how, number
        return
    yield left, 0, how, number


def _matched(statement: ast.Match, around: list[Comparison], names: Names) -> Iterator[list[Comparison]]:
    """The numbers that a match has as its cases."""
    for case in statement.cases:
        for node in ast.walk(case.pattern):
            if isinstance(node, ast.MatchValue) and (number := names.number(node.value)) is not None:
                yield [*around, (statement.subject, 0, "==", number)]


def _blocks(node: ast.AST, names: Names) -> Iterator[Comparison]:
    """The blocks that something is done in: steps of a range, quotients, remainders; bounds of slices, min and max."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mod, ast.FloorDiv)):
        yield from _block(node.left, node.right, names)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        name, arguments = node.func.id, node.args
        if name == "range" and len(arguments) == 3:
            yield from _block(arguments[1], arguments[2], names)
        if name in ("min", "max", "minimum", "maximum", "divmod") and len(arguments) == 2:
            for one, other in (arguments, arguments[::-1]):
                if (
                    names.number(one) is None
                    and isinstance(number := names.number(other), int)
                    and number > 1
                ):
                    yield one, 0, ">", number
    if isinstance(node, ast.Slice):
        for bound in (node.lower, node.upper):
            if bound is not None and isinstance(number := names.number(bound), int) and number > 4:
                yield node, 0, ">", number
        if node.step is not None and isinstance(step := names.number(node.step), int) and step > 3:
            yield node, step, "==", 0


def _looked_up(node: ast.AST, names: Names) -> Iterator[list[Comparison]]:
    """The keys of a table that something is looked up in: TABLE[k], TABLE.get(k), k in TABLE."""
    key, table = _key_and_table(node)
    found = names.numbers.get(table.id) if isinstance(table, ast.Name) else None
    tables = (dict, set, frozenset, tuple, list) if isinstance(node, ast.Compare) else (dict,)
    for each in [*found][:MANY_KEYS] if key is not None and isinstance(found, tables) else ():
        whole = isinstance(key, ast.Tuple) and isinstance(each, tuple) and len(each) == len(key.elts)
        parts: Sequence[Any] = key.elts if whole and isinstance(key, ast.Tuple) else [key]
        numbers: tuple[Any, ...] = each if whole else (each,)
        if whole == isinstance(key, ast.Tuple) and all(type(number) is int for number in numbers):
            yield [(part, 0, "==", number) for part, number in zip(parts, numbers, strict=True)]


def _key_and_table(node: ast.AST) -> tuple[ast.expr | None, ast.expr | None]:
    if isinstance(node, ast.Subscript):
        return node.slice, node.value
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "get"
        and node.args
    ):
        return node.args[0], node.func.value
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn)):
        return node.left, node.comparators[0]
    return None, None


def _block(whole: ast.expr, block: ast.expr, names: Names) -> Iterator[Comparison]:
    number = names.number(block)
    if isinstance(number, int) and number > 1 and names.number(whole) is None:
        yield whole, number, "==", 0
