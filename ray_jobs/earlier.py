"""Rows of an earlier run over another listing, put in the places that this run's listing gives them.

The parts are set aside in `earlier/` first, so that no row ever stands in `summaries/` twice, and `earlier/` goes once
every row that is still listed stands in its new part. A run that dies in between is taken up by the next one.
Bound: id and place of every row (some 200 bytes a video), for this case alone, and two parts.
"""

import time
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache

from clipsum import storage
from ray_jobs import parts
from ray_jobs.parts import Row


def folder(output: str) -> str:
    """Where parts are set aside."""
    return storage.join(output, "earlier")


def is_left(output: str) -> bool:
    """Whether a run died while it rearranged."""
    return any(True for _ in parts.existing(folder(output)))


def rearrange(output: str, settings: str, listing: Iterable[list[tuple[str, str]]]) -> None:
    """Give each row its new place; `listing` is id and version of each part's videos. Rows of other settings go."""
    _set_aside(output)
    found: dict[str, str] = {}
    aside = sorted(stored.uri for stored in parts.existing(folder(output)))
    for uri in aside:
        made_under, present = parts.read(uri, ["video_id"])
        if made_under == settings:
            found.update((row["video_id"], uri) for row in present)
    for number, keys in enumerate(listing):
        _fill(parts.part_uri(output, number), [video_id for video_id, _ in keys], found, settings)
    for uri in aside:
        storage.delete(uri)


def _set_aside(output: str) -> None:
    stamp = time.time_ns()  # parts of two runs that died must not meet under one name; the later run's rows win
    for uri in parts.uris(output):
        aside = storage.join(folder(output), f"{stamp}-{parts.number_of(uri):06d}.parquet")
        storage.write_bytes(aside, storage.read_bytes(uri))
        storage.delete(uri)


def _fill(uri: str, video_ids: list[str], found: dict[str, str], settings: str) -> None:
    wanted: dict[str, set[str]] = defaultdict(set)
    for video_id in video_ids:
        if video_id in found:
            wanted[found[video_id]].add(video_id)
    rows = {row["video_id"]: row for source, ids in wanted.items() for row in _rows(source) if row["video_id"] in ids}
    if rows:
        parts.write(uri, [rows[video_id] for video_id in video_ids if video_id in rows], settings)


@lru_cache(maxsize=2)
def _rows(uri: str) -> list[Row]:
    return parts.read(uri)[1]
