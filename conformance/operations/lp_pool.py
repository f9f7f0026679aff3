"""Power-average pooling: lp_pool1d, lp_pool2d, lp_pool3d.

PyTorch takes no absolute value: y = z^(1/p), z the sum of x^p over a window, so that an odd p of negative data may
have no root, which is NaN. For p = inf it is the largest |x|, for -inf the smallest. A window that reaches past the
image in ceil_mode counts as a whole one of the same mean: z is its sum times the kernel's taps over its pixels.
"""

from __future__ import annotations

import math
from typing import cast

import numpy as np

from conformance.operations import max_pool, pool
from conformance.operations.dtypes import DTYPES
from conformance.operations.family import Answers, Family, Tail
from conformance.operations.option import Option
from conformance.operations.readings import linear
from conformance.operations.windows import Array, Arrays, Problem, pad, taps, unpad

NORM_TYPE = Option(
    name="norm_type",
    default=2,
    required=True,
    feature=False,
    types=(int, float),
    words={math.inf: ()},
    classes=(1, 2, 3, 4, math.inf),
    scope="turns",
    other=3,
    others=(1, 2, 3),
    keeps=True,
)
LIBRARY = 4  # roundings u that the power of a library may be off by: two steps, as its documentation allows


def refusal(case: Problem) -> str | None:
    if case.norm_type == 0:
        return "norm_type=0 has no root"
    averages = case.dimensions == 3 and not math.isinf(case.norm_type)
    if averages and any(n < k for n, k in zip(case.image, case.kernel, strict=True)):
        return "the window exceeds the image, which PyTorch's avg_pool3d refuses in ceil_mode, too"
    return None


def factors(case: Problem, output: str) -> tuple[str, ...]:
    """A power is a product of as many; a gradient divides by roots, which no integers make exact."""
    if output != "output":
        return ("grad_output",)
    return ("input",) * (1 if math.isinf(case.norm_type) else max(1, math.ceil(case.norm_type)))


# The definition.


def power_sums(case: Problem, image: Array) -> Array:
    """z: the sum of x^p over each window, of one that is clipped as if it were whole."""
    powers = pad(image**case.norm_type, case.borders)
    return cast(Array, sum(powers[place] for _, place in taps(case)) * wholeness(case))


def wholeness(case: Problem) -> Array:
    """The taps of each window over its pixels: more than 1 where ceil_mode lets it reach past the image."""
    return np.asarray(math.prod(case.kernel) / pixels(case))


def pixels(case: Problem) -> Array:
    """How many of the image each window has."""
    if not case.ceil_mode:
        return np.asarray(float(math.prod(case.kernel)))
    counts = np.ones(())
    for n, k, s, o in zip(case.image, case.kernel, case.strides, case.output_extents, strict=True):
        counts = counts[..., None] * np.minimum(k, n - np.arange(o) * s)
    return counts


def lp_pool(case: Problem, arrays: Arrays) -> Array:
    """z^(1/p), NaN where there is no root."""
    p = case.norm_type
    if math.isinf(p):
        return np.asarray(_largest(case, arrays)["output"] * np.sign(p))
    return np.asarray(power_sums(case, arrays["input"]) ** (1 / p))


def lp_pool_backward(case: Problem, arrays: Arrays) -> Array:
    """x^(p-1) times the sum over its windows of grad_output z^(1/p-1) taps / pixels; one of z = 0 gives nothing.

    What is infinite there PyTorch multiplies by the slopes of sign and relu, which are 0. For p = inf the gradient goes
    to the first of the largest |x|, with the sign of x.
    """
    x, p = arrays["input"], case.norm_type
    if math.isinf(p):
        spread = max_pool.max_pool_backward(case, arrays, _largest(case, arrays)["indices"])
        return np.asarray(spread * sign(x))
    z = power_sums(case, x)
    slope = np.where(z == 0, 0, arrays["grad_output"] * z ** (1 / p - 1) * sign(z) ** 2)
    return np.asarray(of_windows(case, slope * wholeness(case)) * x ** (p - 1))


def of_windows(case: Problem, values: Array) -> Array:
    """For each pixel the sum of a value of its windows."""
    spread = np.zeros(
        (*values.shape[:2], *(n + lo + hi for n, (lo, hi) in zip(case.image, case.borders, strict=True)))
    )
    for _, place in taps(case):
        spread[place] += values
    return unpad(spread, case.borders)


