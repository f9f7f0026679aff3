"""The commands together. What is heavy is imported by the command that needs it."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from conformance import cli
from conformance.cli.shared import INTERRUPTED


@contextmanager
def _no_verdict() -> Iterator[None]:
    """Ctrl-C where there is no verdict yet; click would exit with 1, which says that a kernel differs."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)


_SHARED = (
    "configured",
    "group",
    "judging",
    "many",
    "listeners",
    "shared",
    "watching",
    "writing",
)  # files that hold no command


class _Commands(click.Group):
    """Every file of this folder that holds a command, which is imported once it is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        names = (module.name for module in pkgutil.iter_modules(cli.__path__))
        return sorted(name for name in names if name not in _SHARED)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = importlib.import_module(f"{cli.__name__}.{cmd_name}").command
        return command

    @_no_verdict()
    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        return super().make_context(*arguments, **options)

    @_no_verdict()
    def invoke(self, ctx: click.Context) -> Any:
        return super().invoke(ctx)


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
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
        raise click.UsageError("the working directory no longer exists; change to one that does") from None
