"""Who decides how a run ends: signal handlers that an import replaces are set again."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

ENDINGS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT") if hasattr(signal, name)
)


@contextmanager
def handlers_kept() -> Iterator[None]:
    """Afterwards Ctrl-C and SIGTERM do what they did before, also where native code replaced the handlers.

    Python is not told of that, so they are set again without a look at what Python believes.
    """
    before = {number: signal.getsignal(number) for number in ENDINGS}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():  # no other may set them
            for number, handler in before.items():
                if handler is not None:  # native code's own: Python cannot set it
                    signal.signal(number, handler)
