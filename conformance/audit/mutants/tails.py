"""What is left over after whole blocks is dropped: every extent that a kernel may block over, blocks from 4 to 64."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from conformance.audit.mutants import avg_pool, conv_backward, conv_forward, conv_transpose, max_pool
from conformance.audit.mutants.otherwise import ALL, Computed, Edit, Row, Rows, zero
from conformance.cases.arrays import Array

BLOCKS = (4, 8, 16, 32, 64)
Groups = Callable[[Any], int]


def whole(extent: int, block: int) -> int:
    """How much of an extent whole blocks cover; all of it where it is smaller than one."""
    return extent - extent % block if extent > block else extent


def without_tail(axis: int, block: int, groups: Groups = lambda case: 1) -> Edit:
    """Zero past the whole blocks of an axis (of each group)."""

    def edit(case: Any, array: Array) -> Array:
        parts = np.split(array.copy(), groups(case), axis=axis)
        for part in parts:
            np.moveaxis(part, axis, 0)[whole(part.shape[axis], block) :] = 0
        return np.concatenate(parts, axis=axis)

    return edit


def unwritten(right: Computed, *axes: tuple[int, str, str]) -> Iterator[Row]:
    """The tail of an axis of the answer is never written; its word in `when`, and in words."""
    for axis, word, words in axes:
        for block in BLOCKS:
            when, change = f"{word} > {block} and {word} % {block}", right.changed(without_tail(axis, block))
            yield f"{words} past the last whole block of {block} are not written", when, change


def unread(right: Computed, array: str, *axes: tuple[int, str, str]) -> Iterator[Row]:
    """The tail of an axis of an argument takes no part in the sums."""
    for axis, word, words in axes:
        for block in BLOCKS:
            edit = without_tail(axis, block, (lambda case: int(case.groups)) if axis == 1 else lambda case: 1)
            yield f"{words} past the last whole block of {block}", f"{word} > {block} and {word} % {block}", right.given(**{array: edit})


def overlapping_vector_twice(case: Any, y: Array) -> Array:
    y[..., -4 : whole(y.shape[-1], 4)] *= 2
    return y


def last_of_odd_batch(case: Any, y: Array) -> Array:
    y[-1] = y[-2]
    return y


def taps_left_over(case: Any, weight: Array) -> Array:
    return np.asarray(without_tail(2, 4)(case, weight.reshape(*weight.shape[:2], -1)).reshape(weight.shape))


def first_16_again(case: Any, image: Array) -> Any:
    per_group = case.channels // case.groups
    return image[:, np.arange(case.channels).reshape(-1, per_group)[:, np.arange(per_group) % 16].reshape(-1)]


output, grad_input, grad_weight = conv_forward.output, conv_backward.grad_input, conv_backward.grad_weight
BLOCKED: list[Row] = [
    ("the last block of columns is dropped where blocks of 8 fit exactly", "Q > 8 and Q % 8 == 0", output.changed(zero(..., slice(-8, None)))),
    ("the last 4 filters are dropped where blocks of 4 fit exactly", "K > 4 and K % 4 == 0", output.changed(zero(ALL, slice(-4, None)))),
    ("outputs narrower than a vector of 4 are not written", "Q < 4", output.changed(lambda c, y: 0 * y)),
    ("the last columns, in a vector that overlaps the one before, are added twice", "Q > 4 and Q % 4", output.changed(overlapping_vector_twice)),
    ("pairs of images: the last of an odd batch takes the answer of the one before", "N > 1 and N % 2", output.changed(last_of_odd_batch)),
    ("taps are unrolled by 4 and those left over skipped", "taps > 4 and taps % 4", output.given(weight=taps_left_over)),
    ("channels beyond 16 read from the first 16 again", "CG > 16", output.given(input=first_16_again)),
]
ROWS: Rows = {
    ("conv", "output"): [
        *unwritten(output, (0, "N", "images"), (1, "K", "filters"), (-2, "P", "rows of the output"), (-1, "Q", "columns of the output")),
        *unread(output, "input", (1, "CG", "input channels left out of the sums")),
        *BLOCKED,
    ],
    ("conv", "grad_input"): [
        *unwritten(grad_input, (1, "C", "channels of the gradient of the input"), (-2, "H", "rows of the gradient of the input"), (-1, "W", "columns of the gradient of the input")),
        *unread(grad_input, "grad_output", (1, "KG", "filters left out of the gradient of the input")),
    ],
    ("conv", "grad_weight"): [
        *unwritten(grad_weight, (0, "K", "filters in the gradient of the weight"), (1, "CG", "channels in the gradient of the weight")),
        *unread(grad_weight, "grad_output", (0, "N", "images left out of the gradient of the weight"), (-2, "P", "rows left out of the gradient of the weight"),
                (-1, "Q", "columns left out of the gradient of the weight")),
    ],
    ("conv", "grad_bias"): [
        *unread(conv_backward.grad_bias, "grad_output", (0, "N", "images left out of the gradient of the bias"), (-1, "Q", "columns left out of the gradient of the bias")),
    ],
    ("conv_transpose", "output"): [
        *unwritten(conv_transpose.output, (0, "N", "images"), (1, "K", "filters"), (-2, "P", "rows of the output"), (-1, "Q", "columns of the output")),
        *unread(conv_transpose.output, "input", (1, "CG", "input channels left out of the sums"), (-1, "W", "columns of the input left out of the sums")),
    ],
    ("conv_transpose", "grad_input"): [
        *unwritten(conv_transpose.grad_input, (1, "C", "channels of the gradient of the input"), (-1, "W", "columns of the gradient of the input")),
        *unread(conv_transpose.grad_input, "grad_output", (1, "KG", "filters left out of the gradient of the input")),
    ],
    ("conv_transpose", "grad_weight"): [
        *unwritten(conv_transpose.grad_weight, (0, "C", "channels in the gradient of the weight"), (1, "KG", "filters in the gradient of the weight")),
        *unread(conv_transpose.grad_weight, "input", (0, "N", "images left out of the gradient of the weight"), (-1, "W", "columns left out of the gradient of the weight")),
    ],
    ("max_pool", "output"): [*unwritten(max_pool.output, (0, "N", "images"), (1, "C", "channels"), (-1, "Q", "columns of the output"))],
    ("max_pool", "grad_input"): [*unwritten(max_pool.gradient, (-1, "W", "columns of the gradient"))],
    ("max_pool", "output indices grad_input"): [
        ("channels beyond 32 take the answers of the first 32", "C > 32", max_pool.reanswered(lambda c, y: y[:, np.arange(c.channels) % 32])),
    ],
    ("avg_pool", "output"): [*unwritten(avg_pool.output, (1, "C", "channels"), (-1, "Q", "columns of the output"))],
    ("avg_pool", "grad_input"): [*unwritten(avg_pool.gradient, (1, "C", "channels of the gradient"), (-1, "W", "columns of the gradient"))],
}
