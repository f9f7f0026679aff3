"""Every function reads any array right, changes none, keeps none, and answers with arrays of its own."""

import math
import os
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest

import npcnn
from npcnn import products, threads, windows

CONV: dict[str, Any] = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2)}
MAX: dict[str, Any] = {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2)}
AVG: dict[str, Any] = {"stride": (2, 1), "padding": (1, 0), "ceil_mode": True}


def places(x: Any, count: int) -> Any:
    return np.random.default_rng(0).integers(0, count, x.size).reshape(x.shape)


CALLS: dict[str, tuple[Callable[..., Any], list[tuple[int, ...]]]] = {
    "conv2d": (lambda *a: npcnn.conv2d(*a, **CONV), [(2, 4, 6, 7), (6, 4, 3, 2), (6,)]),
    "conv2d 1x1": (lambda *a: npcnn.conv2d(*a), [(2, 4, 6, 7), (6, 4, 1, 1)]),
    "conv2d 1x1 of one image": (lambda *a: npcnn.conv2d(*a), [(1, 4, 6, 7), (6, 4, 1, 1)]),
    "conv2d grouped": (lambda *a: npcnn.conv2d(*a, **CONV, groups=2), [(2, 4, 6, 7), (6, 2, 3, 2), (6,)]),
    "conv2d depthwise": (lambda *a: npcnn.conv2d(*a, groups=4), [(2, 4, 6, 7), (4, 1, 3, 2), (4,)]),
    "conv2d_backward": (
        lambda *a: npcnn.conv2d_backward(*a, **CONV),
        [(2, 6, 3, 9), (2, 4, 6, 7), (6, 4, 3, 2), (6,)],
    ),
    "conv2d_backward 1x1": (
        lambda *a: npcnn.conv2d_backward(*a),
        [(1, 6, 6, 7), (1, 4, 6, 7), (6, 4, 1, 1), (6,)],
    ),
    "conv1d": (
        lambda *a: npcnn.conv1d(*a, stride=2, padding=1, groups=2),
        [(2, 4, 9), (6, 2, 3), (6,)],
    ),
    "conv1d_backward": (
        lambda *a: npcnn.conv1d_backward(*a, stride=2, padding=1, groups=2),
        [(2, 6, 5), (2, 4, 9), (6, 2, 3), (6,)],
    ),
    "conv3d": (
        lambda *a: npcnn.conv3d(*a, stride=(1, 2, 1), padding=(0, 1, 1)),
        [(2, 4, 4, 5, 6), (6, 4, 2, 3, 3), (6,)],
    ),
    "conv3d of lines as long as the padded image": (
        lambda *a: npcnn.conv3d(*a, padding=1),
        [(2, 4, 4, 5, 6), (6, 4, 2, 3, 3)],
    ),
    "conv3d_backward": (
        lambda *a: npcnn.conv3d_backward(*a, stride=(1, 2, 1), padding=(0, 1, 1)),
        [(2, 6, 3, 3, 6), (2, 4, 4, 5, 6), (6, 4, 2, 3, 3), (6,)],
    ),
    "conv_transpose1d": (
        lambda *a: npcnn.conv_transpose1d(*a, stride=2, output_padding=1),
        [(2, 4, 5), (4, 6, 3), (6,)],
    ),
    "conv_transpose2d": (
        lambda *a: npcnn.conv_transpose2d(*a, stride=(2, 1), padding=(1, 0), groups=2),
        [(2, 4, 5, 6), (4, 3, 3, 2), (6,)],
    ),
    "conv_transpose2d 1x1": (lambda *a: npcnn.conv_transpose2d(*a), [(2, 4, 5, 6), (4, 6, 1, 1)]),
    "conv_transpose2d_backward": (
        lambda *a: npcnn.conv_transpose2d_backward(*a, stride=(2, 1), padding=(1, 0), groups=2),
        [(2, 6, 9, 7), (2, 4, 5, 6), (4, 3, 3, 2), (6,)],
    ),
    "conv_transpose3d_backward": (
        lambda *a: npcnn.conv_transpose3d_backward(*a, stride=2, padding=(1, 0, 1)),
        [(2, 6, 3, 6, 5), (2, 4, 2, 3, 3), (4, 6, 3, 2, 3), (6,)],
    ),
    "conv2d_backward depthwise": (
        lambda *a: npcnn.conv2d_backward(*a, groups=4),
        [(2, 4, 4, 6), (2, 4, 6, 7), (4, 1, 3, 2), (4,)],
    ),
    "max_pool2d": (lambda x: npcnn.max_pool2d(x, 3, return_indices=True, **MAX), [(2, 4, 6, 7)]),
    "max_pool2d 1x1": (lambda x: npcnn.max_pool2d(x, 1), [(2, 4, 6, 7)]),
    "max_pool2d_backward": (
        lambda g, x: npcnn.max_pool2d_backward(g, x, 3, **MAX),
        [(2, 4, 3, 3), (2, 4, 6, 7)],
    ),
    "avg_pool2d": (lambda x: npcnn.avg_pool2d(x, 3, **AVG), [(2, 4, 6, 7)]),
    "avg_pool2d 1x1": (lambda x: npcnn.avg_pool2d(x, 1), [(2, 4, 6, 7)]),
    "avg_pool2d_backward": (
        lambda g, x: npcnn.avg_pool2d_backward(g, x, 3, **AVG),
        [(2, 4, 4, 5), (2, 4, 6, 7)],
    ),
    "max_pool1d": (lambda x: npcnn.max_pool1d(x, 3, stride=2, padding=1, return_indices=True), [(2, 4, 7)]),
    "max_pool1d_backward": (
        lambda g, x: npcnn.max_pool1d_backward(g, x, 3, stride=2, padding=1),
        [(2, 4, 4), (2, 4, 7)],
    ),
    "max_pool3d": (lambda x: npcnn.max_pool3d(x, 2, stride=1, return_indices=True), [(2, 4, 3, 4, 5)]),
    "max_pool3d_backward": (
        lambda g, x: npcnn.max_pool3d_backward(g, x, 2, stride=1),
        [(2, 4, 2, 3, 4), (2, 4, 3, 4, 5)],
    ),
    "avg_pool1d": (lambda x: npcnn.avg_pool1d(x, 3, stride=2, padding=1), [(2, 4, 7)]),
    "avg_pool3d": (lambda x: npcnn.avg_pool3d(x, 2, stride=1), [(2, 4, 3, 4, 5)]),
    "avg_pool3d_backward": (
        lambda g, x: npcnn.avg_pool3d_backward(g, x, 2, stride=1),
        [(2, 4, 2, 3, 4), (2, 4, 3, 4, 5)],
    ),
    "adaptive_avg_pool1d": (lambda x: npcnn.adaptive_avg_pool1d(x, 3), [(2, 4, 7)]),
    "adaptive_avg_pool2d": (lambda x: npcnn.adaptive_avg_pool2d(x, (3, None)), [(2, 4, 5, 6)]),
    "adaptive_avg_pool2d_backward": (
        lambda g, x: npcnn.adaptive_avg_pool2d_backward(g, x, (3, 7)),
        [(2, 4, 3, 7), (2, 4, 5, 6)],
    ),
    "adaptive_max_pool2d": (
        lambda x: npcnn.adaptive_max_pool2d(x, (3, 7), return_indices=True),
        [(2, 4, 5, 6)],
    ),
    "adaptive_max_pool2d as it is": (lambda x: npcnn.adaptive_max_pool2d(x, (None, None)), [(2, 4, 5, 6)]),
    "adaptive_max_pool3d_backward": (
        lambda g, x: npcnn.adaptive_max_pool3d_backward(g, x, (2, 3, 1)),
        [(2, 4, 2, 3, 1), (2, 4, 3, 4, 5)],
    ),
    "lp_pool1d": (lambda x: npcnn.lp_pool1d(x, 3, 2), [(2, 4, 7)]),
    "lp_pool2d": (lambda x: npcnn.lp_pool2d(x, 2, 3, stride=2, ceil_mode=True), [(2, 4, 6, 7)]),
    "lp_pool2d 1x1": (lambda x: npcnn.lp_pool2d(x, 1, 1), [(2, 4, 6, 7)]),
    "lp_pool2d of the largest": (lambda x: npcnn.lp_pool2d(x, math.inf, 2), [(2, 4, 6, 7)]),
    "lp_pool2d_backward": (
        lambda g, x: npcnn.lp_pool2d_backward(g, x, 2, 3, stride=2),
        [(2, 4, 2, 3), (2, 4, 6, 7)],
    ),
    "max_unpool1d": (lambda x: npcnn.max_unpool1d(x, places(x, 6), 2), [(2, 4, 3)]),
    "max_unpool2d": (lambda x: npcnn.max_unpool2d(x, places(x, 16), 2), [(2, 4, 2, 2)]),
    "max_unpool2d 1x1": (lambda x: npcnn.max_unpool2d(x, places(x, 4), 1), [(2, 4, 2, 2)]),
    "max_unpool2d_backward": (
        lambda g, x: npcnn.max_unpool2d_backward(g, x, places(x, 16), 2),
        [(2, 4, 4, 4), (2, 4, 2, 2)],
    ),
}
NAMES = sorted(CALLS)
FLOATS = [np.float16, np.float32, np.float64]


