"""The book of a run's output folder: which rows are there, which are still to do, and where each new one goes.

Part k holds the rows of the manifest's [k * P, (k + 1) * P), under a name that follows from k, so that a rerun writes
over a row and never beside it. What marks a row as done: it stands in its part, with the version that is listed now,
the settings of this run and answers to what its video is asked now. Parts are written when they are full, every
`flush_s`, and at the end.

Bound: one byte a video for `todo`, one manifest file, and the rows of the parts that are open, in Arrow. Rows come in
the manifest's order but for those in flight: that is two parts, and one for each video that is stuck. A row of a
summary is 10 to 40 KB, one of embeddings that and 2 bytes for each number.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ray_jobs import earlier, parts
from ray_jobs.manifest import Listed, Parted
from ray_jobs.parts import Layout
from ray_jobs.resume import Found, Wanted, look
from ray_jobs.tally import Tally


@dataclass
class _Part:
    """The rows of one open part by their place in it, each a table of one; None where there is none yet.

    A row that is being done again stands until the new one comes: a run may end before.
    """

    rows: list[pa.Table | None]
    changed: bool = False


class Ledger:
    """The rows in `output`, for what was `listed`. `settings` names all that a row depends on but its video.

    `asked`: see `Wanted`. `flushes` counts how often all rows so far were written.
    """

    def __init__(
        self,
        output: str,
        listed: Listed,
        settings: str,
        part_rows: int,
        flush_s: float,
        layout: Layout | None = None,
        asked: tuple[str, ...] | None = None,
    ) -> None:
        self.output, self.settings = output, settings
        self._layout, self._asked = layout or Layout(), asked
        self._part_rows, self._flush_s = part_rows, flush_s
        self._listing = Parted(listed, part_rows)
        self._found = Found(np.ones(listed.videos, dtype=np.bool_))
        self._open: dict[int, _Part] = {}
        self._flushed_at = time.monotonic()
        self.flushes = 0

    @property
    def todo(self) -> NDArray[np.bool_]:
        """(videos,) which manifest rows are still to do."""
        return self._found.todo

    @property
    def tally(self) -> Tally:
        """What the rows come to that are done."""
        return self._found.tally

    @property
    def standing(self) -> Tally:
        """`tally`, and the failed rows that were to be done again and have not been."""
        there = replace(self.tally, failures=self.tally.failures.copy())
        there.failures.update(reason for _, reason in self._found.retried.values())
        return there

    def resume(self, retry_failed: bool) -> Found:
        """Find what an earlier run left and what is still to do; changes nothing in the output.

        Raises: UsageError where a part is damaged, ItemError where one cannot be read.
        """
        wanted = Wanted(self._listing, self.settings, self._layout, retry_failed, self._asked)
        self._found = look(self.output, wanted)
        return self._found

    def settle(self) -> None:
        """Put the rows that were found into the places that this listing gives them, with its words."""
        folder, found = self._layout.folder, self._found
        if not found.is_in_place:
            earlier.rearrange(self.output, folder, self.settings, map(self._listing.ids, range(len(self._listing))))
        for number in found.reworded:
            earlier.refresh(self._uri(number), self._listing.rows(number), self._layout.carried)

    def add(self, results: pa.Table) -> Tally:
        """Take results as they come, in any order, and write what is full. Returns what they come to."""
        indices = results["index"].to_pylist()
        added = self._taken(results, indices)
        for row, index in enumerate(indices):
            number, place = divmod(index, self._part_rows)
            if number not in self._open:
                self._open[number] = self._reopen(number)
            self._open[number].rows[place] = added.slice(row, 1)
            self._open[number].changed = True
            self.todo[index] = False
        for number in [number for number in self._open if not self.todo[self._places(number)].any()]:
            self._write(number, self._open.pop(number))
        if time.monotonic() - self._flushed_at > self._flush_s:
            self.flush()
        self.tally.count(added)
        come = Tally()
        come.count(added)
        return come

    def flush(self) -> None:
        """Write the parts that are not full yet as they stand."""
        for number, part in self._open.items():
            if part.changed:
                self._write(number, part)
        self.flushes += 1
        self._flushed_at = time.monotonic()

    def _taken(self, results: pa.Table, indices: Sequence[int]) -> pa.Table:
        """The rows among results, with the attempts of earlier runs; a copy, for Ray's own memory must not fill up."""
        table = results.select(self._layout.schema.names).take(np.arange(results.num_rows))
        before = pa.array([self._found.retried.pop(index, (0, ""))[0] for index in indices], pa.int32())
        return parts.with_column(table, "attempts", pc.add(table["attempts"], before))

    def _write(self, number: int, part: _Part) -> None:
        there = pa.concat_tables([row for row in part.rows if row is not None])
        parts.write(self._uri(number), there, self.settings)
        part.changed = False
        self._found.held.add(number)

    def _uri(self, number: int) -> str:
        return parts.part_uri(self.output, number, self._layout.folder)

    def _places(self, number: int) -> slice:
        """Which manifest rows a part holds."""
        return slice(number * self._part_rows, (number + 1) * self._part_rows)

    def _reopen(self, number: int) -> _Part:
        """The part with the rows in it that are there."""
        ids = self._listing.ids(number)
        if number not in self._found.held:
            return _Part([None] * len(ids))
        _, present = parts.read(self._uri(number))
        row_of = {video_id: row for row, video_id in enumerate(present["video_id"].to_pylist())}
        return _Part([present.slice(row_of[video_id], 1) if video_id in row_of else None for video_id in ids])
