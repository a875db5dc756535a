"""Files behind `https://`, for reading alone. Byte ranges are needed; every hop of a redirect stays on https.

Where a `guard` stands, every hop and every address that is connected to is one that it allows.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import urllib3

from clipsum.errors import ItemError, UsageError
from clipsum.storage.guard import GuardedPool, NotAllowedError, check_https, is_guarded
from clipsum.storage.reader import CONCURRENT_REQUESTS, FIRST_BYTES, RemoteReader
from clipsum.storage.s3_client import BY_STATUS, is_hasty
from clipsum.storage.uri import StoredObject, shown

MAX_REDIRECTS = 5
BODY_ATTEMPTS = 3  # urllib3 tries a request again, but not a body that breaks off
BUSY = (429, 500, 502, 503, 504)
HASTY_S = urllib3.Timeout(connect=5, read=10)
"""For what a person waits for, with `patience`: there one more attempt is all."""


def stat(uri: str) -> StoredObject:
    """Size and version by a GET of one byte, since a presigned URL allows no HEAD. Raises: ItemError."""
    _, size_bytes, version = _get(uri, 0, 1)
    return StoredObject(uri, size_bytes, version)


def exists(uri: str) -> bool:
    """True where the server has the file. Raises: ItemError."""
    try:
        stat(uri)
    except ItemError as error:
        if error.reason == "not_found":
            return False
        raise
    return True


def read_bytes(uri: str) -> bytes:
    """The whole file. Raises: ItemError."""
    with open_reader(uri) as reader:
        return reader.read()


def read_range(uri: str, start: int, stop: int, version: str | None = None) -> bytes:
    """The bytes [start, stop), of that version where one is given. Raises: ItemError."""
    data, _, found = _get(uri, start, stop) if start < stop else (b"", 0, version)
    if version is not None and found != version:
        raise ItemError("storage_error", "open", f"{shown(uri)}: the file changed while it was being read")
    return data


def open_reader(uri: str) -> RemoteReader:
    """Open a file by getting its first bytes, which tell its size and version too. Raises: ItemError."""
    first, size_bytes, version = _get(uri, 0, FIRST_BYTES)
    return RemoteReader(first, size_bytes, version, partial(read_range, uri, version=version))


def download(uri: str, path: Path) -> None:
    """Copy a file to `path`. Raises: ItemError."""
    path.write_bytes(read_bytes(uri))


def list_files(uri: str) -> Iterator[StoredObject]:
    """The one file. Raises: ItemError."""
    yield stat(uri)


def beside(uri: str, suffixes: Sequence[str]) -> list[str]:
    """None: servers list nothing, and asking for each name would be guessing."""
    return []


def write_bytes(uri: str, data: bytes) -> None:
    """Refused. Raises: UsageError."""
    raise _read_only(uri)


def create_bytes(uri: str, data: bytes) -> bool:
    """Refused. Raises: UsageError."""
    raise _read_only(uri)


def upload(path: Path, uri: str) -> None:
    """Refused. Raises: UsageError."""
    raise _read_only(uri)


def delete(uri: str) -> None:
    """Refused. Raises: UsageError."""
    raise _read_only(uri)


def _read_only(uri: str) -> UsageError:
    return UsageError(f"'{shown(uri)}' can only be read: write to a local path or s3://")


def _get(uri: str, start: int, stop: int) -> tuple[bytes, int, str]:
    """Bytes, size of the whole file, version."""
    attempts = BODY_ATTEMPTS
    with _asking(uri):
        while True:
            attempts -= 1
            answer = _request(uri, {"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"})
            try:
                return _read(uri, answer, stop - start)
            except (urllib3.exceptions.ProtocolError, urllib3.exceptions.ReadTimeoutError):
                if not attempts:
                    raise
            finally:
                answer.close()


def _request(uri: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
    url = uri
    for _ in range(MAX_REDIRECTS + 1):
        check_https(url)
        pool = _pool_of(os.getpid(), is_guarded())
        how: dict[str, Any] = {"retries": _retries(1), "timeout": HASTY_S} if is_hasty() else {}
        answer = pool.request("GET", url, headers=headers, redirect=False, preload_content=False, **how)
        target = answer.get_redirect_location()
        if not target:
            return answer
        answer.close()  # its body may be endless
        url = urljoin(url, target)
        if not url.startswith("https://"):
            raise ItemError("access_denied", "open", f"{shown(uri)}: redirects to a place that is not https")
    raise ItemError("storage_error", "open", f"{shown(uri)}: more than {MAX_REDIRECTS} redirects")


def _read(uri: str, answer: urllib3.BaseHTTPResponse, most_bytes: int) -> tuple[bytes, int, str]:
    headers = answer.headers
    size_bytes = headers.get("Content-Range", "").rpartition("/")[2]
    version = headers.get("ETag", "").strip('"') or f"{size_bytes}-{headers.get('Last-Modified', '')}"
    if answer.status == 206 and size_bytes.isdigit():
        return _body(uri, answer, most_bytes), int(size_bytes), version
    if (answer.status, size_bytes) == (416, "0") or (answer.status, headers.get("Content-Length")) == (200, "0"):
        return b"", 0, version
    if answer.status == 200:
        raise ItemError("storage_error", "open", f"{shown(uri)}: the server does not serve byte ranges")
    reason = BY_STATUS.get(answer.status, "storage_error")
    raise ItemError(reason, "open", f"{shown(uri)}: HTTP {answer.status} {answer.reason or ''}".rstrip())


def _body(uri: str, answer: urllib3.BaseHTTPResponse, most_bytes: int) -> bytes:
    """What was asked for, and no more of it: a server may send without end, or pack it small."""
    found = b""
    while len(found) <= most_bytes:
        part = answer.read(most_bytes + 1 - len(found), decode_content=False)
        if not part:
            return found
        found += part
    raise ItemError("storage_error", "open", f"{shown(uri)}: the server sends more than the range that was asked for")


@lru_cache(maxsize=1)
def _pool_of(_pid: int, guarded: bool) -> urllib3.PoolManager:
    timeout = urllib3.Timeout(connect=10, read=60)
    pool = urllib3.PoolManager(maxsize=2 * CONCURRENT_REQUESTS, retries=_retries(5), timeout=timeout)
    if guarded:
        pool.pool_classes_by_scheme = {"https": GuardedPool}
    return pool


def _retries(most: int) -> urllib3.Retry:
    # other=0: a certificate that is refused stays refused
    return urllib3.Retry(
        most, other=0, redirect=False, backoff_factor=0.3, status_forcelist=BUSY, raise_on_status=False
    )


@contextmanager
def _asking(uri: str) -> Iterator[None]:
    try:
        yield
    except NotAllowedError as error:
        raise ItemError("access_denied", "open", f"{shown(uri)}: {error}") from error
    except urllib3.exceptions.HTTPError as error:
        # the words of a MaxRetryError quote the URL with its signature; those of its cause do not
        cause = error.reason if isinstance(error, urllib3.exceptions.MaxRetryError) and error.reason else error
        raise ItemError("storage_error", "open", f"{shown(uri)}: {type(cause).__name__}: {cause}") from error
