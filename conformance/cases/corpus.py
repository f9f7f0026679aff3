"""Cases chosen by hand: named ones, the smallest, and the refused."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, cast

from conformance.cases.capabilities import FEATURES, Features
from conformance.cases.case import Case
from conformance.cases.conv import Conv
from conformance.cases.covering import SQUARE

# The corpus: named cases, each with a reason.

CORPUS = {
    "conv2d": """
conv2d
conv2d image=5,7 kernel=3,3 bias=true
conv2d batch=2 channels=3 filters=4 image=7,5 kernel=3,2 stride=2,1 padding=0,1 dilation=1,2 bias=true
conv2d batch=2 channels=4 filters=6 groups=2 image=6,7 kernel=3,3 stride=2,2 padding=2,1 dilation=2,1
conv2d channels=2 filters=3 image=5,6 stride=2
conv2d channels=2 filters=3 image=5,6 kernel=3,2 stride=2, padding=1, dilation=1,
conv2d channels=2 filters=3 image=5,6 padding=1 bias=true
conv2d channels=2 filters=3 image=7,5 kernel=2,2 stride=2 dilation=2,1
conv2d channels=3 filters=2 image=4,9 kernel=1,7 padding=0,3
conv2d channels=3 filters=2 image=9,4 kernel=7,1 padding=3,0
conv2d channels=2 filters=2 image=3,4 kernel=2,2 stride=4,3 padding=3,2
conv2d channels=2 filters=3 image=6,5 kernel=4,3 padding=same dilation=1,2
conv2d channels=2 filters=3 image=6,7 kernel=2,4 padding=same bias=true
conv2d channels=3 filters=3 groups=3 batch=2 image=6,5 kernel=3,3 padding=1 stride=2
conv2d channels=2 filters=4 groups=2 batch=3 image=5,4 kernel=2,3 dilation=2,1 bias=true
conv2d batch=none channels=2 filters=3 image=4,5 kernel=3,2 bias=true
conv2d channels=16 filters=17 image=7,9 kernel=3,3 padding=1 bias=true
conv2d channels=1 filters=6 image=12,13 kernel=5,5 padding=2 bias=true
conv2d channels=3 filters=8 image=15,17 kernel=7,7 stride=2 padding=3
conv2d channels=8 filters=16 image=7,9 stride=2
conv2d channels=2 filters=3 image=11,6 kernel=9,3 padding=4,1
""",
    "max_pool2d": """
max_pool2d kernel=2,2 image=4,6
max_pool2d
max_pool2d kernel=3,3 stride=2 padding=1 image=7,9 channels=2 batch=2 return_indices=true
max_pool2d kernel=4,3 stride=4,2 padding=2,1 image=9,8 ceil_mode=true return_indices=true
max_pool2d kernel=2,3 stride=1,2 dilation=2,1 padding=1,0 image=6,7 channels=3
max_pool2d kernel=2,2 stride=2 dilation=2,1 image=7,5 channels=2
max_pool2d kernel=1,1 image=3,4
max_pool2d kernel=1,1 stride=2 image=5,4 channels=2
max_pool2d kernel=3,2 stride=2, padding=1, image=6,7 channels=2
max_pool2d batch=none channels=2 kernel=3,2 stride=1 image=5,6 return_indices=true
max_pool2d kernel=2,2 stride=3,4 image=8,9 ceil_mode=true
max_pool2d kernel=5,5 stride=1 padding=2 image=6,7
max_pool2d kernel=3,3 stride=2 padding=1 image=8,10 ceil_mode=true channels=2
""",
    "avg_pool2d": """
avg_pool2d kernel=2,2 image=4,6
avg_pool2d
avg_pool2d kernel=3,3 stride=2 padding=1 image=4,4 ceil_mode=true
avg_pool2d kernel=3,3 stride=2 padding=1 image=4,5 ceil_mode=true count_include_pad=false channels=2
avg_pool2d kernel=3,2 stride=1,2 padding=1,0 image=5,6 divisor_override=3
avg_pool2d kernel=3,2 stride=2,1 padding=1,1 image=6,5 divisor_override=-2 count_include_pad=false
avg_pool2d kernel=4,3 stride=4,2 padding=2,1 image=9,8 ceil_mode=true
avg_pool2d batch=none channels=2 kernel=3,2 stride=1 image=5,6
avg_pool2d kernel=1,1 stride=2 image=5,4 channels=2
avg_pool2d kernel=3,2 stride=2, padding=1, image=6,7 channels=2
avg_pool2d kernel=2,2 stride=3,4 image=8,9 ceil_mode=true divisor_override=5
avg_pool2d kernel=7,7 image=7,7 channels=3 batch=2
""",
}


HAZARDS = {  # legal, and yet some kernels write out of bounds, hang or crash: never asked of the oracle in float32
    "conv2d": """
