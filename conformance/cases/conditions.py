"""Conditions on sizes and options, as a kernel's source has them, and the cases on both sides of each.

A condition is written as a line: `channels/groups >= 64 and image.1 % 2 == 1 and ? > 8192`. On the left stands what a
number is compared with: factors and divisors, each a field of a case, one of its axes, or the `size.` or the `bytes.`
of an array; an extent or option without an axis is that of all axes; `?` where nobody knows; `a|b` where it may be
either. A line `values 1e6` has a number that values are compared with.
"""

from __future__ import annotations

import itertools
import math
import operator
import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from conformance.cases.case import Case
from conformance.cases.features import Features
from conformance.cases.named import listed
from conformance.cases.networks import extent_of
from conformance.cases.sizes import IMAGE, MOST, claimed, products
from conformance.operations import DTYPES, OPERATIONS

VALUES = "values "  # how a line begins whose number is one of values
ELEMENTS = 2_000_000  # of the arrays of a case
DENSE = 8 * MOST  # multiplications of a gradient by correlation
ROUNDS = 2  # each with the next of the forms that networks have
DRAWS = 12  # of what `?` stands for, beside other conditions
LOOKED_AT = 10_000  # numbers for which several comparisons may hold
_HOLDS: dict[str, Callable[[int, int], bool]] = {
    "==": operator.eq, "!=": operator.ne, ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip
_ATOM = re.compile(r"(\S+) (?:% (\d+) )?(==|!=|>=|>|<=|<) (\d+)")


@dataclass(frozen=True)
class Atom:
    """One comparison: `of` are the measures that its left side may be, each of factors and divisors; none: any."""

    of: tuple[tuple[str, ...], ...]
    modulus: int
    how: str
    number: int

    @classmethod
    def parse(cls, text: str) -> Atom:
        left, modulus, how, number = _ATOM.fullmatch(text).groups()  # type: ignore[union-attr]
        measures = () if left == "?" else tuple(map(_factors, left.split("|")))
        return cls(measures, int(modulus or 0), how, int(number))

    def holds(self, number: int) -> bool:
        return bool(_HOLDS[self.how](number % self.modulus if self.modulus else number, self.number))

    @property
    def inside(self) -> int:
        """A number for which it holds, the nearest to where it does not."""
        if self.modulus:
            return self.modulus + self.number if self.how == "==" else self.modulus + self.number + 1
        return self.number + {">": 1, "<": -1, "!=": 1}.get(self.how, 0)

    @property
    def outside(self) -> int:
        """A number for which it does not hold, the nearest to where it does."""
        if self.modulus:
            return self.inside + (1 if self.how == "==" else -1)
        return self.number + {">=": -1, "<=": 1, "==": 1}.get(self.how, 0)

    @property
    def further(self) -> int:
        """A larger number for which it holds, or does not: as many again, and a bit."""
        return self.inside + self.modulus if self.modulus else self.number + max(self.number // 2, 1) + 1


def _factors(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"/?[^*/]+", text))


def parse(condition: str) -> tuple[Atom, ...]:
    """The comparisons of a condition."""
    return tuple(map(Atom.parse, condition.split(" and ")))


def around(operation: str, features: Features, conditions: Iterable[str], most: int) -> Iterator[Case]:
    """The cases on both sides of the conditions, of each in turn, each once, at most so many."""
    streams = [_of_condition(operation, features, condition) for condition in conditions]
    seen: set[Case] = set()
    while streams and len(seen) < most:
        for stream in list(streams):
            case = next((case for case in stream if case not in seen), None)
            if case is None:
                streams.remove(stream)
            elif len(seen) < most:
                seen.add(case)
                yield case


def unasked(operation: str, features: Features, conditions: Iterable[str]) -> list[str]:
    """The conditions on sizes on which no case is small enough."""
    sizes = (each for each in conditions if not each.startswith(VALUES))
    return [each for each in sizes if next(_of_condition(operation, features, each), None) is None]


def _of_condition(operation: str, features: Features, condition: str) -> Iterator[Case]:
    atoms = parse(condition)
    forms = itertools.cycle(_bases(operation))
    flags = {option.name: option.other for option in OPERATIONS[operation].options if option.array}
    for seed, (targets, measures) in enumerate(_asked(operation, atoms, random.Random(condition))):
        asked = sorted(zip(atoms, targets, measures, strict=True), key=_order)
        for base in (next(forms), _thin(operation)):  # the second where the first is too large
            case = _reaching(replace(base, seed=seed, **(flags if seed % 2 else {})), asked)
            if case and is_small(case):
                yield from claimed([case], features)
                break


def _reaching(case: Case | None, asked: Sequence[tuple[Atom, int, tuple[str, ...]]]) -> Case | None:
    for atom, target, measure in asked:
        case = case and reach(case, measure, target, atom.how == "==")
    return case


def _asked(
    operation: str, atoms: Sequence[Atom], rng: random.Random
) -> Iterator[tuple[list[int], list[tuple[str, ...]]]]:
    """A number for each comparison, and what it is a number of."""
    free = [len(atom.of) != 1 for atom in atoms]
    for targets, _ in itertools.product(_targets(atoms), range(1 if any(free) else ROUNDS)):
        every = [atom.of or measures_of(operation) for atom in atoms]
        if len(atoms) == 1:
            yield from ((targets, [measure]) for measure in every[0])
        elif any(free):
            yield from ((targets, [rng.choice(of) for of in every]) for _ in range(DRAWS))
        else:
            yield targets, [of[0] for of in every]


def _targets(atoms: Sequence[Atom]) -> Iterator[list[int]]:
    """All comparisons hold; each by itself does not; each by itself holds further on; none holds."""
    inside = [_near(atom.inside, atom, True, atoms) for atom in atoms]
    yield inside
    for atom in atoms:
        for other in (_near(atom.outside, atom, False, atoms), _near(atom.further, atom, True, atoms)):
            yield [
                other if each is atom or each in _alike(atom, atoms) else n
                for each, n in zip(atoms, inside, strict=True)
            ]
    if len(atoms) > 1:
        yield [atom.outside for atom in atoms]


def _alike(atom: Atom, atoms: Sequence[Atom]) -> list[Atom]:
    """The others that ask the same measure."""
    return [each for each in atoms if each is not atom and each.of == atom.of and atom.of]


def _near(number: int, atom: Atom, wanted: bool, atoms: Sequence[Atom]) -> int:
    """The nearest to a number for which it holds, or does not, and what else is asked of the measure does."""
    if not (alike := _alike(atom, atoms)):
        return number
    far = max(each.number for each in (atom, *alike)) + math.prod(
        each.modulus or 1 for each in (atom, *alike)
    )
    some = sorted(range(1, min(2 * far, LOOKED_AT)), key=lambda n: abs(n - number))
    fit = (n for n in some if atom.holds(n) == wanted and all(each.holds(n) for each in alike))
    return next(fit, number)


def _bases(operation: str) -> list[Case]:
    """Small cases with the filters or windows of networks."""
    found = OPERATIONS[operation]
    image = tuple(n + 4 for n in IMAGE[found.dimensions])
    return [replace(form, **found.family.few, image=image) for form in listed("forms", operation)]


def _thin(operation: str) -> Case:
    """As small as a case can be that has more than one tap and window along an axis."""
    found = OPERATIONS[operation]
    ones = (1,) * (found.dimensions - 1)
    fields = {"image": (*ones, 3), **found.family.thin} | (
        {"kernel": (*ones, 2)} if found.family.has_kernel else {}
    )
    return Case.of(operation, **fields)


def is_small(case: Case) -> bool:
    """Whether a case is small enough to be asked by the hundred."""
    return not case.problem and case.size <= ELEMENTS and products(case) <= MOST and dense(case) <= DENSE


def dense(case: Case) -> int:
    """Multiplications of a gradient that takes every pixel for a window."""
    of_each = getattr(case, "filters", 1) // getattr(case, "groups", 1)
    return math.prod((*case.shapes["input"], *case.kernel, of_each))


# Measures: what numbers may be of.

ALONG_ALL = ("kernel", "stride", "dilation", "padding", "image")  # the number of every axis
_RANKS = (
    "kernel",
    "stride",
    "dilation",
    "padding",
    "groups",
    "channels",
    "filters",
    "batch",
    "image",
    "output",
)


def _order(asked: tuple[Atom, int, tuple[str, ...]]) -> tuple[int, int]:
    """Options and windows before the extents that follow from them, and products last."""
    _, _, measure = asked
    stem = measure[0].partition(".")[0]
    return len(measure), _RANKS.index(stem) if stem in _RANKS else len(_RANKS)


@cache
def basic(operation: str) -> tuple[str, ...]:
    """The extents and options of an operation: a field, or one of its axes."""
    found = OPERATIONS[operation]
    axes = range(found.dimensions)
    per_axis = ("image", "output", *(("kernel",) if found.family.has_kernel else ()))
    options = [o.name for o in found.options if o.per_axis and o.name in ("stride", "dilation", "padding")]
    groups = ["groups"] if any(option.name == "groups" for option in found.options) else []
    each = [f"{name}.{axis}" for name in (*per_axis, *options) for axis in axes]
    return ("batch", *found.family.few, *groups, *each)


@cache
def measures_of(operation: str) -> tuple[tuple[str, ...], ...]:
    """What a number may be of where nobody knows: extents and options, sizes of arrays, sums, planes."""
    plain = [(name,) for name in basic(operation)]
    axes = range(OPERATIONS[operation].dimensions)
    per_group = [
        (name, "/groups") for name in OPERATIONS[operation].family.few if "groups" in basic(operation)
    ]
    planes = (
        [tuple(f"{name}.{axis}" for axis in axes) for name in ("image", "output")] if len(axes) > 1 else []
    )
    sizes = [(f"{kind}.{name}",) for kind in ("size", "bytes") for name in Case.of(operation).shapes]
    windows = [("batch", *planes[-1])] if planes else [("batch", "output.0")]
    return tuple(dict.fromkeys((*plain, *per_group, ("terms",), *planes, *windows, *sizes)))


def value(case: Case, measure: Sequence[str]) -> int:
    """What a measure is in a case."""
    numbers = [(factor.startswith("/"), _value(case, factor.lstrip("/"))) for factor in measure]
    above = math.prod(n for divides, n in numbers if not divides)
    return above // max(1, math.prod(n for divides, n in numbers if divides))


_TUPLES: dict[str, Callable[[Case], tuple[int, ...]]] = {
    "image": lambda case: case.image, "output": lambda case: case.output_extents, "kernel": lambda case: case.kernel,
    "stride": lambda case: case.strides, "dilation": lambda case: case.dilations,
    "padding": lambda case: tuple(low for low, _ in case.pads),
}  # fmt: skip


def _value(case: Case, factor: str) -> int:
    name, _, of = factor.partition(".")
    if name.isdecimal():
        return int(name)
    if name in ("size", "bytes"):
        width = DTYPES[case.dtype].numpy.itemsize if name == "bytes" else 1
        return width * math.prod(case.shapes.get(of, (0,)))
    if name == "terms":
        return case.terms("output")
    if name in ALONG_ALL:
        return _TUPLES[name](case)[int(of or 0)]
    return _TUPLES[name](case)[int(of)] if of else int(getattr(case, name) or 1)


# The case in which a measure is a number.


def reach(case: Case, measure: Sequence[str], target: int, exactly: bool) -> Case | None:
    """The case changed so that a measure is this number, or the least above it that there is; None where none is."""
    if target < 0:
        return None
    along_all = measure[0] in ALONG_ALL and f"{measure[0]}.0" in basic(case.operation)
    if len(measure) == 1 and (along_all or measure[0] in basic(case.operation)):
        return _with(case, measure[0], target)
    growing = [name for name in measure if name in basic(case.operation)]
    growing = growing or [name for name in basic(case.operation) if name.startswith(_GROWING)]
    growing.sort(key=lambda name: not name.startswith(_GROWING))  # long windows are slow, and rare
    made = [each for name in growing if (each := _grown(case, measure, name, target))]
    near = [each for each in made if value(each, measure) == target] or ([] if exactly else made)
    small = [each for each in near if is_small(each)]
    return small[case.seed % min(2, len(small))] if small else next(iter(near), None)


_GROWING = ("channels", "filters", "image", "output", "batch")


def _grown(case: Case, measure: Sequence[str], name: str, target: int) -> Case | None:
    """The case with the least extent by which a measure is so large; in whole groups, where it is of a group."""
    unit = case.groups if "/groups" in measure and name in case.family.few else 1
    low, high = 0, max(target, 1)
    while high - low > 1:
        middle = (low + high) // 2
        grown = _with(case, name, middle * unit)
        low, high = (middle, high) if grown is None or value(grown, measure) < target else (low, middle)
    grown = _with(case, name, high * unit)
    return grown if grown and value(grown, measure) >= target else None


def _with(case: Case, name: str, n: int) -> Case | None:
    """The case with one field, or an axis of it, another number; the image grows with its windows."""
    field, _, axis = name.partition(".")
    if name in ALONG_ALL:
        every = (n,) * case.dimensions if name in case.family.extents else n
        changed = replace(case, **{name: every})
        return _covering(_padded_less(changed) if name == "kernel" else changed)
    if field == "output":
        return _replaced(
            case, "image", int(axis), extent_of(case, int(axis), n, list(case.geometry)[int(axis)], 0)
        )
    if axis:
        along = _replaced(case, field, int(axis), n)
        return along and _covering(_padded_less(along) if field == "kernel" else along)
    fields: dict[str, Any] = {field: n}
    if field == "groups":
        several = (
            case.family.few if case.seed % 2 else dict.fromkeys(case.family.few, 1)
        )  # or one of each group
        fields |= {name: per_group * n for name, per_group in several.items()}
    elif getattr(case, "groups", 1) > 1 and n % case.groups:
        fields |= {"groups": 1}
    return replace(case, **fields)


def _replaced(case: Case, field: str, axis: int, n: int) -> Case | None:
    given = getattr(case, field)
    if isinstance(given, str):
        return None
    each = list(
        case.strides if given is None else case.axes(given) if field not in ("image", "kernel") else given
    )
    each[axis] = n
    alike = field not in ("image", "kernel") and len(set(each)) == 1
    return replace(case, **{field: each[0] if alike else tuple(each)})


def _padded_less(case: Case) -> Case:
    """With no more padding than a window reaches, so that no answer is of padding alone."""
    given = getattr(case, "padding", "")
    if isinstance(given, str):
        return case
    least = tuple(
        min(p, d * (k - 1) // 2)
        for p, d, k in zip(case.axes(given), case.dilations, case.kernel, strict=True)
    )
    return (
        replace(case, padding=least[0] if len(set(least)) == 1 else least) if any(case.axes(given)) else case
    )


def _covering(case: Case) -> Case:
    """On an image in which each axis has two windows and a bit, where it had less."""
    if case.problem and min(case.kernel) < 1:
        return case
    least = (d * (k - 1) + 1 + s for k, s, _, d in case.geometry)
    image = tuple(max(n, m) for n, m in zip(case.image, least, strict=True))
    return replace(case, image=image)
