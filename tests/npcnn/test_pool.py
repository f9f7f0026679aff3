"""Pooling and its gradients: exact values, ties, NaN, infinities and the rims that ceil_mode makes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npcnn import avg_pool2d, avg_pool2d_backward, max_pool2d, max_pool2d_backward
from npcnn.max_pool import _phases
from npcnn.windows import Axis

# (input shape, kernel_size, options)
CASES: list[tuple[tuple[int, ...], Any, dict[str, Any]]] = [
    ((2, 3, 6, 8), 2, {}),
    ((2, 3, 7, 9), (3, 2), {"stride": (2, 1), "padding": (1, 0)}),
    ((2, 3, 7, 8), 3, {"stride": 2, "padding": 1}),
    ((2, 3, 7, 8), (3, 4), {"stride": (1, 3), "padding": (1, 2), "ceil_mode": True}),
    ((1, 2, 9, 5), 4, {"stride": 4, "padding": 2, "ceil_mode": True}),
    ((1, 2, 4, 6), 3, {"stride": 2, "padding": 1, "ceil_mode": True}),
    ((1, 2, 5, 7), 2, {"stride": (3, 4), "ceil_mode": True}),
    ((1, 2, 5, 7), (1, 1), {"stride": (2, 3)}),
    ((1, 2, 5, 7), (5, 7), {}),
    ((1, 2, 1, 1), 3, {"padding": 1}),
    ((2, 5, 7), (2, 3), {"stride": 1}),
    ((0, 2, 5, 7), (2, 3), {}),
    ((12, 5, 40, 33), (2, 3), {"stride": 2}),  # several parts
    ((1, 1, 20, 18), (17, 16), {"stride": (1, 2)}),  # more taps than a byte counts
]
DILATED = [
    *CASES,
    ((2, 3, 9, 8), (3, 2), {"stride": (2, 1), "padding": (1, 1), "dilation": (2, 3)}),
    ((1, 2, 8, 9), 2, {"stride": 3, "dilation": (3, 2), "ceil_mode": True}),
]
ids = [f"{x}-{k}-{options}".replace(" ", "") for x, k, options in DILATED]
SPECIALS = [0.0, -0.0, 1.0, 1.0, 2.0, -3.0, np.inf, -np.inf, -np.inf, np.nan]


def integers(shape: Any, seed: int = 0, dtype: Any = np.float64) -> Any:
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(dtype)


def specials(shape: Any, seed: int = 0, dtype: Any = np.float64) -> Any:
    return np.random.default_rng(seed).choice(np.array(SPECIALS, dtype), shape)


def axis(n: int, k: int, s: int, p: int, d: int, ceil: Any) -> list[list[int]]:
    """The pixels inside the image of every window."""
    outputs = (n + 2 * p - d * (k - 1) - 1 + (s - 1 if ceil else 0)) // s + 1
    if ceil and (outputs - 1) * s >= n + p:
        outputs -= 1
    return [[h for t in range(k) if 0 <= (h := q * s - p + t * d) < n] for q in range(outputs)]


def axes(shape: Any, kernel: Any, options: dict[str, Any]) -> Any:
    kernel = np.broadcast_to(kernel, 2)
    stride = np.broadcast_to(options.get("stride", kernel), 2)
    padding = np.broadcast_to(options.get("padding", 0), 2)
    dilation = np.broadcast_to(options.get("dilation", 1), 2)
    sizes = zip(shape[-2:], kernel, stride, padding, dilation, strict=True)
    ceil = options.get("ceil_mode", False)
    return [axis(int(n), int(k), int(s), int(p), int(d), ceil) for n, k, s, p, d in sizes]


def define_max(x: Any, kernel: Any, g: Any, **options: Any) -> tuple[Any, Any, Any]:
    """Output, indices and grad_input, window by window; g is a function of the output's shape."""
    rows, cols = axes(x.shape, kernel, options)
    output = np.empty((*x.shape[:-2], len(rows), len(cols)), x.dtype)
    indices, grad, grad_output = np.empty(output.shape, np.int64), np.zeros_like(x), g(output.shape)
    for at in np.ndindex(output.shape):
        seen = [(h, w) for h in rows[at[-2]] for w in cols[at[-1]]]
        best = seen[0]
        for pixel in seen:
            if x[at[:-2] + pixel] > x[at[:-2] + best] or np.isnan(x[at[:-2] + pixel]):
                best = pixel
        output[at], indices[at] = x[at[:-2] + best], best[0] * x.shape[-1] + best[1]
        grad[at[:-2] + best] += grad_output[at]
    return output, indices, grad


