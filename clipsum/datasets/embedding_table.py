"""Rows of embeddings in an Arrow table, read one item at a time.

T frames, D width of an embedding, R rows of a table.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clipsum.datasets.embedding_rows import Kind
from clipsum.records import Embeddings, Frames, Segment, Transcript
from clipsum.rows import Thumbnail

NO_SPLIT = ""


@dataclass(frozen=True, repr=False)
class Embedded:
    """One video that needs no decoding any more. `summary` is the reference; `split` None where none was given.

    The vectors are float32 and exactly the float16 values that are stored. `frames` are there where pixels are stored.
    """

    video_id: str
    uri: str
    split: str | None
    duration_s: float
    embeddings: Embeddings
    transcript: Transcript
    summary: str | None
    frames: Frames | None = None
    thumbnails: tuple[Thumbnail, ...] = ()

    def __repr__(self) -> str:
        return f"Embedded({self.video_id}, split={self.split}, {self.embeddings}, {self.transcript})"


class EmbeddingTable:
    """A table of the columns of `embedding_rows.SCHEMA`, `pixels` and `thumbnails` where they are wanted.

    `pixels(row)` fetches what the table does not hold itself. Bound: the table, and the item that is asked for.
    """

    def __init__(self, table: pa.Table, pixels: Callable[[int], bytes | None] | None = None) -> None:
        self._columns = {name: _whole(table.column(name)) for name in table.column_names}
        self._pixels = pixels
        frames = self._columns["vectors"]
        self._frames, self._values = frames.offsets.to_numpy(), frames.values.offsets.to_numpy()
        self._vectors = frames.values.values.to_numpy()

    def widths(self) -> set[int]:
        """D of every frame."""
        used = self._values[self._frames[0] : self._frames[-1] + 1]
        return set(np.unique(np.diff(used)).tolist())

    def kinds(self) -> set[Kind]:
        """Fingerprint, sampling and seek of every row."""
        names = list(Kind._fields)
        distinct = pa.table([self._columns[name] for name in names], names).group_by(names).aggregate([])
        return {Kind(*(row[name] for name in names)) for row in distinct.to_pylist()}

    def index(self, part: int) -> pa.Table:
        """What a set knows of each row, failed or not: where it is, its id, split and fate, and how long it is.

        `frames` counts T; `size_px`: of stored pixels. `text` and `summary` count characters, of the transcript and of
        the reference.
        """
        columns = self._columns
        rows = len(columns["video_id"])
        return pa.table(
            {
                "part": pa.array(np.full(rows, part)),
                "row": pa.array(np.arange(rows)),
                "video_id": columns["video_id"],
                "split": pc.fill_null(columns["split"], NO_SPLIT),
                "reason": pc.if_else(pc.equal(columns["status"], "ok"), None, columns["reason"]),
                "frames": pa.array(np.diff(self._frames), pa.int64()),
                "text": pa.array(self._text_lengths(), pa.int64()),
                "size_px": columns["size_px"],
                "summary": pc.fill_null(pc.utf8_length(columns["summary"]), 0).cast(pa.int64()),
            }
        )

    def without_pixels(self) -> "EmbeddingTable":
        """The same rows, whose items have no frames."""
        columns = [name for name in self._columns if name != "pixels"]
        return EmbeddingTable(pa.table([self._columns[name] for name in columns], columns))

    def item(self, row: int, width: int) -> Embedded:
        """The item of a row that did not fail; `width` is D where it has no frames."""
        times_s = np.array(self._columns["frame_times_s"][row].values.to_numpy())
        segments = tuple(Segment(**segment) for segment in self._value("transcript", row) or ())
        return Embedded(
            video_id=self._value("video_id", row),
            uri=self._value("uri", row),
            split=self._value("split", row),
            duration_s=self._value("duration_s", row),
            embeddings=Embeddings(
                times_s, self._vectors_of(row, width), *(self._value(name, row) for name in Kind._fields)
            ),
            transcript=Transcript(segments, self._value("transcript_source", row) or "none"),
            summary=self._value("summary", row),
            frames=self._frames_of(row, times_s),
            thumbnails=tuple(Thumbnail(**each) for each in self._value("thumbnails", row) or ()),
        )

    def summary(self, row: int) -> str | None:
        """The reference of a row, if it has one."""
        found: str | None = self._value("summary", row)
        return found

    def _value(self, name: str, row: int) -> Any:
        column = self._columns.get(name)
        return None if column is None else column[row].as_py()

    def _vectors_of(self, row: int, width: int) -> NDArray[np.float32]:
        """(T, D) float32."""
        first, last = self._frames[row : row + 2].tolist()
        flat: NDArray[np.float32] = self._vectors[self._values[first] : self._values[last]].astype(np.float32)
        return flat.reshape(last - first, -1 if last > first else width)

    def _frames_of(self, row: int, times_s: NDArray[np.float64]) -> Frames | None:
        size_px = self._value("size_px", row)
        if size_px is None:
            return None
        stored = self._pixels(row) if self._pixels else self._value("pixels", row)
        if stored is None:
            return None
        pixels = np.frombuffer(stored, np.uint8).reshape(len(times_s), size_px, size_px, 3)
        return Frames(times_s, pixels.copy(), np.array(self._value("frame_exact", row), np.bool_))

    def _text_lengths(self) -> NDArray[np.int64]:
        """(R,) characters of each transcript."""
        segments = self._columns["transcript"]
        letters = pc.fill_null(pc.utf8_length(segments.values.field("text")), 0).to_numpy(zero_copy_only=False)
        before = np.concatenate([[0], np.cumsum(letters)]).astype(np.int64)
        lengths: NDArray[np.int64] = np.diff(before[segments.offsets.to_numpy()])
        return lengths


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
