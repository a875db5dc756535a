"""How boto3 is asked: one client per process, errors as `ItemError`s, and patience with a store that is away.

Everything follows the ordinary AWS environment (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_MAX_ATTEMPTS, …).
boto3 tries again for a few seconds and never a body that broke off; `patience` goes on where it gives up.
"""

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
import botocore.session
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    SSLError,
    TokenRetrievalError,
)
from botocore.exceptions import (
    ConnectionError as NotConnectedError,
)
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

from clipsum.errors import ItemError, Reason
from clipsum.storage.reader import CONCURRENT_REQUESTS

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

TIMEOUT_S = (10, 60)
"""To connect, and between two answers."""
PATIENCE_S = 60.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 8.0
ENVIRONMENT = ("ENDPOINT_URL", "ENDPOINT_URL_S3", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "PROFILE")
REFUSED = (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, TokenRetrievalError, ProfileNotFound)
PASSING = (NotConnectedError, HTTPClientError, IncompleteReadError, FlexibleChecksumError, Boto3Error)
PASSING_STATUS = (429, 500, 502, 503, 504)
PASSING_CODES = (
    "RequestTimeout",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
    "ConditionalRequestConflict",  # somebody else writes the same object right now: who was first is not known yet
)
BY_STATUS: dict[int, Reason] = {401: "access_denied", 403: "access_denied", 404: "not_found", 410: "not_found"}
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


def signer() -> "S3Client":
    """A client that signs addresses by version 4, which boto3 does not do of itself."""
    return _client_of(os.getpid(), *(os.environ.get(f"AWS_{name}") for name in ENVIRONMENT), signature="s3v4")


def connections() -> URLLib3Session:
    """Plain connections to the store, for requests that are signed already, as `client` has them.

    They go by the same proxies and certificates, and last as long as this process.
    """
    endpoint = client().meta.endpoint_url
    return _connections_of(os.getpid(), endpoint, *(os.environ.get(f"AWS_{name}") for name in ENVIRONMENT))


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """How long a store that is busy or away is asked again, by this thread; 0 is for what a person waits for."""
    token = _patience_s.set(seconds)
    try:
        yield
    finally:
        _patience_s.reset(token)


def is_hasty() -> bool:
    """Does this thread have less patience than a job over an archive has?"""
    return _patience_s.get() < PATIENCE_S


def ask(uri: str, once: Callable[[], T]) -> T:
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
        return status_of(error) in PASSING_STATUS or code in PASSING_CODES
    return isinstance(error, PASSING) and not isinstance(error, SSLError)


@lru_cache(maxsize=4)
def _client_of(_pid: int, *environment: str | None, signature: str | None = None) -> "S3Client":
    session = boto3.session.Session()
    config = Config(
        retries={"mode": "adaptive"},
        max_pool_connections=2 * CONCURRENT_REQUESTS,
        connect_timeout=TIMEOUT_S[0],
        read_timeout=TIMEOUT_S[1],
        tcp_keepalive=True,
        s3={"addressing_style": "path" if any(environment[:2]) else "auto"},
        user_agent_extra="clipsum",
        signature_version=signature,  # None: what each bucket asks for
    )
    return session.client("s3", config=config)


@lru_cache(maxsize=4)
def _connections_of(_pid: int, endpoint: str, *_environment: str | None) -> URLLib3Session:
    stated = botocore.session.get_session().get_config_variable("ca_bundle")
    certificates: Any = stated or os.environ.get("REQUESTS_CA_BUNDLE", True)
    timeout_s: Any = TIMEOUT_S  # its stubs know of a whole number alone
    return URLLib3Session(
        verify=certificates,
        proxies=get_environ_proxies(endpoint),
        timeout=timeout_s,
        max_pool_connections=2 * CONCURRENT_REQUESTS,
    )


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
    except (BotoCoreError, Boto3Error) as error:
        raise ItemError("storage_error", "open", f"{uri}: {error}") from error


def _reason(error: ClientError) -> Reason:
    by_status = BY_STATUS.get(status_of(error), "storage_error")
    return BY_CODE.get(error.response["Error"].get("Code", ""), by_status)


def status_of(error: ClientError) -> int:
    """The HTTP status of a refusal."""
    return error.response["ResponseMetadata"]["HTTPStatusCode"]


def _words(error: ClientError) -> str:
    said = error.response["Error"]
    return " ".join(f"{said.get('Code', '')} {said.get('Message', '')} (HTTP {status_of(error)})".split())
