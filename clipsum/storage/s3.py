"""Objects in S3 and whatever speaks its protocol."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from clipsum.errors import ItemError
from clipsum.storage.reader import FIRST_BYTES, RemoteReader
from clipsum.storage.s3_client import ask, client, status_of
from clipsum.storage.s3_ranges import SignedRanges
from clipsum.storage.uri import StoredObject, glob_regex, has_wildcard, split_s3, stem, suffix


def stat(uri: str) -> StoredObject:
    """Size and ETag by one HEAD. Raises: ItemError."""
    bucket, key = split_s3(uri)
    found = ask(uri, lambda: client().head_object(Bucket=bucket, Key=key))
    return StoredObject(uri, found["ContentLength"], _bare(found["ETag"]))


def exists(uri: str) -> bool:
    """True for an object, or for a prefix that holds at least one. Raises: ItemError."""
    return next(_here(uri, hidden=True, MaxKeys=1), None) is not None


def read_bytes(uri: str) -> bytes:
    """The whole object by one GET. Raises: ItemError."""
    return _get(uri)[0]


def read_range(uri: str, start: int, stop: int, version: str = "") -> bytes:
    """The bytes [start, stop) by one GET, of that version where one is given. Raises: ItemError."""
    if start >= stop:
        return b""
    same = {"IfMatch": f'"{version}"'} if version else {}
    return _get(uri, Range=f"bytes={start}-{stop - 1}", **same)[0]


def open_reader(uri: str) -> RemoteReader:
    """Open an object by getting its first bytes, which tell its size and version too. Raises: ItemError."""
    try:
        first, found = _get(uri, Range=f"bytes=0-{FIRST_BYTES - 1}")
    except ItemError as error:
        if not isinstance(error.__cause__, ClientError) or status_of(error.__cause__) != 416:
            raise
        return RemoteReader(b"", 0, stat(uri).version, partial(read_range, uri))  # an empty object has no first byte
    size_bytes = int(found["ContentRange"].rpartition("/")[2]) if "ContentRange" in found else found["ContentLength"]
    version = _bare(found["ETag"])
    ordinary = partial(read_range, uri, version=version)
    return RemoteReader(first, size_bytes, version, SignedRanges(*split_s3(uri), version, ordinary))


def write_bytes(uri: str, data: bytes) -> None:
    """Put an object by one PUT: it is there whole or not at all. Raises: ItemError."""
    bucket, key = split_s3(uri)
    ask(uri, lambda: client().put_object(Bucket=bucket, Key=key, Body=data))


def create_bytes(uri: str, data: bytes) -> bool:
    """Put an object where there is none, by one conditional PUT; True for the one who did. Raises: ItemError."""
    bucket, key = split_s3(uri)
    try:
        ask(uri, lambda: client().put_object(Bucket=bucket, Key=key, Body=data, IfNoneMatch="*"))
    except ItemError as error:
        if not isinstance(error.__cause__, ClientError) or status_of(error.__cause__) != 412:
            raise
        return read_bytes(uri) == data  # tried again after an answer that was lost, it meets itself
    return True


def upload(path: Path, uri: str) -> None:
    """Put a file, a large one in several parts at once: it is there whole or not at all. Raises: ItemError."""
    bucket, key = split_s3(uri)

    def once() -> None:
        with path.open("rb") as file:
            client().upload_fileobj(file, bucket, key)

    ask(uri, once)


def download(uri: str, path: Path) -> None:
    """Copy an object to `path`, several parts at once and put in place in one step. Raises: ItemError."""
    bucket, key = split_s3(uri)
    try:
        ask(uri, lambda: client().download_file(bucket, key, str(path)))
    except OSError as error:
        raise ItemError("storage_error", "open", f"{uri} to {path}: {error.strerror}") from error


def delete(uri: str) -> None:
    """Remove an object; one that is not there is fine. Raises: ItemError."""
    bucket, key = split_s3(uri)
    ask(uri, lambda: client().delete_object(Bucket=bucket, Key=key))


def list_files(uri: str) -> Iterator[StoredObject]:
    """The object, those below the prefix taken as a folder, or those of a glob; hidden names left out.

    Raises: ItemError.
    """
    bucket, key = split_s3(uri)
    if has_wildcard(key) and not exists(uri):  # an object may have such a name
        fixed = key[: min(key.find(mark) for mark in "*?[" if mark in key)]
        matches = glob_regex(f"{key.rstrip('/')}/**").fullmatch  # a folder that matches is meant with what is in it
        yield from (stored for stored in _list(bucket, fixed) if matches(f"{split_s3(stored.uri)[1]}/"))
        return
    yield from _here(uri)


def beside(uri: str, suffixes: Sequence[str]) -> list[str]:
    """The objects `STEM.….SUFFIX` of the stem of `uri`; one request for each 1,000 that begin so. Raises: ItemError."""
    bucket, key = split_s3(stem(uri))
    names = (stored.uri for stored in _list(bucket, f"{key}."))
    start = len(f"s3://{bucket}/{key}")
    return [name for name in names if "/" not in name[start:] and suffix(name) in suffixes]


def _here(uri: str, hidden: bool = False, **options: int) -> Iterator[StoredObject]:
    """The object, then those below the prefix taken as a folder.

    Where not every key may be listed, S3 refuses to tell of a missing one: that counts only where nothing is listed.
    """
    bucket, key = split_s3(uri)
    refused: ItemError | None = None
    if key and not key.endswith("/"):
        try:
            yield stat(uri)
        except ItemError as error:
            if error.reason not in ("not_found", "access_denied"):
                raise
            refused = error if error.reason == "access_denied" else None
    found = False
    try:
        for stored in _list(bucket, f"{key.removesuffix('/')}/" if key else "", hidden, **options):
            found = True
            yield stored
        if refused and not found:  # there is none, unless it may be listed and not be read
            named = next(_list(bucket, key, hidden=True, MaxKeys=1), None)
            yield from [named] if named and named.uri == uri else []
    except ItemError as error:
        raise refused or error from error


def _list(bucket: str, prefix: str, hidden: bool = False, **options: Any) -> Iterator[StoredObject]:
    options |= {"Bucket": bucket, "Prefix": prefix}
    while True:
        page = ask(f"s3://{bucket}/{prefix}", lambda: client().list_objects_v2(**options))
        for found in page.get("Contents", ()):
            key = found["Key"]
            if hidden or (not key.endswith("/") and "/." not in f"/{key[len(prefix) :]}"):
                yield StoredObject(f"s3://{bucket}/{key}", found["Size"], _bare(found["ETag"]))
        if not page["IsTruncated"]:
            return
        options["ContinuationToken"] = page["NextContinuationToken"]


def _get(uri: str, **options: str) -> tuple[bytes, dict[str, Any]]:
    bucket, key = split_s3(uri)

    def once() -> tuple[bytes, dict[str, Any]]:
        found: dict[str, Any] = dict(client().get_object(Bucket=bucket, Key=key, **options))  # type: ignore[arg-type]
        return found["Body"].read(), found

    return ask(uri, once)


def _bare(etag: str) -> str:
    return etag.strip('"')
