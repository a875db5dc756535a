"""Everything that decides a training run but the place it is written to and the number of workers.

The number of workers is left out because it changes nothing: see `clipsum.training.trainer`.
"""

import math
from typing import Literal

from pydantic import Field, model_validator

from clipsum.config import Config
from clipsum.models.config import FusionName, ScorerConfig
from clipsum.training.finetune import EncoderFinetune
from clipsum.training.modalities import Augmentation
from clipsum.training.objective import Objective

Sees = Literal["both", "text", "frames"]
Metric = Literal["rouge1", "rouge2", "rougeL", "tau", "query_f1", "frame_loss"]


class GenerationChanges(Config):
    """What differs from the base bundle's generation settings; None keeps the base's. Names as in `Generation`.

    `max_tokens` is the longest reference that is trained on, too.
    """

    num_beams: int | None = Field(default=None, ge=1)
    no_repeat_ngram_size: int | None = Field(default=None, ge=0)
    max_tokens: int | None = Field(default=None, ge=2)
    min_length: int | None = Field(default=None, ge=0)
    length_penalty: float | None = None
    early_stopping: bool | None = None


class ModelChanges(Config):
    """What differs from the base bundle's model; None keeps the base's. Names as in `ModelConfig`.

    `dropout` is that of fusion and temporal encoder, `bart_dropout` BART's own (of states, attention and activations).
    `others`: "default" takes for what is None here, of all but texts and generation, not the base's but `ModelConfig`'s
    own: a published system is the same from any base.
    """

    others: Literal["base", "default"] = "base"
    temporal_layers: int | None = Field(default=None, ge=0)
    temporal_heads: int | None = Field(default=None, ge=1)
    temporal_ffn: int | None = Field(default=None, ge=1)
    temporal_width: int | None = Field(default=None, ge=1)
    temporal_positions: int | None = Field(default=None, ge=2)
    temporal_norm: Literal["post", "pre"] | None = None
    temporal_activation: Literal["relu", "gelu"] | None = None
    positions: Literal["time", "index"] | None = None
    attention: Literal["global", "local"] | None = None
    attention_radius: int | None = Field(default=None, ge=0)
    aggregation: bool | None = None
    cross_attention: Literal["global", "local"] | None = None
    fusion: FusionName | None = None
    fusion_after_layer: int | None = Field(default=None, ge=1)
    context: Literal["text", "append"] | None = None
    dropout: float | None = Field(default=None, ge=0, lt=1)
    bart_dropout: float | None = Field(default=None, ge=0, lt=1)
    max_text_tokens: int | None = Field(default=None, ge=3)
    text_over_limit: Literal["spread", "truncate"] | None = None
    generation: GenerationChanges = GenerationChanges()
    scorer: ScorerConfig | None = None


class OptimizerConfig(Config):
    """`adam`: weight decay is an L2 term on every weight (the paper's). `adamw`: decoupled, on matrices only.

    `visual_learning_rate`: of the weights that are not BART's; None means `learning_rate`.
    `clip_norm`: the largest norm of the gradient over all weights and workers.
    """

    name: Literal["adam", "adamw"] = "adamw"
    learning_rate: float = Field(default=5e-5, gt=0)
    visual_learning_rate: float | None = Field(default=None, gt=0)
    beta1: float = Field(default=0.9, ge=0, lt=1)
    beta2: float = Field(default=0.999, ge=0, lt=1)
    weight_decay: float = Field(default=0.01, ge=0)
    clip_norm: float = Field(default=1.0, gt=0)


class ScheduleConfig(Config):
    """The learning rate over time, as a share of its full value.

    A linear rise over `warmup_steps`, then `cosine`: half a cosine down to 0 at the last step; `step`: times `decay`
    every `every_epochs`; `constant`: the full value.
    """

    shape: Literal["cosine", "step", "constant"] = "cosine"
    warmup_steps: int = Field(default=0, ge=0)
    decay: float = Field(default=0.95, gt=0, le=1)
    every_epochs: int = Field(default=10, ge=1)

    def share(self, step: int, epoch: int, steps: int) -> float:
        """Of step 0, 1, … in epoch 0, 1, …, of `steps` steps in all."""
        if step < self.warmup_steps:
            return (step + 1) / (self.warmup_steps + 1)
        if self.shape == "cosine":
            done = (step - self.warmup_steps) / max(1, steps - self.warmup_steps)
            return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
        return self.decay ** (epoch // self.every_epochs) if self.shape == "step" else 1.0


class ValidationConfig(Config):
    """When summaries of the validation videos are written and scored, and what follows from the scores.

    `every_epochs` and `every_steps` may both be given; after the last step there is always one.
    `patience`: so many validations in a row without a new best end the run; None: none do.
    `metric`: what chooses the best model. "tau" is that of frame scores with what people marked; "query_f1" how many
    of the frames that answer a query are found among as many of the highest score; "frame_loss" the scorer's own loss,
    of which the unsupervised one needs nobody's marks; the lowest is best.
    `samples`: so many summaries are shown beside their references, the same videos each time.
    """

    every_epochs: int | None = Field(default=1, ge=1)
    every_steps: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=16, ge=1)
    metric: Metric = "rouge2"
    patience: int | None = Field(default=10, ge=1)
    samples: int = Field(default=8, ge=0)


