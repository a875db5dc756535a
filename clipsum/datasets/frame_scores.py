"""Frame scores of a system beside what people chose, as papers release them: HDF5, a group for each video.

importance_scores (T,)     what the system thinks of each frame
shot_lengths      (S,)     frames of each shot, their sum T; protocols that select frames do without
user_summary      (U, T)   0 or 1: what each user would keep
user_scores       (U, T)   optional: what each user gave each frame, as in TVSum; correlations are with it, and with
                           user_summary where it is missing, which is said
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsum.datasets.hdf5 import array_of, open_hdf5
from clipsum.errors import UsageError

WHAT = "--frames"


@dataclass(frozen=True, repr=False)
class ScoredVideo:
    """Scores (T,), shot lengths (S,) or None, user summaries (U, T) and what the users gave (U, T), of one video.

    `has_user_scores`: what they gave is their own; else the summaries stand in for it.
    """

    video_id: str
    scores: NDArray[np.float64]
    shot_lengths: NDArray[np.intp] | None
    user_summary: NDArray[np.bool_]
    user_scores: NDArray[np.float64]
    has_user_scores: bool = True

    def __repr__(self) -> str:
        return f"ScoredVideo({self.video_id!r}, user_summary={self.user_summary.shape})"


def read_frame_scores(places: Sequence[str], need_shots: bool) -> list[ScoredVideo]:
    """The videos of all files, in the order of the files and of the numbers in their names.

    Where a video is in several files, as in splits that overlap, each is a result of its own: its id carries the file.
    Raises: UsageError, one line that names file, video and dataset.
    """
    found = [(place, video) for place in places for video in _read(place, need_shots)]
    times = Counter(video.video_id for _, video in found)
    return [_renamed(video, place) if times[video.video_id] > 1 else video for place, video in found]


def _read(place: str, need_shots: bool) -> list[ScoredVideo]:
    with open_hdf5(place, WHAT) as file:
        if not len(file):
            raise UsageError(f"{WHAT} '{place}' holds no video: give a group for each")
        return [_video(file[name], name, place, need_shots) for name in sorted(file, key=in_order)]


def _video(group: Any, name: str, place: str, need_shots: bool) -> ScoredVideo:
    where = f"{WHAT} '{place}': '{name}'"
    if not hasattr(group, "keys"):
        raise UsageError(f"{where} is no group: give one for each video")
    scores = array_of(group, "importance_scores", where, 1)
    users = array_of(group, "user_summary", where, 2, "a row for each user")
    has_scores = "user_scores" in group
    given = array_of(group, "user_scores", where, 2, "a row for each user") if has_scores else users
    for what, rows in (("user_summary", users), ("user_scores", given)):
        if rows.shape[1] != len(scores):
            raise UsageError(f"{where}: {what} has {rows.shape[1]:,} frames, importance_scores {len(scores):,}")
    shots = _shots(group, where, len(scores)) if need_shots else None
    return ScoredVideo(name, scores, shots, users > 0, given, has_scores)


def _shots(group: Any, where: str, frames: int) -> NDArray[np.intp]:
    lengths = array_of(group, "shot_lengths", where, 1, "a number for each shot")
    if (lengths < 1).any() or (lengths % 1).any() or lengths.sum() != frames:
        raise UsageError(
            f"{where}: shot_lengths are {lengths.sum():,.0f} frames in all and importance_scores {frames:,}: "
            "give whole numbers from 1 whose sum is the frames"
        )
    return lengths.astype(np.intp)


def in_order(name: str) -> tuple[str, int, str]:
    """video_2 before video_10."""
    head = name.rstrip("0123456789")
    return head, int(name[len(head) :] or 0), name


def _renamed(video: ScoredVideo, place: str) -> ScoredVideo:
    return replace(video, video_id=f"{place.rsplit('/', 1)[-1]}/{video.video_id}")
