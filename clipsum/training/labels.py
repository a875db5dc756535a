"""Whether videos have what a run learns from and what it is chosen by: summaries, marks, queries.

V videos of a split.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clipsum.datasets.embedded import Embedded
from clipsum.datasets.marks import Marks
from clipsum.errors import UsageError
from clipsum.training.config import TrainConfig

TRAIN, VALIDATION = "train", "validation"
_NAME_THEM = "name the manifest that has them with --set marks=FILE"


class Labelled(NamedTuple):
    """The videos of a split: their ids, and which have a summary (V,)."""

    video_ids: Sequence[str]
    told: NDArray[np.bool_]


def check_labels(config: TrainConfig, parts: Mapping[str, Labelled], marks: Mapping[str, Marks]) -> None:
    """Refuse parts, "train" and "validation", of which a head could learn nothing or nothing could be chosen by.

    Where summaries alone are learned, every video needs one. With a scorer each head learns from the videos that have
    its label, and the others teach the other one. A part that is not given is not looked at. Raises: UsageError.
    """
    for name, part in parts.items():
        _check_summaries(config, name, part)
    if config.objective.lambda_video:
        if TRAIN in parts:
            _check_taught(config, parts[TRAIN], marks)
        if VALIDATION in parts:
            _check_chooser(config, parts[VALIDATION], marks)


def check_measured(metric: str, mode: str, videos: Sequence[Embedded], marks: Mapping[str, Marks]) -> None:
    """Refuse validation videos whose frames cannot tell the `metric` of a scorer that learns in that `mode`.

    They may be too few for it: of a question whose answer falls between two of them they tell nothing.
    Raises: UsageError.
    """
    if metric.startswith("rouge") or any(_tells(metric, mode, each, marks.get(each.video_id)) for each in videos):
        return
    raise UsageError(
        f"validation.metric={metric} cannot be measured: none of {len(videos)} validation videos has a frame that it "
        "could be measured on; embed them with more frames, or choose another metric"
    )


def _tells(metric: str, mode: str, video: Embedded, marks: Marks | None) -> bool:
    times_s = video.embeddings.times_s
    if not len(times_s) or (marks is None and mode == "supervised"):
        return False
    if metric == "query_f1":
        return marks is not None and any(bool(query.at(times_s).any()) for query in marks.queries)
    judged = marks is not None and marks.importance is not None
    return judged or (metric == "frame_loss" and mode == "unsupervised")


def _check_summaries(config: TrainConfig, name: str, part: Labelled) -> None:
    objective, count = config.objective, len(part.told)
    chooses = name == VALIDATION and config.validation.metric.startswith("rouge")
    if not objective.lambda_text or (objective.lambda_video and name == VALIDATION and not chooses):
        return
    if not part.told.any():
        alone = ", or objective.lambda_text=0 to train frame scores alone" if objective.lambda_video else ""
        raise UsageError(f"no video of split '{name}' has a summary: the manifest needs a column 'summary'{alone}")
    if objective.lambda_video or part.told.all():
        return
    raise UsageError(
        f"{count - int(part.told.sum())} of {count} videos of split '{name}' have no summary, the first is "
        f"'{part.video_ids[int(part.told.argmin())]}': fill the manifest's column 'summary', or take them out of the "
        "split"
    )


def _check_taught(config: TrainConfig, part: Labelled, marks: Mapping[str, Marks]) -> None:
    """Refuse training videos of which none is marked, where the scorer is to learn from marks."""
    if config.objective.needs_marks and not set(part.video_ids) & set(marks):
        raise UsageError(
            f"objective.video.mode=supervised learns from marks, and none of {len(part.video_ids)} training videos has "
            f"any: {_NAME_THEM}, or take objective.video.mode=unsupervised"
        )


def _check_chooser(config: TrainConfig, part: Labelled, marks: Mapping[str, Marks]) -> None:
    """Refuse validation videos that have nothing to compare frame scores with, where that chooses the model."""
    metric, mine = config.validation.metric, [marks[name] for name in part.video_ids if name in marks]
    judged = any(each.importance is not None for each in mine)
    asked = any(query.segments for each in mine for query in each.queries)
    there = {"tau": judged, "query_f1": asked, "frame_loss": bool(mine) or not config.objective.needs_marks}
    if there.get(metric, True):
        return
    other = next((name for name in ("tau", "query_f1") if there[name]), None)
    what = "the answers to queries" if metric == "query_f1" else "marks"
    raise UsageError(
        f"validation.metric={metric} compares with {what}, and none of {len(part.video_ids)} validation videos has "
        f"any: {f'take --set validation.metric={other}' if other else _NAME_THEM}"
    )
