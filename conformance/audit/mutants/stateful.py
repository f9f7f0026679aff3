"""Kernels with memory: caches, buffers, leftovers, aliases, threads. Each is made with nothing remembered."""

from __future__ import annotations

import builtins
import decimal
import gc
import logging
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from conformance.audit.mutants.hooks import BACKWARD, FORWARD, HALVES, OUTPUTS, Call, KernelRow, KernelRows, Make, Named, each, first_of, hooked, with_first
from conformance.cases.arrays import Array
from conformance.operations.windows import at
from conformance.operations import OPERATIONS

State = dict[Any, Any]
Remembering = Callable[[State, Call, Named, Named], Any]


def remembered(remembering: Remembering, only: str = "") -> Make:
    """The functions of an operation with a memory of their own, made afresh."""

    def make(operation: str) -> SimpleNamespace:
        state: State = {"image axes": OPERATIONS[operation].dimensions}  # all that it holds before the first call
        return hooked(operation, lambda call, arrays, options: remembering(state, call, arrays, options), only)

    return make


def present(arrays: Named) -> dict[str, Array]:
    return {name: array for name, array in arrays.items() if array is not None}


# What a call is remembered by.


def shapes(arrays: Named) -> tuple[Any, ...]:
    return tuple((name, array.shape, array.dtype.name) for name, array in present(arrays).items())


def settings(options: Named) -> tuple[Any, ...]:
    return tuple(sorted((name, str(value)) for name, value in options.items()))


def contents(arrays: Named) -> tuple[Any, ...]:
    return tuple((name, array.tobytes()) for name, array in present(arrays).items())


def address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


def addresses(arrays: Named) -> tuple[int, ...]:
    return tuple(map(address, present(arrays).values()))


def identities(arrays: Named) -> tuple[int, ...]:
    return tuple(map(id, arrays.values()))


def totals(arrays: Named) -> tuple[float, ...]:
    return tuple(float(np.sum(array, dtype=float)) for array in present(arrays).values())


def cached(*key: Callable[[Named], Any], by_options: bool = True) -> Remembering:
    """The answer is kept by the shapes and these; its arguments stay alive, so that no other gets their address."""

    def remembering(state: State, call: Call, arrays: Named, options: Named) -> Any:
        state.setdefault("kept alive", []).append(arrays)
        told = (shapes(arrays), tuple(part(arrays) for part in key), settings(options) if by_options else ())
        if told not in state:
            state[told] = call(arrays, options)
        return each(np.copy, state[told])

    return remembering


def planned(key: Callable[[Named], Any]) -> Remembering:
    """The options first seen with a key serve again, where they fit; what is refused stays refused."""

    def remembering(state: State, call: Call, arrays: Named, options: Named) -> Any:
        first = dict(state.setdefault(key(arrays), options))
        try:
            call(arrays, first)
        except ValueError:
            return call(arrays, options)
        call(arrays, options)
        return call(arrays, first)

    return remembering


def sizes(arrays: Named) -> int:
    return sum(array.size for array in present(arrays).values())


def padding_of_the_call_before(state: State, call: Call, arrays: Named, options: Named) -> Any:
    right = call(arrays, options)
    before, state["padding"] = state.get("padding", options["padding"]), options["padding"]
    try:
        stale = call(arrays, options | {"padding": before})
    except ValueError:
        return right
    return stale if first_of(stale).shape == first_of(right).shape else right


# Buffers.


def into(state: State, key: Any, array: Array) -> Array:
    """An array in the buffer of its shape."""
    buffer: Array = state.setdefault((key, array.shape, array.dtype), np.empty_like(array))
    buffer[...] = array
    return buffer


def same_buffer(state: State, call: Call, arrays: Named, options: Named) -> Any:
    answer = call(arrays, options)
    if not isinstance(answer, tuple):
        return into(state, 0, answer)
    return tuple(a if a is None else into(state, place, a) for place, a in enumerate(answer))


def in_turn(buffers: int) -> Remembering:
    def remembering(state: State, call: Call, arrays: Named, options: Named) -> Any:
        answer = call(arrays, options)
        state["turn"] = (state.get("turn", 0) + 1) % buffers
        return with_first(answer, into(state, state["turn"], first_of(answer)))

    return remembering


