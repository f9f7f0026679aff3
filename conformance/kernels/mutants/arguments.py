"""Kernels that answer what PyTorch refuses, and that refuse what it answers: one rule each."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from conformance.kernels.mutants.registry import hooked, kernel

Options = dict[str, Any]
Mend = Callable[[dict[str, Any], Options], None]  # makes a refused call acceptable, in place

ALL_OUTPUTS = {
    "conv2d": "output grad_input grad_weight grad_bias",
    "max_pool2d": "output indices grad_input",
    "avg_pool2d": "output grad_input",
}


def _lenient(operation: str, mend: Mend) -> Callable[[], SimpleNamespace]:
    """A forward that mends what it should refuse (gradients of refused calls are not asked for)."""

    def hook(call: Any, arrays: dict[str, Any], options: Options) -> Any:
        mend(arrays, options)
        return call(arrays, options)

    return lambda: hooked(operation, hook)


def _pair(option: Any) -> tuple[Any, ...]:
    return (
        tuple(option) * (2 if len(option) == 1 else 1)
        if isinstance(option, (tuple, list))
        else (option, option)
    )


def _at_least(name: str, least: int) -> Mend:
    def mend(arrays: dict[str, Any], options: Options) -> None:
        option = options[name]
        if option is not None and not isinstance(option, str) and min(_pair(option)) < least:
            options[name] = tuple(max(value, least) for value in _pair(option))

    return mend


def _at_least_of_one_axis(name: str, axis: int, least: int) -> Mend:
    """Only the other axis is checked."""

    def mend(arrays: dict[str, Any], options: Options) -> None:
        option = options[name]
        if isinstance(option, (tuple, list)):
            pair = list(_pair(option))
            pair[axis] = max(pair[axis], least)
            options[name] = tuple(pair)

    return mend


def _groups_at_least_1(arrays: dict[str, Any], options: Options) -> None:
    options["groups"] = max(options["groups"], 1)


def _extra_channels(arrays: dict[str, Any], options: Options) -> None:
    """Channels of the weight past those of the input are left unread."""
    per_group = arrays["input"].shape[-3] // max(options["groups"], 1)
    if arrays["weight"].ndim == 4 and arrays["weight"].shape[1] > per_group:
        arrays["weight"] = arrays["weight"][:, :per_group]


def _undivided_channels(arrays: dict[str, Any], options: Options) -> None:
    """Channels that do not divide into the groups: the rest is left out."""
    groups, channels = options["groups"], arrays["input"].shape[-3]
    if groups > 1 and channels % groups and channels > groups:
        arrays["input"] = arrays["input"][..., : channels - channels % groups, :, :]
        arrays["weight"] = arrays["weight"][:, : channels // groups]


def _undivided_filters(arrays: dict[str, Any], options: Options) -> None:
    groups, filters = options["groups"], arrays["weight"].shape[0]
    if groups > 1 and filters % groups and filters > groups:
        kept = filters - filters % groups
        arrays["weight"] = arrays["weight"][:kept]
        if arrays["bias"] is not None:
            arrays["bias"] = arrays["bias"][:kept]
        if "grad_output" in arrays:
            arrays["grad_output"] = arrays["grad_output"][..., :kept, :, :]


def _long_bias(arrays: dict[str, Any], options: Options) -> None:
    if arrays["bias"] is not None and arrays["bias"].ndim == 1:
        arrays["bias"] = arrays["bias"][: arrays["weight"].shape[0]]


def _bias_of_any_rank(arrays: dict[str, Any], options: Options) -> None:
    if arrays["bias"] is not None and arrays["bias"].ndim != 1:
        arrays["bias"] = arrays["bias"].reshape(-1)


def _input_of_two_axes(arrays: dict[str, Any], options: Options) -> None:
    if arrays["input"].ndim == 2:
        channels = arrays["weight"].shape[1] * options["groups"] if "weight" in arrays else 1
        arrays["input"] = np.repeat(arrays["input"][None], channels, axis=0)


def _weight_of_three_axes(arrays: dict[str, Any], options: Options) -> None:
    if arrays["weight"].ndim == 3:
        channels = arrays["input"].shape[-3] // options["groups"]
        filters = max(1, arrays["bias"].shape[0] if arrays["bias"] is not None else options["groups"])
        arrays["weight"] = np.resize(arrays["weight"], (filters, channels, *arrays["weight"].shape[1:]))


def _mixed_dtype(name: str) -> Mend:
    def mend(arrays: dict[str, Any], options: Options) -> None:
        if arrays[name] is not None:
            arrays[name] = arrays[name].astype(arrays["input"].dtype)

    return mend


def _same_with_stride(arrays: dict[str, Any], options: Options) -> None:
    if options["padding"] == "same" and max(_pair(options["stride"])) > 1:
        reach = (
            d * (k - 1) for d, k in zip(_pair(options["dilation"]), arrays["weight"].shape[-2:], strict=True)
        )
        options["padding"] = tuple(total // 2 for total in reach)


def _any_case_of_letters(arrays: dict[str, Any], options: Options) -> None:
    if isinstance(options["padding"], str):
        options["padding"] = options["padding"].lower()


def _other_modes_are_valid(arrays: dict[str, Any], options: Options) -> None:
    if isinstance(options["padding"], str) and options["padding"] != "same":
        options["padding"] = "valid"


def _long_filter(arrays: dict[str, Any], options: Options) -> None:
    """A filter that exceeds the padded image is cut to it."""
    if (
        arrays["weight"].ndim != 4
        or isinstance(options["padding"], str)
        or min(_pair(options["padding"])) < 0
    ):
        return
    axes = zip(arrays["input"].shape[-2:], _pair(options["padding"]), _pair(options["dilation"]), strict=True)
    r, s = (max(1, (n + 2 * p - 1) // max(d, 1) + 1) for n, p, d in axes)
    arrays["weight"] = arrays["weight"][..., :r, :s]


def _long_window(arrays: dict[str, Any], options: Options) -> None:
    """A window that exceeds the padded image is cut to it."""
    if min(_pair(options["padding"])) < 0 or min(_pair(options["kernel_size"])) < 1:
        return
    stride, dilations = options["stride"], _pair(options.get("dilation", 1))
    if min(dilations) < 1:
        return
    axes = zip(
        arrays["input"].shape[-2:],
        _pair(options["padding"]),
        dilations,
        _pair(options["kernel_size"]),
        strict=True,
    )
    cut = tuple(min(k, (n + 2 * p - 1) // d + 1) for n, p, d, k in axes)
    options["stride"] = options["kernel_size"] if stride is None else stride
    options["kernel_size"] = cut
    options["padding"] = tuple(min(p, k // 2) for p, k in zip(_pair(options["padding"]), cut, strict=True))


def _long_padding(arrays: dict[str, Any], options: Options) -> None:
    kernel_size = _pair(options["kernel_size"])
    options["padding"] = tuple(
        min(p, k // 2) for p, k in zip(_pair(options["padding"]), kernel_size, strict=True)
    )


def _padding_up_to_the_dilated_half(arrays: dict[str, Any], options: Options) -> None:
    """Padding is held against half of the dilated window."""
    if min(_pair(options["dilation"])) > 1:
        _long_padding(arrays, options)


def _weight_of_one_channel(arrays: dict[str, Any], options: Options) -> None:
    """A single channel of the weight is repeated for all of the input's, as broadcasting does."""
    per_group = arrays["input"].shape[-3] // max(options["groups"], 1)
    if arrays["weight"].ndim == 4 and arrays["weight"].shape[1] == 1 < per_group:
        arrays["weight"] = np.repeat(arrays["weight"], per_group, axis=1)


