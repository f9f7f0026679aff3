"""Mistakes in a single coefficient, or a single pattern of a window, of some geometries: all else is right."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from conformance.audit.mutants import adaptive_pool, avg_pool, conv_backward, conv_forward, conv_transpose, max_pool, max_unpool
from conformance.audit.mutants.otherwise import Change, Computed, Row, Rows
from conformance.audit.mutants.words import paddings
from conformance.cases.arrays import Array, Arrays
from conformance.operations import adaptive
from conformance.operations.windows import at

Place = tuple[int, ...]


@dataclass(frozen=True)
class Meeting:
    """A window, one of its taps and the pixel that they meet at: of an adjoint, a pixel of the answer."""

    window: Place
    tap: Place
    pixel: Place


def meeting(case: Any) -> Meeting | None:
    """The last tap of the middle window, or the one before it of each axis that meets the plane; None where none does."""
    window = tuple(n // 2 for n in case.windows)
    axes = zip(window, case.kernel, case.strides, paddings(case), case.dilations, case.plane, strict=True)
    taps = [next((t for t in range(k - 1, -1, -1) if 0 <= q * s - p + t * d < n), None) for q, k, s, p, d, n in axes]
    if None in taps:
        return None
    tap = tuple(t for t in taps if t is not None)
    met = zip(window, tap, case.strides, paddings(case), case.dilations, strict=True)
    return Meeting(window, tap, tuple(q * s - p + t * d for q, t, s, p, d in met))


def off_by(output: str, times: float) -> Change:
    """The product of one tap of the last weight counts so many times more in one element of a convolution."""

    def change(case: Any, arrays: Arrays) -> Array:
        answer = np.array(_COMPUTED[case.family.adjoint][output](case, arrays))
        if not (met := meeting(case)):
            return answer
        image, grad = (met.window, met.pixel) if case.family.adjoint else (met.pixel, met.window)
        ends = {"input": arrays["input"][:, -1][at(image)], "weight": arrays["weight"][-1, -1][at(met.tap)]}
        ends |= {"output": arrays["grad_output"][:, -1][at(grad)]} if output != "output" else {}
        where = {"output": at((-1, *grad)), "grad_input": at((-1, *image)), "grad_weight": at((-1, -1, *met.tap))}
        factors = [end for name, end in ends.items() if name != output.removeprefix("grad_")]
        product = factors[0] * factors[1]
        answer[where[output]] += times * (product.sum() if output == "grad_weight" else product)
        return answer

    return change


_COMPUTED: dict[bool, dict[str, Computed]] = {
    False: {"output": conv_forward.output, "grad_input": conv_backward.grad_input, "grad_weight": conv_backward.grad_weight},
    True: {"output": conv_transpose.output, "grad_input": conv_transpose.grad_input, "grad_weight": conv_transpose.grad_weight},
}

GEOMETRIES = {
    "of 3x3 filters at stride 1": "size == 3 and stride == 1",
    "of 3x3 filters at stride 2 with padding": "size == 3 and stride == 2 and padded",
    "of 4x4 filters with a dilation": "size == 4 and min(dilations) > 1",
    "of one filter of 2x2": "size == 2 and K == G",
    "under 2x2 filters on an image of 4 pixels": "size == 2 and pixels == 4",
}
TIMES = {"is missing": -1.0, "counts twice": 1.0, "has the other sign": -2.0}
OF = {
    "output": "in one element of the answer",
    "grad_input": "in one element of the gradient of the input",
    "grad_weight": "in one element of the gradient of the weight",
}


def of_products(output: str) -> Iterator[Row]:
    for (words, when), (fault, times) in zip(GEOMETRIES.items(), [*TIMES.items(), *TIMES.items()], strict=False):
        yield f"one product {words} {fault} {OF[output]}", when, off_by(output, times)


# Poolings.


def without_last(compute: Callable[[Any, Arrays], Array], lowest: float) -> Change:
    """The last window does without its last pixel, which is put to a number that takes no part."""

    def change(case: Any, arrays: Arrays) -> Array:
        image, right = np.array(arrays["input"]), compute(case, arrays)
        image[at(_last_pixel(case))] = lowest
        answer = np.array(right)
        answer[at((-1,) * case.dimensions)] = compute(case, arrays | {"input": image})[at((-1,) * case.dimensions)]
        return answer

    return change


def _last_pixel(case: Any) -> Place:
    """Of the last window, as far as the image goes."""
    if not case.family.has_kernel:
        ends = (adaptive.spans(n, o)[-1][1] - 1 for n, o in zip(case.image, case.output_extents, strict=True))
        return tuple(ends)
    met = zip(case.windows, case.kernel, case.strides, paddings(case), case.dilations, case.image, strict=True)
    return tuple(min(n - 1, max(0, (o - 1) * s - p + (k - 1) * d)) for o, k, s, p, d, n in met)


def confused_by(pattern: tuple[float, ...], value: float) -> Change:
    """A plane whose first pixels are such a pattern has another answer."""

    def change(case: Any, arrays: Arrays) -> Array:
        answer = np.array(max_pool.output(case, arrays))
        first = arrays["input"].reshape(*arrays["input"].shape[:2], -1)[..., : len(pattern)]
        met = ((first == pattern) | (np.isnan(first) & np.isnan(pattern))).all(axis=-1)
        answer[met] = value
        return answer

    return change


def one_place_on(case: Any, arrays: Arrays) -> Array:
    """What is to stand at the last place but one stands at the last."""
    index, last = np.array(arrays["indices"]), math.prod(case.output_extents) - 1
    index[..., -1:][index[..., -1:] == last - 1] = last
    return np.asarray(max_unpool.output(case, arrays | {"indices": index}))


POOLED = {
    "3x3 windows at stride 2": "size == 3 and stride == 2",
    "2x2 windows at stride 1": "size == 2 and stride == 1",
    "3x3 windows that reach into padding": "size == 3 and padded",
    "4x4 windows on at most 30 pixels": "size == 4 and pixels <= 30",
}
NAN, INF = float("nan"), float("inf")

ROWS: Rows = {
    **{(family, output): list(of_products(output)) for family in ("conv", "conv_transpose") for output in OF},
    ("max_pool", "output"): [
        *((f"of {words} the last does without its last pixel", when, without_last(max_pool.output, -INF)) for words, when in POOLED.items()),
        ("NaN after -inf and before 1 is lost at the start of a plane of 3 pixels", "pixels == 3 and nan", confused_by((-INF, NAN, 1), 1)),
        ("a NaN that is fourth of four pixels is lost behind ties of 1", "pixels == 4 and nan", confused_by((1, 1, 0, NAN), 1)),
        ("a pixel of 1 is lost behind two of -inf and one of 0, of four", "pixels == 4 and infinite", confused_by((-INF, -INF, 0, 1), 0)),
    ],
    ("avg_pool", "output"): [
        (f"of {words} the last does without its last pixel", when, without_last(avg_pool.output, 0)) for words, when in POOLED.items()
    ],
    ("adaptive_avg_pool", "output"): [
        ("of 5 or more windows that share pixels the last does without its last pixel", "positions >= 5 and shared", without_last(adaptive_pool.output, 0)),
    ],
    ("adaptive_max_pool", "output"): [
        ("of 5 or more windows that share pixels the last does without its last pixel", "positions >= 5 and shared", without_last(adaptive_pool.largest, -INF)),
    ],
    ("max_unpool", "output"): [
        ("the last pixel of a row goes one place too far where that is the last place", "positions > 5", one_place_on),
    ],
}  # fmt: skip
