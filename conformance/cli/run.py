"""conformance run: judge a subject, and report."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

import click

from conformance.cli.configured import Configured, check_files, files_of, subjects_of
from conformance.cli.judging import judge_and_end
from conformance.cli.many import WHOLE, check_elsewhere, is_whole, judge_many
from conformance.cli.shared import Command, check_apart, judging, several, thoroughness, wrong_usage
from conformance.cli.watching import watch
from conformance.cli.writing import FORMATS, writing


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


def _shard(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[int, int] | None:
    """Of 3/8."""
    if text is None:
        return None
    number, _, of = text.partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise click.BadParameter(f"{text}: write 3/8 for the third of eight parts")
    return int(number), int(of)


def _elsewhere(command: Command) -> Command:
    """The options that say by whom it is judged."""
    for option in (
        click.option("--carry", multiple=True, metavar="PATH",
                     help="With these, a file or folder that the kernel needs beside it; may be repeated."),
        click.option("--dask", metavar="ADDRESS",
                     help="Judge on a Dask cluster: the address of its scheduler, or local for one on this machine."),
        click.option("--executor", metavar="MODULE:FACTORY",
                     help="Judge by the concurrent.futures.Executor that a function returns."),
    ):  # fmt: skip
        command = option(command)
    return command


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
@click.argument("subjects", nargs=-1, metavar="[SUBJECT]...")
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
    "--shard",
    metavar="I/N",
    callback=_shard,
    help="Judge the I-th of N parts alone, as on one of N machines; `conformance merge` joins their --json reports.",
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
@_elsewhere
@judging
@_again
@click.pass_context
def command(context: click.Context, /, subjects: tuple[str, ...], scripts: bool, **options: Any) -> None:
    """Judge SUBJECT: every operation it has, under every requirement.

    Several subjects make one table; @FILE stands for those that a file names, one a line. Without SUBJECT those that
    conformance.toml or [tool.conformance] of pyproject.toml names. What is written there holds where an option is not
    typed.
    """
    _check_together(options)
    names = subjects_of(context, subjects)
    several = len(names) > 1
    if several or options["executor"] or options["dask"]:
        whole = (WHOLE,) if several and is_whole(options) else ()
        check_files(names, {f"--{name}": options[each] for each, name in _OWN.items() if each not in whole})
        check_elsewhere({**options, "script": scripts and several})
        judge_many(names, scripts, options, lambda name, each: files_of(context, name, options, [each])[each])
    (subject,) = names
    options = files_of(context, subject, options, [*_OWN, "events", "resume", "baseline"])
    if options["carry"]:
        raise click.UsageError("--carry: goes with --executor or --dask; here files are taken where they lie")
    for name in ("executor", "dask", "carry"):
        options.pop(name)
    if options.pop("watch"):
        sys.exit(watch([word for word in sys.argv[1:] if word != "--watch"], subject))
    resume = options.pop("resume")
    if resume is None:
        judge_and_end(subject, scripts, options)
    from conformance import usage

    with wrong_usage():
        usage.check_writable("--resume", resume)
    judge_and_end(subject, scripts, options, partial(usage.journal_of, resume), f"taken from {resume}")


_OWN = {**{name: name for name in FORMATS}, "folder": "scripts"}  # files that each subject has of its own


def _check_together(options: Mapping[str, Any]) -> None:
    """What is asked at once must go together."""
    check_apart({f"--{name}": options[name] for name in (*FORMATS, "events", "resume", "baseline")})
    if options["failed"] and options["resume"] is not None:
        raise click.UsageError("--failed and --resume: a journal is one of a whole run")
    if options["first_failure"] and options["baseline"] is not None:
        raise click.UsageError("--first-failure and --baseline: the first failure may be a known one")
    if options["executor"] is not None and options["dask"] is not None:
        raise click.UsageError("--executor and --dask: one of them")
    for other in ("first_failure", "failed", "watch"):
        if options["shard"] and options[other]:
            raise click.UsageError(
                f"--shard and --{other.replace('_', '-')}: a shard is a part of a whole run"
            )
    if options["watch"] and options["events"] is not None:
        raise click.UsageError("--watch and --events: each run of a watch has a stream of its own")
