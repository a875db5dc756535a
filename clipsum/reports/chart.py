"""Geometry of a line chart: what the template needs to draw it, with ticks as text beside an SVG that stretches."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from clipsum.reports import units

WIDTH = 1000
HEIGHT = 300
MAX_POINTS = 200
Points = Sequence[tuple[float, float]]
Place = Callable[[float, float], tuple[float, float]]


@dataclass(frozen=True)
class Line:
    """One line: its label and last value in words, SVG path data, and the area between lows and highs ("" for none)."""

    label: str
    value: str
    path: str
    band: str
    dots: list[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """A chart: ticks from the top down and from left to right, all evenly spaced; `marks` are places along x."""

    title: str
    unit: str
    lines: list[Line]
    y_ticks: list[str]
    x_ticks: list[str]
    marks: list[float]


def chart(
    title: str, unit: str, series: Mapping[str, Points], end: float, marks: Sequence[float] = (), floor: bool = False
) -> Chart | None:
    """Lines of (x, y) over 0 to `end`, thinned to the means of at most `MAX_POINTS` groups; None with nothing to draw.

    `floor`: 0 belongs on the chart, however high the lines run. `marks`: places along x that are worth a stroke.
    Values that are not finite are left out.
    """
    finite = {
        label: [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)] for label, points in series.items()
    }
    values = [y for points in finite.values() for _, y in points]
    if not values:
        return None
    ticks = nice_ticks(min([*values, 0.0] if floor else values), max(values))
    low, high, end = ticks[0], ticks[-1], max(end, 1.0)

    def place(x: float, y: float) -> tuple[float, float]:
        return round(min(max(x / end, 0), 1) * WIDTH, 1), round(HEIGHT * (high - y) / (high - low), 1)

    lines = [_line(label, points, place) for label, points in finite.items() if points]
    return Chart(
        title,
        unit,
        lines,
        y_ticks=[units.on_axis(tick) for tick in reversed(ticks)],
        x_ticks=[units.count(part * end / 4) for part in range(5)] if end >= 4 else ["0", units.count(end)],
        marks=[place(mark, low)[0] for mark in marks],
    )


def nice_ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Evenly spaced round numbers from at most `low` to at least `high`: two or more, some `about` + 1."""
    if high - low < 1e-12 * max(abs(high), abs(low), 1e-6):
        low, high = low - (abs(low) or 1.0) * 0.5, high + (abs(high) or 1.0) * 0.5
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 12) for number in range(first, max(last, first + 1) + 1)]


def _line(label: str, points: Points, place: Place) -> Line:
    ordered = sorted(points)
    group = -(-len(ordered) // MAX_POINTS)
    groups = [ordered[start : start + group] for start in range(0, len(ordered), group)]
    xs = [sum(x for x, _ in each) / len(each) for each in groups]
    middle = [place(x, sum(y for _, y in each) / len(each)) for x, each in zip(xs, groups, strict=True)]
    band = ""
    if group > 1:
        top = [place(x, max(y for _, y in each)) for x, each in zip(xs, groups, strict=True)]
        bottom = [place(x, min(y for _, y in each)) for x, each in zip(xs, groups, strict=True)]
        band = f"{_path([*top, *reversed(bottom)])}Z"
    return Line(label, units.on_axis(ordered[-1][1]), _path(middle), band, middle if len(middle) <= 30 else [])


def _path(points: Points) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points)
