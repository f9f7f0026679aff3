"""How fast orders are given and answers folded: workers that sleep, where the parent alone works.

    python benchmarks/conductor.py [--workers 64] [--cases 10000000] [--dask]

Each row judges as many cases in units that take less and less: orders, units and cases a second, the share of the
workers' time that is used, how many cores the parent takes, and its memory. Where that is one, it is the limit.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

from conformance.elsewhere.conductor import Conductor
from conformance.elsewhere.executors.executor import Hands
from conformance.elsewhere.order import Answer, Order, Work
from conformance.elsewhere.place import place
from conformance.running.settings import Settings
from conformance.verdicts.verdict import Unit

UNITS, CASES = 50, 2_000  # of a subject, and of a unit
DATA = {"rows": [], "failures": []}


def asleep(order: Order, seconds: float) -> Answer:
    """What a desk would answer whose units take so long."""
    begun = time.monotonic()
    planned = [Unit("conv2d", f"requirement {number}", "float32") for number in range(UNITS)]
    known = {line["unit"]["requirement"] for line in order.known}
    wanted = [
        unit
        for unit in planned
        if (unit.requirement not in known if order.units is None else unit in order.units)
    ]
    answer = Answer(heading={"subject": order.work.name}, planned={"conv2d": planned})
    while wanted and (not answer.lines or time.monotonic() - begun < order.seconds):
        time.sleep(seconds)
        answer.lines.append(
            {"unit": vars(wanted.pop(0)), "rows": [{"cases": CASES, "failure": None}] * 4, "lines": {}}
        )
    answer.data = DATA if order.finish and not wanted else None
    return answer


class Asleep(Executor):
    """Hands each order to an executor, to sleep over."""

    def __init__(self, executor: Any, seconds: float) -> None:
        self.executor, self.seconds, self.orders = executor, seconds, 0

    def submit(self, call: Callable[..., Any], /, *orders: Any, **more: Any) -> Future[Any]:
        self.orders += 1
        made: Future[Any] = self.executor.submit(asleep, *orders, self.seconds)
        return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--cases", type=int, default=10_000_000)
    parser.add_argument(
        "--dask", action="store_true", help="by a LocalCluster of threads, not by a pool of them"
    )
    parser.add_argument("--seconds", type=float, nargs="+", default=[1.0, 0.1, 0.01, 0.001])
    asked = parser.parse_args()
    names = [f"kernel {number}" for number in range(max(1, asked.cases // (UNITS * CASES)))]
    heads = ("orders/s", "units/s", "cases/s", "workers", "cores", "MB")
    print("unit takes" + "".join(f"{head:>12}" for head in heads))
    for seconds in asked.seconds:
        if asked.dask:
            import distributed

            cluster = distributed.LocalCluster(
                n_workers=1, threads_per_worker=asked.workers, processes=False, dashboard_address=":0"
            )
            executor: Any = distributed.Client(cluster).get_executor(pure=False)
        else:
            executor = ThreadPoolExecutor(asked.workers)
        hands = Hands(
            Asleep(executor, seconds), lambda: asked.workers, lambda error: False, False, lambda: None
        )
        run = Conductor(hands, names, lambda name: Work(name, Settings(), "", 1.0), place())
        begun, used = time.perf_counter(), time.process_time()
        ended = sum(each.data is not None for each in run.run())
        took, used = time.perf_counter() - begun, time.process_time() - used
        assert ended == len(names)
        units = ended * UNITS
        share = units * seconds / (took * asked.workers)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        paces = hands.executor.orders / took, units / took, units * CASES / took
        print(f"{seconds:>8.3f} s" + "".join(f"{pace:>12,.0f}" for pace in paces), end="")
        print(f"{share:>12.0%}{used / took:>12.2f}{memory:>12.0f}", flush=True)
        executor.shutdown()


if __name__ == "__main__":
    main()
