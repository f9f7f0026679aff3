"""What worker processes cost against examining in this process: the same cases, the same machine.

    python benchmarks/isolation.py npcnn --rounds 3

One worker against none shows the cost of isolation; more workers show what they win. The start of the workers is timed
apart: in a run it is paid once.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from conformance.cases import Case
from conformance.kernels.framework import TRUSTED, imported, oracle
from conformance.kernels.load import load
from conformance.kernels.subject import Subject
from conformance.requirements import REQUIREMENTS
from conformance.running.claims import claims_of
from conformance.running.in_process import InProcess
from conformance.running.runner import Runner
from conformance.running.settings import Settings
from conformance.running.tasks import plans
from conformance.running.workers import Workers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("subject", nargs="?", default="npcnn")
    parser.add_argument("--oracle", default=TRUSTED)
    parser.add_argument("--profile", default="standard")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, os.cpu_count() or 1])
    asked = parser.parse_args()
    subject = load(asked.subject)
    here = InProcess(subject, oracle(asked.oracle))
    _one_thread()
    units = list(units_of(subject, here, asked.profile))
    print(
        f"{sum(1 for _, cases in units for _ in cases()):,} cases of {asked.subject}, profile {asked.profile}"
    )
    runners: dict[str, Runner] = {"in process": here}
    opened = []
    for jobs in asked.jobs:
        start = time.perf_counter()
        opened.append(Workers(asked.subject, asked.oracle, jobs).__enter__())
        print(f"{jobs} workers start in {time.perf_counter() - start:.2f} s")
        runners[f"{jobs} workers"] = opened[-1]
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in runners}
    for _ in range(asked.rounds):  # in turn, so that a slow moment of the machine hits all
        for name, runner in runners.items():
            taken[name].append(seconds(runner, units))
    for workers in opened:
        workers.__exit__()
    base = [min(each) for each in zip(*taken["in process"], strict=True)]
    for name, rounds in taken.items():
        wall, cpu = (min(each) for each in zip(*rounds, strict=True))
        against = f"{wall / base[0] - 1:+7.1%} {cpu / base[1] - 1:+7.1%}"
        print(f"{name:12} fastest of {asked.rounds}: {wall:7.2f} s, processor {cpu:7.2f} s   {against}")


Cases = Callable[
    [], Iterator[Case]
]  # made anew for each round, as in a run: a case remembers what it worked out


def units_of(subject: Subject, runner: Runner, profile: str) -> Iterator[tuple[str, Cases]]:
    settings = Settings(profile=profile)
    for claims in claims_of(subject, runner, settings):
        for plan in plans(subject, claims, settings):
            for name, requirement in REQUIREMENTS.items():
                if not requirement.isolated:
                    yield name, partial(requirement.cases, plan)


def seconds(runner: Runner, units: list[tuple[str, Cases]]) -> tuple[float, float]:
    """The time that passes, and the time of all processors, which other work on the machine disturbs less."""
    start, before = time.perf_counter(), _processor(runner)
    for requirement, cases in units:
        for _ in runner.examine(requirement, cases()):
            pass
    return time.perf_counter() - start, _processor(runner) - before


def _processor(runner: Runner) -> float:
    """Seconds of this process and of its workers (on Linux; elsewhere of this process alone)."""
    ticks = 0
    for process in runner.processes if isinstance(runner, Workers) else ():
        if (stat := Path(f"/proc/{process}/stat")).exists():
            ticks += sum(map(int, stat.read_text().rpartition(")")[2].split()[11:13]))
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def _one_thread() -> None:
    """As in the workers."""
    for framework in imported():
        framework.set_threads(1)


if __name__ == "__main__":
    main()
