"""What a step of training lowers: L = λt · cross-entropy of the summaries + λv · loss of the frame scores.

B batch, T frames. Each is a mean over the whole step, over all workers: the one over tokens, the other over videos.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field, model_validator
from torch import Tensor

from clipsum.config import Config
from clipsum.models.batch import Item
from clipsum.training.losses import VideoLoss, token_loss, video_loss

_FOR_THE_LOSS = frozenset({"marks", "marked"})


class Objective(Config):
    """`lambda_text`, `lambda_video`: weights of the two heads' losses; with 0 a head neither learns nor is computed.

    `query_share`: how often, where a video has queries, the scorer is trained on one of them and not on the generic
    case. `video`: what the loss of frame scores is made of. `learn_temporal` False leaves the temporal encoder as it
    is: a scorer then joins a trained summarizer without changing a summary.
    """

    lambda_text: float = Field(default=1.0, ge=0)
    lambda_video: float = Field(default=0.0, ge=0)
    query_share: float = Field(default=0.5, ge=0, le=1)
    video: VideoLoss = VideoLoss()
    learn_temporal: bool = True

    @model_validator(mode="after")
    def _something(self) -> "Objective":
        if not self.lambda_text and not self.lambda_video:
            raise ValueError("lambda_text and lambda_video are both 0: nothing would be learned")
        return self

    def scores(self, item: Item) -> bool:
        """Whether the loss of frame scores is taken of this item."""
        if not self.lambda_video or item.vectors is None or not len(item.vectors):
            return False
        return self.video.mode == "unsupervised" or item.marks is not None

    def count(self, items: Sequence[Item]) -> int:
        """How many of the items the loss of frame scores is taken of."""
        return sum(self.scores(item) for item in items)

    def count_batch(self, batch: Mapping[str, Tensor]) -> int:
        """The same of items that are collated."""
        if not self.lambda_video or "frames" not in batch:
            return 0
        if self.video.mode == "unsupervised":
            return int(batch["frame_mask"].any(dim=1).sum())
        return int(batch["marked"].sum()) if "marked" in batch else 0


TEXT_ALONE = Objective()


def model_inputs(batch: Mapping[str, Tensor], objective: Objective) -> dict[str, Tensor]:
    """What of a batch the model takes: without labels it writes no text."""
    left_out = _FOR_THE_LOSS if objective.lambda_text else _FOR_THE_LOSS | {"labels"}
    return {name: tensor for name, tensor in batch.items() if name not in left_out}


def micro_batch_loss(
    found: Any, batch: Mapping[str, Tensor], objective: Objective, label_smoothing: float, tokens: int, videos: int
) -> Tensor:
    """What a micro-batch adds to the loss of a step of so many `tokens` and of so many scored `videos`.

    `found`: what the model gave for `model_inputs`.
    """
    parts = []
    if objective.lambda_text:
        summed = token_loss(found.logits, batch["labels"], label_smoothing)
        parts.append(summed * objective.lambda_text / max(1, tokens))
    if objective.lambda_video:
        parts.append(_frames_loss(found, batch, objective.video) * objective.lambda_video / max(1, videos))
    return parts[0] if len(parts) == 1 else parts[0] + parts[1]


def _frames_loss(found: Any, batch: Mapping[str, Tensor], config: VideoLoss) -> Tensor:
    """The loss of frame scores, summed over the videos of a micro-batch that have one."""
    logits, rebuilt = found.frame_logits.float(), found.rebuilt.float()
    scored = batch.get("frame_mask") if config.mode == "unsupervised" else batch.get("marked")
    if scored is None or "frames" not in batch:
        nothing: Tensor = (logits.sum() + rebuilt.sum()) * 0.0
        return nothing  # workers wait for the gradient of every weight
    each = video_loss(config, logits, rebuilt, batch["frames"], batch["frame_mask"], batch.get("marks"))
    summed: Tensor = (each * (scored.any(dim=1) if scored.ndim == 2 else scored)).sum()
    return summed
