"""conformance baseline: the failures that later runs take for known."""

from __future__ import annotations

import click

from conformance.cli.shared import whole_report, write, wrong_usage


@click.group("baseline")
def command() -> None:
    """Keep the failures that runs with --baseline take for known."""


@command.command("update")
@click.argument("file")
@click.argument("run", metavar="RUN.json")
def update(file: str, run: str) -> None:
    """Write to FILE what fails in RUN.json, in place of what FILE had of that subject.

    RUN.json is what `conformance run SUBJECT --json RUN.json` wrote, of everything that later runs ask for. FILE has
    the failures of each subject sorted, one in a line, as it is kept beside the kernel in its repository.
    """
    from conformance import usage
    from conformance.reports import baseline
    from conformance.reports.lines import plural
    from conformance.reports.stored import read_report

    with wrong_usage():
        data = read_report("", run)
        with whole_report(run):
            baseline.check_whole(run, data)
            before, text = baseline.update(file, data)
        usage.check_report("FILE", file)
    write("FILE", file, text)
    name = data["subject"]["name"]
    now = baseline.read_baseline("FILE", file, name).entries
    click.echo(f"{file}: {plural(len(now), 'known failure')} of {name}, {before:,} before")
