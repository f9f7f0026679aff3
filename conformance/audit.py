"""The suite measured: every mutant must be caught, no right kernel accused."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from itertools import islice
from operator import length_hint
from statistics import median
from typing import Any

from conformance.cases import Case
from conformance.cases.arrays import Array, Arrays
from conformance.cases.features import features_of
from conformance.kernels import mutants, reference, right
from conformance.kernels.call import Caller
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

DTYPES = ("float32", "float64")
FIRST_ROUND = 16  # cases
PARTS = 6  # of the cases of a profile: a right kernel is asked one of them
NOTICED_BY = {  # the requirements most likely to notice a family of mutants, asked first
    "layouts": ["layouts"],
    "stateful": ["contract", "state", "threads", "arguments"],
    "contract": ["contract"],
    "arguments": ["arguments", "empty"],
    "tails": ["sizes"],
    "precision": ["rounding"],
    "max_pool": ["exact", "special"],
    "fast_paths": ["special", "rounding", "sizes"],
    "conditions": ["sizes"],
}


@dataclass(frozen=True)
class Kill:
    """How a mutant fared: caught by a requirement after so many cases, or survived."""

    name: str
    operation: str
    sentence: str
    requirement: str = ""
    cases: int = 0
    seconds: float = 0.0
    smallest: str = ""
    diagnosis: str = ""

    @property
    def caught(self) -> bool:
        return bool(self.requirement)

    @property
    def named(self) -> bool:
        """Whether the diagnosis is its own sentence, alone or among those that no case tells apart."""
        return self.sentence in self.diagnosis.split(" or: ")

    def __str__(self) -> str:
        if not self.caught:
            return f"SURVIVED {self.name}  {self.sentence}"
        named = "named" if self.named else f"looks like {self.diagnosis}" if self.diagnosis else "not named"
        return f"caught   {self.name}  by {self.requirement}, case {self.cases}; {named}; {self.smallest}"


@dataclass
class Audit:
    """What was found: each mutant, and the accusing rows of each right kernel."""

    kills: list[Kill] = field(default_factory=list)
    accused: dict[str, list[str]] = field(default_factory=dict)
    interrupted: bool = False

    @property
    def passed(self) -> bool:
        return (
            all(kill.caught for kill in self.kills)
            and not any(self.accused.values())
            and not self.interrupted
        )

    def summary(self, seconds: float) -> str:
        caught = [kill for kill in self.kills if kill.caught]
        pure = [kill for kill in caught if mutants.ALL[kill.name].pure]
        lines = [f"SURVIVED {kill.name}  {kill.sentence}" for kill in self.kills if not kill.caught]
        lines += [f"caught {len(caught)} of {len(self.kills)} mutants in {seconds:.0f} s"]
        if caught:
            cases, took = (median(getattr(kill, name) for kill in caught) for name in ("cases", "seconds"))
            lines[-1] += f"; median to the kill: {cases:.0f} cases, {took:.2f} s"
        if pure:
            named = sum(kill.named for kill in pure)
            lines.append(f"the diagnosis names {named} of {len(pure)} mutants that are functions of the case")
        if self.interrupted:
            lines.append("interrupted: the rest was not asked")
        if self.accused:
            wrongly = sum(map(bool, self.accused.values()))
            lines.append(f"accused {wrongly} of {len(self.accused)} right kernels")
        return "\n".join(lines)

    def as_data(self) -> dict[str, Any]:
        return {
            "mutants": [asdict(kill) | {"named": kill.named} for kill in self.kills],
            "right": self.accused,
            "interrupted": self.interrupted,
        }


def chosen(operations: Sequence[str] = (), only: str = "") -> list[str]:
    """The names of the mutants of these operations (all, if none) whose name holds the text."""
    return [
        m.name for m in mutants.ALL.values() if m.operation in (operations or OPERATIONS) and only in m.name
    ]


def right_kernels(only: str = "") -> list[str]:
    return [name for name in right.ALL if only in name]


@contextmanager
def pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Processes to judge in; where the block is left early, as by Ctrl-C, what they have in hand is dropped."""
    context = multiprocessing.get_context("spawn")
    workers = ProcessPoolExecutor(jobs, mp_context=context, initializer=die_with_parent)
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
    return workers.map(_judged, names, [profile] * len(names), chunksize=4)


@_endings_held()
def accusations(
    workers: ProcessPoolExecutor, names: Sequence[str], profile: str
) -> Iterator[tuple[str, list[str]]]:
    """Each right kernel with what accuses it: nothing, where the suite is right."""
    return zip(names, workers.map(_accused, names, [profile] * len(names)), strict=True)


def _accused(name: str, profile: str) -> list[str]:
    """What accuses a right kernel in one case in six, others for the next: together they are asked all of them."""
    kernel = right.ALL[name]
    subject = Subject(kernel.subject(), name=name, **kernel.declared)
    runner, settings = InProcess(subject, _oracle), Settings(profile=profile)
    start = list(right.ALL).index(name) % PARTS
    return [
        f"{row.output} {row.verdict} {row.unit.requirement} {row.failure.case}"
        for claims in claims_of(subject, runner, settings)
        for task in tasks.plan(subject, claims, settings)
        for row in judge(replace(task, start=start, step=PARTS), subject, runner, shrinks=False)
        if row.failure
    ]


def _judged(name: str, profile: str) -> Kill:
    mutant = mutants.ALL[name]
    caller = Caller(Subject(mutant.subject(), name=name))
    start = time.perf_counter()
    every = _in_rounds(_order(mutant, profile), NOTICED_BY.get(mutant.family, []))
    for asked, (requirement, plan, case) in enumerate(every, 1):
        with restored():  # as in a run: what an earlier mutant changed would hide the same of this one
            failed = next((told for told in requirement.check(caller, _oracle, case) if told.failed), None)
        if failed:
            seconds = time.perf_counter() - start
            runner = InProcess(Subject(mutant.subject(), name=name), _oracle)
            found = failure_of(runner, tasks.Task(plan, requirement.name), [(case, failed)])
            told = (requirement.name, asked, seconds, str(found.case), found.diagnosis)
            return Kill(name, mutant.operation, mutant.sentence, *told)
    return Kill(name, mutant.operation, mutant.sentence)


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


def _order(mutant: mutants.Mutant, profile: str) -> Iterator[tuple[Requirement, Plan]]:
    first = NOTICED_BY.get(mutant.family, [])
    names = [*first, *(name for name in REQUIREMENTS if name not in first)]
    for dtype in DTYPES:
        plan = Plan(mutant.operation, dtype, features_of(mutant.operation), profile, first=dtype == DTYPES[0])
        yield from ((requirement, plan) for requirement in _asked(plan, names))


def _asked(plan: Plan, names: Iterable[str]) -> Iterator[Requirement]:
    for requirement in (REQUIREMENTS[name] for name in names):
        if (requirement.every_dtype or plan.first) and not requirement.why_not(plan, isolated=False):
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
