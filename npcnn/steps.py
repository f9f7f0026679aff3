"""Convolution and pooling step by step, with plain loops: for reading, and for checking one's own against.

The functions of the exercise "convolutional networks, step by step". Images are (m, n_H, n_W, n_C): m
examples, n_H rows, n_W columns, n_C channels; `_prev` marks the layer before. conv2d and the pools of npcnn
compute the same, fast, with channels before rows.
"""

from typing import Any

import numpy as np

from npcnn.checks import Array, check_array, is_int

FLOATS = ("float16", "float32", "float64")
ConvCache = tuple[Array, Array, Array, dict[str, int]]
PoolCache = tuple[Array, dict[str, int]]


def zero_pad(X: Array, pad: int) -> Array:
    """Put `pad` zeros around every image.

        X_pad[i, h + pad, w + pad, c] = X[i, h, w, c], and 0 elsewhere

    X: (m, n_H, n_W, n_C). Returns (m, n_H + 2 * pad, n_W + 2 * pad, n_C).
    """
    return np.pad(X, ((0, 0), (pad, pad), (pad, pad), (0, 0)))


def conv_single_step(a_slice_prev: Array, W: Array, b: Array) -> Any:
    """Apply one filter to one window.

        Z = sum over h < f, w < f, c < n_C_prev of a_slice_prev[h, w, c] * W[h, w, c], + b

    a_slice_prev, W: (f, f, n_C_prev), b: (1, 1, 1). Returns the scalar Z.
    """
    return np.sum(a_slice_prev * W) + b.item()


def conv_forward(A_prev: Array, W: Array, b: Array, hparameters: dict[str, int]) -> tuple[Array, ConvCache]:
    """Slide every filter over every image.

        Z[i, h, w, c] = b[c] + sum over r < f, s < f, k < n_C_prev of
            A_prev_pad[i, h * stride + r, w * stride + s, k] * W[r, s, k, c]
        n_H = floor((n_H_prev - f + 2 * pad) / stride) + 1, and n_W alike

    A_prev: (m, n_H_prev, n_W_prev, n_C_prev), W: (f, f, n_C_prev, n_C), b: (1, 1, 1, n_C),
    hparameters: {"stride", "pad"}.
    Returns Z (m, n_H, n_W, n_C) and cache = (A_prev, W, b, hparameters) for conv_backward.
    Raises TypeError for arrays that are not of floats, ValueError for shapes and sizes that do not fit.
    """
    _check(hparameters, A_prev=A_prev, W=W)
    stride, pad = hparameters["stride"], hparameters["pad"]
    f = W.shape[0]
    if W.shape[:3] != (f, f, A_prev.shape[3]):
        raise ValueError(f"W must be (f, f, n_C_prev, n_C) (got {W.shape}, A_prev {A_prev.shape})")
    A_prev_pad = zero_pad(A_prev, pad)
    m, n_H, n_W, n_C = _output_shape(A_prev_pad, f, stride, W.shape[3])

    Z = np.zeros((m, n_H, n_W, n_C), A_prev.dtype)
    for i in range(m):
        for h in range(n_H):
            for w in range(n_W):
                rows, cols = _window(h, w, f, stride)
                for c in range(n_C):
                    Z[i, h, w, c] = conv_single_step(A_prev_pad[i, rows, cols], W[..., c], b[..., c])
    return Z, (A_prev, W, b, hparameters)


def conv_backward(dZ: Array, cache: ConvCache) -> tuple[Array, Array, Array]:
    """Send the gradient of Z back: every output gives to what it was made of.

        dA_prev_pad[i, window of (h, w)] += W[..., c] * dZ[i, h, w, c]
        dW[..., c] += A_prev_pad[i, window of (h, w)] * dZ[i, h, w, c]
        db[c] += dZ[i, h, w, c]

    The window of (h, w) begins at row h * stride and column w * stride, as in conv_forward.
    dA_prev is dA_prev_pad without its padding.

    dZ: (m, n_H, n_W, n_C), cache: of conv_forward.
    Returns dA_prev, dW, db, of the shapes of A_prev, W, b. Raises ValueError for a dZ of another shape.
    """
    A_prev, W, b, hparameters = cache
    stride, pad = hparameters["stride"], hparameters["pad"]
    f = W.shape[0]
    A_prev_pad = zero_pad(A_prev, pad)
    m, n_H, n_W, n_C = shape = _output_shape(A_prev_pad, f, stride, W.shape[3])
    _check_gradient("dZ", dZ, shape)

    dA_prev_pad, dW, db = np.zeros_like(A_prev_pad), np.zeros_like(W), np.zeros_like(b)
    for i in range(m):
        for h in range(n_H):
            for w in range(n_W):
                rows, cols = _window(h, w, f, stride)
                for c in range(n_C):
                    dA_prev_pad[i, rows, cols] += W[..., c] * dZ[i, h, w, c]
                    dW[..., c] += A_prev_pad[i, rows, cols] * dZ[i, h, w, c]
                    db[..., c] += dZ[i, h, w, c]
    _, n_H_prev, n_W_prev, _ = A_prev.shape
    # from pad on, not pad:-pad, which is empty without padding
    return dA_prev_pad[:, pad : pad + n_H_prev, pad : pad + n_W_prev].copy(), dW, db


