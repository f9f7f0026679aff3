"""Kernels that walk an argument's memory otherwise than its strides say, or cannot take a view at all."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from conformance.cases.arrays import Array
from conformance.kernels.mutants.registry import hooked, kernel

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


def contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(np.prod(shape[axis + 1 :], dtype=int)) for axis in range(len(shape)))


def in_elements(array: Array) -> tuple[int, ...]:
    return tuple(stride // array.itemsize for stride in array.strides)


def as_contiguous(array: Array) -> Array:
    return walk(array, contiguous_strides(array.shape))


def in_memory_order(array: Array) -> Array:
    """Reads the memory in address order, whatever the axes' order: a transposed array comes out as it is stored."""
    return array.ravel(order="K").reshape(array.shape)


def with_positive_strides(array: Array) -> Array:
    return walk(array, tuple(map(abs, in_elements(array))))


def without_stride_0(array: Array) -> Array:
    pairs = zip(in_elements(array), contiguous_strides(array.shape), strict=True)
    return walk(array, tuple(stride or plain for stride, plain in pairs))


def with_unit_columns(array: Array) -> Array:
    return walk(array, (*in_elements(array)[:-1], 1)) if array.ndim else array


def with_packed_rows(array: Array) -> Array:
    """Rows follow each other without a gap: the stride of a row is its width times that of a column."""
    if array.ndim < 2:
        return array
    strides = in_elements(array)
    return walk(array, (*strides[:-2], array.shape[-1] * strides[-1], strides[-1]))


def with_packed_planes(array: Array) -> Array:
    """The outermost stride is that of a contiguous array."""
    return walk(array, (contiguous_strides(array.shape)[0], *in_elements(array)[1:])) if array.ndim else array


def planes_assumed(array: Array) -> Array:
    """Read as contiguous where rows and columns are packed: how planes lie is not looked at."""
    packed = in_elements(array)[-2:] == contiguous_strides(array.shape)[-2:]
    return walk(array, contiguous_strides(array.shape)) if array.ndim > 2 and packed else array


def one_axis_backwards(array: Array) -> Array:
    """Negative strides are looked for along the first axis (of images) alone."""
    return with_positive_strides(array) if array.ndim and array.strides[0] >= 0 else array


def images_backwards(array: Array) -> Array:
    """Negative strides are looked for along the last axis alone."""
    return with_positive_strides(array) if array.ndim and array.strides[-1] >= 0 else array


def images_repeated(array: Array) -> Array:
    """A stride of 0 is looked for along the last axis alone."""
    return without_stride_0(array) if array.ndim and array.strides[-1] else array


def from_start_of_memory(array: Array) -> Array:
    """The offset of a view into its memory is ignored."""
    return walk(array, in_elements(array), start=0) if min((0, *array.strides)) >= 0 else array


def fortran_taken_for_contiguous(array: Array) -> Array:
    return in_memory_order(array) if array.flags.f_contiguous and not array.flags.c_contiguous else array


def sorted_strides(array: Array) -> Array:
    """Axes in the order of their strides, longest first: a transposed plane is read as stored."""
    return walk(array, tuple(sorted(in_elements(array), reverse=True)))


def broadcast_collapsed(array: Array) -> Array:
    """An array with a stride of 0 is taken for a single number."""
    return np.full_like(array, array.reshape(-1)[0]) if array.size and 0 in array.strides else array