@pytest.mark.parametrize("fill", [integers, specials])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(("shape", "kernel", "options"), DILATED, ids=ids)
def test_max_pool2d_its_indices_and_gradient_are_their_definition(shape, kernel, options, dtype, fill):
    x = fill(shape, 0, dtype)
    output, indices, grad = define_max(x, kernel, lambda shape: integers(shape, 1, dtype), **options)
    actual, places = max_pool2d(x, kernel, return_indices=True, **options)
    np.testing.assert_array_equal(actual, output, strict=True)
    np.testing.assert_array_equal(places, indices, strict=True)
    np.testing.assert_array_equal(max_pool2d(x, kernel, **options), output, strict=True)
    actual = max_pool2d_backward(integers(output.shape, 1, dtype), x, kernel, **options)
    np.testing.assert_array_equal(actual, grad, strict=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("shape", "kernel", "options"), DILATED, ids=ids)
def test_max_pool2d_its_indices_and_gradient_equal_pytorch(shape, kernel, options, dtype):
    torch = pytest.importorskip("torch")
    x = specials(shape, 0, dtype)
    leaf = torch.from_numpy(x.astype(np.float64)).requires_grad_()
    output, indices = torch.nn.functional.max_pool2d(leaf, kernel, return_indices=True, **options)
    g = integers(output.shape, 1, dtype)
    output.backward(torch.from_numpy(g.astype(np.float64)))
    actual, places = max_pool2d(x, kernel, return_indices=True, **options)
    np.testing.assert_array_equal(actual, output.detach().numpy())
    np.testing.assert_array_equal(places, indices.numpy(), strict=True)
    np.testing.assert_array_equal(max_pool2d_backward(g, x, kernel, **options), leaf.grad.numpy())


def test_max_pool2d_takes_the_first_of_equals_and_the_last_nan():
    x = np.array([[[5.0, 5.0, np.nan], [5.0, 1.0, np.nan]]])
    _, places = max_pool2d(x, 2, stride=1, return_indices=True)
    np.testing.assert_array_equal(places, [[[0, 5]]])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_max_pool2d_takes_the_first_zero_whatever_its_sign(dtype):
    x = np.random.default_rng(0).choice(np.array([0.0, -0.0, -1.0], dtype), (2, 3, 37, 41))
    first = define_max(x, 3, np.ones, stride=2, padding=1)[0]
    output = max_pool2d(x, 3, stride=2, padding=1)
    np.testing.assert_array_equal(np.signbit(output[output == 0]), np.signbit(first[first == 0]))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64])
def test_max_pool2d_takes_integers(dtype):
    x = (
        np.random.default_rng(0)
        .integers(np.iinfo(dtype).min, np.iinfo(dtype).max, (2, 3, 5, 6))
        .astype(dtype)
    )
    output, indices, _ = define_max(x, 3, np.ones, stride=2, padding=1)
    actual, places = max_pool2d(x, 3, stride=2, padding=1, return_indices=True)
    np.testing.assert_array_equal(actual, output, strict=True)
    np.testing.assert_array_equal(places, indices, strict=True)


@pytest.mark.parametrize(("kernel", "stride", "phases"), [(2, 1_000_000, 2), (3, 2, 2), (3, 3, 3)])
def test_an_image_is_split_into_no_more_phases_than_a_window_reaches(kernel, stride, phases):
    axis = Axis(stride + kernel, kernel, stride, dilation=1, before=0, output=2)
    assert len(list(_phases(axis).taps())) == phases


