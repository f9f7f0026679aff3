"""conformance replay: one case, looked at."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from conformance.cli.shared import DECLARING, console, judging, show, wrong_usage

if TYPE_CHECKING:
    from conformance.cases import Case
    from conformance.reports.replay import Replay
    from conformance.verdicts.judgement import Judgement


@click.command("replay")
@click.argument("subject")
@click.argument("case")
@click.option(
    "--requirement",
    metavar="NAME",
    help="What judges it: exact if not given, arguments for a case that PyTorch refuses.",
)
@click.option("--output", "outputs", multiple=True, metavar="NAME", help="Only this output; may be repeated.")
@judging
def command(
    subject: str, case: str, requirement: str | None, outputs: tuple[str, ...], **options: Any
) -> None:
    """Judge SUBJECT on one CASE, and show arrays and answers.

    A case is written as reports print it: "conv2d image=1,3 stride=1,2".
    """
    from conformance.reports import replay

    with wrong_usage():
        judged = _judged(subject, case, requirement, outputs, **options)
    out = console()
    show(out, replay.lines(_asked_again(judged), out.width))
    claimed = [each for each in judged.judgements if each.status != "not claimed"]
    sys.exit(0 if claimed and not any(each.failed for each in claimed) else 1)


def _judged(
    name: str, text: str, requirement: str | None, outputs: Sequence[str], oracle: str, **options: Any
) -> Replay:
    """The judgements on one case; everything that the user wrote is checked first."""
    from conformance import usage
    from conformance.cases import Case
    from conformance.reports.replay import Replay
    from conformance.requirements import requirement_of
    from conformance.running.judge import judge_case

    case = Case.parse(text)
    requirement = requirement or requirement_of(case).name
    for output in outputs:
        usage.require(f"output of {case.operation}", output, case.outputs)
    usage.check_case(oracle, case, requirement)
    declared = usage.declared_in_words(**{word: options.pop(word) for word in DECLARING})
    with usage.opened(name, oracle, jobs=1, declared=declared, **options) as (subject, runner):
        usage.check_operation(subject, case)
        judged = judge_case(case, requirement, subject, runner)
    judgements = [each for each in judged if not outputs or each.output in outputs]
    judgements.sort(key=lambda each: case.outputs.index(each.output))
    return Replay(subject, case, requirement, oracle, judgements)


def _asked_again(replay: Replay) -> Replay:
    """With the arrays, and where it does no harm, the subject's answers to this case alone beside the oracle's."""
    import numpy as np

    from conformance.cases.arrays import fill
    from conformance.kernels.call import Caller
    from conformance.usage import ANSWERS

    caller, case = Caller(replay.subject), replay.case
    if lacks := caller.why_not(case):
        return replace(replay, lacks=lacks)
    with np.errstate(all="ignore"):
        arrays = fill(case)
    shown = replace(replay, arrays=arrays, scripted=_scripted(case, replay.judgements, replay.requirement))
    if any(each.failed and each.status not in ("differs", "refused") for each in replay.judgements):
        return shown  # it would end this process, too
    if case.problem:
        with _silenced():
            return replace(shown, got=caller.answer(case, arrays, ("output",)))
    return _compared(shown) if replay.requirement in ANSWERS else shown


def _compared(replay: Replay) -> Replay:
    """With what was got and expected."""
    from conformance.kernels.call import Caller
    from conformance.kernels.framework import oracle
    from conformance.requirements.answers import limits_of

    trusted, case, arrays = oracle(replay.oracle), replay.case, replay.arrays
    expected = trusted(case, arrays)
    limits = limits_of(replay.subject, trusted, case, arrays, expected)
    with _silenced():
        got = Caller(replay.subject).answer(case, arrays)
    return replace(replay, got=got, expected=expected, limits=limits)


def _scripted(case: Case, judgements: Sequence[Judgement], requirement: str) -> str:
    """The output whose failure a script can show: one call does, and PyTorch survives it."""
    from conformance.usage import ANSWERS

    alone = bool(case.problem) or (requirement in ANSWERS and not case.hazard)
    return next((each.output for each in judgements if each.failed and alone), "")


@contextmanager
def _silenced() -> Iterator[None]:
    """What a kernel prints, also past Python, goes nowhere, and what it changes around it is put back."""
    from conformance.kernels.surroundings import restored

    sys.stdout.flush()
    shown = os.dup(1), os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        with restored():
            yield
        sys.stdout.flush()
    finally:
        for descriptor, ours in enumerate(shown, 1):
            os.dup2(ours, descriptor)
            os.close(ours)
        os.close(nowhere)
