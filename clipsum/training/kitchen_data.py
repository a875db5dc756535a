"""The kitchen corpus as training examples: each epoch tells the same frames anew.

Memorising a finite corpus is the main risk, so which slots are hidden, the amounts and the order of the narration are
redrawn for every example of every epoch; frames lose some of their number and get some noise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from clipsum.datasets.kitchen.language import narration, oracle_narration, summary
from clipsum.datasets.kitchen.recipe import Video, redraw_narration
from clipsum.models.batch import Item
from clipsum.models.temporal import relative_times
from clipsum.models.text import encode_source, encode_target
from clipsum.records import Embeddings, Segment, Transcript
from clipsum.training.kitchen_scoring import KitchenScoring
from clipsum.training.modalities import Augmentation, asked, vary

Sees = Literal["both", "text", "frames", "oracle"]
FrameSet = Mapping[str, tuple[Embeddings, float]]  # video_id → embeddings and duration_s


@dataclass(frozen=True)
class Reader:
    """How a video becomes an item: what is seen of it, and the limits of the model that reads."""

    tokenizer: PreTrainedTokenizerBase
    sees: Sees
    max_text_tokens: int
    max_summary_tokens: int

    def item(self, video: Video, frames: tuple[Embeddings, float] | None) -> Item:
        """The video as it is, with its reference as labels; `frames` are left out where the reader sees none."""
        sentences = {"both": narration, "text": narration, "oracle": oracle_narration}.get(self.sees)
        said = Transcript(tuple(Segment(text) for text in sentences(video)) if sentences else (), "manifest")
        ids = encode_source(self.tokenizer, said, self.max_text_tokens, "spread").ids
        labels = encode_target(self.tokenizer, summary(video.steps), self.max_summary_tokens)
        if frames is None or self.sees in ("text", "oracle"):
            return Item(ids, labels=labels)
        embeddings, duration_s = frames
        return Item(ids, embeddings.vectors, relative_times(embeddings.times_s, duration_s), labels)


class KitchenExamples:
    """Training videos and their frame embeddings, for `StoredFeed`. `scoring`: what teaches the scorer, if one learns.

    `sizes`: the number of steps, which decides the length of narration and summary.
    """

    def __init__(
        self,
        videos: Sequence[Video],
        frames: FrameSet,
        reader: Reader,
        augmentation: Augmentation,
        scoring: KitchenScoring | None = None,
        query_share: float = 0.5,
    ) -> None:
        self.videos, self.frames, self.reader, self.augmentation = videos, frames, reader, augmentation
        self.scoring, self.query_share = scoring, query_share
        self.sizes: NDArray[np.int64] = np.array([len(video.steps) for video in videos])

    def draw(self, index: int, rng: np.random.Generator) -> Item:
        """The video told anew, one modality perhaps left out, its frames thinned and blurred."""
        video = redraw_narration(self.videos[index], rng)
        frames = self.frames.get(video.video_id)
        item = self.reader.item(video, frames)
        if self.scoring is not None and frames is not None:
            item = asked(self.scoring.added(item, video.video_id, frames), self.query_share, rng)
        return vary(item, self.augmentation, rng)