def in_turn_of_each_thread(buffers: int) -> Make:
    def make(operation: str) -> SimpleNamespace:
        own, turning = threading.local(), in_turn(buffers)
        return hooked(operation, lambda call, arrays, options: turning(vars(own), call, arrays, options), "forward")

    return make


def large_buffer(state: State, call: Call, arrays: Named, options: Named) -> Any:
    answer = call(arrays, options)
    return answer if isinstance(answer, tuple) or answer.size < 1024 else into(state, 0, answer)


def added_on(state: State, call: Call, arrays: Named, options: Named) -> Any:
    answer = call(arrays, options)
    first = first_of(answer)
    total = state[first.shape] = state.get(first.shape, 0) + first
    return with_first(answer, np.array(total, first.dtype))


def last_row_left(state: State, call: Call, arrays: Named, options: Named) -> Any:
    answer = call(arrays, options)
    row = first_of(answer)[..., -1:, :]
    before, state["row"] = state.get("row"), row.copy()
    if before is not None and before.shape == row.shape:
        row[...] = before
    return answer


def last_column_unwritten(state: State, call: Call, arrays: Named, options: Named) -> Any:
    answer = call(arrays, options)
    unwritten = np.full(first_of(answer).shape, 77, first_of(answer).dtype)  # what np.empty may give
    unwritten[..., :-1] = first_of(answer)[..., :-1]
    return with_first(answer, unwritten)


def scratch_of_a_larger_call(state: State, call: Call, arrays: Named, options: Named) -> Any:
    answer = call(arrays, options)
    first = first_of(answer)
    largest, state["largest"] = state.get("largest", 0), max(state.get("largest", 0), first.size)
    if first.size < largest and first.size:
        first.reshape(-1)[-1] += 5
    return answer


def scratch_of_another_dtype(state: State, call: Call, arrays: Named, options: Named) -> Any:
    answer = call(arrays, options)
    dtype = state.setdefault(tuple(array.shape for array in present(arrays).values()), arrays["input"].dtype)
    return answer if dtype == arrays["input"].dtype else each(np.zeros_like, answer)


# Calls, counted.


def one_more(array: Array) -> Array:
    return array + 1


def counted(wrong: Callable[[int], bool], change: Callable[[Array], Array], key: Callable[[Named], Any] = lambda arrays: "calls") -> Remembering:
    """The answers of some calls are changed, by their number among those of a key."""

    def remembering(state: State, call: Call, arrays: Named, options: Named) -> Any:
        calls = state[key(arrays)] = state.get(key(arrays), 0) + 1
        answer = call(arrays, options)
        return each(change, answer) if wrong(calls) else answer

    return remembering


def wrong_at_first(state: State, call: Call, arrays: Named, options: Named) -> Any:
    answer = call(arrays, options)  # a refused call is none
    first, state["called"] = not state.get("called"), True
    return each(np.zeros_like, answer) if first else answer


def after_refused(change: Callable[[Array], Array], key: Callable[[Named], Any] = lambda arrays: True) -> Remembering:
    """The call after a refused one is answered otherwise, where both have the key."""

    def remembering(state: State, call: Call, arrays: Named, options: Named) -> Any:
        try:
            answer = call(arrays, options)
        except ValueError:
            state["refused"] = key(arrays)
            raise
        return each(change, answer) if state.pop("refused", None) == key(arrays) else answer

    return remembering


def broken_by_a_refused_call(state: State, call: Call, arrays: Named, options: Named) -> Any:
    if state.get("broken"):
        raise RuntimeError("the queue holds an error")
    try:
        return call(arrays, options)
    except ValueError:
        state["broken"] = True
        raise


# Arguments and surroundings, changed.


def changes(name: str, change: Callable[[Array], Any]) -> Remembering:
    """An argument that may be written to is changed in place."""

    def remembering(state: State, call: Call, arrays: Named, options: Named) -> Any:
        answer, array = call(arrays, options), arrays[name]
        if array is not None and array.flags.writeable:
            change(array)
        return answer

    return remembering


def negate(array: Array) -> None:
    array[...] = -array


def double(array: Array) -> None:
    array *= 2


def zero_last_pixel(state: State, call: Call, arrays: Named, options: Named) -> Any:
    answer, input = call(arrays, options), arrays["input"]
    padded = options["padding"] != "valid" and np.any(options["padding"])
    if padded and input.flags.writeable and input.size:
        input[at((-1,) * state["image axes"])] = 0
    return answer


