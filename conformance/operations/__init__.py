"""What is judged: each family of operations is one object, and each operation one number of image axes of it."""

from conformance.operations.dtypes import DTYPES, Dtype
from conformance.operations.family import Family
from conformance.operations.option import Option
from conformance.operations.registry import OPERATIONS, OUTPUTS, Operation

__all__ = ["DTYPES", "OPERATIONS", "OUTPUTS", "Dtype", "Family", "Operation", "Option"]
