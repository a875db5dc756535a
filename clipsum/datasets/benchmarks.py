"""TVSum, SumMe and QFVS as manifests: their own annotations second by second, and for each fold who teaches.

A sampled frame has no time in their files. Second k shows what people said of the frame that lies (k + 1/2) / duration
of the way through the video, by the length and the number of frames that the dataset states. The HDF5 files that the
field shares state no length: there it is that of the video itself; their shots come along, as published figures are
taken over those. OVP and YouTube are there in these files alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np

from clipsum import storage
from clipsum.datasets.annotated import Annotated
from clipsum.datasets.benchmark_splits import BenchmarkConfig, Dataset, read_folds
from clipsum.datasets.marks import Benchmark
from clipsum.datasets.originals import Opinions, read_summe, read_tvsum
from clipsum.datasets.qfvs import SHOT_S, QfvsVideo, folds
from clipsum.datasets.splits import SPLITS, Split
from clipsum.datasets.summarization_h5 import read_summarization_h5
from clipsum.errors import UsageError

Setting = Literal["canonical", "augmented", "transfer"]
HDF5_SUFFIXES = (".h5", ".hdf5")
ORIGINALS: Mapping[Dataset, Callable[[str], list[Opinions]]] = {"tvsum": read_tvsum, "summe": read_summe}


def read_benchmark(
    dataset: Benchmark,
    places: Mapping[Dataset, str],
    splits: str | None,
    setting: Setting,
    durations: Callable[[list[str]], Mapping[str, float]] = lambda _: {},
) -> list[list[Annotated]]:
    """The videos of each fold. `places`: the files of `dataset` and of those that teach beside it.

    Either the authors' own, or one in the field's HDF5 layout; `durations` tells how long those videos are whose file
    does not, by id, as far as they are there. `splits`: a published file, in whose keys `video_1` is the first video of
    the authors' file (TVSum), or by name (SumMe), or the group of the HDF5 file; without it all videos of the dataset
    are tested, in one fold. Raises: UsageError, one line.
    """
    read = {name: _read(name, place) for name, place in places.items()}
    unknown = [video.video_id for videos in read.values() for video in videos.values() if video.duration_s is None]
    lengths = durations(unknown)
    by_key = {
        key: (name, replace(video, duration_s=lengths.get(video.video_id)) if video.duration_s is None else video)
        for name, videos in read.items()
        for key, video in videos.items()
    }
    if splits is None:
        if setting != "canonical":
            raise UsageError(f"--setting {setting} needs --splits: name the published file of {dataset}'s splits")
        return [[_annotated(by_key[key][1], dataset, "test") for key in read[dataset]]]
    ids: dict[Dataset, list[str]] = {name: list(videos) for name, videos in read.items()}
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


def _read(dataset: Dataset, place: str) -> dict[str, Opinions]:
    """The videos of one dataset, by the keys of splits: `tvsum/` and the group of an HDF5 file, else `video_1` and on.

    Those of an HDF5 file are known by their names, where it has them, else as `tvsum_video_1`.
    """
    if storage.suffix(place) in HDF5_SUFFIXES:
        return {
            video.video_id: Opinions(
                video.name or video.video_id.replace("/", "_"),
                video.user_summary.astype(np.float64),
                None,
                are_choices=True,
                shot_starts=np.cumsum(video.shot_lengths) - video.shot_lengths,
            )
            for video in read_summarization_h5(place, dataset, f"--{dataset}")
        }
    if dataset not in ORIGINALS:
        ending = " or ".join(HDF5_SUFFIXES)
        raise UsageError(
            f"--{dataset} '{place}' is no HDF5 file: give eccv16_dataset_{dataset}…, which ends in {ending}"
        )
    return {f"{dataset}/video_{number}": video for number, video in enumerate(ORIGINALS[dataset](place), start=1)}


def qfvs_folds(videos: Sequence[QfvsVideo]) -> list[list[Annotated]]:
    """The four rounds: two videos teach, one chooses, one is tested. A query asks for its two concepts."""
    by_id = {video.video_id: video for video in videos}
    return [
        [
            Annotated(video_id, split, more=_asked(by_id[video_id]))
            for split in SPLITS
            for video_id in {"train": fold.train, "validation": (fold.validation,), "test": (fold.test,)}[split]
        ]
        for fold in folds()
    ]


def _annotated(video: Opinions, dataset: Dataset, split: Split) -> Annotated:
    """TVSum's opinions of 1 to 5, else choices of 0 or 1, a row for each person; no mark where no length is known."""
    own = {"benchmark": dataset} if dataset in get_args(Benchmark) else {}
    if video.duration_s is None:
        return Annotated(video.video_id, split, more=own)
    seconds = max(1, int(np.ceil(video.duration_s)))
    frames = video.user_scores.shape[1]
    at = np.minimum((np.arange(seconds) + 0.5) / video.duration_s * frames, frames - 1).astype(np.intp)
    scores = video.user_scores[:, at]
    marks = ("vsum_onehot", scores > 0) if video.are_choices else ("importance", scores)
    said = marks[1].astype(int).tolist()
    more: dict[str, Any] = {**own, "duration": video.duration_s, marks[0]: said}
    if video.shot_starts is not None:
        more["shot_starts_s"] = np.round(video.shot_starts / frames * video.duration_s, 3).tolist()
    return Annotated(video.video_id, split, more=more)


def _asked(video: QfvsVideo) -> dict[str, Any]:
    """What is asked of a video and answers it, and which concepts each of its shots shows."""
    seen = [[video.concepts[column] for column in np.flatnonzero(row)] for row in video.tags]
    return {"queries": _queries(video), "shot_s": SHOT_S, "shot_tags": seen}


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
