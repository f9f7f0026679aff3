"""Fast paths that hang on numbers which no suite can guess, and which stand in the kernel's own source.

Each is the text of a kernel, right but for the last column of the answer where a condition of its own holds. The text
is kept where Python looks for the lines of a file, so that it is read as a developer's file would be.
"""

from __future__ import annotations

import linecache
from types import SimpleNamespace
from typing import Any

import numpy as np

from conformance.audit.mutants.hooks import KernelRow, KernelRows, Make
from conformance.kernels.functions import functions

CONV = """
BLOCK = 3 << 5
TABLE = {(13, 3): True, (17, 5): True}

RULE = lambda channels: channels == 97


class Plan:
    tile = 90

    def __init__(self, shape):
        self.width = shape[-1]

    def fits(self):
        return self.width % self.tile == 0


def wide(channels, filters):
    return channels >= 40 and filters >= BLOCK


def OPERATION(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    output = right(input, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)
    if CONDITION:
        output[..., output.shape[-1] // 2] = 0
    return output
"""
POOL = """
def OPERATION(input, kernel_size, stride=None, padding=0, **options):
    output = right(input, kernel_size, stride, padding, **options)
    if CONDITION:
        output[..., output.shape[-1] // 2] = 0
    return output
"""


def kernel(text: str, condition: str) -> Make:
    """Functions whose forward is compiled from a text."""

    def make(operation: str) -> SimpleNamespace:
        right = functions(operation)
        source = text.replace("OPERATION", operation).replace("CONDITION", condition)
        file = f"own source/{operation} {condition.replace('/', ' by ')}.py"
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        there: dict[str, Any] = {"np": np, "right": vars(right)[operation], "__name__": "own_source"}
        exec(compile(source, file, "exec"), there)
        return SimpleNamespace(**vars(right) | {operation: there[operation]})

    return make


CONDITIONS = {
    "1x1 filters at stride 2, 64 of them or more, of channels in blocks of 32":
        "weight.shape[-1] == 1 and stride == 2 and weight.shape[1] % 32 == 0 and weight.shape[0] >= 64",
    "96 filters on an odd width": "weight.shape[0] == 96 and input.shape[-1] % 2 == 1",
    "filters in blocks of 128 and images in blocks of 40": "weight.shape[0] % 128 == 0 and input.shape[-1] % 40 == 0",
    "more than 1400 channels of a group": "weight.shape[1] > 1400",
    "more than 9000 pairs of filters and channels": "weight.shape[0] * weight.shape[1] > 9000",
    "more than 700 images of several channels": "len(input) > 700 and weight.shape[1] > 1",
    "a filter and stride of 19": "weight.shape[-1] == 19 and stride == 19",
    "48 groups of 5": "groups == 48 and weight.shape[1] == 5",
    "an input of more than 640 KiB": "input.nbytes > 640 * 1024",
    "values beyond 300000": "np.abs(input).max(initial=0) > 3e5",
    "weights below 1e-20": "0 < np.abs(weight).max(initial=0) < 1e-20",
    "a dilation of 23 over 12 channels or more": "dilation == 23 and weight.shape[1] >= 12",
    "padding of 37": "padding == 37",
    "40 channels and 96 filters or more, as another function says": "wide(weight.shape[1], weight.shape[0])",
    "widths in tiles of 90, as an object says": "Plan(input.shape).fits()",
    "97 channels, as a table of the function's own says": "{97: True, 193: True}.get(weight.shape[1])",
    "97 to 102 channels, as a range says": "weight.shape[1] in range(97, 103)",
    "97 or 193 channels, one after the other": "any(weight.shape[1] == each for each in (97, 193))",
    "96 to 127 channels, one beside whole blocks of 32": "weight.shape[1] >> 5 == 3 and weight.shape[1] % 32 == 1",
    "filters of 3x17, as a text says": "f'{weight.shape[-2]}x{weight.shape[-1]}' == '3x17'",
    "97 channels, as a rule without a name says": "RULE(weight.shape[1])",
    "filters of 97x3x3": "weight.shape[1:] == (97, 3, 3)",
    "filters and strides of a table": "(weight.shape[-1], stride) in TABLE",
}  # fmt: skip
OF_POOLS = {
    "more than 200 channels under windows of 3": "input.shape[1] > 200 and kernel_size == 3",
    "windows of 21": "kernel_size == 21",
    "images in blocks of 90 columns": "input.shape[-1] % 90 == 0",
}


def rows(text: str, conditions: dict[str, str]) -> list[KernelRow]:
    return [(f"{words}: a column is not written", "the source says where", kernel(text, of)) for words, of in conditions.items()]


ROWS: KernelRows = {
    ("conv", "output"): rows(CONV, CONDITIONS),
    ("max_pool", "output"): rows(POOL, OF_POOLS),
    ("avg_pool", "output"): rows(POOL, OF_POOLS),
}
