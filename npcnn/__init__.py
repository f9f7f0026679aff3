"""Convolution and pooling with gradients, NumPy only; named and called as in torch.nn.functional."""

from npcnn.conv import conv2d, conv2d_backward
from npcnn.pool import avg_pool2d, avg_pool2d_backward, max_pool2d, max_pool2d_backward

__all__ = [
    "avg_pool2d",
    "avg_pool2d_backward",
    "conv2d",
    "conv2d_backward",
    "max_pool2d",
    "max_pool2d_backward",
]
