"""What the commands share: options, exit statuses, errors of usage, and how lines are printed."""

from __future__ import annotations

import ctypes
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

import click

from conformance.kernels.framework import TRUSTED

if TYPE_CHECKING:
    from rich.console import Console

    from conformance.reports.lines import Line

DECLARING = ("strict", "framework", "device")  # options that declare a field of a Subject
WRONG, INTERRUPTED = 2, 130  # exit statuses: wrong usage, as click has it; broken off, as of a shell
UNBROKEN = 10_000  # columns where nobody says how many there are: a file is not read in a terminal of 80

Command = Callable[..., None]


class Untold(click.ClickException):
    """A verdict that could not be reached, or not be written where it was wanted: no status of a kernel."""

    exit_code = WRONG


def words(kind: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """What a shell completes: the words of a kind that begin so, the last of a list with commas."""

    def complete(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
        from conformance import usage

        before, comma, last = begun.rpartition(",")
        there = sorted(usage.WORDS[kind]())
        return [f"{before}{comma}{word}" for word in there if word.startswith(last)]

    return complete


def judging(command: Command) -> Command:
    """The options that say how cases are judged; run and replay share them."""
    for option in (
        click.option("--timeout", type=float, default=10.0, metavar="SECONDS", show_default=True,
                     help="How long a call may take; one that takes longer counts as hung."),
        click.option("--in-process", is_flag=True,
                     help="Judge in this process, without workers, for a debugger; a crash then ends the run."),
        click.option("--oracle", shell_complete=words("oracle"), default=TRUSTED, metavar="NAME", show_default=True,
                     help="Whose answers count as right; `conformance list oracles` shows the choice."),
        click.option("--device", metavar="NAME", help="Where its arrays live, as its framework names it."),
        click.option("--framework", shell_complete=words("framework"), metavar="NAME",
                     help="Whose arrays it takes; found out if not given."),
        click.option("--strict/--no-strict", default=False,
                     help="What is otherwise advice fails, as bad arguments that are answered."),
    ):  # fmt: skip
        command = option(command)
    return command


def several(*names: str, of: str, **how: Any) -> Callable[[Command], Command]:
    """An option that may be repeated, or be given words of a kind with commas between them."""

    def split(context: click.Context, parameter: click.Parameter, given: Sequence[str]) -> tuple[str, ...]:
        return tuple(word.strip() for words in given for word in words.split(","))

    return click.option(
        *names, multiple=True, metavar="NAME", callback=split, shell_complete=words(of), **how
    )


def thoroughness(command: Command) -> Command:
    """The options that say which operations are judged, and how thoroughly; run and mutants share them."""
    for option in (
        click.option("--profile", shell_complete=words("profile"), default="standard", metavar="NAME",
                     show_default=True, help="How thoroughly: quick, standard or deep."),
        several("--op", "operations", of="operation",
                help="Only this operation; may be repeated, or a list with commas."),
    ):  # fmt: skip
        command = option(command)
    return command


def beginning() -> Mapping[str, Any]:
    """The command as it was typed, and when it began: what a report says of both."""
    command = shlex.join(["conformance", *sys.argv[1:]])
    return {"command": command, "started": datetime.now(UTC).isoformat(timespec="seconds")}


@contextmanager
def ended_once() -> Iterator[None]:
    """SIGTERM, as of a CI job whose time is up, ends a run as Ctrl-C does; a second signal costs no report.

    A process in the background that ignores Ctrl-C goes on doing so.
    """

    ended = False

    def end(number: int, frame: Any) -> None:
        nonlocal ended
        ended = True
        deaf()
        raise KeyboardInterrupt

    heard = [each for each in _ENDING if signal.getsignal(each) != signal.SIG_IGN or each == signal.SIGTERM]
    before = {each: signal.signal(each, end) for each in heard}
    try:
        yield
    finally:
        for each, handler in before.items() if not ended else ():  # else the process ends now
            signal.signal(each, handler)


def deaf() -> None:
    """From here on no signal that ends a run does: its report is being written.

    Signals are taken and not ignored: an ignored SIGINT tells a call that it is one in a worker.
    """
    for each in _ENDING:
        signal.signal(each, lambda number, frame: None)


_ENDING = (signal.SIGINT, signal.SIGTERM)


def check_apart(files: Mapping[str, str | None]) -> None:
    """Whether each option has a file of its own; standard output is one file, too."""
    taken: dict[str, str] = {}
    for option, path in files.items():
        if path is None or (os.path.exists(path) and not os.path.isfile(path)):  # noqa: PTH110, PTH113 (a device may be named twice)
            continue
        if path == "":
            raise click.UsageError(f"{option} '': a file has a name")
        place = path if path == "-" else os.path.realpath(path)
        if place in taken:
            also = "standard output is one file" if path == "-" else "one file for both"
            raise click.UsageError(f"{taken[place]} and {option} {path}: {also}")
        taken[place] = f"{option} {path}"


@contextmanager
def wrong_usage() -> Iterator[None]:
    """Turn what a user can get wrong into one line and exit status 2, before anything runs."""
    from conformance.cases import CaseError
    from conformance.kernels.framework import MissingFramework
    from conformance.kernels.subject import SubjectError
    from conformance.usage import WrongUsage

    try:
        yield
    except (WrongUsage, SubjectError, CaseError, MissingFramework) as error:
        from conformance.reports.lines import printable

        raise click.UsageError("\n".join(map(printable, str(error).splitlines()))) from None
    except RuntimeError as error:
        from conformance.running.workers import ExaminationError

        if not isinstance(error, ExaminationError):
            raise
        raise Untold(f"the suite itself failed, so there is no verdict: {error}") from None


@contextmanager
def whole_report(path: str) -> Iterator[None]:
    """An error of usage where the data of a report lacks what one has: it was edited, or is of another version."""
    from conformance.usage import WrongUsage

    try:
        yield
    except WrongUsage:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise click.UsageError(f"{path}: is no whole report of this version: {what}") from None


def write(option: str, path: str, text: str) -> None:
    """A file that a user asked for; an error that names the option where it cannot be written."""
    from pathlib import Path

    try:
        Path(path).write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise Untold(f"{option} {path}: cannot be written: {error.strerror}") from None


@contextmanager
def printing_to(file: TextIO, descriptor: int, errors: bool = False) -> Iterator[None]:
    """What is printed to standard output, and standard error if wanted, goes elsewhere, also past Python."""
    ours = (1, 2) if errors else (1,)
    before = [os.dup(each) for each in ours]
    try:
        _flush()
        for each in ours:
            os.dup2(descriptor, each)
        with redirect_stdout(file), redirect_stderr(file if errors else sys.stderr):
            yield
    finally:
        file.flush()
        _flush()
        for each, kept in zip(ours, before, strict=True):
            os.dup2(kept, each)
            os.close(kept)


def _flush() -> None:
    """What Python and the C library still hold of what was printed."""
    sys.stdout.flush()
    sys.stderr.flush()
    ctypes.CDLL(None).fflush(None)


def console(stderr: bool = False) -> Console:
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False, emoji=False, markup=False)
    if not os.environ.get("COLUMNS") and not (sys.stderr if stderr else sys.stdout).isatty():
        console.width = UNBROKEN
    if not console.width:  # COLUMNS=0
        console.width = 80
    return console


def show(console: Console, lines: Iterable[Line]) -> None:
    """Print lines as they are: what is to be copied is never broken by the width of the terminal."""
    for line in lines:
        console.print(_text(line), soft_wrap=True)


def _text(line: Line) -> Any:
    from rich.text import Text

    from conformance.reports.lines import STYLES

    return Text.assemble(*((text, STYLES[style]) for text, style in line))
