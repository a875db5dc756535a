"""What `clipsum score --frames` prints: every figure of frame scores with its random floor and human ceiling.

By QFVS's protocol the scores are of shots, for queries.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from clipsum.errors import one_of
from ray_jobs.score_table import print_figures

if TYPE_CHECKING:
    from clipsum.metrics.frames import VideoFigures

QFVS = "qfvs"
_DASH = "–"


def score_frames(files: Sequence[str], name: str, as_json: bool) -> int:
    """Score the HDF5 `files` by the protocol `name`. Raises: UsageError for one that is not known, or a bad file."""
    from clipsum.datasets.frame_scores import read_frame_scores
    from clipsum.metrics import frames

    if name == QFVS:
        return _score_queries(files, as_json)
    protocol = next((known for known in frames.PROTOCOLS if known == name), None)
    if protocol is None:
        raise one_of(name, (*frames.PROTOCOLS, QFVS), "--protocol")
    given = read_frame_scores(files, frames.needs_shots(protocol))
    videos = frames.score_frames(given, protocol)
    told = frames.protocol_of(protocol, without_scores=sum(not video.has_user_scores for video in given))
    if as_json:
        print(json.dumps(_as_json(videos, told), indent=2))
        return 0
    heads = ("mean", "95 % interval", "random", "human")
    print_figures(f"{len(videos):,} videos", heads, list(_rows(videos)), told)
    return 0


def _score_queries(files: Sequence[str], as_json: bool) -> int:
    """Score the shots that answer queries, by QFVS's protocol. Raises: UsageError for a bad file."""
    from clipsum.datasets.query_scores import read_query_scores
    from clipsum.metrics.bootstrap import bootstrap
    from clipsum.metrics.concept_iou import PROTOCOL, best_shots, mean_match

    found = {}
    for video in read_query_scores(files):
        chosen = [(best_shots(scores), reference) for scores, reference in video.queries.values()]
        found[video.video_id] = mean_match(chosen, video.tags)
    means = {
        name: asdict(bootstrap([getattr(each, name) for each in found.values()]))
        | {"random_floor": _mean([getattr(each, f"random_{name}") for each in found.values()]), "human_ceiling": None}
        for name in ("f1", "precision", "recall")
    }
    told = {"concept IoU": PROTOCOL}
    if as_json:
        per_video = [{"video_id": video_id, **asdict(figures)} for video_id, figures in found.items()]
        print(json.dumps({"videos": len(found), "protocol": told, "figures": means, "per_video": per_video}, indent=2))
        return 0
    rows = [(video_id, f"{each.f1:.2f}", "", f"{each.random_f1:.2f}", _DASH) for video_id, each in found.items()]
    for name, label in (("f1", "F1"), ("precision", "precision"), ("recall", "recall")):
        value, low, high, floor = (f"{means[name][key]:.2f}" for key in ("value", "low", "high", "random_floor"))
        rows.append((f"Concept IoU, {label}", value, f"{low} to {high}", floor, _DASH))
    print_figures(f"{len(found):,} videos", ("mean", "95 % interval", "random", "human"), rows, told)
    return 0


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


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
