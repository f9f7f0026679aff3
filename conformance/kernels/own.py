"""Which files are a kernel's own: neither of Python or a library, nor of the suite."""

from __future__ import annotations

import sysconfig
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
