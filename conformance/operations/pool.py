"""What the poolings share: windows over each channel's plane, stride None for the kernel's extents."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from conformance.operations.dtypes import DTYPES
from conformance.operations.family import Malformation, Tail
from conformance.operations.option import Option
from conformance.operations.special import scatter
from conformance.operations.windows import Array, Arrays, Problem, window_outputs

STRIDE = Option(
    name="stride",
    default=None,
    per_axis=True,
    types=(int, tuple, type(None)),
    least=1,
    lacking="stride=None",
    classes=(1, 2, 3),
    probe={"stride": 3},
    others=(1, (2, 1)),
)

PADDING = Option(
    name="padding",
    default=0,
    per_axis=True,
    least=0,
    classes=("none", "some", "beyond"),
    probe={"stride": 2, "padding": 1},
    others=(0,),
)

CEIL_MODE = Option(
    name="ceil_mode",
    default=False,
    classes=(False, True),
    scope="each",
    other=True,
    probe={"stride": 2, "ceil_mode": True},
    others=(True, False),
)

OPTIONS = (STRIDE, PADDING, CEIL_MODE)


def shapes(case: Problem) -> dict[str, tuple[int, ...]]:
    return {"input": (*case.leading, case.channels, *case.image)}


def outputs(case: Problem, axis: int, extent: int) -> int:
    """Windows of an axis; with ceil_mode the last one must start inside the image or its left padding."""
    stride, (low, _) = case.strides[axis], case.pads[axis]
    overhang = stride - 1 if case.ceil_mode else 0
    count = window_outputs(
        extent + overhang, case.kernel[axis], stride, case.pads[axis], case.dilations[axis]
    )
    return count - int(case.ceil_mode and (count - 1) * stride >= extent + low)


def refusal(case: Problem) -> str | None:
    if any(low > k // 2 for (low, _), k in zip(case.pads, case.kernel, strict=True)):
        return f"padding={case.padding} exceeds half of the kernel {case.kernel}"
    return None


def terms(case: Problem, output: str) -> int:
    """Taps of a window; for the gradient, windows that hold one pixel."""
    if output == "output":
        return math.prod(case.kernel)
    reach = zip(case.kernel, case.strides, case.dilations, strict=True)
    return math.prod(min(k, math.ceil((d * (k - 1) + 1) / s)) for k, s, d in reach)


# PyTorch has operators for two and three axes: an image of one has a row in front of it.


def operators_axes(case: Problem) -> int:
    return max(int(case.dimensions), 2)


def geometry(case: Problem) -> list[list[int]]:
    """Kernel, stride, padding and dilation as PyTorch's operators take them."""
    pads = [low for low, _ in case.pads]
    row = case.dimensions == 1
    written = zip((1, 1, 0, 1), (case.kernel, case.strides, pads, case.dilations), strict=True)
    return [[plain] * row + list(values) for plain, values in written]


def rows_before(case: Problem, extents: tuple[int, ...]) -> list[int]:
    """The extents of an answer as PyTorch's operators take them."""
    return [1] * (case.dimensions == 1) + list(extents)


def planes(case: Problem, tensors: dict[str, Any]) -> dict[str, Any]:
    return {n: t.unsqueeze(2) for n, t in tensors.items()} if case.dimensions == 1 else tensors


def without_row(case: Problem, answers: list[Any]) -> list[Any]:
    return [answer.squeeze(2) for answer in answers] if case.dimensions == 1 else answers


def table_rounding(case: Problem, arrays: Arrays, output: str, divisors: Array) -> Array:
    """Rounding of a kernel that adds by a summed-area table in float64, far below that of float32 itself.

    The answer is the difference of 2^d entries over d axes, each a sum of at most the n elements of the plane in some
    order (a gradient's plane has 2^d of them for each window): 2^d (n + 2) 2^-53 of the plane's absolute sum (Higham,
    Accuracy and Stability of Numerical Algorithms, 2nd ed., 3.1).
    """
    corners, by = 2**case.dimensions, np.abs(divisors)
    plane = np.abs(np.asarray(arrays["input" if output == "output" else "grad_output"], np.float64))
    plane = np.where(np.isfinite(plane), plane, 0)  # a table of others is of no use to anyone
    if output == "output":
        n, scale = math.prod(case.image), 1 / by
    else:
        n, plane = corners * math.prod(case.output_extents), corners * plane / by
        scale = np.ones((1,) * case.dimensions)
    whole = plane.sum(axis=tuple(range(-case.dimensions, 0)), keepdims=True)
    return np.asarray(corners * (n + 2) * DTYPES["float64"].unit * whole * scale)


def put_specials(rng: np.random.Generator, case: Problem, arrays: Arrays, name: str) -> None:
    scatter(rng, arrays, name)


def padding(kind: str, kernel: int, dilation: int) -> int:
    """some: at most one; beyond: as much as there may be, half of the kernel."""
    return {"none": 0, "some": min(1, kernel // 2), "beyond": kernel // 2}[kind]


MALFORMATIONS = {
    "input_rank": Malformation("input", "has two axes too few", lambda x: x[0, 0]),
    "input_five": Malformation("input", "has an axis too many", lambda x: x[None]),
}

SHARED: dict[str, Any] = {
    "malformations": MALFORMATIONS
    | {"kernel_zero": Malformation("", "kernel_size is 0", lambda x: x)},  # see Case.kernel_size
    "array_names": ("input",),
    "arrays": shapes,
    "channels_out": lambda case: int(case.channels),
    "outputs": outputs,
    "terms": terms,
    "window": "window",
    "bounded": lambda kernel: kernel // 2,
    "padding": padding,
    "counts": {"channels": (1, 2, 3)},
    "channels": lambda row: {"channels": row["channels"]},
    "kernels": (1, 2, 3, 4),
    "few": {"channels": 2},
    "thin": {"channels": 1},
    "tails": (
        Tail({"kernel": (2, 2), "stride": None}, image="strided"),
        Tail({"kernel": (2, 2), "stride": 1}),
        Tail({"kernel": (2, 2), "stride": 2}, image="strided"),
        Tail({"kernel": (3, 3), "stride": 2, "padding": 1}, image="strided"),
    ),
    "extremes": (
        {"output": (0, 65)}, {"output": (64, 0)}, {"output": (32, 33)}, {"output": (64, 66)},
        {"channels": 16}, {"batch": 16}, {"divisor_override": 7}, {"divisor_override": 16}, {"divisor_override": -100},
        {"kernel": (5, 5)}, {"kernel": (5, 6)}, {"kernel": (8, 8)}, {"kernel": (0, 17)}, {"kernel": (33, 0)},
        {"kernel": (8, 8), "ceil_mode": True},
        {"kernel": (5, 5), "output": (0, 33)}, {"kernel": (5, 5), "output": (0, 33), "stride": (1, 1)},
        {"stride": (5, 5)}, {"stride": (0, 5)}, {"dilation": (4, 4)}, {"dilation": (0, 4)},
    ),
    "widths": ({"channels": 3}, {"channels": 8}, {"channels": 32}),
    "alike": (slice(None), slice(None)),
    "refused": {"channels": 2, "image": (5, 6), "kernel": (2, 2)},
}  # fmt: skip
