"""Rows of a manifest file: .jsonl, .csv or .parquet, streamed from wherever it is stored."""

import csv
import difflib
import io
import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow.parquet as pq
from pyarrow import ArrowException

from clipsum import storage
from clipsum.errors import UsageError
from clipsum.storage import RangeReader

COLUMNS = ("video", "video_id", "transcript", "transcript_uri", "query", "summary", "split")
SUFFIXES = (".jsonl", ".csv", ".parquet")
ROWS_AT_ONCE = 256
NEAR = 0.85
"""How like one of our columns another must be to be taken for a slip."""

Row = dict[str, str | None]
Found = tuple[str, dict[str, Any]]

csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # its default, 128 KiB, is less than an hour's transcript


def read_rows(uri: str) -> Iterator[tuple[str, Row]]:
    """Where each row stands ("line 3" of JSON lines, "row 3" of a table), and its known columns; "" is None.

    Other columns are left alone. Memory: one row, or `ROWS_AT_ONCE` of parquet. Raises: UsageError, ItemError.
    """
    reading = {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet}[storage.suffix(uri)]
    with storage.open_reader(uri) as reader:
        try:
            for where, row in reading(reader, uri):
                place = f"manifest '{storage.shown(uri)}' {where}"
                yield where, {name: _text(row.get(name), name, place) for name in COLUMNS}
        except UnicodeDecodeError as error:
            raise UsageError(f"manifest '{storage.shown(uri)}' is not UTF-8: save it as that ({error})") from error
        except (csv.Error, ArrowException) as error:
            raise UsageError(f"manifest '{storage.shown(uri)}' cannot be read: {error}") from error


def _jsonl(reader: RangeReader, uri: str) -> Iterator[Found]:
    for number, line in enumerate(_lines(reader), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line.rstrip())
        except ValueError as error:
            what = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
            raise UsageError(f"manifest '{storage.shown(uri)}' line {number} is not JSON: {what}") from error
        if not isinstance(row, dict):
            raise UsageError(f"manifest '{storage.shown(uri)}' line {number}: write an object with a key 'video'")
        if "video" not in row:
            found = ", ".join(map(repr, row)) or "none"
            raise UsageError(f"manifest '{storage.shown(uri)}' line {number} has no key 'video': its keys are {found}")
        if number == 1:
            _refuse_misspelt(row, uri)
        yield f"line {number}", row


def _csv(reader: RangeReader, uri: str) -> Iterator[Found]:
    rows = csv.DictReader(_lines(reader), strict=True)
    _check_columns(rows.fieldnames or (), uri)
    for number, row in enumerate(rows, 1):
        if None in row:
            raise UsageError(
                f"manifest '{storage.shown(uri)}' row {number} has more fields than there are columns: put a text with "
                "a comma between double quotes"
            )
        yield f"row {number}", row


def _parquet(reader: RangeReader, uri: str) -> Iterator[Found]:
    file = pq.ParquetFile(reader)
    names = file.schema_arrow.names
    _check_columns(names, uri)
    known = [name for name in COLUMNS if name in names]
    batches = file.iter_batches(batch_size=ROWS_AT_ONCE, columns=known)
    for number, row in enumerate((row for batch in batches for row in batch.to_pylist()), 1):
        yield f"row {number}", row


def _lines(reader: RangeReader) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedReader(reader), encoding="utf-8-sig", newline="")


def _check_columns(names: Any, uri: str) -> None:
    if "video" not in names:
        found = ", ".join(map(repr, names)) or "none"
        hint = "; separate them by commas" if any(sign in name for name in names for sign in ";\t") else ""
        raise UsageError(f"manifest '{storage.shown(uri)}' has no column 'video': its columns are {found}{hint}")
    _refuse_misspelt(names, uri)


def _refuse_misspelt(names: Iterable[str], uri: str) -> None:
    """Raise UsageError for a column that is nearly one of ours which is not there: its words would go unread."""
    there = set(names)
    for name in there - set(COLUMNS):
        if near := difflib.get_close_matches(name, [each for each in COLUMNS if each not in there], n=1, cutoff=NEAR):
            raise UsageError(
                f"manifest '{storage.shown(uri)}': '{name}' is no column that is read: did you mean '{near[0]}'? "
                "Rename it, to that or to something less like it"
            )


def _text(value: Any, name: str, where: str) -> str | None:
    if name == "video_id" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if not isinstance(value, str):
        kind = type(value).__name__
        raise UsageError(f"{where}: '{name}' is of type {kind}: give a text")
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise UsageError(f"{where}: '{name}' is not text but {value[:80]!r}")
    return value
