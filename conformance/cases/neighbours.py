"""Cases that follow each other in one kernel: other options on arrays of the same shapes, other operations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from conformance.cases.case import Case
from conformance.cases.fields import of_operation
from conformance.operations import OPERATIONS
from conformance.operations.dtypes import PLAIN
from conformance.operations.option import fit


def _of_the_same_shapes(case: Case) -> Iterator[Case]:
    """With another step of an option that the case uses, where the answer keeps its shape all the same."""
    for option in OPERATIONS[case.operation].options:
        value = getattr(case, option.name)
        if option.per_axis and value != option.default and not isinstance(value, str):
            each = case.axes(value)
            steps = (tuple(None if n is None else n + more for n in each) for more in (1, 2, -1))
            others = (replace(case, **{option.name: step}) for step in steps)
            yield from (other for other in others if not other.problem and other.shapes == case.shapes)


def neighbours(case: Case) -> list[Case]:
    """Other options on arrays of the same shapes (a plan or cache keyed by shapes takes them for the same call).

    First those whose answer keeps its shape, where a mix-up of two calls is seen and not refused; last a refused one.
    """
    options = OPERATIONS[case.operation].options
    changes = [fit({o.name: v}, case.dimensions) for o in options for v in o.others if o.keeps]
    changes += [fit({o.name: v}, case.dimensions) for o in options for v in o.others if not o.keeps]
    padded = isinstance(getattr(case, "padding", ""), (int, tuple))
    if min(case.image) > 2 and padded:  # the same extents once padded
        pads = tuple(p + 1 for p in case.axes(case.padding))
        changes.append({"image": tuple(n - 2 for n in case.image), "padding": pads})
    allowed = case.needs | {f for o in options if o.array or o.keeps for f in (o.name, o.lacking)}
    others = [replace(case, **change) for change in changes]
    others += [other for other in _of_the_same_shapes(case) if other.needs <= case.needs]
    others.sort(key=lambda other: other.problem is not None or other.shapes != case.shapes)
    fitting = [
        other
        for other in dict.fromkeys(others)
        if other != case and not other.problem and not other.hazard and other.needs <= allowed
    ]
    below: list[dict[str, Any]] = [
        {option.name: option.least - 1} for option in options if option.least is not None
    ]
    malformed: list[dict[str, Any]] = [{"malformed": name} for name in case.family.malformations]
    refused = (replace(case, **change) for change in (*below, *malformed))
    return [*fitting, next(each for each in refused if each.problem)]


def of_others(case: Case, operations: Iterable[str]) -> Iterator[Case]:
    """Other operations on the same image, padded to the same extents: what one leaves in a workspace another finds."""
    pads = tuple(low for low, _ in case.pads)
    kernel = tuple(
        max(k, 2 * p) for k, p in zip(case.kernel, pads, strict=True)
    )  # a pool pads half of it at most
    fields = {name: getattr(case, name) for name in ("batch", "channels", "image", "values", "seed")}
    for operation in operations:
        found = OPERATIONS[operation]
        if operation == case.operation or found.dimensions != case.dimensions:
            continue
        more = {"filters": case.channels, "kernel": kernel, "padding": pads, "stride": 1}
        dtype = case.dtype if case.dtype in OPERATIONS[operation].family.dtypes else PLAIN
        other = Case.of(operation, dtype=dtype, **fields, **of_operation(operation, more))
        if not other.problem and not other.hazard:
            yield other
