"""The formats of a report: an option for each, and how it is written."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable, Mapping
from typing import Any

import click

from conformance.cli.shared import Command, write
from conformance.reports import formats

FORMATS = tuple(module.name for module in pkgutil.iter_modules(formats.__path__))


def writing(says: str) -> Callable[[Command], Command]:
    """An option for each file of reports/formats, whose help begins so."""

    def add(command: Command) -> Command:
        for name in FORMATS:
            text = f"{says} as {formats.PURPOSES[name]}; - is standard output."
            command = click.option(f"--{name}", metavar="FILE", help=text)(command)
        return command

    return add


def write_format(name: str, path: str, data: Mapping[str, Any]) -> None:
    """The report in a format, to a file or to standard output."""
    text = importlib.import_module(f"{formats.__name__}.{name}").render(data)
    if path == "-":
        sys.stdout.write(text)
    else:
        write(f"--{name}", path, text)
