"""Embedded videos as training and evaluation take them, from a folder of `clipsum embed` or a table of its rows."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clipsum import storage
from clipsum.datasets.embedding_files import listed_in, parts_of, read_table
from clipsum.datasets.embedding_rows import SCHEMA, Kind
from clipsum.datasets.embedding_table import NO_SPLIT, Embedded, EmbeddingTable
from clipsum.errors import ItemError, UsageError
from clipsum.storage.reader import requests

__all__ = ["NO_SPLIT", "Embedded", "EmbeddedSet", "Sizes", "embedded_of", "open_embedded"]
_NEEDED = [name for name in SCHEMA.names if name not in ("pixels", "thumbnails")]


class Sizes(NamedTuple):
    """How long each item is, each (V,) int64: frames, characters of the transcript, characters of the reference."""

    frames: NDArray[np.int64]
    text: NDArray[np.int64]
    summary: NDArray[np.int64]


class EmbeddedSet(Sequence[Embedded]):
    """The videos that did not fail, in the manifest's order; an item is made when it is asked for.

    `failures`: reason -> how many videos, of this split where it is one; `pending`: listed videos without a row yet.
    Bound: all rows in Arrow but for pixels, which are fetched with their item: 2 * T * D bytes of vectors a video, its
    transcript, and 20 KB of thumbnails where they are wanted. A slice or a split of a set shares its rows.
    """

    def __init__(
        self,
        place: str,
        tables: Sequence[EmbeddingTable],
        kind: Kind,
        width: int,
        index: pa.Table,
        pending: int = 0,
    ) -> None:
        """`index` as from `EmbeddingTable.index`, for every row that belongs to the set."""
        self.place, self.kind, self.width, self.pending = place, kind, width, pending
        self.fingerprint, self.sampling, self.seek = kind
        self._tables: list[EmbeddingTable] = list(tables)
        self._index = index
        self._ok = index.filter(pc.is_null(index["reason"]))
        self._places = np.stack([self._ok["part"].to_numpy(), self._ok["row"].to_numpy()], axis=1)
        self.failures = _counts(index["reason"].drop_null())

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Embedded: ...
    @overload
    def __getitem__(self, index: slice) -> "EmbeddedSet": ...
    def __getitem__(self, index: int | slice) -> "Embedded | EmbeddedSet":
        if isinstance(index, slice):
            return self.select(np.arange(len(self))[index])
        part, row = map(int, self._places[index])
        return self._tables[part].item(row, self.width)

    def __iter__(self) -> Iterator[Embedded]:
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        return f"EmbeddedSet({self.place}, {len(self)} videos, splits={self.splits}, width={self.width})"

    @property
    def splits(self) -> dict[str, int]:
        """Split -> how many videos; `NO_SPLIT` stands for those that were given none."""
        return _counts(self._ok["split"])

    @property
    def video_ids(self) -> list[str]:
        """The id of each video."""
        ids: list[str] = self._ok["video_id"].to_pylist()
        return ids

    @property
    def summaries(self) -> list[str | None]:
        """The reference of each video."""
        return [self._tables[part].summary(row) for part, row in self._places.tolist()]

    @property
    def without_pixels(self) -> list[str]:
        """Ids of the videos that have frames, whose pixels are not stored."""
        bare = pc.and_(pc.greater(self._ok["frames"], 0), pc.is_null(self._ok["size_px"]))
        ids: list[str] = self._ok["video_id"].filter(bare).to_pylist()
        return ids

    @property
    def sizes_px(self) -> set[int]:
        """The sides of the frames whose pixels are stored."""
        return set(self._ok["size_px"].drop_null().unique().to_pylist())

    def of_split(self, split: str) -> "EmbeddedSet":
        """The videos of one split. Raises: UsageError, naming the splits that there are, where none is of it."""
        part = self._part(self._index.filter(pc.equal(self._index["split"], split)))
        if not len(part):
            there = ", ".join(f"'{name}' ({count})" for name, count in self.splits.items())
            raise UsageError(
                f"'{self.place}' has no embedded video of split '{split}': it has {there}; splits come from the column "
                "'split' of the manifest that was embedded"
            )
        return part

    def select(self, indices: NDArray[np.int_]) -> "EmbeddedSet":
        """The videos of these indices, in their order; failures belong to no index and are not counted in it."""
        return self._part(self._ok.take(indices))

    def sizes(self) -> Sizes:
        """How long each item is, without making any."""
        return Sizes(*(self._ok[name].to_numpy() for name in Sizes._fields))

    def bare(self) -> "EmbeddedSet":
        """The same videos, whose pixels are never read."""
        tables = [table.without_pixels() for table in self._tables]
        return EmbeddedSet(self.place, tables, self.kind, self.width, self._index, self.pending)

    def _part(self, index: pa.Table) -> "EmbeddedSet":
        return EmbeddedSet(self.place, self._tables, self.kind, self.width, index, self.pending)


def open_embedded(place: str, thumbnails: bool = True) -> EmbeddedSet:
    """The embeddings that `clipsum embed --output place` wrote, local or on S3; `thumbnails` False leaves those out.

    Raises: UsageError, one line, where there are none, none succeeded, or they are not all of one encoder, width,
    sampling and seek; ItemError where their store fails, which may pass.
    """
    try:
        uris = parts_of(place)
        read = partial(read_table, names=[*_NEEDED, "thumbnails"] if thumbnails else _NEEDED)
        tables = list(requests().map(read, uris) if storage.is_s3(place) else map(read, uris))
    except (ItemError, pa.ArrowException) as error:
        if isinstance(error, ItemError) and error.reason == "storage_error":
            raise
        raise UsageError(f"embeddings in '{storage.shown(place)}' cannot be read: {error}") from error
    return _set_of(place, tables, listed_in(place))


def embedded_of(table: pa.Table) -> list[Embedded]:
    """The items of a table of rows, failed ones left out, in order. Raises: UsageError for rows of several kinds."""
    rows = EmbeddingTable(table)
    index = rows.index(0)
    if not pc.any(pc.is_null(index["reason"])).as_py():
        return []
    return list(_set_of("rows", [rows]))


def _set_of(place: str, tables: Sequence[EmbeddingTable], listed: int = 0) -> EmbeddedSet:
    index = pa.concat_tables([table.index(number) for number, table in enumerate(tables)])
    if not pc.any(pc.is_null(index["reason"])).as_py():
        failures = ", ".join(f"{count} {reason}" for reason, count in _counts(index["reason"]).items()) or "no row"
        raise UsageError(f"'{place}' has no video that could be embedded ({failures}): see the rows' column 'detail'")
    kinds = sorted(set().union(*(table.kinds() for table in tables)))
    for what in Kind._fields:
        _refuse_mixed(place, what, {getattr(kind, what) for kind in kinds})
    widths = set().union(*(table.widths() for table in tables))
    _refuse_mixed(place, "width", widths)
    pending = max(0, listed - index.num_rows)
    return EmbeddedSet(place, tables, kinds[0], next(iter(widths), 0), index, pending)


def _refuse_mixed(place: str, what: str, found: set[str] | set[int]) -> None:
    if len(found) > 1:
        one, other = sorted(str(value) for value in found)[:2]
        raise UsageError(
            f"'{place}' mixes embeddings of {what} '{one}' and '{other}': "
            "run clipsum embed on it again until it ends, or embed into another folder"
        )


def _counts(values: pa.ChunkedArray) -> dict[str, int]:
    return {str(pair["values"]): pair["counts"].as_py() for pair in values.value_counts()}