def test_a_window_that_misses_the_image_is_minus_infinity():
    output = max_pool2d(np.arange(4.0).reshape(1, 2, 2), 2, padding=1, dilation=3)
    np.testing.assert_array_equal(output, np.full((1, 1, 1), -np.inf))


def divisor(shape: Any, kernel: Any, **options: Any) -> Any:
    if options.get("divisor_override"):
        return options["divisor_override"]
    if not options.get("count_include_pad", True):
        rows, cols = axes(shape, kernel, options)
        return np.outer([len(row) for row in rows], [len(col) for col in cols])
    counts = []
    for n, k, s, p in zip(
        shape[-2:],
        np.broadcast_to(kernel, 2),
        np.broadcast_to(options.get("stride", kernel), 2),
        np.broadcast_to(options.get("padding", 0), 2),
        strict=True,
    ):
        outputs = len(axis(n, int(k), int(s), int(p), 1, options.get("ceil_mode", False)))
        counts.append([min(q * s - p + k, n + p) - (q * s - p) for q in range(outputs)])
    return np.outer(counts[0], counts[1])


def define_avg(x: Any, kernel: Any, g: Any, **options: Any) -> tuple[Any, Any]:
    rows, cols = axes(x.shape, kernel, options)
    output, grad = np.empty((*x.shape[:-2], len(rows), len(cols)), x.dtype), np.zeros_like(x)
    shared = g(output.shape) / divisor(x.shape, kernel, **options)
    for p, hs in enumerate(rows):
        for q, ws in enumerate(cols):
            at = (..., slice(hs[0], hs[-1] + 1), slice(ws[0], ws[-1] + 1))
            output[..., p, q] = x[at].sum((-2, -1))
            grad[at] += shared[..., p, q, None, None]
    return output / divisor(x.shape, kernel, **options), grad


AVERAGES = [
    (*case, extra)
    for case in CASES
    for extra in ({}, {"count_include_pad": False}, {"divisor_override": 3}, {"divisor_override": -2})
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("shape", "kernel", "options", "extra"), AVERAGES)
def test_avg_pool2d_is_its_definition_on_integers(shape, kernel, options, extra, dtype):
    x = integers(shape)
    output, _ = define_avg(x, kernel, np.ones, **options, **extra)
    actual = avg_pool2d(x.astype(dtype), kernel, **options, **extra)
    np.testing.assert_array_equal(actual, output.astype(dtype), strict=True)  # one rounding of the exact sum


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("shape", "kernel", "options", "extra"), AVERAGES)
def test_the_gradient_of_avg_pool2d_is_its_definition_on_multiples_of_the_divisor(
    shape, kernel, options, extra, dtype
):
    def multiples(output: Any) -> Any:
        return integers(output, 1) * divisor(shape, kernel, **options, **extra)

    output, grad = define_avg(integers(shape), kernel, multiples, **options, **extra)
    g = multiples(output.shape).astype(dtype)
    actual = avg_pool2d_backward(g, np.zeros(shape, dtype), kernel, **options, **extra)
    np.testing.assert_array_equal(actual, grad.astype(dtype), strict=True)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(("shape", "kernel", "options", "extra"), AVERAGES)
def test_avg_pool2d_and_its_gradient_are_within_rounding_of_pytorch(shape, kernel, options, extra, dtype):
    """n + 1 units of the mean of absolute values, n pixels of a window, windows of a pixel (Higham, 3.1)."""
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype)

    def oracle(x: Any, g: Any) -> tuple[Any, Any]:
        leaf = torch.from_numpy(x.astype(np.float64)).requires_grad_()
        output = torch.nn.functional.avg_pool2d(leaf, kernel, **options, **extra)
        output.backward(torch.from_numpy(g(tuple(output.shape)).astype(np.float64)))
        return output.detach().numpy(), leaf.grad.numpy()

    def reals(shape: Any) -> Any:
        return np.random.default_rng(1).standard_normal(shape).astype(dtype)

    output, grad = oracle(x, reals)
    sizes = oracle(abs(x), lambda shape: abs(reals(shape)))
    actual = avg_pool2d(x, kernel, **options, **extra)
    gradient = avg_pool2d_backward(reals(actual.shape), x, kernel, **options, **extra)
    adding = np.finfo(np.float32 if dtype is np.float16 else dtype).eps * (
        np.prod(np.broadcast_to(kernel, 2)) + 2
    )
    rounding = np.finfo(np.float16).eps / 2 if dtype is np.float16 else 0
    for one, other, size in ((actual, output, sizes[0]), (gradient, grad, sizes[1])):
        assert one.dtype == dtype
        assert np.all(abs(one - other) <= adding * abs(size) + rounding * abs(other) + 2.0**-25)


