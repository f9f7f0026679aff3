"""Where the windows of a case lie along an axis, and the one that shows a finding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from conformance.cases import Case
from conformance.operations.adaptive import spans

SHOWN = 28  # pixels of an axis that are drawn
MOST = 1 << 20  # windows of an axis: of more, none is looked for


@dataclass(frozen=True)
class Axis:
    """One axis of what the windows lie over, with one window.

    extent      of it, without the padding
    pixels      that are drawn, those of the padding below 0 and from the extent on: all, or those around the window
    pads        how much padding there is before and after, what a last window reaches over included
    window      the number of the window; taps: the pixels that its taps meet, which may lie in the padding
    following   the taps of the next window; none after the last
    marked      the pixel that is to be seen: a wrong one, or the one that a wrong tap meets
    read        of those that are drawn, the pixels that any window reads
    """

    extent: int
    pixels: range
    pads: tuple[int, int]
    window: int
    taps: Sequence[int]
    following: Sequence[int]
    marked: int | None
    read: frozenset[int]


ROW = Axis(1, range(1), (0, 0), 0, (0,), (), 0, frozenset((0,)))  # the other axis of a drawing of one axis


def axes_of(case: Case, output: str, place: Sequence[int] | None) -> list[Axis]:
    """The axes of a case, with the window at a place of an output: its first one where no place is known.

    None at all where there are too many windows.
    """
    if max(case.windows) > MOST:
        return []
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
    windows, extent, pads = list(_windows(case, axis)), case.plane[axis], _pads(case, axis)
    window = _window(windows, kind, place)
    taps, following = windows[window], (*windows, ())[window + 1]
    marked = _marked(taps, kind, place)
    pixels = _shown(range(-pads[0], extent + pads[1]), taps[0] if marked is None else marked)
    read = frozenset(pixel for pixel in pixels if any(pixel in of for of in windows))
    return Axis(extent, pixels, pads, window, taps, following, marked, read)


def _windows(case: Case, axis: int) -> Iterator[Sequence[int]]:
    """The pixels that the taps of each window meet."""
    if not case.family.has_kernel:
        yield from (range(*span) for span in spans(case.plane[axis], case.windows[axis]))
        return
    kernel, stride, (low, _), dilation = list(case.geometry)[axis]
    for window in range(case.windows[axis]):
        first = window * stride - low
        yield range(first, first + dilation * (kernel - 1) + 1, dilation)


def _pads(case: Case, axis: int) -> tuple[int, int]:
    if not case.family.has_kernel:
        return (0, 0)
    low, high = case.borders[axis]
    return low, max(high, 0)


def _window(windows: Sequence[Sequence[int]], kind: str, place: int | None) -> int:
    """The window of this number, or the first that meets this pixel."""
    if kind == WINDOW and place is not None:
        return min(place, len(windows) - 1)
    if kind == PIXEL and place is not None:
        return next((number for number, taps in enumerate(windows) if place in taps), 0)
    return 0


def _marked(taps: Sequence[int], kind: str, place: int | None) -> int | None:
    if kind == TAP and place is not None and place < len(taps):
        return taps[place]
    return place if kind == PIXEL else None


def _shown(pixels: range, seen: int) -> range:
    """All, or of many those around one that is to be seen."""
    if len(pixels) <= SHOWN:
        return pixels
    start = max(pixels.start, min(seen - SHOWN // 3, pixels.stop - SHOWN))
    return range(start, start + SHOWN)
