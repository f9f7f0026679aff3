"""Sizes: tails around the blocks of fast kernels, long options, several large extents at once, layers of networks."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from conformance.cases.capabilities import Features
from conformance.cases.case import FAMILIES, Case
from conformance.cases.conv import Conv
from conformance.cases.covering import (
    Classes,
    Row,
    as_claimed,
    build,
    classes_of,
    forms,
    image_extent,
)

BLOCKS = (4, 8, 16, 32, 64)
BEYOND = (128, 257)  # larger blocks fit exactly, and leave a tail; more than a byte counts
LONG = (513, 1025)  # of an image that is thin otherwise: one beyond what a block of threads holds
LARGE = (7, 8, 9, 12, 15, 16, 17, 23, 24, 31, 32, 33, 48)  # extents that a kernel may take its fast path for
PRODUCTS = 200_000  # multiplications of a forward: a kernel of plain loops must not take seconds


def tails(
    operation: str, features: Features, blocks: tuple[int, ...] = BLOCKS, beyond: tuple[int, ...] = ()
) -> Iterator[Case]:
    """Every extent that a kernel may block over, just under, at and just over a block, the others small."""
    near = {block + off for block in blocks for off in (-1, 0, 1)} | {
        7 * block // 4 for block in blocks if block < 32
    }
    for seed, n in enumerate(sorted(near | set(beyond))):
        for name in ("width", "height", "channels", "filters", "batch"):
            yield from _claimed(_tail(operation, name, n, seed), features)
    for n, name in itertools.product(LONG if beyond else (), ("width", "height")):
        thin: dict[str, Any] = (
            {"channels": 1, "filters": 2} if issubclass(FAMILIES[operation], Conv) else {"channels": 1}
        )
        yield from (replace(case, **thin) for case in _claimed(_tail(operation, name, n, n), features))


def _tail(operation: str, name: str, n: int, seed: int) -> Iterator[Case]:
    extents = {"width": 5, "height": 4, "channels": 2, "filters": 3, "batch": 1} | {name: n}
    image = (extents["height"], extents["width"])
    fields: dict[str, Any] = {"batch": extents["batch"], "channels": extents["channels"], "seed": seed}
    strided = tuple(2 * extent + 1 if extent == n else extent + 2 for extent in image)
    if issubclass(FAMILIES[operation], Conv):
        case = Conv(operation=operation, **fields, image=image, filters=extents["filters"])
        yield replace(case, kernel=(3, 3), padding=1, bias=True)
        yield replace(case, kernel=(3, 3), image=(image[0] + 2, image[1] + 2))
        yield case
        if name == "channels":
            yield replace(case, kernel=(3, 3), padding=1, groups=n, filters=n)
        if name in ("width", "height"):
            yield replace(case, kernel=(3, 3), image=strided, stride=2, padding=1)
    elif name != "filters":
        pool = FAMILIES[operation](operation=operation, **fields, image=image, kernel=(2, 2))
        for change in (
            {"stride": None},
            {"stride": 1},
            {"stride": 2},
            {"kernel": (3, 3), "stride": 2, "padding": 1},
        ):
            grown = image if change["stride"] == 1 else strided
            yield replace(pool, image=grown, **change)


def reaches(operation: str, features: Features) -> Iterator[Case]:
    """Each option by itself large: filters longer than an unrolled loop, strides, dilations, padding."""
    for seed, n in enumerate((4, 5, 6, 7, 8, 9, 12, 17)):
        yield from _claimed(_reach(operation, n, seed), features)


def _reach(operation: str, n: int, seed: int) -> Iterator[Case]:
    family: Any = FAMILIES[operation]
    plain = family(operation=operation, channels=2, image=(n + 2, n + 4), kernel=(3, 3), seed=seed)
    if issubclass(family, Conv):
        plain = replace(plain, filters=3)
    stride = 1 if issubclass(family, Conv) else 2
    yield replace(plain, kernel=(n, 2), stride=stride)
    yield replace(plain, kernel=(2, n), stride=stride)
    yield replace(plain, kernel=(n, n), stride=stride)
    if issubclass(family, Conv):
        yield from (replace(plain, kernel=kernel) for kernel in ((1, n), (n, 1)))
    yield replace(plain, stride=n, image=(2 * n + 3, 2 * n + 5))
    if issubclass(family, Conv):
        yield replace(plain, padding=n, image=(4, 5))
    else:
        yield replace(plain, kernel=(n, n), padding=n // 2, stride=2)
    if hasattr(plain, "dilation"):
        yield replace(plain, dilation=n, image=(2 * n + 3, 2 * n + 4), stride=1)


def far(operation: str, features: Features) -> Iterator[Case]:
    """Options and windows that no byte holds, signed or not, along one axis, with more than one window and tap.

    Then options that two bytes do not hold either.
    """
    family: Any = FAMILIES[operation]
    plain = family(operation=operation, channels=2, kernel=(2, 2), stride=1)
    if issubclass(family, Conv):
        plain = replace(plain, filters=2)
    for seed, (n, axis) in enumerate(itertools.product((130, 260), (0, 1))):
        changes: list[dict[str, Any]] = [
            {"stride": (n, 1), "image": (n + 4, 3)},
            {"kernel": (n, 2), "image": (n + 3, 4)},
        ]
        if hasattr(plain, "dilation"):
            changes.append({"dilation": (n, 1), "image": (n + 3, 4)})
        if issubclass(family, Conv):
            changes += [{"padding": (n, 0), "image": (3, 4), "stride": stride} for stride in (1, 2)]
            changes += [change | {"groups": 2} for change in changes]
        else:
            changes.append({"kernel": (n, 2), "padding": (n // 2, 0), "stride": 2, "image": (n + 3, 4)})
        for change in changes:
            yield from _claimed(iter([replace(plain, **_turned(change, axis), seed=seed)]), features)
    n = 70_000
    farther: list[dict[str, Any]] = [{"stride": (n, 1), "image": (n + 4, 3)}]
    if hasattr(plain, "dilation"):
        farther.append({"dilation": (n, 1), "image": (n + 3, 4)})
    if issubclass(family, Conv):
        farther.append({"padding": (n, 0), "image": (3, 4), "stride": (n, 1)})
    if hasattr(plain, "divisor_override"):
        farther.append({"divisor_override": n, "image": (4, 5)})
    if "images not square" not in features:
        return  # a square of that is more than a machine has
    for seed, (change, axis) in enumerate(itertools.product(farther, (0, 1))):
        case = replace(plain, **_turned(change, axis), channels=1, seed=seed)
        yield from _claimed(iter([case]), features)


def _turned(change: dict[str, Any], axis: int) -> dict[str, Any]:
    """The change of the height, or the same of the width."""
    return {k: v[::-1] if axis and isinstance(v, tuple) else v for k, v in change.items()}


Extent = int | tuple[int, int]  # of the height and of the width, 0 where it is left open
EXTREMES: dict[str, list[dict[str, Extent]]] = {  # classes beyond those of covering arrays
    "conv2d": [
        {"output": (0, 65)}, {"output": (64, 0)}, {"output": (32, 33)}, {"output": (64, 66)},
        {"channels": 64}, {"filters": 64}, {"channels": 32, "filters": 32}, {"batch": 16},
        {"kernel": (5, 7)}, {"kernel": (7, 7)}, {"kernel": (0, 33)},
        {"stride": (5, 5)}, {"stride": (0, 5)}, {"dilation": (4, 4)}, {"dilation": (0, 4)},
    ],
    "pool": [
        {"output": (0, 65)}, {"output": (64, 0)}, {"output": (32, 33)}, {"output": (64, 66)},
        {"channels": 16}, {"batch": 16}, {"divisor_override": 7}, {"divisor_override": 16}, {"divisor_override": -100},
        {"kernel": (5, 5)}, {"kernel": (5, 6)}, {"kernel": (8, 8)}, {"kernel": (0, 17)}, {"kernel": (33, 0)},
        {"kernel": (8, 8), "ceil_mode": True},
        {"kernel": (5, 5), "output": (0, 33)}, {"kernel": (5, 5), "output": (0, 33), "stride": (1, 1)},
        {"stride": (5, 5)}, {"stride": (0, 5)}, {"dilation": (4, 4)}, {"dilation": (0, 4)},
    ],
}  # fmt: skip


def crossed(operation: str, features: Features) -> Iterator[Case]:
    """Every extreme with every class of every other parameter: a general path, or a fast one, with each option."""
    rng = random.Random(operation)
    for form in forms(operation, features)[:2]:
        classes = classes_of(operation, form, features)
        for extreme in EXTREMES.get(operation, EXTREMES["pool"]):
            fixed = {
                name: n for of, extents in extreme.items() for name, n in _named(of, extents, classes).items()
            }
            if any(len(classes.get(name, ())) < 2 for name in fixed):
                continue  # not claimed
            others = {name: rng.sample(of, len(of)) for name, of in classes.items() if name not in fixed}
            for number in range(max(map(len, others.values()))):
                row = {name: of[number % len(of)] for name, of in others.items()}
                if case := _beside(operation, form, fixed, row, number):
                    yield as_claimed(case, features)


def _named(name: str, extents: Extent, classes: Classes) -> dict[str, int]:
    """The classes that hold an extreme: one of each axis, or the one that both share."""
    if isinstance(extents, int):
        return {name: extents}
    names = (f"{name} {axis}" if f"{name} {axis}" in classes else f"{name} " for axis in "hw")
    return {name: n for name, n in zip(names, extents, strict=True) if n}


def _beside(operation: str, form: str, fixed: Row, row: Row, seed: int) -> Case | None:
    """The case of these classes, extents that are not fixed made smaller until a forward has few enough products."""
    while products(case := build(operation, form, row | fixed, seed)) > PRODUCTS:
        widest = max((n for n in row if n.startswith(_EXTENTS)), key=lambda name: int(row[name]))
        if row[widest] == 1:
            return None  # the extreme alone has too many
        row = row | {widest: row[widest] - 1}
    return case


_EXTENTS = ("output", "kernel", "channels", "filters")


def mixed(operation: str, features: Features, count: int, seed: int) -> Iterator[Case]:
    """Two or three large extents at once, with options drawn at random: fast paths that need several conditions."""
    rng = random.Random(f"{operation} {seed}")
    possible = [(form, classes_of(operation, form, features)) for form in forms(operation, features)]
    for number in range(count):
        form, classes = rng.choice(possible)
        row = {name: rng.choice(values) for name, values in classes.items()}
        large: list[str] = [n for n in ("output h", "output w", "channels", "filters", "batch") if n in row]
        large = rng.sample(large, rng.choice([2, 2, 3]))
        row |= {name: rng.choice(LARGE) for name in large}
        yield as_claimed(_within(operation, form, row, seed + number, large), features)


def _within(operation: str, form: str, row: dict[str, Any], seed: int, large: list[str]) -> Case:
    """The case of these classes, its largest extents halved until a forward has few enough products."""
    while products(case := build(operation, form, row, seed)) > PRODUCTS:
        widest = max(large, key=lambda name: int(row[name]))
        row = (
            row | {name: 1 for name in row if name.startswith(("kernel", "dilation"))}
            if row[widest] < 12
            else row
        )
        row = row | {widest: row[widest] // 2 + 1}
    return case


def products(case: Case) -> int:
    """Multiplications (or comparisons) of a forward."""
    return math.prod(case.shapes["grad_output"]) * case.terms("output")


# Layers of networks.

FILTERS = """
kernel=3,3 padding=1 | kernel=3,3 stride=2 padding=1 | kernel=1,1 | kernel=1,1 stride=2
kernel=5,5 padding=2 | kernel=5,5 stride=2 padding=2 | kernel=7,7 padding=3 | kernel=7,7 stride=2 padding=3
kernel=2,2 stride=2 | kernel=4,4 stride=4 | kernel=4,4 stride=2 padding=1 | kernel=11,11 stride=4 padding=2
kernel=3,3 padding=2 dilation=2 | kernel=3,3 padding=4 dilation=4 | kernel=3,3 padding=same | kernel=1,7 padding=0,3
"""
WINDOWS = """
kernel=2,2 | kernel=2,2 stride=1 | kernel=3,3 stride=2 | kernel=3,3 stride=2 padding=1 | kernel=3,3 | kernel=4,4
kernel=3,3 stride=2 ceil_mode=true | kernel=3,3 stride=2 padding=1 ceil_mode=true | kernel=2,2 ceil_mode=true
kernel=3,3 stride=1 padding=1 | kernel=5,5 stride=1 padding=2 | kernel=9,9 stride=1 padding=4 | kernel=8,8
kernel=8,8 stride=1
"""
WIDTHS = {  # input channels, filters and groups: what vector units like, and few and many of either
    "conv2d": ((3, 32, 1), (4, 4, 1), (8, 8, 1), (16, 16, 1), (8, 32, 1), (32, 1, 1), (1, 32, 1), (32, 32, 1),
               (16, 16, 4), (32, 48, 8), (32, 32, 16), (16, 16, 16), (8, 16, 8)),
    "max_pool2d": ((3,), (8,), (32,)),
    "avg_pool2d": ((3,), (8,), (32,)),
}  # fmt: skip
ALIKE = {  # for look-alikes: ungrouped, groups of several, of one
    "conv2d": (slice(8), slice(8, 11), slice(11, None)),
    "max_pool2d": (slice(None), slice(None)),
    "avg_pool2d": (slice(None), slice(None)),
}
SIDES = (7, 8, 14, 16)  # of a square answer
FLAGS: dict[str, list[dict[str, Any]]] = {
    "conv2d": [{}, {"bias": True}],
    "max_pool2d": [{"return_indices": True}, {}],
    "avg_pool2d": [{}, {"count_include_pad": False}, {"divisor_override": 3}],
}


def _networks(operation: str) -> list[str]:
    return (FILTERS if operation.startswith("conv") else WINDOWS).strip().replace("\n", " | ").split(" | ")


def layers(operation: str, features: Features) -> Iterator[Case]:
    """Every filter or window that networks are made of with every width; square images, batches of 1 to 8."""
    rng = random.Random(operation)
    for seed, (form, width) in enumerate(itertools.product(_networks(operation), WIDTHS[operation])):
        fields: dict[str, Any] = dict(zip(("channels", "filters", "groups"), width, strict=False))
        fields |= rng.choice(FLAGS[operation]) | {"batch": rng.choice((1, 2, 4, 8)), "seed": seed}
        plain = replace(Case.parse(f"{operation} {form}"), **fields)
        unread = getattr(plain, "ceil_mode", False) or rng.choice((0, 1))  # what ceil_mode is there for
        yield from _claimed(iter([_square(plain, rng.choice(SIDES), int(unread))]), features)


def _square(plain: Any, side: int, unread: int) -> Case:
    """With a square answer, smaller where a kernel of plain loops would take long; the stride leaves pixels or none."""
    image = (image_extent(side, k, s, pads, d, unread * (s - 1)) for k, s, pads, d in plain.geometry)
    case = replace(plain, image=tuple(image))
    return _square(plain, side // 2, unread) if products(case) > PRODUCTS // 2 and side > 1 else case


def lookalikes(operation: str, features: Features) -> Iterator[Case]:
    """The same forms with one option another, along one axis or both: what a fast path must not take for its own."""
    rng = random.Random(operation)
    for seed, (form, of) in enumerate(itertools.product(_networks(operation), ALIKE[operation])):
        width = rng.choice(WIDTHS[operation][of])
        fields: dict[str, Any] = dict(zip(("channels", "filters", "groups"), width, strict=False))
        plain = replace(Case.parse(f"{operation} {form}"), **fields, batch=rng.choice((1, 2)), seed=seed)
        for change in _changes(plain):
            case = replace(plain, **change)
            axes = zip(rng.sample((2, 3, 4), 2), case.geometry, strict=True)
            image = (image_extent(n, k, s, pads, d, rng.randrange(s)) for n, (k, s, pads, d) in axes)
            case = replace(case, image=tuple(image))
            yield from _claimed(iter([] if case.problem else [case]), features)


def _changes(case: Any) -> Iterator[dict[str, Any]]:
    """Options of this case that are one more along the height, the width or both, and each flag; nothing at all."""
    for name in ("kernel", "stride", "padding", "dilation"):
        option = getattr(case, name, "")
        for more in ((1, 0), (0, 1), (1, 1)) if not isinstance(option, str) else ():
            given = case.strides if option is None else case.axes(option)
            yield {name: tuple(n + m for n, m in zip(given, more, strict=True))}
    flags = {"bias": True, "batch": None, "ceil_mode": True, "return_indices": True, "count_include_pad": False,
             "divisor_override": 3}  # fmt: skip
    for flag in ({}, *({name: value} for name, value in flags.items() if hasattr(case, name))):
        yield from (flag, flag)  # on two images: the pixels past the last window are others


LAYERS = {  # layers of real networks, thinner than they are: every extent and option as in the network, fewer channels
    "conv2d": """
