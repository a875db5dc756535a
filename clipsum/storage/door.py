"""The door: one set of functions for local files, S3 and https. Every error is an `ItemError` at stage "open"."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from clipsum.errors import ItemError, Reason, UsageError, refused
from clipsum.storage import https, local, s3
from clipsum.storage.reader import RangeReader
from clipsum.storage.s3_client import patience
from clipsum.storage.uri import Scheme, StoredObject, join, local_path, scheme_of, shown, split_s3


class Backend(Protocol):
    """What a kind of store can do; `local`, `s3` and `https` are these."""

    def stat(self, uri: str) -> StoredObject:
        """Size and version."""

    def exists(self, uri: str) -> bool:
        """Is it there?"""

    def read_bytes(self, uri: str) -> bytes:
        """The whole file."""

    def read_range(self, uri: str, start: int, stop: int) -> bytes:
        """Bytes [start, stop)."""

    def open_reader(self, uri: str) -> RangeReader:
        """A reader that counts."""

    def write_bytes(self, uri: str, data: bytes) -> None:
        """Put in place in one step."""

    def create_bytes(self, uri: str, data: bytes) -> bool:
        """Put in place in one step where nothing is."""
        ...

    def upload(self, path: Path, uri: str) -> None:
        """Put a local file in place in one step."""

    def download(self, uri: str, path: Path) -> None:
        """Copy to a local path."""

    def delete(self, uri: str) -> None:
        """Remove."""

    def list_files(self, uri: str) -> Iterator[StoredObject]:
        """A file, or those below a folder or of a glob."""
        ...

    def beside(self, uri: str, suffixes: Sequence[str]) -> list[str]:
        """Files of the same stem."""
        ...


_ADVICE: dict[Reason, str] = {
    "access_denied": "check the rights there, or the keys (AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_ENDPOINT_URL)",
    "not_found": "name a folder or a bucket that exists",
}
BACKENDS: dict[Scheme, Backend] = {"file": local, "s3": s3, "https": https}


def stat(uri: str) -> StoredObject:
    """Size in bytes and version of one file. Raises: ItemError."""
    return _backend(uri).stat(uri)


def exists(uri: str) -> bool:
    """True for a file or a folder that holds something. Raises: ItemError where one may not ask."""
    return _backend(uri).exists(uri)


def read_bytes(uri: str) -> bytes:
    """The whole file. Raises: ItemError."""
    return _backend(uri).read_bytes(uri)


def read_if_there(uri: str) -> bytes | None:
    """The whole file; None where there is none, and only there. Raises: ItemError."""
    try:
        return read_bytes(uri)
    except ItemError as error:
        if error.reason != "not_found":
            raise
        return None


def read_range(uri: str, start: int, stop: int) -> bytes:
    """The bytes [start, stop), fewer at the end of the file. Raises: ItemError."""
    return _backend(uri).read_range(uri, start, stop)


def open_reader(uri: str) -> RangeReader:
    """A file-like reader that counts its bytes. Raises: ItemError."""
    return _backend(uri).open_reader(uri)


def write_bytes(uri: str, data: bytes) -> None:
    """Put a whole file in place in one step; folders are made. Raises: ItemError."""
    _backend(uri).write_bytes(uri, data)


def create_bytes(uri: str, data: bytes) -> bool:
    """Put a whole file in place in one step where there is none; False, and nothing done, where there is one.

    Of several who try at once one alone gets True. On S3 that rests on conditional writes (`If-None-Match: *`). Let
    `data` be nobody else's: a writer whose own first try went through unheard knows it by that. Raises: ItemError.
    """
    return _backend(uri).create_bytes(uri, data)


def upload(path: str | Path, uri: str) -> None:
    """Put a copy of a local file in place in one step, never the whole of it in memory. Raises: ItemError."""
    _backend(uri).upload(Path(path), uri)


def download(uri: str, path: str | Path) -> None:
    """Copy a file to a local path, in a folder that exists. Raises: ItemError."""
    _backend(uri).download(uri, Path(path))


def delete(uri: str) -> None:
    """Remove a file; one that is not there is fine. Raises: ItemError."""
    _backend(uri).delete(uri)


def list_files(uri: str) -> Iterator[StoredObject]:
    """A file, the files below a folder or prefix, or those that a glob names; hidden names are left out.

    Streams: one page of names is held at a time. Raises: ItemError.
    """
    return _backend(uri).list_files(uri)


def beside(uri: str, suffixes: Sequence[str]) -> list[str]:
    """The files whose names are the stem of `uri`, a dot, and what ends in one of `suffixes` (in small letters).

    One request on S3 for each 1,000 names that begin so; nothing is looked for on https. Raises: ItemError.
    """
    return _backend(uri).beside(uri, suffixes)


def check_writable(uri: str) -> None:
    """Write a small file below `uri` and remove it, and the folders made for it.

    Raises: UsageError, one line, where the store refuses; ItemError where it is away.
    """
    if not uri.strip():
        raise UsageError("the output is empty: name a folder or s3://bucket/prefix")
    if scheme_of(uri) == "file" and local_path(uri).is_file():
        raise UsageError(f"'{shown(uri)}' is a file: name a folder for the output")
    probe, doing = join(uri, ".clipsum-writable"), "write to"
    try:
        with patience(0), _without_new_folders(uri):
            write_bytes(probe, b"")
            doing = "delete in"
            delete(probe)
    except ItemError as error:
        raise _refused(f"cannot {doing} '{shown(uri)}'", probe, error) from error


@contextmanager
def _without_new_folders(uri: str) -> Iterator[None]:
    """Remove again what local folders come up at `uri` and above it within this context, where they stay empty."""
    place = local_path(uri)
    folders = (place, *place.parents) if scheme_of(uri) == "file" else ()
    new = [each for each in folders if not os.path.exists(each)]  # noqa: PTH110 - Path's raises where it may not look
    try:
        yield
    finally:
        for folder in new:
            with suppress(OSError):  # one that somebody else uses by now is not empty
                folder.rmdir()


def check_readable(uri: str) -> bool:
    """Is something there? Raises: UsageError, one line, where the store refuses; ItemError where it is away."""
    try:
        with patience(0):
            return exists(uri)
    except ItemError as error:
        raise _refused(f"cannot read '{shown(uri)}'", uri, error) from error


def _refused(what: str, uri: str, error: ItemError) -> UsageError | ItemError:
    detail = error.detail.removeprefix(f"{shown(uri)}: ")
    advice = _ADVICE.get(error.reason, "try again once it is there")
    return refused(what, ItemError(error.reason, error.stage, f"{detail}; {advice}"))


def _backend(uri: str) -> Backend:
    try:
        scheme = scheme_of(uri)
        if scheme == "s3":
            split_s3(uri)
    except UsageError as error:
        raise ItemError("not_found", "open", str(error)) from error
    return BACKENDS[scheme]