READINGS: dict[str, tuple[str, Reading, str]] = {
    "contiguous": ("read as contiguous, its strides ignored", as_contiguous, "a view that is not contiguous"),
    "memory_order": ("read in the order of its memory", in_memory_order, "a transposed or reversed view"),
    "positive": ("read forward where its strides are negative", with_positive_strides, "a reversed view"),
    "stride_0": ("read on where its strides are 0", without_stride_0, "a broadcast view"),
    "collapsed": ("taken for one number where a stride is 0", broadcast_collapsed, "a broadcast view"),
    "columns": ("read with neighbouring columns side by side", with_unit_columns, "a sliced or transposed view"),
    "rows": ("read with its rows packed", with_packed_rows, "a cropped view"),
    "planes": ("read with its images packed", with_packed_planes, "a cropped or sliced view"),
    "packed_rows": ("read as contiguous where its rows are packed", planes_assumed, "images or channels apart"),
    "backwards": ("read forward where its first axis is not reversed", one_axis_backwards, "a mirrored view"),
    "images_backwards": ("read forward where its last axis is not reversed", images_backwards, "images in reverse"),
    "repeated": ("read on where its strides are 0, the last one excepted", images_repeated, "a repeated image"),
    "offset": ("read from the start of its memory", from_start_of_memory, "a view that starts later in its memory"),
    "fortran": ("taken for contiguous where it is in Fortran order", fortran_taken_for_contiguous, "a Fortran array"),
    "sorted": ("read with its axes in the order of their strides", sorted_strides, "a transposed view"),
}  # fmt: skip
PLACES = {  # which readings of which argument
    ("conv2d", "input"): tuple(READINGS),
    ("conv2d", "weight"): tuple(READINGS),
    ("conv2d", "bias"): ("contiguous", "positive", "stride_0", "offset"),
    ("conv2d", "grad_output"): (
        "contiguous",
        "positive",
        "stride_0",
        "collapsed",
        "columns",
        "rows",
        "fortran",
        "packed_rows",
        "repeated",
    ),
    ("max_pool2d", "input"): (
        "contiguous",
        "positive",
        "stride_0",
        "rows",
        "fortran",
        "offset",
        "packed_rows",
        "backwards",
        "images_backwards",
        "repeated",
    ),
    ("max_pool2d", "grad_output"): ("contiguous", "stride_0", "columns"),
    ("avg_pool2d", "input"): (
        "contiguous",
        "positive",
        "columns",
        "planes",
        "sorted",
        "packed_rows",
        "backwards",
    ),
    ("avg_pool2d", "grad_output"): ("contiguous", "stride_0", "collapsed", "memory_order"),
}
FORWARD = {"conv2d": "output", "max_pool2d": "output indices", "avg_pool2d": "output"}


def _misreading(operation: str, name: str, reading: Reading) -> Callable[[], SimpleNamespace]:
    def hook(call: Any, arrays: dict[str, Any], options: dict[str, Any]) -> Any:
        if arrays.get(name) is not None:
            arrays[name] = reading(arrays[name])
        return call(arrays, options)

    return lambda: hooked(operation, hook, only="backward" if name == "grad_output" else "forward")


for (_operation, _array), _readings in PLACES.items():
    _gradients = "grad_input grad_weight grad_bias" if _operation == "conv2d" else "grad_input"
    _outputs = _gradients if _array == "grad_output" else FORWARD[_operation]
    for _name in _readings:
        _words, _reading, _when = READINGS[_name]
        kernel(
            _operation, _outputs, f"{_array} {_words}", f"{_array} is {_when}", f"{_operation}_{_array}_read_{_name}",
        )(_misreading(_operation, _array, _reading))  # fmt: skip


def _refusing(operation: str, refuses: Callable[[Array], bool], why: str) -> Callable[[], SimpleNamespace]:
    def hook(call: Any, arrays: dict[str, Any], options: dict[str, Any]) -> Any:
        if any(refuses(array) for array in arrays.values() if array is not None):
            raise ValueError(why)
        return call(arrays, options)

    return lambda: hooked(operation, hook)


ALL_OUTPUTS = {
    "conv2d": "output grad_input grad_weight grad_bias",
    "max_pool2d": "output indices grad_input",
    "avg_pool2d": "output grad_input",
}
REFUSALS: dict[str, tuple[str, Callable[[Array], bool], str]] = {
    "read_only": ("an argument that is read-only is refused", lambda array: not array.flags.writeable,
                  "a read-only array"),
    "views": ("an argument that is not contiguous is refused", lambda array: not array.flags.c_contiguous,
              "a view that is not contiguous"),
    "reversed": ("an argument with negative strides is refused", lambda array: min((0, *array.strides)) < 0,
                 "a reversed view"),
}  # fmt: skip

