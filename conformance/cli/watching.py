"""conformance run --watch: the same run again whenever a file that the kernel loads has changed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import click

POLLED = 0.3  # seconds between two looks at the files

Times = dict[Path, int]  # when each file was last written, in nanoseconds; 0 where it is not there


def watch(arguments: Sequence[str], subject: str) -> int:
    """Run again and again until Ctrl-C; the exit status of the last run that was whole.

    arguments  of the command, without --watch
    subject    whose file is watched as long as no run has said what it loads
    """
    files = [file for file in [Path(subject.partition(":")[0])] if file.is_file()]
    status = 0
    try:
        while True:
            before = _times(files)
            status, loaded = _run(arguments)
            files = loaded or files
            before |= {file: time for file, time in _times(files).items() if file not in before}
            click.echo(f"watching {_listed(files)}; Ctrl-C ends", err=True)
            _wait_for_change(before)
    except KeyboardInterrupt:
        return status


def _run(arguments: Sequence[str]) -> tuple[int, list[Path]]:
    """The exit status of one run, and the files that it loaded."""
    with TemporaryDirectory() as folder:
        events = Path(folder) / "events"
        command = [sys.executable, "-m", "conformance", *arguments, "--events", str(events)]
        process = subprocess.Popen(command)
        try:
            status = process.wait()
        except KeyboardInterrupt:  # of both: the run says how far it was
            process.wait()
            raise
        return status, _files_in(events)


def _files_in(events: Path) -> list[Path]:
    """What the first event says that was loaded; nothing where the run did not come so far."""
    first = events.read_text().partition("\n")[0] if events.exists() else ""
    return [Path(file) for file in json.loads(first)["files"]] if first else []


def _times(files: Sequence[Path]) -> Times:
    return {file: file.stat().st_mtime_ns if file.exists() else 0 for file in files}


def _wait_for_change(before: Times) -> None:
    while _times(list(before)) == before:
        time.sleep(POLLED)


def _listed(files: Sequence[Path]) -> str:
    names = [file.name for file in files]
    return ", ".join(names) or "no file of its own"
