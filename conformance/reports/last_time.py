"""What failed last time, kept in a folder of the working directory, for `conformance run --failed`."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path

from conformance.cases import Case
from conformance.cases.text import CaseError
from conformance.verdicts.verdict import Report, Unit

FOLDER = ".conformance_cache"
MOST = 12  # cases of a unit
_ABOUT = {
    "README.md": "# The cache of conformance\n\nWhich cases of which kernel failed when `conformance run` judged it "
    "last, for `conformance run --failed`.\nIt may be deleted at any time, and `--no-cache` writes none. It is not "
    "for a repository.\n",
    ".gitignore": "*\n",
    "CACHEDIR.TAG": "Signature: 8a477f597d28d172789f06886806bc55\n",  # what backups know a cache by
}


def keep(report: Report) -> None:
    """Write down what fails, beside what was not judged this time; where nothing can be written, nothing is kept."""
    before, judged = failed(report.subject.name) or {}, {row.unit for row in report.rows}
    failing = {unit: list(cases) for unit, cases in before.items() if unit not in judged}
    for row in report.rows:
        if not row.passed:
            shown = [case for failure in row.failures for case in (failure.case, failure.first)]
            failing.setdefault(row.unit, []).extend(shown)
    for unit in failing.keys() & judged:  # a smaller case may be mended where a larger one is not
        failing[unit] += before.get(unit, ())
    units = [[*astuple(unit), _texts(cases)] for unit, cases in failing.items() if cases]
    try:
        file = _file(report.subject.name)
        file.parent.mkdir(exist_ok=True)
        for name, text in _ABOUT.items():
            (file.parent / name).write_text(text)
        file.write_text(json.dumps({"subject": report.subject.name, "failed": units}, indent=1) + "\n")
    except OSError:
        return


def failed(subject: str) -> Mapping[Unit, Sequence[Case]] | None:
    """What failed, by unit; None where nothing is known of the subject."""
    try:
        written = json.loads(_file(subject).read_text())
        return {Unit(*unit): [Case.parse(text) for text in cases] for *unit, cases in written["failed"]}
    except (OSError, ValueError, KeyError, TypeError, CaseError):  # none, or of another version
        return None


def _texts(cases: Sequence[Case]) -> list[str]:
    return list(dict.fromkeys(map(str, cases)))[:MOST]


def _file(subject: str) -> Path:
    """By its name and where it is: files of the same name are not taken for each other."""
    digest = hashlib.sha256(os.fsencode(subject)).hexdigest()[:8]
    return Path(FOLDER) / f"{re.sub(r'[^A-Za-z0-9]+', '-', subject).strip('-')}-{digest}.json"
