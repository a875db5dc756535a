"""The toy kitchen's videos as the scorer learns from them and is tried on them.

T frames, V videos. Annotators' marks and queries are made again from what the video is; the manifest holds the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from clipsum.datasets.embedded import Embedded
from clipsum.datasets.kitchen.importance import annotate
from clipsum.datasets.kitchen.language import cues, queries
from clipsum.datasets.kitchen.recipe import Video
from clipsum.datasets.marks import SCALE, AskedQuery, Marks
from clipsum.models.batch import Item, collate
from clipsum.models.guidance import TextEncoder
from clipsum.models.summarizer import ClipSum
from clipsum.models.temporal import relative_times
from clipsum.records import Embeddings, Transcript
from clipsum.training.scoring import Scoring

Column = NDArray[np.float64]
_BATCH = 100


@dataclass(frozen=True, repr=False)
class VideoScores:
    """Scores in [0, 1] of one video's frames: without a query (T,), and for each of its queries (T,)."""

    generic: Column
    asked: tuple[Column, ...]


class KitchenScoring:
    """Adds what guides and what is marked to items of these videos, and keeps it: about 10 KB for each that was asked.

    `encoder`: that of the frames, which embeds the texts. The narration that guides is the video's own, however it is
    told anew to the summarizer: CLIP's text tower would cost more than the rest of a step.
    """

    def __init__(self, videos: Sequence[Video], encoder: TextEncoder) -> None:
        self.marks: Mapping[str, Marks] = {video.video_id: marks_of(video) for video in videos}
        self._videos = {video.video_id: video for video in videos}
        self._scoring = Scoring(encoder, self.marks, "both")
        self._known: dict[str, Item] = {}

    def added(self, item: Item, video_id: str, frames: tuple[Embeddings, float]) -> Item:
        """The item of a video with its narration as guide, its marks and its queries."""
        known = self.item(video_id, frames)
        return replace(item, guide=known.guide, marks=known.marks, queries=known.queries)

    def item(self, video_id: str, frames: tuple[Embeddings, float]) -> Item:
        """The video as the scorer alone sees it."""
        if video_id not in self._known:
            (embeddings, duration_s), video = frames, self._videos[video_id]
            said = Transcript(cues(video), "sidecar")
            seen = Embedded(video_id, "", video.split, duration_s, embeddings, said, None)
            plain = Item((), embeddings.vectors, relative_times(embeddings.times_s, duration_s))
            self._known[video_id] = self._scoring.added(plain, seen)
        return self._known[video_id]


def marks_of(video: Video) -> Marks:
    """What the annotators of a video marked, and what is asked of it."""
    asked = tuple(
        AskedQuery(str(query["query"]), tuple((start, end) for start, end in query["segments"]))  # type: ignore[attr-defined]
        for query in queries(video)
    )
    return Marks(np.array(annotate(video), np.uint8), *SCALE, asked)


def score_items(model: ClipSum, items: Sequence[Item]) -> list[VideoScores]:
    """Scores of each item's frames, without a query and for each of its queries."""
    every = [
        (place, guide)
        for place, item in enumerate(items)
        for guide in (item.guide, *(each for each, _ in item.queries))
    ]
    found: list[list[Column]] = [[] for _ in items]
    for start in range(0, len(every), _BATCH):
        chunk = every[start : start + _BATCH]
        for (place, _), scores in zip(
            chunk, _scores(model, [replace(items[p], guide=g) for p, g in chunk]), strict=True
        ):
            found[place].append(scores)
    return [VideoScores(generic, tuple(asked)) for generic, *asked in found]


@torch.inference_mode()
def _scores(model: ClipSum, items: Sequence[Item]) -> list[Column]:
    """Scores (T,) of the frames of each item, under its guide."""
    given = {name: tensor for name, tensor in collate(items, 0).items() if name not in ("marks", "marked", "labels")}
    rows = model(**given).frame_logits.double().sigmoid().numpy()
    lengths = [0 if item.vectors is None else len(item.vectors) for item in items]
    return [row[:length] for row, length in zip(rows, lengths, strict=True)]
