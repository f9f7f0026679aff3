"""What a user wrote, checked before anything runs: the command line and pytest turn words into settings here."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from conformance.cases import Case
from conformance.kernels.framework import FRAMEWORKS, REFERENCE, TRUSTED, Oracle, installed, oracles
from conformance.kernels.framework import oracle as oracle_named
from conformance.kernels.load import check_name, declaring, load, seems_to_lack
from conformance.kernels.subject import Subject
from conformance.operations import DTYPES, OPERATIONS
from conformance.operations.dtypes import USUAL
from conformance.requirements import PROFILES, REQUIREMENTS, requirement_of
from conformance.running.in_process import InProcess
from conformance.running.journal import Journal, JournalError
from conformance.running.run import run
from conformance.running.runner import Runner
from conformance.running.settings import Settings
from conformance.verdicts.verdict import Report

ROOM = 1 << 18  # bytes that a report may need
SHORTEST = 0.1  # seconds: a sound call takes less, also on a busy machine
LARGEST = 1 << 25  # elements of a case that somebody wrote: with the oracle's copies, what a worker may hold

# Requirements that judge the answer alone: `replay` takes one of them where none is named.
ANSWERS = frozenset(name for name, requirement in REQUIREMENTS.items() if requirement.plain)


# What may be written, by kind of word.
WORDS: Mapping[str, Callable[[], Collection[str]]] = {
    "operation": lambda: OPERATIONS,
    "requirement": lambda: REQUIREMENTS,
    "dtype": lambda: DTYPES,
    "profile": lambda: PROFILES,
    "oracle": oracles,
    "framework": lambda: FRAMEWORKS,
}


class WrongUsage(ValueError):
    """What a user wrote does not exist: the value, the rule, and what there is."""


def check(
    kernels: Any,
    *,
    oracle: str = TRUSTED,
    operations: Sequence[str] = (),
    requirements: Sequence[str] = (),
    dtypes: Sequence[str] = (),
    profile: str = "standard",
    seed: int = 0,
    strict: bool = False,
) -> Report:
    """Judge kernels in this process: a module, an object with functions, a Subject, or the name of any of them.

    >>> import conformance, mykernels
    >>> assert conformance.check(mykernels, profile="quick").passed
    """
    subject = subject_of(kernels, declared_in_words(strict=strict))
    chosen = settings(
        subject, operations=operations, requirements=requirements, dtypes=dtypes, profile=profile, seed=seed
    )
    return run(subject, InProcess(subject, checked_oracle(oracle)), chosen)


def subject_of(kernels: Any, declared: Mapping[str, Any] | None = None) -> Subject:
    """A Subject from a name, a module, a Subject or any object that has the functions; it declares this, too."""
    if isinstance(kernels, ModuleType) and kernels.__name__ != "__main__":
        kernels = kernels.__name__
    if isinstance(kernels, str):
        return load(kernels, **declared or {})
    return declaring(kernels if isinstance(kernels, Subject) else Subject(kernels), declared or {})


def declared_in_words(
    *, strict: bool = False, framework: str | None = None, device: str | None = None
) -> dict[str, Any]:
    """What the options of the command line and of pytest declare of a subject, as fields of it."""
    if framework is not None:
        require("framework", framework)
    given = {"strict": strict, "framework": framework, "device": device}
    return {name: value for name, value in given.items() if value}


def with_dtypes(declared: Mapping[str, Any], dtypes: Sequence[str]) -> dict[str, Any]:
    """What options declare, and the dtypes that are asked for where nobody would ask for them else."""
    return {**declared} | ({} if set(USUAL).issuperset(dtypes) else {"dtypes": dtypes})


def settings(
    subject: Subject,
    *,
    operations: Sequence[str] = (),
    requirements: Sequence[str] = (),
    dtypes: Sequence[str] = (),
    profile: str = "standard",
    seed: int = 0,
    skipped: Sequence[str] = (),
    first_failure: bool = False,
    shard: tuple[int, int] | None = None,
) -> Settings:
    """Settings in which every word exists and every operation is one of the subject's; a word alone is one of one.

    skipped   requirements that it is not held to
    """
    operations, requirements, dtypes, skipped = map(_words, (operations, requirements, dtypes, skipped))
    check_words(operations, (*requirements, *skipped), dtypes, profile)
    if not isinstance(seed, int) or seed < 0:
        raise WrongUsage(f"seed {seed!r}: must be an int of at least 0")
    if requirements and set(requirements) <= set(skipped):
        raise WrongUsage(f"{_listed(requirements)}: asked for and skipped, so nothing is left")
    for operation in operations:
        if operation not in subject.operations:
            raise WrongUsage(
                f"{operation}: {name_of(subject)} has no {operation}; it has {_listed(subject.operations)}"
            )
    return Settings(
        operations, requirements, dtypes, profile, seed, skipped, first_failure=first_failure, shard=shard
    )


def _words(given: Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def check_words(
    operations: Sequence[str], requirements: Sequence[str], dtypes: Sequence[str], profile: str
) -> None:
    """Whether every word exists, whatever the subject."""
    of = {"operation": operations, "requirement": requirements, "dtype": dtypes, "profile": [profile]}
    for kind, words in of.items():
        for word in words:
            require(kind, word)


def require(kind: str, word: str, known: Collection[str] = ()) -> None:
    """Whether a word of a kind exists, among those known or else all of the kind."""
    known = known or WORDS[kind]()
    if word not in known:
        near = difflib.get_close_matches(word, known, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise WrongUsage(f"{word or repr(word)}: no such {kind}{hint}; there are {_listed(known)}")


def checked_oracle(name: str) -> Oracle:
    require("oracle", name)
    return oracle_named(name)


def check_report(option: str, path: str | None) -> None:
    """Whether a report can be written to a file; - is standard output, and a Python file may be the subject's."""
    if path is None or path == "-":
        return
    file = Path(path)
    if file.resolve().suffix == ".py" and file.exists():
        raise WrongUsage(f"{option} {path}: a report is not written over a Python file")
    check_writable(option, path)


