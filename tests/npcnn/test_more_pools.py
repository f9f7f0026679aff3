"""Adaptive, power-average and max-unpooling and their gradients, over one to three axes, beside PyTorch."""

import math
from typing import Any

import numpy as np
import pytest

import npcnn

DIMENSIONS = (1, 2, 3)
BATCHES = [(2, 3), (3,), (0, 3)]
SPECIALS = [0.0, -0.0, 1.0, 1.0, 2.0, -3.0, np.inf, -np.inf, -np.inf, np.nan]


def integers(shape: Any, seed: int = 0, dtype: Any = np.float64) -> Any:
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(dtype)


def specials(shape: Any, seed: int = 0) -> Any:
    return np.random.default_rng(seed).choice(SPECIALS, shape)


def torch_answers(name: str, x: Any, *arguments: Any, **options: Any) -> tuple[Any, Any, Any]:
    """Output, grad_output and grad_input."""
    torch = pytest.importorskip("torch")
    leaf = torch.from_numpy(x.copy()).requires_grad_()
    output = getattr(torch.nn.functional, name)(leaf, *arguments, **options)
    g = integers(tuple(output.shape), 1)
    (grad,) = torch.autograd.grad(output, leaf, torch.from_numpy(g))
    return output.detach().numpy(), g, grad.numpy()


# (image, output_size) over three axes; over fewer, the last of each
SIZES = [
    ((4, 6, 8), (2, 3, 4)),  # windows that share out evenly
    ((5, 7, 9), (3, 4, 5)),  # and that overlap
    ((3, 4, 5), (4, 7, 13)),  # more windows than pixels
    ((5, 4, 7), (1, 1, 1)),
    ((1, 1, 1), (2, 3, 2)),
    ((5, 4, 7), 3),
]


def windows(n: int, count: int) -> list[slice]:
    return [slice(math.floor(i * n / count), math.ceil((i + 1) * n / count)) for i in range(count)]


def of_axes(value: Any, dims: int) -> Any:
    return value[-dims:] if isinstance(value, tuple) else value


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize(("image", "size"), SIZES)
@pytest.mark.parametrize("dims", DIMENSIONS)
def test_adaptive_average_pools_are_means_of_windows_and_share_the_gradient_out(dims, image, size, batch):
    """On multiples of every count, so that every quotient and every sum is whole."""
    x = integers((*batch, *image[-dims:])) * 7560
    extents = np.broadcast_to(of_axes(size, dims), dims)
    parts = [windows(n, int(o)) for n, o in zip(image[-dims:], extents, strict=True)]
    output, grad = np.empty((*batch, *extents)), np.zeros_like(x)
    g = integers(output.shape, 1) * 7560
    for at in np.ndindex(*extents):
        window = (..., *[part[i] for part, i in zip(parts, at, strict=True)])
        output[(..., *at)] = x[window].mean(tuple(range(-dims, 0)))
        grad[window] += (g[(..., *at)] / math.prod(x[window].shape[-dims:])).reshape(*batch, *[1] * dims)
    name, size = f"adaptive_avg_pool{dims}d", of_axes(size, dims)
    np.testing.assert_array_equal(getattr(npcnn, name)(x, size), output, strict=True)
    np.testing.assert_array_equal(getattr(npcnn, f"{name}_backward")(g, x, size), grad, strict=True)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize(("image", "size"), SIZES)
@pytest.mark.parametrize("dims", DIMENSIONS)
def test_adaptive_average_pools_are_pytorch_s_within_rounding(dims, image, size, batch):
    name, size, x = f"adaptive_avg_pool{dims}d", of_axes(size, dims), integers((*batch, *image[-dims:]))
    output, g, grad = torch_answers(name, x, size)
    actual = getattr(npcnn, name)(x, size)
    assert actual.shape == output.shape
    np.testing.assert_allclose(
        actual, output, rtol=4 * 2.0**-53, atol=0
    )  # PyTorch divides once for each axis
    gradient = getattr(npcnn, f"{name}_backward")(g, x, size)
    assert gradient.shape == grad.shape
    np.testing.assert_allclose(gradient, grad, rtol=0, atol=4 * (7 * 13 + 4) * 2.0**-53)


