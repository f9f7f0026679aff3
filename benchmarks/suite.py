"""What the suite itself costs: its share of a run, how it grows, and how soon it is there.

    python benchmarks/suite.py share      cases a second on one core; the time of subject, oracle and suite
    python benchmarks/suite.py jobs       one worker against two, in turn
    python benchmarks/suite.py growth     time and memory of random cases, up to 100,000
    python benchmarks/suite.py startup    imports, --help, the pytest plugin

Medians of several rounds. The subject is npcnn, or the one that --subject names.
"""

import argparse
import functools
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=MEASURES)
    parser.add_argument("--subject", default="npcnn")
    parser.add_argument("--op", default="conv2d")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    if ONE_THREAD.items() - os.environ.items():  # read when NumPy and PyTorch are imported
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | ONE_THREAD)
    MEASURES[asked.what](asked)


def share(asked: argparse.Namespace) -> None:
    """A standard run in this process, without what needs worker processes or threads."""
    from conformance.kernels.framework import TRUSTED, oracle
    from conformance.kernels.load import load
    from conformance.kernels.subject import Subject
    from conformance.requirements import REQUIREMENTS
    from conformance.running.in_process import InProcess
    from conformance.running.run import run
    from conformance.running.settings import Settings

    spent: dict[str, float] = {}

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*arguments: Any, **options: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                spent[name] = spent.get(name, 0.0) + time.perf_counter() - start

        return call

    loaded = load(asked.subject)
    functions = {
        name: timed("subject", function)
        for operation in loaded.operations
        for name in (operation, f"{operation}_backward")
        if (function := loaded.function(name))
    }
    subject = Subject(functions, framework=loaded.array_framework, dtypes=loaded.dtypes)
    runner = InProcess(subject, timed("oracle", oracle(TRUSTED)))
    names = [n for n, r in REQUIREMENTS.items() if not r.isolated and r.repeatable]
    rounds = []
    for _ in range(asked.rounds + 1):
        spent.clear()
        start = time.perf_counter()
        report = run(subject, runner, Settings([asked.op], names))
        seconds = time.perf_counter() - start
        rounds.append([report.cases / seconds, *(spent[who] / seconds for who in ("subject", "oracle"))])
    rate, of_subject, of_oracle = map(median, zip(*rounds[1:], strict=True))  # the first warms up
    print(f"{asked.op}: {rate:,.0f} cases a second on one core, {report.cases:,} cases a round")
    print(f"subject {of_subject:.0%}, oracle {of_oracle:.0%}, suite {1 - of_subject - of_oracle:.0%}")


def jobs(asked: argparse.Namespace) -> None:
    """Whole runs, workers started beforehand."""
    from conformance.kernels.load import load
    from conformance.running.run import run
    from conformance.running.settings import Settings
    from conformance.running.workers import Workers

    subject, taken = load(asked.subject), {1: [], 2: []}  # type: ignore[var-annotated]
    for _ in range(asked.rounds):
        for count, times in taken.items():
            with Workers(asked.subject, jobs=count) as workers:
                start = time.perf_counter()
                run(subject, workers, Settings())
                times.append(time.perf_counter() - start)
    one, two = (median(times) for times in taken.values())
    ratio = median(a / b for a, b in zip(*taken.values(), strict=True))
    print(f"one worker {one:.1f} s, two {two:.1f} s: {ratio:.2f} times as fast")


def growth(asked: argparse.Namespace) -> None:
    """Random exact cases, judged in this process: seconds and the most memory held so far."""
    from conformance.cases.covering import explore
    from conformance.cases.features import features_of
    from conformance.kernels.framework import TRUSTED, oracle
    from conformance.kernels.load import load
    from conformance.running.in_process import InProcess

    runner = InProcess(load(asked.subject), oracle(TRUSTED))
    start = time.perf_counter()
    cases = explore(asked.op, features_of(asked.op), 100_000, 0)
    for number, (case, judgements) in enumerate(runner.examine("exact", cases), 1):
        assert not any(judgement.failed for judgement in judgements), case
        if number % 10_000 == 0:
            held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"{number:>7,} cases  {time.perf_counter() - start:6.1f} s  {held:6.0f} MiB", flush=True)


def startup(asked: argparse.Namespace) -> None:
    """Processes of their own; an import is what it takes beyond Python (the plugin: beyond pytest)."""
    clock = "import time, pytest; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"
    for name in ("conformance", "conformance.pytest_plugin"):
        printed = [_run([sys.executable, "-c", clock.format(name)])[1] for _ in range(asked.rounds)]
        print(f"import {name:27} {1e3 * median(map(float, printed)):6.1f} ms")
    for name, command in _COMMANDS.items():
        taken = median(_run([sys.executable, *command])[0] for _ in range(asked.rounds))
        print(f"{name:34} {1e3 * taken:6.0f} ms")


_COMMANDS = {
    "python, nothing else": ["-c", ""],
    "conformance --help": ["-m", "conformance", "--help"],
    "conformance list requirements": ["-m", "conformance", "list", "requirements"],
}


def _run(command: list[str]) -> tuple[float, str]:
    start = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return time.perf_counter() - start, done.stdout


MEASURES = {"share": share, "jobs": jobs, "growth": growth, "startup": startup}


if __name__ == "__main__":
    main()
