"""The paired bootstrap over videos: how sure a difference of two systems is, given which videos were drawn."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

_CHUNK = 1_000  # draws held at once: memory stays at _CHUNK x N numbers


@dataclass(frozen=True)
class Difference:
    """Mean of `ours - theirs`, its 95 % interval over resampled videos, and the share of draws that are <= 0."""

    mean: float
    low: float
    high: float
    p: float

    def __str__(self) -> str:
        return f"{self.mean:+.2f} [{self.low:+.2f}, {self.high:+.2f}]"


def paired_bootstrap(ours: ArrayLike, theirs: ArrayLike, draws: int = 10_000, seed: int = 0) -> Difference:
    """Difference of two systems' means on the same N videos, resampled with replacement `draws` times.

    `ours` and `theirs` are (N,), one figure for each video in the same order, or (seeds, N): then the seeds'
    mean is taken first, for the videos are what is resampled. `p` is one-sided. Percentile interval
    (Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13).

    Raises: ValueError where the shapes differ or nothing is given.
    """
    first, second = np.atleast_2d(np.asarray(ours, float)), np.atleast_2d(np.asarray(theirs, float))
    if first.shape[1] != second.shape[1] or first.shape[1] == 0:
        raise ValueError(f"paired figures are {first.shape} and {second.shape}: give the same videos, at least one")
    per_video = first.mean(axis=0) - second.mean(axis=0)
    rng = np.random.default_rng(seed)
    means = np.empty(draws)
    for start in range(0, draws, _CHUNK):
        stop = min(start + _CHUNK, draws)
        means[start:stop] = per_video[rng.integers(per_video.size, size=(stop - start, per_video.size))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return Difference(float(per_video.mean()), float(low), float(high), float(np.mean(means <= 0)))