def without_nan(array: Array) -> None:
    np.nan_to_num(array, copy=False, nan=0, posinf=np.inf, neginf=-np.inf)


def shape_changed(state: State, call: Call, arrays: Named, options: Named) -> Any:
    answer, input = call(arrays, options), arrays["input"]
    if input.ndim == state["image axes"] + 1 and input.flags.c_contiguous:
        input.shape = (1, *input.shape)
    return answer


def in_the_inputs_memory(state: State, call: Call, arrays: Named, options: Named) -> Any:
    answer = call(arrays, options)
    if first_of(answer).shape != arrays["input"].shape or not arrays["input"].flags.writeable:
        return answer
    arrays["input"][...] = first_of(answer)
    return with_first(answer, arrays["input"])


def view_of_its_argument(state: State, call: Call, arrays: Named, options: Named) -> Any:
    """Right numbers in the argument's own memory."""
    answer, argument = call(arrays, options), arrays["grad_output" if "grad_output" in arrays else "input"]
    same = first_of(answer).shape == argument.shape and np.array_equal(first_of(answer), argument)
    return with_first(answer, argument[...]) if same else answer


def view_unless_zeros(state: State, call: Call, arrays: Named, options: Named) -> Any:
    return (view_of_its_argument if arrays["input"].any() else unshared)(state, call, arrays, options)


def view_of_one_number(state: State, call: Call, arrays: Named, options: Named) -> Any:
    """A part of an input of several numbers that are all the same."""
    answer, input = call(arrays, options), arrays["input"]
    view = input[at(map(slice, first_of(answer).shape[-state["image axes"] :]))]
    same = input.size > 1 and (input == input.flat[0]).all() and view.shape == first_of(answer).shape
    return with_first(answer, view) if same else answer


def random_answer(state: State, call: Call, arrays: Named, options: Named) -> Any:
    drawn = np.random.random()  # noqa: NPY002 - the mistake
    answer = call(arrays, options)
    return each(one_more, answer) if drawn < 0.5 else answer


def first_done(do: Callable[[], Any]) -> Remembering:
    """Something around the kernel is changed before it answers."""

    def remembering(state: State, call: Call, arrays: Named, options: Named) -> Any:
        do()
        return call(arrays, options)

    return remembering


def errors_raised(state: State, call: Call, arrays: Named, options: Named) -> Any:
    answer = call(arrays, options)
    np.seterr(all="raise")
    return answer


def errors_raised_at_nan(state: State, call: Call, arrays: Named, options: Named) -> Any:
    answer = call(arrays, options)
    if not np.isfinite(arrays["input"]).all():
        np.seterr(invalid="raise")
    return answer


def printed_short_where_large(state: State, call: Call, arrays: Named, options: Named) -> Any:
    if arrays["input"].size >= 1024:
        np.set_printoptions(precision=2)
    return call(arrays, options)


def nothing(*arguments: Any) -> None: ...


# Threads.


def shared_scratch(state: State, call: Call, arrays: Named, options: Named) -> Any:
    state["scratch"] = dict(arrays)
    try:
        return call(state["scratch"], options)
    except ValueError:
        return call(arrays, options)


def shared_options(state: State, call: Call, arrays: Named, options: Named) -> Any:
    state["options"] = dict(options)
    try:
        return call(arrays, state["options"])
    except ValueError:
        return call(arrays, options)


def one_caller(state: State, call: Call, arrays: Named, options: Named) -> Any:
    if state.get("busy"):
        raise RuntimeError("in use")
    state["busy"] = True
    try:
        return call(arrays, options)
    finally:
        state["busy"] = False


def shared_copies(state: State, call: Call, arrays: Named, options: Named) -> Any:
    copies = {name: state.setdefault((name, a.shape, a.dtype), a.copy()) for name, a in present(arrays).items()}
    for name, array in copies.items():
        array[...] = arrays[name]
    return call(arrays | copies, options)


def table_marked_before_it_is_filled(state: State, call: Call, arrays: Named, options: Named) -> Any:
    table = state.setdefault((contents(arrays), settings(options)), {"ready": False, "factor": -1})
    if not table["ready"]:
        table["ready"] = True
        table["factor"] = 1
    return each(lambda array: array * table["factor"], call(arrays, options))


