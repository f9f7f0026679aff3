"""conformance run: judge a subject, and report."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from conformance.cli.configured import Configured, check_files, files_of, has_several, subject_of
from conformance.cli.listeners import events_to, progress
from conformance.cli.shared import (
    DECLARING,
    INTERRUPTED,
    Command,
    beginning,
    check_apart,
    console,
    deaf,
    ended_once,
    judging,
    printing_to,
    several,
    show,
    thoroughness,
    write,
    wrong_usage,
)
from conformance.cli.watching import watch
from conformance.reports import formats

if TYPE_CHECKING:
    from conformance.kernels.subject import Subject
    from conformance.reports.document import Document
    from conformance.running.events import Listener
    from conformance.running.settings import Settings
    from conformance.verdicts.journal import Journal
    from conformance.verdicts.verdict import Report, Unit

FORMATS = tuple(module.name for module in pkgutil.iter_modules(formats.__path__))


def _choosing(command: Command) -> Command:
    """The options that say what is judged, beside those that mutants has, too."""
    for option in (
        click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
                     help="Draw other random cases."),
        several("--dtype", "dtypes", of="dtype", help="Only this dtype, and claim it; may be repeated."),
        several("--skip", "skipped", of="requirement", help="Not this requirement; may be repeated."),
        several("--requirement", "requirements", of="requirement", help="Only this requirement; may be repeated."),
    ):  # fmt: skip
        command = option(command)
    return command


def writing(says: str) -> Callable[[Command], Command]:
    """An option for each file of reports/formats, whose help begins so."""

    def add(command: Command) -> Command:
        for name in FORMATS:
            text = f"{says} as {formats.PURPOSES[name]}; - is standard output."
            command = click.option(f"--{name}", metavar="FILE", help=text)(command)
        return command

    return add


def _again(command: Command) -> Command:
    """The options of one who mends a kernel, and runs it again and again."""
    for option in (
        click.option("--no-cache", "no_cache", is_flag=True, help="Keep nothing for --failed."),
        click.option("--events", metavar="FILE",
                     help="Write what happens as it happens, as JSON lines; - is standard output."),
        click.option("--watch", is_flag=True, help="Run again whenever a file that the kernel loads changes."),
        click.option("--failed", is_flag=True, help="Only the cases that failed last time, if any did."),
        click.option("-x", "--first-failure", "first_failure", is_flag=True, help="End at the first failure."),
    ):  # fmt: skip
        command = option(command)
    return command


@click.command("run", cls=Configured)
@click.argument("subject", required=False)
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
@writing("Also write the report")
@click.option(
    "--script",
    "scripts",
    is_flag=True,
    help="With each failure, print a script that needs only NumPy, PyTorch and the kernel.",
)
@click.option(
    "--scripts", "folder", metavar="FOLDER", help="Write that script of each failure to a file in FOLDER."
)
@judging
@_again
@click.pass_context
def command(context: click.Context, /, subject: str | None, scripts: bool, **options: Any) -> None:
    """Judge SUBJECT: every operation it has, under every requirement.

    Without SUBJECT those that conformance.toml or [tool.conformance] of pyproject.toml names. What is written there
    holds where an option is not typed.
    """
    _check_together(options)
    if has_several(context, subject):
        if options["watch"]:
            raise click.UsageError("--watch: one subject at a time")
        check_files(context, {f"--{name}": options[parameter] for parameter, name in _FILES.items()})
    subject = subject_of(context, subject)
    options = files_of(context, subject, options, [*_FILES, "baseline"])
    if options.pop("watch"):
        sys.exit(watch([word for word in sys.argv[1:] if word != "--watch"], subject))
    _run(subject, scripts, options)


@ended_once()
def _run(subject: str, scripts: bool, options: dict[str, Any]) -> None:
    """Judge a subject, tell, and end with the exit status."""
    from conformance.operations.dtypes import USUAL
    from conformance.reports.baseline import read_baseline
    from conformance.reports.document import document
    from conformance.reports.last_time import keep
    from conformance.reports.run_info import RunInfo
    from conformance.reports.script_files import check_folder
    from conformance.usage import ANSWERS, declared_in_words

    baseline, resume, folder = (options.pop(name) for name in ("baseline", "resume", "folder"))
    files = {name: path for name in FORMATS if (path := options.pop(name)) is not None}
    runner = {name: options.pop(name) for name in ("jobs", "in_process", "timeout")}
    words = {name: options.pop(name) for name in DECLARING}
    keeps = not options.pop("no_cache")
    start, began = time.perf_counter(), beginning()
    outputs = {**files, "events": options.pop("events")}
    with wrong_usage(), events_to(outputs["events"]) as listeners, printing_to(sys.stderr, 2):
        if folder is not None:
            check_folder("--scripts", folder)
        known = None if baseline is None else read_baseline("--baseline", baseline, subject)
        declared = declared_in_words(**words)
        runner["declared"] = dict(declared)
        if not set(USUAL).issuperset(options["dtypes"]):  # which nobody would ask it for else
            runner["declared"]["dtypes"] = options["dtypes"]
        report, journal = judged(subject, files, resume, runner, listeners=listeners, **options)
    resumed = f"{journal.taken:,} cases taken from {resume}" if journal and journal.taken else ""
    how = options["oracle"], options["profile"], options["seed"]
    run = RunInfo(
        *how, time.perf_counter() - start, ANSWERS, runner["timeout"], resumed, declared=declared, **began
    )
    told = document(report, run, known)
    if keeps:
        keep(report)
    tell(told, files, scripts, journal, to_stderr="-" in outputs.values(), folder=folder)
    sys.exit(INTERRUPTED if report.interrupted else 0 if report.passed else 1)


_FILES = {**{name: name for name in (*FORMATS, "events", "resume")}, "folder": "scripts"}  # by parameter


def _check_together(options: Mapping[str, Any]) -> None:
    """What is asked at once must go together."""
    check_apart({f"--{name}": options[name] for name in (*FORMATS, "events", "resume", "baseline")})
    if options["failed"] and options["resume"] is not None:
        raise click.UsageError("--failed and --resume: a journal is one of a whole run")
    if options["first_failure"] and options["baseline"] is not None:
        raise click.UsageError("--first-failure and --baseline: the first failure may be a known one")
    if options["watch"] and options["events"] is not None:
        raise click.UsageError("--watch and --events: each run of a watch has a stream of its own")


def judged(
    name: str,
    files: Mapping[str, str],
    resume: str | None,
    runner: Mapping[str, Any],
    oracle: str,
    is_over: Callable[[], bool] = lambda: False,
    listeners: Sequence[Listener] = (),
    failed: bool = False,
    **chosen: Any,
) -> tuple[Report, Journal | None]:
    """The report of a run, and its journal; everything that the user wrote is checked before it begins.

    is_over  whether a search should end
    failed   whether only what failed last time is judged
    chosen   operations, requirements, skipped, dtypes, profile, seed and first_failure
    """
    from conformance import usage
    from conformance.running.events import together
    from conformance.running.forecast import Forecast, tasks_of
    from conformance.running.run import run

    for each, path in files.items():
        usage.check_report(f"--{each}", path)
    usage.check_writable("--resume", resume)
    requirements = (*chosen["requirements"], *chosen["skipped"])
    usage.check_words(chosen["operations"], requirements, chosen["dtypes"], chosen["profile"])
    opened = usage.opened(name, oracle, operations=chosen["operations"], **runner)
    with progress() as line, opened as (subject, examining):
        settings = usage.settings(subject, **chosen)
        if failed:
            settings = _of_last_time(subject, settings)
        heading = {"oracle": oracle, "profile": settings.profile, "seed": settings.seed}
        heading |= {"first_failure": True} if settings.first_failure else {}
        journal = None if resume is None else usage.journal_of(resume, subject, heading)
        with Forecast(tasks_of(subject, settings, examining.isolated)) as line.forecast:
            return run(subject, examining, settings, together([line, *listeners]), journal, is_over), journal


def _of_last_time(subject: Subject, settings: Settings) -> Settings:
    """The settings of a run that judges what failed last time, of what was chosen; as they are where nothing did."""
    from conformance.reports import last_time

    def chosen(unit: Unit) -> bool:
        of = (
            (settings.operations or subject.operations, unit.operation),
            (settings.requirements, unit.requirement),
        )
        return all(not words or word in words for words, word in (*of, (settings.dtypes, unit.dtype)))

    only = {unit: cases for unit, cases in (last_time.failed(subject.name) or {}).items() if chosen(unit)}
    if not only:
        click.echo("nothing is known to have failed last time: all is judged", err=True)
        return settings
    operations = tuple(dict.fromkeys(unit.operation for unit in only))
    return replace(settings, operations=operations, only=only)


def tell(
    document: Document,
    files: Mapping[str, str],
    scripts: bool,
    journal: Journal | None,
    to_stderr: bool = False,
    folder: str | None = None,
) -> None:
    """Print the report, and write it to each file, and each failure's script to the folder."""
    from conformance.reports import text
    from conformance.reports.data import as_data

    deaf()
    out = console(stderr=to_stderr)
    try:
        show(out, text.lines(document, out.width, scripts))
        if journal and journal.lost:
            lost = f"cannot be written: {journal.lost}; a run that resumes it judges the rest again"
            click.echo(f"--resume {journal.path}: {lost}", err=True)
    finally:  # also where it could not be printed
        data = as_data(document) if files or folder else {}
        for name, path in files.items():
            write_format(name, path, data)
        if folder:
            _write_scripts(folder, data)


def _write_scripts(folder: str, data: Mapping[str, Any]) -> None:
    from conformance.reports.lines import plural
    from conformance.reports.script_files import scripts_of, stale

    texts = scripts_of(data["failures"])
    for file in stale(Path(folder), data["subject"]["name"], texts):
        file.unlink()
    for name, text in texts.items():
        write("--scripts", str(Path(folder) / name), text)
    click.echo(f"{plural(len(texts), 'script')} in {folder}", err=True)


def write_format(name: str, path: str, data: Mapping[str, Any]) -> None:
    """The report in a format, to a file or to standard output."""
    text = importlib.import_module(f"{formats.__name__}.{name}").render(data)
    if path == "-":
        sys.stdout.write(text)
    else:
        write(f"--{name}", path, text)
