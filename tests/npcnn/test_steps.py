"""The step-by-step functions agree with conv2d, the pools and PyTorch; ties go to the first."""

from typing import Any

import numpy as np
import pytest

import npcnn
from npcnn import steps


def integers(shape, seed=0):
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(float)


def nchw(images):
    return images.transpose(0, 3, 1, 2)


def test_zero_pad_adds_zeros_around_the_image_only():
    X = integers((2, 3, 4, 2))
    padded = steps.zero_pad(X, 2)
    assert padded.shape == (2, 7, 8, 2)
    np.testing.assert_array_equal(padded[:, 2:5, 2:6], X)
    assert abs(padded).sum() == abs(X).sum()


def test_conv_single_step_is_the_sum_of_products_and_the_bias():
    window, W = integers((3, 3, 2), 1), integers((3, 3, 2), 2)
    Z = steps.conv_single_step(window, W, np.array([[[5.0]]]))
    assert np.ndim(Z) == 0
    assert (window * W).sum() + 5 == Z


GEOMETRY = [(stride, pad) for stride in (1, 2, 3) for pad in (0, 1, 2)]


@pytest.mark.parametrize(("stride", "pad"), GEOMETRY)
def test_conv_forward_agrees_with_conv2d(stride, pad):
    A, W, b = integers((2, 6, 7, 3), 1), integers((3, 3, 3, 4), 2), integers((1, 1, 1, 4), 3)
    Z, cache = steps.conv_forward(A, W, b, {"stride": stride, "pad": pad})
    expected = npcnn.conv2d(nchw(A), W.transpose(3, 2, 0, 1), b.ravel(), stride=stride, padding=pad)
    np.testing.assert_array_equal(nchw(Z), expected)
    assert all(one is other for one, other in zip(cache[:3], (A, W, b), strict=True))


@pytest.mark.parametrize(("stride", "pad"), GEOMETRY)
def test_conv_backward_agrees_with_conv2d_backward(stride, pad):
    A, W, b = integers((2, 6, 7, 3), 1), integers((3, 3, 3, 4), 2), integers((1, 1, 1, 4), 3)
    Z, cache = steps.conv_forward(A, W, b, {"stride": stride, "pad": pad})
    dZ = integers(Z.shape, 4)
    dA, dW, db = steps.conv_backward(dZ, cache)
    grad_input, grad_weight, grad_bias = npcnn.conv2d_backward(
        nchw(dZ), nchw(A), W.transpose(3, 2, 0, 1), b.ravel(), stride=stride, padding=pad
    )
    np.testing.assert_array_equal(nchw(dA), grad_input)
    np.testing.assert_array_equal(dW.transpose(3, 2, 0, 1), grad_weight)
    np.testing.assert_array_equal(db.ravel(), grad_bias)
    assert db.shape == b.shape


@pytest.mark.parametrize("mode", ["max", "average"])
@pytest.mark.parametrize(("f", "stride"), [(2, 2), (3, 2), (3, 1), (2, 3), (1, 1)])
def test_pools_agree_with_the_pools_of_npcnn(f, stride, mode):
    A = integers((2, 6, 7, 3), 1) * 36
    pools: dict[str, Any] = {
        "max": (npcnn.max_pool2d, npcnn.max_pool2d_backward),
        "average": (npcnn.avg_pool2d, npcnn.avg_pool2d_backward),
    }
    forward, backward = pools[mode]
    output, cache = steps.pool_forward(A, {"f": f, "stride": stride}, mode)
    np.testing.assert_array_equal(nchw(output), forward(nchw(A), f, stride=stride))
    dA = integers(output.shape, 2) * 36
    dA_prev = steps.pool_backward(dA, cache, mode)
    np.testing.assert_array_equal(nchw(dA_prev), backward(nchw(dA), nchw(A), f, stride=stride))


def test_the_mask_marks_the_first_maximum_only():
    mask = steps.create_mask_from_window(np.array([[1.0, 3.0], [3.0, 0.0]]))
    np.testing.assert_array_equal(mask, [[False, True], [False, False]])


def test_distribute_value_shares_alike():
    np.testing.assert_array_equal(steps.distribute_value(6.0, (2, 3)), np.ones((2, 3)))


