"""Comparisons with a number in the text of a function: what decides which of its statements run."""

from __future__ import annotations

import ast
import copy
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from conformance.kernels.source.names import MANY_KEYS, Names

# One comparison: what is compared (an expression), its modulus or 0, how, and the number.
Comparison = tuple[ast.expr, int, str, float]

_HOW: dict[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<=",
}  # fmt: skip
_MIRRORED = {">": "<", ">=": "<=", "<": ">", "<=": ">="}


POWER_OF_TWO = 128  # that stands for all


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
            for alternative in itertools.islice(_alternatives(test, names), MANY_KEYS):
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
        for holder in getattr(statement, "handlers", []):
            yield from _tests(holder.body, around, names)
        for case in getattr(statement, "cases", []):
            yield from _tests(case.body, [*around, *_guarded(case, names)], names)


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


def _alternatives(test: ast.expr, names: Names) -> Iterator[list[ast.expr]]:
    """The parts of a test that hold together; those of `or`, and of what a loop goes over, stand for themselves."""
    looped = [each.id for each in ast.walk(test) if isinstance(each, ast.Name) and each.id in names.looped]
    if looped and not isinstance(test, ast.Call):
        others = replace(names, looped={name: of for name, of in names.looped.items() if name != looped[0]})
        for choice in names.choices(looped[0]):
            yield from _alternatives(_with(test, looped[0], choice), others)
    elif isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or):
        for each in test.values:
            yield from _alternatives(each, names)
    elif isinstance(test, ast.BoolOp):
        parts: list[list[ast.expr]] = [[]]
        for value in test.values:
            parts = [[*before, *more] for before in parts for more in _alternatives(value, names)][:8]
        yield from parts
    elif isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        yield from _alternatives(test.operand, names)
    elif isinstance(test, ast.Compare) and isinstance(test.ops[0], (ast.In, ast.NotIn)):
        yield from _in(test.left, test.comparators[0], names)
    elif isinstance(test, ast.Call):
        yield from _alternatives_of_call(test, names)
    else:
        yield [test]


def _alternatives_of_call(test: ast.Call, names: Names) -> Iterator[list[ast.expr]]:
    """Of any() and all() of a loop, of isin(): what they ask of each; of other calls, the tests in them."""
    name, first = ast.unparse(test.func).rpartition(".")[2], test.args[0] if test.args else None
    if name == "isin" and len(test.args) == 2:
        yield from _in(test.args[0], test.args[1], names)
    elif name == "all" and isinstance(first, (ast.GeneratorExp, ast.ListComp)) and len(first.generators) == 1:
        of = first.generators[0]
        every = names.entries(of.iter) if isinstance(of.target, ast.Name) else []
        yield [_with(first.elt, of.target.id, each) for each in every]  # type: ignore[attr-defined]
    else:
        yield [test]
        for part in itertools.chain(test.args, (getattr(test.func, "value", None),)):
            for inner in _tests_in(part) if part is not None else ():
                yield from _alternatives(inner, names)


def _in(of: ast.expr, listed: ast.expr, names: Names) -> Iterator[list[ast.expr]]:
    """That something is one of a list, or lies in a range; keys of tables are read elsewhere."""
    if isinstance(listed, ast.Call) and ast.unparse(listed.func) == "range" and listed.args:
        first, last, *step = [ast.Constant(0), *listed.args][-max(2, len(listed.args)) :]
        inside: list[ast.expr] = [ast.Compare(of, [ast.GtE()], [first]), ast.Compare(of, [ast.Lt()], [last])]
        start, by = names.number(first), names.number(step[0]) if step else 1
        if isinstance(start, int) and isinstance(by, int) and by > 1:
            remainder = ast.Constant(start % by)
            inside.append(ast.Compare(ast.BinOp(of, ast.Mod(), step[0]), [ast.Eq()], [remainder]))
        yield inside
    elif isinstance(listed, (ast.Tuple, ast.List, ast.Set)):
        for each in listed.elts:
            yield [ast.Compare(of, [ast.Eq()], [each])]


class _Put(ast.NodeTransformer):
    """Puts an expression in the place of a name."""

    def __init__(self, name: str, expression: ast.expr) -> None:
        self.name, self.expression = name, expression

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.expression if node.id == self.name else node


def _with(test: ast.expr, name: str, expression: ast.expr) -> ast.expr:
    put: ast.expr = _Put(name, expression).visit(copy.deepcopy(test))
    return put


