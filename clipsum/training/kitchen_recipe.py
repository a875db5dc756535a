"""How the toy kitchen's tiny ClipSum is made: its sizes, its training, and the writing of summaries with it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator
from transformers import BartConfig, PreTrainedTokenizerBase

from clipsum.config import Config, overlaid
from clipsum.datasets.kitchen.language import narration, oracle_narration, summary
from clipsum.datasets.kitchen.recipe import Video
from clipsum.models.batch import collate
from clipsum.models.config import ModelConfig
from clipsum.models.guidance import TextEncoder
from clipsum.models.summarizer import ClipSum
from clipsum.training.build import drawn_model
from clipsum.training.config import TrainConfig
from clipsum.training.course import Course
from clipsum.training.feed import StoredFeed
from clipsum.training.kitchen_data import FrameSet, KitchenExamples, Reader, Sees
from clipsum.training.kitchen_scoring import KitchenScoring
from clipsum.training.learner import Learner
from clipsum.training.loop import StepReport
from clipsum.training.recipes import recipe as named
from clipsum.training.recorded import check_recorded
from clipsum.training.tokenizer import train_tokenizer
from clipsum.training.workers import SOLO

LONGEST = 128  # tokens; the longest narration has 96, the longest summary 69


class KitchenRecipe(Config):
    """The sizes of one tiny BART, and its training: by the recipe `kitchen`, unless told otherwise."""

    width: int = Field(default=96, ge=4)
    encoder_layers: int = Field(default=3, ge=2)
    decoder_layers: int = Field(default=2, ge=1)
    heads: int = Field(default=4, ge=1)
    ffn: int = Field(default=192, ge=1)
    training: TrainConfig = named("kitchen")

    @model_validator(mode="after")
    def _in_steps(self) -> "KitchenRecipe":
        if self.training.max_steps is None or self.training.epochs is not None:
            raise ValueError("models that are compared have as many steps each: give max_steps, and no epochs")
        return self

    @property
    def steps(self) -> int:
        """How many steps it is trained for."""
        return self.training.max_steps or 0

    def without_temporal_encoder(self) -> "KitchenRecipe":
        """The same, for frames as a set without order."""
        return self.trained_with(model={"temporal_layers": 0})

    def with_scorer(
        self, mode: Literal["supervised", "unsupervised"], writes: bool, local: bool = False
    ) -> "KitchenRecipe":
        """The same with a scorer that learns, beside the summaries or, unless the model `writes` any, alone.

        It learns as the recipe `highlights` says, or `clip-it-unsupervised`: from no query then, and answers one by the
        encoder's cosine. Sizes, rate and steps are this recipe's own, being those of a tiny model.
        Frames get less noise than for summaries alone: a moment differs from its neighbours by little.
        """
        supervised, attention = mode == "supervised", "local" if local else "global"
        origins = ("query", "transcript") if supervised else ("transcript",)
        taught = named("highlights" if supervised else "clip-it-unsupervised")
        noise = min(named("highlights").augmentation.noise, self.training.augmentation.noise)
        return self.trained_with(
            model={"attention": attention, "cross_attention": attention, "scorer": {"ffn": 256, "origins": origins}},
            objective=taught.objective.model_dump() | {"lambda_text": float(writes)},
            augmentation={"noise": noise},
            validation={"metric": taught.validation.metric},
        )

    def with_seed(self, seed: int) -> "KitchenRecipe":
        """The same, from another seed: other initial weights, other batches, other draws."""
        return self.trained_with(seed=seed)

    def trained_with(self, **changes: Any) -> "KitchenRecipe":
        """The same, its training changed in these nested keys."""
        return overlaid(self, {"training": changes})


@dataclass(frozen=True)
class Trained:
    """A model in evaluation mode, with the reader that it was trained to read through."""

    model: ClipSum
    reader: Reader

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer of both sides."""
        return self.reader.tokenizer


def origin_of(recipe: KitchenRecipe, fingerprint: str) -> dict[str, str]:
    """What weights come from, as their file says it: the recipe, and the embeddings' fingerprint."""
    return {"recipe": recipe.model_dump_json(), "fingerprint": fingerprint}


