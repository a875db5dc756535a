"""Embedded videos as training examples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clipsum.datasets.embedded import Embedded, Sizes
from clipsum.datasets.embedding_rows import Kind
from clipsum.datasets.marks import Marks
from clipsum.errors import UsageError
from clipsum.models.batch import IGNORED_LABEL, Item
from clipsum.models.config import ModelConfig
from clipsum.models.temporal import relative_spans, relative_times
from clipsum.models.text import encode_source, encode_target
from clipsum.records import Transcript
from clipsum.training.columns import ids_of, sizes_of
from clipsum.training.config import Sees, TrainConfig
from clipsum.training.modalities import asked, sampled, told, vary
from clipsum.training.objective import Objective, tokens_of
from clipsum.training.scoring import Scoring

_CHARACTERS_A_TOKEN = 4  # about, in English


class Tokens(NamedTuple):
    """What is read (S,), what is to be written (L,), and, where they are wanted, the times of what is read (S, 2)."""

    read: NDArray[np.int32]
    written: NDArray[np.int32]
    times: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class ItemReader:
    """How an embedded video becomes an item of a model: what is seen of it, and the limits of the model that reads.

    `pixels`: items have the pixels of their frames as well, for an encoder that learns. `scoring`: what teaches the
    scorer, where one learns.
    """

    tokenizer: Any
    sees: Sees
    model: ModelConfig
    kind: Kind
    pixels: bool = False
    scoring: Scoring | None = None

    def item(self, video: Embedded) -> Item:
        """The video with its reference as labels; frames are left out where there are none or none are seen.

        Raises: UsageError where it has no reference and no scorer learns, or embeddings of another kind or width.
        """
        return self.with_tokens(video, self.tokens(video))

    def with_tokens(self, video: Embedded, tokens: "Tokens") -> Item:
        """The item of a video whose `tokens` are known."""
        vectors, relative = self.frames(video)
        pixels = None if vectors is None else self.pixels_of(video)
        item = Item(tokens.read.tolist(), vectors, relative, tokens.written.tolist(), pixels, text_times=tokens.times)
        return item if self.scoring is None else self.scoring.added(item, video)

    def tokens(self, video: Embedded) -> "Tokens":
        """What is read and what is to be written, where a scorer learns maybe nothing.

        Raises: UsageError where it has no reference, and no scorer learns.
        """
        has_summary = bool(video.summary and video.summary.strip())
        if not has_summary and self.scoring is None:
            raise UsageError(
                f"video '{video.video_id}' has no summary to train on: fill the manifest's column 'summary'"
            )
        said = video.transcript if self.sees != "frames" else Transcript()
        timed = self.model.cross_attention == "local"
        text = encode_source(self.tokenizer, said, self.model.max_text_tokens, self.model.text_over_limit, timed)
        longest = self.model.generation.max_tokens
        written = encode_target(self.tokenizer, video.summary or "", longest) if has_summary else [IGNORED_LABEL]
        times = relative_spans(text.spans, video.duration_s) if text.spans else None
        return Tokens(np.array(text.ids, np.int32), np.array(written, np.int32), times)

    def frames(self, video: Embedded) -> tuple[NDArray[np.float32] | None, NDArray[np.float64] | None]:
        """Vectors (T, V) and relative times (T,). Raises: UsageError where they are of another kind or width."""
        found = video.embeddings
        if self.sees == "text" or not len(found.vectors):
            return None, None
        kind, width = Kind(found.fingerprint, found.sampling, found.seek), found.vectors.shape[1]
        if kind != self.kind or width != self.model.visual_width:
            raise UsageError(
                f"video '{video.video_id}' has embeddings of width {width}, {_shown(kind)}; the model takes width "
                f"{self.model.visual_width}, {_shown(self.kind)}: embed all videos with the base bundle"
            )
        return found.vectors, relative_times(found.times_s, video.duration_s)

    def pixels_of(self, video: Embedded) -> NDArray[np.uint8] | None:
        """The pixels of its frames (T, H, W, 3), where they are wanted. Raises: UsageError where there are none."""
        if self.pixels and video.frames is None:
            raise without_pixels(f"video '{video.video_id}' has none")
        return video.frames.pixels if self.pixels and video.frames is not None else None

    def has_evidence(self, item: Item) -> bool:
        """Whether there is anything to summarise: words or frames."""
        return len(item.input_ids) > 2 or item.vectors is not None


class Examples:
    """Embedded videos as `Stored` examples, those without any evidence left out. `sizes`: characters, about.

    Left out too are those that teach nothing: that have neither a summary, nor, where a scorer learns, frames with what
    it learns from. `marks`: by video id, for a supervised scorer.

    Memory: the tokens of every example that was drawn, 4 bytes each, and 16 more where they carry times; vectors are
    asked for anew each time.
    Raises: UsageError where no video has anything to read.
    """

    def __init__(
        self,
        videos: Sequence[Embedded],
        reader: ItemReader,
        config: TrainConfig,
        marks: Mapping[str, Marks] | None = None,
    ) -> None:
        self.videos, self.reader, self._config = videos, reader, config
        sizes = sizes_of(videos)
        text = np.minimum(sizes.text, reader.model.max_text_tokens * _CHARACTERS_A_TOKEN)
        text = text * (reader.sees != "frames")
        seen = (text > 0) | (sizes.frames * (reader.sees != "text") > 0)
        teaching = seen & _teach(videos, sizes, config.objective, marks or {})
        self.places = np.flatnonzero(teaching)
        self.left_out, self.untaught = int((~seen).sum()), int((seen & ~teaching).sum())
        if not len(self.places):
            raise UsageError(f"none of {len(videos)} videos has what sees={reader.sees} asks for: look at transcripts")
        self.sizes: NDArray[np.int64] = (text + sizes.summary)[self.places]
        self._tokens: dict[int, Tokens] = {}

    def __len__(self) -> int:
        return len(self.places)

    def item(self, index: int) -> Item:
        """Example `index` as it is."""
        video = self.videos[int(self.places[index])]
        if index not in self._tokens:
            self._tokens[index] = self.reader.tokens(video)
        return self.reader.with_tokens(video, self._tokens[index])

    def draw(self, index: int, rng: np.random.Generator) -> Item:
        """Example `index` as `varied` gives it."""
        return varied(self.item(index), self._config, rng)


def varied(item: Item, config: TrainConfig, rng: np.random.Generator) -> Item:
    """The item as a run of `config` learns from it once: some of its frames, one of its queries, augmented."""
    tuned, objective = config.encoder_finetune, config.objective
    if tuned.layers and tuned.frames:
        item = sampled(item, tuned.frames, rng)
    only_asked = objective.needs_marks and item.marks is None  # in general nobody said what matters in it
    item = told(asked(item, 1.0 if only_asked else objective.query_share, rng), config.summary_share, rng)
    # Without frames there is nothing to score: a video that teaches the scorer alone keeps them.
    keeps = {} if objective.lambda_text and tokens_of(item) else {"drop_frames": 0.0}
    return vary(item, config.augmentation.model_copy(update=keeps), rng)


def _teach(
    videos: Sequence[Embedded], sizes: Sizes, objective: Objective, marks: Mapping[str, Marks]
) -> NDArray[np.bool_]:
    """Which videos some head learns from, (V,)."""
    teach = (sizes.summary > 0) & (objective.lambda_text > 0)
    if objective.lambda_video:
        marked = np.array([name in marks for name in ids_of(videos)]) if objective.needs_marks else True
        teach |= (sizes.frames > 0) & marked
    return teach


def without_pixels(found: str) -> UsageError:
    """What to say of data that an encoder cannot learn from; `found`: where there are none, in words."""
    return UsageError(
        f"encoder_finetune.layers asks for the pixels of frames, {found}: embed the videos again, into another folder, "
        "with clipsum embed … --set keep_pixels=true"
    )


def _shown(kind: Kind) -> str:
    return f"fingerprint '{kind.fingerprint[:12]}', sampling '{kind.sampling}', seek '{kind.seek}'"
