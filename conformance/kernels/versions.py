"""What took part in a run: Python, NumPy, this package and the frameworks."""

from __future__ import annotations

import importlib.metadata
import platform

from conformance.kernels.framework import FRAMEWORKS, PLAIN, about

PROJECT = "npcnn-conformance"


def versions(*frameworks: str) -> dict[str, str]:
    """The version of each package that is installed."""
    every = {"python": platform.python_version()}
    of_frameworks = [p for name in frameworks if name in FRAMEWORKS for p in about(name).packages]
    for package in dict.fromkeys([*about(PLAIN).packages, PROJECT, *of_frameworks]):
        try:
            every[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return every
