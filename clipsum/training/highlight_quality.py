"""Frame scores of the kitchen's videos against what annotators marked and what was asked, for Q4, Q5 and Q7.

V videos; every figure is one for each video.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsum.datasets.marks import Marks
from clipsum.metrics.rank_correlation import tau, tau_per_user
from clipsum.metrics.seconds import f1_at_equal_budget, match_threshold, per_second
from clipsum.models.batch import Item
from clipsum.models.guidance import TextEncoder
from clipsum.models.summarizer import ClipSum
from clipsum.records import Embeddings
from clipsum.training.kitchen_scoring import KitchenScoring, VideoScores, marks_of, score_items
from clipsum.training.quality_parts import Part

SCORED = ("validation", "test", "ood")
Column = NDArray[np.float64]
Figures = dict[str, list[Any]]


def score_parts(model: ClipSum, parts: Mapping[str, Part], encoder: TextEncoder) -> dict[str, Figures]:
    """Split -> figures of every video.

    `tau`: tau-b with each annotator, their mean. Means over the queries that have an answer: `f1_query`, `f1_generic`
    (the scores without a query in its place), `f1_cosine` (zero-shot: of the frames with the whole query), `f1_random`
    (expected). `answered`, `unanswered`: the best score of a frame for each query that has an answer, or none. A query
    whose answer falls between two frames is in no figure.
    """
    found: dict[str, Figures] = {}
    for split in (split for split in SCORED if split in parts):
        part = parts[split]
        scoring = KitchenScoring(part.videos, encoder)
        items = [scoring.item(video.video_id, part.frames[video.video_id]) for video in part.videos]
        rows = [
            _figures_of(item, scores, scoring.marks[video.video_id], part.frames[video.video_id])
            for item, scores, video in zip(items, score_items(model, items), part.videos, strict=True)
        ]
        found[split] = {name: [row[name] for row in rows] for name in rows[0]}
    return found


def _figures_of(item: Item, scores: VideoScores, marks: Marks, frames: tuple[Embeddings, float]) -> dict[str, Any]:
    assert marks.importance is not None
    assert item.vectors is not None
    (embeddings, duration_s), seconds = frames, marks.importance.shape[1]
    middles = np.minimum(np.arange(seconds) + 0.5, duration_s - 1e-3)
    generic = per_second(embeddings.times_s, scores.generic, seconds)
    f1: dict[str, list[float]] = {"query": [], "generic": [], "cosine": [], "random": []}
    best: dict[bool, list[float]] = {True: [], False: []}
    told = [query for query in marks.queries if query.is_told_by(embeddings.times_s)]
    for query, asked, (guide, _) in zip(told, scores.asked, item.queries, strict=True):
        wanted = query.at(middles) > 0
        best[bool(query.segments)].append(round(float(asked.max()), 7))
        if not wanted.any():
            continue
        cosine = (item.vectors @ guide.vectors[0]).astype(np.float64)
        f1["query"].append(f1_at_equal_budget(per_second(embeddings.times_s, asked, seconds), wanted))
        f1["generic"].append(f1_at_equal_budget(generic, wanted))
        f1["cosine"].append(f1_at_equal_budget(per_second(embeddings.times_s, cosine, seconds), wanted))
        f1["random"].append(float(wanted.mean()))
    means = {f"f1_{name}": float(np.mean(values)) for name, values in f1.items()}
    agreement = float(tau_per_user(generic, marks.importance.astype(float)).mean())
    return {"tau": agreement, **means, "answered": best[True], "unanswered": best[False]}


def baselines(part: Part) -> dict[str, Column]:
    """tau-b with each annotator, the mean, (V,), of what needs no model, and the human `ceiling`.

    `ceiling`: each annotator against the mean of the others; `early`, `middle`: the nearer a second is to the start, or
    to the middle, the better; `difference`: 1 - cosine of a frame with the one before; `random`: uniform, one draw.
    """
    rng = np.random.default_rng(0)
    rows = []
    for video in part.videos:
        marks = marks_of(video).importance
        assert marks is not None
        users, seconds = marks.astype(float), np.arange(marks.shape[1], dtype=float)
        embeddings, _ = part.frames[video.video_id]
        vectors = embeddings.vectors
        moved = np.concatenate([[0.0], 1 - (vectors[1:] * vectors[:-1]).sum(axis=1)])
        given = {
            "early": -seconds,
            "middle": -np.abs(seconds - seconds.mean()),
            "difference": per_second(embeddings.times_s, moved, len(seconds)),
            "random": rng.random(len(seconds)),
        }
        others = [tau(users[place], np.delete(users, place, axis=0).mean(axis=0)) for place in range(len(users))]
        found = {name: float(tau_per_user(scores, users).mean()) for name, scores in given.items()}
        rows.append({"ceiling": float(np.mean(others)), **found})
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def calibrate(figures: Mapping[str, Any]) -> float:
    """The threshold of `matched`, from one model's figures of a split."""
    return match_threshold(*(np.concatenate(figures[name]).tolist() for name in ("answered", "unanswered")))[0]
