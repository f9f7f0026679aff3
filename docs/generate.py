"""Writes the pages that are made from the code: what each word of a report means, and the mutants."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from conformance.audit import mutants
from conformance.audit.mutants.mutant import Mutant
from conformance.explanations import KINDS, file_of
from conformance.operations import OPERATIONS

TITLES = {"requirements": "Requirements", "outputs": "Outputs", "findings": "Findings and verdicts"}
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
one of them until it is caught, and shrinks the case that caught it.

In the conditions N is the batch, C the channels, K the filters, G the groups, CG and KG both of one group; H W the
image, R S the kernel, P Q the answer, sh sw the strides, ph pw the padding, dh dw the dilations of height and width;
`kernel`, `strides`, `dilations` and `pads` are all axes together, `taps` is R * S, `positions` P * Q. Where the mistake
is no expression on the arrays but lies in how functions behave (state, layouts, arguments), it is said in words."""
    yield from ("", "| operation | mutants |", "|---|---|")
    yield from (f"| {name} | {count} |" for name, count in counts.items())
    yield from ("", "```{toctree}", ":maxdepth: 1", "", *SHOWN, "```")


def _table(operation: str) -> Iterator[str]:
    """A row for each mutant, those of one output together."""
    every = mutants.of(operation)
    yield f"# The mutants of {operation}"
    for outputs in dict.fromkeys(mutant.outputs for mutant in every):
        rows = [mutant for mutant in every if mutant.outputs == outputs]
        yield from ("", f"## {', '.join(outputs)}", "")
        yield from ("| the mistake | where it can show | of the table |", "|---|---|---|", *map(_row, rows))


def _row(mutant: Mutant) -> str:
    return f"| {_words(mutant.sentence)} | {_code(mutant.when, mutant.pure)} | {_words(mutant.table)} |"


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
