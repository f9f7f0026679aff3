"""What a verdict depends on beside how a run was set up: what a subject declares, its files, and the versions."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from conformance.kernels.framework import PLAIN
from conformance.kernels.own import is_own
from conformance.kernels.subject import Subject
from conformance.kernels.versions import versions
from conformance.running.settings import Settings

FORMAT = 2  # of the results that a run leaves to another


def heading_of(subject: Subject, setup: Mapping[str, Any]) -> dict[str, Any]:
    """Who is judged, and how: what two runs must have alike if one is to go on with the results of the other."""
    heading = {"subject": subject.name, "format": FORMAT, **setup, **state_of(subject, setup)}
    return dict(json.loads(json.dumps(heading)))


def setup_of(oracle: str, settings: Settings) -> dict[str, Any]:
    """How a run is set up, as far as what it finds of a unit hangs on it."""
    setup = {"oracle": oracle, "profile": settings.profile, "seed": settings.seed}
    return setup | ({"first_failure": True} if settings.first_failure else {})


def other_run(written: Mapping[str, Any], heading: Mapping[str, Any]) -> str:
    """What a heading has otherwise than this run, first of all; "" where it is of the same."""
    for name in dict.fromkeys([*heading, *written]):
        was, now = written.get(name), heading.get(name)
        if was != now:
            return f"its {name} is {was!r}, not {now!r}"
    return ""


def state_of(subject: Subject, setup: Mapping[str, Any]) -> dict[str, Any]:
    """What a verdict depends on beside how a run was set up: what the subject declares, its code, and the versions."""
    plain = (field.name for field in fields(subject) if field.repr and field.name not in ("kernels", "name"))
    declared = {name: getattr(subject, name) for name in plain}
    state = declared | versions(setup.get("oracle", PLAIN), subject.array_framework)
    return state | {"source": digest(subject)}


def digest(subject: Subject) -> str:
    """Of the contents of a subject's files."""
    contents = (file.read_bytes() for file in sorted(own_files(subject)))
    return hashlib.sha256(b"".join(hashlib.sha256(content).digest() for content in contents)).hexdigest()[:16]


def own_files(subject: Subject) -> set[Path]:
    """The kernels' files, and modules and shared libraries beside or below them; what is installed has a version."""
    own = _sources(subject)
    folders = {file.parent for file in own if is_own(str(file))}
    loaded = {Path(file).resolve() for module in [*sys.modules.values()] if (file := _file_of(module))}
    loaded |= _mapped() | {library for folder in folders for library in filter(_is_library, folder.glob("*"))}
    near = {file for file in loaded if is_own(str(file)) and not folders.isdisjoint(file.parents)}
    return {file for file in own | near if file.is_file()}


def _sources(subject: Subject) -> set[Path]:
    """The files that hold the functions, as far as they are Python's, and the one that the subject was loaded from."""
    where = subject.name.partition(":")[0]
    files = {where if where.endswith(".py") else _file_of(sys.modules.get(where))}
    for operation in subject.operations:
        for function in subject.functions_of(operation).values():
            with contextlib.suppress(TypeError, ValueError):
                files.add(inspect.getsourcefile(inspect.unwrap(function)) or "")
    return {Path(file).resolve() for file in files if file}


def _file_of(module: Any) -> str:
    file = getattr(module, "__file__", None)
    return file if isinstance(file, str) else ""


def _mapped() -> set[Path]:
    """The shared libraries that this process has loaded, where the system tells."""
    maps = Path("/proc/self/maps")
    lines = maps.read_text(errors="replace").splitlines() if maps.exists() else []
    return {path for line in lines if "/" in line and _is_library(path := Path(line[line.index("/") :]))}


def _is_library(path: Path) -> bool:
    return bool({".so", ".dylib", ".dll", ".pyd"} & set(path.suffixes))
