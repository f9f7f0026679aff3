"""Every dtype of every function: halves are added in float32 and rounded once, NumPy's own or not."""

from typing import Any

import numpy as np
import pytest

import npcnn

RNG = np.random.default_rng(0)


def reals(*shape: int) -> Any:
    return RNG.standard_normal(shape).astype(np.float32)


PLACES = RNG.integers(0, 24, (2, 4, 2, 3))
CALLS: dict[str, Any] = {
    "conv1d": (lambda x, w, b: npcnn.conv1d(x, w, b, padding=1), reals(2, 4, 40), reals(6, 4, 9), reals(6)),
    "conv2d": (lambda x, w: npcnn.conv2d(x, w, stride=2), reals(2, 4, 9, 8), reals(6, 4, 3, 3)),
    "conv2d_backward": (
        lambda g, x, w, b: npcnn.conv2d_backward(g, x, w, b, padding=1),
        *(reals(2, 6, 9, 8), reals(2, 4, 9, 8), reals(6, 4, 3, 3), reals(6)),
    ),
    "conv3d": (lambda x, w: npcnn.conv3d(x, w, groups=2), reals(1, 4, 4, 5, 6), reals(6, 2, 2, 3, 3)),
    "conv_transpose2d": (
        lambda x, w, b: npcnn.conv_transpose2d(x, w, b, stride=2),
        *(reals(2, 30, 5, 4), reals(30, 5, 3, 3), reals(5)),
    ),
    "conv_transpose2d_backward": (
        lambda g, x, w, b: npcnn.conv_transpose2d_backward(g, x, w, b),
        *(reals(2, 5, 7, 6), reals(2, 30, 5, 4), reals(30, 5, 3, 3), reals(5)),
    ),
    "max_pool2d": (lambda x: npcnn.max_pool2d(x, 3, padding=1, return_indices=True), reals(2, 4, 9, 8)),
    "max_pool2d_backward": (
        lambda g, x: npcnn.max_pool2d_backward(g, x, 3, stride=1), reals(2, 4, 7, 6), reals(2, 4, 9, 8)
    ),
    "avg_pool2d": (lambda x: npcnn.avg_pool2d(x, 5), reals(2, 4, 9, 8)),
    "avg_pool3d_backward": (
        lambda g, x: npcnn.avg_pool3d_backward(g, x, 2, stride=1), reals(2, 4, 2, 3, 4), reals(2, 4, 3, 4, 5)
    ),
    "adaptive_avg_pool2d": (lambda x: npcnn.adaptive_avg_pool2d(x, (2, 3)), reals(2, 4, 9, 8)),
    "adaptive_avg_pool2d_backward": (
        lambda g, x: npcnn.adaptive_avg_pool2d_backward(g, x, (5, 3)), reals(2, 4, 5, 3), reals(2, 4, 9, 8)
    ),
    "adaptive_max_pool2d": (lambda x: npcnn.adaptive_max_pool2d(x, 3, return_indices=True), reals(2, 4, 9, 8)),
    "adaptive_max_pool2d_backward": (
        lambda g, x: npcnn.adaptive_max_pool2d_backward(g, x, (5, 3)), reals(2, 4, 5, 3), reals(2, 4, 9, 8)
    ),
    "lp_pool2d": (lambda x: npcnn.lp_pool2d(x, 2, 3), reals(2, 4, 9, 8)),
    "lp_pool2d of the largest": (lambda x: npcnn.lp_pool2d(x, float("inf"), 3), reals(2, 4, 9, 8)),
    "lp_pool2d_backward": (
        lambda g, x: npcnn.lp_pool2d_backward(g, x, 2, 3, stride=2), reals(2, 4, 4, 3), reals(2, 4, 9, 8)
    ),
    "max_unpool2d": (lambda x: npcnn.max_unpool2d(x, PLACES, 2), reals(2, 4, 2, 3)),
    "max_unpool2d_backward": (
        lambda g, x: npcnn.max_unpool2d_backward(g, x, PLACES, 2), reals(2, 4, 4, 6), reals(2, 4, 2, 3)
    ),
}  # fmt: skip


def halves(name: str) -> Any:
    if name == "float16":
        return np.dtype(np.float16)
    return np.dtype(pytest.importorskip("ml_dtypes").bfloat16)


def answers(name: str, arrays: list[Any]) -> list[Any]:
    given = CALLS[name][0](*arrays)
    return list(given) if isinstance(given, tuple) else [given]


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", CALLS)
def test_a_half_is_computed_as_float32_and_rounded_once(name, half):
    dtype = halves(half)
    arrays = [a.astype(dtype) for a in CALLS[name][1:]]
    expected = answers(name, [a.astype(np.float32) for a in arrays])
    for one, other in zip(answers(name, arrays), expected, strict=True):
        assert one.dtype == (dtype if other.dtype == np.float32 else np.int64)
        np.testing.assert_array_equal(one, other.astype(one.dtype))


def test_bfloat16_has_nan_and_infinity_above_all_in_a_max_pool():
    dtype = halves("bfloat16")
    x = np.array([[1, np.inf, -np.inf, np.nan, -np.inf, -np.inf]], dtype)
    np.testing.assert_array_equal(npcnn.max_pool1d(x, 2).astype(float), [[np.inf, np.nan, -np.inf]])


def test_bfloat16_is_not_refused_as_another_dtype_is_nor_mixed():
    x = np.ones((1, 1, 3), halves("bfloat16"))
    with pytest.raises(TypeError, match=r"^weight is float16 but input is bfloat16$"):
        npcnn.conv1d(x, np.ones((1, 1, 1), np.float16))


@pytest.mark.parametrize("name", ["float8_e5m2", "uint1", "int1"])
def test_what_only_shares_a_letter_with_a_dtype_is_refused(name):
    scalar = getattr(pytest.importorskip("ml_dtypes"), name, None)
    if scalar is None:
        pytest.skip(f"this ml_dtypes has no {name}")
    dtype = np.dtype(scalar)
    with pytest.raises(TypeError, match=f"^input is {name} but must be one of float16, bfloat16, "):
        npcnn.max_pool1d(np.zeros((1, 4), dtype), 2)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
@pytest.mark.parametrize("dims", [1, 3])
def test_max_pools_take_integers(dims, dtype):
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    x = np.random.default_rng(0).integers(low, high, (2, 3, *[5] * dims), dtype, endpoint=True)
    x[0] = low
    output, places = getattr(npcnn, f"max_pool{dims}d")(x, 3, stride=2, padding=1, return_indices=True)
    assert output.dtype == dtype
    found = np.take_along_axis(x.reshape(2, 3, -1), places.reshape(2, 3, -1), 2).reshape(output.shape)
    np.testing.assert_array_equal(output, found)
    padded = np.pad(x, ((0, 0), (0, 0), *[(1, 1)] * dims), constant_values=low)
    seen = np.lib.stride_tricks.sliding_window_view(padded, (3,) * dims, tuple(range(2, 2 + dims)))
    every = (slice(None), slice(None), *[slice(None, None, 2)] * dims)
    np.testing.assert_array_equal(output, seen[every].max(tuple(range(-dims, 0))))
