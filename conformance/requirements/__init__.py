"""The requirements, a file each: one rule that a kernel must keep, the cases that ask it, the check that judges it."""

from conformance.requirements.plan import PROFILES, Plan
from conformance.requirements.registry import REPEATED_CALLS, REQUIREMENTS, requirement_of
from conformance.requirements.requirement import Requirement

__all__ = ["PROFILES", "REPEATED_CALLS", "REQUIREMENTS", "Plan", "Requirement", "requirement_of"]
