"""One option of a family: what it may be, what a kernel needs for it, and which of its values are worth asking."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from conformance.operations.windows import fitted

# What other libraries and kernels call the arguments that torch.nn.functional has.
OTHER_NAMES = {
    "kernel_size": ("kernel", "kernel_shape", "ksize", "k", "pool_size", "window", "window_shape", "size"),
    "stride": ("strides", "s", "step", "steps", "window_strides"),
    "padding": ("pad", "pads", "paddings", "p"),
    "output_padding": ("output_pad", "out_pad", "opad", "output_pads", "adj"),
    "dilation": ("dilations", "dil", "d", "dilation_rate", "rhs_dilation"),
    "output_size": ("out_size", "output_shape", "osize", "output", "size", "bins"),
    "norm_type": ("norm", "p", "order"),
    "groups": ("group", "g", "num_groups", "n_groups", "ngroups", "feature_group_count"),
    "ceil_mode": ("ceil", "use_ceil"),
    "return_indices": ("indices", "with_indices", "return_mask"),
    "count_include_pad": ("count_padding", "include_pad", "include_padding"),
    "divisor_override": ("divisor",),
}  # fmt: skip

# What kernels call the extents of their arrays, of two image axes: those of a case, and what follows from them.
EXTENT_NAMES = {
    "batch": ("n", "b", "bs", "nb", "batch", "batch_size"),
    "channels": ("c", "ci", "ic", "cin", "c_in", "in_c", "in_channels", "channels", "n_channels"),
    "filters": ("k", "f", "co", "oc", "cout", "c_out", "out_c", "out_channels", "filters", "n_filters"),
    "channels/groups": ("cg", "icg", "c_per_group", "channels_per_group", "cpg"),
    "filters/groups": ("kg", "ocg", "k_per_group", "filters_per_group", "kpg"),
    "image.0": ("h", "ih", "hi", "hin", "h_in", "in_h", "height", "rows"),
    "image.1": ("w", "iw", "wi", "win", "w_in", "in_w", "width", "columns", "cols"),
    "output.0": ("p", "oh", "ho", "hout", "h_out", "out_h", "out_height"),
    "output.1": ("q", "ow", "wo", "wout", "w_out", "out_w", "out_width"),
    "kernel.0": ("r", "kh", "k_h", "fh", "kernel_h", "kernel_height"),
    "kernel.1": ("s", "kw", "k_w", "fw", "kernel_w", "kernel_width"),
    "stride.0": ("sh", "s_h", "stride_h"),
    "stride.1": ("sw", "s_w", "stride_w"),
    "dilation.0": ("dh", "d_h", "dil_h", "dilation_h"),
    "dilation.1": ("dw", "d_w", "dil_w", "dilation_w"),
    "padding.0": ("ph", "p_h", "pad_h", "padding_h"),
    "padding.1": ("pw", "p_w", "pad_w", "padding_w"),
}  # fmt: skip
ARRAY_NAMES = {
    "input": ("x", "input", "inputs", "inp", "image", "images", "data", "src"),
    "weight": ("w", "weight", "weights", "wt", "kernels", "filt"),
    "grad_output": ("g", "dy", "gy", "dout", "grad", "grad_out", "grad_output"),
}

Fields = Mapping[str, Any]  # of a case; a tuple is written for two axes


@dataclass(frozen=True, kw_only=True)
class Option:
    """A field that a family's cases have beside the extents of their arrays.

    default     PyTorch's, or a case's where it is required
    required    whether a function has no default for it
    per_axis    whether it is an int or one int an axis
    types       of its value; () for those of the default
    words       what may be written for a number, and the options that it takes the place of
    least       the smallest number that PyTorch takes
    lenient     whether it answers smaller ones all the same
    dimensions  numbers of image axes of the operations that have it
    gap         the feature that None for one of several axes is, where that may be written
    broadcasts  whether a tuple of one number stands for all axes
    feature     whether a kernel may lack it: then it is a feature by its name
    lacking     the feature that its default is, where a kernel may lack that: "no bias"
    array       whether it says that there is an array of its name; then it is no argument
    output      what is judged only where it is set
    classes     its values in a covering array, of each axis where it is per axis
    within      (value, stride, dilation) of an axis -> the value, or the nearest that PyTorch takes there
    scope       how the small scope takes it: every value ("each"), the other where claimed ("other"), or by turns
    other       a value that is not the default
    probe       the fields of a plain case that needs it
    others      values that follow each other on arrays of the same shapes, in calls of one kernel
    keeps       whether the answer keeps its shape whatever its value: two calls mixed up are seen, not refused
    """

    name: str
    default: Any
    required: bool = False
    per_axis: bool = False
    types: tuple[type, ...] = ()
    words: Mapping[Any, tuple[str, ...]] = field(default_factory=dict)
    least: int | None = None
    lenient: bool = False
    dimensions: tuple[int, ...] = (1, 2, 3)
    gap: str = ""
    broadcasts: bool = True
    feature: bool = True
    lacking: str = ""
    array: bool = False
    output: str = ""
    classes: tuple[Any, ...] = ()
    within: Callable[[int, int, int], int] = lambda value, stride, dilation: value
    scope: str = ""
    other: Any = None
    probe: Fields = field(default_factory=dict)
    others: tuple[Any, ...] = ()
    keeps: bool = False

    def features(self, value: Any, dimensions: int) -> Iterator[str]:
        """The features that a case needs for a value of it."""
        if self.lacking and value == self.default:
            yield self.lacking
        if value in self.words or isinstance(value, str):
            yield f"{self.name}={value}"
        if isinstance(value, tuple) and None in value:
            yield self.gap
        if self.feature and not self.is_plain(value, dimensions):
            yield self.name

    def is_plain(self, value: Any, dimensions: int) -> bool:
        """Whether it is the default, once an axis too: (1, 1) is easily taken for 1; (1,) of two axes is not."""
        return bool(value == self.default or value == (self.default,) * dimensions)

    @property
    def value_types(self) -> tuple[type, ...]:
        return self.types or ((int, tuple) if self.per_axis else (type(self.default),))

    @property
    def every_feature(self) -> Iterator[str]:
        yield from [self.name] * self.feature
        yield from filter(None, (self.lacking, self.gap))
        yield from (f"{self.name}={word}" for word in self.words)

    def refusal(self, value: Any, axes: tuple[Any, ...]) -> str | None:
        """Why PyTorch refuses a value, as far as that can be told without the other options."""
        if isinstance(value, str):
            return None if value in self.words else f"{self.name}={value} is no mode"
        below = (
            self.least is not None
            and not self.lenient
            and any(n is not None and n < self.least for n in axes)
        )
        if not below:
            return None
        return f"{self.name}={value} is below {self.least}"


def fit(fields: Fields, dimensions: int) -> dict[str, Any]:
    """Fields that are written for two axes, for any number of them."""
    return {n: fitted(v, dimensions) if isinstance(v, tuple) else v for n, v in fields.items()}
