"""Which times of a video are looked at."""

import math

import numpy as np
from numpy.typing import NDArray

from clipsum.config import Sampling


def sample_times(sampling: Sampling, duration_s: float) -> NDArray[np.float64]:
    """The times asked for: (T,) float64 seconds on the player's clock, rising, each within [0, `duration_s`).

    `uniform`: t_i = (i + 1/2) * duration / n. `rate`: t_i = (i + 1/2) / rate, and uniform with the maximum where
    that would be more than the maximum.
    """
    if sampling.mode == "rate":
        count = max(1, math.ceil(duration_s * sampling.rate_fps - 0.5))
        if 1 < count <= sampling.max_frames:
            return np.arange(0.5, count) / sampling.rate_fps
        return _uniform(min(count, sampling.max_frames), duration_s)
    return _uniform(sampling.frames, duration_s)


def stride_s(times_s: NDArray[np.float64], duration_s: float) -> float:
    """The seconds from one asked time to the next; all of the video where one time is asked for."""
    return float(times_s[1] - times_s[0]) if len(times_s) > 1 else duration_s


def _uniform(count: int, duration_s: float) -> NDArray[np.float64]:
    return np.arange(0.5, count) * (duration_s / count)