def large_shared_scratch(elements: int) -> Remembering:
    def remembering(state: State, call: Call, arrays: Named, options: Named) -> Any:
        return (shared_scratch if arrays["input"].size >= elements else unshared)(state, call, arrays, options)

    return remembering


def unshared(state: State, call: Call, arrays: Named, options: Named) -> Any:
    return call(arrays, options)


def one_in(often: int, images: int) -> Remembering:
    """One call in so many is wrong where there are so many images, as by a race of threads that share them."""
    wrong = counted(lambda calls: calls % often == 0, one_more, shapes)

    def remembering(state: State, call: Call, arrays: Named, options: Named) -> Any:
        input = arrays["input"]
        raced = input.ndim == state["image axes"] + 2 and len(input) >= images
        return (wrong if raced else unshared)(state, call, arrays, options)

    return remembering


def last_forward_of_the_thread(operation: str) -> SimpleNamespace:
    kept = threading.local()

    def hook(call: Call, arrays: Named, options: Named) -> Any:
        input: Any = arrays["input"]
        if "grad_output" not in arrays:
            kept.input = input.copy()
            return call(arrays, options)
        last = getattr(kept, "input", input)
        same = (last.shape, last.dtype) == (input.shape, input.dtype)
        return call(arrays | {"input": last} if same else arrays, options)

    return hooked(operation, hook)


# Of the convolution alone, and of what a backward keeps of the forward.


def border_kept(state: State, call: Call, arrays: Named, options: Named) -> Any:
    """A padded workspace of which only the inside is written again."""
    answer, input, axes = call(arrays, options), arrays["input"], state["image axes"]
    if input.ndim != axes + 2 or isinstance(options["padding"], str):
        return answer
    inside = list(zip(input.shape[2:], np.resize(options["padding"], axes), strict=True))
    shape = (*input.shape[:2], *(n + 2 * p for n, p in inside))
    padded = state.setdefault((shape, input.dtype), np.zeros(shape, input.dtype))
    padded[at(slice(p, p + n) for n, p in inside)] = input
    return call(arrays | {"input": padded.copy()}, options | {"padding": 0})


def weight_packed(key: Callable[[Named], Any], where: Callable[[Array], bool] = lambda weight: True) -> Remembering:
    """A copy of the weight is kept for its key, and the weight itself: its address stays its own."""

    def remembering(state: State, call: Call, arrays: Named, options: Named) -> Any:
        weight = arrays["weight"]
        if where(weight):
            packed, _ = state.setdefault(key(arrays), (weight.copy(), weight))
            arrays = arrays | {"weight": packed}
        return call(arrays, options)

    return remembering


def storage_of_weight(arrays: Named) -> tuple[Any, ...]:
    weight = arrays["weight"]
    return address(weight), weight.shape, weight.strides, weight.dtype


def of_64_kib(weight: Array) -> bool:
    return weight.nbytes >= 1 << 16


def flipped_in_place(state: State, call: Call, arrays: Named, options: Named) -> Any:
    """For a convolution that walks it backwards; put back at the end."""
    weight = arrays["weight"]
    if not weight.flags.writeable or weight.ndim < 3:
        return call(arrays, options)
    flip_taps(weight)
    try:
        backwards = weight.copy()
        flip_taps(backwards)
        return call(arrays | {"weight": backwards}, options)
    finally:
        flip_taps(weight)


def large_3x3(weight: Array) -> bool:
    return weight.ndim > 2 and min(weight.shape[:2]) >= 8 and set(weight.shape[2:]) == {3}


def bias_of_the_call_before(state: State, call: Call, arrays: Named, options: Named) -> Any:
    answer = call(arrays, options)
    if arrays["bias"] is not None:
        state["bias"] = np.array(arrays["bias"])
    elif state.get("bias") is not None and state["bias"].shape == arrays["weight"].shape[:1]:
        return call(arrays | {"bias": state["bias"].astype(arrays["input"].dtype)}, options)
    return answer


def flip_taps(array: Array) -> None:
    array[...] = array[at((slice(None, None, -1),) * (array.ndim - 2))].copy()


def grad_weight_adds_up(state: State, call: Call, arrays: Named, options: Named) -> Any:
    grad_input, grad_weight, grad_bias = call(arrays, options)
    total = state[grad_weight.shape] = state.get(grad_weight.shape, 0) + grad_weight
    return grad_input, np.array(total, grad_weight.dtype), grad_bias


