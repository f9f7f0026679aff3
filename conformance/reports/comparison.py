"""Two reports beside each other: what got better, what got worse, and what moved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from conformance.reports.baseline import drawn
from conformance.reports.brief import by_unit, cut_short, decides, every_failure, units
from conformance.reports.entries import Entry, matched
from conformance.reports.lines import Line, plural, printable, wrapped
from conformance.verdicts.judgement import ADVICE, GRAVEST

Data = Mapping[str, Any]

FACTOR = 2.0  # by which an error or a time must have moved to be told, unless another is asked for
LEAST_SHARE = 0.01  # of a bound: below it an error is that of a few roundings, however it moves
LEAST_SECONDS = 1.0
_MILD = ("conforms", ADVICE, "framework fault", "known failure", "not claimed", "untested")
_ORDER = (*_MILD, *reversed(GRAVEST))  # of verdicts, the best first


class Key(NamedTuple):
    """What a row is of."""

    operation: str
    output: str
    requirement: str
    dtype: str


class Change(NamedTuple):
    """A row that both runs have, with another verdict or error."""

    row: Key
    old: Any
    new: Any


class Time(NamedTuple):
    """Seconds of the run, or of an operation under a requirement."""

    of: str
    old: float
    new: float


@dataclass(frozen=True)
class Comparison:
    """What changed from an old report to a new one.

    subjects  their names, verdicts those of the whole: old and new
    new       failures that were not there, gone those that were; the replay command of each new one in `replays`
    moved     failures that are there again on another case, as (old, new)
    lost      operations that the subject no longer has
    worse     rows whose verdict is worse, better those whose is better, as far as the new run is whole
    judged    rows that only the new run has, dropped those that only the old run has
    accuracy  worst errors of rows, as shares of their bounds, that moved by more than a factor
    times     seconds of the run and of its requirements that did
    """

    subjects: tuple[str, str]
    verdicts: tuple[str, str]
    new: Sequence[Entry]
    replays: Sequence[str]
    gone: Sequence[Entry]
    moved: Sequence[tuple[Entry, Entry]]
    lost: Sequence[str]
    worse: Sequence[Change]
    better: Sequence[Change]
    judged: Sequence[Key]
    dropped: Sequence[Key]
    accuracy: Sequence[Change]
    times: Sequence[Time]
    fails_now: bool

    @property
    def is_worse(self) -> bool:
        """Whether anything fails, or is no longer claimed or tested, that did not or was."""
        return bool(self.new or self.worse or self.lost or self.fails_now)

    @property
    def verdict(self) -> str:
        """worse, better or the same."""
        if self.is_worse:
            return "worse"
        return "better" if self.gone or self.better else "the same"

    def as_data(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        kept = {
            "subjects": list(self.subjects),
            "verdicts": list(self.verdicts),
            "new": [
                _entry(each) | {"replay": replay} for each, replay in zip(self.new, self.replays, strict=True)
            ],
            "gone": list(map(_entry, self.gone)),
            "moved": [{"old": _entry(old), "new": _entry(new)} for old, new in self.moved],
            "lost": list(self.lost),
        }
        for name in ("worse", "better", "accuracy"):
            kept[name] = [
                each.row._asdict() | {"old": each.old, "new": each.new} for each in getattr(self, name)
            ]
        for name in ("judged", "dropped", "times"):
            kept[name] = [each._asdict() for each in getattr(self, name)]
        return {"comparison": self.verdict, **kept}


def _entry(entry: Entry) -> dict[str, Any]:
    return entry._asdict() | {"found_by": list(entry.found_by)}


def compare(old: Data, new: Data, factor: float = FACTOR) -> Comparison:
    """The comparison of two reports."""
    was, now = (_failures(each) for each in (old, new))
    earlier, later = list(was), list(now)
    of = matched(earlier, later, _asked(new), drawn(old) == drawn(new))
    again = [(each, later[place]) for place, each in of.known.items()]
    rows = _rows(old), _rows(new)
    worse, better = _verdicts(*rows)
    return Comparison(
        subjects=(old["subject"]["name"], new["subject"]["name"]),
        verdicts=(old["verdict"], new["verdict"]),
        new=[later[place] for place in of.new],
        replays=[now[later[place]] or "" for place in of.new],
        gone=of.gone,
        moved=[(one, other) for one, other in again if one.case != other.case],
        lost=[each for each in old["subject"]["operations"] if each not in new["subject"]["operations"]],
        worse=worse,
        better=[] if cut_short(new) else better,
        judged=[name for name in rows[1] if name not in rows[0]],
        dropped=[name for name in rows[0] if name not in rows[1]],
        accuracy=list(_accuracy(*rows, factor)),
        times=list(_times(old, new, factor)),
        fails_now=_fails_now(old, new),
    )


def _fails_now(old: Data, new: Data) -> bool:
    """Whether the new run fails by something else than failures of its own, and the old one did not."""
    by_failures = any(map(decides, every_failure(new["failures"])))
    stale = set(new["stale_known_failures"]) - set(old["stale_known_failures"])
    return bool(stale) or (old["passed"] and not (new["passed"] or by_failures))


def _failures(data: Data) -> dict[Entry, str | None]:
    """Those that are the kernel's, also where they are known, each with the command that runs it again."""
    every = every_failure(data["failures"])
    return {Entry.from_data(each): each["replay"] for each in every if not each["fault"]}


def _asked(data: Data) -> set[tuple[str, str]]:
    if cut_short(data):
        return set()
    return {(row["operation"], f"{row['requirement']} {row['dtype']}") for row in data["rows"]}


