"""conformance run with several subjects, or with an executor: orders are given, reports are gathered."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from conformance.cli.configured import PLACE
from conformance.cli.judging import write_scripts
from conformance.cli.listeners import saying
from conformance.cli.shared import (
    DECLARING,
    INTERRUPTED,
    beginning,
    console,
    printing_to,
    show,
    write,
    wrong_usage,
)
from conformance.cli.writing import FORMATS, write_format

if TYPE_CHECKING:
    from rich.console import Console

    from conformance.elsewhere.conductor import Conductor, Ended
    from conformance.elsewhere.executors.executor import Hands
    from conformance.elsewhere.order import Work
    from conformance.running.journal import JournalFile

WHOLE = "json"  # the format in which one file may hold the reports of all subjects
# Options of one subject that is judged here, by one command.
ALONE = ("events", "failed", "watch", "shard", "in_process", "script")


FileFor = Callable[[str, str], str | None]  # of a subject, and of a parameter that names one


def check_elsewhere(options: Mapping[str, Any]) -> None:
    """What goes with one subject that is judged here alone."""
    for name in ALONE:
        if options[name]:
            option = f"--{name.replace('_', '-')}"
            raise click.UsageError(f"{option}: goes with one subject, and with neither --executor nor --dask")


def is_whole(options: Mapping[str, Any]) -> bool:
    """Whether one file is to hold the reports of several subjects."""
    return options[WHOLE] is not None and PLACE not in options[WHOLE]


def judge_many(
    subjects: Sequence[str], scripts: bool, options: dict[str, Any], file_for: FileFor
) -> NoReturn:
    """Judge subjects by an executor, tell, and end with the worst exit status."""
    from conformance.elsewhere.conductor import Conductor
    from conformance.elsewhere.place import place
    from conformance.kernels.framework import FRAMEWORKS

    start, began = time.perf_counter(), beginning()
    out = console(stderr="-" in [options[name] for name in FORMATS])
    with wrong_usage(), printing_to(sys.stderr, 2), _Reports(subjects, options, file_for) as reports:
        journal = _checked(options)
        hands = _hands(options)
        try:
            work = _works(
                options, file_for, hands.apart, {"began": began, "width": out.width, "scripts": scripts}
            )
            with saying() as say:
                conductor = Conductor(hands, subjects, work, place(*FRAMEWORKS), journal, _note, say)
                with _stopping(conductor):
                    for ended in conductor.run():
                        reports.take(ended)
        finally:
            hands.close()
        if journal and journal.lost:
            rest = "a run that resumes it judges the rest"
            _note(f"--resume {journal.lost[0]}: cannot be written: {journal.lost[1]}; {rest}")
        if conductor.lost:
            again = (
                f"--resume {journal.path} goes on"
                if journal
                else "with --resume FILE, another run would go on"
            )
            _note(f"the executor is gone ({conductor.lost}): {again}")
        reports.finish(began, time.perf_counter() - start)
    reports.tell(out, time.perf_counter() - start)
    sys.exit(INTERRUPTED if conductor.ended_early else reports.status)


def _note(text: str) -> None:
    click.echo(f"note: {text}", err=True)


def _checked(options: Mapping[str, Any]) -> JournalFile | None:
    """What can be checked before anything is loaded; the journal, if there is one."""
    from conformance import usage
    from conformance.running.journal import JournalError, JournalFile

    requirements = (*options["requirements"], *options["skipped"])
    usage.check_words(options["operations"], requirements, options["dtypes"], options["profile"])
    usage.check_oracle(options["oracle"])
    usage.check_timeout(options["timeout"])
    if options["resume"] is None:
        return None
    usage.check_writable("--resume", options["resume"])
    try:
        return JournalFile(Path(options["resume"]))
    except JournalError as error:
        raise usage.WrongUsage(f"--resume {error}") from None


def _hands(options: Mapping[str, Any]) -> Hands:
    from conformance import usage

    if options["dask"] is not None:
        from conformance.elsewhere.executors import dask

        return dask.hands("--dask", options["dask"], options["jobs"])
    if options["executor"] is not None:
        from conformance.elsewhere.executors import named

        return named.hands("--executor", options["executor"], options["jobs"])
    from conformance.elsewhere.executors import threads

    return threads.hands(options["jobs"] or usage.cores())


def _works(
    options: Mapping[str, Any], file_for: FileFor, apart: bool, told: Mapping[str, Any]
) -> Callable[[str], Work]:
    """How each subject is judged."""
    from conformance import usage
    from conformance.elsewhere.order import Work
    from conformance.elsewhere.parcel import parcel_of
    from conformance.kernels.load import check_name
    from conformance.reports.baseline import read_baseline
    from conformance.running.settings import Settings

    words = usage.declared_in_words(**{name: options[name] for name in DECLARING})
    declared = usage.with_dtypes(words, options["dtypes"])
    chosen = ("operations", "requirements", "dtypes", "profile", "seed", "skipped", "first_failure")
    settings = Settings(**{name: options[name] for name in chosen})

    def work(name: str) -> Work:
        baseline = file_for(name, "baseline")
        known = read_baseline("--baseline", baseline, name) if baseline else None
        parcel = None
        if apart:
            check_name(name)
            parcel = parcel_of(name, options["carry"])
        more: dict[str, Any] = {"parcel": parcel, "declared": declared, "words": words, "baseline": known}
        more |= {"keeps": not (apart or options["no_cache"]), **told}
        return Work(name, settings, options["oracle"], options["timeout"], **more)

    return work


@contextmanager
def _stopping(conductor: Conductor) -> Iterator[None]:
    """Ctrl-C and SIGTERM end a run with the verdicts so far; one that ignores Ctrl-C in the background goes on so."""
    heard = [each for each in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(each) != signal.SIG_IGN]
    before = {each: signal.signal(each, lambda number, frame: conductor.stop()) for each in heard}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


class _Reports:
    """The reports of all subjects: each written when it comes, told in the order of the subjects at the end."""

    def __init__(self, subjects: Sequence[str], options: Mapping[str, Any], file_for: FileFor) -> None:
        from conformance import usage
        from conformance.reports.script_files import check_folder

        self.subjects, self.options, self.file_for = subjects, options, file_for
        self.several = len(subjects) > 1
        self.verdicts: dict[str, Any] = {}
        self.ended: Ended | None = None  # the one, where there is one
        self._lost = False  # whether a file could not be written
        self._whole = self.several and is_whole(options)
        for name in subjects:
            for each in FORMATS:
                usage.check_report(f"--{each}", self._file(name, each))
            if folder := file_for(name, "folder"):
                check_folder("--scripts", folder)
        if self._whole:
            usage.check_report(f"--{WHOLE}", options[WHOLE])

    def __enter__(self) -> _Reports:
        self._kept = tempfile.TemporaryFile("w+")  # reports that one file is to hold
        self._out = ""  # what goes to standard output behind the table
        self._places: dict[str, tuple[int, int]] = {}
        return self

    def __exit__(self, *_: object) -> None:
        self._kept.close()

    def _file(self, subject: str, name: str) -> str | None:
        return None if self._whole and name == WHOLE else self.file_for(subject, name)

    def take(self, ended: Ended) -> None:
        from conformance.reports.many import BROKEN_OFF, NOT_JUDGED, Verdict

        self.ended = ended
        if ended.data is None:
            verdict = NOT_JUDGED if ended.error else BROKEN_OFF
            because = ended.error[1] if ended.error else ""
            self.verdicts[ended.name] = Verdict(ended.name, verdict, {}, ended.cases, ended.seconds, because)
            return
        self.verdicts[ended.name] = Verdict.of(ended.name, ended.data, ended.seconds)
        for name in FORMATS:
            if (path := self._file(ended.name, name)) is not None:
                with self._going_on():
                    write_format(name, path, ended.data)
        if folder := self.file_for(ended.name, "folder"):
            with self._going_on():
                write_scripts(folder, ended.data)
        if self._whole:
            begin = self._kept.seek(0, 2)
            self._kept.write(json.dumps(ended.data, allow_nan=False))
            self._places[ended.name] = begin, self._kept.tell() - begin

    def finish(self, began: Mapping[str, Any], seconds: float) -> None:
        """Write what holds all of them; subjects that were not begun are interrupted."""
        from conformance.reports.many import BROKEN_OFF, Verdict
        from conformance.reports.stored import RUNS, SCHEMA

        for name in self.subjects:
            self.verdicts.setdefault(name, Verdict(name, BROKEN_OFF, {}, 0, 0.0))
        if not self._whole:
            return
        counts = dict(Counter(each.verdict for each in self.verdicts.values()))
        head = {"schema": SCHEMA, **began, "seconds": round(seconds, 3), "verdicts": counts}
        runs = ",\n".join(map(self._run, self.subjects))
        text = f'{json.dumps(head)[:-1]}, "{RUNS}": [\n{runs}\n]}}\n'
        if self.options[WHOLE] == "-":
            self._out = text
        else:
            with self._going_on():
                write(f"--{WHOLE}", self.options[WHOLE], text)

    @contextmanager
    def _going_on(self) -> Iterator[None]:
        """A file that cannot be written is told, and is not the end of the run."""
        try:
            yield
        except click.ClickException as error:
            self._lost = True
            _note(error.format_message())

    def _run(self, name: str) -> str:
        if name not in self._places:
            of = self.verdicts[name]
            return json.dumps({"subject": {"name": name}, "verdict": of.verdict, "because": of.because})
        begin, length = self._places[name]
        self._kept.seek(begin)
        return self._kept.read(length)

    def tell(self, out: Console, seconds: float) -> None:
        """The table; of one subject alone, its report."""
        from conformance.reports import many

        verdicts = [self.verdicts[name] for name in self.subjects]
        if self.several:
            show(out, many.lines(verdicts, seconds, out.width))
            sys.stdout.write(self._out)
            return
        if self.ended and self.ended.data is not None:
            show(out, self.ended.text)
        elif verdicts[0].because:
            raise click.UsageError(verdicts[0].because)
        else:
            click.echo("interrupted", err=True)

    @property
    def status(self) -> int:
        from conformance.reports.many import NOT_JUDGED

        each = self.verdicts.values()
        return (
            2
            if self._lost or any(of.verdict == NOT_JUDGED for of in each)
            else 1
            if not all(of.passed for of in each)
            else 0
        )
