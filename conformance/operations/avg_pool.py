"""Average pooling: avg_pool1d, avg_pool2d, avg_pool3d."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from conformance.operations import pool
from conformance.operations.family import Family
from conformance.operations.option import Fields, Option
from conformance.operations.readings import linear, window_of
from conformance.operations.windows import Array, Arrays, Problem, pad, taps, unpad

OPTIONS = (
    *pool.OPTIONS,
    Option(
        name="count_include_pad",
        default=True,
        classes=(True, False),
        scope="each",
        other=False,
        probe={"stride": 2, "padding": 1, "count_include_pad": False},
        others=(True, False),
        keeps=True,
    ),
    Option(
        name="divisor_override",
        default=None,
        types=(int, type(None)),
        dimensions=(2, 3),
        classes=(None, 1, 3, -2),
        other=3,
        probe={"stride": 2, "divisor_override": 3},
        others=(2,),
        keeps=True,
    ),
)


def avg_pool(case: Problem, arrays: Arrays) -> Array:
    """The sum of each window over its divisor: divisor_override, or the taps counted (with padding or without)."""
    padded = pad(arrays["input"], case.borders)
    return cast(Array, sum(padded[place] for _, place in taps(case)) / divisors(case))


def avg_pool_backward(case: Problem, arrays: Arrays) -> Array:
    grad_padded = np.zeros(pad(arrays["input"], case.borders).shape)
    for _, place in taps(case):
        grad_padded[place] += arrays["grad_output"] / divisors(case)
    return unpad(grad_padded, case.borders)


def divisors(case: Problem) -> Array:
    """divisor_override, or the taps of each window inside the padded image (or inside the image)."""
    if case.divisor_override is not None:
        return np.asarray(float(case.divisor_override))
    counts = np.ones(())
    axes = zip(case.image, case.kernel, case.strides, case.pads, case.output_extents, strict=True)
    for n, k, s, (low, high), outputs in axes:
        start = np.arange(outputs) * s - low
        end = np.minimum(start + k, n + high)
        counted = end - start if case.count_include_pad else np.minimum(end, n) - np.maximum(start, 0)
        counts = counts[..., None] * counted
    return counts


def aten(case: Problem, tensors: dict[str, Any], operators: Any) -> list[Any]:
    t, name = pool.planes(case, tensors), f"avg_pool{pool.operators_axes(case)}d"
    kernel, stride, padding, _ = pool.geometry(case)
    geometry = (kernel, stride, padding, case.ceil_mode, case.count_include_pad, case.divisor_override)
    output = getattr(operators, name)(t["input"], *geometry)
    gradient = getattr(operators, f"{name}_backward")(t["grad_output"], t["input"], *geometry)
    return pool.without_row(case, [output, gradient])


def refusal(case: Problem) -> str | None:
    if case.divisor_override == 0:
        return "divisor_override=0"
    if case.dimensions == 3 and any(n < k for n, k in zip(case.image, case.kernel, strict=True)):
        return "the window exceeds the image, of which PyTorch's avg_pool3d forgets the padding"
    return pool.refusal(case)


def extra_rounding(case: Problem, arrays: Arrays, output: str, accuracy: str, unit: float) -> Array:
    return pool.table_rounding(case, arrays, output, divisors(case))


def summed(terms: int, dimensions: int) -> Fields:
    window = {1: (terms,), 2: (3, terms // 3), 3: (1, 3, terms // 3)}[dimensions]
    return {"kernel": window, **window_of(1, window)}


FAMILY = Family(
    name="avg_pool",
    rank=3,
    options=OPTIONS,
    keywords=("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override"),
    refusal=refusal,
    forward=lambda case, arrays: {"output": avg_pool(case, arrays)},
    backward=lambda case, arrays: {"grad_input": avg_pool_backward(case, arrays)},
    aten=aten,
    divides=1,
    extra_rounding=extra_rounding,
    specials=lambda case: ["input", "grad_output"],
    put_specials=pool.put_specials,
    scope={"image": 9, "kernel": 4, "stride": 4, "padding": 2, "dilation": 1},
    paired={"image": 6, "kernel": 4, "stride": 3, "padding": 2, "dilation": 1},
    readings=linear,
    summed=summed,
    flags=({}, {"count_include_pad": False}, {"divisor_override": 3}),
    **pool.SHARED,
)
