"""Loading by name: package.module, file.py, either with :object, or a framework."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import re
import sys
import threading
import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from conformance.kernels.answer import said
from conformance.kernels.framework import FRAMEWORKS, MissingFramework, about, framework, installed, missing
from conformance.kernels.handlers import handlers_kept
from conformance.kernels.subject import Subject, SubjectError


def load(name: str, **declared: Any) -> Subject:
    """The subject named `package.module`, `package.module:object`, `file.py`, `file.py:object` or by a framework.

    declared   fields of a Subject, which stand for those that it declares itself; dtypes only where it declares none
    """
    check_name(name)
    where, _, attribute = name.partition(":")
    if _has_kernels(where):
        return declaring(_of_framework(where, attribute, name), declared)
    module = imported(where)
    value = _attribute(module, attribute, name) if attribute else _declared(module, name)
    if isinstance(value, Subject):
        return declaring(replace(value, name=name), declared)
    return Subject(value, name=name, **declared)


def declaring(subject: Subject, declared: Mapping[str, Any]) -> Subject:
    """A subject that declares this too; see load."""
    kept = {"dtypes": subject.dtypes} if subject.dtypes else {}
    return replace(subject, **{**declared, **kept}) if declared else subject


def check_name(name: str) -> None:
    """What can be said against a name before anything is imported."""
    if not isinstance(name, str):
        raise SubjectError(
            f"{name!r}: load takes a name; conformance.Subject takes a module or object itself"
        )
    where, colon, attribute = name.partition(":")
    named = where.endswith(".py") or all(part.isidentifier() for part in where.split("."))
    if not named or (colon and not attribute):
        raise SubjectError(
            f"{name!r}: a subject is package.module, file.py, either with :object, or a framework"
        )
    if where.endswith(".py") and not Path(where).is_file():
        raise SubjectError(f"{where}: {'is a folder' if Path(where).is_dir() else 'no such file'}")
    if _has_kernels(where):
        _check_variant(where, attribute)


def seems_to_lack(name: str, words: Collection[str]) -> bool:
    """Whether the text of a file has none of the words, nor what may make functions of any name."""
    where, _, attribute = name.partition(":")
    if not where.endswith(".py"):
        return False
    text = Path(where).read_text(encoding="utf-8", errors="replace")
    sought = [attribute] if attribute else words
    return not _MAKERS.search(text) and not any(re.search(rf"\b{word}\b", text) for word in sought)


_MAKERS = re.compile(r"import \*|Subject|exec|eval|globals|locals|vars|setattr|getattr__|__dict__")


def _has_kernels(where: str) -> bool:
    return where in FRAMEWORKS and bool(about(where).variants)


def _check_variant(name: str, variant: str) -> None:
    variants = about(name).variants
    if variant not in variants:
        *others, last = (f"{name}:{each}" if each else name for each in variants)
        there = f"there are {', '.join(others)} and {last}" if others else f"there is {last} alone"
        raise SubjectError(f"{name}:{variant}: {there}")
    if not installed(name):
        raise MissingFramework(missing(name))


def _of_framework(name: str, variant: str, whole: str) -> Subject:
    its = framework(name)
    assert its.kernels
    return Subject(its.kernels(variant), framework=name, name=whole, **its.declared)


def _attribute(module: ModuleType, attribute: str, name: str) -> Any:
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise SubjectError(f"{name}: {name.partition(':')[0]} has no {attribute}") from None


def _declared(module: ModuleType, name: str) -> Any:
    """The one Subject that a module declares, or the module."""
    declared = {id(value): value for value in vars(module).values() if isinstance(value, Subject)}
    if len(declared) > 1:
        raise SubjectError(f"{name}: {name} declares {len(declared)} subjects; name one, as {name}:object")
    return next(iter(declared.values()), module)


def imported(where: str) -> ModuleType:
    """The module of a file, or of a name."""
    return _load_file(where) if where.endswith(".py") else _load_module(where)


def _load_file(where: str) -> ModuleType:
    path = Path(where).resolve()
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)  # dataclasses and pickles in the file look their module up
    with _importing(where, str(path.parent)):
        spec.loader.exec_module(module)
    return module


def _load_module(where: str) -> ModuleType:
    with _importing(where, ""):
        return importlib.import_module(where)


@contextlib.contextmanager
def _importing(where: str, folder: str) -> Iterator[None]:
    """What the import raises is an error of the subject.

    A file may turn every warning or rounding into an error: that is for its kernels, not for who judges them.
    """
    try:
        with _importable(folder), handlers_kept(), warnings.catch_warnings(), np.errstate(), _exits_told():
            yield
    except (Exception, SystemExit) as error:
        raise SubjectError(f"{where}: importing it raises {said(error)}") from error


@contextlib.contextmanager
def _exits_told() -> Iterator[None]:
    """An `os._exit` raises instead: it would end this process without a word.

    That of a child or of another thread is what it is.
    """
    exits, own = os._exit, (os.getpid(), threading.get_ident())

    def told(status: int) -> None:
        if (os.getpid(), threading.get_ident()) != own:
            exits(status)
        raise SystemExit(f"os._exit({status}), which would end this process")

    os._exit = told  # type: ignore[assignment]
    try:
        yield
    finally:
        os._exit = exits


@contextlib.contextmanager
def _importable(folder: str) -> Iterator[None]:
    """Modules come from this folder first, as for `python file.py`; afterwards, for imports in a call, from it last.

    What lies beside a kernel thereby stands for no module that the suite imports later.
    """
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
        if folder not in sys.path:
            sys.path.append(folder)
