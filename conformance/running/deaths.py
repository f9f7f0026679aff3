"""How a worker ended, in the words of the verdict."""

from __future__ import annotations

import re
import signal
import sysconfig
from dataclasses import dataclass
from pathlib import Path

RETRIES = 3  # a case is to blame for a SIGKILL if it gets one so often

LONGER = "; --timeout allows a call longer, as one that compiles may need"

FROM_OUTSIDE = tuple(
    -getattr(signal, name)
    for name in ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT")
    if hasattr(signal, name)
)


@dataclass(frozen=True)
class Death:
    """A worker that ended: in which function, how, and what it had printed last."""

    function: str  # the last one called; "" where none was
    inside: bool  # whether it was still in it
    code: int  # as of a subprocess: negative for a signal
    hung: float = 0.0  # the time limit, where that is why it was killed
    full: bool = False  # whether it had taken the memory it may
    printed: str = ""
    hurried: bool = False  # whether the time limit was a shorter one than was asked for, and is not told

    @property
    def from_outside(self) -> bool:
        """Whether somebody else may have killed it."""
        return not self.hung and not self.full and self.code in FROM_OUTSIDE

    @property
    def status(self) -> str:
        if self.hung:
            return "hung"
        if self.full or (self.code < 0 and re.search("bad_alloc|out of memory|MemoryError", self.printed)):
            return "out of memory"
        return "crashed" if self.code < 0 else "exited"

    def __str__(self) -> str:
        after = "" if self.inside or not self.function else f" after {self.function} had answered"
        return f"{self._how}{after}{self._place}{self._words}"

    @property
    def _how(self) -> str:
        if self.status == "crashed":
            return f"crashed ({_NAMES.get(-self.code, f'signal {-self.code}')})"
        if self.hurried:
            return self.status
        return {"hung": f"hung (> {self.hung:g} s)", "exited": f"exited ({self.code})"}.get(
            self.status, self.status
        )

    @property
    def _place(self) -> str:
        """The line of the subject that was running, as faulthandler printed it."""
        for path, line, name in re.findall(r'File "([^"]+)", line (\d+) in (\S+)', self.printed):
            library = path.startswith(_STDLIB) and "-packages/" not in path
            if not (library or path.startswith((_SUITE, "<")) or "/numpy/" in path):
                return f" at {Path(path).name}:{line} in {name}"
        return ""

    @property
    def _words(self) -> str:
        """The last line that it printed itself, as an assertion or the memory allocator does before they abort."""
        if self.hung:
            return "" if self.hurried else LONGER
        own = re.split(
            r"Fatal Python error|^(?:Current t|T)hread 0x", self.printed, maxsplit=1, flags=re.MULTILINE
        )[0]
        lines = [line.strip() for line in own.splitlines() if line.strip()]
        if not lines:
            return ""
        return "; it had printed: " + "".join(c if c.isprintable() else "?" for c in lines[-1][:200])


_NAMES = {int(number): number.name for number in signal.Signals}  # not of every real-time signal
_SUITE = str(Path(__file__).resolve().parents[1]) + "/"
_STDLIB = sysconfig.get_path("stdlib") + "/"
