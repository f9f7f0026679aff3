"""What the commands that judge do: a subject judged, the report told and written, the end with its exit status."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import click

from conformance.cli.listeners import events_to, progress
from conformance.cli.shared import (
    DECLARING,
    INTERRUPTED,
    beginning,
    console,
    deaf,
    ended_once,
    printing_to,
    show,
    write,
    wrong_usage,
)
from conformance.cli.writing import FORMATS, write_format

if TYPE_CHECKING:
    from conformance.kernels.subject import Subject
    from conformance.reports.document import Document
    from conformance.running.events import Listener
    from conformance.running.results import Results
    from conformance.running.settings import Settings
    from conformance.verdicts.verdict import Report, Unit

# What is finished already of the run with such a heading.
Given = Callable[[Mapping[str, Any]], "Results"]


class Judged(NamedTuple):
    """A report, what the run has finished, and what other runs that share it must have alike."""

    report: Report
    results: Results
    heading: Mapping[str, Any]


@ended_once()
def judge_and_end(
    subject: str, scripts: bool, options: dict[str, Any], given: Given | None = None, says: str = ""
) -> NoReturn:
    """Judge a subject, tell, and end with the exit status.

    given   what is finished of it already; says says what that is, after the number of its cases
    """
    from conformance.reports.baseline import read_baseline
    from conformance.reports.document import document
    from conformance.reports.last_time import keep
    from conformance.reports.run_info import RunInfo
    from conformance.reports.script_files import check_folder
    from conformance.reports.shards import ASKED, of_shard
    from conformance.usage import ANSWERS, declared_in_words, with_dtypes

    baseline, folder = options.pop("baseline"), options.pop("folder")
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
        runner["declared"] = with_dtypes(declared, options["dtypes"])
        report, found, heading = judged(subject, files, given, runner, listeners=listeners, **options)
    how = options["oracle"], options["profile"], options["seed"]
    taken = f"{found.taken:,} cases {says}" if found.taken else ""
    run = RunInfo(
        *how, time.perf_counter() - start, ANSWERS, runner["timeout"], taken, declared=declared, **began
    )
    told = document(report, run, known)
    if keeps:
        keep(report)
    asked = {"timeout": runner["timeout"], **words, **{name: options[name] for name in ASKED}}
    shard = of_shard(options["shard"], heading, asked, found) if options["shard"] else {}
    tell(told, files, scripts, to_stderr="-" in outputs.values(), folder=folder, more=shard)
    if found.lost:
        rest = "a run that resumes it judges the rest again"
        click.echo(f"--resume {found.lost[0]}: cannot be written: {found.lost[1]}; {rest}", err=True)
    sys.exit(INTERRUPTED if report.interrupted else 0 if report.passed else 1)


def judged(
    name: str,
    files: Mapping[str, str],
    given: Given | None,
    runner: Mapping[str, Any],
    oracle: str,
    is_over: Callable[[], bool] = lambda: False,
    listeners: Sequence[Listener] = (),
    failed: bool = False,
    **chosen: Any,
) -> Judged:
    """What a run finds; everything that the user wrote is checked before it begins.

    is_over  whether a search should end
    failed   whether only what failed last time is judged
    chosen   operations, requirements, skipped, dtypes, profile, seed, first_failure and shard
    """
    from conformance import usage
    from conformance.running.events import together
    from conformance.running.forecast import Forecast, tasks_of
    from conformance.running.results import Results
    from conformance.running.run import run
    from conformance.running.state import heading_of, setup_of

    for each, path in files.items():
        usage.check_report(f"--{each}", path)
    requirements = (*chosen["requirements"], *chosen["skipped"])
    usage.check_words(chosen["operations"], requirements, chosen["dtypes"], chosen["profile"])
    opened = usage.opened(name, oracle, operations=chosen["operations"], **runner)
    with progress() as line, opened as (subject, examining):
        settings = usage.settings(subject, **chosen)
        if failed:
            settings = _of_last_time(subject, settings)
        heading = heading_of(subject, setup_of(oracle, settings))
        results = given(heading) if given else Results()
        tasks = tasks_of(subject, settings, examining.isolated)
        with Forecast(tasks) as forecast:
            line.forecast = None if settings.first_failure else forecast  # nobody knows when that comes
            report = run(subject, examining, settings, together([line, *listeners]), results, is_over)
            return Judged(report, results, heading)


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
    to_stderr: bool = False,
    folder: str | None = None,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Print the report, and write it to each file with more entries, and each failure's script to the folder."""
    from conformance.reports import text
    from conformance.reports.data import as_data

    deaf()
    out = console(stderr=to_stderr)
    try:
        show(out, text.lines(document, out.width, scripts))
    finally:  # also where it could not be printed
        data = {**as_data(document), **more} if files or folder else {}
        for name, path in files.items():
            write_format(name, path, data)
        if folder:
            write_scripts(folder, data)


def write_scripts(folder: str, data: Mapping[str, Any]) -> None:
    from conformance.reports.lines import plural
    from conformance.reports.script_files import scripts_of, stale

    texts = scripts_of(data["failures"])
    for file in stale(Path(folder), data["subject"]["name"], texts):
        file.unlink()
    for name, text in texts.items():
        write("--scripts", str(Path(folder) / name), text)
    click.echo(f"{plural(len(texts), 'script')} in {folder}", err=True)
