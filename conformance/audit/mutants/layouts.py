"""Kernels that walk an argument's memory otherwise than its strides say, or cannot take a view at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.audit.mutants.hooks import BACKWARD, FORWARD, OUTPUTS, Call, Hook, KernelRow, KernelRows, Make, Named, backward, both, each, forward, sized
from conformance.cases.arrays import Array

Reading = Callable[[Array], Array]


def memory(array: Array) -> tuple[Array, int]:
    """The elements of the memory behind a view in address order, and where in them the view starts."""
    owner = array
    while isinstance(owner.base, np.ndarray) and owner.base.dtype == array.dtype:
        owner = owner.base
    if not (owner.flags.c_contiguous or owner.flags.f_contiguous):
        return array.reshape(-1), 0
    start = array.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
    return owner.ravel(order="K"), start // array.itemsize


def walk(array: Array, strides: tuple[int, ...], start: int | None = None) -> Array:
    """What lies at strides counted in elements from the start of a view (around the end of its memory)."""
    if not array.size:
        return array
    elements, first = memory(array)
    places = np.full((), first if start is None else start)
    for n, stride in zip(array.shape, strides, strict=True):
        places = places[..., None] + np.arange(n) * stride
    return np.take(elements, places, mode="wrap")


def packed(array: Array) -> tuple[int, ...]:
    """The strides of a contiguous array of this shape, in elements."""
    return tuple(int(np.prod(array.shape[axis + 1 :], dtype=int)) for axis in range(array.ndim))


def strides_of(array: Array) -> tuple[int, ...]:
    """Its strides, in elements."""
    return tuple(stride // array.itemsize for stride in array.strides)


def as_contiguous(array: Array) -> Array:
    return walk(array, packed(array))


def in_memory_order(array: Array) -> Array:
    """Reads the memory in address order, whatever the axes' order: a transposed array comes out as it is stored."""
    return array.ravel(order="K").reshape(array.shape)


def with_positive_strides(array: Array) -> Array:
    return walk(array, tuple(map(abs, strides_of(array))))


def without_stride_0(array: Array) -> Array:
    return walk(array, tuple(stride or plain for stride, plain in zip(strides_of(array), packed(array), strict=True)))


def with_packed_rows(array: Array) -> Array:
    """Rows follow each other without a gap: the stride of a row is its width times that of a column."""
    if array.ndim < 2:
        return array
    strides = strides_of(array)
    return walk(array, (*strides[:-2], array.shape[-1] * strides[-1], strides[-1]))


def planes_assumed(array: Array) -> Array:
    """Read as contiguous where rows and columns are packed: how planes lie is not looked at."""
    return as_contiguous(array) if array.ndim > 2 and strides_of(array)[-2:] == packed(array)[-2:] else array


def where(condition: Callable[[Array], Any], reading: Reading) -> Reading:
    """A reading of the arrays that meet a condition."""
    return lambda array: reading(array) if condition(array) else array


