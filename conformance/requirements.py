"""The requirements: one rule a kernel must keep, each with the cases that ask it and the check that judges it.

A new requirement is one function for its cases, one for its check, and a line in REQUIREMENTS.
"""

from __future__ import annotations

import itertools
import math
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from conformance.cases import Case, covering, networks, scope
from conformance.cases import sizes as sizing
from conformance.cases.arrays import Array, Arrays, fill
from conformance.cases.case import ANSWERS
from conformance.cases.features import Features
from conformance.cases.guarded import GUARDS, UNGUARDED, allocations, never_written
from conformance.cases.named import named, refused, smallest
from conformance.cases.values import REALS
from conformance.cases.views import VIEWS
from conformance.kernels import reference
from conformance.kernels.answer import Answer, Refused
from conformance.kernels.call import Caller
from conformance.kernels.framework import Oracle
from conformance.kernels.subject import Subject
from conformance.kernels.surroundings import changes_since, restored, surroundings
from conformance.kernels.turns import Turns
from conformance.operations import DTYPES, OPERATIONS, Family
from conformance.operations.option import fit
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
    def family(self) -> Family:
        return OPERATIONS[self.operation].family

    @property
    def transforms(self) -> bool:
        """Whether the kernel multiplies transforms of its arrays, which a pooling never does."""
        return self.accuracy in TRANSFORMS and OPERATIONS[self.operation].family.bilinear

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

    def named(self, section: str = "named") -> Iterator[Case]:
        return named(section, self.operation, self.features)

    def large(self, quick: int, standard: int, deep: int) -> Iterator[Case]:
        """Sizes for which a kernel takes other paths: layers of networks, extremes, and several large extents at once.

        The paths are the same in every dtype: after the first, a third of the cases does (in the deep profile all).
        """
        asked = (self.operation, self.features)
        count = {"quick": quick, "standard": standard, "deep": deep}[self.profile]
        yield from self.named("layers")
        built = (networks.layers(*asked), sizing.crossed(*asked)) if self.profile != "quick" else ()
        drawn = itertools.chain(*built, sizing.mixed(*asked, count, self.seed))
        yield from itertools.islice(drawn, 0, None, 1 if self.first or self.profile == "deep" else 3)


@dataclass(frozen=True)
class Requirement:
    """One rule, and all by which others treat it: nobody else knows its name.

    order           what is judged first has the least
    every_dtype     else float32 alone, where the rule has nothing to do with the dtype
    isolated        judged by workers only: a kernel that fails it ends its process
    refuses         its cases are those that PyTorch refuses; what a kernel does with them shows no answer of it
    exhausts        its cases leave no gap in the small scope
    local           a kernel that multiplies transforms of whole tiles is not held to it: there a NaN spreads
    repeatable      what fails once fails again in a new process, unless an earlier call decides
    repeats_calls   one of its cases is several calls, so that it fails where an earlier call decides
    guarded         its arrays lie at guarded pages: of a death, which array was left can be found
    misses_images   its windows may miss the image, where PyTorch's gradient writes out of bounds
    threads         that the frameworks may take
    """

    name: str
    asks: str
    cases: Callable[[Plan], Iterator[Case]]
    check: Callable[[Caller, Oracle, Case], list[Judgement]]
    order: int = 1
    every_dtype: bool = True
    isolated: bool = False
    refuses: bool = False
    exhausts: bool = False
    local: bool = False
    repeatable: bool = True
    repeats_calls: bool = False
    guarded: bool = False
    misses_images: bool = False
    threads: int = 1

    def why_not(self, plan: Plan, isolated: bool) -> str:
        """Why such a kernel is not held to the requirement, or not in this process; "" where it is."""
        if self.isolated and not isolated:
            return "judged in worker processes only"
        spreads = plan.transforms and self.local
        return f"accuracy={plan.accuracy} spreads a NaN" if spreads else ""

    def is_judged(self, plan: Plan) -> bool:
        """Whether it has anything to do with the plan's dtype."""
        return self.every_dtype or plan.first

    @property
    def plain(self) -> bool:
        """Whether a case is one call on the arrays that it is filled with, so that an answer can be looked into."""
        return self.check is check_answers


# The answer is right.


