"""From a score for each frame to the moments that matter, in seconds on the player's clock.

Two published ways: shots, of which a knapsack keeps those of the greatest mean scores under a budget of length (SumMe,
TVSum: K. Zhang et al., Video Summarization with Long Short-Term Memory, ECCV 2016), and the top fraction of the frames
(VideoXum). Times are those that the frames carry; nothing is computed from an index and a rate.
"""

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from clipsum.config import Config
from clipsum.highlights.knapsack import knapsack
from clipsum.highlights.segmentation import PENALTY, change_points
from clipsum.records import Embeddings, Highlight

BUDGET = 0.15
_UNITS = 10_000  # of the budget, to which lengths are rounded up; the knapsack costs a byte for each, and shot
Numbers = NDArray[np.float64]
Places = NDArray[np.intp]


class HighlightConfig(Config):
    """How highlights are chosen: `budget` is the share of the duration, `penalty` that of the segmentation."""

    method: Literal["shots", "frames"] = "shots"
    budget: float = Field(default=BUDGET, gt=0, le=1)
    penalty: float = Field(default=PENALTY, gt=0)


def highlights(
    embeddings: Embeddings,
    scores: ArrayLike,
    duration_s: float,
    config: HighlightConfig | None = None,
    *,
    least: float = -math.inf,
    points: ArrayLike | None = None,
) -> list[Highlight]:
    """The highlights of a video, in order of time: scores (T,), one for each embedding; none where T is 0.

    Each lies between 0 and the duration, whatever frames lie outside: broken edit lists show some before the clock
    starts, and containers state less than they hold.

    `least`: a shot is taken only where the score of one of its frames is not below it, of single frames their own.
    `points`: the frames at which shots begin, as `change_points` gives them, where they are known.

    Shots: their lengths together are at most `budget` of the duration. A shot that could not fit is cut evenly, and
    where no piece fits either (a few frames of a long video), the best frame stands in the middle of the budget.
    Frames: `budget` of the frames, each for the time up to halfway to its neighbours; neighbours are one highlight.
    Raises: ValueError where scores and frames differ in number, a score is not finite, or the duration is not above 0.
    """
    config = config or HighlightConfig()
    times_s, values = embeddings.times_s, np.asarray(scores, float)
    if values.shape != times_s.shape or not np.isfinite(values).all():
        raise ValueError(f"scores are {values.shape} for {len(times_s)} frames: give a finite one for each")
    if not duration_s > 0:
        raise ValueError(f"a video of {duration_s:g} s: give a duration above 0")
    if not len(values) or values.max() < least:
        return []
    if config.method == "frames":
        return _frames(times_s, values, duration_s, config.budget, least)
    budget_s = config.budget * duration_s
    points = change_points(embeddings.vectors, config.penalty) if points is None else points
    starts = fitting_shots(np.append(0, np.asarray(points, np.intp)), times_s, duration_s, budget_s)
    bounds_s, means = boundaries(times_s, starts[1:], duration_s), shot_means(values, starts)
    allowed = (np.maximum.reduceat(values, starts) >= least) & (np.diff(bounds_s) > 0)
    kept = _kept(means, np.diff(bounds_s), budget_s, allowed)
    return [Highlight(float(bounds_s[k]), float(bounds_s[k + 1]), float(means[k])) for k in kept] or [
        _around(times_s, values, duration_s, budget_s)
    ]


def shot_means(scores: ArrayLike, starts: ArrayLike) -> Numbers:
    """The mean score of each shot, (M,), of scores (T,) and the frames (M,) with which shots begin, the first 0."""
    values, first = np.asarray(scores, float), np.asarray(starts, np.intp)
    means: Numbers = np.add.reduceat(values, first) / np.diff(np.append(first, len(values)))
    return means


def boundaries(times_s: Numbers, points: ArrayLike, duration_s: float) -> Numbers:
    """Where shots begin and end, (M + 2,) seconds: 0, halfway between the frames around each change, the end.

    `points` (M,): frames that begin a shot, as `change_points` gives them. A shot all of whose frames lie before 0 or
    past the end has no length.
    """
    at = np.asarray(points, np.intp)
    changes_s = np.clip((times_s[at - 1] + times_s[at]) / 2, 0.0, duration_s)
    return np.concatenate([[0.0], changes_s, [duration_s]])


def top_fraction(scores: ArrayLike, fraction: float = BUDGET) -> NDArray[np.bool_]:
    """The floor(fraction * T) frames of the greatest scores (T,), at least one: (T,) bool. Of equals, the earlier.

    VideoXum's reference code keeps one frame more, and all frames that are equal to the last; the paper says 15 %.
    """
    values = np.asarray(scores, float)
    chosen = np.zeros(len(values), bool)
    chosen[np.argsort(-values, kind="stable")[: max(1, math.floor(fraction * len(values) + 1e-9))]] = True
    return chosen


def fitting_shots(starts: Places, times_s: Numbers, duration_s: float, budget_s: float) -> Places:
    """The first frames of shots, (M,), the first 0, with shots longer than the budget cut into as few pieces as fit.

    Pieces have as many frames each as the others, or one more; one of a single frame is as long as it is.
    """
    lengths_s = np.diff(boundaries(times_s, starts[1:], duration_s))
    pieces = np.maximum(1, np.ceil(lengths_s / budget_s - 1e-9)).astype(int)
    frames = np.split(np.arange(len(times_s)), starts[1:])
    cut = [np.array_split(shot, min(count, len(shot))) for shot, count in zip(frames, pieces, strict=True)]
    return np.array([piece[0] for shot in cut for piece in shot], np.intp)


def _kept(means: Numbers, lengths_s: Numbers, budget_s: float, allowed: NDArray[np.bool_]) -> list[int]:
    """Shots that the knapsack keeps. Scores below 0 are raised together, for it takes no shot of no value."""
    units = np.ceil(lengths_s / budget_s * _UNITS - 1e-6).astype(int)
    values = np.where(allowed, means - min(0.0, float(means.min())), 0.0)
    return knapsack(values.tolist(), units.tolist(), _UNITS)


def _around(times_s: Numbers, scores: Numbers, duration_s: float, budget_s: float) -> Highlight:
    """The budget around the best frame, within the video."""
    best = int(scores.argmax())
    start_s = min(max(0.0, float(times_s[best]) - budget_s / 2), duration_s - budget_s)
    return Highlight(start_s, start_s + budget_s, float(scores[best]))


def _frames(times_s: Numbers, scores: Numbers, duration_s: float, budget: float, least: float) -> list[Highlight]:
    """Runs of top frames, each with its mean score."""
    bounds_s = boundaries(times_s, np.arange(1, len(times_s)), duration_s)
    inside = np.flatnonzero(np.diff(bounds_s) > 0)
    chosen = inside[top_fraction(scores[inside], budget) & (scores[inside] >= least)]
    runs = np.split(chosen, np.flatnonzero(np.diff(chosen) > 1) + 1)
    return [
        Highlight(float(bounds_s[run[0]]), float(bounds_s[run[-1] + 1]), float(scores[run].mean()))
        for run in runs
        if len(run)
    ]
