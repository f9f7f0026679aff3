"""Draws docs/steps.svg: what zero padding and one pooling window do, and where its gradient goes.

And steps_conv.svg: the windows of a convolution, and what its gradient goes to.

python -m pip install matplotlib && python docs/steps.py
"""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from npcnn.steps import conv_backward, conv_forward, pool_backward, pool_forward, zero_pad

matplotlib.use("svg")
matplotlib.rcParams |= {"svg.hashsalt": "steps", "svg.fonttype": "none"}  # the same small file every time
from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.patches import Rectangle  # noqa: E402

IMAGE = np.array([[3, 1, 4, 1], [5, 9, 2, 6], [5, 3, 5, 8], [9, 7, 9, 3]], float)
INK, WINDOW, PADDING = "#222222", "#d95f02", "#dfe7f1"


FILTER = np.array([[1, 0], [0, -1]], float)
GRADIENT = np.array([[1, 2], [3, 4]], float)


def main() -> None:
    pooling("steps.svg")
    convolution("steps_conv.svg")


def pooling(name: str) -> None:
    figure, axes = plt.subplots(1, 4, figsize=(13, 3.4), width_ratios=[4, 6, 2, 4])
    A_prev = IMAGE[None, :, :, None]
    A, cache = pool_forward(A_prev, {"f": 2, "stride": 2})
    dA_prev = pool_backward(GRADIENT[None, :, :, None], cache)
    draw(axes[0], IMAGE, "A_prev, one window of f = 2")
    draw(axes[1], zero_pad(A_prev, 1)[0, :, :, 0], "zero_pad(A_prev, 1)", padding=1)
    draw(axes[2], A[0, :, :, 0], "pool_forward, max")
    draw(axes[3], dA_prev[0, :, :, 0], "pool_backward of dA = 1 2 / 3 4")
    for axis, size in ((axes[0], 2), (axes[2], 1), (axes[3], 2)):
        axis.add_patch(Rectangle((-0.5, -0.5), size, size, fill=False, edgecolor=WINDOW, linewidth=3))
    save(figure, name)


def convolution(name: str) -> None:
    """Stride 2: the windows lie side by side, the last of them marked, and its gradient."""
    figure, axes = plt.subplots(1, 5, figsize=(13, 3.4), width_ratios=[4, 2, 2, 4, 2])
    hparameters = {"stride": 2, "pad": 0}
    A_prev, W = IMAGE[None, :, :, None], FILTER[:, :, None, None]
    Z, cache = conv_forward(A_prev, W, np.zeros((1, 1, 1, 1)), hparameters)
    dA_prev, dW, _ = conv_backward(GRADIENT[None, :, :, None], cache)
    draw(axes[0], IMAGE, "A_prev, the window of (1, 1)")
    draw(axes[1], FILTER, "W")
    draw(axes[2], Z[0, :, :, 0], "conv_forward")
    draw(axes[3], dA_prev[0, :, :, 0], "dA_prev of dZ = 1 2 / 3 4")
    draw(axes[4], dW[:, :, 0, 0], "dW")
    for axis, size, start in ((axes[0], 2, 1.5), (axes[2], 1, 0.5), (axes[3], 2, 1.5)):
        axis.add_patch(Rectangle((start, start), size, size, fill=False, edgecolor=WINDOW, linewidth=3))
    save(figure, name)


def save(figure: Any, name: str) -> None:
    figure.tight_layout()
    figure.savefig(Path(__file__).with_name(name), metadata={"Date": None})
    plt.close(figure)


def draw(axis: Any, pixels: Any, title: str, padding: int = 0) -> None:
    """One image with its numbers; the pixels of the padding shaded."""
    rows, cols = pixels.shape
    inside = slice(padding, -padding or None)
    shade = np.ones((rows, cols), bool)
    shade[inside, inside] = False
    for (h, w), value in np.ndenumerate(pixels):
        face = PADDING if padding and shade[h, w] else "white"
        axis.add_patch(Rectangle((w - 0.5, h - 0.5), 1, 1, facecolor=face, edgecolor="#999999"))
        axis.text(w, h, f"{value:g}", ha="center", va="center", color=INK, fontsize=13)
    axis.set(xlim=(-0.6, cols - 0.4), ylim=(rows - 0.4, -0.6), aspect="equal")
    axis.set_title(title, fontsize=10, color=INK)
    axis.axis("off")


if __name__ == "__main__":
    main()
