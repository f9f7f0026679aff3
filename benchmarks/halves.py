"""Do cases that were chosen by looking at some mistakes catch others? The mutants, halved at random again and again.

    python benchmarks/halves.py --op conv2d --halves 20

Of a fixed sample of cases few are chosen, one after the other, that together kill one half of the mutants, as far as
any case does. For each operation, medians over the halves: how many cases, the share of the other half that they kill,
of those that the whole sample kills, and the share that as many cases at random kill.
"""

import argparse
import random
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from statistics import median

from conformance.audit import mutants
from conformance.audit.minimal import killed, sample
from conformance.operations import OPERATIONS

Kills = Mapping[str, Collection[int]]  # the cases that kill each mutant
MEASURED = [name for name, found in OPERATIONS.items() if found.dimensions == 2]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--op", default="", help="operations whose name holds this")
    parser.add_argument("--halves", type=int, default=20, help="how often the mutants are halved")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    print(f"{'operation':20} {'mutants':>7} {'cases':>6} {'chosen':>6} {'other half':>10} {'at random':>9}")
    for operation in (name for name in MEASURED if asked.op in name):
        pure = [mutant.name for mutant in mutants.of(operation) if mutant.pure]
        kills = {name: cases for name, cases in killed(pure, operation).items() if cases}
        many, rng = len(list(sample(operation))), random.Random(asked.seed)
        every = [halved(kills, many, rng) for _ in range(asked.halves)]
        size, caught, by_chance = (median(column) for column in zip(*every, strict=True))
        print(
            f"{operation:20} {len(kills):>7} {many:>6} {size:>6.0f} {caught:>10.1%} {by_chance:>9.1%}",
            flush=True,
        )


def halved(kills: Kills, many: int, rng: random.Random) -> tuple[int, float, float]:
    """How many cases kill one half, and the shares of the other that these and as many others kill."""
    names = rng.sample(sorted(kills), len(kills))
    half = len(names) // 2
    chosen = fewest({name: kills[name] for name in names[:half]}, rng)
    others = [kills[name] for name in names[half:]]
    return len(chosen), share(others, chosen), share(others, rng.sample(range(many), len(chosen)))


def fewest(kills: Kills, rng: random.Random) -> list[int]:
    """Cases that kill all of them: each the one that kills most of those that are left, of equals any."""
    left, chosen = dict(kills), []
    while left:
        deaths = Counter(case for cases in left.values() for case in cases)
        chosen.append(max(sorted(deaths), key=lambda case: (deaths[case], rng.random())))
        left = {name: cases for name, cases in left.items() if chosen[-1] not in cases}
    return chosen


def share(others: Iterable[Collection[int]], chosen: Iterable[int]) -> float:
    """Of the mutants with these killing cases, those that the chosen kill."""
    told = [not set(chosen).isdisjoint(cases) for cases in others]
    return sum(told) / len(told)


if __name__ == "__main__":
    main()
