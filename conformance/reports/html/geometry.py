"""Where the windows of a case lie along an axis, and the one that shows a finding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from conformance.cases import Case
from conformance.operations.adaptive import spans

LOOKED_AT = 5000  # windows of an axis: of more, those after are not looked at


@dataclass(frozen=True)
class Axis:
    """One axis of what the windows lie over, with one window.

    extent      of it, without the padding
    pads        before and after it, with what a last window reaches over
    window      the number of the window; taps: the pixels that its taps meet, which may lie in the padding
    following   the taps of the next window; none after the last
    marked      the pixel that is to be seen: a wrong pixel, or the one that a wrong tap meets
    read        the pixels that any window reads
    """

    extent: int
    pads: tuple[int, int]
    window: int
    taps: Sequence[int]
    following: Sequence[int]
    marked: int | None
    read: frozenset[int]

    @property
    def pixels(self) -> range:
        return range(-self.pads[0], self.extent + self.pads[1])


def axes_of(case: Case, output: str, place: Sequence[int] | None) -> list[Axis]:
    """The axes of a case, with the window at a place of an output: its first one where no place is known."""
    inner = place[-case.dimensions :] if place and len(place) >= case.dimensions else None
    kind = _kind(case, output)
    return [_axis(case, axis, kind, inner[axis] if inner else None) for axis in range(case.dimensions)]


WINDOW, PIXEL, TAP, NONE = "window", "pixel", "tap", "none"  # what an element of an output stands for


def _kind(case: Case, output: str) -> str:
    """Of a transposed convolution a pixel of the answer, and a window for each of the image."""
    array = output.removeprefix("grad_")
    if array == "input":
        return WINDOW if case.family.adjoint else PIXEL
    if output.startswith("grad_") and array in case.array_names and array != "grad_output":
        return TAP if case.shapes[array][2:] == case.kernel else NONE
    return PIXEL if case.family.adjoint else WINDOW


def _axis(case: Case, axis: int, kind: str, place: int | None) -> Axis:
    windows = list(_windows(case, axis))
    extent, pads = case.plane[axis], _pads(case, axis)
    window = _window(windows, kind, place)
    taps = windows[window] if windows else ()
    following = windows[window + 1] if window + 1 < len(windows) else ()
    marked = (
        place
        if kind == PIXEL
        else taps[place]
        if kind == TAP and place is not None and place < len(taps)
        else None
    )
    read = frozenset(pixel for of in windows for pixel in of)
    return Axis(extent, pads, window, taps, following, marked, read)


def _windows(case: Case, axis: int) -> Iterator[Sequence[int]]:
    """The pixels that the taps of each window meet."""
    count = min(case.windows[axis], LOOKED_AT)
    if not case.family.has_kernel:
        yield from (range(*span) for span in spans(case.plane[axis], case.windows[axis])[:count])
        return
    kernel, stride, (low, _), dilation = list(case.geometry)[axis]
    for window in range(count):
        first = window * stride - low
        yield range(first, first + dilation * (kernel - 1) + 1, dilation)


def _pads(case: Case, axis: int) -> tuple[int, int]:
    if not case.family.has_kernel:
        return (0, 0)
    low, high = case.borders[axis]
    return low, max(high, 0)


def _window(windows: Sequence[Sequence[int]], kind: str, place: int | None) -> int:
    """The window of this number, or the first that meets this pixel."""
    if place is None or kind in (TAP, NONE):
        return 0
    if kind == WINDOW:
        return min(place, max(len(windows) - 1, 0))
    return next((number for number, taps in enumerate(windows) if place in taps), 0)
