"""Is a right kernel ever accused? Random cases, by the hundred thousand, on each of those that the suite keeps.

    python benchmarks/right_kernels.py --cases 100000 --jobs 2

Integers, reals of both signs and of one, and NaN and infinities; float32 and float64; the reference is the oracle.
"""

import argparse
import itertools
import time
from collections.abc import Iterator
from dataclasses import replace

from conformance.audit import right
from conformance.audit import runner as audit
from conformance.cases import Case
from conformance.cases.covering import explore
from conformance.kernels import reference
from conformance.kernels.subject import Subject
from conformance.requirements import REQUIREMENTS
from conformance.running.claims import claims_of
from conformance.running.in_process import InProcess
from conformance.running.settings import Settings
from conformance.running.tasks import plans


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=100_000, help="on each kernel")
    parser.add_argument("--only", default="", help="kernels whose name holds this")
    parser.add_argument("--seed", type=int, default=1, help="of the random cases; a run of the suite has 0")
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    names = audit.right_kernels(asked.only)
    start, total, accused = time.perf_counter(), 0, 0
    with audit.pool(asked.jobs) as workers:
        for name, (judged, wrong) in zip(
            names,
            workers.map(judge, names, itertools.repeat(asked.cases), itertools.repeat(asked.seed)),
            strict=True,
        ):
            total, accused = total + judged, accused + len(wrong)
            print(f"{name:26} {judged:>9,} cases  {'; '.join(wrong[:3]) or 'none accused'}", flush=True)
    print(
        f"{total:,} cases on {len(names)} kernels in {time.perf_counter() - start:.0f} s: {accused} accused"
    )


def judge(name: str, count: int, seed: int) -> tuple[int, list[str]]:
    """How many cases were judged, and those that accuse the kernel."""
    kernel = right.ALL[name]
    subject = Subject(kernel.subject(), name=name, **kernel.declared)
    judged, wrong = 0, []
    for case, judgements in InProcess(subject, reference.answer).examine(
        "exact", drawn(subject, count, seed)
    ):
        judged += any(judgement.claimed for judgement in judgements)
        wrong += [f"{told.output} {case}" for told in judgements if told.failed]
    return judged, wrong


def drawn(subject: Subject, count: int, seed: int) -> Iterator[Case]:
    """As many random cases of each operation and dtype, their values in turn."""
    runner, settings = InProcess(subject, reference.answer), Settings()
    every = claims_of(subject, runner, settings)
    claimed = [plan for claims in every for plan in plans(subject, claims, settings)]
    for plan in claimed:
        special = [] if REQUIREMENTS["special"].why_not(plan, isolated=False) else ["special"]
        values = itertools.cycle(
            [plan.integers, "mean_zero", plan.integers, "non_negative", "spread", *special]
        )
        for case, of in zip(
            explore(plan.operation, plan.features, -(-count // len(claimed)), seed), values, strict=False
        ):
            yield replace(case, values=of, dtype=plan.dtype)


if __name__ == "__main__":
    main()
