"""What convolutions over one, two and three image axes share: everything that is known of them, in one object."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from conformance.operations.dtypes import DTYPES, REAL
from conformance.operations.option import Fields, Option
from conformance.operations.windows import Array, Arrays, Problem, window_outputs

Answers = dict[str, Array]


@dataclass(frozen=True)
class Malformation:
    """A way of spoiling an array that no option can express: the array, the mistake in words, and how it is done.

    changes    whether it changes the arrays of a case
    """

    array: str
    mistake: str
    spoil: Callable[[Array], Array]
    changes: Callable[[Problem], bool] = lambda case: True


@dataclass(frozen=True)
class Tail:
    """A case around one long extent n of an image axis, the channels, the filters or the batch.

    fields     beside the extents; "n" stands for the long one
    image      how the image grows for it: "" not, "reach" by what the windows reach over, "strided" about twofold
    only       the extents it is asked for: "" all, "image", "channels"
    """

    fields: Fields
    image: str = ""
    only: str = ""


@dataclass(frozen=True, kw_only=True)
class Family:
    """A family of operations: one object, with the number of image axes as its parameter.

    What it computes:

    rank         its place in reports
    adjoint      whether its windows lie over its answer, one for each pixel of the image, and not over the image
    kinds        of numbers that it is of (see Dtype)
    array_names  its arrays in the order of the arguments; arrays: (case) -> the shapes of those that it has
    weight_axes  what the first axis of the weight counts, and of what those of a group are counted by the second
    channels_out channels of the output
    indexing     those of them that hold positions, not numbers: they have no gradient
    positions    (generator, case, shape) -> such an array
    settled      (case, arrays) -> nothing: numbers changed in place that are to agree with positions
    outputs      extent of the output along an axis: (case, axis, extent of the image) -> count
    least_output the smallest of them that is an answer; 0 where PyTorch's own kernels answer that, or refuse it
    refusal      why PyTorch refuses a case, beyond what each option says by itself
    refused_values  why PyTorch refuses the positions in arrays
    terms        (case, output) -> the largest number of terms that one element sums
    forward      the answers to a case with a batch axis, in float64 (the reference); backward: the gradients
    aten         the same in PyTorch's operators: (case, tensors, torch.ops.aten) -> the outputs in order; none where
                 its functions and their derivatives are as good

    How it is judged:

    chosen       whether its answer is one of the inputs, so that values and indices are exact
    ties         whether some answers are, so that it is asked which of equals counts
    bilinear     whether it is linear in the input and in the weight: sums of products
    factors      (case, output) -> the arrays whose elements are multiplied for it, where it is not each of them once
    error        (case, arrays, output, unit, subnormal) -> how far rounding may move it, where it is no sum of products
    undecided    the same, but for the output -> by output, where rounding decides between answers far apart
    divides      roundings beside those of the sum
    extra_rounding  (case, arrays, output, accuracy, unit) -> rounding of kernels that multiply transforms or use tables
    may_be_nan   (case, arrays) -> where an output may be NaN and PyTorch's is not
    skipping     (case, arrays) -> what kernels answer that leave out what PyTorch may make NaN
    specials     (case) -> arrays that get NaN and infinities in turn, by the seed
    put_specials (generator, case, arrays, name) -> those of one array put in, and zeros in others
    meaningless  (case) -> whether PyTorch answers what it ought to refuse
    misses       whether PyTorch writes out of bounds where a window's taps all miss the image
    deadly       (case, view) -> whether a view ends the process of PyTorch's own float32 kernels

    What is asked:

    single       whether a kernel over one axis is passed as an int alone
    window       what its windows are called: filter, window
    size         the field of a case that says how large they are: its kernel, or an option
    image        (case, axis, windows, unread) -> an extent of the image, where it follows from no kernel and steps
    completed    (case, unread) -> the case with an option that follows from its image: of an adjoint, what is over
    over         the option without which nothing can be over
    deeper       (case) -> the fields that differ with an axis more in front, where they follow from no kernel
    reaches, far (case, n) -> fields of long windows and options, where there is no kernel
    bounded      the largest padding of a kernel's extent, where there is one
    padding      (class, kernel, dilation) -> padding: none, some, beyond
    counts       classes of its channels, in a covering array, and the fields that follow from a row of them
    kernels      classes of a kernel's extent
    few          channels of a small case; thin: of a large one
    scope        the largest image, kernel and option of each axis that are exhausted on one; paired: on two
    batches      of the small scope, by turns
    tails, extremes, widths, alike, flags  see conformance.cases.sizes and networks
    readings     (case) -> the fields of the cases that read its whole geometry out (see readings)
    summed       (terms, image axes) -> the fields of a case of one window with so many products (see readings)
    refused      fields of a case that the refused ones are made from
    simpler      (case) -> changes to try when a case is shrunk
    """

    name: str
    rank: int
    adjoint: bool = False
    dimensions: tuple[int, ...] = (1, 2, 3)
    kinds: tuple[str, ...] = (REAL,)
    options: tuple[Option, ...]
    keywords: tuple[str, ...]
    malformations: Mapping[str, Malformation]

    array_names: tuple[str, ...]
    indexing: tuple[str, ...] = ()
    positions: Callable[[Any, Problem, tuple[int, ...]], Array] | None = None
    settled: Callable[[Problem, Arrays], None] = lambda case, arrays: None
    arrays: Callable[[Problem], dict[str, tuple[int, ...]]]
    weight_axes: tuple[str, str] = ("filters", "channels")
    channels_out: Callable[[Problem], int]
    outputs: Callable[[Problem, int, int], int]
    least_output: int = 1
    refusal: Callable[[Problem], str | None]
    refused_values: Callable[[Problem, Arrays], str | None] = lambda case, arrays: None
    terms: Callable[[Problem, str], int]
    forward: Callable[[Problem, Arrays], Answers]
    backward: Callable[[Problem, Arrays], Answers]
    aten: Callable[[Problem, dict[str, Any], Any], list[Any]] | None = None

    chosen: bool = False
    ties: bool = False
    bilinear: bool = False
    factors: Callable[[Problem, str], tuple[str, ...]] | None = None
    error: Callable[[Problem, Arrays, str, float, float], Array] | None = None
    undecided: Callable[[Problem, Arrays, float, float], dict[str, Array]] = lambda *_: {}
    divides: int = 0
    extra_rounding: Callable[[Problem, Arrays, str, str, float], Array | float] = lambda *_: 0.0
    may_be_nan: Callable[[Problem, Arrays], dict[str, Array]] = lambda case, arrays: {}
    skipping: Callable[[Problem, Arrays], Answers] = lambda case, arrays: {}
    specials: Callable[[Problem], list[str]]
    put_specials: Callable[[Any, Problem, Arrays, str], None]
    meaningless: Callable[[Problem], bool] = lambda case: False
    misses: bool = False
    deadly: Callable[[Problem, str], bool] = lambda case, view: False

    single: bool = False
    window: str
    size: str = "kernel"
    image: Callable[[Problem, int, int, int], int] | None = None
    completed: Callable[[Problem, tuple[int, ...]], Problem] = lambda case, unread: case
    over: str = ""
    deeper: Callable[[Problem], Fields] | None = None
    reaches: Callable[[Problem, int], Iterator[Fields]] | None = None
    far: Callable[[Problem, int], Iterator[Fields]] | None = None
    bounded: Callable[[int], int] | None = None
    padding: Callable[[str, int, int], int] = lambda kind, kernel, dilation: 0
    counts: Mapping[str, tuple[Any, ...]]
    channels: Callable[[Mapping[str, Any]], dict[str, int]]
    kernels: tuple[int, ...]
    few: Mapping[str, int]
    thin: Mapping[str, int]
    scope: Mapping[str, int]
    paired: Mapping[str, int]
    batches: tuple[int, ...] = (1,)
    tails: tuple[Tail, ...]
    extremes: tuple[Fields, ...]
    widths: tuple[Mapping[str, int], ...]
    alike: tuple[slice, ...]
    flags: tuple[Fields, ...]
    readings: Callable[[Problem], Iterator[Fields]]
    summed: Callable[[int, int], Fields] | None = None
    refused: Fields
    simpler: Callable[[Problem], Iterator[Fields]] = lambda case: iter(())

    def image_for(self, extent: int, kernel: int, stride: int, pads: tuple[int, int], dilation: int) -> int:
        """The image of a case whose windows lie over so long an axis: this one, or as many pixels as it has windows."""
        return window_outputs(extent, kernel, stride, pads, dilation) if self.adjoint else extent

    @cached_property
    def differentiated(self) -> tuple[str, ...]:
        """The arrays that have a gradient."""
        return tuple(name for name in self.array_names if name not in self.indexing)

    @cached_property
    def dtypes(self) -> tuple[str, ...]:
        """The number formats that it is of."""
        return tuple(name for name, dtype in DTYPES.items() if dtype.kind in self.kinds)

    @cached_property
    def has_kernel(self) -> bool:
        """Whether its windows have the extents of a kernel."""
        return self.size == "kernel"

    @cached_property
    def extents(self) -> tuple[str, ...]:
        """The fields of a case that are an extent along each axis."""
        return ("image", "kernel") if self.has_kernel else ("image",)

    @cached_property
    def not_square(self) -> str:
        """The feature of a kernel whose extents differ."""
        return f"{self.window}s not square"

    @cached_property
    def shaped(self) -> tuple[str, ...]:
        """That feature, where there is a kernel."""
        return (self.not_square,) if self.has_kernel else ()
