"""Hypothesis strategies: cases drawn by their classes, so that every draw is valid and shrinks to the plain one."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from conformance.cases.case import Case
from conformance.cases.covering import build, classes_of, forms
from conformance.cases.features import Features, features_of
from conformance.cases.values import VALUES


@st.composite
def cases(draw: st.DrawFn, /, operation: str, features: Features | None = None, **fields: Any) -> Case:
    """A valid case of an operation that needs no other features; other fields (dtype, values, ...) as given."""
    claimed = features_of(operation) if features is None else features
    form = draw(st.sampled_from(forms(operation, claimed)))
    classes = classes_of(operation, form, claimed)
    row = draw(st.fixed_dictionaries({name: st.sampled_from(values) for name, values in classes.items()}))
    values = draw(st.sampled_from([name for name in VALUES if name != "small_integers"]))
    return build(operation, form, row, draw(st.integers(0, 10**6)), **({"values": values} | fields))
