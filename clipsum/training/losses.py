"""What both heads are trained by: summaries against references; frame scores against annotators, or against nobody.

B batch, T frames, V visual width, L tokens of the summary. Source of the losses of frame scores: CLIP-It (arXiv
2107.00650). Each of those is one number a video, (B,), a mean over its real frames: padding changes none of them. A
video without frames has loss 0.
"""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field
from torch import Tensor
from torch.nn.functional import cross_entropy, logsigmoid, normalize

from clipsum.config import Config
from clipsum.models.batch import IGNORED_LABEL

_TINY = 1e-6


class VideoLoss(Config):
    """What the scorer learns from, and how much each loss weighs. The weights are ours, the paper gives none.

    `supervised`: key frames + correlation + diversity + reconstruction; the correlation, which tells the frames of a
    video apart where their marks differ little, is ours. `unsupervised`: diversity + reconstruction + budget, since the
    first two alone are lowest where a single frame is selected, or all alike are.
    `budget_share`: the mean score that the budget holds.
    """

    mode: Literal["supervised", "unsupervised"] = "supervised"
    keyframes: float = Field(default=1.0, ge=0)
    correlation: float = Field(default=1.0, ge=0)
    diversity: float = Field(default=0.1, ge=0)
    reconstruction: float = Field(default=0.1, ge=0)
    budget: float = Field(default=10.0, ge=0)
    budget_share: float = Field(default=0.15, gt=0, lt=1)

    @property
    def weights(self) -> dict[str, float]:
        """Each loss that is taken, and what it weighs."""
        by_mode = ("budget",) if self.mode == "unsupervised" else ("correlation", "keyframes")
        return {name: getattr(self, name) for name in ("diversity", "reconstruction", *by_mode)}


def token_loss(logits: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Cross-entropy summed over the tokens that are not padding; (B, L, vocabulary) and (B, L) give a scalar."""
    return cross_entropy(
        logits.flatten(0, 1).float(),
        labels.flatten(),
        ignore_index=IGNORED_LABEL,
        reduction="sum",
        label_smoothing=label_smoothing,
    )


def video_loss(
    config: VideoLoss, logits: Tensor, rebuilt: Tensor, frames: Tensor, frame_mask: Tensor, marks: Tensor | None
) -> Tensor:
    """The weighted sum of `video_losses`, whose arguments these are: (B,)."""
    return weighted(config, video_losses(config, logits, rebuilt, frames, frame_mask, marks))


def video_losses(
    config: VideoLoss, logits: Tensor, rebuilt: Tensor, frames: Tensor, frame_mask: Tensor, marks: Tensor | None
) -> dict[str, Tensor]:
    """Each of `config.weights`, (B,): logits (B, T), `rebuilt`, `frames` (B, T, V), `frame_mask` and `marks` (B, T).

    Raises: ValueError in supervised mode without marks.
    """
    scores = logits.sigmoid()
    found = {
        "diversity": diversity_loss(scores, frames, frame_mask),
        "reconstruction": reconstruction_loss(scores, frames, rebuilt, frame_mask),
    }
    if config.mode == "unsupervised":
        return found | {"budget": budget_loss(scores, frame_mask, config.budget_share)}
    if marks is None:
        raise ValueError("supervised scoring needs marks of annotators")
    correlation = correlation_loss(logits, marks, frame_mask)
    return found | {"correlation": correlation, "keyframes": keyframe_loss(logits, marks, frame_mask)}


def weighted(config: VideoLoss, found: Mapping[str, Tensor]) -> Tensor:
    """The losses of `video_losses` in one, by their weights."""
    first, *more = (weight * found[name] for name, weight in config.weights.items())
    for each in more:
        first = first + each
    return first


def keyframe_loss(logits: Tensor, marks: Tensor, frame_mask: Tensor) -> Tensor:
    """Class-balanced binary cross-entropy of logits (B, T) against all annotators of each video.

    `marks` (B, T) in [0, 1]: the share of annotators to whom a frame matters. As the loss is linear in a mark, that
    gives the mean over annotators exactly. The frames that matter weigh half of it, and those that do not the other
    half, however few they are; where a video has none of a kind, as for a query without a match, that half is 0.
    """
    real = frame_mask.to(logits.dtype)
    wanted, unwanted = marks * real, (1 - marks) * real
    missed = _mean(-logsigmoid(logits), wanted)
    invented = _mean(-logsigmoid(-logits), unwanted)
    return (missed + invented) / 2


def correlation_loss(logits: Tensor, marks: Tensor, frame_mask: Tensor) -> Tensor:
    """1 - Pearson's correlation of logits with marks, both (B, T), over the frames of each video.

    What a ranking is judged by cares for order within a video, not for how high its marks are. Where all marks or all
    logits of a video are alike there is no order, and the loss is 1 with no gradient.
    """
    real = frame_mask.to(logits.dtype)
    count = real.sum(dim=1, keepdim=True).clamp(min=1)
    ours, theirs = ((each - (each * real).sum(dim=1, keepdim=True) / count) * real for each in (logits, marks))
    scale = (ours.square().sum(dim=1) * theirs.square().sum(dim=1)).clamp(min=_TINY**2).sqrt()
    loss: Tensor = (1 - (ours * theirs).sum(dim=1) / scale) * frame_mask.any(dim=1)
    return loss


def diversity_loss(scores: Tensor, frames: Tensor, frame_mask: Tensor) -> Tensor:
    """Mean cosine between pairs of different frames (B, T, V), weighted by the product of their scores (B, T).

    With scores of 0 and 1 that is the mean over pairs of selected frames. O(T): no tensor of T x T is made.
    """
    weights = scores * frame_mask
    directions = normalize(frames, dim=-1)
    together = (weights[:, :, None] * directions).sum(dim=1).square().sum(dim=-1)
    themselves = weights.square()
    # What a frame's direction has of length 1 is not left to rounding, or a single frame would seem diverse or alike.
    alone = (themselves * directions.square().sum(dim=-1)).sum(dim=1)
    pairs = weights.sum(dim=1).square() - themselves.sum(dim=1)
    return (together - alone) / pairs.clamp(min=_TINY) * (pairs > _TINY)


def reconstruction_loss(scores: Tensor, frames: Tensor, rebuilt: Tensor, frame_mask: Tensor) -> Tensor:
    """Squared distance of the selected frames (B, T, V) to what they are rebuilt as, weighted by scores (B, T)."""
    return _mean((frames - rebuilt).square().sum(dim=-1), scores * frame_mask)


def budget_loss(scores: Tensor, frame_mask: Tensor, share: float) -> Tensor:
    """How far the mean score of a video's frames is from `share`, as a part of it, squared: half of it is 1/4 off."""
    real = frame_mask.to(scores.dtype)
    return (_mean(scores, real) / share - 1).square() * frame_mask.any(dim=1)


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    """Of (B, T) by weights (B, T) that are not negative: (B,); 0 where they are all 0."""
    whole = weights.sum(dim=1)
    # Values of padding may be anything, and 0 times infinity is not 0.
    return values.masked_fill(weights == 0, 0.0).mul(weights).sum(dim=1) / whole.clamp(min=_TINY)
