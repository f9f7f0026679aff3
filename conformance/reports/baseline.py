"""Failures of a run that are there already, in a file beside the kernel: a later run fails on new ones only."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.kernels.versions import PROJECT, versions
from conformance.reports.brief import cut_short, every_failure
from conformance.reports.entries import Entry, matched
from conformance.reports.findings import mistakes
from conformance.reports.run_info import RunInfo
from conformance.reports.stored import read_json, read_report
from conformance.usage import WrongUsage
from conformance.verdicts.verdict import Report

FORMAT = 1
_MARK = "conformance_baseline"  # the entry by which the file is known

Data = Mapping[str, Any]


@dataclass(frozen=True)
class Baseline:
    """The failures of a subject that a file has, and how the run was set up that found them."""

    file: str
    drawn: tuple[Any, ...]
    entries: Sequence[Entry]


@dataclass(frozen=True)
class Known:
    """What a run says of a baseline.

    seen     how many failures of the run it has
    gone     its failures that the run asked for and did not find
    unasked  how many it has that the run did not ask for
    """

    file: str
    seen: int
    gone: Sequence[Entry]
    unasked: int

    @property
    def updating(self) -> str:
        """The command that takes out what is gone."""
        return f"conformance baseline update {self.file} RUN.json"


def read_baseline(option: str, path: str, subject: str) -> Baseline:
    """The failures that a file has of a subject: one that `baseline update` wrote, or the JSON report of a run."""
    data = read_json(option, path)
    if _MARK not in data:
        data = updated(path, {}, read_report(option, path))
    _check(f"{option} {path}", data)
    name, subjects = _name(path, subject), data["subjects"]
    if name not in subjects:
        has = ", ".join(subjects) or "none"
        adding = f"conformance baseline update {path} RUN.json adds it"
        raise WrongUsage(f"{option} {path}: has nothing of {subject}, but of {has}; {adding}")
    of = subjects[name]
    entries = [Entry(**each | {"found_by": tuple(each["found_by"])}) for each in of["failures"]]
    return Baseline(path, tuple(of[each] for each in _DRAWN), entries)


def _check(named: str, data: Data) -> None:
    """Whether a file is as `baseline update` writes it."""
    if data[_MARK] != FORMAT:
        raise WrongUsage(f"{named}: has format {data[_MARK]!r}; this version reads {FORMAT}")
    try:
        every = [each for of in data["subjects"].values() for each in of["failures"]]
        whole = all(each.keys() == set(Entry._fields) for each in every)
        whole &= all(of.keys() >= {*_DRAWN, "failures"} for of in data["subjects"].values())
    except (AttributeError, KeyError, TypeError):
        whole = False
    if not whole:
        raise WrongUsage(f"{named}: is no whole baseline any more; delete it, and update it from a run")


_DRAWN = ("profile", "seed", "version")


def drawn(run: Data) -> tuple[Any, ...]:
    """From what it follows which cases a run drew."""
    return run["profile"], run["seed"], run["versions"].get(PROJECT, "")


def updated(file: str, before: Data, run: Data) -> dict[str, Any]:
    """The data of a file with what the report of a run has of its subject, in place of what it had of that."""
    every = every_failure(run["failures"])
    failures = [Entry.from_data(each) for each in every if not (each["known"] or each["fault"])]
    of = {
        **dict(zip(_DRAWN, drawn(run), strict=True)),
        "failures": [_written(each) for each in sorted(failures)],
    }
    subjects = {**before.get("subjects", {}), _name(file, run["subject"]["name"]): of}
    return {_MARK: FORMAT, "subjects": dict(sorted(subjects.items()))}


def _written(entry: Entry) -> dict[str, Any]:
    return entry._asdict() | {"found_by": sorted(entry.found_by)}


def _name(file: str, subject: str) -> str:
    """The name of a subject as a baseline has it: a path from where the file stands, wherever the run was begun."""
    where, colon, inside = subject.partition(":")
    if where.endswith(".py"):
        where = Path(os.path.relpath(where, Path(file).resolve().parent)).as_posix()
    return f"{where}{colon}{inside}"


def check_whole(path: str, run: Data) -> None:
    """Whether a run has a name to know its subject by, and was not cut short."""
    if not run["subject"]["name"]:
        raise WrongUsage(f"{path}: its subject has no name, by which a later run could find its failures")
    if cut_short(run):
        raise WrongUsage(f"{path}: the run did not judge all, so it does not say what fails")


def update(path: str, run: Data) -> tuple[int, str]:
    """How many failures the file had, and its text after a run: a failure a line, so that it changes with its own."""
    before = read_json("", path) if Path(path).exists() else {}
    if before and _MARK not in before:
        raise WrongUsage(f"{path}: holds something else than a baseline, which is not written over")
    if before:
        _check(path, before)
    had = before.get("subjects", {}).get(_name(path, run["subject"]["name"]), {"failures": ()})
    data = updated(path, before, run)
    subjects = ",\n".join(f"  {json.dumps(name)}: {_text(of)}" for name, of in data["subjects"].items())
    return len(had["failures"]), f'{{\n "{_MARK}": {FORMAT},\n "subjects": {{\n{subjects}\n }}\n}}\n'


def _text(of: Data) -> str:
    head = ", ".join(f"{json.dumps(name)}: {json.dumps(of[name])}" for name in _DRAWN)
    lines = ",\n".join(f"    {json.dumps(each)}" for each in of["failures"])
    return f'{{{head}, "failures": [\n{lines}\n  ]}}' if lines else f'{{{head}, "failures": []}}'


def mark(report: Report, run: RunInfo, baseline: Baseline) -> Known:
    """What a run says of a baseline; the failures that it has are marked with its name, and decide nothing."""
    found = [each for each in mistakes(report) if each.clearest.decides]
    later = [Entry.of(each.clearest, each.units) for each in found]
    alike = (run.profile, run.seed, versions().get(PROJECT, "")) == baseline.drawn
    of = matched(baseline.entries, later, _asked(report), alike)
    for place in of.known:
        for failure in found[place].failures:
            failure.baseline = baseline.file
    for row in report.rows:
        row.sort()
    return Known(baseline.file, len(of.known), of.gone, len(of.unasked))


def _asked(report: Report) -> set[tuple[str, str]]:
    """What was judged to its end, as far as that is known."""
    units: Iterable[Any] = () if report.interrupted or report.limited else (row.unit for row in report.rows)
    return {(unit.operation, f"{unit.requirement} {unit.dtype}") for unit in units}
