"""What people marked in videos: how much each second matters to each of them, and where a question is answered.

A annotators, N seconds, T frames. Read from the manifest that the videos were listed by, by video id:
`importance` (A, N) of 1 to 5 (the toy kitchen), or `vsum_onehot` (A, N) of 0 and 1 at 1 fps (VideoXum);
`queries` [{"query", "segments": [[start_s, end_s], …]}]: without a segment nothing in the video answers it.
`shot_tags`, a list of concepts for each shot of `shot_s` seconds (QFVS), to compare the shots that answer a query by.
`shot_starts_s`, where a benchmark's published shots begin, the first at 0, for what is chosen shot by shot.
`benchmark` "tvsum" or "summe": its papers' own protocol measures the scores; VideoXum's does where there is none.
Bound: the marks of every video, A * N bytes each, and, while it is read, the manifest itself.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from clipsum import storage
from clipsum.errors import ItemError, UsageError, refused

SCALE = 1, 5  # of `importance`, TVSum's
Benchmark = Literal["tvsum", "summe"]


@dataclass(frozen=True)
class AskedQuery:
    """A question, and the segments (start_s, end_s) that answer it."""

    text: str
    segments: tuple[tuple[float, float], ...] = ()

    def at(self, times_s: NDArray[np.float64]) -> NDArray[np.float32]:
        """1 for each time (T,) that lies in a segment, else 0."""
        inside = np.zeros(len(times_s), np.bool_)
        for start_s, end_s in self.segments:
            inside |= (times_s >= start_s) & (times_s < end_s)
        return inside.astype(np.float32)

    def is_told_by(self, times_s: NDArray[np.float64]) -> bool:
        """Whether frames at these times (T,) tell the answer: one lies in a segment, or nothing answers the question.

        Of a question whose segments all fall between two frames nobody can say by the frames whether it is answered.
        """
        return not self.segments or bool(self.at(times_s).any())


@dataclass(frozen=True, repr=False)
class TaggedShots:
    """Which of C concepts each of S shots shows, (S, C) bool; shot k lasts from k to k + 1 times `shot_s`."""

    tags: NDArray[np.bool_]
    shot_s: float

    def __repr__(self) -> str:
        return f"TaggedShots(tags={self.tags.shape}, shot_s={self.shot_s:g})"

    def within(self, query: AskedQuery) -> list[int]:
        """The places of the shots whose middles lie in a segment of the query."""
        middles_s = self.shot_s * (np.arange(len(self.tags), dtype=np.float64) + 0.5)
        found: list[int] = np.flatnonzero(query.at(middles_s)).tolist()
        return found


@dataclass(frozen=True, repr=False)
class Marks:
    """Of one video: `importance` (A, N) uint8 on a scale from `lowest` to `highest`, None where nobody gave any."""

    importance: NDArray[np.uint8] | None = None
    lowest: int = 0
    highest: int = 1
    queries: tuple[AskedQuery, ...] = ()
    benchmark: Benchmark | None = None
    shots: TaggedShots | None = None
    shot_starts_s: tuple[float, ...] | None = None

    def __repr__(self) -> str:
        shape = None if self.importance is None else self.importance.shape
        return f"Marks(importance={shape}, queries={len(self.queries)})"

    def at(self, times_s: NDArray[np.float64]) -> NDArray[np.float32] | None:
        """The mean over annotators at each time (T,), in [0, 1]; a time past the last second has that one's."""
        if self.importance is None:
            return None
        second = np.clip(np.floor(times_s).astype(np.int64), 0, self.importance.shape[1] - 1)
        mean = self.importance[:, second].mean(axis=0)
        share: NDArray[np.float32] = ((mean - self.lowest) / (self.highest - self.lowest)).astype(np.float32)
        return share


def read_marks(place: str, may_be_none: bool = False) -> dict[str, Marks]:
    """video_id -> marks, of every line of a .jsonl manifest, local or `s3://`, that has some.

    A line without a video_id has none where `may_be_none`. Raises: UsageError, where there are none at all too, unless
    `may_be_none`.
    """
    try:
        lines = storage.read_bytes(place).splitlines()
    except ItemError as error:
        raise refused(f"marks '{place}' cannot be read", error) from error
    found: dict[str, Marks] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            marks = _marks(row)
            if may_be_none and "video_id" not in row:
                continue
            video_id = str(row["video_id"])
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise UsageError(f"marks '{place}', line {number}: {_said(error)}") from error
        if marks.importance is not None or marks.queries:
            found[video_id] = marks
    if not found and not may_be_none:
        raise UsageError(f"marks '{place}' hold none: give lines with video_id and importance, vsum_onehot or queries")
    return found


def _marks(row: Mapping[str, Any]) -> Marks:
    queries = tuple(AskedQuery(str(each["query"]), _segments(each["segments"])) for each in row.get("queries") or ())
    benchmark = row.get("benchmark")
    if benchmark not in (None, *get_args(Benchmark)):
        raise ValueError(f"benchmark is '{benchmark}', expected one of: {', '.join(get_args(Benchmark))}")
    if (given := row.get("importance")) is not None:
        own = Marks(_importance(given, "importance", *SCALE), *SCALE, queries, benchmark)
        return replace(own, shot_starts_s=_starts(row))
    if (chosen := row.get("vsum_onehot")) is not None:
        own = Marks(_importance(chosen, "vsum_onehot", 0, 1), 0, 1, queries, benchmark)
        return replace(own, shot_starts_s=_starts(row))
    return Marks(queries=queries, shots=_tagged(row))


def _starts(row: Mapping[str, Any]) -> tuple[float, ...] | None:
    if (given := row.get("shot_starts_s")) is None:
        return None
    starts_s = tuple(map(float, given))
    if not starts_s or starts_s[0] != 0 or any(later <= sooner for sooner, later in pairwise(starts_s)):
        raise ValueError("shot_starts_s do not rise from 0: give the time in seconds at which each shot begins")
    return starts_s


def _tagged(row: Mapping[str, Any]) -> TaggedShots | None:
    if (shown := row.get("shot_tags")) is None:
        return None
    if not (shot_s := float(row["shot_s"])) > 0:
        raise ValueError(f"shot_s is {shot_s:g}: give the seconds of a shot, above 0")
    columns = {name: column for column, name in enumerate(sorted({str(name) for names in shown for name in names}))}
    tags = np.zeros((len(shown), len(columns)), np.bool_)
    for place, names in enumerate(shown):
        tags[place, [columns[str(name)] for name in names]] = True
    return TaggedShots(tags, shot_s)


def _importance(rows: Sequence[Sequence[float]], name: str, lowest: int, highest: int) -> NDArray[np.uint8]:
    values = np.array(rows)  # refuses rows of different lengths
    if values.ndim != 2 or not values.size:
        raise ValueError(f"{name} is {values.shape}: give a row of one number a second for each annotator")
    if values.min() < lowest or values.max() > highest:
        raise ValueError(f"{name} has {values.min()} to {values.max()}, expected {lowest} to {highest}")
    if values.dtype.kind not in "iub" and (values % 1).any():
        broken = values[values % 1 > 0][0]
        raise ValueError(
            f"{name} has {broken:g}: give whole numbers from {lowest} to {highest}, a row for each annotator"
        )
    return values.astype(np.uint8)


def _segments(pairs: Sequence[Sequence[float]]) -> tuple[tuple[float, float], ...]:
    return tuple((float(start_s), float(end_s)) for start_s, end_s in pairs)


def _said(error: Exception) -> str:
    return f"it has no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