def _input_of_one_channel(arrays: dict[str, Any], options: Options) -> None:
    expected = arrays["weight"].shape[1] * options["groups"] if arrays["weight"].ndim == 4 else 1
    if arrays["input"].ndim == 4 and arrays["input"].shape[1] == 1 < expected:
        arrays["input"] = np.repeat(arrays["input"], expected, axis=1)


def _bias_of_one(arrays: dict[str, Any], options: Options) -> None:
    if arrays["bias"] is not None and arrays["bias"].shape == (1,):
        arrays["bias"] = np.repeat(arrays["bias"], arrays["weight"].shape[0])


def _input_of_five_axes(arrays: dict[str, Any], options: Options) -> None:
    if arrays["input"].ndim == 5:
        arrays["input"] = arrays["input"].reshape(-1, *arrays["input"].shape[2:])


def _divisor_0(arrays: dict[str, Any], options: Options) -> None:
    options["divisor_override"] = options["divisor_override"] or None


CONV: dict[str, tuple[str, Mend]] = {
    "negative_padding": ("a negative padding is taken for 0", _at_least("padding", 0)),
    "negative_padding_of_width": (
        "a negative padding of the width is taken for 0",
        _at_least_of_one_axis("padding", 1, 0),
    ),
    "stride_0": ("a stride below 1 is taken for 1", _at_least("stride", 1)),
    "stride_0_of_width": (
        "a stride below 1 of the width is taken for 1",
        _at_least_of_one_axis("stride", 1, 1),
    ),
    "dilation_0": ("a dilation below 1 is taken for 1", _at_least("dilation", 1)),
    "groups_0": ("groups below 1 are taken for 1", _groups_at_least_1),
    "extra_channels": ("a weight of more channels than the input is answered", _extra_channels),
    "undivided_channels": ("channels that do not divide into the groups are answered", _undivided_channels),
    "undivided_filters": ("filters that do not divide into the groups are answered", _undivided_filters),
    "long_bias": ("a bias longer than the filters is cut", _long_bias),
    "bias_of_any_rank": ("a bias of more than one axis is flattened", _bias_of_any_rank),
    "input_of_two_axes": ("an input of two axes is answered", _input_of_two_axes),
    "weight_of_three_axes": ("a weight of three axes is answered", _weight_of_three_axes),
    "mixed_weight": ("a weight of another dtype is converted", _mixed_dtype("weight")),
    "mixed_bias": ("a bias of another dtype is converted", _mixed_dtype("bias")),
    "same_with_stride": ("padding=same with a stride is answered", _same_with_stride),
    "capital_mode": ("padding=SAME in capitals is answered", _any_case_of_letters),
    "unknown_mode": ("an unknown padding mode is taken for valid", _other_modes_are_valid),
    "long_filter": ("a filter that exceeds the padded image is answered", _long_filter),
    "weight_of_one_channel": ("a weight of one channel is repeated for all", _weight_of_one_channel),
    "input_of_one_channel": ("an input of one channel is repeated for all", _input_of_one_channel),
    "bias_of_one": ("a bias of one number is added to every filter", _bias_of_one),
    "input_of_five_axes": ("an input of five axes is answered", _input_of_five_axes),
}
POOL: dict[str, tuple[str, Mend]] = {
    "kernel_0": ("a kernel_size of 0 is taken for 1", _at_least("kernel_size", 1)),
    "stride_0": ("a stride below 1 is taken for 1", _at_least("stride", 1)),
    "negative_padding": ("a negative padding is taken for 0", _at_least("padding", 0)),
    "long_padding": ("a padding of more than half of the window is cut", _long_padding),
    "long_window": ("a window that exceeds the padded image is answered", _long_window),
    "input_of_two_axes": ("an input of two axes is answered", _input_of_two_axes),
    "input_of_five_axes": ("an input of five axes is answered", _input_of_five_axes),
}
ANSWERED: dict[str, dict[str, tuple[str, Mend]]] = {
    "conv2d": CONV,
    "max_pool2d": POOL | {
            "dilation_0": ("a dilation below 1 is taken for 1", _at_least("dilation", 1)),
        "dilated_padding": ("padding up to half of the dilated window is answered", _padding_up_to_the_dilated_half),
    },
    "avg_pool2d": POOL | {"divisor_0": ("a divisor_override of 0 is ignored", _divisor_0)},
}  # fmt: skip

