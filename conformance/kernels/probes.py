"""The plain cases that show what a kernel takes, each with and without what else the signature may demand."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any, Protocol

from conformance.cases import Case, covering
from conformance.cases.covering import squared
from conformance.cases.features import FEATURES, Features, declinable, features_of, plain
from conformance.cases.features import probes as features_probes
from conformance.cases.named import named
from conformance.operations import OPERATIONS

MOST = 4  # probes of a feature where the plain ones are not claimed
SOME = 64  # claimed cases to take them from


class Claimant(Protocol):
    """What is asked about a subject: a Caller knows it."""

    @property
    def only(self) -> Any: ...
    def claims(self, case: Case) -> bool: ...
    def lacks(self, operation: str, feature: str) -> str | None: ...


def probes(subject: Claimant, operation: str) -> dict[str, list[Case]]:
    """The probes of each feature that a signature cannot tell, and of "plain"; claimed ones where there are any."""
    features = frozenset(f for f in features_of(operation) if not subject.lacks(operation, f))
    cases = _plain(operation, features)
    if not subject.only:
        return cases
    others = _claimed(subject, operation, features)
    return {
        feature: [case for case in each if subject.claims(case)]
        or [case for case in others if feature in case.needs or feature == "plain"][:MOST]
        or each
        for feature, each in cases.items()
    }


def _plain(operation: str, features: Features) -> dict[str, list[Case]]:
    showing = {"plain": plain(operation)}
    showing |= {
        n: [case] for n, case in (features_probes(operation, features) | declinable(operation)).items()
    }
    cases = {}
    for feature, each in showing.items():
        for option in OPERATIONS[operation].options:
            if option.array and option.name in features and feature != option.lacking:
                each += [replace(case, **{option.name: option.other}) for case in each]
        if feature != "images not square":
            each += [squared(case) for case in each]
        for option in OPERATIONS[operation].options:
            if option.per_axis and option.lacking and feature != option.lacking:
                each += [
                    replace(case, **{option.name: option.least})
                    for case in each
                    if getattr(case, option.name) is None
                ]
        cases[feature] = [
            case for case in each if case.needs & FEATURES <= features | {feature} or feature == "plain"
        ]
    return cases


def _claimed(subject: Claimant, operation: str, features: Features) -> list[Case]:
    """Cases that a subject's `only` claims, also written otherwise; those first that need little."""
    claimed = list(itertools.islice(filter(subject.claims, _every(operation, features)), SOME))
    varied = [v for case in claimed for v in _varied(case) if v.needs <= features | {v.dtype}]
    return sorted([*claimed, *filter(subject.claims, varied)], key=_plainness)


def _varied(case: Case) -> Iterator[Case]:
    """The same case without a batch, and with its options as tuples."""
    per_axis = (option.name for option in OPERATIONS[case.operation].options if option.per_axis)
    ints = {name: value for name in per_axis if type(value := getattr(case, name)) is int}
    changes: list[dict[str, Any]] = [
        {"batch": None},
        {name: case.axes(value) for name, value in ints.items()},
        {name: (value,) for name, value in ints.items()},
    ]
    return (replace(case, **change) for change in changes)


@cache
def _every(operation: str, features: Features) -> list[Case]:
    by_hand = (named(section, operation, features) for section in ("named", "layers"))
    cases = [*itertools.chain(*by_hand), *covering.explore(operation, features, 2000, 0)]
    return sorted([*cases, *map(squared, cases)], key=_plainness)


def _plainness(case: Case) -> tuple[int, int]:
    return len(case.needs), case.size
