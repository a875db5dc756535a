"""What `clipsum score --frames` prints: every figure of frame scores with its random floor and human ceiling."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from clipsum.errors import one_of
from ray_jobs.score_table import print_figures

if TYPE_CHECKING:
    from clipsum.metrics.frames import VideoFigures

_DASH = "–"


def score_frames(files: Sequence[str], name: str, as_json: bool) -> int:
    """Score the HDF5 `files` by the protocol `name`. Raises: UsageError for one that is not known, or a bad file."""
    from clipsum.datasets.frame_scores import read_frame_scores
    from clipsum.metrics import frames

    protocol = next((known for known in frames.PROTOCOLS if known == name), None)
    if protocol is None:
        raise one_of(name, frames.PROTOCOLS, "--protocol")
    given = read_frame_scores(files, frames.needs_shots(protocol))
    videos = frames.score_frames(given, protocol)
    told = frames.protocol_of(protocol, without_scores=sum(not video.has_user_scores for video in given))
    if as_json:
        print(json.dumps(_as_json(videos, told), indent=2))
        return 0
    heads = ("mean", "95 % interval", "random", "human")
    print_figures(f"{len(videos):,} videos", heads, list(_rows(videos)), told)
    return 0


def _as_json(videos: Sequence["VideoFigures"], told: dict[str, str]) -> dict[str, Any]:
    from clipsum.metrics.frames import mean_figures

    means = mean_figures(videos)
    return {
        "videos": len(videos),
        "protocol": told,
        "figures": {name: asdict(interval) | asdict(figure) for name, (interval, figure) in means.items()},
        "per_video": [asdict(video) for video in videos],
    }


def _rows(videos: Sequence["VideoFigures"]) -> Iterator[Sequence[str]]:
    from clipsum.metrics.frames import LABELS, mean_figures

    for name, (interval, figure) in mean_figures(videos).items():
        digits = 2 if name.startswith("f1") else 3
        human = _DASH if figure.human_ceiling is None else f"{figure.human_ceiling:.{digits}f}"
        between = f"{interval.low:.{digits}f} to {interval.high:.{digits}f}"
        yield LABELS[name], f"{figure.value:.{digits}f}", between, f"{figure.random_floor:.{digits}f}", human
