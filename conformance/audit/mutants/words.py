"""The words in which a mutant says where it can show, for any number of image axes.

The last axis is the width, the one before it the height, the one before that the depth. A row that names the height
does not exist for an operation of one axis: the words tell.
"""

from __future__ import annotations

import builtins
import functools
import math
import re
from collections.abc import Callable, Iterator, Mapping
from types import CodeType
from typing import Any

import numpy as np

from conformance.cases import Case
from conformance.cases.arrays import Arrays


def reach(case: Any) -> tuple[int, ...]:
    """Extents of the dilated kernel."""
    return tuple(d * (k - 1) + 1 for d, k in zip(case.dilations, case.kernel, strict=True))


def paddings(case: Any) -> tuple[int, ...]:
    """Padding before each axis."""
    return tuple(low for low, _ in case.pads)


def _rest(case: Any) -> tuple[int, ...]:
    """Pixels of each axis of the padded image (of an adjoint: answer) past the last window."""
    axes = zip(case.plane, reach(case), case.strides, case.borders, case.windows, strict=True)
    return tuple(n + low + high - ((o - 1) * s + r) for n, r, s, (low, high), o in axes)


def _past(case: Any) -> tuple[int, ...]:
    """The same of the image without its padding."""
    return tuple(rest - p for rest, p in zip(_rest(case), paddings(case), strict=True))


def _overhang(case: Any) -> tuple[int, ...]:
    """How far ceil_mode's last window reaches over the padded image."""
    return tuple(border - pad for (_, border), (_, pad) in zip(case.borders, case.pads, strict=True))


def _any(above: Callable[[int, int], bool], *sides: Callable[[Any], tuple[int, ...]]) -> Callable[[Any], bool]:
    """Whether some axis has one number above another."""
    return lambda case: any(map(above, *(side(case) for side in sides)))


def _same_along_all(extents: tuple[int, ...]) -> int:
    """The number that all axes have; 0 where they differ."""
    return extents[0] if len(set(extents)) == 1 else 0


