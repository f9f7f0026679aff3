"""Kernels that answer what PyTorch refuses, and that refuse what it answers: one rule each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.audit.mutants.hooks import BACKWARD, OUTPUTS, Call, Hook, KernelRow, KernelRows, Make, Named, backward, both, forward, sized
from conformance.operations.windows import at


class Called:
    """The arguments of one call, by name, to be mended in place; an option as one int an axis."""

    def __init__(self, arrays: Named, options: Named, axes: int) -> None:
        self.arrays, self.options, self.axes = arrays, options, axes

    def per_axis(self, name: str) -> tuple[Any, ...]:
        option = self.options.get(name, 1)
        option = tuple(option) if isinstance(option, (tuple, list)) else (option,)
        return option * self.axes if len(option) == 1 else option

    @property
    def padding(self) -> tuple[int, ...]:
        """Zero for a padding in words."""
        return (0,) * self.axes if isinstance(self.options["padding"], str) else self.per_axis("padding")

    @property
    def image(self) -> tuple[int, ...]:
        return tuple(self.arrays["input"].shape[-self.axes :])

    @property
    def kernel(self) -> tuple[int, ...]:
        """The extents of the filter, or of the window."""
        return tuple(self.arrays["weight"].shape[-self.axes :]) if "weight" in self.arrays else self.per_axis("kernel_size")

    @property
    def batched(self) -> int:
        """How many axes a batch of images has; a weight has as many."""
        return self.axes + 2

    @property
    def channels(self) -> int:
        return int(self.arrays["input"].shape[-self.axes - 1])

    def whole(self, name: str) -> bool:
        """Whether an array has the axes that a batch of images has, as the weight must."""
        return bool(self.arrays[name].ndim == self.batched)


Mend = Callable[[Called], None]  # makes a refused call acceptable
Refuses = Callable[[Called], Any]


def mended(mend: Mend) -> Make:
    """What should be refused is mended (gradients of refused calls are not asked for)."""

    def hook(axes: int) -> Hook:
        def mend_call(call: Call, arrays: Named, options: Named) -> Any:
            mend(Called(arrays, options, axes))
            return call(arrays, options)

        return mend_call

    return sized(both, hook)


def refused(refuses: Refuses, half: Callable[[Hook], Make] = both) -> Make:
    """Calls that PyTorch answers are refused."""

    def hook(axes: int) -> Hook:
        def refuse_call(call: Call, arrays: Named, options: Named) -> Any:
            if refuses(Called(arrays, options, axes)):
                raise NotImplementedError("not supported")
            return call(arrays, options)

        return refuse_call

    return sized(half, hook)


# Options, mended.


def at_least(name: str, least: int) -> Mend:
    def mend(called: Called) -> None:
        option = called.options[name]
        if option is not None and not isinstance(option, str) and min(called.per_axis(name)) < least:
            called.options[name] = tuple(max(value, least) for value in called.per_axis(name))

    return mend


def width_at_least(name: str, least: int) -> Mend:
    """Only the other axes are checked."""

    def mend(called: Called) -> None:
        if isinstance(called.options[name], (tuple, list)):
            *others, width = called.per_axis(name)
            called.options[name] = (*others, max(width, least))

    return mend


def below_the_steps(called: Called) -> None:
    """An output_padding of the stride and the dilation or more is cut below one of them."""
    axes = zip(called.per_axis("output_padding"), called.per_axis("stride"), called.per_axis("dilation"), strict=True)
    called.options["output_padding"] = tuple(min(more, max(s, d) - 1) for more, s, d in axes)


def groups_at_least_1(called: Called) -> None:
    called.options["groups"] = max(called.options["groups"], 1)


def same_with_stride(called: Called) -> None:
    if called.options["padding"] == "same" and max(called.per_axis("stride")) > 1:
        totals = (d * (k - 1) for d, k in zip(called.per_axis("dilation"), called.kernel, strict=True))
        called.options["padding"] = tuple(total // 2 for total in totals)


def lower_case(called: Called) -> None:
    if isinstance(called.options["padding"], str):
        called.options["padding"] = called.options["padding"].lower()


def unknown_is_valid(called: Called) -> None:
    if isinstance(called.options["padding"], str) and called.options["padding"] != "same":
        called.options["padding"] = "valid"


def padding_of_half(called: Called) -> None:
    pairs = zip(called.per_axis("padding"), called.kernel, strict=True)
    called.options["padding"] = tuple(min(p, k // 2) for p, k in pairs)


def padding_of_dilated_half(called: Called) -> None:
    """Padding is held against half of the dilated window."""
    if min(called.per_axis("dilation")) > 1:
        padding_of_half(called)


def no_divisor_of_0(called: Called) -> None:
    called.options["divisor_override"] = called.options["divisor_override"] or None


def longest_fitting(called: Called) -> tuple[int, ...]:
    """The longest kernel that fits the padded image, along each axis."""
    axes = zip(called.image, called.padding, called.per_axis("dilation"), strict=True)
    return tuple((n + 2 * p - 1) // max(d, 1) + 1 for n, p, d in axes)


def long_filter(called: Called) -> None:
    """A filter that exceeds the padded image is cut to it."""
    if called.whole("weight") and not isinstance(called.options["padding"], str) and min(called.padding) >= 0:
        called.arrays["weight"] = called.arrays["weight"][at(slice(max(1, k)) for k in longest_fitting(called))]


def long_window(called: Called) -> None:
    """A window that exceeds the padded image is cut to it."""
    if min(called.padding) < 0 or min(called.kernel) < 1 or min(called.per_axis("dilation")) < 1:
        return
    cut = tuple(map(min, called.kernel, longest_fitting(called)))
    if called.options["stride"] is None:
        called.options["stride"] = called.options["kernel_size"]
    called.options["kernel_size"] = cut
    padding_of_half(called)


# Arrays, mended.


def extra_channels(called: Called) -> None:
    """Channels of the weight past those of the input are left unread."""
    per_group = called.channels // max(called.options["groups"], 1)
    if called.whole("weight") and called.arrays["weight"].shape[1] > per_group:
        called.arrays["weight"] = called.arrays["weight"][:, :per_group]


def undivided_channels(called: Called) -> None:
    """Channels that do not divide into the groups: the rest is left out."""
    groups, channels = called.options["groups"], called.channels
    if groups > 1 and channels % groups and channels > groups:
        kept = at((slice(channels - channels % groups), *(slice(None),) * called.axes))
        called.arrays |= {"input": called.arrays["input"][kept], "weight": called.arrays["weight"][:, : channels // groups]}


def undivided_filters(called: Called) -> None:
    groups, filters = called.options["groups"], len(called.arrays["weight"])
    if groups > 1 and filters % groups and filters > groups:
        kept = slice(filters - filters % groups)
        for name in ("weight", "bias"):
            if called.arrays[name] is not None:
                called.arrays[name] = called.arrays[name][kept]
        if "grad_output" in called.arrays:
            called.arrays["grad_output"] = called.arrays["grad_output"][at((kept, *(slice(None),) * called.axes))]


def long_bias(called: Called) -> None:
    if called.arrays["bias"] is not None and called.arrays["bias"].ndim == 1:
        called.arrays["bias"] = called.arrays["bias"][: len(called.arrays["weight"])]


def bias_of_any_rank(called: Called) -> None:
    if called.arrays["bias"] is not None and called.arrays["bias"].ndim != 1:
        called.arrays["bias"] = called.arrays["bias"].reshape(-1)


def bias_of_one(called: Called) -> None:
    if called.arrays["bias"] is not None and called.arrays["bias"].shape == (1,):
        called.arrays["bias"] = np.repeat(called.arrays["bias"], len(called.arrays["weight"]))


def expected_channels(called: Called) -> int:
    """Those that the weight asks of the input."""
    weight = called.arrays.get("weight")
    return 1 if weight is None or not called.whole("weight") else int(weight.shape[1] * called.options["groups"])


def input_without_channels(called: Called) -> None:
    if called.arrays["input"].ndim == called.axes:
        called.arrays["input"] = np.repeat(called.arrays["input"][None], expected_channels(called), axis=0)


def input_of_one_channel(called: Called) -> None:
    if called.whole("input") and called.arrays["input"].shape[1] == 1 < expected_channels(called):
        called.arrays["input"] = np.repeat(called.arrays["input"], expected_channels(called), axis=1)


def input_of_another_axis(called: Called) -> None:
    if called.arrays["input"].ndim == called.batched + 1:
        called.arrays["input"] = called.arrays["input"].reshape(-1, *called.arrays["input"].shape[2:])


def weight_without_filters(called: Called) -> None:
    weight, bias, groups = called.arrays["weight"], called.arrays["bias"], called.options["groups"]
    if weight.ndim == called.batched - 1:
        filters = max(1, len(bias) if bias is not None else groups)
        called.arrays["weight"] = np.resize(weight, (filters, called.channels // groups, *weight.shape[1:]))


def weight_of_one_channel(called: Called) -> None:
    """A single channel of the weight is repeated for all of the input's, as broadcasting does."""
    per_group = called.channels // max(called.options["groups"], 1)
    if called.whole("weight") and called.arrays["weight"].shape[1] == 1 < per_group:
        called.arrays["weight"] = np.repeat(called.arrays["weight"], per_group, axis=1)


