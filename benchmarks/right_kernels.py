"""Is a right kernel ever accused? Random cases, by the hundred thousand, on each of those that the suite keeps.

    python benchmarks/right_kernels.py --cases 100000 --jobs 2
    python benchmarks/right_kernels.py --cases 20000 --only double_ --requirement double_backward

Integers, reals of both signs, of one and of many magnitudes, and NaN and infinities, in each dtype that the kernel
claims; the reference is the oracle. Gradients of gradients are asked integers and reals.
"""

import argparse
import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from conformance.audit import right
from conformance.audit import runner as audit
from conformance.cases import Case
from conformance.cases.covering import explore
from conformance.cases.doubled import is_exact
from conformance.kernels import reference
from conformance.kernels.subject import Subject
from conformance.requirements import REQUIREMENTS, Plan
from conformance.running.claims import claims_of
from conformance.running.in_process import InProcess
from conformance.running.settings import Settings
from conformance.running.tasks import plans


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=100_000, help="on each kernel")
    parser.add_argument("--only", default="", help="parts of names, separated by commas")
    parser.add_argument("--requirement", default="exact", choices=("exact", "double_backward"))
    parser.add_argument("--seed", type=int, default=1, help="of the random cases; a run of the suite has 0")
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    names = [name for name in right.ALL if any(part in name for part in asked.only.split(","))]
    start, total, accused = time.perf_counter(), 0, 0
    with audit.pool(asked.jobs) as workers:
        told = workers.map(partial(judge, asked.requirement, asked.cases, asked.seed), names)
        for name, (judged, wrong) in zip(names, told, strict=True):
            total, accused = total + judged, accused + len(wrong)
            print(f"{name:26} {judged:>9,} cases  {'; '.join(wrong[:3]) or 'none accused'}", flush=True)
    print(
        f"{total:,} cases on {len(names)} kernels in {time.perf_counter() - start:.0f} s: {accused} accused"
    )


def judge(requirement: str, count: int, seed: int, name: str) -> tuple[int, list[str]]:
    """How many cases were judged, and those that accuse the kernel."""
    kernel = right.ALL[name]
    subject = Subject(kernel.subject(), name=name, **kernel.declared)
    judged, wrong = 0, []
    cases = drawn(subject, count, seed, requirement)
    for case, judgements in InProcess(subject, reference.answer).examine(requirement, cases):
        judged += any(judgement.claimed for judgement in judgements)
        wrong += [f"{told.output} {case}" for told in judgements if told.failed]
    return judged, wrong


def drawn(subject: Subject, count: int, seed: int, requirement: str) -> Iterator[Case]:
    """As many random cases of each operation and dtype, their values in turn."""
    runner, settings = InProcess(subject, reference.answer), Settings()
    every = claims_of(subject, runner, settings)
    claimed = [plan for claims in every for plan in plans(subject, claims, settings)]
    for plan in claimed:
        cases = explore(plan.operation, plan.features, -(-count // len(claimed)), seed)
        doubled = not REQUIREMENTS[requirement].plain
        values = [plan.integers, "mean_zero"] if doubled else values_of(plan)
        for case, of in zip(cases, itertools.cycle(values), strict=False):
            made = replace(case, values=of, dtype=plan.dtype)
            if not doubled or is_exact(made):
                yield made


def values_of(plan: Plan) -> list[str]:
    special = [] if REQUIREMENTS["special"].why_not(plan, isolated=False) else ["special"]
    return [plan.integers, "mean_zero", plan.integers, "non_negative", "spread", *special]


if __name__ == "__main__":
    main()
