"""Right kernels that compute otherwise than the reference: none of them may be accused."""

from conformance.kernels.right import forms, partial, pooling, products, sums, transforms
from conformance.kernels.right.registry import ALL, Right

FILES = (sums, products, transforms, pooling, forms, partial)

__all__ = ["ALL", "FILES", "Right"]