@pytest.mark.parametrize("fill", [integers, specials])
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize(("image", "size"), SIZES)
@pytest.mark.parametrize("dims", DIMENSIONS)
def test_adaptive_max_pools_their_indices_and_gradients_equal_pytorch(dims, image, size, batch, fill):
    torch = pytest.importorskip("torch")
    name, size, x = f"adaptive_max_pool{dims}d", of_axes(size, dims), fill((*batch, *image[-dims:]))
    output, g, grad = torch_answers(name, x, size)
    indices = getattr(torch.nn.functional, name)(torch.from_numpy(x), size, return_indices=True)[1]
    actual, places = getattr(npcnn, name)(x, size, return_indices=True)
    np.testing.assert_array_equal(actual, output, strict=True)
    np.testing.assert_array_equal(places, indices.numpy(), strict=True)
    np.testing.assert_array_equal(getattr(npcnn, name)(x, size), output, strict=True)
    np.testing.assert_array_equal(getattr(npcnn, f"{name}_backward")(g, x, size), grad, strict=True)


def test_adaptive_max_pool2d_takes_the_first_of_equals_and_the_last_nan():
    x = np.array([[[5.0, 5.0, np.nan, 0.0], [5.0, 1.0, 0.0, np.nan]]])
    _, places = npcnn.adaptive_max_pool2d(x, (1, 2), return_indices=True)
    np.testing.assert_array_equal(places, [[[0, 7]]])


@pytest.mark.parametrize("name", ["adaptive_avg_pool", "adaptive_max_pool"])
def test_an_output_size_of_none_keeps_the_extent(name):
    x = integers((2, 3, 4, 5, 6))
    one, other = (getattr(npcnn, f"{name}3d")(x, size) for size in ((None, 2, None), (4, 2, 6)))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", ["adaptive_avg_pool", "adaptive_max_pool"])
def test_an_output_size_of_0_answers_nothing_and_has_no_gradient(name):
    x = integers((2, 3, 4, 5))
    output = getattr(npcnn, f"{name}2d")(x, (0, 3))
    assert output.shape == (2, 3, 0, 3)
    with pytest.raises(ValueError, match=r"^output_size=\(0, 3\) must be at least 1 for a gradient$"):
        getattr(npcnn, f"{name}2d_backward")(output, x, (0, 3))


NORMS = [1, 2, 3, 4, 2.5, 7.0, -1, -2, math.inf, -math.inf]
# (kernel_size, options) over three axes
LP: list[tuple[Any, dict[str, Any]]] = [
    ((2, 2, 2), {}),
    ((2, 3, 4), {"stride": (1, 2, 3)}),
    ((1, 3, 2), {"stride": (2, 1, 3), "ceil_mode": True}),
    ((1, 1, 1), {}),
]