def arguments(name: str, dtype: Any = np.float32, seed: int = 0) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [rng.integers(-4, 5, shape).astype(dtype) for shape in CALLS[name][1]]


def answers(name: str, arrays: list[Any]) -> list[Any]:
    given = CALLS[name][0](*arrays)
    return list(given) if isinstance(given, tuple) else [given]


def offset(a: Any) -> Any:
    """One byte past where the machine would like an array to begin."""
    raw = np.empty(a.nbytes + 1, np.uint8)[1:].view(a.dtype) if a.nbytes else a.ravel()
    raw = raw.reshape(a.shape)
    raw[...] = a
    return raw


def read_only(a: Any) -> Any:
    a = a.copy()
    a.flags.writeable = False
    return a


VIEWS: dict[str, Callable[[Any], Any]] = {
    "transposed": lambda a: np.ascontiguousarray(a.T).T,
    "channels last": lambda a: np.moveaxis(
        np.ascontiguousarray(np.moveaxis(a, a.ndim > 1, -1)), -1, a.ndim > 1
    ),
    "fortran": np.asfortranarray,
    "reversed": lambda a: np.flip(np.ascontiguousarray(np.flip(a))),
    "sliced": lambda a: np.repeat(np.pad(a, 1), 2, -1)[(slice(1, -1),) * (a.ndim - 1) + (slice(2, -2, 2),)],
    "offset": offset,
    "read-only": read_only,
    "other byte order": lambda a: a.astype(a.dtype.newbyteorder(">" if sys.byteorder == "little" else "<")),
    "masked": lambda a: np.ma.masked_array(a),
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", NAMES)
def test_a_view_answers_as_its_copy(name, dtype, view):
    arrays = arguments(name, dtype)
    for one, other in zip(
        answers(name, [VIEWS[view](a) for a in arrays]), answers(name, arrays), strict=True
    ):
        np.testing.assert_array_equal(one, other, strict=True)
        assert one.dtype.isnative and type(one) is np.ndarray


@pytest.mark.parametrize("name", NAMES)
def test_a_broadcast_array_answers_as_its_copy(name):
    views = [np.broadcast_to(a[(slice(1),) * a.ndim], a.shape) for a in arguments(name)]
    for one, other in zip(answers(name, views), answers(name, [v.copy() for v in views]), strict=True):
        np.testing.assert_array_equal(one, other, strict=True)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", NAMES)
def test_the_arguments_stay_as_they_were(name, dtype):
    arrays, before = arguments(name, dtype), arguments(name, dtype)
    answers(name, arrays)
    for one, other in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(one, other, strict=True)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", NAMES)
def test_answers_are_contiguous_writeable_and_share_no_memory(name, dtype):
    arrays = arguments(name, dtype)
    given = answers(name, arrays) + answers(name, arrays)
    assert all(a.flags.c_contiguous and a.flags.writeable and a.flags.aligned for a in given)
    pairs = [(a, b) for i, a in enumerate(given) for b in [*arrays, *given[:i]]]
    assert not any(np.shares_memory(a, b) for a, b in pairs)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", NAMES)
def test_answers_have_the_dtype_of_the_arguments(name, dtype):
    assert {a.dtype for a in answers(name, arguments(name, dtype))} <= {np.dtype(dtype), np.dtype(np.int64)}


@pytest.mark.parametrize("name", NAMES)
def test_one_image_is_a_batch_of_one(name):
    arrays = [a[:1] if len(a) == 2 and a.ndim > 2 else a for a in arguments(name)]
    alone = [a[0] if a.ndim > 2 and len(a) == 1 else a for a in arrays]
    for one, other in zip(answers(name, alone), answers(name, arrays), strict=True):
        np.testing.assert_array_equal(one, other[0] if one.ndim < other.ndim else other, strict=True)


@pytest.mark.parametrize("name", NAMES)
def test_no_images_give_no_images_and_zero_gradients(name):
    arrays = [a[:0] if a.ndim > 2 and len(a) < 4 else a for a in arguments(name)]
    for one, full in zip(answers(name, arrays), answers(name, arguments(name)), strict=True):
        batch = full.shape[0] < 4
        assert one.shape == ((0, *full.shape[1:]) if batch else full.shape)
        assert not one.any()


@pytest.mark.parametrize("name", NAMES)
def test_threads_get_what_one_call_gets(name):
    problems = [arguments(name, seed=seed) for seed in range(8)]
    expected = [answers(name, arrays) for arrays in problems]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda arrays: answers(name, arrays), problems * 8))
    for i, given in enumerate(together):
        for one, other in zip(given, expected[i % 8], strict=True):
            np.testing.assert_array_equal(one, other, strict=True)


