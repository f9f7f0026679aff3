"""A convolution as one writes it in a minute, with the mistakes of that minute. The README finds them."""

import numpy as np


def conv2d(input, weight, bias=None, stride=1, padding=0):
    sh, sw = (stride, stride) if isinstance(stride, int) else stride
    ph, pw = (padding, padding) if isinstance(padding, int) else padding
    padded = np.pad(input, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, weight.shape[2:], axis=(2, 3))[
        :, :, ::sh, ::sh
    ]
    output = np.einsum("ncpqrs,kcrs->nkpq", windows, weight)
    return output if bias is None else output + bias[:, None, None]