def comparisons(test: ast.expr, names: Names) -> Iterator[Comparison]:
    """The comparisons with a number in one part of a test."""
    if isinstance(test, ast.Compare):
        sides = [test.left, *test.comparators]
        for left, op, right in zip(sides, test.ops, sides[1:], strict=False):
            yield from _compared(left, _HOW.get(type(op), ""), right, names)
        yield from _chained(sides, names) if all(isinstance(op, ast.Eq) for op in test.ops) else ()
    elif isinstance(test, ast.BinOp) and (modulus := _modulus(test, names)):
        yield test.left, modulus, "==", 0


def _modulus(node: ast.BinOp, names: Names) -> int:
    """Of a remainder, or of the lowest bits, which are one; 0 where there is none."""
    number = names.number(node.right)
    if isinstance(number, int) and number > 0 and isinstance(node.op, (ast.Mod, ast.BitAnd)):
        modulus = number if isinstance(node.op, ast.Mod) else number + 1
        bits = isinstance(node.op, ast.BitAnd) and modulus & number
        return modulus if modulus > 1 and not bits else 0
    return 0


def _chained(sides: list[ast.expr], names: Names) -> Iterator[Comparison]:
    """Of R == S == 3, that R is 3, too."""
    numbers = [number for side in sides if (number := names.number(side)) is not None]
    for side in sides[:-2] if len(numbers) == 1 else ():
        if names.number(side) is None:
            yield side, 0, "==", numbers[0]


def _compared(left: ast.expr, how: str, right: ast.expr, names: Names) -> Iterator[Comparison]:
    if not how:
        return
    if isinstance(right, ast.Constant) and isinstance(right.value, str):
        yield from _spelt(left, right.value, names) if how in ("==", "!=") else ()
        return
    if names.number(left) is not None:
        left, right, how = right, left, _MIRRORED.get(how, how)
    if isinstance(right, (ast.Tuple, ast.List, ast.Set)):
        for place, each in enumerate(right.elts):
            whole = isinstance(left, (ast.Tuple, ast.List)) and len(left.elts) == len(right.elts)
            of = left.elts[place] if whole else ast.Subscript(left, ast.Constant(place))  # type: ignore[attr-defined]
            yield from _compared(of, how, each, names)
        return
    number = names.number(right)
    if number is None or names.number(left) is not None:
        return
    yield from _of_number(left, how, number, names)


def _spelt(of: ast.expr, text: str, names: Names) -> Iterator[Comparison]:
    """The numbers that a text has where an f-string has expressions: f"{r}x{s}" == "3x5"."""
    if isinstance(of, ast.Name):
        of = names.expressions.get(of.id, of)
    parts = of.values if isinstance(of, ast.JoinedStr) else []
    pattern = "".join(
        re.escape(str(each.value)) if isinstance(each, ast.Constant) else "(.+)" for each in parts
    )
    expressions = [each.value for each in parts if isinstance(each, ast.FormattedValue)]
    if expressions and (found := re.fullmatch(pattern, text)):
        for expression, group in zip(expressions, found.groups(), strict=True):
            if group.isdecimal():
                yield expression, 0, "==", int(group)


def _of_number(left: ast.expr, how: str, number: float, names: Names) -> Iterator[Comparison]:
    """With what is done to a side undone: a remainder, a shift, what is added, its absolute value."""
    if isinstance(left, ast.NamedExpr):
        left = left.value
    if isinstance(left, ast.Call) and len(left.args) == 1 and ast.unparse(left.func) in ("abs", "np.abs"):
        left = left.args[0]
    if isinstance(left, ast.BinOp) and isinstance(left.op, (ast.Mod, ast.BitAnd)):
        if (modulus := _modulus(left, names)) and how in ("==", "!="):
            yield left.left, modulus, how, number
        elif isinstance(left.op, ast.BitAnd):
            power = not number and ast.unparse(left.right) == f"{ast.unparse(left.left)} - 1"
            yield (left.left, 0, how, POWER_OF_TWO) if power else (left, 0, how, number)
    elif isinstance(left, ast.BinOp) and isinstance(by := names.number(left.right), int) and by > 0:
        if isinstance(left.op, (ast.Add, ast.Sub)):
            yield from _of_number(
                left.left, how, number - by if isinstance(left.op, ast.Add) else number + by, names
            )
        elif (
            isinstance(left.op, ast.FloorDiv) and isinstance(left.left, ast.Name) and isinstance(number, int)
        ):
            yield from _between(left.left, how, number * by, (number + 1) * by)
        elif isinstance(left.op, ast.RShift) and isinstance(number, int) and by < 40:
            yield from _between(left.left, how, number << by, (number + 1) << by)
        else:
            yield left, 0, how, number
    elif (
        isinstance(left, ast.Call) and isinstance(left.func, ast.Attribute) and left.func.attr == "bit_length"
    ):
        if isinstance(number, int) and 0 < number < 40:
            yield from _between(left.func.value, how, 1 << (number - 1), 1 << number)
    else:
        yield left, 0, how, number