def check_answers(caller: Caller, oracle: Oracle, case: Case) -> list[Judgement]:
    """Every output against the oracle's: equal on integers, within the derived bound on reals."""
    arrays = fill(case)
    expected = oracle(case, arrays)
    answers = caller.answer(case, arrays, judged_outputs(caller.subject, case, arrays))
    return judge_all(caller.subject, oracle, case, arrays, expected, answers)


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
    for name, more in case.family.may_be_nan(case, arrays).items():
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
    transforms = case.family.bilinear and subject.accuracy in TRANSFORMS
    if case.values not in REALS and not transforms and not case.family.divides:
        return {}
    limits = bound(case, arrays, expected, oracle, subject.accuracy)
    if transforms and case.values not in REALS:
        limits = {name: np.minimum(limit, 0.49) for name, limit in limits.items()}
    return limits


def judged_outputs(subject: Subject, case: Case, arrays: Arrays) -> tuple[str, ...]:
    """The outputs that this case can judge: not what no kernel is held to."""
    if case.family.chosen and subject.ties == "any":
        ties = np.unique(arrays["input"]).size < arrays["input"].size
        return ("output",) if ties else case.outputs
    undefined = case.family.undefined(case, arrays)
    return tuple(output for output in case.outputs if output not in undefined)


def exact(plan: Plan) -> Iterator[Case]:
    yield from plan.with_values(itertools.chain(plan.named(), plan.covering()), plan.integers)
    for values in ("large", "tiny") if not plan.transforms else ():
        yield from plan.with_values(plan.named(), values)
    parts = [plan.explore(0, 600, 20_000)]
    if plan.exhaustive:
        parts.append(scope.every_geometry(plan.operation, plan.features))
        if plan.profile == "deep":
            parts.append(scope.every_pair(plan.operation, plan.features))
    yield from plan.with_values(itertools.chain(*parts), plan.integers)
    if plan.family.chosen:
        steps = 1 / (2 * DTYPES[plan.dtype].unit)  # neighbouring floats that are all different
        large = (case for case in plan.large(0, 0, 0) if math.prod(case.shapes["input"]) < steps)
        yield from plan.with_values(
            itertools.chain(plan.covering(), itertools.islice(large, 0, None, 4)), "close"
        )


def rounding(plan: Plan) -> Iterator[Case]:
    for values in ("mean_zero", "non_negative"):
        yield from plan.with_values(
            itertools.chain(plan.named(), plan.covering(), plan.explore(0, 150, 5_000)), values
        )
    yield from plan.with_values(plan.large(0, 40, 1_000), "mean_zero")
    spread = itertools.chain(plan.named(), plan.large(0, 0, 1_000))
    yield from plan.with_values(itertools.islice(spread, 0, None, 2), "spread")


def special(plan: Plan) -> Iterator[Case]:
    for values in ("special", "ties") if plan.family.chosen else ("special",):
        for seed in range(2 if plan.profile == "quick" else 3):
            cases = itertools.chain(plan.named(), plan.covering())
            yield from plan.with_values(
                (replace(case, seed=case.seed + 1001 * seed) for case in cases), values
            )
        yield from plan.with_values(plan.large(0, 30, 1_000), values)
        small = [case for case in plan.named() if case.size < 2000]
        for number, view in enumerate(VIEWS if plan.profile != "quick" else ()):
            seen = [small[(4 * number + offset) % len(small)] for offset in range(4)] if small else []
            yield from plan.with_values((replace(case, layout=_every(case, view)) for case in seen), values)