def settings_of(origin: Mapping[str, Any]) -> dict[str, Any]:
    """The same for `check_recorded`; `origin` may be what a file says, or a record whose recipe is in values."""
    recipe = origin.get("recipe") or {}
    values = json.loads(recipe) if isinstance(recipe, str) else recipe
    return {**values, "fingerprint": origin.get("fingerprint")}


def check_origin(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raise UsageError where what lies at `path` comes from something else."""
    remedy = "remove it, or name another folder"
    check_recorded(str(path), settings_of(found), settings_of(wanted), KitchenRecipe, remedy)


def kitchen_tokenizer(videos: Sequence[Video]) -> PreTrainedTokenizerBase:
    """The tokenizer of these videos' narrations and summaries: give the training split."""
    texts = [" ".join(sentences(video)) for video in videos for sentences in (narration, oracle_narration)]
    return train_tokenizer([*texts, *(summary(video.steps) for video in videos)], max_tokens=LONGEST)


def new_model(recipe: KitchenRecipe, vocabulary: int, visual_width: int) -> ClipSum:
    """An untrained model, its weights drawn from the recipe's seed (through torch's global generator)."""
    sizes = BartConfig(
        vocab_size=vocabulary,
        d_model=recipe.width,
        encoder_layers=recipe.encoder_layers,
        decoder_layers=recipe.decoder_layers,
        encoder_attention_heads=recipe.heads,
        decoder_attention_heads=recipe.heads,
        encoder_ffn_dim=recipe.ffn,
        decoder_ffn_dim=recipe.ffn,
        max_position_embeddings=LONGEST,
        **{"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "forced_eos_token_id": 2},
        decoder_start_token_id=2,
    )
    limits = ModelConfig(visual_width=visual_width, max_text_tokens=LONGEST)
    return drawn_model(recipe.training, sizes, limits, visual_width)


def train_kitchen(
    videos: Sequence[Video],
    frames: FrameSet,
    recipe: KitchenRecipe,
    sees: Sees = "both",
    on_step: Callable[[StepReport], None] | None = None,
    encoder: TextEncoder | None = None,
    start: ClipSum | None = None,
) -> Trained:
    """Train on these videos: a function of its arguments, to the bit on one CPU thread.

    `encoder`: that of the frames, for the texts that guide a scorer. `start`: a model of the recipe to go on from.
    Raises: ValueError where a video has no frames; TrainingDivergedError.
    """
    if missing := [video.video_id for video in videos if video.video_id not in frames]:
        raise ValueError(f"{len(missing)} videos have no embeddings, the first is {missing[0]}: embed them first")
    tokenizer = kitchen_tokenizer(videos)
    width = frames[videos[0].video_id][0].vectors.shape[1]
    model, config = start or new_model(recipe, len(tokenizer), width), recipe.training
    reader = Reader(tokenizer, sees, LONGEST, LONGEST)
    scoring = KitchenScoring(videos, encoder) if config.objective.lambda_video and encoder else None
    examples = KitchenExamples(videos, frames, reader, config.augmentation, scoring, config.objective.query_share)
    learner = Learner(config, model, tokenizer.pad_token_id)
    course = Course(config, learner, StoredFeed(examples, config, SOLO))
    while not course.is_done:
        report = course.step()
        if on_step:
            on_step(report)
    return Trained(model.eval(), reader)


def write_summaries(
    trained: Trained, videos: Sequence[Video], frames: FrameSet, sees: Sees | None = None, batch_size: int = 50
) -> list[str]:
    """The model's summary of each video, in their order; videos of similar length share a batch.

    `sees`: another condition than it was trained under. A video that is not in `frames` is read without frames.
    """
    reader = trained.reader if sees is None else replace(trained.reader, sees=sees)
    order = sorted(range(len(videos)), key=lambda number: len(videos[number].steps))
    texts = [""] * len(videos)
    for start in range(0, len(order), batch_size):
        numbers = order[start : start + batch_size]
        items = [reader.item(videos[number], frames.get(videos[number].video_id)) for number in numbers]
        batch = collate([replace(item, labels=None) for item in items], trained.tokenizer.pad_token_id)
        ids = trained.model.generate(**batch, generation=None)
        for number, text in zip(numbers, trained.tokenizer.batch_decode(ids, skip_special_tokens=True), strict=True):
            texts[number] = text.strip()
    return texts
