"""Does reading a kernel out find a single wrong coefficient? One is planted in each of many random geometries.

    python benchmarks/certified.py --geometries 100

The operator of the reference, changed in one coefficient of one output: an element has a pixel by a tap once more than
it should. For each operation: how many were found, and how long a geometry takes, the reference's answers included.
"""

import argparse
import itertools
import math
import random
import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from conformance.cases import Case
from conformance.cases.arrays import Array, Arrays, fill
from conformance.cases.features import features_of
from conformance.kernels import reference
from conformance.operations import OPERATIONS
from conformance.requirements import Plan
from conformance.requirements.certified import readings
from conformance.verdicts.judgement import judge

LINEAR = [name for name, found in OPERATIONS.items() if not (found.family.chosen or found.family.error)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--op", default="", help="operations whose name holds this")
    parser.add_argument("--geometries", type=int, default=100, help="of each operation")
    parser.add_argument(
        "--seed", type=int, default=0, help="of the random geometries, and of what is planted"
    )
    asked = parser.parse_args()
    for operation in (name for name in LINEAR if asked.op in name):
        draw, start = random.Random(asked.seed), time.perf_counter()
        drawn = list(itertools.islice(read_out(operation, asked.seed), asked.geometries))
        found = sum(is_found(cases, draw) for cases in drawn)
        seconds = (time.perf_counter() - start) / len(drawn)
        print(f"{operation:20} {found} of {len(drawn)} found, {1000 * seconds:.1f} ms a geometry", flush=True)


def read_out(operation: str, seed: int) -> Iterator[list[Case]]:
    """The readings of random geometries that are not too large."""
    for step in itertools.count(seed):
        plan = Plan(operation, "float64", features_of(operation), seed=step)
        yield from filter(None, (readings(plan, case) for case in plan.explore(20, 20, 20)))


def is_found(cases: list[Case], draw: random.Random) -> bool:
    """Whether one of the readings differs where one coefficient is wrong."""
    output = draw.choice([name for name in cases[0].outputs if name != "grad_bias"])
    spot = Spot(*(draw.randrange(math.prod(n)) for n in (cases[0].plane, cases[0].kernel, cases[0].windows)))
    return any(differs(case, output, spot) for case in cases)


class Spot(NamedTuple):
    """A pixel, a tap and a window, by their numbers in row-major order; of an adjoint, a pixel of the answer."""

    pixel: int
    tap: int
    window: int


def differs(case: Case, output: str, spot: Spot) -> bool:
    """Whether an answer in which the pixel takes part in the window by the tap once more is told from the right one."""
    arrays = fill(case)
    expected = reference.answer(case, arrays)[output]
    wrong = expected + product(case, arrays, output, spot)
    return judge(output, case.dtype, wrong, expected, np.full(expected.shape, 1e-9)).failed


def product(case: Case, arrays: Arrays, output: str, spot: Spot) -> Array:
    """What one coefficient adds to an output, in every image, channel and filter."""
    answer = np.zeros(case.shapes["grad_output" if output == "output" else output.removeprefix("grad_")])
    sides = ("grad_output", "input") if case.family.adjoint else ("input", "grad_output")
    at = dict(zip((*sides, "weight"), (spot.pixel, spot.window, spot.tap), strict=True))
    to = "grad_output" if output == "output" else output.removeprefix("grad_")
    pixels = {name: flat(case, array)[..., at[name]] for name, array in arrays.items() if name in at}
    if "weight" not in arrays:
        flat(case, answer)[..., at[to]] = pixels["input" if to == "grad_output" else "grad_output"]
        return answer
    groups = {name: grouped(case, name, pixels[name]) for name in pixels if name != to}
    letters = {"input": "ngc", "grad_output": "ngk", "weight": "gck" if case.family.adjoint else "gkc"}
    words = f"{','.join(letters[name] for name in groups)}->{letters[to]}"
    flat(case, answer)[..., at[to]] = np.einsum(words, *groups.values()).reshape(answer.shape[:2])
    return answer


def flat(case: Case, array: Array) -> Array:
    return array.reshape(*array.shape[: -case.dimensions], -1)


def grouped(case: Case, name: str, numbers: Array) -> Array:
    """With an axis of groups."""
    groups, (rows, columns) = case.groups, numbers.shape
    shape = (groups, rows // groups, columns) if name == "weight" else (rows, groups, columns // groups)
    return numbers.reshape(shape)


if __name__ == "__main__":
    main()
