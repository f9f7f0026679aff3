"""The partial inverse of max pooling: max_unpool1d, max_unpool2d, max_unpool3d.

Its windows lie over the answer, as those of a transposed convolution: how large that is follows from them, or is asked
for within a stride. Where the values go the indices alone say.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from conformance.operations import pool
from conformance.operations.family import Family, Malformation, Tail
from conformance.operations.option import Fields, Option
from conformance.operations.readings import placed
from conformance.operations.special import scatter
from conformance.operations.windows import Array, Arrays, Problem

OPTIONS = (
    replace(pool.STRIDE, broadcasts=False, lenient=True),
    replace(pool.PADDING, broadcasts=False, lenient=True),
    Option(
        name="output_size",
        default=None,
        types=(tuple, type(None)),
        probe={"kernel": (3, 3), "output_size": (16, 22)},
    ),
    Option(
        name="repeats",
        default=False,
        classes=(False, True),
        scope="turns",
        other=True,
        probe={"repeats": True},
    ),
)


def shapes(case: Problem) -> dict[str, tuple[int, ...]]:
    image = (*case.leading, case.channels, *case.image)
    return {"input": image, "indices": image}


def plain_extents(case: Problem) -> tuple[int, ...]:
    """(n - 1) s - 2 p + k: what the windows reach over."""
    axes = zip(case.image, case.kernel, case.strides, case.pads, strict=True)
    return tuple((n - 1) * s + k - low - high for n, k, s, (low, high) in axes)


def outputs(case: Problem, axis: int, extent: int) -> int:
    return int((case.output_size or plain_extents(case))[axis])


def refusal(case: Problem) -> str | None:
    if case.output_size is None:
        return None
    plain = plain_extents(case)
    axes = zip(case.output_size, plain, case.strides, strict=False)
    if len(case.output_size) != case.dimensions or any(abs(o - n) >= s for o, n, s in axes):
        return f"output_size={case.output_size} is not within a stride {case.strides} of {plain}"
    return None


def meaningless(case: Problem) -> bool:
    """A stride below 1, or padding that no max pooling has."""
    axes = zip(case.pads, case.kernel, strict=True)
    return min(case.strides) < 1 or any(not 0 <= low <= k // 2 for (low, _), k in axes)


def refused_values(case: Problem, arrays: Arrays) -> str | None:
    indices, plane = arrays["indices"], math.prod(case.output_extents)
    beyond = indices[(indices < 0) | (indices >= plane)]
    return f"indices has {beyond.flat[0]}, outside of {plane} pixels" if beyond.size else None


# The definition.


def max_unpool(case: Problem, arrays: Arrays) -> Array:
    """Zeros, and each pixel at its index: the last of those that share one."""
    output = np.zeros((*arrays["input"].shape[:2], *case.output_extents))
    planes, values = _planes(output), _planes(arrays["input"])
    for plane, value, index in zip(planes, values, _planes(arrays["indices"]), strict=True):
        plane[index] = value  # NumPy assigns in order: the last stays
    return output


def max_unpool_backward(case: Problem, arrays: Arrays) -> Array:
    """For each pixel the grad_output at its index, whether it stayed there or not."""
    gathered = np.take_along_axis(_planes(arrays["grad_output"]), _planes(arrays["indices"]), axis=1)
    return gathered.reshape(arrays["input"].shape)


def _planes(array: Array) -> Array:
    """(N C, pixels): a view where there is one."""
    return array.reshape(math.prod(array.shape[:2]), math.prod(array.shape[2:]))


# What is asked.


def positions(rng: np.random.Generator, case: Problem, shape: tuple[int, ...]) -> Array:
    """For each pixel a place in its window, as a max pooling gives it; with `repeats` a few places of the plane.

    Where values are labels it is another one in each image.
    """
    turns = _turns(case, shape) if case.values == "labels" else None
    if turns is not None and case.repeats:
        pixels = np.arange(math.prod(case.image)).reshape(case.image)
        return np.asarray((pixels + turns) % math.prod(case.output_extents))
    if case.repeats:
        plane = max(1, math.prod(case.output_extents))
        few = rng.permutation(plane)[: max(1, math.prod(case.image) // 2)]
        return rng.choice(few, size=shape)
    index = np.zeros(shape, np.int64)
    axes = zip(case.image, case.kernel, case.strides, case.pads, case.output_extents, strict=True)
    for after, (n, k, s, (low, _), extent) in enumerate(axes, 1 - case.dimensions):
        start = (np.arange(n) * s - low).reshape(-1, *(1,) * -after)
        tap = rng.integers(k, size=shape) if turns is None else turns % k
        turns = None if turns is None else turns // k
        index = index * extent + np.clip(start + tap, 0, max(extent - 1, 0))
    return index


def _turns(case: Problem, shape: tuple[int, ...]) -> Array:
    """The number of its image, by the seed another, for each element."""
    images = np.arange(math.prod(case.leading)) + case.seed
    return np.broadcast_to(images.reshape(*case.leading, *(1,) * (1 + case.dimensions)), shape)


def settled(case: Problem, arrays: Arrays) -> None:
    """Pixels that share an index have the same value, as those of a max pooling: no order of writing shows.

    With `repeats` they have their own.
    """
    if case.repeats or case.problem:
        return
    image, pixels = arrays["input"], (math.prod(arrays["input"].shape[: -case.dimensions]), -1)
    index = arrays["indices"].reshape(pixels) if image.size else arrays["indices"]
    plane = np.zeros((pixels[0], math.prod(case.output_extents)), image.dtype)
    if image.size:
        np.put_along_axis(plane, index, image.reshape(pixels), axis=1)
        image[...] = np.take_along_axis(plane, index, axis=1).reshape(image.shape)


def put_specials(rng: np.random.Generator, case: Problem, arrays: Arrays, name: str) -> None:
    scatter(rng, {n: a for n, a in arrays.items() if n != "indices"}, name)


def completed(case: Problem, unread: tuple[int, ...]) -> Problem:
    """The case with an output_size, where pixels are to be over: more than the windows reach over, or fewer."""
    if case.problem or not any(unread) or max(case.strides) < 2:
        return case
    signs = (1 if (case.seed + axis) % 3 else -1 for axis in range(case.dimensions))
    axes = zip(plain_extents(case), case.strides, unread, signs, strict=True)
    extents = tuple(n + sign * (s - 1) if over else n for n, s, over, sign in axes)
    return replace(case, output_size=tuple(map(max, extents, plain_extents(replace(case, image=1)))))


def deeper(case: Problem) -> Fields:
    """An axis more in front: the geometry of the first, two windows at most, and nothing over."""
    tuples = {n: (v[0], *v) for n in ("stride", "padding") if isinstance(v := getattr(case, n), tuple)}
    fields = {
        "image": (min(case.image[0], 2), *case.image),
        "kernel": (case.kernel[0], *case.kernel),
        **tuples,
    }
    if case.output_size is None:
        return fields
    (n, *_), (k, s, (low, high), _) = fields["image"], next(iter(case.geometry))
    return fields | {"output_size": ((n - 1) * s + k - low - high, *case.output_size)}


def one_beyond(indices: Array) -> Array:
    spoilt = indices.copy()
    spoilt.reshape(-1)[-1:] = 2**40
    return spoilt


def one_negative(indices: Array) -> Array:
    spoilt = indices.copy()
    spoilt.reshape(-1)[-1:] = -1
    return spoilt


MALFORMATIONS = pool.MALFORMATIONS | {
    "indices_beyond": Malformation("indices", "points past the image", one_beyond),
    "indices_negative": Malformation("indices", "points before the image", one_negative),
    "indices_shape": Malformation("indices", "has another shape than input", lambda i: i[..., :1]),
    "indices_dtype": Malformation("indices", "is not int64", lambda i: i.astype(np.int32)),
}

_OWN = ("malformations", "array_names", "arrays", "outputs", "terms", "tails")  # that are not those of pools

FAMILY = Family(
    name="max_unpool",
    rank=7,
    adjoint=True,
    options=OPTIONS,
    keywords=("kernel_size", "stride", "padding", "output_size"),
    malformations=MALFORMATIONS,
    array_names=("input", "indices"),
    indexing=("indices",),
    positions=positions,
    settled=settled,
    arrays=shapes,
    outputs=outputs,
    refusal=refusal,
    refused_values=refused_values,
    terms=lambda case, output: 1,
    forward=lambda case, arrays: {"output": max_unpool(case, arrays)},
    backward=lambda case, arrays: {"grad_input": max_unpool_backward(case, arrays)},
    chosen=True,
    meaningless=meaningless,
    specials=lambda case: ["input", "grad_output"],
    put_specials=put_specials,
    completed=completed,
    over="output_size",
    deeper=deeper,
    scope={"image": 5, "kernel": 4, "stride": 4, "padding": 2},
    paired={"image": 3, "kernel": 3, "stride": 3, "padding": 1},
    tails=(
        Tail({"kernel": (2, 2), "stride": None}),
        Tail({"kernel": (2, 2), "stride": 1}),
        Tail({"kernel": (3, 3), "stride": 2, "padding": 1}),
    ),
    readings=placed,
    flags=({}, {"repeats": True}),
    simpler=lambda case: iter(() if case.output_size is None else ({"output_size": plain_extents(case)},)),
    **{name: value for name, value in pool.SHARED.items() if name not in _OWN},
)
