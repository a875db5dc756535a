"""Examples in batches of similar length; which ones follows from (seed, epoch, place in the epoch)."""

import numpy as np
from numpy.typing import NDArray

_WINDOW = 16  # batches that are sorted by length together: less padding, and still mixed from epoch to epoch


class Plan:
    """Which examples each step of an epoch takes, similar sizes together; a function of (seed, epoch, place).

    Every epoch takes every example once; where they do not divide, one batch is smaller. Without `shuffle` the batches
    follow the examples' own order. Memory: one permutation of the examples.
    """

    def __init__(self, sizes: NDArray[np.int64], batch_size: int, seed: int, shuffle: bool = True) -> None:
        self.batch_size, self.seed, self.shuffle = batch_size, seed, shuffle
        self.steps_per_epoch = -(-len(sizes) // batch_size)
        self._sizes = sizes
        self._epoch, self._batches = -1, [np.zeros(0, np.int64)]

    def batch(self, epoch: int, place: int) -> NDArray[np.int64]:
        """The examples of step `place` of an epoch, both counted from 0."""
        if epoch != self._epoch:
            self._epoch, self._batches = epoch, self._draw(epoch)
        return self._batches[place]

    def _draw(self, epoch: int) -> list[NDArray[np.int64]]:
        order = np.arange(len(self._sizes))
        starts = range(self.batch_size, len(order), self.batch_size)
        if not self.shuffle:
            return np.split(order, starts)
        rng = np.random.default_rng([self.seed, epoch])
        batches = np.split(_grouped(rng.permutation(order), self._sizes, self.batch_size), starts)
        return [batches[number] for number in rng.permutation(len(batches))]


def _grouped(order: NDArray[np.int64], sizes: NDArray[np.int64], batch_size: int) -> NDArray[np.int64]:
    """The same examples, those of each window sorted by size."""
    span = _WINDOW * batch_size
    windows = [order[start : start + span] for start in range(0, len(order), span)]
    return np.concatenate([window[np.argsort(sizes[window], kind="stable")] for window in windows])