for _operation, _mends in ANSWERED.items():
    for _name, (_sentence, _mend) in _mends.items():
        kernel(
            _operation, "output", _sentence, "arguments that PyTorch refuses", f"{_operation}_answers_{_name}"
        )(_lenient(_operation, _mend))


@kernel(
    "conv2d",
    "output",
    "a filter that exceeds the padded image gives an empty answer",
    "arguments that PyTorch refuses",
)
def conv2d_answers_with_nothing() -> SimpleNamespace:
    def hook(call: Any, arrays: dict[str, Any], options: Options) -> Any:
        try:
            return call(arrays, options)
        except ValueError as error:
            if "exceeds the padded image" not in str(error):
                raise
            return np.zeros(
                (*arrays["input"].shape[:-3], arrays["weight"].shape[0], 0, 0), arrays["input"].dtype
            )

    return hooked("conv2d", hook, only="forward")


@kernel(
    "conv2d",
    "output",
    "whatever is wrong with the arguments, zeros are answered",
    "arguments that PyTorch refuses",
)
def conv2d_answers_zeros() -> SimpleNamespace:
    def hook(call: Any, arrays: dict[str, Any], options: Options) -> Any:
        try:
            return call(arrays, options)
        except ValueError:
            return np.zeros(1, arrays["input"].dtype)

    return hooked("conv2d", hook, only="forward")


