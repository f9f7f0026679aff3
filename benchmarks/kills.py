"""A run on a Dask cluster whose processes are killed: workers one by one, then the scheduler, then the run itself.

    python benchmarks/kills.py [SUBJECT] [--kills 20] [--seed 0] [-- OPTIONS of conformance run]

Needs `pip install -e .[dask]`. Prints each kill, and whether the report is that of an undisturbed run here.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from conformance.reports.stored import timeless

PORT = 8797
ADDRESS = f"tcp://127.0.0.1:{PORT}"


def started(*words: str, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as file:
        return subprocess.Popen([sys.executable, *words], stdout=file, stderr=file, start_new_session=True)


class Cluster:
    """A scheduler and three workers, each a process of its own."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.workers: list[subprocess.Popen[bytes]] = []
        self.start()

    def start(self) -> None:
        words = ("-m", "distributed.cli.dask_scheduler", "--port", str(PORT), "--dashboard-address", ":0")
        self.scheduler = started(*words, log=self.log)
        self.workers = [self.worker() for _ in range(3)]

    def worker(self) -> subprocess.Popen[bytes]:
        words = ("-m", "distributed.cli.dask_worker", ADDRESS, "--nthreads", "1", "--dashboard-address", ":0")
        return started(*words, "--no-nanny", log=self.log)

    def kill_worker(self, chance: random.Random) -> None:
        """Kill one, and start another."""
        victim = chance.choice(self.workers)
        victim.kill()
        victim.wait()
        self.workers[self.workers.index(victim)] = self.worker()

    def end(self) -> None:
        for process in (self.scheduler, *self.workers):
            process.kill()
            process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("subject", nargs="?", default="npcnn")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    asked, options = parser.parse_known_args()
    chance = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [
            "-m",
            "conformance",
            "run",
            asked.subject,
            *[each for each in options if each != "--"],
            "--no-cache",
        ]
        begun = time.monotonic()
        subprocess.run([sys.executable, *command, "--json", str(folder / "here.json")], capture_output=True)
        alone = time.monotonic() - begun
        print(f"here, undisturbed: {alone:.0f} s", flush=True)
        command += [
            "--dask",
            ADDRESS,
            "--resume",
            str(folder / "journal"),
            "--json",
            str(folder / "there.json"),
        ]
        cluster = Cluster(folder / "cluster.log")
        begun, kills = time.monotonic(), 0
        run = started(*command, log=folder / "run.log")
        while run.poll() is None or run.returncode not in (0, 1):
            if run.poll() is not None:
                lines = (folder / "run.log").read_text().splitlines()
                print(
                    f"  the run ended with {run.returncode}: {lines[-1] if lines else ''}; resumed",
                    flush=True,
                )
                run = started(*command, log=folder / "run.log")
            time.sleep(chance.uniform(0.3, 1.3 * alone / asked.kills))
            if kills < asked.kills and run.poll() is None:
                kills += 1
                what = (
                    "scheduler" if kills == asked.kills - 1 else "run" if kills == asked.kills else "worker"
                )
                print(f"{time.monotonic() - begun:5.0f} s: kill {kills}, a {what}", flush=True)
                if what == "worker":
                    cluster.kill_worker(chance)
                elif what == "scheduler":
                    cluster.end()
                    cluster.start()
                else:
                    run.send_signal(signal.SIGKILL)
                    run.wait()
        cluster.end()
        here, there = (
            timeless(json.loads((folder / f"{name}.json").read_text())) for name in ("here", "there")
        )
        print(f"there, with {kills} kills: {time.monotonic() - begun:.0f} s, {there['cases']:,} cases")
        print("the same report" if json.dumps(here) == json.dumps(there) else "ANOTHER REPORT")


if __name__ == "__main__":
    main()
