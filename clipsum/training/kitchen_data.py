"""The kitchen corpus as training examples: each epoch tells the same frames anew.

Memorising a finite corpus is the main risk, so which slots are hidden, the amounts and the order of the narration are
redrawn for every example of every epoch; frames lose some of their number and get some noise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from transformers import PreTrainedTokenizerBase

from clipsum.config import Config
from clipsum.datasets.kitchen.language import narration, oracle_narration, summary
from clipsum.datasets.kitchen.recipe import Video, redraw_narration
from clipsum.models.batch import Item
from clipsum.models.temporal import relative_times
from clipsum.models.text import encode_source, encode_target
from clipsum.records import Embeddings, Segment, Transcript

Sees = Literal["both", "text", "frames", "oracle"]
FrameSet = Mapping[str, tuple[Embeddings, float]]  # video_id → embeddings and duration_s


class Augmentation(Config):
    """What changes about an example from epoch to epoch, besides its narration.

    `drop_text`, `drop_frames`: chance that a modality is left out, when the other one stays.
    `thin`: chance that only a random share of the frames, at least `thin_to` of them, is kept: key frames are few.
    `noise`: length of a random vector that is added to each frame's unit vector.
    """

    drop_text: float = Field(default=0.1, ge=0, le=1)
    drop_frames: float = Field(default=0.1, ge=0, le=1)
    thin: float = Field(default=0.5, ge=0, le=1)
    thin_to: float = Field(default=0.3, gt=0, le=1)
    noise: float = Field(default=0.3, ge=0)


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
    """`Dataset` over training videos and their frame embeddings."""

    def __init__(self, videos: Sequence[Video], frames: FrameSet, reader: Reader, augmentation: Augmentation) -> None:
        self.videos, self.frames, self.reader, self.augmentation = videos, frames, reader, augmentation

    def __len__(self) -> int:
        return len(self.videos)

    def size(self, index: int) -> int:
        """Number of steps: it decides the length of narration and summary."""
        return len(self.videos[index].steps)

    def draw(self, index: int, rng: np.random.Generator) -> Item:
        """The video told anew, one modality perhaps left out, its frames thinned and blurred."""
        video = self.videos[index]
        item = self.reader.item(redraw_narration(video, rng), self.frames.get(video.video_id))
        if item.vectors is None or item.relative is None or self.reader.sees != "both":
            without_text = without_frames = False
        else:
            lot = rng.random()
            without_text = lot < self.augmentation.drop_text
            without_frames = not without_text and lot < self.augmentation.drop_text + self.augmentation.drop_frames
        ids = (item.input_ids[0], item.input_ids[-1]) if without_text else item.input_ids
        if item.vectors is None or item.relative is None or without_frames:
            return Item(ids, labels=item.labels)
        kept = _thin(len(item.vectors), self.augmentation, rng)
        return Item(ids, _blur(item.vectors[kept], self.augmentation.noise, rng), item.relative[kept], item.labels)


def _thin(count: int, augmentation: Augmentation, rng: np.random.Generator) -> NDArray[np.int64]:
    """Numbers of the frames that stay, rising."""
    if rng.random() >= augmentation.thin:
        return np.arange(count)
    keep = max(1, round(count * rng.uniform(augmentation.thin_to, 1.0)))
    return np.sort(rng.permutation(count)[:keep])


def _blur(vectors: NDArray[np.float32], noise: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Unit vectors (T, D), moved by about `noise` in a random direction and brought back to length 1."""
    moved = vectors + rng.standard_normal(vectors.shape, np.float32) * np.float32(noise / vectors.shape[1] ** 0.5)
    moved /= np.linalg.norm(moved, axis=1, keepdims=True)
    return moved
