"""conformance compare: two reports beside each other."""

from __future__ import annotations

import json
import sys

import click

from conformance.cli.shared import console, show, whole_report, write, wrong_usage


@click.command("compare")
@click.argument("old", metavar="OLD.json")
@click.argument("new", metavar="NEW.json")
@click.option(
    "--factor",
    type=click.FloatRange(min=1, min_open=True, max=1e6),
    default=2.0,
    show_default=True,
    metavar="F",
    help="Tell of an error or a time that moved by more than this factor.",
)
@click.option("--json", "json_path", metavar="FILE", help="Also write the comparison as JSON.")
def command(old: str, new: str, factor: float, json_path: str | None) -> None:
    """Say what got better or worse from OLD.json to NEW.json.

    It tells which failures are new and which are gone, which verdicts changed, and which errors and times moved. Both
    files are what `conformance run SUBJECT --json FILE` wrote. A failure is the same in both where operation, output
    and status are, and the smallest case or the diagnosis; between runs of another seed, profile or version, whose
    cases are others, also where its case needs the same options.

    Exit status: 1 if anything is worse, 0 if not. An error that moved within its bound, or a time, is told only.
    """
    from conformance import usage
    from conformance.reports import comparison
    from conformance.reports.stored import read_report

    with wrong_usage():
        usage.check_report("--json", json_path)
        reports = read_report("", old), read_report("", new)
    with whole_report(f"{old} or {new}"):
        made = comparison.compare(*reports, factor)
    out = console(stderr=json_path == "-")
    show(out, comparison.lines(made, out.width))
    if json_path:
        text = json.dumps(made.as_data(), indent=1) + "\n"
        sys.stdout.write(text) if json_path == "-" else write("--json", json_path, text)
    sys.exit(1 if made.is_worse else 0)
