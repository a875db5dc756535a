"""What each step is made of: this worker's share of the step's examples, stored or streamed, as items.

Example `index` of epoch `epoch` is drawn by a generator seeded with (seed, epoch, index), on whichever worker it is.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from clipsum.datasets.embedded import Embedded
from clipsum.datasets.marks import Marks
from clipsum.errors import UsageError
from clipsum.models.batch import IGNORED_LABEL, Item
from clipsum.models.config import TextOrigin
from clipsum.training.config import TrainConfig
from clipsum.training.data import Plan
from clipsum.training.examples import Examples, ItemReader, varied
from clipsum.training.objective import tokens_of
from clipsum.training.workers import Group


class Stream(Protocol):
    """Training videos that come in batches, in an order of their own, and are not kept.

    `examples`: how many an epoch is planned to have; the schedule of the learning rate goes by it. The epoch ends when
    the batches do, for every worker.
    `identity`: which videos in which order, in one line; a checkpoint goes on only with the same.
    `shared`: True: every worker gets the whole batch of each step, and computes its share of it; False: what a worker
    gets is its share, and the batches of all workers with the same number make one step.
    """

    examples: int
    identity: str
    shared: bool

    @property
    def failures(self) -> Mapping[str, int]:
        """Reason -> how many videos failed on their way to this worker so far, over all epochs."""
        ...

    def batches(self, epoch: int, skip: int) -> Iterator[Sequence[Embedded]]:
        """The batches of an epoch, from number `skip` on."""


@dataclass(frozen=True)
class Share:
    """One worker's part of a step: as many micro-batches as every other's.

    `tokens`, `examples`, `videos` over all workers; of the latter frame scores are learned, by texts from `origins`.
    """

    micro_batches: list[list[Item]]
    tokens: int
    examples: int
    videos: int = 0
    origins: tuple[TextOrigin, ...] = ()


class Feed(Protocol):
    """Shares by epoch and place in it. `steps_per_epoch` is what the schedule goes by."""

    steps_per_epoch: int

    def share(self, epoch: int, place: int) -> Share | None:
        """What this worker computes of step `place` of an epoch, or None past its end. All workers call."""

    def failures(self) -> dict[str, int]:
        """Reason -> how many videos failed to come since the last call, on all workers. All workers call."""


class Stored(Protocol):
    """Examples that are there as a whole."""

    @property
    def sizes(self) -> NDArray[np.int64]:
        """About how long each is; only the order of sizes matters."""

    def draw(self, index: int, rng: np.random.Generator) -> Item:
        """Example `index` with its labels, maybe another way each time; all chance comes from `rng`."""


class StoredFeed:
    """Batches of stored examples, as `Plan` draws them. Of each batch, worker r takes every `size`-th from r on."""

    def __init__(self, examples: Stored, config: TrainConfig, group: Group) -> None:
        self._plan = Plan(examples.sizes, config.batch_size, config.seed, config.shuffle)
        self._examples, self._config, self._group = examples, config, group
        self.steps_per_epoch = self._plan.steps_per_epoch

    def share(self, epoch: int, place: int) -> Share | None:
        """Nothing is kept from step to step."""
        if place >= self.steps_per_epoch:
            return None
        batch = self._plan.batch(epoch, place)
        mine = batch[self._group.rank :: self._group.size].tolist()
        items = [self._examples.draw(index, _chance(self._config, epoch, index)) for index in mine]
        return _share(items, len(batch), -(-len(batch) // self._group.size), self._config, self._group)

    def failures(self) -> dict[str, int]:
        """None: what is stored is there."""
        return {}


class StreamFeed:
    """Batches as a stream gives them; a video that teaches nothing is left out, and counted among the `failures`.

    Holds one batch at a time.
    """

    def __init__(self, stream: Stream, reader: ItemReader, config: TrainConfig, group: Group) -> None:
        self._stream, self._reader, self._config, self._group = stream, reader, config, group
        self.steps_per_epoch = -(-stream.examples // config.batch_size)
        self._at, self._told, self._idle = (-1, -1), Counter[str](), Counter[str]()
        self._batches: Iterator[Sequence[Embedded]] = iter(())

    def share(self, epoch: int, place: int) -> Share | None:
        """Asks the stream for its next batch; begins it anew for another place than the next one.

        A batch of which nothing can be learned is a share without examples; None: the epoch has no more.
        """
        if self._at != (epoch, place):
            self._batches = iter(self._stream.batches(epoch, place))
        self._at = (epoch, place + 1)
        given = next(self._batches, None)
        videos = given or ()
        rank, size = self._group.rank, self._group.size
        first, stride = (rank, size) if self._stream.shared else (0, 1)
        items, wrong = self._read(videos[first::stride])
        start = place * self._config.batch_size
        indices = range(start + rank, start + rank + size * len(items), size)
        kept = [
            varied(item, self._config, _chance(self._config, epoch, index))
            for item, index in zip(items, indices, strict=True)
            if self._reader.has_evidence(item) and self._config.objective.teaches(item)
        ]
        self._idle["nothing to learn from"] += len(items) - len(kept)
        found = self._group.gather((len(kept), given is None, wrong))
        kept_by, ended_by, wrong_by = zip(*found, strict=True)
        if any(wrong_by):
            raise UsageError(next(filter(None, wrong_by)))
        if all(ended_by):
            return None
        return _share(kept, sum(kept_by), max(kept_by), self._config, self._group)

    def failures(self) -> dict[str, int]:
        """What the streams of all workers count, less what was told of it before."""
        mine = self._idle + Counter(self._stream.failures)
        found: Counter[str] = sum(map(Counter, self._group.gather(dict(mine))), Counter())
        new, self._told = found - self._told, found
        return dict(new)

    def _read(self, videos: Sequence[Embedded]) -> tuple[list[Item], str]:
        """The items, and what is wrong with one: all workers must learn of it, or they would wait for this one."""
        try:
            return [self._reader.item(video) for video in videos], ""
        except UsageError as error:
            return [], str(error)


def open_feed(
    train: Sequence[Embedded] | Stream,
    marks: Mapping[str, Marks],
    reader: ItemReader,
    config: TrainConfig,
    group: Group,
) -> tuple[Feed, list[str]]:
    """Where steps come from, and lines for people about what is left out."""
    if not isinstance(train, Sequence):
        return StreamFeed(train, reader, config, group), []
    examples = Examples(train, reader, config, marks)
    lines = {
        "neither words nor frames to learn from": examples.left_out,
        "nothing that a head could learn from": examples.untaught,
    }
    notes = [f"{count} training videos have {what}: left out" for what, count in lines.items() if count]
    return StoredFeed(examples, config, group), notes


def _chance(config: TrainConfig, epoch: int, index: int) -> np.random.Generator:
    return np.random.default_rng([config.seed, epoch, index])


def _share(items: list[Item], examples: int, largest: int, config: TrainConfig, group: Group) -> Share:
    """Cut a share into as many micro-batches as the largest share of any worker needs."""
    pieces = max(1, -(-largest // (config.micro_batch_size or max(1, largest))))
    cuts = np.linspace(0, len(items), pieces + 1).round().astype(int)
    # A worker without an item still takes part, by one that weighs nothing.
    micro_batches = [items[low:high] or [Item((0, 0), labels=(IGNORED_LABEL,))] for low, high in pairwise(cuts)]
    guided = config.objective.guided(items)
    mine = sum(map(tokens_of, items)), config.objective.count(items), *guided.values()
    tokens, videos, *counts = group.total(*mine)
    origins = tuple(origin for origin, count in zip(guided, counts, strict=True) if count)
    return Share(micro_batches, int(tokens), examples, int(videos), origins)
