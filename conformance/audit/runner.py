"""The audit run: every mutant must be caught, no right kernel accused."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from itertools import islice, repeat
from operator import length_hint
from typing import TypeVar

from conformance.audit import mutants, right
from conformance.audit.minimal import killed, minimal, sample
from conformance.audit.mutants import Mutant
from conformance.audit.report import Kill, Minimal
from conformance.cases import Case
from conformance.cases.arrays import Array, Arrays
from conformance.cases.features import features_of
from conformance.kernels import reference
from conformance.kernels.call import Caller
from conformance.kernels.conditions import numbers_of
from conformance.kernels.subject import Subject
from conformance.kernels.surroundings import restored
from conformance.operations import OPERATIONS
from conformance.requirements import REQUIREMENTS, Plan, Requirement
from conformance.running import tasks
from conformance.running.claims import claims_of
from conformance.running.failures import failure_of
from conformance.running.in_process import InProcess
from conformance.running.judge import judge
from conformance.running.limits import die_with_parent
from conformance.running.settings import Settings

T = TypeVar("T")

FIRST_ROUND = 16  # cases
PARTS = 6  # of the cases of a profile: a right kernel is asked one of them
SLICES = 8  # of the mutants of an operation, asked side by side which cases kill them


def chosen(operations: Sequence[str] = (), only: str = "") -> list[str]:
    """The names of the mutants of these operations whose name holds the text."""
    every = (mutant for operation in measured(operations) for mutant in mutants.of(operation))
    return [mutant.name for mutant in every if only in mutant.name]


def measured(operations: Sequence[str] = ()) -> Sequence[str]:
    """These operations; if none, those over two axes.

    The rows for one and for three axes are the same: what a run of all would add to the measure, it costs threefold.
    """
    return operations or [name for name, found in OPERATIONS.items() if found.dimensions == 2]


def right_kernels(only: str = "") -> list[str]:
    return [name for name in right.ALL if only in name]


@contextmanager
def pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Processes to judge in; where the block is left early, as by Ctrl-C, what they have in hand is dropped."""
    context = multiprocessing.get_context("spawn")
    workers = ProcessPoolExecutor(
        jobs, mp_context=context, initializer=die_with_parent, initargs=(os.getpid(),)
    )
    try:
        yield workers
    except BaseException:
        for process in multiprocessing.active_children():
            process.kill()
        raise
    finally:
        workers.shutdown(cancel_futures=True)


@contextmanager
def _endings_held() -> Iterator[None]:
    """Processes started here never see Ctrl-C and SIGTERM, which are their parent's: not even while they import."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@_endings_held()
def kills(workers: ProcessPoolExecutor, names: Sequence[str], profile: str) -> Iterator[Kill]:
    """Each mutant judged until it is caught, then its failure shrunk and diagnosed."""
    return _each(workers, _judged, names, profile)


@_endings_held()
def minimal_of(workers: ProcessPoolExecutor, names: Sequence[str]) -> Minimal:
    """Which of the mutants no other's death implies; those of an operation are compared with each other."""
    pure = [mutant for mutant in map(mutants.named, names) if mutant.pure]
    found, dead, cases = [], 0, 0
    for operation in dict.fromkeys(mutant.operation for mutant in pure):
        names_of = [mutant.name for mutant in pure if mutant.operation == operation]
        slices = [names_of[start::SLICES] for start in range(SLICES)]
        told: dict[str, frozenset[int]] = {}
        for part in workers.map(killed, slices, repeat(operation)):
            told |= part
        found += minimal({name: told[name] for name in names_of})
        dead, cases = dead + sum(map(bool, told.values())), cases + len(list(sample(operation)))
    return Minimal(tuple(found), dead, cases)


@_endings_held()
def accusations(
    workers: ProcessPoolExecutor, names: Sequence[str], profile: str, operations: Sequence[str] = ()
) -> Iterator[tuple[str, list[str]]]:
    """Each right kernel with what accuses it in these operations: nothing, where the suite is right."""
    accused = partial(_accused, operations=measured(operations))
    return zip(names, _each(workers, accused, names, profile), strict=True)


def _each(
    workers: ProcessPoolExecutor, judge: Callable[[str, str], T], names: Sequence[str], profile: str
) -> Iterator[T]:
    """What is judged of each name, in their order.

    Not map(), which cancels what waits where it is left: a pool whose processes are killed raises an exception then.
    """
    futures = [workers.submit(judge, name, profile) for name in names]
    return (future.result() for future in futures)


