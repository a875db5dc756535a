"""Training straight from videos: each worker streams its share of them through decode and encode actors of its own.

Which videos make a step, and which of them are a worker's, follows from (seed, epoch, step) alone; a stream begins at
any step. Every epoch decodes anew: to train more than once from the same videos, `clipsum embed` costs less.

Bound: the manifest, in the driver and in each worker, some KB a video with its transcript; one step's rows; and what
Ray Data holds of rows that are ready before they are wanted, a part of its object store.
"""

import hashlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import ray.data
from numpy.typing import NDArray
from ray.data import Dataset

from clipsum.datasets.embedded import NO_SPLIT, Embedded, embedded_of
from clipsum.datasets.manifest import list_sources
from clipsum.errors import UsageError
from clipsum.records import VideoRef
from ray_jobs import manifest, pipeline
from ray_jobs.call import Call, stage_settings, with_pools
from ray_jobs.config import EmbedConfig
from ray_jobs.jobs import EMBED, Step
from ray_jobs.pools import Machine, plan
from ray_jobs.stages import StageSettings
from ray_jobs.tally import Tally

PATIENCE_S = 7 * 24 * 3600.0
"""Nothing comes out while nothing is taken, and a validation may last for hours; each video has its own deadline."""
AHEAD_VIDEOS = 4096
"""A stream goes on over the ends of epochs for about so many videos, since its actors take seconds to start."""


@dataclass(frozen=True)
class VideoSource:
    """Videos to train from, as a manifest table, and the stages that embed them."""

    videos: pa.Table
    settings: StageSettings
    steps: Sequence[Step]

    @property
    def identity(self) -> str:
        """Which videos in which order, embedded how, in one line."""
        digest = hashlib.sha256(EMBED.settings_id(self.settings).encode())
        for name in ("video_id", "version", "summary"):
            digest.update("\n".join(map(str, self.videos[name].to_pylist())).encode())
        return f"{self.videos.num_rows} streamed videos, {digest.hexdigest()[:12]}"


def list_videos(sources: Sequence[str], allow_https: bool = False) -> dict[str, pa.Table]:
    """Split -> its videos as a manifest table, in their order; `NO_SPLIT` for those without one. Raises: UsageError."""
    by_split: dict[str, list[VideoRef]] = {}
    for ref in list_sources(sources, allow_https):
        by_split.setdefault(ref.split or NO_SPLIT, []).append(ref)
    return {split: manifest.table_of(refs, 0) for split, refs in by_split.items()}


def video_source(videos: pa.Table, bundle: str, config: EmbedConfig, machine: Machine) -> VideoSource:
    """The source of one worker, which may use `machine` for it (see `left_for`). Raises: UsageError."""
    if not videos.num_rows:
        raise UsageError("there is no video to stream: look at the manifest's column 'split'")
    settings = stage_settings(Call(EMBED, (), "", bundle, config))
    chosen = plan(config, settings.sampling, settings.preprocessing.size_px, machine, videos.num_rows)
    return VideoSource(videos, with_pools(settings, chosen), EMBED.steps(chosen))


