"""What an audit found, as data: how each mutant fared, which are minimal, and what accuses a right kernel."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Kill:
    """How a mutant fared: caught by a requirement after so many cases, or survived."""

    name: str
    operation: str
    sentence: str
    pure: bool = False
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


@dataclass(frozen=True)
class Minimal:
    """The mutants whose death no other's implies, among those that a sample of cases kills."""

    names: tuple[str, ...] = ()
    killed: int = 0
    cases: int = 0

    def __str__(self) -> str:
        return (
            f"{len(self.names)} of {self.killed} mutants that {self.cases} cases kill are minimal: "
            "no other's death implies theirs"
        )


@dataclass
class Audit:
    """What was found: each mutant, the minimal ones, and the accusing rows of each right kernel."""

    kills: list[Kill] = field(default_factory=list)
    minimal: Minimal | None = None
    accused: dict[str, list[str]] = field(default_factory=dict)
    interrupted: bool = False

    @property
    def passed(self) -> bool:
        caught = all(kill.caught for kill in self.kills)
        return caught and not any(self.accused.values()) and not self.interrupted

    def summary(self, seconds: float) -> str:
        lines = [f"SURVIVED {kill.name}  {kill.sentence}" for kill in self.kills if not kill.caught]
        lines += [self._caught(seconds)]
        if pure := [kill for kill in self.kills if kill.caught and kill.pure]:
            named = sum(kill.named for kill in pure)
            lines.append(f"the diagnosis names {named} of {len(pure)} mutants that are functions of the case")
        if self.minimal:
            lines.append(str(self.minimal))
        if self.interrupted:
            lines.append("interrupted: the rest was not asked")
        if self.accused:
            wrongly = sum(map(bool, self.accused.values()))
            lines.append(f"accused {wrongly} of {len(self.accused)} right kernels")
        return "\n".join(lines)

    def _caught(self, seconds: float) -> str:
        caught = [kill for kill in self.kills if kill.caught]
        line = f"caught {len(caught)} of {len(self.kills)} mutants in {seconds:.0f} s"
        if not caught:
            return line
        cases, took = (median(getattr(kill, name) for kill in caught) for name in ("cases", "seconds"))
        return f"{line}; median to the kill: {cases:.0f} cases, {took:.2f} s"

    def as_data(self) -> dict[str, Any]:
        return {
            "mutants": [asdict(kill) | {"named": kill.named} for kill in self.kills],
            "minimal": asdict(self.minimal) if self.minimal else None,
            "right": self.accused,
            "interrupted": self.interrupted,
        }
