"""The files of a folder that `clipsum embed` wrote, local or on S3."""

import json
import re
from functools import partial
from typing import Any

import pyarrow.parquet as pq

from clipsum import storage
from clipsum.datasets.embedding_rows import FOLDER
from clipsum.datasets.embedding_table import EmbeddingTable
from clipsum.errors import UsageError

_PART = re.compile(r"/part-\d+\.parquet$")


def parts_of(place: str) -> list[str]:
    """The files of rows, in their order. Raises: UsageError where there are none."""
    folder = storage.join(place, FOLDER)
    found = storage.list_files(folder) if storage.exists(folder) else iter(())
    uris = sorted(stored.uri for stored in found if _PART.search(stored.uri))
    if uris:
        return uris
    if storage.exists(storage.join(place, "summaries")):
        raise UsageError(f"'{place}' holds summaries, not embeddings: name the --output folder of clipsum embed")
    raise UsageError(f"'{place}' holds no embeddings: make them with clipsum embed … --output {place}")


def read_table(uri: str, names: list[str]) -> EmbeddingTable:
    """The columns `names` of a file; pixels come when they are asked for. Raises: ItemError, UsageError."""
    with storage.open_reader(uri) as reader:
        file = pq.ParquetFile(reader)
        if missing := sorted(set(names) - set(file.schema_arrow.names)):
            raise UsageError(f"'{uri}' has no column '{missing[0]}': it is of another version, embed the videos again")
        return EmbeddingTable(file.read(columns=names), partial(_read_pixels, uri))


def _read_pixels(uri: str, row: int) -> bytes | None:
    """One row's pixels: they are written a row to a row group, so that no other row's are read."""
    with storage.open_reader(uri) as reader:
        file, group = pq.ParquetFile(reader), 0
        while row >= (rows := file.metadata.row_group(group).num_rows):
            row, group = row - rows, group + 1
        found: bytes | None = file.read_row_group(group, columns=["pixels"])["pixels"][row].as_py()
        return found


def listed_in(place: str) -> int:
    """How many videos the run listed; 0 where it has left no record. Raises: ItemError."""
    return int(((read_run(place) or {}).get("counts") or {}).get("listed") or 0)


def read_run(place: str) -> dict[str, Any] | None:
    """The record of the run that embedded them; None where it has left none. Raises: ItemError, as the store."""
    try:
        found = json.loads(storage.read_if_there(storage.join(place, "run.json")) or b"")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
