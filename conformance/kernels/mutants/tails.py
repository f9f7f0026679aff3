"""What is left over after whole blocks is dropped: every extent that a kernel may block over, blocks from 4 to 64."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.cases.arrays import Array, Arrays
from conformance.kernels.mutants.registry import Change, max_pooled, mutant
from conformance.kernels.reference import (
    Answers,
    avg_pool,
    avg_pool_backward,
    conv,
    conv_backward,
    max_pool,
    max_pool_backward,
)  # fmt: skip

BLOCKS = (4, 8, 16, 32, 64)


def whole(extent: int, block: int) -> int:
    """How much of an extent whole blocks cover; all of it where it is smaller than one."""
    return extent - extent % block if extent > block else extent


def without(array: Array, axis: int, block: int, groups: int = 1) -> Array:
    """Zero past the whole blocks of an axis (of each group)."""
    parts = np.split(array.copy(), groups, axis=axis)
    for part in parts:
        np.moveaxis(part, axis, 0)[whole(part.shape[axis], block) :] = 0
    return np.concatenate(parts, axis=axis)


def _unwritten(compute: Any, output: str, axis: int, block: int) -> Change:
    """The tail of an axis of the answer is never written."""

    def change(case: Any, arrays: Arrays) -> Answers:
        return {output: without(np.asarray(compute(case, arrays)[output]), axis, block)}

    return change


def _unread(compute: Any, name: str, axis: int, block: int, grouped: bool = False) -> Change:
    """The tail of an axis of an argument takes no part in the sums."""

    def change(case: Any, arrays: Arrays) -> Answers:
        groups = case.groups if grouped else 1
        answers: Answers = compute(case, arrays | {name: without(arrays[name], axis, block, groups)})
        return answers

    return change


def _conv(case: Any, arrays: Arrays) -> Answers:
    return {"output": conv(case, arrays)}


def _max(case: Any, arrays: Arrays) -> Answers:
    return max_pool(case, arrays)


def _max_gradient(case: Any, arrays: Arrays) -> Answers:
    return {"grad_input": max_pool_backward(case, arrays, max_pool(case, arrays)["indices"])}


def _avg(case: Any, arrays: Arrays) -> Answers:
    return {"output": avg_pool(case, arrays)}


def _avg_gradient(case: Any, arrays: Arrays) -> Answers:
    return {"grad_input": avg_pool_backward(case, arrays)}


# operation, output, compute, axis of the answer, its word in `when`, in words
UNWRITTEN: list[tuple[str, str, Any, int, str, str]] = [
    ("conv2d", "output", _conv, 0, "N", "images"),
    ("conv2d", "output", _conv, 1, "K", "filters"),
    ("conv2d", "output", _conv, 2, "P", "rows of the output"),
    ("conv2d", "output", _conv, 3, "Q", "columns of the output"),
    ("conv2d", "grad_input", conv_backward, 1, "C", "channels of the gradient of the input"),
    ("conv2d", "grad_input", conv_backward, 2, "H", "rows of the gradient of the input"),
    ("conv2d", "grad_input", conv_backward, 3, "W", "columns of the gradient of the input"),
    ("conv2d", "grad_weight", conv_backward, 0, "K", "filters in the gradient of the weight"),
    ("conv2d", "grad_weight", conv_backward, 1, "CG", "channels in the gradient of the weight"),
    ("max_pool2d", "output", _max, 0, "N", "images"),
    ("max_pool2d", "output", _max, 1, "C", "channels"),
    ("max_pool2d", "output", _max, 3, "Q", "columns of the output"),
    ("max_pool2d", "grad_input", _max_gradient, 3, "W", "columns of the gradient"),
    ("avg_pool2d", "output", _avg, 1, "C", "channels"),
    ("avg_pool2d", "output", _avg, 3, "Q", "columns of the output"),
    ("avg_pool2d", "grad_input", _avg_gradient, 1, "C", "channels of the gradient"),
    ("avg_pool2d", "grad_input", _avg_gradient, 3, "W", "columns of the gradient"),
]
# operation, output, compute, argument, its axis, its word, in words
UNREAD: list[tuple[str, str, Any, str, int, str, str]] = [
    ("conv2d", "output", _conv, "input", 1, "CG", "input channels left out of the sums"),
    (
        "conv2d",
        "grad_input",
        conv_backward,
        "grad_output",
        1,
        "KG",
        "filters left out of the gradient of the input",
    ),
    (
        "conv2d",
        "grad_weight",
        conv_backward,
        "grad_output",
        0,
        "N",
        "images left out of the gradient of the weight",
    ),
    (
        "conv2d",
        "grad_weight",
        conv_backward,
        "grad_output",
        2,
        "P",
        "rows left out of the gradient of the weight",
    ),
    (
        "conv2d",
        "grad_weight",
        conv_backward,
        "grad_output",
        3,
        "Q",
        "columns left out of the gradient of the weight",
    ),
    (
        "conv2d",
        "grad_bias",
        conv_backward,
        "grad_output",
        0,
        "N",
        "images left out of the gradient of the bias",
    ),
    (
        "conv2d",
        "grad_bias",
        conv_backward,
        "grad_output",
        3,
        "Q",
        "columns left out of the gradient of the bias",
    ),
]

for operation, output, compute, axis, word, words in UNWRITTEN:
    for block in BLOCKS:
        mutant(
            operation, output, f"{words} past the last whole block of {block} are not written",
            f"{word} > {block} and {word} % {block}", f"{operation}_{output}_{word}_tail_of_{block}_unwritten",
        )(_unwritten(compute, output, axis, block))  # fmt: skip
for operation, output, compute, argument, axis, word, words in UNREAD:
    for block in BLOCKS:
        mutant(
            operation, output, f"{words} past the last whole block of {block}",
            f"{word} > {block} and {word} % {block}", f"{operation}_{output}_{word}_tail_of_{block}_unread",
        )(_unread(compute, argument, axis, block, grouped=axis == 1))  # fmt: skip


@mutant(
    "conv2d",
    "output",
    "the last block of columns is dropped where blocks of 8 fit exactly",
    "Q > 8 and Q % 8 == 0",
)
def conv_exact_width_loses_a_block(case: Any, arrays: Arrays) -> Array:
    output = conv(case, arrays)
    output[..., -8:] = 0
    return output


@mutant(
    "conv2d", "output", "the last 4 filters are dropped where blocks of 4 fit exactly", "K > 4 and K % 4 == 0"
)
def conv_exact_filters_lose_a_block(case: Any, arrays: Arrays) -> Array:
    output = conv(case, arrays)
    output[:, -4:] = 0
    return output


@mutant("conv2d", "output", "outputs narrower than a vector of 4 are not written", "Q < 4")
def conv_narrow_unwritten(case: Any, arrays: Arrays) -> Array:
    return 0 * conv(case, arrays)


@mutant(
    "conv2d",
    "output",
    "the last columns, in a vector that overlaps the one before, are added twice",
    "Q > 4 and Q % 4",
)
def conv_overlapping_vector_adds(case: Any, arrays: Arrays) -> Array:
    output = conv(case, arrays)
    output[..., -4 : whole(output.shape[-1], 4)] *= 2
    return output


@mutant(
    "conv2d",
    "output",
    "pairs of images: the last of an odd batch takes the answer of the one before",
    "N > 1 and N % 2",
)
def conv_odd_batch(case: Any, arrays: Arrays) -> Array:
    output = conv(case, arrays)
    output[-1] = output[-2]
    return output


@mutant("conv2d", "output", "taps are unrolled by 4 and those left over skipped", "R * S > 4 and R * S % 4")
def conv_taps_unrolled_by_4(case: Any, arrays: Arrays) -> Array:
    flat = arrays["weight"].reshape(*arrays["weight"].shape[:2], -1)
    return conv(case, arrays | {"weight": without(flat, 2, 4).reshape(arrays["weight"].shape)})


@mutant("conv2d", "output", "channels beyond 16 read from the first 16 again", "CG > 16")
def conv_channel_block_not_advanced(case: Any, arrays: Arrays) -> Array:
    per_group = case.channels // case.groups
    read = np.arange(case.channels).reshape(-1, per_group)[:, np.arange(per_group) % 16].reshape(-1)
    return conv(case, arrays | {"input": arrays["input"][:, read]})


@mutant(
    "max_pool2d", "output indices grad_input", "channels beyond 32 take the answers of the first 32", "C > 32"
)
def max_pool_channels_wrap_at_32(case: Any, arrays: Arrays) -> Answers:
    wrapped = {
        name: answer[:, np.arange(case.channels) % 32] for name, answer in max_pool(case, arrays).items()
    }
    return max_pooled(case, arrays, **wrapped)
