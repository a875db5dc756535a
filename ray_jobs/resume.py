"""What an earlier run left in the output, and what is still to do. Looks, and changes nothing.

A row needs no work where it was made under the settings of this run, for the version that is listed now, and answers
what the manifest asks of its video now. Where the listing could not tell the version (the file is gone, or access to
it is denied for now) the row that is there counts.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clipsum.highlights.asking import asked_of
from ray_jobs import earlier, parts
from ray_jobs.manifest import Parted
from ray_jobs.parts import Layout
from ray_jobs.tally import Tally

_KEY_COLUMNS = ("video_id", "version", "status", "reason", "attempts", "duration_s")
_ANSWERED = "queries.list.element.query"  # the words alone of what a row answers


@dataclass(frozen=True)
class Wanted:
    """Which rows are looked for: of what is listed, made under these settings.

    `asked`: what is asked of every video, beside its own question; None where rows answer no questions.
    """

    listing: Parted
    settings: str
    layout: Layout
    retry_failed: bool = False
    asked: tuple[str, ...] | None = None

    @property
    def columns(self) -> list[str]:
        """Of the rows that are there, what has to be known of them."""
        return [*_KEY_COLUMNS, *self.layout.carried, *([] if self.asked is None else [_ANSWERED])]


@dataclass
class Found:
    """What is still `todo` (videos,), and what the rows come to that need no work.

    `held` numbers the parts that have rows of these settings. `retried`: index -> attempts and reason of a failed row
    that is done again, and stands until the new one is there. `unlisted` and `stale` count rows that will go: of
    videos that are not listed any more, and of other settings, those once a new row of their part comes. `reworded`
    numbers the parts in which the manifest's own words are others than it has now; `reasked` counts rows that are done
    again since their video is asked another question.
    """

    todo: NDArray[np.bool_]
    tally: Tally = field(default_factory=Tally)
    held: set[int] = field(default_factory=set)
    retried: dict[int, tuple[int, str]] = field(default_factory=dict)
    unlisted: int = 0
    stale: int = 0
    is_in_place: bool = True
    reworded: list[int] = field(default_factory=list)
    reasked: int = 0


def look(output: str, wanted: Wanted) -> Found:
    """Find what is still to do. Bound: see `earlier`, for another listing alone.

    Raises: UsageError where a part is damaged, ItemError where one cannot be read.
    """
    columns = wanted.columns
    own, aside = parts.uris(output, wanted.layout.folder), earlier.left(output)
    if not aside:
        found = Found(np.ones(wanted.listing.videos, dtype=np.bool_))
        for uri, made_under, present in parts.read_each(own, columns):
            number = parts.number_of(uri)
            if not set(wanted.listing.ids(number)).issuperset(present["video_id"].to_pylist()):
                break  # the listing or the parts' size has changed
            if made_under == wanted.settings:
                _mark(found, wanted, number, present)
            else:
                found.stale += present.num_rows
        else:
            return found
    return _look_anywhere(parts.read_each([*aside, *own], columns), wanted)


def _look_anywhere(tables: Iterable[tuple[str, str, pa.Table]], wanted: Wanted) -> Found:
    """As `look`, for rows in other places than this listing gives them; of two rows of a video the later counts."""
    found = Found(np.ones(wanted.listing.videos, dtype=np.bool_), is_in_place=False)
    usable, others, listed = [], set(), 0
    for _, made_under, present in tables:
        if made_under == wanted.settings:
            usable.append(present)
        else:
            others.update(present["video_id"].to_pylist())
    there = pa.concat_tables(usable) if usable else None
    row_of = _row_of(there) if there is not None else {}
    others -= row_of.keys()
    for number in range(len(wanted.listing)):
        ids = wanted.listing.ids(number)
        rows = [row_of[video_id] for video_id in ids if video_id in row_of]
        listed += len(rows)
        found.stale += len(others.intersection(ids))
        if there is not None and rows:
            _mark(found, wanted, number, there.take(pa.array(rows, pa.int64())))
    found.unlisted = len(row_of) - listed + len(others) - found.stale
    return found


def _mark(found: Found, wanted: Wanted, number: int, present: pa.Table) -> None:
    """Note the rows of one part that need not be done again."""
    own, carried = wanted.listing.rows(number), wanted.layout.carried
    found.held.add(number)
    if carried and earlier.said(present, own, carried) != earlier.said(present, present, carried):
        found.reworded.append(number)
    row_of, kept, answered = _row_of(present), [], _answered(present, wanted)
    versions, status = present["version"].to_pylist(), present["status"].to_pylist()
    reasons, attempts = present["reason"].to_pylist(), present["attempts"].to_pylist()
    for video in own.select(["index", "video_id", "version", "query"]).to_pylist():
        index, row = video["index"], row_of.get(video["video_id"])
        if row is None or video["version"] not in ("", versions[row]):
            continue
        if wanted.retry_failed and status[row] == "failed":
            found.retried[index] = attempts[row], reasons[row]
        elif status[row] == "ok" and answered and answered[row] != {*asked_of(video["query"], wanted.asked or ())}:
            found.reasked += 1
        else:
            found.todo[index] = False
            kept.append(row)
    found.tally.count(present.take(pa.array(kept, pa.int64())))


def _answered(present: pa.Table, wanted: Wanted) -> list[set[str]]:
    """What each row answers; nothing of any where rows answer no questions."""
    if wanted.asked is None:
        return []
    return [{each["query"] for each in row or ()} for row in present["queries"].to_pylist()]


def _row_of(present: pa.Table) -> dict[str, int]:
    return {video_id: row for row, video_id in enumerate(present["video_id"].to_pylist())}
