"""What is asked: cases, their text, their arrays, and which of them a kernel claims."""

from conformance.cases.case import Case
from conformance.cases.text import CaseError

__all__ = ["Case", "CaseError"]
