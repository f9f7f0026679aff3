"""conformance merge: the shards of a run joined, as if one machine had judged it all."""

from __future__ import annotations

from typing import Any

import click

from conformance.cli.judging import judge_and_end
from conformance.cli.shared import check_apart, whole_report, wrong_usage
from conformance.cli.writing import FORMATS, writing


@click.command("merge")
@click.argument("parts", nargs=-1, required=True, metavar="PART.json...")
@writing("Write the report of the whole run")
@click.option("--baseline", metavar="FILE", help="Fail on new failures only, as for `conformance run`.")
@click.option(
    "--scripts", "folder", metavar="FOLDER", help="Write a script of each failure to a file in FOLDER."
)
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="How many worker processes.")
def command(parts: tuple[str, ...], **options: Any) -> None:
    """Join the shards of a run to the report that a whole run would have made.

    Each PART.json is what `conformance run SUBJECT --shard I/N --json PART.json` wrote, all N of one run. The kernel
    must be here as it was there: what hangs on all parts together is done now, a search for lines that no case ran, and
    whether known failures still fail.

    Exit status: as of the whole run; 2 where a part is missing, twice there, or of another run.
    """
    from conformance.reports.shards import Shards

    check_apart({f"--{name}": options[name] for name in (*FORMATS, "baseline")})
    for name in FORMATS:
        if options[name] in parts:
            raise click.UsageError(f"--{name} {options[name]}: is a report that is merged")
    with wrong_usage(), whole_report(", ".join(parts)):
        shards = Shards.read(parts)
        whole = {"in_process": False, "no_cache": False, "events": None, "shard": None}
        subject, asked = shards.entries[0]["heading"]["subject"], shards.asked
    judge_and_end(subject, False, {**options, **whole, **asked}, shards.results, f"from {len(parts)} shards")
