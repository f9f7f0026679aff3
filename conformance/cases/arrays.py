"""What a case is filled with: values of each family, laid out in memory as the case asks."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.cases.guarded import GUARDS

if TYPE_CHECKING:
    from conformance.cases.case import Case

Array = np.ndarray[Any, Any]
Arrays = dict[str, Array]
REALS = ("mean_zero", "non_negative", "spread")  # values whose sums round

# Largest integer below which all are representable: the significand of each dtype.
EXACT = {"float16": 2**11, "float32": 2**24, "float64": 2**53}
WINOGRAD_HEADROOM = (
    64  # F(2, 3) transforms grow the data by 4 x 9/4 and divide it by 4, its answers by another 9/4
)

SMALL = 3  # the largest of small_integers


def fill(case: Case) -> Arrays:
    """The arrays of a case in the order a kernel takes them, grad_output last: a function of the case alone."""
    rng = np.random.default_rng(case.seed)
    shapes = case.shapes
    make = VALUES[case.values]
    with np.errstate(over="ignore"):  # of a float16 pool's integers, which need not stay finite
        arrays = {name: make(rng, case, name, shape).astype(case.dtype) for name, shape in shapes.items()}
    if case.values == "special":
        _put_specials(rng, case, arrays)
    for name, view in case.views.items():
        if name in arrays:
            arrays[name] = (VIEWS | GUARDS)[view](arrays[name])
    return _spoil(case, arrays) if case.malformed else arrays


@lru_cache(maxsize=1)  # asked for by each array of a case
def magnitude(case: Case) -> int:
    """Largest m for which sums of products of integers from -m to m are exact in the dtype, in any order.

    terms * m^2 + m < 2^24 for float32 (2^53, 2^11): numerics.md; float32 and float64 leave the headroom that
    Winograd F(2, 3) needs.
    """
    if case.problem:
        return 3  # nothing is computed
    terms = max((case.terms(output) for output in case.outputs if output != "indices"), default=1)
    limit = EXACT[case.dtype] // (1 if case.dtype == "float16" else WINOGRAD_HEADROOM)
    return max(1, min(1000, math.isqrt(limit // (max(terms, 1) + 1))))


# Value families.


def _integers(rng: np.random.Generator, case: Case, name: str, shape: tuple[int, ...]) -> Array:
    """Integers of both signs, as large as exact sums allow; the input of a max pooling all different."""
    if case.operation.startswith("max_pool") and name == "input":
        size = math.prod(shape)  # all different, so that no answer depends on which of two equals is taken
        return rng.permutation(size).reshape(shape) - size // 2 - 1
    m = magnitude(case)
    return rng.integers(-m, m, size=shape, endpoint=True)


def _small_integers(rng: np.random.Generator, case: Case, name: str, shape: tuple[int, ...]) -> Array:
    """Integers from -3 to 3: for kernels that multiply transforms."""
    return rng.integers(-SMALL, SMALL, size=shape, endpoint=True)


def _mean_zero(rng: np.random.Generator, case: Case, name: str, shape: tuple[int, ...]) -> Array:
    """Reals of both signs: rounding errors cancel, so that narrower products show."""
    return rng.standard_normal(shape)


def _non_negative(rng: np.random.Generator, case: Case, name: str, shape: tuple[int, ...]) -> Array:
    """Reals from 0 to 1: sums grow, and what a narrow sum loses with them."""
    return rng.random(shape)


def _spread(rng: np.random.Generator, case: Case, name: str, shape: tuple[int, ...]) -> Array:
    """Reals that grow or shrink along rows and columns: what a running sum lost to large ones, small ones show."""
    numbers = rng.standard_normal(shape)
    for axis in range(max(0, len(shape) - 2), len(shape)):
        down = np.sort(rng.integers(0, SPREAD[case.dtype], size=shape[axis]))[:: rng.choice((-1, 1))]
        numbers = np.ldexp(numbers, -down.reshape(-1, *(1,) * (len(shape) - 1 - axis)))
    return numbers


def _ties(rng: np.random.Generator, case: Case, name: str, shape: tuple[int, ...]) -> Array:
    """An input of few different numbers, among them zeros of both signs."""
    if name != "input":
        return _integers(rng, case, name, shape)
    return rng.choice(np.array([-2.0, -1.0, -1.0, -0.0, 0.0]), size=shape)


def _close(rng: np.random.Generator, case: Case, name: str, shape: tuple[int, ...]) -> Array:
    """Neighbouring floats: equality by tolerance takes them for ties."""
    if name != "input":
        return _integers(rng, case, name, shape)
    return 1 + rng.permutation(math.prod(shape)).reshape(shape) * float(np.finfo(case.dtype).eps)


def _special(rng: np.random.Generator, case: Case, name: str, shape: tuple[int, ...]) -> Array:
    """Integers with NaN, infinities and zeros of both signs among them."""
    return _integers(rng, case, name, shape)  # the others are put in once all arrays are there: _put_specials


def _large(rng: np.random.Generator, case: Case, name: str, shape: tuple[int, ...]) -> Array:
    """Integers times a power of two: as exact, and beyond what a constant of the kernel was meant for."""
    return _scaled(rng, case, name, shape, SCALES[case.dtype][0])


def _tiny(rng: np.random.Generator, case: Case, name: str, shape: tuple[int, ...]) -> Array:
    """Integers by a power of two, their products still normal: no number is small enough to be none."""
    return _scaled(rng, case, name, shape, SCALES[case.dtype][1])


def _scaled(rng: np.random.Generator, case: Case, name: str, shape: tuple[int, ...], exponent: int) -> Array:
    integers = _integers(rng, case, name, shape).astype(np.float64)
    return np.ldexp(integers, 2 * exponent if name == "bias" else exponent)  # bias: as the products


# Powers of two by which a sum of products of two scaled numbers is neither infinite nor subnormal.
SCALES = {"float16": (2, -6), "float32": (50, -55), "float64": (450, -480)}

SPREAD = {"float16": 3, "float32": 20, "float64": 40}  # powers of two that numbers shrink by along an axis

VALUES: dict[str, Callable[[np.random.Generator, Case, str, tuple[int, ...]], Array]] = {
    "integers": _integers,
    "small_integers": _small_integers,
    "mean_zero": _mean_zero,
    "non_negative": _non_negative,
    "spread": _spread,
    "ties": _ties,
    "close": _close,
    "large": _large,
    "tiny": _tiny,
    "special": _special,
}


def _put_specials(rng: np.random.Generator, case: Case, arrays: Arrays) -> None:
    """NaN and infinities in one array, few enough that most answers stay finite.

    Max pooling scans its input, so there they are dense, with windows of nothing but -inf. A convolution gets them
    in its weight only where nothing is padded: zero times infinity at a padded tap is the implementation's choice
    (semantics.md). So is zero times infinity where one channel is scaled by one number: BLAS, and so numpy.dot of a
    1x1 matrix, takes that zero for nothing to add. Elsewhere the other arrays get zeros: a zero times a NaN or an
    infinity is NaN, and a kernel that skips zeros loses it.
    """
    names = special_arrays(case)
    name = names[case.seed % len(names)]
    if case.operation.startswith("max_pool") and name == "input":
        flat = arrays["input"].reshape(-1)
        chosen = rng.random(flat.size) < rng.choice([0.2, 0.6, 1.0])
        kinds = np.array([[np.nan, np.inf, -np.inf, -0.0, 0.0], [-np.inf, -np.inf, -np.inf, -np.inf, np.nan]])
        flat[chosen] = rng.choice(kinds[rng.integers(2)], size=int(chosen.sum()))
        if not rng.integers(8):
            arrays["grad_output"][...] = 0
        return
    flat = arrays[name].reshape(-1)
    count = min(flat.size, 1 + int(rng.integers(2)) * flat.size // 16)  # one alone, or many
    where = rng.choice(max(flat.size, 1), size=count, replace=False)
    flat[where] = rng.choice([np.nan, np.inf, -np.inf], size=count)
    for other in arrays.keys() - {name}:
        zeros = arrays[other] == 0  # stand only where they are meant; of both signs, or sums would grow
        arrays[other][zeros] = rng.choice([-1, 1], size=int(zeros.sum()))
    if "weight" not in arrays or case.channels == case.groups:  # type: ignore[attr-defined]
        return
    gradient = arrays["grad_output"].reshape(-1)
    alone = case.filters == case.groups or gradient.size == case.filters  # type: ignore[attr-defined]
    if alone and name == "grad_output":
        return
    for other in ("input", "weight", "grad_output"):
        if other != name and not (alone and other == "grad_output"):
            _put_zeros(rng, arrays[other])


def _put_zeros(rng: np.random.Generator, array: Array) -> None:
    """What a kernel may skip: single numbers, one image, channel, filter or tap of zeros, half of all, or all."""
    pattern, axis = rng.integers(4), rng.integers(array.ndim)
    if pattern == 0:
        array.reshape(-1)[::3] = 0
    elif pattern == 1 and array.size:
        array.swapaxes(0, axis)[rng.integers(array.shape[axis])] = 0
    else:
        array.reshape(-1)[: array.size // 2 if pattern == 2 else array.size] = 0


def special_arrays(case: Case) -> list[str]:
    """The arrays that get NaN and infinities in turn, by the seed; of a max pooling mostly the one it chooses from."""
    if "weight" not in case.array_names:
        return ["input"] * (2 if case.operation.startswith("max_pool") else 1) + ["grad_output"]
    padded = any(map(any, case.pads))
    return [name for name in case.array_names if name != "weight" or not padded]


# Layouts: the same values behind other strides (a broadcast view repeats its own).


def _transposed(array: Array) -> Array:
    """Stored with the axes in another order: the last two swapped."""
    order = (*range(array.ndim - 2), array.ndim - 1, array.ndim - 2) if array.ndim > 1 else (0,)
    return np.ascontiguousarray(array.transpose(order)).transpose(order)


def _channels_last(array: Array) -> Array:
    """Stored with the channels last."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, -3, -1)), -1, -3) if array.ndim > 2 else array


