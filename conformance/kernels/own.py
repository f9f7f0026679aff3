"""Which files are a kernel's own: neither of Python or a library, nor of the suite."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_STDLIB = Path(sysconfig.get_path("stdlib")).resolve()
_SUITE = Path(__file__).resolve().parents[1]
_PACKAGES = ("site-packages", "dist-packages")


@cache
def is_own(file: str) -> bool:
    path = Path(file)
    ours = of_suite(file) or path.is_relative_to(_STDLIB) or file.startswith("<frozen")
    return not (ours or package_of(file))


@cache
def of_suite(file: str) -> bool:
    return Path(file).is_relative_to(_SUITE)


def package_of(file: str) -> str:
    """The installed package that a file belongs to; "" where it belongs to none."""
    parts = Path(file).parts
    places = (n for n, part in enumerate(parts[:-1]) if part in _PACKAGES)
    return next((parts[n + 1] for n in places), "")


@dataclass
class _Home:
    """Where paths are told from.

    folder    None: the working directory, whichever that is
    unpacked  folders that files were unpacked into, and those that they come from
    """

    folder: str | None = None
    unpacked: Sequence[tuple[str, str]] = ()


_HOME = _Home()


def tell_from(folder: str, unpacked: Sequence[tuple[str, str]]) -> None:
    """From now on from_here says where files are as seen from the folder that they were sent from."""
    _HOME.folder, _HOME.unpacked = folder, unpacked


def from_here(file: str) -> str:
    """The way to a file from the working directory."""
    for there, here in _HOME.unpacked:
        if Path(file).is_relative_to(there):
            file = str(here / Path(file).relative_to(there))
    return Path(os.path.relpath(file, _HOME.folder)).as_posix()


def whole(file: str) -> Path:
    """The whole path of a file, of which this is the way from the working directory."""
    return Path(_HOME.folder or "", file).resolve()
