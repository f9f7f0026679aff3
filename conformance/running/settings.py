"""What of a subject is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from conformance.cases import Case
from conformance.requirements import PROFILES
from conformance.verdicts.verdict import Unit


@dataclass(frozen=True)
class Settings:
    """What of a subject is judged, and how thoroughly; empty means all.

    skipped   requirements that it is not held to
    only      cases of units, where nothing else is judged
    first_failure  whether that ends the run
    shard     (3, 8) where only the third of eight parts is judged
    """

    operations: Sequence[str] = ()
    requirements: Sequence[str] = ()
    dtypes: Sequence[str] = ()
    profile: str = "standard"
    seed: int = 0
    skipped: Sequence[str] = ()
    only: Mapping[Unit, Sequence[Case]] | None = None
    first_failure: bool = False
    shard: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            raise ValueError(f"profile={self.profile!r}: there are {', '.join(PROFILES)}")
