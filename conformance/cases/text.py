"""How the fields of a case are written, and read back."""

from __future__ import annotations

import difflib
import re
from functools import lru_cache
from typing import Any


class CaseError(ValueError):
    """A case's text or fields are wrong: the value, then the rule."""


def write_field(name: str, value: Any) -> str:
    """Extents of one axis are written as a number."""
    return str(value[0]) if name in ("image", "kernel") and len(value) == 1 else write(value)


def write(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(write, value)) + ("," if len(value) == 1 else "")
    return str(value)


_INT, _INTS = re.compile(r"-?\d+"), re.compile(r"((-?\d+|none),)+(-?\d+|none)?")
_FLOAT = re.compile(r"-?(\d+\.\d+|inf)")


@lru_cache(maxsize=4096)  # most cases are written in words of others
def read(word: str, value: str) -> Any:
    if value in ("none", "true", "false"):
        return {"none": None, "true": True, "false": False}[value]
    if _INT.fullmatch(value):
        return int(value)
    if _INTS.fullmatch(value):
        return tuple(None if part == "none" else int(part) for part in value.split(",") if part)
    if _FLOAT.fullmatch(value):
        return float(value)
    if re.fullmatch(r"[A-Za-z_]+", value):
        return value
    raise CaseError(f"{word}: a value is a number, ints with commas, a word, true, false or none")


def suggest(word: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(word, [name for name in known if name], n=1)
    return (f" (did you mean {near[0]}?)" if near else "") + f"; there are {', '.join(filter(None, known))}"
