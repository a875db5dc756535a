"""Objects in S3 and whatever speaks its protocol: the one place that knows boto3.

Everything follows the ordinary AWS environment (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_MAX_ATTEMPTS, …).
boto3 tries again for a few seconds and never a body that broke off; `patience` goes on where it gives up.
"""

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    ResponseStreamingError,
    SSLError,
    TokenRetrievalError,
)

from clipsum.errors import ItemError, Reason
from clipsum.storage.reader import CONCURRENT_REQUESTS, FIRST_BYTES, RemoteReader
from clipsum.storage.uri import StoredObject, glob_regex, has_wildcard, split_s3, stem

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PATIENCE_S = 60.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 8.0
ENVIRONMENT = ("ENDPOINT_URL", "ENDPOINT_URL_S3", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "PROFILE")
REFUSED = (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, TokenRetrievalError, ProfileNotFound)
PASSING = (HTTPClientError, IncompleteReadError, ResponseStreamingError)
PASSING_CODES = ("RequestTimeout", "SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded")
BY_STATUS: dict[int, Reason] = {401: "access_denied", 403: "access_denied", 404: "not_found"}
BY_CODE: dict[str, Reason] = {  # where the status alone says something else
    "InvalidObjectState": "storage_error",  # kept in cold storage: 403 on AWS, and no matter of rights
    "ExpiredToken": "access_denied",
    "InvalidToken": "access_denied",
    "KeyTooLongError": "not_found",
    "InvalidBucketName": "not_found",
}
T = TypeVar("T")

_patience_s: ContextVar[float] = ContextVar("patience_s", default=PATIENCE_S)


def client() -> "S3Client":
    """The client of this process: one credential chain, one retry policy, one connection pool."""
    return _client_of(os.getpid(), *(os.environ.get(f"AWS_{name}") for name in ENVIRONMENT))


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """How long a store that is busy or away is asked again, by this thread; 0 is for what a person waits for."""
    token = _patience_s.set(seconds)
    try:
        yield
    finally:
        _patience_s.reset(token)


def stat(uri: str) -> StoredObject:
    """Size and ETag by one HEAD. Raises: ItemError."""
    bucket, key = split_s3(uri)
    found = _ask(uri, lambda: client().head_object(Bucket=bucket, Key=key))
    return StoredObject(uri, found["ContentLength"], _bare(found["ETag"]))


def exists(uri: str) -> bool:
    """True for an object, or for a prefix that holds at least one. Raises: ItemError."""
    try:
        stat(uri)
    except ItemError as error:
        if error.reason != "not_found":
            raise
        bucket, key = split_s3(uri)
        prefix = f"{key.removesuffix('/')}/" if key else ""
        return _ask(uri, lambda: client().list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1))["KeyCount"] > 0
    return True


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
        if not isinstance(error.__cause__, ClientError) or _status(error.__cause__) != 416:
            raise
        return RemoteReader(b"", 0, stat(uri).version, partial(read_range, uri))  # an empty object has no first byte
    size_bytes = int(found["ContentRange"].rpartition("/")[2]) if "ContentRange" in found else found["ContentLength"]
    version = _bare(found["ETag"])
    return RemoteReader(first, size_bytes, version, partial(read_range, uri, version=version))


def write_bytes(uri: str, data: bytes) -> None:
    """Put an object by one PUT: it is there whole or not at all. Raises: ItemError."""
    bucket, key = split_s3(uri)
    _ask(uri, lambda: client().put_object(Bucket=bucket, Key=key, Body=data))


def download(uri: str, path: Path) -> None:
    """Copy an object to `path`, several parts at once and put in place in one step. Raises: ItemError."""
    bucket, key = split_s3(uri)
    _ask(uri, lambda: client().download_file(bucket, key, str(path)))


def delete(uri: str) -> None:
    """Remove an object; one that is not there is fine. Raises: ItemError."""
    bucket, key = split_s3(uri)
    _ask(uri, lambda: client().delete_object(Bucket=bucket, Key=key))


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
    if key and not key.endswith("/"):
        try:
            yield stat(uri)
        except ItemError as error:
            if error.reason != "not_found":
                raise
        key += "/"
    yield from _list(bucket, key)