# Refused, though PyTorch answers.

Refuses = Callable[[dict[str, Any], Options], Any]


def refusal(
    operation: str, name: str, sentence: str, when: str, only: str = ""
) -> Callable[[Refuses], Refuses]:
    """Register a mutant that refuses the calls for which the decorated function is true."""
    outputs = [o for o in ALL_OUTPUTS[operation].split() if only != "backward" or o.startswith("grad_")]

    def register(refuses: Refuses) -> Refuses:
        def hook(call: Any, arrays: dict[str, Any], options: Options) -> Any:
            if refuses(arrays, options):
                raise NotImplementedError("not supported")
            return call(arrays, options)

        kernel(operation, " ".join(outputs), sentence, when, f"{operation}_refuses_{name}")(
            lambda: hooked(operation, hook, only=only)
        )
        return refuses

    return register


@refusal("conv2d", "no_images", "a batch of no images is refused", "N == 0")
@refusal("max_pool2d", "no_images", "a batch of no images is refused", "N == 0")
@refusal("avg_pool2d", "no_images", "a batch of no images is refused", "N == 0")
def _no_images(arrays: dict[str, Any], options: Options) -> bool:
    return bool(arrays["input"].size == 0)


@refusal(
    "conv2d",
    "no_images_of_groups",
    "a batch of no images is refused where there are groups",
    "N == 0 and G > 1",
)
def _no_images_of_groups(arrays: dict[str, Any], options: Options) -> bool:
    return bool(arrays["input"].size == 0 and options["groups"] > 1)


@refusal("max_pool2d", "no_images_of_ceil", "a batch of no images is refused in ceil_mode", "N == 0 and ceil")
@refusal("avg_pool2d", "no_images_of_ceil", "a batch of no images is refused in ceil_mode", "N == 0 and ceil")
def _no_images_of_ceil(arrays: dict[str, Any], options: Options) -> bool:
    return bool(arrays["input"].size == 0 and options["ceil_mode"])


@refusal("max_pool2d", "large_window", "a window beyond the padded image is refused in ceil_mode", "ceil")
@refusal("avg_pool2d", "large_window", "a window beyond the padded image is refused in ceil_mode", "ceil")
def _large_window(arrays: dict[str, Any], options: Options) -> bool:
    axes = arrays["input"].shape[-2:], _pair(options["kernel_size"]), _pair(options["padding"])
    return any(k > n + 2 * p for n, k, p in zip(*axes, strict=True))


