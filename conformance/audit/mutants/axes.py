"""Options of one axis used for another: every option, every family, the answer and each gradient alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from conformance.audit.mutants import avg_pool, conv_backward, conv_forward, conv_transpose, lp_pool, max_pool
from conformance.audit.mutants.otherwise import Change, Computed, Row, Rows, walked
from conformance.cases.arrays import Arrays

Axes = tuple[Any, ...]
Way = Callable[[Axes], Axes]


def exchanged(one: int, other: int) -> Way:
    return lambda axes: tuple(axes[{one: other, other: one}.get(axis, axis)] for axis in range(-len(axes), 0))


def copied(source: int, target: int) -> Way:
    return lambda axes: tuple(axes[source if axis == target else axis] for axis in range(-len(axes), 0))


OPTIONS: dict[str, tuple[Callable[[Any], Axes], tuple[str, str, str]]] = {  # its words for depth, height and width
    "stride": (lambda case: case.strides, ("sd", "sh", "sw")),
    "padding": (lambda case: tuple(low for low, _ in case.pads), ("pd", "ph", "pw")),
    "dilation": (lambda case: case.dilations, ("dd", "dh", "dw")),
    "output_padding": (lambda case: case.axes(case.output_padding), ("od", "oh", "ow")),
    "kernel": (lambda case: case.kernel, ("T", "R", "S")),
}
NAMES = ("depth", "height", "width")
PLAIN: dict[str, tuple[int, str]] = {"stride": (1, "max(strides) > 1"), "padding": (0, "padded"), "dilation": (1, "max(dilations) > 1")}


def ways(option: str) -> Iterator[tuple[str, str, Way]]:
    """An option of one axis at the place of its neighbour: in words, where it shows, and how."""
    words = OPTIONS[option][1]
    for one, other in ((-2, -1), (-3, -2)):
        shows = f"{words[one]} != {words[other]}"
        yield f"of {NAMES[one]} and {NAMES[other]} swapped", shows, exchanged(one, other)
        yield f"of the {NAMES[one]} used for the {NAMES[other]}", shows, copied(one, other)
        yield f"of the {NAMES[other]} used for the {NAMES[one]}", shows, copied(other, one)


def otherwise(right: Computed, option: str, way: Way) -> Change:
    """Walked with one option of its axes changed ("same" included)."""

    def change(case: Any, arrays: Arrays) -> Any:
        if option == "padding" and isinstance(case.padding, str):
            return right(walked(case, pads=way(case.pads)), arrays)
        return right(walked(case, **{option: way(OPTIONS[option][0](case))}), arrays)

    return change


def in_shape(right: Computed, option: str, way: Way) -> Change:
    """The answer to the changed option, in the shape that follows; the right one where it would be refused."""

    def change(case: Any, arrays: Arrays) -> Any:
        if option == "padding" and isinstance(case.padding, str):
            return {}
        other = replace(case, **{option: way(OPTIONS[option][0](case))})
        return {} if other.problem or min(other.output_extents) < 1 else right(other, arrays)

    return change


def ignored(right: Computed, option: str) -> Change:
    plain: Any = PLAIN[option][0]
    return lambda case, arrays: right(walked(case, **{option: plain}), arrays)


def rows(right: Computed, options: str, where: str) -> Iterator[Row]:
    for option in options.split():
        for words, when, way in ways(option):
            yield f"{option} {words}{where}", when, otherwise(right, option, way)
        if option in PLAIN:
            yield f"{option} ignored{where}", PLAIN[option][1], ignored(right, option)


def rows_in_shape(right: Computed, options: str) -> Iterator[Row]:
    for option in options.split():
        for words, when, way in ways(option):
            yield f"{option} {words}, in the shape of the answer too", when, in_shape(right, option, way)


CONV, MAX_POOL, AVG_POOL = "stride padding dilation", "kernel stride padding dilation", "kernel stride padding"
LP_POOL = "kernel stride"
ROWS: Rows = {
    ("conv", "output"): [*rows(conv_forward.output, CONV, ""), *rows_in_shape(conv_forward.output, CONV)],
    ("conv", "grad_input"): [*rows(conv_backward.gradients, CONV, " in the gradient of the input")],
    ("conv", "grad_weight"): [*rows(conv_backward.gradients, CONV, " in the gradient of the weight")],
    ("conv_transpose", "output"): [*rows(conv_transpose.output, CONV, ""), *rows_in_shape(conv_transpose.output, f"{CONV} output_padding")],
    ("conv_transpose", "grad_input"): [*rows(conv_transpose.gradients, CONV, " in the gradient of the input")],
    ("conv_transpose", "grad_weight"): [*rows(conv_transpose.gradients, CONV, " in the gradient of the weight")],
    ("max_pool", "output indices grad_input"): [*rows(max_pool.everything, MAX_POOL, "")],
    ("max_pool", "grad_input"): [*rows(max_pool.gradient, MAX_POOL, " in the gradient")],
    ("max_pool", "output indices"): [*rows_in_shape(max_pool.forward, MAX_POOL)],
    ("avg_pool", "output"): [*rows(avg_pool.output, AVG_POOL, ""), *rows_in_shape(avg_pool.output, AVG_POOL)],
    ("avg_pool", "grad_input"): [*rows(avg_pool.gradient, AVG_POOL, " in the gradient")],
    ("lp_pool", "output"): [*rows(lp_pool.output, LP_POOL, ""), *rows_in_shape(lp_pool.output, LP_POOL)],
    ("lp_pool", "grad_input"): [*rows(lp_pool.gradient, LP_POOL, " in the gradient")],
}
