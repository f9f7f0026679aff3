"""Which requirements there are, in order: a file of this folder that holds a REQUIREMENT adds its own."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from conformance import requirements
from conformance.cases import Case
from conformance.requirements.requirement import Requirement


def _requirements() -> Iterator[Requirement]:
    for module in pkgutil.iter_modules(requirements.__path__):
        found = getattr(
            importlib.import_module(f"{requirements.__name__}.{module.name}"), "REQUIREMENT", None
        )
        if isinstance(found, Requirement):
            yield found


REQUIREMENTS = {found.name: found for found in sorted(_requirements(), key=lambda found: found.rank)}


def requirement_of(case: Case) -> Requirement:
    """The one that a case is judged under where none is named: the first of those with such cases."""
    return next(each for each in REQUIREMENTS.values() if each.refuses == bool(case.problem))


REPEATED_CALLS = next(each.name for each in REQUIREMENTS.values() if each.repeats_calls)
