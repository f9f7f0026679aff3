"""Cases that cannot see: those whose right answer stays the same when a number or an option of theirs is another one.

    python benchmarks/blind.py                        every exact case of the standard profile: minutes
    python benchmarks/blind.py --op conv2d --every 50

What makes no difference to random reals on the same shapes cannot matter (a pixel between two windows, the dilation of
a kernel of one), and where a view repeats its numbers, or the largest one is chosen, an option may not be seen: that
is counted. What else makes a difference there and none here is a blind spot: it is listed.
"""

import argparse
import itertools
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from conformance.audit.blind import exact_cases, unseen
from conformance.cases import Case
from conformance.cases.features import features_of
from conformance.operations import OPERATIONS
from conformance.requirements import REQUIREMENTS, Plan

DTYPES = ("float32", "float64")
PLANAR = [name for name, operation in OPERATIONS.items() if operation.dimensions == 2]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--op", action="append", choices=OPERATIONS)
    parser.add_argument("--every", type=int, default=1, help="of so many cases one")
    asked = parser.parse_args()
    cases = [case for operation in asked.op or PLANAR for case in asked_of(operation)][:: asked.every]
    counts: Counter[str] = Counter()
    with ProcessPoolExecutor() as workers:
        for found in workers.map(of_case, map(str, cases), chunksize=32):
            counts.update(why for why, _ in found)
            for why, words in found:
                if not why:
                    print(words, flush=True)
    print(f"{len(cases):,} cases, {counts.pop('', 0)} blind spots")
    for why, count in counts.most_common():
        print(f"{count:7,} {why}")


def asked_of(operation: str) -> list[Case]:
    """The exact cases of the standard profile."""
    plans = [
        Plan(operation, dtype, features_of(operation) | {dtype}, first=dtype == DTYPES[0]) for dtype in DTYPES
    ]
    asked = [r for r in REQUIREMENTS.values() if not r.refuses]
    pairs = ((plan, each) for plan in plans for each in asked if each.is_judged(plan))
    return list(exact_cases(itertools.chain.from_iterable(each.cases(plan) for plan, each in pairs)))


def of_case(text: str) -> list[tuple[str, str]]:
    """Why each change is not seen, and what is to be printed of it."""
    every = unseen(Case.parse(text))
    return [
        (
            f"{each.change.of}: {each.why}" if each.why else "",
            f"{text}: {each.output} with another {each.change.where}",
        )
        for each in every
    ]


if __name__ == "__main__":
    main()