def left_for(machine: Machine, workers: int, cpus: float, gpus: float) -> Machine:
    """What each of the `workers` may use for its stream, where it reserves `cpus` and `gpus` for its training.

    One core is added, since `plan` leaves one to Ray Data for reading a manifest, which does not happen here.
    """
    cores = (machine.cores - workers * cpus) / workers + 1
    return machine._replace(cores=cores, gpus=max(0.0, machine.gpus - workers * gpus) // workers, nodes=1)


def training_rows(videos: pa.Table, settings: StageSettings, steps: Sequence[Step], keep_order: bool = True) -> Dataset:
    """One row of the columns of `embedding_rows.SCHEMA` for each video, failed ones too; for `embedded_of`."""
    size = steps[0].videos
    blocks = [videos.slice(start, size) for start in range(0, videos.num_rows, size)]
    dataset = pipeline.through(ray.data.from_blocks(blocks), settings, steps)
    dataset.context.execution_options.preserve_order = keep_order
    return dataset


class VideoStream:
    """The `rank`-th of `size` workers' share of each step: a `clipsum.training.feed.Stream`.

    `failures` counts the videos that failed here, by reason, over all epochs; a step goes on without them.
    """

    shared = False

    def __init__(
        self, source: VideoSource, batch_size: int, seed: int, shuffle: bool, epochs: int, rank: int = 0, size: int = 1
    ) -> None:
        self.examples, self.identity = source.videos.num_rows, source.identity
        self.tally = Tally()
        self._source, self._epochs, self._shuffle, self._seed = source, epochs, shuffle, seed
        self._batch_size, self._rank, self._size = batch_size, rank, size
        self._per_epoch = -(-self.examples // batch_size)
        self._next = (-1, 0)
        self._running: Generator[pa.Table | None, None, None] | None = None

    @property
    def failures(self) -> dict[str, int]:
        """Reason -> how many videos."""
        return dict(self.tally.failures)

    def batches(self, epoch: int, skip: int) -> Iterator[list[Embedded]]:
        """The videos of this worker in each step of an epoch, from step `skip` on. Raises: UsageError of a stage."""
        if self._running is None or self._next != (epoch, skip):
            self.close()
            self._running = self._from(epoch, skip)
        for place in range(skip, self._per_epoch):
            table = next(self._running)
            self._next = (epoch, place + 1) if place + 1 < self._per_epoch else (epoch + 1, 0)
            if table is not None:
                self.tally.count(table)
            yield [] if table is None else embedded_of(table)

    def close(self) -> None:
        """End the actors."""
        if self._running is not None:
            self._running.close()
        self._running = None

    def _from(self, epoch: int, skip: int) -> Generator[pa.Table | None, None, None]:
        """The rows of each share, one after the other over the epochs; None for a share without a video."""
        pipeline.configure(PATIENCE_S)
        while True:
            stop = max(epoch + 1, min(epoch + AHEAD_VIDEOS // self.examples, self._epochs))
            shares = [share for number in range(epoch, stop) for share in self._shares(number)][skip:]
            yield from self._rows_of(shares)
            epoch, skip = stop, 0

    def _rows_of(self, shares: list[NDArray[np.int64]]) -> Generator[pa.Table | None, None, None]:
        videos = self._source.videos.take(np.concatenate(shares))
        if not videos.num_rows:
            yield from [None] * len(shares)
            return
        rows = training_rows(videos, self._source.settings, self._source.steps)
        with closing(pipeline.results(rows)) as tables:
            for share, table in zip(shares, cut(tables, [len(share) for share in shares]), strict=True):
                if table is not None and table["index"].to_pylist() != share.tolist():
                    raise RuntimeError(f"rows came out of order: {table['index'].to_pylist()}, expected {share}")
                yield table

    def _shares(self, epoch: int) -> list[NDArray[np.int64]]:
        """Of each step of an epoch, the numbers of this worker's videos."""
        order = np.arange(self.examples)
        if self._shuffle:
            order = np.random.default_rng([self._seed, epoch]).permutation(order)
        starts = range(0, self.examples, self._batch_size)
        return [order[start : start + self._batch_size][self._rank :: self._size] for start in starts]


def cut(tables: Iterable[pa.Table], counts: Sequence[int]) -> Iterator[pa.Table | None]:
    """The rows of `tables` anew in tables of these counts; None for a count of 0. Holds what is not given out yet."""
    coming = iter(tables)
    held: list[pa.Table] = []
    for count in counts:
        while sum(table.num_rows for table in held) < count:
            held.append(next(coming))
        whole = pa.concat_tables(held) if held else None
        yield whole.slice(0, count) if whole is not None and count else None
        held = [whole.slice(count)] if whole is not None and whole.num_rows > count else []
