"""The model card of a bundle that was trained on a user's own videos."""

from collections.abc import Mapping

from clipsum.metrics.rouge import PROTOCOL
from clipsum.metrics.score import LABELS
from clipsum.training.config import TrainConfig
from clipsum.training.finetune import EncoderFinetune

_CARD = """# A ClipSum bundle

Writes an abstractive summary of a video from {sees}.

| | |
|---|---|
| trained on | {trained_on} |
| from | bundle `{base}`, weights: {weights} |
| steps | {steps:,} of {batch_size} videos, seed {seed} |
| optimizer | {optimizer} |
| frame encoder | {encoder} |
| scorer of frames | {scorer} |

## What it reached on its validation videos, which chose it

{metrics}

Protocol: {protocol}.

## Limits

It knows what its training videos showed and said, in their language. A summary may state what neither words nor
frames said: have it checked where that matters.
"""


_MOMENTS = {
    "tau": "frame scores: 100 x Kendall's tau-b with the mean of those who marked a video, mean of videos",
    "query_f1": "questions: 100 x the share of the frames that answer one among as many of the highest score",
    "frame_loss": "frame scores: the loss that they are trained by",
    "match": "questions: balanced accuracy, in percent, of telling those that a video answers from others",
    "match_threshold": "questions: the score of a frame at which one counts as answered",
}


def card(
    config: TrainConfig, base: str, weights: str, trained_on: str, steps: int, metrics: Mapping[str, float]
) -> str:
    """Markdown. `base`: the bundle id it began with; `weights`: which of them are new, in words."""
    labels = LABELS | _MOMENTS
    lines = [f"- {labels.get(name, name)}: {value:.2f}" for name, value in metrics.items()]
    sees = {"both": "its transcript and frames", "text": "its transcript alone", "frames": "its frames alone"}
    return _CARD.format(
        sees=sees[config.sees],
        trained_on=trained_on,
        base=base,
        weights=weights,
        steps=steps,
        batch_size=config.batch_size,
        seed=config.seed,
        optimizer=f"{config.optimizer.name}, learning rate {config.optimizer.learning_rate:g}, {config.schedule.shape}",
        encoder=_encoder(config.encoder_finetune),
        scorer=_scorer(config),
        metrics="\n".join(lines) or "Not measured yet.",
        protocol=PROTOCOL,
    )


def _scorer(config: TrainConfig) -> str:
    """How it learned, in a line."""
    objective = config.objective
    if not objective.lambda_video:
        return "not trained here: the base's, if it has one"
    how = "from what people marked" if objective.video.mode == "supervised" else "unsupervised"
    beside = f", beside the summaries (weights {objective.lambda_video:g} and {objective.lambda_text:g})"
    return how + (beside if objective.lambda_text else ", alone")


def _encoder(tuned: EncoderFinetune) -> str:
    """How it learned, in a line."""
    if not tuned.layers:
        return "frozen, the base's"
    seen = f"{tuned.frames} frames" if tuned.frames else "all frames"
    return (
        f"fine-tuned with the rest: last {tuned.layers} blocks, final norm or pooling, and projection; learning rate "
        f"{tuned.learning_rate:g} (0 for {tuned.frozen_steps} steps, then rising over {tuned.warmup_steps}), weight "
        f"decay {tuned.weight_decay:g}, {seen} of a video in training; the same loss, nothing contrastive"
    )
