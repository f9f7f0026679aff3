"""Kernels with one known mistake each: what the suite is measured by, and what a diagnosis is looked up in."""

from conformance.kernels.mutants import (
    arguments,
    avg_pool,
    axes,
    conditions,
    contract,
    conv_backward,
    conv_forward,
    fast_paths,
    layouts,
    max_pool,
    precision,
    stateful,
    tails,
)
from conformance.kernels.mutants.registry import ALL, Mutant

FILES = (
    axes, conv_forward, conv_backward, max_pool, avg_pool, tails, precision, layouts, contract, stateful, arguments,
    fast_paths, conditions,
)  # fmt: skip

__all__ = ["ALL", "FILES", "Mutant"]
