"""Convolution: conv1d, conv2d, conv3d."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from conformance.operations.dtypes import COMPLEX, REAL
from conformance.operations.family import Answers, Family, Malformation, Tail
from conformance.operations.nonfinite import may_be_nan, skipping
from conformance.operations.option import Fields, Option
from conformance.operations.readings import bilinear, window_of
from conformance.operations.special import put_zeros, scatter
from conformance.operations.transforms import extra_rounding
from conformance.operations.windows import (
    Array,
    Arrays,
    Problem,
    at,
    flat,
    grouped,
    pad,
    per_channel,
    taps,
    unpad,
    window_outputs,
)

OPTIONS = (
    Option(name="filters", default=1, feature=False),
    Option(
        name="groups", default=1, least=1, probe={"channels": 2, "filters": 2, "groups": 2, "image": (3, 4)}
    ),
    Option(
        name="stride",
        default=1,
        per_axis=True,
        least=1,
        classes=(1, 2, 3),
        probe={"stride": 2},
        others=(1, 2, (2, 1), (1, 2), 3),
    ),
    Option(
        name="padding",
        default=0,
        per_axis=True,
        least=0,
        types=(int, tuple, str),
        words={"same": ("stride", "padding"), "valid": ()},
        classes=("none", "some", "beyond"),
        probe={"padding": 1},
        others=(0, 1, (1, 0)),
    ),
    Option(
        name="dilation",
        default=1,
        per_axis=True,
        least=1,
        classes=(1, 2, 3),
        probe={"dilation": 2},
        others=(1, 2, (2, 1), (1, 2)),
    ),
    Option(
        name="bias",
        default=False,
        lacking="no bias",
        array=True,
        output="grad_bias",
        classes=(False, True),
        scope="turns",
        other=True,
        probe={"bias": True},
    ),
)


def shapes(case: Problem) -> dict[str, tuple[int, ...]]:
    per_group = case.channels // max(case.groups, 1)
    arrays = {
        "input": (*case.leading, case.channels, *case.image),
        "weight": (case.filters, per_group, *case.kernel),
    }
    return arrays | ({"bias": (case.filters,)} if case.bias else {})


def outputs(case: Problem, axis: int, extent: int) -> int:
    return window_outputs(
        extent, case.kernel[axis], case.strides[axis], case.pads[axis], case.dilations[axis]
    )


def refusal(case: Problem) -> str | None:
    if case.padding == "same" and max(case.strides) > 1:
        return "padding=same has a stride"
    return indivisible(case)


def indivisible(case: Problem) -> str | None:
    if case.channels % case.groups or case.filters % case.groups:
        return f"channels={case.channels} or filters={case.filters} do not divide into {case.groups} groups"
    return None


def terms(case: Problem, output: str) -> int:
    taps_of_window, images = math.prod(case.kernel), math.prod(case.leading)
    if output == "output":
        return int(case.channels // case.groups * taps_of_window + case.bias)
    if output == "grad_input":
        return int(case.filters // case.groups * taps_of_window)
    return int(images * math.prod(case.output_extents))


# The definition.


def conv(case: Problem, arrays: Arrays) -> Array:
    """y[n,g,k,q] = b[g,k] + sum over c and taps t of w[g,k,c,t] x[n,g,c, q stride - padding + t dilation]."""
    weight = grouped(case, arrays["weight"], 0)
    padded = grouped(case, pad(arrays["input"], case.borders), 1)
    n, g, k = padded.shape[0], case.groups, case.filters // case.groups
    output = np.zeros((n, g, k, *case.output_extents), padded.dtype)
    for tap, place in taps(case):
        output += np.einsum("ngc...,gkc->ngk...", padded[place], weight[at(tap)])
    output = output.reshape(n, case.filters, *case.output_extents)
    return output + per_channel(case, arrays["bias"]) if case.bias else output


def conv_backward(case: Problem, arrays: Arrays) -> Answers:
    """The adjoint of conv in each argument, tap by tap: complex numbers are multiplied by conjugates."""
    weight = grouped(case, arrays["weight"], 0).conj()
    padded = grouped(case, pad(arrays["input"], case.borders), 1).conj()
    grad = grouped(case, arrays["grad_output"], 1)
    grad_padded, grad_weight = np.zeros_like(padded), np.zeros_like(weight)
    for tap, place in taps(case):
        grad_padded[place] += np.einsum("ngk...,gkc->ngc...", grad, weight[at(tap)])
        grad_weight[at(tap)] = np.einsum("ngkx,ngcx->gkc", flat(grad, 3), flat(padded[place], 3))
    whole = grad_padded.reshape(len(padded), case.channels, *grad_padded.shape[3:])
    gradients = {
        "grad_input": unpad(whole, case.borders),
        "grad_weight": grad_weight.reshape(arrays["weight"].shape),
    }
    bias = {"grad_bias": arrays["grad_output"].sum(axis=(0, *range(2, 2 + case.dimensions)))}
    return gradients | (bias if case.bias else {})


def aten(case: Problem, tensors: dict[str, Any], operators: Any) -> list[Any]:
    zeros, pads = [0] * case.dimensions, [low for low, _ in case.pads]
    geometry = (list(case.strides), pads, list(case.dilations), False, zeros, case.groups)
    output = operators.convolution(tensors["input"], tensors["weight"], tensors.get("bias"), *geometry)
    arguments = (tensors["grad_output"], tensors["input"], tensors["weight"], [case.filters])
    return [output, *operators.convolution_backward(*arguments, *geometry, [True, True, case.bias])]


# How it is judged.


def put_specials(rng: np.random.Generator, case: Problem, arrays: Arrays, name: str) -> None:
    """Zeros beside them, but where one channel is scaled by one number.

    BLAS, and so numpy.dot of a 1x1 matrix, takes that zero for nothing to add.
    """
    scatter(rng, arrays, name)
    if case.channels == case.groups:
        return
    alone = case.filters == case.groups or arrays["grad_output"].size == case.filters
    if alone and name == "grad_output":
        return
    for other in ("input", "weight", "grad_output"):
        if other != name and not (alone and other == "grad_output"):
            put_zeros(rng, arrays[other])


def deadly(case: Problem, view: str) -> bool:
    """channels_last of PyTorch's float32 kernels: 1x1 with a stride and few channels, or groups with a dilation."""
    strided = max(case.kernel) == 1 < max(case.strides) and case.channels < 8
    return view == "channels_last" and (strided or (case.groups > 1 and max(case.dilations) > 1))


