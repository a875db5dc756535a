"""TVSum, SumMe and QFVS as manifests: their own annotations second by second, and for each fold who teaches.

A sampled frame has no time in their files. Second k shows what people said of the frame that lies (k + 1/2) / duration
of the way through the video, by the length and the number of frames that the dataset states.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from clipsum.datasets.annotated import Annotated
from clipsum.datasets.benchmark_splits import BenchmarkConfig, Dataset, read_folds
from clipsum.datasets.originals import Opinions, read_summe, read_tvsum
from clipsum.datasets.qfvs import SHOT_S, QfvsVideo, folds
from clipsum.datasets.splits import SPLITS, Split
from clipsum.errors import UsageError

Setting = Literal["canonical", "augmented", "transfer"]
Own = Literal["tvsum", "summe"]
READERS = {"tvsum": read_tvsum, "summe": read_summe}


def read_benchmark(
    dataset: Own, places: Mapping[Own, str], splits: str | None, setting: Setting
) -> list[list[Annotated]]:
    """The videos of each fold. `places`: the authors' own files, of `dataset` and of those that teach beside it.

    `splits`: a published file, in whose keys `video_1` is the first video of the authors' file (TVSum), or by name
    (SumMe); without it all videos of the dataset are tested, in one fold. Raises: UsageError, one line.
    """
    found: dict[Own, list[Opinions]] = {name: READERS[name](place) for name, place in places.items()}
    if splits is None:
        if setting != "canonical":
            raise UsageError(f"--setting {setting} needs --splits: name the published file of {dataset}'s splits")
        return [[_annotated(video, dataset, "test") for video in found[dataset]]]
    by_key = {
        f"{name}/video_{number}": (name, video)
        for name, videos in found.items()
        for number, video in enumerate(videos, start=1)
    }
    ids: dict[Dataset, list[str]] = {name: [key for key, (own, _) in by_key.items() if own == name] for name in found}
    files: dict[Dataset, str] = dict(places.items())
    chosen = read_folds(BenchmarkConfig(dataset=dataset, setting=setting, splits=splits, files=files), ids)
    return [
        [
            _annotated(by_key[key][1], by_key[key][0], split)
            for split in SPLITS
            for key in {"train": fold.train, "validation": fold.validation, "test": fold.test}[split]
        ]
        for fold in chosen
    ]


def qfvs_folds(videos: Sequence[QfvsVideo]) -> list[list[Annotated]]:
    """The four rounds: two videos teach, one chooses, one is tested. A query asks for its two concepts."""
    by_id = {video.video_id: video for video in videos}
    return [
        [
            Annotated(video_id, split, more={"queries": _queries(by_id[video_id])})
            for split in SPLITS
            for video_id in {"train": fold.train, "validation": (fold.validation,), "test": (fold.test,)}[split]
        ]
        for fold in folds()
    ]


def _annotated(video: Opinions, dataset: Own, split: Split) -> Annotated:
    """TVSum's opinions of 1 to 5, SumMe's choices of 0 or 1, a row for each person."""
    seconds = max(1, int(np.ceil(video.duration_s)))
    frames = video.user_scores.shape[1]
    at = np.minimum((np.arange(seconds) + 0.5) / video.duration_s * frames, frames - 1).astype(np.intp)
    scores = video.user_scores[:, at]
    marks = ("importance", scores) if dataset == "tvsum" else ("vsum_onehot", scores > 0)
    said = marks[1].astype(int).tolist()
    more: dict[str, Any] = {"benchmark": dataset, "duration": video.duration_s, marks[0]: said}
    return Annotated(video.video_id, split, more=more)


def _queries(video: QfvsVideo) -> list[dict[str, Any]]:
    return [
        {"query": " and ".join(concept.lower() for concept in query), "segments": _segments(shots)}
        for query, shots in video.oracles.items()
    ]


def _segments(shots: Sequence[int]) -> list[list[float]]:
    """[start_s, end_s] of the runs of shots."""
    ordered = sorted(shots)
    breaks = [
        0,
        *(place for place, (one, other) in enumerate(pairwise(ordered), start=1) if other > one + 1),
        len(ordered),
    ]
    return [[SHOT_S * ordered[start], SHOT_S * (ordered[end - 1] + 1)] for start, end in pairwise(breaks)]