def sign(array: Array) -> Array:
    """As PyTorch's: that of NaN is 0."""
    return np.where(np.isnan(array), 0, np.sign(array))


def _largest(case: Problem, arrays: Arrays) -> Answers:
    return max_pool.max_pool(case, {"input": np.abs(arrays["input"]) * np.sign(case.norm_type)})


# How it is judged.


def error(case: Problem, arrays: Arrays, output: str, unit: float, subnormal: float) -> Array:
    """How far rounding may move each element, to first order in u where it is not said otherwise.

    z: a power is rounded as often as it is multiplied, or by a library; the sum n times (Higham, Accuracy and
    Stability of Numerical Algorithms, 2nd ed., 3.1), the mean that PyTorch takes, or taps over pixels, twice more:
    |dz| <= e = (n + p + 6) u S, S the sum of |x|^p, and what underflows. y = z^(1/p) is concave: for e < z
    |dy| <= y (1 - (1 - e/z)^(1/p)), not to first order, and e^(1/p) for all z that are not negative. The root is a
    library's, and its exponent rounded, by which z^(1/p (1 + u)) = y (1 + u ln(z) / p). A gradient multiplies such
    roots, p - 1 of them where it divides by y^(p-1); what underflows in it is added (see underflow).
    """
    x, p = _batched(case, arrays["input"]), case.norm_type
    g = np.abs(_batched(case, arrays["grad_output"]))
    windows = pool.terms(case, "grad_input")
    if math.isinf(p):
        if output == "output" or windows == 1:
            return np.zeros(arrays["grad_output" if output == "output" else "input"].shape)
        spread = max_pool.max_pool_backward(
            case, {"input": x, "grad_output": g}, _largest(case, {"input": x})["indices"]
        )
        return _unbatched(case, (windows + 1) * unit * spread)
    z, off = sums_and_errors(case, x, unit, subnormal)
    ratio = np.minimum(np.divide(off, np.abs(z), out=np.ones_like(off), where=z != 0), 1)
    steps = np.log(np.abs(z), out=np.zeros_like(off), where=(z != 0) & np.isfinite(z))
    root = (LIBRARY + np.abs(steps) / abs(p)) * unit
    relative = 1 - (1 - ratio) ** (1 / abs(p)) + root
    if output == "output":
        y = np.abs(z) ** (1 / p)
        return _unbatched(case, _finite(np.where(ratio < 1, relative * y, off ** (1 / abs(p)))))
    slope = g * np.abs(z) ** (1 / p - 1) * wholeness(case)
    steep = (
        (1 - np.minimum(relative, 1 - 2.0**-20)) ** -abs(p - 1)
        - 1
        + abs(p) * root
        + (windows + abs(p) + 8) * unit
    )
    rounded = of_windows(case, _finite(slope * steep)) * np.abs(x) ** (p - 1)
    return _unbatched(case, _finite(rounded) + _finite(underflow(case, x, g, slope, subnormal)))


def underflow(case: Problem, x: Array, g: Array, slope: Array, subnormal: float) -> Array:
    """How far what underflows may move a gradient: half a subnormal, times what it is multiplied with later.

    x^(p-1) does as often as it is multiplied, or is off by a library's steps: times the sum of the slopes |g| z^(1/p-1)
    of its windows. z^(1/p-1) likewise, times |g|; its product with g, and that with taps over pixels, once each: times
    |x|^(p-1), and p where the slope is that of 1/p, as PyTorch's.
    """
    p, whole = abs(case.norm_type), wholeness(case)
    of_power = (LIBRARY + p) * of_windows(case, _finite(slope))
    of_slope = of_windows(case, (LIBRARY + p) * g * whole + p * (whole + 2)) * np.abs(x) ** (
        case.norm_type - 1
    )
    return np.asarray(subnormal / 2 * (of_power + of_slope))