# What is asked.


def padding(kind: str, kernel: int, dilation: int) -> int:
    """some: inside the filter's reach; beyond: more than it."""
    reach = dilation * (kernel - 1)
    return {"none": 0, "some": max(1, reach // 2), "beyond": reach + 1}[kind]


def channels(row: Mapping[str, Any]) -> dict[str, int]:
    """C and K from the channels and filters of a group, kept apart so that C/G and K/G are not mixed up unseen."""
    c, k = row["channels"], row["filters"]
    if row["groups"] == "depthwise":
        return {"groups": c + 1, "channels": c + 1, "filters": c + 1}
    if row["groups"] == "multiplier":
        return {"groups": c + 1, "channels": c + 1, "filters": (c + 1) * (k + 1)}
    groups = {"one": 1, "several": 2 + (c + k) % 2}[row["groups"]]
    return {"groups": groups, "channels": groups * c, "filters": groups * k}


def simpler(case: Problem) -> Iterator[Fields]:
    if (groups := case.groups) < 2:
        return
    c, k = case.channels // groups, case.filters // groups
    yield {"groups": 1, "channels": c, "filters": k}
    yield {"groups": 2, "channels": 2 * c, "filters": 2 * k}
    yield {"groups": 2, "channels": 2, "filters": 2}
    yield {"groups": 2, "channels": 2, "filters": 4}


MALFORMATIONS = {
    "weight_channels": Malformation(
        "weight", "has one channel more than input has in a group", lambda w: np.concatenate([w, w[:, :1]], axis=1)
    ),
    "weight_one": Malformation(
        "weight", "has one channel where input has several in a group", lambda w: w[:, :1],
        lambda case: case.channels > case.groups,
    ),
    "weight_rank": Malformation("weight", "has an axis too few", lambda w: w[0]),
    "weight_dtype": Malformation("weight", "has another dtype than input", lambda w: _other_dtype(w)),
    "input_one": Malformation(
        "input", "has one channel where weight has several", lambda x: x[:, :1], lambda case: case.channels > 1
    ),
    "input_rank": Malformation("input", "has two axes too few", lambda x: x[0, 0]),
    "input_five": Malformation("input", "has an axis too many", lambda x: x[None]),
    "bias_length": Malformation(
        "bias", "is longer than there are filters", lambda b: np.concatenate([b, b[:1]]), lambda case: case.bias
    ),
    "bias_one": Malformation(
        "bias", "has one number where there are several filters", lambda b: b[:1],
        lambda case: case.bias and case.filters > 1,
    ),
    "bias_rank": Malformation("bias", "has two axes", lambda b: b[..., None], lambda case: case.bias),
    "bias_dtype": Malformation(
        "bias", "has another dtype than input", lambda b: _other_dtype(b), lambda case: case.bias
    ),
}  # fmt: skip


def _other_dtype(array: Array) -> Array:
    if array.dtype.kind == "c":
        return array.astype(np.complex128 if array.dtype != np.complex128 else np.complex64)
    return array.astype(np.float64 if array.dtype != np.float64 else np.float32)


_WIDTHS = (
    (3, 32, 1), (4, 4, 1), (8, 8, 1), (16, 16, 1), (8, 32, 1), (32, 1, 1), (1, 32, 1), (32, 32, 1),
    (16, 16, 4), (32, 48, 8), (32, 32, 16), (16, 16, 16), (8, 16, 8),
)  # fmt: skip


def summed(terms: int, dimensions: int) -> Fields:
    window = (1, 3, 3)[-dimensions:]
    return {"kernel": window, "filters": 1, **window_of(terms // math.prod(window), window)}


FAMILY = Family(
    name="conv",
    rank=0,
    kinds=(REAL, COMPLEX),
    options=OPTIONS,
    keywords=("stride", "padding", "dilation", "groups"),
    malformations=MALFORMATIONS,
    array_names=("input", "weight", "bias"),
    arrays=shapes,
    channels_out=lambda case: int(case.filters),
    outputs=outputs,
    refusal=refusal,
    terms=terms,
    forward=lambda case, arrays: {"output": conv(case, arrays)},
    backward=conv_backward,
    aten=aten,
    bilinear=True,
    extra_rounding=extra_rounding,
    may_be_nan=may_be_nan,
    skipping=skipping,
    specials=lambda case: list(case.array_names),
    put_specials=put_specials,
    deadly=deadly,
    window="filter",
    padding=padding,
    counts={"groups": ("one", "several", "depthwise", "multiplier"), "channels": (1, 2, 3), "filters": (1, 2, 3)},
    channels=channels,
    kernels=(1, 2, 3, 5),
    few={"channels": 2, "filters": 3},
    thin={"channels": 1, "filters": 2},
    scope={"image": 9, "kernel": 4, "stride": 4, "padding": 4, "dilation": 3},
    paired={"image": 5, "kernel": 3, "stride": 2, "padding": 2, "dilation": 2},
    batches=(1, 2),
    tails=(
        Tail({"kernel": (3, 3), "padding": 1, "bias": True}),
        Tail({"kernel": (3, 3)}, image="reach"),
        Tail({}),
        Tail({"kernel": (3, 3), "padding": 1, "groups": "n", "filters": "n"}, only="channels"),
        Tail({"kernel": (3, 3), "stride": 2, "padding": 1}, image="strided", only="image"),
    ),
    extremes=(
        {"output": (0, 65)}, {"output": (64, 0)}, {"output": (32, 33)}, {"output": (64, 66)},
        {"channels": 64}, {"filters": 64}, {"channels": 32, "filters": 32}, {"batch": 16},
        {"kernel": (5, 7)}, {"kernel": (7, 7)}, {"kernel": (0, 33)},
        {"stride": (5, 5)}, {"stride": (0, 5)}, {"dilation": (4, 4)}, {"dilation": (0, 4)},
    ),
    widths=tuple(dict(zip(("channels", "filters", "groups"), width, strict=True)) for width in _WIDTHS),
    alike=(slice(8), slice(8, 11), slice(11, None)),  # ungrouped, groups of several, of one
    readings=bilinear,
    summed=summed,
    flags=({}, {"bias": True}),
    refused={"channels": 4, "filters": 4, "image": (5, 6), "kernel": (2, 2)},
    simpler=simpler,
)  # fmt: skip
