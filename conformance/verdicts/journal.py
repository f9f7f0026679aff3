"""The finished units of a run, one JSON line each, so that an interrupted one goes on. Reading it runs no code."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from conformance.cases import Case
from conformance.kernels.subject import Subject
from conformance.verdicts.judgement import Judgement
from conformance.verdicts.verdict import Failure, Row, Unit


class JournalError(ValueError):
    """A journal that cannot be read, or of another run."""


class Journal:
    """Opens the journal of a run at a path, or begins it; its first line says what was asked of whom."""

    def __init__(self, path: Path, subject: Subject, asked: Mapping[str, Any]) -> None:
        self.path = path
        self.lost = ""  # why the rest is not kept
        self._rows: dict[Unit, list[Row]] = {}
        heading = json.loads(json.dumps({"subject": subject.name, **asked, "source": digest(subject)}))
        if path.exists() and path.stat().st_size:
            self._read(heading)
        else:
            self._append(heading)

    def rows(self, unit: Unit) -> list[Row] | None:
        """What was found for a unit, or None where it is still to be judged."""
        return self._rows.get(unit)

    def keep(self, unit: Unit, rows: list[Row]) -> None:
        self._rows[unit] = rows
        if self.lost:
            return  # half a line may stand there
        try:
            self._append({"unit": asdict(unit), "rows": [_plain(row) for row in rows]})
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
            found, *units = [json.loads(line) for line in lines] or [{}]
            other = [name for name in heading if found.get(name) != heading[name]]
            if not other:
                for line in units:
                    self._rows[Unit(**line["unit"])] = [_row(plain) for plain in line["rows"]]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise JournalError(
                f"{self.path}: no journal of a run ({type(error).__name__}: {error})"
            ) from None
        if other:
            was, now = found.get(other[0]), heading[other[0]]
            raise JournalError(
                f"{self.path}: the journal of another run: its {other[0]} is {was!r}, not {now!r}"
            )
        if cut:
            self.path.write_text(whole + "\n")


def digest(subject: Subject) -> str:
    """Of the files that hold the kernels, as far as they are Python's: a changed kernel is another one."""
    files = set()
    for operation in subject.operations:
        for name in (operation, f"{operation}_backward"):
            try:
                files.add(inspect.getsourcefile(inspect.unwrap(subject.function(name))))  # type: ignore[arg-type]
            except (TypeError, ValueError):
                continue
    contents = [Path(file).read_bytes() for file in sorted(filter(None, files)) if Path(file).is_file()]
    return hashlib.sha256(b"".join(contents)).hexdigest()[:16]


def _plain(row: Row) -> dict[str, Any]:
    plain = {name: value for name, value in vars(row).items() if name != "failure"} | {
        "unit": asdict(row.unit)
    }
    if (failure := row.failure) is None:
        return plain
    texts = {"case": str(failure.case), "first": str(failure.first), "judgement": list(failure.judgement)}
    return plain | {"failure": vars(failure) | texts}


def _row(plain: dict[str, Any]) -> Row:
    failure = plain.get("failure")
    if failure:
        cases = {name: Case.parse(failure[name]) for name in ("case", "first")}
        failure = Failure(**(failure | cases | {"judgement": Judgement(*failure["judgement"])}))
    return Row(**(plain | {"unit": Unit(**plain["unit"]), "failure": failure}))
