"""What the adaptive poolings share: as many windows as are asked for, of pixels that follow from it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from conformance.operations import pool
from conformance.operations.family import Tail
from conformance.operations.option import Fields, Option
from conformance.operations.windows import Problem, along

OUTPUT_SIZE = Option(
    name="output_size",
    default=1,
    required=True,
    per_axis=True,
    feature=False,
    least=0,
    gap="output_size=None",
    broadcasts=False,
    classes=(1, 2, 3, 5, None),
    others=(1, 2, (2, 1), (1, 3)),
)


def output_size(case: Problem) -> tuple[int, ...]:
    """Windows of each axis; None keeps the image's extent."""
    asked = zip(case.axes(case.output_size), case.image, strict=True)
    return tuple(n if o is None else o for o, n in asked)


Spans = Callable[
    [int, int], list[tuple[int, int]]
]  # extent, outputs -> the pixels of each window along an axis


def spans(extent: int, outputs: int) -> list[tuple[int, int]]:
    """The pixels of each window along an axis: window i of o is floor(i n / o) to ceil((i + 1) n / o)."""
    return [(i * extent // outputs, -(-(i + 1) * extent // outputs)) for i in range(outputs)]


def windows(case: Problem, spans: Spans = spans) -> Iterator[tuple[Any, Any]]:
    """Each window in row-major order: its place in the output, and its pixels."""
    axes = zip(case.image, case.output_extents, strict=True)
    every = [list(enumerate(spans(n, o))) for n, o in axes]
    for window in itertools.product(*every):
        place = tuple(i for i, _ in window)
        yield (..., *place), (..., *(slice(*span) for _, span in window))


def counts(case: Problem, spans: Spans = spans) -> np.ndarray[Any, Any]:
    """Pixels of each window."""
    pixels = np.ones(())
    for n, o in zip(case.image, case.output_extents, strict=True):
        pixels = pixels[..., None] * np.array([end - start for start, end in spans(n, o)], float)
    return pixels


def terms(case: Problem, output: str) -> int:
    """Pixels of the largest window; for the gradient, the most windows that hold one pixel."""
    return math.prod(_terms(n, o, output) for n, o in zip(case.image, case.output_extents, strict=True))


def _terms(extent: int, outputs: int, output: str) -> int:
    every = spans(extent, outputs)
    if output == "output":
        return max((end - start for start, end in every), default=1)
    held = np.zeros(extent, int)
    for start, end in every:
        held[start:end] += 1
    return int(held.max(initial=1))


def refusal(case: Problem) -> str | None:
    if isinstance(case.output_size, tuple) and case.dimensions == 1 and None in case.output_size:
        return "output_size=none of one axis"
    return None


# What is asked.


def image(case: Problem, axis: int, pixels: int, unread: int) -> int:
    """An extent of so many pixels for each window, or, where there is something over, of some more or fewer."""
    outputs = case.axes(case.output_size)[axis]
    if outputs is None:
        return 3 + pixels
    over = outputs // 2 if pixels > 1 else -(outputs // 3) or 1
    return int(max(1, pixels * outputs + unread * over))


def deeper(case: Problem) -> Fields:
    """A third axis in front: short, its extent another than those of the others."""
    extent = 2
    while extent in case.image:
        extent += 1
    size = case.output_size
    return {"image": (extent, *case.image)} | ({"output_size": (2, *size)} if isinstance(size, tuple) else {})


def reaches(case: Problem, n: int) -> Iterator[Fields]:
    """Windows as long as an unrolled loop, along each axis and all of them; more windows than pixels."""
    axes, others = case.dimensions, (5, 4, 3)[-case.dimensions :]
    for axis in range(axes):
        extents = (*others[:axis], 2 * n + 1, *others[axis + 1 :])
        yield {"image": extents, "output_size": along(axis, 2, 3, axes)}
        yield {"image": others, "output_size": along(axis, n, 2, axes)}
        yield {"image": extents, "output_size": along(axis, n + 1, 2, axes)}
    yield {"image": (n + 1, n, n)[-axes:] if axes < 3 else (3, n, n + 1), "output_size": 1}


def far(case: Problem, n: int) -> Iterator[Fields]:
    """More pixels, windows or both along an axis than a byte or two hold."""
    yield {"image": (n + 3, 3), "output_size": (2, 2)}
    yield {"image": (3, 4), "output_size": (n, 3)}
    yield {"image": (n + 3, 4), "output_size": (n, 3)}


SHARED: dict[str, Any] = {
    "size": "output_size",
    "malformations": pool.MALFORMATIONS,
    "array_names": ("input",),
    "arrays": pool.shapes,
    "channels_out": lambda case: int(case.channels),
    "outputs": lambda case, axis, extent: output_size(case)[axis],
    "least_output": 0,
    "refusal": refusal,
    "terms": terms,
    "window": "window",
    "image": image,
    "deeper": deeper,
    "reaches": reaches,
    "far": far,
    "counts": {"channels": (1, 2, 3)},
    "channels": lambda row: {"channels": row["channels"]},
    "kernels": (),
    "few": {"channels": 2},
    "thin": {"channels": 1},
    "scope": {"image": 9, "output_size": 9},
    "paired": {"image": 5, "output_size": 5},
    "tails": (
        Tail({"output_size": 1}),
        Tail({"output_size": (2, 3)}),
        Tail({"output_size": "along"}, image="strided", only="image"),
        Tail({"output_size": "along"}, only="image"),
    ),
    "extremes": (
        {"output_size": (0, 65)}, {"output_size": (64, 0)}, {"output_size": (32, 33)}, {"output_size": (64, 66)},
        {"output": (0, 17)}, {"output": (33, 0)}, {"output": (8, 8)}, {"output": (5, 6)}, {"output": (5, 5)},
        {"channels": 16}, {"batch": 16}, {"output": (7, 7), "output_size": (1, 1)},
        {"output": (5, 5), "output_size": (0, 33)},
    ),
    "widths": ({"channels": 3}, {"channels": 8}, {"channels": 32}),
    "alike": (slice(None), slice(None)),
    "refused": {"channels": 2, "image": (5, 6), "output_size": (2, 2)},
}  # fmt: skip