@refusal("conv2d", "unbatched", "an input without a batch axis is refused", "unbatched")
@refusal("max_pool2d", "unbatched", "an input without a batch axis is refused", "unbatched")
@refusal("avg_pool2d", "unbatched", "an input without a batch axis is refused", "unbatched")
def _unbatched(arrays: dict[str, Any], options: Options) -> bool:
    return bool(arrays["input"].ndim == 3)


@refusal("conv2d", "tuples_of_one", "an option that is a tuple of length 1 is refused", "such an option")
def _tuples_of_one(arrays: dict[str, Any], options: Options) -> bool:
    return any(isinstance(option, tuple) and len(option) == 1 for option in options.values())


@refusal(
    "conv2d",
    "padding_beyond_filter",
    "the gradients refuse padding beyond the filter's reach",
    "ph > R - 1 or pw > S - 1",
    only="backward",
)
def _padding_beyond_filter(arrays: dict[str, Any], options: Options) -> bool:
    return any(p > k - 1 for p, k in zip(_pads(options), arrays["weight"].shape[-2:], strict=True))


@refusal(
    "conv2d",
    "large_filter",
    "a filter as large as the padded image is refused",
    "reach_h == H + 2 * ph or reach_w == W + 2 * pw",
)
def _large_filter(arrays: dict[str, Any], options: Options) -> bool:
    shapes = (
        arrays["input"].shape[-2:],
        arrays["weight"].shape[-2:],
        _pads(options),
        _pair(options["dilation"]),
    )
    return any(d * (k - 1) + 1 == n + 2 * p > 1 for n, k, p, d in zip(*shapes, strict=True))


def _pads(options: Options) -> tuple[int, ...]:
    return (0, 0) if isinstance(options["padding"], str) else _pair(options["padding"])


@refusal("conv2d", "stride_beyond_filter", "a stride longer than the filter is refused", "sh > R or sw > S")
def _stride_beyond_filter(arrays: dict[str, Any], options: Options) -> bool:
    return any(s > k for s, k in zip(_pair(options["stride"]), arrays["weight"].shape[-2:], strict=True))


@refusal(
    "conv2d",
    "same_of_even_filters",
    "padding=same is refused for filters of an even size",
    "same and (R % 2 == 0 or S % 2 == 0)",
)
def _same_of_even_filters(arrays: dict[str, Any], options: Options) -> bool:
    return options["padding"] == "same" and any(k % 2 == 0 for k in arrays["weight"].shape[-2:])


@refusal(
    "conv2d", "dilated_stride", "dilation with a stride is refused", "max(dh, dw) > 1 and max(sh, sw) > 1"
)
def _dilated_stride(arrays: dict[str, Any], options: Options) -> bool:
    return bool(max(_pair(options["dilation"])) > 1 and max(_pair(options["stride"])) > 1)


@refusal("conv2d", "gradients_of_groups", "the gradients refuse groups", "G > 1", only="backward")
def _gradients_of_groups(arrays: dict[str, Any], options: Options) -> bool:
    return bool(options["groups"] > 1)


@refusal("max_pool2d", "nan", "an input with NaN is refused", "nan")
def _nan(arrays: dict[str, Any], options: Options) -> bool:
    return bool(np.isnan(arrays["input"]).any())


@refusal(
    "max_pool2d", "gradients_of_dilation", "the gradient refuses dilation", "max(dh, dw) > 1", only="backward"
)
def _gradients_of_dilation(arrays: dict[str, Any], options: Options) -> bool:
    return bool(max(_pair(options["dilation"])) > 1)


@refusal(
    "avg_pool2d",
    "negative_divisor",
    "a negative divisor_override is refused",
    "divisor is not None and divisor < 0",
)
def _negative_divisor(arrays: dict[str, Any], options: Options) -> bool:
    return (options["divisor_override"] or 1) < 0
