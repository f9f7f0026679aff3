"""The families of values that arrays are filled with."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cache, lru_cache

import numpy as np

from conformance.cases.units import SUMMED, UNITS
from conformance.operations import DTYPES
from conformance.operations.windows import Array, Problem

REALS = ("mean_zero", "non_negative", "spread", "overflowing", *SUMMED)  # values whose sums round
SMALL = 3  # the largest of small_integers
LARGEST = 1000  # of integers
WHOLE = 12  # the power of two by which whole numbers are multiplied to be large ones
FEW = 256  # of fewer numbers none is 0: what it is multiplied with would not be seen


@lru_cache(maxsize=1)  # asked for by each array of a case
def magnitudes(case: Problem) -> dict[str, int]:
    """Of each array the largest m for which sums of products of integers from -m to m are exact, in any order.

    terms * m * m' < 2^24 for float32 (2^53, 2^11), with some headroom (see Dtype); the sum of most terms decides about
    its two arrays, and what it leaves to the third is as large as the other sums allow.
    """
    if case.problem:
        return dict.fromkeys(case.array_names, SMALL)  # nothing is computed
    return _largest(case.array_names, tuple(_sums(case)), factors(case, "output"))


@lru_cache(maxsize=4096)  # many cases have sums as long as those of others
def _largest(
    arrays: tuple[str, ...], sums: tuple[tuple[int, tuple[str, ...]], ...], of_output: tuple[str, ...]
) -> dict[str, int]:
    largest: dict[str, int] = {}
    for room, names in sorted(sums, key=lambda of: of[0] ** (1 / len(of[1]))):
        left = room // math.prod(largest.get(name, 1) for name in names)
        free = [name for name in names if name not in largest]
        root = _root(left, len(free))
        largest |= dict.fromkeys(free, max(1, min(LARGEST, root)))
    added = min(LARGEST, math.prod(largest[name] for name in of_output))  # to such products
    return {name: largest.get(name, added) for name in arrays}


def _root(number: int, degree: int) -> int:
    """The largest integer whose power is not above a number."""
    if degree < 3:
        return math.isqrt(number) if degree == 2 else number
    root = round(number ** (1 / degree))
    return int(root - (root**degree > number))


def inexact(case: Problem) -> set[str]:
    """The outputs whose sums of integers are too long to be exact however small those are: they may round."""
    exact = DTYPES[case.dtype].exact
    sums = {output: case.terms(output) + 1 for output in case.outputs if output != "indices"}
    if not case.problem and max(sums.values()) * LARGEST**2 <= exact:
        return set()  # as nearly always
    m = magnitudes(case)
    return {
        output
        for output, terms in sums.items()
        if terms * math.prod(m[name] for name in factors(case, output) if name in m) > exact
    }


def _sums(case: Problem) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Of each output, the largest product that its sum of so many has room for, and the arrays multiplied."""
    dtype = DTYPES[case.dtype]
    transformed = min(2, sum(k > 1 for k in case.kernel)) if case.family.bilinear else 0
    exact = dtype.exact // dtype.headroom**transformed
    for output in case.outputs:
        if output != "indices":
            yield exact // (max(case.terms(output), 1) + 1), factors(case, output)


def factors(case: Problem, output: str) -> tuple[str, ...]:
    """The arrays whose elements are multiplied with each other; a bias is added."""
    if case.family.factors:
        return tuple(case.family.factors(case, output))
    return _multiplied(case.array_names, case.family.indexing, output)


@cache
def _multiplied(arrays: tuple[str, ...], indexing: tuple[str, ...], output: str) -> tuple[str, ...]:
    multiplied = [name for name in arrays if name not in ("bias", "grad_output", *indexing)]
    of = output.removeprefix("grad_")
    if of == output:
        return tuple(multiplied)
    return "grad_output", *(name for name in multiplied if name != of and of in multiplied)


def chance(case: Problem, small: bool) -> float:
    """Of an element that another polynomial of these integers gives to be right all the same, in the worst output.

    At most the sum over its factors of how likely the likeliest number is (Schwartz, Zippel).
    """
    if case.family.chosen:
        return 0.0
    likeliest = {name: 1 / (2 * (SMALL if small else m)) for name, m in magnitudes(case).items()}
    many = {name for name, shape in case.shapes.items() if math.prod(shape) >= FEW}
    likeliest |= {name: max(likeliest[name], 1 / (FEW - 1)) for name in many}  # there the zeros
    return max(sum(likeliest[name] for name in factors(case, output)) for output in case.outputs)