@pytest.mark.parametrize("fill", [integers, specials])
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("kernel", "options"), LP)
@pytest.mark.parametrize("dims", DIMENSIONS)
def test_lp_pools_and_their_gradients_are_pytorch_s_within_rounding(dims, kernel, options, norm, fill):
    """A power, a sum of at most 24, a quotient and a root, on both sides: 1e-13 is more than 64 units of each."""
    x, name = fill((2, 3, *(4, 5, 8)[-dims:])), f"lp_pool{dims}d"
    kernel, options = of_axes(kernel, dims), {key: of_axes(value, dims) for key, value in options.items()}
    output, g, grad = torch_answers(name, x, norm, kernel[0] if dims == 1 else kernel, **options)
    actual = getattr(npcnn, name)(x, norm, kernel, **options)
    np.testing.assert_allclose(actual, output, rtol=1e-13, atol=0)
    gradient = getattr(npcnn, f"{name}_backward")(g, x, norm, kernel, **options)
    np.testing.assert_allclose(gradient, grad, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", [(3, 5, 6), (0, 3, 5, 6)])
def test_lp_pool2d_takes_one_image_and_none(shape):
    x = integers(shape)
    output, g, grad = torch_answers("lp_pool2d", x, 2, 2)
    np.testing.assert_allclose(npcnn.lp_pool2d(x, 2, 2), output, rtol=1e-15)
    np.testing.assert_allclose(npcnn.lp_pool2d_backward(g, x, 2, 2), grad, rtol=1e-13, atol=1e-14)


def test_lp_pool1d_takes_no_absolute_values():
    output = npcnn.lp_pool1d(np.array([[3.0, -5.0, 3.0, 4.0]]), 1, 2)
    np.testing.assert_array_equal(output, [[-2.0, 7.0]])
    assert np.isnan(npcnn.lp_pool1d(np.array([[1.0, -2.0]]), 3, 2)).all()


@pytest.mark.parametrize("norm", [1, 2, 3])
def test_a_window_whose_sum_is_0_has_no_gradient(norm):
    x, g = np.array([[0.0, 0.0, 0.0, 8.0]]), np.ones((1, 2))
    np.testing.assert_array_equal(npcnn.lp_pool1d_backward(g, x, norm, 2)[0, :2], [0, 0])


# (input's image, kernel_size, options) over three axes
UNPOOLS: list[tuple[Any, Any, dict[str, Any]]] = [
    ((2, 3, 4), (2, 2, 2), {}),
    ((2, 3, 4), (3, 2, 3), {"stride": (2, 1, 3), "padding": (1, 0, 1)}),
    ((2, 3, 4), (2, 2, 2), {"output_size": (5, 5, 9)}),
    ((2, 3, 4), (2, 2, 3), {"stride": (3, 1, 2), "output_size": (4, 4, 8)}),
]


@pytest.fixture
def one_thread():
    """Which of the numbers that share a place is the last is chance where PyTorch has several threads."""
    torch = pytest.importorskip("torch")
    count = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(count)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize(("image", "kernel", "options"), UNPOOLS)
@pytest.mark.parametrize("dims", DIMENSIONS)
def test_max_unpools_and_their_gradients_equal_pytorch_places_shared_or_not(
    dims, image, kernel, options, batch
):
    torch = pytest.importorskip("torch")
    image, kernel = image[-dims:], kernel[-dims:]
    options = {key: of_axes(value, dims) for key, value in options.items()}
    strides, pads = (
        np.broadcast_to(options.get(key, default), dims)
        for key, default in (("stride", kernel), ("padding", 0))
    )
    sizes = zip(image, strides, pads, kernel, strict=True)
    extents = options.get("output_size") or [(n - 1) * s - 2 * p + k for n, s, p, k in sizes]
    x, name = integers((*batch, *image)), f"max_unpool{dims}d"
    indices = np.random.default_rng(2).integers(0, math.prod(extents), x.shape)
    output, g, grad = torch_answers(name, x, torch.from_numpy(indices), kernel, **options)
    np.testing.assert_array_equal(getattr(npcnn, name)(x, indices, kernel, **options), output, strict=True)
    actual = getattr(npcnn, f"{name}_backward")(g, x, indices, kernel, **options)
    np.testing.assert_array_equal(actual, grad, strict=True)


@pytest.mark.parametrize("dims", DIMENSIONS)
def test_max_unpool_puts_back_what_max_pool_took(dims):
    x = np.random.default_rng(0).permutation(2 * 6**dims).reshape(1, 2, *[6] * dims) + 1.0
    pooled, indices = getattr(npcnn, f"max_pool{dims}d")(x, 2, return_indices=True)
    back = getattr(npcnn, f"max_unpool{dims}d")(pooled, indices, 2)
    np.testing.assert_array_equal(back[back != 0], x[back != 0])
    assert (back != 0).sum() == pooled.size


@pytest.mark.parametrize("step", [1, -1])
@pytest.mark.parametrize("channels", [1, 2])
def test_of_numbers_that_share_a_place_max_unpool1d_keeps_the_last_of_any_view(step, channels):
    x = np.tile([1.0, 2.0, 3.0][::step], (channels, 1))[:, ::step]
    indices = np.tile([4, 1, 4][::step], (channels, 1))[:, ::step]
    output = npcnn.max_unpool1d(x, indices, 2)
    assert output.tolist() == [[0, 2, 0, 0, 3, 0]] * channels


def test_of_numbers_that_share_a_place_max_unpool1d_keeps_the_last():
    output = npcnn.max_unpool1d(np.array([[1.0, 2.0, 3.0]]), np.array([[4, 1, 4]]), 2)
    np.testing.assert_array_equal(output, [[0, 2, 0, 0, 3, 0]])


def test_an_output_size_may_name_the_batch_and_the_channels():
    x, indices = integers((2, 3, 4)), np.zeros((2, 3, 4), np.int64)
    one, other = (npcnn.max_unpool1d(x, indices, 2, output_size=size) for size in ((9,), [2, 3, 9]))
    np.testing.assert_array_equal(one, other)
