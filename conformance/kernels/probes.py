"""The plain cases that show what a kernel takes, each with and without what else the signature may demand."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any, Protocol

from conformance.cases import Case, corpus, covering, sizes
from conformance.cases.capabilities import DECLINED, FEATURES, PROBES, Features, features_of
from conformance.cases.covering import squared

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
    texts = {"plain": [f"{operation} image=4,6 kernel=2,2", f"{operation} image=4,6 kernel=2,2 stride=2"]}
    texts |= {feature: [text] for feature, text in (PROBES[operation] | DECLINED[operation]).items()}
    biased = "bias" in features
    cases = {}
    for feature, each in ((feature, [Case.parse(text) for text in of]) for feature, of in texts.items()):
        if biased and feature != "no bias":
            each += [replace(case, bias=True) for case in each]  # type: ignore[call-arg]
        if feature != "images not square":
            each += [squared(case) for case in each]
        if not operation.startswith("conv") and feature != "stride=None":
            each += [replace(case, stride=1) for case in each if case.options["stride"] is None]  # type: ignore[call-arg]
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
    ints = {n: v for n in ("stride", "padding", "dilation") if type(v := getattr(case, n, None)) is int}
    changes: list[dict[str, Any]] = [
        {"batch": None},
        {name: case.axes(value) for name, value in ints.items()},
        {name: (value,) for name, value in ints.items()},
    ]
    return (replace(case, **change) for change in changes)


@cache
def _every(operation: str, features: Features) -> list[Case]:
    texts = (corpus.CORPUS, sizes.LAYERS)
    named = (corpus.named(each, operation, features) for each in texts)
    cases = [*itertools.chain(*named), *covering.explore(operation, features, 2000, 0)]
    return sorted([*cases, *map(squared, cases)], key=_plainness)


def _plainness(case: Case) -> tuple[int, int]:
    return len(case.needs), case.size
