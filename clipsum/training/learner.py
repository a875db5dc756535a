"""The model of a run with its optimizer: what one update changes, what a checkpoint keeps, and what a bundle gets."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file
from torch import Tensor

from clipsum.models.batch import Item, collate
from clipsum.models.bundle import Bundle, load_bundle
from clipsum.models.manifest import ENCODER
from clipsum.models.summarizer import ClipSum
from clipsum.training.build import build_model
from clipsum.training.config import TrainConfig
from clipsum.training.feed import Share
from clipsum.training.heads import choose_heads
from clipsum.training.loop import Rule, StepReport, TrainingDivergedError, seed_step, update
from clipsum.training.lora import MARK, add_lora
from clipsum.training.optimizer import build_optimizer, laid_like, load_optimizer_tensors, optimizer_tensors, whole
from clipsum.training.parallel import plain_model, spread
from clipsum.training.watching import Watching, collate_pixels, set_rate, tower_groups
from clipsum.training.workers import SOLO, Group

if TYPE_CHECKING:
    from clipsum.encoders.learning import LearningTower

_ADAPTER = "adapter/"
_ENCODER = "encoder/"


class Learner:
    """One worker's copy, or shards, of the model, and the state of its optimizer.

    `new_weights`: a line that says which weights are not the base bundle's. `diverged`: an update failed.
    `trained_parameters`: how many numbers learn; `learning`: a line for people where not all of them do.
    """

    def __init__(
        self,
        config: TrainConfig,
        model: ClipSum,
        pad_id: int,
        group: Group = SOLO,
        device: str = "cpu",
        tower: "LearningTower | None" = None,
        new_weights: str = "",
    ) -> None:
        """Raises: UsageError where model and configuration do not fit."""
        self.config, self.model, self._pad_id, self.group, self.device = config, model, pad_id, group, device
        self.tower, self.new_weights = tower, new_weights
        choose_heads(self.model, config.objective)
        if config.lora.rank:
            add_lora(self.model, config.lora, config.seed)
        every = [*self.model.parameters(), *(self.tower.parameters() if self.tower else ())]
        self.trained_parameters = sum(weight.numel() for weight in every if weight.requires_grad)
        self.learning = str(tower or "")
        if not tower and self.trained_parameters < (all_of := sum(weight.numel() for weight in every)):
            self.learning = f"{self.trained_parameters:,} of {all_of:,} weights learn, the others stay as they are"
        self._called = spread(self.model.to(device), config, group, self.tower)
        self._optimizer = build_optimizer(self.model, config.optimizer)
        for weights in tower_groups(self.tower, config.encoder_finetune, config.optimizer) if self.tower else ():
            self._optimizer.add_param_group(weights)
        bf16 = config.precision == "bf16"
        self._rule = Rule(config.optimizer.clip_norm, config.label_smoothing, bf16, config.objective)
        self.diverged = False

    @classmethod
    def of_base(cls, config: TrainConfig, base: Bundle, visual_width: int, group: Group, device: str) -> "Learner":
        """One that goes on from a bundle. Raises: UsageError where it and the configuration do not fit."""
        model, new_weights = build_model(config, base, visual_width)
        tower = _tower(config, base, device)
        return cls(config, model, base.tokenizer.pad_token_id, group, device, tower, new_weights)

    def learn(self, share: Share, step: int, learning_rate: float) -> StepReport:
        """The update of step 0, 1, … from this worker's share of it; all workers call. Raises: TrainingDivergedError.

        The report counts the step itself as done.
        """
        seed_step(self.config.seed, step, self.group.rank)
        set_rate(self._optimizer, self.config.encoder_finetune, self.config.optimizer, step)
        batches = [self._collated(items) for items in share.micro_batches]
        try:
            return update(
                self._called,
                self._optimizer,
                batches,
                share.tokens,
                learning_rate,
                self._rule,
                step + 1,
                self.group,
                share.videos,
            )
        except TrainingDivergedError:
            self.diverged = True
            raise

    def plain(self) -> ClipSum:
        """The model as a bundle knows it, whole and without adapters, in evaluation mode; all workers call."""
        return plain_model(self.model, self.config)

    def tensors(self) -> dict[str, Tensor]:
        """What training needs and a bundle has not: the optimizer's state, and adapters; all workers call."""
        adapters = {
            _ADAPTER + name: whole(weight.detach()).cpu().contiguous()
            for name, weight in self.model.named_parameters()
            if MARK in name
        }
        encoder = optimizer_tensors(self.tower, self._optimizer) if self.tower else {}
        named = {_ENCODER + name: tensor for name, tensor in encoder.items()}
        return optimizer_tensors(self.model, self._optimizer) | adapters | named

    @torch.no_grad()
    def load(self, folder: Path, tensors: dict[str, Tensor]) -> None:
        """Take the weights of the bundle in `folder`, and what `tensors` gave; all workers call. Raises: UsageError."""
        whole_of = load_bundle(str(folder)).folder
        weights = load_file(whole_of / "model.safetensors")
        adapters = {key for key in tensors if key.startswith(_ADAPTER)}
        weights |= {key.removeprefix(_ADAPTER): tensors[key] for key in adapters}
        # A weight that BART knows by several names is stored by one of them. What does not learn is the base's.
        for name, weight in self.model.named_parameters(remove_duplicate=False):
            if weight.requires_grad and name in weights:
                weight.copy_(laid_like(weights[name], weight))
        encoder = {key for key in tensors if key.startswith(_ENCODER)}
        state = {key: tensor for key, tensor in tensors.items() if key not in adapters | encoder}
        load_optimizer_tensors(self.model, self._optimizer, state)
        if self.tower:
            self.tower.restore(whole_of / ENCODER)
            named = {key.removeprefix(_ENCODER): tensors[key] for key in encoder}
            load_optimizer_tensors(self.tower, self._optimizer, named)

    def batch(self, items: Sequence[Item]) -> dict[str, Tensor]:
        """What a plain model takes: where the encoder learns, the frames as it sees them now, without gradients."""
        batch = self._collated(items)
        return Watching(self.model, self.tower).seen(batch) if self.tower else batch

    def _collated(self, items: Sequence[Item]) -> dict[str, Tensor]:
        return (collate_pixels if self.tower else collate)(items, self._pad_id, self.device)


def _tower(config: TrainConfig, base: Bundle, device: str) -> "LearningTower | None":
    """The encoder, where it is to learn. Raises: UsageError where it cannot."""
    tuned = config.encoder_finetune
    if not tuned.layers:
        return None
    from clipsum.encoders.learning import open_tower  # loads open_clip

    return open_tower(base.encoder_spec, tuned.layers, tuned.recompute).to(device)