for _operation in ALL_OUTPUTS:
    for _name, (_sentence, _refuses, _when) in REFUSALS.items():
        kernel(_operation, ALL_OUTPUTS[_operation], _sentence, _when, f"{_operation}_refuses_{_name}")(
            _refusing(_operation, _refuses, f"{_when} is not supported")
        )


@kernel("max_pool2d", "output", "NaN is ignored in an input that is not contiguous",
        "NaN in a view that is not contiguous")  # fmt: skip
def max_pool2d_nan_lost_in_views() -> SimpleNamespace:
    def hook(call: Any, arrays: dict[str, Any], options: dict[str, Any]) -> Any:
        input = arrays["input"]
        if not input.flags.c_contiguous:
            arrays = arrays | {"input": np.where(np.isnan(input), -np.inf, input).astype(input.dtype)}
        return call(arrays, options)

    return hooked("max_pool2d", hook, only="forward")


@kernel("max_pool2d", "indices", "indices of a channels-last input of 8 channels count as it lies in memory",
        "input is channels last, C at least 8")  # fmt: skip
def max_pool2d_channels_last_indices() -> SimpleNamespace:
    def hook(call: Any, arrays: dict[str, Any], options: dict[str, Any]) -> Any:
        answer, input = call(arrays, options), arrays["input"]
        last = input.ndim == 4 and input.shape[1] >= 8 and input.strides[1] == input.itemsize
        return (answer[0], answer[1] * input.shape[1]) if last and isinstance(answer, tuple) else answer

    return hooked("max_pool2d", hook, only="forward")


@kernel(
    "conv2d",
    "output",
    "weight in channels-last memory is taken as it lies, though input is not",
    "weight is channels last",
)
def conv2d_channels_last_weight() -> SimpleNamespace:
    def hook(call: Any, arrays: dict[str, Any], options: dict[str, Any]) -> Any:
        weight = arrays["weight"]
        if not weight.flags.c_contiguous and np.moveaxis(weight, 1, -1).flags.c_contiguous:
            arrays["weight"] = in_memory_order(weight)
        return call(arrays, options)

    return hooked("conv2d", hook, only="forward")


@kernel(
    "conv2d",
    "output",
    "the answer of a channels-last input comes back in the order of its memory",
    "input is channels last",
)
def conv2d_channels_last_answer() -> SimpleNamespace:
    return hooked("conv2d", _answer_stays_channels_last, only="forward")


@kernel(
    "avg_pool2d",
    "grad_input",
    "with padding, the gradient of a channels-last input comes back in the order of its memory",
    "input is channels last and padded",
)
def avg_pool2d_channels_last_gradient() -> SimpleNamespace:
    def hook(call: Any, arrays: dict[str, Any], options: dict[str, Any]) -> Any:
        return (_answer_stays_channels_last if options["padding"] else _right)(call, arrays, options)

    return hooked("avg_pool2d", hook, only="backward")


@kernel(
    "max_pool2d",
    "output indices",
    "the answer of a channels-last input comes back in the order of its memory",
    "input is channels last",
)
def max_pool2d_channels_last_answer() -> SimpleNamespace:
    return hooked("max_pool2d", _answer_stays_channels_last, only="forward")


def _right(call: Any, arrays: dict[str, Any], options: dict[str, Any]) -> Any:
    return call(arrays, options)


def _answer_stays_channels_last(call: Any, arrays: dict[str, Any], options: dict[str, Any]) -> Any:
    answer, image = call(arrays, options), arrays["input"]
    if image.flags.c_contiguous or not np.moveaxis(image, -3, -1).flags.c_contiguous:
        return answer

    def as_stored(array: Array) -> Array:
        return np.ascontiguousarray(np.moveaxis(array, -3, -1)).reshape(array.shape)

    return tuple(map(as_stored, answer)) if isinstance(answer, tuple) else as_stored(answer)
