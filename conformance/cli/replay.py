"""conformance replay: cases, looked at."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from conformance.cli.shared import DECLARING, Untold, console, judging, printing_to, show, write, wrong_usage

if TYPE_CHECKING:
    from conformance.cases import Case
    from conformance.kernels.subject import Subject
    from conformance.reports.replay import Replay
    from conformance.running.runner import Runner
    from conformance.verdicts.judgement import Judgement

LAST = 4000  # characters that are shown of what a kernel prints


@click.command("replay")
@click.argument("subject")
@click.argument("cases", nargs=-1, required=True, metavar="CASE...")
@click.option(
    "--requirement",
    metavar="NAME",
    help="What judges it: exact if not given, arguments for a case that PyTorch refuses.",
)
@click.option("--output", "outputs", multiple=True, metavar="NAME", help="Only this output; may be repeated.")
@click.option("--script", metavar="FILE", help="Write the script to FILE, which may have larger arrays.")
@judging
def command(
    subject: str,
    cases: tuple[str, ...],
    requirement: str | None,
    outputs: tuple[str, ...],
    script: str | None,
    oracle: str,
    **options: Any,
) -> None:
    """Judge SUBJECT on each CASE, and show arrays and answers.

    A case is written as reports print it: "conv2d image=1,3 stride=1,2". @FILE stands for the cases in FILE, one a
    line, and - for those of standard input; there, what follows a # is a comment.

    Exit status: 1 if any case fails, or nothing of it is claimed.
    """
    from conformance import usage

    failed = []
    with wrong_usage(), ExitStack() as stack:
        asked = _asked(cases, requirement, outputs, oracle)
        _check_script(script, len(asked))
        declared = usage.declared_in_words(**{word: options.pop(word) for word in DECLARING})
        printed = _Printed()
        with nullcontext() if options["in_process"] else printed.kept():
            named = list(dict.fromkeys(case.operation for case, _ in asked))
            opened = usage.opened(subject, oracle, jobs=1, declared=declared, operations=named, **options)
            loaded, runner = stack.enter_context(opened)
        for case, _ in asked:
            usage.check_operation(loaded, case)
        for number, (case, rule) in enumerate(asked):
            replay = _judged(loaded, runner, case, rule, outputs, oracle)
            with printed.kept():
                replay = _asked_again(replay)
            _show(replace(replay, printed=printed.taken()), number, script)
            failed += [] if replay.passed else [str(case)]
    if len(asked) > 1:
        click.echo(_summary(failed, len(asked)))
    sys.exit(1 if failed else 0)


# What was asked.


def _asked(
    words: Sequence[str], requirement: str | None, outputs: Sequence[str], oracle: str
) -> list[tuple[Case, str]]:
    """The cases, each with the requirement that judges it; all that the user wrote is checked."""
    from conformance import usage
    from conformance.requirements import REQUIREMENTS, requirement_of

    asked = []
    for case in _cases(words):
        rule = requirement or requirement_of(case).name
        usage.check_case(oracle, case, rule)
        for output in outputs:
            usage.require(f"output of {case.operation}", output, REQUIREMENTS[rule].outputs_of(case))
        asked.append((case, rule))
    return asked


def _cases(words: Sequence[str]) -> Iterator[Case]:
    from conformance import usage
    from conformance.cases import Case, CaseError

    for word in words:
        if word != "-" and not word.startswith("@"):
            yield Case.parse(word)
            continue
        texts = [line.partition("#")[0].strip() for line in _lines_of(word)]
        if not any(texts):
            raise usage.WrongUsage(f"{word}: holds no case")
        for number, text in enumerate(texts, 1):
            try:
                yield from [Case.parse(text)] if text else []
            except CaseError as error:
                raise usage.WrongUsage(f"{word}, line {number}: {error}") from None


def _lines_of(word: str) -> list[str]:
    from conformance import usage

    try:
        return (sys.stdin.read() if word == "-" else Path(word[1:]).read_text()).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no text"
        raise usage.WrongUsage(f"{word}: cannot be read: {reason}") from None


def _check_script(path: str | None, cases: int) -> None:
    from conformance import usage
    from conformance.reports.script import BEGINNING

    if path is not None and cases > 1:
        raise usage.WrongUsage(f"--script {path}: a script is of one case, not of {cases}")
    there = Path(path).read_bytes() if path and Path(path).is_file() else b""
    if not BEGINNING.startswith(there[: len(BEGINNING)].decode(errors="replace")):
        raise usage.WrongUsage(f"--script {path}: holds something else, which is not written over")
    usage.check_writable("--script", path)


# What is said of one case.


def _judged(
    subject: Subject, runner: Runner, case: Case, requirement: str, outputs: Sequence[str], oracle: str
) -> Replay:
    from conformance.reports.replay import Replay
    from conformance.requirements import REQUIREMENTS
    from conformance.running.judge import judge_case

    judged = judge_case(case, requirement, subject, runner)
    judgements = [each for each in judged if not outputs or each.output in outputs]
    judgements.sort(key=lambda each: REQUIREMENTS[requirement].outputs_of(case).index(each.output))
    return Replay(subject, case, requirement, oracle, judgements)


def _asked_again(replay: Replay) -> Replay:
    """With the arrays, and where it does no harm, the subject's answers to this case alone beside the oracle's."""
    import numpy as np

    from conformance.kernels.call import Caller
    from conformance.kernels.surroundings import restored
    from conformance.requirements import REQUIREMENTS
    from conformance.usage import ANSWERS
    from conformance.verdicts.judgement import EXCEPTIONS

    caller, case = Caller(replay.subject), replay.case
    if lacks := caller.why_not(case):
        return replace(replay, lacks=lacks)
    with np.errstate(all="ignore"):
        arrays = REQUIREMENTS[replay.requirement].fill(case)
    shown = replace(replay, arrays=arrays, scripted=_scripted(case, replay.judgements, replay.requirement))
    if any(each.failed and each.status not in ("differs", *EXCEPTIONS) for each in replay.judgements):
        return shown  # it would end this process, too
    if case.problem:
        with restored():
            return replace(shown, got=caller.answer(case, arrays, ("output",)))
    return _compared(shown) if replay.requirement in ANSWERS else shown


def _compared(replay: Replay) -> Replay:
    """With what was got and expected."""
    from conformance.kernels.call import Caller
    from conformance.kernels.framework import oracle
    from conformance.kernels.surroundings import restored
    from conformance.requirements.answers import expected_of

    expected, limits = expected_of(replay.subject, oracle(replay.oracle), replay.case, replay.arrays)
    with restored():
        got = Caller(replay.subject).answer(replay.case, replay.arrays)
    return replace(replay, got=got, expected=expected, limits=limits)


def _scripted(case: Case, judgements: Sequence[Judgement], requirement: str) -> str:
    """The output whose failure a script can show: one call does, and PyTorch survives it."""
    from conformance.usage import ANSWERS

    alone = bool(case.problem) or (requirement in ANSWERS and not case.hazard)
    return next((each.output for each in judgements if each.failed and alone), "")


def _show(replay: Replay, number: int, script: str | None) -> None:
    from conformance.reports import replay as report
    from conformance.reports.script import script_or_reason

    out = console()
    show(out, [[]] if number else [])
    show(out, report.lines(replay, out.width))
    if script is not None:
        text, why_not = script_or_reason(replay.subject, replay.case, replay.scripted, to_file=True)
        if why_not:
            raise Untold(f"--script {script}: {why_not}")
        write("--script", script, text)


def _summary(failed: Sequence[str], count: int) -> str:
    return "\n".join(["", f"{len(failed)} of {count} cases fail", *(f"  {case}" for case in failed)])


class _Printed:
    """What a kernel prints, also past Python, kept for the report."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile("w+", buffering=1, errors="replace")  # noqa: SIM115 (until the end)

    def kept(self) -> AbstractContextManager[None]:
        return printing_to(self._file, self._file.fileno(), errors=True)

    def taken(self) -> str:
        self._file.seek(0)
        text = self._file.read()
        self._file.seek(0)
        self._file.truncate()
        return text[-LAST:]
