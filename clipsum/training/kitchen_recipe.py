"""How the toy kitchen's tiny ClipSum is made: its sizes, its training, and the writing of summaries with it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from pydantic import Field
from transformers import BartConfig, BartForConditionalGeneration, PreTrainedTokenizerBase

from clipsum.config import Config
from clipsum.datasets.kitchen.language import narration, oracle_narration, summary
from clipsum.datasets.kitchen.recipe import Video
from clipsum.models.batch import collate
from clipsum.models.config import Generation, ModelConfig, ScorerConfig
from clipsum.models.guidance import TextEncoder
from clipsum.models.summarizer import ClipSum
from clipsum.training.data import Batches
from clipsum.training.heads import choose_heads
from clipsum.training.kitchen_data import FrameSet, KitchenExamples, Reader, Sees
from clipsum.training.kitchen_scoring import KitchenScoring
from clipsum.training.loop import Optimisation, StepReport, make_optimizer, optimise
from clipsum.training.losses import VideoLoss
from clipsum.training.modalities import Augmentation
from clipsum.training.objective import TEXT_ALONE, Objective
from clipsum.training.tokenizer import train_tokenizer

LONGEST = 128  # tokens; the longest narration has 96, the longest summary 69
# The references repeat trigrams ("with the pan"), so that ban is lifted.
GENERATION = Generation(num_beams=5, no_repeat_ngram_size=0, max_tokens=96)

SCORER = ScorerConfig(ffn=256)


class KitchenRecipe(Config):
    """Sizes and training of one tiny model. Its modest width wants larger initial weights than BART's 0.02."""

    width: int = Field(default=96, ge=4)
    encoder_layers: int = Field(default=3, ge=2)
    decoder_layers: int = Field(default=2, ge=1)
    heads: int = Field(default=4, ge=1)
    ffn: int = Field(default=192, ge=1)
    initial_sd: float = Field(default=0.08, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    temporal_layers: int = Field(default=2, ge=0)
    temporal_ffn: int = Field(default=256, ge=1)
    fusion: Literal["concat", "gated", "residual"] = "concat"
    context: Literal["text", "append"] = "append"
    attention: Literal["global", "local"] = "global"
    scorer: ScorerConfig | None = None
    objective: Objective = TEXT_ALONE
    batch_size: int = Field(default=24, ge=1)
    optimisation: Optimisation = Optimisation(steps=1_500, learning_rate=2e-3, warmup_steps=100)
    augmentation: Augmentation = Augmentation()

    def without_temporal_encoder(self) -> "KitchenRecipe":
        """The same, for frames as a set without order."""
        return self.model_copy(update={"temporal_layers": 0})

    def with_scorer(
        self, mode: Literal["supervised", "unsupervised"], writes: bool, local: bool = False
    ) -> "KitchenRecipe":
        """The same with a scorer that learns, beside the summaries or, unless the model `writes` any, alone.

        Unsupervised it learns from no query, and answers one by the encoder's cosine.
        Frames get less noise than for summaries alone: a moment differs from its neighbours by little.
        """
        objective = Objective(lambda_text=float(writes), lambda_video=1.0, query_share=0.25)
        if mode == "unsupervised":
            video = VideoLoss(mode=mode, diversity=10.0, reconstruction=1.0)
            objective = objective.model_copy(update={"video": video, "query_share": 0.0})
        attention: Literal["global", "local"] = "local" if local else "global"
        augmentation = self.augmentation.model_copy(update={"noise": min(0.1, self.augmentation.noise)})
        changes = {"objective": objective, "attention": attention, "augmentation": augmentation}
        origins = ("query", "transcript") if objective.query_share else ("transcript",)
        return self.model_copy(update={"scorer": SCORER.model_copy(update={"origins": origins}), **changes})

    def with_seed(self, seed: int) -> "KitchenRecipe":
        """The same, from another seed: other initial weights, other batches, other draws."""
        return self.model_copy(update={"optimisation": self.optimisation.model_copy(update={"seed": seed})})


@dataclass(frozen=True)
class Trained:
    """A model in evaluation mode, with the reader that it was trained to read through."""

    model: ClipSum
    reader: Reader

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer of both sides."""
        return self.reader.tokenizer


def kitchen_tokenizer(videos: Sequence[Video]) -> PreTrainedTokenizerBase:
    """The tokenizer of these videos' narrations and summaries: give the training split."""
    texts = [" ".join(sentences(video)) for video in videos for sentences in (narration, oracle_narration)]
    return train_tokenizer([*texts, *(summary(video.steps) for video in videos)], max_tokens=LONGEST)


def new_model(recipe: KitchenRecipe, vocabulary: int, visual_width: int) -> ClipSum:
    """An untrained model, its weights drawn from the recipe's seed (through torch's global generator)."""
    torch.manual_seed(recipe.optimisation.seed)
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
        dropout=recipe.dropout,
        init_std=recipe.initial_sd,
        **{"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "forced_eos_token_id": 2},
        decoder_start_token_id=2,
    )
    config = ModelConfig(
        visual_width=visual_width,
        temporal_layers=recipe.temporal_layers,
        temporal_ffn=recipe.temporal_ffn,
        fusion=recipe.fusion,
        context=recipe.context,
        attention=recipe.attention,
        cross_attention=recipe.attention,
        scorer=recipe.scorer,
        dropout=recipe.dropout,
        max_text_tokens=LONGEST,
        generation=GENERATION,
    )
    return ClipSum(config, BartForConditionalGeneration(sizes))


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
    model = start or new_model(recipe, len(tokenizer), width)
    choose_heads(model, recipe.objective)
    reader = Reader(tokenizer, sees, LONGEST, LONGEST)
    seed = recipe.optimisation.seed
    scoring = KitchenScoring(videos, encoder) if recipe.objective.lambda_video and encoder else None
    examples = KitchenExamples(videos, frames, reader, recipe.augmentation, scoring, recipe.objective.query_share)
    batches = Batches(examples, recipe.batch_size, tokenizer.pad_token_id, seed)
    once = recipe.optimisation
    for report in optimise(model, make_optimizer(model, once), batches, once, objective=recipe.objective):
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
