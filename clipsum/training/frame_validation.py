"""How well the scores of frames agree with what people marked and asked, over the validation videos.

T frames.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from clipsum.datasets.embedded import Embedded
from clipsum.datasets.marks import Marks
from clipsum.metrics.rank_correlation import tau
from clipsum.metrics.seconds import match_threshold
from clipsum.models.batch import Item, collate
from clipsum.models.config import ModelConfig
from clipsum.models.summarizer import ClipSum
from clipsum.training.examples import ItemReader
from clipsum.training.objective import Objective, model_inputs
from clipsum.training.workers import Group

TAU, MATCH, THRESHOLD = "tau", "match", "match_threshold"
_FRAMES_ALONE = Objective(lambda_text=0.0, lambda_video=1.0)
Found = TypeVar("Found")


@dataclass(frozen=True)
class FrameValidator:
    """Scores the frames of the videos that somebody marked or asked of, shared out over the workers.

    `reader`: with `scoring`.
    """

    videos: Sequence[Embedded]
    marks: Mapping[str, Marks]
    reader: ItemReader
    batch_size: int
    group: Group
    device: str

    def metrics(self, model: ClipSum) -> dict[str, float]:
        """`tau`: 100 x Kendall's tau-b with the mean of the annotators, mean over videos; nothing where none is marked.

        Where videos have queries, some with an answer and some without: `match_threshold`, the best score of a frame at
        which a query counts as answered, and `match`, 100 x the balanced accuracy that it has on these same queries.
        All workers call, with equal models in evaluation mode.
        """
        places = [place for place, video in enumerate(self.videos) if self._is_marked(video)]
        agreed: list[float] = []
        best: list[tuple[bool, float]] = []
        mine = places[self.group.rank :: self.group.size]
        for start in range(0, len(mine), self.batch_size):
            items = [self.reader.item(self.videos[place]) for place in mine[start : start + self.batch_size]]
            marked = [item for item in items if item.marks is not None]
            scores = self._scores(model, marked)
            agreed += [tau(row, item.marks) for row, item in zip(scores, marked, strict=True) if item.marks is not None]
            best += self._best(model, items)
        found = {TAU: 100 * float(np.mean(all_of))} if (all_of := _all(self.group, agreed)) else {}
        return found | _threshold(_all(self.group, best))

    def _is_marked(self, video: Embedded) -> bool:
        marks = self.marks.get(video.video_id)
        known = marks is not None and (marks.importance is not None or bool(marks.queries))
        return known and len(video.embeddings.vectors) > 0

    def _best(self, model: ClipSum, items: Sequence[Item]) -> list[tuple[bool, float]]:
        """Of each query of each item: whether a frame answers it, and the best score of one."""
        asked = [(replace(item, guide=guide), bool(where.any())) for item in items for guide, where in item.queries]
        found: list[tuple[bool, float]] = []
        for start in range(0, len(asked), self.batch_size):
            chunk = asked[start : start + self.batch_size]
            scores = self._scores(model, [item for item, _ in chunk])
            found += [(answered, float(row.max())) for row, (_, answered) in zip(scores, chunk, strict=True)]
        return found

    @torch.inference_mode()
    def _scores(self, model: ClipSum, items: Sequence[Item]) -> list[NDArray[np.float32]]:
        """Scores in [0, 1] of the frames of each item, (T,), under its guide."""
        if not items:
            return []
        batch = collate(items, self.reader.tokenizer.pad_token_id, self.device)
        scores = model(**model_inputs(batch, _FRAMES_ALONE)).frame_logits.float().sigmoid().numpy(force=True)
        lengths = [0 if item.vectors is None else len(item.vectors) for item in items]
        return [row[:length] for row, length in zip(scores, lengths, strict=True)]


def with_threshold(config: ModelConfig, metrics: Mapping[str, float]) -> ModelConfig:
    """The configuration with the threshold of `matched` that a validation gave, if one did."""
    if config.scorer is None or THRESHOLD not in metrics:
        return config
    scorer = config.scorer.model_copy(update={"match_threshold": metrics[THRESHOLD]})
    return config.model_copy(update={"scorer": scorer})


def _all(group: Group, mine: list[Found]) -> list[Found]:
    return [value for share in group.gather(mine) for value in share]


def _threshold(best: Sequence[tuple[bool, float]]) -> dict[str, float]:
    answered, unanswered = ([score for is_so, score in best if is_so == wanted] for wanted in (True, False))
    if not answered or not unanswered:
        return {}
    threshold, accuracy = match_threshold(answered, unanswered)
    return {THRESHOLD: threshold, MATCH: 100 * accuracy}
