"""Many kernels in one command against one command each: mutants of the audit, written out as files.

    python benchmarks/many.py [--kernels 200] [--alone 200]

The commands that judge one kernel each run one after the other. Where fewer are asked for than there are kernels,
they are a sample, and their time is scaled to all.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median, quantiles

from conformance.audit import mutants
from conformance.audit.runner import chosen

FILE = """import conformance
from conformance.audit.mutants import named
mutant = named({!r})
subject = conformance.Subject(mutant.subject(), dtypes=mutant.dtypes, strict=True)
"""
ASKED = ["--first-failure", "--no-cache"]
VERDICTS = {0: "conforms", 1: "differs"}  # by exit status


def run(*words: str) -> tuple[float, subprocess.CompletedProcess[str]]:
    """The seconds that a command takes, and how it ended."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "conformance", "run", *words, *ASKED]
    ended = subprocess.run(command, capture_output=True, text=True)
    return time.perf_counter() - begun, ended


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kernels", type=int, default=200)
    parser.add_argument("--alone", type=int, default=200)
    asked = parser.parse_args()
    every = chosen()
    names = every[:: max(1, len(every) // asked.kernels)][: asked.kernels]
    operations = Counter(mutants.named(name).operation for name in names)
    print(f"{len(names)} mutants:", ", ".join(f"{count} {name}" for name, count in operations.items()))
    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder) / f"mutant_{number}.py") for number in range(len(names))]
        for file, name in zip(files, names, strict=True):
            Path(file).write_text(FILE.format(name))
        together, ended = run(*files, "--json", str(Path(folder) / "all.json"))
        print(f"in one command {together:.0f} s:", ended.stdout.splitlines()[-1], flush=True)
        runs = json.loads((Path(folder) / "all.json").read_text())["runs"]
        sample = range(0, len(files), max(1, len(files) // asked.alone))
        each = {number: run(files[number]) for number in sample}
    seconds = [spent for spent, _ in each.values()]
    alone = sum(seconds) / len(seconds) * len(files)
    print(
        f"one command each {alone:.0f} s ({len(each)} run), {60 * len(files) / alone:.0f} a minute,"
        f" median {median(seconds):.1f} s, 95 % {quantiles(seconds, n=20)[-1]:.1f} s"
    )
    print(f"{alone / together:.1f} times as fast in one command")
    for number, name in enumerate(names):
        verdict = runs[number]["verdict"]
        if number in each and verdict != (own := VERDICTS.get(each[number][1].returncode, "not judged")):
            print(f"{name}: {verdict} in one command, {own} alone")
        elif verdict != "differs":
            print(f"{name}: {verdict}")


if __name__ == "__main__":
    main()