def _fortran(array: Array) -> Array:
    """Stored with the first axis innermost."""
    return np.asfortranarray(array)


def _sliced(array: Array) -> Array:
    """Every second element of a larger array along each axis."""
    return _within(
        array, tuple(slice(1, 2 * n, 2) for n in array.shape), tuple(2 * n + 1 for n in array.shape)
    )


def _cropped(array: Array) -> Array:
    """The inside of a larger array."""
    return _within(array, tuple(slice(1, n + 1) for n in array.shape), tuple(n + 3 for n in array.shape))


def _images_apart(array: Array) -> Array:
    """Every second image of a batch: all but the first axis packed."""
    return _every_second(array, 0)


def _channels_apart(array: Array) -> Array:
    """Every second channel: rows and columns packed, planes not."""
    return _every_second(array, max(array.ndim - 3, 0))


def _every_second(array: Array, axis: int) -> Array:
    places = tuple(slice(1, 2 * n, 2) if i == axis else slice(n) for i, n in enumerate(array.shape))
    return _within(array, places, tuple(2 * n if i == axis else n for i, n in enumerate(array.shape)))


def _exchanged(array: Array) -> Array:
    """Stored with images and channels exchanged: planes packed, in another order."""
    return np.ascontiguousarray(array.swapaxes(0, 1)).swapaxes(0, 1) if array.ndim > 3 else array