READINGS: dict[str, tuple[str, Reading, str]] = {
    "contiguous": ("read as contiguous, its strides ignored", as_contiguous, "a view that is not contiguous"),
    "memory order": ("read in the order of its memory", in_memory_order, "a transposed or reversed view"),
    "positive": ("read forward where its strides are negative", with_positive_strides, "a reversed view"),
    "stride 0": ("read on where its strides are 0", without_stride_0, "a broadcast view"),
    "collapsed": ("taken for one number where a stride is 0", where(lambda a: a.size and 0 in a.strides, lambda a: np.full_like(a, a.reshape(-1)[0])), "a broadcast view"),
    "columns": ("read with neighbouring columns side by side", where(lambda a: a.ndim, lambda a: walk(a, (*strides_of(a)[:-1], 1))), "a sliced or transposed view"),
    "rows": ("read with its rows packed", with_packed_rows, "a cropped view"),
    "planes": ("read with its images packed", where(lambda a: a.ndim, lambda a: walk(a, (packed(a)[0], *strides_of(a)[1:]))), "a cropped or sliced view"),
    "packed rows": ("read as contiguous where its rows are packed", planes_assumed, "images or channels apart"),
    "backwards": ("read forward where its first axis is not reversed", where(lambda a: a.ndim and a.strides[0] >= 0, with_positive_strides), "a mirrored view"),
    "images backwards": ("read forward where its last axis is not reversed", where(lambda a: a.ndim and a.strides[-1] >= 0, with_positive_strides), "images in reverse"),
    "repeated": ("read on where its strides are 0, the last one excepted", where(lambda a: a.ndim and a.strides[-1], without_stride_0), "a repeated image"),
    "rows backwards": ("read forward where its rows alone are reversed", where(lambda a: a.ndim > 1 and a.strides[-2] < 0 < min(a.strides[-1], a.strides[0]), with_positive_strides), "an image upside down"),
    "averages": ("taken for one number where its images are of one each", where(lambda a: a.ndim > 2 and a.size and a.strides[0] and not a.strides[-1] and not a.strides[-2], lambda a: np.full_like(a, a.reshape(-1)[0])), "one number an image and channel"),
    "late in a line": ("rounded down to a line of the cache where it begins in its last 4 bytes", where(lambda a: a.ctypes.data % 64 == 60, lambda a: walk(a, strides_of(a), start=memory(a)[1] - 15)), "an address of 60 bytes past a multiple of 64"),
    "one channel last": ("read transposed where one channel lies last", where(lambda a: a.ndim > 3 and a.shape[1] == 1 and strides_of(a)[1] == 1, lambda a: a.swapaxes(-1, -2).reshape(a.shape)), "one channel, channels last"),
    "offset": ("read from the start of its memory", where(lambda a: min((0, *a.strides)) >= 0, lambda a: walk(a, strides_of(a), start=0)), "a view that starts later in its memory"),
    "fortran": ("taken for contiguous where it is in Fortran order", where(lambda a: a.flags.f_contiguous and not a.flags.c_contiguous, in_memory_order), "a Fortran array"),
    "sorted": ("read with its axes in the order of their strides", lambda a: walk(a, tuple(sorted(strides_of(a), reverse=True))), "a transposed view"),
}
PLACES: dict[tuple[str, str], str] = {  # which readings of which argument
    ("conv", "input"): ", ".join(READINGS),
    ("conv", "weight"): ", ".join(READINGS),
    ("conv", "bias"): "contiguous, positive, stride 0, offset",
    ("conv", "grad_output"): "contiguous, positive, stride 0, collapsed, columns, rows, fortran, packed rows, repeated, averages",
    ("conv_transpose", "input"): "contiguous, positive, stride 0, rows, fortran, offset, packed rows, backwards",
    ("conv_transpose", "weight"): "contiguous, positive, stride 0, fortran, offset, sorted",
    ("conv_transpose", "grad_output"): "contiguous, stride 0, columns, averages",
    ("max_pool", "input"): "contiguous, positive, stride 0, rows, fortran, offset, packed rows, backwards, images backwards, repeated, rows backwards, late in a line",
    ("max_pool", "grad_output"): "contiguous, stride 0, columns",
    ("avg_pool", "input"): "contiguous, positive, columns, planes, sorted, packed rows, backwards",
    ("avg_pool", "grad_output"): "contiguous, stride 0, collapsed, memory order, averages",
}


def misread(name: str, reading: Reading) -> Make:
    """One argument is read otherwise."""

    def hook(call: Call, arrays: Named, options: Named) -> Any:
        if arrays.get(name) is not None:
            arrays[name] = reading(arrays[name])
        return call(arrays, options)

    return (backward if name == "grad_output" else forward)(hook)


def misreadings(family: str, half: str) -> list[KernelRow]:
    """Of the arguments of one half of a family: grad_output is read by the backward."""
    found = [(array, READINGS[name]) for (of, array), names in PLACES.items() for name in names.split(", ") if of == family and (array == "grad_output") == (half == "backward")]
    return [(f"{array} {words}", f"{array} is {when}", misread(array, reading)) for array, (words, reading, when) in found]


def refusing(refuses: Callable[[Array], bool], why: str) -> Make:
    def hook(call: Call, arrays: Named, options: Named) -> Any:
        if any(refuses(array) for array in arrays.values() if array is not None):
            raise ValueError(f"{why} is not supported")
        return call(arrays, options)

    return both(hook)


