"""python -m conformance, and the console script: what the command line needs may not be installed beside npcnn."""

import errno
import io
import os
import sys


def start() -> None:
    """Run the command line; Ctrl-C before it is loaded, and an output that is full or closed, are no traceback."""
    try:
        _open_closed()
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # a character that its encoding lacks is written out
                stream.reconfigure(errors="backslashreplace")
        _main()
    except KeyboardInterrupt:
        sys.exit(130)
    except RuntimeError as error:  # what Python 3.11 makes of one in the midst of a class that is being made
        if not isinstance(error.__cause__, KeyboardInterrupt):
            raise
        sys.exit(130)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(f"Error: standard output cannot be written: {error.strerror}", file=sys.stderr)
        sys.stdout = None  # what is left of it is not tried again
        sys.exit(2)


def _open_closed() -> None:
    """Standard streams that a shell closed, as by >&-, take what is printed and drop it."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            os.set_inheritable(number, True)  # or a worker had it closed
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115 (closed with the process)


def _main() -> None:
    try:
        from conformance.cli import main
    except ModuleNotFoundError as error:
        if error.name not in ("click", "numpy"):
            raise
        print(
            f"conformance needs {error.name}: python -m pip install 'npcnn-conformance[torch]'",
            file=sys.stderr,
        )
        sys.exit(2)
    main(prog_name="conformance")


if __name__ == "__main__":
    start()
