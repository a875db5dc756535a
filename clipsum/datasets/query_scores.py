"""Scores of shots for queries, and the shots that answer each: HDF5, a group for each video, in it one for each query.

VIDEO/tags                      (S, C)  0 or 1: which of C concepts each of S shots shows
VIDEO/QUERY/importance_scores   (S,)    what the system thinks of each shot under the query
VIDEO/QUERY/user_summary        (S,)    0 or 1: the shots that answer it; (1, S) is as good
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsum.datasets.frame_scores import WHAT, in_order
from clipsum.datasets.hdf5 import array_of, open_hdf5
from clipsum.errors import UsageError

TAGS = "tags"


@dataclass(frozen=True, repr=False)
class QueryScores:
    """Of one video: tags (S, C), and for each query the scores (S,) and the places of the shots that answer it."""

    video_id: str
    tags: NDArray[np.bool_]
    queries: Mapping[str, tuple[NDArray[np.float64], tuple[int, ...]]]

    def __repr__(self) -> str:
        return f"QueryScores({self.video_id!r}, tags={self.tags.shape}, {len(self.queries)} queries)"


def read_query_scores(places: Sequence[str]) -> list[QueryScores]:
    """The videos of all files, in their order. Raises: UsageError, one line that names file, video and query."""
    return [video for place in places for video in _read(place)]


def _read(place: str) -> list[QueryScores]:
    with open_hdf5(place, WHAT) as file:
        if not len(file):
            raise UsageError(f"{WHAT} '{place}' holds no video: give a group for each")
        return [_video(file[name], name, f"{WHAT} '{place}': '{name}'") for name in sorted(file, key=in_order)]


def _video(group: Any, name: str, where: str) -> QueryScores:
    if not hasattr(group, "keys"):
        raise UsageError(f"{where} is no group: give one for each video")
    tags = array_of(group, TAGS, where, 2, "a row of concepts for each shot") > 0
    asked = [query for query in group if query != TAGS]
    if not asked:
        raise UsageError(f"{where} has no query: give a group of importance_scores and user_summary for each")
    return QueryScores(name, tags, {query: _query(group[query], f"{where}: '{query}'", len(tags)) for query in asked})


def _query(group: Any, where: str, shots: int) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    if not hasattr(group, "keys"):
        raise UsageError(f"{where} is no group: give one for each query")
    scores = array_of(group, "importance_scores", where, 1, "a number for each shot")
    chosen = array_of(group, "user_summary", where, 1, "0 or 1 for each shot") > 0
    if len(scores) != shots or len(chosen) != shots:
        raise UsageError(f"{where}: {len(scores)} importance_scores and {len(chosen)} user_summary for {shots} tags")
    if not chosen.any():
        raise UsageError(f"{where}: user_summary has no shot: leave a query out that nothing answers")
    return scores, tuple(np.flatnonzero(chosen).tolist())
