"""python -m conformance, and the console script: what the command line needs may not be installed beside npcnn."""

import sys


def start() -> None:
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
