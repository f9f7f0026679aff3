"""What took part in a run, and which of it."""

from __future__ import annotations

import importlib.metadata
import platform

from conformance.kernels.framework import FRAMEWORKS, PLAIN, about


def versions(*frameworks: str) -> dict[str, str]:
    """What took part: Python, NumPy, this package and the frameworks."""
    every = {"python": platform.python_version()}
    of_frameworks = [p for name in frameworks if name in FRAMEWORKS for p in about(name).packages]
    for package in dict.fromkeys([*about(PLAIN).packages, "npcnn-conformance", *of_frameworks]):
        try:
            every[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return every
