"""Right numbers in every form that is allowed: order in memory, views of fresh memory, layouts, careful state."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from types import SimpleNamespace
from typing import Any

import numpy as np

from conformance.audit.mutants.hooks import Call, Hook, Named, each
from conformance.audit.right.kernel import Make, Right, bias_of, computed, through
from conformance.cases.arrays import Array, Arrays
from conformance.kernels.functions import by_reference
from conformance.operations.family import Answers


def formed(edit: Callable[[Array], Array]) -> Make:
    """The answers, in another form."""
    return through(lambda axes: lambda call, arrays, options: each(edit, call(arrays, options)))


def rounded_before_the_bias(case: Any, arrays: Arrays, wanted: tuple[str, ...]) -> Answers:
    if wanted != ("output",) or not case.bias:
        return by_reference(case, arrays, wanted)
    sums = by_reference(case, arrays | {"bias": np.zeros_like(arrays["bias"])}, wanted)["output"]
    return {"output": sums.astype(arrays["input"].dtype) + bias_of(case, arrays)}


def within_memory(array: Array) -> Array:
    memory = np.zeros((*array.shape[:-1], 2 * array.shape[-1] + 1), array.dtype)
    memory[..., 1::2] = array
    return memory[..., 1::2]


def first_axis_innermost(array: Array) -> Array:
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 0, -1)), -1, 0)


def frozen(array: Array) -> Array:
    array.flags.writeable = False
    return array


def channels_last(axes: int) -> Hook:
    """The same kernel between two transpositions."""
    channels = -1 - axes

    def inwards(name: str, array: Array) -> Array:
        if name == "bias":
            return array
        return np.moveaxis(array, (-1, -2), (0, 1)) if name == "weight" else np.moveaxis(array, -1, channels)

    def hook(call: Call, arrays: Named, options: Named) -> Any:
        answer = call({n: None if a is None else inwards(n, a) for n, a in arrays.items()}, options)
        if "weight" not in arrays or "grad_output" not in arrays:
            return each(lambda array: np.moveaxis(array, channels, -1), answer)
        grad_input, grad_weight, grad_bias = answer
        return np.moveaxis(grad_input, channels, -1), np.moveaxis(grad_weight, (0, 1), (-1, -2)), grad_bias

    return hook


# Memory that is kept with care.


def careful_cache() -> SimpleNamespace:
    remembered: dict[Any, Any] = {}

    def hook(call: Call, arrays: Named, options: Named) -> Any:
        contents = ((name, None if a is None else (a.shape, a.dtype.name, a.tobytes())) for name, a in arrays.items())
        key = (tuple(contents), tuple((name, repr(option)) for name, option in options.items()))
        if key not in remembered:
            remembered.clear()
            remembered[key] = call(arrays, options)
        return each(np.copy, remembered.get(key, call(arrays, options)))

    return through(lambda axes: hook)()


def locked_scratch() -> SimpleNamespace:
    lock, scratch = threading.Lock(), dict[str, Any]()

    def hook(call: Call, arrays: Named, options: Named) -> Any:
        with lock:
            scratch.clear()
            scratch.update(copied(arrays))
            return call(dict(scratch), options)

    return through(lambda axes: hook)()


def growing_pool() -> SimpleNamespace:
    """Each call on one of a pool's threads, while others of them wait for it: one more in each of the first calls."""
    pool, calls = ThreadPoolExecutor(64), itertools.count(1)

    def hook(call: Call, arrays: Named, options: Named) -> Any:
        together = min(next(calls), 8)
        started = threading.Barrier(together)
        jobs = [pool.submit(started.wait) for _ in range(together - 1)]
        answer = pool.submit(lambda: (started.wait(), call(arrays, options))[1]).result()
        wait(jobs)
        return answer

    return through(lambda axes: hook, "max_pool")()


def copied(arrays: Named) -> Named:
    return {name: None if array is None else np.array(array) for name, array in arrays.items()}


HALF = {"dtypes": ("float16", "bfloat16")}
ROWS = [
    Right("double_inside", "everything in float64, rounded once", computed(by_reference)),
    Right("half_rounded_once", "half precision: sums in float64, rounded once", computed(by_reference), HALF),
    Right("half_rounded_before_the_bias", "half precision: sums rounded, and rounded again once the bias is added", computed(rounded_before_the_bias, "conv"), HALF),
    Right("fortran_answers", "answers in Fortran order", formed(np.asfortranarray)),
    Right("view_answers", "answers as non-contiguous views of fresh memory", formed(within_memory)),
    Right("reversed_answers", "answers walked backwards through fresh memory", formed(lambda array: np.ascontiguousarray(array[..., ::-1])[..., ::-1])),
    Right("channels_last_answers", "answers in channels-last memory", formed(first_axis_innermost)),
    Right("read_only_answers", "answers that cannot be written to", formed(frozen)),
    Right("channels_last_kernel", "images (N, H, W, C) and weights (R, S, C/G, K)", through(channels_last), {"layout": "NHWC"}),
    Right("careful_cache", "answers remembered by everything they depend on, and copied out", careful_cache),
    Right("locked_scratch", "one scratch memory for all calls, behind a lock", locked_scratch),
    Right("growing_pool", "on the threads of a pool, which starts more of them in later calls", growing_pool),
    Right("copied_arguments", "arguments copied before anything else", through(lambda axes: lambda call, arrays, options: call(copied(arrays), options))),
]