def pool_forward(A_prev: Array, hparameters: dict[str, int], mode: str = "max") -> tuple[Array, PoolCache]:
    """Reduce every window of every channel to its maximum or its mean.

        A[i, h, w, c] = max or mean over r < f, s < f of A_prev[i, h * stride + r, w * stride + s, c]
        n_H = floor((n_H_prev - f) / stride) + 1, and n_W alike

    A_prev: (m, n_H_prev, n_W_prev, n_C), hparameters: {"f", "stride"}, mode: "max" or "average".
    Returns A (m, n_H, n_W, n_C) and cache = (A_prev, hparameters) for pool_backward.
    Raises TypeError for an array that is not of floats, ValueError for another mode or sizes that do not fit.
    """
    _check_mode(mode)
    _check(hparameters, A_prev=A_prev)
    f, stride = hparameters["f"], hparameters["stride"]
    m, n_H, n_W, n_C = _output_shape(A_prev, f, stride, A_prev.shape[3])

    A = np.zeros((m, n_H, n_W, n_C), A_prev.dtype)
    for i in range(m):
        for h in range(n_H):
            for w in range(n_W):
                rows, cols = _window(h, w, f, stride)
                for c in range(n_C):
                    window = A_prev[i, rows, cols, c]
                    A[i, h, w, c] = np.max(window) if mode == "max" else np.mean(window)
    return A, (A_prev, hparameters)


def create_mask_from_window(x: Array) -> Array:
    """Mark the maximum of a window.

        mask[h, w] = True where x[h, w] is the maximum, False elsewhere

    x: (f, f). Returns the mask, (f, f).
    Of several maxima only the first, row by row, is marked, as PyTorch does; the exercise leaves that open.
    """
    mask = np.zeros(x.shape, bool)
    mask.flat[np.argmax(x)] = True
    return mask


def distribute_value(dz: float, shape: tuple[int, int]) -> Array:
    """Share a gradient among the pixels of a window.

        a[h, w] = dz / (n_H * n_W)

    dz: scalar, shape: (n_H, n_W). Returns an array of that shape.
    """
    n_H, n_W = shape
    return np.full(shape, dz / (n_H * n_W))


def pool_backward(dA: Array, cache: PoolCache, mode: str = "max") -> Array:
    """Send the gradient of A back: to the maximum of each window, or to all its pixels alike.

        max:      dA_prev[i, window of (h, w), c] += create_mask_from_window(window) * dA[i, h, w, c]
        average:  dA_prev[i, window of (h, w), c] += distribute_value(dA[i, h, w, c], (f, f))

    dA: (m, n_H, n_W, n_C), cache: of pool_forward, mode: "max" or "average".
    Returns dA_prev, of the shape of A_prev. Raises ValueError for another mode or a dA of another shape.
    """
    _check_mode(mode)
    A_prev, hparameters = cache
    f, stride = hparameters["f"], hparameters["stride"]
    m, n_H, n_W, n_C = shape = _output_shape(A_prev, f, stride, A_prev.shape[3])
    _check_gradient("dA", dA, shape)

    dA_prev = np.zeros_like(A_prev)
    for i in range(m):
        for h in range(n_H):
            for w in range(n_W):
                rows, cols = _window(h, w, f, stride)
                for c in range(n_C):
                    if mode == "max":
                        mask = create_mask_from_window(A_prev[i, rows, cols, c])
                        dA_prev[i, rows, cols, c] += mask * dA[i, h, w, c]
                    else:
                        dA_prev[i, rows, cols, c] += distribute_value(dA[i, h, w, c], (f, f))
    return dA_prev


def _window(h: int, w: int, f: int, stride: int) -> tuple[slice, slice]:
    """Rows and columns of the window of output (h, w)."""
    return slice(h * stride, h * stride + f), slice(w * stride, w * stride + f)


def _output_shape(A: Array, f: int, stride: int, n_C: int) -> tuple[int, int, int, int]:
    m, n_H_prev, n_W_prev, _ = A.shape
    if f > min(n_H_prev, n_W_prev):
        raise ValueError(f"f={f} is larger than the padded image ({n_H_prev}, {n_W_prev})")
    return m, (n_H_prev - f) // stride + 1, (n_W_prev - f) // stride + 1, n_C


def _check(hparameters: dict[str, int], **arrays: Array) -> None:
    """Refuse arrays that are not four axes of floats, and hyperparameters that are no sizes."""
    for name, array in arrays.items():
        check_array(name, array, FLOATS)
        if array.ndim != 4:
            raise ValueError(f"{name} must have 4 axes (got {array.shape})")
    for name, least in {"stride": 1, "pad": 0, "f": 1}.items():
        value = hparameters.get(name, least)
        if not is_int(value):
            raise TypeError(f"{name}={value!r} must be an int")
        if value < least:
            raise ValueError(f"{name}={value!r} must be at least {least}")


def _check_gradient(name: str, gradient: Array, shape: tuple[int, ...]) -> None:
    check_array(name, gradient, FLOATS)
    if gradient.shape != shape:
        raise ValueError(f"{name} must have the output's shape {shape} (got {gradient.shape})")


def _check_mode(mode: str) -> None:
    if mode not in ("max", "average"):
        raise ValueError(f"mode={mode!r} must be 'max' or 'average'")
