"""Kernels with one known mistake each: what the suite is measured by, and what a diagnosis is looked up in."""

from conformance.audit.mutants.mutant import Mutant
from conformance.audit.mutants.tables import NOTICED_BY, named, of

__all__ = ["NOTICED_BY", "Mutant", "named", "of"]
