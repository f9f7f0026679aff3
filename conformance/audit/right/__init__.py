"""Right kernels that compute otherwise than the reference: none of them may be accused."""

from conformance.audit.right import (
    adaptive,
    complex,
    doubled,
    forms,
    integers,
    lp_pooling,
    partial,
    pooling,
    products,
    sums,
    transforms,
    transposed,
    unpooling,
)
from conformance.audit.right.kernel import Right

TABLES = (
    sums, products, transforms, transposed, pooling, forms, partial, adaptive, lp_pooling, unpooling, integers,
    complex, doubled,
)  # fmt: skip
ALL = {kernel.name: kernel for table in TABLES for kernel in table.ROWS}

__all__ = ["ALL", "Right"]
