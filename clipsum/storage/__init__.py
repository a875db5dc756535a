"""The one door to local files, S3 and https."""

from clipsum.storage.copies import local_copy
from clipsum.storage.door import (
    beside,
    check_readable,
    check_writable,
    create_bytes,
    delete,
    download,
    exists,
    list_files,
    open_reader,
    read_bytes,
    read_if_there,
    read_range,
    stat,
    upload,
    write_bytes,
)
from clipsum.storage.reader import RangeReader
from clipsum.storage.uri import StoredObject, canonical, is_s3, join, masked, shown, split_s3, stem, suffix

__all__ = [
    "RangeReader",
    "StoredObject",
    "beside",
    "canonical",
    "check_readable",
    "check_writable",
    "create_bytes",
    "delete",
    "download",
    "exists",
    "is_s3",
    "join",
    "list_files",
    "local_copy",
    "masked",
    "open_reader",
    "read_bytes",
    "read_if_there",
    "read_range",
    "shown",
    "split_s3",
    "stat",
    "stem",
    "suffix",
    "upload",
    "write_bytes",
]