def check_writable(option: str, path: str | None) -> None:
    """Whether a file can be written, and the disk has room for a report; the file is left as it is."""
    if path is None:
        return
    file = Path(path)
    before = file.stat().st_size if file.is_file() else None
    room = ROOM if before is not None or not file.exists() else 1  # a device or a pipe gets a space
    try:
        with file.open("ab") as probe:
            probe.write(b" " * room)
    except OSError as error:
        raise WrongUsage(f"{option} {path}: cannot be written: {error.strerror}") from None
    finally:
        if before is None and file.is_file():  # made here
            file.unlink()
        elif before is not None and file.stat().st_size != before:
            os.truncate(file, before)


def journal_of(path: str, heading: Mapping[str, Any]) -> Journal:
    """The journal of a run, new or to go on with."""
    try:
        return Journal(Path(path), heading)
    except JournalError as error:
        raise WrongUsage(f"--resume {error}") from None
    except OSError as error:
        raise WrongUsage(f"--resume {path}: cannot be written: {error.strerror}") from None


def check_oracle(name: str) -> None:
    """Whether an oracle can be had, without importing its framework where it can."""
    require("oracle", name)
    if name in FRAMEWORKS and not installed(name):
        oracle_named(name)


def check_timeout(seconds: float) -> None:
    if not isinstance(seconds, (int, float)) or not seconds >= SHORTEST:  # NaN neither
        raise WrongUsage(f"timeout {seconds!r}: must be at least {SHORTEST} seconds")


def check_case(oracle: str, case: Case, requirement: str) -> None:
    """Whether a case can be judged under a requirement, whatever the subject."""
    require("requirement", requirement)
    rule = REQUIREMENTS[requirement]
    if case.problem and not rule.refuses:
        fitting = requirement_of(case).name
        raise WrongUsage(
            f"{case}: PyTorch refuses it ({case.problem}), so only --requirement {fitting} can judge it"
        )
    if rule.refuses and not case.problem:
        raise WrongUsage(f"{case}: PyTorch answers it, so --requirement {requirement} cannot judge it")
    if not rule.of_family(case.family):
        raise WrongUsage(f"{case}: --requirement {requirement} has nothing to do with {case.operation}")
    if case.size > LARGEST:
        raise WrongUsage(f"{case}: its arrays have {case.size:,} elements; a case may have {LARGEST:,}")
    if oracle == TRUSTED and case.hazard and not rule.misses_images:
        raise WrongUsage(
            f"{case}: a window misses the image, and PyTorch's gradient then writes out of bounds; "
            f"use --oracle {REFERENCE}"
        )


def check_operation(subject: Subject, case: Case) -> None:
    """Whether a subject has the operation of a case."""
    if case.operation not in subject.operations:
        raise WrongUsage(
            f"{case}: {name_of(subject)} has no {case.operation}; it has {_listed(subject.operations)}"
        )


def name_of(subject: Subject) -> str:
    return subject.name or "the subject"


@contextmanager
def opened(
    name: str,
    oracle: str,
    *,
    jobs: int | None = None,
    in_process: bool = False,
    timeout: float = 10.0,
    declared: Mapping[str, Any] | None = None,
    operations: Sequence[str] = (),
) -> Iterator[tuple[Subject, Runner]]:
    """A subject by its name, with who examines its cases.

    declared   what it declares beside what stands in its file
    operations that it must have; any will do if none is given

    Workers load it before this process does: one whose import ends its process, or never ends, is reported.
    """
    check_timeout(timeout)
    check_oracle(oracle)
    check_name(name)
    if any(seems_to_lack(name, asked) for asked in ([[each] for each in operations] or [list(OPERATIONS)])):
        settings(load(name, **declared or {}), operations=operations)  # says so before the oracle is imported
    if in_process:
        subject = load(name, **declared or {})
        yield subject, InProcess(subject, checked_oracle(oracle))
        return
    from conformance.running.workers import Workers

    with Workers(name, oracle, jobs or cores(), timeout, declared=declared) as workers:
        yield load(name, **declared or {}), workers


@contextmanager
def runner_of(
    subject: Subject,
    oracle: str,
    *,
    jobs: int | None = None,
    in_process: bool = False,
    timeout: float = 10.0,
    declared: Mapping[str, Any] | None = None,
) -> Iterator[Runner]:
    """Who examines the cases: worker processes, or this one if wanted and where a subject has no name to load it by."""
    if in_process or not subject.name:
        yield InProcess(subject, checked_oracle(oracle))
        return
    from conformance.running.workers import Workers

    with Workers(subject.name, oracle, jobs or cores(), timeout, declared=declared) as workers:
        yield workers


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _listed(words: Collection[str]) -> str:
    return ", ".join(words)
