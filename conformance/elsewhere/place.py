"""Where a subject is judged: what a verdict may hang on, beside the subject."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import conformance
from conformance.kernels.framework import PLAIN, about
from conformance.kernels.versions import versions


def place(*frameworks: str) -> dict[str, Any]:
    """This process: its machine, the versions that take part, the suite's text, and what the processor can do."""
    return {
        "machine": platform.node(),
        "suite": _suite(),
        "processor": _processor(),
        "versions": versions(*frameworks),
    }


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> Iterator[str]:
    """What one place has otherwise, in words."""
    for name in sorted({*there["versions"], *here["versions"]}):
        was, now = there["versions"].get(name), here["versions"].get(name)
        if was and now and was != now:
            yield f"{name} {was}, here {now}"
    naming = about(PLAIN).packages[0]  # which gives instructions their names
    alike = there["versions"].get(naming) == here["versions"].get(naming)
    if alike and there["processor"] != here["processor"]:
        lacking, more = (
            set(a["processor"]).difference(b["processor"]) for a, b in ((here, there), (there, here))
        )
        words = [*(f"without {each}" for each in sorted(lacking)), *(f"with {each}" for each in sorted(more))]
        yield f"a processor {', '.join(words)}"


@cache
def _suite() -> str:
    """A digest of the suite's own files."""
    folder = Path(conformance.__file__).parent
    texts = (file.read_bytes() for file in sorted(folder.rglob("*.py")))
    return hashlib.sha256(b"".join(hashlib.sha256(text).digest() for text in texts)).hexdigest()[:16]


@cache
def _processor() -> list[str]:
    """Its kind, and the instructions that NumPy found it to have."""
    config = np.show_config(mode="dicts") or {}
    return [platform.machine(), *sorted(config.get("SIMD Extensions", {}).get("found", ()))]
