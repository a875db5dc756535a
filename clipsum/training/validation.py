"""Summaries of the validation videos by beam search, shared out over the workers, and their scores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from clipsum.datasets.embedded import Embedded
from clipsum.metrics.rouge import rouge
from clipsum.models.batch import Item
from clipsum.models.summarizer import ClipSum
from clipsum.training.columns import sizes_of
from clipsum.training.examples import ItemReader
from clipsum.training.losses import token_loss
from clipsum.training.workers import Group


@dataclass(frozen=True)
class Scored:
    """The summary of one video: ROUGE in points, and the cross-entropy of its reference, summed over `tokens`."""

    summary: str
    rouge1: float
    rouge2: float
    rouge_l: float
    loss: float
    tokens: int


@dataclass(frozen=True)
class ValidationReport:
    """Summaries of the validation videos that have a reference, scored, after `step` steps.

    `epoch`: how many epochs are whole. `metrics`: rouge1, rouge2, rougeL (points, 0 to 100), and `loss`, the mean
    cross-entropy of a reference's token in nats, where summaries are learned; those of `FrameValidator`, where frame
    scores are. `samples`: (video_id, reference, summary). `best`: the metric of the configuration has its best value so
    far. `stop`: patience is at its end, the run with it. `failures`: reason -> how many videos of a stream failed to
    come since the validation before.
    """

    step: int
    epoch: int
    metrics: dict[str, float]
    samples: list[tuple[str, str, str]]
    best: bool
    stop: bool
    failures: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Validator:
    """Writes and scores. Videos of similar length share a batch; one without any evidence gets the empty summary.

    `batch` makes of items what the model takes. Which videos share a batch does not depend on the number of workers, so
    that neither do the results.
    """

    videos: Sequence[Embedded]
    reader: ItemReader
    batch_size: int
    group: Group
    device: str
    batch: Callable[[Sequence[Item]], dict[str, Tensor]]
    bf16: bool = False

    def score(self, model: ClipSum) -> list[Scored]:
        """One for each video, in order, on every worker. All workers call, with equal models in evaluation mode.

        Raises: RuntimeError where the workers together did not write each summary once.
        """
        sizes = sizes_of(self.videos)
        order = np.argsort(sizes.text + sizes.summary, kind="stable")
        batches = np.split(order, range(self.batch_size, len(order), self.batch_size))
        mine: list[tuple[int, Scored]] = []
        for batch in batches[self.group.rank :: self.group.size]:
            videos = [self.videos[int(place)] for place in batch]
            mine += zip(batch.tolist(), self._score_batch(model, videos), strict=True)
        rows = [row for share in self.group.gather(mine) for row in share]
        by_place = dict(rows)
        if len(rows) != len(self.videos) or len(by_place) != len(rows):
            raise RuntimeError(f"{len(rows)} summaries of {len(by_place)} for {len(self.videos)} validation videos")
        return [by_place[place] for place in range(len(self.videos))]

    def _score_batch(self, model: ClipSum, videos: Sequence[Embedded]) -> list[Scored]:
        items = [self.reader.item(video) for video in videos]
        told = [number for number, item in enumerate(items) if self.reader.has_evidence(item)]
        texts, losses = [""] * len(items), [0.0] * len(items)
        if told:
            written = self._write(model, [items[number] for number in told])
            for number, text, loss in zip(told, *written, strict=True):
                texts[number], losses[number] = text, loss
        found = rouge(texts, [video.summary or "" for video in videos])
        return [
            Scored(
                text,
                float(found.rouge1[number]),
                float(found.rouge2[number]),
                float(found.rouge_l[number]),
                losses[number],
                len(items[number].labels or ()) if number in told else 0,
            )
            for number, text in enumerate(texts)
        ]

    @torch.inference_mode()
    def _write(self, model: ClipSum, items: Sequence[Item]) -> tuple[list[str], list[float]]:
        """The summary of each item, and the summed cross-entropy of its reference."""
        tokenizer = self.reader.tokenizer
        with torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.bf16):
            batch = self.batch(items)
            labels = batch.pop("labels")
            logits = model(**batch, labels=labels).logits
            ids = model.generate(**batch, generation=None)
        losses = [float(token_loss(row[None], label[None])) for row, label in zip(logits, labels, strict=True)]
        return [text.strip() for text in tokenizer.batch_decode(ids, skip_special_tokens=True)], losses


def means(scored: Sequence[Scored]) -> dict[str, float]:
    """rouge1, rouge2, rougeL: points, mean over videos; loss: nats, mean over the references' tokens."""
    return {
        "rouge1": float(np.mean([row.rouge1 for row in scored])),
        "rouge2": float(np.mean([row.rouge2 for row in scored])),
        "rougeL": float(np.mean([row.rouge_l for row in scored])),
        "loss": sum(row.loss for row in scored) / max(1, sum(row.tokens for row in scored)),
    }
