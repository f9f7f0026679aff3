"""The requirements: one rule a kernel must keep, each with the cases that ask it and the check that judges it.

A new requirement is one function for its cases, one for its check, and a line in REQUIREMENTS.
"""

from __future__ import annotations

import itertools
import math
import random
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any

import numpy as np

from conformance.cases import AvgPool, Case, Conv, MaxPool, corpus, covering, scope
from conformance.cases import sizes as sizing
from conformance.cases.arrays import REALS, VIEWS, Array, Arrays, fill
from conformance.cases.capabilities import Features
from conformance.cases.case import ANSWERS
from conformance.cases.guarded import GUARDS, UNGUARDED, allocations, never_written
from conformance.kernels import reference
from conformance.kernels.frameworks import Oracle
from conformance.kernels.subject import Answer, Refused, Subject
from conformance.kernels.surroundings import changed as moved_since
from conformance.kernels.surroundings import kept as surroundings_kept
from conformance.kernels.surroundings import surroundings
from conformance.verdicts.bounds import bound
from conformance.verdicts.judgement import Judgement, differs, judge

TRANSFORMS = ("winograd", "fft")  # accuracies of kernels that multiply transforms of whole tiles
PROFILES = ("quick", "standard", "deep")


@dataclass(frozen=True)
class Plan:
    """What is asked of one operation in one dtype: the features claimed decide which cases are built."""

    operation: str
    dtype: str
    features: Features
    profile: str = "standard"
    seed: int = 0
    accuracy: str = "direct"
    ties: str = "first"
    blocks: tuple[int, ...] = ()
    first: bool = True  # whether it asks what has nothing to do with the dtype

    @property
    def transforms(self) -> bool:
        """Whether the kernel multiplies transforms of its arrays, which a pooling never does."""
        return self.accuracy in TRANSFORMS and self.operation.startswith("conv")

    @property
    def integers(self) -> str:
        """Transforms of large integers are not exact: a kernel that declares them is asked small ones."""
        return "small_integers" if self.transforms else "integers"

    @property
    def exhaustive(self) -> bool:
        """Whether its exact cases leave no gap in the small scope; once, whatever the dtypes."""
        return self.first and self.profile != "quick"

    def exhausted(self) -> scope.Exhausted | None:
        return scope.exhausted(self.operation, self.features, self.profile == "deep", self.integers)

    def with_values(self, cases: Iterator[Case], values: str) -> Iterator[Case]:
        made = (values, self.dtype)
        return (
            case if (case.values, case.dtype) == made else replace(case, values=values, dtype=self.dtype)
            for case in cases
        )

    def covering(self) -> Iterator[Case]:
        return covering.covering(self.operation, self.features)

    def explore(self, quick: int, standard: int, deep: int) -> Iterator[Case]:
        count = {"quick": quick, "standard": standard, "deep": deep}[self.profile]
        return covering.explore(self.operation, self.features, count, self.seed)

    def named(self, texts: dict[str, str]) -> Iterator[Case]:
        return corpus.named(texts, self.operation, self.features)

    def large(self, quick: int, standard: int, deep: int) -> Iterator[Case]:
        """Sizes for which a kernel takes other paths: layers of networks, extremes, and several large extents at once.

        The paths are the same in every dtype: after the first, a third of the cases does (in the deep profile all).
        """
        asked = (self.operation, self.features)
        count = {"quick": quick, "standard": standard, "deep": deep}[self.profile]
        yield from self.named(sizing.LAYERS)
        built = (sizing.layers(*asked), sizing.crossed(*asked)) if self.profile != "quick" else ()
        drawn = itertools.chain(*built, sizing.mixed(*asked, count, self.seed))
        yield from itertools.islice(drawn, 0, None, 1 if self.first or self.profile == "deep" else 3)


