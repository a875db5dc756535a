"""Frame scores against what people said of each second: T frames, N seconds, Q scores of questions.

The toy kitchen's annotators mark whole seconds, and its questions are answered by spans of seconds.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]


def per_second(times_s: Column, scores: Column, seconds: int) -> Column:
    """Scores (T,) at rising times (T,) as one for each second (N,): the mean of its frames.

    A second without a frame gets what lies between its neighbours, at its middle. Raises: ValueError without frames.
    """
    if not len(times_s) or len(times_s) != len(scores):
        raise ValueError(f"{len(scores)} scores at {len(times_s)} times: give one for each frame, at least one")
    values: Column = np.interp(np.arange(seconds) + 0.5, times_s, scores)
    second = np.clip(np.floor(times_s).astype(np.int64), 0, seconds - 1)
    count = np.bincount(second, minlength=seconds)
    seen = count > 0
    values[seen] = np.bincount(second, weights=scores, minlength=seconds)[seen] / count[seen]
    return values


def f1_at_equal_budget(scores: Column, wanted: NDArray[np.bool_]) -> float:
    """F1 of the N best seconds against those that are wanted (N,), as many as are: precision and recall are then equal.

    Of equal scores the earlier second goes first. Raises: ValueError where nothing is wanted.
    """
    budget = int(wanted.sum())
    if not budget:
        raise ValueError("no second is wanted: there is no budget to fill")
    chosen = np.argsort(-scores, kind="stable")[:budget]
    return float(wanted[chosen].sum() / budget)


def match_threshold(answered: Sequence[float], unanswered: Sequence[float]) -> tuple[float, float]:
    """The best score at or above which a question counts as answered, and the balanced accuracy (0 to 1) that it has.

    `answered`, `unanswered`: the best score of a frame for each question (Q,) that has an answer in its video, or none.
    It lies halfway between two scores; of equally good ones the middle one. Raises: ValueError where a side is empty.
    """
    right, wrong = np.sort(np.asarray(answered, float)), np.sort(np.asarray(unanswered, float))
    if not len(right) or not len(wrong):
        raise ValueError(f"{len(right)} answered and {len(wrong)} unanswered questions: a threshold needs both")
    scores = np.unique(np.concatenate([right, wrong]))
    between = np.concatenate([scores[:1], (scores[1:] + scores[:-1]) / 2])
    kept = 1 - np.searchsorted(right, between) / len(right)
    refused = np.searchsorted(wrong, between) / len(wrong)
    accuracy = (kept + refused) / 2
    best = np.flatnonzero(accuracy == accuracy.max())
    chosen = best[len(best) // 2]
    return float(between[chosen]), float(accuracy[chosen])
