"""What is asked: cases, their text, their arrays, and which of them a kernel claims."""

from conformance.cases.case import FAMILIES, Case, CaseError
from conformance.cases.conv import Conv
from conformance.cases.pool import AvgPool, MaxPool, Pool

__all__ = ["FAMILIES", "AvgPool", "Case", "CaseError", "Conv", "MaxPool", "Pool"]
