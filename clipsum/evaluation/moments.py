"""How well scores of frames agree with what people marked, second by second: figures, random floor, human ceiling.

A person of the 1 to 5 kind chose the 15 % of the seconds that they gave most; who marked 0 or 1 chose what is 1.
A annotators, N seconds, T frames.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clipsum.datasets.frame_scores import ScoredVideo
from clipsum.evaluation.cases import Case
from clipsum.highlights.select import BUDGET, top_fraction
from clipsum.metrics.bootstrap import Estimate
from clipsum.metrics.frames import Figure, mean_figures, protocol_of, score_frames

LABELS = {
    "f1_mean": "moments: F1, mean of people",
    "tau_per_user": "moments: 100 τ, per person",
    "rho_per_user": "moments: 100 ρ, per person",
    "tau_mean_user": "moments: 100 τ, mean of people",
}
FLOOR, CEILING = "moments|random|", "moments|people|"
Moments = Mapping[str, tuple[Estimate, Figure]]


def scored_seconds(case: Case) -> ScoredVideo | None:
    """The case second by second: each has the score of the nearest frame. None where scores or marks are lacking."""
    importance = None if case.marks is None else case.marks.importance
    if case.marks is None or importance is None or not len(case.frame_scores):
        return None
    middles_s = np.arange(importance.shape[1]) + 0.5
    nearest = np.abs(np.subtract.outer(middles_s, np.asarray(case.frame_times_s))).argmin(axis=1)
    given = importance.astype(np.float64)
    is_choice = case.marks.highest - case.marks.lowest == 1
    chosen = given > case.marks.lowest if is_choice else np.stack([top_fraction(row) for row in given])
    return ScoredVideo(case.video_id, np.asarray(case.frame_scores, np.float64)[nearest], None, chosen, given)


def moment_figures(cases: Sequence[Case]) -> tuple[int, Moments]:
    """How many cases could be compared, and their figures: F1 in points, correlations times 100; none of no case."""
    videos = [video for video in map(scored_seconds, cases) if video is not None]
    if not videos:
        return 0, {}
    found = mean_figures(score_frames(videos, "videoxum"))
    return len(videos), {name: _scaled(*found[name], 1 if name == "f1_mean" else 100) for name in LABELS}


def _scaled(estimate: Estimate, figure: Figure, factor: float) -> tuple[Estimate, Figure]:
    ceiling = None if figure.human_ceiling is None else factor * figure.human_ceiling
    scaled = Estimate(*(factor * value for value in (estimate.value, estimate.low, estimate.high)))
    return scaled, Figure(scaled.value, factor * figure.random_floor, ceiling)


def rows_of(split: Mapping[str, Any]) -> dict[str, Mapping[str, float]]:
    """Name -> figure of a split of the record; its random floor and its human ceiling too, without intervals."""
    found: dict[str, Mapping[str, float]] = {}
    for name, figure in split.get("moments", {}).get("figures", {}).items():
        found |= {name: figure, FLOOR + name: {"value": figure["random_floor"]}}
        if figure["human_ceiling"] is not None:
            found[CEILING + name] = {"value": figure["human_ceiling"]}
    return found


def labels() -> dict[str, str]:
    """What `rows_of` gives, each figure followed by its floor and its ceiling."""
    parts = (("", ""), (FLOOR, ", random scores"), (CEILING, ", people of each other"))
    return {prefix + name: f"{label}{more}" for name, label in LABELS.items() for prefix, more in parts}


def protocol() -> dict[str, str]:
    """How the figures are measured."""
    told = protocol_of("videoxum")
    return {
        "moments": "each second has the score of the nearest frame; F1 in points, correlations times 100; "
        f"a person who gave 1 to 5 chose the {BUDGET:.0%} of the seconds that they gave most",
        "moments, random": told["random floor"],
        "moments, people": told["human ceiling"],
    }
