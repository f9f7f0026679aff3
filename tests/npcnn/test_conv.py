"""conv2d and its gradients: exact on integers, within rounding on reals, NaN where it belongs."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npcnn import conv2d, conv2d_backward

# (input shape, weight shape, options), chosen so that height and width, input and filter never coincide
CASES: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 7, 9), (4, 3, 3, 2), {}),
    ((2, 3, 7, 9), (4, 3, 3, 2), {"stride": (2, 3), "padding": (1, 2)}),
    ((2, 4, 9, 8), (6, 2, 2, 3), {"dilation": (3, 2), "groups": 2}),
    ((2, 4, 12, 11), (6, 2, 3, 4), {"stride": (2, 4), "padding": (3, 1), "dilation": (1, 2), "groups": 2}),
    ((1, 2, 11, 10), (3, 2, 3, 3), {"stride": (2, 2), "dilation": (2, 4), "padding": (0, 1)}),
    ((1, 2, 13, 11), (3, 2, 4, 3), {"stride": (4, 6), "dilation": (2, 3)}),
    ((3, 5, 6, 5), (5, 1, 3, 3), {"padding": 1, "groups": 5}),
    ((3, 5, 9, 8), (10, 1, 3, 2), {"stride": (2, 3), "padding": (1, 0), "dilation": (1, 3), "groups": 5}),
    ((2, 3, 5, 6), (4, 3, 1, 1), {}),
    ((2, 3, 5, 6), (4, 3, 1, 1), {"stride": (2, 3)}),
    ((2, 3, 5, 6), (4, 3, 1, 1), {"padding": (2, 1)}),
    ((1, 1, 4, 4), (2, 1, 4, 4), {}),
    ((1, 2, 1, 1), (3, 2, 1, 1), {}),
    ((1, 2, 2, 1), (3, 2, 3, 4), {"padding": (2, 3)}),
    ((1, 2, 5, 5), (8, 2, 3, 3), {"stride": 2, "padding": 1}),
    ((1, 2, 5, 6), (3, 2, 4, 3), {"padding": "same"}),
    ((1, 2, 5, 6), (3, 2, 2, 4), {"padding": "same", "dilation": (3, 1)}),
    ((1, 2, 5, 6), (3, 2, 2, 4), {"padding": "valid"}),
    ((2, 6, 5), (4, 2, 3, 2), {}),
    ((0, 2, 6, 5), (4, 2, 3, 2), {}),
    ((2, 64, 30, 33), (3, 64, 3, 3), {"padding": 1}),  # several blocks of lines
    ((2, 3, 7, 9), (40, 3, 3, 2), {"padding": (1, 2)}),  # many filters
    ((2, 40, 7, 9), (37, 40, 3, 2), {"stride": (2, 1), "padding": (0, 1)}),
    ((70, 3, 5, 4), (4, 3, 2, 3), {}),  # several images in a block
    ((300, 40, 4, 4), (3, 40, 3, 3), {}),  # several blocks of images
]
ids = [f"{x}-{w}-{options}".replace(" ", "") for x, w, options in CASES]


def integers(shape: Any, seed: int, dtype: Any = np.float64) -> Any:
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(dtype)


def pads(padding: Any, kernel: Any, dilation: Any) -> list[tuple[int, int]]:
    if padding == "same":
        totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        return [(total // 2, total - total // 2) for total in totals]
    sizes = np.broadcast_to(0 if padding == "valid" else padding, 2)
    return [(int(size), int(size)) for size in sizes]


def taps(padded: Any, weight: Any, stride: Any = 1, dilation: Any = 1) -> Any:
    """(r, s, the pixels that tap (r, s) of every window reads) of (N, C, H, W)."""
    (sh, sw), (dh, dw) = np.broadcast_to(stride, 2), np.broadcast_to(dilation, 2)
    height, width = padded.shape[2:]
    r, s = weight.shape[2:]
    p, q = (height - dh * (r - 1) - 1) // sh + 1, (width - dw * (s - 1) - 1) // sw + 1
    for i in range(r):
        for j in range(s):
            yield (
                i,
                j,
                (
                    ...,
                    slice(i * dh, i * dh + (p - 1) * sh + 1, sh),
                    slice(j * dw, j * dw + (q - 1) * sw + 1, sw),
                ),
            )


def define(grad_output: Any, x: Any, weight: Any, bias: Any, **options: Any) -> tuple[Any, ...]:
    """grad_output, which is a function of a shape, then output and gradients by the formula, tap by tap."""
    groups, stride, dilation = options.get("groups", 1), options.get("stride", 1), options.get("dilation", 1)
    (top, bottom), (left, right) = pads(
        options.get("padding", 0), weight.shape[2:], np.broadcast_to(dilation, 2)
    )
    images = x if x.ndim == 4 else x[None]
    padded = np.pad(images, ((0, 0), (0, 0), (top, bottom), (left, right)))
    n, c = images.shape[:2]
    w = weight.reshape(groups, -1, *weight.shape[1:])
    output = sum(
        np.einsum(
            "ngcpq,gkc->ngkpq",
            padded[at].reshape(n, groups, c // groups, *padded[at].shape[2:]),
            w[..., i, j],
        )
        for i, j, at in taps(padded, weight, stride, dilation)
    )
    output = output.reshape(n, len(weight), *output.shape[3:]) + bias[:, None, None]
    g = grad_output(output.shape).astype(x.dtype)
    gg = g.reshape(n, groups, len(weight) // groups, *g.shape[2:])
    grad_padded, grad_weight = np.zeros_like(padded), np.zeros_like(w)
    for i, j, at in taps(padded, weight, stride, dilation):
        seen = padded[at].reshape(n, groups, c // groups, *g.shape[2:])
        grad_padded[at] += np.einsum("ngkpq,gkc->ngcpq", gg, w[..., i, j]).reshape(padded[at].shape)
        grad_weight[..., i, j] = np.einsum("ngkpq,ngcpq->gkc", gg, seen)
    grad_input = grad_padded[:, :, top : top + images.shape[2], left : left + images.shape[3]].reshape(
        x.shape
    )
    batch = slice(None) if x.ndim == 4 else 0
    return g[batch], output[batch], grad_input, grad_weight.reshape(weight.shape), g.sum((0, 2, 3))


def problem(x_shape: Any, w_shape: Any, dtype: Any) -> tuple[Any, Any, Any]:
    return integers(x_shape, 1, dtype), integers(w_shape, 2, dtype), integers(w_shape[0], 3, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("x_shape", "w_shape", "options"), CASES, ids=ids)
def test_conv2d_is_its_definition_on_integers(x_shape, w_shape, options, dtype):
    x, w, b = problem(x_shape, w_shape, dtype)
    _, output, *_ = define(lambda shape: integers(shape, 4), x, w, b, **options)
    actual = conv2d(x, w, b, **options)
    assert actual.dtype == dtype
    np.testing.assert_array_equal(actual, output, strict=True)


@pytest.mark.parametrize("which", ["grad_input", "grad_weight", "grad_bias"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("x_shape", "w_shape", "options"), CASES, ids=ids)
def test_conv2d_gradient_is_its_definition_on_integers(x_shape, w_shape, options, dtype, which):
    x, w, b = problem(x_shape, w_shape, dtype)
    g, _, *expected = define(lambda shape: integers(shape, 4), x, w, b, **options)
    at = ["grad_input", "grad_weight", "grad_bias"].index(which)
    actual = conv2d_backward(g, x, w, b, **options)[at]
    np.testing.assert_array_equal(actual, expected[at], strict=True)


def test_conv2d_without_bias_has_no_gradient_of_it():
    x, w, _ = problem((1, 2, 4, 5), (3, 2, 2, 2), np.float32)
    assert conv2d_backward(conv2d(x, w), x, w)[2] is None


def torch_answers(x: Any, w: Any, b: Any, g: Any, **options: Any) -> list[Any]:
    torch = pytest.importorskip("torch")
    arrays = [torch.from_numpy(a.astype(np.float64)).requires_grad_() for a in (x, w, b)]
    output = torch.nn.functional.conv2d(*arrays, **options)
    output.backward(torch.from_numpy(g(tuple(output.shape)).astype(np.float64)))
    return [output.detach().numpy(), *(a.grad.numpy() for a in arrays)]


def answers(x: Any, w: Any, b: Any, g: Any, **options: Any) -> list[Any]:
    output = conv2d(x, w, b, **options)
    return [output, *conv2d_backward(g(output.shape).astype(x.dtype), x, w, b, **options)]


@pytest.mark.filterwarnings("ignore:Using padding")
@pytest.mark.parametrize(("x_shape", "w_shape", "options"), CASES, ids=ids)
def test_conv2d_and_its_gradients_equal_pytorch_on_integers(x_shape, w_shape, options):
    x, w, b = problem(x_shape, w_shape, np.float32)
    expected = torch_answers(x, w, b, lambda shape: integers(shape, 4), **options)
    actual = answers(x, w, b, lambda shape: integers(shape, 4), **options)
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(one.astype(np.float64), other, strict=True)


UNIT = {np.float16: 2.0**-11, np.float32: 2.0**-24, np.float64: 2.0**-53}


@pytest.mark.filterwarnings("ignore:Using padding")
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(("x_shape", "w_shape", "options"), CASES, ids=ids)
def test_conv2d_and_its_gradients_are_within_rounding_of_pytorch_on_reals(x_shape, w_shape, options, dtype):
    """16 units of the sum of absolute products, for data of mean zero (Higham, 3.1), and the oracle's own."""
    rng = np.random.default_rng(0)
    x, w, b = (rng.standard_normal(shape).astype(dtype) for shape in (x_shape, w_shape, w_shape[0]))

    def reals(shape: Any) -> Any:
        return np.random.default_rng(1).standard_normal(shape).astype(dtype)

    expected = torch_answers(x, w, b, reals, **options)
    magnitude = torch_answers(abs(x), abs(w), abs(b), lambda shape: abs(reals(shape)), **options)
    adding = UNIT[np.float32 if dtype is np.float16 else dtype] * (32 if dtype is np.float64 else 16)
    rounding = UNIT[np.float16] if dtype is np.float16 else 0
    for one, other, size in zip(answers(x, w, b, reals, **options), expected, magnitude, strict=True):
        assert one.dtype == dtype
        assert np.all(abs(one - other) <= adding * size + rounding * abs(other) + 2.0**-25)


