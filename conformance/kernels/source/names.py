"""What names and expressions of a function stand for, as far as that can be told without a call."""

from __future__ import annotations

import ast
import inspect
import itertools
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

_FOLDED: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv,
    ast.Pow: operator.pow, ast.LShift: operator.lshift, ast.Mod: operator.mod, ast.Div: operator.truediv,
}  # fmt: skip
MANY_KEYS = 32  # of a table, or a list, that are asked
LARGEST = 1 << 40  # of a number that arithmetic makes


@dataclass(frozen=True)
class Names:
    """What names stand for in a function: values of its module, class, defaults and closure, or a single expression.

    looped   of a loop's name what it goes over, and its place in each entry; None where it is the entry
    """

    numbers: Mapping[str, Any]
    expressions: Mapping[str, ast.expr]
    looped: Mapping[str, tuple[ast.expr, int | None]] = field(default_factory=dict)

    def number(self, node: ast.expr) -> float | None:
        """The number that an expression is, where that does not depend on a call."""
        if isinstance(node, ast.Constant):
            return _plain(node.value)
        if isinstance(node, ast.Name):
            if node.id not in self.numbers and node.id in self.expressions:
                return self._without(node.id).number(self.expressions[node.id])
            return _plain(self.numbers.get(node.id))
        if isinstance(node, (ast.Attribute, ast.Subscript)):
            return _plain(self.value(node))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            inner = self.number(node.operand)
            return None if inner is None else -inner
        if isinstance(node, ast.BinOp) and type(node.op) in _FOLDED:
            return _folded(type(node.op), self.number(node.left), self.number(node.right))
        return None

    def _without(self, name: str) -> Names:
        """For what a name stands for, which may be made of what it was before."""
        return replace(self, expressions={n: of for n, of in self.expressions.items() if n != name})

    def value(self, node: ast.expr) -> Any:
        """The value of a name, an attribute, an entry of a table; None where it is not there without a call."""
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            return self.numbers.get(node.id)
        if isinstance(node, ast.Attribute):
            named = self.numbers.get(ast.unparse(node))
            held = self.value(node.value) if named is None else None
            return named if held is None else inspect.getattr_static(held, node.attr, None)
        if isinstance(node, ast.Subscript) and isinstance(
            node.slice, (ast.Constant, ast.Name, ast.Attribute)
        ):
            table, key = self.value(node.value), self.value(node.slice)
            if type(table) in (list, tuple) and isinstance(key, int):
                table = dict(enumerate(table))
            return table.get(key) if type(table) is dict and isinstance(key, (int, str)) else None
        return None

    def entries(self, node: ast.expr) -> list[ast.expr]:
        """The entries of a list, or the keys of a table; none where they are not known."""
        if isinstance(node, ast.Name) and node.id in self.expressions and node.id not in self.numbers:
            return self._without(node.id).entries(self.expressions[node.id])
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "keys":
            return self.entries(node.func.value)
        if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
            return node.elts[:MANY_KEYS]
        if isinstance(node, ast.Dict):
            return [key for key in node.keys if key][:MANY_KEYS]
        found = self.value(node)
        known = found if type(found) in (dict, set, frozenset, tuple, list) else ()
        return [_written(each) for each in itertools.islice(known, MANY_KEYS)]

    def choices(self, name: str) -> list[ast.expr]:
        """What the name of a loop is, one after the other."""
        of, place = self.looped[name]
        every = self.entries(of)
        if place is None:
            return every
        return [each.elts[place] for each in every if isinstance(each, ast.Tuple) and place < len(each.elts)]


def _written(value: Any) -> ast.expr:
    """A value as it would stand in the text; None of what is no number, text or tuple of them."""
    if isinstance(value, tuple):
        return ast.Tuple([_written(each) for each in value], ast.Load())
    number = _plain(value)
    return ast.Constant(value if isinstance(value, str) else number)


def _plain(value: object) -> float | None:
    """The value if it is a number: no infinity is one, which every size and finite value is on one side of."""
    if isinstance(value, np.number) and not isinstance(value, np.complexfloating):
        value = value.item()
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