def layouts(plan: Plan) -> Iterator[Case]:
    """Each array in each layout by itself, then all of them; all of them over sizes that take the fast paths."""
    cases = [case for case in plan.named() if case.size < 2000]
    for number, view in enumerate(VIEWS):
        for offset in range({"quick": 3, "standard": 2 * len(cases) // 3}.get(plan.profile, len(cases))):
            case = cases[(number * 3 + offset) % len(cases)]
            if case.batch == 1 and offset % 2:
                case = replace(case, batch=2)  # else the stride of the images is never used
            for array in case.array_names:
                yield replace(case, layout=f"{array}:{view}", dtype=plan.dtype, values=plan.integers)
            yield replace(case, layout=_every(case, view), dtype=plan.dtype, values=plan.integers)
        for case in plan.named("busy") if plan.profile != "quick" else ():
            yield replace(case, layout=_every(case, view), dtype=plan.dtype, values=plan.integers)
    for case, view in zip(plan.large(0, 0, 1_000), itertools.cycle(VIEWS), strict=False):
        if not case.family.deadly(case, view):  # asked by the hazards, in a worker
            yield replace(case, layout=_every(case, view), dtype=plan.dtype, values=plan.integers)


def _every(case: Case, view: str) -> str:
    return ",".join(f"{array}:{view}" for array in case.array_names)


def empty(plan: Plan) -> Iterator[Case]:
    yield from plan.with_values(smallest(plan.operation, plan.features), plan.integers)
    named = (replace(case, batch=0) for case in plan.named() if case.batch is not None)
    yield from plan.with_values(named, plan.integers)


def sizes(plan: Plan) -> Iterator[Case]:
    asked = (plan.operation, plan.features)
    quick = plan.profile == "quick"
    blocks, beyond = ((8, 16), ()) if quick else (sizing.BLOCKS, sizing.BEYOND)
    parts = (
        sizing.tails(*asked, (*blocks, *plan.blocks), beyond),
        sizing.reaches(*asked),
        *((sizing.far(*asked), networks.lookalikes(*asked)) if plan.first or plan.profile == "deep" else ()),
        plan.large(40, 200, 5_000),
    )
    yield from plan.with_values(itertools.chain(*parts), plan.integers)


# The contract around the answer.


def check_contract(caller: Caller, oracle: Oracle, case: Case) -> list[Judgement]:
    """Arguments untouched; the answer no view of an argument nor of an earlier answer."""
    arrays = fill(case)
    before = {name: array.copy() for name, array in arrays.items()}
    writeable = {name: array.flags.writeable for name, array in arrays.items()}
    subject, given = caller.subject, caller.to_framework(case, arrays)
    with restored():
        first = caller.call(case, given, judged_outputs(subject, case, before))
    answers = caller.to_numpy(case, first)
    results = {j.output: j for j in judge_all(subject, oracle, case, before, oracle(case, before), answers)}
    changed = [
        name
        for name, array in arrays.items()
        if not np.array_equal(array, before[name], equal_nan=True) or array.flags.writeable != writeable[name]
    ]
    kept = {name: np.array(a) for name, a in answers.items() if isinstance(a, np.ndarray)}
    np.random.random(), random.random()  # noqa: NPY002 - one that is seeded would stand as the first call left it
    around = surroundings()  # the first call may have imported something, which changes a lot
    with restored():
        again = caller.to_numpy(case, caller.call(case, given))
        moved = changes_since(around)
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
    for told in _by_default(caller, oracle, case):
        if told.failed and not results[told.output].failed:
            results[told.output] = told._replace(message=f"options left to their defaults: {told.message}")
    return list(results.values())


def _by_default(caller: Caller, oracle: Oracle, case: Case) -> list[Judgement]:
    """The same case called as a caller would who means the defaults of torch.nn.functional."""
    subject = caller.subject
    if "defaults" in subject.without:
        return []
    arrays = fill(case)
    expected = oracle(case, arrays)
    omitting = replace(caller, omits_defaults=True)
    answers = omitting.answer(case, arrays, judged_outputs(subject, case, arrays))
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
    named = itertools.chain(plan.named(), plan.named("busy"))
    yield from plan.with_values(itertools.chain(named, plan.covering()), plan.integers)
    if not plan.transforms:  # a kernel may take NaN out of its arguments
        yield from plan.with_values(plan.named(), "special")


def check_arguments(caller: Caller, oracle: Oracle, case: Case) -> list[Judgement]:
    """What PyTorch refuses is refused: any exception will do, an answer will not."""
    with np.errstate(all="ignore"):
        arrays = fill(case)
    answer = caller.answer(case, arrays, ("output",))["output"]
    if isinstance(answer, Refused) or answer is None:
        return [Judgement("output", "conforms" if answer else "not claimed", 0.0, True)]
    shape = f" of shape {answer.shape}" if isinstance(answer, np.ndarray) else ""
    return [differs("output", f"bad arguments answered: {case.problem}; the kernel gave an output{shape}")]


def arguments(plan: Plan) -> Iterator[Case]:
    yield from (replace(case, dtype=plan.dtype) for case in refused(plan.operation, plan.features))


# Calls that follow each other, or run at once.


def check_state(caller: Caller, oracle: Oracle, case: Case) -> list[Judgement]:
    """The answer does not depend on what was asked before: the same, other options, new contents, a refusal."""
    subject = caller.subject
    results: dict[str, Judgement] = {}
    for story, asked, arrays in _stories(case):
        if not asked.problem and caller.why_not(asked):
            continue
        given = arrays()
        if story == _ALONE:
            backward = tuple(half for half in caller.halves if half == "backward")
            answers = replace(caller, halves=backward).answer(asked, given, case.gradients)
        else:
            answers = caller.answer(asked, given)
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
        [*alone, (gradients, _LATER), (gradients, _AGAIN)] if gradients and caller.freezes(case) else ()
    ):
        given = fill(case)
        then = {name: _turned(array) for name, array in given.items()} if story == _LATER else None
        answers = caller.alone(case, given, outputs, then, again=story == _AGAIN)
        for found in judge_all(subject, oracle, case, given, oracle(case, given), answers):
            declines = story == _AGAIN and found.status == "refused"  # as what torch.compile made may
            if found.failed and not declines and not results[found.output].failed:
                results[found.output] = found._replace(message=f"{story}: {found.message}")
    return [results[output] for output in case.outputs if output in results]


def _stories(case: Case) -> Iterator[tuple[str, Case, Callable[[], Arrays]]]:
    """Calls in turn: (what this one shows, its case, its arrays)."""
    first = fill(case)
    other_dtype = replace(case, dtype=DTYPES[case.dtype].other)
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
    """Other options on arrays of the same shapes (a plan or cache keyed by shapes takes them for the same call).

    First those whose answer keeps its shape, where a mix-up of two calls is seen and not refused; last a refused one.
    """
    options = OPERATIONS[case.operation].options
    changes = [fit({o.name: v}, case.dimensions) for o in options for v in o.others if o.keeps]
    changes += [fit({o.name: v}, case.dimensions) for o in options for v in o.others if not o.keeps]
    if min(case.image) > 2 and not isinstance(case.padding, str):  # the same extents once padded
        pads = tuple(p + 1 for p in case.axes(case.padding))
        changes.append({"image": tuple(n - 2 for n in case.image), "padding": pads})
    allowed = case.needs | {f for o in options if o.array or o.keeps for f in (o.name, o.lacking)}
    others = dict.fromkeys(replace(case, **change) for change in changes)
    fitting = [o for o in others if o != case and not o.problem and not o.hazard and o.needs <= allowed]
    refused = next(option.name for option in options if option.least)
    return [*fitting, replace(case, **{refused: 0})]


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
    small = itertools.chain(plan.named(), itertools.islice(plan.covering(), 12))
    larger = (
        case for case in plan.large(0, 0, 0) if case.size < 5000
    )  # their weights are worth packing once
    cases = (
        (c for c in small if c.size < 2000),
        itertools.islice(larger, 0, None, 8),
        plan.named("busy"),
    )
    yield from plan.with_values(itertools.chain(*cases), plan.integers)


def check_threads(caller: Caller, oracle: Oracle, case: Case) -> list[Judgement]:
    """Several threads at once, each with its own arrays and some with other options, get what one gets."""
    others = [other for other in neighbours(case) if not other.problem and not caller.why_not(other)][:2]
    cases = [replace(case, seed=case.seed + n) for n in range(4)] + others
    filled = [fill(each) for each in cases]
    expected = [oracle(each, arrays) for each, arrays in zip(cases, filled, strict=True)]
    turns, start = Turns(str(case), len(cases)), threading.Barrier(len(cases))

    def ask(i: int) -> list[dict[str, Answer]]:
        def call() -> dict[str, Answer]:
            return caller.answer(cases[i], filled[i])

        answers = turns.calls(i, call, _IN_TURN)
        for _ in range(_AT_ONCE):
            with suppress(threading.BrokenBarrierError):  # one of them is late, or raised
                start.wait(_LATE)
            answers.append(call())
        others = (answer for answer in answers if not _same(answer, answers[0]))
        return [answers[0], *itertools.islice(others, 1)]

    with ThreadPoolExecutor(len(cases)) as threads:
        answers = list(threads.map(ask, range(len(cases))))
    results: dict[str, Judgement] = {}
    for each, arrays, want, got in zip(cases, filled, expected, answers, strict=True):
        for found in itertools.chain(
            *(judge_all(caller.subject, oracle, each, arrays, want, one) for one in got)
        ):
            if found.failed:
                again = caller.answer(each, arrays, [found.output])
                (alone,) = judge_all(caller.subject, oracle, each, arrays, want, again)
                words = f"{each}, from one thread, too" if alone.failed else f"from {len(cases)} threads"
                found = found._replace(message=f"{words}: {found.message}")
            if found.output not in results or found.failed:
                results[found.output] = found
    return list(results.values())


_IN_TURN = 3  # calls of each thread that take turns between lines
_AT_ONCE = 3  # calls of each thread that only start together: what native code shares is met by chance alone
_LATE = 1.0  # seconds


def _same(one: dict[str, Answer], other: dict[str, Answer]) -> bool:
    """Whether two answers to one question are the same, bit for bit; how a call fails need not be."""
    pairs = ((one[name], other[name]) for name in one)
    arrays = ((a, b) for a, b in pairs if isinstance(a, np.ndarray) or isinstance(b, np.ndarray))
    return all(type(a) is type(b) and np.array_equal(a, b, equal_nan=True) for a, b in arrays)  # type: ignore[arg-type]


def threads(plan: Plan) -> Iterator[Case]:
    named = itertools.chain(plan.named(), plan.named("busy"))
    yield from plan.with_values(named, plan.integers)


# What ends the process of a kernel that fails it.


def check_memory(caller: Caller, oracle: Oracle, case: Case) -> list[Judgement]:
    """Arrays, and what the kernel allocates with NumPy, lie at guarded pages; memory starts out poisoned."""
    arrays = fill(case)
    before = {name: array.copy() for name, array in arrays.items()}
    expected = oracle(case, before)
    judged = judged_outputs(caller.subject, case, before)
    guard = GUARDS.get(case.views.get(ANSWERS, ""), UNGUARDED)
    results: list[Judgement] = []
    for half in caller.halves:
        outputs = [name for name in judged if _is_forward(name) == (half == "forward")]
        with allocations(guard) as allocated:
            answers = replace(caller, halves=(half,)).answer(case, arrays, outputs)
        found = judge_all(caller.subject, oracle, case, before, expected, answers)
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
    named = list(plan.named())
    blocks = (4, 8) if plan.profile == "quick" else sizing.BLOCKS
    around = list(sizing.tails(plan.operation, plan.features, (*blocks, *plan.blocks)))
    for view, more in (("ends_at_guard", around), ("starts_after_guard", around[:: _SPARSE[plan.profile]])):
        for case in plan.with_values(iter(named + more), plan.integers):
            layout = ",".join(f"{name}:{view}" for name in (*case.array_names, ANSWERS))
            yield replace(case, layout=layout)


_SPARSE = {"quick": 16, "standard": 4, "deep": 1}


def check_hazards(caller: Caller, oracle: Oracle, case: Case) -> list[Judgement]:
    """Arguments on which some kernels corrupt memory: right forward answers, and the process survives.

    Where a window misses the image, PyTorch is not asked, a kernel may refuse, and no gradient or index is defined.
    """
    arrays = fill(case)
    for _ in range(_OFTEN):
        answers = caller.answer(case, arrays)
    if not case.hazard:
        return check_answers(caller, oracle, case)
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
    yield from plan.with_values(plan.named("hazards"), plan.integers)


REQUIREMENTS = {
    requirement.name: requirement
    for requirement in (
        Requirement(
            "exact", "small integers: equal, bit for bit", exact, check_answers, exhausts=True
        ),
        Requirement("rounding", "real numbers: within the derived bound of float64", rounding, check_answers),
        Requirement("special", "NaN, infinities, signed zeros, ties", special, check_answers, local=True),
        Requirement(
            "layouts", "transposed, sliced, reversed, broadcast, read-only views", layouts, check_answers
        ),
        Requirement("empty", "N = 0, extents of 1, a filter as large as the image", empty, check_answers),
        Requirement(
            "sizes", "extents around 4 to 64, long options, layers of networks", sizes, check_answers
        ),
        Requirement(
            "contract", "shape, dtype, type; arguments untouched; no views", contract, check_contract
        ),
        Requirement(
            "arguments", "what PyTorch refuses is refused", arguments, check_arguments,
            every_dtype=False, refuses=True,
        ),
        Requirement(
            "state", "calls do not depend on earlier calls", state, check_state, repeats_calls=True
        ),
        Requirement(
            "threads", "several threads at once get what one gets", threads, check_threads,
            every_dtype=False, repeatable=False,
        ),
        Requirement(
            "memory", "no access outside of its arrays, every element written", memory, check_memory,
            order=0, every_dtype=False, isolated=True, guarded=True,  # first: later, anything may die of such a write
        ),
        Requirement(
            "hazards", "legal arguments that other kernels do not survive", hazards, check_hazards,
            every_dtype=False, isolated=True, misses_images=True, threads=4,
        ),
    )
}  # fmt: skip


def requirement_of(case: Case) -> Requirement:
    """The one that a case is judged under where none is named: the first of those with such cases."""
    return next(each for each in REQUIREMENTS.values() if each.refuses == bool(case.problem))


REPEATED_CALLS = next(each.name for each in REQUIREMENTS.values() if each.repeats_calls)