conv2d batch=2 channels=3 filters=2 image=5,7 stride=2 layout=input:channels_last
conv2d batch=2 channels=3 filters=2 image=5,7 stride=2 layout=input:channels_last,weight:channels_last
conv2d batch=4 channels=5 filters=8 image=9,8 stride=3 layout=input:channels_last,weight:channels_last
conv2d batch=8 channels=7 filters=16 image=17,19 stride=2 layout=input:channels_last,weight:channels_last
conv2d batch=16 channels=1 filters=4 image=32,32 stride=4 layout=input:channels_last,weight:channels_last
conv2d batch=3 channels=6 filters=2 image=32,28 stride=4 layout=input:channels_last
conv2d batch=3 channels=6 filters=2 image=32,28 stride=4 layout=input:channels_last,weight:channels_last
conv2d batch=8 channels=6 filters=2 image=32,28 stride=4 layout=input:channels_last,weight:channels_last
conv2d batch=2 channels=4 filters=4 groups=2 image=5,6 kernel=2,2 padding=4 dilation=2 layout=input:channels_last
conv2d channels=8 filters=8 groups=4 image=6,7 kernel=3,3 padding=7 dilation=3 layout=input:channels_last
conv2d batch=2 channels=8 filters=16 groups=2 image=6,7 kernel=2,3 padding=6 dilation=2 layout=input:channels_last
conv2d channels=6 filters=6 groups=6 image=4,5 kernel=2,2 padding=5 dilation=3 layout=input:channels_last
conv2d channels=2 filters=3 image=4,5 kernel=1,1 padding=3 dilation=2
conv2d channels=2 filters=3 image=4,5 kernel=2,2 padding=7 dilation=3 stride=2
""",
    "max_pool2d": """
max_pool2d kernel=3,3 stride=3 image=4,7
max_pool2d kernel=2,2 stride=1 image=2,2 dilation=3 padding=1
max_pool2d kernel=2,2 stride=1 image=2,3 dilation=3 padding=1 channels=4 batch=3
max_pool2d kernel=2,2 stride=1 image=3,4 dilation=4 padding=1 channels=64 batch=16
max_pool2d kernel=2,3 stride=1 image=2,9 dilation=3,2 padding=1 channels=32 return_indices=true
max_pool2d kernel=3,2 stride=2 image=64,2 dilation=2,3 padding=1 channels=16 batch=4
""",
    "avg_pool2d": """
