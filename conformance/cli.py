"""The command line: run, replay, list, mutants. What is heavy is imported by the command that needs it."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from conformance.kernels.framework import TRUSTED

if TYPE_CHECKING:
    from rich.console import Console

    from conformance.cases import Case
    from conformance.kernels.subject import Subject
    from conformance.running.judge import Progress
    from conformance.verdicts.judgement import Judgement
    from conformance.verdicts.report import Asked, Line
    from conformance.verdicts.verdict import Report, Unit

INTERRUPTED = 130
LOG_SECONDS = 30  # between lines of progress where standard error is no terminal

_HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@contextmanager
def _no_verdict() -> Iterator[None]:
    """Ctrl-C where there is no verdict yet; click would exit with 1, which says that a kernel differs."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM, as of a CI job whose time is up, ends a run as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Commands(click.Group):
    @_no_verdict()
    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        return super().make_context(*arguments, **options)

    @_no_verdict()
    def invoke(self, ctx: click.Context) -> Any:
        return super().invoke(ctx)


@click.group(cls=_Commands, context_settings=_HELP)
@click.version_option(package_name="npcnn-conformance", prog_name="conformance")
def main() -> None:
    """Does a convolution or pooling kernel compute what it should?

    PyTorch in float64 defines what is right. SUBJECT is a module, module:object, file.py, file.py:object or a
    framework (torch, jax, ...), whose functions are named and called as in torch.nn.functional.

    Exit status: 0 conforms, 1 differs or untested, 2 wrong usage.
    """
    try:
        Path.cwd()
    except OSError:
        raise click.UsageError("the working directory is gone: change to one that is there") from None


