"""What of a subject is judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from conformance.requirements import PROFILES


@dataclass(frozen=True)
class Settings:
    """What of a subject is judged, and how thoroughly; empty means all.

    skipped   requirements that it is not held to
    """

    operations: Sequence[str] = ()
    requirements: Sequence[str] = ()
    dtypes: Sequence[str] = ()
    profile: str = "standard"
    seed: int = 0
    skipped: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            raise ValueError(f"profile={self.profile!r}: there are {', '.join(PROFILES)}")