def _mirrored(array: Array) -> Array:
    """Rows stored backwards, as a flipped image has them."""
    return np.ascontiguousarray(array[..., ::-1])[..., ::-1]


def _last_image_first(array: Array) -> Array:
    """Negative strides along the first axis alone."""
    return np.ascontiguousarray(array[::-1])[::-1]


def _repeated(array: Array) -> Array:
    """The first axis repeats one image (stride 0)."""
    return np.broadcast_to(array[:1], array.shape) if array.size else array


def _reversed(array: Array) -> Array:
    """Every axis stored backwards (negative strides)."""
    back = (slice(None, None, -1),) * array.ndim
    return array[back].copy()[back]


def _broadcast(array: Array) -> Array:
    """The last axis repeats one element (stride 0), as the gradient of a sum over rows does."""
    return np.broadcast_to(array[..., :1], array.shape) if array.size else array


def _expanded(array: Array) -> Array:
    """Every axis repeats one element: the gradient of a sum."""
    return (
        np.broadcast_to(array.reshape(-1)[:1].reshape((1,) * array.ndim), array.shape)
        if array.size
        else array
    )


def _offset(array: Array) -> Array:
    """Starts one element into its memory."""
    memory = np.full(array.size + 1, _JUNK, array.dtype)
    memory[1:] = array.reshape(-1)
    return memory[1:].reshape(array.shape)


def _read_only(array: Array) -> Array:
    """May not be written to."""
    array = array.copy()
    array.flags.writeable = False
    return array


_JUNK = 99  # around a view: what a kernel that ignores strides reads


def _within(array: Array, where: tuple[slice, ...], shape: tuple[int, ...]) -> Array:
    memory = np.full(shape, _JUNK, array.dtype)
    memory[where] = array
    return memory[where]


VIEWS: dict[str, Callable[[Array], Array]] = {
    "transposed": _transposed,
    "channels_last": _channels_last,
    "fortran": _fortran,
    "sliced": _sliced,
    "cropped": _cropped,
    "reversed": _reversed,
    "broadcast": _broadcast,
    "expanded": _expanded,
    "offset": _offset,
    "read_only": _read_only,
    "images_apart": _images_apart,
    "channels_apart": _channels_apart,
    "exchanged": _exchanged,
    "mirrored": _mirrored,
    "last_image_first": _last_image_first,
    "repeated": _repeated,
}


# Malformed arrays: what an option cannot express.


def _spoil(case: Case, arrays: Arrays) -> Arrays:
    name, _, part = case.malformed.rpartition("_")
    if name not in arrays:
        return arrays
    array = arrays[name]
    other = np.float64 if array.dtype != np.float64 else np.float32
    spoiled: dict[str, Callable[[], Array]] = {
        "channels": lambda: np.concatenate([array, array[:, :1]], axis=1),
        "length": lambda: np.concatenate([array, array[:1]]),
        "one": lambda: array[:1] if name == "bias" else array[:, :1],  # broadcasts
        "rank": lambda: array[..., None] if name == "bias" else array[0, 0] if name == "input" else array[0],
        "five": lambda: array[None],
        "dtype": lambda: array.astype(other),
    }
    return arrays | {name: spoiled[part]()}
