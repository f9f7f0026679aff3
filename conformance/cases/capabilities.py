"""The features that a case can need and a kernel can claim, and the plain case that shows each."""

from __future__ import annotations

Features = frozenset[str]


def features_of(operation: str) -> Features:
    """Every feature that a case of an operation can need, dtypes apart."""
    return FEATURES & _FAMILY_FEATURES[operation]


_POOL = {
    "stride",
    "stride=None",
    "padding",
    "ceil_mode",
    "unbatched",
    "options per axis",
    "options as tuples",
    "options as tuples of one",
    "images not square",
    "windows not square",
    "defaults",
}
_FAMILY_FEATURES: dict[str, set[str]] = {
    "conv2d": {
        "bias", "no bias", "stride", "padding", "dilation", "groups", "padding=same", "padding=valid", "unbatched",
        "options per axis", "options as tuples", "options as tuples of one", "filters not square", "images not square",
        "defaults",
    },
    "max_pool2d": _POOL | {"dilation", "return_indices"},
    "avg_pool2d": _POOL | {"count_include_pad", "divisor_override"},
}  # fmt: skip
FEATURES: Features = frozenset().union(*_FAMILY_FEATURES.values())

PROBES = {  # a plain case of each feature that a signature cannot tell: a kernel that refuses it does not claim it
    "conv2d": {
        "unbatched": "conv2d batch=none image=3,4 kernel=2,2",
        "padding=same": "conv2d image=3,4 kernel=3,3 padding=same",
        "padding=valid": "conv2d image=3,4 kernel=2,2 padding=valid",
        "options per axis": "conv2d image=5,6 kernel=2,2 stride=1,2",
        "options as tuples": "conv2d image=5,6 kernel=2,2 stride=2,2",
        "options as tuples of one": "conv2d image=5,6 kernel=2,2 stride=2,",
        "images not square": "conv2d image=4,6 kernel=2,2",
        "filters not square": "conv2d image=3,4 kernel=2,1",
        "no bias": "conv2d image=3,4 kernel=2,2",
    },
    "max_pool2d": {
        "unbatched": "max_pool2d batch=none image=4,6 kernel=2,2",
        "stride=None": "max_pool2d image=4,6 kernel=2,2",
        "options per axis": "max_pool2d image=5,6 kernel=2,2 stride=1,2",
        "options as tuples": "max_pool2d image=5,6 kernel=2,2 stride=2,2",
        "options as tuples of one": "max_pool2d image=5,6 kernel=2,2 stride=2,",
        "images not square": "max_pool2d image=4,6 kernel=2,2",
        "windows not square": "max_pool2d image=4,6 kernel=2,1",
    },
    "avg_pool2d": {
        "unbatched": "avg_pool2d batch=none image=4,6 kernel=2,2",
        "stride=None": "avg_pool2d image=4,6 kernel=2,2",
        "options per axis": "avg_pool2d image=5,6 kernel=2,2 stride=1,2",
        "options as tuples": "avg_pool2d image=5,6 kernel=2,2 stride=2,2",
        "options as tuples of one": "avg_pool2d image=5,6 kernel=2,2 stride=2,",
        "images not square": "avg_pool2d image=4,6 kernel=2,2",
        "windows not square": "avg_pool2d image=4,6 kernel=2,1",
    },
}

DECLINED = {  # options that a signature names, and a kernel may yet decline: by NotImplementedError, nothing else
    "conv2d": {
        "bias": "conv2d image=3,4 kernel=2,2 bias=true",
        "stride": "conv2d image=5,6 kernel=2,2 stride=2",
        "padding": "conv2d image=3,4 kernel=2,2 padding=1",
        "dilation": "conv2d image=5,6 kernel=2,2 dilation=2",
        "groups": "conv2d channels=2 image=3,4 kernel=2,2 filters=2 groups=2",
    },
    "max_pool2d": {
        "stride": "max_pool2d image=5,6 kernel=2,2 stride=3",
        "padding": "max_pool2d image=4,6 kernel=2,2 stride=2 padding=1",
        "dilation": "max_pool2d image=5,7 kernel=2,2 stride=2 dilation=2",
        "ceil_mode": "max_pool2d image=5,7 kernel=2,2 stride=2 ceil_mode=true",
        "return_indices": "max_pool2d image=4,6 kernel=2,2 stride=2 return_indices=true",
    },
    "avg_pool2d": {
        "stride": "avg_pool2d image=5,6 kernel=2,2 stride=3",
        "padding": "avg_pool2d image=4,6 kernel=2,2 stride=2 padding=1",
        "ceil_mode": "avg_pool2d image=5,7 kernel=2,2 stride=2 ceil_mode=true",
        "count_include_pad": "avg_pool2d image=4,6 kernel=2,2 stride=2 padding=1 count_include_pad=false",
        "divisor_override": "avg_pool2d image=4,6 kernel=2,2 stride=2 divisor_override=3",
    },
}
