"""Statements of functions, cut into stretches: those of one run all, unless one of them raises."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Function = ast.FunctionDef | ast.AsyncFunctionDef
Around = ast.stmt | ast.ExceptHandler | ast.match_case
Key = tuple[str, int]  # the name of a function and its first line, decorators included: as its code has them


@dataclass(frozen=True)
class Stretch:
    """Statements of a function that follow each other.

    block, place  the list of statements that holds them, and where the first of them stands in it
    lines         what they are written in; of one that holds others, its head alone
    around, part  the statement that decides that they run, or the function; in which part of it they are
    refuses       whether all that follows is an exception
    """

    function: Key
    block: list[ast.stmt]
    place: int
    lines: tuple[int, ...]
    around: Around
    part: str
    refuses: bool

    @property
    def why(self) -> str:
        """What decides that they run: "if channels > 512", "else of if channels > 512"."""
        if isinstance(self.around, Function):
            return f"def {self.around.name}"
        if isinstance(self.around, (ast.Try, ast.TryStar)):
            return f"{self.part} of try".removeprefix("body of ")
        if isinstance(self.around, ast.ExceptHandler):
            return f"except {ast.unparse(self.around.type) if self.around.type else ''}".strip()
        if isinstance(self.around, ast.match_case):
            return f"case {ast.unparse(self.around.pattern)}"
        head = ast.unparse(self.around).partition("\n")[0].removesuffix(":")
        return head if self.part == "body" else f"else of {head}"


def stretches(tree: ast.Module) -> Iterator[Stretch]:
    """Those of every function of a file, in the order in which they are written."""
    found = [each for function in functions(tree) for each in _of_function(function)]
    return iter(sorted(found, key=lambda each: each.lines[0]))


def functions(tree: ast.AST) -> Iterator[Function]:
    """Every function that is defined by a statement."""
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def key_of(function: Function) -> Key:
    return function.name, _first_line(function)


def _first_line(statement: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min(statement.lineno, *(each.lineno for each in decorators)) if decorators else statement.lineno


def _of_function(function: Function) -> Iterator[Stretch]:
    for block, around, part, refuses in _blocks(function.body, function, "body", False):
        start = int(block is function.body and ast.get_docstring(function, clean=False) is not None)
        for place, statements in _cut(block, start):
            lines = tuple(sorted({line for each in statements for line in _lines(each)}))
            yield Stretch(key_of(function), block, place, lines, around, part, refuses)


def _blocks(
    block: list[ast.stmt], around: Around, part: str, refuses: bool
) -> Iterator[tuple[list[ast.stmt], Around, str, bool]]:
    """A list of statements, and those inside of them; functions and classes in it stand for themselves."""
    refuses = refuses or _raises(block)
    yield block, around, part, refuses
    for statement in block:
        for inner, of, name in inside(statement):
            yield from _blocks(inner, of, name, refuses)


def inside(statement: ast.stmt) -> Iterator[tuple[list[ast.stmt], Around, str]]:
    """The lists of statements that a statement holds, each with what decides that it runs."""
    if isinstance(statement, (Function, ast.ClassDef)):
        return
    for part in ("body", "orelse", "finalbody"):
        if inner := getattr(statement, part, []):
            yield inner, statement, part
    for holder in (*getattr(statement, "handlers", []), *getattr(statement, "cases", [])):
        yield holder.body, holder, "body"


def _cut(block: list[ast.stmt], start: int) -> Iterator[tuple[int, list[ast.stmt]]]:
    """Where each stretch of a list begins, and what is in it: behind a statement that holds others a new one does."""
    place = start
    for end in range(start, len(block)):
        if end + 1 == len(block) or any(True for _ in inside(block[end])):
            yield place, block[place : end + 1]
            place = end + 1


def _lines(statement: ast.stmt) -> range:
    """The lines of a statement, or of the head of one that holds others."""
    inner = next((inner for inner, *_ in inside(statement)), None) or getattr(statement, "body", None)
    last = statement.end_lineno or statement.lineno
    if isinstance(inner, list):
        last = max(statement.lineno, _first_line(inner[0]) - 1)
    return range(_first_line(statement), last + 1)


def _raises(block: Sequence[ast.stmt]) -> bool:
    """Whether whoever comes here leaves by an exception."""
    last = block[-1]
    if isinstance(last, ast.If):
        return bool(last.orelse) and _raises(last.body) and _raises(last.orelse)
    return isinstance(last, ast.Raise)
