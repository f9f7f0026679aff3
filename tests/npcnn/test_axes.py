"""Convolutions, transposed convolutions and pools over one to three axes: exactly their definition, and PyTorch."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import npcnn
from npcnn.windows import Axis, fold, unfold

DIMENSIONS = (1, 2, 3)
FLOATS = [np.float32, np.float64]


def integers(shape: Any, seed: int, dtype: Any = np.float64) -> Any:
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(dtype)


def filled(shape: Any, seed: int, dtype: Any) -> Any:
    """Whole numbers; complex ones have whole imaginary parts, too."""
    real = integers(shape, seed, dtype)
    return real + 1j * integers(shape, seed + 10, dtype) if real.dtype.kind == "c" else real


def products(x: Any, y: Any, weight: Any, groups: int, stride: Any, padding: Any, dilation: Any) -> Any:
    """(batch, k, q, c, pixel, place in weight) of every product of a convolution from images x to images y."""
    per_y, per_x = y[1] // groups, x[1] // groups
    for q, tap in product(np.ndindex(*y[2:]), np.ndindex(*weight)):
        pixel = tuple(
            a * s + t * d - p for a, t, s, d, p in zip(q, tap, stride, dilation, padding, strict=True)
        )
        if all(0 <= i < n for i, n in zip(pixel, x[2:], strict=True)):
            for g, k, c in product(range(groups), range(per_y), range(per_x)):
                yield (
                    (slice(None), g * per_y + k, *q),
                    (slice(None), g * per_x + c, *pixel),
                    (g * per_y + k, c, *tap),
                )


def conv(x: Any, weight: Any, bias: Any, g: Any, **options: Any) -> Any:
    """Output, grad_input, grad_weight and grad_bias, product by product."""
    output, grad_x, grad_w = np.zeros_like(g), np.zeros_like(x), np.zeros_like(weight)
    for to, of, w in products(x.shape, g.shape, weight.shape[2:], **options):
        output[to] += x[of] * weight[w]
        grad_x[of] += g[to] * weight[w].conj()
        grad_w[w] += (g[to] * x[of].conj()).sum()
    return output + bias.reshape(-1, *[1] * (x.ndim - 2)), grad_x, grad_w, g.sum((0, *range(2, g.ndim)))


def conv_transpose(x: Any, weight: Any, bias: Any, g: Any, **options: Any) -> Any:
    output, grad_x, grad_w = np.zeros_like(g), np.zeros_like(x), np.zeros_like(weight)
    for to, of, w in products(g.shape, x.shape, weight.shape[2:], **options):
        output[of] += x[to] * weight[w]
        grad_x[to] += g[of] * weight[w].conj()
        grad_w[w] += (g[of] * x[to].conj()).sum()
    return output + bias.reshape(-1, *[1] * (x.ndim - 2)), grad_x, grad_w, g.sum((0, *range(2, g.ndim)))


@st.composite
def problems(draw: st.DrawFn, dims: int, transpose: bool) -> tuple[Any, Any, Any, dict[str, Any]]:
    """(shapes of input, weight and output, options), built from the extent of the smaller images."""
    groups, channels, filters = (draw(st.integers(1, 2)) for _ in range(3))
    few: list[int] = []
    many: list[int] = []
    options: dict[str, Any] = {
        "kernel": [],
        "stride": [],
        "padding": [],
        "dilation": [],
        "output_padding": [],
    }
    for _ in range(dims):
        k, s, d = (draw(st.integers(1, 3)) for _ in range(3))
        n = draw(st.integers(1, 4))
        more = draw(st.integers(0, max(s, d) - 1 if transpose else s - 1))
        size = (n - 1) * s + (k - 1) * d + 1 + more
        p = draw(st.integers(0, min(3, (size - 1) // 2)))
        few, many = [*few, n], [*many, size - 2 * p]
        for name, value in zip(options, (k, s, p, d, more), strict=True):
            options[name].append(value)
    options = {name: tuple(value) for name, value in options.items()} | {"groups": groups}
    batch, kernel = draw(st.integers(0, 2)), options.pop("kernel")
    if not transpose:
        del options["output_padding"]
        x, y = (batch, groups * channels, *many), (batch, groups * filters, *few)
        return x, (groups * filters, channels, *kernel), y, options
    x, y = (batch, groups * channels, *few), (batch, groups * filters, *many)
    return x, (groups * channels, filters, *kernel), y, options


DEFINITIONS = {"conv": conv, "conv_transpose": conv_transpose}


def check_definition(name: str, dims: int, problem: Any, dtype: Any) -> None:
    x_shape, w_shape, y_shape, options = problem
    x, w = filled(x_shape, 1, dtype), filled(w_shape, 2, dtype)
    b, g = filled(y_shape[1], 3, dtype), filled(y_shape, 4, dtype)
    plain = {key: value for key, value in options.items() if key != "output_padding"}
    expected = DEFINITIONS[name](x, w, b, g, **plain)
    forward, backward = (getattr(npcnn, f"{name}{dims}d{end}") for end in ("", "_backward"))
    actual = [forward(x, w, b, **options), *backward(g, x, w, b, **options)]
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(one, other, strict=True)


@pytest.mark.parametrize("dtype", [*FLOATS, np.complex64, np.complex128])
@pytest.mark.parametrize("name", DEFINITIONS)
@pytest.mark.parametrize("dims", DIMENSIONS)
def test_any_convolution_and_its_gradients_are_their_definition(dims, name, dtype):
    @settings(max_examples=30)
    @given(problems(dims, name == "conv_transpose"))
    def check(problem):
        check_definition(name, dims, problem, dtype)

    check()


# (dims, input shape, weight shape, options): many filters, many blocks, long lines, depthwise, 1x1x1
LARGE: list[tuple[str, int, Any, Any, dict[str, Any]]] = [
    ("conv", 1, (2, 3, 70_000), (4, 3, 5), {"stride": 3, "padding": 2}),
    ("conv", 1, (300, 2, 9), (40, 2, 3), {}),
    ("conv", 1, (1, 8, 5000), (8, 1, 9), {"groups": 8, "padding": 4}),
    ("conv", 3, (2, 4, 9, 20, 30), (5, 4, 3, 3, 3), {"padding": 1}),
    ("conv", 3, (1, 3, 6, 200, 300), (4, 3, 3, 3, 3), {"stride": (1, 2, 2), "padding": 1}),
    ("conv", 3, (2, 6, 5, 6, 7), (6, 1, 3, 3, 3), {"groups": 6, "padding": 1}),
    ("conv", 3, (2, 6, 5, 6, 7), (12, 1, 2, 3, 2), {"groups": 6, "dilation": (2, 1, 3)}),
    ("conv", 3, (2, 3, 4, 5, 6), (7, 3, 1, 1, 1), {}),
    ("conv", 3, (2, 3, 4, 5, 6), (7, 3, 1, 1, 1), {"stride": (1, 2, 3)}),
    ("conv", 3, (1, 2, 4, 5, 6), (70, 2, 2, 3, 3), {"padding": "same"}),
    ("conv_transpose", 1, (2, 8, 3000), (8, 3, 16), {"stride": 8, "padding": 4}),
    ("conv_transpose", 2, (2, 30, 9, 8), (30, 20, 4, 4), {"stride": 2, "padding": 1}),
    ("conv_transpose", 2, (2, 6, 9, 8), (6, 1, 3, 3), {"groups": 6}),
    ("conv_transpose", 2, (2, 64, 30, 33), (64, 3, 3, 3), {"output_padding": (1, 0), "stride": 2}),
    ("conv_transpose", 2, (2, 3, 5, 6), (3, 70, 1, 1), {"stride": 2}),
    ("conv_transpose", 2, (2, 3, 5, 6), (3, 4, 1, 1), {"dilation": 3, "output_padding": 2}),
    ("conv_transpose", 3, (2, 8, 4, 5, 6), (8, 5, 2, 2, 2), {"stride": 2}),
    ("conv_transpose", 3, (2, 4, 4, 5, 6), (4, 40, 3, 1, 2), {"groups": 4, "dilation": (1, 2, 3)}),
    ("conv_transpose", 3, (4, 4, 5, 6), (4, 5, 3, 3, 3), {"padding": 2}),
]


def torch_gradients(name: str, arrays: Any, g: Any, *arguments: Any, **options: Any) -> list[Any]:
    torch = pytest.importorskip("torch")
    leaves = [torch.from_numpy(a.copy()).requires_grad_() for a in arrays]
    output = getattr(torch.nn.functional, name)(*leaves, *arguments, **options)
    gradients = torch.autograd.grad(output, leaves, torch.from_numpy(g(tuple(output.shape))))
    return [output.detach().numpy(), *(a.numpy() for a in gradients)]


@pytest.mark.filterwarnings("ignore:Using padding")
@pytest.mark.parametrize(("name", "dims", "x_shape", "w_shape", "options"), LARGE)
def test_a_large_convolution_and_its_gradients_equal_pytorch(name, dims, x_shape, w_shape, options):
    filters = w_shape[0] if name == "conv" else w_shape[1] * options.get("groups", 1)
    arrays = integers(x_shape, 1), integers(w_shape, 2), integers(filters, 3)
    expected = torch_gradients(f"{name}{dims}d", arrays, lambda shape: integers(shape, 4), **options)
    forward, backward = (getattr(npcnn, f"{name}{dims}d{end}") for end in ("", "_backward"))
    actual = [forward(*arrays, **options), *backward(integers(expected[0].shape, 4), *arrays, **options)]
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(one, other, strict=True)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_complex_gradients_are_those_of_pytorch(name):
    arrays = [
        filled(shape, seed, np.complex128) for seed, shape in enumerate(((2, 4, 5, 6), (4, 4, 2, 3), (4,)))
    ]
    options = {"stride": (2, 1), "padding": (1, 0)}
    expected = torch_gradients(f"{name}2d", arrays, lambda shape: filled(shape, 4, np.complex128), **options)
    g = filled(expected[0].shape, 4, np.complex128)
    actual = getattr(npcnn, f"{name}2d_backward")(g, *arrays, **options)
    for one, other in zip(actual, expected[1:], strict=True):
        np.testing.assert_array_equal(one, other, strict=True)


def test_a_transposed_convolution_may_answer_nothing_at_all():
    x, w = integers((2, 3, 4, 3), 1), integers((3, 2, 1, 1), 2)
    output = npcnn.conv_transpose2d(x, w, padding=(2, 0))
    assert output.shape == (2, 2, 0, 3)
    grad_input, grad_weight, grad_bias = npcnn.conv_transpose2d_backward(
        output, x, w, np.ones(2), padding=(2, 0)
    )
    assert grad_input.shape == x.shape and grad_weight.shape == w.shape
    assert not grad_input.any() and not grad_weight.any() and not grad_bias.any()


def test_output_padding_that_no_window_reaches_is_the_bias():
    output = npcnn.conv_transpose1d(
        np.ones((1, 1, 2)), np.ones((1, 1, 1)), np.array([5.0]), stride=3, output_padding=2
    )
    np.testing.assert_array_equal(output, [[[6, 5, 5, 6, 5, 5]]])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_special_weight_of_a_transposed_convolution_reaches_the_pixels_of_its_tap_only(value):
    w = np.ones((20, 1, 3, 3))
    w[:, :, 0, 0] = value
    output = npcnn.conv_transpose2d(np.ones((1, 20, 4, 4)), w)
    special = ~np.isfinite(output[0, 0])
    assert special[:4, :4].all() and special.sum() == 16


def axis_of(output: int, kernel: int, stride: int, dilation: int, before: int, more: int) -> Axis:
    span = (output - 1) * stride + (kernel - 1) * dilation + 1
    return Axis(max(1, span - before + more), kernel, stride, dilation, before, output)


AXES = st.builds(axis_of, *[st.integers(1, 3)] * 4, *[st.integers(0, 2)] * 2)


@settings(max_examples=200)
@given(st.lists(AXES, min_size=1, max_size=3), st.booleans())
def test_fold_is_the_transpose_of_unfold(axes, long):
    axes = tuple(axis._replace(stride=1) for axis in axes) if long else tuple(axes)
    x = integers((2, *[axis.image for axis in axes]), 1)
    seen = unfold(x, axes, long and len(axes) > 1)[(..., *[slice(axis.output) for axis in axes])]
    v, onto = integers(seen.shape, 2), np.zeros_like(x)
    fold(v, axes, onto)
    assert (seen * v).sum() == (x * onto).sum()


# (kernel_size, options) of pools over three axes; over one, the last of each
POOLS: list[tuple[Any, dict[str, Any]]] = [
    ((2, 2, 2), {}),
    ((3, 2, 3), {"stride": (1, 3, 2), "padding": (1, 1, 1)}),
    ((2, 3, 4), {"stride": (2, 1, 3), "padding": (1, 0, 2), "ceil_mode": True}),
    ((1, 1, 1), {"stride": (2, 3, 2)}),
    ((4, 5, 7), {}),
    ((1, 3, 2), {"stride": 1, "ceil_mode": True}),
]
COUNTED: list[tuple[int, dict[str, Any]]] = [
    (dims, extra) for dims in DIMENSIONS for extra in ({}, {"count_include_pad": False})
]
COUNTED += [(dims, {"divisor_override": -4}) for dims in (2, 3)]
SPECIALS = [0.0, -0.0, 1.0, 1.0, 2.0, -3.0, np.inf, -np.inf, -np.inf, np.nan]


def last(value: Any, dims: int) -> Any:
    return value[-dims:] if isinstance(value, tuple) else value


@pytest.mark.parametrize("batch", [(2, 3), (3,), (0, 3)])
@pytest.mark.parametrize(
    ("kernel", "options"), [*POOLS, ((2, 2, 3), {"dilation": (1, 3, 2), "stride": (1, 1, 2)})]
)
@pytest.mark.parametrize("dims", DIMENSIONS)
def test_max_pools_their_indices_and_gradients_equal_pytorch(dims, kernel, options, batch):
    torch = pytest.importorskip("torch")
    kernel, options = last(kernel, dims), {name: last(value, dims) for name, value in options.items()}
    x = np.random.default_rng(0).choice(SPECIALS, (*batch, *(4, 5, 7)[-dims:]))
    leaf = torch.from_numpy(x).requires_grad_()
    output, indices = getattr(torch.nn.functional, f"max_pool{dims}d")(
        leaf, kernel, return_indices=True, **options
    )
    g = integers(output.shape, 1)
    output.backward(torch.from_numpy(g))
    actual, places = getattr(npcnn, f"max_pool{dims}d")(x, kernel, return_indices=True, **options)
    np.testing.assert_array_equal(actual, output.detach().numpy())
    np.testing.assert_array_equal(places, indices.numpy(), strict=True)
    np.testing.assert_array_equal(getattr(npcnn, f"max_pool{dims}d")(x, kernel, **options), actual)
    gradient = getattr(npcnn, f"max_pool{dims}d_backward")(g, x, kernel, **options)
    np.testing.assert_array_equal(gradient, leaf.grad.numpy())


@pytest.mark.parametrize("batch", [(2, 3), (3,), (0, 3)])
@pytest.mark.parametrize(("kernel", "options"), POOLS)
@pytest.mark.parametrize(("dims", "extra"), COUNTED)
def test_avg_pools_and_their_gradients_are_pytorch_s_but_for_one_rounding(
    dims, kernel, options, extra, batch
):
    """Whole numbers: the sums are exact, and each side divides once, the gradient once for each of its windows."""
    kernel, options = last(kernel, dims), {name: last(value, dims) for name, value in options.items()} | extra
    x = integers((*batch, *(4, 5, 7)[-dims:]), 0)
    name = f"avg_pool{dims}d"
    output, grad = torch_gradients(name, [x], lambda shape: integers(shape, 1), kernel, **options)
    windows, _ = torch_gradients(name, [abs(x)], np.ones, kernel, **options)
    unit = 2.0**-52
    assert np.all(abs(getattr(npcnn, name)(x, kernel, **options) - output) <= unit * abs(windows))
    gradient = getattr(npcnn, f"{name}_backward")(integers(output.shape, 1), x, kernel, **options)
    assert gradient.shape == grad.shape
    np.testing.assert_allclose(
        gradient, grad, rtol=0, atol=4 * 50 * unit
    )  # 4: the largest; 50: its windows, twice