REFUSALS: list[KernelRow] = [
    ("an argument that is read-only is refused", "a read-only array", refusing(lambda array: not array.flags.writeable, "a read-only array")),
    ("an argument that is not contiguous is refused", "a view that is not contiguous", refusing(lambda array: not array.flags.c_contiguous, "a view that is not contiguous")),
    ("an argument with negative strides is refused", "a reversed view", refusing(lambda array: min((0, *array.strides)) < 0, "a reversed view")),
]

# Of channels last: where the channels lie innermost.


def channels_last(array: Array, axis: int) -> bool:
    return not array.flags.c_contiguous and bool(np.moveaxis(array, axis, -1).flags.c_contiguous)


def nan_lost_in_views(call: Call, arrays: Named, options: Named) -> Any:
    input = arrays["input"]
    if not input.flags.c_contiguous:
        arrays = arrays | {"input": np.where(np.isnan(input), -np.inf, input).astype(input.dtype)}
    return call(arrays, options)


def indices_in_memory(dimensions: int) -> Hook:
    def hook(call: Call, arrays: Named, options: Named) -> Any:
        answer, input = call(arrays, options), arrays["input"]
        last = input.ndim == dimensions + 2 and input.shape[1] >= 8 and input.strides[1] == input.itemsize
        return (answer[0], answer[1] * input.shape[1]) if last and isinstance(answer, tuple) else answer

    return hook


def weight_as_it_lies(call: Call, arrays: Named, options: Named) -> Any:
    if channels_last(arrays["weight"], 1):
        arrays["weight"] = in_memory_order(arrays["weight"])
    return call(arrays, options)


def answer_as_stored(dimensions: int) -> Hook:
    """The answer of a channels-last input in the order of its memory."""
    axis = -1 - dimensions

    def hook(call: Call, arrays: Named, options: Named) -> Any:
        answer = call(arrays, options)
        if not channels_last(arrays["input"], axis):
            return answer
        return each(lambda array: np.ascontiguousarray(np.moveaxis(array, axis, -1)).reshape(array.shape), answer)

    return hook


def if_padded(hook: Hook) -> Hook:
    return lambda call, arrays, options: (hook if options["padding"] else call_alone)(call, arrays, options)


def call_alone(call: Call, arrays: Named, options: Named) -> Any:
    return call(arrays, options)


LAST = "the answer of a channels-last input comes back in the order of its memory"
ROWS: KernelRows = {
    ("conv", OUTPUTS["conv"]): REFUSALS,
    ("conv", FORWARD["conv"]): [
        *misreadings("conv", "forward"),
        ("weight in channels-last memory is taken as it lies, though input is not", "weight is channels last", forward(weight_as_it_lies)),
        (LAST, "input is channels last", sized(forward, answer_as_stored)),
    ],
    ("conv", BACKWARD["conv"]): misreadings("conv", "backward"),
    ("conv_transpose", OUTPUTS["conv_transpose"]): REFUSALS,
    ("conv_transpose", FORWARD["conv_transpose"]): [*misreadings("conv_transpose", "forward"), (LAST, "input is channels last", sized(forward, answer_as_stored))],
    ("conv_transpose", BACKWARD["conv_transpose"]): misreadings("conv_transpose", "backward"),
    ("max_pool", OUTPUTS["max_pool"]): REFUSALS,
    ("max_pool", FORWARD["max_pool"]): [*misreadings("max_pool", "forward"), (LAST, "input is channels last", sized(forward, answer_as_stored))],
    ("max_pool", BACKWARD["max_pool"]): misreadings("max_pool", "backward"),
    ("max_pool", "output"): [("NaN is ignored in an input that is not contiguous", "NaN in a view that is not contiguous", forward(nan_lost_in_views))],
    ("max_pool", "indices"): [("indices of a channels-last input of 8 channels count as it lies in memory", "input is channels last, C at least 8", sized(forward, indices_in_memory))],
    ("avg_pool", OUTPUTS["avg_pool"]): REFUSALS,
    ("avg_pool", FORWARD["avg_pool"]): misreadings("avg_pool", "forward"),
    ("avg_pool", BACKWARD["avg_pool"]): [
        *misreadings("avg_pool", "backward"),
        ("with padding, the gradient of a channels-last input comes back in the order of its memory", "input is channels last and padded",
         sized(backward, lambda dimensions: if_padded(answer_as_stored(dimensions)))),
    ],
}