def beside(uri: str, suffixes: Sequence[str]) -> str | None:
    """The first object with the stem of `uri` and one of `suffixes`, in their order; one request. Raises: ItemError."""
    bucket, key = split_s3(stem(uri))
    page = _ask(uri, lambda: client().list_objects_v2(Bucket=bucket, Prefix=f"{key}."))
    keys = [found["Key"] for found in page.get("Contents", ())]
    names = (name for suffix in suffixes for name in keys if name[len(key) :].lower() == suffix)
    return next((f"s3://{bucket}/{name}" for name in names), None)


def _list(bucket: str, prefix: str) -> Iterator[StoredObject]:
    options: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix}
    while True:
        page = _ask(f"s3://{bucket}/{prefix}", lambda: client().list_objects_v2(**options))
        for found in page.get("Contents", ()):
            key = found["Key"]
            if not key.endswith("/") and "/." not in f"/{key[len(prefix) :]}":
                yield StoredObject(f"s3://{bucket}/{key}", found["Size"], _bare(found["ETag"]))
        if not page["IsTruncated"]:
            return
        options["ContinuationToken"] = page["NextContinuationToken"]


def _get(uri: str, **options: str) -> tuple[bytes, dict[str, Any]]:
    bucket, key = split_s3(uri)

    def once() -> tuple[bytes, dict[str, Any]]:
        found: dict[str, Any] = dict(client().get_object(Bucket=bucket, Key=key, **options))  # type: ignore[arg-type]
        return found["Body"].read(), found

    return _ask(uri, once)


def _ask(uri: str, once: Callable[[], T]) -> T:
    """Ask until there is an answer, a refusal, or no patience left. Raises: ItemError."""
    deadline = time.monotonic() + _patience_s.get()
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            with _asking(uri):
                return once()
        except ItemError as error:
            if not _passes(error.__cause__) or time.monotonic() + pause_s > deadline:
                raise
        time.sleep(pause_s * random.uniform(0.5, 1))
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def _passes(error: BaseException | None) -> bool:
    """Is asking again of use?"""
    if isinstance(error, ClientError):
        code = error.response["Error"].get("Code", "")
        return _status(error) >= 500 or _status(error) == 429 or code in PASSING_CODES
    return isinstance(error, PASSING) and not isinstance(error, SSLError)


@lru_cache(maxsize=4)
def _client_of(_pid: int, *environment: str | None) -> "S3Client":
    session = boto3.session.Session()
    config = Config(
        retries={"mode": "adaptive"},
        max_pool_connections=2 * CONCURRENT_REQUESTS,
        connect_timeout=10,
        read_timeout=60,
        tcp_keepalive=True,
        s3={"addressing_style": "path" if any(environment[:2]) else "auto"},
        user_agent_extra="clipsum",
    )
    return session.client("s3", config=config)


@contextmanager
def _asking(uri: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise ItemError(_reason(error), "open", f"{uri}: {_words(error)}") from error
    except REFUSED as error:
        raise ItemError("access_denied", "open", f"{uri}: {error}") from error
    except ParamValidationError as error:
        raise ItemError("not_found", "open", f"{uri}: {' '.join(str(error).split())}") from error
    except BotoCoreError as error:
        raise ItemError("storage_error", "open", f"{uri}: {error}") from error


def _reason(error: ClientError) -> Reason:
    by_status = BY_STATUS.get(_status(error), "storage_error")
    return BY_CODE.get(error.response["Error"].get("Code", ""), by_status)


def _status(error: ClientError) -> int:
    return error.response["ResponseMetadata"]["HTTPStatusCode"]


def _words(error: ClientError) -> str:
    said = error.response["Error"]
    return " ".join(f"{said.get('Code', '')} {said.get('Message', '')} (HTTP {_status(error)})".split())


def _bare(etag: str) -> str:
    return etag.strip('"')
