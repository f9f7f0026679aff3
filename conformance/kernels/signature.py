"""What a function takes, as far as its signature tells, and what it is thereby called with."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from conformance.cases import Case
from conformance.operations import OPERATIONS
from conformance.operations.option import OTHER_NAMES

Arguments = tuple[list[Any], dict[str, Any]]  # by position and by keyword


@dataclass(frozen=True)
class Signature:
    """Of one function, a forward or a backward."""

    name: str
    options: frozenset[str] | None = None  # None: all
    unclaimed: frozenset[str] = frozenset()  # options that **options takes, but not all functions under it
    takes_bias: bool = True
    needs_bias: bool = False
    bias_keyword: str = ""  # the name to pass it by, where it does not stand right behind the weight
    ordered: tuple[str, ...] = ()  # options that have no keyword, in their order
    by_position: tuple[str, ...] = ()  # what is required goes after the arrays: a parameter has another name
    defaulted: frozenset[str] = frozenset()  # options whose parameter has a default
    named: Mapping[str, str] = field(
        default_factory=dict
    )  # options whose parameter has another name, and that
    own: tuple[str, ...] = ()  # parameters that are neither arrays nor options, left at their defaults

    @classmethod
    def read(cls, name: str, function: Callable[..., Any] | None, without: tuple[str, ...] = ()) -> Signature:
        try:
            parameters = dict(inspect.signature(function).parameters) if function else {}
        except (TypeError, ValueError):
            return cls(name, unclaimed=frozenset(without))
        operation = _operation(name)
        arrays, known = len(leading(name)) + _arrays(operation), _plain_options(operation)
        plain = [n for n, p in parameters.items() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        named = _named_otherwise(known, {n: p for n, p in parameters.items() if n not in plain[:arrays]})
        called = {named.get(option, option): option for option in known}  # by the names that the function has
        there = {called[word]: parameter for word, parameter in parameters.items() if word in called}
        kinds = {p.kind for p in parameters.values()}
        every = inspect.Parameter.VAR_KEYWORD in kinds
        bias, by_name = _bias_of(list(parameters.values()), arrays, set(called))
        required = OPERATIONS[operation].required
        by_position = required if not every and set(required) - there.keys() else ()
        placed = {*plain[: arrays + len(by_position)], *called, bias.name if bias else ""}
        return cls(
            name=name,
            options=None if every else frozenset(there),
            unclaimed=frozenset(without) - there.keys() if every else frozenset(),
            takes_bias=bias is not None or inspect.Parameter.VAR_POSITIONAL in kinds,
            needs_bias=bias is not None and bias.default is inspect.Parameter.empty,
            bias_keyword=bias.name if bias and by_name else "",
            ordered=tuple(option for option, p in there.items() if p.kind is p.POSITIONAL_ONLY),
            by_position=by_position,
            defaulted=frozenset(option for option, p in there.items() if p.default is not p.empty),
            named=named,
            own=tuple(n for n, p in parameters.items() if n not in placed and p.default is not p.empty),
        )

    def arguments(self, case: Case, arrays: Mapping[str, Any], omits_defaults: bool = False) -> Arguments:
        """What the function is called with."""
        backward = self.name.endswith("_backward")
        positional = [arrays.get(name) for name in leading(self.name)]
        own = (name for name in arrays if not name.startswith("grad_") and name != "bias")
        positional += [arrays[name] for name in own]
        if "weight" in arrays and self.takes_bias and not self.bias_keyword:
            positional.append(arrays.get("bias"))
        options = case.options
        if backward:
            options.pop("return_indices", None)
        positional += [options.pop(name) for name in self.by_position]
        options = self._taken(case, options, omits_defaults)
        positional += [options.pop(name) for name in self.ordered if name in options]
        if self.named:
            options = {self.named.get(name, name): value for name, value in options.items()}
        if self.bias_keyword:
            options[self.bias_keyword] = arrays.get("bias")
        return positional, options

    def _taken(self, case: Case, options: dict[str, Any], omits_defaults: bool) -> dict[str, Any]:
        """The options that are passed: those it takes, and of some only what is not their default."""
        required = frozenset(OPERATIONS[case.operation].required)
        left_out = self.unclaimed | (self.defaulted - required if omits_defaults else frozenset())
        plain = _plain_options(case.operation) if left_out else {}
        at_default = {n for n in left_out & plain.keys() & options.keys() if _alike(options[n], plain[n])}
        takes = options.keys() if self.options is None else self.options
        return {name: value for name, value in options.items() if name in takes and name not in at_default}

    def lacks(self, needs: frozenset[str], without: tuple[str, ...]) -> str | None:
        """The first of these features that it does not have, or None."""
        return next((need for need in sorted(needs) if need in without or self._lacks(need)), None)

    def _lacks(self, need: str) -> bool:
        backward, option = self.name.endswith("_backward"), need.partition("=")[0]
        if need == "bias":
            return not self.takes_bias and not backward
        if need == "no bias":
            return self.needs_bias
        if need == "stride=None" or (backward and option == "return_indices") or option not in _OPTIONS:
            return False
        return self.options is not None and option not in self.options


def _named_otherwise(
    options: Mapping[str, Any], parameters: Mapping[str, inspect.Parameter]
) -> dict[str, str]:
    """Options that a function has under another of their names, with the default that PyTorch has, None or none."""
    found: dict[str, str] = {}
    for option in (option for option in options if option not in parameters):
        for name in OTHER_NAMES.get(option, ()):
            if name in parameters and _may_be(parameters[name].default, options[option]):
                found.setdefault(option, name)
    return found


def _may_be(default: Any, plain: Any) -> bool:
    """Whether the default of a parameter may be that of an option: None, none at all, or the same."""
    unsaid = default is None or default is inspect.Parameter.empty
    return unsaid or (isinstance(default, (int, str, tuple)) and _alike(default, plain))


def _operation(function: str) -> str:
    return function.removesuffix("_backward").removesuffix("_double")


@cache
def leading(function: str) -> tuple[str, ...]:
    """The arrays that come before those of the forward: gradients."""
    if not function.endswith("_backward"):
        return ()
    twice = function.endswith("_double_backward")
    names = OPERATIONS[_operation(function)].family.differentiated if twice else ()
    return *(f"grad_grad_{name}" for name in names), "grad_output"


def _arrays(operation: str) -> int:
    """How many arrays every forward takes."""
    found = OPERATIONS[operation]
    return len(found.family.array_names) - sum(option.array for option in found.options)


@cache
def _plain_options(operation: str) -> dict[str, Any]:
    return Case.of(operation).options


_OPTIONS = {o for name, of in OPERATIONS.items() for o in _plain_options(name) if o not in of.required}


def _alike(value: Any, default: Any) -> bool:
    """Whether an option is at its default, which may be written once an axis."""
    return bool(value == default or (isinstance(value, (tuple, list)) and set(value) == {default}))


def _bias_of(
    parameters: list[inspect.Parameter], arrays: int, options: set[str]
) -> tuple[inspect.Parameter | None, bool]:
    """The parameter that takes the bias, and whether it must be passed by its name.

    It is called bias, or stands right behind the other arrays with the default None or with none at all: another
    default, as of block=64, belongs to a parameter of the kernel's own.
    """
    for behind in parameters[arrays : arrays + 1]:
        plain = behind.kind in (behind.POSITIONAL_ONLY, behind.POSITIONAL_OR_KEYWORD)
        may_be_none = behind.default is None or behind.default is behind.empty
        if plain and (behind.name == "bias" or (behind.name not in options and may_be_none)):
            return behind, False
    named = (p for p in parameters if p.name in ("bias", "b") and p.kind != p.POSITIONAL_ONLY)
    return next(named, None), True
