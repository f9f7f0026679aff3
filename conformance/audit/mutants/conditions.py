"""Mistakes that several conditions must meet: an extent beyond the ordinary beside an option or another extent, or
all conditions of a fast path but one, which it forgot to ask.

The mistake is always the same, the last column of the answer is not written; what matters is where it shows.
"""

from __future__ import annotations

from conformance.audit.mutants import avg_pool, conv_forward, conv_transpose, max_pool
from conformance.audit.mutants.otherwise import LAST, Computed, Row, Rows, zero

CONV = {
    "64 columns or more in a batch": "Q >= 64 and N > 1",
    "64 columns or more in groups": "Q >= 64 and G > 1",
    "64 columns or more with a dilation": "Q >= 64 and dw > 1",
    "1024 positions or more in a batch": "positions >= 1024 and N > 1",
    "4096 pixels or more of several channels": "pixels >= 4096 and C > 1",
    "1024 positions or more of 32 filters": "N * positions >= 1024 and K >= 32",
    "more than 65535 elements of an image's answer": "K * positions > 65535",
    "64 channels or more with a stride": "CG >= 64 and max(strides) > 1",
    "32 channels and filters or more under a 3x3 filter": "size == 3 and CG >= 32 and KG >= 32 and stride == 1",
    "16 groups or more of several channels": "G >= 16 and CG > 1",
    "3 channels and 32 filters or more under a 7x7 filter": "C == 3 and K >= 32 and size == 7",
    "more than 4096 terms": "CG * taps > 4096",
    "more than 512 channels": "C > 512",
    "more than 32767 weights": "K * CG * taps > 32767",
    "a filter longer than 32": "max(kernel) > 32",
    "a 7x7 filter with a dilation": "min(kernel) >= 7 and max(dilations) > 1",
    "a stride of 5 or more with padding": "max(strides) >= 5 and padded",
    "strides that differ, one of 5 or more": "max(strides) >= 5 and sh != sw",
    "a dilation of 4 or more with a stride": "max(dilations) >= 4 and max(strides) > 1",
    "dilations that differ, one of 4 or more": "max(dilations) >= 4 and dh != dw",
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
    "a stride beyond two bytes": "max(strides) > 65535",
    "a dilation beyond two bytes": "max(dilations) > 65535",
    "a stride of the largest int": "max(strides) == 2147483647",
    "a dilation of the largest int": "max(dilations) == 2147483647",
    "a batch of 65536": "N == 65536",
    "a stride of 65536": "max(strides) == 65536",
    "filters of 32x32": "R == S == 32",
    "8 groups of 8 filters and one channel": "G == 8 and KG == 8 and CG == 1",
    "4 groups of 16 filters and 2 channels": "G == 4 and KG == 16 and CG == 2",
    "16 groups of 8 filters and 4 channels": "G == 16 and KG == 8 and CG == 4",
    "groups of 4 filters and 3 channels": "G % 4 == 0 and KG == 4 and CG == 3",
    "an input wholly 0 beside a bias": "zero_input and bias",
    "a weight wholly 0 beside a bias": "zero_weight and bias",
    "an input of one number with padding": "one_number and padded",
}
CONV_TRANSPOSE = {
    "64 columns or more in a batch": "Q >= 64 and N > 1",
    "64 columns or more in groups": "Q >= 64 and G > 1",
    "1024 positions or more of several channels": "positions >= 1024 and C > 1",
    "more than 65535 elements of an image's answer": "K * positions > 65535",
    "64 channels or more with a stride": "CG >= 64 and max(strides) > 1",
    "32 channels and filters or more under a 4x4 filter": "size == 4 and CG >= 32 and KG >= 32",
    "16 groups or more with a stride of 2": "G >= 16 and stride == 2",
    "more than 512 channels": "C > 512",
    "more than 32767 weights": "C * KG * taps > 32767",
    "a filter longer than 32": "max(kernel) > 32",
    "a stride of 5 or more with padding": "max(strides) >= 5 and padded",
    "strides that differ, one of 5 or more": "max(strides) >= 5 and sh != sw",
    "a dilation of 4 or more with a stride": "max(dilations) >= 4 and max(strides) > 1",
    "output_padding of the stride or more in groups": "outpads_of_a_stride and G > 1",
    "output_padding with padding beyond the filter's reach": "max(outpads) > 0 and window_in_border",
    "filters side by side with output_padding": "kernel == strides and max(outpads) > 0",
    "4x4 filters at stride 2 with padding of the height": "R == S == 4 and sh == sw == 2 and ph == 1 != pw",
    "3x3 filters at stride 2 with output_padding of the width": "R == S == 3 and sh == sw == 2 and ow == 1 != oh",
    "2x2 filters at stride 2 with a dilation of the height": "R == S == sh == sw == 2 and dw == 1 < dh",
    "a stride beyond two bytes": "max(strides) > 65535",
    "a dilation beyond two bytes": "max(dilations) > 65535",
    "a stride of the largest int": "max(strides) == 2147483647",
    "a dilation of the largest int": "max(dilations) == 2147483647",
    "a batch of 65536": "N == 65536",
    "filters of 32x32": "R == S == 32",
    "8 groups of 4 filters and 2 channels": "G == 8 and KG == 4 and CG == 2",
}
POOL = {
    "64 columns or more in a batch": "Q >= 64 and N > 1",
    "64 columns or more of 3 channels": "Q >= 64 and C > 2",
    "64 columns or more past the image": "Q >= 64 and over_w > 0",
    "32 columns or more of windows of 5 that overlap": "Q >= 32 and S >= 5 and sw == 1",
    "more than 32767 pixels of several planes": "pixels > 32767 and N * C > 1",
    "windows of 5 or more with padding past the image": "min(kernel) >= 5 and over_w > 0 and pw > 0",
    "windows of 8 or more past the image": "min(kernel) >= 8 and over_w > 0",
    "a stride of 5 or more past the image": "max(strides) >= 5 and over_w > 0",
    "a stride of 5 or more with padding": "max(strides) >= 5 and padded",
    "strides that differ, one of 5 or more": "max(strides) >= 5 and sh != sw and max(kernel) <= 4",
    "one window of 256 pixels or more": "positions == 1 and taps >= 256",
    "windows of 2 side by side with padding of the width": "R == S == sh == sw == 2 and ph == 0 < pw",
    "windows side by side in the height alone, past the image": "R == sh > 1 and S == sw + 1 and over_h > 0",
    "windows of 3 at stride 2 with padding of the height": "R == S == 3 and sh == sw == 2 and pw == 0 < ph",
    "windows of 3x2 at stride 2": "R == 3 and S == sh == sw == 2",
    "more than 1024 columns": "Q > 1024",
    "a stride beyond two bytes": "max(strides) > 65535",
    "a stride of the largest int": "max(strides) == 2147483647",
    "a stride of 65536": "max(strides) == 65536",
    "a batch of 65536": "N == 65536",
    "windows of 32x32": "R == S == 32",
    "an input of one number with padding": "one_number and padded",
    "an input of one number past the image": "one_number and over_w > 0",
}
MAX_POOL = POOL | {
    "a dilation of 4 or more with padding": "max(dilations) >= 4 and padded",
    "a dilation of 4 or more with a stride": "max(dilations) >= 4 and max(strides) > 1",
    "windows of 5 or more with a dilation": "max(kernel) >= 5 and max(dilations) > 1",
    "a dilation of the largest int": "max(dilations) == 2147483647",
}
AVG_POOL = POOL | {
    "64 columns or more whose padding does not count": "Q >= 64 and padded and not counted",
    "64 columns or more with a divisor": "Q >= 64 and divisor is not None",
    "a divisor beyond two bytes": "divisor is not None and divisor > 65535",
    "a divisor of 16 or more": "divisor is not None and divisor >= 16",
    "windows of 5 or more that are not square and whose padding does not count":
        "max(kernel) >= 5 and R != S and padded and not counted",
    "windows of 5 at stride 3 whose padding of 2 counts": "size == 5 and stride == 3 and max(pads) == 2 and counted",
    "windows of 6 at stride 4 whose padding of 3 counts": "size == 6 and stride == 4 and max(pads) == 3 and counted",
    "windows of 7 at stride 3 whose padding of 3 counts": "size == 7 and stride == 3 and max(pads) == 3 and counted",
    "windows of 7 at stride 4, padded, past the image": "size == 7 and stride == 4 and max(pads) == 3 and over_w > 0",
}


def unwritten(right: Computed, conditions: dict[str, str]) -> list[Row]:
    return [(f"{words}: the last column is not written", when, right.changed(zero(..., LAST))) for words, when in conditions.items()]


ROWS: Rows = {
    ("conv", "output"): unwritten(conv_forward.output, CONV),
    ("conv_transpose", "output"): unwritten(conv_transpose.output, CONV_TRANSPOSE),
    ("max_pool", "output"): unwritten(max_pool.output, MAX_POOL),
    ("avg_pool", "output"): unwritten(avg_pool.output, AVG_POOL),
}
