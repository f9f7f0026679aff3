"""Who follows a run on the command line: a line of progress, and a log of its events."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

import click

from conformance.cli.shared import console

if TYPE_CHECKING:
    from conformance.reports.progress import Progress
    from conformance.running.events import Listener

FIRST_SECONDS = 5  # until the first line of progress where standard error is no terminal
LOG_SECONDS = 30  # between two of them
SHOWN_SECONDS = 0.1  # between changes of the line on a terminal


@contextmanager
def progress() -> Iterator[Progress]:
    """Who says how far the run is: a line on the terminal; in the log of a long run, one now and then."""
    from conformance.reports.progress import Progress

    if not sys.stderr.isatty():  # whatever a log is told to take for a terminal
        progress = Progress(lambda text: click.echo(text, err=True), FIRST_SECONDS, LOG_SECONDS)
        early = threading.Timer(FIRST_SECONDS, lambda: None if progress.counts else progress.say("loading"))
        early.daemon = True
        early.start()
        try:
            yield progress
        finally:
            early.cancel()
        return
    terminal = console(stderr=True)
    spinner = "dots" if terminal.encoding == "utf-8" else "line"
    with terminal.status("loading", spinner=spinner) as status:
        yield Progress(status.update, 0.0, SHOWN_SECONDS, tell=terminal.print)


@contextmanager
def saying() -> Iterator[Callable[[str], None]]:
    """How a line of progress is said: on the terminal; in a log, one now and then."""
    if sys.stderr.isatty():
        terminal = console(stderr=True)
        with terminal.status("loading", spinner="dots" if terminal.encoding == "utf-8" else "line") as status:
            yield status.update
        return
    due = time.monotonic() + FIRST_SECONDS

    def say(text: str) -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + LOG_SECONDS
            click.echo(text, err=True)

    yield say


@contextmanager
def events_to(path: str | None) -> Iterator[list[Listener]]:
    """Who writes the events to a file, if to any; - is standard output, as it is now."""
    from conformance.reports.event_log import EventLog

    if path is None:
        yield []
        return
    file, lost = _opened(path), False

    def write(line: str) -> None:
        nonlocal lost
        try:
            if not lost:
                file.write(line)
                file.flush()
        except OSError as error:  # the run goes on
            lost = True
            click.echo(f"--events {path}: cannot be written: {error.strerror}; the rest is not", err=True)

    yield [EventLog(write)]
    with suppress(OSError):  # of what was lost
        file.close()


def _opened(path: str) -> TextIO:
    try:
        return os.fdopen(os.dup(1), "w") if path == "-" else open(path, "w")  # noqa: PTH123 (a device, too)
    except OSError as error:
        raise click.UsageError(f"--events {path}: cannot be written: {error.strerror}") from None
