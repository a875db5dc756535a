"""The optimisation loop: batches in, one report out for every step. It writes nothing and knows no cluster.

`optimise` is the whole of it for one process; `update` is one step, by one worker of many if need be. Everything
random in step k follows from (seed, k), so a loop that is started again at step k from saved weights and optimizer
goes on as if it had never stopped.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from clipsum.config import Config
from clipsum.models.batch import IGNORED_LABEL
from clipsum.training.objective import TEXT_ALONE, Objective, micro_batch_loss, model_inputs
from clipsum.training.workers import SOLO, Group

MicroBatch = Mapping[str, Tensor]


class Optimisation(Config):
    """AdamW, a linear warm-up, then half a cosine down to 0 at the last step."""

    steps: int = Field(default=2_000, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    warmup_steps: int = Field(default=100, ge=0)
    weight_decay: float = Field(default=0.01, ge=0)
    beta1: float = Field(default=0.9, ge=0, lt=1)
    beta2: float = Field(default=0.98, ge=0, lt=1)
    clip_norm: float = Field(default=1.0, gt=0)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    seed: int = Field(default=0, ge=0)

    def rate(self, step: int) -> float:
        """Learning rate of step 0, 1, …"""
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / (self.warmup_steps + 1)
        done = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


@dataclass(frozen=True)
class StepReport:
    """What one step did, over all workers.

    `loss` is the objective, of summaries alone the mean over its `tokens`, in nats; `losses`: where a scorer learns,
    each of `Objective.parts` before any weight. `gradient_norm` is taken before clipping. `optimise` counts `step` from
    0 and knows no epochs; of `Trainer`, `step` is how many steps are done, and `epoch` counts from 0.
    """

    step: int
    loss: float
    tokens: int
    gradient_norm: float
    learning_rate: float
    epoch: int = 0
    examples_per_s: float = 0.0
    losses: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    """What an update lowers, and how it is made of gradients. `bf16`: the model computes under autocast."""

    clip_norm: float
    label_smoothing: float = 0.0
    bf16: bool = False
    objective: Objective = TEXT_ALONE


class TrainingDivergedError(RuntimeError):
    """Loss or gradients are no longer finite. The weights are still those before the step that failed."""


def make_optimizer(model: nn.Module, config: Optimisation) -> torch.optim.AdamW:
    """AdamW over the weights that learn."""
    groups = weight_groups(model, config.weight_decay)
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(config.beta1, config.beta2))


def weight_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """The weights that learn: matrices decay, biases and norms do not, as it does harm to them."""
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    return [
        {"params": [weight for weight in trained if weight.ndim > 1], "weight_decay": weight_decay},
        {"params": [weight for weight in trained if weight.ndim <= 1], "weight_decay": 0.0},
    ]


def optimise(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Callable[[int], Sequence[MicroBatch]],
    config: Optimisation,
    start_step: int = 0,
    objective: Objective = TEXT_ALONE,
) -> Iterator[StepReport]:
    """Train `model` from `start_step` to `config.steps`; the caller looks at it, or saves it, between two steps.

    `batches(step)` gives the micro-batches of that step: the keyword arguments of the model's `forward`, `labels`
    (B, L) padded with -100 among them. The model returns something with `.logits` (B, L, vocabulary).
    Seeds torch's global generator at every step.

    Raises: TrainingDivergedError.
    """
    rule = Rule(config.clip_norm, config.label_smoothing, objective=objective)
    for step in range(start_step, config.steps):
        seed_step(config.seed, step)
        micro_batches = batches(step)
        tokens = sum(int((batch["labels"] != IGNORED_LABEL).sum()) for batch in micro_batches)
        videos = sum(map(objective.count_batch, micro_batches))
        yield update(model, optimizer, micro_batches, tokens, config.rate(step), rule, step, videos=videos)


def seed_step(seed: int, step: int, rank: int = 0) -> None:
    """Seed torch's global generator for step 0, 1, … of a worker: what dropout drops follows from these numbers."""
    torch.manual_seed(seed * 1_000_003 + step + (rank << 48))


def update(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    micro_batches: Sequence[MicroBatch],
    tokens: int,
    rate: float,
    rule: Rule,
    step: int,
    group: Group = SOLO,
    videos: int = 0,
) -> StepReport:
    """One update from this worker's micro-batches of a step, of whose labels `tokens` are real over all workers.

    Every token of the whole step weighs the same, however it is cut into workers and micro-batches: the gradient is
    a sum over tokens, divided by `tokens`. So does every one of the `videos` whose frame scores are learned from.
    Wrapped models average over workers, hence the factor `group.size`.
    Each group of the optimizer learns at `rate` times its own `scale`, if it has one.

    Raises: TrainingDivergedError, on every worker alike.
    """
    for parameters in optimizer.param_groups:
        parameters["lr"] = rate * parameters.get("scale", 1.0)
    model.train()
    optimizer.zero_grad(set_to_none=True)
    losses: list[Tensor] = []
    parts: dict[str, Tensor] = {}
    for number, batch in enumerate(micro_batches, start=1):
        with _gradients_stay_here(model, number < len(micro_batches)):
            with torch.autocast(batch["labels"].device.type, torch.bfloat16, enabled=rule.bf16):
                found = model(**model_inputs(batch, rule.objective))
            loss, told = micro_batch_loss(found, batch, rule.objective, rule.label_smoothing, tokens, videos)
            loss = loss * group.size
            loss.backward()  # type: ignore[no-untyped-call]
        losses.append(loss.detach())
        parts = {name: told[name] + parts.get(name, 0.0) for name in rule.objective.parts}
    mine = float(torch.stack(losses).double().sum()) / group.size, *(float(part) for part in parts.values())
    total, *each = group.total(*mine)
    norm = _clip(model, rule.clip_norm)
    if not (math.isfinite(total) and math.isfinite(norm)):
        raise TrainingDivergedError(
            f"loss {total} and gradient norm {norm} at step {step}: the update was not made; lower learning_rate "
            f"(now {rate:.2g}) or look for values that are not finite in the batch"
        )
    optimizer.step()
    return StepReport(step, total, tokens, norm, rate, losses=dict(zip(parts, each, strict=True)))


def _gradients_stay_here(model: nn.Module, more_come: bool) -> AbstractContextManager[None]:
    """Let `DistributedDataParallel` send gradients once a step, with the last micro-batch."""
    return model.no_sync() if more_come and isinstance(model, DistributedDataParallel) else nullcontext()


def _clip(model: nn.Module, clip_norm: float) -> float:
    """Scale the gradients down to `clip_norm` where they are longer; their norm before, over shards too."""
    norm = nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    return float(norm.full_tensor() if isinstance(norm, DTensor) else norm)
