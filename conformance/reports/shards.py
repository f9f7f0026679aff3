"""Shards: the report of a part of a run, which holds what it found as it found it, and all of them joined."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.reports.stored import read_report
from conformance.running.results import Results
from conformance.running.state import other_run
from conformance.usage import WrongUsage

# Options by which a run is asked, which a merge repeats.
ASKED = ("operations", "requirements", "skipped", "dtypes", "profile", "seed", "oracle")


def of_shard(
    shard: tuple[int, int], heading: Mapping[str, Any], asked: Mapping[str, Any], found: Results
) -> dict[str, Any]:
    """What the report of a shard has beside what every report has."""
    number, of = shard
    lines = [json.dumps(line) for line in found.lines]  # texts: a share of the bound may be infinite
    entry = {"number": number, "of": of, "heading": heading, "asked": dict(asked), "results": lines}
    return {"shard": entry}


@dataclass(frozen=True)
class Shards:
    """All shards of a run, from their reports."""

    paths: Sequence[str]
    entries: Sequence[Mapping[str, Any]]

    @classmethod
    def read(cls, paths: Sequence[str]) -> Shards:
        """An error of usage where one is none, or where they are not all of one run, each once."""
        shards = cls(paths, [_read(path) for path in paths])
        shards._check()
        return shards

    @property
    def asked(self) -> dict[str, Any]:
        """How all of them were asked."""
        asked = self.entries[0]["asked"]
        return {name: tuple(value) if isinstance(value, list) else value for name, value in asked.items()}

    def results(self, heading: Mapping[str, Any]) -> Results:
        """What they found together, of the run with such a heading."""
        found = Results()
        for path, entry in zip(self.paths, self.entries, strict=True):
            if other := other_run(entry["heading"], heading):
                raise WrongUsage(f"{path}: a shard of another run: {other}")
            for line in entry["results"]:
                found.take(json.loads(line))
        return found

    def _check(self) -> None:
        of, where = self.entries[0]["of"], dict[int, str]()
        for path, entry in zip(self.paths, self.entries, strict=True):
            if other := other_run(_alike(entry), _alike(self.entries[0])):
                raise WrongUsage(f"{path}: no shard of the run of {self.paths[0]}: {other}")
            if (number := entry["number"]) in where:
                raise WrongUsage(f"{where[number]} and {path}: both are shard {number}/{of}")
            where[number] = path
        if missing := [f"{number}/{of}" for number in range(1, of + 1) if number not in where]:
            raise WrongUsage(f"shard {', '.join(missing)}: no report of it; a merge needs all {of}")


def _alike(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What is the same in all shards of a run."""
    return {"number of shards": entry["of"], **entry["asked"], **entry["heading"]}


def _read(path: str) -> Mapping[str, Any]:
    data = read_report("", path)
    entry = data.get("shard")
    if not isinstance(entry, dict):
        raise WrongUsage(f"{path}: is no report that conformance run --shard I/N --json FILE writes")
    if data["verdict"] == "interrupted":
        raise WrongUsage(f"{path}: shard {entry['number']}/{entry['of']} was interrupted; run it again")
    return entry