def sums_and_errors(case: Problem, x: Array, unit: float, subnormal: float) -> tuple[Array, Array]:
    """z, and how far rounding may move it; not at all where a power is infinite or NaN."""
    z, n, p = power_sums(case, x), math.prod(case.kernel), abs(case.norm_type)
    sums = power_sums(case, np.abs(x))
    return z, _finite((n + p + 6) * unit * sums + np.where(sums > 0, n * p * subnormal, 0))


def undecided(case: Problem, arrays: Arrays, unit: float, subnormal: float) -> dict[str, Array]:
    """Where rounding decides whether z has a root, whether its slope is that of 0, and whether z is infinite.

    A pixel of no window PyTorch multiplies by 0, which of an infinite power is NaN: 0 is as right. For p = 1 its
    gradient is 0 where the sum is 0 or NaN, of which the sum itself knows nothing: either is right.
    """
    x, p = _batched(case, arrays["input"]), case.norm_type
    if math.isinf(p):
        return {}
    z, off = sums_and_errors(case, x, unit, subnormal)
    largest = 2.0 ** DTYPES[case.dtype].top
    beyond = power_sums(case, np.abs(x)) >= largest
    unread = (of_windows(case, np.ones(z.shape)) == 0) & ~(abs(p) * np.abs(x) ** (p - 1) < largest)
    near = (np.abs(z) <= off) & (off > 0) | (beyond & np.isfinite(x).all())
    no_slope = near | (np.isnan(z) | (z == 0) if p == 1 else False)
    reached = (of_windows(case, no_slope.astype(float)) > 0) | unread
    rootless = near if p != 1 and p % 2 != 0 else near & beyond
    return {"output": _unbatched(case, rootless), "grad_input": _unbatched(case, reached)}


def may_be_nan(case: Problem, arrays: Arrays) -> dict[str, Array]:
    """A sum of -inf has no more of a root than another negative one: C's power says infinity, exp(log(z) / p) NaN."""
    p = case.norm_type
    if p == 1 or p % 2 != 1 or not np.isneginf(arrays["input"]).any():
        return {}
    with np.errstate(all="ignore"):
        rootless = np.isneginf(power_sums(case, _batched(case, arrays["input"])))
    reached = of_windows(case, rootless.astype(float)) > 0
    return {"output": _unbatched(case, rootless), "grad_input": _unbatched(case, reached)}


def _batched(case: Problem, array: Array) -> Array:
    array = np.asarray(array, np.float64)
    return array[None] if case.batch is None else array


def _unbatched(case: Problem, array: Array) -> Array:
    return np.asarray(array[0] if case.batch is None else array)


def _finite(array: Array) -> Array:
    return np.where(np.isfinite(array), array, 0)


def put_specials(rng: np.random.Generator, case: Problem, arrays: Arrays, name: str) -> None:
    """Among them windows of nothing but zeros, whose roots have no slope."""
    pool.put_specials(rng, case, arrays, name)
    if not rng.integers(3):
        flat = arrays["input"].reshape(-1)
        flat[: flat.size // 2] = 0


TAILS = (
    Tail({"kernel": (2, 2)}, image="strided"),
    Tail({"kernel": (2, 2), "stride": 1}),
    Tail({"kernel": (2, 2), "stride": 2, "norm_type": 3}, image="strided"),
    Tail({"kernel": (3, 3), "stride": 2, "norm_type": 1}, image="strided"),
)

FAMILY = Family(
    name="lp_pool",
    rank=6,
    options=(NORM_TYPE, pool.STRIDE, pool.CEIL_MODE),
    keywords=("norm_type", "kernel_size", "stride", "ceil_mode"),
    single=True,
    refusal=refusal,
    forward=lambda case, arrays: {"output": lp_pool(case, arrays)},
    backward=lambda case, arrays: {"grad_input": lp_pool_backward(case, arrays)},
    ties=True,  # of magnitudes, for p = inf
    divides=1,
    factors=factors,
    error=error,
    undecided=undecided,
    may_be_nan=may_be_nan,
    specials=lambda case: ["input", "input", "grad_output"],
    put_specials=put_specials,
    scope={"image": 9, "kernel": 4, "stride": 4},
    paired={"image": 6, "kernel": 3, "stride": 3},
    readings=linear,
    flags=({}, {"norm_type": 3}, {"norm_type": 1}, {"norm_type": math.inf}),
    **(pool.SHARED | {"tails": TAILS}),
)
