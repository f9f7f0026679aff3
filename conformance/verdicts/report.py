"""A report as people and programs read it: one table an operation, what was not claimed, each failure, the verdict.

Text is held as lines of (text, style) pairs, so that it prints with colour, plainly, and in pytest alike.
"""

from __future__ import annotations

import math
import re
import shlex
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from conformance.cases.case import Case
from conformance.cases.features import features_of
from conformance.cases.shrink import cost
from conformance.kernels.call import Caller
from conformance.kernels.framework import TRUSTED
from conformance.kernels.subject import Subject
from conformance.kernels.versions import versions
from conformance.operations import DTYPES, OPERATIONS
from conformance.verdicts.judgement import Judgement
from conformance.verdicts.verdict import Failure, Report, Row

SCHEMA = 1  # of the JSON form; docs/json.md
OUTPUTS = ("output", "indices", "grad_input", "grad_weight", "grad_bias")

Line = list[tuple[str, str]]  # text and its style; a style is a word of STYLES
STYLES = {"good": "green", "bad": "bold red", "odd": "yellow", "dim": "dim", "head": "bold", "": ""}


@dataclass(frozen=True)
class Asked:
    """How a subject was asked: what a report's head says, and what a command needs to run a failure again."""

    oracle: str
    profile: str = "standard"
    seed: int = 0
    seconds: float = 0.0
    answers: frozenset[str] = frozenset()  # requirements of the answer alone, which `replay` need not be told
    timeout: float = 10.0  # seconds of a call
    taken: str = ""  # what was not asked but taken from the journal of an earlier run


# What a report says, as data.


def cases_of(report: Report) -> int:
    """How many cases were judged: a case counts once for all its outputs."""
    counts: dict[Any, int] = {}
    for row in report.rows:
        counts[row.unit] = max(counts.get(row.unit, 0), row.cases)
    return sum(counts.values())


def verdict_of(report: Report) -> str:
    """conforms, differs, untested or interrupted."""
    if any(failure for failure in found(report) if not failure.known) or report.stale:
        return "differs"
    if report.interrupted:
        return "interrupted"
    return "conforms" if report.passed else "untested"


@dataclass
class Found:
    """A failure of one output, with every requirement that found it."""

    failure: Failure
    found_by: list[tuple[str, str]] = field(default_factory=list)  # requirement, dtype

    @property
    def case(self) -> Case:
        return self.failure.case

    @property
    def output(self) -> str:
        return self.failure.judgement.output

    @property
    def status(self) -> str:
        return self.failure.judgement.status

    @property
    def known(self) -> str:
        return self.failure.known

    def extra(self, name: str) -> str:
        """The diagnosis or the place of the error, where there is one."""
        return str(getattr(self.failure, name, "") or "")

    def by(self) -> str:
        """The requirements that found it, each with its dtypes."""
        names: dict[str, list[str]] = {}
        for requirement, dtype in self.found_by:
            names.setdefault(requirement, []).append(dtype)
        every = {tuple(dtypes) for dtypes in names.values()}
        if len(every) == 1:
            return f"{', '.join(names)} ({', '.join(every.pop())})"
        return ", ".join(f"{name} ({', '.join(dtypes)})" for name, dtypes in names.items())

    def replay(self, subject: Subject, asked: Asked) -> str:
        """The command that runs it again."""
        if not subject.name:
            return ""
        words = ["conformance", "replay", shlex.quote(subject.name), f'"{self.case}"']
        names = [self.failure.shown_by] if self.failure.shown_by else [name for name, _ in self.found_by]
        if not self.case.problem and asked.answers.isdisjoint(names):  # of a refusal, there is one
            words += ["--requirement", names[0]]
        if asked.oracle != TRUSTED:
            words += ["--oracle", asked.oracle]
        if asked.timeout != Asked.timeout:
            words += ["--timeout", f"{asked.timeout:g}"]
        return " ".join(words)


