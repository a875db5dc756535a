"""Examples in batches of similar length; which ones, and what is drawn for them, follows from (seed, epoch, step)."""

from typing import Protocol

import numpy as np
from torch import Tensor

from clipsum.models.batch import Item, collate

_WINDOW = 16  # batches that are sorted by length together: less padding, and still mixed from epoch to epoch


class Dataset(Protocol):
    """Training examples that may be drawn anew each time: other words, other frames, for the same video."""

    def __len__(self) -> int: ...

    def size(self, index: int) -> int:
        """About how long example `index` is; only the order of sizes matters."""
        ...

    def draw(self, index: int, rng: np.random.Generator) -> Item:
        """Example `index` with its labels; all chance comes from `rng`."""
        ...


class Batches:
    """Step → its one micro-batch. Each epoch sees every example at most once; the last, short batch is left out.

    Memory: one permutation of the dataset, and the one batch that is asked for.
    Raises: ValueError where the dataset holds less than one batch.
    """

    def __init__(self, dataset: Dataset, batch_size: int, pad_id: int, seed: int) -> None:
        if len(dataset) < batch_size:
            raise ValueError(f"{len(dataset)} examples do not fill a batch of {batch_size}: take a smaller batch_size")
        self.dataset, self.batch_size, self.pad_id, self.seed = dataset, batch_size, pad_id, seed
        self.steps_per_epoch = len(dataset) // batch_size
        self._sizes = np.array([dataset.size(index) for index in range(len(dataset))])
        self._epoch, self._order = -1, np.zeros((0, batch_size), int)

    def __call__(self, step: int) -> list[dict[str, Tensor]]:
        """The batch of a step, counted from 0 over all epochs."""
        epoch, place = divmod(step, self.steps_per_epoch)
        indices = self.indices(epoch)[place].tolist()
        items = [self.dataset.draw(index, np.random.default_rng([self.seed, epoch, index])) for index in indices]
        return [collate(items, self.pad_id)]

    def indices(self, epoch: int) -> np.ndarray:
        """Examples of each batch of an epoch: (steps_per_epoch, batch_size), similar sizes side by side."""
        if epoch != self._epoch:
            rng = np.random.default_rng([self.seed, epoch])
            order = rng.permutation(len(self._sizes))[: self.steps_per_epoch * self.batch_size]
            span = _WINDOW * self.batch_size
            windows = [order[start : start + span] for start in range(0, len(order), span)]
            ordered = np.concatenate([window[np.argsort(self._sizes[window], kind="stable")] for window in windows])
            batches = ordered.reshape(self.steps_per_epoch, self.batch_size)
            self._epoch, self._order = epoch, batches[rng.permutation(len(batches))]
        return self._order
