"""Failures of two runs beside each other: which are the same, which are new, which are gone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from conformance.cases import Case, CaseError
from conformance.cases.shrink import options_of
from conformance.verdicts.verdict import Failure, Unit

Data = Mapping[str, Any]


class Entry(NamedTuple):
    """A failure of an output, as it is known again in another run.

    found_by   the requirements and dtypes under which it failed, each as "exact float32"
    """

    operation: str
    output: str
    status: str
    case: str
    diagnosis: str = ""
    found_by: tuple[str, ...] = ()

    @classmethod
    def of(cls, failure: Failure, units: Iterable[Unit]) -> Entry:
        """That of a failure which was found in these units."""
        judgement, case = failure.judgement, failure.case
        found_by = dict.fromkeys(f"{unit.requirement} {unit.dtype}" for unit in units)
        who = case.operation, judgement.output, judgement.status, str(case)
        return cls(*who, failure.diagnosis, tuple(found_by))

    @classmethod
    def from_data(cls, data: Data) -> Entry:
        """That of an entry of `failures` in a report."""
        found_by = (f"{each['requirement']} {each['dtype']}" for each in data["found_by"])
        operation, output, status, case = (data[name] for name in cls._fields[:4])
        return cls(operation, output, status, case, data["diagnosis"] or "", tuple(found_by))

    @property
    def sentence(self) -> str:
        looks = f", which looks like {self.diagnosis}" if self.diagnosis else ""
        return f'{self.operation} {self.output} {self.status} on "{self.case}"{looks}'

    def is_also(self, other: Entry) -> bool:
        """Whether two are the same, for certain: of one output, on one case or by one diagnosis."""
        explained = bool(self.diagnosis) and self.diagnosis == other.diagnosis
        return self[:3] == other[:3] and (self.case == other.case or explained)

    def may_be(self, other: Entry) -> bool:
        """Whether two may be the same that were not found on the same case: their cases need the same options."""
        explained = not (self.diagnosis and other.diagnosis)
        needs = _needs(self.case)
        return self[:3] == other[:3] and explained and needs is not None and needs == _needs(other.case)


def _needs(case: str) -> frozenset[str] | None:
    """The options of a case; None where it was written by another version, whose cases are not read any more."""
    try:
        return frozenset(options_of(Case.parse(case)))
    except CaseError:
        return None


@dataclass(frozen=True)
class Matched:
    """Failures of an earlier run and of a later one.

    known    by its place in the later run, the earlier failure that each is
    new      places of those that are none
    gone     earlier ones that the later run asked for and did not find
    unasked  earlier ones that it did not ask for
    """

    known: Mapping[int, Entry]
    new: Sequence[int]
    gone: Sequence[Entry]
    unasked: Sequence[Entry]


def matched(
    earlier: Sequence[Entry], later: Sequence[Entry], asked: Collection[tuple[str, str]], alike: bool
) -> Matched:
    """Which of the later failures were there earlier.

    asked   operations, each with a requirement and dtype as "exact float32", that the later run judged to their end
    alike   whether both runs drew the same cases. Then a mistake has the same smallest case in both; else one whose
            case is another is taken for an earlier one that is not found any more and needs the same options
    """
    known: dict[int, Entry] = {}
    for place, entry in enumerate(later):
        if same := next((each for each in earlier if each.is_also(entry)), None):
            known[place] = same
    left = [each for each in earlier if not any(each.is_also(entry) for entry in later)]
    for place, entry in enumerate(later):
        if not alike and place not in known and (near := next(filter(entry.may_be, left), None)):
            known[place] = near
            left.remove(near)
    new = [place for place in range(len(later)) if place not in known]
    gone = [each for each in left if any((each.operation, unit) in asked for unit in each.found_by)]
    return Matched(known, new, gone, [each for each in left if each not in gone])
