"""Units judged side by side: a run that ends at its first failure soon finds one, wherever it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from conformance.running.events import Listener, nobody
from conformance.running.failures import with_seen
from conformance.running.judge import judge_part
from conformance.running.merge import joined
from conformance.running.runner import Runner
from conformance.running.tasks import Task
from conformance.verdicts.verdict import Row

FIRST = 16  # cases of each unit in the first round
GROWTH = 4  # how many times as many the next round has


def in_rounds(
    tasks: Iterable[Task], runner: Runner, listener: Listener = nobody
) -> Iterator[tuple[Task, list[Row]] | None]:
    """The first cases of every task, then four times as many of each, and so on.

    Yields a task with its rows once all of its cases are judged, or where one fails, which ends it: it is to be judged
    whole then, as it is where it has no case. And None after any other part, where one may leave off for a while.
    """
    begun = [(task, task.cases(), list[list[Row]]()) for task in tasks]
    size, before = FIRST, 0
    while begun:
        going_on = []
        for task, cases, parts in begun:
            some = islice(cases, size)
            rows, done = judge_part(task, runner, some, before=before, listener=listener)
            parts.append(rows)
            if any(row.failure for row in rows):
                yield task, rows
            elif done < size:
                yield task, joined(parts) if any(parts) else []
            else:
                going_on.append((task, cases, parts))
                yield None
        begun, before, size = going_on, before + size, size * GROWTH


def whole(rows: list[Row], judge: Callable[[], list[Row]]) -> list[Row]:
    """The rows of a task by what came of its rounds; judge, where it fails or has no case, judges it whole."""
    return rows if rows and not any(row.failure for row in rows) else with_seen(judge(), rows)
