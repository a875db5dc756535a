"""The parts of the output: parquet files of rows, under names that follow from the manifest's order."""

import io
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow.parquet as pq

from clipsum import rows, storage
from clipsum.storage import StoredObject

_NAME = re.compile(r"/part-\d+\.parquet$")
SETTINGS_KEY = b"clipsum.settings"
Row = dict[str, Any]


def folder(output: str) -> str:
    """Where the parts of `output` are."""
    return storage.join(output, "summaries")


def part_uri(output: str, number: int) -> str:
    """The address of part `number`."""
    return storage.join(folder(output), f"part-{number:06d}.parquet")


def number_of(uri: str) -> int:
    """The number in a part's name."""
    return int(storage.stem(uri).rpartition("-")[2])


def write(uri: str, part: Iterable[Row], settings: str) -> None:
    """Put a part in place in one step, with the settings that its rows were made under."""
    table = rows.table(part)
    table = table.replace_schema_metadata({SETTINGS_KEY: settings.encode()})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    storage.write_bytes(uri, buffer.getvalue())


def read(uri: str, columns: list[str] | None = None) -> tuple[str, list[Row]]:
    """The settings of a part, and its rows; of `columns` alone only their bytes are read."""
    with storage.open_reader(uri) as reader:
        file = pq.ParquetFile(reader)
        settings = (file.schema_arrow.metadata or {}).get(SETTINGS_KEY, b"").decode()
        return settings, file.read(columns=columns).to_pylist()


def uris(output: str) -> list[str]:
    """The parts that there are, in order."""
    found = (stored.uri for stored in existing(folder(output)))
    return sorted(uri for uri in found if _NAME.search(uri))


def existing(uri: str) -> Iterator[StoredObject]:
    """The files below a folder, none where the folder is not there yet."""
    return storage.list_files(uri) if storage.exists(uri) else iter(())


def read_rows(output: str) -> Iterator[Row]:
    """Every row of `output`, one part in memory at a time. Raises: ItemError where a part cannot be read."""
    for uri in uris(output):
        yield from read(uri)[1]
