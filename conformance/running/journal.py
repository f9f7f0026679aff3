"""The results of a run in a file, one JSON line each, so that an interrupted one goes on. Reading it runs no code."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conformance.running.results import Results
from conformance.running.state import other_run


class JournalError(ValueError):
    """A journal that cannot be read, or of another run."""


class Journal(Results):
    """Opens the journal of a run at a path, or begins it; its heading, the first line, says who is judged, and how."""

    def __init__(self, path: Path, heading: Mapping[str, Any]) -> None:
        super().__init__()
        self.path = path
        if path.exists() and path.stat().st_size:
            self._read(heading)
        else:
            self._append(heading)

    def _write(self, line: dict[str, Any]) -> None:
        if self.lost:
            return  # half a line may stand there
        try:
            self._append(line)
        except OSError as error:  # the disk is full: the run goes on
            self.lost = str(self.path), str(error.strerror)

    def _append(self, line: Mapping[str, Any]) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _read(self, heading: Mapping[str, Any]) -> None:
        try:
            # A line without its end was being written when the run was killed.
            whole, _, cut = self.path.read_text(encoding="utf-8").rpartition("\n")
            lines = whole.splitlines()
            if not lines and (cut.startswith(_BEGINNING) or _BEGINNING.startswith(cut)):
                self.path.write_text("")
                self._append(heading)
                return
            written, *others = [json.loads(line) for line in lines] or [{}]
            difference = other_run(written, heading)
            for line in others if not difference else ():
                self.take(line)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise JournalError(
                f"{self.path}: not the journal of a run ({type(error).__name__}: {error})"
            ) from None
        if difference:
            raise JournalError(f"{self.path}: the journal of another run: {difference}")
        if cut:
            self.path.write_text(whole + "\n")


_BEGINNING = '{"subject": '