def found(report: Report) -> list[Found]:
    """Every failure once: the same output failing on one case, or by one diagnosis, under several requirements."""
    every: list[Found] = []
    for row, failure in ((row, row.failure) for row in report.rows if row.failure):
        same = next((other for other in every if _same(other.failure, failure)), None)
        if same is None:
            every.append(same := Found(failure))
        elif _told(failure) < _told(same.failure):
            same.failure = failure
        same.found_by.append((row.unit.requirement, row.unit.dtype))
    order = list(OPERATIONS)
    return sorted(every, key=lambda f: (order.index(f.case.operation), OUTPUTS.index(f.output)))


def _told(failure: Failure) -> tuple[bool, tuple[int, int, int], bool, int]:
    """The best told is the least: explained, simple, placed, and without "from 4 threads: " before it."""
    return not failure.diagnosis, cost(failure.case), not failure.where, len(failure.judgement.message)


def _same(one: Failure, other: Failure) -> bool:
    a, b = one.judgement, other.judgement
    explained = bool(one.diagnosis) and (one.diagnosis, one.known) == (other.diagnosis, other.known)
    return a.output == b.output and a.status == b.status and (one.case == other.case or explained)


def not_claimed(report: Report) -> list[tuple[str, str, str]]:
    """(operation, what, why) of what was not judged: features, dtypes, and outputs or parts of them."""
    claims = list(dict.fromkeys(report.not_claimed))
    for operation in dict.fromkeys(row.unit.operation for row in report.rows):
        rows = [row for row in report.rows if row.unit.operation == operation]
        forward = [row for row in rows if row.output == "output" and not row.refuses]
        asked, unasked = sum(row.cases for row in forward), sum(row.not_claimed for row in forward)
        for output in OUTPUTS:
            skipped = sum(row.not_claimed for row in rows if row.output == output)
            judged = sum(row.cases for row in rows if row.output == output)
            if skipped:
                what = f"{output} in {skipped} cases" if judged else output
                declared = skipped <= unasked and bool(
                    judged or not asked
                )  # with the output of the same cases
                why = _why_not(report.subject, operation, output, bool(judged), declared)
                claims.append((operation, what, why))
    return claims


def _why_not(subject: Subject, operation: str, output: str, partly: bool, declared: bool) -> str:
    if output in subject.without or not output.startswith("grad_"):
        return "declared"
    if why := Caller(subject).why_no_gradients(Case.of(operation)):
        return why
    if declared:
        return "declared"
    if not subject.function(f"{operation}_backward"):
        return f"no {operation}_backward, and {subject.array_framework} gets no gradient from a plain call"
    if not partly:
        return f"{operation}_backward does not return it"
    return f"{'declared, or ' if subject.only else ''}{operation}_backward does not take their options"


def as_data(report: Report, asked: Asked) -> dict[str, Any]:
    """The report as plain data, for JSON; docs/json.md says what each entry is."""
    subject = report.subject
    return {
        "schema": SCHEMA,
        "subject": {
            "name": subject.name,
            "framework": subject.array_framework,
            "operations": list(subject.operations),
            "accuracy": subject.accuracy,
        },
        "oracle": asked.oracle,
        "profile": asked.profile,
        "seed": asked.seed,
        "seconds": round(asked.seconds, 3),
        "versions": versions(asked.oracle, subject.array_framework),
        "verdict": verdict_of(report),
        "passed": report.passed,
        "cases": cases_of(report),
        "rows": [_row_data(row) for row in report.rows],
        "not_claimed": [
            {"operation": operation, "feature": feature, "reason": reason}
            for operation, feature, reason in not_claimed(report)
        ],
        "misnamed": [{"name": name, "meant": meant} for name, meant in subject.misnamed.items()],
        "exhausted": [asdict(each) for each in report.exhausted],
        "failures": [_failure_data(each, subject, asked) for each in found(report)],
        "stale_known_failures": list(report.stale),
    }


def _row_data(row: Row) -> dict[str, Any]:
    return {
        "operation": row.unit.operation,
        "output": row.output,
        "requirement": row.unit.requirement,
        "dtype": row.unit.dtype,
        "verdict": row.verdict,
        "cases": row.cases,
        "cases_not_claimed": row.not_claimed,
        "worst_share": _finite(row.share),
    }


