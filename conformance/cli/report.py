"""conformance report: the report of an earlier run, written in other formats."""

from __future__ import annotations

from typing import Any

import click

from conformance.cli.configured import check_files, file_of
from conformance.cli.shared import check_apart, whole_report, wrong_usage
from conformance.cli.writing import FORMATS, write_format, writing


@click.command("report")
@click.argument("run", metavar="RUN.json")
@writing("Write the report")
def command(run: str, **options: str | None) -> None:
    """Write the report of an earlier run in other formats, as many as are wanted.

    RUN.json is what `conformance run SUBJECT --json RUN.json` wrote. Nothing is judged again. Of a run of several
    subjects, {subject} in the name of a file stands for each of them.

    Exit status: 0 written, whatever the verdict; 2 where RUN.json is no report.
    """
    from conformance import usage
    from conformance.reports.stored import read_reports

    files = {name: path for name, path in options.items() if path is not None}
    with wrong_usage():
        _check(run, files)
        for name, path in files.items():
            usage.check_report(f"--{name}", path)
        every = read_reports("", run)
    if len(every) > 1:
        with whole_report(run):
            names = [each["subject"]["name"] for each in every]
        check_files(names, {f"--{name}": path for name, path in files.items()})
    for data in every:
        for name, path in files.items():
            _write(run, name, path, data)


def _check(run: str, files: dict[str, str]) -> None:
    if not files:
        raise click.UsageError(f"no format is named; there are {', '.join(f'--{name}' for name in FORMATS)}")
    check_apart({"RUN.json": run, **{f"--{name}": path for name, path in files.items()}})


def _write(run: str, name: str, path: str, data: dict[str, Any]) -> None:
    """An error of usage where the data lacks what a report has: it was written by hand, or by another version."""
    with whole_report(run):
        write_format(name, file_of(data["subject"]["name"], path), data)
