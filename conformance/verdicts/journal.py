"""The finished units of a run, one JSON line each, so that an interrupted one goes on. Reading it runs no code."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from conformance.kernels.framework import PLAIN
from conformance.kernels.own import is_own
from conformance.kernels.subject import Subject
from conformance.kernels.versions import versions
from conformance.verdicts.verdict import Row, Unit


class JournalError(ValueError):
    """A journal that cannot be read, or of another run."""


class Journal:
    """Opens the journal of a run at a path, or begins it; its first line says who was judged, and how."""

    def __init__(self, path: Path, subject: Subject, setup: Mapping[str, Any]) -> None:
        self.path = path
        self.lost = ""  # why the rest is not kept
        self.taken = 0  # cases whose verdicts stood here already
        self._rows: dict[Unit, list[Row]] = {}
        heading = json.loads(json.dumps({"subject": subject.name, **setup, **state_of(subject, setup)}))
        if path.exists() and path.stat().st_size:
            self._read(heading)
        else:
            self._append(heading)

    def rows(self, unit: Unit) -> list[Row] | None:
        """The verdicts on a unit, or None where it is still to be judged."""
        rows = self._rows.get(unit)
        self.taken += max((row.cases for row in rows or []), default=0)
        return rows

    def keep(self, unit: Unit, rows: list[Row]) -> None:
        self._rows[unit] = rows
        if self.lost:
            return  # half a line may stand there
        try:
            self._append({"unit": asdict(unit), "rows": [row.as_data() for row in rows]})
        except OSError as error:  # the disk is full: the run goes on
            self.lost = str(error.strerror)

    def _append(self, line: dict[str, Any]) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _read(self, heading: dict[str, Any]) -> None:
        try:
            # A line without its end was being written when the run was killed.
            whole, _, cut = self.path.read_text(encoding="utf-8").rpartition("\n")
            lines = whole.splitlines()
            if not lines and (cut.startswith(_BEGINNING) or _BEGINNING.startswith(cut)):
                self.path.write_text("")
                self._append(heading)
                return
            written, *units = [json.loads(line) for line in lines] or [{}]
            names = dict.fromkeys([*heading, *written])
            other = [name for name in names if written.get(name) != heading.get(name)]
            if not other:
                for line in units:
                    self._rows[Unit(**line["unit"])] = [Row.from_data(data) for data in line["rows"]]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise JournalError(
                f"{self.path}: not the journal of a run ({type(error).__name__}: {error})"
            ) from None
        if other:
            was, now = written.get(other[0]), heading.get(other[0])
            raise JournalError(
                f"{self.path}: the journal of another run: its {other[0]} is {was!r}, not {now!r}"
            )
        if cut:
            self.path.write_text(whole + "\n")


_BEGINNING = '{"subject": '


def state_of(subject: Subject, setup: Mapping[str, Any]) -> dict[str, Any]:
    """What a verdict depends on beside how a run was set up: what the subject declares, its code, and the versions."""
    plain = (field.name for field in fields(subject) if field.repr and field.name not in ("kernels", "name"))
    declared = {name: getattr(subject, name) for name in plain}
    state = declared | versions(setup.get("oracle", PLAIN), subject.array_framework)
    return state | {"source": digest(subject)}


def digest(subject: Subject) -> str:
    """Of the contents of a subject's files."""
    contents = (file.read_bytes() for file in sorted(own_files(subject)))
    return hashlib.sha256(b"".join(hashlib.sha256(content).digest() for content in contents)).hexdigest()[:16]


def own_files(subject: Subject) -> set[Path]:
    """The kernels' files, and modules and shared libraries beside or below them; what is installed has a version."""
    own = _sources(subject)
    folders = {file.parent for file in own if is_own(str(file))}
    loaded = {Path(file).resolve() for module in [*sys.modules.values()] if (file := _file_of(module))}
    loaded |= _mapped() | {library for folder in folders for library in filter(_is_library, folder.glob("*"))}
    near = {file for file in loaded if is_own(str(file)) and not folders.isdisjoint(file.parents)}
    return {file for file in own | near if file.is_file()}


def _sources(subject: Subject) -> set[Path]:
    """The files that hold the functions, as far as they are Python's, and the one that the subject was loaded from."""
    where = subject.name.partition(":")[0]
    files = {where if where.endswith(".py") else _file_of(sys.modules.get(where))}
    for operation in subject.operations:
        for function in subject.functions_of(operation).values():
            with contextlib.suppress(TypeError, ValueError):
                files.add(inspect.getsourcefile(inspect.unwrap(function)) or "")
    return {Path(file).resolve() for file in files if file}


def _file_of(module: Any) -> str:
    file = getattr(module, "__file__", None)
    return file if isinstance(file, str) else ""


def _mapped() -> set[Path]:
    """The shared libraries that this process has loaded, where the system tells."""
    maps = Path("/proc/self/maps")
    lines = maps.read_text(errors="replace").splitlines() if maps.exists() else []
    return {path for line in lines if "/" in line and _is_library(path := Path(line[line.index("/") :]))}


def _is_library(path: Path) -> bool:
    return bool({".so", ".dylib", ".dll", ".pyd"} & set(path.suffixes))
