"""Cases of the poolings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from conformance.cases.case import Case, Option, window_outputs, windows_all_hit


@dataclass(frozen=True, kw_only=True)
class Pool(Case):
    """What max and average pooling share: windows over each channel's plane, stride None for the kernel's extents."""

    stride: Option | None = None
    padding: Option = 0
    ceil_mode: bool = False

    MALFORMED: ClassVar[dict[str, str]] = {
        "input_rank": "input has two axes",
        "input_five": "input has five axes",
        "kernel_zero": "kernel_size is 0",
    }

    @property
    def kernel_size(self) -> Option:
        """The kernel as it is passed: an int where it is square and nothing else is given for each axis."""
        square = len(set(self.kernel)) == 1 and not any(
            isinstance(o, tuple) for o in (self.stride, self.padding)
        )
        return 0 if self.malformed == "kernel_zero" else self.kernel[0] if square else self.kernel

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        plane = (*self.leading, self.channels)
        return {"input": (*plane, *self.image), "grad_output": (*plane, *self.output_extents)}

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        return ("output", "grad_input")

    @cached_property
    def output_extents(self) -> tuple[int, ...]:
        if self._option_problem:
            return (1,) * self.dimensions
        axes = zip(
            self.image, self.kernel, self.strides, self.axes(self.padding), self.dilations, strict=True
        )
        return tuple(max(self._outputs(*axis), 0) for axis in axes)

    def _outputs(self, extent: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
        """Windows of an axis; with ceil_mode the last one must start inside the image or its left padding."""
        overhang = stride - 1 if self.ceil_mode else 0
        outputs = window_outputs(extent + overhang, kernel, stride, (padding, padding), dilation)
        return outputs - (self.ceil_mode and (outputs - 1) * stride >= extent + padding)

    def terms(self, output: str) -> int:
        """Taps of a window; for the gradient, windows that hold one pixel."""
        if output == "output":
            return math.prod(self.kernel)
        reach = zip(self.kernel, self.strides, self.dilations, strict=True)
        return math.prod(min(k, math.ceil((d * (k - 1) + 1) / s)) for k, s, d in reach)

    @cached_property
    def _option_problem(self) -> str | None:
        for name, values in {
            "kernel": self.kernel,
            "stride": self.strides,
            "dilation": self.dilations,
        }.items():
            if min(values) < 1:
                return f"{name} {values} is below 1"
        pads = self.axes(self.padding)
        if min(pads) < 0:
            return f"padding={self.padding} is negative"
        if any(p > k // 2 for p, k in zip(pads, self.kernel, strict=True)):
            return f"padding={self.padding} exceeds half of the kernel {self.kernel}"
        return None

    @cached_property
    def problem(self) -> str | None:
        if self.malformed or self._option_problem:
            return self.MALFORMED.get(self.malformed) or self._option_problem
        if min(self.image) < 1 or self.channels < 1:
            return "an extent is 0"
        return "the window exceeds the padded image" if min(self.output_extents) < 1 else None

    @cached_property
    def needs(self) -> frozenset[str]:
        strides, pads = self.strides, self.axes(self.padding)
        per_axis = (self.dilations, pads, () if self.stride is None else strides)
        written = (self.stride, self.padding, getattr(self, "dilation", 1))
        return frozenset(
            feature
            for feature, needed in {
                self.dtype: True,
                "stride": self.stride is not None,
                "stride=None": self.stride is None,
                "padding": any(pads),
                "dilation": any(d != 1 for d in self.dilations),
                "ceil_mode": self.ceil_mode,
                "unbatched": self.batch is None,
                "options per axis": any(len(set(option)) > 1 for option in per_axis),
                "options as tuples": any(isinstance(option, tuple) for option in written),
                "options as tuples of one": any(isinstance(o, tuple) and len(o) == 1 for o in written),
                "images not square": len(set(self.image)) > 1,
                "windows not square": len(set(self.kernel)) > 1,
            }.items()
            if needed
        )


@dataclass(frozen=True, kw_only=True)
class MaxPool(Pool, operations=("max_pool2d",)):
    """The largest of each window; padding never wins; the first of equals, the last NaN."""

    dilation: Option = 1
    return_indices: bool = False

    @property
    def options(self) -> dict[str, Any]:
        names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
        return {name: getattr(self, name) for name in names}

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        return ("output", "indices", "grad_input") if self.return_indices else ("output", "grad_input")

    @cached_property
    def needs(self) -> frozenset[str]:
        return super().needs | ({"return_indices"} if self.return_indices else set())

    @cached_property
    def hazard(self) -> bool:
        """Whether some window's taps all miss the image: PyTorch's gradient then writes out of bounds."""
        if self.problem or max(self.dilations) == 1:
            return False
        axes = zip(
            self.image, self.kernel, self.strides, self.axes(self.padding), self.dilations, self.output_extents,
            strict=True,
        )  # fmt: skip
        return not all(windows_all_hit(*axis) for axis in axes)


@dataclass(frozen=True, kw_only=True)
class AvgPool(Pool, operations=("avg_pool2d",)):
    """The sum of each window over its divisor: divisor_override, or the taps counted (with padding or without)."""

    count_include_pad: bool = True
    divisor_override: int | None = None

    @property
    def options(self) -> dict[str, Any]:
        names = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")
        return {name: getattr(self, name) for name in names}

    @cached_property
    def problem(self) -> str | None:
        return super().problem or ("divisor_override=0" if self.divisor_override == 0 else None)

    @cached_property
    def needs(self) -> frozenset[str]:
        counted = {"count_include_pad": not self.count_include_pad}
        features = counted | {"divisor_override": self.divisor_override is not None}
        return super().needs | {feature for feature, needed in features.items() if needed}