def converted(name: str) -> Mend:
    def mend(called: Called) -> None:
        if called.arrays[name] is not None:
            called.arrays[name] = called.arrays[name].astype(called.arrays["input"].dtype)

    return mend


# Answers to what is refused.


def answering(answer: Callable[[Named, ValueError], Any]) -> Make:
    """What the right function refuses is answered."""

    def hook(call: Call, arrays: Named, options: Named) -> Any:
        try:
            return call(arrays, options)
        except ValueError as error:
            return answer(arrays, error)

    return forward(hook)


def nothing_of_a_long_filter(arrays: Named, error: ValueError) -> Any:
    if "exceeds the padded image" not in str(error):
        raise error
    input, weight = arrays["input"], arrays["weight"]
    axes = weight.ndim - 2
    return np.zeros((*input.shape[: -1 - axes], len(weight), *(0,) * axes), input.dtype)


# Refused, though PyTorch answers.


def no_images(called: Called) -> bool:
    return bool(called.arrays["input"].size == 0)


def unbatched(called: Called) -> bool:
    return bool(called.arrays["input"].ndim == called.batched - 1)


def tuples_of_one(called: Called) -> bool:
    """Where there is more than one axis."""
    return called.axes > 1 and any(isinstance(option, tuple) and len(option) == 1 for option in called.options.values())


