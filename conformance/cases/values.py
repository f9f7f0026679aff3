"""The families of values that arrays are filled with."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from conformance.operations import DTYPES
from conformance.operations.windows import Array, Problem

REALS = ("mean_zero", "non_negative", "spread")  # values whose sums round
SMALL = 3  # the largest of small_integers


@lru_cache(maxsize=1)  # asked for by each array of a case
def magnitude(case: Problem) -> int:
    """Largest m for which sums of products of integers from -m to m are exact in the dtype, in any order.

    terms * m^2 + m < 2^24 for float32 (2^53, 2^11), with some headroom (see Dtype).
    """
    if case.problem:
        return 3  # nothing is computed
    terms = max((case.terms(output) for output in case.outputs if output != "indices"), default=1)
    dtype = DTYPES[case.dtype]
    return max(1, min(1000, math.isqrt(dtype.exact // dtype.headroom // (max(terms, 1) + 1))))


def _integers(rng: np.random.Generator, case: Problem, name: str, shape: tuple[int, ...]) -> Array:
    """Integers of both signs, as large as exact sums allow; all different where the answer is one of them."""
    if case.family.chosen and name == "input":
        size = math.prod(shape)  # all different, so that no answer depends on which of two equals is taken
        return rng.permutation(size).reshape(shape) - size // 2 - 1
    m = magnitude(case)
    return rng.integers(-m, m, size=shape, endpoint=True)


def _small_integers(rng: np.random.Generator, case: Problem, name: str, shape: tuple[int, ...]) -> Array:
    """Integers from -3 to 3: for kernels that multiply transforms."""
    return rng.integers(-SMALL, SMALL, size=shape, endpoint=True)


def _mean_zero(rng: np.random.Generator, case: Problem, name: str, shape: tuple[int, ...]) -> Array:
    """Reals of both signs: rounding errors cancel, so that narrower products show."""
    return rng.standard_normal(shape)


def _non_negative(rng: np.random.Generator, case: Problem, name: str, shape: tuple[int, ...]) -> Array:
    """Reals from 0 to 1: sums grow, and what a narrow sum loses with them."""
    return rng.random(shape)


def _spread(rng: np.random.Generator, case: Problem, name: str, shape: tuple[int, ...]) -> Array:
    """Reals that grow or shrink along rows and columns: what a running sum lost to large ones, small ones show."""
    numbers = rng.standard_normal(shape)
    for axis in range(max(0, len(shape) - 2), len(shape)):
        down = np.sort(rng.integers(0, DTYPES[case.dtype].spread, size=shape[axis]))[:: rng.choice((-1, 1))]
        numbers = np.ldexp(numbers, -down.reshape(-1, *(1,) * (len(shape) - 1 - axis)))
    return numbers


def _ties(rng: np.random.Generator, case: Problem, name: str, shape: tuple[int, ...]) -> Array:
    """An input of few different numbers, among them zeros of both signs."""
    if name != "input":
        return _integers(rng, case, name, shape)
    return rng.choice(np.array([-2.0, -1.0, -1.0, -0.0, 0.0]), size=shape)


def _close(rng: np.random.Generator, case: Problem, name: str, shape: tuple[int, ...]) -> Array:
    """Neighbouring floats: equality by tolerance takes them for ties."""
    if name != "input":
        return _integers(rng, case, name, shape)
    return 1 + rng.permutation(math.prod(shape)).reshape(shape) * float(np.finfo(case.dtype).eps)


def _special(rng: np.random.Generator, case: Problem, name: str, shape: tuple[int, ...]) -> Array:
    """Integers with NaN, infinities and zeros of both signs among them."""
    return _integers(rng, case, name, shape)  # the others are put in once all arrays are there


def _large(rng: np.random.Generator, case: Problem, name: str, shape: tuple[int, ...]) -> Array:
    """Integers times a power of two: as exact, and beyond what a constant of the kernel was meant for."""
    return _scaled(rng, case, name, shape, DTYPES[case.dtype].scales[0])


def _tiny(rng: np.random.Generator, case: Problem, name: str, shape: tuple[int, ...]) -> Array:
    """Integers by a power of two, their products still normal: no number is small enough to be none."""
    return _scaled(rng, case, name, shape, DTYPES[case.dtype].scales[1])


def _scaled(
    rng: np.random.Generator, case: Problem, name: str, shape: tuple[int, ...], exponent: int
) -> Array:
    integers = _integers(rng, case, name, shape).astype(np.float64)
    return np.ldexp(integers, 2 * exponent if name == "bias" else exponent)  # bias: as the products


VALUES: dict[str, Callable[[np.random.Generator, Problem, str, tuple[int, ...]], Array]] = {
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
