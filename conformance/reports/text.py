"""The document as text: a table for each operation, what was not claimed, each failure, the verdict."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from conformance.cases.scope import Exhausted
from conformance.kernels.subject import Subject
from conformance.operations import DTYPES, OPERATIONS
from conformance.reports.baseline import Known
from conformance.reports.claims import NotClaimed
from conformance.reports.document import Document
from conformance.reports.findings import Finding, replay_of, requirements, with_replay
from conformance.reports.lines import NARROWEST, Line, broken, columns, plain, plural, printable, wrapped
from conformance.reports.run_info import RunInfo
from conformance.reports.script import of_finding, script_lines
from conformance.reports.tables import MILD, Cell, Table
from conformance.verdicts.certificate import Certificate
from conformance.verdicts.summation import Summation
from conformance.verdicts.unreached import Unreached
from conformance.verdicts.verdict import Failure, Numbers

FIRST, OTHERS = 12, 15  # columns that a column of a table has at least
MOST_PLACES = 30  # that no case ran are told; a generated kernel may have hundreds
INDENT = 12  # of what is said of a failure below its first line
HEADINGS = {  # of parts, by the word that `conformance explain` has for each
    "not claimed": "not claimed",
    "exhausted": "exhausted, every answer right",
    "certified": "certified, every coefficient right",
    "sums": "sums, in the order that answers show",
    "numbers": "numbers of its source, as far as it can be read, asked on both sides",
    "advice": "advice",
    "stale known failure": "stale known failure",
    "no case ran": "no case ran",
    "reached by search": "reached by search",
    "searched": "searched, nothing reached",
    "gone": "gone from",
}


def lines(document: Document, width: int, scripts: bool = False) -> Iterator[Line]:
    """The whole report, an empty line between its parts.

    scripts   whether each failure comes with a script that shows it
    """
    parts = (
        head(document, width),
        *(table(each) for each in document.tables),
        not_claimed(document.not_claimed, width),
        ([(sentence, "odd")] for sentence in [*document.parameters, *misnamed(document.subject)]),
        exhausted(document.exhausted, width),
        certified(document.certified, width),
        summations(document.summations, width),
        numbers(document.numbers, width),
        *(_finding(each, document.subject, width, scripts) for each in document.findings),
        advice(document, width),
        hints(document, width),
        (_stale(text) for text in document.stale),
        unreached(document.unreached, width),
        baseline(document.known, width),
        conclusion(document, width),
    )
    written = [part for part in map(list, parts) if part]
    for number, part in enumerate(written):
        yield from ([], *part) if number else part


def head(document: Document, width: int) -> Iterator[Line]:
    """Who was judged, by whom, how, and how to read the tables."""
    subject, run = document.subject, document.run
    how = f"oracle {run.oracle}, profile {run.profile}, seed {run.seed}"
    name = (printable(subject.name or "subject"), "head")
    yield from broken([name, (f": {subject.array_framework} arrays, {how}", "")], width)
    ran = f"{plural(document.cases, 'case')} in {run.seconds:.1f} s"
    ran += f", {printable(run.resumed)}" if run.resumed else ""
    legend = "; below: cases, worst error as a share of its bound" if document.rows else ""
    yield from broken([(ran, ""), (legend, "dim")], width)


def table(of: Table) -> Iterator[Line]:
    """The cells of an operation, in columns as wide as what they hold: nothing is cut off."""
    rows: list[list[Line]] = [[[(text, "head")] for text in (of.operation, *of.outputs)]]
    for name, cells in of.cells.items():
        written = (cell(cells[output]) if output in cells else [("", "")] for output in of.outputs)
        rows.append([[(f"  {name}", "")], *written])
    return columns(rows, (FIRST, *(OTHERS for _ in of.outputs)))


SHORT = {"conforms": "ok", "known failure": "known", "framework fault": "framework's"}  # in a table


def cell(of: Cell) -> Line:
    """How many cases, the verdict, and the dtypes that it is about or the worst error."""
    count = (f"{of.cases:>5} ", "")
    if of.verdict == "conforms":
        return [count, (SHORT[of.verdict], "good"), (f" {of.share:.2f}" if of.share else "", "dim")]
    if of.verdict == "not claimed":
        return [("  not claimed", "dim")]
    dtypes = f" {','.join(DTYPES[dtype].short for dtype in of.dtypes)}" if of.dtypes else ""
    word = SHORT.get(of.verdict, of.verdict)
    return [count, (word + dtypes, "odd" if of.verdict in MILD else "bad")]


def _heading(word: str, of: str = "") -> tuple[str, str]:
    return f"{HEADINGS[word]} {of}".strip(), "head"


def not_claimed(claims: Sequence[NotClaimed], width: int) -> Iterator[Line]:
    """What was not claimed, an operation a paragraph, the features of one reason together."""
    if claims:
        yield [_heading("not claimed")]
    features: dict[tuple[str, str], list[str]] = {}
    for claim in claims:
        features.setdefault((claim.operation, claim.reason), []).append(claim.feature)
    for (operation, reason), names in features.items():
        yield from wrapped("  ", f"{operation}: {', '.join(names)} ({printable(reason)})", width)


def misnamed(subject: Subject) -> list[str]:
    """Functions that were not called because of their names, a sentence each."""
    slips = [f"{name} is not called; did you mean {meant}?" for name, meant in subject.misnamed.items()]
    return slips + [f"{name} is not judged yet" for name in subject.unjudged]


def exhausted(every: Sequence[Exhausted], width: int) -> Iterator[Line]:
    """What a pass excludes: the geometries that were judged without a gap, and the odds that integers hid an error."""
    if every:
        yield [_heading("exhausted")]
    for each in every:
        yield from wrapped("  ", f"{each.operation}: {_gapless(each)}{_odds(each)}", width)


def _gapless(each: Exhausted) -> str:
    limits = ", ".join(f"{name} to {n}".replace("_", " ") for name, n in each.largest.items() if n > 1)
    axes = _AXES[OPERATIONS[each.operation].dimensions]
    pairs = f", all {each.pairs:,} pairs of smaller ones" if each.pairs else ""
    return f"all {each.geometries:,} geometries of one axis ({limits}){axes}{pairs}"


_AXES = {1: "", 2: " on height and width", 3: " on depth, height and width"}


def _odds(each: Exhausted) -> str:
    if not any(each.chance):
        return ""
    worst, usual = (f"{100 * chance:.2g} %" for chance in each.chance)
    family = OPERATIONS[each.operation].family
    kind = "bilinear" if family.bilinear else "polynomial" if family.factors else "linear"
    chance = f"is right by chance in {usual} of the cases (median; at most {worst})"
    return f"; an element of another {kind} function {chance}"


def certified(every: Sequence[Certificate], width: int) -> Iterator[Line]:
    """How many geometries are right in every coefficient, and what a wrong kernel would have to do to be so."""
    if every:
        yield [_heading("certified")]
    for operation in dict.fromkeys(each.operation for each in every):
        read = [each for each in every if each.operation == operation]
        yield from wrapped("  ", f"{operation}: {_read(read)}; {_granted(read)}", width)


def _read(every: Sequence[Certificate]) -> str:
    what = "every window" if OPERATIONS[every[0].operation].family.chosen else "the whole operator"
    outputs = dict.fromkeys(output for each in every for output in each.outputs)
    beyond = max(each.too_large for each in every)
    larger = f"; {plural(beyond, 'geometry', 'geometries')} too large to be read" if beyond else ""
    counts = (f"{plural(each.geometries, 'geometry', 'geometries')} in {each.dtype}" for each in every)
    return f"{what} ({', '.join(outputs)}) of {', '.join(counts)}{larger}"


def _granted(every: Sequence[Certificate]) -> str:
    tested: Counter[str] = sum((Counter(each.assumptions) for each in every), Counter())
    ways = (f"{words} ({plural(tested[kind], 'case')})" for kind, words in _TESTED.items() if tested[kind])
    return f"to pass, a wrong kernel must tell unit images from {', '.join(ways)}, where it was right"


_TESTED = {"no zeros": "images without zeros", "integers": "integers", "batches": "other batches of them"}


def summations(every: Sequence[Summation], width: int) -> Iterator[Line]:
    """In what order each operation adds the terms of a window."""
    if every:
        yield [_heading("sums")]
    for operation, dtype in dict.fromkeys((each.operation, each.dtype) for each in every):
        of = (each for each in every if (each.operation, each.dtype) == (operation, dtype))
        yield from wrapped("  ", f"{operation}: {dtype}: {'; '.join(map(_added, of))}", width)


def _added(each: Summation) -> str:
    deep = f", {plural(each.height, 'addition')} deep" if each.height else ""
    return f"{each.terms} terms {each.kind}{deep}"


def numbers(every: Sequence[Numbers], width: int) -> Iterator[Line]:
    """The conditions that the source of each operation has, and those that no case is small enough for."""
    if every:
        yield [_heading("numbers")]
    for each in every:
        yield from wrapped("  ", f"{each.operation}: {printable('; '.join(each.asked) or 'none')}", width)
        if each.too_large:
            yield from wrapped(
                "  ", f"{each.operation}, not asked, too large: {'; '.join(each.too_large)}", width
            )


def finding(each: Finding, width: int) -> Iterator[Line]:
    """A failure: what is wrong, its smallest case, what it looks like, and the command that runs it again."""
    failure = each.failure
    word = (each.status.upper(), "bad") if failure.decides else (failure.verdict, "odd")
    heading = f"{each.case.operation} {each.output}"
    first: Line = [(f"{heading}  ", "head"), word, ("  ", "")]
    indent = len(plain(first))
    message, *more = textwrap.wrap(_message(each), max(width - indent, NARROWEST)) or [""]
    yield [*first, (message, "")]
    yield from ([(" " * indent + text, "")] for text in more)
    for label, said in ENTRIES.items():
        yield from _entry(label, printable(text), width) if (text := said(each)) else ()
    for other in each.also:
        looks = f", which looks like {other.failure.diagnosis}" if other.failure.diagnosis else ""
        text = f"{other.output} {other.status} by {requirements(other.found_by)}: {_message(other)}{looks}"
        yield from _entry("also seen as", printable(text), width)
        yield from _entry("", other.replay or str(other.case), width)


def _likewise(each: Finding) -> str:
    """What else fails, without the words with which all of them begin."""
    common = each.failure.judgement.message.partition(": ")[0] + ": "
    return "; ".join(message.removeprefix(common) for message in each.failure.likewise)


def _excuse(failure: Failure) -> str:
    return failure.known or (f"it is in {failure.baseline}" if failure.baseline else "")


ENTRIES: dict[str, Callable[[Finding], str]] = {  # of a finding: a label, and what stands behind it
    "smallest case": lambda each: str(each.case),
    "likewise": _likewise,
    "raised at": lambda each: each.failure.judgement.place,
    "known because": lambda each: _excuse(each.failure),
    "not its own": lambda each: f"{each.failure.fault} does, too" if each.failure.fault else "",
    "looks like": lambda each: each.failure.diagnosis,
    "where": lambda each: each.failure.where,
    "if intended": lambda each: each.declaration,
    "found by": lambda each: requirements(each.found_by),
    "run it again": lambda each: each.replay,
}


def _message(each: Finding) -> str:
    """The message; `output refused: ...` next to the words `output REFUSED` says it twice."""
    message = printable(each.failure.judgement.message)
    return message.removeprefix(f"{each.output} {each.status}: ")


def _entry(label: str, text: str, width: int) -> Iterator[Line]:
    margin = f"{'':{INDENT}}{label:<16}"
    if label in _COPIED:
        return iter([[(margin, "dim"), (text, "")]])
    return wrapped(margin, text, width, "dim")


_COPIED = ("smallest case", "run it again", "")  # never broken into lines


def _finding(each: Finding, subject: Subject, width: int, with_script: bool) -> Iterator[Line]:
    yield from finding(each, width)
    if with_script:
        yield []
        yield from script_lines(*of_finding(subject, each))


def advice(document: Document, width: int) -> Iterator[Line]:
    """What does not fail the kernel, each with a command that shows it."""
    if document.advice:
        yield [_heading("advice"), (" (--strict makes it a failure)", "dim")]
    for each in document.advice:
        yield from wrapped("  ", printable(each.sentence), width)
        if command := replay_of(document.subject.name, each.case, document.run, each.requirement):
            yield [(f"    {command}", "dim")]


def hints(document: Document, width: int) -> Iterator[Line]:
    """How to declare what a kernel takes that refuses even the plainest call."""
    for operation, hint in document.hints.items():
        yield from wrapped("", f"{operation}: even the plainest call is refused; {hint}", width)


def _stale(text: str) -> Line:
    advice = f"no longer fails, take it out of known_failures: {text}"
    return [(f"{HEADINGS['stale known failure']}  ", "bad"), (advice, "")]


def unreached(of: Unreached, width: int) -> Iterator[Line]:
    """Lines of the subject of which nothing is known, each with what decides that it runs."""
    if of.unknown:
        yield from wrapped("", f"which lines no case ran is not known: {printable(of.unknown)}", width)
    if of.stretches:
        yield [_heading("no case ran")]
    places = list(of.places)
    for place in places[:MOST_PLACES]:
        yield from wrapped(f"  {printable(place.words)}  ", printable(place.why), width)
    if more := len(places[MOST_PLACES:]):
        yield [(f"  and {more} more: --html FILE and --json FILE have them all", "dim")]
    if of.searched:
        reached = _heading("reached by search" if of.reached else "searched")
        yield [reached, (f" ({plural(of.searched, 'case')} asked)", "dim")]
    for place, case in of.found:
        yield from wrapped(f"  {printable(place.words)}  ", printable(f"{place.why}: {case}"), width)


def baseline(known: Known | None, width: int) -> Iterator[Line]:
    """Failures that a baseline has and that are gone."""
    if known and known.gone:
        yield [_heading("gone", known.file), (f" ({known.updating})", "dim")]
        for each in known.gone:
            yield from wrapped("  ", printable(each.sentence), width)


def conclusion(document: Document, width: int) -> Iterator[Line]:
    """The last line."""
    last = document.conclusion
    return broken([(last.words, _CONCLUSIONS[last.verdict]), (f": {last.because}", "")], width)


_CONCLUSIONS = {"conforms": "good", "differs": "bad", "untested": "odd", "interrupted": "odd"}


def findings_text(findings: Iterable[Finding], subject: Subject, run: RunInfo, width: int = 100) -> str:
    """Failures as plain text, about eight lines each: for pytest."""
    every = (with_replay(each, subject.name, run) for each in findings)
    return "\n".join(plain(line) for each in every for line in finding(each, width))
