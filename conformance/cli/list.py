"""conformance list: what there is to name in the other commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import click

from conformance.cli.shared import console, show

Entries = Iterator[tuple[str, str]]  # each name, with what it is


def _ops() -> Entries:
    from conformance.operations import OPERATIONS

    return ((name, f"judged: {', '.join(operation.outputs)}") for name, operation in OPERATIONS.items())


def _requirements() -> Entries:
    from conformance.requirements import REQUIREMENTS

    return ((name, requirement.asks) for name, requirement in REQUIREMENTS.items())


def _subjects() -> Entries:
    from conformance.kernels.framework import FRAMEWORKS, about, installed, missing

    for name in FRAMEWORKS:
        if about(name).variants:
            yield name, "its own kernels" if installed(name) else missing(name).removeprefix(f"{name} is ")
    yield "package.module", "a module whose functions are named as in torch.nn.functional (npcnn is one)"
    yield "file.py", "a file of such functions"
    yield (
        "module:object",
        "an object in a module or file (file.py:object): a namespace of functions, or a Subject",
    )


def _oracles() -> Entries:
    from conformance.kernels.framework import oracles

    yield from oracles().items()


def _profiles() -> Entries:
    yield "quick", "named cases and every pair of classes of parameters"
    yield "standard", "those, every geometry of one axis in a small scope, and random cases"
    yield "deep", "those, and many times more random cases, which --seed changes"


def _features() -> Entries:
    from conformance.cases.features import FEATURES, features_of
    from conformance.operations import OPERATIONS

    for feature in sorted(FEATURES):
        yield feature, ", ".join(name for name in OPERATIONS if feature in features_of(name))


def _values() -> Entries:
    from conformance.cases.values import PLANTED, VALUES

    return _first_lines(VALUES | {f"{side}:NUMBER": made for side, made in PLANTED.items()})


def _layouts() -> Entries:
    from conformance.cases.guarded import GUARDS, NONE
    from conformance.cases.views import VIEWS

    yield from _first_lines(VIEWS)
    for name, guard in GUARDS.items():
        where = "Ends at" if guard.ends else "Starts after"
        access = "may not be accessed" if guard.protection == NONE else "may only be read"
        yield name, f"{where} a page that {access}."


def _first_lines(functions: Mapping[str, Callable[..., Any]]) -> Entries:
    """What each says of itself."""
    return (
        (name, (function.__doc__ or "").strip().partition("\n")[0]) for name, function in functions.items()
    )


LISTS: dict[str, Callable[[], Entries]] = {
    "ops": _ops, "requirements": _requirements, "subjects": _subjects, "oracles": _oracles, "profiles": _profiles,
    "features": _features, "values": _values, "layouts": _layouts,
}  # fmt: skip


@click.command("list")
@click.argument("what", type=click.Choice(list(LISTS)))
def command(what: str) -> None:
    """List what the other commands can name, one to a line."""
    entries = list(LISTS[what]())
    width = max(len(name) for name, _ in entries)
    padded = ((name.ljust(width), f"  {text}" if text else "") for name, text in entries)
    show(console(), ([(name, "head"), (text, "")] for name, text in padded))
