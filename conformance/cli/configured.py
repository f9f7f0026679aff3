"""What a configuration file says for a command: its options where none is typed, and the subjects."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from conformance.cli.shared import INTERRUPTED, wrong_usage

if TYPE_CHECKING:
    from conformance.configuration import Configuration

PLACE = "{subject}"  # in the name of a file: stands for the subject
_STATUS = {0: "passes", 1: "does not pass", 2: "was not judged", INTERRUPTED: "was interrupted"}
_UNNAMED = """no SUBJECT: name one, as conformance run mykernels.py; or write in pyproject.toml

[tool.conformance]
subjects = ["mykernels.py"]"""


class Configured(click.Command):
    """A command whose options are those of a configuration file where the command line has none."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if not {"-h", "--help"}.intersection(args):
            from conformance.configuration import configuration

            with wrong_usage():
                extra["obj"] = found = configuration(Path.cwd())
            extra["default_map"] = dict(found.options) if found else {}
        return super().make_context(info_name, args, parent, **extra)


def subject_of(context: click.Context, typed: str | None) -> str:
    """The subject of a run: the one that is typed, or configured; where several are, each gets a run of its own."""
    configured = _subjects(context)
    if typed is None and not configured:
        raise click.UsageError(_UNNAMED)
    if typed is None and len(configured) > 1:
        sys.exit(_each(configured))
    return typed if typed is not None else configured[0]


def has_several(context: click.Context, typed: str | None) -> bool:
    return typed is None and len(_subjects(context)) > 1


def _subjects(context: click.Context) -> tuple[str, ...]:
    found: Configuration | None = context.obj
    return found.subjects if found else ()


def check_files(context: click.Context, files: Mapping[str, str | None]) -> None:
    """Whether each of several subjects has files of its own."""
    subjects = _subjects(context)
    for name, file in files.items():
        taken: dict[str, str] = {}
        for subject in subjects if file is not None else ():
            own = _file_of(subject, str(file))
            if own in taken:
                place = "" if PLACE in str(file) else f"; write {PLACE} where their names are to stand"
                raise click.UsageError(
                    f"{name} {file}: {taken[own]} and {subject} do not go to one file{place}"
                )
            taken[own] = subject


def files_of(
    context: click.Context, subject: str, options: Mapping[str, Any], names: Collection[str]
) -> dict[str, Any]:
    """The options with the files of this subject; files that are configured are for subjects that are, too."""
    other = os.path.normpath(subject) not in _subjects(context)  # those are as short as that
    files = {}
    for name in names:
        configured = context.get_parameter_source(name) is ParameterSource.DEFAULT_MAP
        path = None if configured and other else options[name]
        files[name] = path and _file_of(subject, path)
    return {**options, **files}


def _file_of(subject: str, file: str) -> str:
    """The name of a file with that of the subject, as far as one has room for it."""
    return file.replace(PLACE, _slug(subject))


def _slug(subject: str) -> str:
    file, colon, inside = subject.partition(":")
    return re.sub(r"[^\w.-]+", "-", f"{file.removesuffix('.py')}{colon}{inside}").strip("-.")


def _each(subjects: Sequence[str]) -> int:
    """A run of each, as it was typed; the worst of their exit statuses."""
    ended: dict[str, int] = {}
    for subject in subjects:
        status = _run([*sys.argv[1:], subject])
        ended[subject] = 128 - status if status < 0 else status  # as a shell counts signals
        click.echo()
        if ended[subject] == INTERRUPTED:
            break
    for subject, status in ended.items():
        click.echo(f"{subject} {_STATUS.get(status, f'ended with status {status}')}")
    return max(ended.values())


def _run(arguments: Sequence[str]) -> int:
    """The exit status of a run, to which signals that end this process are passed on: it says how far it was."""
    process = subprocess.Popen([sys.executable, "-m", "conformance", *arguments])
    ending = (signal.SIGINT, signal.SIGTERM)
    before = {each: signal.signal(each, lambda number, _: process.send_signal(number)) for each in ending}
    try:
        return process.wait()
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