def _between(of: ast.expr, how: str, least: int, beyond: int) -> Iterator[Comparison]:
    """How something compares with all numbers from the least to the one beyond them."""
    if how in ("==", "!=", ">=", "<"):
        yield of, 0, "<" if how == "<" else ">=", least
    if how in ("==", "!=", ">", "<="):
        yield of, 0, ">=" if how == ">" else "<", beyond


def _matched(statement: ast.Match, around: list[Comparison], names: Names) -> Iterator[list[Comparison]]:
    """The numbers that a match has as its cases, each; of a sequence all together; and what a case asks besides."""
    for case in statement.cases:
        guard = _guarded(case, names)
        for found in _patterns(case.pattern, statement.subject, names):
            if found or guard:
                yield [*around, *found, *guard]


def _guarded(case: ast.match_case, names: Names) -> list[Comparison]:
    """What else a case asks, as far as it is one thing."""
    tests = [*itertools.islice(_alternatives(case.guard, names), 1)] if case.guard else []
    return [each for alternative in tests for part in alternative for each in comparisons(part, names)]


def _patterns(pattern: ast.pattern, of: ast.expr, names: Names) -> Iterator[list[Comparison]]:
    """What must hold for a pattern, in each of its ways."""
    if isinstance(pattern, ast.MatchValue):
        yield [*_compared(of, "==", pattern.value, names)]
    elif isinstance(pattern, ast.MatchOr):
        for each in pattern.patterns:
            yield from _patterns(each, of, names)
    elif isinstance(pattern, ast.MatchAs) and pattern.pattern:
        yield from _patterns(pattern.pattern, of, names)
    elif isinstance(pattern, (ast.MatchSequence, ast.MatchMapping)):
        inner = itertools.product(*(_patterns(each, part, names) for each, part in parts_of(pattern, of)))
        yield from ([each for one in every for each in one] for every in itertools.islice(inner, MANY_KEYS))
    else:
        yield []


def parts_of(pattern: ast.pattern, of: ast.expr) -> Iterator[tuple[ast.pattern, ast.expr]]:
    """The patterns in one, each with what it is matched with."""
    if isinstance(pattern, ast.MatchMapping):
        yield from ((each, of) for each in pattern.patterns)
    patterns = pattern.patterns if isinstance(pattern, ast.MatchSequence) else []
    for place, each in enumerate(patterns):
        starred = any(isinstance(one, ast.MatchStar) for one in patterns[:place])
        at = place - len(patterns) if starred else place
        whole = isinstance(of, (ast.Tuple, ast.List)) and -len(of.elts) <= at < len(of.elts)
        if not isinstance(each, ast.MatchStar):
            yield each, of.elts[at] if whole else ast.Subscript(of, ast.Constant(at))  # type: ignore[attr-defined]


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
    if key is None or table is None or not (isinstance(node, ast.Compare) or _is_table(table, names)):
        return
    for each in names.entries(table):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield [*_spelt(key, each.value, names)]
            continue
        whole = isinstance(key, ast.Tuple) and isinstance(each, ast.Tuple) and len(each.elts) == len(key.elts)
        parts: Sequence[Any] = key.elts if whole and isinstance(key, ast.Tuple) else [key]
        numbers = [names.number(one) for one in (each.elts if isinstance(each, ast.Tuple) else [each])]
        if (
            whole == isinstance(key, ast.Tuple)
            and len(parts) == len(numbers)
            and all(type(n) is int for n in numbers)
        ):
            yield [
                (part, 0, "==", number)
                for part, number in zip(parts, numbers, strict=True)
                if number is not None
            ]


def _is_table(node: ast.expr, names: Names) -> bool:
    if isinstance(node, ast.Name) and node.id not in names.numbers:
        node = names.expressions.get(node.id, node)
    return isinstance(node, ast.Dict) or isinstance(names.value(node), dict)


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