def filter_of_image(called: Called) -> bool:
    axes = zip(called.image, called.kernel, called.padding, called.per_axis("dilation"), strict=True)
    return any(d * (k - 1) + 1 == n + 2 * p > 1 for n, k, p, d in axes)


def window_beyond_image(called: Called) -> bool:
    return any(k > n + 2 * p for n, k, p in zip(called.image, called.kernel, called.padding, strict=True))


def dilated(called: Called) -> bool:
    return bool(max(called.per_axis("dilation")) > 1)


REFUSED = "arguments that PyTorch refuses"


def answered(*rows: tuple[str, Mend]) -> list[KernelRow]:
    return [(sentence, REFUSED, mended(mend)) for sentence, mend in rows]


POOL = answered(
    ("a kernel_size of 0 is taken for 1", at_least("kernel_size", 1)),
    ("a stride below 1 is taken for 1", at_least("stride", 1)),
    ("a negative padding is taken for 0", at_least("padding", 0)),
    ("a padding of more than half of the window is cut", padding_of_half),
    ("a window that exceeds the padded image is answered", long_window),
    ("an input without channels is answered", input_without_channels),
    ("an input of an axis too many is answered", input_of_another_axis),
)
CONV = answered(
    ("a negative padding is taken for 0", at_least("padding", 0)),
    ("a negative padding of the width is taken for 0", width_at_least("padding", 0)),
    ("a stride below 1 is taken for 1", at_least("stride", 1)),
    ("a stride below 1 of the width is taken for 1", width_at_least("stride", 1)),
    ("a dilation below 1 is taken for 1", at_least("dilation", 1)),
    ("groups below 1 are taken for 1", groups_at_least_1),
    ("a weight of more channels than the input is answered", extra_channels),
    ("channels that do not divide into the groups are answered", undivided_channels),
    ("filters that do not divide into the groups are answered", undivided_filters),
    ("a bias longer than the filters is cut", long_bias),
    ("a bias of more than one axis is flattened", bias_of_any_rank),
    ("an input without channels is answered", input_without_channels),
    ("a weight of an axis too few is answered", weight_without_filters),
    ("a weight of another dtype is converted", converted("weight")),
    ("a bias of another dtype is converted", converted("bias")),
    ("padding=same with a stride is answered", same_with_stride),
    ("padding=SAME in capitals is answered", lower_case),
    ("an unknown padding mode is taken for valid", unknown_is_valid),
    ("a filter that exceeds the padded image is answered", long_filter),
    ("a weight of one channel is repeated for all", weight_of_one_channel),
    ("an input of one channel is repeated for all", input_of_one_channel),
    ("a bias of one number is added to every filter", bias_of_one),
    ("an input of an axis too many is answered", input_of_another_axis),
)
EMPTY: list[KernelRow] = [("a batch of no images is refused", "N == 0", refused(no_images)), ("an input without a batch axis is refused", "unbatched", refused(unbatched))]
EMPTY_OF_POOL: list[KernelRow] = [
    ("a batch of no images is refused in ceil_mode", "N == 0 and ceil", refused(lambda called: no_images(called) and called.options["ceil_mode"])),
    ("a window beyond the padded image is refused in ceil_mode", "ceil", refused(window_beyond_image)),
]
REFUSED_BY_CONV: list[KernelRow] = [
    ("a batch of no images is refused where there are groups", "N == 0 and G > 1", refused(lambda called: no_images(called) and called.options["groups"] > 1)),
    ("an option that is a tuple of length 1 is refused", "such an option, of an image that has an H", refused(tuples_of_one)),
    ("a filter as large as the padded image is refused", "a filter as long as the padded image", refused(filter_of_image)),
    ("a stride longer than the filter is refused", "gaps", refused(lambda called: any(s > k for s, k in zip(called.per_axis("stride"), called.kernel, strict=True)))),
    ("padding=same is refused for filters of an even size", "same and even", refused(lambda called: called.options["padding"] == "same" and any(k % 2 == 0 for k in called.kernel))),
    ("dilation with a stride is refused", "max(dilations) > 1 and max(strides) > 1", refused(lambda called: dilated(called) and max(called.per_axis("stride")) > 1)),
]
ROWS: KernelRows = {
    ("conv", "output"): [
        *CONV,
        ("a filter that exceeds the padded image gives an empty answer", REFUSED, answering(nothing_of_a_long_filter)),
        ("whatever is wrong with the arguments, zeros are answered", REFUSED, answering(lambda arrays, error: np.zeros(1, arrays["input"].dtype))),
    ],
    ("conv", OUTPUTS["conv"]): [*EMPTY, *REFUSED_BY_CONV],
    ("conv", BACKWARD["conv"]): [
        ("the gradients refuse padding beyond the filter's reach", "max(pads) > 0", refused(lambda called: any(p > k - 1 for p, k in zip(called.padding, called.kernel, strict=True)), backward)),
        ("the gradients refuse groups", "G > 1", refused(lambda called: called.options["groups"] > 1, backward)),
    ],
    ("conv_transpose", "output"): [
        *answered(
            ("an output_padding of the stride and the dilation or more is cut", below_the_steps),
            ("a negative output_padding is taken for 0", at_least("output_padding", 0)),
            ("a negative padding is taken for 0", at_least("padding", 0)),
            ("a stride below 1 is taken for 1", at_least("stride", 1)),
            ("a dilation below 1 is taken for 1", at_least("dilation", 1)),
            ("groups below 1 are taken for 1", groups_at_least_1),
            ("a bias of more than one axis is flattened", bias_of_any_rank),
            ("a weight of another dtype is converted", converted("weight")),
            ("an input of an axis too many is answered", input_of_another_axis),
        ),
        ("whatever is wrong with the arguments, zeros are answered", REFUSED, answering(lambda arrays, error: np.zeros(1, arrays["input"].dtype))),
    ],
    ("conv_transpose", OUTPUTS["conv_transpose"]): [
        *EMPTY,
        ("an output_padding of the stride or more is refused", "outpads_of_a_stride", refused(lambda called: any(more >= s for more, s in zip(called.per_axis("output_padding"), called.per_axis("stride"), strict=True)))),
        ("a stride longer than the filter is refused", "gaps", refused(lambda called: any(s > k for s, k in zip(called.per_axis("stride"), called.kernel, strict=True)))),
        ("padding beyond the filter's reach is refused", "max(pads) > 0", refused(lambda called: any(p > k - 1 for p, k in zip(called.padding, called.kernel, strict=True)))),
    ],
    ("conv_transpose", BACKWARD["conv_transpose"]): [("the gradients refuse groups", "G > 1", refused(lambda called: called.options["groups"] > 1, backward))],
    ("max_pool", "output"): [
        *POOL,
        *answered(("a dilation below 1 is taken for 1", at_least("dilation", 1)), ("padding up to half of the dilated window is answered", padding_of_dilated_half)),
    ],
    ("max_pool", OUTPUTS["max_pool"]): [*EMPTY, *EMPTY_OF_POOL, ("an input with NaN is refused", "nan", refused(lambda called: np.isnan(called.arrays["input"]).any()))],
    ("max_pool", BACKWARD["max_pool"]): [("the gradient refuses dilation", "max(dilations) > 1", refused(dilated, backward))],
    ("avg_pool", "output"): [*POOL, *answered(("a divisor_override of 0 is ignored", no_divisor_of_0))],
    ("avg_pool", OUTPUTS["avg_pool"]): [
        *EMPTY,
        *EMPTY_OF_POOL,
        ("a negative divisor_override is refused", "divisor is not None and divisor < 0", refused(lambda called: (called.options["divisor_override"] or 1) < 0)),
    ],
}