@pytest.mark.parametrize("call", [steps.pool_forward, steps.pool_backward])
def test_an_unknown_mode_is_refused(call):
    with pytest.raises(ValueError, match=r"^mode='mean' must be 'max' or 'average'$"):
        call(np.ones((1, 2, 2, 1)), {"f": 2, "stride": 1}, "mean")


IMAGES, FILTERS = np.ones((2, 4, 5, 3)), np.ones((2, 2, 3, 4))


def conv(A_prev=IMAGES, W=FILTERS, stride=1, pad=0):
    return steps.conv_forward(A_prev, W, np.ones((1, 1, 1, 4)), {"stride": stride, "pad": pad})


def pool(A_prev=IMAGES, f=2, stride=1):
    return steps.pool_forward(A_prev, {"f": f, "stride": stride})


FLOATS = "must be one of float16, float32, float64"
REFUSED = {
    "list": (lambda: conv([1]), TypeError, "A_prev is list but must be a NumPy array"),
    "integers": (lambda: conv(IMAGES.astype(int)), TypeError, f"A_prev is int64 but {FLOATS}"),
    "integers in a pool": (lambda: pool(IMAGES.astype(int)), TypeError, f"A_prev is int64 but {FLOATS}"),
    "one image": (lambda: pool(IMAGES[0]), ValueError, "A_prev must have 4 axes (got (4, 5, 3))"),
    "integer filters": (lambda: conv(W=FILTERS.astype(int)), TypeError, f"W is int64 but {FLOATS}"),
    "other channels": (
        lambda: conv(W=FILTERS[:, :, :1]), ValueError,
        "W must be (f, f, n_C_prev, n_C) (got (2, 2, 1, 4), A_prev (2, 4, 5, 3))",
    ),
    "no stride": (lambda: conv(stride=0), ValueError, "stride=0 must be at least 1"),
    "real stride": (lambda: pool(stride=1.5), TypeError, "stride=1.5 must be an int"),
    "negative pad": (lambda: conv(pad=-1), ValueError, "pad=-1 must be at least 0"),
    "no window": (lambda: pool(f=0), ValueError, "f=0 must be at least 1"),
    "large window": (lambda: pool(f=5), ValueError, "f=5 is larger than the padded image (4, 5)"),
    "large filter": (
        lambda: conv(W=np.ones((7, 7, 3, 4)), pad=1), ValueError, "f=7 is larger than the padded image (6, 7)",
    ),
    "dZ": (
        lambda: steps.conv_backward(np.ones((2, 3, 3, 4)), conv()[1]), ValueError,
        "dZ must have the output's shape (2, 3, 4, 4) (got (2, 3, 3, 4))",
    ),
    "integer dZ": (
        lambda: steps.conv_backward(np.ones((2, 3, 4, 4), int), conv()[1]), TypeError, f"dZ is int64 but {FLOATS}",
    ),
    "dA": (
        lambda: steps.pool_backward(np.ones((2, 3, 3, 3)), pool()[1]), ValueError,
        "dA must have the output's shape (2, 3, 4, 3) (got (2, 3, 3, 3))",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_fit_is_refused(what):
    call, kind, message = REFUSED[what]
    with pytest.raises(kind) as error:
        call()
    assert str(error.value) == message


@pytest.mark.parametrize(("stride", "pad"), GEOMETRY)
def test_the_steps_agree_with_pytorch(stride, pad):
    torch = pytest.importorskip("torch")
    A, W, b = integers((2, 6, 7, 3), 1), integers((3, 3, 3, 4), 2), integers((1, 1, 1, 4), 3)
    Z, cache = steps.conv_forward(A, W, b, {"stride": stride, "pad": pad})
    dZ = integers(Z.shape, 4)
    leaves = [torch.tensor(a, requires_grad=True) for a in (nchw(A), W.transpose(3, 2, 0, 1), b.ravel())]
    output = torch.nn.functional.conv2d(*leaves, stride=stride, padding=pad)
    output.backward(torch.tensor(nchw(dZ)))
    dA, dW, db = steps.conv_backward(dZ, cache)
    np.testing.assert_array_equal(nchw(Z), output.detach().numpy())
    np.testing.assert_array_equal(nchw(dA), leaves[0].grad.numpy())
    np.testing.assert_array_equal(dW.transpose(3, 2, 0, 1), leaves[1].grad.numpy())
    np.testing.assert_array_equal(db.ravel(), leaves[2].grad.numpy())
