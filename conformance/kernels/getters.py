"""What a library lets everybody set, found by looking through it rather than by a list of what was once changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from types import ModuleType
from typing import Any

from conformance.kernels.framework import Shared


def settable(
    module: ModuleType, *, but: Collection[str] = (), unkind: Collection[str] = ()
) -> dict[str, Shared]:
    """What a function of a module says and another sets, by how it is asked: `sys.getrecursionlimit()`.

    but     of no interest: those that warn, or that another name covers
    unkind  those that no answer depends on
    """
    pairs = ((name, getattr(module, name), _setter(module, name)) for name in dir(module) if name not in but)
    return {
        f"{module.__name__}.{name}()": Shared(read, _putting(write), decides=name not in unkind, seldom=True)
        for name, read, write in pairs
        if write and _is_plain(read)
    }


def _setter(module: ModuleType, name: str) -> Callable[..., Any] | None:
    """set_x of get_x, setx of getx; set_x or set_x_enabled of is_x_enabled."""
    names = [f"s{name[1:]}"] if name.startswith("get") else []
    if name.startswith(("is_", "are_")):
        setting = f"set_{name.partition('_')[2]}"
        names = [setting, setting.removesuffix("_enabled")]
    found = (getattr(module, each, None) for each in names)
    return next((each for each in found if callable(each)), None)


def attributes(module: ModuleType, decides: bool) -> Shared:
    """The public names of a module, told one by one; lists as they are filled."""
    lists = [name for name, value in vars(module).items() if type(value) is list]

    def read() -> dict[str, Any]:
        return {**vars(module), **{name: list(getattr(module, name, ())) for name in lists}}

    def put_back(before: Mapping[str, Any]) -> None:
        for name in differing(before, read()):
            if name not in before:
                delattr(module, name)
            elif name in lists and hasattr(module, name):
                getattr(module, name)[:] = before[name]  # others hold this very list
            else:
                setattr(module, name, before[name])

    return Shared(read, put_back, decides, parts=True, seldom=True)


def differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The public names whose values are not the same; what Python keeps of the last exception is not looked at."""
    names = () if same(before, now) else sorted(before.keys() | now.keys())
    return [
        name
        for name in names
        if not name.startswith(("_", "last_"))
        and not (name in before and name in now and same(before[name], now[name]))
    ]


def same(one: Any, other: Any) -> bool:
    """Whether two values are; those that cannot be compared, as arrays, are not."""
    with suppress(Exception):
        return bool(one is other or one == other)
    return False


def _putting(write: Callable[..., Any]) -> Callable[[Any], None]:
    """A setter that takes what its getter says, also where that is several arguments."""

    def put_back(value: Any) -> None:
        with suppress(Exception):  # as PyTorch's number of interop threads, which is set once
            if isinstance(value, dict):
                write(**value)
            elif isinstance(value, tuple):
                write(*value)
            else:
                write(value)

    return put_back


def _is_plain(read: Callable[[], Any]) -> bool:
    """Whether it needs no argument and says the same when it is asked again."""
    with suppress(Exception):
        return bool(read() == read())
    return False
