"""What a run measured: accuracy and time, as bars in tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from conformance.reports import brief
from conformance.reports.html.svg import element, picture

Data = Mapping[str, Any]
WIDTH, HEIGHT = 220, 16  # pixels of a bar


@dataclass(frozen=True)
class Accuracy:
    """The largest error of a passing case, as a share of its bound, and the requirement whose case it was."""

    operation: str
    output: str
    dtype: str
    share: float
    requirement: str
    bar: Markup


def accuracies(data: Data) -> list[Accuracy]:
    """One for each operation, output and dtype that was judged."""
    worst: dict[tuple[str, str, str], Data] = {}
    for row in data["rows"]:
        key = row["operation"], row["output"], row["dtype"]
        if row["cases"] and (key not in worst or _share(row) > _share(worst[key])):
            worst[key] = row
    return [
        Accuracy(*key, _share(row), row["requirement"] if _share(row) else "", _of_bound(_share(row)))
        for key, row in worst.items()
    ]


def _share(row: Data) -> float:
    return float(row["worst_share"] or 0.0)


def _of_bound(share: float) -> Markup:
    """A bar from 0 to 1, the bound."""
    width = max(0.0, min(share, 1.0)) * (WIDTH - 8)
    return picture(
        WIDTH, HEIGHT, f"{share:.2f} of the bound",
        element("rect", x=2, y=3, width=WIDTH - 8, height=10, class_="track"),
        element("rect", x=2, y=3, width=f"{width:.1f}", height=10, class_="bar"),
        *(element("path", d=f"M{2 + part * (WIDTH - 8):g} 3v10", class_="tick") for part in (0.25, 0.5, 0.75)),
        element("path", d=f"M{WIDTH - 6} 0v16", class_="limit"),
    )  # fmt: skip


@dataclass(frozen=True)
class Time:
    """Seconds that something took."""

    name: str
    seconds: float
    part: float
    bar: Markup


def times(data: Data, by: str) -> list[Time]:
    """The seconds by requirement or operation, the longest first; outputs and their dtype share those of a unit."""
    seconds: dict[str, float] = {}
    for row, *_ in brief.by_unit(data).values():
        seconds[row[by]] = seconds.get(row[by], 0.0) + row["seconds"]
    return list(_times(sorted(seconds.items(), key=lambda item: -item[1])))


def _times(seconds: list[tuple[str, float]]) -> Iterable[Time]:
    longest, total = max((s for _, s in seconds), default=0.0), sum(s for _, s in seconds)
    for name, each in seconds:
        width = (WIDTH - 4) * each / longest if longest else 0.0
        bar = element("rect", x=2, y=3, width=f"{width:.1f}", height=10, class_="bar")
        part = each / total if total else 0.0
        yield Time(name, each, part, picture(WIDTH, HEIGHT, f"{100 * part:.0f} % of the time", bar))