@dataclass(frozen=True)
class Requirement:
    name: str
    asks: str
    cases: Callable[[Plan], Iterator[Case]]
    check: Callable[[Subject, Oracle, Case], list[Judgement]]
    every_dtype: bool = True  # else float32 alone, where the rule has nothing to do with the dtype
    isolated: bool = False  # asked of workers only: a kernel that fails it ends its process

    def why_not(self, plan: Plan, isolated: bool) -> str:
        """Why the requirement is not asked of such a kernel, or in this process; "" where it is."""
        if self.isolated and not isolated:
            return "asked in worker processes only"
        spreads = plan.transforms and self.name == "special"
        return f"accuracy={plan.accuracy} spreads a NaN" if spreads else ""

    @property
    def plain(self) -> bool:
        """Whether a case is one call on the arrays that it is filled with, so that an answer can be looked into."""
        return self.check is check_answers


# The answer is right.


def check_answers(subject: Subject, oracle: Oracle, case: Case) -> list[Judgement]:
    """Every output against the oracle's: equal on integers, within the derived bound on reals."""
    arrays = fill(case)
    expected = oracle(case, arrays)
    answers = subject.answer(case, arrays, judged_outputs(subject, case, arrays))
    return judge_all(subject, oracle, case, arrays, expected, answers)


def judge_all(
    subject: Subject,
    oracle: Oracle,
    case: Case,
    arrays: Arrays,
    expected: dict[str, Array],
    answers: dict[str, Answer],
) -> list[Judgement]:
    arrays = _as_filled(case, arrays)
    limits = limits_of(subject, oracle, case, arrays, expected)
    for name, more in more_nan(case, arrays).items():
        got = answers.get(name)
        if isinstance(got, np.ndarray) and got.shape == expected[name].shape:
            expected = expected | {name: np.where(np.isnan(got) & more, np.nan, expected[name])}
    return [judge(name, case.dtype, got, expected[name], limits.get(name)) for name, got in answers.items()]


def _as_filled(case: Case, arrays: Arrays) -> Arrays:
    """The arrays in their shapes, whatever the kernel did to them: the oracle gets them too."""
    shapes = case.shapes
    if all(array.shape == shapes[name] for name, array in arrays.items()):
        return arrays
    return {name: array.reshape(shapes[name]) for name, array in arrays.items()}


def limits_of(
    subject: Subject, oracle: Oracle, case: Case, arrays: Arrays, expected: dict[str, Array]
) -> dict[str, Array]:
    """The bound of each output that need not be equal bit for bit.

    A quotient rounds, so average pooling has one even on integers: that of any data. So do transforms, and their
    answers must be right once they are rounded to integers: off by less than a half.
    """
    transforms = isinstance(case, Conv) and subject.accuracy in TRANSFORMS
    if case.values not in REALS and not transforms and not isinstance(case, AvgPool):
        return {}
    limits = bound(case, arrays, expected, oracle, subject.accuracy)
    if transforms and case.values not in REALS:
        limits = {name: np.minimum(limit, 0.49) for name, limit in limits.items()}
    return limits


def judged_outputs(subject: Subject, case: Case, arrays: Arrays) -> tuple[str, ...]:
    """The outputs that this case can judge; see special_arrays for what no kernel is held to."""
    outputs = case.outputs
    if isinstance(case, MaxPool) and subject.ties == "any":
        ties = np.unique(arrays["input"]).size < arrays["input"].size
        return ("output",) if ties else outputs
    if isinstance(case, Conv) and any(map(any, case.pads)) and _special(case, arrays, "grad_output"):
        return tuple(output for output in outputs if output != "grad_weight")  # padding times NaN
    return outputs


