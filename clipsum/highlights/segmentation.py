"""Shots by kernel temporal segmentation: where the content of a video changes, and how often.

D. Potapov, M. Douze, Z. Harchaoui, C. Schmid, Category-Specific Video Summarization, ECCV 2014, section 3.1, with the
linear kernel, which on L2-normalised embeddings is the cosine. The cost of a shot is the scatter of its frames about
their mean; the number of change points m is the one that minimises

    scatter(m) / T + penalty * V * m / (2 T) * (log(T / m) + 1)

where V is the variance of the video itself, scatter(0) / T, and at least `LEAST_VARIANCE`. The authors' released code
has no V: its features vary by about 1, and those of CLIP by .05 to .5, so that most real videos would be one shot.
With a penalty of 2, frames that differ by noise alone are one shot, whatever their number.

Shape letters: T frames, D width, M change points.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

MOST_FRAMES = 1024
"""Frames that are segmented one by one; of a longer sequence, means of neighbours, so the bound on memory holds."""
PENALTY = 2.0
LEAST_VARIANCE = 0.01
"""A video that varies less stands still: what moves in it is light, noise and compression."""
_COLUMNS = 256  # of the next row of the programme that are worked out at once
Matrix = NDArray[np.float64]
Places = NDArray[np.intp]


def change_points(vectors: ArrayLike, penalty: float = PENALTY, most: int | None = None) -> Places:
    """Frames (T, D) at which a new shot begins, in order, none of them 0: (M,), M chosen by the cost above.

    `most` bounds M: else shots have two frames or more in the mean. `penalty`: what a change has to explain of the
    video's own variance (the code's vmax is absolute); of 50 frames, the first one 5 % times the penalty.
    Exact for T <= MOST_FRAMES; beyond, a change is found to within ceil(T / MOST_FRAMES) frames. Held beside them:
    MOST_FRAMES² float64 and half as much again, 13 MB. Time is O(M T²) for the M that are tried, which ends where the
    penalty alone costs more than the best so far: a few ms for 50 frames.
    Raises: ValueError for vectors that are not (T, D), T > 0, or are not finite, or a penalty that is not above 0.
    """
    frames = np.asarray(vectors, np.float64)
    if frames.ndim != 2 or not len(frames) or not np.isfinite(frames).all():
        raise ValueError(f"frames to segment are {frames.shape}: give finite vectors of shape (T, D), at least one")
    if not penalty > 0:
        raise ValueError(f"penalty {penalty}: give a number above 0")
    group = math.ceil(len(frames) / MOST_FRAMES)
    starts = np.arange(0, len(frames), group)
    sizes = np.diff(np.append(starts, len(frames)))
    pooled = np.add.reduceat(frames, starts) / sizes[:, None]
    most = (len(pooled) - 1) // 2 if most is None else min(most, len(pooled) - 1)
    return starts[_best(_scatters(pooled), penalty, most)]


def _scatters(frames: Matrix) -> Matrix:
    """(T, T) with [i, j]: the scatter of frames i to j, both among them; infinite where j < i.

    The sum over a block of the kernel matrix is |P_j - P_i|² of the prefix sums P, so the kernel is never made.
    """
    count = len(frames)
    sums = np.vstack([np.zeros_like(frames[:1]), np.cumsum(frames - frames.mean(axis=0), axis=0)])
    squares = np.einsum("td,td->t", sums, sums)
    energy = np.append(0.0, np.cumsum(np.square(frames - frames.mean(axis=0)).sum(axis=1)))
    scatter: Matrix = sums[:-1] @ sums[1:].T
    for start in range(count):
        ends = np.arange(start, count)
        blocks = squares[start] + squares[ends + 1] - 2 * scatter[start, start:]
        scatter[start, start:] = np.maximum(energy[ends + 1] - energy[start] - blocks / (ends - start + 1), 0.0)
        scatter[start, :start] = np.inf
    return scatter


def _best(scatter: Matrix, penalty: float, most: int) -> Places:
    """The change points of least cost. Rows are added until the penalty alone is above the best cost so far."""
    count = len(scatter)
    penalty *= max(LEAST_VARIANCE, float(scatter[0, -1]) / count)
    costs = scatter[0].copy()  # [j]: least scatter of frames 0 to j with as many changes as there are rows of `before`
    before: list[Places] = []
    least, changes = float(costs[-1]) / count, 0
    for number in range(1, most + 1):
        price = penalty * number / (2 * count) * (math.log(count / number) + 1)
        if price >= least:  # it rises with the number, and no scatter is below 0
            break
        costs, came_from = _with_one_more(costs, scatter, number)
        before.append(came_from)
        if costs[-1] / count + price < least:
            least, changes = float(costs[-1]) / count + price, number
    return _traced(before[:changes], count - 1)


def _with_one_more(costs: Matrix, scatter: Matrix, number: int) -> tuple[Matrix, Places]:
    """For each last frame j: the least cost with `number` changes, and the first frame of the shot that ends there.

    `number` shots stand before it, so it begins at frame `number` or later.
    """
    count = len(scatter)
    fewer = np.append(np.inf, costs[:-1])[:, None]  # [i]: the cost of what stands before a shot that begins at i
    found, came_from = np.full(count, np.inf), np.zeros(count, np.intp)
    for start in range(number, count, _COLUMNS):
        columns = slice(start, min(start + _COLUMNS, count))
        both = fewer[number : columns.stop] + scatter[number : columns.stop, columns]
        came_from[columns] = both.argmin(axis=0) + number
        found[columns] = both.min(axis=0)
    return found, came_from


def _traced(before: list[Places], last: int) -> Places:
    """The first frames of all shots but the first, from the shot that ends at `last` backwards."""
    points = np.empty(len(before), np.intp)
    for number in range(len(before) - 1, -1, -1):
        points[number] = before[number][last]
        last = int(points[number]) - 1
    return points
