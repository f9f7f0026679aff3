"""Transposed convolution without the definition's scatter of taps: correlation, phases, matrices, spectra, loops."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.audit.mutants.otherwise import at_tap
from conformance.audit.mutants.words import reach
from conformance.audit.right.kernel import Right, bias_of, but_for, computed
from conformance.audit.right.products import in_blocks
from conformance.cases.arrays import Array, Arrays
from conformance.kernels.functions import Compute, by_group, by_reference
from conformance.operations.family import Answers
from conformance.operations.windows import at, pad, taps, unpad

AXES = "dhw"  # letters of the image axes in an einsum


def of_groups(case: Any, weight: Array) -> Array:
    """(C, K/G, ...) as (G, C/G, K/G, ...)."""
    return weight.reshape(case.groups, -1, *weight.shape[1:])


def finished(case: Any, arrays: Arrays, whole: Array) -> Array:
    """What the windows write, with all that padding cuts off, as the answer."""
    return np.asarray(unpad(whole.reshape(len(whole), case.filters, *whole.shape[3:]), case.borders) + bias_of(case, arrays))


def spread(case: Any, array: Array, steps: tuple[int, ...]) -> Array:
    """Zeros put between the pixels, or between the taps."""
    extents = tuple((n - 1) * s + 1 for n, s in zip(array.shape[-case.dimensions :], steps, strict=True))
    wide = np.zeros((*array.shape[: -case.dimensions], *extents), array.dtype)
    wide[at(slice(None, None, s) for s in steps)] = array
    return wide


def correlated(case: Any, arrays: Arrays) -> Array:
    """The image with zeros between its pixels and around them, correlated with the filter turned round."""
    image, weight = by_group(case, spread(case, arrays["input"], case.strides)), of_groups(case, arrays["weight"])
    more = zip(image.shape[3:], reach(case), case.borders, case.output_extents, strict=True)
    edges = tuple((r - 1, max(0, low + e + high - n)) for n, r, (low, high), e in more)
    padded, letters = pad(image, edges), AXES[-case.dimensions :]
    extents = tuple(low + e + high for (low, high), e in zip(case.borders, case.output_extents, strict=True))
    total = np.zeros((len(image), case.groups, weight.shape[2], *extents), image.dtype)
    for tap in np.ndindex(case.kernel):
        starts = (r - 1 - t * d for r, t, d in zip(reach(case), tap, case.dilations, strict=True))
        seen = padded[at(slice(start, start + n) for start, n in zip(starts, extents, strict=True))]
        total += np.einsum(f"ngc{letters},gck->ngk{letters}", seen, at_tap(weight, tap))
    return finished(case, arrays, total)


def by_columns(product: Callable[[Array, Array], Array]) -> Compute:
    """One product of matrices for all taps, whose columns are added up where they lie; gradients by their adjoint."""

    def compute(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
        weight = arrays["weight"].reshape(case.groups, case.channels // case.groups, -1)
        image = arrays["input"].reshape(-1, *weight.shape[:2], math.prod(case.image))
        if wanted == ("output",):
            return {"output": _scattered(case, arrays, product(weight.swapaxes(-1, -2), image))}
        grad = by_group(case, pad(arrays["grad_output"], case.borders))
        columns = np.stack([grad[place] for _, place in taps(case)], axis=3).reshape(len(grad), case.groups, weight.shape[2], math.prod(case.image))
        transposed = np.ascontiguousarray(columns.swapaxes(-1, -2))
        return {
            "grad_input": product(weight, columns).reshape(arrays["input"].shape),
            "grad_weight": product(image, transposed).sum(axis=0).reshape(arrays["weight"].shape),
            "grad_bias": arrays["grad_output"].sum(axis=(0, *range(2, 2 + case.dimensions))),
        }

    return compute


def _scattered(case: Any, arrays: Arrays, columns: Array) -> Array:
    parts = columns.reshape(len(columns), case.groups, case.filters // case.groups, math.prod(case.kernel), *case.image)
    whole = pad(np.zeros((*parts.shape[:3], *case.output_extents), columns.dtype), case.borders)
    for number, (_, place) in enumerate(taps(case)):
        whole[place] += parts[:, :, :, number]
    return finished(case, arrays, whole)


def gathered(case: Any, arrays: Arrays) -> Array:
    """By phases of the stride: each pixel of the answer gathers the taps that meet it, no zeros between."""
    image, weight = by_group(case, arrays["input"]), of_groups(case, arrays["weight"])
    output = np.zeros((len(image), case.groups, weight.shape[2], *case.output_extents), image.dtype)
    letters = AXES[-case.dimensions :]
    for hits in itertools.product(*(_hits(case, axis) for axis in range(case.dimensions))):
        tap, pixels, places = zip(*hits, strict=True)
        part = image[at(np.ix_(*pixels))]
        output[at(np.ix_(*places))] += np.einsum(f"ngc{letters},gck->ngk{letters}", part, at_tap(weight, tap))
    return np.asarray(output.reshape(len(image), case.filters, *case.output_extents) + bias_of(case, arrays))


def _hits(case: Any, axis: int) -> list[tuple[int, Array, Array]]:
    """For each tap the pixels of the image that it is multiplied with, and where the answer gets them."""
    found, pixels = [], np.arange(case.image[axis])
    for tap in range(case.kernel[axis]):
        places = pixels * case.strides[axis] + tap * case.dilations[axis] - case.pads[axis][0]
        inside = (places >= 0) & (places < case.output_extents[axis])
        found.append((tap, pixels[inside], places[inside]))
    return found


def by_fourier(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    """A convolution of the spread image with the dilated filter is a product of spectra."""
    if wanted != ("output",):
        return by_reference(case, arrays, wanted)
    image, weight = spread(case, arrays["input"], case.strides), spread(case, arrays["weight"], case.dilations)
    size = tuple(low + e + high for (low, high), e in zip(case.borders, case.output_extents, strict=True))
    along, letters = tuple(range(-case.dimensions, 0)), AXES[-case.dimensions :]
    images = np.fft.rfftn(by_group(case, image), s=size, axes=along)
    filters = np.fft.rfftn(of_groups(case, weight), s=size, axes=along)
    whole = np.fft.irfftn(np.einsum(f"ngc{letters},gck{letters}->ngk{letters}", images, filters), s=size, axes=along)
    return {"output": finished(case, arrays, whole.astype(image.dtype))}


def image_by_image(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    """Channel after channel of one image after the other, a whole window added at each pixel."""
    few = case.batch != 0 and np.prod(case.shapes["input"]) < 200
    if wanted != ("output",) or not few:
        return by_reference(case, arrays, wanted)
    image, per_group, dtype = arrays["input"], case.channels // case.groups, arrays["input"].dtype
    whole = pad(np.zeros((len(image), case.groups, case.filters // case.groups, *case.output_extents), dtype), case.borders)
    for n, c, *pixel in np.ndindex(image.shape):
        steps = zip(pixel, case.strides, reach(case), case.dilations, strict=True)
        window = at(slice(q * s, q * s + r, d) for q, s, r, d in steps)
        whole[n, c // per_group][window] += image[(n, c, *pixel)] * arrays["weight"][c]
    return {"output": finished(case, arrays, whole)}


def one_matrix(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    """The answer is the adjoint of a convolution: the transpose of that one's matrix, which its unit images give."""
    pixels, finite = math.prod(case.image), all(np.isfinite(array).all() for array in arrays.values())
    if pixels > 60 or math.prod(case.output_extents) > 300 or wanted != ("output",) or not finite:  # zero times infinity is no zero
        return by_reference(case, arrays, wanted)
    dtype = arrays["input"].dtype
    places = math.prod(case.output_extents)
    unit = pad(np.eye(places, dtype=dtype).reshape(places, *case.output_extents), case.borders)
    meets = np.stack([unit[place].reshape(places, pixels) for _, place in taps(case)])  # tap, place, pixel
    matrix = np.einsum("gckt,tyx->gcxky", arrays["weight"].reshape(case.groups, -1, case.filters // case.groups, len(meets)), meets)
    image = arrays["input"].reshape(-1, *matrix.shape[:3])
    output = np.einsum("ngcx,gcxky->ngky", image, matrix).reshape(-1, case.filters, *case.output_extents)
    return {"output": output + bias_of(case, arrays)}


ROWS = [
    Right("zeros_between_pixels", "zeros put between the pixels, and a correlation with the filter turned round", computed(but_for("output", correlated), "conv_transpose")),
    Right("col2im", "one matrix product, whose columns are added up where they lie", computed(by_columns(np.matmul), "conv_transpose")),
    Right("col2im_in_blocks", "the same in blocks of 4 along the sum", computed(by_columns(in_blocks), "conv_transpose")),
    Right("phases_of_the_stride", "every pixel of the answer gathers the taps that meet it", computed(but_for("output", gathered), "conv_transpose")),
    Right("spectra", "Fourier transforms of the spread image and of the dilated filter", computed(by_fourier, "conv_transpose"), {"accuracy": "fft"}),
    Right("pixel_by_pixel", "a whole window added at each pixel, where they are few enough", computed(image_by_image, "conv_transpose")),
    Right("transposed_matrix", "the transpose of the convolution's dense matrix, where it is small", computed(one_matrix, "conv_transpose")),
]
