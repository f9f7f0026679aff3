"""Many kernels in one command against one command each: mutants of the audit, written out as files.

    python benchmarks/many.py [--kernels 200] [--alone 40]

The commands that judge one kernel each run one after the other, on a sample; their time is scaled to all.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from conformance.audit import mutants
from conformance.audit.runner import chosen

FILE = """import conformance
from conformance.audit.mutants import named
subject = conformance.Subject(named({!r}).subject())
"""
ASKED = ["--first-failure", "--no-cache"]


def run(*words: str) -> tuple[float, str]:
    """The seconds that a command takes, and what it prints."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "conformance", "run", *words, *ASKED]
    ended = subprocess.run(command, capture_output=True, text=True)
    return time.perf_counter() - begun, ended.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kernels", type=int, default=200)
    parser.add_argument("--alone", type=int, default=40)
    asked = parser.parse_args()
    every = chosen()
    names = every[:: max(1, len(every) // asked.kernels)][: asked.kernels]
    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder) / f"mutant_{number}.py") for number in range(len(names))]
        for file, name in zip(files, names, strict=True):
            Path(file).write_text(FILE.format(name))
        print(f"{len(files)} mutants of {len({mutants.named(name).operation for name in names})} operations")
        together, told = run(*files, "--json", str(Path(folder) / "all.json"))
        verdicts = json.loads((Path(folder) / "all.json").read_text())["verdicts"]
        print(told.splitlines()[-1])
        sample = files[:: max(1, len(files) // asked.alone)]
        each = [run(file)[0] for file in sample]
        alone = sum(each) / len(each) * len(files)
        print(f"verdicts: {verdicts}")
        print(f"in one command {together:.0f} s, {60 * len(files) / together:.0f} a minute")
        print(
            f"one command each {alone:.0f} s (of {len(sample)}, scaled), {60 * len(files) / alone:.0f} a minute"
        )
        print(f"{alone / together:.1f} times as fast")


if __name__ == "__main__":
    main()
