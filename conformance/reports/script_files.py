"""The scripts of a run's failures as files of a folder, each under a name that stays from run to run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from conformance.reports.brief import every_failure, fingerprint
from conformance.reports.script import BEGINNING
from conformance.usage import WrongUsage, check_writable

Data = Mapping[str, Any]


def check_folder(option: str, path: str) -> None:
    """Whether files can be written to a folder, which is made here where it is not there."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrongUsage(f"{option} {path}: no folder can be made there: {error.strerror}") from None
    check_writable(option, str(folder / ".conformance"))


def scripts_of(failures: Iterable[Data]) -> dict[str, str]:
    """The text of each file: one for each failure that a script can show."""
    return {_name(each): each["script"] for each in every_failure(failures) if each["script"]}


def stale(folder: Path, subject: str, texts: Mapping[str, str]) -> list[Path]:
    """Scripts that earlier runs of the subject left there, of failures that it has no more."""
    head = f"{BEGINNING}{subject} "
    others = (file for file in sorted(folder.glob("*.py")) if file.name not in texts)
    return [file for file in others if file.read_text(errors="replace").startswith(head)]


def _name(failure: Data) -> str:
    """As conv2d-grad_input-differs-1a2b3c4d.py: the same as long as the mistake is."""
    status = failure["status"].replace(" ", "_")
    return f"{failure['operation']}-{failure['output']}-{status}-{fingerprint(failure)[:8]}.py"
