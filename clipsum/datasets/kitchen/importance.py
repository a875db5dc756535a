"""Ten simulated annotators who say, second by second, how much a moment matters.

What they see is visible: some actions interest everybody more than others, and a step's moment (the burst) most of
all. What they write down is that plus habits and noise of their own, so that there is a human ceiling.
"""

import math

import numpy as np

from clipsum.datasets.kitchen.recipe import SPLITS, Video
from clipsum.datasets.kitchen.vocabulary import ACTIONS

ANNOTATORS = 10
INTEREST = dict(zip(ACTIONS, (0.9, 0.15, 0.6, 0.75, 0.3, 0.0, 0.45, 1.0), strict=True))
MOMENT = 1.3
_NOISE, _TASTE = 0.55, 0.25


def true_importance(video: Video) -> list[float]:
    """The visible cause, one value per second (the last second may be cut short), before anyone judges it."""
    values = []
    for second in range(math.ceil(video.duration_s)):
        end = min(second + 1.0, video.duration_s)
        total = 0.0
        for step in video.steps:
            total += INTEREST[step.action] * _overlap(step.start_s, step.end_s, second, end)
            total += MOMENT * _overlap(step.moment_s, step.moment_end_s, second, end)
        values.append(total / (end - second))
    return values


def annotate(video: Video) -> list[list[int]]:
    """What each annotator wrote: (ANNOTATORS, seconds) of marks from 1 to 5."""
    rng = np.random.default_rng([video.seed, SPLITS.index(video.split), video.index, 4])
    truth = np.array(true_importance(video))
    marks = []
    for _ in range(ANNOTATORS):
        taste = dict(zip(ACTIONS, rng.normal(0.0, _TASTE, len(ACTIONS)), strict=True))
        habit = np.array([taste[_action_at(video, second)] for second in range(len(truth))])
        heard = float(rng.uniform(0.7, 1.3)) * truth + habit + rng.normal(0.0, _NOISE, len(truth))
        marks.append(np.clip(np.rint(1.2 + 1.6 * heard), 1, 5).astype(int).tolist())
    return marks


def _overlap(start_s: float, end_s: float, from_s: float, to_s: float) -> float:
    return max(0.0, min(end_s, to_s) - max(start_s, from_s))


def _action_at(video: Video, second: int) -> str:
    return next(step.action for step in video.steps if step.end_s > second)