conv2d channels=3 filters=4 image=28,29 kernel=7,7 stride=2 padding=3
conv2d channels=4 filters=7 image=28,28 kernel=3,3 padding=1
conv2d channels=32 filters=16 image=14,14
conv2d channels=24 filters=32 image=14,14 stride=2
conv2d channels=32 filters=32 image=14,14 kernel=3,3 padding=1 groups=32
conv2d channels=32 filters=32 image=15,15 kernel=3,3 stride=2 padding=1 groups=32
conv2d channels=1 filters=6 image=28,28 kernel=5,5 padding=2 bias=true
conv2d channels=6 filters=13 image=14,14 kernel=5,5 bias=true
conv2d channels=8 filters=4 image=17,33 kernel=3,3 padding=2 dilation=2
conv2d channels=64 filters=17 image=4,5 kernel=3,3 padding=1
conv2d channels=130 filters=67 image=3,2 batch=2 bias=true
conv2d channels=300 filters=5 image=3,2 kernel=3,3 padding=1
conv2d batch=9 channels=8 filters=8 image=1,1 bias=true
conv2d batch=257 filters=257
conv2d image=257,259 kernel=3,3 stride=2 padding=1
conv2d batch=2 channels=2 filters=2 image=200,201 kernel=2,2 stride=3
conv2d filters=65 image=32,32 bias=true
conv2d image=257,257 kernel=1,2
conv2d channels=456 filters=2 image=3,4 kernel=3,3
conv2d channels=64 filters=64 image=3,4 kernel=3,3
conv2d channels=513 filters=2 image=3,4 stride=2
conv2d batch=65537
""",
    "max_pool2d": """