def _failure_data(each: Found, subject: Subject, asked: Asked) -> dict[str, Any]:
    return {
        "operation": each.case.operation,
        "output": each.output,
        "status": each.status,
        "message": each.failure.judgement.message,
        "share": _finite(each.failure.judgement.share),
        "case": str(each.case),
        "first_case": str(each.failure.first),
        "found_by": [{"requirement": requirement, "dtype": dtype} for requirement, dtype in each.found_by],
        "known": each.known or None,
        "diagnosis": each.extra("diagnosis") or None,
        "where": each.extra("where") or None,
        "replay": each.replay(subject, asked) or None,
    }


def _finite(share: float) -> float | None:
    """A share of the bound; None where the bound is zero and the error is not."""
    return share if math.isfinite(share) else None


# The same, to be read.


def head(report: Report, asked: Asked) -> list[Line]:
    """Who was asked, by whom, how, and how to read the tables."""
    subject = report.subject
    how = (
        f"{subject.array_framework} arrays, oracle {asked.oracle}, profile {asked.profile}, seed {asked.seed}"
    )
    ran = f"{_plural(cases_of(report), 'case')} in {asked.seconds:.1f} s"
    ran += f", {printable(asked.taken)}" if asked.taken else ""
    legend = "; below: cases, worst error as a share of its bound" if report.rows else ""
    return [[(printable(subject.name or "subject"), "head"), (f": {how}", "")], [(ran, ""), (legend, "dim")]]


@dataclass(frozen=True)
class Cell:
    """One output under one requirement, over all dtypes."""

    verdict: str
    cases: int
    share: float
    dtypes: tuple[str, ...]  # those that the verdict is about, where it is not about all

    @property
    def text(self) -> Line:
        if self.verdict == "conforms":
            return [
                (f"{self.cases:>5} ", ""),
                ("ok", "good"),
                (f" {self.share:.2f}" if self.share else "", "dim"),
            ]
        if self.verdict == "not claimed":
            return [("  not claimed", "dim")]
        only = f" {','.join(DTYPES[dtype].short for dtype in self.dtypes)}" if self.dtypes else ""
        known = self.verdict == "known failure"
        word = "known" if known else self.verdict
        return [(f"{self.cases:>5} ", ""), (word + only, "odd" if known or word == "untested" else "bad")]


def cell(rows: list[Row]) -> Cell:
    """The worst verdict of an output's rows in several dtypes."""
    worst = max((row.verdict for row in rows), key=_severity)
    about = tuple(row.unit.dtype for row in rows if row.verdict == worst)
    share = max(row.share for row in rows)
    return Cell(worst, sum(row.cases for row in rows), share, about if len(about) < len(rows) else ())


def _severity(verdict: str) -> int:
    mild = ("not claimed", "conforms", "known failure", "untested")
    return mild.index(verdict) if verdict in mild else len(mild)


def table(report: Report) -> dict[str, dict[str, dict[str, Cell]]]:
    """Cells by operation, requirement and output."""
    cells: dict[str, dict[str, dict[str, list[Row]]]] = {}
    for row in report.rows:
        requirements = cells.setdefault(row.unit.operation, {})
        requirements.setdefault(row.unit.requirement, {}).setdefault(row.output, []).append(row)
    return {
        operation: {
            name: {output: cell(rows) for output, rows in outputs.items()} for name, outputs in by.items()
        }
        for operation, by in cells.items()
    }


def table_lines(operation: str, cells: dict[str, dict[str, Cell]]) -> Iterator[Line]:
    """The cells of an operation, in columns as wide as what they hold: nothing is cut off."""
    outputs = [output for output in OUTPUTS if any(output in row for row in cells.values())]
    lines: list[list[Line]] = [[[(text, "head")] for text in (operation, *outputs)]]
    for name, row in cells.items():
        lines.append([[(f"  {name}", "")], *(row[o].text if o in row else [("", "")] for o in outputs)])
    widths = [max(len(plain(line[at])) for line in lines) for at in range(len(lines[0]))]
    widths = [max(width, 15 if at else 12) for at, width in enumerate(widths)]
    for line in lines:
        padded = (
            [*part, (" " * (w + 2 - len(plain(part))), "")] for part, w in zip(line, widths, strict=True)
        )
        pieces = [piece for part in padded for piece in part]
        while not pieces[-1][0].strip():
            pieces.pop()
        yield pieces