@pytest.mark.parametrize("block", [300, 3000, 1 << 22])
@pytest.mark.parametrize("name", NAMES)
def test_threads_of_its_own_and_blocks_of_any_size_change_nothing(name, block, monkeypatch):
    arrays = arguments(name)
    expected = answers(name, arrays)
    monkeypatch.setattr("npcnn.products.CACHE", block)
    monkeypatch.setattr("npcnn.products.WORTH", 0)
    monkeypatch.setattr("npcnn.products.COLUMNS", 1)
    monkeypatch.setattr("npcnn.pool.PLANES", block)
    monkeypatch.setattr("npcnn.pool.WORTH", 0)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    for one, other in zip(answers(name, arrays), expected, strict=True):
        np.testing.assert_array_equal(one, other, strict=True)


def test_lines_that_add_to_the_same_pixels_are_one_task_s(monkeypatch):
    monkeypatch.setattr("npcnn.products.CACHE", 300)
    axes = (windows.Axis(9, 3, 1, 1, 0, 7), windows.Axis(8, 3, 1, 1, 0, 6))
    g, weight = np.ones((2, 1, 20, 7, 6)), np.ones((1, 20, 1, 3, 3))
    assert len(products._blocks(2, 1, axes, 9 * 8, 20)) > 2
    assert len(products.transposed(g, weight, axes, np.zeros((2, 1, 1, 9, 8)))) == 2


@pytest.mark.parametrize(("given", "count"), [("3", 3), ("4,2", 4), ("0", 1), ("-1", 1), ("all", 1), ("", 1)])
def test_threads_are_what_openmp_is_told_where_that_is_a_number(given, count, monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert threads.threads() == count


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_has_helpers_of_its_own():
    assert helped() == 0
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        assert pool.submit(helped).result(timeout=60) == 0


def helped() -> int:
    return threads._helpers(1).submit(int).result(timeout=5)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", NAMES)
def test_nothing_warns_where_numbers_overflow_or_are_none(name, dtype):
    arrays = arguments(name, dtype)
    for a in arrays:
        a.flat[::3], a.flat[1::3] = np.inf, np.finfo(dtype).max
        a.flat[-1] = np.nan
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        answers(name, arrays)


@pytest.mark.parametrize("name", NAMES)
def test_a_refused_call_leaves_no_trace(name):
    arrays = arguments(name)
    before = answers(name, arrays)
    with pytest.raises(ValueError, match="input must be"):
        npcnn.max_pool2d(np.ones(3, np.float32), 2)
    for one, other in zip(answers(name, arrays), before, strict=True):
        np.testing.assert_array_equal(one, other)
