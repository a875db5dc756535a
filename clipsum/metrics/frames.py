"""Frame scores by the protocol of a benchmark: every figure with its random floor and its human ceiling.

summe, tvsum   a shot scores the mean of its frames; a 0/1 knapsack keeps shots for at most floor(15 % of the frames);
               the figure papers print is f1_max for SumMe and f1_mean for TVSum (K. Zhang et al., ECCV 2016)
videoxum       the top 15 % of the frames; f1_mean, and correlations with the mean of the ten masks

All figures are worked out under each protocol, and named after what they are. U users, T frames, S shots.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from clipsum.datasets.frame_scores import ScoredVideo
from clipsum.highlights.knapsack import knapsack
from clipsum.highlights.select import BUDGET, shot_means, top_fraction
from clipsum.metrics.bootstrap import Estimate, bootstrap
from clipsum.metrics.overlap import f1_per_user
from clipsum.metrics.rank_correlation import rho, rho_per_user, tau, tau_per_user

Protocol = Literal["summe", "tvsum", "videoxum"]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
HEADLINE: dict[Protocol, str] = {"summe": "f1_max", "tvsum": "f1_mean", "videoxum": "f1_mean"}
LABELS = {
    "f1_max": "F1, best user",
    "f1_mean": "F1, mean of users",
    "tau_per_user": "Kendall tau, per user",
    "rho_per_user": "Spearman rho, per user",
    "tau_mean_user": "Kendall tau, mean user",
    "rho_mean_user": "Spearman rho, mean user",
    "tau_binary_mean": "Kendall tau, summary with mean user",
    "rho_binary_mean": "Spearman rho, summary with mean user",
}
DRAWS = 5
CHOICES_ALONE = "τ and ρ are with choices of 0 and 1, since what people gave each frame is not there"
"""What is to be said of correlations where users' scores are missing and their summaries stand in."""
Column = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Figure:
    """A figure of one video, what random scores get, and what people get of each other (None for a single one)."""

    value: float
    random_floor: float
    human_ceiling: float | None


@dataclass(frozen=True, repr=False)
class VideoFigures:
    """Figures by name (F1 in points, correlations from -1 to 1) and the places of the shots, or frames, selected."""

    video_id: str
    figures: dict[str, Figure]
    selected_shots: list[int] | None
    selected_frames: list[int] | None

    def __repr__(self) -> str:
        return f"VideoFigures({self.video_id!r}, {', '.join(self.figures)})"


def needs_shots(protocol: Protocol) -> bool:
    """Whether this protocol selects shots, not frames."""
    return protocol != "videoxum"


def score_frames(videos: Sequence[ScoredVideo], protocol: Protocol, seed: int = 0) -> list[VideoFigures]:
    """The figures of each video. Random floors: the mean of `DRAWS` uniform scores for each frame, seeded by place."""
    return [_score(video, protocol, np.random.default_rng([seed, place])) for place, video in enumerate(videos)]


def mean_figures(videos: Sequence[VideoFigures]) -> dict[str, tuple[Estimate, Figure]]:
    """Means over the videos, by name, each with its interval; a ceiling over those that several people annotated."""
    found = {}
    for name in LABELS:
        figures = [video.figures[name] for video in videos]
        ceilings = [figure.human_ceiling for figure in figures if figure.human_ceiling is not None]
        estimated = bootstrap([figure.value for figure in figures])
        floor = float(np.mean([figure.random_floor for figure in figures]))
        found[name] = estimated, Figure(estimated.value, floor, float(np.mean(ceilings)) if ceilings else None)
    return found


def selected_shots(scores: Column, shot_lengths: NDArray[np.intp], budget: float = BUDGET) -> list[int]:
    """Places of the shots that a knapsack keeps: values are the shots' mean scores, lengths count frames."""
    starts = np.cumsum(shot_lengths) - shot_lengths
    return knapsack(shot_means(scores, starts).tolist(), shot_lengths.tolist(), int(budget * len(scores)))


