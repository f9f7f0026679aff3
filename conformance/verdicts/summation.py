"""The order in which a kernel adds the products of a window, read out of answers to images of pairs.

All terms are 1 but two, M and -M: what is added to one of them before they meet is lost, so the answer is how many ones
come later (Xu et al., FPRev: Revealing the Order of Floating-Point Summation, USENIX ATC 2025).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import numpy as np

from conformance.cases import Case
from conformance.cases.arrays import Array
from conformance.cases.units import SUMMED, pairs
from conformance.operations import DTYPES

WIDER, NARROW = "in a wider format", "in the format of its arrays"
SEQUENTIAL, PAIRWISE, BLOCKED = "one after the other", "pairwise", "in blocks"
AT_ONCE = "several at once, or by their sizes"  # lower than any tree of two at a time
COMPENSATED = "one after the other, compensated"
UNLIKE = "in no one order: another by the numbers, by the image of a batch or from call to call"
NEAR = 1e-3  # of a count, beside what its division by the number of terms rounds away


class Order(NamedTuple):
    """What one call shows: plain data, so that it travels between processes.

    height   how many additions the term that is added first goes through; 0 where that is not known
    tree     a mark by which two trees are known to be the same
    """

    terms: int
    kind: str
    height: int = 0
    tree: str = ""


@dataclass(frozen=True)
class Summation:
    """The order of sums of so many terms of one operation in one dtype, where two calls show the same one."""

    operation: str
    dtype: str
    terms: int
    kind: str
    height: int


def order_of(case: Case, answer: Array) -> Order | None:
    """What an answer shows of the order; None where the case does not ask for it."""
    if case.values not in SUMMED:
        return None
    terms = case.terms("output")
    if answer.size != len(answer) or len(answer) != terms * (terms // 2 + 1):
        return None
    with np.errstate(all="ignore"):
        scaled = answer.reshape(-1).astype(np.float64) * (terms if case.family.divides else 1)
    one, other = pairs(len(answer), terms)
    scaled, apart = scaled / (1 + case.seed % 2), one != other
    counts = np.rint(scaled[apart])
    near = NEAR + 2 * DTYPES[case.dtype].unit * counts * case.family.divides
    if not ((np.abs(scaled[apart] - counts) < near) & (counts >= 0) & (counts <= terms - 2)).all():
        return Order(terms, UNLIKE)
    if (counts == terms - 2).all():
        return Order(terms, WIDER)
    if DTYPES[case.dtype].narrow:
        return Order(terms, NARROW)
    under = np.full((terms, terms), terms)
    under[one[apart], other[apart]] = under[other[apart], one[apart]] = terms - counts
    kept = scaled[~apart].min() - 2.0 ** DTYPES[case.dtype].digits
    return _of_tree(terms, under, is_kept=kept >= terms - 2)


def _of_tree(terms: int, under: Array, is_kept: bool) -> Order:
    """By how many terms each two are added with once they meet.

    is_kept   whether ones add up beside a number that rounds each of them away, as it is in one plain sum after another
    """
    off = ~np.eye(terms, dtype=bool)
    if any((under > np.maximum(under[:, [i]], under[[i], :]))[_without(off, i)].any() for i in range(terms)):
        return Order(terms, UNLIKE)  # of three, the two that meet last meet the third one where they do
    height = max(len(set(row[there])) for row, there in zip(under, off, strict=True))
    tree = hashlib.sha256(under.tobytes()).hexdigest()[:12]
    if height == terms - 1:
        return Order(terms, COMPENSATED if is_kept else SEQUENTIAL, height, tree)
    lowest = math.ceil(math.log2(terms))
    kind = AT_ONCE if height < lowest else PAIRWISE if height == lowest else BLOCKED
    return Order(terms, kind, height, tree)


def _without(off: Array, i: int) -> Array:
    """Pairs of two others than i."""
    others = off.copy()
    others[i, :] = others[:, i] = False
    return others


def summations(operation: str, dtype: str, orders: Iterable[Order]) -> Iterator[Summation]:
    """By the number of terms, the order that every call shows, if it is one."""
    for terms, of in groupby(sorted(orders), key=lambda each: each.terms):
        same = set(of)
        kind, height = (next(iter(same))[1:3]) if len(same) == 1 else (UNLIKE, 0)
        yield Summation(operation, dtype, terms, kind, height)
