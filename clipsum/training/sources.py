"""What a run is trained on, and whether it fits: checked before the first step, since some runs take days."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from clipsum.datasets.embedded import Embedded, EmbeddedSet
from clipsum.datasets.embedding_rows import Kind
from clipsum.datasets.marks import Marks
from clipsum.errors import UsageError
from clipsum.models.bundle import Bundle
from clipsum.reports.units import counted
from clipsum.training.columns import ids_of, sizes_of
from clipsum.training.config import TrainConfig
from clipsum.training.examples import without_pixels
from clipsum.training.feed import Stream
from clipsum.training.labels import Labelled, check_labels, check_measured
from clipsum.training.workers import Group


@dataclass(frozen=True)
class TrainData:
    """What to train on and what to validate on. `trained_on`: the former in words, for the bundle and its card.

    `marks`: by video id, what people marked in them, where frame scores are learned from that. `notes`: lines for
    people about the data.
    """

    train: Sequence[Embedded] | Stream
    validation: Sequence[Embedded]
    trained_on: str = ""
    marks: Mapping[str, Marks] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def stored(self) -> dict[str, Sequence[Embedded]]:
        """By name, the parts that are there as a whole."""
        train = {"train": self.train} if isinstance(self.train, Sequence) else {}
        return {**train, "validation": self.validation}


def check_data(config: TrainConfig, base: Bundle, data: TrainData, group: Group) -> int:
    """The width of the embeddings. Raises: UsageError, one line, where something does not fit."""
    if config.batch_size < group.size:
        raise UsageError(
            f"batch_size={config.batch_size} is less than the {group.size} workers: raise it, or start fewer workers"
        )
    if config.encoder_finetune.layers:
        for name, videos in data.stored.items():
            _check_pixels(name, videos)
    for name, videos in data.stored.items():
        if not len(videos):
            raise UsageError(
                f"split '{name}' is empty: give the manifest a column 'split' with such videos, embed it again"
            )
    check_labels(config, {name: _labelled(videos) for name, videos in data.stored.items()}, data.marks)
    widths = {width for name, videos in data.stored.items() for width in _check_part(name, videos, base)}
    if len(widths) > 1:
        one, other = sorted(widths)[:2]
        raise UsageError(f"embeddings of width {one} and of width {other} are mixed: embed all with one bundle")
    if isinstance(data.train, Sequence) and (both := set(ids_of(data.train)) & set(ids_of(data.validation))):
        raise UsageError(
            f"videos in both the training and the validation split: {len(both):,}, the first is '{min(both)}': "
            "a video belongs to one split"
        )
    if config.objective.lambda_video:
        check_measured(
            config.validation.metric, config.objective.video.mode, seen(data.validation, pixels=False), data.marks
        )
    return widths.pop() if widths else base.manifest.model.visual_width


def seen(videos: Sequence[Embedded], pixels: bool) -> Sequence[Embedded]:
    """The videos; stored pixels are read only where they are wanted."""
    return videos.bare() if isinstance(videos, EmbeddedSet) and not pixels else videos


def with_summaries(videos: Sequence[Embedded]) -> Sequence[Embedded]:
    """Those that have a reference, in their order."""
    if isinstance(videos, EmbeddedSet):
        return videos.select(np.flatnonzero(videos.sizes().summary > 0))
    return [video for video in videos if video.summary]


def cut_references(config: TrainConfig, base: Bundle, summaries: Iterable[str | None]) -> list[str]:
    """A line for people where references are longer than what is trained on: the model learns to end where they do."""
    most = config.model.generation.max_tokens or base.manifest.model.generation.max_tokens
    long = [summary for summary in summaries if summary and len(summary) > most - 2]  # a token has a character or more
    cut = sum(len(ids) > most - 2 for ids in base.tokenizer(long, add_special_tokens=False)["input_ids"]) if long else 0
    if not cut:
        return []
    return [
        f"{counted(cut, 'training reference')} cut to max_tokens={most}, and what is written will end there too: "
        "--set model.generation.max_tokens=… for longer ones"
    ]


def identity(data: TrainData) -> str:
    """Which videos in which order, and all that is learned of them, in one line: another one, another run."""
    if not isinstance(data.train, Sequence):
        return data.train.identity
    digest = hashlib.sha256()
    for videos in data.stored.values():
        for video in seen(videos, pixels=False):
            digest.update(f"{video.video_id}\n{video.summary or ''}\n{video.transcript.segments}\n".encode())
            digest.update(video.embeddings.times_s.tobytes())
            digest.update(video.embeddings.vectors.astype(np.float16).tobytes())  # as they are stored
    return f"{len(data.train)} videos, {len(data.validation)} for validation, {digest.hexdigest()[:12]}"


def _check_part(name: str, videos: Sequence[Embedded], base: Bundle) -> set[int]:
    """The widths that there are."""
    kinds, widths = _kinds(videos)
    manifest = base.manifest
    wanted = Kind(manifest.fingerprint, str(manifest.sampling), manifest.seek)
    for kind in kinds:
        for what, theirs, ours in zip(Kind._fields, kind, wanted, strict=True):
            if theirs != ours:
                raise UsageError(
                    f"embeddings of split '{name}' have {what} '{theirs}', bundle {base.bundle_id} takes '{ours}': "
                    "embed the videos with this bundle, or name the bundle that they were made with"
                )
    return widths


def _labelled(videos: Sequence[Embedded]) -> Labelled:
    return Labelled(ids_of(videos), sizes_of(videos).summary > 0)


def _check_pixels(name: str, videos: Sequence[Embedded]) -> None:
    """Refuse videos whose frames are embedded without being there themselves."""
    if isinstance(videos, EmbeddedSet):
        without = videos.without_pixels
    else:
        without = [each.video_id for each in videos if len(each.embeddings.vectors) and each.frames is None]
    if without:
        found = f"{len(without)} of {len(videos)} videos of split '{name}' have none, the first is '{without[0]}'"
        raise without_pixels(found)


def _kinds(videos: Sequence[Embedded]) -> tuple[set[Kind], set[int]]:
    if isinstance(videos, EmbeddedSet):
        return {videos.kind}, {videos.width} - {0}
    all_of = [video.embeddings for video in videos]
    return {Kind(each.fingerprint, each.sampling, each.seek) for each in all_of}, {
        each.vectors.shape[1] for each in all_of if len(each.vectors)
    }
