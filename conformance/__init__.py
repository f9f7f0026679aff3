"""Does a kernel compute what it should? The names that a kernel's developer uses, each loaded when first used."""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # as of typing, whose import takes long enough to be hit by Ctrl-C
if TYPE_CHECKING:
    from typing import Any

    from conformance.cases import Case, CaseError
    from conformance.cases.arrays import fill
    from conformance.cases.strategies import strategy
    from conformance.kernels.load import load
    from conformance.kernels.subject import Subject, SubjectError
    from conformance.running.settings import Settings
    from conformance.suite.matrix import Verdict, matrix
    from conformance.usage import WrongUsage, check
    from conformance.verdicts.verdict import Report

__all__ = [
    "Case", "CaseError", "Report", "Settings", "Subject", "SubjectError", "Verdict", "WrongUsage", "check", "fill",
    "load", "matrix", "strategy",
]  # fmt: skip

_HOMES = {
    "Case": "cases",
    "CaseError": "cases",
    "Report": "verdicts.verdict",
    "Settings": "running.settings",
    "Subject": "kernels.subject",
    "SubjectError": "kernels.subject",
    "Verdict": "suite.matrix",
    "WrongUsage": "usage",
    "check": "usage",
    "fill": "cases.arrays",
    "load": "kernels.load",
    "matrix": "suite.matrix",
    "strategy": "cases.strategies",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
