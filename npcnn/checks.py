"""What arguments may be: each check says the value, the rule and the shapes it came from."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Option = int | Sequence[int]
"""An option of one int for every image axis, or a tuple of one for each."""

HALVES = ("float16", "bfloat16")  # added in float32, rounded once
FLOATS = (*HALVES, "float32", "float64")
NUMBERS = (*FLOATS, "complex64", "complex128")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")

IMAGE = {1: "W", 2: "H, W", 3: "D, H, W"}
KERNEL = {1: "S", 2: "R, S", 3: "T, R, S"}
INTS = {1: "an int or a tuple of one", 2: "an int or a pair of ints", 3: "an int or three ints"}


def per_axis(name: str, value: object, dims: int, least: int, alone: bool = True) -> tuple[int, ...]:
    """An option as one int for each image axis, at least `least`; bools are refused, NumPy integers are not.

    alone: whether a tuple of one stands for all axes, as PyTorch has it but where it gives maxima back.
    """
    if type(value) is int:
        items: tuple[Any, ...] = (value,) * dims
    else:
        items = tuple(value) if isinstance(value, tuple | list) else (value,)
        if not all(is_int(item) for item in items):
            raise TypeError(f"{name}={value!r} must be {INTS[dims]}")
        items = items * dims if len(items) == 1 and (alone or not isinstance(value, tuple | list)) else items
        if len(items) != dims:
            raise ValueError(f"{name}={value!r} must be {INTS[dims]}")
        items = tuple(map(int, items))
    if min(items) < least:
        raise ValueError(f"{name}={value!r} must be at least {least}")
    return items


def is_int(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def check_bool(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"{name}={value!r} must be True or False")


def check_array(name: str, array: object, dtypes: Sequence[str], like: Array | None = None) -> None:
    """Refuse what is no NumPy array of one of `dtypes`, or not of like's."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{name} is {type(array).__name__} but must be a NumPy array")
    if name_of(array.dtype) not in dtypes:
        raise TypeError(f"{name} is {array.dtype} but must be one of {', '.join(dtypes)}")
    if like is not None and name_of(array.dtype) != name_of(like.dtype):
        raise TypeError(f"{name} is {array.dtype} but input is {like.dtype}")


def batched(name: str, images: Array, dims: int) -> Array:
    """`images` as (N, C, *image); (C, *image) is one image."""
    if images.ndim not in (dims + 1, dims + 2):
        axes = IMAGE[dims]
        raise ValueError(f"{name} must be (N, C, {axes}) or (C, {axes}) (got {images.shape})")
    if 0 in images.shape[-dims - 1 :]:
        raise ValueError(f"{name} must not be empty but in N (got {images.shape})")
    images = np.asarray(images)  # a matrix or a masked array has its own ideas of * and of indices
    return images if images.ndim == dims + 2 else images[None]


def check_gradient(grad_output: Array, input: Array, shape: tuple[int, ...], origin: str) -> None:
    """Refuse what cannot be the gradient of an output of this shape."""
    check_array("grad_output", grad_output, NUMBERS, like=input)
    if grad_output.shape != shape:
        raise ValueError(
            f"grad_output must have the output's shape {shape} (got {grad_output.shape}, {origin})"
        )


@cache
def name_of(dtype: Any) -> str:
    """Its name, whatever its byte order: bfloat16, which NumPy itself lacks, is known by it alone."""
    return str(dtype.name)


@cache
def wide(dtype: Any) -> Any:
    """The dtype to add in: float32 for float16 and bfloat16, else the same, in this machine's byte order."""
    return np.dtype(np.float32) if name_of(dtype) in HALVES else dtype.newbyteorder("=")
