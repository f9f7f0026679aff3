"""A report that an earlier run wrote with --json, read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from conformance.usage import WrongUsage

RUNS = "runs"  # the reports of several subjects in one file
SCHEMA = 1  # of the reports that this version writes and reads
ENTRIES = {"schema", "subject", "rows", "failures"}  # without which it is no report
ADDED = {"conclusion", "baseline"}  # later on; the schema stayed the same
OF_ONE_RUN = {"seconds", "started", "command"}  # otherwise in another run of the same, and that alone


def timeless(data: Any) -> Any:
    """A report without what differs between two runs of the same."""
    if isinstance(data, dict):
        return {name: timeless(each) for name, each in data.items() if name not in OF_ONE_RUN}
    return [timeless(each) for each in data] if isinstance(data, list) else data


def read_reports(option: str, path: str) -> list[dict[str, Any]]:
    """The data of the report of a run, or of each subject of a run of several that was judged."""
    data = read_json(option, path)
    if RUNS not in data:
        return [_checked(data, option, path)]
    return [_checked(each, option, path) for each in data[RUNS] if "rows" in each]


def read_report(option: str, path: str) -> dict[str, Any]:
    """The data of a report; an error of usage that begins with the option where it is none, or of another schema."""
    data = read_json(option, path)
    if RUNS in data:
        raise WrongUsage(
            f"{_named(option, path)}: holds the reports of {len(data[RUNS])} subjects; one is wanted"
        )
    return _checked(data, option, path)


def _checked(data: dict[str, Any], option: str, path: str) -> dict[str, Any]:
    if not data.keys() >= ENTRIES:
        raise WrongUsage(f"{_named(option, path)}: is no report that conformance run --json FILE writes")
    if data["schema"] != SCHEMA:
        raise WrongUsage(
            f"{_named(option, path)}: has schema {data['schema']!r}; this version reads {SCHEMA}"
        )
    if lacking := sorted(ADDED - data.keys()):
        old = "an earlier version wrote it, so run it again"
        raise WrongUsage(f"{_named(option, path)}: has no {' and no '.join(lacking)}: {old}")
    return data


def read_json(option: str, path: str) -> dict[str, Any]:
    """The object that a JSON file holds."""
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise WrongUsage(f"{_named(option, path)}: cannot be read: {error.strerror}") from None
    except ValueError as error:  # no JSON, or no text
        raise WrongUsage(f"{_named(option, path)}: is no JSON: {error}") from None
    if not isinstance(data, dict):
        raise WrongUsage(f"{_named(option, path)}: holds no JSON object but {type(data).__name__}")
    return data


def _named(option: str, path: str) -> str:
    return f"{option} {path}".strip()