def _asked(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say who answers and who is trusted; run and replay share them."""
    for option in (
        click.option("--timeout", type=float, default=10.0, metavar="SECONDS",
                     show_default=True, help="A case that takes longer hangs."),
        click.option("--in-process", is_flag=True, help="No worker processes: for a debugger. A crash ends the run."),
        click.option("--oracle", default=TRUSTED, metavar="NAME", show_default=True,
                     help="Who is trusted, of those that `conformance list oracles` names."),
    ):  # fmt: skip
        command = option(command)
    return command


@main.command()
@click.argument("subject")
@click.option(
    "--op", "operations", multiple=True, metavar="NAME", help="Only this operation; may be repeated."
)
@click.option(
    "--requirement", "requirements", multiple=True, metavar="NAME", help="Only this one; may be repeated."
)
@click.option("--dtype", "dtypes", multiple=True, metavar="NAME", help="Only this dtype; may be repeated.")
@click.option(
    "--profile", default="standard", metavar="NAME", show_default=True, help="quick, standard or deep."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Other random cases.")
@click.option(
    "--jobs", type=click.IntRange(min=1), metavar="N", help="Worker processes; as many as cores if not given."
)
@click.option(
    "--resume",
    metavar="FILE",
    help="Keep what is finished in FILE; where it holds an interrupted run, go on with that.",
)
@click.option(
    "--json",
    "json_path",
    metavar="FILE",
    help="Write the report as JSON (docs/json.md); - is standard output.",
)
@click.option(
    "--script",
    is_flag=True,
    help="With each failure, a script that needs only NumPy, PyTorch and the kernel.",
)
@_asked
def run(
    subject: str,
    operations: tuple[str, ...],
    requirements: tuple[str, ...],
    dtypes: tuple[str, ...],
    profile: str,
    seed: int,
    jobs: int | None,
    json_path: str | None,
    resume: str | None,
    script: bool,
    oracle: str,
    in_process: bool,
    timeout: float,
) -> None:
    """Judge SUBJECT: every operation it has, under every requirement."""
    with _wrong_usage():
        from conformance import usage
        from conformance.running.run import run as judged
        from conformance.verdicts.report import Asked

        usage.check_writable("--json", json_path)
        usage.check_writable("--resume", resume)
        usage.check_words(operations, requirements, dtypes, profile)
        asked_for = {"oracle": oracle, "profile": profile, "seed": seed}
        start = time.perf_counter()
        with (
            _ended_by_sigterm(),
            usage.opened(subject, oracle, jobs=jobs, in_process=in_process, timeout=timeout) as opened,
            _progress() as progress,
        ):
            loaded, runner = opened
            settings = usage.settings(
                loaded,
                operations=operations,
                requirements=requirements,
                dtypes=dtypes,
                profile=profile,
                seed=seed,
            )
            journal = None if resume is None else usage.journal_of(resume, loaded, asked_for)
            report = judged(loaded, runner, settings, progress, journal)
    taken = f"{journal.taken:,} cases taken from {resume}" if journal and journal.taken else ""
    asked = Asked(oracle, profile, seed, time.perf_counter() - start, usage.ANSWERS, timeout, taken)
    try:
        print_report(_console(stderr=json_path == "-"), report, asked, script)
        if journal and journal.lost:
            click.echo(
                f"--resume {resume}: cannot be written: {journal.lost}; a run goes on before", err=True
            )
    finally:  # also where the report could not be printed
        if json_path:
            _write_json(json_path, report, asked)
    sys.exit(INTERRUPTED if report.interrupted else 0 if report.passed else 1)


@main.command()
@click.argument("subject")
@click.argument("case")
@click.option(
    "--requirement", metavar="NAME", help="What is asked: exact if not given, arguments for a bad call."
)
@click.option("--output", "outputs", multiple=True, metavar="NAME", help="Only this output; may be repeated.")
@_asked
def replay(
    subject: str,
    case: str,
    requirement: str | None,
    outputs: tuple[str, ...],
    oracle: str,
    in_process: bool,
    timeout: float,
) -> None:
    """Ask SUBJECT one CASE, and show its arrays with what was got and expected.

    A case is written as reports print it: "conv2d image=1,3 stride=1,2".
    """
    with _wrong_usage():
        from conformance import usage
        from conformance.cases import Case
        from conformance.requirements import requirement_of
        from conformance.running.judge import judge_case

        read = Case.parse(case)
        name = requirement or requirement_of(read).name
        for output in outputs:
            usage.require(f"output of {read.operation}", output, read.outputs)
        usage.check_case(oracle, read, name)
        with usage.opened(subject, oracle, jobs=1, in_process=in_process, timeout=timeout) as opened:
            loaded, runner = opened
            usage.check_operation(loaded, read)
            judgements = judge_case(read, name, loaded, runner)
    judgements = [judgement for judgement in judgements if not outputs or judgement.output in outputs]
    judgements.sort(key=lambda judgement: read.outputs.index(judgement.output))
    show_replay(_console(), loaded, read, name, oracle, judgements)
    judged = [judgement.status for judgement in judgements if judgement.claimed]
    sys.exit(0 if judged and all(status == "conforms" for status in judged) else 1)


WHAT = ("ops", "requirements", "subjects", "oracles", "profiles", "features", "values", "layouts")


@main.command()
@click.option(
    "--op", "operations", multiple=True, metavar="NAME", help="Only this operation; may be repeated."
)
@click.option("--profile", default="standard", metavar="NAME", show_default=True, help="How thoroughly.")
@click.option(
    "--only", default="", metavar="TEXT", help="Only mutants and right kernels whose name holds TEXT."
)
@click.option(
    "--right/--no-right", default=True, show_default=True, help="Whether right kernels are judged, too."
)
@click.option("--jobs", type=click.IntRange(min=1), default=None, help="Processes; default: one a core.")
@click.option("--json", "json_path", metavar="FILE", help="Also write what was found as JSON.")
@_ended_by_sigterm()
def mutants(
    operations: tuple[str, ...], profile: str, only: str, right: bool, jobs: int | None, json_path: str | None
) -> None:
    """Measure the suite: kernels with one known mistake must be caught, right kernels must not be accused.

    Exit status: 0 all caught and none accused, 1 otherwise.
    """
    with _wrong_usage():
        from conformance import usage
        from conformance.audit import runner as audit
        from conformance.audit.report import Audit
        from conformance.operations import OPERATIONS
        from conformance.requirements import PROFILES

        usage.check_writable("--json", json_path)
        usage.require("profile", profile, PROFILES)
        for operation in operations:
            usage.require("operation", operation, OPERATIONS)
        names = audit.chosen(operations, only)
        kernels = audit.right_kernels(only) if right else []
        if not names and not kernels:
            raise usage.WrongUsage(f"{only}: in the name of no mutant and of no right kernel")
    start, found = time.perf_counter(), Audit()
    try:
        with audit.pool(jobs or usage.cores()) as workers:
            for kill in audit.kills(workers, names, profile):
                found.kills.append(kill)
                click.echo(str(kill))
            if any(kill.pure for kill in found.kills):
                found.minimal = audit.minimal_of(workers, names)
            for name, rows in audit.accusations(workers, kernels, profile):
                found.accused[name] = rows
                click.echo(f"{'ACCUSED' if rows else 'ok':<9}{name}  {'; '.join(rows)}".rstrip())
    except KeyboardInterrupt:
        found.interrupted = True
    click.echo(found.summary(time.perf_counter() - start))
    if json_path:
        Path(json_path).write_text(json.dumps(found.as_data(), indent=1) + "\n")
    sys.exit(INTERRUPTED if found.interrupted else 0 if found.passed else 1)


@main.command("list")
@click.argument("what", type=click.Choice(WHAT))
def list_(what: str) -> None:
    """What there is, a line each, to name in the other commands."""
    console = _console()
    rows = list(_LISTS[what]())
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        _print(console, [[(name.ljust(width), "head"), (f"  {text}" if text else "", "")]])


# What there is.


def _ops() -> Iterator[tuple[str, str]]:
    from conformance.operations import OPERATIONS

    return ((name, f"judged: {', '.join(operation.outputs)}") for name, operation in OPERATIONS.items())


def _requirements() -> Iterator[tuple[str, str]]:
    from conformance.requirements import REQUIREMENTS

    return ((name, requirement.asks) for name, requirement in REQUIREMENTS.items())


def _subjects() -> Iterator[tuple[str, str]]:
    from conformance.kernels.framework import FRAMEWORKS, about, installed, missing

    for name in FRAMEWORKS:
        if about(name).variants:
            yield name, "its own kernels" if installed(name) else missing(name).removeprefix(f"{name} is ")
    yield "package.module", "a module whose functions are named as in torch.nn.functional (npcnn is one)"
    yield "file.py", "a file of such functions"
    yield (
        "module:object",
        "an object in a module or file (file.py:object): a namespace of functions, or a Subject",
    )


def _oracles() -> Iterator[tuple[str, str]]:
    from conformance.kernels.framework import oracles

    yield from oracles().items()


def _profiles() -> Iterator[tuple[str, str]]:
    yield "quick", "named cases and every pair of classes of parameters"
    yield "standard", "those, every geometry of one axis in a small scope, and random cases"
    yield "deep", "those, and many times more random cases; --seed for others"


def _features() -> Iterator[tuple[str, str]]:
    from conformance.cases.features import FEATURES, features_of

    for feature in sorted(FEATURES):
        yield feature, ", ".join(name for name, _ in _ops() if feature in features_of(name))


def _values() -> Iterator[tuple[str, str]]:
    from conformance.cases.values import VALUES

    return _first_lines(VALUES)


def _layouts() -> Iterator[tuple[str, str]]:
    from conformance.cases.guarded import GUARDS, NONE
    from conformance.cases.views import VIEWS

    yield from _first_lines(VIEWS)
    for name, guard in GUARDS.items():
        where = "Ends at" if guard.ends else "Starts after"
        yield (
            name,
            f"{where} a page that {'nobody may touch' if guard.protection == NONE else 'may be read only'}.",
        )


def _first_lines(functions: dict[str, Callable[..., Any]]) -> Iterator[tuple[str, str]]:
    """What each says of itself."""
    return (
        (name, (function.__doc__ or "").strip().partition("\n")[0]) for name, function in functions.items()
    )


_LISTS: dict[str, Callable[[], Iterator[tuple[str, str]]]] = {
    "ops": _ops, "requirements": _requirements, "subjects": _subjects, "oracles": _oracles, "profiles": _profiles,
    "features": _features, "values": _values, "layouts": _layouts,
}  # fmt: skip


# Wrong usage is told before anything runs, without a traceback.


@contextmanager
def _wrong_usage() -> Iterator[None]:
    """Turn what a user can get wrong into one line and exit status 2."""
    from conformance.cases import CaseError
    from conformance.kernels.framework import MissingFramework
    from conformance.kernels.subject import SubjectError
    from conformance.usage import WrongUsage

    try:
        yield
    except (WrongUsage, SubjectError, CaseError, MissingFramework) as error:
        from conformance.verdicts.report import printable

        raise click.UsageError("\n".join(map(printable, str(error).splitlines()))) from None
    except RuntimeError as error:
        from conformance.running.workers import ExaminationError

        if not isinstance(error, ExaminationError):
            raise
        raise click.ClickException(f"the suite failed, no verdict: {error}") from None


def _write_json(path: str, report: Report, asked: Asked) -> None:
    from conformance.verdicts.report import as_data

    text = json.dumps(as_data(report, asked), indent=1, allow_nan=False) + "\n"
    if path == "-":
        sys.stdout.write(text)
        return
    try:
        Path(path).write_text(text)
    except OSError as error:
        raise click.ClickException(f"--json {path}: cannot be written: {error.strerror}") from None


# Printing.


def print_report(console: Console, report: Report, asked: Asked, script: bool = False) -> None:
    """The head, a table an operation, what was not claimed, each failure, the verdict."""
    from conformance.verdicts import report as r

    for line in r.head(report, asked):
        console.print(_text(line))
    for operation, cells in r.table(report).items():
        _print(console, [[], *r.table_lines(operation, cells)])
    unclaimed = list(r.not_claimed_lines(report, console.width))
    _print(console, [[], *unclaimed] if unclaimed else [])
    misnamed = [[(note, "odd")] for note in r.misnamed(report.subject)]
    _print(console, [[], *misnamed] if misnamed else [])
    exhausted = list(r.exhausted_lines(report, console.width))
    _print(console, [[], *exhausted] if exhausted else [])
    for each in r.found(report):
        _print(console, [[], *r.failure_lines(each, report.subject, asked, console.width)])
        if script:
            _print(console, [[]])
            _print_script(console, report.subject, each.case, each.output)
    refusing = list(r.refusing_lines(report, console.width))
    _print(console, [[], *refusing] if refusing else [])
    stale = list(r.stale_lines(report))
    _print(console, [[], *stale] if stale else [])
    console.print()
    console.print(_text(r.verdict_line(report)))


def _print_script(console: Console, subject: Subject, case: Case, output: str) -> None:
    from conformance.verdicts.script import script, why_not

    why = why_not(subject, case, output)
    lines = [f"no script: {why}"] if why else script(subject, case, output).splitlines()
    _print(console, [[("    " + line if line else "", "dim" if why else "")] for line in lines])


def show_replay(
    console: Console,
    subject: Subject,
    case: Case,
    requirement: str,
    oracle: str,
    judgements: Sequence[Judgement],
) -> None:
    """The case's arrays, and each output's judgement with what was got and expected."""
    from conformance.kernels.call import Caller
    from conformance.usage import ANSWERS
    from conformance.verdicts.report import judgement_line, printable

    name = printable(subject.name)
    _print(console, [[(name, "head"), (f": {case}", "")]])
    _print(console, [[(f"requirement {requirement}, oracle {oracle}", "dim")]])
    if why := Caller(subject).why_not(case):
        _print(console, [[], [("not claimed", "odd"), (f": {name} does not take {why}", "")]])
        return
    died = any(j.failed and j.status not in ("differs", "refused") for j in judgements)
    shown = _arrays_shown(console, subject, case, oracle, asked=requirement in ANSWERS and not died)
    for judgement in judgements:
        _print(console, [[], judgement_line(judgement), *shown.get(judgement.output, [])])
    failed = [judgement.output for judgement in judgements if judgement.failed]
    deadly = case.hazard  # to PyTorch, which the script would ask
    if failed and (requirement in ANSWERS or case.problem) and not deadly:
        _print(console, [[], [("the same without conformance", "dim")], []])
        _print_script(console, subject, case, failed[0])


def _arrays_shown(
    console: Console, subject: Subject, case: Case, oracle: str, asked: bool
) -> dict[str, list[Line]]:
    """Print the arguments; the answers as lines, by output, where the subject may be asked for them once more here."""
    import numpy as np

    from conformance.cases.arrays import fill
    from conformance.kernels.call import Caller
    from conformance.kernels.framework import oracle as oracle_named
    from conformance.requirements.answers import limits_of
    from conformance.verdicts.replay import answer_lines, array_lines

    with np.errstate(all="ignore"):
        arrays = fill(case)
    _print(console, [[]])
    for name, array in arrays.items():
        _print(console, list(array_lines(name, array)))
    if not asked or case.problem:
        return {}
    trusted = oracle_named(oracle)
    expected = trusted(case, arrays)
    limits = limits_of(subject, trusted, case, arrays, expected)
    with _silenced():
        got = Caller(subject).answer(case, arrays)
    return {
        output: list(answer_lines(answer, expected[output], limits.get(output), console.width))
        for output, answer in got.items()
        if answer is not None
    }


@contextmanager
def _silenced() -> Iterator[None]:
    """What a kernel prints, also past Python, goes nowhere, and what it changes around it is put back."""
    import os

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


@contextmanager
def _progress() -> Iterator[Progress]:
    """A line on the terminal that says what is being judged; in the log of a long run, one now and then."""
    console = _console(stderr=True)
    if not console.is_terminal:
        yield _telling(lambda text: click.echo(text, err=True), LOG_SECONDS, time.monotonic())
        return
    with console.status("loading", spinner="dots" if console.encoding == "utf-8" else "line") as status:
        yield _telling(status.update, 0.1)


def _telling(tell: Callable[[str], None], seconds: float, last: float = 0.0) -> Progress:
    """Progress that is told, at most once in so many seconds."""
    counts: dict[Unit, int] = {}

    def progress(unit: Unit, done: int) -> None:
        nonlocal last
        counts[unit] = done
        if time.monotonic() - last > seconds:
            last = time.monotonic()
            tell(f"{unit.operation} {unit.requirement} {unit.dtype}, {sum(counts.values()):,} cases")

    return progress


def _console(stderr: bool = False) -> Console:
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False, emoji=False, markup=False)
    if not console.width:  # COLUMNS=0
        console.width = 80
    return console


def _text(line: Line) -> Any:
    from rich.text import Text

    from conformance.verdicts.report import STYLES

    return Text.assemble(*((text, STYLES[style]) for text, style in line))


def _print(console: Console, lines: Sequence[Line]) -> None:
    """Lines as they are: what is to be copied is never broken by the width of the terminal."""
    for line in lines:
        console.print(_text(line), soft_wrap=True)
