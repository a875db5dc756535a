"""The book of a run's output folder: which rows are there, which are still to do, and where each new one goes.

Part k holds the rows of the manifest's [k * P, (k + 1) * P), under a name that follows from k, so that a rerun writes
over a row and never beside it. What marks a row as done: it stands in its part, with the version that is listed now
and the settings of this run. Parts are written when they are full, every `flush_s`, and at the end.

Bound: one byte a video for `todo`, one manifest file, and the rows of the parts that are open. Rows come in the
manifest's order but for those in flight: that is two parts, and one for each video that is stuck. A row is 10 to 40 KB.
"""

import time
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clipsum import rows
from ray_jobs import earlier, manifest, parts
from ray_jobs.manifest import Listed
from ray_jobs.parts import Row

_KEY_COLUMNS = ["video_id", "version", "status", "reason", "attempts", "duration_s"]


@dataclass
class Tally:
    """Rows that are there: how many are `ok`, how many failed and why, and how long the `ok` videos are in all."""

    ok: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    video_s: float = 0.0

    def count(self, row: Row) -> None:
        """Add one row."""
        if row["status"] == "ok":
            self.ok += 1
            self.video_s += row["duration_s"] or 0.0
        else:
            self.failures[row["reason"]] += 1

    @property
    def failed(self) -> int:
        """How many failed, for whatever reason."""
        return self.failures.total()


@dataclass
class _Part:
    """The rows of one open part by their place in it; None where a row is still to come."""

    rows: list[Row | None]
    changed: bool = False


class Ledger:
    """The rows in `output`, for what was `listed`. `settings` names all that a row depends on but its video.

    `todo` (videos,) says which manifest rows are still to do; `tally` counts the rows that are there.
    """

    def __init__(self, output: str, listed: Listed, settings: str, part_rows: int, flush_s: float) -> None:
        self.output, self.listed, self.settings = output, listed, settings
        self.todo: NDArray[np.bool_] = np.ones(listed.videos, dtype=np.bool_)
        self.tally = Tally()
        self._part_rows, self._flush_s = part_rows, flush_s
        self._open: dict[int, _Part] = {}
        self._earlier_attempts: dict[int, int] = {}
        self._file: tuple[int, list[tuple[str, str]]] = (-1, [])
        self._flushed_at = time.monotonic()

    def resume(self, retry_failed: bool) -> None:
        """Look at what an earlier run left, part by part, and find what is still to do."""
        if earlier.is_left(self.output) or not all(self._is_in_place(uri) for uri in parts.uris(self.output)):
            earlier.rearrange(self.output, self.settings, (self._keys(number) for number in range(self._parts)))
        for uri in parts.uris(self.output):
            self._find_done(parts.number_of(uri), retry_failed)

    def add(self, results: pa.Table) -> list[Row]:
        """Take results as they come, in any order, and write what is full. Returns the rows."""
        added: list[Row] = results.select(rows.SCHEMA.names).to_pylist()
        for index, row in zip(results["index"].to_pylist(), added, strict=True):
            row["attempts"] += self._earlier_attempts.pop(index, 0)
            number, place = divmod(index, self._part_rows)
            if number not in self._open:
                self._open[number] = self._reopen(number)
            self._open[number].rows[place] = row
            self._open[number].changed = True
            self.todo[index] = False
            self.tally.count(row)
        for number in [number for number, part in self._open.items() if None not in part.rows]:
            self._write(number, self._open.pop(number))
        if time.monotonic() - self._flushed_at > self._flush_s:
            self.flush()
        return added

    def flush(self) -> None:
        """Write the parts that are not full yet as they stand."""
        for number, part in self._open.items():
            if part.changed:
                self._write(number, part)
        self._flushed_at = time.monotonic()

    def _write(self, number: int, part: _Part) -> None:
        there = [row for row in part.rows if row is not None]
        parts.write(parts.part_uri(self.output, number), there, self.settings)
        part.changed = False

    @property
    def _parts(self) -> int:
        return -(-self.listed.videos // self._part_rows)

    def _is_in_place(self, uri: str) -> bool:
        """Whether a part holds rows of its own videos alone; not so once the listing or the parts' size changed."""
        number = parts.number_of(uri)
        own = {video_id for video_id, _ in self._keys(number)} if number < self._parts else set()
        return own.issuperset(row["video_id"] for row in parts.read(uri, ["video_id"])[1])

    def _find_done(self, number: int, retry_failed: bool) -> None:
        """Mark the rows of one part that need not be done again."""
        settings, present = parts.read(parts.part_uri(self.output, number), _KEY_COLUMNS)
        if settings != self.settings:
            return
        by_key = {(row["video_id"], row["version"]): row for row in present}
        for index, key in enumerate(self._keys(number), start=number * self._part_rows):
            row = by_key.get(key)
            if row is None:
                continue
            if retry_failed and row["status"] == "failed":
                self._earlier_attempts[index] = row["attempts"]
            else:
                self.todo[index] = False
                self.tally.count(row)

    def _reopen(self, number: int) -> _Part:
        """The part with the rows in it that are done."""
        keys, first = self._keys(number), number * self._part_rows
        opened: list[Row | None] = [None] * len(keys)
        if not self.todo[first : first + len(keys)].all():
            _, present = parts.read(parts.part_uri(self.output, number))
            by_id = {row["video_id"]: row for row in present}
            opened = [None if self.todo[first + i] else by_id[video_id] for i, (video_id, _) in enumerate(keys)]
        return _Part(opened)

    def _keys(self, number: int) -> list[tuple[str, str]]:
        """Id and version of each video of one part, in order."""
        file, place = divmod(number * self._part_rows, self.listed.file_rows)
        if self._file[0] != file:
            table = manifest.read(self.listed, file)
            self._file = file, list(zip(table["video_id"].to_pylist(), table["version"].to_pylist(), strict=True))
        return self._file[1][place : place + self._part_rows]
