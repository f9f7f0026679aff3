"""What mistakes are made of: a right computation, asked, given, walked or changed otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from conformance.cases import Case
from conformance.cases.arrays import Array, Arrays
from conformance.operations.windows import at, borders

Change = Callable[[Any, Arrays], Any]  # a case and its arrays -> an array, or answers by name
Edit = Callable[[Any, Array], Any]  # a case and one of its arrays or answers -> another array
Row = tuple[str, str, Change]  # the mistake in words, where it can show, what is done otherwise
Rows = dict[tuple[str, str], list[Row]]  # family, outputs -> the mistakes

ALL, FIRST, LAST = slice(None), slice(0, 1), slice(-1, None)


@dataclass(frozen=True)
class Computed:
    """A right computation of an array, or of answers by name, and what may be done otherwise."""

    compute: Change

    def __call__(self, case: Any, arrays: Arrays) -> Any:
        return self.compute(case, arrays)

    def walked(self, **options: Any) -> Change:
        """Steps by other options (a value, or a function of the case); the answer keeps its shape."""
        return lambda case, arrays: self.compute(walked(case, **_read(case, options)), arrays)

    def asked(self, **fields: Any) -> Change:
        """Answers another case (a value, or a function of the case), in the shape that follows."""
        return lambda case, arrays: self.compute(replace(case, **_read(case, fields)), arrays)

    def given(self, **edits: Edit) -> Change:
        """Reads other arrays."""
        return lambda case, arrays: self.compute(case, edited(case, arrays, **edits))

    def changed(self, edit: Edit) -> Change:
        """Right, then changed: each of the answers where there are several."""

        def change(case: Any, arrays: Arrays) -> Any:
            right = self.compute(case, arrays)
            if isinstance(right, dict):
                return {name: edit(case, answer) for name, answer in right.items()}
            return edit(case, right)

        return change


def both_of(forward: Change, backward: Change) -> Computed:
    """The answer, and the gradient where there is a grad_output."""

    def compute(case: Any, arrays: Arrays) -> dict[str, Array]:
        answers = {"output": forward(case, arrays)}
        return answers | ({"grad_input": backward(case, arrays)} if "grad_output" in arrays else {})

    return Computed(compute)


def _read(case: Any, options: dict[str, Any]) -> dict[str, Any]:
    return {name: value(case) if callable(value) else value for name, value in options.items()}


def edited(case: Any, arrays: Arrays, **edits: Edit) -> Arrays:
    """The arrays, those that are there edited."""
    return arrays | {name: np.asarray(edit(case, arrays[name])) for name, edit in edits.items() if name in arrays}


# The case, walked otherwise.


class Walked:
    """A case whose windows are counted or placed otherwise than its options say; all else is the case's."""

    def __init__(self, case: Any, output_extents: tuple[int, ...], pads: tuple[tuple[int, int], ...], **more: Any) -> None:
        self._case, self.output_extents, self.pads = case, output_extents, pads
        vars(self).update(more)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._case, name)

    windows, plane, geometry = Case.windows, Case.plane, Case.geometry  # of these extents and pads

    @property
    def borders(self) -> tuple[tuple[int, int], ...]:
        """The padding of each axis, longer where the last window reaches further."""
        return borders(self)


def walked(case: Any, pads: tuple[tuple[int, int], ...] | None = None, **options: Any) -> Any:
    """The case walked with other options: its answer keeps its shape, what is read past the image is zero.

    So does a kernel that allocates by the right sizes and steps by wrong ones. An option that the operation lacks, as a
    divisor over one axis, is what its definition reads all the same.
    """
    own = {field.name for field in fields(case)}
    other = replace(case, **{"stride": case.strides} | {name: value for name, value in options.items() if name in own})
    return Walked(other, case.output_extents, pads or other.pads, **{n: v for n, v in options.items() if n not in own})


# Numbers, one an axis.


def swapped(axes: tuple[Any, ...]) -> tuple[Any, ...]:
    """Those of height and width exchanged."""
    return (*axes[:-2], axes[-1], axes[-2])


def of_height(axes: tuple[Any, ...]) -> tuple[Any, ...]:
    """That of the height used for the width."""
    return (*axes[:-1], axes[-2])


def no_padding(case: Any) -> tuple[tuple[int, int], ...]:
    return ((0, 0),) * int(case.dimensions)


def turned_pads(case: Any) -> tuple[tuple[int, int], ...]:
    """What is padded before an axis and what after it exchanged."""
    return tuple((high, low) for low, high in case.pads)


def shorter_strides(case: Any) -> tuple[int, ...]:
    """Strides no longer than the kernel."""
    return tuple(map(min, case.strides, case.kernel))


def cut_to(extent: int) -> Callable[[Any], tuple[int, ...]]:
    """The same extent along each axis."""
    return lambda case: (extent,) * int(case.dimensions)


# Arrays, changed.


def per_channel(case: Any, array: Array) -> Array:
    """One number a channel, to stand before the image axes."""
    return array.reshape(-1, *(1,) * case.dimensions)


def at_tap(weight: Array, tap: tuple[int, ...]) -> Array:
    """One tap of every filter."""
    return np.asarray(weight[at(tap)])


def written(value: float, *where: Any) -> Edit:
    """Some elements are all one number."""

    def edit(case: Any, array: Array) -> Array:
        array = array.copy()
        array[where] = value
        return array

    return edit


def zero(*where: Any) -> Edit:
    return written(0, *where)


def kept(extents: Callable[[Any], tuple[int, ...]]) -> Edit:
    """Zero past some extents of the image axes."""

    def edit(case: Any, array: Array) -> Array:
        place, inside = at(map(slice, extents(case))), np.zeros_like(array)
        inside[place] = array[place]
        return inside

    return edit


def past(array: Array, extents: tuple[int, ...], value: float) -> Array:
    """The same array, some number past some extents of the image axes."""
    for axis, extent in enumerate(extents, -len(extents)):
        np.moveaxis(array, axis, 0)[extent:] = value
    return array


def flipped(case: Any, array: Array) -> Any:
    return array[at((slice(None, None, -1),) * case.dimensions)]


def transposed(case: Any, array: Array) -> Array:
    return array.swapaxes(-1, -2)


def read_transposed(case: Any, array: Array) -> Array:
    """Memory written with height and width exchanged."""
    return array.swapaxes(-1, -2).reshape(array.shape)


def without_nan(case: Any, array: Array) -> Array:
    return np.where(np.isnan(array), 0, array)


def finite(case: Any, array: Array) -> Array:
    return np.nan_to_num(array, nan=0, posinf=0, neginf=0)


def ones(case: Any, array: Array) -> Array:
    return np.ones_like(array)


def first_image(case: Any, array: Array) -> Array:
    """The first image stands for all."""
    return np.broadcast_to(array[:1], array.shape)


def first_group(case: Any, array: Array) -> Array:
    """The first group's channels stand for those of all."""
    return np.tile(array[:, : array.shape[1] // case.groups], (1, case.groups, *(1,) * case.dimensions))


def first_images_answer(case: Any, array: Array) -> Array:
    return np.repeat(array[:1], case.batch, axis=0)
