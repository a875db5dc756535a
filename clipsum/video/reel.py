"""A reel: pieces of a video, one after the other, as an mp4 that browsers play, sound and picture in sync.

Where every cut falls on a key frame and browsers know the codecs, packets are copied as they are. Else all is decoded
and encoded anew, as H.264 and AAC. Times are seconds on the player's clock.
"""

import math
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipsum import storage
from clipsum.config import Limits
from clipsum.errors import ItemError
from clipsum.records import Highlight
from clipsum.storage import open_reader
from clipsum.video.container import Media, open_media
from clipsum.video.faults import faults
from clipsum.video.reel_copy import NotCopiedError, copy_pieces, is_plain
from clipsum.video.reel_encode import encode_pieces
from clipsum.video.reel_streams import Piece
from clipsum.video.timeline import cued_timeline, indexed_timeline

ON_KEY_S = 0.25
"""A cut falls on a key frame where one lies no farther inside the piece: it is moved there, and the reel is shorter."""
SHORTEST_S = 0.04
STAGE = "reel"


@dataclass(frozen=True)
class Reel:
    """What was written: its length, the sum of its pieces', and whether packets were copied as they are."""

    duration_s: float
    pieces: int
    copied: bool


def write_reel(
    uri: str, highlights: Iterable[Highlight], output: str, limits: Limits | None = None, title: str = ""
) -> Reel:
    """Cut the highlights out of the video at `uri` into an mp4 at `output`, local or `s3://`, in order of time.

    Players show the `title`, if there is one.

    Raises: ItemError as `open_media`, and corrupt where nothing of the highlights can be decoded; not_found, of the
    stage "reel", where there are no highlights, or none as long as a picture.
    """
    limits = limits or Limits()
    moments = list(highlights)
    spans = merged(moments)
    if not spans:
        long_s = sum(each.end_s - each.start_s for each in moments)
        why = f"its highlights last {long_s:.3f} s, less than a picture" if moments else "it has no highlights"
        raise ItemError("not_found", STAGE, why)
    with tempfile.TemporaryDirectory(prefix="clipsum-reel-") as scratch, faults(STAGE):
        path = Path(scratch) / "reel.mp4"
        reel = _write(uri, spans, path, limits, title)
        storage.upload(path, output)
    return reel


def merged(highlights: Iterable[Highlight]) -> list[tuple[float, float]]:
    """(start_s, end_s) in order of time, those that touch or overlap as one."""
    spans: list[tuple[float, float]] = []
    for each in sorted(highlights, key=lambda own: own.start_s):
        if spans and each.start_s <= spans[-1][1]:
            spans[-1] = spans[-1][0], max(spans[-1][1], each.end_s)
        elif each.end_s - each.start_s >= SHORTEST_S:
            spans.append((max(0.0, each.start_s), each.end_s))
    return spans


def _write(uri: str, spans: Sequence[tuple[float, float]], path: Path, limits: Limits, title: str) -> Reel:
    with open_reader(uri) as reader:
        with open_media(reader, limits) as media:
            keys_s, end_s = _keys(media) if is_plain(media) else (None, math.inf)
        moved = None if keys_s is None else on_keys(spans, keys_s, end_s)
        if moved is not None:
            with open_media(reader, limits) as media, open_media(reader, limits) as again, suppress(NotCopiedError):
                copy_pieces(media, again, in_row(moved), path, title)
                return Reel(_length(in_row(moved)), len(moved), True)
        with open_media(reader, limits) as media, open_media(reader, limits) as again:
            encode_pieces(media, again, in_row(spans), path, title)
    return Reel(_length(in_row(spans)), len(spans), False)


def in_row(spans: Sequence[tuple[float, float]]) -> list[Piece]:
    """The pieces with their places in the reel."""
    places = accumulate((end_s - start_s for start_s, end_s in spans), initial=0.0)
    return [Piece(start_s, end_s, at_s) for (start_s, end_s), at_s in zip(spans, places, strict=False)]


def on_keys(
    spans: Sequence[tuple[float, float]], keys_s: NDArray[np.float64], end_s: float
) -> list[tuple[float, float]] | None:
    """The spans with each cut on the key frame just inside it, or the end of the video; None where one has none."""
    edges = np.append(keys_s, end_s)
    moved = []
    for start_s, stop_s in spans:
        start = keys_s[np.searchsorted(keys_s, start_s - 1e-6) :][:1]
        stop = edges[: np.searchsorted(edges, min(stop_s, end_s) + 1e-6)][-1:]
        if not len(start) or not len(stop) or start[0] - start_s > ON_KEY_S or min(stop_s, end_s) - stop[0] > ON_KEY_S:
            return None
        if stop[0] <= start[0]:
            return None
        moved.append((float(start[0]), float(stop[0])))
    return moved


def _keys(media: Media) -> tuple[NDArray[np.float64] | None, float]:
    """The times of the key frames, by the container's own index, and the end; None where it has none."""
    timeline = indexed_timeline(media) or (None if media.source.blank else cued_timeline(media))
    return (None, math.inf) if timeline is None else (np.sort(timeline.seconds[timeline.keys]), timeline.duration_s)


def _length(pieces: Sequence[Piece]) -> float:
    return pieces[-1].at_s + pieces[-1].end_s - pieces[-1].start_s
