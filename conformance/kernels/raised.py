"""What an exception of a kernel says beside its words: whether it is meant, and where it was raised."""

from __future__ import annotations

import contextlib
import opcode
import traceback
from collections.abc import Iterator
from types import TracebackType

from conformance.kernels.own import is_own, of_suite, package_of

LAST = 3  # frames that are named
LONGEST = 8000  # characters of a traceback, of which the end says most

# What native code, of which no line is seen, raises to refuse.
REFUSALS = (NotImplementedError, RuntimeError, TypeError, ValueError)


def is_meant(error: BaseException) -> bool:
    """Whether a kernel refuses: by a `raise` or `assert` of its own, or before any line of it runs."""
    frames = _frames(error)
    if not frames:
        return isinstance(error, REFUSALS)
    at = frames[-1]
    raises = at.tb_frame.f_code.co_code[at.tb_lasti] == opcode.opmap["RAISE_VARARGS"]
    return raises and at in _own(frames)


def place(error: BaseException) -> str:
    """The last lines of the kernel's own files that it came through, the innermost first."""
    named = []
    for at in _own(_frames(error))[: -LAST - 1 : -1]:
        code = at.tb_frame.f_code
        named.append(f"{code.co_filename.rpartition('/')[2]}:{at.tb_lineno} in {code.co_name}")
    return ", ".join(named)


def trace(error: BaseException) -> str:
    """The traceback from the kernel on."""
    start = next(iter(_frames(error)), None)
    with contextlib.suppress(Exception):  # its text is made by the kernel's code, its lines by a file
        text = "".join(traceback.format_exception(type(error), error, start))
        return text if len(text) <= LONGEST else f"...\n{text[-LONGEST:]}"
    return ""


def _frames(error: BaseException) -> list[TracebackType]:
    """Those behind the suite's last one."""
    every = list(_chain(error.__traceback__))
    ours = [number for number, at in enumerate(every) if of_suite(_file(at))]
    return every[ours[-1] + 1 :] if ours else every


def _chain(at: TracebackType | None) -> Iterator[TracebackType]:
    while at:
        yield at
        at = at.tb_next


def _own(frames: list[TracebackType]) -> list[TracebackType]:
    """Those of the kernel's own files; where it is installed, those of its package."""
    own = [at for at in frames if is_own(_file(at))]
    return own or [at for at in frames if package_of(_file(at)) == package_of(_file(frames[0]))]


def _file(at: TracebackType) -> str:
    return at.tb_frame.f_code.co_filename
