"""Query-focused summaries by the concepts that their shots show: intersection over union, matched shot to shot.

A. Sharghi, J. Laurel, B. Gong, Query-Focused Video Summarization: Dataset, Evaluation, and A Memory Network Based
Approach, CVPR 2017, section 4: shots of the two summaries are matched one to one for the greatest sum of IoU; that sum
over the number of shots of either side is precision and recall. Two shots without any concept have an IoU of 0, as in
the evaluation code that later papers share. N and M shots of two summaries, C concepts.

How long a summary may be, that paper leaves to its model. The budget here is the one of S. Xiao et al., Convolutional
Hierarchical Attention Network for Query-Focused Video Summarization, AAAI 2020, by their code: 2 % of the shots, the
same for every query. People chose 1.0 to 3.0 % of a video's in the mean, so precision and recall differ.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from clipsum.datasets.qfvs import QfvsVideo, Query

BUDGET = 0.02
PROTOCOL = (
    "concept IoU of shots, matched one to one for the greatest sum (Sharghi et al., CVPR 2017); of each query the "
    f"{BUDGET:.0%} of the video's shots with the best mean scores of their frames (Xiao et al., AAAI 2020); "
    "mean of queries, then of videos; random: as many shots, 10 draws"
)


@dataclass(frozen=True)
class Match:
    """How a summary's shots match those of a reference: points from 0 to 100."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """The harmonic mean, 0 where nothing matches."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def concept_iou(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """IoU of the concepts of each shot of (N, C) with each of (M, C), of 0 and 1: (N, M) from 0 to 1."""
    ours, theirs = np.asarray(first, float), np.asarray(second, float)
    shared = ours @ theirs.T
    union = ours.sum(axis=1)[:, None] + theirs.sum(axis=1)[None] - shared
    found: NDArray[np.float64] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return found


def match(summary: Sequence[int], reference: Sequence[int], tags: ArrayLike) -> Match:
    """Match two summaries, each the places of its shots, 0 the first, in one video's tags (shots, C).

    Raises: ValueError where either names no shot, one twice, or one that the video has not.
    """
    concepts = np.asarray(tags, bool)
    for name, shots in (("summary", summary), ("reference", reference)):
        if not len(shots) or len(set(shots)) < len(shots) or not 0 <= min(shots) <= max(shots) < len(concepts):
            raise ValueError(f"a {name} of {len(shots)} shots: give different ones, each from 0 to {len(concepts) - 1}")
    iou = concept_iou(concepts[list(summary)], concepts[list(reference)])
    total = 100.0 * float(iou[linear_sum_assignment(iou, maximize=True)].sum())
    return Match(total / len(summary), total / len(reference))


def best_shots(scores: ArrayLike, budget: float = BUDGET) -> list[int]:
    """Places of the floor(budget * shots) shots of greatest scores (shots,), one at least; of equals the earlier."""
    values = np.asarray(scores, float)
    count = max(1, int(budget * len(values)))
    chosen: list[int] = np.sort(np.argsort(-values, kind="stable")[:count]).tolist()
    return chosen


@dataclass(frozen=True)
class QueryFigures:
    """Means over the queries of one video, in points; `random_…`: of as many random shots as each summary has."""

    precision: float
    recall: float
    f1: float
    random_precision: float
    random_recall: float
    random_f1: float


def score_queries(summaries: Mapping[Query, Sequence[int]], video: QfvsVideo, seed: int = 0) -> QueryFigures:
    """A summary of each query against the video's own, averaged over queries, as the paper averages.

    Raises: ValueError where a query lacks a summary, or one is not of the video's shots.
    """
    if missing := [query for query in video.oracles if query not in summaries]:
        raise ValueError(f"{len(missing)} queries of {video.video_id} have no summary, such as {missing[0]}")
    return mean_match([(summaries[query], oracle) for query, oracle in video.oracles.items()], video.tags, seed)


def mean_match(pairs: Sequence[tuple[Sequence[int], Sequence[int]]], tags: ArrayLike, seed: int = 0) -> QueryFigures:
    """Of each query's (summary, reference) in one video's tags (shots, C). Raises: ValueError as `match`."""
    found = [match(summary, reference, tags) for summary, reference in pairs]
    floors = [random_floor(reference, tags, len(summary), seed=seed) for summary, reference in pairs]
    means = (
        np.mean([(each.precision, each.recall, each.f1) for each in matches], axis=0).tolist()
        for matches in (found, floors)
    )
    return QueryFigures(*next(means), *next(means))


def random_floor(reference: Sequence[int], tags: ArrayLike, count: int, draws: int = 10, seed: int = 0) -> Match:
    """The mean match of `count` random shots with the reference: what a figure must be above to say much."""
    rng, shots = np.random.default_rng(seed), len(np.asarray(tags))
    drawn = [match(rng.choice(shots, count, replace=False).tolist(), reference, tags) for _ in range(draws)]
    return Match(float(np.mean([each.precision for each in drawn])), float(np.mean([each.recall for each in drawn])))