def shots_mask(selected: Sequence[int], shot_lengths: NDArray[np.intp]) -> Mask:
    """The frames (T,) of the shots at these places."""
    return np.repeat(np.isin(np.arange(len(shot_lengths)), selected), shot_lengths)


def protocol_of(protocol: Protocol, seed: int = 0, without_scores: int = 0) -> dict[str, str]:
    """How the figures are measured: family -> words; `without_scores`: videos whose users gave no `user_scores`."""
    lacking = {"missing": f"{CHOICES_ALONE}: user_scores of {without_scores:,} videos"} if without_scores else {}
    selection = "0/1 knapsack over the shots' mean scores" if needs_shots(protocol) else "frames of the top scores"
    return {
        "selection": f"{selection}, at most {BUDGET:.0%} of the frames",
        "F1": "points; per user over frames of 0 and 1, then the best or the mean of users, then the mean of videos",
        "per user": "scores with each user's own, mean of users (Otani et al., CVPR 2019)",
        "mean user": "scores with the mean of the users' (VideoXum)",
        "summary with mean user": "the selected summary of 0 and 1 with the mean of the users' summaries",
        "random floor": f"mean of {DRAWS} draws of uniform scores for each frame, seed {seed}",
        "human ceiling": "each user left out once: their summary and scores with the others'; mean of users, of videos",
        "reported": f"{protocol} papers print {HEADLINE[protocol]}",
        **lacking,
    }


def _score(video: ScoredVideo, protocol: Protocol, rng: np.random.Generator) -> VideoFigures:
    users, selected = (video.user_summary, video.user_scores), _selected(video, video.scores)
    values = _agreement(video.scores, _summary(video, selected), *users)
    draws = [rng.random(len(video.scores)) for _ in range(DRAWS)]
    floor = _mean(_agreement(scores, _summary(video, _selected(video, scores)), *users) for scores in draws)
    ceiling = _mean(_left_out(video)) if len(video.user_summary) > 1 else {}
    figures = {name: Figure(value, floor[name], ceiling.get(name)) for name, value in values.items()}
    shots, frames = (None, selected) if video.shot_lengths is None else (selected, None)
    return VideoFigures(video.video_id, figures, shots, frames)


def _selected(video: ScoredVideo, scores: Column) -> list[int]:
    """Places of the shots that such scores select; of the frames, where the protocol knows no shots."""
    if video.shot_lengths is None:
        return np.flatnonzero(top_fraction(scores)).tolist()
    return selected_shots(scores, video.shot_lengths)


def _summary(video: ScoredVideo, selected: Sequence[int]) -> Mask:
    """The frames (T,) of what is selected."""
    lengths = np.ones(len(video.scores), np.intp) if video.shot_lengths is None else video.shot_lengths
    return shots_mask(selected, lengths)


def _left_out(video: ScoredVideo) -> Iterator[dict[str, float]]:
    """Each user in the system's place, against the others."""
    for user in range(len(video.user_summary)):
        chosen, given = np.delete(video.user_summary, user, axis=0), np.delete(video.user_scores, user, axis=0)
        yield _agreement(video.user_scores[user], video.user_summary[user], chosen, given)


def _agreement(scores: Column, summary: Mask, chosen: Mask, given: Column) -> dict[str, float]:
    """Every figure of `LABELS`, of scores and a summary (T,) against what users chose and gave, both (U, T)."""
    f1 = f1_per_user(summary, chosen)
    mean_given, mean_chosen = given.mean(axis=0), chosen.mean(axis=0)
    return {
        "f1_max": float(f1.max()),
        "f1_mean": float(f1.mean()),
        "tau_per_user": float(tau_per_user(scores, given).mean()),
        "rho_per_user": float(rho_per_user(scores, given).mean()),
        "tau_mean_user": tau(scores, mean_given),
        "rho_mean_user": rho(scores, mean_given),
        "tau_binary_mean": tau(summary, mean_chosen),
        "rho_binary_mean": rho(summary, mean_chosen),
    }


def _mean(found: Iterable[dict[str, float]]) -> dict[str, float]:
    rows = list(found)
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
