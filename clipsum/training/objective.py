"""What a step of training lowers: L = λt · cross-entropy of the summaries + λv · loss of the frame scores.

B batch, T frames. Each is a mean over the whole step, over all workers: the one over tokens, the other over videos.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field, model_validator
from torch import Tensor

from clipsum.config import Config
from clipsum.models.batch import IGNORED_LABEL, Item
from clipsum.models.config import TextOrigin
from clipsum.training.losses import VideoLoss, token_loss, video_losses, weighted

TEXT, VIDEO = "text", "video"
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

    @property
    def parts(self) -> tuple[str, ...]:
        """Of what the loss is made, where a scorer learns: that of each head, then of which the video's is."""
        if not self.lambda_video:
            return ()
        return (*((TEXT,) if self.lambda_text else ()), VIDEO, *self.video.weights)

    @property
    def needs_marks(self) -> bool:
        """Whether the scorer learns from what people marked, and from nothing else."""
        return self.lambda_video > 0 and self.video.mode == "supervised"

    def check_metric(self, metric: str) -> None:
        """Raise ValueError where it is of a head that does not learn."""
        of_text = metric.startswith("rouge")
        if not of_text and not self.lambda_video:
            raise ValueError(f"validation.metric={metric} needs a scorer that learns: set objective.lambda_video=1")
        if of_text and not self.lambda_text:
            raise ValueError(
                f"validation.metric={metric} scores summaries, and objective.lambda_text=0 learns from none: set "
                "validation.metric=tau, or frame_loss where nobody marked the validation videos"
            )

    def teaches(self, item: Item) -> bool:
        """Whether a head learns from this item: from its summary, from its marks, or from those of a query of it."""
        written = self.lambda_text > 0 and tokens_of(item) > 0
        return written or self.scores(item) or (bool(item.queries) and self.needs_marks and item.vectors is not None)

    def scores(self, item: Item) -> bool:
        """Whether the loss of frame scores is taken of this item."""
        if not self.lambda_video or item.vectors is None or not len(item.vectors):
            return False
        return self.video.mode == "unsupervised" or item.marks is not None

    def count(self, items: Sequence[Item]) -> int:
        """How many of the items the loss of frame scores is taken of."""
        return sum(self.scores(item) for item in items)

    def guided(self, items: Sequence[Item]) -> dict[TextOrigin, int]:
        """Of how many of those items the scorer is guided by a text from there."""
        guided = [item for item in items if item.guide is not None and self.scores(item)]
        asked = sum(item.guide.asked for item in guided if item.guide is not None)
        written = sum(item.guide is item.written for item in guided)
        return {"query": asked, "transcript": len(guided) - asked - written, "summary": written}

    def count_batch(self, batch: Mapping[str, Tensor]) -> int:
        """The same of items that are collated."""
        if not self.lambda_video or "frames" not in batch:
            return 0
        if self.video.mode == "unsupervised":
            return int(batch["frame_mask"].any(dim=1).sum())
        return int(batch["marked"].sum()) if "marked" in batch else 0


TEXT_ALONE = Objective()
_LOWER_IS_BETTER = frozenset({"frame_loss"})


def is_better(metric: str, now: Mapping[str, float], best: float | None) -> bool:
    """Whether what a validation gave for the metric is better than the best so far, if there is one."""
    return best is None or (now[metric] < best if metric in _LOWER_IS_BETTER else now[metric] > best)


def loss_of(metrics: Mapping[str, float]) -> float | None:
    """What a validation gave for the loss of summaries, else for that of frame scores."""
    return metrics.get("loss", metrics.get("frame_loss"))


def wins_tie(metric: str, now: Mapping[str, float], best: float | None, best_loss: float | None) -> bool:
    """Whether a model is as good as the best by the metric and has the lower loss: ROUGE-2 is 0 for some time."""
    mine = loss_of(now)
    return now[metric] == best and mine is not None and best_loss is not None and mine < best_loss


def tokens_of(item: Item) -> int:
    """How many tokens its summary has: the loss of the text is taken of so many."""
    return sum(label != IGNORED_LABEL for label in item.labels or ())


def model_inputs(batch: Mapping[str, Tensor], objective: Objective) -> dict[str, Tensor]:
    """What of a batch the model takes: without labels it writes no text."""
    left_out = _FOR_THE_LOSS if objective.lambda_text else _FOR_THE_LOSS | {"labels"}
    return {name: tensor for name, tensor in batch.items() if name not in left_out}


def micro_batch_loss(
    found: Any, batch: Mapping[str, Tensor], objective: Objective, label_smoothing: float, tokens: int, videos: int
) -> tuple[Tensor, dict[str, Tensor]]:
    """What a micro-batch adds to the loss of a step of so many `tokens` and of so many scored `videos`.

    And what it adds to each of `objective.parts`, as it is before any weight, without gradients.
    `found`: what the model gave for `model_inputs`.
    """
    losses, parts = [], {}
    if objective.lambda_text:
        mean = token_loss(found.logits, batch["labels"], label_smoothing) * objective.lambda_text / max(1, tokens)
        losses.append(mean)
        parts[TEXT] = mean.detach() / objective.lambda_text
    if objective.lambda_video:
        own = frame_losses(found, batch, objective.video)
        losses.append(weighted(objective.video, own).sum() * objective.lambda_video / max(1, videos))
        parts |= {name: each.detach().sum() / max(1, videos) for name, each in own.items()}
        parts[VIDEO] = losses[-1].detach() / objective.lambda_video
    return losses[0] if len(losses) == 1 else losses[0] + losses[1], parts


def frame_losses(found: Any, batch: Mapping[str, Tensor], config: VideoLoss) -> dict[str, Tensor]:
    """Each loss of frame scores of the videos of a micro-batch, (B,): 0 where it is not taken of a video."""
    logits, rebuilt = found.frame_logits.float(), found.rebuilt.float()
    scored = batch.get("frame_mask") if config.mode == "unsupervised" else batch.get("marked")
    if scored is None or "frames" not in batch:
        nothing: Tensor = (logits.sum(dim=1) + rebuilt.sum(dim=(1, 2))) * 0.0
        return dict.fromkeys(config.weights, nothing)  # workers wait for the gradient of every weight
    each = video_losses(config, logits, rebuilt, batch["frames"], batch["frame_mask"], batch.get("marks"))
    taken = scored.any(dim=1) if scored.ndim == 2 else scored
    return {name: loss * taken for name, loss in each.items()}
