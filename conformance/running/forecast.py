"""How many cases a run will have, counted beside it in a process that leaves the cores to the workers.

As far as signatures tell: a kernel may claim less, and a unit that fails ends before its last case.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

from conformance.cases.features import features_of
from conformance.kernels.call import Caller
from conformance.kernels.conditions import numbers_of
from conformance.kernels.subject import Subject
from conformance.requirements import Plan
from conformance.running.claims import Claims, requirements_of
from conformance.running.limits import die_with_parent
from conformance.running.settings import Settings
from conformance.running.tasks import Task, plan, share
from conformance.verdicts.verdict import Unit


def tasks_of(subject: Subject, settings: Settings, isolated: bool) -> Iterator[Task]:
    """The tasks of a run, in their order."""
    caller = Caller(subject)
    for operation in settings.operations or subject.operations:
        features = frozenset(f for f in features_of(operation) if not caller.lacks(operation, f))
        dtypes = tuple(dtype for dtype in caller.dtypes if dtype in (settings.dtypes or caller.dtypes))
        numbers, _ = numbers_of(subject, operation)
        asked = Plan(operation, "", features, accuracy=subject.accuracy, numbers=numbers)
        names, _ = requirements_of(subject, asked, settings, isolated)
        claims = Claims(operation, dtypes, features.union(dtypes), names, numbers=numbers)
        yield from share(list(plan(subject, claims, settings)), settings.shard)


class Forecast:
    """The cases of each unit, in the order in which they are judged; at its end no process is left."""

    def __init__(self, tasks: Iterator[Task]) -> None:
        self.tasks = list(tasks)
        self.counts: dict[Unit, int] = {}  # grows while they are counted
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Forecast:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()

    def start(self) -> None:
        """Begin to count, unless that was begun."""
        if self._process:
            return
        code = (
            "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
            "from conformance.running.forecast import count; count(int(sys.argv[2]))"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", code, json.dumps(sys.path), str(os.getpid())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, start_new_session=True,  # Ctrl-C goes to this process alone
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, args=[self._process], daemon=True)
        self._reader.start()

    @property
    def whole(self) -> bool:
        return len(self.counts) == len(self.tasks)

    def left_after(self, unit: Unit, done: int) -> int | None:
        """Cases that are still to be judged; None where that is not known yet."""
        if not self.whole or unit not in self.counts:
            return None
        units = list(self.counts)
        later = units[units.index(unit) + 1 :]
        return max(0, self.counts[unit] - done) + sum(self.counts[each] for each in later)

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin and process.stdout
        with contextlib.suppress(OSError, ValueError):  # it was ended
            with process.stdin as theirs:
                json.dump([task.as_data() for task in self.tasks], theirs)
            for task, line in zip(self.tasks, process.stdout, strict=False):
                self.counts[task.unit] = int(line)


def count(parent: int) -> None:
    """What the other process does: a number for each task."""
    die_with_parent(parent)
    os.nice(19)
    for data in json.load(sys.stdin):
        print(sum(1 for _ in Task.from_data(data).cases()), flush=True)
