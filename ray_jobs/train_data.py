"""What a training run trains on and validates on, looked at in the driver and opened again in each worker."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from clipsum import storage
from clipsum.datasets.embedded import NO_SPLIT, EmbeddedSet, open_embedded
from clipsum.datasets.marks import Marks, read_marks
from clipsum.errors import UsageError
from clipsum.models.bundle import Bundle, load_bundle
from clipsum.reports.units import counted, reasons
from clipsum.training.sources import TrainData, check_data, identity
from clipsum.training.splits import AUTO
from clipsum.training.trainer import Trainer
from clipsum.training.workers import SOLO, Group
from ray_jobs.train_config import TrainJob

STREAMED = ", streamed"
"""What ends the sentence on what a bundle was trained on, after the place of the data, where they were streamed."""
HELD_OUT = 10
"""With `validation_split=auto` one training video in so many is validated on."""


@dataclass(frozen=True)
class Looked:
    """What a first look at the data found: they fit, so many videos, and what they are in one line."""

    identity: str
    videos: dict[str, int]


class Source(Protocol):
    """Where training videos come from, for the driver and, pickled, for each worker."""

    data: str
    bundle: str

    def places(self) -> Iterable[str | None]:
        """All that each worker reads, some of it maybe at paths of this machine."""
        ...

    def look(self, base: Bundle) -> Looked:
        """Check that base, data and configuration fit, before any worker starts. Raises: UsageError."""

    def trainer(self, group: Group, device: str) -> AbstractContextManager[Callable[[], Trainer]]:
        """Open and check the data of one worker, for what makes its trainer. Raises: UsageError."""


@dataclass(frozen=True)
class StoredSource:
    """What `clipsum embed` wrote to `data`."""

    data: str
    bundle: str
    job: TrainJob

    def places(self) -> Iterable[str | None]:
        """Embeddings, base and marks."""
        return self.data, self.bundle, marks_place(self.job)

    def look(self, base: Bundle) -> Looked:
        """Open all and check it."""
        data = self._open()
        check_data(self.job.training, base, data, SOLO)
        return Looked(identity(data), {name: len(videos) for name, videos in data.stored.items()})

    @contextmanager
    def trainer(self, group: Group, device: str) -> Iterator[Callable[[], Trainer]]:
        """Bound: the embeddings of the worker's own, see `EmbeddedSet`."""
        config, base, data = self.job.training, load_bundle(self.bundle), self._open()
        check_data(config, base, data, group)
        yield lambda: Trainer(config, base, data, group, device)

    def _open(self) -> TrainData:
        data = open_embedded(self.data, thumbnails=False)
        train, validation = splits_of(data, self.job)
        trained_on = f"{len(train):,} videos of split '{self.job.train_split}' of {self.data}"
        notes = left_out(data, choose(data.place, data.splits, self.job))
        return TrainData(train, validation, trained_on, marks_of(self.job), notes)


def marks_of(job: TrainJob, own: str | None = None) -> Mapping[str, Marks]:
    """What people marked in the videos, by their ids, where a scorer learns from it. Raises: UsageError."""
    place = marks_place(job, own)
    return read_marks(place, may_be_none=place != job.marks) if place else {}


def marks_place(job: TrainJob, own: str | None = None) -> str | None:
    """Where the marks are, if a scorer learns from them: in `own`, the manifest of the videos, unless one is named."""
    if not job.objective.lambda_video:
        return None
    return job.marks or (own if own and storage.suffix(own) == ".jsonl" else None)


def splits_of(data: EmbeddedSet, job: TrainJob) -> tuple[EmbeddedSet, EmbeddedSet]:
    """Training and validation videos. Raises: UsageError where either is not there."""
    train, validation = choose(data.place, data.splits, job)
    if train != validation:
        return data.of_split(train), data.of_split(validation)
    whole = data.of_split(train)
    mask = held_out(data.place, whole.video_ids)
    return whole.select(np.flatnonzero(~mask)), whole.select(np.flatnonzero(mask))


def left_out(data: EmbeddedSet, splits: Iterable[str]) -> list[str]:
    """Lines for people: how many videos of these splits failed, and how many of any wait to be embedded."""
    lines = []
    for split in dict.fromkeys(splits):
        if failures := data.of_split(split).failures:
            named = f"split '{split}'" if split != NO_SPLIT else "no split"
            lines.append(
                f"{counted(sum(failures.values()), 'video')} of {named} could not be embedded: {reasons(failures)}"
            )
    if data.pending:
        lines.append(f"{counted(data.pending, 'listed video')} not embedded yet: the same clipsum embed again goes on")
    return lines


def choose(place: str, there: Mapping[str, int], job: TrainJob) -> tuple[str, str]:
    """The splits to train on and to validate on; the same twice: hold a tenth of it out. Raises: UsageError."""
    named = ", ".join(f"'{name}' ({count})" if name != NO_SPLIT else f"none ({count})" for name, count in there.items())
    train = NO_SPLIT if list(there) == [NO_SPLIT] and job.validation_split == AUTO else job.train_split
    if train not in there:
        raise UsageError(
            f"'{place}' has no split '{train}' to train on, its splits are {named}: "
            "name one with --set train_split=NAME"
        )
    if job.validation_split == AUTO:
        return train, train
    if job.validation_split not in there:
        raise UsageError(
            f"'{place}' has no split '{job.validation_split}' to validate on, its splits are {named}: name one with "
            f"--set validation_split=NAME, or hold a tenth out with --set validation_split={AUTO}"
        )
    return train, job.validation_split


def held_out(place: str, video_ids: Sequence[str]) -> NDArray[np.bool_]:
    """Which videos `validation_split=auto` validates on, (V,): by their ids alone, so always the same.

    Raises: UsageError where that leaves none for the one or for the other.
    """
    mask = np.array([_hash(f"validation {video_id}") % HELD_OUT == 0 for video_id in video_ids], np.bool_)
    if not mask.any() or mask.all():
        raise UsageError(
            f"'{place}' has {len(mask)} videos to train on, too few to hold a tenth of them out: "
            "name a split to validate on with --set validation_split=NAME"
        )
    return mask


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
