"""Power-average pooling by means, by scaled powers, by square and cube roots, its gradient by the answer."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.audit.right.kernel import Right, computed
from conformance.cases.arrays import Array, Arrays
from conformance.kernels.functions import by_reference
from conformance.operations.family import Answers
from conformance.operations.lp_pool import of_windows, pixels, sign, wholeness
from conformance.operations.windows import at, pad, taps

Sums = Callable[[Any, Array], Array]  # case, image -> the sum of powers of each window


def windows_of(case: Any, image: Array) -> Array:
    """Every window copied out: (taps, N, C, *output)."""
    padded = pad(image, case.borders)
    return np.stack([padded[place] for _, place in taps(case)])


def whole(case: Any, sums: Array) -> Array:
    """Sums of windows that are clipped, as if they were not."""
    return np.asarray(sums * wholeness(case).astype(sums.dtype))


def in_order(case: Any, image: Array) -> Array:
    return whole(case, np.asarray(sum(windows_of(case, image) ** case.norm_type)))


def from_the_end(case: Any, image: Array) -> Array:
    return whole(case, np.asarray(sum(windows_of(case, image)[::-1] ** case.norm_type)))


def by_products(case: Any, image: Array) -> Array:
    """Powers by multiplication, their mean times the taps."""
    sums = product_of([windows_of(case, image)] * case.norm_type).sum(axis=0)
    return np.asarray(sums / pixels(case).astype(sums.dtype) * image.dtype.type(math.prod(case.kernel)))


def product_of(factors: list[Array]) -> Array:
    product = factors[0]
    for factor in factors[1:]:
        product = product * factor
    return product


def by_axis(case: Any, image: Array) -> Array:
    """Sums along the width, then along the height."""
    powers = pad(image**case.norm_type, case.borders)
    for axis, (k, s, o) in enumerate(zip(case.kernel, case.strides, case.output_extents, strict=True), -case.dimensions):
        moved = np.moveaxis(powers, axis, 0)
        powers = np.moveaxis(np.asarray(sum(moved[t : t + (o - 1) * s + 1 : s] for t in range(k))), 0, axis)
    return whole(case, powers)


def rooted(sums: Sums, root: Callable[[Array, int], Array], slope: Callable[[Array, int], Array]) -> Any:
    """The answer by some sums z, their root, and its slope z^(1/p - 1)."""

    def compute(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
        x, p = arrays["input"], case.norm_type
        if math.isinf(p):
            return by_reference(case, arrays, wanted)
        z = sums(case, x)
        if wanted == ("output",):
            return {"output": root(z, p)}
        steep = np.where(z == 0, 0, arrays["grad_output"] * slope(z, p) * sign(z) ** 2 * wholeness(case)).astype(x.dtype)
        return {"grad_input": (of_windows(case, steep) * x ** (p - 1)).astype(x.dtype)}

    return compute


def power(z: Array, p: int) -> Array:
    return np.asarray(z ** z.dtype.type(1 / p))


def power_slope(z: Array, p: int) -> Array:
    return np.asarray(z ** z.dtype.type(1 / p - 1))


def by_roots(z: Array, p: int) -> Array:
    """Square and cube roots, of what has one."""
    known: dict[int, Callable[[Any], Any]] = {1: lambda z: z, 2: np.sqrt, 3: np.cbrt, 4: lambda z: np.sqrt(np.sqrt(z))}
    if p not in known:
        return power(z, p)
    negative = np.isneginf(z) if p > 2 else np.zeros(z.shape, bool)  # whose power is that of infinity
    answer = known[p](np.where(negative, np.inf, z))
    return np.where((z < 0) & ~negative & (p > 1), np.nan, answer)


def by_logarithm(z: Array, p: int) -> Array:
    """Of a sum of -inf none either."""
    return z if p == 1 else np.exp(np.log(z.astype(np.float64)) / p).astype(z.dtype)


def logarithmic_slope(z: Array, p: int) -> Array:
    return np.ones_like(z) if p == 1 else np.exp(np.log(z.astype(np.float64)) * (1 / p - 1)).astype(z.dtype)


def divided(z: Array, p: int) -> Array:
    """One over the answer's power."""
    return np.asarray(1 / by_roots(z, p) ** (p - 1))


def by_largest(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    """Powers of x over the largest magnitude of its window: none overflows."""
    x, p = arrays["input"], case.norm_type
    if wanted != ("output",) or math.isinf(p) or not np.isfinite(x).all():
        return by_reference(case, arrays, wanted)
    every = windows_of(case, x)
    largest = np.abs(every).max(axis=0)
    by = np.where(largest == 0, 1, largest)
    return {"output": largest * power(whole(case, ((every / by) ** p).sum(axis=0)), p)}


def window_by_window(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    """Every window by itself, in float64; for infinity the largest magnitude of a sorted window."""
    if wanted != ("output",):
        return by_reference(case, arrays, wanted)
    x, p = arrays["input"].astype(np.float64), case.norm_type
    output = np.zeros((*x.shape[:2], *case.output_extents))
    for window in np.ndindex(*case.output_extents):
        axes = zip(window, case.strides, case.kernel, strict=True)
        seen = x[at(slice(i * s, i * s + k) for i, s, k in axes)]
        part = seen.reshape(*x.shape[:2], math.prod(seen.shape[2:]))
        scale = math.prod(case.kernel) / part.shape[-1]
        output[at(window)] = np.sort(np.abs(part), axis=-1)[..., -1] if math.isinf(p) else ((part**p).sum(axis=-1) * scale) ** (1 / p)
    return {"output": output}


ROWS = [
    Right("lp_from_the_end", "powers summed from the last to the first, in the kernel's own dtype", computed(rooted(from_the_end, power, power_slope), "lp_pool")),
    Right("lp_by_products", "powers by multiplication, their mean times their number", computed(rooted(by_products, power, power_slope), "lp_pool")),
    Right("lp_by_axis", "powers summed along one axis after the other", computed(rooted(by_axis, power, power_slope), "lp_pool")),
    Right("lp_by_roots", "square and cube roots; the gradient divided by the power of the answer", computed(rooted(in_order, by_roots, divided), "lp_pool")),
    Right("lp_by_logarithm", "roots by the exponential of a logarithm", computed(rooted(in_order, by_logarithm, logarithmic_slope), "lp_pool")),
    Right("lp_by_largest", "powers of what each window's largest magnitude divides", computed(by_largest, "lp_pool")),
    Right("lp_window_by_window", "every window by itself, in float64", computed(window_by_window, "lp_pool")),
]
