"""Functions that note where they have been, until they have been there: then they run their own code again."""

from __future__ import annotations

import ast
import re
import tokenize
import warnings
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from types import CodeType, FunctionType

from conformance.kernels.source.decisions import SITE, Chain, Decisions, calling
from conformance.kernels.source.distance import Seen
from conformance.kernels.source.statements import Key, Stretch, stretches

# Who has a kernel that uses one of these may see another code, or runs it where nobody looks.
EXCLUDING = frozenset({
    "numba", "triton", "jit", "njit", "pickle", "cloudpickle", "dill", "joblib", "fork", "multiprocessing",
    "ProcessPoolExecutor", "subprocess", "getsource", "getsourcelines", "__code__", "co_code", "settrace", "setprofile",
    "compile", "exec", "eval", "dis",
})  # fmt: skip
_MARK = "\0stretch "  # a constant of no file, in whose place the marker is called


class Unreadable(Exception):
    """Why the functions of a file cannot be marked."""


def read(file: str) -> str:
    """The text of a file whose functions may have another code for a while; Unreadable where they may not."""
    try:
        with tokenize.open(file) as opened:  # in the encoding that it names
            text = opened.read()
        if EXCLUDING.isdisjoint(re.findall(r"\w+", text)):
            return text
        used = EXCLUDING.intersection(_identifiers(ast.parse(text)))
    except (OSError, ValueError, SyntaxError) as error:
        raise Unreadable(f"{file} cannot be read: {error}") from error
    if used:
        raise Unreadable(f"{file} uses {', '.join(sorted(used))}")
    return text


@dataclass
class Marked:
    """A file whose functions have a marker before each stretch that was not yet run.

    functions  those that are marked, with their own code: it is what this very text is compiled to
    stretches  those of the file that lie in such functions, by their number in it
    ran        the numbers of the stretches that ran
    chains     what must hold for those that are sought, and what of it was seen
    """

    file: str
    text: str
    functions: list[tuple[FunctionType, CodeType]]
    stretches: dict[int, Stretch]
    ran: set[int] = field(default_factory=set)
    unmarked: set[int] | None = None  # those whose markers are gone; None: nothing is marked
    chains: dict[int, Chain] = field(default_factory=dict)
    seen: Seen = field(default_factory=Seen)

    @classmethod
    def of(cls, file: str, text: str, functions: Iterable[FunctionType]) -> Marked:
        """The file of these functions, not yet marked."""
        codes = dict(_codes(compile(text, file, "exec", dont_inherit=True)))
        own = [(each, each.__code__) for each in functions if codes.get(_key(each.__code__)) == each.__code__]
        there = set().union(*(_functions_in(code) for _, code in own))
        numbered = enumerate(stretches(ast.parse(text)))
        return cls(file, text, own, {n: each for n, each in numbered if each.function in there})

    def functions_of(self, number: int) -> list[FunctionType]:
        """Those in which a stretch lies: its own, and those that define it."""
        key = self.stretches[number].function
        return [function for function, code in self.functions if key in _functions_in(code)]

    def mark(self) -> None:
        """A marker before each stretch that has not run; functions that have none are as they were written."""
        if self.unmarked == self.ran:
            return
        self.unmarked = set(self.ran)
        self._recompile(self.chains.keys())

    def seek(self, numbers: Iterable[int]) -> None:
        """Rewrite the comparisons on the way to these stretches; to none: the functions are as mark() left them."""
        sought = set(numbers) & self.stretches.keys()
        if sought != self.chains.keys():
            self._recompile(sought)

    def _recompile(self, sought: Collection[int]) -> None:
        left = self.stretches.keys() - (self.unmarked or set())
        lacking = {self.stretches[number].function for number in left}
        code, rewritten = self._compiled(left, sought) if left or sought else (None, set())
        codes = dict(_codes(code)) if code else {}
        lacking |= rewritten
        for function, own in self.functions:
            function.__code__ = codes[_key(own)] if _functions_in(own) & lacking else own

    def _compiled(self, left: Collection[int], sought: Collection[int]) -> tuple[CodeType, set[Key]]:
        """The file with these markers, and the functions in which comparisons are rewritten."""
        tree = ast.parse(self.text)
        numbered, decisions = list(enumerate(stretches(tree))), Decisions(tree)
        self.chains = decisions.chains({number: each for number, each in numbered if number in sought})
        for number, each in reversed(numbered):
            if number in left:
                mark = ast.Expr(ast.Call(ast.Constant(f"{_MARK}{number}"), [], []))
                each.block.insert(each.place, _at(mark, each.lines[0], each.block[each.place]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # no text can be called; none will be
            code = compile(tree, self.file, "exec", dont_inherit=True)
        return _calling(code, self.ran, self.seen), decisions.rewritten


def _functions_in(code: CodeType) -> set[Key]:
    """The function of a code, and those that it defines."""
    return {_key(code)[:2], *(key[:2] for key, _ in _codes(code))}


def _at(mark: ast.Expr, line: int, first: ast.stmt) -> ast.Expr:
    """A statement in the line of the one behind it, so that no line is added."""
    for node in ast.walk(mark):
        if isinstance(node, (ast.expr, ast.stmt)):
            node.lineno = node.end_lineno = line
            node.col_offset = node.end_col_offset = first.col_offset
    return mark


def _calling(code: CodeType, ran: set[int], seen: Seen) -> CodeType:
    """The code with markers as constants, which are called: no name of a module is taken for them."""
    return code.replace(co_consts=tuple(_constant(each, ran, seen) for each in code.co_consts))


def _constant(value: object, ran: set[int], seen: Seen) -> object:
    if isinstance(value, CodeType):
        return _calling(value, ran, seen)
    if isinstance(value, str) and value.startswith(SITE):
        return calling(value, seen)
    if isinstance(value, str) and value.startswith(_MARK):
        return partial(ran.add, int(value.removeprefix(_MARK)))
    return value


def _codes(code: CodeType) -> Iterator[tuple[tuple[str, int, str], CodeType]]:
    """Every function's code inside of a code; of two that cannot be told apart, the last."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield _key(inner), inner
            yield from _codes(inner)


def _key(code: CodeType) -> tuple[str, int, str]:
    return code.co_name, code.co_firstlineno, code.co_qualname


def _identifiers(tree: ast.Module) -> Iterator[str]:
    """Every name in a text, parts of those that are imported among them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute) and ast.unparse(node) != "re.compile":
            yield node.attr
        elif isinstance(node, ast.alias):
            yield from node.name.split(".")
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from node.module.split(".")
