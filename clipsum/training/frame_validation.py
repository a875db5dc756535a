"""How well the scores of frames agree with what people marked and asked, over the validation videos.

T frames.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from clipsum.datasets.embedded import Embedded
from clipsum.datasets.marks import Marks
from clipsum.metrics.rank_correlation import tau
from clipsum.metrics.seconds import f1_at_equal_budget, match_threshold
from clipsum.models.batch import Item, collate
from clipsum.models.config import ModelConfig, TextOrigin
from clipsum.models.summarizer import ClipSum
from clipsum.training.examples import ItemReader
from clipsum.training.losses import VideoLoss, weighted
from clipsum.training.objective import Objective, frame_losses, model_inputs
from clipsum.training.workers import Group

TAU, MATCH, THRESHOLD = "tau", "match", "match_threshold"
QUERY_F1, LOSS = "query_f1", "frame_loss"
_FRAMES_ALONE = Objective(lambda_text=0.0, lambda_video=1.0)
Found = TypeVar("Found")


@dataclass(frozen=True)
class FrameValidator:
    """Scores the frames of videos, shared out over the workers: of those that somebody marked or asked of, and of all
    where nobody's marks are learned from.

    `reader`: with `scoring`. `loss`: what the scorer is trained by.
    """

    videos: Sequence[Embedded]
    marks: Mapping[str, Marks]
    reader: ItemReader
    batch_size: int
    group: Group
    device: str
    loss: VideoLoss

    def metrics(self, model: ClipSum) -> dict[str, float]:
        """`tau`: 100 x Kendall's tau-b with the mean of the annotators, mean over videos; nothing where none is marked.

        `frame_loss`: the scorer's own, mean over the videos that it can be taken of. `query_f1`: 100 x the share of the
        frames that answer a query which are among as many of the highest score, mean over queries with an answer.
        Where videos have queries with an answer: `match_threshold`, the best score of a frame at which a query counts
        as answered, and `match`, 100 x the balanced accuracy that it has on these same queries. What is not answered
        are queries without a segment; where no video has such a one, each borrows those of another video, if nobody
        asked the same of it. All workers call, with equal models in evaluation mode.
        """
        places = [place for place, video in enumerate(self.videos) if self._is_scored(video)]
        lender_of = self._lenders(places)
        agreed: list[float] = []
        losses: list[float] = []
        asked: list[_Tried] = []
        mine = places[self.group.rank :: self.group.size]
        for start in range(0, len(mine), self.batch_size):
            chunk = mine[start : start + self.batch_size]
            items = [self.reader.item(self.videos[place]) for place in chunk]
            general = [item for item in items if self.loss.mode == "unsupervised" or item.marks is not None]
            scores, own = self._scores(model, general)
            pairs = zip(scores, general, strict=True)
            agreed += [tau(row, item.marks) for row, item in pairs if item.marks is not None]
            losses += own
            asked += self._asked(model, items, [lender_of.get(place) for place in chunk])
        tried = _all(self.group, asked)
        return {
            **_mean(TAU, _all(self.group, agreed), 100),
            **_mean(LOSS, _all(self.group, losses)),
            **_mean(QUERY_F1, [each.f1 for each in tried if each.f1 is not None], 100),
            **_threshold(tried),
        }

    def _is_scored(self, video: Embedded) -> bool:
        marks = self.marks.get(video.video_id)
        known = marks is not None and (marks.importance is not None or bool(marks.queries))
        return (known or self.loss.mode == "unsupervised") and len(video.embeddings.vectors) > 0

    def _lenders(self, places: Sequence[int]) -> dict[int, int]:
        """Of which other video each that has queries borrows some; of none where some query is known to be unanswered.

        A borrowed query may be answered here too, unknown to all; then the threshold is a little too high.
        """
        known = [self.marks.get(self.videos[place].video_id, Marks()).queries for place in places]
        having = [place for place, queries in zip(places, known, strict=True) if queries]
        if len(having) < 2 or any(not query.segments for queries in known for query in queries):
            return {}
        return dict(zip(having, [*having[1:], having[0]], strict=True))

    def _asked(self, model: ClipSum, items: Sequence[Item], lenders: Sequence[int | None]) -> list["_Tried"]:
        """What came of each query of each item, and of each that it borrows."""
        pairs = [(item, *query) for item in items for query in item.queries]
        for item, lender in zip(items, lenders, strict=True):
            if lender is not None and item.vectors is not None:
                nowhere = np.zeros(len(item.vectors), np.float32)
                own = [guide.vectors for guide, _ in item.queries]
                lent = (guide for guide, _ in self.reader.item(self.videos[lender]).queries)
                pairs += [(item, g, nowhere) for g in lent if not any(np.array_equal(g.vectors, o) for o in own)]
        asked = [(replace(item, guide=guide, marks=where), where > 0) for item, guide, where in pairs]
        found: list[_Tried] = []
        for start in range(0, len(asked), self.batch_size):
            chunk = asked[start : start + self.batch_size]
            scores, _ = self._scores(model, [item for item, _ in chunk])
            found += [_tried(row, where) for row, (_, where) in zip(scores, chunk, strict=True)]
        return found

    @torch.inference_mode()
    def _scores(self, model: ClipSum, items: Sequence[Item]) -> tuple[list[NDArray[np.float32]], list[float]]:
        """Scores in [0, 1] of the frames of each item, (T,), under its guide; and the loss of each."""
        if not items:
            return [], []
        batch = collate(items, self.reader.tokenizer.pad_token_id, self.device)
        found = model(**model_inputs(batch, _FRAMES_ALONE))
        scores = found.frame_logits.float().sigmoid().numpy(force=True)
        lengths = [0 if item.vectors is None else len(item.vectors) for item in items]
        losses = weighted(self.loss, frame_losses(found, batch, self.loss)).tolist()
        return [row[:length] for row, length in zip(scores, lengths, strict=True)], losses


def with_threshold(config: ModelConfig, metrics: Mapping[str, float]) -> ModelConfig:
    """The configuration with the threshold of `matched` that a validation gave, if one did."""
    return _scorer_with(config, match_threshold=metrics[THRESHOLD]) if THRESHOLD in metrics else config


def with_origins(config: ModelConfig, origins: Iterable[TextOrigin]) -> ModelConfig:
    """The configuration with these origins beside those that its scorer learned from before, if that is known."""
    if config.scorer is None or config.scorer.origins is None:
        return config
    return _scorer_with(config, origins=tuple(sorted({*config.scorer.origins, *origins})))


def _scorer_with(config: ModelConfig, **changes: Any) -> ModelConfig:
    scorer = config.scorer and config.scorer.model_copy(update=changes)
    return config.model_copy(update={"scorer": scorer})


def _all(group: Group, mine: list[Found]) -> list[Found]:
    return [value for share in group.gather(mine) for value in share]


@dataclass(frozen=True)
class _Tried:
    """A query on a video: the best score of a frame, and, where frames answer it, how many of them were found."""

    best: float
    f1: float | None


def _tried(scores: NDArray[np.float32], where: NDArray[np.bool_]) -> _Tried:
    f1 = f1_at_equal_budget(scores.astype(np.float64), where) if where.any() else None
    return _Tried(float(scores.max()), f1)


def _mean(name: str, values: Sequence[float], factor: float = 1.0) -> dict[str, float]:
    """Under its name, where there are any."""
    return {name: factor * float(np.mean(values))} if values else {}


def _threshold(tried: Sequence[_Tried]) -> dict[str, float]:
    answered, unanswered = ([each.best for each in tried if (each.f1 is None) == alone] for alone in (False, True))
    if not answered or not unanswered:
        return {}
    threshold, accuracy = match_threshold(answered, unanswered)
    return {THRESHOLD: threshold, MATCH: 100 * accuracy}