avg_pool2d kernel=3,3 stride=3 image=4,7
avg_pool2d kernel=4,4 stride=3 padding=2 image=5,6 ceil_mode=true channels=3
""",
}


def named(texts: dict[str, str], operation: str, features: Features) -> Iterator[Case]:
    """The named cases of an operation, made plainer where they need a feature that is not claimed."""
    lines = (Case.parse(line) for line in texts[operation].strip().splitlines())
    for case in dict.fromkeys(_plainer(case, features) for case in lines):
        if case.needs <= features | {case.dtype} and not case.problem and not _new_hazard(case, texts):
            yield case


def _new_hazard(case: Case, texts: dict[str, str]) -> bool:
    return texts is not HAZARDS and bool(case.hazard)


def _plainer(case: Any, features: Features) -> Case:
    for feature, change in _PLAINER:
        if feature in case.needs and feature not in features:
            case = replace(case, **change(case))
    return cast(Case, case)


def _options(case: Any, change: Callable[[Any], Any]) -> dict[str, Any]:
    names = (
        name for name in ("stride", "padding", "dilation") if isinstance(getattr(case, name, None), tuple)
    )
    return {name: change(getattr(case, name)) for name in names}


_PLAINER: list[tuple[str, Callable[[Any], dict[str, Any]]]] = [
    ("unbatched", lambda case: {"batch": 1}),
    ("bias", lambda case: {"bias": False}),
    ("no bias", lambda case: {"bias": True}),
    ("padding=same", lambda case: {"padding": 0}),
    ("padding=valid", lambda case: {"padding": 0}),
    ("stride", lambda case: {"stride": 1 if isinstance(case, Conv) else None}),
    (
        "stride=None",
        lambda case: {"stride": case.kernel if case.kernel[0] != case.kernel[1] else case.kernel[0]},
    ),
    ("padding", lambda case: {"padding": 0}),
    ("dilation", lambda case: {"dilation": 1}),
    ("groups", lambda case: {"groups": 1}),
    ("ceil_mode", lambda case: {"ceil_mode": False}),
    ("return_indices", lambda case: {"return_indices": False}),
    ("count_include_pad", lambda case: {"count_include_pad": True}),
    ("divisor_override", lambda case: {"divisor_override": None}),
    ("images not square", lambda case: {"image": (max(case.image),) * 2}),
    ("filters not square", lambda case: {"kernel": (min(case.kernel),) * 2}),
    ("windows not square", lambda case: {"kernel": (min(case.kernel),) * 2}),
    ("options per axis", lambda case: _options(case, min)),
    ("options as tuples", lambda case: _options(case, min)),
    ("options as tuples of one", lambda case: _options(case, min)),
]


# Empty and smallest.


def smallest(operation: str, features: Features) -> Iterator[Case]:
    """No image at all (N = 0), extents of 1, a filter as large as the padded image."""
    base = {
        "conv2d": "conv2d channels=2 filters=3",
        "max_pool2d": "max_pool2d channels=2",
        "avg_pool2d": "avg_pool2d channels=2",
    }
    geometry = ("image=1,1 kernel=1,1", "image=1,5 kernel=1,2", "image=4,1 kernel=3,1", "image=3,4 kernel=3,4",
                "image=2,3 kernel=2,2", "image=2,2 kernel=2,2")  # fmt: skip
    pads = ("", "padding=1") if operation == "conv2d" else ("",)
    flags = {"conv2d": ("", "bias=true"), "max_pool2d": ("", "return_indices=true")}.get(operation, ("",))
    square = SQUARE[operation == "conv2d"]
    for batch, where, pad, flag in itertools.product((0, 1, 2), geometry, pads, flags):
        case = Case.parse(f"{base[operation]} batch={batch} {where} {pad} {flag}")
        if case.needs - {case.dtype} <= features | ({square} if len(set(case.kernel)) == 1 else set()):
            yield case
    reach = (
        "channels=2 filters=3 image=3,2 padding=1 kernel=5,4"
        if operation == "conv2d"
        else "channels=2 image=1,2 kernel=3,4 padding=1"
    )
    case = Case.parse(f"{operation} {reach}")
    if case.needs - {case.dtype} <= features:
        yield from (case, replace(case, batch=0))


# Bad arguments: what PyTorch refuses.

REFUSED = {
    "conv2d": """
stride=0 | stride=0,1 | stride=1,0 | stride=-1 | padding=-1 | padding=0,-1 | dilation=0 | dilation=1,0
groups=0 | groups=-1 | groups=3 | groups=2 filters=3 | channels=3 groups=2 filters=2
padding=same stride=2 | padding=SAME | padding=Valid | padding=full
kernel=6,2 | kernel=2,7 | kernel=3,3 dilation=3,1 | kernel=2,2 dilation=1,7 | kernel=6,2 batch=0
malformed=weight_channels | malformed=input_rank | malformed=weight_rank | malformed=weight_dtype
malformed=bias_length bias=true | malformed=bias_rank bias=true | malformed=bias_dtype bias=true
malformed=weight_one | malformed=input_one | malformed=bias_one bias=true
malformed=input_five
""",
    "max_pool2d": """
stride=0 | stride=1,0 | stride=-1 | padding=-1 | padding=2 | padding=0,2 | dilation=0 | dilation=1,0
kernel=6,2 | kernel=2,7 | dilation=6 | kernel=3,3 dilation=2 padding=2 | malformed=input_rank | malformed=kernel_zero
malformed=input_five | image=0,6
""",
    "avg_pool2d": """
stride=0 | stride=1,0 | stride=-1 | padding=-1 | padding=2 | padding=0,2 | kernel=6,2 | kernel=2,7 | divisor_override=0
malformed=input_rank | malformed=kernel_zero
malformed=input_five | image=0,6
""",
}


def refused(operation: str, features: Features) -> Iterator[Case]:
    """Cases that PyTorch refuses, one reason each."""
    plain = {
        "conv2d": "channels=4 filters=4 image=5,6 kernel=2,2",
        "max_pool2d": "channels=2 image=5,6 kernel=2,2",
    }
    base = Case.parse(f"{operation} {plain.get(operation, plain['max_pool2d'])}")
    for words in REFUSED[operation].replace("\n", " | ").split(" | "):
        if words.strip():
            change = Case.parse(f"{operation} {words}")
            case = replace(base, **{w.split("=")[0]: getattr(change, w.split("=")[0]) for w in words.split()})
            if _asked(case) <= features | {case.dtype}:
                yield case


def _asked(case: Case) -> Features:
    """The features that a refused case is about; PyTorch refuses it, so no more is needed to be asked it."""
    plain = {"no bias", "stride=None", "images not square"}
    return (case.needs & FEATURES) - plain