def _accused(name: str, profile: str, operations: Sequence[str]) -> list[str]:
    """What accuses a right kernel in one case in six, others for the next: together they are asked all of them."""
    kernel = right.ALL[name]
    subject = Subject(kernel.subject(), name=name, strict=True, **kernel.declared)
    runner = InProcess(subject, _oracle)
    settings = [Settings([name], profile=profile) for name in operations if name in subject.operations]
    start = list(right.ALL).index(name) % PARTS
    return [
        f"{row.output} {row.verdict} {row.unit.requirement} {row.failure.case}"
        for each in settings
        for claims in claims_of(subject, runner, each)
        for task in tasks.plan(subject, claims, each)
        for row in judge(replace(task, start=start, step=PARTS), subject, runner, shrinks=False)
        if row.failure
    ]


def _judged(name: str, profile: str) -> Kill:
    return judged(mutants.named(name), profile)


@restored()  # what an earlier mutant changed would hide the same of this one
def judged(mutant: Mutant, profile: str) -> Kill:
    """A mutant asked case by case until one fails, which is then shrunk and diagnosed."""
    caller, start = Caller(_subject(mutant)), time.perf_counter()
    every = _in_rounds(_order(mutant, profile), mutants.NOTICED_BY.get(mutant.table, []))
    for asked, (requirement, plan, case) in enumerate(every, 1):
        with restored(seldom=False):
            failed = next((told for told in requirement.check(caller, _oracle, case) if told.failed), None)
        if failed:
            seconds = time.perf_counter() - start
            runner = InProcess(_subject(mutant), _oracle)
            found = failure_of(runner, tasks.Task(plan, requirement.name), [(case, failed)])
            told = (requirement.name, asked, seconds, str(found.case), found.diagnosis)
            return Kill(mutant.name, mutant.operation, mutant.sentence, mutant.pure, *told)
    return Kill(mutant.name, mutant.operation, mutant.sentence, mutant.pure)


def _subject(mutant: Mutant) -> Subject:
    return Subject(mutant.subject(), name=mutant.name, dtypes=mutant.dtypes, strict=True)


def _in_rounds(
    units: Iterable[tuple[Requirement, Plan]], whole: Collection[str]
) -> Iterator[tuple[Requirement, Plan, Case]]:
    """The first cases of every unit, then four times as many of each, and so on: none waits for all of another.

    whole   requirements of which all cases come at once
    """
    begun: list[tuple[Requirement, Plan, Iterator[Case]]] = []
    size = FIRST_ROUND
    for requirement, plan in units:
        rest = iter(_cases(requirement.name, plan))
        begun.append((requirement, plan, rest))
        first = rest if requirement.name in whole else islice(rest, size)
        yield from ((requirement, plan, case) for case in first)
    while begun:
        size *= 4
        for requirement, plan, rest in begun:
            yield from ((requirement, plan, case) for case in islice(rest, size))
        begun = [unit for unit in begun if length_hint(unit[2])]


def _order(mutant: Mutant, profile: str) -> Iterator[tuple[Requirement, Plan]]:
    first = mutants.NOTICED_BY.get(mutant.table, [])
    names = [*first, *(n for n in REQUIREMENTS if n not in first and not REQUIREMENTS[n].probed)]
    plain = Plan(mutant.operation, "", features_of(mutant.operation), profile, numbers=_numbers(mutant))
    for dtype in mutant.dtypes:
        plan = replace(plain, dtype=dtype, first=dtype == mutant.dtypes[0])
        yield from ((requirement, plan) for requirement in _asked(plan, names))


def _numbers(mutant: Mutant) -> tuple[str, ...]:
    """The numbers of its own source, where it has one."""
    return () if mutant.pure else numbers_of(_subject(mutant), mutant.operation)[0]


def _asked(plan: Plan, names: Iterable[str]) -> Iterator[Requirement]:
    for requirement in (REQUIREMENTS[name] for name in names):
        if requirement.is_judged(plan) and not requirement.why_not(plan, isolated=False):
            yield requirement


@cache
def _cases(requirement: str, plan: Plan) -> list[Case]:
    return list(REQUIREMENTS[requirement].cases(plan))


_ANSWERS: dict[tuple[Case, bytes], dict[str, Array]] = {}  # every mutant is asked the same cases
_SMALL = 3000  # elements


def _oracle(case: Case, arrays: Arrays) -> dict[str, Array]:
    """The reference, remembered: a mutant may change the answers it is given."""
    if case.size > _SMALL:
        return reference.answer(case, arrays)
    key = case, b"".join(array.tobytes() for array in arrays.values())
    if key not in _ANSWERS:
        _ANSWERS[key] = reference.answer(case, arrays)
    return {name: array.copy() for name, array in _ANSWERS[key].items()}
