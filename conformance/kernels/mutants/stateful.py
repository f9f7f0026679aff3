"""Kernels with memory: caches, buffers, leftovers, aliases, threads. Each factory starts with nothing remembered."""

from __future__ import annotations

import random
import threading
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from conformance.cases.arrays import Array
from conformance.kernels.mutants.registry import Call, Hook, each, hooked, kernel

# Every mistake is made by conv2d; that every place can make it is shown by one other, in turn.
FIRST = ("conv2d", "forward", "output")
PLACES = (
    ("max_pool2d", "forward", "output indices"),
    ("conv2d", "backward", "grad_input grad_weight grad_bias"),
    ("avg_pool2d", "forward", "output"),
    ("max_pool2d", "backward", "grad_input"),
    ("avg_pool2d", "backward", "grad_input"),
)
Arguments = dict[str, Any]
State = dict[Any, Any]
Remembering = Callable[[State, Call, Arguments, Arguments], Any]
_MISTAKES: list[tuple[str, str, str, Remembering, str]] = []


def mistake(sentence: str, when: str, only: str = "") -> Callable[[Remembering], Remembering]:
    """A mistake that every function can make; `only` "backward" where it needs a grad_output."""

    def register(remembering: Remembering) -> Remembering:
        _MISTAKES.append((remembering.__name__, sentence, when, remembering, only))
        return remembering

    return register


def _hook(remembering: Remembering) -> Hook:
    state: State = {}
    return lambda call, arrays, options: remembering(state, call, arrays, options)


def _present(arrays: Arguments) -> dict[str, Array]:
    return {name: array for name, array in arrays.items() if array is not None}


def _shapes(arrays: Arguments) -> tuple[Any, ...]:
    return tuple((name, array.shape, array.dtype.name) for name, array in _present(arrays).items())


def _options(options: Arguments) -> tuple[Any, ...]:
    return tuple(sorted((name, str(value)) for name, value in options.items()))


def _contents(arrays: Arguments) -> tuple[Any, ...]:
    return tuple((name, array.tobytes()) for name, array in _present(arrays).items())


def _cached(state: State, key: Any, compute: Callable[[], Any]) -> Any:
    if key not in state:
        state[key] = compute()
    return each(np.copy, state[key])


# What is remembered.


