"""The command line: a file for each command."""

from conformance.cli.group import main

__all__ = ["main"]
