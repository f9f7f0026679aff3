"""Writes the pages that are made from the code: what each word of a report means, and the mutants."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from conformance.audit import mutants
from conformance.audit.mutants.mutant import Mutant
from conformance.cases import Case
from conformance.cases.arrays import Arrays, fill
from conformance.cases.features import features_of
from conformance.cases.shrink import shrink
from conformance.explanations import KINDS, file_of
from conformance.kernels import reference
from conformance.operations import OPERATIONS
from conformance.requirements import REQUIREMENTS, Plan

TITLES = {
    "requirements": "Requirements", "outputs": "Outputs", "findings": "Findings and verdicts",
    "terms": "Terms of the report",
}  # fmt: skip
ASKED = ("exact", "special")  # whose cases are asked for one that shows a mutant
LARGEST, LONGEST = 2000, 100  # elements of such a case, and a stride or a dilation of it
TRIES = 300  # simpler cases that are tried
SHOWN = [name for name, operation in OPERATIONS.items() if operation.dimensions == 2]


def write(docs: Path) -> None:
    """Every generated page, into folders of their own that are not committed."""
    explain, tables = docs / "explain", docs / "mutants"
    for folder in (explain, tables):
        folder.mkdir(exist_ok=True)
    for word in (word for words in KINDS.values() for word in words):
        _save(explain / file_of(word).name, file_of(word).read_text(encoding="utf-8"))
    _save(explain / "index.md", "\n".join(_explanations()))
    for operation in SHOWN:
        _save(tables / f"{operation}.md", "\n".join(_table(operation)))
    _save(tables / "index.md", "\n".join(_mutants()))


def _save(path: Path, text: str) -> None:
    """Only where it is another text: Sphinx reads again what has changed."""
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _explanations() -> Iterator[str]:
    yield "# What each word means"
    yield ""
    yield "`conformance explain WORD` prints these pages in the terminal."
    for kind, words in KINDS.items():
        yield from ("", f"## {TITLES[kind]}", "", "```{toctree}", ":maxdepth: 1", "")
        yield from (file_of(word).stem for word in words)
        yield "```"


def _mutants() -> Iterator[str]:
    counts = {operation: len(mutants.of(operation)) for operation in OPERATIONS}
    yield "# The mutants"
    yield ""
    yield f"""\
The suite is measured by kernels with one known mistake each. This is the list, made from the code when these pages are
built: {sum(counts[name] for name in SHOWN):,} mutants of the operations over two axes. Those over one and three axes, \
{sum(counts.values()) - sum(counts[name] for name in SHOWN):,} more, are the
same rows, as far as their words mean something there.

Each has a sentence, which a diagnosis shows under *looks like* where a kernel gives the very same wrong numbers, and a
condition: where the mistake can show at all, and so what generation must make happen. `conformance mutants` asks every
one of them until it is caught, and shrinks the case that caught it. Here a small case stands beside a mutant where one
was found among few; the others need larger arrays, other numbers or dtypes, or several calls.

In the conditions N is the batch, C the channels, K the filters, G the groups, CG and KG both of one group; H W the
image, R S the kernel, P Q the answer, sh sw the strides, ph pw the padding, dh dw the dilations of height and width;
`kernel`, `strides`, `dilations` and `pads` are all axes together, `taps` is R * S, `positions` P * Q. Where the mistake
is no expression on the arrays but lies in how functions behave (state, layouts, arguments), it is said in words."""
    yield from ("", "| operation | mutants |", "|---|---|")
    yield from (f"| {name} | {count} |" for name, count in counts.items())
    yield from ("", "```{toctree}", ":maxdepth: 1", "", *SHOWN, "```")


def _table(operation: str) -> Iterator[str]:
    """A row for each mutant, those of one output together."""
    every, questions = mutants.of(operation), list(_questions(operation))
    yield f"# The mutants of {operation}"
    for outputs in dict.fromkeys(mutant.outputs for mutant in every):
        rows = [mutant for mutant in every if mutant.outputs == outputs]
        yield from ("", f"## {', '.join(outputs)}", "")
        yield "| the mistake | where it can show | a small case that shows it | of the table |"
        yield "|---|---|---|---|"
        yield from (_row(mutant, questions) for mutant in rows)


class Question(NamedTuple):
    """A case with its arrays and the right answer."""

    case: Case
    arrays: Arrays
    right: Arrays

    @classmethod
    def of(cls, case: Case) -> "Question":
        arrays = fill(case)
        return cls(case, arrays, reference.answer(case, arrays))

    def shows(self, mutant: Mutant) -> bool:
        """Whether its answer is another than the right one."""
        if not mutant.shows(self.case, self.arrays):
            return False
        changed = mutant.changes(self.case, self.arrays)
        return not all(np.array_equal(got, self.right[name], equal_nan=True) for name, got in changed.items())


def _questions(operation: str) -> Iterator[Question]:
    """Small cases, the smallest first."""
    plan = Plan(operation, "float32", features_of(operation), "quick")
    drawn = {case for name in ASKED for case in REQUIREMENTS[name].cases(plan)}
    small = (case for case in drawn if case.size < LARGEST and max(*case.strides, *case.dilations) < LONGEST)
    return map(Question.of, sorted(small, key=lambda case: (case.size, str(case))))


def _small_case(mutant: Mutant, questions: Sequence[Question]) -> str:
    """The text of a case that shows a mutant, none simpler of which does; "" where none of the questions does."""
    shows = (each.case for each in questions if mutant.pure and each.shows(mutant))
    if (case := next(shows, None)) is None:
        return ""
    features = features_of(mutant.operation)
    return str(shrink(case, lambda one: not one.problem and Question.of(one).shows(mutant), features, TRIES))


def _row(mutant: Mutant, questions: Sequence[Question]) -> str:
    case = _small_case(mutant, questions)
    cells = (
        _words(mutant.sentence),
        _code(mutant.when, mutant.pure),
        f"`{case}`" if case else "",
        _words(mutant.table),
    )
    return f"| {' | '.join(cells)} |"


def _words(text: str) -> str:
    """Text that Markdown takes as it is."""
    for mark in ("\\", "|", "*", "_", "<", ">", "[", "]", "`", "$"):
        text = text.replace(mark, f"\\{mark}")
    return text


def _code(text: str, expression: bool) -> str:
    """An expression as code, words as words."""
    one_line: Sequence[str] = text.split()
    return (
        f"`` {' '.join(one_line).replace('|', chr(92) + '|')} ``"
        if expression
        else _words(" ".join(one_line))
    )