def _integers(rng: np.random.Generator, case: Problem, name: str, shape: tuple[int, ...]) -> Array:
    """Integers of both signs, as large as exact sums allow; all different where the answer is one of them."""
    if case.family.chosen and name == "input":
        size = math.prod(shape)  # all different, so that no answer depends on which of two equals is taken
        return _within(case, rng.permutation(size).reshape(shape) - size // 2 - 1)
    return _up_to(rng, magnitudes(case)[name], shape)


def _within(case: Problem, numbers: Array) -> Array:
    """Integers about the middle of an integer format's range; what goes beyond it comes in again at its other end."""
    dtype = DTYPES[case.dtype]
    return numbers if dtype.rounds else (numbers + (sum(dtype.range) + 1) // 2).astype(dtype.numpy)


def _small_integers(rng: np.random.Generator, case: Problem, name: str, shape: tuple[int, ...]) -> Array:
    """Integers from -3 to 3: for kernels that multiply transforms."""
    return _up_to(rng, SMALL, shape)


def _up_to(rng: np.random.Generator, m: int, shape: tuple[int, ...]) -> Array:
    """Integers from -m to m without 0, and a few zeros among many; not the first, which a view may repeat."""
    drawn = _but_zero(m)[rng.integers(-m, m, size=shape)]
    if drawn.size >= FEW:
        drawn.reshape(-1)[rng.integers(1, drawn.size, size=drawn.size // FEW)] = 0
    return drawn


@lru_cache(maxsize=64)
def _but_zero(m: int) -> Array:
    """The integers from -m to m without 0, where an index from -m to m - 1 finds them in order."""
    return np.concatenate([np.arange(1, m + 1), np.arange(-m, 0)])


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


def _overflowing(rng: np.random.Generator, case: Problem, name: str, shape: tuple[int, ...]) -> Array:
    """Reals whose products are about the largest number of a dtype whose sums are held in one of larger numbers.

    Some answers are infinite then. The bias is 0: a kernel may round before it is added (numerics.md).
    """
    dtype = DTYPES[case.dtype]
    scale = 0.0 if name == "bias" else 2.0 ** ((dtype.top + 1) // 2) if dtype.overflows else 1.0
    return rng.standard_normal(shape) * scale


def _ties(rng: np.random.Generator, case: Problem, name: str, shape: tuple[int, ...]) -> Array:
    """An input of few different numbers, among them zeros of both signs; of integers, the least and the largest."""
    if name != "input":
        return _integers(rng, case, name, shape)
    if not DTYPES[case.dtype].rounds:
        least, largest = DTYPES[case.dtype].range
        return rng.choice(np.array([least, least, largest, least + 1, 0]), size=shape)
    return rng.choice(np.array([-2.0, -1.0, -1.0, -0.0, 0.0]), size=shape)


def _close(rng: np.random.Generator, case: Problem, name: str, shape: tuple[int, ...]) -> Array:
    """Neighbouring floats: equality by tolerance takes them for ties."""
    if name != "input":
        return _integers(rng, case, name, shape)
    return 1 + rng.permutation(math.prod(shape)).reshape(shape) * 2 * DTYPES[case.dtype].unit


def _special(rng: np.random.Generator, case: Problem, name: str, shape: tuple[int, ...]) -> Array:
    """Integers with NaN, infinities and zeros of both signs among them."""
    return _integers(rng, case, name, shape)  # what they become follows once all arrays are there


def _subnormal(rng: np.random.Generator, case: Problem, name: str, shape: tuple[int, ...]) -> Array:
    """Integers, of the answer or of grad_output, by the seed, as so many times the smallest number above 0."""
    return _integers(rng, case, name, shape)  # likewise


def _large(rng: np.random.Generator, case: Problem, name: str, shape: tuple[int, ...]) -> Array:
    """Integers times a power of two: as exact, and beyond what a constant of the kernel was meant for.

    By the seed, factors that 32 bits hold, of products that they do not.

    Of an integer format neighbours about a quarter and three quarters of its range: 2^62 and -2^62 of int64, which no
    floating format holds.
    """
    if not DTYPES[case.dtype].rounds:
        least, largest = DTYPES[case.dtype].range
        quarter = (largest - least) // 4 + 1
        return _within(case, _integers(rng, case, name, shape) + rng.choice((-quarter, quarter), size=shape))
    largest = DTYPES[case.dtype].scales[0]
    return _scaled(rng, case, name, shape, min(largest, WHOLE) if case.seed % 2 else largest)


def _tiny(rng: np.random.Generator, case: Problem, name: str, shape: tuple[int, ...]) -> Array:
    """Integers by a power of two, their products still normal: no number is small enough to be none."""
    return _scaled(rng, case, name, shape, DTYPES[case.dtype].scales[1])


def _scaled(
    rng: np.random.Generator, case: Problem, name: str, shape: tuple[int, ...], exponent: int
) -> Array:
    integers = _integers(rng, case, name, shape).astype(np.float64)
    if name == "bias":
        return np.ldexp(integers, 2 * exponent)  # as the products
    return np.ldexp(integers, 2 * exponent // max(2, len(factors(case, "output"))))


def as_subnormal(case: Problem, arrays: dict[str, Array]) -> None:
    """In place, by the seed: those of the answer, or grad_output, as so many times the smallest number above 0.

    Their bits are those of the integers: arithmetic may take such numbers for 0.
    """
    flows = case.seed % 2 or case.family.chosen  # what is chosen is copied, and no arithmetic is done with it
    for name in arrays.keys() & ({"grad_output"} if flows else {"input", "bias"}):
        integers, dtype = arrays[name].astype(np.int64), DTYPES[case.dtype].numpy
        bits = np.abs(integers) | (integers < 0).astype(np.int64) << (8 * dtype.itemsize - 1)
        arrays[name] = bits.astype(f"u{dtype.itemsize}").view(dtype)


def _uniform(rng: np.random.Generator, case: Problem, name: str, shape: tuple[int, ...]) -> Array:
    """By the seed, one array after the other is wholly 0, and then wholly one other number."""
    integers = _integers(rng, case, name, shape)
    arrays = [each for each in case.array_names if each not in case.family.indexing]
    chosen, numbers = arrays[case.seed % len(arrays)], (0, integers.flat[0] if integers.size else 0)
    return np.full_like(integers, numbers[case.seed // len(arrays) % 2]) if name == chosen else integers


def _beyond(
    rng: np.random.Generator, case: Problem, name: str, shape: tuple[int, ...], number: float
) -> Array:
    """Integers times a power of two by which those of one array are beyond a number, all but zeros."""
    return _planted(rng, case, name, shape, math.floor(math.log2(number)) + 1)


def _below(
    rng: np.random.Generator, case: Problem, name: str, shape: tuple[int, ...], number: float
) -> Array:
    """Integers times a power of two by which those of one array are below a number, and none is 0 for that."""
    largest = max(1, math.prod(shape)) if case.family.chosen else LARGEST
    return _planted(rng, case, name, shape, math.ceil(math.log2(number / largest)) - 1)


def _planted(
    rng: np.random.Generator, case: Problem, name: str, shape: tuple[int, ...], exponent: int
) -> Array:
    """By the seed, one array after the other is the one that is scaled; what is added to products of it, with it."""
    integers = _integers(rng, case, name, shape).astype(np.float64)
    arrays = [each for each in case.array_names if each not in ("bias", *case.family.indexing)]
    scaled = arrays[case.seed % len(arrays)]
    with_it = (scaled,) if scaled == "grad_output" else (scaled, "bias")
    return np.ldexp(integers, exponent) if name in with_it else integers


PLANTED = {"beyond": _beyond, "below": _below}  # written with the number: beyond:1e6


def planted(values: str) -> tuple[str, float] | None:
    """The side and the number of values that lie on one side of it; None where a text is none."""
    side, colon, text = values.partition(":")
    try:
        number = float(text)
    except ValueError:
        return None
    return (side, number) if side in PLANTED and colon and 0 < number < math.inf else None


def fits(case: Problem, values: str) -> bool:
    """Whether such values, and their exact sums, are numbers of its dtype that are neither infinite nor subnormal."""
    found, dtype = planted(values), DTYPES[case.dtype]
    powers = len(case.family.factors(case, "output")) if case.family.factors else 1
    exponent = powers * math.log2(found[1]) if found else 0.0
    return math.log2(LARGEST) - dtype.top < exponent < dtype.top - math.log2(dtype.exact)


def values_named(values: str) -> Callable[[np.random.Generator, Problem, str, tuple[int, ...]], Array]:
    """The family of values of a name."""
    if values in VALUES:
        return VALUES[values]
    found = planted(values)
    assert found is not None
    side, number = found
    return lambda rng, case, name, shape: PLANTED[side](rng, case, name, shape, number)


VALUES: dict[str, Callable[[np.random.Generator, Problem, str, tuple[int, ...]], Array]] = {
    "integers": _integers,
    "small_integers": _small_integers,
    "mean_zero": _mean_zero,
    "non_negative": _non_negative,
    "spread": _spread,
    "overflowing": _overflowing,
    "ties": _ties,
    "close": _close,
    "uniform": _uniform,
    "large": _large,
    "tiny": _tiny,
    "special": _special,
    "subnormal": _subnormal,
    **UNITS,
    **SUMMED,
}
