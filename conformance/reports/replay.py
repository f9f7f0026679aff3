"""What `conformance replay` shows: a case, its arrays, each output's judgement with what was got and expected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from conformance.cases.arrays import Array, Arrays
from conformance.cases.case import Case
from conformance.kernels.answer import Answer, Malformed, Refused
from conformance.kernels.subject import Subject
from conformance.reports.arrays import SMALL, answer_lines, array_lines
from conformance.reports.lines import Line, printable
from conformance.reports.script import script_lines, script_or_reason
from conformance.verdicts.judgement import Judgement, written_shape


@dataclass(frozen=True)
class Replay:
    """One case, judged under one requirement.

    lacks       what of the case the subject does not claim; then it was not judged
    arrays      what the case is filled with
    got         the subject's answers to it alone, by output; none where it is not safe, or not enough, to ask again
    expected    the oracle's answers, and limits: how far rounding may move them
    scripted    the output whose failure a script shows; "" for no script
    printed     what the kernel printed when it was loaded and asked again
    """

    subject: Subject
    case: Case
    requirement: str
    oracle: str
    judgements: Sequence[Judgement] = ()
    lacks: str = ""
    arrays: Arrays = field(default_factory=dict)
    got: Mapping[str, Answer] = field(default_factory=dict)
    expected: Mapping[str, Array] = field(default_factory=dict)
    limits: Mapping[str, Array] = field(default_factory=dict)
    scripted: str = ""
    printed: str = ""

    @property
    def passed(self) -> bool:
        claimed = [each for each in self.judgements if each.status != "not claimed"]
        return bool(claimed) and not any(each.failed for each in claimed)

    @property
    def name(self) -> str:
        return printable(self.subject.name)


def lines(replay: Replay, width: int) -> Iterator[Line]:
    """The case and its arrays, whether it is refused, each output, and the script."""
    yield [(replay.name, "head"), (f": {replay.case}", "")]
    yield [(f"requirement {replay.requirement}, oracle {replay.oracle}", "dim")]
    yield []
    if replay.lacks:
        yield [("not claimed", "odd"), (f": {replay.name} does not take {replay.lacks}", "")]
        return
    for name, array in replay.arrays.items():
        yield from array_lines(name, array)
    if replay.case.problem:
        yield []
        yield from _refusals(replay)
    for judgement in replay.judgements:
        yield []
        yield judgement_line(judgement, bool(replay.case.problem))
        yield from _indented(judgement.trace)
        yield from _comparison(replay, judgement.output, width)
    if replay.printed.strip():
        yield from ([], [("printed by the kernel", "dim")])
        yield from _indented(replay.printed)
    if replay.scripted:
        yield from _script(replay)


def judgement_line(judgement: Judgement, refused: bool = False) -> Line:
    """One output's judgement in a line.

    refused   whether it is one of a case that PyTorch refuses
    """
    word = judgement.status.upper() if judgement.failed else judgement.status
    message = printable(judgement.message).removeprefix(f"{judgement.output} {judgement.status}: ")
    if judgement.status == "conforms" and judgement.share:
        message = f"worst error {judgement.share:.2f} of what rounding explains"
    if judgement.status == "conforms" and refused:
        message = "refused, as PyTorch refuses it"
    style = "bad" if judgement.failed else "dim" if judgement.status == "not claimed" else "good"
    return [(f"{judgement.output:<11} ", "head"), (word, style), (f"  {message}" if message else "", "")]


def _refusals(replay: Replay) -> Iterator[Line]:
    """Why PyTorch refuses the case, and what the subject did with it."""
    yield [("PyTorch refuses it", "head"), (f": {replay.case.problem}", "")]
    got = replay.got.get("output")
    if isinstance(got, Refused):
        place = f" at {printable(got.place)}" if got.place else ""
        yield [(f"{replay.name} refuses it, too", "head"), (f": {printable(got.error)}{place}", "")]
    elif isinstance(got, Malformed):
        yield [(f"{replay.name} does not refuse it", "head"), (f": its output {printable(got.fault)}", "")]
    elif isinstance(got, np.ndarray):
        shape = f": its output has shape {written_shape(got)}"
        yield [(f"{replay.name} does not refuse it", "head"), (shape, "")]
        yield from array_lines("got", got) if got.size <= SMALL else ()


def _comparison(replay: Replay, output: str, width: int) -> Iterator[Line]:
    """What was got for an output and expected."""
    if output in replay.expected and replay.got.get(output) is not None:
        return answer_lines(replay.got[output], replay.expected[output], replay.limits.get(output), width)
    return iter(())


def _indented(text: str) -> Iterator[Line]:
    return ([(f"    {printable(line.expandtabs())}", "")] for line in text.splitlines())


def _script(replay: Replay) -> Iterator[Line]:
    yield from ([], [("the same without conformance", "dim")], [])
    yield from script_lines(*script_or_reason(replay.subject, replay.case, replay.scripted))
