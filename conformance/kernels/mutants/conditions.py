"""Mistakes that several conditions must meet: an extent beyond the ordinary beside an option or another extent, or
all conditions of a fast path but one, which it forgot to ask.

The mistake is always the same, the last column of the answer is not written; what matters is where it shows.
"""

from __future__ import annotations

from typing import Any

from conformance.cases.arrays import Arrays
from conformance.kernels.mutants.registry import Change, mutant
from conformance.kernels.reference import avg_pool, conv, max_pool

CONV = {
    "64 columns or more in a batch": "Q >= 64 and N > 1",
    "64 columns or more in groups": "Q >= 64 and G > 1",
    "64 columns or more with a dilation": "Q >= 64 and dw > 1",
    "1024 positions or more in a batch": "P * Q >= 1024 and N > 1",
    "4096 pixels or more of several channels": "H * W >= 4096 and C > 1",
    "1024 positions or more of 32 filters": "N * P * Q >= 1024 and K >= 32",
    "more than 65535 elements of an image's answer": "K * P * Q > 65535",
    "64 channels or more with a stride": "CG >= 64 and max(sh, sw) > 1",
    "32 channels and filters or more under a 3x3 filter": "R == S == 3 and CG >= 32 and KG >= 32 and sh == sw == 1",
    "16 groups or more of several channels": "G >= 16 and CG > 1",
    "3 channels and 32 filters or more under a 7x7 filter": "C == 3 and K >= 32 and R == S == 7",
    "more than 4096 terms": "CG * R * S > 4096",
    "more than 512 channels": "C > 512",
    "more than 32767 weights": "K * CG * R * S > 32767",
    "a filter longer than 32": "max(R, S) > 32",
    "a 7x7 filter with a dilation": "min(R, S) >= 7 and max(dh, dw) > 1",
    "a stride of 5 or more with padding": "max(sh, sw) >= 5 and padded",
    "strides that differ, one of 5 or more": "max(sh, sw) >= 5 and sh != sw",
    "a dilation of 4 or more with a stride": "max(dh, dw) >= 4 and max(sh, sw) > 1",
    "dilations that differ, one of 4 or more": "max(dh, dw) >= 4 and dh != dw",
    "filters side by side with a dilation of the width":
        "R == sh > 1 and S == sw and G == 1 and not padded and dh == 1 < dw",
    "filters side by side with padding of the width": "R == sh > 1 and S == sw and G == 1 and ph == 0 < pw",
    "3x3 filters at stride 1 with padding of 2 above": "R == S == 3 and sh == sw == 1 == dh == dw == pw and ph == 2",
    "3x3 filters with padding of 1 and a stride of the height": "R == S == 3 and ph == pw == 1 == sw < sh and G == 1",
    "1x1 filters with padding of the height": "R == S == 1 == sh == sw and pw == 0 < ph and CG > 1",
    "7x7 filters with padding of 3 and a stride of the height": "R == S == 7 and ph == pw == 3 and sh == 2 != sw",
    "9 taps in a row, taken for 3x3": "R == 1 and S == 9 and sh == sw == dh == dw == 1",
    "more than 1024 columns": "Q > 1024",
    "more than 512 rows": "P > 512",
    "a stride beyond two bytes": "max(sh, sw) > 65535",
    "a dilation beyond two bytes": "max(dh, dw) > 65535",
}  # fmt: skip
POOL = {
    "64 columns or more in a batch": "Q >= 64 and N > 1",
    "64 columns or more of 3 channels": "Q >= 64 and C > 2",
    "64 columns or more past the image": "Q >= 64 and over_w > 0",
    "32 columns or more of windows of 5 that overlap": "Q >= 32 and S >= 5 and sw == 1",
    "more than 32767 pixels of several planes": "H * W > 32767 and N * C > 1",
    "windows of 5 or more with padding past the image": "min(R, S) >= 5 and over_w > 0 and pw > 0",
    "windows of 8 or more past the image": "min(R, S) >= 8 and over_w > 0",
    "a stride of 5 or more past the image": "max(sh, sw) >= 5 and over_w > 0",
    "a stride of 5 or more with padding": "max(sh, sw) >= 5 and padded",
    "strides that differ, one of 5 or more": "max(sh, sw) >= 5 and sh != sw and R <= 4 and S <= 4",
    "one window of 256 pixels or more": "P == Q == 1 and R * S >= 256",
    "windows of 2 side by side with padding of the width": "R == S == sh == sw == 2 and ph == 0 < pw",
    "windows side by side in the height alone, past the image": "R == sh > 1 and S == sw + 1 and over_h > 0",
    "windows of 3 at stride 2 with padding of the height": "R == S == 3 and sh == sw == 2 and pw == 0 < ph",
    "windows of 3x2 at stride 2": "R == 3 and S == sh == sw == 2",
    "more than 1024 columns": "Q > 1024",
    "a stride beyond two bytes": "max(sh, sw) > 65535",
}
MAX_POOL = POOL | {
    "a dilation of 4 or more with padding": "max(dh, dw) >= 4 and padded",
    "a dilation of 4 or more with a stride": "max(dh, dw) >= 4 and max(sh, sw) > 1",
    "windows of 5 or more with a dilation": "max(R, S) >= 5 and max(dh, dw) > 1",
}
AVG_POOL = POOL | {
    "64 columns or more whose padding does not count": "Q >= 64 and padded and not counted",
    "64 columns or more with a divisor": "Q >= 64 and divisor is not None",
    "a divisor beyond two bytes": "divisor is not None and divisor > 65535",
    "a divisor of 16 or more": "divisor is not None and divisor >= 16",
    "windows of 5 or more that are not square and whose padding does not count":
        "max(R, S) >= 5 and R != S and padded and not counted",
}  # fmt: skip


def _max_pool(case: Any, arrays: Arrays) -> Any:
    return max_pool(case, arrays)["output"]


def _unwritten(right: Change) -> Change:
    def change(case: Any, arrays: Arrays) -> Any:
        output: Any = right(case, arrays)
        output[..., -1] = 0
        return output

    return change


for _operation, _right, _conditions in (
    ("conv2d", conv, CONV), ("max_pool2d", _max_pool, MAX_POOL), ("avg_pool2d", avg_pool, AVG_POOL)
):  # fmt: skip
    for _number, (_words, _when) in enumerate(_conditions.items()):
        mutant(_operation, "output", f"{_words}: the last column is not written", _when,
               f"{_operation}_two_conditions_{_number}")(_unwritten(_right))  # fmt: skip
