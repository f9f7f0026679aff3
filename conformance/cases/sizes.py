"""Sizes: tails around the blocks of fast kernels, long options, several large extents at once."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from conformance.cases.case import Case
from conformance.cases.covering import Classes, Row, as_claimed, build, classes_of, forms
from conformance.cases.features import Features
from conformance.cases.fields import of_operation
from conformance.operations import OPERATIONS
from conformance.operations.family import Tail
from conformance.operations.option import fit
from conformance.operations.windows import AXES, along, fitted

BLOCKS = (4, 8, 16, 32, 64)
BEYOND = (128, 257)  # larger blocks fit exactly, and leave a tail; more than a byte counts
LONG = (513, 1025)  # of an image that is thin otherwise: one beyond what a block of threads holds
LARGE = (7, 8, 9, 12, 15, 16, 17, 23, 24, 31, 32, 33, 48)  # extents that a kernel may take its fast path for
GROUPED, FEW_CHANNELS = (4, 8, 16), (1, 2, 3, 4)  # groups, and filters of each; its channels
PRODUCTS = 200_000  # multiplications of a forward: a kernel of plain loops must not take seconds
MOST = 3 * PRODUCTS  # of a case whose sizes are given
IMAGE = {1: (5,), 2: (4, 5), 3: (2, 3, 4)}  # where another extent is long


def tails(
    operation: str, features: Features, blocks: tuple[int, ...] = BLOCKS, beyond: tuple[int, ...] = ()
) -> Iterator[Case]:
    """Every extent that a kernel may block over, just under, at and just over a block, the others small."""
    family, axes = OPERATIONS[operation].family, _axes(operation)
    near = {block + off for block in blocks for off in (-1, 0, 1)} | {
        7 * block // 4 for block in blocks if block < 32
    }
    for seed, n in enumerate(sorted(near | set(beyond))):
        for name in _extents(operation):
            yield from claimed(_tails(operation, name, n, seed), features)
    for n, axis in itertools.product(LONG if beyond else (), axes):
        yield from (replace(case, **family.thin) for case in claimed(_tails(operation, axis, n, n), features))


def _axes(operation: str) -> tuple[int, ...]:
    """The image axes, the last first."""
    return tuple(reversed(range(OPERATIONS[operation].dimensions)))


def _extents(operation: str) -> tuple[int | str, ...]:
    """What can be long: an image axis, or a count by its name."""
    return (*_axes(operation), *OPERATIONS[operation].family.few, "batch")


def _tails(operation: str, name: str | int, n: int, seed: int) -> Iterator[Case]:
    """The tails of an extent: an axis of the image, or a count by its name."""
    found = OPERATIONS[operation]
    image = tuple(n if axis == name else extent for axis, extent in enumerate(IMAGE[found.dimensions]))
    counts = {"batch": 1, **found.family.few} | ({name: n} if isinstance(name, str) else {})
    for tail in found.family.tails:
        if tail.only in ("", "image" if isinstance(name, int) else name):
            long = {"n": n, "along": along(name, n, 2, found.dimensions) if isinstance(name, int) else 2}
            fields = {k: long.get(v, v) for k, v in fit(tail.fields, found.dimensions).items()}
            case = Case.of(operation, **(counts | fields), image=image, seed=seed)
            yield replace(case, image=_grown(case, tail, n))


def _grown(case: Case, tail: Tail, n: int) -> tuple[int, ...]:
    if tail.image == "reach":
        return tuple(extent + k - 1 for extent, k in zip(case.image, case.kernel, strict=True))
    if tail.image == "strided":
        return tuple(2 * extent + 1 if extent == n else extent + 2 for extent in case.image)
    return case.image


def widths(operation: str, features: Features) -> Iterator[Case]:
    """Images, filters and answers of fifteen widths each: by its width an offset view starts in a line of the cache."""
    found = OPERATIONS[operation]
    for n in range(15):
        fields = {"image": (4, 16 + 2 * n), found.family.size: (2, 1 + n), "seed": n, **found.family.few}
        fields |= {"stride": 1} if found.family.has_kernel else {}
        yield from claimed(iter([Case.of(operation, **fit(fields, found.dimensions))]), features)


def reaches(operation: str, features: Features) -> Iterator[Case]:
    """Each option by itself large: filters longer than an unrolled loop, strides, dilations, padding."""
    for seed, n in enumerate((4, 5, 6, 7, 8, 9, 12, 17)):
        yield from claimed(map(_of_windows, _reaches(operation, n, seed)), features)


def _reaches(operation: str, n: int, seed: int) -> Iterator[Case]:
    found = OPERATIONS[operation]
    family, dimensions = found.family, found.dimensions
    names = {option.name for option in found.options}
    if family.reaches:
        short = Case.of(operation, **family.few, seed=seed)
        yield from (replace(short, **change) for change in family.reaches(short, n))
        return

    def image(*extents: int) -> tuple[int, ...]:
        return fitted(extents, dimensions)

    fields = {"image": image(n + 2, n + 4), "kernel": fitted((3, 3), dimensions), **family.few}
    plain = Case.of(operation, **fields, seed=seed)
    stepped = replace(plain, stride=2) if family.bounded else plain
    for axis in range(dimensions):
        yield replace(stepped, kernel=along(axis, n, 2, dimensions))
    square = (2, n, n)[-dimensions:]
    yield replace(stepped, kernel=square)
    if not family.bounded:
        for axis in reversed(range(dimensions)):
            yield replace(plain, kernel=along(axis, n, 1, dimensions))
    yield replace(plain, stride=n, image=image(2 * n + 3, 2 * n + 5))
    if "padding" in names and family.bounded:
        padding = n // 2 if dimensions < 3 else (1, n // 2, n // 2)
        yield replace(plain, kernel=square, padding=padding, stride=2)
    elif "padding" in names:
        yield replace(plain, padding=n if dimensions < 3 else (1, n, n), image=image(4, 5))
    if "dilation" in names:
        yield replace(plain, dilation=n, image=image(2 * n + 3, 2 * n + 4), stride=1)


def far(operation: str, features: Features) -> Iterator[Case]:
    """Options and windows that no byte holds, signed or not, along one axis, with more than one window and tap.

    Then options that two bytes do not hold either.
    """
    found = OPERATIONS[operation]
    fields = {"channels": 2, "filters": 2, "kernel": (2,) * found.dimensions, "stride": 1}
    plain = Case.of(operation, **of_operation(operation, fields))
    for seed, (n, axis) in enumerate(itertools.product((130, 260), range(found.dimensions))):
        for change in _far(plain, n, axis):
            yield from claimed(map(_of_windows, [replace(plain, **change, seed=seed)]), features)
    if "images not square" not in features and found.dimensions > 1:
        return  # a square of that is more than a machine has
    farther = _farther(plain, 70_000)
    for seed, (change, axis) in enumerate(itertools.product(farther, range(found.dimensions))):
        case = replace(plain, **_on(change, axis, found.dimensions), channels=1, seed=seed)
        yield from claimed(map(_of_windows, [case]), features)


def _of_windows(case: Case) -> Case:
    """The case whose windows lie over an image as large as that of this one."""
    every = zip(case.image, case.geometry, strict=True)
    return replace(case, image=tuple(case.family.image_for(n, *geometry) for n, geometry in every))


def _far(plain: Case, n: int, axis: int) -> Iterator[dict[str, Any]]:
    if plain.family.far:
        return (_on(change, axis, plain.dimensions) for change in plain.family.far(plain, n))
    names = {option.name for option in OPERATIONS[plain.operation].options}
    changes: list[dict[str, Any]] = [
        {"stride": (n, 1), "image": (n + 4, 3)},
        {"kernel": (n, 2), "image": (n + 3, 4)},
    ]
    if "dilation" in names:
        changes.append({"dilation": (n, 1), "image": (n + 3, 4)})
    if "padding" in names and plain.family.bounded:
        changes.append({"kernel": (n, 2), "padding": (n // 2, 0), "stride": 2, "image": (n + 3, 4)})
    elif "padding" in names:
        changes += [{"padding": (n, 0), "image": (3, 4), "stride": stride} for stride in (1, 2)]
    if "groups" in names:
        changes += [change | {"groups": 2} for change in changes]
    return (_on(change, axis, plain.dimensions) for change in changes)


def _farther(plain: Case, n: int) -> list[dict[str, Any]]:
    if plain.family.far:
        return [dict(change) for change in plain.family.far(plain, n)][:1]
    names = {option.name for option in OPERATIONS[plain.operation].options}
    changes: list[dict[str, Any]] = [{"stride": (n, 1), "image": (n + 4, 3)}]
    if "dilation" in names:
        changes.append({"dilation": (n, 1), "image": (n + 3, 4)})
    if "padding" in names and not plain.family.bounded:
        changes.append({"padding": (n, 0), "image": (3, 4), "stride": (n, 1)})
    if "divisor_override" in names:
        changes.append({"divisor_override": n, "image": (4, 5)})
    return changes


def _on(change: Mapping[str, Any], axis: int, dimensions: int) -> dict[str, Any]:
    """A change that is written as (of one axis, of the others), on an axis."""
    return {k: along(axis, v[0], v[1], dimensions) if isinstance(v, tuple) else v for k, v in change.items()}


def crossed(operation: str, features: Features) -> Iterator[Case]:
    """Every extreme with every class of every other parameter: a general path, or a fast one, with each option."""
    found = OPERATIONS[operation]
    rng = random.Random(operation)
    for form in forms(operation, features)[:2]:
        classes = classes_of(operation, form, features)
        for extreme in found.family.extremes:
            fixed = _classes_of_extreme(extreme, classes, found.dimensions)
            if not fixed or any(len(classes.get(name, ())) < 2 for name in fixed):
                continue  # not of these axes, or not claimed
            others = {name: rng.sample(of, len(of)) for name, of in classes.items() if name not in fixed}
            for number in range(max(map(len, others.values()))):
                row = {name: of[number % len(of)] for name, of in others.items()}
                if case := _beside(operation, form, fixed, row, number):
                    yield as_claimed(case, features)


def _classes_of_extreme(extreme: Mapping[str, Any], classes: Classes, dimensions: int) -> Row:
    """The classes that hold an extreme: one of each axis, or the one that they share; of two axes, the last ones."""
    fixed: Row = {}
    for name, extents in extreme.items():
        if not isinstance(extents, tuple):
            fixed[name] = extents
            continue
        last = extents[-dimensions:]
        for axis, n in zip(AXES[dimensions][-len(last) :], last, strict=True):
            if n:
                fixed[f"{name} {axis}" if f"{name} {axis}" in classes else f"{name} "] = n
    return fixed


def _beside(operation: str, form: str, fixed: Row, row: Row, seed: int) -> Case | None:
    """The case of these classes, extents that are not fixed made smaller until a forward has few enough products."""
    while products(case := build(operation, form, row | fixed, seed)) > PRODUCTS:
        widest = max((n for n in row if n.startswith(_EXTENTS)), key=lambda name: int(row[name] or 0))
        if row[widest] == 1:
            return None  # the extreme alone has too many
        row = row | {widest: row[widest] - 1}
    return case


_EXTENTS = ("output", "kernel", "channels", "filters")


def mixed(operation: str, features: Features, count: int, seed: int) -> Iterator[Case]:
    """Two or three large extents at once, with options drawn at random: fast paths that need several conditions."""
    rng = random.Random(f"{operation} {seed}")
    axes = AXES[OPERATIONS[operation].dimensions]
    possible = [(form, classes_of(operation, form, features)) for form in forms(operation, features)]
    for number in range(count):
        form, classes = rng.choice(possible)
        row = {name: rng.choice(values) for name, values in classes.items()}
        extents = (*(f"output {axis}" for axis in axes), "channels", "filters", "batch")
        large = [name for name in extents if name in row]
        large = rng.sample(large, min(len(large), rng.choice([2, 2, 3])))
        row |= {name: rng.choice(LARGE) for name in large}
        yield as_claimed(_within(operation, form, row, seed + number, large), features)


def grouped(operation: str, features: Features) -> Iterator[Case]:
    """So many groups of so many filters, each of few channels: blocks of a vector that a group is or is not."""
    found = OPERATIONS[operation]
    fields = {"image": fitted((3, 4), found.dimensions), "kernel": fitted((2, 2), found.dimensions)}
    some = itertools.product(GROUPED, GROUPED, FEW_CHANNELS) if "groups" in features else ()
    for seed, (groups, filters, channels) in enumerate(some):
        counts = {"groups": groups, "filters": groups * filters, "channels": groups * channels}
        yield from claimed([Case.of(operation, **fields, **counts, seed=seed)], features)


def _within(operation: str, form: str, row: Row, seed: int, large: list[str]) -> Case:
    """The case of these classes, its largest extents halved until a forward has few enough products."""
    found = OPERATIONS[operation].family
    while products(case := build(operation, form, row, seed)) > PRODUCTS:
        widest = max(large, key=lambda name: int(row[name]))
        row = (
            row | {name: 1 for name in row if name.startswith((found.size, "dilation"))}
            if row[widest] < 12
            else row
        )
        row = row | {widest: row[widest] // 2 + 1}
    return case


def thinned(case: Case) -> Case:
    """The case with fewer channels where a forward has too many products."""
    counts = {name: getattr(case, name) for name in case.family.counts}
    while products(case) > MOST and max(counts.values()) > 1:
        counts = {name: max(1, n // 2) for name, n in counts.items()}
        case = replace(case, **counts)
    return case


def products(case: Case) -> int:
    """Multiplications (or comparisons) of a forward: for each window its taps; what an adjoint writes, if more."""
    written = math.prod(case.output_shape)
    if not case.family.adjoint:
        return written * case.terms("output")
    return max(math.prod(case.shapes["input"]) * case.terms("grad_input"), written)


def claimed(cases: Iterable[Case], features: Features) -> Iterator[Case]:
    """Those of the cases that a subject with these features is asked; a bias as far as it is claimed."""
    for each in cases:
        case = as_claimed(each, features)
        for option in OPERATIONS[case.operation].options:
            both = {option.name, option.lacking}
            if option.array and not case.needs & both <= features:
                case = replace(case, **{option.name: not getattr(case, option.name)})
        if case.needs <= features | {case.dtype} and not case.hazard and not case.problem:
            yield case
