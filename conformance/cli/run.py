"""conformance run: judge a subject, and report."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from conformance.cli.shared import (
    DECLARING,
    INTERRUPTED,
    Command,
    beginning,
    console,
    ended_by_sigterm,
    judging,
    printing_to,
    several,
    show,
    thoroughness,
    write,
    wrong_usage,
)
from conformance.reports import formats

if TYPE_CHECKING:
    from conformance.reports.document import Document
    from conformance.reports.progress import Progress
    from conformance.verdicts.journal import Journal
    from conformance.verdicts.verdict import Report

FIRST_SECONDS = 5  # until the first line of progress where standard error is no terminal
LOG_SECONDS = 30  # between two of them
SHOWN_SECONDS = 0.1  # between changes of the line on a terminal
FORMATS = tuple(module.name for module in pkgutil.iter_modules(formats.__path__))


def _choosing(command: Command) -> Command:
    """The options that say what is judged, beside those that mutants has, too."""
    for option in (
        click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
                     help="Draw other random cases."),
        several("--dtype", "dtypes", help="Only this dtype, and claim it; may be repeated."),
        several("--skip", "skipped", help="Not this requirement; may be repeated."),
        several("--requirement", "requirements", help="Only this requirement; may be repeated."),
    ):  # fmt: skip
        command = option(command)
    return command


def _writing(command: Command) -> Command:
    """An option for each file of reports/formats."""
    for name in FORMATS:
        text = f"Also write the report as {name.upper()}; - is standard output."
        command = click.option(f"--{name}", metavar="FILE", help=text)(command)
    return command


@click.command("run")
@click.argument("subject")
@thoroughness
@_choosing
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many worker processes; one for each core if not given.",
)
@click.option(
    "--resume",
    metavar="FILE",
    help="Save what is finished in FILE; if FILE holds an interrupted run, continue that.",
)
@click.option(
    "--baseline",
    metavar="FILE",
    help="Fail on new failures only: FILE has the known ones (`conformance baseline update`, or a --json).",
)
@_writing
@click.option(
    "--script",
    "scripts",
    is_flag=True,
    help="With each failure, print a script that needs only NumPy, PyTorch and the kernel.",
)
@judging
def command(subject: str, resume: str | None, baseline: str | None, scripts: bool, **options: Any) -> None:
    """Judge SUBJECT: every operation it has, under every requirement."""
    from conformance.operations.dtypes import USUAL
    from conformance.reports.baseline import read_baseline
    from conformance.reports.document import document
    from conformance.reports.run_info import RunInfo
    from conformance.usage import ANSWERS, declared_in_words

    files = {name: path for name in FORMATS if (path := options.pop(name)) is not None}
    runner = {name: options.pop(name) for name in ("jobs", "in_process", "timeout")}
    words = {name: options.pop(name) for name in DECLARING}
    start, began = time.perf_counter(), beginning()
    with wrong_usage(), printing_to(sys.stderr, 2):
        known = None if baseline is None else read_baseline("--baseline", baseline, subject)
        declared = declared_in_words(**words)
        runner["declared"] = dict(declared)
        if not set(USUAL).issuperset(options["dtypes"]):  # which nobody would ask it for else
            runner["declared"]["dtypes"] = options["dtypes"]
        report, journal = judged(subject, files, resume, runner, **options)
    resumed = f"{journal.taken:,} cases taken from {resume}" if journal and journal.taken else ""
    how = options["oracle"], options["profile"], options["seed"]
    run = RunInfo(
        *how, time.perf_counter() - start, ANSWERS, runner["timeout"], resumed, declared=declared, **began
    )
    tell(document(report, run, known), files, scripts, journal)
    sys.exit(INTERRUPTED if report.interrupted else 0 if report.passed else 1)


def judged(
    name: str,
    files: Mapping[str, str],
    resume: str | None,
    runner: Mapping[str, Any],
    oracle: str,
    is_over: Callable[[], bool] = lambda: False,
    **chosen: Any,
) -> tuple[Report, Journal | None]:
    """The report of a run, and its journal; everything that the user wrote is checked before it begins.

    is_over  whether a search should end
    chosen   operations, requirements, skipped, dtypes, profile and seed
    """
    from conformance import usage
    from conformance.running.forecast import Forecast, tasks_of
    from conformance.running.run import run

    for each, path in files.items():
        usage.check_report(f"--{each}", path)
    usage.check_writable("--resume", resume)
    requirements = (*chosen["requirements"], *chosen["skipped"])
    usage.check_words(chosen["operations"], requirements, chosen["dtypes"], chosen["profile"])
    opened = usage.opened(name, oracle, operations=chosen["operations"], **runner)
    with ended_by_sigterm(), _progress() as progress, opened as (subject, examining):
        settings = usage.settings(subject, **chosen)
        heading = {"oracle": oracle, "profile": settings.profile, "seed": settings.seed}
        journal = None if resume is None else usage.journal_of(resume, subject, heading)
        with Forecast(tasks_of(subject, settings, examining.isolated)) as progress.forecast:
            return run(subject, examining, settings, progress, journal, is_over), journal


def tell(document: Document, files: Mapping[str, str], scripts: bool, journal: Journal | None) -> None:
    """Print the report, and write it to each file."""
    from conformance.reports import text
    from conformance.reports.data import as_data

    out = console(stderr="-" in files.values())
    try:
        show(out, text.lines(document, out.width, scripts))
        if journal and journal.lost:
            lost = f"cannot be written: {journal.lost}; a run that resumes it judges the rest again"
            click.echo(f"--resume {journal.path}: {lost}", err=True)
    finally:  # also where it could not be printed
        data = as_data(document) if files else {}
        for name, path in files.items():
            _write(name, path, data)


def _write(name: str, path: str, data: Mapping[str, Any]) -> None:
    """The report in a format, to a file or to standard output."""
    text = importlib.import_module(f"{formats.__name__}.{name}").render(data)
    if path == "-":
        sys.stdout.write(text)
    else:
        write(f"--{name}", path, text)


@contextmanager
def _progress() -> Iterator[Progress]:
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
        yield Progress(status.update, 0.0, SHOWN_SECONDS)
