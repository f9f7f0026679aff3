"""Right kernels that compute otherwise than the reference: none of them may be accused."""

from conformance.audit.right import forms, partial, pooling, products, sums, transforms, transposed
from conformance.audit.right.kernel import Right

TABLES = (sums, products, transforms, transposed, pooling, forms, partial)
ALL = {kernel.name: kernel for table in TABLES for kernel in table.ROWS}

__all__ = ["ALL", "Right"]
