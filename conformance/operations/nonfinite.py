"""What a convolution may answer where padding, or a zero that it puts between pixels, meets a NaN or an infinity."""

from __future__ import annotations

import numpy as np

from conformance.operations.dtypes import DTYPES
from conformance.operations.family import Answers
from conformance.operations.special import is_special
from conformance.operations.windows import Array, Arrays, Problem, at, flat, grouped, pad, per_channel, taps


def skipping(case: Problem, arrays: Arrays) -> Answers:
    """Padding times a NaN or an infinity of weight or grad_output is NaN, or is left out (semantics)."""
    return _part(case, arrays, padding=False)


def _part(case: Problem, arrays: Arrays, padding: bool) -> Answers:
    """The output in which padding meets a NaN or an infinity, summed over the image alone or over its padding alone."""
    name = next((name for name in _MEETING if is_special(case, arrays, name)), "")
    if not name or not any(map(any, case.pads)):
        return {}
    values = {n: np.asarray(a, DTYPES[case.dtype].wide) for n, a in arrays.items()}
    if case.batch is None:
        values |= {n: values[n][None] for n in ("input", "grad_output")}
    with np.errstate(all="ignore"):
        answer = _MEETING[name](case, values, padding)
    return (
        {"grad_weight": answer}
        if name == "grad_output"
        else {"output": answer[0] if case.batch is None else answer}
    )


def _output_of(case: Problem, arrays: Arrays, padding: bool) -> Array:
    weight, padded = grouped(case, arrays["weight"], 0), grouped(case, pad(arrays["input"], case.borders), 1)
    outside, output = _outside(case), np.zeros_like(grouped(case, arrays["grad_output"], 1))
    for tap, place in taps(case):
        products = np.einsum("ngc...,gkc->ngk...", padded[place], weight[at(tap)])
        output += np.where(outside[place] == padding, products, 0)
    output = output.reshape(arrays["grad_output"].shape)
    return output + per_channel(case, arrays["bias"]) if case.bias else output


def _grad_weight_of(case: Problem, arrays: Arrays, padding: bool) -> Array:
    grad, padded = (
        grouped(case, arrays["grad_output"], 1),
        grouped(case, pad(arrays["input"], case.borders), 1),
    )
    outside, grad_weight = _outside(case), np.zeros_like(grouped(case, arrays["weight"], 0))
    for tap, place in taps(case):
        factor = np.where(outside[place] == padding, grad, 0)
        grad_weight[at(tap)] = np.einsum("ngkx,ngcx->gkc", flat(factor, 3), flat(padded[place], 3).conj())
    return grad_weight.reshape(arrays["weight"].shape)


_MEETING = {"weight": _output_of, "grad_output": _grad_weight_of}  # an array, and what padding meets it in


def _outside(case: Problem) -> Array:
    """Which pixels of the padded image are padding."""
    return pad(np.zeros((1, 1, 1, *case.image), bool), case.borders, True)


def may_be_nan(case: Problem, arrays: Arrays) -> dict[str, Array]:
    """A full correlation multiplies the weights of a channel by the zeros around grad_output, and one with a stride an
    input by those between its rows; either may meet padding (semantics).
    """
    ones = (1,) * case.dimensions
    nan = {output: np.isnan(part) for output, part in _part(case, arrays, padding=True).items()}
    if is_special(case, arrays, "weight"):
        others = ~np.isfinite(arrays["weight"]).reshape(case.groups, -1, *arrays["weight"].shape[1:])
        axes = (1, *range(3, 3 + case.dimensions))
        return nan | {"grad_input": others.any(axis=axes).reshape(case.channels, *ones)}
    if is_special(case, arrays, "input") and max(case.strides) > 1:
        weight = arrays["weight"].shape
        images = ~np.isfinite(arrays["input"]).reshape(-1, case.groups, 1, weight[1], *case.image)
        per_filter = images.any(axis=(0, *range(4, 4 + case.dimensions)))
        per_filter = per_filter.repeat(case.filters // case.groups, axis=1)
        return {"grad_weight": per_filter.reshape(*weight[:2], *ones)}
    return nan
