"""What a configuration file says for a command: its options where none is typed, and the subjects."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from conformance.cli.shared import wrong_usage

if TYPE_CHECKING:
    from conformance.configuration import Configuration

PLACE = "{subject}"  # in the name of a file: stands for the subject
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


def subjects_of(context: click.Context, typed: Sequence[str]) -> list[str]:
    """The subjects of a run: those that are typed, or configured; @FILE stands for the lines of a file."""
    found: Configuration | None = context.obj
    configured = found.subjects if found else ()
    names = list(dict.fromkeys(name for each in typed or configured for name in _listed(each)))
    if not names:
        raise click.UsageError(_UNNAMED if not typed else f"{' '.join(typed)}: names no subject")
    return names


def _listed(name: str) -> list[str]:
    """A name, or those that a file has, one a line; # begins a comment."""
    if not name.startswith("@"):
        return [name]
    try:
        lines = Path(name[1:]).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{name}: cannot be read: {getattr(error, 'strerror', error)}") from None
    return [text for line in lines if (text := line.partition("#")[0].strip())]


def check_files(subjects: Sequence[str], files: Mapping[str, str | None]) -> None:
    """Whether each of several subjects has files of its own."""
    for name, file in files.items():
        taken: dict[str, str] = {}
        for subject in subjects if file is not None else ():
            own = file_of(subject, str(file))
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
    found: Configuration | None = context.obj
    other = not found or os.path.normpath(subject) not in found.subjects  # those are as short as that
    files = {}
    for name in names:
        configured = context.get_parameter_source(name) is ParameterSource.DEFAULT_MAP
        path = None if configured and other else options[name]
        files[name] = path and file_of(subject, path)
    return {**options, **files}


def file_of(subject: str, file: str) -> str:
    """The name of a file with that of the subject, as far as one has room for it."""
    return file.replace(PLACE, _slug(subject))


def _slug(subject: str) -> str:
    file, colon, inside = subject.partition(":")
    return re.sub(r"[^\w.-]+", "-", f"{file.removesuffix('.py')}{colon}{inside}").strip("-.")
