"""What a worker's process may take, and how it ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

GONE = 71  # the exit status of a process whose parent is gone


def dump_no_core() -> None:
    """Deaths are expected."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def resident() -> int:
    """The most memory that this process ever held, in bytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def writable() -> int:
    """The memory that this process may write to, in bytes; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("VmData"))


def limit_memory(limit: int) -> None:
    """Beyond it memory is refused, before the machine runs out of it."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (limit if hard < 0 else min(limit, hard), hard))


def die_with_parent(parent: int) -> None:
    """Leave no process behind where the parent, the process of this number, is killed, and can end nobody."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it was killed before it could be asked for
        os._exit(GONE)


def exit_at_once() -> None:
    """Where a subject calls exit(), skip what loaded libraries would do then: half a second for PyTorch's."""
    c = ctypes.CDLL(None)
    if hasattr(c, "on_exit"):  # the last function registered is called first, with the status
        c.on_exit(ctypes.cast(c._exit, ctypes.c_void_p), None)
