"""What conformance.toml, or [tool.conformance] of pyproject.toml, says for `conformance run`."""

from __future__ import annotations

import os
import pkgutil
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from conformance.reports import formats
from conformance.usage import WrongUsage, require

ALONE, SHARED = "conformance.toml", "pyproject.toml"  # the first of a folder counts
TABLE = "[tool.conformance] "


class Kind(NamedTuple):
    """What a value is: in words, and whether one is; and what it means in a file of a folder."""

    words: str
    fits: Callable[[Any], bool]
    read: Callable[[Path, Any], Any] = lambda folder, value: value


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_number(value: Any, least: float, kinds: Any = int) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool) and value >= least


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _beside(folder: Path, name: str) -> str:
    """A file that stands beside the one that names it, by its way from here; - is standard output."""
    return name if name == "-" else Path(os.path.relpath(folder / name)).as_posix()


def _subjects(folder: Path, names: list[str]) -> list[str]:
    parts = [name.partition(":") for name in names]
    files = [_beside(folder, where) if where.endswith(".py") else where for where, _, _ in parts]
    return [f"{file}{colon}{inside}" for file, (_, colon, inside) in zip(files, parts, strict=True)]


TEXT = Kind("a text", _is_text)
TEXTS = Kind("a list of texts", _are_texts)
SUBJECTS = Kind("a list of names of files or modules", _are_texts, _subjects)
FILE = Kind("the name of a file", _is_text, _beside)
SEED = Kind("a whole number of at least 0", lambda value: _is_number(value, 0))
COUNT = Kind("a whole number of at least 1", lambda value: _is_number(value, 1))
SECONDS = Kind("a number of seconds", lambda value: _is_number(value, 0, (int, float)))
YES_OR_NO = Kind("true or false", lambda value: isinstance(value, bool))
FILES = Kind("a table of files", lambda value: isinstance(value, dict))


class Key(NamedTuple):
    """A key: the parameter of the command, what its value is, and of which kind its words are."""

    parameter: str
    kind: Kind
    words: str = ""


KEYS = {
    "subjects": Key("", SUBJECTS),
    "operations": Key("operations", TEXTS, "operation"),
    "requirements": Key("requirements", TEXTS, "requirement"),
    "skip": Key("skipped", TEXTS, "requirement"),
    "dtypes": Key("dtypes", TEXTS, "dtype"),
    "profile": Key("profile", TEXT, "profile"),
    "oracle": Key("oracle", TEXT, "oracle"),
    "framework": Key("framework", TEXT, "framework"),
    "device": Key("device", TEXT),
    "seed": Key("seed", SEED),
    "jobs": Key("jobs", COUNT),
    "timeout": Key("timeout", SECONDS),
    "strict": Key("strict", YES_OR_NO),
    "baseline": Key("baseline", FILE),
    "scripts": Key("folder", FILE),
    "reports": Key("", FILES),
}
REPORTS = {module.name: Key(module.name, FILE) for module in pkgutil.iter_modules(formats.__path__)}


@dataclass(frozen=True)
class Configuration:
    """What a file says.

    subjects  that a run without one judges
    options   by the name of the command's parameter
    """

    file: Path
    subjects: tuple[str, ...]
    options: Mapping[str, Any]


def configuration(folder: Path) -> Configuration | None:
    """What the first file says that is found from a folder upwards; None where there is none."""
    for each in (folder, *folder.parents):
        for name in (ALONE, SHARED):
            table = _table(each / name)
            if table is not None:
                return _read(each / name, table)
    return None


def _table(file: Path) -> dict[str, Any] | None:
    """What a file has for conformance; None where it is not there or has nothing."""
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        if os.path.isfile(file):  # noqa: PTH113 (Path.is_file may raise what it is asked about)
            raise WrongUsage(f"{_shown(file)}: cannot be read: {error.strerror}") from None
        return None
    except ValueError as error:  # no TOML, or no text
        if file.name == SHARED and "tool.conformance" not in file.read_text(errors="replace"):
            return None  # other tools tell what is wrong with it
        raise WrongUsage(f"{_shown(file)}: is no TOML: {error}") from None
    if file.name == ALONE:
        return data
    table = data.get("tool", {}).get("conformance")
    if not (table is None or isinstance(table, dict)):
        raise WrongUsage(f"{_shown(file)}: tool.conformance = {table!r}: must be a table")
    return table


def _shown(file: Path) -> str:
    return os.path.relpath(file)


def _read(file: Path, table: Mapping[str, Any]) -> Configuration:
    """The configuration, in which every key and word exists."""
    where = f"{_shown(file)}: {TABLE if file.name == SHARED else ''}"
    options = dict(_options(file.parent, where, table, KEYS, "key"))
    files = options.pop("reports", {})
    options |= _options(file.parent, f"{where}reports.", files, REPORTS, "report")
    return Configuration(file, tuple(options.pop("subjects", ())), options)


def _options(
    folder: Path, where: str, table: Mapping[str, Any], keys: Mapping[str, Key], kind: str
) -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        with _told_as(where):
            require(kind, name, keys)
        key = keys[name]
        if not key.kind.fits(value):
            raise WrongUsage(f"{where}{name} = {value!r}: must be {key.kind.words}")
        for word in [value] if isinstance(value, str) else value if isinstance(value, list) else ():
            with _told_as(f"{where}{name}: "):
                require(key.words, word) if key.words else None
        yield key.parameter or name, key.kind.read(folder, value)


@contextmanager
def _told_as(where: str) -> Iterator[None]:
    """An error of usage gets the words before it that say where the mistake is."""
    try:
        yield
    except WrongUsage as error:
        raise WrongUsage(f"{where}{error}") from None