def test_avg_pool2d_counts_padding_but_not_what_ceil_mode_adds():
    x = np.arange(1.0, 17.0).reshape(1, 4, 4)
    output = avg_pool2d(x, 3, stride=2, padding=1, ceil_mode=True)
    np.testing.assert_allclose(output[0], [[14 / 9, 20 / 6, 2], [38 / 6, 11, 6], [4.5, 7.5, 4]], rtol=1e-15)


def test_the_gradient_of_avg_pool2d_does_not_read_the_input():
    g = integers((1, 2, 2, 3), dtype=np.float32)
    full = avg_pool2d_backward(g, np.full((1, 2, 4, 6), np.nan, np.float32), 2)
    np.testing.assert_array_equal(full, avg_pool2d_backward(g, np.zeros((1, 2, 4, 6), np.float32), 2))


@pytest.mark.parametrize("pool", [max_pool2d, avg_pool2d])
def test_a_nan_reaches_exactly_the_windows_that_hold_it(pool):
    x = integers((1, 1, 7, 8), 0)
    x[0, 0, 3, 4] = x[0, 0, 6, :] = np.nan  # the last row is past the last window
    nan = np.isnan(pool(x, 2, stride=2))
    assert nan[0, 0, 1, 2] and nan.sum() == 1


def test_an_infinite_gradient_goes_to_its_maximum_only():
    g = np.array([[[np.inf, 1.0]]])
    grad = max_pool2d_backward(g, np.array([[[1.0, 3.0, 2.0]]]), (1, 2), stride=1)
    np.testing.assert_array_equal(grad, [[[0, np.inf, 0]]])
    grad = max_pool2d_backward(g, np.array([[[3.0, 2.0, 1.0]]]), (1, 2), stride=1)
    np.testing.assert_array_equal(grad, [[[np.inf, 1, 0]]])


@st.composite
def problems(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, int], dict[str, Any]]:
    """(input shape, kernel_size, options), built from the size of the output: no draw is invalid."""
    image: list[int] = []
    kernel: list[int] = []
    options: dict[str, Any] = {"stride": [], "padding": [], "dilation": []}
    for _ in range(2):
        k, s = draw(st.integers(1, 4)), draw(st.integers(1, 4))
        p = draw(st.integers(0, k // 2))
        d = draw(st.integers(1, 3)) if p == 0 else 1  # so that no window misses the image
        size = (draw(st.integers(1, 4)) - 1) * s + (k - 1) * d + 1 + draw(st.integers(0, s - 1))
        image, kernel = [*image, max(1, size - 2 * p)], [*kernel, k]
        for name, value in (("stride", s), ("padding", p), ("dilation", d)):
            options[name].append(value)
    options["ceil_mode"] = all(d == 1 for d in options["dilation"]) and draw(st.booleans())
    return (draw(st.integers(0, 2)), 2, *image), (kernel[0], kernel[1]), options


@settings(max_examples=300)
@given(problems())
def test_any_max_pool2d_is_its_definition(problem):
    shape, kernel, options = problem
    x = specials(shape, 0, np.float32)
    output, indices, grad = define_max(x, kernel, lambda shape: integers(shape, 1, np.float32), **options)
    actual, places = max_pool2d(x, kernel, return_indices=True, **options)
    np.testing.assert_array_equal(actual, output, strict=True)
    np.testing.assert_array_equal(places, indices, strict=True)
    actual = max_pool2d_backward(integers(output.shape, 1, np.float32), x, kernel, **options)
    np.testing.assert_array_equal(actual, grad, strict=True)