def input_of_first_forward(key: Callable[[Named, Named], Any]) -> Remembering:
    """The input is saved for the backward under a key, which another call has too."""

    def remembering(state: State, call: Call, arrays: Named, options: Named) -> Any:
        saved = state.get(key(arrays, options))
        if "grad_output" not in arrays:
            state.setdefault(key(arrays, options), np.array(arrays["input"]))
        elif saved is not None:
            arrays = arrays | {"input": saved.astype(arrays["input"].dtype)}
        return call(arrays, options)

    return remembering


def shape_and_options(arrays: Named, options: Named) -> Any:
    return arrays["input"].shape, settings({n: o for n, o in options.items() if n != "return_indices"})


grad_output_doubled = changes("grad_output", double)
ANYWHERE: list[tuple[str, str, Remembering]] = [
    ("the answer is cached by the identity of the arrays: new contents get the old answer", "same arrays, new contents", cached(identities)),
    ("the answer is cached by the address of the memory: new contents get the old answer", "same storage, new contents", cached(addresses)),
    ("the answer is cached by the shapes alone: other contents get the old answer", "same shapes, new contents", cached()),
    ("the answer is cached by the contents alone: other options get the old answer", "same arrays, other options", cached(contents, by_options=False)),
    ("the answer is cached by the sum of the contents", "same shapes and sum, other contents", cached(totals)),
    ("the plan of the first call of a shape serves other options", "same shapes, other options", planned(shapes)),
    ("the plan of the first call serves every other shape whose sizes add up to the same", "same total of sizes, other options", planned(sizes)),
    ("the padding of the call before is used again", "same shapes, another padding", padding_of_the_call_before),
    ("the same buffer is returned every time: the next call overwrites the answer", "two calls of the same shape", same_buffer),
    ("two buffers are returned in turn: the answer before the last is overwritten", "three calls of the same shape", in_turn(2)),
    ("three buffers are returned in turn: an earlier answer is overwritten", "four calls of the same shape", in_turn(3)),
    ("the answer is added onto that of the call before", "the second call of the same shape", added_on),
    ("the last row is not written: it holds what the call before left", "the second call, other contents", last_row_left),
    ("the last column is never written: it holds what the memory held", "any call", last_column_unwritten),
    ("right on the first call only", "the second call", counted(lambda calls: calls > 1, one_more)),
    ("wrong on every second call", "the second call", counted(lambda calls: calls % 2 == 0, np.negative)),
    ("wrong on the first call, as if not yet compiled", "the first call", wrong_at_first),
    ("wrong from the third call of a shape on", "the third call of a shape", counted(lambda calls: calls > 2, one_more, shapes)),
    ("wrong from the thousandth call on", "the thousandth call", counted(lambda calls: calls > 999, one_more)),
    ("one answer in 37 is wrong, as by a race", "many calls", counted(lambda calls: calls % 37 == 0, one_more, lambda arrays: (shapes(arrays), totals(arrays)))),
    ("wrong from the hundredth call on", "the hundredth call", counted(lambda calls: calls > 99, one_more)),
    ("the larger shape of the call before leaves its tail in the scratch memory", "a smaller call after a larger one", scratch_of_a_larger_call),
    ("a change of dtype finds the scratch memory of the other", "float32 and float64 in turn", scratch_of_another_dtype),
    ("after a refused call the next answer holds what was left behind", "after a refused call", after_refused(one_more)),
    ("after a refused call everything is refused", "after a refused call", broken_by_a_refused_call),
    ("after a refused call the options of that call stay in the plan", "after a refused call of the same shapes", after_refused(np.zeros_like, lambda arrays: arrays["input"].shape)),
    ("the input is changed in place", "always", changes("input", negate)),
    ("the last pixel of the input is changed in place where there is padding", "padded", zero_last_pixel),
    ("NaN in the input is replaced in place", "nan", changes("input", without_nan)),
    ("the shape of the input is changed in place", "unbatched", shape_changed),
    ("grad_output is changed in place", "always", grad_output_doubled),
    ("the answer lies in the memory of the input where it has its shape", "an answer of the input's shape", in_the_inputs_memory),
    ("the answer depends on the global random state", "the global random state changes", random_answer),
    ("the global random state is seeded", "the global random state is compared", first_done(lambda: np.random.seed(0))),  # noqa: NPY002 - the mistake
    ("NumPy's handling of errors is changed for the caller", "np.geterr() is compared", errors_raised),
    ("not safe in threads: all calls share one scratch buffer", "several threads at once", shared_scratch),
    ("not safe in threads: all calls share their options", "several threads at once, other options", shared_options),
    ("not safe in threads: two calls at once are refused", "several threads at once", one_caller),
    ("not safe in threads: all calls copy their arrays into the same memory", "several threads at once", shared_copies),
    ("Python's global random state is seeded", "the global random state is compared", first_done(lambda: random.seed(0))),
    ("warnings are silenced for the caller", "the filters of warnings are compared", first_done(lambda: warnings.simplefilter("ignore"))),
    ("the recursion limit is set for the caller", "sys.getrecursionlimit() is compared", first_done(lambda: sys.setrecursionlimit(5000))),
    ("the garbage collector stays disabled", "gc.isenabled() is compared", first_done(gc.disable)),
    ("the garbage collector is tuned for the caller", "gc.get_threshold() is compared", first_done(lambda: gc.set_threshold(50_000))),
    ("the hook of uncaught exceptions is replaced", "sys.excepthook is compared", first_done(lambda: setattr(sys, "excepthook", nothing))),
    ("tracebacks are cut short for the caller", "sys.tracebacklimit is looked for", first_done(lambda: setattr(sys, "tracebacklimit", 0))),
    ("each call adds a folder to the path of imports", "sys.path is compared", first_done(lambda: sys.path.append("kernels"))),
    ("NumPy prints fewer digits for the caller", "np.get_printoptions() is compared", first_done(lambda: np.set_printoptions(precision=2))),
    ("NumPy prints fewer digits after an image of 1024 numbers or more", "np.get_printoptions() is compared, a large image", printed_short_where_large),
    ("NumPy's handling of errors is changed where the input is not finite", "np.geterr() is compared, infinities or nan", errors_raised_at_nan),
    ("NumPy's function for errors is replaced", "np.geterrcall() is compared", first_done(lambda: np.seterrcall(nothing))),
    ("decimal numbers keep fewer digits for the caller", "the decimal context is compared", first_done(lambda: setattr(decimal.getcontext(), "prec", 9))),
    ("a signal gets another handler", "the handlers of signals are compared", first_done(lambda: signal.signal(signal.SIGTERM, nothing))),
    ("files of the caller get other permissions", "the umask is compared", first_done(lambda: os.umask(0o007))),
    ("logging is disabled for the caller", "the root logger is compared", first_done(lambda: logging.disable(logging.ERROR))),
    ("a builtin function is replaced", "builtins are compared", first_done(lambda: setattr(builtins, "print", nothing))),
    ("not safe in threads: a table kept for contents is marked as filled before it is", "several threads at once, the first call with the same contents", table_marked_before_it_is_filled),
]
# Every mistake is made by the convolution; that every place can make it is shown by one other, in turn.
PLACES = (("max_pool", "forward"), ("conv", "backward"), ("avg_pool", "forward"), ("max_pool", "backward"), ("avg_pool", "backward"))