def not_claimed_lines(report: Report, width: int) -> Iterator[Line]:
    """What was not claimed, an operation a paragraph, the features of one reason together."""
    claims = not_claimed(report)
    if claims:
        yield [("not claimed", "head")]
    by: dict[tuple[str, str], list[str]] = {}
    for operation, feature, reason in claims:
        by.setdefault((operation, reason), []).append(feature)
    for (operation, reason), features in by.items():
        text = f"{operation}: {', '.join(features)} ({printable(reason)})"
        yield from _wrapped("  ", text, width, "")


def misnamed(subject: Subject) -> list[str]:
    """Functions that were not asked because of their names, a sentence each."""
    return [f"{name} is not asked; did you mean {meant}?" for name, meant in subject.misnamed.items()]


def refusing_lines(report: Report, width: int) -> Iterator[Line]:
    """Where a kernel refuses even the plainest call: it may take less than its signature says, or other arrays."""
    for operation, reason in report.refusing.items():
        refused = any(row.verdict == "refused" for row in report.rows if row.unit.operation == operation)
        hint = next((hint for errors, hint in _HINTS.items() if reason.startswith(errors)), "")
        if refused and hint:
            text = f"{operation}: even the plainest call is refused; {hint}"
            yield from _wrapped("", text.format(framework=report.subject.array_framework), width, "")


_HINTS = {
    ("NotImplementedError", "ValueError", "TypeError"): (
        "only= and without= of a conformance.Subject declare what a kernel takes, as "
        "only=lambda case: case.kernel == (3, 3)"
    ),
    ("AttributeError",): (
        "its arrays are taken for those of {framework}, which framework= of a conformance.Subject changes"
    ),
}


def exhausted_lines(report: Report, width: int) -> Iterator[Line]:
    """What a pass excludes: the geometries that were asked without a gap, and the odds that integers hid an error."""
    if report.exhausted:
        yield [("exhausted, every answer right", "head")]
    for each in report.exhausted:
        limits = ", ".join(f"{name} to {n}" for name, n in zip(_GEOMETRY, each.largest, strict=True) if n > 1)
        text = (
            f"{each.operation}: all {each.geometries:,} geometries of one axis ({limits}) on height and width"
        )
        text += f", all {each.pairs:,} pairs of smaller ones" if each.pairs else ""
        if any(each.chance):
            worst, usual = (f"{100 * chance:.2g} %" for chance in each.chance)
            text += f"; an element of another {'bilinear' if 'conv' in each.operation else 'linear'} function"
            text += f" is right by chance in {usual} of the cases (median; at most {worst})"
        yield from _wrapped("  ", text, width, "")


_GEOMETRY = ("image", "kernel", "stride", "padding", "dilation")


def failure_lines(each: Found, subject: Subject, asked: Asked, width: int) -> Iterator[Line]:
    """A failure as design.md 7 shows it."""
    word = "known failure" if each.known else each.status.upper()
    first = [(f"{each.output:<11} ", "head"), (word, "odd" if each.known else "bad"), ("  ", "")]
    indent = sum(len(text) for text, _ in first)
    message = textwrap.wrap(_without_output(each), max(width - indent, 30)) or [""]
    yield [*first, (message[0], "")]
    for more in message[1:]:
        yield [(" " * indent + more, "")]
    entries = {
        "smallest case": str(each.case),
        "known because": each.known,
        "looks like": each.extra("diagnosis"),
        "where": each.extra("where"),
        "if it is meant": _declaration(each),
        "found by": each.by(),
        "run it again": each.replay(subject, asked),
    }
    for label, text in entries.items():
        if text and label in _COMMANDS:
            yield [(f"{'':12}{label:<16}", "dim"), (printable(text), "")]
        elif text:
            yield from _wrapped(f"{'':12}{label:<16}", printable(text), width, "dim")


def _declaration(each: Found) -> str:
    """How to declare an option that a kernel refuses; nothing where that is no matter of one option."""
    features = features_of(each.case.operation)
    unknown = re.findall(r"unexpected keyword argument '(\w+)'", each.failure.judgement.message)
    named = [*features.intersection(unknown)] or sorted(each.case.needs & features - _PLAIN)
    if each.status != "refused" or each.output not in ("output", "indices") or len(named) != 1:
        return ""
    return f'without=("{named[0]}",) of a conformance.Subject'


