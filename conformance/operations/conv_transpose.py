"""Transposed convolution, the adjoint of convolution: conv_transpose1d, conv_transpose2d, conv_transpose3d."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.operations import conv, nonfinite, transforms
from conformance.operations.adjoint import exchanged, mirrored, of_adjoint
from conformance.operations.family import Answers, Family, Malformation, Tail
from conformance.operations.option import Option
from conformance.operations.readings import bilinear, window_of
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
)


def below_the_steps(value: int, stride: int, dilation: int) -> int:
    """The output padding, or the largest that PyTorch takes."""
    return min(value, max(stride, dilation) - 1)


_OF_CONV = {option.name: option for option in conv.OPTIONS}
OPTIONS = (
    _OF_CONV["filters"],
    _OF_CONV["groups"],
    _OF_CONV["stride"],
    replace(_OF_CONV["padding"], types=(), words={}),
    Option(
        name="output_padding",
        default=0,
        per_axis=True,
        least=0,
        classes=(0, 1, 2),
        within=below_the_steps,
        probe={"stride": 2, "output_padding": 1},
        others=(0, 1, (1, 0)),
    ),
    _OF_CONV["dilation"],
    _OF_CONV["bias"],
)


def shapes(case: Problem) -> dict[str, tuple[int, ...]]:
    per_group = case.filters // max(case.groups, 1)
    arrays = {
        "input": (*case.leading, case.channels, *case.image),
        "weight": (case.channels, per_group, *case.kernel),
    }
    return arrays | ({"bias": (case.filters,)} if case.bias else {})


def outputs(case: Problem, axis: int, extent: int) -> int:
    """(n - 1) s - 2 p + d (k - 1) + 1 + output_padding."""
    reach = case.dilations[axis] * (case.kernel[axis] - 1) + 1
    more = case.axes(case.output_padding)[axis]
    return int((extent - 1) * case.strides[axis] - sum(case.pads[axis]) + reach + more)


def refusal(case: Problem) -> str | None:
    axes = zip(case.axes(case.output_padding), case.strides, case.dilations, strict=True)
    if any(more >= max(s, d) for more, s, d in axes):
        return f"output_padding={case.output_padding} is not below the stride nor the dilation"
    if any(outputs(case, axis, n) < 0 for axis, n in enumerate(case.image)):
        return f"padding={case.padding} takes more than the answer"
    return conv.indivisible(case)


def terms(case: Problem, output: str) -> int:
    """Per element: of the output, the taps that meet a pixel of the image there, which stride and dilation decide."""
    images, per_group = math.prod(case.leading), case.channels // case.groups
    if output == "output":
        axes = zip(case.image, case.kernel, case.strides, case.dilations, strict=True)
        return int(
            per_group * math.prod(min(n, -(-k * math.gcd(s, d) // s)) for n, k, s, d in axes) + case.bias
        )
    if output == "grad_input":
        return int(case.filters // case.groups * math.prod(case.kernel))
    return int(images * math.prod(case.image if output == "grad_weight" else case.output_extents))


# The definition.


def conv_transpose(case: Problem, arrays: Arrays) -> Array:
    """y[n,g,k,q stride - padding + t dilation] = b[g,k] + sum over c, pixels q and taps t of w[g,c,k,t] x[n,g,c,q].

    output_padding lengthens the answer at its end: by what padding would cut off there, then by the bias alone.
    """
    weight, image = grouped(case, arrays["weight"], 0), grouped(case, arrays["input"], 1)
    whole = np.zeros((len(image), case.groups, weight.shape[2], *case.output_extents), image.dtype)
    padded = pad(whole, case.borders)
    for tap, place in taps(case):
        padded[place] += np.einsum("ngc...,gck->ngk...", image, weight[at(tap)])
    output = unpad(padded.reshape(len(image), case.filters, *padded.shape[3:]), case.borders)
    return output + per_channel(case, arrays["bias"]) if case.bias else output


def conv_transpose_backward(case: Problem, arrays: Arrays) -> Answers:
    """The adjoint of conv_transpose in each argument, tap by tap: complex numbers are multiplied by conjugates."""
    weight, image = grouped(case, arrays["weight"], 0).conj(), grouped(case, arrays["input"], 1).conj()
    grad = grouped(case, pad(arrays["grad_output"], case.borders), 1)
    grad_input, grad_weight = np.zeros_like(image), np.zeros_like(weight)
    for tap, place in taps(case):
        grad_input += np.einsum("ngk...,gck->ngc...", grad[place], weight[at(tap)])
        grad_weight[at(tap)] = np.einsum("ngcx,ngkx->gck", flat(image, 3), flat(grad[place], 3))
    gradients = {
        "grad_input": grad_input.reshape(arrays["input"].shape),
        "grad_weight": grad_weight.reshape(arrays["weight"].shape),
    }
    bias = {"grad_bias": arrays["grad_output"].sum(axis=(0, *range(2, 2 + case.dimensions)))}
    return gradients | (bias if case.bias else {})


def aten(case: Problem, tensors: dict[str, Any], operators: Any) -> list[Any]:
    more, pads = list(case.axes(case.output_padding)), [low for low, _ in case.pads]
    geometry = (list(case.strides), pads, list(case.dilations), True, more, case.groups)
    output = operators.convolution(tensors["input"], tensors["weight"], tensors.get("bias"), *geometry)
    arguments = (tensors["grad_output"], tensors["input"], tensors["weight"], [case.filters])
    return [output, *operators.convolution_backward(*arguments, *geometry, [True, True, case.bias])]


# How it is judged.


def extra_rounding(case: Problem, arrays: Arrays, output: str, accuracy: str, unit: float) -> Array | float:
    """Of kernels that multiply transforms of whole planes: that of the convolution of which this is the adjoint."""
    (mirror,) = exchanged({output: None})
    return transforms.extra_rounding(mirrored(case), exchanged(arrays), mirror, accuracy, unit)


def put_specials(rng: np.random.Generator, case: Problem, arrays: Arrays, name: str) -> None:
    """As a convolution has them whose input and answer are exchanged."""
    conv.put_specials(rng, mirrored(case), exchanged(arrays), *exchanged({name: None}))


MALFORMATIONS = {
    "weight_channels": Malformation(
        "weight", "has one channel more than input", lambda w: np.concatenate([w, w[:1]])
    ),
    "weight_one": Malformation(
        "weight", "has one channel where input has several", lambda w: w[:1], lambda case: case.channels > 1
    ),
    "weight_rank": conv.MALFORMATIONS["weight_rank"],
    "weight_dtype": conv.MALFORMATIONS["weight_dtype"],
    "input_one": conv.MALFORMATIONS["input_one"],
    "input_rank": conv.MALFORMATIONS["input_rank"],
    "input_five": conv.MALFORMATIONS["input_five"],
    "bias_length": conv.MALFORMATIONS["bias_length"],
    "bias_one": conv.MALFORMATIONS["bias_one"],
    "bias_rank": conv.MALFORMATIONS["bias_rank"],
}  # a bias of another dtype is answered, but for batches in float32

_WIDTHS = (
    (4, 4, 1), (8, 3, 1), (8, 8, 1), (16, 8, 1), (32, 16, 1), (32, 1, 1), (1, 32, 1), (32, 32, 1),
    (16, 16, 4), (48, 32, 8), (32, 32, 16), (16, 16, 16), (8, 16, 8),
)  # fmt: skip

FAMILY = Family(
    name="conv_transpose",
    rank=1,
    kinds=conv.FAMILY.kinds,
    adjoint=True,
    options=OPTIONS,
    keywords=("stride", "padding", "output_padding", "groups", "dilation"),
    malformations=MALFORMATIONS,
    array_names=("input", "weight", "bias"),
    arrays=shapes,
    weight_axes=("channels", "filters"),
    channels_out=lambda case: int(case.filters),
    outputs=outputs,
    least_output=0,
    refusal=refusal,
    terms=terms,
    forward=lambda case, arrays: {"output": conv_transpose(case, arrays)},
    backward=conv_transpose_backward,
    aten=aten,
    bilinear=True,
    extra_rounding=extra_rounding,
    may_be_nan=of_adjoint(nonfinite.may_be_nan),
    skipping=of_adjoint(nonfinite.skipping),
    specials=lambda case: list(case.array_names),
    put_specials=put_specials,
    window="filter",
    padding=conv.padding,
    counts=conv.FAMILY.counts,
    channels=conv.channels,
    kernels=(1, 2, 3, 4),
    few={"channels": 3, "filters": 2},
    thin={"channels": 2, "filters": 1},
    scope={"image": 5, "kernel": 4, "stride": 4, "padding": 4, "output_padding": 3, "dilation": 3},
    paired={"image": 3, "kernel": 3, "stride": 2, "padding": 2, "output_padding": 1, "dilation": 2},
    batches=(1, 2),
    tails=(
        Tail({"kernel": (3, 3), "padding": 1, "bias": True}),
        Tail({"kernel": (2, 2), "stride": 2}),
        Tail({}),
        Tail({"kernel": (3, 3), "padding": 1, "groups": "n", "filters": "n"}, only="channels"),
        Tail({"kernel": (4, 4), "stride": 2, "padding": 1}, only="image"),
    ),
    extremes=conv.FAMILY.extremes,
    widths=tuple(dict(zip(("channels", "filters", "groups"), width, strict=True)) for width in _WIDTHS),
    alike=conv.FAMILY.alike,
    readings=bilinear,
    summed=lambda terms, dimensions: {"filters": 1, **window_of(terms, (1,) * dimensions)},
    flags=({}, {"bias": True}),
    refused={"channels": 4, "filters": 4, "image": (5, 6), "kernel": (2, 2)},
    simpler=conv.simpler,
)