def more_nan(case: Case, arrays: Arrays) -> dict[str, Array]:
    """Where a gradient may be NaN and PyTorch's is not: the kernel's choice (semantics.md).

    A full correlation multiplies the weights of a channel by the zeros around grad_output, and one with a stride an
    input by those between its rows; a mask of the maximum multiplies what it passes on by the zeros of its plane.
    """
    if isinstance(case, MaxPool) and _special(case, arrays, "grad_output"):
        planes = np.isfinite(arrays["grad_output"]).all(axis=(-2, -1), keepdims=True)
        return {"grad_input": np.logical_not(planes)}
    if isinstance(case, Conv) and _special(case, arrays, "weight"):
        others = ~np.isfinite(arrays["weight"]).reshape(case.groups, -1, *arrays["weight"].shape[1:])
        return {"grad_input": others.any(axis=(1, 3, 4)).reshape(case.channels, 1, 1)}
    if isinstance(case, Conv) and _special(case, arrays, "input") and max(case.axes(case.stride)) > 1:
        images = ~np.isfinite(arrays["input"]).reshape(
            -1, case.groups, 1, *arrays["weight"].shape[1:2], *case.image
        )
        per_filter = images.any(axis=(0, 4, 5)).repeat(case.filters // case.groups, axis=1)
        return {"grad_weight": per_filter.reshape(*arrays["weight"].shape[:2], 1, 1)}
    return {}


def _special(case: Case, arrays: Arrays, name: str) -> bool:
    return case.values == "special" and name in arrays and not bool(np.isfinite(arrays[name]).all())


def exact(plan: Plan) -> Iterator[Case]:
    yield from plan.with_values(itertools.chain(plan.named(corpus.CORPUS), plan.covering()), plan.integers)
    for values in ("large", "tiny") if not plan.transforms else ():
        yield from plan.with_values(plan.named(corpus.CORPUS), values)
    parts = [plan.explore(0, 600, 20_000)]
    if plan.exhaustive:
        parts.append(scope.every_geometry(plan.operation, plan.features))
        if plan.profile == "deep":
            parts.append(scope.every_pair(plan.operation, plan.features))
    yield from plan.with_values(itertools.chain(*parts), plan.integers)
    if plan.operation.startswith("max_pool"):
        steps = 1 / float(np.finfo(plan.dtype).eps)  # of neighbouring floats that are all different
        large = (case for case in plan.large(0, 0, 0) if math.prod(case.shapes["input"]) < steps)
        yield from plan.with_values(
            itertools.chain(plan.covering(), itertools.islice(large, 0, None, 4)), "close"
        )


def rounding(plan: Plan) -> Iterator[Case]:
    for values in ("mean_zero", "non_negative"):
        yield from plan.with_values(
            itertools.chain(plan.named(corpus.CORPUS), plan.covering(), plan.explore(0, 150, 5_000)), values
        )
    yield from plan.with_values(plan.large(0, 40, 1_000), "mean_zero")
    spread = itertools.chain(plan.named(corpus.CORPUS), plan.large(0, 0, 1_000))
    yield from plan.with_values(itertools.islice(spread, 0, None, 2), "spread")


def special(plan: Plan) -> Iterator[Case]:
    for values in ("special", "ties") if plan.operation.startswith("max_pool") else ("special",):
        for seed in range(2 if plan.profile == "quick" else 3):
            cases = itertools.chain(plan.named(corpus.CORPUS), plan.covering())
            yield from plan.with_values(
                (replace(case, seed=case.seed + 1001 * seed) for case in cases), values
            )
        yield from plan.with_values(plan.large(0, 30, 1_000), values)
        small = [case for case in plan.named(corpus.CORPUS) if case.size < 2000]
        for number, view in enumerate(VIEWS if plan.profile != "quick" else ()):
            seen = [small[(4 * number + offset) % len(small)] for offset in range(4)] if small else []
            yield from plan.with_values((replace(case, layout=_every(case, view)) for case in seen), values)


def layouts(plan: Plan) -> Iterator[Case]:
    """Each array in each layout by itself, then all of them; all of them over sizes that take the fast paths."""
    cases = [case for case in plan.named(corpus.CORPUS) if case.size < 2000]
    for number, view in enumerate(VIEWS):
        for offset in range({"quick": 3, "standard": 2 * len(cases) // 3}.get(plan.profile, len(cases))):
            case = cases[(number * 3 + offset) % len(cases)]
            if case.batch == 1 and offset % 2:
                case = replace(case, batch=2)  # else the stride of the images is never used
            for array in case.array_names:
                yield replace(case, layout=f"{array}:{view}", dtype=plan.dtype, values=plan.integers)
            yield replace(case, layout=_every(case, view), dtype=plan.dtype, values=plan.integers)
        for case in plan.named(sizing.BUSY) if plan.profile != "quick" else ():
            yield replace(case, layout=_every(case, view), dtype=plan.dtype, values=plan.integers)
    for case, view in zip(plan.large(0, 0, 1_000), itertools.cycle(VIEWS), strict=False):
        if not (view == "channels_last" and _deadly_channels_last(case)):
            yield replace(case, layout=_every(case, view), dtype=plan.dtype, values=plan.integers)


def _deadly_channels_last(case: Case) -> bool:
    """What ends the process of PyTorch's own float32 kernels: asked by the hazards, in a worker."""
    if not isinstance(case, Conv):
        return False
    strided = max(case.kernel) == 1 < max(case.axes(case.stride)) and case.channels < 8
    return strided or (case.groups > 1 and max(case.axes(case.dilation)) > 1)


def _every(case: Case, view: str) -> str:
    return ",".join(f"{array}:{view}" for array in case.array_names)


def empty(plan: Plan) -> Iterator[Case]:
    yield from plan.with_values(corpus.smallest(plan.operation, plan.features), plan.integers)
    named = (replace(case, batch=0) for case in plan.named(corpus.CORPUS) if case.batch is not None)
    yield from plan.with_values(named, plan.integers)


def sizes(plan: Plan) -> Iterator[Case]:
    asked = (plan.operation, plan.features)
    quick = plan.profile == "quick"
    blocks, beyond = ((8, 16), ()) if quick else (sizing.BLOCKS, sizing.BEYOND)
    parts = (
        sizing.tails(*asked, (*blocks, *plan.blocks), beyond),
        sizing.reaches(*asked),
        *((sizing.far(*asked), sizing.lookalikes(*asked)) if plan.first or plan.profile == "deep" else ()),
        plan.large(40, 200, 5_000),
    )
    yield from plan.with_values(itertools.chain(*parts), plan.integers)


# The contract around the answer.


def check_contract(subject: Subject, oracle: Oracle, case: Case) -> list[Judgement]:
    """Arguments untouched; the answer no view of an argument nor of an earlier answer."""
    arrays = fill(case)
    before = {name: array.copy() for name, array in arrays.items()}
    writeable = {name: array.flags.writeable for name, array in arrays.items()}
    given = subject.to_framework(arrays)
    with surroundings_kept():
        first = subject.call(case, given, judged_outputs(subject, case, before))
    answers = subject.to_numpy(case, first)
    results = {j.output: j for j in judge_all(subject, oracle, case, before, oracle(case, before), answers)}
    changed = [
        name
        for name, array in arrays.items()
        if not np.array_equal(array, before[name], equal_nan=True) or array.flags.writeable != writeable[name]
    ]
    kept = {name: np.array(a) for name, a in answers.items() if isinstance(a, np.ndarray)}
    np.random.random(), random.random()  # noqa: NPY002 - one that is seeded would stand as the first call left it
    around = surroundings()  # the first call may have imported something, which changes a lot
    with surroundings_kept():
        again = subject.to_numpy(case, subject.call(case, given))
        moved = moved_since(around)
    by_autograd = () if subject.function(f"{case.operation}_backward") else case.gradients
    for name, answer in answers.items():
        if results[name].failed or not isinstance(answer, np.ndarray):
            continue
        if name in by_autograd and np.shares_memory(answer, arrays["grad_output"]):
            continue  # PyTorch's own doing, where nothing is left to add up
        fault = _contract_fault(name, answer, kept[name], arrays, answers, again)
        if not fault and changed and _is_forward(name) == (changed[0] != "grad_output"):
            fault = f"the kernel changed its argument {changed[0]}"
        if not fault and moved:
            fault = f"the kernel changed {', '.join(moved)}"
        if fault:
            results[name] = differs(name, fault)
    for told in _by_default(subject, oracle, case):
        if told.failed and not results[told.output].failed:
            results[told.output] = told._replace(message=f"options left to their defaults: {told.message}")
    return list(results.values())


def _by_default(subject: Subject, oracle: Oracle, case: Case) -> list[Judgement]:
    """The same case called as a caller would who means the defaults of torch.nn.functional."""
    if "defaults" in subject.without:
        return []
    arrays = fill(case)
    expected = oracle(case, arrays)
    answers = replace(subject, defaults=True).answer(case, arrays, judged_outputs(subject, case, arrays))
    return judge_all(subject, oracle, case, arrays, expected, answers)


def _is_forward(output: str) -> bool:
    return output in ("output", "indices")


def _contract_fault(
    name: str,
    answer: Array,
    kept: Array,
    arrays: Arrays,
    answers: dict[str, Answer],
    again: dict[str, Answer],
) -> str | None:
    for argument, array in arrays.items():
        if np.shares_memory(answer, array):
            return f"{name} is a view of the argument {argument}"
    for other, value in answers.items():
        if other != name and isinstance(value, np.ndarray) and np.shares_memory(answer, value):
            return f"{name} shares its memory with {other}"
    for other, value in again.items():
        if isinstance(value, np.ndarray) and np.shares_memory(answer, value):
            return f"{name} shares its memory with {other} of the next call"
    return (
        None if np.array_equal(answer, kept, equal_nan=True) else f"the next call changed the earlier {name}"
    )


def contract(plan: Plan) -> Iterator[Case]:
    named = itertools.chain(plan.named(corpus.CORPUS), plan.named(sizing.BUSY))
    yield from plan.with_values(itertools.chain(named, plan.covering()), plan.integers)
    if not plan.transforms:  # a kernel may take NaN out of its arguments
        yield from plan.with_values(plan.named(corpus.CORPUS), "special")


def check_arguments(subject: Subject, oracle: Oracle, case: Case) -> list[Judgement]:
    """What PyTorch refuses is refused: any exception will do, an answer will not."""
    with np.errstate(all="ignore"):
        arrays = fill(case)
    answer = subject.answer(case, arrays, ("output",))["output"]
    if isinstance(answer, Refused) or answer is None:
        return [Judgement("output", "conforms" if answer else "not claimed", 0.0, True)]
    shape = f" of shape {answer.shape}" if isinstance(answer, np.ndarray) else ""
    return [differs("output", f"bad arguments answered: {case.problem}; the kernel gave an output{shape}")]


def arguments(plan: Plan) -> Iterator[Case]:
    yield from (replace(case, dtype=plan.dtype) for case in corpus.refused(plan.operation, plan.features))


# Calls that follow each other, or run at once.


def check_state(subject: Subject, oracle: Oracle, case: Case) -> list[Judgement]:
    """The answer does not depend on what was asked before: the same, other options, new contents, a refusal."""
    results: dict[str, Judgement] = {}
    for story, asked, arrays in _stories(case):
        if not asked.problem and subject.why_not(asked):
            continue
        given = arrays()
        if story == _ALONE:
            half = tuple(half for half in subject.asked if half == "backward")
            answers = replace(subject, asked=half).answer(asked, given, case.gradients)
        else:
            answers = subject.answer(asked, given)
        if asked.problem or story == _UNJUDGED:
            continue
        expected = oracle(asked, _as_filled(asked, given))
        for found in judge_all(subject, oracle, asked, given, expected, answers):
            if found.failed and not results.get(found.output, found).failed:
                found = found._replace(message=f"{story}: {found.message}")
            if not results.get(found.output, found).failed or found.output not in results:
                results[found.output] = (
                    found if found.output in case.outputs else results.get(found.output, found)
                )
    gradients = [output for output in results if output in case.gradients and output not in subject.without]
    alone = [([output], "the other arguments need no gradient") for output in gradients]
    for outputs, story in (
        [*alone, (gradients, _LATER), (gradients, _AGAIN)] if gradients and subject.freezes(case) else ()
    ):
        given = fill(case)
        then = {name: _turned(array) for name, array in given.items()} if story == _LATER else None
        answers = subject.alone(case, given, outputs, then, again=story == _AGAIN)
        for found in judge_all(subject, oracle, case, given, oracle(case, given), answers):
            declines = story == _AGAIN and found.status == "refused"  # as what torch.compile made may
            if found.failed and not declines and not results[found.output].failed:
                results[found.output] = found._replace(message=f"{story}: {found.message}")
    return [results[output] for output in case.outputs if output in results]


def _stories(case: Case) -> Iterator[tuple[str, Case, Callable[[], Arrays]]]:
    """Calls in turn: (what this one shows, its case, its arrays)."""
    first = fill(case)
    other_dtype = replace(case, dtype="float64" if case.dtype == "float32" else "float32")
    yield "the first call", case, lambda: first
    yield "the same call again", case, lambda: first
    for number, other in enumerate(neighbours(case)):
        theirs = {
            name: first[name] if name in first and first[name].shape == a.shape else a
            for name, a in fill(other).items()
        }
        yield f"after other calls, {other}", other, lambda theirs=theirs: theirs  # type: ignore[misc]
        if not number:
            yield "after a call with other options", case, lambda: first
    yield "after a refused call", case, lambda: first
    yield _UNJUDGED, other_dtype, lambda: {n: a.astype(other_dtype.dtype) for n, a in first.items()}
    yield "after a call in another dtype", case, lambda: first
    yield "new arrays with the same contents", case, lambda: {n: a.copy() for n, a in first.items()}
    yield "other contents", replace(case, seed=case.seed + 1), lambda: fill(replace(case, seed=case.seed + 1))
    yield _ALONE, case, lambda: {n: a.copy() for n, a in first.items()}
    yield "the same storage with other contents", case, lambda: _rewritten(first, case)
    yield "one value changed in the same storage", case, lambda: _nudged(first)
    yield "the same values in another order", case, lambda: {n: _turned(a) for n, a in first.items()}


def neighbours(case: Case) -> list[Case]:
    """Other options on arrays of the same shape (a plan or cache keyed by shapes takes them for the same call)."""
    options: Any = case
    changes: list[dict[str, Any]] = []
    if isinstance(case, Conv):
        changes = [{"stride": tuple(s + 1 for s in case.axes(case.stride))}, {"stride": 1}, {"dilation": 1}]
        changes += [{"padding": 0}, {"padding": 1}, {"padding": (1, 0)}, {"dilation": 2}]
        changes += [{"dilation": (2, 1)}, {"dilation": (1, 2)}]
    else:
        changes = [{"stride": 1}, {"stride": (2, 1)}, {"padding": 0}, {"ceil_mode": not case.ceil_mode}]  # type: ignore[attr-defined]
        if isinstance(case, MaxPool):
            changes += [{"dilation": d} for d in (1, 2, (2, 1), (1, 2))]
        if isinstance(case, AvgPool):  # the shape stays the same: a mix-up of two calls is seen, not refused
            changes = [{"divisor_override": 2}, {"count_include_pad": not case.count_include_pad}, *changes]
    if min(case.image) > 2 and not isinstance(options.padding, str):  # the same extents once padded
        pads = tuple(p + 1 for p in case.axes(options.padding))
        changes.append({"image": tuple(n - 2 for n in case.image), "padding": pads})
    refused = replace(case, groups=0) if isinstance(case, Conv) else replace(case, stride=0)  # type: ignore[call-arg]
    unseen = {"no bias", "divisor_override", "count_include_pad"}  # by shapes
    allowed = case.needs | unseen
    others = [replace(case, **change) for change in changes]
    fitting = [o for o in others if o != case and not o.problem and not o.hazard and o.needs <= allowed]
    return [*fitting, refused]


_LATER, _AGAIN = "after another forward", "by a second backward"
_UNJUDGED = "a call in a dtype that may not be claimed"
_ALONE = "the gradient of an earlier call"  # what its forward kept is no longer there, or is another's


def _turned(array: Array) -> Array:
    """The values in reverse order: a checksum takes them for the same."""
    return array.reshape(-1)[::-1].reshape(array.shape).copy()


def _rewritten(arrays: Arrays, case: Case) -> Arrays:
    for name, fresh in fill(replace(case, seed=case.seed + 2)).items():
        arrays[name].setflags(write=True)  # whatever the kernel did
        arrays[name][...] = fresh
    return arrays


def _nudged(arrays: Arrays) -> Arrays:
    for array in arrays.values():
        if array.size:
            array.setflags(write=True)
            array.reshape(-1)[array.size // 2] = array.max() + 1  # no tie with another
    return arrays


def state(plan: Plan) -> Iterator[Case]:
    small = itertools.chain(plan.named(corpus.CORPUS), itertools.islice(plan.covering(), 12))
    larger = (
        case for case in plan.large(0, 0, 0) if case.size < 5000
    )  # their weights are worth packing once
    cases = (
        (c for c in small if c.size < 2000),
        itertools.islice(larger, 0, None, 8),
        plan.named(sizing.BUSY),
    )
    yield from plan.with_values(itertools.chain(*cases), plan.integers)


def check_threads(subject: Subject, oracle: Oracle, case: Case) -> list[Judgement]:
    """Several threads at once, each with its own arrays and some with other options, get what one gets."""
    others = [other for other in neighbours(case) if not other.problem and not subject.why_not(other)][:2]
    cases = [replace(case, seed=case.seed + n) for n in range(4)] + others
    filled = [fill(each) for each in cases]
    expected = [oracle(each, arrays) for each, arrays in zip(cases, filled, strict=True)]

    def ask(i: int) -> list[dict[str, Answer]]:
        with _interrupted(f"{i} {case}"):
            answers = [subject.answer(cases[i], filled[i]) for _ in range(_CALLS)]
        others = (answer for answer in answers if not _same(answer, answers[0]))
        return [answers[0], *itertools.islice(others, 1)]

    with ThreadPoolExecutor(len(cases)) as threads:
        answers = list(threads.map(ask, range(len(cases))))
    results: dict[str, Judgement] = {}
    for each, arrays, want, got in zip(cases, filled, expected, answers, strict=True):
        for found in itertools.chain(*(judge_all(subject, oracle, each, arrays, want, one) for one in got)):
            if found.failed:
                again = subject.answer(each, arrays, [found.output])
                (alone,) = judge_all(subject, oracle, each, arrays, want, again)
                words = f"{each}, from one thread, too" if alone.failed else f"from {len(cases)} threads"
                found = found._replace(message=f"{words}: {found.message}")
            if found.output not in results or found.failed:
                results[found.output] = found
    return list(results.values())


_CALLS = 6  # of each thread; which of them meets another thread's is chance


@contextmanager
def _interrupted(seed: str) -> Iterator[None]:
    """Python code of this thread stops now and then, so that another runs: between two lines, each time others."""
    rng, lines, stop = random.Random(seed), 0, 1

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal lines, stop
        if event == "call":
            return trace if _of_kernel(frame.f_globals.get("__name__", "")) else None
        lines += event == "line"
        if lines >= stop:  # ever more seldom
            stop = lines + 1 + rng.randrange(1 + lines // 2)
            time.sleep(_PAUSE)
        if lines > _LINES:
            sys.settrace(None)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


def _of_kernel(module: str) -> bool:
    """Whether a kernel may have memory of its own there: not in libraries, nor in the suite around it."""
    top = module.partition(".")[0]
    ours = top == "conformance" and not module.startswith("conformance.audit.mutants")
    return not ours and top not in _LIBRARIES and top not in sys.stdlib_module_names


_LINES = 10_000  # a kernel of more runs long enough to be interrupted anyway, and tracing makes it slower
_PAUSE = 1e-3  # seconds: another thread has to wake up and come as far
_LIBRARIES = ("numpy", "torch", "jax", "jaxlib", "numba", "triton", "onnxruntime")


def _same(one: dict[str, Answer], other: dict[str, Answer]) -> bool:
    """Whether two answers to one question are the same, bit for bit; how a call fails need not be."""
    pairs = ((one[name], other[name]) for name in one)
    arrays = ((a, b) for a, b in pairs if isinstance(a, np.ndarray) or isinstance(b, np.ndarray))
    return all(type(a) is type(b) and np.array_equal(a, b, equal_nan=True) for a, b in arrays)  # type: ignore[arg-type]


def threads(plan: Plan) -> Iterator[Case]:
    named = itertools.chain(plan.named(corpus.CORPUS), plan.named(sizing.BUSY))
    yield from plan.with_values(named, plan.integers)


# What ends the process of a kernel that fails it.


def check_memory(subject: Subject, oracle: Oracle, case: Case) -> list[Judgement]:
    """Arrays, and what the kernel allocates with NumPy, lie at guarded pages; memory starts out poisoned."""
    arrays = fill(case)
    before = {name: array.copy() for name, array in arrays.items()}
    expected = oracle(case, before)
    judged = judged_outputs(subject, case, before)
    guard = GUARDS.get(case.views.get(ANSWERS, ""), UNGUARDED)
    results: list[Judgement] = []
    for half in subject.asked:
        outputs = [name for name in judged if _is_forward(name) == (half == "forward")]
        with allocations(guard) as allocated:
            answers = replace(subject, asked=(half,)).answer(case, arrays, outputs)
        found = judge_all(subject, oracle, case, before, expected, answers)
        found = [_unwritten(told, answers[told.output], expected[told.output]) for told in found]
        if allocated.overran:
            found[0] = differs(found[0].output, f"writes beyond an array that {half} allocates")
        results += found
    return results


def _unwritten(told: Judgement, answer: Answer, expected: Array) -> Judgement:
    if not told.failed or not isinstance(answer, np.ndarray) or answer.shape != expected.shape:
        return told
    unwritten = never_written(answer) & ~np.isnan(expected)
    if not unwritten.any():
        return told
    place = ", ".join(map(str, np.argwhere(unwritten)[0].tolist()))
    many = f"; {int(unwritten.sum())} of {unwritten.size} elements are not"
    return differs(told.output, f"{told.output}[{place}] is never written{many}")


def memory(plan: Plan) -> Iterator[Case]:
    named = list(plan.named(corpus.CORPUS))
    blocks = (4, 8) if plan.profile == "quick" else sizing.BLOCKS
    around = list(sizing.tails(plan.operation, plan.features, (*blocks, *plan.blocks)))
    for view, more in (("ends_at_guard", around), ("starts_after_guard", around[:: _SPARSE[plan.profile]])):
        for case in plan.with_values(iter(named + more), plan.integers):
            layout = ",".join(f"{name}:{view}" for name in (*case.array_names, ANSWERS))
            yield replace(case, layout=layout)


_SPARSE = {"quick": 16, "standard": 4, "deep": 1}


def check_hazards(subject: Subject, oracle: Oracle, case: Case) -> list[Judgement]:
    """Arguments on which some kernels corrupt memory: right forward answers, and the process survives.

    Where a window misses the image, PyTorch is not asked, a kernel may refuse, and no gradient or index is defined.
    """
    arrays = fill(case)
    for _ in range(_OFTEN):
        answers = subject.answer(case, arrays)
    if not case.hazard:
        return check_answers(subject, oracle, case)
    expected = reference.answer(case, arrays)["output"]
    survived = {
        name: Judgement(name, "conforms", 0.0, True)
        for name, answer in answers.items()
        if isinstance(answer, Refused) or (name != "output" and answer is not None)
    }
    return [
        survived.get(name) or judge(name, case.dtype, answer, expected) for name, answer in answers.items()
    ]


_OFTEN = 20  # a write out of bounds ends the process only when the memory there is used next


def hazards(plan: Plan) -> Iterator[Case]:
    yield from plan.with_values(plan.named(corpus.HAZARDS), plan.integers)


REQUIREMENTS = {
    requirement.name: requirement
    for requirement in (
        Requirement("exact", "small integers: equal, bit for bit", exact, check_answers),
        Requirement("rounding", "real numbers: within the derived bound of float64", rounding, check_answers),
        Requirement("special", "NaN, infinities, signed zeros, ties", special, check_answers),
        Requirement(
            "layouts", "transposed, sliced, reversed, broadcast, read-only views", layouts, check_answers
        ),
        Requirement("empty", "N = 0, extents of 1, a filter as large as the image", empty, check_answers),
        Requirement(
            "sizes",
            "extents around 4 to 64, long options, layers of networks",
            sizes,
            check_answers,
        ),
        Requirement(
            "contract", "shape, dtype, type; arguments untouched; no views", contract, check_contract
        ),
        Requirement(
            "arguments", "what PyTorch refuses is refused", arguments, check_arguments, every_dtype=False
        ),
        Requirement("state", "calls do not depend on earlier calls", state, check_state),
        Requirement(
            "threads", "several threads at once get what one gets", threads, check_threads, every_dtype=False
        ),
        Requirement(
            "memory",
            "no access outside of its arrays, every element written",
            memory,
            check_memory,
            every_dtype=False,
            isolated=True,
        ),
        Requirement(
            "hazards",
            "legal arguments that other kernels do not survive",
            hazards,
            check_hazards,
            every_dtype=False,
            isolated=True,
        ),
    )
}