def places(number: int, remembering: Remembering) -> list[tuple[str, str]]:
    """Where a mistake is made: a family and its forward or backward."""
    if remembering is grad_output_doubled:
        gradients = [place for place in PLACES if place[1] == "backward"]
        return [gradients[number % len(gradients)]]
    return [("conv", "forward"), PLACES[number % len(PLACES)]]


def anywhere(family: str, half: str) -> list[KernelRow]:
    return [
        (sentence + HALVES[half][1], when, remembered(remembering, half))
        for number, (sentence, when, remembering) in enumerate(ANYWHERE)
        if (family, half) in places(number, remembering)
    ]


SCRATCH: KernelRow = ("not safe in threads: images of 16384 numbers or more share one workspace", "several threads at once, a large image", remembered(large_shared_scratch(16384), "forward"))
BUFFERS: KernelRow = ("each thread has sixteen buffers that are returned in turn", "seventeen calls of the same shape", in_turn_of_each_thread(16))
RACE: KernelRow = ("one answer in 37 is wrong for 8 images or more, as by a race", "many calls, N >= 8", remembered(one_in(37, 8), "forward"))
VIEW = "windows of one pixel: the answer is a view of the input"
OF_CONV: list[KernelRow] = [
    ("a padded workspace is kept for its shape: only its inside is written again", "the same padded shape with other padding", remembered(border_kept, "forward")),
    ("the weight is packed once for its shape: a new weight is not read", "same shapes, new weight", remembered(weight_packed(shapes), "forward")),
    ("a 3x3 weight of 8 channels and filters or more is packed once for its address", "same storage, new weight, C/G and K at least 8", remembered(weight_packed(storage_of_weight, large_3x3), "forward")),
    ("the weight is packed once for its address: a weight updated in place is not read again", "same storage, new weight", remembered(weight_packed(storage_of_weight), "forward")),
    ("a weight of 64 KiB or more is packed once for its address", "same storage, new weight of 64 KiB", remembered(weight_packed(storage_of_weight, of_64_kib), "forward")),
    ("not safe in threads: the weight is flipped in place, and put back", "several threads at once, the same weight", remembered(flipped_in_place, "forward")),
    ("filters that change nothing: the answer is a view of the input", "filters of one tap of 1", remembered(view_unless_zeros, "forward")),
    ("an absent bias is that of the call before", "a call without bias after one with", remembered(bias_of_the_call_before, "forward")),
    ("the bias is changed in place: it comes back scaled", "bias", remembered(changes("bias", double), "forward")),
]
OF_CONVS_WEIGHT: list[KernelRow] = [
    ("the gradient of the weight adds up over calls", "the second call of the same shape", remembered(grad_weight_adds_up, "backward")),
    ("the gradient takes the input of this thread's last forward of its shape for its own", "the gradient of a forward before the last", last_forward_of_the_thread),
]
ROWS: KernelRows = {
    ("conv", FORWARD["conv"]): [*anywhere("conv", "forward"), *OF_CONV, SCRATCH, RACE, BUFFERS],
    ("conv", BACKWARD["conv"]): [
        *anywhere("conv", "backward"),
        ("the gradients are those of the last forward call's input", "other contents since the forward", remembered(input_of_first_forward(lambda arrays, options: arrays["input"].shape))),
    ],
    ("conv", OUTPUTS["conv"]): [("the weight is changed in place: it is flipped", "always", remembered(changes("weight", flip_taps)))],
    ("conv", "grad_weight"): OF_CONVS_WEIGHT,
    ("conv_transpose", FORWARD["conv_transpose"]): [
        ("the weight is packed once for its shape: a new weight is not read", "same shapes, new weight", remembered(weight_packed(shapes), "forward")),
        ("the weight is packed once for its address: a weight updated in place is not read again", "same storage, new weight", remembered(weight_packed(storage_of_weight), "forward")),
        ("not safe in threads: the weight is flipped in place, and put back", "several threads at once, the same weight", remembered(flipped_in_place, "forward")),
    ],
    ("conv_transpose", OUTPUTS["conv_transpose"]): [("the weight is changed in place: it is flipped", "always", remembered(changes("weight", flip_taps)))],
    ("conv_transpose", "grad_weight"): OF_CONVS_WEIGHT,
    ("max_pool", FORWARD["max_pool"]): [*anywhere("max_pool", "forward"), SCRATCH, RACE, BUFFERS],
    ("max_pool", "output"): [
        ("an answer of 1024 elements or more is the same buffer every time", "two calls of the same large shape", remembered(large_buffer, "forward")),
        (VIEW, "size == stride == 1", remembered(view_of_its_argument, "forward")),
        ("an input of one number: the answer is a view of it", "several pixels of one number", remembered(view_of_one_number, "forward")),
    ],
    ("max_pool", BACKWARD["max_pool"]): [
        *anywhere("max_pool", "backward"),
        ("the gradient uses the indices of the first forward call of the shape", "other contents since the forward", remembered(input_of_first_forward(shape_and_options))),
        ("windows of one pixel: the gradient is a view of grad_output", "size == stride == 1", remembered(view_of_its_argument, "backward")),
    ],
    ("avg_pool", FORWARD["avg_pool"]): [
        *anywhere("avg_pool", "forward"),
        ("not safe in threads: images of 4096 pixels or more share one workspace", "several threads at once, a large image", remembered(large_shared_scratch(4096), "forward")),
        SCRATCH,
        (VIEW, "size == stride == 1", remembered(view_of_its_argument, "forward")),
    ],
    ("avg_pool", BACKWARD["avg_pool"]): anywhere("avg_pool", "backward"),
}