_PLAIN = {"no bias", "stride=None"}  # of a case without any option

_COMMANDS = ("smallest case", "run it again")  # to be copied: never broken into lines


def _without_output(each: Found) -> str:
    """The message; `output refused: ...` next to the words `output REFUSED` says it twice."""
    message = printable(each.failure.judgement.message)
    return message.removeprefix(f"{each.output} {each.status}: ")


def judgement_line(judgement: Judgement) -> Line:
    """One output's judgement in a line."""
    word = judgement.status.upper() if judgement.failed else judgement.status
    message = printable(judgement.message).removeprefix(f"{judgement.output} {judgement.status}: ")
    if judgement.status == "conforms" and judgement.share:
        message = f"worst error {judgement.share:.2f} of what rounding explains"
    style = "bad" if judgement.failed else "dim" if judgement.status == "not claimed" else "good"
    return [(f"{judgement.output:<11} ", "head"), (word, style), (f"  {message}" if message else "", "")]


def verdict_line(report: Report) -> Line:
    """The last word: conforms or not, and what it rests on."""
    verdict, cases = verdict_of(report), _plural(cases_of(report), "case")
    judged = [row for row in report.rows if row.verdict != "not claimed"]
    if verdict == "conforms":
        share = max(row.share for row in judged)
        worst = f"; worst error {share:.2f} of what rounding explains" if share else "; every answer exact"
        known = [row for row in judged if row.verdict == "known failure"]
        known_text = f"; {_plural(len(known), 'known failure')}" if known else ""
        return [
            ("conforms", "good"),
            (f": {cases}, {_plural(len(judged), 'verdict')}{worst}{known_text}", ""),
        ]
    if verdict == "interrupted":
        return [("interrupted", "odd"), (f": nothing wrong in {cases}, but the rest was not asked", "")]
    if verdict == "untested":
        return [("untested", "odd"), (f": {_untested(report)}", "")]
    cut = "interrupted; " if report.interrupted else ""
    return [("differs", "bad"), (f": {cut}{'; '.join(_wrong(report))} ({cases})", "")]


def _untested(report: Report) -> str:
    if report.unclaimed:
        return f"{', '.join(report.unclaimed)}: no case that was asked is claimed, bad arguments apart"
    names = [
        f"{r.unit.operation} {r.output} {r.unit.requirement}" for r in report.rows if r.verdict == "untested"
    ]
    if not names:
        known = any(row.failure for row in report.rows)
        return "nothing but known failures" if known else "no case was judged"
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}: no case, or none whose expected answer varies"


def _wrong(report: Report) -> Iterator[str]:
    """Each operation with the outputs that are wrong."""
    wrong: dict[str, dict[str, None]] = {}
    for each in found(report):
        if not each.known:
            wrong.setdefault(each.case.operation, {})[f"{each.output} {each.status}"] = None
    for operation, outputs in wrong.items():
        yield f"{operation} {', '.join(outputs)}"
    if report.stale:
        yield _plural(len(report.stale), "known failure") + (
            " no longer fails" if len(report.stale) == 1 else " no longer fail"
        )


def stale_lines(report: Report) -> Iterator[Line]:
    for text in report.stale:
        yield [
            ("stale known failure  ", "bad"),
            (f"no longer fails, take it out of known_failures: {text}", ""),
        ]


# For pytest: plain text of one row.


def row_text(failures: Iterable[Found], subject: Subject, asked: Asked, width: int = 100) -> str:
    """The failures of one row as plain text, about eight lines."""
    return "\n".join(plain(line) for each in failures for line in failure_lines(each, subject, asked, width))


def plain(line: Line) -> str:
    return "".join(text for text, _ in line)


def printable(text: str) -> str:
    """Text of the subject's making, with what would drive a terminal written out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _wrapped(indent: str, text: str, width: int, style: str) -> Iterator[Line]:
    lines = textwrap.wrap(text, max(width - len(indent), 30), break_on_hyphens=False) or [""]
    yield [(indent, style), (lines[0], "")]
    for more in lines[1:]:
        yield [(" " * len(indent) + more, "")]


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
