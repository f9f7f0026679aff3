"""The same terms summed in other orders, every product and partial sum in the dtype of the arrays."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.cases.arrays import Array, Arrays
from conformance.kernels.functions import Compute, by_group
from conformance.operations.avg_pool import divisors
from conformance.operations.family import Answers
from conformance.operations.max_pool import max_pool, max_pool_backward
from conformance.operations.windows import pad, taps, unpad

Term = Callable[[int], Array]
Order = Callable[[int, Term], Array]  # how many terms, each by its number -> their sum


def left_to_right(count: int, term: Term) -> Array:
    total = term(0)
    for number in range(1, count):
        total = total + term(number)
    return total


def right_to_left(count: int, term: Term) -> Array:
    return left_to_right(count, lambda number: term(count - 1 - number))


def shuffled(count: int, term: Term) -> Array:
    order = np.random.default_rng(count).permutation(count)
    return left_to_right(count, lambda number: term(int(order[number])))


def pairwise(count: int, term: Term, first: int = 0) -> Array:
    if count == 1:
        return term(first)
    half = count // 2
    return pairwise(half, term, first) + pairwise(count - half, term, first + half)


def compensated(count: int, term: Term) -> Array:
    """Kahan: what each addition loses is carried to the next (and dropped where a NaN or infinity comes of it)."""
    total = term(0)
    lost = np.zeros_like(total)
    for number in range(1, count):
        value = term(number) + lost
        new = total + value
        lost = value - (new - total)
        lost = np.where(np.isfinite(lost), lost, 0).astype(total.dtype)
        total = new
    return total


def in_four_lanes(count: int, term: Term) -> Array:
    """As a vector of four would: four sums side by side, then their sum."""
    lanes = [_lane(lane, count, term) for lane in range(min(4, count))]
    return left_to_right(len(lanes), lambda number: lanes[number])


def _lane(lane: int, count: int, term: Term) -> Array:
    return left_to_right(len(range(lane, count, 4)), lambda number: term(lane + 4 * number))


# The terms of every output: how many there are, and each of them as an array of the output's shape.


def summed(order: Order) -> Compute:
    def compute(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
        answers = _ANSWERS[case.family.name](case, arrays, wanted, order)
        return {name: answer for name, answer in answers.items() if name in wanted}

    return compute


def _conv(case: Any, arrays: Arrays, wanted: tuple[str, ...], order: Order) -> Answers:
    weight = arrays["weight"].reshape(case.groups, case.filters // case.groups, -1, *case.kernel)
    padded = by_group(case, pad(arrays["input"], case.pads))
    if wanted == ("output",):
        return {"output": _conv_output(case, arrays, padded, weight, order)}
    grad = by_group(case, arrays["grad_output"])
    gradients = {
        "grad_input": _conv_grad_input(case, padded, weight, grad, order),
        "grad_weight": _conv_grad_weight(case, padded, weight, grad, order),
    }
    return gradients | ({"grad_bias": _conv_grad_bias(case, grad, order)} if case.bias else {})


def _conv_output(case: Any, arrays: Arrays, padded: Array, weight: Array, order: Order) -> Array:
    terms = list(itertools.product(range(weight.shape[2]), taps(case)))
    shape = (len(padded), *weight.shape[:2], *case.output_extents)

    def term(number: int) -> Array:
        if number == len(terms):
            bias = arrays["bias"].reshape(*weight.shape[:2], *(1,) * case.dimensions)
            return np.broadcast_to(bias, shape)
        channel, (tap, place) = terms[number]
        return np.asarray(
            padded[place][:, :, None, channel]
            * _before_image(case, weight[(slice(None), slice(None), channel, *tap)])
        )

    return order(len(terms) + case.bias, term).reshape(len(padded), case.filters, *case.output_extents)


def _before_image(case: Any, factor: Array) -> Array:
    """One number for each whole image."""
    return factor.reshape(*factor.shape, *(1,) * case.dimensions)


def _conv_grad_input(case: Any, padded: Array, weight: Array, grad: Array, order: Order) -> Array:
    terms = list(itertools.product(range(weight.shape[1]), taps(case)))

    def term(number: int) -> Array:
        filter_, (tap, place) = terms[number]
        value = np.zeros_like(padded)
        value[place] = grad[:, :, None, filter_] * _before_image(
            case, weight[(slice(None), filter_, slice(None), *tap)]
        )
        return value

    total = order(len(terms), term)
    return unpad(total.reshape(len(padded), case.channels, *padded.shape[3:]), case.pads)


def _conv_grad_weight(case: Any, padded: Array, weight: Array, grad: Array, order: Order) -> Array:
    terms = list(np.ndindex(len(padded), *case.output_extents))

    def term(number: int) -> Array:
        n, *position = terms[number]
        window = np.stack([padded[place][(n, ..., *position)] for _, place in taps(case)], axis=-1)
        return np.asarray(
            grad[(n, ..., *position)][..., None][(..., *(None,) * case.dimensions)]
            * window.reshape(case.groups, 1, *weight.shape[2:])
        )

    total = order(len(terms), term) if terms else np.zeros(weight.shape, padded.dtype)
    return total.reshape(case.filters, *weight.shape[2:])


def _conv_grad_bias(case: Any, grad: Array, order: Order) -> Array:
    flat = grad.reshape(len(grad), case.filters, math.prod(case.output_extents))
    count = len(flat) * flat.shape[2]
    if not count:
        return np.zeros(case.filters, grad.dtype)
    return order(count, lambda number: flat[number % len(flat), :, number // len(flat)].copy())


def _conv_transpose(case: Any, arrays: Arrays, wanted: tuple[str, ...], order: Order) -> Answers:
    weight = arrays["weight"].reshape(case.groups, case.channels // case.groups, -1, *case.kernel)
    image = by_group(case, arrays["input"])
    if wanted == ("output",):
        return {"output": _conv_transpose_output(case, arrays, image, weight, order)}
    padded = by_group(case, pad(arrays["grad_output"], case.borders))
    gradients = {
        "grad_input": _conv_transpose_grad_input(case, padded, weight, order),
        "grad_weight": _conv_transpose_grad_weight(case, image, padded, weight, order),
    }
    return gradients | (
        {"grad_bias": _conv_grad_bias(case, by_group(case, arrays["grad_output"]), order)}
        if case.bias
        else {}
    )


def _conv_transpose_output(case: Any, arrays: Arrays, image: Array, weight: Array, order: Order) -> Array:
    terms = list(itertools.product(range(weight.shape[1]), taps(case)))
    empty = pad(
        np.zeros((len(image), case.groups, weight.shape[2], *case.output_extents), image.dtype), case.borders
    )

    def term(number: int) -> Array:
        value = empty.copy()
        if number == len(terms):
            return value + arrays["bias"].reshape(case.groups, -1, *(1,) * case.dimensions)
        channel, (tap, place) = terms[number]
        value[place] = image[:, :, None, channel] * _before_image(
            case, weight[(slice(None), channel, slice(None), *tap)]
        )
        return value

    total = order(len(terms) + case.bias, term)
    return unpad(total.reshape(len(image), case.filters, *total.shape[3:]), case.borders)


def _conv_transpose_grad_input(case: Any, padded: Array, weight: Array, order: Order) -> Array:
    terms = list(itertools.product(range(weight.shape[2]), taps(case)))

    def term(number: int) -> Array:
        filter_, (tap, place) = terms[number]
        factor = _before_image(case, weight[(slice(None), slice(None), filter_, *tap)])
        return np.asarray(padded[place][:, :, filter_, None] * factor)

    return order(len(terms), term).reshape(len(padded), case.channels, *case.image)


def _conv_transpose_grad_weight(case: Any, image: Array, padded: Array, weight: Array, order: Order) -> Array:
    terms = list(np.ndindex(len(image), *case.image))

    def term(number: int) -> Array:
        n, *pixel = terms[number]
        window = np.stack([padded[place][(n, ..., *pixel)] for _, place in taps(case)], axis=-1)
        return np.asarray(image[(n, ..., *pixel)][:, :, None, None] * window[:, None])

    total = order(len(terms), term) if terms else np.zeros(weight.shape, padded.dtype)
    return total.reshape(case.channels, *weight.shape[2:])


def _avg_pool(case: Any, arrays: Arrays, wanted: tuple[str, ...], order: Order) -> Answers:
    padded, places = pad(arrays["input"], case.borders), [place for _, place in taps(case)]
    by = divisors(case)
    if wanted == ("output",):
        mean = order(len(places), lambda number: padded[places[number]]) / by
        return {"output": np.asarray(mean).astype(padded.dtype)}

    def term(number: int) -> Array:
        value = np.zeros_like(padded)
        value[places[number]] = arrays["grad_output"] / by
        return value

    return {"grad_input": unpad(order(len(places), term), case.borders)}


def _max_pool(case: Any, arrays: Arrays, wanted: tuple[str, ...], order: Order) -> Answers:
    """Nothing to sum but the gradients of overlapping windows."""
    answers = max_pool(case, arrays)
    if "grad_input" not in wanted:
        return answers
    windows = math.prod(case.output_extents)
    indices = answers["indices"].reshape(*answers["indices"].shape[:2], windows)

    def term(number: int) -> Array:
        one = np.where(np.arange(windows) == number, indices, -1).reshape(answers["indices"].shape)
        return max_pool_backward(case, arrays, one).astype(arrays["input"].dtype)

    return {"grad_input": order(windows, term)}


_ANSWERS: dict[str, Callable[..., Answers]] = {
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "avg_pool": _avg_pool,
    "max_pool": _max_pool,
}
