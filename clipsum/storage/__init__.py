"""The one door to local files, S3 and https."""

from clipsum.storage.door import (
    check_writable,
    delete,
    download,
    exists,
    list_files,
    open_reader,
    read_bytes,
    read_range,
    stat,
    write_bytes,
)
from clipsum.storage.reader import RangeReader
from clipsum.storage.uri import StoredObject, canonical, is_s3, join, split_s3

__all__ = [
    "RangeReader",
    "StoredObject",
    "canonical",
    "check_writable",
    "delete",
    "download",
    "exists",
    "is_s3",
    "join",
    "list_files",
    "open_reader",
    "read_bytes",
    "read_range",
    "split_s3",
    "stat",
    "write_bytes",
]