SPECIAL = [(where, *case) for case in CASES[:18] for where in ("input", "weight", "grad_output")]
# infinity on a padded tap is PyTorch's own choice
SPECIAL = [case for case in SPECIAL if case[0] != "weight" or case[3].get("padding", 0) == 0]


@pytest.mark.filterwarnings("ignore:Using padding")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("where", "x_shape", "w_shape", "options"), SPECIAL)
def test_a_special_value_reaches_what_it_reaches_in_pytorch(x_shape, w_shape, options, where, value):
    x, w, b = problem(x_shape, w_shape, np.float64)

    def special(shape: Any) -> Any:
        g = integers(shape, 4)
        g.flat[g.size // 2] = value if where == "grad_output" else 1
        return g

    if where != "grad_output":
        array = {"input": x, "weight": w}[where]
        array.flat[array.size // 2] = value
    expected = torch_answers(x, w, b, special, **options)
    for one, other in zip(answers(x, w, b, special, **options), expected, strict=True):
        np.testing.assert_array_equal(one, other, strict=True)


def test_an_infinite_weight_makes_no_nan_at_the_rim_of_the_gradient_of_the_input():
    x, w = np.ones((1, 1, 4, 5)), np.array([[[[np.inf, 1.0], [1.0, 1.0]]]])
    grad, _, _ = conv2d_backward(np.ones((1, 1, 3, 4)), x, w)
    assert not np.isnan(grad).any()
    assert np.isinf(grad[0, 0, :3, :4]).all() and np.isfinite(grad[0, 0, 3]).all()


def test_a_nan_that_no_window_reads_reaches_nothing():
    x, w, b = problem((1, 2, 6, 8), (3, 2, 2, 2), np.float64)
    clean = answers(x, w, b, lambda shape: integers(shape, 4), stride=5)
    x[..., 2:, :] = x[..., 2:5] = x[..., 7] = np.nan  # windows read rows 0, 1 and columns 0, 1, 5, 6
    for one, other in zip(answers(x, w, b, lambda shape: integers(shape, 4), stride=5), clean, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("groups", [1, 4])
def test_float16_is_added_in_float32_and_rounded_once(groups):
    """2048 + 1 is 2048 in float16: added one by one, a thousand ones are lost."""
    x = np.ones((1, 4, 40, 40), np.float16)
    x[:, :, 0, 0] = 2048
    w = np.ones((4, 4 // groups, 40, 40), np.float16)
    b = np.full(4, 3, np.float16)
    g = np.ones((1, 4, 1, 1), np.float16)
    per_group = (2048 + 1599) * 4 // groups
    assert np.all(conv2d(x, w, b, groups=groups) == np.float16(per_group + 3))
    assert np.all(conv2d_backward(g, x, w, b, groups=groups)[0] == 4 // groups)
    many = np.ones((1, 4, 60, 60), np.float16)
    weights = np.ones((4, 4 // groups, 1, 1), np.float16)
    _, grad_weight, grad_bias = conv2d_backward(many, many, weights, b, groups=groups)
    assert np.all(grad_weight == 3600)
    assert np.all(grad_bias == 3600)


@st.composite
def problems(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]:
    """(input shape, weight shape, options), built from the size of the output: no draw is invalid."""
    groups, channels, filters = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    image: list[int] = []
    kernel: list[int] = []
    options: dict[str, list[int]] = {"stride": [], "padding": [], "dilation": []}
    for _ in range(2):
        k, s, d = draw(st.integers(1, 4)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
        size = (draw(st.integers(1, 4)) - 1) * s + (k - 1) * d + 1 + draw(st.integers(0, s - 1))
        padding = draw(st.integers(0, min(3, (size - 1) // 2)))
        image, kernel = [*image, size - 2 * padding], [*kernel, k]
        for name, value in (("stride", s), ("padding", padding), ("dilation", d)):
            options[name].append(value)
    x = (draw(st.integers(0, 3)), groups * channels, *image)
    return x, (groups * filters, channels, *kernel), options | {"groups": groups}


@settings(max_examples=300)
@given(problems())
def test_any_convolution_is_its_definition(problem_of):
    x_shape, w_shape, options = problem_of
    x, w, b = problem(x_shape, w_shape, np.float32)
    g, output, *gradients = define(lambda shape: integers(shape, 4), x, w, b, **options)
    for one, other in zip(
        (conv2d(x, w, b, **options), *conv2d_backward(g, x, w, b, **options)),
        (output, *gradients),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other, strict=True)
