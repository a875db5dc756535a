"""Geometry of the page's inline drawings. Units are those of a viewBox `WIDTH` wide; times are in seconds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from clipsum.reports.units import number

WIDTH = 1000
HEIGHT = 56
MAX_POINTS = 240


@dataclass(frozen=True)
class Piece:
    """A horizontal piece of a bar or of a time line."""

    x: float
    width: float


@dataclass(frozen=True)
class Curve:
    """Scores over time: `line` and `area` are SVG path data; `low` and `high` are the scores at the edges."""

    line: str
    area: str
    low: float
    high: float


def stacked(parts: Sequence[float], whole: float = 0.0) -> list[Piece]:
    """The pieces of a stacked bar: `parts` of `whole`, or of their sum where that is more; none where both are 0."""
    total = max(whole, sum(parts))
    if total <= 0:
        return []
    edges = [0.0]
    for part in parts:
        edges.append(edges[-1] + WIDTH * part / total)
    return [Piece(round(a, 1), round(b - a, 1)) for a, b in pairwise(edges)]


def marks(spans: Iterable[Mapping[str, Any]], duration_s: float) -> list[Piece]:
    """Where each span (`start_s`, `end_s`) lies on a time line of `duration_s`; at least 3 wide, to be seen."""
    pieces = []
    for item in spans:
        start, end = number(item.get("start_s")), number(item.get("end_s"))
        if start is None or end is None or duration_s <= 0:
            continue
        left = min(max(start / duration_s, 0), 1) * WIDTH
        right = min(max(end / duration_s, 0), 1) * WIDTH
        pieces.append(Piece(round(min(left, WIDTH - 3), 1), round(max(right - left, 3), 1)))
    return pieces


def ticks(times_s: Iterable[float], duration_s: float) -> str:
    """SVG path data of a short line at the foot of the time line for each time."""
    places = (min(max(time_s / duration_s, 0), 1) * WIDTH for time_s in times_s) if duration_s > 0 else ()
    return "".join(f"M{round(x, 1):g} {HEIGHT - 7}V{HEIGHT}" for x in places)


def score_curve(
    times_s: Sequence[Any] | None,
    scores: Sequence[Any] | None,
    duration_s: float,
    scale: tuple[float, float] | None = None,
) -> Curve | None:
    """The curve of `scores` (T,) at `times_s` (T,), thinned to the highest of each of at most `MAX_POINTS` groups.

    `scale`: the scores at its lower and upper edge; without one, or where a score lies beyond, the least and greatest.
    None where there are fewer than two finite scores, or lengths differ.
    """
    if times_s is None or scores is None or len(times_s) != len(scores) or duration_s <= 0:
        return None
    pairs = [(number(time), number(score)) for time, score in zip(times_s, scores, strict=True)]
    found = sorted((time, score) for time, score in pairs if time is not None and score is not None)
    if len(found) < 2:
        return None
    group = -(-len(found) // MAX_POINTS)
    found = [max(found[i : i + group], key=lambda point: point[1]) for i in range(0, len(found), group)]
    low, high = min(score for _, score in found), max(score for _, score in found)
    if scale and scale[0] <= low and high <= scale[1]:
        low, high = scale
    reach = (high - low) or 1.0
    points = [
        (round(min(max(time / duration_s, 0), 1) * WIDTH, 1), round(HEIGHT - 3 - (HEIGHT - 6) * (s - low) / reach, 1))
        for time, s in found
    ]
    line = "M" + "L".join(f"{x:g} {y:g}" for x, y in points)
    return Curve(line, f"{line}L{points[-1][0]:g} {HEIGHT}L{points[0][0]:g} {HEIGHT}Z", low, high)
