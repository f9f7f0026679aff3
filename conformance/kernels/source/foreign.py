"""Comparisons with a number in the text of a kernel that is not Python: C, C++, CUDA, Rust, a shader."""

from __future__ import annotations

import ast
import linecache
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from conformance.kernels.source.comparisons import Comparison
from conformance.kernels.source.names import Names

SUFFIXES = (".c", ".cc", ".cpp", ".cxx", ".cu", ".cuh", ".h", ".hpp", ".rs", ".pyx", ".metal", ".cl")
LOADING = frozenset({"ctypes", "cffi", "cpp_extension", "load_inline", "pyximport", "RawModule", "RawKernel"})

_NOISE = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"", re.DOTALL)
_NUMBER = r"(?:\d[\d_']*\.?\d*(?:[eE][-+]?\d+)?)"
_CONSTANT = re.compile(
    rf"(?:#define\s+|\b)([A-Za-z_]\w*)(?:\s*:\s*\w+)?\s*(?:=\s*|\s)\(?({_NUMBER}(?:\s*(?:<<|\*)\s*\d+)?)"
)
_LEFT, _RIGHT = r"([A-Za-z_][\w.]*)", rf"({_NUMBER}|[A-Za-z_]\w*)"
_COMPARED = re.compile(rf"{_LEFT}\s*(?:%\s*{_RIGHT}\s*\)*\s*)?(==|!=|>=|<=|>|<)\s*{_RIGHT}")
_BLOCK = re.compile(rf"{_LEFT}\s*[%/]\s*{_RIGHT}|{_LEFT}\s*(?:\+=|<\s*\w+\s*;\s*\w+\s*\+=)\s*{_RIGHT}")


def foreign_conditions(text: str) -> Iterator[list[Comparison]]:
    """What must hold together in one test; and each block that something is done in, alone."""
    text = _NOISE.sub(" ", text).replace("->", ".")
    numbers = _constants(text)
    for test in re.split(r"\|\||[;{}]", text):
        found = [each for match in _COMPARED.finditer(test) for each in _compared(match, numbers)]
        if found:
            yield found
    for match in _BLOCK.finditer(text):
        left, number = match[1] or match[3], _value(match[2] or match[4], numbers)
        if isinstance(number, int) and number > 1 and left not in numbers:
            yield [(_expression(left), number, "==", 0)]


def _constants(text: str) -> dict[str, float]:
    """The names that a number is given to once."""
    found: dict[str, set[float]] = {}
    for name, written in _CONSTANT.findall(text):
        value = Names({}, {}).number(ast.parse(re.sub(r"[_']", "", written), mode="eval").body)
        found.setdefault(name, set()).update([] if value is None else [value])
    return {name: values.pop() for name, values in found.items() if len(values) == 1 and name.isupper()}


def _value(text: str, numbers: Mapping[str, float]) -> float | None:
    if not text[0].isdigit():
        return numbers.get(text)
    plain = re.sub(r"[_']", "", text)
    return int(plain) if plain.isdigit() else float(plain)


def _compared(match: re.Match[str], numbers: Mapping[str, float]) -> Iterator[Comparison]:
    left, block, how, right = match.groups()
    number, modulus = _value(right, numbers), _value(block, numbers) if block else 0
    if number is not None and isinstance(modulus, int) and left not in numbers:
        yield _expression(left), modulus, how, number


def _expression(text: str) -> ast.expr:
    """A name, or that of a member, as an expression of Python: it is read by its name alone."""
    return ast.Name(text.rpartition(".")[2])


def foreign_files(file: str) -> list[str]:
    """Texts of other languages beside a Python file."""
    return sorted(str(each) for each in Path(file).parent.iterdir() if each.suffix in SUFFIXES)


def read_text(file: str) -> str:
    """OSError where a file cannot be read that Python does not hold the lines of, as of what a notebook has."""
    if not Path(file).is_file() and (held := linecache.getlines(file)):
        return "".join(held)
    return Path(file).read_text(encoding="utf-8", errors="replace")