def _rows(data: Data) -> dict[Key, Data]:
    """Each row; what a baseline excuses is as bad as without it."""
    excused = {
        Key(each["operation"], each["output"], unit["requirement"], unit["dtype"]): each["status"]
        for each in every_failure(data["failures"])
        for unit in (each["found_by"] if each["baseline"] else ())
    }
    rows = {Key(*(row[name] for name in Key._fields)): row for row in data["rows"]}
    known = {key for key, row in rows.items() if row["verdict"] == "known failure"}
    return rows | {key: {**rows[key], "verdict": excused[key]} for key in excused.keys() & known}


def _verdicts(old: Mapping[Key, Data], new: Mapping[Key, Data]) -> tuple[list[Change], list[Change]]:
    """The rows whose verdict is worse, and those whose is better."""
    there = [Change(row, old[row]["verdict"], new[row]["verdict"]) for row in new if row in old]
    worse = [each for each in there if _rank(each.new) > _rank(each.old)]
    return worse, [each for each in there if _rank(each.new) < _rank(each.old)]


def _rank(verdict: str) -> int:
    """Advice is no worse than none."""
    return max(_ORDER.index(verdict), 1)


def _accuracy(old: Mapping[Key, Data], new: Mapping[Key, Data], factor: float) -> Iterator[Change]:
    for key, row in new.items():
        was, now = old[key]["worst_share"] if key in old else None, row["worst_share"]
        if was is not None and now is not None and _moved(was, now, factor, LEAST_SHARE):
            yield Change(key, was, now)


def _times(old: Data, new: Data, factor: float) -> Iterator[Time]:
    was, now = _seconds(old), _seconds(new)
    for name in was:
        if name in now and _moved(was[name], now[name], factor, LEAST_SECONDS):
            yield Time(name, was[name], now[name])


def _seconds(data: Data) -> dict[str, float]:
    """Of the whole run, and of each operation under each requirement; a unit has its time in each of its rows."""
    seconds = {"the run": data["seconds"]}
    for (operation, requirement, _), (row, *_) in by_unit(data).items():
        name = f"{operation} {requirement}"
        seconds[name] = round(seconds.get(name, 0) + row["seconds"], 3)
    return seconds


def _moved(was: float, now: float, factor: float, least: float) -> bool:
    return max(was, now) >= least and max(was, now) > factor * max(min(was, now), least / factor)


# In words.


def lines(of: Comparison, width: int) -> Iterator[Line]:
    """What changed, the worst first, and the verdict as the last line."""
    name = " and ".join(dict.fromkeys(map(printable, of.subjects)))
    was, now = of.verdicts
    yield [(name, "head"), (f": {f'{was} before, {now} now' if was != now else f'{now} as before'}", "")]
    if len(set(of.subjects)) > 1:
        yield [("two subjects", "odd"), (", not one before and after a change", "")]
    for label, style, texts in _parts(of):
        for text in texts:
            yield from wrapped(f"{label:<10}", printable(text), width, style)
    yield [(of.verdict, {"worse": "bad", "better": "good"}.get(of.verdict, "")), (f": {_because(of)}", "")]


def _parts(of: Comparison) -> Iterator[tuple[str, str, Iterator[str]]]:
    replays = (f": {replay}" if replay else "" for replay in of.replays)
    yield "new", "bad", (each.sentence + replay for each, replay in zip(of.new, replays, strict=True))
    yield "lost", "bad", (f"{each}: the subject has no such function any more" for each in of.lost)
    yield "worse", "bad", _verdicts_of(of.worse)
    yield "gone", "good", (each.sentence for each in of.gone)
    yield "better", "good", _verdicts_of(of.better)
    yield "again", "", (f'{new.sentence}, before on "{old.case}"' for old, new in of.moved)
    yield "judged", "", (f"{each}: not before" for each in _together(of.judged))
    dropped = [row for row in of.dropped if row.operation not in of.lost]
    yield "dropped", "odd", (f"{each}: not any more" for each in _together(dropped))
    shares = (
        f"{' '.join(each.row)}: worst error {each.old:.3g} of its bound, now {each.new:.3g}"
        for each in of.accuracy
    )
    yield "accuracy", "odd", shares
    yield "time", "dim", (f"{each.of}: {each.old:.1f} s, now {each.new:.1f} s" for each in of.times)


def _verdicts_of(changes: Sequence[Change]) -> Iterator[str]:
    """Rows of one output that changed alike are told together."""
    for was, now in dict.fromkeys((each.old, each.new) for each in changes):
        rows = [each.row for each in changes if (each.old, each.new) == (was, now)]
        yield from (f"{each}: {was}, now {now}" for each in _together(rows))


def _together(rows: Sequence[Key]) -> Iterator[str]:
    """Rows, those of one output together, with their requirements and dtypes."""
    for output in dict.fromkeys(row[:2] for row in rows):
        found_by = [{"requirement": row.requirement, "dtype": row.dtype} for row in rows if row[:2] == output]
        yield f"{' '.join(output)} by {units(found_by)}"


def _because(of: Comparison) -> str:
    counts = {
        "new failure": len(of.new), "failure gone": len(of.gone), "verdict worse": len(of.worse),
        "verdict better": len(of.better), "operation lost": len(of.lost),
    }  # fmt: skip
    told = [plural(count, noun, _SEVERAL.get(noun, "")) for noun, count in counts.items() if count]
    return ", ".join(told) or ("the run does not pass any more" if of.fails_now else "no verdict changed")


_SEVERAL = {
    "failure gone": "failures gone", "verdict worse": "verdicts worse", "verdict better": "verdicts better",
    "operation lost": "operations lost",
}  # fmt: skip
