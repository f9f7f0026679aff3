"""conformance mutants: the suite, measured."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from conformance.cli.shared import INTERRUPTED, ended_once, thoroughness, write, wrong_usage

if TYPE_CHECKING:
    from conformance.audit.report import Audit


@click.command("mutants")
@thoroughness
@click.option(
    "--only", default="", metavar="TEXT", help="Only mutants and right kernels that have TEXT in their names."
)
@click.option(
    "--right/--no-right", default=True, show_default=True, help="Whether right kernels are judged, too."
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many processes; one for each core if not given.",
)
@click.option("--json", "json_path", metavar="FILE", help="Also write the result as JSON.")
@ended_once()
def command(
    operations: tuple[str, ...], profile: str, only: str, right: bool, jobs: int | None, json_path: str | None
) -> None:
    """Measure the suite on kernels known to be wrong or right.

    Those with one known mistake must be caught, right ones must not be accused.

    Exit status: 0 all caught and none accused, 1 otherwise.
    """
    with wrong_usage():
        names, kernels = _chosen(operations, profile, only, right, json_path)
    start = time.perf_counter()
    audit = _audited(operations, names, kernels, profile, jobs)
    click.echo(audit.summary(time.perf_counter() - start))
    if json_path:
        write("--json", json_path, json.dumps(audit.as_data(), indent=1) + "\n")
    sys.exit(INTERRUPTED if audit.interrupted else 0 if audit.passed else 1)


def _chosen(
    operations: Sequence[str], profile: str, only: str, right: bool, json_path: str | None
) -> tuple[list[str], list[str]]:
    """The names of the mutants and of the right kernels; everything that the user wrote is checked."""
    from conformance import usage
    from conformance.audit import runner

    usage.check_report("--json", json_path)
    usage.require("profile", profile)
    for operation in operations:
        usage.require("operation", operation)
    names, kernels = runner.chosen(operations, only), runner.right_kernels(only) if right else []
    if not names and not kernels:
        raise usage.WrongUsage(f"{only}: no mutant and no right kernel has this in its name")
    return names, kernels


def _audited(
    operations: Sequence[str], names: Sequence[str], kernels: Sequence[str], profile: str, jobs: int | None
) -> Audit:
    """Each mutant and each right kernel judged, with a line as soon as it is."""
    from conformance import usage
    from conformance.audit import runner
    from conformance.audit.report import Audit

    audit = Audit()
    try:
        with runner.pool(jobs or usage.cores()) as workers:
            for kill in runner.kills(workers, names, profile):
                audit.kills.append(kill)
                click.echo(str(kill))
            if any(kill.pure for kill in audit.kills):
                audit.minimal = runner.minimal_of(workers, names)
            for name, rows in runner.accusations(workers, kernels, profile, operations):
                audit.accused[name] = rows
                click.echo(f"{'ACCUSED' if rows else 'ok':<9}{name}  {'; '.join(rows)}".rstrip())
    except KeyboardInterrupt:
        audit.interrupted = True
    return audit
