"""The results of a run in a file, one JSON line each, so that an interrupted one goes on. Reading it runs no code."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from conformance.running.results import Results
from conformance.running.state import other_run

_BEGINNING = '{"subject": '

Line = dict[str, Any]


class JournalError(ValueError):
    """A journal that cannot be read, or of another run."""


class JournalFile:
    """The lines of a file, by subject; what is written to it stands there also if this process is killed next.

    headings  who is judged, and how: the first line of each subject
    lines     what is finished of each
    lost      why the rest is not kept: the file, and the error
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.headings: dict[str, Line] = {}
        self.lines: dict[str, list[Line]] = {}
        self.lost: tuple[str, str] | None = None
        if path.exists() and path.stat().st_size:
            try:
                self._read()
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                said = f"not the journal of a run ({type(error).__name__}: {error})"
                raise JournalError(f"{path}: {said}") from None

    def begin(self, heading: Mapping[str, Any]) -> None:
        """Begin a subject; JournalError where it stands there as of another run."""
        name = heading["subject"]
        if name not in self.headings:
            self.headings[name], self.lines[name] = dict(heading), []
            self._append([heading])
        elif difference := other_run(self.headings[name], heading):
            raise JournalError(f"{self.path}: the journal of another run: {difference}")

    def keep(self, name: str, lines: Iterable[Mapping[str, Any]]) -> None:
        self._append({"of": name, **line} for line in lines)

    def _append(self, lines: Iterable[Mapping[str, Any]]) -> None:
        if self.lost:
            return  # half a line may stand there
        try:
            with self.path.open("a") as file:
                file.writelines(json.dumps(line) + "\n" for line in lines)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:  # the disk is full: the run goes on
            self.lost = str(self.path), str(error.strerror)

    def _read(self) -> None:
        # A line without its end was being written when the run was killed.
        whole, _, cut = self.path.read_text(encoding="utf-8").rpartition("\n")
        if not whole and not (cut.startswith(_BEGINNING) or _BEGINNING.startswith(cut)):
            raise ValueError("it has no whole line")
        for line in map(json.loads, whole.splitlines()):
            if "of" in line:
                Results().take(line)  # what is none must not end the run later on
                self.lines[line["of"]].append(line)
            else:
                self.headings[line["subject"]] = line
                self.lines[line["subject"]] = []
        if cut:
            self.path.write_text(whole + "\n" if whole else "")


class Journal(Results):
    """The results of one subject, kept in a file that no other one has."""

    def __init__(self, path: Path, heading: Mapping[str, Any]) -> None:
        super().__init__()
        self.file = JournalFile(path)
        self.name = heading["subject"]
        for other in self.file.headings.values():
            if difference := other_run(other, heading):
                raise JournalError(f"{path}: the journal of another run: {difference}")
        self.file.begin(heading)
        self.lost = self.file.lost
        try:
            for line in self.file.lines[self.name]:
                self.take(line)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            said = f"not the journal of a run ({type(error).__name__}: {error})"
            raise JournalError(f"{path}: {said}") from None

    def _write(self, line: Line) -> None:
        self.file.keep(self.name, [line])
        self.lost = self.file.lost
