"""What a run is trained on, and whether it fits: checked before the first step, since some runs take days."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from clipsum.datasets.embedded import Embedded, EmbeddedSet
from clipsum.datasets.embedding_rows import Kind
from clipsum.datasets.marks import Marks
from clipsum.errors import UsageError
from clipsum.models.bundle import Bundle
from clipsum.training.config import TrainConfig
from clipsum.training.examples import sizes_of, without_pixels
from clipsum.training.feed import Stream
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
    _check_marks(config, data)
    widths = {width for name, videos in data.stored.items() for width in _check_part(name, videos, base)}
    if len(widths) > 1:
        one, other = sorted(widths)[:2]
        raise UsageError(f"embeddings of width {one} and of width {other} are mixed: embed all with one bundle")
    if isinstance(data.train, Sequence) and (both := set(_ids(data.train)) & set(_ids(data.validation))):
        raise UsageError(
            f"videos in both the training and the validation split: {len(both):,}, the first is '{min(both)}': "
            "a video belongs to one split"
        )
    return widths.pop() if widths else base.manifest.model.visual_width


def seen(videos: Sequence[Embedded], pixels: bool) -> Sequence[Embedded]:
    """The videos; stored pixels are read only where they are wanted."""
    return videos.bare() if isinstance(videos, EmbeddedSet) and not pixels else videos


def identity(data: TrainData) -> str:
    """Which videos in which order, in one line: another one, another run."""
    if not isinstance(data.train, Sequence):
        return data.train.identity
    digest = hashlib.sha256()
    for videos in data.stored.values():
        sizes = sizes_of(videos)
        digest.update("\n".join([*_ids(videos), ""]).encode())
        digest.update(np.stack([sizes.frames, sizes.text, sizes.summary]).tobytes())
        digest.update("\n".join([*_summaries(videos), ""]).encode())
    return f"{len(data.train)} videos, {len(data.validation)} for validation, {digest.hexdigest()[:12]}"


def _check_part(name: str, videos: Sequence[Embedded], base: Bundle) -> set[int]:
    """The widths that there are."""
    if not len(videos):
        raise UsageError(
            f"split '{name}' is empty: give the manifest a column 'split' with such videos, embed it again"
        )
    sizes = sizes_of(videos)
    without = np.flatnonzero(sizes.summary == 0)
    if len(without) == len(videos):
        raise UsageError(f"no video of split '{name}' has a summary: the manifest needs a column 'summary'")
    if len(without):
        raise UsageError(
            f"{len(without)} of {len(videos)} videos of split '{name}' have no summary, the first is "
            f"'{videos[int(without[0])].video_id}': fill the manifest's column 'summary', or take them out of the split"
        )
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


def _check_marks(config: TrainConfig, data: TrainData) -> None:
    """Refuse videos of which none is marked, where the scorer is to learn from marks."""
    objective = config.objective
    if not objective.lambda_video:
        return
    judged = {video_id for video_id, marks in data.marks.items() if marks.importance is not None}
    if config.validation.metric == "tau" and not judged & set(_ids(data.validation)):
        raise UsageError(
            f"validation.metric=tau compares with marks, and none of {len(data.validation)} validation videos has any: "
            "name the manifest that has them with --set marks=FILE"
        )
    if objective.video.mode == "unsupervised" or not isinstance(data.train, Sequence):
        return
    if not set(_ids(data.train)) & set(data.marks):
        raise UsageError(
            f"objective.video.mode=supervised learns from marks, and none of {len(data.train)} training videos has "
            "any: name the manifest that has them with --set marks=FILE, or take objective.video.mode=unsupervised"
        )


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


def _summaries(videos: Sequence[Embedded]) -> list[str]:
    found = videos.summaries if isinstance(videos, EmbeddedSet) else [video.summary for video in videos]
    return [summary or "" for summary in found]


def _ids(videos: Sequence[Embedded]) -> list[str]:
    return videos.video_ids if isinstance(videos, EmbeddedSet) else [video.video_id for video in videos]