# One number an axis; the words of the depth, the height and the width.
AXES: dict[str, tuple[Callable[[Any], tuple[int, ...]], str]] = {
    "image": (lambda case: case.image, "D H W"),
    "kernel": (lambda case: case.kernel, "T R S"),
    "outputs": (lambda case: case.output_extents, "Z P Q"),
    "strides": (lambda case: case.strides, "sd sh sw"),
    "pads": (paddings, "pd ph pw"),
    "dilations": (lambda case: case.dilations, "dd dh dw"),
    "outpads": (lambda case: case.axes(case.output_padding), "od oh ow"),
    "reach": (reach, "reach_d reach_h reach_w"),
    "rest": (_rest, "rest_d rest_h rest_w"),
    "past": (_past, "past_d past_h past_w"),
    "over": (_overhang, "over_d over_h over_w"),
}
OF_CASE: dict[str, Callable[[Any], Any]] = {
    "N": lambda case: 1 if case.batch is None else case.batch,
    "unbatched": lambda case: case.batch is None,
    "C": lambda case: case.channels,
    "K": lambda case: case.filters,
    "G": lambda case: case.groups,
    "CG": lambda case: case.channels // case.groups,
    "KG": lambda case: case.filters // case.groups,
    "depthwise": lambda case: case.groups == case.channels > 1,
    "bias": lambda case: case.bias,
    "same": lambda case: case.padding == "same",
    "default_stride": lambda case: case.stride is None,
    "ceil": lambda case: case.ceil_mode,
    "counted": lambda case: case.count_include_pad,
    "resized": lambda case: case.output_size is not None,
    "p": lambda case: case.norm_type,
    "divisor": lambda case: case.divisor_override,
    "dtype": lambda case: case.dtype,
    "taps": lambda case: math.prod(case.kernel),
    "positions": lambda case: math.prod(case.output_extents),
    "pixels": lambda case: math.prod(case.image),
    "size": lambda case: _same_along_all(case.kernel),  # of the kernel; 0 where it is not square
    "stride": lambda case: _same_along_all(case.strides),  # 0 where they differ
    "gap": lambda case: isinstance(case.output_size, tuple) and None in case.output_size,  # an axis keeps its extent
    "shared": lambda case: any(o and n % o for n, o in zip(case.image, case.output_extents, strict=True)),  # adaptive windows share pixels
    "fewer": lambda case: any(n < o for n, o in zip(case.image, case.output_extents, strict=True)),  # pixels than windows, along an axis
    "several": lambda case: any(n > o for n, o in zip(case.image, case.output_extents, strict=True)),  # pixels in a window
    "padded": lambda case: any(map(any, case.borders)),
    "even": lambda case: any(k % 2 == 0 for k in case.kernel),
    "even_reach": lambda case: any(r % 2 == 0 for r in reach(case)),
    # Some axis on which ...
    "overlap": _any(lambda s, r: s < r, lambda case: case.strides, reach),  # windows overlap
    "gaps": _any(lambda s, k: s > k, lambda case: case.strides, lambda case: case.kernel),  # windows leave pixels between them
    "outpads_of_a_stride": _any(lambda more, s: more >= s, lambda case: case.axes(case.output_padding), lambda case: case.strides),
    "ragged": _any(lambda k, s: k > s and k % s != 0, lambda case: case.kernel, lambda case: case.strides),  # the kernel is no multiple of the stride
    "padding_of_a_filter": _any(lambda p, k: p >= k, paddings, lambda case: case.kernel),  # a kernel fits into the padding
    "window_in_border": _any(lambda p, r: p >= r, paddings, reach),  # a whole window lies in the padding
    "overhang": _any(lambda over, p: over > p, _overhang, paddings),  # ceil_mode reaches further than the padding is long
    # The kernel is as large as the padded image.
    "covers": lambda case: reach(case) == tuple(n + 2 * p for n, p in zip(case.plane, paddings(case), strict=True)),
}
OF_ARRAYS: dict[str, Callable[[Arrays], bool]] = {
    "nan": lambda arrays: any(np.isnan(array).any() for array in arrays.values()),
    "infinite": lambda arrays: any(np.isinf(array).any() for array in arrays.values()),
    "repeats": lambda arrays: any(len(set(plane)) < len(plane) for plane in _planes(arrays["indices"])),  # indices of one plane
    "zero_input": lambda arrays: not arrays["input"].any(),
    "zero_weight": lambda arrays: not arrays["weight"].any(),
    "one_number": lambda arrays: len(np.unique(arrays["input"])) == 1 < arrays["input"].size,
    "ties": lambda arrays: len(np.unique(arrays["input"])) < arrays["input"].size,
}


def _planes(array: np.ndarray[Any, Any]) -> list[list[Any]]:
    """The elements of each plane, of an array with a batch axis."""
    flat: list[list[Any]] = array.reshape(math.prod(array.shape[:2]), math.prod(array.shape[2:])).tolist()
    return flat


AXIS_OF = {word: (read, axis) for read, words in AXES.values() for axis, word in zip((-3, -2, -1), words.split(), strict=True)}
WORDS = frozenset(AXES) | frozenset(AXIS_OF) | frozenset(OF_CASE) | frozenset(OF_ARRAYS)

_BUILTINS = {"__builtins__": {name: getattr(builtins, name) for name in ("max", "min")}}


def shows(when: str, case: Case, arrays: Arrays) -> bool:
    """Whether a case meets the condition: an expression of this package, of no user."""
    return bool(eval(_compiled(when), _BUILTINS, _Words(case, arrays)))


def axes_named(when: str) -> int:
    """How many image axes an operation must have for these words to mean something."""
    return max((-AXIS_OF[word][1] for word in re.findall(r"\w+", when) if word in AXIS_OF), default=1)


class _Words(Mapping[str, Any]):
    """The words of one case, each worked out when it is read."""

    def __init__(self, case: Case, arrays: Arrays) -> None:
        self.case, self.arrays = case, arrays

    def __getitem__(self, word: str) -> Any:
        if word in AXIS_OF:
            read, axis = AXIS_OF[word]
            return read(self.case)[axis]
        if word in AXES:
            return AXES[word][0](self.case)
        return OF_CASE[word](self.case) if word in OF_CASE else OF_ARRAYS[word](self.arrays)

    def __iter__(self) -> Iterator[str]:
        return iter(WORDS)

    def __len__(self) -> int:
        return len(WORDS)


@functools.cache
def _compiled(expression: str) -> CodeType:
    return compile(expression, "<when>", "eval")