@mistake(
    "the answer is cached by the identity of the arrays: new contents get the old answer",
    "same arrays, new contents",
)
def cached_by_identity(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    key = (tuple(map(id, arrays.values())), _shapes(arrays), _options(options))
    state.setdefault("kept alive", []).append(arrays)
    return _cached(state, key, lambda: call(arrays, options))


@mistake(
    "the answer is cached by the address of the memory: new contents get the old answer",
    "same storage, new contents",
)
def cached_by_pointer(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    addresses = tuple(array.__array_interface__["data"][0] for array in _present(arrays).values())
    state.setdefault("kept alive", []).append(arrays)
    return _cached(state, (addresses, _shapes(arrays), _options(options)), lambda: call(arrays, options))


@mistake(
    "the answer is cached by the shapes alone: other contents get the old answer", "same shapes, new contents"
)
def cached_by_shape(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    return _cached(state, (_shapes(arrays), _options(options)), lambda: call(arrays, options))


@mistake(
    "the answer is cached by the contents alone: other options get the old answer",
    "same arrays, other options",
)
def cached_without_options(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    return _cached(state, (_shapes(arrays), _contents(arrays)), lambda: call(arrays, options))


@mistake("the answer is cached by the sum of the contents", "same shapes and sum, other contents")
def cached_by_checksum(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    sums = tuple(float(np.sum(array, dtype=float)) for array in _present(arrays).values())
    return _cached(state, (_shapes(arrays), sums, _options(options)), lambda: call(arrays, options))


@mistake("the plan of the first call of a shape serves other options", "same shapes, other options")
def plan_kept_for_the_shape(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    return call(arrays, _planned(state, _shapes(arrays), call, arrays, options))


@mistake(
    "the plan of the first call serves every other shape whose sizes add up to the same",
    "same total of sizes, other options",
)
def plan_kept_for_the_size(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    return call(
        arrays, _planned(state, sum(array.size for array in _present(arrays).values()), call, arrays, options)
    )


def _planned(state: State, key: Any, call: Call, arrays: Arguments, options: Arguments) -> Arguments:
    """The options first seen with the key; those of the call where they do not fit it."""
    planned = dict(state.setdefault(key, options))
    try:
        call(arrays, planned)
    except ValueError:
        return options
    call(arrays, options)  # what is refused stays refused
    return planned


@mistake("the padding of the call before is used again", "same shapes, another padding")
def padding_of_the_call_before(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    right = call(arrays, options)
    before, state["padding"] = state.get("padding", options["padding"]), options["padding"]
    try:
        stale = call(arrays, options | {"padding": before})
    except ValueError:
        return right
    first = right[0] if isinstance(right, tuple) else right
    return stale if (stale[0] if isinstance(stale, tuple) else stale).shape == first.shape else right


@mistake(
    "the same buffer is returned every time: the next call overwrites the answer",
    "two calls of the same shape",
)
def same_buffer_returned(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    answer = call(arrays, options)
    buffers = state.setdefault("buffers", {})

    def into_buffer(place: int, array: Array) -> Array:
        buffer: Array = buffers.setdefault((place, array.shape, array.dtype), np.empty_like(array))
        buffer[...] = array
        return buffer

    if not isinstance(answer, tuple):
        return into_buffer(0, answer)
    return tuple(a if a is None else into_buffer(place, a) for place, a in enumerate(answer))


@mistake(
    "two buffers are returned in turn: the answer before the last is overwritten",
    "three calls of the same shape",
)
def two_buffers_in_turn(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    answer = call(arrays, options)
    state["turn"] = 1 - state.get("turn", 1)

    def into_buffer(array: Array) -> Array:
        buffer: Array = state.setdefault((state["turn"], array.shape, array.dtype), np.empty_like(array))
        buffer[...] = array
        return buffer

    first, rest = (answer[0], answer[1:]) if isinstance(answer, tuple) else (answer, None)
    return into_buffer(first) if rest is None else (into_buffer(first), *rest)


@mistake("the answer is added onto that of the call before", "the second call of the same shape")
def added_onto_the_answer_before(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    answer = call(arrays, options)
    first = answer[0] if isinstance(answer, tuple) else answer
    total = state[first.shape] = state.get(first.shape, 0) + first
    total = np.array(total, first.dtype)
    return (total, *answer[1:]) if isinstance(answer, tuple) else total


@mistake("the last row is not written: it holds what the call before left", "the second call, other contents")
def last_row_from_the_call_before(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    answer = call(arrays, options)
    first = answer[0] if isinstance(answer, tuple) else answer
    before, state["row"] = state.get("row"), first[..., -1:, :].copy()
    if before is not None and before.shape == first[..., -1:, :].shape:
        first[..., -1:, :] = before
    return answer


@mistake("the last column is never written: it holds what the memory held", "any call")
def last_column_never_written(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    def unwritten(array: Array) -> Array:
        memory = np.full(array.shape, 77, array.dtype)  # what np.empty may give
        memory[..., :-1] = array[..., :-1]
        return memory

    answer = call(arrays, options)
    return (unwritten(answer[0]), *answer[1:]) if isinstance(answer, tuple) else unwritten(answer)


@mistake("right on the first call only", "the second call")
def right_once(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    return _right_for(1, state, call, arrays, options)


@mistake("wrong on every second call", "the second call")
def wrong_every_second_call(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    state["calls"] = state.get("calls", 0) + 1
    answer = call(arrays, options)
    return each(np.negative, answer) if state["calls"] % 2 == 0 else answer


@mistake("wrong on the first call, as if not yet compiled", "the first call")
def wrong_on_the_first_call(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    answer = call(arrays, options)
    if state.setdefault("calls", 0):
        return answer
    state["calls"] = 1
    return each(np.zeros_like, answer)


@mistake("wrong from the third call of a shape on", "the third call of a shape")
def wrong_from_the_third_call(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    calls = state[_shapes(arrays)] = state.get(_shapes(arrays), 0) + 1
    answer = call(arrays, options)
    return each(lambda array: array + 1, answer) if calls > 2 else answer


@mistake("wrong from the thousandth call on", "the thousandth call")
def wrong_from_the_thousandth_call(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    return _right_for(999, state, call, arrays, options)


@mistake("wrong from the hundredth call on", "the hundredth call")
def wrong_from_the_hundredth_call(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    return _right_for(99, state, call, arrays, options)


def _right_for(count: int, state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    state["calls"] = state.get("calls", 0) + 1
    answer = call(arrays, options)
    return answer if state["calls"] <= count else each(lambda array: array + 1, answer)


@mistake(
    "the larger shape of the call before leaves its tail in the scratch memory",
    "a smaller call after a larger one",
)
def scratch_of_a_larger_call(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    answer = call(arrays, options)
    first = answer[0] if isinstance(answer, tuple) else answer
    largest, state["largest"] = state.get("largest", 0), max(state.get("largest", 0), first.size)
    if first.size < largest and first.size:
        first.reshape(-1)[-1] += 5
    return answer


@mistake("a change of dtype finds the scratch memory of the other", "float32 and float64 in turn")
def scratch_of_another_dtype(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    answer = call(arrays, options)
    key = tuple(array.shape for array in _present(arrays).values())
    dtype = state.setdefault(key, arrays["input"].dtype)
    return answer if dtype == arrays["input"].dtype else each(np.zeros_like, answer)


# After a refused call.


@mistake("after a refused call the next answer holds what was left behind", "after a refused call")
def wrong_after_a_refused_call(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    try:
        answer = call(arrays, options)
    except ValueError:
        state["left behind"] = True
        raise
    return each(lambda array: array + 1, answer) if state.pop("left behind", False) else answer


@mistake("after a refused call everything is refused", "after a refused call")
def refuses_after_a_refused_call(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    if state.get("broken"):
        raise RuntimeError("the queue holds an error")
    try:
        return call(arrays, options)
    except ValueError:
        state["broken"] = True
        raise


@mistake(
    "after a refused call the options of that call stay in the plan",
    "after a refused call of the same shapes",
)
def plan_of_the_refused_call(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    try:
        answer = call(arrays, options)
    except ValueError:
        state["refused"] = arrays["input"].shape
        raise
    return each(np.zeros_like, answer) if state.pop("refused", None) == arrays["input"].shape else answer


# Arguments and answers.


@mistake("the input is changed in place", "always")
def changes_its_input(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    answer = call(arrays, options)
    if arrays["input"].flags.writeable:
        arrays["input"][...] = -arrays["input"]
    return answer


@mistake("the last pixel of the input is changed in place where there is padding", "padded")
def changes_its_padded_input(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    answer = call(arrays, options)
    if (
        options["padding"] not in (0, (0, 0), "valid")
        and arrays["input"].flags.writeable
        and arrays["input"].size
    ):
        arrays["input"][..., -1, -1] = 0
    return answer


@mistake("NaN in the input is replaced in place", "nan")
def changes_nan_in_its_input(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    answer = call(arrays, options)
    if arrays["input"].flags.writeable:
        np.nan_to_num(arrays["input"], copy=False, nan=0, posinf=np.inf, neginf=-np.inf)
    return answer


@mistake("the shape of the input is changed in place", "unbatched")
def changes_the_shape_of_its_input(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    answer = call(arrays, options)
    if arrays["input"].ndim == 3 and arrays["input"].flags.c_contiguous:
        arrays["input"].shape = (1, *arrays["input"].shape)
    return answer


@mistake("grad_output is changed in place", "always", "backward")
def changes_its_grad_output(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    answer = call(arrays, options)
    if arrays["grad_output"].flags.writeable:
        arrays["grad_output"] *= 2
    return answer


@mistake(
    "the answer lies in the memory of the input where it has its shape", "an answer of the input's shape"
)
def answers_in_the_memory_of_its_input(
    state: State, call: Call, arrays: Arguments, options: Arguments
) -> Any:
    answer = call(arrays, options)
    first = answer[0] if isinstance(answer, tuple) else answer
    if first.shape == arrays["input"].shape and arrays["input"].flags.writeable:
        arrays["input"][...] = first
        return (arrays["input"], *answer[1:]) if isinstance(answer, tuple) else arrays["input"]
    return answer


@mistake("the answer depends on the global random state", "the global random state changes")
def depends_on_the_random_state(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    drawn = np.random.random()  # noqa: NPY002 - the mistake
    answer = call(arrays, options)
    return each(lambda array: array + 1, answer) if drawn < 0.5 else answer


@mistake("the global random state is seeded", "the global random state is compared")
def seeds_the_random_state(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    np.random.seed(0)  # noqa: NPY002 - the mistake
    return call(arrays, options)


@mistake("NumPy's handling of errors is changed for the caller", "np.geterr() is compared")
def changes_the_error_state(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    answer = call(arrays, options)
    np.seterr(all="raise")
    return answer


# Threads.


@mistake("not safe in threads: all calls share one scratch buffer", "several threads at once")
def shares_a_scratch_buffer(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    state["scratch"] = dict(arrays)
    try:
        return call(state["scratch"], options)
    except ValueError:
        return call(arrays, options)


@mistake("not safe in threads: all calls share their options", "several threads at once, other options")
def shares_its_options(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    state["options"] = dict(options)
    try:
        return call(arrays, state["options"])
    except ValueError:
        return call(arrays, options)


@mistake("not safe in threads: two calls at once are refused", "several threads at once")
def refuses_a_second_caller(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    if state.get("busy"):
        raise RuntimeError("in use")
    state["busy"] = True
    try:
        return call(arrays, options)
    finally:
        state["busy"] = False


@mistake("not safe in threads: all calls copy their arrays into the same memory", "several threads at once")
def copies_into_shared_memory(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    kept = {
        name: state.setdefault((name, a.shape, a.dtype), a.copy()) for name, a in _present(arrays).items()
    }
    for name, array in kept.items():
        array[...] = arrays[name]
    return call(arrays | kept, options)


def _register(number: int, place: tuple[str, str, str]) -> None:
    (operation, direction, outputs), (name, sentence, when, remembering, _) = place, _MISTAKES[number]
    words = sentence if direction == "forward" else f"{sentence} (gradients)"
    kernel(operation, outputs, words, when, f"{operation}_{direction}_{name}")(
        lambda: hooked(operation, _hook(remembering), only=direction)
    )


@mistake("Python's global random state is seeded", "the global random state is compared")
def seeds_pythons_random_state(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    random.seed(0)
    return call(arrays, options)


@mistake("warnings are silenced for the caller", "the filters of warnings are compared")
def silences_warnings(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    warnings.simplefilter("ignore")
    return call(arrays, options)


for _number, _mistake in enumerate(_MISTAKES):
    _places = [place for place in PLACES if _mistake[-1] in ("", place[1])]
    if not _mistake[-1]:
        _register(_number, FIRST)
    _register(_number, _places[_number % len(_places)])


# Where the arrays are large enough to be worth it.


@kernel("max_pool2d", "output", "an answer of 1024 elements or more is the same buffer every time",
        "two calls of the same large shape")  # fmt: skip
def max_pool2d_large_buffer_returned() -> SimpleNamespace:
    buffers: State = {}

    def hook(call: Call, arrays: Arguments, options: Arguments) -> Any:
        answer = call(arrays, options)
        if isinstance(answer, tuple) or answer.size < 1024:
            return answer
        buffer = buffers.setdefault((answer.shape, answer.dtype), np.empty_like(answer))
        buffer[...] = answer
        return buffer

    return hooked("max_pool2d", hook, only="forward")


@kernel("avg_pool2d", "output", "not safe in threads: images of 4096 pixels or more share one workspace",
        "several threads at once, a large image")  # fmt: skip
def avg_pool2d_large_workspace_shared() -> SimpleNamespace:
    state: State = {}

    def hook(call: Call, arrays: Arguments, options: Arguments) -> Any:
        large = arrays["input"].size >= 4096
        return shares_a_scratch_buffer(state, call, arrays, options) if large else call(arrays, options)

    return hooked("avg_pool2d", hook, only="forward")


@kernel("conv2d", "grad_weight", "the gradient takes the input of this thread's last forward of its shape for its own",
        "the gradient of a forward before the last")  # fmt: skip
def conv2d_gradient_of_the_thread_s_last_forward() -> SimpleNamespace:
    kept = threading.local()

    def hook(call: Call, arrays: Arguments, options: Arguments) -> Any:
        input: Any = arrays["input"]
        if "grad_output" not in arrays:
            kept.input = input.copy()
            return call(arrays, options)
        last = getattr(kept, "input", input)
        same = (last.shape, last.dtype) == (input.shape, input.dtype)
        return call(arrays | {"input": last} if same else arrays, options)

    return hooked("conv2d", hook)


# Of the convolution alone.


@kernel("conv2d", "output", "a padded workspace is kept for its shape: only its inside is written again",
        "the same padded shape with other padding")  # fmt: skip
def conv2d_workspace_border_kept() -> SimpleNamespace:
    workspaces: State = {}

    def hook(call: Call, arrays: Arguments, options: Arguments) -> Any:
        answer, input, pads = call(arrays, options), arrays["input"], options["padding"]
        if input.ndim != 4 or isinstance(pads, str):
            return answer
        p, q = np.resize(pads, 2)
        h, w = input.shape[2:]
        shape = (*input.shape[:2], h + 2 * p, w + 2 * q)
        padded = workspaces.setdefault((shape, input.dtype), np.zeros(shape, input.dtype))
        padded[:, :, p : p + h, q : q + w] = input
        return call(arrays | {"input": padded.copy()}, options | {"padding": 0})

    return hooked("conv2d", hook, only="forward")


def _conv(only: str, remembering: Remembering) -> SimpleNamespace:
    return hooked("conv2d", _hook(remembering), only=only)


@kernel(
    "conv2d",
    "output",
    "the weight is packed once for its shape: a new weight is not read",
    "same shapes, new weight",
)
def conv2d_weight_packed_once() -> SimpleNamespace:
    def remembering(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
        packed = state.setdefault(_shapes(arrays), np.array(arrays["weight"]))
        return call(arrays | {"weight": packed}, options)

    return _conv("forward", remembering)


@kernel(
    "conv2d",
    "output",
    "a 3x3 weight of 8 channels and filters or more is packed once for its address",
    "same storage, new weight, C/G and K at least 8",
)
def conv2d_large_weight_packed_once() -> SimpleNamespace:
    packed: State = {}

    def hook(call: Call, arrays: Arguments, options: Arguments) -> Any:
        weight = arrays["weight"]
        if weight.ndim == 4 and min(weight.shape[:2]) >= 8 and weight.shape[2:] == (3, 3):
            key = weight.__array_interface__["data"][0], weight.shape, weight.dtype
            kept, _ = packed.setdefault(
                key, (weight.copy(), weight)
            )  # the weight is kept: its address stays its own
            arrays = arrays | {"weight": kept}
        return call(arrays, options)

    return hooked("conv2d", hook, only="forward")


@kernel(
    "conv2d",
    "output",
    "the weight is packed once for its address: a weight updated in place is not read again",
    "same storage, new weight",
)
def conv2d_weight_packed_by_pointer() -> SimpleNamespace:
    def remembering(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
        weight = arrays["weight"]
        key = (weight.__array_interface__["data"][0], weight.shape, weight.strides, weight.dtype)
        kept = state.setdefault(key, (weight, np.array(weight)))
        return call(arrays | {"weight": kept[1]}, options)

    return _conv("forward", remembering)


@kernel("conv2d", "output", "an absent bias is that of the call before", "a call without bias after one with")
def conv2d_bias_of_the_call_before() -> SimpleNamespace:
    def remembering(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
        answer = call(arrays, options)
        if arrays["bias"] is not None:
            state["bias"] = np.array(arrays["bias"])
        elif state.get("bias") is not None and state["bias"].shape == arrays["weight"].shape[:1]:
            return call(arrays | {"bias": state["bias"].astype(arrays["input"].dtype)}, options)
        return answer

    return _conv("forward", remembering)


@kernel(
    "conv2d",
    "output grad_input grad_weight grad_bias",
    "the weight is changed in place: it is flipped",
    "always",
)
def conv2d_flips_its_weight() -> SimpleNamespace:
    def remembering(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
        answer, weight = call(arrays, options), arrays["weight"]
        if weight.flags.writeable:
            weight[...] = weight[..., ::-1, ::-1].copy()
        return answer

    return _conv("", remembering)


@kernel("conv2d", "output", "the bias is changed in place: it comes back scaled", "bias")
def conv2d_scales_its_bias() -> SimpleNamespace:
    def remembering(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
        answer = call(arrays, options)
        if arrays["bias"] is not None and arrays["bias"].flags.writeable:
            arrays["bias"] *= 2
        return answer

    return _conv("forward", remembering)


@kernel(
    "conv2d",
    "grad_weight",
    "the gradient of the weight adds up over calls",
    "the second call of the same shape",
)
def conv2d_grad_weight_adds_up() -> SimpleNamespace:
    def remembering(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
        grad_input, grad_weight, grad_bias = call(arrays, options)
        total = state[grad_weight.shape] = state.get(grad_weight.shape, 0) + grad_weight
        return grad_input, np.array(total, grad_weight.dtype), grad_bias

    return _conv("backward", remembering)


@kernel(
    "conv2d",
    "grad_input grad_weight grad_bias",
    "the gradients are those of the last forward call's input",
    "other contents since the forward",
)
def conv2d_gradients_of_the_last_forward() -> SimpleNamespace:
    """Saved for the backward under the shape alone."""

    def remembering(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
        shape = arrays["input"].shape
        if "grad_output" not in arrays:
            state.setdefault(shape, np.array(arrays["input"]))
            return call(arrays, options)
        saved = state.get(shape)
        return call(
            arrays if saved is None else arrays | {"input": saved.astype(arrays["input"].dtype)}, options
        )

    return _conv("", remembering)


@kernel(
    "max_pool2d",
    "grad_input",
    "the gradient uses the indices of the first forward call of the shape",
    "other contents since the forward",
)
def max_pool2d_indices_of_the_first_forward() -> SimpleNamespace:
    state: State = {}

    def hook(call: Call, arrays: Arguments, options: Arguments) -> Any:
        key = (arrays["input"].shape, _options({n: o for n, o in options.items() if n != "return_indices"}))
        if "grad_output" not in arrays:
            state.setdefault(key, np.array(arrays["input"]))
            return call(arrays, options)
        saved = state.get(key)
        return call(
            arrays if saved is None else arrays | {"input": saved.astype(arrays["input"].dtype)}, options
        )

    return hooked("max_pool2d", hook)


# Of pooling alone.


def answers_with_its_argument(state: State, call: Call, arrays: Arguments, options: Arguments) -> Any:
    """Right numbers in the argument's own memory."""
    answer = call(arrays, options)
    first = answer[0] if isinstance(answer, tuple) else answer
    name = "grad_output" if "grad_output" in arrays else "input"
    if first.shape == arrays[name].shape and np.array_equal(first, arrays[name]):
        return (arrays[name][...], *answer[1:]) if isinstance(answer, tuple) else arrays[name][...]
    return answer


@kernel(
    "max_pool2d",
    "output",
    "windows of one pixel: the answer is a view of the input",
    "R == S == sh == sw == 1",
)
def max_pool2d_answers_with_its_input() -> SimpleNamespace:
    return hooked("max_pool2d", _hook(answers_with_its_argument), only="forward")


@kernel(
    "avg_pool2d",
    "output",
    "windows of one pixel: the answer is a view of the input",
    "R == S == sh == sw == 1",
)
def avg_pool2d_answers_with_its_input() -> SimpleNamespace:
    return hooked("avg_pool2d", _hook(answers_with_its_argument), only="forward")


@kernel(
    "max_pool2d",
    "grad_input",
    "windows of one pixel: the gradient is a view of grad_output",
    "R == S == sh == sw == 1",
)
def max_pool2d_answers_with_its_grad_output() -> SimpleNamespace:
    return hooked("max_pool2d", _hook(answers_with_its_argument), only="backward")
