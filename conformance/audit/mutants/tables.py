"""The mutants of an operation: the rows of its family, as far as their words mean something for its image axes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from conformance.audit.mutants import (
    adaptive_pool,
    arguments,
    avg_pool,
    axes,
    complex,
    conditions,
    contract,
    conv_backward,
    conv_forward,
    conv_transpose,
    double_backward,
    fast_paths,
    half,
    integers,
    layouts,
    lp_pool,
    max_pool,
    max_unpool,
    own_source,
    precision,
    sparse,
    stateful,
    tails,
)
from conformance.audit.mutants.mutant import Mutant
from conformance.audit.mutants.words import axes_named
from conformance.operations import OPERATIONS
from conformance.operations.dtypes import USUAL

TABLES = (
    axes, conv_forward, conv_backward, conv_transpose, max_pool, avg_pool, adaptive_pool, lp_pool, max_unpool, tails,
    precision, layouts, contract, stateful, arguments, fast_paths, conditions, half, integers, complex,
    double_backward, sparse, own_source,
)  # fmt: skip
KERNELS = (layouts, contract, stateful, arguments, double_backward, own_source)  # the mistake lies in functions, not in what they compute

NOTICED_BY = {  # the requirements most likely to notice the mutants of a table, asked first
    "layouts": ["layouts"],
    "stateful": ["contract", "state", "threads", "arguments"],
    "contract": ["contract"],
    "arguments": ["arguments", "empty"],
    "tails": ["sizes"],
    "precision": ["rounding"],
    "half": ["rounding"],
    "max_pool": ["exact", "special"],
    "integers": ["special", "exact"],
    "complex": ["exact", "rounding"],
    "adaptive_pool": ["exact", "special"],
    "lp_pool": ["exact", "special"],
    "max_unpool": ["exact", "special"],
    "fast_paths": ["special", "rounding", "sizes"],
    "conditions": ["sizes"],
    "double_backward": ["double_backward"],
    "sparse": ["certified"],
    "own_source": ["numbers"],
}


@cache
def of(operation: str) -> tuple[Mutant, ...]:
    """Every mutant of an operation, made when first asked for."""
    return tuple(_made(operation))


def named(name: str) -> Mutant:
    """The mutant of this name; its operation is how the name begins."""
    for operation in OPERATIONS:
        if name.startswith(operation) and name in _by_name(operation):
            return _by_name(operation)[name]
    raise KeyError(name)


@cache
def _by_name(operation: str) -> dict[str, Mutant]:
    return {mutant.name: mutant for mutant in of(operation)}


def _made(operation: str) -> Iterator[Mutant]:
    family, dimensions, lacked = OPERATIONS[operation].family.name, OPERATIONS[operation].dimensions, _lacked(operation)
    for table in TABLES:
        stem, how = table.__name__.rpartition(".")[2], "make" if table in KERNELS else "change"
        for (of_family, outputs), rows in table.ROWS.items():
            for sentence, when, otherwise in rows if of_family == family else ():
                if axes_named(when) <= dimensions and not lacked.search(f"{sentence} {when}"):
                    words = _sized(sentence, dimensions)
                    name = f"{operation}_{outputs.split()[0]}_{_slug(words)}"
                    dtypes = tuple(re.findall(r"dtype == '(\w+)'", when)) or USUAL
                    yield Mutant(name, operation, tuple(outputs.split()), words, when, stem, dtypes, **{how: otherwise})


def _lacked(operation: str) -> re.Pattern[str]:
    """What names an option that the family has and the operation lacks: a divisor over one axis."""
    found = OPERATIONS[operation]
    names = [option.name.partition("_")[0] for option in found.family.options if option not in found.options]
    return re.compile("|".join(names) or "$.")


def _sized(sentence: str, dimensions: int) -> str:
    """3x3 is 3x3x3 where there are three axes, and "length-3" where there is one."""
    return re.sub(
        r"\b(\d+)x\1\b", lambda size: "x".join([size[1]] * dimensions) if dimensions > 1 else f"length-{size[1]}", sentence
    )


def _slug(sentence: str) -> str:
    return re.sub(r"\W+", "_", sentence.replace("'s", "s")).strip("_")