max_pool2d kernel=3,3 stride=2 padding=1 image=56,56 channels=2
max_pool2d kernel=2,2 image=28,28 channels=6 batch=2
max_pool2d kernel=2,2 stride=2 image=33,31 channels=33
max_pool2d kernel=2,2 image=257,259 return_indices=true
max_pool2d kernel=1,2 image=1,2 batch=257 channels=256
max_pool2d kernel=8,8 image=8,8 channels=17 batch=2
max_pool2d kernel=16,16 image=16,16 channels=3
max_pool2d kernel=2,2 image=200,201 channels=2
max_pool2d kernel=17,16 image=17,18 channels=2 return_indices=true
max_pool2d kernel=1,1 batch=65537
""",
    "avg_pool2d": """
avg_pool2d kernel=3,3 stride=2 padding=1 image=56,56 channels=2
avg_pool2d kernel=2,2 image=28,28 channels=6 batch=2
avg_pool2d kernel=7,7 image=7,7 channels=65
avg_pool2d kernel=16,16 image=16,16 channels=3
avg_pool2d kernel=2,2 image=200,201 channels=2
avg_pool2d kernel=2,2 image=257,259
avg_pool2d kernel=1,2 image=1,2 batch=257 channels=256
avg_pool2d kernel=1,1 batch=65537
""",
}


BUSY = {  # worth a packed weight, a workspace that is kept, a fast path; small enough to be asked again and again
    "conv2d": """
conv2d channels=32 filters=2 image=8,9 kernel=3,3 padding=1 bias=true
conv2d channels=22 filters=22 image=2,3 kernel=3,3 padding=1
""",
    "max_pool2d": """
max_pool2d channels=8 image=34,36 kernel=2,2
max_pool2d channels=8 image=34,36 kernel=2,2 return_indices=true
""",
    "avg_pool2d": """
avg_pool2d channels=8 image=34,36 kernel=2,2
""",
}


def _claimed(cases: Iterator[Case], features: Features) -> Iterator[Case]:
    """Those of the cases that a subject with these features is asked; bias as far as it is claimed."""
    for each in cases:
        case = as_claimed(each, features)
        if isinstance(case, Conv) and not case.needs & {"bias", "no bias"} <= features:
            case = replace(case, bias=not case.bias)
        if case.needs <= features | {case.dtype} and not case.hazard:
            yield case
