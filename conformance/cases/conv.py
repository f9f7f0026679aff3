"""Cases of the convolutions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from conformance.cases.case import Case, Option, window_outputs


@dataclass(frozen=True, kw_only=True)
class Conv(Case, operations=("conv2d",)):
    """y[n,k,q] = b[k] + sum over c and taps t of w[k,c,t] x[n, group(k) C/G + c, q stride - padding + t dilation]."""

    filters: int = 1
    groups: int = 1
    stride: Option = 1
    padding: Option | str = 0
    dilation: Option = 1
    bias: bool = False

    MALFORMED: ClassVar[dict[str, str]] = {
        "weight_channels": "weight has one channel more than input has in a group",
        "weight_one": "weight has one channel where input has several in a group",
        "weight_rank": "weight has three axes",
        "weight_dtype": "weight has another dtype than input",
        "input_one": "input has one channel where weight has several",
        "input_rank": "input has two axes",
        "input_five": "input has five axes",
        "bias_length": "bias is longer than there are filters",
        "bias_one": "bias has one number where there are several filters",
        "bias_rank": "bias has two axes",
        "bias_dtype": "bias has another dtype than input",
    }

    @property
    def options(self) -> dict[str, Any]:
        names = ("stride", "padding", "dilation", "groups")
        return {name: getattr(self, name) for name in names}

    @cached_property
    def array_names(self) -> tuple[str, ...]:
        return ("input", "weight", *(("bias",) if self.bias else ()), "grad_output")

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        per_group = self.channels // max(self.groups, 1)
        shapes = {
            "input": (*self.leading, self.channels, *self.image),
            "weight": (self.filters, per_group, *self.kernel),
            "bias": (self.filters,),
            "grad_output": (*self.leading, self.filters, *self.output_extents),
        }
        return {name: shapes[name] for name in self.array_names}

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        return ("output", "grad_input", "grad_weight", *(("grad_bias",) if self.bias else ()))

    @cached_property
    def output_extents(self) -> tuple[int, ...]:
        if self._option_problem:
            return (1,) * self.dimensions  # a refused case has no output; its grad_output is a formality
        axes = zip(self.image, self.geometry, strict=True)
        return tuple(max(window_outputs(extent, *axis), 0) for extent, axis in axes)

    def terms(self, output: str) -> int:
        taps, images = math.prod(self.kernel), math.prod(self.leading)
        return {
            "output": self.channels // self.groups * taps + self.bias,
            "grad_input": self.filters // self.groups * taps,
            "grad_weight": images * math.prod(self.output_extents),
            "grad_bias": images * math.prod(self.output_extents),
        }[output]

    @cached_property
    def _option_problem(self) -> str | None:
        for name in ("stride", "dilation", "groups"):
            if min(self.axes(getattr(self, name))) < 1:
                return f"{name}={getattr(self, name)} is below 1"
        if isinstance(self.padding, str):
            if self.padding not in ("same", "valid"):
                return f"padding={self.padding} is no mode"
            if self.padding == "same" and max(self.axes(self.stride)) > 1:
                return "padding=same has a stride"
        elif min(self.axes(self.padding)) < 0:
            return f"padding={self.padding} is negative"
        return None

    @cached_property
    def _spoiling(self) -> frozenset[str]:
        """The ways of spoiling that change these arrays: a bias that is there, several of what is cut to one."""
        several = {
            "weight_one": self.channels > self.groups, "input_one": self.channels > 1, "bias_one": self.filters > 1
        }  # fmt: skip
        return frozenset(
            name
            for name in self.MALFORMED
            if several.get(name, True) and (self.bias or not name.startswith("bias"))
        )

    @cached_property
    def problem(self) -> str | None:
        if self._option_problem or self.malformed in self._spoiling:
            return self._option_problem or self.MALFORMED[self.malformed]
        if self.channels % self.groups or self.filters % self.groups:
            return (
                f"channels={self.channels} or filters={self.filters} do not divide into {self.groups} groups"
            )
        if min(self.image) < 1 or min(self.kernel) < 1 or self.channels < 1 or self.filters < 1:
            return "an extent is 0"
        if min(self.output_extents) < 1:
            return "the filter exceeds the padded image"
        return None

    @cached_property
    def needs(self) -> frozenset[str]:
        strides, dilations = self.strides, self.dilations
        pads = () if isinstance(self.padding, str) else self.axes(self.padding)
        written = (self.stride, self.padding, self.dilation)
        return frozenset(
            feature
            for feature, needed in {
                self.dtype: True,
                "bias": self.bias,
                "no bias": not self.bias,
                # Plain too: a (1, 1), which is easily taken for 1; not a (1,).
                "stride": self.stride not in (1, (1,) * self.dimensions),
                "padding": self.padding not in (0, (0,) * self.dimensions),
                "dilation": self.dilation not in (1, (1,) * self.dimensions),
                "groups": self.groups != 1,
                "padding=same": self.padding == "same",
                "padding=valid": self.padding == "valid",
                "unbatched": self.batch is None,
                "options per axis": any(len(set(option)) > 1 for option in (strides, pads, dilations)),
                "options as tuples": any(isinstance(option, tuple) for option in written),
                "options as tuples of one": any(isinstance(o, tuple) and len(o) == 1 for o in written),
                "images not square": len(set(self.image)) > 1,
                "filters not square": len(set(self.kernel)) > 1,
            }.items()
            if needed
        )