class LoraConfig(Config):
    """Low-rank adapters on BART's linear layers, by peft; BART's own weights then stay as they are.

    `rank` 0: none, all of BART learns. `alpha` / `rank` scales what they add. `targets`: names of layers.
    """

    rank: int = Field(default=0, ge=0)
    alpha: float = Field(default=16.0, gt=0)
    targets: tuple[str, ...] = ("q_proj", "v_proj")


class TrainConfig(Config):
    """One training run. The defaults are the recipe `clipsum`; `clipsum.training.recipes` has others by name.

    `init`: "base" goes on from the base bundle's weights; "random" takes its architecture with weights drawn from
    `seed`, matrices with the standard deviation `initial_sd` (None: that of the base's BART).
    `batch_size`: examples a step, over all workers. `micro_batch_size`: the most that one worker computes at once;
    more are accumulated (None: its whole share). `shuffle` False keeps the order of the data.
    `epochs`, `max_steps`: whichever is reached first ends the run. Every epoch uses every example; its last batch may
    be smaller, and its examples then weigh more, as each step's loss is the mean over that step's tokens.
    `objective`: which of the two heads learn, from what, and how much each weighs. `summary_share`: how often, where a
    video has no words, its reference summary guides the scoring of frames, as the one that is written may in use.
    `precision`: "bf16" computes under autocast; the weights stay in float32.
    `parallel`: "ddp": each worker has a whole copy; "fsdp2": weights, gradients and optimizer state are in shards.
    `encoder_finetune`: how the frame encoder learns too, if it does; its docstring is the protocol in full.
    `checkpoint_every_steps`: how often a runner saves between validations; None: after those only.
    """

    init: Literal["base", "random"] = "base"
    initial_sd: float | None = Field(default=None, gt=0)
    model: ModelChanges = ModelChanges(text_over_limit="spread")
    sees: Sees = "both"
    epochs: int | None = Field(default=20, ge=1)
    max_steps: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=32, ge=1)
    micro_batch_size: int | None = Field(default=None, ge=1)
    shuffle: bool = True
    optimizer: OptimizerConfig = OptimizerConfig(visual_learning_rate=5e-4)
    schedule: ScheduleConfig = ScheduleConfig(warmup_steps=200)
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    objective: Objective = Objective()
    summary_share: float = Field(default=0.0, ge=0, le=1)
    augmentation: Augmentation = Augmentation(thin=0.25, noise=0.0)
    precision: Literal["fp32", "bf16"] = "fp32"
    parallel: Literal["ddp", "fsdp2"] = "ddp"
    validation: ValidationConfig = ValidationConfig(patience=5)
    checkpoint_every_steps: int | None = Field(default=None, ge=1)
    lora: LoraConfig = LoraConfig()
    encoder_finetune: EncoderFinetune = EncoderFinetune()
    seed: int = Field(default=0, ge=0)

    def rate(self, step: int, epoch: int, steps: int) -> float:
        """The learning rate of step 0, 1, … in epoch 0, 1, …, of `steps` steps in all."""
        return self.optimizer.learning_rate * self.schedule.share(step, epoch, steps)

    @model_validator(mode="after")
    def _consistent(self) -> "TrainConfig":
        if self.epochs is None and self.max_steps is None:
            raise ValueError("epochs and max_steps are both None: give one of them, or training never ends")
        if self.validation.every_epochs is None and self.validation.every_steps is None and self.validation.patience:
            raise ValueError("validation.patience needs validations: give validation.every_epochs or every_steps")
        if self.lora.rank and self.init == "random":
            raise ValueError(f"lora.rank={self.lora.rank} adapts a trained BART, init='random' has none: use init=base")
        if self.encoder_finetune.layers and self.parallel == "fsdp2":
            raise ValueError("encoder_finetune needs whole copies of the encoder: use parallel=ddp, not fsdp2")
        if self.encoder_finetune.layers and self.sees == "text":
            raise ValueError("encoder_finetune learns from frames, sees=text shows none: set encoder_finetune.layers=0")
        self.objective.check_metric(self.validation.metric)
        if self.objective.lambda_video and self.encoder_finetune.layers:
            raise ValueError("objective.lambda_video needs frames that stay as they are: set encoder_finetune.layers=0")
        if self.objective.lambda_video and self.sees == "text":
            raise ValueError("objective.lambda_video scores frames, sees=text shows none: set objective.lambda_video=0")
        return self
