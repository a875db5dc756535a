"""One step of the optimisation: micro-batches in, a report out. It writes nothing and knows no cluster.

Everything random in step k follows from (seed, k), so training that is started again at step k from saved weights and
optimizer goes on as if it had never stopped.
"""

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from clipsum.training.objective import TEXT_ALONE, Objective, micro_batch_loss, model_inputs
from clipsum.training.workers import SOLO, Group

MicroBatch = Mapping[str, Tensor]


@dataclass(frozen=True)
class StepReport:
    """What one step did, over all workers.

    `loss` is the objective, of summaries alone the mean over its `tokens`, in nats; `losses`: where a scorer learns,
    each of `Objective.parts` before any weight. `gradient_norm` is taken before clipping. `step` is how many steps are
    done, `epoch` counts from 0.
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


def weight_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """The weights that learn: matrices decay, biases and norms do not, as it does harm to them."""
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    return [
        {"params": [weight for weight in trained if weight.ndim > 1], "weight_decay": weight_decay},
        {"params": [weight for weight in trained if weight.ndim <= 1], "weight_decay": 0.0},
    ]


def seed_step(seed: int, step: int, rank: int = 0) -> None:
    """Seed torch's global generator for step 0, 1, … of a worker: what dropout drops follows from these numbers."""
    torch.manual_seed(seed * 1_000_003 + step + rank * 2_654_435_761)  # of which a CPU's generator reads 32 bits


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
