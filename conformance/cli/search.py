"""conformance search: cases that come to lines of a kernel's own which hardly any case does."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import click

from conformance.cli.judging import judged, tell
from conformance.cli.shared import (
    DECLARING,
    INTERRUPTED,
    beginning,
    ended_once,
    judging,
    printing_to,
    several,
    wrong_usage,
)

LENGTHS = {"s": 1, "m": 60, "h": 3600}  # seconds


def _seconds(context: click.Context, parameter: click.Parameter, text: str) -> float:
    """Of 90, 90s, 10m or 1h."""
    written = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not written:
        raise click.BadParameter(f"{text}: write 90s, 10m or 1h")
    return float(written[1]) * LENGTHS[written[2] or "s"]


def _clock(seconds: float) -> Callable[[], bool]:
    """Whether so many seconds are over, from the first time that it is asked: loading takes none of them."""
    end = cache(lambda: time.monotonic() + seconds)
    return lambda: time.monotonic() > end()


@click.command("search")
@click.argument("subject")
@several(
    "--op", "operations", of="operation", help="Only this operation; may be repeated, or a list with commas."
)
@click.option(
    "--time",
    "seconds",
    default="10m",
    metavar="TIME",
    show_default=True,
    callback=_seconds,
    help="When the search ends at the latest: 90s, 10m, 1h.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Draw other cases.")
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="How many worker processes.")
@judging
def command(subject: str, seconds: float, **options: Any) -> None:
    """Search SUBJECT for cases that come to its every line.

    They are judged. Prints what was reached, by which case, what was not, and what is wrong there. The clock only ends
    the search: what was found by then is judged, whatever that takes.

    Exit status: 1 if a case that was found fails.
    """
    from conformance.reports.document import document
    from conformance.reports.run_info import RunInfo
    from conformance.requirements import REQUIREMENTS
    from conformance.usage import ANSWERS, declared_in_words

    with ended_once():
        start, began = time.perf_counter(), beginning()
        runner = {name: options.pop(name) for name in ("jobs", "in_process", "timeout")}
        words = {name: options.pop(name) for name in DECLARING}
        searched = tuple(name for name, each in REQUIREMENTS.items() if each.searched)
        chosen: dict[str, Any] = {"requirements": searched, "skipped": (), "dtypes": (), "profile": "deep"}
        with wrong_usage(), printing_to(sys.stderr, 2):
            declared = declared_in_words(**words)
            runner["declared"] = dict(declared)
            report, *_ = judged(subject, {}, None, runner, is_over=_clock(seconds), **options, **chosen)
        left = report.unreached
        if not (report.rows or report.refusing or report.interrupted or left.count or left.unknown):
            click.echo(f"{subject}: nothing to search for: calls with each option came to its every line")
            sys.exit(0)
        how = options["oracle"], "deep", options["seed"]
        run = RunInfo(
            *how, time.perf_counter() - start, ANSWERS, runner["timeout"], declared=declared, **began
        )
        tell(document(report, run), {}, False)
        wrong = any(not row.passed for row in report.rows)
        sys.exit(INTERRUPTED if report.interrupted else 1 if wrong else 0)
