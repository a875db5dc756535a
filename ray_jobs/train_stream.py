"""Training straight from a manifest of videos: the driver embeds those to validate on, each worker streams its own.

The videos to validate on are embedded once, into OUTPUT/validation, by the same run as `clipsum embed`: one row each,
none lost and none twice, and a start that goes on finds them there. Those to train on go through `ray_jobs.stream`.
Ray Train's own way, `get_dataset_shard`, serves neither: it splits a dataset into equal parts, for which it leaves up
to n - 1 rows out, in an order that follows from the speed of blocks, and it cannot begin in mid-epoch.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
from rich.console import Console

from clipsum import storage
from clipsum.datasets.embedded import EmbeddedSet, open_embedded
from clipsum.errors import UsageError
from clipsum.models.bundle import Bundle, load_bundle
from clipsum.training.labels import TRAIN, VALIDATION, Labelled, check_labels
from clipsum.training.sources import TrainData, check_data, cut_references
from clipsum.training.trainer import Trainer
from clipsum.training.workers import Group
from ray_jobs import manifest
from ray_jobs.archive_run import ArchiveRun
from ray_jobs.call import Call, part_rows, stage_settings
from ray_jobs.jobs import EMBED
from ray_jobs.pools import Machine
from ray_jobs.stream import VideoStream, left_for, list_videos, video_source
from ray_jobs.train_config import TrainJob
from ray_jobs.train_data import STREAMED, Looked, choose, held_out, marks_of, marks_place

FOLDER = "validation"
PLACES = ("uri", "transcript_uri")


@dataclass(frozen=True, repr=False)
class StreamSource:
    """The videos of a manifest; `machine`: the cluster, of which a worker reserves `cpus` and `gpus` for training."""

    data: str
    bundle: str
    job: TrainJob
    output: str
    train: pa.Table
    validation: pa.Table
    machine: Machine = field(default_factory=lambda: Machine(1))
    cpus: float = 1.0
    gpus: float = 0.0

    def places(self) -> Iterable[str | None]:
        """Manifest, base, marks, and every video with its transcript."""
        found = (table[name].to_pylist() for table in (self.train, self.validation) for name in PLACES)
        return chain((self.data, self.bundle, marks_place(self.job, self.data)), *found)

    def look(self, base: Bundle) -> Looked:
        """Check that there is what each head learns from. Raises: UsageError."""
        digest = hashlib.sha256(base.manifest.fingerprint.encode())
        parts = {TRAIN: self.train, VALIDATION: self.validation}
        labelled = {name: _labelled(videos) for name, videos in parts.items()}
        check_labels(self.job.training, labelled, marks_of(self.job, self.data))
        for videos in parts.values():
            for column in ("video_id", "version", "summary"):
                digest.update("\n".join(map(str, videos[column].to_pylist())).encode())
        counts = {name: videos.num_rows for name, videos in parts.items()}
        words = f"{counts['train']} streamed videos, {counts['validation']} for validation"
        return Looked(f"{words}, {digest.hexdigest()[:12]}", counts)

    def embed_validation(self, console: Console) -> None:
        """Embed what to validate on, as far as that is not done. Raises: UsageError where no video can be."""
        call = Call(EMBED, (), storage.join(self.output, FOLDER), self.bundle, self.job.streaming)
        settings = stage_settings(call)
        with TemporaryDirectory(prefix="clipsum-") as scratch:
            refs = (ref for _, ref in manifest.refs_of(self.validation))
            listed = manifest.write(refs, Path(scratch), manifest.file_rows(part_rows(call, settings)))
            code = ArchiveRun(call, settings, listed, console).go()
        if code == 130:
            raise KeyboardInterrupt
        if code:
            raise UsageError(f"no video to validate on could be embedded: see the rows in '{call.output}'")

    @contextmanager
    def trainer(self, group: Group, device: str) -> Iterator[Callable[[], Trainer]]:
        """What makes a trainer on this worker's stream, whose actors end with the context."""
        base, config = load_bundle(self.bundle), self.job.training
        machine = left_for(self.machine, group.size, self.cpus, self.gpus)
        source = video_source(self.train, self.bundle, self.job.streaming, machine)
        per_epoch = -(-self.train.num_rows // config.batch_size)
        epochs = config.epochs or -(-(config.max_steps or 1) // per_epoch)
        stream = VideoStream(
            source, config.batch_size, config.seed, config.shuffle, epochs, rank=group.rank, size=group.size
        )
        trained_on = f"{self.train.num_rows:,} videos of split '{self.job.train_split}' of {self.data}{STREAMED}"
        try:
            notes = cut_references(config, base, self.train["summary"].to_pylist())
            data = TrainData(stream, self._validation(), trained_on, marks_of(self.job, self.data), notes)
            check_data(config, base, data, group)
            yield lambda: Trainer(config, base, data, group, device)
        finally:
            stream.close()

    def _validation(self) -> EmbeddedSet:
        return open_embedded(storage.join(self.output, FOLDER), thumbnails=False)


def is_manifest(place: str) -> bool:
    """Is this a list of videos, rather than a folder of embeddings?"""
    return storage.suffix(place) in (".jsonl", ".csv", ".parquet")


def open_manifest(data: str, bundle: str, job: TrainJob, output: str) -> StreamSource:
    """List the videos of a manifest. Raises: UsageError."""
    tables = list_videos([data], job.stream.allow_https)
    train, validation = choose(data, {split: table.num_rows for split, table in tables.items()}, job)
    if train != validation:
        return StreamSource(data, bundle, job, output, tables[train], tables[validation])
    whole = tables[train]
    mask = held_out(data, whole["video_id"].to_pylist())
    parts = (_numbered(whole.take(np.flatnonzero(chosen))) for chosen in (~mask, mask))
    return StreamSource(data, bundle, job, output, *parts)


def _labelled(videos: pa.Table) -> Labelled:
    told = [bool(summary) for summary in videos["summary"].to_pylist()]
    return Labelled(videos["video_id"].to_pylist(), np.array(told, np.bool_))


def _numbered(videos: pa.Table) -> pa.Table:
    """With the column `index` counting these rows."""
    place = videos.column_names.index("index")
    return videos.set_column(place, "index", pa.array(np.arange(videos.num_rows), pa.int64()))
